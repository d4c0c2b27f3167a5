//! The index over what was written, on the built dictionary.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use models::Assets;
use proptest::prelude::*;
use search::Analyzer;
use search::full_text::{FullText, Masked, Side, Sort, Unit, Wanted};
use search::query::{Refused, Search, mark, snippet};
use search::sealed::Random;

fn analyzer() -> Analyzer {
    let assets = Assets::locate(None).expect("run `make setup` first");
    Analyzer::load(&assets.dictionary().expect("run `make setup` first")).unwrap()
}

fn random() -> Random {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Arc::new(|| u128::from(NEXT.fetch_add(1, Ordering::Relaxed)).to_be_bytes())
}

fn open(folder: &Path, key: u8) -> FullText {
    FullText::open(folder, &[key; 32], random(), analyzer()).unwrap()
}

fn unit(key: &str, case: &str, day: i64, full: &str, masked: &str) -> Unit {
    Unit {
        key: key.into(),
        case: case.into(),
        kind: "record",
        day,
        stamp: "1".into(),
        values: false,
        full: full.into(),
        masked: (!masked.is_empty()).then(|| Masked {
            text: masked.into(),
            basis: "b".into(),
        }),
    }
}

fn filled(folder: &Path, units: &[Unit]) -> FullText {
    let index = open(folder, 1);
    let mut writer = index.writer().unwrap();
    for unit in units {
        writer.put(index.prepare(unit).unwrap()).unwrap();
    }
    writer.commit("p1").unwrap();
    index.refresh().unwrap();
    index
}

fn parse(index: &FullText, text: &str) -> Search {
    Search::parse(index.analyzer(), text).unwrap().unwrap()
}

fn on(index: &FullText, side: Side, text: &str) -> Vec<String> {
    let search = parse(index, text);
    let (found, total) = index
        .search(&Wanted {
            search: &search,
            side,
            kinds: &["record"],
            cases: None,
            without: &HashSet::new(),
            named: &[],
            by_name_alone: false,
            days: (None, None),
            sort: Sort::Relevance,
            limit: 20,
        })
        .unwrap();
    assert_eq!(found.len(), total);
    let mut keys: Vec<String> = found.into_iter().map(|found| found.key).collect();
    keys.sort();
    keys
}

fn found(index: &FullText, text: &str) -> Vec<String> {
    on(index, Side::Full, text)
}

fn town(folder: &Path) -> FullText {
    filled(
        folder,
        &[
            unit(
                "a",
                "c1",
                1,
                "髙橋花子さんが来所。家賃を滞納し、夜に眠れないと話す。",
                "［］さんが来所。家賃を滞納し、夜に眠れないと話す。",
            ),
            unit("b", "c1", 2, "渡邉さんへ電話。ﾃﾞｲｻｰﾋﾞｽの利用を勧めた。", ""),
            unit(
                "c",
                "c2",
                3,
                "佐藤 花子の母と面談。就労支援B型を見学した。電話は0900-90-1234。",
                "",
            ),
            unit("d", "c3", 4, "鶸谷実里は自立相談支援機関に相談したい。", ""),
        ],
    )
}

#[test]
fn variants_widths_readings_and_forms_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let index = town(folder.path());
    for (text, keys) in [
        ("高橋", &["a"][..]),
        ("髙橋花子", &["a"]),
        ("花子", &["a", "c"]),
        ("佐藤花子", &["c"]),
        ("渡辺", &["b"]),
        ("渡邊", &["b"]),
        ("デイサービス", &["b"]),
        ("でいさーびす", &["b"]),
        ("たかはし", &["a"]),
        ("ハナコ", &["a", "c"]),
        ("さとうはなこ", &["c"]),
        // No dictionary has it: pairs of letters find it.
        ("鶸谷", &["d"]),
        ("谷実", &["d"]),
        ("Ｂ型", &["c"]),
        ("眠る", &[]),
        ("眠れる", &["a"]),
        ("眠れず", &["a"]),
        ("勧めます", &["b"]),
        // All words; quotation marks keep them together.
        ("家賃 花子", &["a"]),
        ("家賃　電話", &[]),
        ("\"家賃を滞納\"", &["a"]),
        ("\"滞納を家賃\"", &[]),
        ("支援機関", &["d"]),
        ("母", &["c"]),
        ("0900901234", &["c"]),
        ("0900-90-1234", &["c"]),
        ("1234", &["c"]),
        ("、。！？", &[]),
    ] {
        assert_eq!(found(&index, text), keys, "{text}");
    }
}

