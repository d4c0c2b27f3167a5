use collab::identity::Author;
use domain::section::DocumentKind;
use serde_json::{Value, json};
use yrs::{Map, MapPrelim, WriteTxn};

use crate::operations::transcripts::tests::{NAME, Town};

async fn town() -> Town {
    let town = Town::open().await;
    town.state
        .hub()
        .write_as(
            &Author::system(),
            &town.documents[&DocumentKind::Network],
            |txn| {
                let nodes = txn.get_or_insert_map("nodes");
                let person = nodes.insert(txn, "aaaabbbbcccc0001", MapPrelim::default());
                person.insert(txn, "kind", "person");
                person.insert(txn, "label", NAME);
                person.insert(txn, "index", true);
                let place = nodes.insert(txn, "aaaabbbbcccc0002", MapPrelim::default());
                place.insert(txn, "kind", "place");
                place.insert(txn, "label", "緑町三丁目の家");
                let homes = txn.get_or_insert_map("households");
                let home = homes.insert(txn, "aaaabbbbcccc0003", MapPrelim::default());
                home.insert(txn, "name", "篠突原さんの家");
                let members = home.insert(txn, "members", MapPrelim::default());
                members.insert(txn, "aaaabbbbcccc0001", true);
            },
        )
        .await
        .unwrap();
    town
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_names_and_masked_readers_never_do() {
    let town = town().await;
    let (layout, svg) = (
        format!("/cases/{}/network/layout", town.case),
        format!("/cases/{}/network.svg", town.case),
    );
    let (status, answer) = town.json("coordinator", "POST", &layout, &json!({})).await;
    assert_eq!((status, &answer["masked"]), (200, &json!(false)));
    assert!(answer["positions"]["aaaabbbbcccc0001"]["x"].is_number());
    let (status, picture) = town.get("coordinator", &svg).await;
    assert_eq!(status, 200);
    let picture = String::from_utf8(picture).unwrap();
    assert!(picture.contains("篠突原") && picture.contains("篠突原さんの家"));

    let (status, picture) = town
        .get("coordinator", &format!("/cases/{}/network.png", town.case))
        .await;
    assert!(status == 200 && picture.starts_with(b"\x89PNG"));

    let (_, answer) = town.json("partner", "POST", &layout, &json!({})).await;
    assert_eq!(answer["masked"], json!(true));
    let mut seen = vec![answer.to_string()];
    for (who, path) in [
        ("partner", svg.clone()),
        ("partner", format!("{svg}?masked=false")),
        ("coordinator", format!("{svg}?masked=true")),
    ] {
        let (status, picture) = town.get(who, &path).await;
        assert_eq!(status, 200);
        seen.push(String::from_utf8(picture).unwrap());
    }
    for text in seen {
        for hidden in ["篠突原", "緑町", "aaaabbbbcccc"] {
            assert!(!text.contains(hidden), "{hidden}");
        }
        for shown in ["本人", "［場所1］", "世帯1"] {
            assert!(text.contains(shown), "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_learn_nothing_of_it() {
    let town = town().await;
    for (who, status) in [("nobody", 401), ("stranger", 404), ("stat", 404)] {
        for name in ["network.svg", "network.png"] {
            assert_eq!(
                town.get(who, &format!("/cases/{}/{name}", town.case))
                    .await
                    .0,
                status,
                "{who}"
            );
        }
        let (got, _) = town
            .json(
                who,
                "POST",
                &format!("/cases/{}/network/layout", town.case),
                &Value::Null,
            )
            .await;
        assert_eq!(got, status, "{who}");
    }
}
