//! Black-box tests: the real binary, driven over HTTP and WebSocket, on both databases.

mod architecture;
mod authorisation;
mod commands;
mod disclosure;
mod erasure;
mod exclusion;
mod live;
mod sessions;
mod statistics;
mod transcripts;
mod world;
