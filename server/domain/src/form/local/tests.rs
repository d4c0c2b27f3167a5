use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::form::{Context, MaskedText, catalogue, project_masked, validate};
use crate::mask::Numbering;

fn extension(value: Value) -> Extension {
    serde_json::from_value(value).unwrap()
}

/// A text, a long text, a choice with its own list, an option more in a list that ships.
fn example() -> Extension {
    let mut example = extension(json!({
        "forms": { "intake_assessment": {
            "sections": [{ "id": "new_s", "title": "市独自の項目" }],
            "fields": [
                { "id": "new_a", "section": "new_s", "label": "民生委員", "type": "text", "pii": "name", "person": "staff" },
                { "id": "new_b", "section": "basic", "label": "地区のようす", "type": "textarea", "pii": "free_text" },
                { "id": "new_c", "section": "new_s", "label": "見守りの頻度", "type": "select", "options": "new_l", "required": true,
                  "visible_when": { "field": "new_d", "op": "eq", "value": true } },
                { "id": "new_d", "section": "new_s", "label": "見守りあり", "type": "bool" },
            ],
        } },
        "lists": [{ "id": "new_l", "title": "頻度", "options": [{ "code": "new_1", "label": "毎日" }, { "code": "new_2", "label": "毎週" }] }],
        "options": { "route": [{ "code": "new_r", "label": "市の巡回相談" }] },
    }));
    let mut number = 0x2a_bc_de;
    example
        .assign_ids(&[], || {
            number += 7_919;
            number
        })
        .unwrap();
    example
}

fn own(extension: &Extension, at: usize) -> &OwnField {
    &extension.forms["intake_assessment"].fields[at]
}

fn own_mut(extension: &mut Extension, at: usize) -> &mut OwnField {
    &mut extension.forms.get_mut("intake_assessment").unwrap().fields[at]
}

fn codes(extension: &Extension, previous: &Extension) -> Vec<&'static str> {
    let problems = extension.problems(catalogue(), previous);
    problems.into_iter().map(|problem| problem.code).collect()
}

#[test]
fn an_extension_gives_an_ordinary_definition() {
    let example = example();
    assert_eq!(example.problems(catalogue(), &Extension::default()), []);
    let forms = example.extend(catalogue(), 3);
    assert_eq!(forms.version(), 3);
    let form = forms.definition("intake_assessment").unwrap();
    let plain = catalogue().definition("intake_assessment").unwrap();
    assert_eq!(form.version, format!("{}+3", plain.version));
    assert_eq!(form.fields().count(), plain.fields().count() + 4);
    let choice = form.field(&own(&example, 2).id).unwrap();
    assert_eq!(choice.group, "assessment");
    assert_eq!(form.list(choice).unwrap().options.len(), 2);
    let route = form.field("route").unwrap();
    let added = &example.options["route"][0];
    assert_eq!(form.option_label(route, &added.code), Some("市の巡回相談"));
    // Everything that ships stands there unchanged.
    for field in plain.fields() {
        assert_eq!(form.field(&field.id), Some(field));
    }
    // A form that nothing was added to is the very one that ships.
    assert_eq!(forms.definition("plan"), catalogue().definition("plan"));
    assert_eq!(forms.definition("person"), catalogue().definition("person"));
    // The condition and the section name what was given to them.
    assert_eq!(
        choice.visible_when.as_ref().unwrap().fields(),
        [own(&example, 3).id.as_str()]
    );
    assert_eq!(
        own(&example, 0).section,
        example.forms["intake_assessment"].sections[0].id
    );
}

#[test]
fn own_fields_are_validated_and_masked_like_any() {
    let example = example();
    let forms = example.extend(catalogue(), 1);
    let form = forms.definition("intake_assessment").unwrap();
    let id = |at: usize| own(&example, at).id.clone();
    let mut values = Map::from_iter([
        (id(0), json!("佐藤 花子")),
        (id(1), json!("隣の鈴木さんが気にかけている")),
        (id(3), json!(true)),
    ]);
    let context = Context::on("2026-11-30".parse().unwrap());
    let issues = |values: &Map<String, Value>| -> Vec<(String, String)> {
        validate(form, values, &context)
            .into_iter()
            .filter(|issue| issue.path.starts_with(PREFIX))
            .map(|issue| (issue.path, issue.code))
            .collect()
    };
    assert_eq!(issues(&values), [(id(2), "required".to_owned())]);
    values.insert(id(2), json!("nonsense"));
    assert_eq!(issues(&values), [(id(2), "unknown_option".to_owned())]);
    values.insert(id(2), json!(example.lists[0].options[1].code));
    assert_eq!(issues(&values), []);
    let mut numbering = Numbering::default();
    let shown = project_masked(form, &values, false, &mut numbering, &mut |path, _| {
        assert_eq!(path, id(1));
        MaskedText::Withheld
    });
    assert_eq!(shown[&id(0)].text.as_deref(), Some("［氏名1］"));
    assert!(shown[&id(1)].withheld && shown[&id(1)].text.is_none());
}

