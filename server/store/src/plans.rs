//! How SQLite finds its rows: the statistics its planner goes by, made from the schema instead of from
//! the data. Every key begins with the municipality, which a planner without statistics takes for a few
//! rows, so that it reads whole tables; statistics of the data mislead it where a column is mostly empty,
//! and change from one day to the next. Made from the schema they are the same for a folder of ten cases
//! and one of a hundred thousand: what was tested is what runs. PostgreSQL keeps its own.
//!
//! Source: SQLite, "Manual control of query plans using SQLITE_STAT tables"; `sqlite_stat1` holds for each
//! index the rows of the table, then how many rows agree in the first column, in the first two, and so on.

use std::collections::BTreeMap;

use sqlx::{AnyConnection, Connection, Executor, Row};

use crate::error::Result;

/// Rows of a table.
const ROWS: u64 = 1_000_000;
/// Of one municipality.
const OF_MUNICIPALITY: u64 = 200_000;
/// That agree in a column of few values.
const OF_KIND: u64 = 20_000;
/// That agree in anything else that is not unique.
const FEW: u64 = 10;

/// Columns of few values.
const KINDS: [&str; 14] = [
    "agency_id",
    "at",
    "from_agency_id",
    "index_version",
    "kind",
    "owner_agency_id",
    "purpose",
    "received_on",
    "shared",
    "state",
    "table_id",
    "text_state",
    "to_agency_id",
    "valid_to",
];

#[derive(Debug, Default)]
struct Index {
    table: String,
    unique: bool,
    columns: Vec<String>,
}

impl Index {
    fn statistic(&self) -> String {
        let mut agree = ROWS;
        let mut out = ROWS.to_string();
        for (at, column) in self.columns.iter().enumerate() {
            let last = at + 1 == self.columns.len();
            let of_column = match column.as_str() {
                _ if last && self.unique => 1,
                "municipality_id" => OF_MUNICIPALITY,
                kind if KINDS.contains(&kind) => OF_KIND,
                _ => FEW,
            };
            // More columns never agree in more rows.
            agree = agree.min(of_column);
            out.push_str(&format!(" {agree}"));
        }
        out
    }
}

/// Gives the planner its statistics, where they are not there yet. Other connections know of them when
/// they are opened afterwards.
///
/// # Errors
/// Database away.
pub(crate) async fn put_statistics(connection: &mut AnyConnection) -> Result<()> {
    let rows = sqlx::query(
        "SELECT t.name AS table_name, i.name AS index_name, i.\"unique\" AS is_unique, c.name AS column_name \
         FROM sqlite_schema t JOIN pragma_index_list(t.name) i JOIN pragma_index_info(i.name) c \
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY i.name, c.seqno",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut indexes: BTreeMap<String, Index> = BTreeMap::new();
    for row in &rows {
        let index = indexes.entry(row.try_get("index_name")?).or_default();
        index.table = row.try_get("table_name")?;
        index.unique = row.try_get::<i64, _>("is_unique")? != 0;
        // An index over an expression has no name there.
        let column: Option<String> = row.try_get("column_name")?;
        index.columns.push(column.unwrap_or_default());
    }
    let wanted: BTreeMap<(String, String), String> = indexes
        .into_iter()
        .map(|(name, index)| ((index.table.clone(), name), index.statistic()))
        .collect();
    // Makes the table where it is missing; looks at nothing.
    connection.execute("ANALYZE sqlite_schema").await?;
    let there: BTreeMap<(String, String), String> =
        sqlx::query("SELECT tbl, idx, stat FROM sqlite_stat1 WHERE idx IS NOT NULL")
            .fetch_all(&mut *connection)
            .await?
            .iter()
            .map(|row| {
                Ok((
                    (row.try_get("tbl")?, row.try_get("idx")?),
                    row.try_get("stat")?,
                ))
            })
            .collect::<Result<_>>()?;
    if there == wanted {
        return Ok(());
    }
    let mut tx = connection.begin().await?;
    tx.execute("DELETE FROM sqlite_stat1").await?;
    for ((table, index), statistic) in wanted {
        sqlx::query("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ($1, $2, $3)")
            .bind(table)
            .bind(index)
            .bind(statistic)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    connection.execute("ANALYZE sqlite_schema").await?;
    Ok(())
}
