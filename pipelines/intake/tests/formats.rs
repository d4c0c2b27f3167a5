//! Every format, good and broken.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use intake::{Columns, Error, Format, Hint, Kind, ingest, read};
use proptest::prelude::*;

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/samples")
            .join(name),
    )
    .unwrap()
}

macro_rules! snapshots {
    ($($test:ident: $file:literal,)+) => {$(
        #[test]
        fn $test() {
            insta::assert_json_snapshot!(read(&sample($file), &Hint::default()).unwrap());
        }
    )+};
}

snapshots! {
    zoom_vtt: "zoom.vtt",
    teams_vtt: "teams.vtt",
    whisper_srt: "whisper.srt",
    whisper_json: "whisper.json",
    whisperx_json: "whisperx.json",
    google_json: "google_stt.json",
    azure_json: "azure_batch.json",
    aws_json: "aws_transcribe.json",
    amivoice_json: "amivoice_async.json",
    watson_json: "watson.json",
    csv_utf8_bom: "generic.csv",
    csv_cp932: "generic_cp932.csv",
    txt_inline: "memo_inline.txt",
    txt_block: "memo_speaker_time.txt",
}

#[test]
fn utf16_of_either_order_with_and_without_mark() {
    let text = String::from_utf8(sample("zoom.vtt")).unwrap();
    let expected = read(text.as_bytes(), &Hint::default()).unwrap().utterances;
    for (big, mark) in [(false, true), (true, true), (false, false), (true, false)] {
        let mut bytes: Vec<u8> = if mark {
            if big {
                vec![0xfe, 0xff]
            } else {
                vec![0xff, 0xfe]
            }
        } else {
            vec![]
        };
        bytes.extend(text.encode_utf16().flat_map(|u| {
            if big {
                u.to_be_bytes()
            } else {
                u.to_le_bytes()
            }
        }));
        let read = read(&bytes, &Hint::default()).unwrap();
        assert_eq!(read.encoding, if big { "utf-16be" } else { "utf-16le" });
        assert_eq!(read.utterances, expected);
    }
}

#[test]
fn a_truncated_vtt_gives_what_can_be_read_and_names_the_line() {
    let text = String::from_utf8(sample("zoom.vtt")).unwrap();
    let cut = &text[..text.find("山田").unwrap() - 1];
    let read = read(cut.as_bytes(), &Hint::default()).unwrap();
    assert_eq!(read.utterances.len(), 1);
    assert_eq!(
        (read.warnings[0].code, read.warnings[0].line),
        ("truncated", Some(8))
    );
    // Cut in the middle of a character.
    let bytes = &text.as_bytes()[..text.len() - 5];
    let again = super_read(bytes);
    assert_eq!(again.utterances.len(), 2);
    assert_eq!(again.warnings[0].code, "truncated");
}

fn super_read(bytes: &[u8]) -> intake::Transcript {
    read(bytes, &Hint::default()).unwrap()
}

#[test]
fn a_bad_time_costs_the_time_not_the_words() {
    let read = super_read("WEBVTT\n\n1\nxx:00 --> 00:00:02.000\n佐藤: こんにちは\n\n2\n00:00:03.000 --> 00:00:04.000\n田中: はい\n".as_bytes());
    assert_eq!(read.utterances.len(), 2);
    assert_eq!(read.utterances[0].start, None);
    assert_eq!(
        (read.warnings[0].code, read.warnings[0].line),
        ("bad_time", Some(4))
    );
}

#[test]
fn truncated_json_is_read_to_the_last_complete_segment() {
    let text = String::from_utf8(sample("whisper.json")).unwrap();
    let cut = &text[..text.find("\"id\":1").unwrap() + 20];
    let read = super_read(cut.as_bytes());
    assert_eq!(read.format, Format::WhisperJson);
    assert_eq!(read.utterances.len(), 1);
    assert_eq!(read.warnings[0].code, "truncated");
}

