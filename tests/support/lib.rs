//! Drives the real binary: over HTTP as a browser or a program would, over the socket as a Yjs
//! client would, on SQLite and on PostgreSQL. Knows nothing of the code inside.

pub mod channel;
pub mod database;
pub mod http;
pub mod proxy;
pub mod server;
pub mod socket;

pub use channel::Channel;
pub use database::{Database, each_database};
pub use http::{Client, Reply};
pub use proxy::Proxy;
pub use server::Server;
pub use socket::Peer;
