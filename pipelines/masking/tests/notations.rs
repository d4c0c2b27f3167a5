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

/// How offices, insurers and companies write their numbers: prefix, suffix and separators are hidden with
/// the digits, what kind of number it is stays readable.
#[test]
fn administrative_numbers_are_hidden_whole() {
    let masker = masker();
    for (text, wanted) in [
        (
            "介護保険被保険者番号 0000012345",
            "介護保険被保険者番号 《》",
        ),
        ("介保H000123456 入所", "介保《》 入所"),
        ("被保険者番号 0000 123 456", "被保険者番号 《》"),
        ("ケースNo.2-0417を引き継ぐ", "ケースNo.《》を引き継ぐ"),
        ("相談受理 R6-生-0042", "相談受理 《》"),
        ("身体障害者手帳 兵庫県第123456号", "身体障害者手帳 《》"),
        ("手帳(兵庫県精第17-00123号)", "手帳(《》)"),
        ("療育手帳 兵 庫 県 第 O 3 3 l 号", "療育手帳 《》"),
        ("愛の手帳 東京都第4-12345号", "愛の手帳 《》"),
        (
            "自立支援医療受給者番号 0123456",
            "自立支援医療受給者番号 《》",
        ),
        ("限度額認定 架83・001234。", "限度額認定 《》。"),
        ("児童扶養手当 可-24-0119、口座", "児童扶養手当 《》、口座"),
        ("基礎年金番号 1234-567890", "基礎年金番号 《》"),
        ("免許第123456789018号は来春更新", "免許《》は来春更新"),
        ("在留カード AB12345678CD", "在留カード 《》"),
        ("特別永住の第AB12345678号、", "特別永住の《》、"),
        ("学籍02E-119の学生", "学籍《》の学生"),
        ("SOS登録番号K架-0092済", "SOS登録番号《》済"),
        ("パス架S-31185、", "パス《》、"),
        ("犬鑑札 第1234号", "犬鑑札 《》"),
        ("お客様番号 12-3456-7890-12", "お客様番号 《》"),
        ("車 庄内 40 ろ 12-3は廃車", "車 《》は廃車"),
        ("車両札幌 501 は 12-34", "車両《》"),
        ("車は品川 330 わ ・・・1", "車は《》"),
        ("ナンバーは わ・・・1", "ナンバーは 《》"),
        ("事件 令和7年検第1234号(窃盗)", "事件 《》(窃盗)"),
        ("ゆうちょ 記号12340 番号12345671", "ゆうちょ 記号《》"),
        ("TEL 090-1234-\n5678へ", "TEL 《》へ"),
        (
            "でんわはゼロななさんごのさんななのはちにろくきゅうです",
            "でんわは《》です",
        ),
        ("Mobile 090 1\n234 5678", "Mobile 《》"),
        (
            "電話はぜろきゅーぜろいちにいさんよんごうろくななはち",
            "電話は《》",
        ),
        (
            "メールがtaro99@えーっと example.comです",
            "メールが《》です",
        ),
    ] {
        assert_eq!(visible(&masker, text), wanted, "{text}");
    }
}

#[test]
fn birth_dates_are_found_in_every_notation() {
    let masker = masker();
    for (text, wanted) in [
        ("S26.4.3生", "《》生"),
        ("昭26年生、", "《》生、"),
        ("昭和二十六年四月三日生まれ", "《》生まれ"),
        ("1951/4/3生", "《》生"),
        ("26年の4月3日生まれ", "《》生まれ"),
        ("生年月日 昭 和 2 6 年 4 月 3 日", "生年月日 《》"),
        (
            "生年月日 明・大・昭  二六年 四月 三日",
            "生年月日 明・大・《》",
        ),
        ("うまれは昭和26年のたなばたです", "うまれは《》です"),
        ("しょうわにじゅうろくねんのしがつみっかです", "《》です"),
        ("Data nasc. 03/04/1951", "Data nasc. 《》"),
        ("73歳(昭和26年4月3日)", "73歳(《》)"),
    ] {
        assert_eq!(visible(&masker, text), wanted, "{text}");
    }
    for text in [
        "73歳、要介護2",
        "年齢 73",
        "生年月日 明・大・昭・平 不明",
        "生活保護",
    ] {
        assert_eq!(visible(&masker, text), text);
    }
    assert_eq!(
        visible(&masker, "生年月日 昭和二十六年四月三日 要介護3\n"),
        "生年月日 《》 要介護3\n"
    );
}

/// What is numbered like a person's papers but is nobody's.
#[test]
fn numbers_of_laws_forms_scores_and_times_stay() {
    let masker = masker();
    for text in [
        "生活保護法第106条の3、法第12条、施行規則第18条の2",
        "様式第1号、別記様式第12号の2、別表第二の18の項",
        "平成17年法律第123号、令和6年厚生労働省告示第12号",
        "社援発第0331002号、老発0331第5号、障発第0331003号",
        "要介護3、要支援2、1割負担、月額12,340円、44,140円",
        "HDS-R 18/30、HbA1c 7.2、血圧 132/84、SpO2 96",
        "児童扶養手当は11-12月分、国保 3-12 を訪問",
        "第1号被保険者、第2号被保険者、障害等級2級",
        "会議室2、3階 12室、定員 120名",
        "電話 11/22 11:15 受ける",
    ] {
        assert_eq!(visible(&masker, text), text);
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
