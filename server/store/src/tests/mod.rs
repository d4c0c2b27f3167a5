//! Tests of every aggregate, on SQLite and on PostgreSQL.

mod access;
mod accounts;
mod case_import;
mod case_list;
mod copies;
mod course;
mod erasure;
mod foundation;
mod households;
mod log;
mod merges;
mod nodes;
mod plans;
mod progress;
mod register;
mod rights_days;
mod world;

/// Each function becomes two tests, `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($($(#[$meta:meta])* async fn $name:ident($world:ident: &World) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "not every test needs everything its file imports")]
            use super::*;

            async fn run($world: &World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run(&World::open($crate::Dialect::Sqlite).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                run(&World::open($crate::Dialect::Postgres).await).await;
            }
        }
    )+};
}
pub(crate) use on_both;