#[test]
fn what_is_missing_is_strict() {
    let field: OwnField = serde_json::from_value(
        json!({ "id": "x_aaaaaa", "section": "basic", "label": "備考", "type": "text" }),
    )
    .unwrap();
    assert_eq!((field.pii, field.person), (Pii::Sensitive, About::Client));
    assert!(!fits(FieldType::Textarea, Pii::None) && !fits(FieldType::Text, Pii::None));
}

#[test]
fn mistakes_are_named() {
    let none = Extension::default();
    let with = |change: &dyn Fn(&mut Extension)| {
        let mut changed = example();
        change(&mut changed);
        codes(&changed, &none)
    };
    assert_eq!(with(&|e| own_mut(e, 0).label = " ".into()), ["no_label"]);
    assert_eq!(
        with(&|e| own_mut(e, 0).label = "あ".repeat(61)),
        ["too_long"]
    );
    for bad in ["民生\u{202e}委員", "民生\n委員", "民生\u{200b}委員"] {
        assert_eq!(
            with(&|e| own_mut(e, 0).label = bad.into()),
            ["control_character"]
        );
    }
    // Full width, half width and spaces are the same label; so is one that ships.
    assert_eq!(
        with(&|e| own_mut(e, 3).label = "民生 委員".into()),
        ["same_label"]
    );
    assert_eq!(
        with(&|e| own_mut(e, 1).label = "事案番号".into()),
        ["same_label"]
    );
    assert_eq!(
        with(&|e| own_mut(e, 0).section = "nowhere".into()),
        ["unknown_section"]
    );
    assert_eq!(
        with(&|e| own_mut(e, 0).kind = FieldType::Signature),
        ["bad_type", "bad_pii"]
    );
    assert_eq!(with(&|e| own_mut(e, 2).options = None), ["no_options"]);
    assert_eq!(
        with(&|e| own_mut(e, 2).options = Some("nowhere".into())),
        ["unknown_list"]
    );
    assert_eq!(
        with(&|e| own_mut(e, 0).options = Some("route".into())),
        ["unknown_list"]
    );
    assert_eq!(with(&|e| own_mut(e, 1).pii = Pii::None), ["bad_pii"]);
    assert_eq!(
        with(&|e| e.lists[0].options[0].label = "毎週".into()),
        ["same_label"]
    );
    assert_eq!(with(&|e| e.lists[0].options.clear()), ["no_options"]);
    let closed = with(&|e| {
        let options = e.options.remove("route").unwrap();
        e.options.insert("gender".into(), options);
    });
    assert_eq!(closed, ["closed_list"]);
    let register = with(&|e| {
        let form = e.forms.remove("intake_assessment").unwrap();
        e.forms.insert("person".into(), form);
    });
    assert_eq!(register, ["closed_form"]);
    let unknown = json!({ "field": "nowhere", "op": "not_empty" });
    let unknown: Condition = serde_json::from_value(unknown).unwrap();
    assert_eq!(
        with(&|e| own_mut(e, 0).visible_when = Some(unknown.clone())),
        ["unknown_condition"]
    );
    let many = with(&|e| {
        let field = own(e, 0).clone();
        let fields = &mut e.forms.get_mut("intake_assessment").unwrap().fields;
        fields.extend((0..MAX_FIELDS as u32).map(|at| OwnField {
            id: own_id(at),
            label: format!("項目{at}"),
            ..field.clone()
        }));
    });
    assert_eq!(many, ["too_many_fields"]);
}

#[test]
fn what_was_published_stays() {
    let before = example();
    let with = |change: &dyn Fn(&mut Extension)| {
        let mut changed = before.clone();
        change(&mut changed);
        codes(&changed, &before)
    };
    assert_eq!(with(&|_| {}), [] as [&str; 0]);
    assert_eq!(
        with(&|e| own_mut(e, 0).label = "地区の民生委員".into()),
        [] as [&str; 0]
    );
    assert_eq!(with(&|e| own_mut(e, 0).retired = true), [] as [&str; 0]);
    assert_eq!(
        with(&|e| own_mut(e, 0).kind = FieldType::Textarea),
        ["bad_pii", "published"]
    );
    assert_eq!(
        with(&|e| own_mut(e, 0).pii = Pii::FreeText),
        ["less_protected"]
    );
    assert_eq!(with(&|e| own_mut(e, 1).pii = Pii::Address), [] as [&str; 0]);
    assert_eq!(
        with(&|e| drop(
            e.forms
                .get_mut("intake_assessment")
                .unwrap()
                .fields
                .remove(1)
        )),
        ["published"]
    );
    assert_eq!(with(&|e| drop(e.lists[0].options.pop())), ["published"]);
    assert_eq!(with(&|e| e.options.clear()), ["published"]);
}

