//! The masking figures on the development set, by the same count as its score.py, without register.
#![expect(clippy::unwrap_used, reason = "a failing step is a failing test")]

use std::io::{BufRead, BufReader, Cursor, Write};
use std::path::Path;
use std::sync::Arc;

use masking::{Label, Masker, Register, Source};
use proptest::prelude::*;
use serde_json::Value;

fn masker() -> Masker {
    let assets = models::Assets::locate(None).expect("run `make setup` first");
    let runtime =
        models::Runtime::init(&assets.onnxruntime().expect("run `make setup` first")).unwrap();
    let ner = models::Ner::load(&runtime, &assets.models().unwrap(), 1).unwrap();
    Masker::new(Some(Arc::new(ner)), analyzer())
}

fn analyzer() -> search::Analyzer {
    let assets = models::Assets::locate(None).expect("run `make setup` first");
    search::Analyzer::load(&assets.dictionary().expect("run `make setup` first")).unwrap()
}

#[test]
fn few_names_and_addresses_stay_visible_and_little_else_is_hidden() {
    let masker = masker();
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../datasets/evaluation/masking-dev/notes.jsonl");
    let (mut entities, mut leaking, mut others, mut hidden) = (0, 0, 0, 0);
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let note: Value = serde_json::from_str(line).unwrap();
        let chars: Vec<char> = note["text"].as_str().unwrap().chars().collect();
        let mut covered = vec![false; chars.len()];
        for span in masker
            .suggest(note["text"].as_str().unwrap(), &Register::default())
            .unwrap()
        {
            covered[span.start.0..span.end.0].fill(true);
        }
        let mut gold = vec![false; chars.len()];
        for span in note["spans"].as_array().unwrap() {
            let range =
                span["start"].as_u64().unwrap() as usize..span["end"].as_u64().unwrap() as usize;
            gold[range.clone()].fill(true);
            let counted = matches!(span["label"].as_str(), Some("PERSON" | "ADDRESS"))
                && span["optional"] != true;
            if counted {
                entities += 1;
                leaking += usize::from(
                    range
                        .into_iter()
                        .any(|at| chars[at].is_alphanumeric() && !covered[at]),
                );
            }
        }
        for at in (0..chars.len()).filter(|&at| chars[at].is_alphanumeric() && !gold[at]) {
            others += 1;
            hidden += usize::from(covered[at]);
        }
    }
    let (leak, over) = (
        f64::from(leaking as u32) / f64::from(entities),
        f64::from(hidden as u32) / f64::from(others as u32),
    );
    assert!(entities > 150, "{entities} entities: the set is not whole");
    assert!(leak <= 0.035, "PERSON+ADDRESS leak {leak:.3}");
    assert!(over <= 0.025, "over-masking {over:.3}");
}

#[test]
fn the_register_finds_every_form_of_a_name() {
    let masker = Masker::new(None, analyzer());
    let register: Register = serde_json::from_value(serde_json::json!({"persons": [
        {"id": "p1", "names": ["髙梨 美緒"], "kana": ["たかなし みお"], "former_names": ["渡邊 美緒"], "aliases": ["みおぽん"],
         "addresses": ["千葉県架空市架空台3丁目4番5号"], "phones": ["080-1111-2222"], "birth_date": "1990-04-05", "other_ids": ["A-7788"]},
        {"id": "p2", "names": ["森 健"], "kana": ["もり たけし"]},
    ]})).unwrap();
    for (text, wanted) in [
        ("高梨美緒さん", vec!["高梨美緒"]),
        ("タカナシ ミオ", vec!["タカナシ ミオ"]),
        ("ﾀｶﾅｼ ﾐｵ様", vec!["ﾀｶﾅｼ ﾐｵ"]),
        ("高梨は不在。美緒さんが応対", vec!["高梨", "美緒"]),
        ("渡辺美緒（旧姓）", vec!["渡辺美緒"]),
        ("みおぽんと呼ぶ", vec!["みおぽん"]),
        ("架空台3-4-5から", vec![]),
        (
            "千葉県架空市架空台３－４－５",
            vec!["千葉県架空市架空台３－４－５"],
        ),
        ("架空市架空台3丁目4番5号", vec!["架空市架空台3丁目4番5号"]),
        (
            "電話は０８０(１１１１)２２２２",
            vec!["０８０(１１１１)２２２２"],
        ),
        ("平成2年4月5日", vec!["平成2年4月5日"]),
        ("H2.4.5", vec!["H2.4.5"]),
        ("番号 Ａ－７７８８", vec!["Ａ－７７８８"]),
        ("森さんと森の中を歩き、林業と森林の話", vec!["森"]),
        ("健さん、健康で健やか", vec!["健"]),
    ] {
        let chars: Vec<char> = text.chars().collect();
        let found: Vec<String> = masker
            .suggest(text, &register)
            .unwrap()
            .into_iter()
            .filter(|span| span.source == Source::Register)
            .map(|span| chars[span.start.0..span.end.0].iter().collect())
            .collect();
        assert_eq!(found, wanted, "{text}");
    }
}

