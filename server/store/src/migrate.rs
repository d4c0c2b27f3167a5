//! Migrations: embedded files whose placeholders become the types of the database at hand.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationSource, MigrationType, Migrator};
use sqlx::{AnyConnection, AssertSqlSafe, SqlSafeStr};

use crate::database::Dialect;
use crate::error::Result;

pub(crate) const MAIN: &[(i64, &str, &str)] = &[
    (
        1,
        "foundation",
        include_str!("../migrations/main/0001_foundation.sql"),
    ),
    (
        2,
        "register and cases",
        include_str!("../migrations/main/0002_register_and_cases.sql"),
    ),
    (
        3,
        "erasure",
        include_str!("../migrations/main/0003_erasure.sql"),
    ),
    (
        10,
        "several nodes",
        include_str!("../migrations/main/0010_several_nodes.sql"),
    ),
    (
        14,
        "search",
        include_str!("../migrations/main/0014_search.sql"),
    ),
    (
        20,
        "sheets",
        include_str!("../migrations/main/0020_sheets.sql"),
    ),
    (
        30,
        "register",
        include_str!("../migrations/main/0030_register.sql"),
    ),
    (
        40,
        "progress",
        include_str!("../migrations/main/0040_progress.sql"),
    ),
    (50, "flow", include_str!("../migrations/main/0050_flow.sql")),
    (
        60,
        "exchange",
        include_str!("../migrations/main/0060_exchange.sql"),
    ),
    (
        70,
        "merges",
        include_str!("../migrations/main/0070_register.sql"),
    ),
    (
        80,
        "visibility",
        include_str!("../migrations/main/0080_visibility.sql"),
    ),
    (
        90,
        "local_forms",
        include_str!("../migrations/main/0090_local_forms.sql"),
    ),
    (
        110,
        "register",
        include_str!("../migrations/main/0110_register.sql"),
    ),
    (
        120,
        "attachment_texts",
        include_str!("../migrations/main/0120_attachment_texts.sql"),
    ),
    (
        130,
        "mostly_empty_columns",
        include_str!("../migrations/main/0130_mostly_empty_columns.sql"),
    ),
];
pub(crate) const LOG: &[(i64, &str, &str)] = &[(
    1,
    "document log",
    include_str!("../migrations/log/0001_document_log.sql"),
)];

/// Which schema a connection gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    Main,
    Log,
}

#[derive(Debug)]
struct Substituting {
    files: &'static [(i64, &'static str, &'static str)],
    dialect: Dialect,
}

impl MigrationSource<'static> for Substituting {
    fn resolve(
        self,
    ) -> std::pin::Pin<
        Box<dyn Future<Output = Result<Vec<Migration>, sqlx::error::BoxDynError>> + Send + 'static>,
    > {
        let (id, blob) = match self.dialect {
            Dialect::Sqlite => ("TEXT", "BLOB"),
            Dialect::Postgres => ("TEXT COLLATE \"C\"", "BYTEA"),
        };
        let migrations = self
            .files
            .iter()
            .map(|&(version, name, text)| {
                let text = text.replace("{{id}}", id).replace("{{blob}}", blob);
                let sql = AssertSqlSafe(text).into_sql_str();
                Migration::new(
                    version,
                    Cow::Borrowed(name),
                    MigrationType::Simple,
                    sql,
                    false,
                )
            })
            .collect();
        Box::pin(async move { Ok(migrations) })
    }
}

/// Brings the schema up to date; edited or unknown applied migrations are errors.
pub(crate) async fn run(
    connection: &mut AnyConnection,
    dialect: Dialect,
    schema: Schema,
) -> Result<()> {
    let files = match schema {
        Schema::Main => MAIN,
        Schema::Log => LOG,
    };
    let mut migrator = Migrator::new(Substituting { files, dialect }).await?;
    if schema == Schema::Log {
        // On PostgreSQL both schemas live in one database.
        migrator.dangerous_set_table_name("_sqlx_migrations_log");
    }
    migrator.run_direct(None, connection, false).await?;
    Ok(())
}
