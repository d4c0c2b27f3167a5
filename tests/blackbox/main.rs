//! Black-box tests: the real binary, driven over HTTP and WebSocket, on both databases.

mod architecture;
mod attachments;
mod authorisation;
mod commands;
mod course;
mod crash;
mod disclosure;
mod erasure;
mod exchange;
mod exclusion;
mod fallback;
mod history;
mod hostile;
mod live;
mod local_forms;
mod many;
mod merges;
mod nodes;
mod power;
mod progress;
mod search;
mod sessions;
mod statistics;
mod transcripts;
mod world;
