//! Tests of the crate through its public interface; one binary, linking dominates.

#![expect(clippy::unwrap_used, reason = "tests may")]

mod anchors;
mod converge;
mod history;
mod measure;
mod nodes;
mod order;
mod peers;
mod restore;
mod rooms;
mod structs;
mod support;
mod vectors;
mod walker;
