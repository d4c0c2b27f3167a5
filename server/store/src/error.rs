//! The one error of this crate. Its texts never carry values: a database message may quote a row.

use crate::crypto::CryptoError;

/// What can go wrong below the API.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database refused or is away.
    #[error("database error{}", sql_state(.0))]
    Database(#[source] sqlx::Error),
    /// A migration could not run, or an applied one was edited.
    #[error("schema migration failed: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// A sealed value could not be sealed or opened.
    #[error("sealed value: {0}")]
    Crypto(#[from] CryptoError),
    /// A key cannot be had (file unreadable, command failed, key destroyed).
    #[error("key store: {0}")]
    Key(String),
    /// A stored value does not decode into its type.
    #[error("stored value of {0} cannot be read")]
    Corrupt(&'static str),
    /// A unique value is taken (`what` is a stable code such as `login_id`).
    #[error("{0} is taken")]
    Taken(&'static str),
    /// The row changed since the caller read it.
    #[error("changed meanwhile")]
    Conflict,
    /// The input breaks a rule; `code` is stable and goes to the client.
    #[error("invalid: {0}")]
    Invalid(&'static str),
    /// The caller lacks the right to this operation.
    #[error("not permitted")]
    Forbidden,
    /// The thing is not there, or must look as if it were not.
    #[error("not found")]
    NotFound,
    /// Files.
    #[error("file error: {0}")]
    Io(#[from] std::io::Error),
}

impl std::fmt::Debug for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The derived form would print the database's message, which can quote values.
        write!(f, "StoreError({self})")
    }
}

impl StoreError {
    /// The text of a database's failure, without its values.
    pub(crate) fn from_ref(error: &sqlx::Error) -> String {
        format!("database error{}", sql_state(error))
    }
}

/// Result of this crate.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

fn sql_state(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(db) => {
            let code = db.code().map(|code| code.into_owned()).unwrap_or_default();
            format!(" ({code})")
        }
        sqlx::Error::PoolTimedOut => " (no connection became free)".to_owned(),
        sqlx::Error::PoolClosed => " (closed)".to_owned(),
        sqlx::Error::Io(_) => " (connection lost)".to_owned(),
        sqlx::Error::RowNotFound => " (row missing)".to_owned(),
        sqlx::Error::ColumnDecode { index, .. } => format!(" (column {index})"),
        sqlx::Error::ColumnNotFound(column) => format!(" (column {column} missing)"),
        _ => String::new(),
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Migration(error)
    }
}

/// Turns a unique violation into [`StoreError::Taken`].
pub(crate) fn taken(what: &'static str) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| match &error {
        sqlx::Error::Database(db) if db.is_unique_violation() => StoreError::Taken(what),
        _ => StoreError::Database(error),
    }
}
