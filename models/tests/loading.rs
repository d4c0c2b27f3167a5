//! The shipped models, loaded as the binary loads them.

use models::{Assets, Error, Models, Ner, NerLabel, Runtime};

fn models() -> Models {
    let assets = Assets::locate(None).expect("run `make setup` first");
    Models::from_assets(&assets, 2).expect("run `make setup` first")
}

#[test]
fn names_are_found_at_their_code_points() {
    let models = models();
    // A surrogate pair, half-width kana with sound marks and a variant character before the name.
    let text = "𠮷のﾊﾟﾝ屋で、髙橋健一さんが青森県八戸市から来た。";
    let chars: Vec<char> = text.chars().collect();
    let found: Vec<(String, NerLabel)> = models
        .ner
        .tag(text)
        .unwrap()
        .into_iter()
        .map(|entity| {
            (
                chars[entity.start.0..entity.end.0].iter().collect(),
                entity.label,
            )
        })
        .collect();
    assert!(
        found.contains(&("髙橋健一".to_owned(), NerLabel::Person)),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|(surface, label)| surface.contains("八戸市") && *label == NerLabel::Address),
        "{found:?}"
    );
}

#[test]
fn a_text_that_grows_is_read_as_if_it_were_read_for_the_first_time() {
    let (kept, fresh) = (models(), models());
    let sentence = "山本花子さん（昭和26年4月3日生）は長野市に住み、長男の健一と暮らす。";
    let filler = "今日は天気がよく、特に変わったことはなかった。";
    let whole = format!(
        "{}{sentence}\n{}{sentence}{}",
        filler.repeat(9),
        filler.repeat(20),
        filler.repeat(14)
    );
    let chars: Vec<char> = whole.chars().collect();
    for length in (40..chars.len()).step_by(300) {
        let part: String = chars[..length].iter().collect();
        kept.ner.read(&part).unwrap();
    }
    assert_eq!(
        kept.ner.read(&whole).unwrap(),
        fresh.ner.read(&whole).unwrap()
    );
    // The same letters with other neighbours, after an insertion at the beginning.
    let shifted = format!("追記。{whole}");
    assert_eq!(
        kept.ner.read(&shifted).unwrap(),
        models().ner.read(&shifted).unwrap()
    );
}

#[test]
fn a_result_does_not_depend_on_neighbours_or_threads() {
    let alone = models().ner.tag("山本花子さんは長野市に住む。").unwrap();
    let models = models();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                assert_eq!(
                    models.ner.tag("山本花子さんは長野市に住む。").unwrap(),
                    alone
                )
            });
        }
    });
    // Far away in a long text the same sentence gives the same entities.
    let filler = "今日は天気がよく、特に変わったことはなかった。".repeat(40);
    let long = format!("{filler}\n山本花子さんは長野市に住む。\n{filler}");
    let shift = filler.chars().count() + 1;
    let found = models.ner.tag(&long).unwrap();
    for entity in &alone {
        assert!(found.iter().any(|other| other.start.0 == entity.start.0 + shift && other.label == entity.label), "{found:?}");
    }
}

#[test]
fn vectors_are_unit_vectors_of_fixed_length() {
    let models = models();
    for text in ["", "家賃を滞納している", &"長い記録。".repeat(400)] {
        let vector = models.embedder.embed_passage(text).unwrap();
        assert_eq!(vector.len(), 384);
        let norm: f32 = vector.iter().map(|value| value * value).sum();
        assert!((norm - 1.0).abs() < 1e-3, "{norm}");
    }
}

#[test]
fn vectors_do_not_depend_on_line_breaks_or_on_what_ran_before() {
    let models = models();
    let bits = |text: &str| -> Vec<u32> {
        let vector = models.embedder.embed_passage(text).unwrap();
        vector.into_iter().map(f32::to_bits).collect()
    };
    let expected = bits("家賃を滞納 している。 電話も止まった。");
    models
        .ner
        .tag(&"山本花子さんは長野市に住む。\n".repeat(30))
        .unwrap();
    assert_eq!(bits("家賃を滞納\nしている。\n電話も止まった。"), expected);
}

#[test]
fn line_breaks_need_a_tokenizer_that_knows_them() {
    let assets = Assets::locate(None).expect("run `make setup` first");
    let shipped = assets.models().expect("run `make setup` first");
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(shipped.join("manifest.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    for file in manifest["files"].as_array().unwrap() {
        let name = file["file"].as_str().unwrap();
        std::fs::copy(shipped.join(name), dir.path().join(name)).unwrap();
    }
    // The embeddings' tokenizer has no piece for them.
    manifest["ner"]["tokenizer"] = manifest["embedding"]["tokenizer"].clone();
    let runtime = Runtime::init(&assets.onnxruntime().unwrap()).unwrap();
    let load = |line_breaks: bool| {
        let mut manifest = manifest.clone();
        manifest["ner"]["line_breaks"] = line_breaks.into();
        std::fs::write(dir.path().join("manifest.json"), manifest.to_string()).unwrap();
        Ner::load(&runtime, dir.path(), 1)
    };
    load(false).unwrap();
    assert!(matches!(load(true), Err(Error::Tokenizer(_))));
}

#[test]
fn empty_and_strange_texts_are_no_error() {
    let models = models();
    for text in [
        "",
        " \n　",
        "😀😀",
        "\u{0}",
        &"9".repeat(2000),
        &"𠮷".repeat(700),
    ] {
        models.ner.tag(text).unwrap();
    }
}