#[test]
fn clear_errors() {
    let code = |bytes: &[u8]| read(bytes, &Hint::default()).unwrap_err().code();
    assert_eq!(code(b""), "empty");
    assert_eq!(code(b"WEBVTT\n\n"), "empty");
    assert_eq!(code(b"{\"a\": 1}"), "unknown_json");
    assert_eq!(code(b"{\"segments\": [{\"text"), "json");
    assert_eq!(code(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "binary");
    assert_eq!(code(&vec![b'a'; 20 * 1024 * 1024 + 1]), "too_large");
    assert_eq!(
        code("WEBVTT\n\n05:00:01.000 --> 05:00:02.000\n佐藤: はい\n".as_bytes()),
        "too_long"
    );
    for error in [Error::Empty, Error::TooLong, Error::Encoding] {
        assert!(!error.to_string().is_ascii(), "messages are Japanese");
    }
}

#[test]
fn reversed_times_are_told_and_kept_in_order() {
    let read = super_read("1\n00:00:05,000 --> 00:00:06,000\nあとの発言です\n\n2\n00:00:01,000 --> 00:00:00,500\nまえの発言です\n".as_bytes());
    assert_eq!(read.utterances.len(), 2);
    let codes: Vec<&str> = read.warnings.iter().map(|w| w.code).collect();
    assert_eq!(codes, ["end_before_start", "time_reversed"]);
}

#[test]
fn markup_is_neutralised() {
    let read = super_read("相談員: こんにちは<script>alert(1)</script>\n相談者: <b onclick=x>はい</b>、体重は<60kgです\n相談員: <scr<script>ipt>x</script>\n".as_bytes());
    assert_eq!(read.utterances[0].text, "こんにちは");
    assert_eq!(read.utterances[1].text, "はい、体重は<60kgです");
    assert!(
        read.utterances
            .iter()
            .all(|u| !u.text.to_lowercase().contains("<script"))
    );
    assert!(read.warnings.iter().any(|w| w.code == "markup_removed"));
}

#[test]
fn columns_can_be_mapped_by_hand() {
    let csv = "id;\n1,甲,00:01,おはようございます\n2,乙,00:03,はい\n";
    let hint = Hint {
        kind: Kind::Csv,
        columns: Some(Columns {
            speaker: Some(1),
            start: Some(2),
            end: None,
            text: 3,
        }),
    };
    let read = read(csv.as_bytes(), &hint).unwrap();
    assert_eq!(
        read.utterances.last().unwrap().speaker.as_deref(),
        Some("乙")
    );
    assert_eq!(read.utterances.last().unwrap().start, Some(3.0));
}

#[test]
fn twelve_digits_with_a_right_check_digit_are_named() {
    let text = "相談員: 番号は。\n相談者: 1234-5678-9018です。\n";
    let read = ingest(text.as_bytes(), &Hint::default()).unwrap();
    assert!(
        read.warnings
            .iter()
            .any(|w| w.code == "personal_number" && w.utterance == Some(1))
    );
    assert!(!serde_json::to_string(&read.draft).unwrap().contains("1234"));
}

/// Pieces real files are made of, in any order.
fn fragments() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("WEBVTT\n\n".to_owned()),
        Just("00:00:01.200 --> 00:00:04.900\n".to_owned()),
        Just("00:00:01,200 --> \n".to_owned()),
        Just("<v 佐藤 相談員>".to_owned()),
        Just("相談員: ".to_owned()),
        Just("話者1 00:01\n".to_owned()),
        Just("お名前は。生年月日は。\n".to_owned()),
        Just("昭和六十五年、三月の、四十日です。".to_owned()),
        Just("娘のことなんです。父は亡くなりました。".to_owned()),
        Just("借金は。カードが六十五万円と百万。".to_owned()),
        Just("鳴沢市の三の二、の四〇一。".to_owned()),
        Just("{\"segments\":[{\"text\":\"".to_owned()),
        Just("\"}]}".to_owned()),
        Just("開始時刻,話者,発話内容\n".to_owned()),
        "\\PC{0,12}",
        Just("\n".to_owned()),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|p| p.concat())
}

fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(found) = ingest(bytes, &Hint::default()) else {
        return Ok(());
    };
    let lengths: Vec<usize> = found
        .utterances
        .iter()
        .map(|u| u.text.chars().count())
        .collect();
    let all = found
        .draft
        .values()
        .flat_map(|d| &d.evidence)
        .chain(found.people.iter().flat_map(|p| &p.evidence))
        .chain(found.relations.iter().flat_map(|r| &r.evidence))
        .chain(found.orgs.iter().flat_map(|o| &o.evidence));
    for e in all {
        prop_assert!(e.start < e.end && e.end <= lengths[e.utterance], "{:?}", e);
    }
    for drafted in found.draft.values() {
        prop_assert!(!drafted.evidence.is_empty());
        prop_assert!((0.0..=1.0).contains(&drafted.confidence));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes)?;
    }

    #[test]
    fn odd_files_never_panic_and_evidence_is_in_range(text in fragments()) {
        check(text.as_bytes())?;
        check(&encoding(&text))?;
    }

    #[test]
    fn cut_anywhere(at in 0..2000_usize, which in 0..6_usize) {
        let names = ["teams.vtt", "zoom.vtt", "whisperx.json", "amivoice_async.json", "generic.csv", "whisper.srt"];
        let bytes = sample(names[which]);
        check(&bytes[..at.min(bytes.len())])?;
    }
}

fn encoding(text: &str) -> Vec<u8> {
    encoding_rs::SHIFT_JIS.encode(text).0.into_owned()
}

/// The development set's utterances, code point for code point.
#[test]
fn the_development_set_is_parsed_exactly() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../datasets/evaluation/ingest-dev");
    let gold = std::fs::read_to_string(folder.join("gold_utterances.jsonl")).unwrap();
    let mut files = 0;
    for line in gold.lines() {
        let gold: serde_json::Value = serde_json::from_str(line).unwrap();
        let id = gold["id"].as_str().unwrap();
        let path = std::fs::read_dir(folder.join("files"))
            .unwrap()
            .map(|e| e.unwrap().path())
            .find(|p| p.file_stem().unwrap() == id)
            .unwrap();
        let read = read(&std::fs::read(path).unwrap(), &Hint::default()).unwrap();
        let squeeze = |t: &str| t.split_whitespace().collect::<String>();
        let found: Vec<_> = read
            .utterances
            .iter()
            .map(|u| (u.speaker.clone(), squeeze(&u.text)))
            .collect();
        let expected: Vec<_> = gold["utterances"]
            .as_array()
            .unwrap()
            .iter()
            .map(|u| {
                (
                    u["speaker"].as_str().map(str::to_owned),
                    squeeze(u["text"].as_str().unwrap()),
                )
            })
            .collect();
        assert_eq!(found, expected, "{id}");
        files += 1;
    }
    assert_eq!(files, 8);
}
