//! Drives the real binary: over HTTP as a browser or a program would, over the socket as a Yjs
//! client would, on SQLite and on PostgreSQL. Knows nothing of the code inside.

pub mod channel;
pub mod database;
pub mod dice;
pub mod http;
pub mod link;
pub mod nats;
pub mod power;
pub mod proxy;
pub mod server;
pub mod socket;
pub mod typing;

pub use channel::Channel;
pub use database::{Cluster, Database, each_database};
pub use dice::Dice;
pub use http::{Client, Reply};
pub use link::Link;
pub use nats::Nats;
pub use proxy::Proxy;
pub use server::Server;
pub use socket::Peer;
