//! Rules, layout and document consistency on invented examples, without model and register.
#![expect(clippy::unwrap_used, reason = "a failing step is a failing test")]

use masking::{Masker, Register};

fn masker() -> Masker {
    let assets = models::Assets::locate(None).expect("run `make setup` first");
    let analyzer =
        search::Analyzer::load(&assets.dictionary().expect("run `make setup` first")).unwrap();
    Masker::new(None, analyzer)
}

/// What is visible after masking, with 《》 for each hidden stretch.
fn visible(masker: &Masker, text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    for span in masker.suggest(text, &Register::default()).unwrap() {
        out.extend(&chars[at..span.start.0]);
        out.push_str("《》");
        at = span.end.0;
    }
    out.extend(&chars[at..]);
    out
}

#[test]
fn numbers_are_found_in_every_notation() {
    let masker = masker();
    for (text, wanted) in [
        ("番号は〇八〇の一二三四の五六七八です", "番号は《》です"),
        ("ゼロハチゼロの、一二三四の、五六七八", "《》"),
        ("TEL O3-l234-567O", "TEL 《》"),
        ("個番 1111 2222 3333", "個番 《》"),
        (
            "後期高齢 40123456、保険者 39012345",
            "後期高齢 《》、保険者 《》",
        ),
        ("年金証書1234-567890-1150を再発行", "年金証書《》を再発行"),
        ("受理番号 架児通R6-441", "受理番号 《》"),
        ("令和5年(家)第1234号", "《》"),
        ("学籍24E9077、社員証 KX-20993", "学籍《》、社員証 《》"),
        ("架空信金 1234567へ送金", "架空信金 《》へ送金"),
        ("1234567円を返済", "1234567円を返済"),
        ("返戻 123-4567 → 不明", "返戻 《》 → 不明"),
        ("生 → 平成4.1.5", "生 → 《》"),
    ] {
        assert_eq!(visible(&masker, text), wanted, "{text}");
    }
}

#[test]
fn events_money_laws_and_levels_stay() {
    let masker = masker();
    for text in [
        "令和6年4月1日に訪問、次回は2024/5/10",
        "要介護2、1割負担、月12,340円",
        "生活保護法第63条、精神2級、身障1種2級",
        "HDS-R 18点、MMSE 22点、DSM-5",
        "昭和61年4月1日施行",
    ] {
        assert_eq!(visible(&masker, text), text);
    }
}

#[test]
fn tables_and_forms_tell_what_their_values_are() {
    let masker = masker();
    let table = "氏名\t生年月日\t口座\t勤務先\n西脇 梢\tS40\t架空信金 7654321\tみどり野縫製\n";
    assert_eq!(
        visible(&masker, table),
        "氏名\t生年月日\t口座\t勤務先\n《》\t《》\t架空信金 《》\t《》\n"
    );
    let json = r#"{"name":"西脇 梢","dob":"19650203"}"#;
    assert_eq!(visible(&masker, json), r#"{"name":"《》","dob":"《》"}"#);
    let chat = "9:01 みーこ：着いた\n9:02 西脇：了解\n9:03 みーこ：寒い\n9:05 西脇：待って\n";
    assert_eq!(
        visible(&masker, chat),
        "9:01 《》：着いた\n9:02 《》：了解\n9:03 《》：寒い\n9:05 《》：待って\n"
    );
}

#[test]
fn facilities_keep_their_kind_and_branch() {
    let masker = masker();
    for (text, wanted) in [
        ("(株)西脇縫製に勤務", "《》に勤務"),
        ("西脇法律事務所から電話", "《》から電話"),
        (
            "福祉事務所と児童相談所へ連絡",
            "福祉事務所と児童相談所へ連絡",
        ),
    ] {
        assert_eq!(visible(&masker, text), wanted, "{text}");
    }
}

/// A whole note well under the time a reader would notice, and no pattern that explodes.
#[test]
fn long_runs_of_digits_and_marks_take_no_time() {
    let masker = masker();
    let _ = masker.suggest("温める", &Register::default());
    for piece in ["1-", "〇の", "1 ", "一二三", "記号 ", "、1", "(1", "ゼロ"] {
        let text = piece.repeat(2000);
        let start = std::time::Instant::now();
        let _ = masker.suggest(&text, &Register::default()).unwrap();
        assert!(start.elapsed().as_secs() < 10, "{piece}");
    }
}
