//! Tests of the crate through its public interface; one binary, linking dominates.

mod anchors;
mod converge;
mod rooms;
mod support;
mod vectors;
mod walker;
