//! Small talks written for these tests: what must be drafted, and what must not.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::BTreeMap;

use intake::{Hint, Ingest, Role, draft, ingest, read};
use serde_json::{Value, json};

fn talk(lines: &str) -> Ingest {
    ingest(lines.as_bytes(), &Hint::default()).unwrap()
}

fn value(found: &Ingest, field: &str) -> Value {
    found
        .draft
        .get(field)
        .map_or(Value::Null, |d| d.value.clone())
}

fn cited(found: &Ingest, field: &str) -> Vec<String> {
    found.draft[field]
        .evidence
        .iter()
        .map(|e| {
            found.utterances[e.utterance]
                .text
                .chars()
                .skip(e.start)
                .take(e.end - e.start)
                .collect()
        })
        .collect()
}

#[test]
fn a_corrected_birth_date_is_the_corrected_one() {
    let found = talk(
        "相談員: 生年月日をお願いします。\n相談者: 昭和四十五年三月十二日です。\n相談員: 三月十二日。\n相談者: あ、違います、五月です。五月十二日。\n相談員: 五十六歳ですね。\n",
    );
    assert_eq!(value(&found, "birth_date"), json!("1970-05-12"));
    assert_eq!(value(&found, "estimated_age"), json!(56));
}

#[test]
fn a_date_that_does_not_exist_is_not_drafted() {
    let found = talk("相談員: 生年月日は。\n相談者: 昭和六十五年三月十二日です。\n");
    assert_eq!(value(&found, "birth_date"), Value::Null);
}

#[test]
fn questions_and_offers_of_the_worker_are_no_facts() {
    let found = talk(
        "相談員: 生活保護や障害年金、住居確保給付金という制度もあります。\n相談者: そうなんですか。\n相談員: うつ病と言われたことはありますか。\n相談者: いえ、ないです。\n相談員: 死にたいと思うことは。\n相談者: それはないです。\n相談員: 電気が止まりそうとか。\n相談者: 大丈夫です。\n",
    );
    for field in ["seiho", "benefits", "danger", "handbooks"] {
        assert_eq!(value(&found, field), Value::Null, "{field}");
    }
    assert!(!value(&found, "issues").to_string().contains("mental"));
}

#[test]
fn a_relatives_matters_are_not_the_clients() {
    let found = talk(
        "相談員: ご家族は。\n相談者: 母は要介護三で、老齢年金が月に八万円です。父は五年前に亡くなりました。弟は統合失調症で、精神の二級の手帳があります。\n相談員: ご自分の収入は。\n相談者: パートで月九万円です。\n相談員: 借金は。\n相談者: 弟が消費者金融に百万円あります。\n",
    );
    assert_eq!(value(&found, "income_self"), json!(90_000));
    for field in ["care_level", "benefits", "handbooks", "debt", "debt_amount"] {
        assert_eq!(value(&found, field), Value::Null, "{field}");
    }
    let kin: Vec<_> = found
        .people
        .iter()
        .map(|p| (p.kinship.as_deref().unwrap(), p.living.as_deref()))
        .collect();
    assert!(
        kin.contains(&("mother", None)) && kin.contains(&("father", Some("dead"))),
        "{kin:?}"
    );
}

#[test]
fn negations_are_heard() {
    let found = talk(
        "相談員: 滞納はありますか。\n相談者: 家賃は払っています。滞納はありません。\n相談員: 借り入れは。\n相談者: ございません。\n相談員: 手帳はお持ちですか。\n相談者: 持っていません。手帳はないです。\n相談員: 生活保護を受けたことは。\n相談者: ありません。\n",
    );
    assert_eq!(value(&found, "arrears"), json!(["none"]));
    assert_eq!(value(&found, "debt"), json!("0"));
    assert_eq!(value(&found, "handbooks"), json!(["none"]));
    assert_eq!(value(&found, "seiho"), json!("none"));
}