#[test]
fn the_register_finds_where_somebody_can_be_found() {
    let register: Register = serde_json::from_value(serde_json::json!({"persons": [
        {"id": "p1", "postal_codes": ["000-0112"], "facilities": ["ことり製作", "川辺 南"], "addresses": ["川辺地区"]},
    ]}))
    .unwrap();
    for (text, hidden) in [
        ("郵便番号は０００ー０１１２と聞いた。", "０００ー０１１２"),
        ("〒0000112の家。", "0000112"),
        ("いまはことり製作で働く。", "ことり製作"),
        ("子は川辺南に通う。", "川辺南"),
        ("川辺地区の集まりに出た。", "川辺地区"),
    ] {
        let spans = masker().suggest(text, &register).unwrap();
        let at = text
            .find(hidden)
            .map(|byte| text[..byte].chars().count())
            .unwrap();
        assert!(
            (at..at + hidden.chars().count()).all(|place| spans
                .iter()
                .any(|span| span.start.0 <= place && place < span.end.0)),
            "{text}: {spans:?}"
        );
    }
}

#[test]
fn cues_find_names_and_leave_words() {
    let masker = Masker::new(None, analyzer());
    let none = Register::default();
    for (text, wanted) in [
        ("担当の大槻CWと面談", vec!["大槻"]),
        ("氏名：白鳥 さゆり", vec!["白鳥 さゆり"]),
        ("お母さん、皆様、看護師さん、同様に、患者様", vec![]),
        ("市役所の職員が福祉事務所へ。長谷川式を実施", vec![]),
        ("様子を見て、君たちと仕様を確認", vec![]),
        ("室伏先生と相談", vec!["室伏"]),
        ("長男の翔太（12歳）は", vec!["翔太"]),
    ] {
        let chars: Vec<char> = text.chars().collect();
        let found: Vec<String> = masker
            .suggest(text, &none)
            .unwrap()
            .into_iter()
            .filter(|span| span.label == Label::Person)
            .map(|span| chars[span.start.0..span.end.0].iter().collect())
            .collect();
        assert_eq!(found, wanted, "{text}");
    }
}

