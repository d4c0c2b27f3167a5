use collab::identity::Author;
use domain::section::DocumentKind;
use models::Assets;
use serde_json::{Value, json};
use store::cases::CasePatch;
use yrs::{Map, Out, ReadTxn, Text};

use crate::{
    operations::transcripts::tests::{NAME, Town},
    scanning, vectors,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn likenesses_need_the_right_and_the_models() {
    let town = Town::open().await;
    let path = format!("/cases/{}/similar", town.case);
    let situation = json!({ "text": "80代の母と50代の子。家賃を滞納している。" });
    for (who, status) in [("nobody", 401), ("partner", 403), ("stat", 403)] {
        assert_eq!(town.get(who, &path).await.0, status, "{who}");
        assert_eq!(
            town.json(who, "POST", "/similar", &situation).await.0,
            status,
            "{who}"
        );
    }
    assert_eq!(
        town.get("coordinator", "/cases/unknown/similar").await.0,
        404
    );
    let (status, answer) = town.json("coordinator", "GET", &path, &json!(null)).await;
    assert_eq!((status, &answer["code"]), (503, &json!("models_not_ready")));
    let (status, answer) = town
        .json("coordinator", "POST", "/similar", &situation)
        .await;
    assert_eq!((status, &answer["code"]), (503, &json!("models_not_ready")));
    for text in ["  ", "番号は123456789018です"] {
        assert_eq!(
            town.json("coordinator", "POST", "/similar", &json!({ "text": text }))
                .await
                .0,
            422
        );
    }
}

/// With the real models: the text is scanned and masked, embedded, stored sealed and found again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_that_opted_in_is_found_by_its_masked_words() {
    let town = Town::open().await;
    town.state.engines().open(
        Assets::locate(None).expect("the assets that the setup script makes"),
        1,
    );
    town.state.engines().settled().await;
    let sheet = &town.documents[&DocumentKind::Assessment];
    town.state
        .hub()
        .write_as(&Author::system(), sheet, |txn| {
            let fields = txn.get_map("fields").unwrap();
            let Some(Out::YText(summary)) = fields.get(txn, "summary") else {
                panic!()
            };
            summary.insert(
                txn,
                0,
                &format!("{NAME}は母と二人暮らし。母が入院し、家賃を三か月滞納している。"),
            );
            let Some(Out::YMap(issues)) = fields.get(txn, "issues") else {
                panic!()
            };
            issues.insert(txn, "debt", true);
        })
        .await
        .unwrap();
    scanning::scan(&town.state, sheet).await.unwrap();
    let municipality = "town".into();
    assert!(
        !vectors::refresh(&town.state, &municipality, &town.case)
            .await
            .unwrap(),
        "not opted in"
    );

    let coordinator = town.caller("coordinator").await;
    let mut tx = town.state.db().write().await.unwrap();
    let access = tx
        .case_for(&coordinator, &town.case)
        .await
        .unwrap()
        .unwrap();
    access
        .update(
            &mut tx,
            access.version(),
            &CasePatch {
                similar_ok: Some(true),
                ..CasePatch::default()
            },
        )
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(vectors::refresh_missing(&town.state).await, 1);
    assert_eq!(vectors::refresh_missing(&town.state).await, 0);

    let situation = json!({ "text": "母の入院をきっかけに家賃の滞納が続く母子" });
    let (status, answer) = town
        .json("coordinator", "POST", "/similar", &situation)
        .await;
    assert_eq!(status, 200, "{answer}");
    let hit = &answer["hits"][0];
    assert_eq!(
        (&hit["case_id"], &hit["display"]),
        (&json!(town.case.as_str()), &json!(NAME))
    );
    let digest = hit["digest"].as_str().unwrap();
    assert!(
        digest.contains("［氏名1］") && digest.contains("債務") && !digest.contains("篠突原"),
        "{digest}"
    );
    assert!(
        hit["reasons"]
            .as_array()
            .is_some_and(|reasons| reasons.iter().any(|reason| reason["kind"] == "words")),
        "{hit}"
    );
    // A case is no likeness of itself.
    let (status, own) = town
        .json(
            "coordinator",
            "GET",
            &format!("/cases/{}/similar", town.case),
            &Value::Null,
        )
        .await;
    assert_eq!((status, &own["hits"]), (200, &json!([])));
}