#[test]
fn nothing_is_inflected_in_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let name = "鶸谷 実里\nひわたに みのり";
    let of = |values: bool| Unit {
        values,
        ..unit("a", "c", 0, name, "")
    };
    let index = filled(folder.path(), &[of(true)]);
    assert!(found(&index, "わたる").is_empty());
    assert_eq!(found(&index, "わたに"), ["a"]);
    assert_eq!(found(&index, "ヒワタニ　ミノリ"), ["a"]);
}

#[test]
fn the_masked_side_knows_nothing_of_the_full_one() {
    let folder = tempfile::tempdir().unwrap();
    let index = town(folder.path());
    for hidden in [
        "高橋",
        "花子",
        "橋花",
        "子",
        "たかはし",
        "はなこ",
        "\"髙橋花子さん\"",
        "高橋 家賃",
    ] {
        assert!(on(&index, Side::Masked, hidden).is_empty(), "{hidden}");
    }
    assert_eq!(on(&index, Side::Masked, "家賃"), ["a"]);
    assert_eq!(index.masked_text("a").unwrap().unwrap().1, "b");
    assert_eq!(index.masked_text("b").unwrap(), None);
}

#[test]
fn names_stand_in_for_words_and_filters_narrow() {
    let folder = tempfile::tempdir().unwrap();
    let index = town(folder.path());
    let search = parse(&index, "山田 電話");
    let nobody = HashSet::new();
    let named = [
        HashSet::from(["c1".to_owned(), "c3".to_owned()]),
        HashSet::new(),
    ];
    let wanted = Wanted {
        search: &search,
        side: Side::Full,
        kinds: &["record", "sheet"],
        cases: None,
        without: &nobody,
        named: &named,
        by_name_alone: false,
        days: (None, None),
        sort: Sort::Newest,
        limit: 20,
    };
    let keys = |wanted: &Wanted<'_>| {
        let (found, _) = index.search(wanted).unwrap();
        found.into_iter().map(|found| found.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(&wanted), ["b"]);
    let by_name = parse(&index, "山田");
    let alone = Wanted {
        search: &by_name,
        named: &named[..1],
        by_name_alone: true,
        ..wanted
    };
    assert_eq!(keys(&alone), ["d", "b", "a"]);
    assert!(
        keys(&Wanted {
            by_name_alone: false,
            ..alone
        })
        .is_empty()
    );
    let only = HashSet::from(["c3".to_owned()]);
    assert_eq!(
        keys(&Wanted {
            cases: Some(&only),
            ..alone
        }),
        ["d"]
    );
    assert_eq!(
        keys(&Wanted {
            without: &only,
            ..alone
        }),
        ["b", "a"]
    );
    assert_eq!(
        keys(&Wanted {
            days: (Some(2), Some(3)),
            ..alone
        }),
        ["b"]
    );
    assert_eq!(
        keys(&Wanted {
            sort: Sort::Oldest,
            limit: 1,
            ..alone
        }),
        ["a"]
    );
    assert!(
        keys(&Wanted {
            kinds: &["sheet"],
            ..alone
        })
        .is_empty()
    );
}

