//! Drives the real binary: over HTTP as a browser or a program would, over the socket as a Yjs
//! client would, on SQLite and on PostgreSQL. Knows nothing of the code inside.

pub mod database;
pub mod http;
pub mod link;
pub mod nats;
pub mod server;
pub mod socket;

pub use database::{Database, Postgres, each_database};
pub use http::{Client, Reply};
pub use link::Link;
pub use nats::Nats;
pub use server::Server;
pub use socket::Peer;