#[test]
fn a_withdrawn_field_keeps_its_values_valid() {
    let mut example = example();
    own_mut(&mut example, 2).retired = true;
    own_mut(&mut example, 2).visible_when = None;
    example.lists[0].options[0].retired = true;
    let forms = example.extend(catalogue(), 2);
    let form = forms.definition("intake_assessment").unwrap();
    let (id, code) = (
        own(&example, 2).id.clone(),
        example.lists[0].options[0].code.clone(),
    );
    let context = Context::on("2026-11-30".parse().unwrap());
    for values in [Map::new(), Map::from_iter([(id.clone(), json!(code))])] {
        let issues = validate(form, &values, &context);
        assert!(issues.iter().all(|issue| issue.path != id), "{issues:?}");
    }
    assert!(form.shape().fields.contains_key(&id));
}

#[test]
fn new_things_get_ids_and_foreign_ones_are_refused() {
    let published = example();
    let mut next = published.clone();
    own_mut(&mut next, 0).id = "x_zzzzzz".into();
    let refused = next.assign_ids(&[&published], || 1).unwrap_err();
    assert_eq!(refused.code, "foreign_id");
    // A number that is taken already is not given again.
    let mut next = published.clone();
    let mut added = own(&published, 0).clone();
    added.id = "new_1".into();
    next.forms
        .get_mut("intake_assessment")
        .unwrap()
        .fields
        .push(added);
    let taken = own_number(&own(&published, 0).id).unwrap();
    let mut numbers = [taken, 12_345].into_iter();
    next.assign_ids(&[&published], || numbers.next().unwrap())
        .unwrap();
    assert_eq!(own(&next, 4).id, own_id(12_345));
}

#[test]
fn an_update_of_the_program_takes_only_what_does_not_fit() {
    let mut example = example();
    // As if a list that it names did not ship any more.
    own_mut(&mut example, 2).options = Some("nowhere".into());
    own_mut(&mut example, 0).section = "nowhere".into();
    let forms = example.extend(catalogue(), 1);
    let form = forms.definition("intake_assessment").unwrap();
    assert!(form.field(&own(&example, 2).id).is_none());
    for at in [0, 1, 3] {
        assert!(form.field(&own(&example, at).id).is_some(), "{at}");
    }
}

#[test]
fn csv_headers_stay_unique() {
    let mut example = example();
    // The label of a field that ships, in another section.
    own_mut(&mut example, 0).label = "事案番号".into();
    own_mut(&mut example, 1).section = own(&example, 0).section.clone();
    own_mut(&mut example, 1).label = "初回相談受付日".into();
    assert_eq!(codes(&example, &Extension::default()), [] as [&str; 0]);
    let forms = example.extend(catalogue(), 1);
    let form = forms.definition("intake_assessment").unwrap();
    let headers: Vec<&str> = form.fields().map(Field::csv_header).collect();
    let mut unique = headers.clone();
    unique.sort_unstable();
    unique.dedup();
    let before = catalogue().definition("intake_assessment").unwrap();
    let doubles = before.fields().count()
        - before
            .fields()
            .map(Field::csv_header)
            .collect::<BTreeSet<_>>()
            .len();
    assert_eq!(headers.len() - unique.len(), doubles);
}

#[test]
fn changes_are_counted() {
    let before = example();
    let mut after = before.clone();
    own_mut(&mut after, 0).label = "地区の民生委員".into();
    own_mut(&mut after, 1).retired = true;
    let changes = after.changes_since(&before);
    assert_eq!((changes.added, changes.changed, changes.retired), (0, 1, 1));
    assert_eq!(
        changes.forms.iter().collect::<Vec<_>>(),
        ["intake_assessment"]
    );
    assert_eq!(before.changes_since(&Extension::default()).added, 9);
}

proptest! {
    #[test]
    fn ids_and_numbers_are_one_to_one(number in 0u32..1 << 30) {
        prop_assert_eq!(own_number(&own_id(number)), Some(number));
    }

    #[test]
    fn nothing_else_is_an_own_id(text in "\\PC{0,12}") {
        prop_assert!(!is_own_id(&text) || own_number(&text).map(own_id) == Some(text));
    }
}
