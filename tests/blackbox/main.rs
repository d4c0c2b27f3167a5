//! Black-box tests: the real binary, driven over HTTP and WebSocket, on both databases.

mod architecture;
mod authorisation;
mod live;
mod world;
