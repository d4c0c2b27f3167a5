//! Figures: table, chart and file say the same and hold nobody's data.

use anyhow::{Context, Result, ensure};
use encoding_rs::SHIFT_JIS;
use musubi_tests::each_database;

use crate::world::{World, no_canary, step};

const PATH: &str = "/statistics/new-consultations";
const PERIOD: &str = "from=2026-09&to=2026-11";

async fn table_and_files(world: &World) -> Result<()> {
    let client = world.as_user("aoba-stat")?;
    for by in ["route", "issue"] {
        let reply = client.get(&format!("{PATH}?{PERIOD}&by={by}")).await?;
        no_canary("table", &reply.text())?;
        let table = reply.ok()?;
        ensure!(table["total_cases"] == 2, "白波町 is not counted: {table}");
        let rows = table["rows"].as_array().context("rows")?;
        let counted: Vec<&str> = rows
            .iter()
            .filter(|row| row["count"].as_u64() > Some(0))
            .filter_map(|row| row["label"].as_str())
            .collect();
        ensure!(!counted.is_empty(), "{table}");

        let with_bom = client.get(&format!("{PATH}.csv?{PERIOD}&by={by}")).await?;
        ensure!(
            with_bom.status == 200 && with_bom.content_type.starts_with("text/csv"),
            "{}",
            with_bom.content_type
        );
        let text = std::str::from_utf8(
            with_bom
                .bytes
                .strip_prefix(b"\xEF\xBB\xBF")
                .context("no BOM")?,
        )?
        .to_owned();
        let cp932 = client
            .get(&format!("{PATH}.csv?{PERIOD}&by={by}&encoding=cp932"))
            .await?;
        let (decoded, _, broken) = SHIFT_JIS.decode(&cp932.bytes);
        ensure!(!broken && decoded == text, "CP932 and UTF-8 differ");
        no_canary("CSV", &text)?;
        let months: Vec<&str> = text
            .lines()
            .filter(|line| line.trim_matches('"').starts_with("2026-"))
            .collect();
        ensure!(months.len() == 3, "{text}");
        for label in &counted {
            ensure!(
                text.lines().next().unwrap_or_default().contains(label),
                "{label} is no heading: {text}"
            );
        }

        let svg = client
            .get(&format!("{PATH}/chart.svg?{PERIOD}&by={by}"))
            .await?;
        ensure!(
            svg.status == 200 && svg.content_type.starts_with("image/svg+xml"),
            "{} {}",
            svg.status,
            svg.text()
        );
        ensure!(
            counted.iter().all(|label| svg.text().contains(label)),
            "labels {counted:?} are not in the picture"
        );
        no_canary("chart", &svg.text())?;
        let png = client
            .get(&format!("{PATH}/chart.png?{PERIOD}&by={by}"))
            .await?;
        ensure!(
            png.bytes.starts_with(b"\x89PNG\r\n\x1a\n") && png.bytes.len() > 2000,
            "{} {}",
            png.status,
            png.bytes.len()
        );
    }
    let reversed = client
        .get(&format!("{PATH}?from=2026-11&to=2026-09"))
        .await?;
    ensure!(
        reversed.status == 422 && reversed.json["fields"][0]["path"] == "to",
        "{}",
        reversed.text()
    );
    Ok(())
}

async fn who_may(world: &World) -> Result<()> {
    for login_id in [
        "aoba-houkatsu",
        "aoba-houkatsu-mgr",
        "aoba-viewer",
        "aoba-masked",
        "aoba-auditor",
    ] {
        for ending in ["", ".csv", "/chart.svg", "/chart.png"] {
            let reply = world
                .as_user(login_id)?
                .get(&format!("{PATH}{ending}?{PERIOD}"))
                .await?;
            ensure!(
                reply.status == 403,
                "{ending} as {login_id}: {}",
                reply.status
            );
        }
    }
    // The role 統計 has figures and nothing else.
    for path in ["/cases", "/mask-reviews", "/audit", "/accounts"] {
        let reply = world.as_user("aoba-stat")?.get(path).await?;
        ensure!(
            reply.status == 403,
            "{path} as 統計: {} {}",
            reply.status,
            reply.text()
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics() {
    each_database(|database| async move {
        let world = World::start(database).await?;
        step("table and files", table_and_files(&world)).await?;
        step("who may", who_may(&world)).await
    })
    .await;
}
