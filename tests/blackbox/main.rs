//! Black-box tests: the real binary, driven over HTTP and WebSocket, on both databases.

mod architecture;
mod authorisation;
mod commands;
mod crash;
mod disclosure;
mod erasure;
mod exclusion;
mod fallback;
mod history;
mod hostile;
mod live;
mod local_forms;
mod nodes;
mod power;
mod search;
mod sessions;
mod statistics;
mod transcripts;
mod world;
