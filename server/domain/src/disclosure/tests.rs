//! Tests of the disclosure policy.
