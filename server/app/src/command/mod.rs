//! One file per subcommand.

pub mod backup;
pub mod demo;
pub mod doctor;
pub mod erase;
pub mod forms;
pub mod index;
pub mod ingest;
pub mod lines;
pub mod migrate;
pub mod openapi;
pub mod read_attachment;
pub mod serve;
pub mod setup_dictionary;
pub mod show_config;
pub mod token;
pub mod user;