#[test]
fn money_is_summed_and_confirmed() {
    let found = talk(
        "相談員: 借金はありますか。\n相談者: カードローンが30万円と、あと友人から五万円。\n相談員: 合わせて三十五万円ですね。\n相談者: はい。\n相談員: 滞納は。\n相談者: ガス代が二か月、それと国保も。\n",
    );
    assert_eq!(value(&found, "debt"), json!("1"));
    assert_eq!(value(&found, "debt_amount"), json!(350_000));
    let arrears = value(&found, "arrears").to_string();
    assert!(
        arrears.contains("gas") && arrears.contains("nhi"),
        "{arrears}"
    );
}

#[test]
fn a_mother_comes_for_her_son() {
    let found = talk(
        "00:01 今日はどなたのご相談でしょうか。\n00:04 息子のことで相談に来ました。息子は、三十九で、八年ほど部屋にこもっています。\n00:12 息子さんのお名前は。\n00:14 中川、健太です。\n00:16 なかがわけんたさん。\n00:18 病院には行っていますか。\n00:20 行っていません。主人は三年前に亡くなって、今は息子と二人です。\n",
    );
    assert_eq!(value(&found, "name"), json!("中川健太"));
    assert_eq!(value(&found, "name_kana"), json!("なかがわけんた"));
    assert_eq!(value(&found, "gender"), json!("1"));
    assert_eq!(value(&found, "estimated_age"), json!(39));
    assert_eq!(value(&found, "household_size"), json!(2));
    assert_eq!(value(&found, "health"), json!("bad_novisit"));
    assert_eq!(
        value(&found, "marital"),
        Value::Null,
        "the mother is widowed, not the son"
    );
    assert!(
        value(&found, "issues_extra")
            .to_string()
            .contains("hikikomori")
    );
    assert_eq!(value(&found, "chief_complaint_self"), Value::Null);
    let father = found
        .people
        .iter()
        .find(|p| p.kinship.as_deref() == Some("father"))
        .unwrap();
    assert_eq!(father.living.as_deref(), Some("dead"));
}

#[test]
fn every_value_shows_the_sentence_it_came_from() {
    let found = talk(
        "職員: お住まいはアパートですか。\n本人: はい、えっと、アパートです。\n職員: お仕事は。\n本人: 今は、あの、スーパーでパートをしています。\n",
    );
    assert_eq!(value(&found, "housing"), json!("rent"));
    assert!(
        cited(&found, "housing")
            .iter()
            .any(|s| s.contains("アパートです"))
    );
    assert_eq!(value(&found, "work"), json!("working"));
    assert_eq!(
        cited(&found, "work"),
        ["今は、あの、スーパーでパートをしています。"]
    );
}

#[test]
fn roles_set_by_hand_win() {
    let text = "甲: お名前は。\n乙: 森田健です。\n丙: 姉の恵です。弟が心配で来ました。このままだと倒れそうで。\n";
    let roles = BTreeMap::from([
        ("乙".to_owned(), Role::Client),
        ("丙".to_owned(), Role::Family),
    ]);
    let found = draft(
        read(text.as_bytes(), &Hint::default()).unwrap(),
        &roles,
        None,
    );
    assert_eq!(found.speakers["乙"], Role::Client);
    assert_eq!(found.speakers["丙"], Role::Family);
    assert_eq!(value(&found, "name"), json!("森田健"));
}

#[test]
fn a_greeting_is_no_reading_of_a_name() {
    let found = talk(
        "相談員: 山本さん、おはようございます。\n相談者: おはようございます。\n相談員: 今日はお越しいただいてありがとうございます。\n",
    );
    assert_eq!(value(&found, "name_kana"), Value::Null);
    assert_eq!(value(&found, "contact_method"), json!("visit"));
}

#[test]
fn the_wire_format() {
    let found = talk(
        "相談員: お名前は。\n相談者: 森田健です。\n相談員: もりたけんさん。ご家族は。\n相談者: 一人です。父が県外に。七十二です。\n",
    );
    insta::assert_json_snapshot!(found);
}
