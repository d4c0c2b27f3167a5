//! Tests of the dates.
