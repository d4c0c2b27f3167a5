//! Tests of the forms. Conditions and validation outcomes are shared with TypeScript.

use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::mask::Numbering;

fn definition(id: &str) -> &'static Definition {
    catalogue().definition(id).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else {
        panic!("not an object: {value}")
    };
    map
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "about")]
    _about: String,
    conditions: Vec<ConditionCase>,
    validations: Vec<ValidationCase>,
    calculations: Vec<CalculationCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalculationCase {
    name: String,
    form: String,
    field: String,
    values: Map<String, Value>,
    #[serde(default)]
    outside: Map<String, Value>,
    expected: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionCase {
    name: String,
    condition: Condition,
    values: Map<String, Value>,
    #[serde(default)]
    outside: Map<String, Value>,
    expected: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValidationCase {
    name: String,
    form: String,
    today: jiff::civil::Date,
    values: Map<String, Value>,
    #[serde(default)]
    outside: Map<String, Value>,
    issues: Vec<Issue>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../../datasets/vectors/rules.json")).unwrap()
}

#[test]
fn the_shared_conditions_hold() {
    let cases = vectors().conditions;
    assert!(cases.len() >= 60);
    for case in cases {
        let result = case
            .condition
            .holds(&|name: &str| case.values.get(name).or_else(|| case.outside.get(name)));
        assert_eq!(result, case.expected, "{}", case.name);
        let json = serde_json::to_value(&case.condition).unwrap();
        assert_eq!(
            serde_json::from_value::<Condition>(json).unwrap(),
            case.condition,
            "{}",
            case.name
        );
    }
}

#[test]
fn the_shared_calculations_hold() {
    let cases = vectors().calculations;
    assert!(cases.len() >= 19);
    for case in cases {
        let form = catalogue().definition(&case.form).unwrap();
        let field = form.field(&case.field).unwrap();
        let value = calculate(form, field, &case.values, &case.outside, date(2026, 11, 22));
        assert_eq!(value.unwrap_or(Value::Null), case.expected, "{}", case.name);
    }
}

#[test]
fn the_shared_validations_hold() {
    let cases = vectors().validations;
    assert!(cases.len() >= 60);
    let mut wrong = Vec::new();
    for case in cases {
        let definition = definition(&case.form);
        let issues = validate(
            definition,
            &case.values,
            &Context {
                today: case.today,
                outside: case.outside,
            },
        );
        if issues != case.issues {
            wrong.push(format!(
                "{} / {}:\n  got      {issues:?}\n  expected {:?}",
                case.form, case.name, case.issues
            ));
        }
        for issue in issues {
            let message = message_ja(definition, &issue);
            assert!(message.ends_with('。'), "{message}");
            assert!(
                !message.contains("の値を確認してください"),
                "no words for {}: {message}",
                issue.code
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn messages_name_the_field_and_what_to_do() {
    let sheet = definition("intake_assessment");
    let values = object(json!({
        "first_received_on": "2026-11-20", "created_on": "2026-11-19", "handbooks": ["none", "mental"],
        "services_used": [{"id": "r1", "service": "1234-5678-9018"}],
    }));
    let messages: Vec<String> = validate(sheet, &values, &Context::on(date(2026, 11, 22)))
        .iter()
        .map(|issue| message_ja(sheet, issue))
        .collect();
    for expected in [
        "「主訴（本人）」を入力してください。",
        "「障害者手帳」の「無」はほかの選択肢と同時に選べません。どちらかを外してください。",
        "「利用中のサービス・制度：サービス名」にマイナンバー（個人番号）と思われる12桁の数字があります。個人番号は記録できません。削除してください。",
        "「初回相談受付日」が「シート作成日」より後になっています。日付を確認してください。",
    ] {
        assert!(
            messages.iter().any(|message| message == expected),
            "{expected}\n{messages:#?}"
        );
    }
}

#[test]
fn issues_never_repeat_the_value() {
    let secret = "山田花子123456789018";
    for definition in catalogue().definitions() {
        let values: Map<String, Value> = definition
            .fields()
            .map(|field| (field.id.clone(), Value::from(secret)))
            .chain([(secret.to_owned(), json!(1))])
            .collect();
        let issues = validate(definition, &values, &Context::on(date(2026, 11, 22)));
        assert!(!issues.is_empty());
        for issue in issues {
            let json = serde_json::to_string(&issue).unwrap() + &message_ja(definition, &issue);
            assert!(
                !json.contains("山田花子") && !json.contains("123456789018"),
                "{json}"
            );
        }
    }
}

// ── shape ────────────────────────────────────────────────────────────────────────────────────

#[test]
fn the_shape_has_every_stored_field_and_no_other() {
    for definition in catalogue().definitions() {
        let shape = definition.shape();
        let stored: Vec<&str> = definition
            .fields()
            .filter(|field| field.is_stored())
            .map(|field| field.id.as_str())
            .collect();
        assert_eq!(shape.fields.len(), stored.len());
        assert!(stored.iter().all(|id| shape.fields.contains_key(*id)));
        let json = serde_json::to_value(&shape).unwrap();
        assert_eq!(serde_json::from_value::<FormShape>(json).unwrap(), shape);
    }
}

#[test]
fn shapes_by_type() {
    let shape = definition("intake_assessment").shape();
    assert_eq!(
        shape.fields["summary"],
        FieldShape::Text {
            max_chars: 10_000,
            line: false
        }
    );
    assert_eq!(
        shape.fields["school"],
        FieldShape::Text {
            max_chars: 200,
            line: true
        }
    );
    assert_eq!(
        shape.fields["created_on"],
        FieldShape::Scalar(ScalarKind::Date { partial: false })
    );
    assert!(
        matches!(&shape.fields["route"], FieldShape::Scalar(ScalarKind::Choice { codes }) if codes.contains(&"houkatsu".to_owned()))
    );
    assert!(matches!(&shape.fields["issues"], FieldShape::Options { codes } if codes.len() == 29));
    let FieldShape::Table {
        columns,
        max_rows: 100,
    } = &shape.fields["agencies"]
    else {
        panic!()
    };
    assert_eq!(columns["lead"], ColumnShape::Scalar(ScalarKind::Bool));
    assert_eq!(
        columns["support"],
        ColumnShape::Text {
            max_chars: 2_000,
            line: false
        }
    );
    assert!(!shape.fields.contains_key("issue_count") && !shape.fields.contains_key("case_no"));
}

#[test]
fn scalars_accept_their_kind_only() {
    let accepts = |kind: &ScalarKind, good: &[Value], bad: &[Value]| {
        assert!(kind.accepts(&Value::Null));
        for value in good {
            assert!(kind.accepts(value), "{kind:?} {value}");
        }
        for value in bad {
            assert!(!kind.accepts(value), "{kind:?} {value}");
        }
    };
    accepts(
        &ScalarKind::Int,
        &[json!(0), json!(-3), json!(2.0)],
        &[json!(2.5), json!("1"), json!(1e300)],
    );
    accepts(
        &ScalarKind::Bool,
        &[json!(true)],
        &[json!(1), json!("true")],
    );
    let full = ScalarKind::Date { partial: false };
    accepts(
        &full,
        &[json!("2026-11-22")],
        &[
            json!("2026-11"),
            json!("2026-02-30"),
            json!("R8.11.22"),
            json!("2026-11-22 "),
        ],
    );
    accepts(
        &ScalarKind::Date { partial: true },
        &[json!("1970"), json!("1970-03")],
        &[json!("1970-13"), json!("70")],
    );
    accepts(
        &ScalarKind::Datetime,
        &[json!("2026-11-22"), json!("2026-11-22T09:05")],
        &[json!("2026-11-22T24:00"), json!("2026-11-22 09:05")],
    );
    accepts(
        &ScalarKind::Choice {
            codes: vec!["a".into()],
        },
        &[json!("a")],
        &[json!("b"), json!(["a"])],
    );
    accepts(
        &ScalarKind::Reference,
        &[json!("0192f0c1"), json!("AB-c_1")],
        &[
            json!("山田花子"),
            json!(""),
            json!("a b"),
            json!("x".repeat(65)),
        ],
    );
}

// ── masked projection ────────────────────────────────────────────────────────────────────────

fn masked(id: &str, values: Value, protected: bool) -> Projection {
    let mut numbering = Numbering::with_persons(["per1"]);
    project_masked(
        definition(id),
        &object(values),
        protected,
        &mut numbering,
        &mut |path, text| {
            if text.contains("新しい") {
                MaskedText::Withheld
            } else {
                MaskedText::Masked(format!("<{path}>"))
            }
        },
    )
}

#[test]
fn identity_becomes_tokens_and_free_text_goes_through_the_callback() {
    let shown = masked(
        "intake_application",
        json!({
            "person_ref": "per1", "visitor_relation": "family", "visitor_name": "山田 太郎", "visitor_phone": "090-1234-5678",
            "topics": {"debt": true, "income": false}, "request_text": "山田さんが困っている", "referrer_note": "新しい文",
            "received_on": "2026-11-20", "received_org": "agc1", "signature": "file1", "b_pension": "none",
        }),
        false,
    );
    let text = |id: &str| shown[id].text.as_deref();
    assert_eq!(text("person_ref"), Some("［氏名1］"));
    assert_eq!(text("visitor_name"), Some("［氏名2］"));
    assert_eq!(text("visitor_phone"), Some("［電話1］"));
    assert_eq!(text("request_text"), Some("<request_text>"));
    assert_eq!(
        shown["referrer_note"],
        Projected {
            withheld: true,
            ..Projected::default()
        }
    );
    assert_eq!(shown["topics"].value, Some(json!(["debt"])));
    assert_eq!(shown["received_on"].value, Some(json!("2026-11-20")));
    assert!(!shown.contains_key("signature"), "files never go out");
}

#[test]
fn rows_get_fresh_ids() {
    let shown = masked(
        "intake_assessment",
        json!({"agencies": [
            {"id": "QX7", "order": "a0", "org": "agc2", "org_name": "みどり医院", "staff": "佐藤", "member": "per1", "support": "通院", "lead": true, "nonsense": "山田"},
        ]}),
        false,
    );
    let rows = shown["agencies"].rows.as_ref().unwrap();
    assert_eq!(rows[0].id, "r1");
    assert_eq!(rows[0].cells["org"].text.as_deref(), Some("［機関1］"));
    assert_eq!(rows[0].cells["member"].text.as_deref(), Some("［氏名1］"));
    assert_eq!(rows[0].cells["staff"].text.as_deref(), Some("［氏名2］"));
    assert_eq!(
        rows[0].cells["support"].text.as_deref(),
        Some("<agencies/QX7/support>")
    );
    assert_eq!(rows[0].cells["lead"].value, Some(json!(true)));
    assert!(!rows[0].cells.contains_key("nonsense") && !rows[0].cells.contains_key("order"));
}

#[test]
fn a_protected_address_withholds_whatever_points_to_it() {
    let values =
        json!({"housing": "shelter", "housing_cond": "新居は駅の近く", "marital": "divorced"});
    let shown = masked("intake_assessment", values.clone(), true);
    assert!(shown["housing"].withheld && shown["housing_cond"].withheld);
    assert_eq!(shown["marital"].value, Some(json!("divorced")));
    assert!(!masked("intake_assessment", values, false)["housing"].withheld);
    // The agency that was near enough to be asked, and the one that received.
    let values = json!({"received_org": "a1", "referring_org": "a2"});
    let shown = masked("intake_application", values.clone(), true);
    assert!(shown["received_org"].withheld && shown["referring_org"].withheld);
    let shown = masked("intake_application", values, false);
    assert_eq!(shown["referring_org"].value, Some(json!("a2")));
}

/// A text that stands for a secret in every kind of value.
const CANARY: &str = "カナリア7Q";

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!(CANARY)),
        Just(json!(true)),
        Just(json!("other")),
        Just(json!(3)),
        Just(json!([CANARY, "other"])),
        Just(json!({CANARY: true, "other": true})),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("[a-z]{1,4}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every field (and column) with a canary in its place.
fn canaries(definition: &Definition) -> Map<String, Value> {
    definition
        .fields()
        .map(|field| {
            let value = if field.kind == FieldType::Table {
                let mut row: Map<String, Value> = field
                    .columns
                    .iter()
                    .map(|column| (column.id.clone(), json!(CANARY)))
                    .collect();
                row.insert("id".into(), json!(CANARY));
                row.insert(CANARY.into(), json!(CANARY));
                json!([row])
            } else {
                json!(CANARY)
            };
            (field.id.clone(), value)
        })
        .chain([(CANARY.to_owned(), json!(CANARY))])
        .collect()
}

#[test]
fn no_field_and_no_cell_lets_a_canary_through() {
    for definition in catalogue().definitions() {
        let values = canaries(definition);
        let mut numbering = Numbering::new();
        let mut seen = Vec::new();
        let shown = project_masked(
            definition,
            &values,
            false,
            &mut numbering,
            &mut |path, _| {
                seen.push(path.replace(CANARY, "row"));
                MaskedText::Masked("〔伏せた文〕".into())
            },
        );
        let json = serde_json::to_string(&shown).unwrap();
        // Automatic texts that no person writes (numbers, settings) are the only ones shown as they are.
        let automatic: Vec<&str> = definition
            .fields()
            .filter(|field| field.automatic && field.pii == Pii::None)
            .map(|field| field.id.as_str())
            .collect();
        for (id, field) in &shown {
            let leaks = serde_json::to_string(field).unwrap().contains(CANARY);
            assert!(
                !leaks || automatic.contains(&id.as_str()),
                "{}: {id} leaks: {json}",
                definition.id
            );
        }
        assert!(!seen.is_empty() || definition.id == "consent" || definition.id == "case");
    }
}

proptest! {
    #[test]
    fn hostile_values_neither_panic_nor_leak(values in prop::collection::hash_map(prop::sample::select(
        definition("intake_assessment").fields().map(|field| field.id.clone()).chain(["nonsense".to_owned()]).collect::<Vec<_>>()
    ), any_value(), 0..12)) {
        let sheet = definition("intake_assessment");
        let values: Map<String, Value> = values.into_iter().filter(|(id, _)| id != "case_no").collect();
        let _ = validate(sheet, &values, &Context::on(date(2026, 11, 22)));
        let shown = project_masked(sheet, &values, false, &mut Numbering::new(), &mut |_, _| MaskedText::Masked("…".into()));
        prop_assert!(!serde_json::to_string(&shown).unwrap().contains(CANARY));
        for field in sheet.fields() {
            let _ = calculate(sheet, field, &values, &serde_json::Map::new(), date(2026, 11, 22));
        }
    }

    #[test]
    fn a_withheld_text_shows_nothing(text in "\\PC{1,30}") {
        let sheet = definition("intake_assessment");
        let values = object(json!({"summary": text, "adl": text}));
        let shown = project_masked(sheet, &values, false, &mut Numbering::new(), &mut |_, _| MaskedText::Withheld);
        for field in shown.values() {
            prop_assert_eq!(field, &Projected { withheld: true, ..Projected::default() });
        }
    }
}

// ── wire formats ─────────────────────────────────────────────────────────────────────────────

#[test]
fn the_json_of_a_definition() {
    insta::assert_json_snapshot!("intake_application", definition("intake_application"));
}

#[test]
fn a_definition_survives_json() {
    for definition in catalogue().definitions() {
        let json = serde_json::to_string(definition).unwrap();
        assert_eq!(
            &serde_json::from_str::<Definition>(&json).unwrap(),
            definition
        );
    }
}

/// `datasets/vectors/forms.json` holds the definitions as `GET /forms/{id}` gives them, for
/// vitest. Rewrite it with `UPDATE_VECTORS=1 cargo test -p domain`.
#[test]
fn the_definitions_for_typescript_tests_are_current() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../datasets/vectors/forms.json"
    );
    let current = serde_json::to_string(catalogue().definitions())
        .unwrap()
        .replace("{\"id\":", "\n{\"id\":")
        + "\n";
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == current,
        "run UPDATE_VECTORS=1 cargo test -p domain"
    );
}

#[test]
fn typescript_is_deterministic_and_names_every_field() {
    let code = typescript(catalogue().definitions());
    assert_eq!(code, typescript(catalogue().definitions()));
    assert!(code.contains("export interface IntakeApplicationValues {"));
    assert!(code.contains("export type ConsentStatus = \"unconfirmed\" | \"full\""));
    assert!(code.contains("  received_on?: string | null;"));
    assert!(code.contains("  issues?: Issues[] | null;"));
    assert!(code.contains("export type FormId = \"case\" | \"consent\""));
    for definition in catalogue().definitions() {
        for field in definition.fields() {
            assert!(
                code.contains(&format!("  {}: \"{}\",", field.id, field.kind)),
                "{}",
                field.id
            );
        }
    }
    let braces = |c: char| code.chars().filter(|d| *d == c).count();
    assert_eq!(braces('{'), braces('}'));
}

#[test]
fn paths_lead_to_fields_and_columns() {
    let sheet = definition("intake_assessment");
    assert_eq!(sheet.field_at("summary").unwrap().id, "summary");
    assert_eq!(sheet.field_at("agencies/r1/org").unwrap().id, "org");
    assert!(sheet.field_at("agencies/r1").is_none());
    assert!(sheet.field_at("agencies/r1/org/x").is_none());
    assert!(sheet.field_at("summary/r1/org").is_none());
    assert!(sheet.field_at("").is_none());
}
