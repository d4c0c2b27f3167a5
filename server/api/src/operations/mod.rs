//! One file per operation: its request and answer, its OpenAPI description, its handler.

pub mod accounts;
pub mod agencies;
pub mod audit;
pub mod cases;
pub mod documents;
pub mod forms;
pub mod memberships;
pub mod network;
pub mod persons;
pub mod session;
pub mod similar;
pub mod statistics;
pub mod system;
pub mod transcripts;
