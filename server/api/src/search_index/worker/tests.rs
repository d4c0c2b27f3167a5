use std::fs;

use models::Assets;
use serde_json::{Value, json};
use store::municipalities::Municipality;
use tokio::time::timeout;

use super::*;
use crate::{
    operations::transcripts::tests::Town as Place,
    search_index::{folder_of, renewed},
};

fn analyzer() -> Analyzer {
    let assets = Assets::locate(None).expect("the assets that the setup script makes");
    Analyzer::load(&assets.dictionary().unwrap()).unwrap()
}

async fn town(state: &AppState) -> Town {
    let municipality = MunicipalityId::from("town");
    let keeper = Keeper::open(state, &municipality, analyzer())
        .await
        .unwrap();
    let mut town = Town::new(state, municipality, keeper);
    let stop = CancellationToken::new();
    town.step(&stop).await.unwrap();
    assert!(town.keeper.is_whole());
    while town.follow().await.unwrap() {}
    town
}

async fn announce(state: &AppState, erasure: &str, payload: Value) {
    let mut tx = state.db().write().await.unwrap();
    let municipality = MunicipalityId::from("town");
    outbox::put(&mut tx, &municipality, "erasure", erasure, None, payload);
    tx.commit().await.unwrap();
}

fn generation(state: &AppState) -> String {
    let folder = folder_of(state.db().data_dir(), &"town".into());
    fs::read_to_string(folder.join("current.json")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_node_erased_is_not_taken_for_what_was_erased_here() {
    let place = Place::open().await;
    let state = &place.state;
    let mut town = town(state).await;
    let (done, _waiting) = oneshot::channel();
    let renewal = Renewal {
        municipality: "town".into(),
        erasure: "here".into(),
        case: Some(place.case.clone()),
        done,
    };
    let stop = CancellationToken::new();
    town.renew(&renewal, &stop).await.unwrap();
    let after_own = generation(state);

    announce(state, "there", json!({ "done": true })).await;
    assert!(town.follow().await.unwrap());
    let after_other = generation(state);
    assert_ne!(after_own, after_other, "written anew for the other's");

    announce(state, "here", json!({ "done": true })).await;
    assert!(town.follow().await.unwrap());
    assert_eq!(
        after_other,
        generation(state),
        "written anew once for the own"
    );
    announce(state, "asked", Value::Null).await;
    assert!(town.follow().await.unwrap());
    assert_eq!(after_other, generation(state), "asked for is not erased");
    assert!(town.renewed.is_empty());
}

/// Makes it impossible to open the index of a municipality.
fn block(state: &AppState, municipality: &str) -> std::path::PathBuf {
    let folder = folder_of(state.db().data_dir(), &municipality.into());
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    fs::write(&folder, b"in the way").unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_is_not_told_that_an_index_was_renewed_that_is_not_open() {
    let place = Place::open().await;
    let state = &place.state;
    let in_the_way = block(state, "town");
    let assets = Assets::locate(None).expect("the assets that the setup script makes");
    state.engines().open(assets, 1);
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(state.clone(), stop.clone()));
    while state.search().renewals.lock().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let told = timeout(
        Duration::from_secs(30),
        renewed(state, &"town".into(), &"e1".into(), Some(&place.case)),
    );
    assert!(told.await.expect("an answer").is_err());
    stop.cancel();
    running.await.unwrap();
    fs::remove_file(in_the_way).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_index_that_fails_keeps_no_other_waiting() {
    let place = Place::open().await;
    let state = &place.state;
    let mut tx = state.db().write().await.unwrap();
    for id in ["aaa", "zzz"] {
        let other = Municipality {
            id: id.into(),
            name: "別の市".into(),
            zone: "Asia/Tokyo".into(),
            capabilities: json!({}),
            demo: false,
        };
        municipalities::create(&mut tx, &other).await.unwrap();
    }
    tx.commit().await.unwrap();
    let in_the_way = block(state, "aaa");
    let (mut kept, analyzer) = (Kept::default(), analyzer());
    kept.take_up(state, &analyzer).await.unwrap();
    let open = |kept: &Kept| {
        let mut ids: Vec<String> = kept
            .towns
            .iter()
            .map(|town| town.municipality.to_string())
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(open(&kept), ["town", "zzz"]);
    // Not before its time, and then like any other.
    fs::remove_file(in_the_way).unwrap();
    kept.take_up(state, &analyzer).await.unwrap();
    assert_eq!(open(&kept), ["town", "zzz"]);
    kept.failed.insert("aaa".into(), Instant::now());
    kept.take_up(state, &analyzer).await.unwrap();
    assert_eq!(open(&kept), ["aaa", "town", "zzz"]);
    kept.give_up("town".into());
    assert_eq!(open(&kept), ["aaa", "zzz"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_saved_is_indexed_while_old_entries_wait_for_people() {
    let place = Place::open().await;
    let state = &place.state;
    let assets = Assets::locate(None).expect("the assets that the setup script makes");
    state.engines().open(assets, 1);
    state.engines().settled().await;
    let write = async |text: &str| {
        let path = format!("/cases/{}/progress-records", place.case);
        let body = json!({
            "performed_on": "2026-11-04", "method": "tel", "visibility": "case_members",
            "content": text,
        });
        let (status, made) = place.json("coordinator", "POST", &path, &body).await;
        assert_eq!(status, 201, "{made}");
        format!("record:{}", made["id"].as_str().unwrap())
    };
    let old = write("山田さんの家賃のこと。").await;
    let mut town = town(state).await;
    // As after the start: nothing changed, and everything is looked through.
    town.by_hand.clear();
    town.in_bulk.clear();
    let stop = CancellationToken::new();
    let basis = |town: &Town, key: &str| {
        let index = state.search().shelf(&town.municipality).index().unwrap();
        let stamps = index.stamps(&[place.case.to_string()]).unwrap();
        stamps
            .get(key)
            .map(|stamp| stamp.split_once('|').unwrap().1.to_owned())
    };
    let until = async |town: &mut Town, key: &str| {
        while basis(town, key).is_none_or(|basis| basis == "later") {
            town.step(&stop).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    {
        // Somebody else's piece, which takes long.
        let _share = state.background().give_way().await;
        assert!(
            !town.step(&stop).await.unwrap(),
            "handed over, not waited for"
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!town.step(&stop).await.unwrap());
        assert_eq!(basis(&town, &old).as_deref(), Some("later"));
        let new = write("佐藤さんの電気のこと。").await;
        assert!(town.step(&stop).await.unwrap());
        assert_eq!(
            basis(&town, &new).as_deref(),
            Some("later"),
            "found in full at once"
        );
        // What was just written waits for nobody.
        let masked = until(&mut town, &new);
        timeout(Duration::from_secs(60), masked)
            .await
            .expect("masked");
    }
    town.unmasked = Some(String::new());
    let masked = until(&mut town, &old);
    timeout(Duration::from_secs(60), masked)
        .await
        .expect("masked");
    while town.unmasked.is_some() {
        town.step(&stop).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!town.step(&stop).await.unwrap() && town.masking.is_none());
}
