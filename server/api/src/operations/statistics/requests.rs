use serde_json::{Value, json};

use crate::operations::transcripts::tests::Town;

const MONTHS: &str = "from=2026-10&to=2026-11&by=route";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_role_for_statistics_reads_and_exports_figures() {
    let town = Town::open().await;
    let (status, bytes) = town
        .get("stat", &format!("/statistics/new-consultations?{MONTHS}"))
        .await;
    let answer: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        (status, &answer["total_cases"]),
        (200, &json!(1)),
        "{answer}"
    );
    assert_eq!(answer["definition"]["verified"], json!(false));
    let counted: Vec<&Value> = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["count"] != json!(0))
        .collect();
    assert_eq!(
        counted,
        [&json!({"month": "2026-11", "category": "unrecorded", "label": "未記入", "count": 1})]
    );

    let (status, bytes) = town
        .get(
            "stat",
            &format!("/statistics/new-consultations.csv?{MONTHS}"),
        )
        .await;
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(status, 200);
    assert!(
        text.starts_with("\u{feff}年月,年度,") && text.ends_with("\r\n"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 4);
    let (status, bytes) = town
        .get(
            "stat",
            &format!("/statistics/new-consultations.csv?{MONTHS}&encoding=cp932"),
        )
        .await;
    assert_eq!((status, &bytes[..4]), (200, &[0x94, 0x4e, 0x8c, 0x8e][..]));
    let (status, bytes) = town
        .get(
            "stat",
            &format!("/statistics/new-consultations/chart.svg?{MONTHS}"),
        )
        .await;
    assert_eq!(status, 200);
    assert!(
        String::from_utf8(bytes)
            .unwrap()
            .contains("<title>新規相談受付件数")
    );
    let (status, bytes) = town
        .get(
            "stat",
            &format!("/statistics/new-consultations/chart.png?{MONTHS}"),
        )
        .await;
    assert!(status == 200 && bytes.starts_with(b"\x89PNG"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_capability_there_are_no_figures() {
    let town = Town::open().await;
    for path in [
        "new-consultations",
        "new-consultations.csv",
        "new-consultations/chart.svg",
        "new-consultations/chart.png",
    ] {
        for (who, status) in [("nobody", 401), ("partner", 403)] {
            assert_eq!(
                town.get(who, &format!("/statistics/{path}?{MONTHS}"))
                    .await
                    .0,
                status,
                "{who} {path}"
            );
        }
        assert_eq!(
            town.get(
                "stat",
                &format!("/statistics/{path}?from=2026-13&to=2026-11")
            )
            .await
            .0,
            422,
            "{path}"
        );
    }
    assert_eq!(
        town.get(
            "stat",
            &format!("/statistics/new-consultations.csv?{MONTHS}&encoding=ebcdic")
        )
        .await
        .0,
        422
    );
}