#[test]
fn what_was_removed_stays_in_the_files_until_they_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let index = town(folder.path());
    assert_eq!(index.payload().unwrap().as_deref(), Some("p1"));
    assert!(index.holds("鶸谷実里").unwrap() && index.holds("家賃を滞納").unwrap());
    assert!(!index.holds("里実").unwrap() && !index.holds("、").unwrap());
    let mut writer = index.writer().unwrap();
    writer.remove("d");
    writer
        .put(
            index
                .prepare(&unit("a", "c1", 1, "別の話", "別の話"))
                .unwrap(),
        )
        .unwrap();
    writer.commit("p2").unwrap();
    writer.close().unwrap();
    index.refresh().unwrap();
    assert!(found(&index, "鶸谷").is_empty(), "not found any more");
    let fresh = tempfile::tempdir().unwrap();
    let copy = index
        .copy_alive(fresh.path(), &[2; 32], random(), "p3")
        .unwrap();
    for gone in ["鶸谷実里", "髙橋花子", "家賃を滞納"] {
        assert!(!copy.holds(gone).unwrap(), "{gone}");
    }
    assert_eq!(copy.len(), 3);
    assert_eq!(found(&copy, "渡辺"), ["b"]);
    assert_eq!(copy.payload().unwrap().as_deref(), Some("p3"));
    let stamps = copy.stamps(&["c1".into()]).unwrap();
    assert_eq!(stamps.len(), 2);
    assert_eq!(stamps["a"], "1");
    drop(copy);
    assert!(FullText::open(fresh.path(), &[3; 32], random(), analyzer()).is_err());
    assert_eq!(open(fresh.path(), 2).len(), 3);
    // An empty index can be copied too.
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let empty = filled(one.path(), &[]);
    assert!(
        empty
            .copy_alive(other.path(), &[2; 32], random(), "p")
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_search_has_bounds() {
    let analyzer = analyzer();
    let refused = |text: &str| Search::parse(&analyzer, text).unwrap().err();
    assert_eq!(refused(&"あ".repeat(201)), Some(Refused::TooLong));
    assert_eq!(
        refused("あ い う え お か き く け こ さ"),
        Some(Refused::TooManyWords)
    );
    assert!(
        Search::parse(&analyzer, "「」（）!?\u{0}\n")
            .unwrap()
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        Search::parse(&analyzer, &"あ ".repeat(90))
            .unwrap()
            .unwrap()
            .words()
            .len(),
        1
    );
}

#[test]
fn words_are_marked_where_they_stand() {
    let analyzer = analyzer();
    let text = "𠮷田さんは夜に眠れず、渡邉花子へ電話した。";
    let marked = |search: &str| {
        let search = Search::parse(&analyzer, search).unwrap().unwrap();
        let marked = mark(&analyzer, &search, text).unwrap();
        let shown: Vec<String> = snippet(text, &marked.ranges, 60)
            .into_iter()
            .filter(|piece| piece.hit)
            .map(|piece| piece.text)
            .collect();
        (shown, marked.words.len())
    };
    assert_eq!(marked("吉田"), (vec!["𠮷田".into()], 1));
    assert_eq!(marked("渡辺 電話"), (vec!["渡邉".into(), "電話".into()], 2));
    assert_eq!(marked("わたなべ"), (vec!["渡邉".into()], 1));
    assert_eq!(marked("眠れる"), (vec!["眠れ".into()], 1));
    assert_eq!(marked("佐藤 電話"), (vec!["電話".into()], 1));
}

#[test]
fn very_long_texts_and_words_are_indexed_in_bounded_time() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}家賃{}", "a".repeat(50_000), "亜".repeat(50_000));
    let began = std::time::Instant::now();
    let index = filled(folder.path(), &[unit("a", "c", 0, &long, "")]);
    assert_eq!(found(&index, "家賃"), ["a"]);
    assert!(found(&index, &"a".repeat(199)).contains(&"a".to_owned()));
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Any piece of a text finds it, and its place is marked; nothing makes a search panic.
    #[test]
    fn every_piece_of_a_text_finds_it(
        text in "[一-龠ぁ-んァ-ヴa-zA-Z0-9ー、。 　・ﾊﾟ髙﨑𠮷]{4,40}",
        place in (0.0..1.0_f64, 0.0..1.0_f64),
        hostile in "\\PC{0,60}",
    ) {
        let folder = tempfile::tempdir().unwrap();
        let index = filled(folder.path(), &[unit("a", "c", 0, &text, "")]);
        let chars: Vec<char> = text.chars().collect();
        let start = (place.0 * chars.len() as f64) as usize;
        let long = 1 + (place.1 * (chars.len() - start) as f64) as usize;
        let piece: String = chars[start..(start + long).min(chars.len())].iter().collect();
        let wanted = parse(&index, &format!("\"{piece}\""));
        if !wanted.is_empty() {
            prop_assert_eq!(found(&index, &format!("\"{piece}\"")), ["a"]);
            let marked = mark(index.analyzer(), &wanted, &text).unwrap();
            prop_assert_eq!(marked.words.len(), 1, "{} in {}", piece, text);
        }
        if let Ok(search) = Search::parse(index.analyzer(), &hostile).unwrap() {
            let _marked = mark(index.analyzer(), &search, &text).unwrap();
            let _found = found(&index, &hostile);
        }
    }
}