#[test]
fn lines_come_out_in_order_and_a_broken_one_is_named() {
    let masker = Masker::new(None, analyzer());
    let mut out = Vec::new();
    let input = "{\"id\":\"a\",\"text\":\"℡090-1234-5678\",\"more\":1}\n{\"id\":2,\"text\":\"\"}\n";
    masking::lines::run(
        &masker,
        &Register::default(),
        Cursor::new(input),
        &mut out,
        3,
    )
    .unwrap();
    let lines: Vec<Value> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["masked"], "℡［電話1］");
    assert_eq!(
        lines[0]["spans"][0],
        serde_json::json!({"start": 1, "end": 14, "label": "PHONE", "score": lines[0]["spans"][0]["score"], "source": "rule"})
    );
    assert_eq!(
        lines[1],
        serde_json::json!({"id": 2, "spans": [], "masked": ""})
    );
    let error = masking::lines::run(
        &masker,
        &Register::default(),
        Cursor::new("{\"id\":1,\"text\":\"山\"}\n{\"id\":秘密}\n"),
        &mut Vec::new(),
        2,
    )
    .unwrap_err();
    assert!(
        error.is_input()
            && error.to_string().starts_with("2 行目")
            && !error.to_string().contains("秘密"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn spans_are_sorted_in_range_and_disjoint(
        text in "(架空|太郎|さん|氏|の|は|ﾊﾟﾊﾞ|ｶﾞ|㈱|℡|〒|𠮷田|髙橋|市|町|[0-9０-９]{1,4}|-|丁目|番地|号室|ハイツ|病院|小学校|長男|（|）|:|：| |　|\n|。|、|[ぁ-ん]|[亜-熙]|[a-z@.]|\\PC){0,24}"
    ) {
        let analyzer = ANALYZER.get_or_init(analyzer);
        let masker = Masker::new(None, analyzer.clone());
        let spans = masker.suggest(&text, &Register::default()).unwrap();
        let length = text.chars().count();
        let mut last = 0;
        for span in &spans {
            prop_assert!(last <= span.start.0 && span.start < span.end && span.end.0 <= length);
            prop_assert!((0.0..=1.0).contains(&span.score));
            last = span.end.0;
        }
        let masked = masking::mask(&text, &spans);
        prop_assert_eq!(masked.map.len(), spans.len());
    }
}

static ANALYZER: std::sync::OnceLock<search::Analyzer> = std::sync::OnceLock::new();

#[test]
fn a_pet_name_takes_its_ending_along() {
    let masker = Masker::new(None, analyzer());
    for (text, wanted) in [
        ("「みっちゃんが来た」と話す。", "みっちゃん"),
        ("弟のたっくんは欠席。", "たっくん"),
        ("隣のゴンちゃんに貸した。", "ゴンちゃん"),
        ("ジロさんより電話あり。", "ジロさん"),
        ("タナカさんより電話あり。", "タナカ"),
        ("兄のユウくんが来所。", "ユウくん"),
        ("岡さんより電話あり。", "岡"),
        ("山野さんより電話あり。", "山野"),
    ] {
        let chars: Vec<char> = text.chars().collect();
        let found: Vec<String> = masker
            .suggest(text, &Register::default())
            .unwrap()
            .iter()
            .map(|span| chars[span.start.0..span.end.0].iter().collect())
            .collect();
        assert_eq!(found, [wanted], "{text}");
    }
}

#[test]
fn a_source_that_is_not_listened_to_says_nothing() {
    let text = "山野花子さん（電話090-1234-5678）";
    let count = |sources: &[Source]| {
        Masker::new(None, analyzer())
            .listening_to(sources)
            .suggest(text, &Register::default())
            .unwrap()
            .len()
    };
    assert_eq!(count(&[]), 0);
    assert_eq!(count(&[Source::Dictionary]), 1);
    assert_eq!(count(&[Source::Rule, Source::Dictionary]), 2);
}

#[test]
fn numbers_before_the_names_of_residents_are_rooms() {
    let masker = Masker::new(None, analyzer());
    let rooms = |text: &str| {
        masker
            .suggest(text, &Register::default())
            .unwrap()
            .iter()
            .filter(|span| span.label == Label::Address)
            .count()
    };
    assert_eq!(
        rooms("入居者\n101 山野花子さん\n102 川村一郎さん\n203 林次郎さん"),
        3
    );
    assert_eq!(rooms("101 山野花子さん\n102 川村一郎さん"), 0);
}

#[test]
fn many_lines_keep_their_order_over_blank_stretches_and_a_broken_one() {
    let masker = Masker::new(None, analyzer());
    let mut input = String::new();
    for number in 0..150 {
        let text = format!("{number}番、山野花子さん");
        input += &serde_json::json!({"id": number, "text": text}).to_string();
        input += &"\n".repeat(if number == 70 { 131 } else { 1 });
    }
    let run = |input: &str, workers: usize| {
        let mut out = Vec::new();
        let done = masking::lines::run(
            &masker,
            &Register::default(),
            Cursor::new(input.to_owned()),
            &mut out,
            workers,
        );
        (done, String::from_utf8(out).unwrap())
    };
    let (done, one) = run(&input, 1);
    done.unwrap();
    assert_eq!(one.lines().count(), 150);
    let (done, three) = run(&input, 3);
    done.unwrap();
    assert_eq!(one, three);
    let (done, before) = run(&(input + "壊れた行\n"), 3);
    assert!(
        matches!(done, Err(masking::Error::Line { line: 281, .. })),
        "{done:?}"
    );
    assert_eq!(before, one);
}

#[test]
fn a_line_is_answered_before_the_next_is_written() {
    let (input, mut ask) = std::io::pipe().unwrap();
    let (answers, mut output) = std::io::pipe().unwrap();
    let running = std::thread::spawn(move || {
        let masker = Masker::new(None, analyzer());
        masking::lines::run(
            &masker,
            &Register::default(),
            BufReader::new(input),
            &mut output,
            2,
        )
    });
    let mut answers = BufReader::new(answers);
    for number in 0..3 {
        writeln!(ask, "{{\"id\":{number},\"text\":\"℡090-1234-5678\"}}").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (&answer["id"], &answer["masked"]),
            (&number.into(), &"℡［電話1］".into())
        );
    }
    drop(ask);
    running.join().unwrap().unwrap();
}
