use models::Assets;
use store::outbox;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::operations::transcripts::tests::Town;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_was_cut_off_still_hears_what_was_erased_meanwhile() {
    let town = Town::open().await;
    let state = &town.state;
    let assets = Assets::locate(None).expect("the assets that the setup script makes");
    let analyzer = Analyzer::load(&assets.dictionary().unwrap()).unwrap();
    let municipality = MunicipalityId::from("town");
    let open = async || {
        Keeper::open(state, &municipality, analyzer.clone())
            .await
            .unwrap()
    };

    // Cut off after a commit: a case is in the index, others are not.
    let mut keeper = open().await;
    let stop = CancellationToken::new();
    stop.cancel();
    keeper.sweep(&stop).await.unwrap();
    let unit = Unit {
        key: "case:erased".into(),
        case: "erased".into(),
        kind: Kind::Case.code(),
        full: "黒曜石の約束".into(),
        ..Unit::default()
    };
    keeper.put(Batch::replacing(vec![unit])).await.unwrap();
    keeper.commit().await.unwrap();
    assert!(!keeper.is_whole());
    drop(keeper);

    // Another node erases that case.
    let mut tx = state.db().write().await.unwrap();
    let (case, done) = (CaseId::from("erased"), serde_json::json!({ "done": true }));
    outbox::put(&mut tx, &municipality, "erasure", "e1", Some(&case), done);
    tx.commit().await.unwrap();

    // Begun again and made whole.
    let mut keeper = open().await;
    keeper.sweep(&CancellationToken::new()).await.unwrap();
    assert!(keeper.is_whole() && keeper.index.holds("黒曜石の約束").unwrap());
    let mut tx = state.db().read().await.unwrap();
    let heard = outbox::after(&mut tx, &municipality, keeper.position(), 10)
        .await
        .unwrap();
    assert!(
        heard.iter().any(|change| change.object == "e1"),
        "what was erased is still to be heard of: {heard:?}"
    );
}
