use sqlx::{AssertSqlSafe, Row};

use super::world::World;
use crate::Dialect;

/// Statements that are asked with every page or for every case of the index, and the index each must use.
const HOT: &[(&str, &str)] = &[
    (
        "SELECT id, merged_into FROM persons WHERE municipality_id = $1 AND merged_into IN ($2, $3) ORDER BY id",
        "persons_merged_into",
    ),
    (
        "SELECT id FROM documents WHERE municipality_id = $1 AND parent_id = $2 AND kind = 'masks' ORDER BY id LIMIT 1",
        "documents_parent",
    ),
    (
        "SELECT person_id, case_id FROM case_persons WHERE municipality_id = $1 AND person_id IN ($2, $3)",
        "case_persons_person",
    ),
    (
        "SELECT a.id FROM progress_amendments a JOIN progress_records r ON r.municipality_id = a.municipality_id \
         AND r.id = a.record_id WHERE r.municipality_id = $1 AND r.case_id IN ($2, $3) ORDER BY a.recorded_at, a.id",
        "progress_records_case",
    ),
    (
        "SELECT id FROM documents WHERE municipality_id = $1 AND case_id = $2 ORDER BY id",
        "documents_case",
    ),
    (
        "SELECT case_id, section, MAX(updated_at) AS at FROM documents WHERE section IS NOT NULL AND parent_id IS NULL \
         AND municipality_id = $1 AND case_id IN ($2, $3) GROUP BY case_id, section",
        "documents_case",
    ),
    (
        "SELECT case_id, level FROM disclosures WHERE municipality_id = $1 AND case_id IN ($2, $3)",
        "sqlite_autoindex_disclosures_1",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_found_by_more_than_the_municipality() {
    let world = World::open(Dialect::Sqlite).await;
    let mut tx = world.db.read().await.unwrap();
    for (sql, index) in HOT {
        let mut query = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
        for _ in 0..sql.matches('$').count() {
            query = query.bind("x");
        }
        let plan: Vec<String> = query
            .fetch_all(tx.conn())
            .await
            .unwrap()
            .iter()
            .map(|row| row.try_get("detail").unwrap())
            .collect();
        let uses = |step: &String| step.contains(&format!("INDEX {index} (municipality_id=? AND "));
        assert!(plan.iter().any(uses), "{sql}: {plan:?}");
        // A step that knows no more of its rows than the municipality reads them all.
        let reads_all =
            |step: &String| step.starts_with("SCAN") || step.ends_with("(municipality_id=?)");
        assert!(!plan.iter().any(reads_all), "{sql}: {plan:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_index_has_its_statistics_and_opening_again_changes_nothing() {
    let world = World::open(Dialect::Sqlite).await;
    let mut connection = world.db.writer().acquire().await.unwrap();
    let without: Vec<String> = sqlx::query_scalar(
        "SELECT i.name FROM sqlite_schema t JOIN pragma_index_list(t.name) i WHERE t.type = 'table' \
         AND t.name NOT LIKE 'sqlite_%' AND i.name NOT IN (SELECT idx FROM sqlite_stat1)",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    assert!(without.is_empty(), "{without:?}");
    let changes = "SELECT total_changes() AS changes";
    let before: i64 = sqlx::query_scalar(changes)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    crate::plans::put_statistics(&mut connection).await.unwrap();
    let after: i64 = sqlx::query_scalar(changes)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert_eq!(before, after);
}
