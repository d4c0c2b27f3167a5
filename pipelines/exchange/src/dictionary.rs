//! What the sheets are made of, for others: data dictionary, JSON Schema, CSV specification.

use domain::form::{Condition, Definition, Field, FieldType};
use serde_json::{Map, Value, json};

use crate::{Column, Output, WriteError, WriteOptions, write};

/// A table of words, to be written as CSV or Markdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl Listing {
    /// CSV by the conventions of the catalogue.
    ///
    /// # Errors
    /// As [`write`]; never for UTF-8.
    pub fn csv(&self, options: &WriteOptions) -> Result<Output, WriteError> {
        let columns: Vec<Column> = self
            .columns
            .iter()
            .map(|label| Column::text(*label, *label))
            .collect();
        write(&columns, &self.rows, options)
    }

    /// A Markdown table.
    #[must_use]
    pub fn markdown(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| -> String {
            let cells: Vec<String> = cells
                .map(|cell| cell.replace('|', "\\|").replace('\n', "<br>"))
                .collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut out = line(&mut self.columns.iter().map(|cell| (*cell).to_owned()));
        out += &line(&mut self.columns.iter().map(|_| "---".to_owned()));
        for row in &self.rows {
            out += &line(&mut row.iter().cloned());
        }
        out
    }
}

/// A field or column of a sheet, with where it stands.
struct Place<'a> {
    form: &'a Definition,
    section: &'a str,
    table: Option<&'a Field>,
    field: &'a Field,
}

impl Place<'_> {
    /// `items` or `items.goal`.
    fn id(&self) -> String {
        match self.table {
            Some(table) => format!("{}.{}", table.id, self.field.id),
            None => self.field.id.clone(),
        }
    }

    fn label(&self) -> String {
        match self.table {
            Some(table) => format!("{}：{}", table.label, self.field.label),
            None => self.field.label.clone(),
        }
    }
}

fn places<'a>(forms: &[&'a Definition]) -> Vec<Place<'a>> {
    let mut out = Vec::new();
    for form in forms {
        for section in &form.sections {
            for field in &section.fields {
                let place = |table, field| Place {
                    form,
                    section: section.title.as_str(),
                    table,
                    field,
                };
                out.push(place(None, field));
                out.extend(
                    field
                        .columns
                        .iter()
                        .map(|column| place(Some(field), column)),
                );
            }
        }
    }
    out
}

fn yes(flag: bool) -> String {
    if flag { "○" } else { "" }.to_owned()
}

fn verified(flag: bool) -> String {
    if flag { "照合済み" } else { "未検証" }.to_owned()
}

fn options(place: &Place<'_>) -> String {
    let Some(list) = place.form.list(place.field) else {
        return String::new();
    };
    let options = list
        .options
        .iter()
        .map(|option| format!("{}={}", option.code, option.label));
    options.collect::<Vec<_>>().join(" / ")
}

/// データ辞書: every field of the forms with type, options, requirement, what kind of personal
/// information it holds and whose, disclosure, source and whether it was compared with the ministry's
/// file.
#[must_use]
pub fn dictionary(forms: &[&Definition]) -> Listing {
    let columns = vec![
        "様式",
        "様式名",
        "版",
        "区分",
        "識別子",
        "項目",
        "型",
        "選択肢",
        "必須",
        "条件つき必須",
        "表示の条件",
        "統計",
        "個人情報の種別",
        "誰のことか",
        "開示の区分",
        "住所秘匿の対象",
        "自動",
        "出典",
        "照合",
        "備考",
    ];
    let condition = |condition: &Option<Condition>, place: &Place<'_>| {
        condition
            .as_ref()
            .map(|condition| words(condition, place.form))
            .unwrap_or_default()
    };
    let rows = places(forms)
        .iter()
        .map(|place| {
            let field = place.field;
            vec![
                place.form.code.clone(),
                place.form.title.clone(),
                place.form.version.clone(),
                place.section.to_owned(),
                place.id(),
                place.label(),
                field.kind.label_ja().to_owned(),
                options(place),
                yes(field.required),
                condition(&field.required_when, place),
                condition(&field.visible_when, place),
                yes(field.statistics),
                field.pii.label_ja().to_owned(),
                field.person.label_ja().to_owned(),
                field.group.clone(),
                yes(field.confidential_address),
                yes(!field.is_stored()),
                field.source.clone(),
                verified(field.verified),
                field.note.clone().unwrap_or_default(),
            ]
        })
        .collect();
    Listing { columns, rows }
}

/// CSV 仕様: the files, their columns, headers and what may stand in them.
#[must_use]
pub fn csv_specification(forms: &[&Definition]) -> Listing {
    let columns = vec![
        "ファイル",
        "列",
        "見出し",
        "識別子",
        "型",
        "書き方",
        "最大の長さ",
        "必須",
        "照合",
    ];
    let mut rows = Vec::new();
    for form in forms {
        // A table is a file of its own, with the number of the case and of the sheet before it.
        let mut file = |name: String, table: Option<&Field>, fields: &[&Field]| {
            let keys: &[(&str, &str)] = match (form.repeated, table.is_some()) {
                (true, true) => &[("事案番号", "case_no"), ("回次", "number"), ("行", "row")],
                (true, false) => &[("事案番号", "case_no"), ("回次", "number")],
                (false, true) => &[("事案番号", "case_no"), ("行", "row")],
                (false, false) => &[("事案番号", "case_no")],
            };
            let mut at = 0;
            for (label, id) in keys {
                at += 1;
                let kind = if *id == "case_no" { "文字" } else { "整数" };
                let number = at.to_string();
                let why = "この行がどの記録のものか";
                let cells = [
                    name.as_str(),
                    number.as_str(),
                    label,
                    id,
                    kind,
                    why,
                    "",
                    "○",
                    "未検証",
                ];
                rows.push(cells.map(str::to_owned).to_vec());
            }
            for field in fields {
                // The keys in front say it already.
                if field.automatic && matches!(field.id.as_str(), "case_no" | "plan_no") {
                    continue;
                }
                at += 1;
                let text = matches!(field.kind, FieldType::Text | FieldType::Textarea);
                rows.push(vec![
                    name.clone(),
                    at.to_string(),
                    field.csv_header().to_owned(),
                    field.id.clone(),
                    field.kind.label_ja().to_owned(),
                    notation(form, field),
                    if text {
                        field.max_chars().to_string()
                    } else {
                        String::new()
                    },
                    yes(field.required),
                    verified(field.verified),
                ]);
            }
        };
        let plain: Vec<&Field> = form
            .fields()
            .filter(|field| field.kind != FieldType::Table)
            .collect();
        file(format!("{}.csv", form.id), None, &plain);
        for table in form.fields().filter(|field| field.kind == FieldType::Table) {
            let columns: Vec<&Field> = table.columns.iter().collect();
            file(
                format!("{}_{}.csv", form.id, table.id),
                Some(table),
                &columns,
            );
        }
    }
    Listing { columns, rows }
}

/// How a value is written in a cell.
fn notation(form: &Definition, field: &Field) -> String {
    let codes = |join: &str| {
        form.list(field)
            .map(|list| {
                let codes = list.options.iter().map(|option| option.code.as_str());
                codes.collect::<Vec<_>>().join(join)
            })
            .unwrap_or_default()
    };
    match field.kind {
        FieldType::Date if field.limits.partial_date => {
            "YYYY-MM-DD（YYYY-MM、YYYY も可）。取込は和暦も可".to_owned()
        }
        FieldType::Date => "YYYY-MM-DD。取込は和暦も可".to_owned(),
        FieldType::Datetime => "YYYY-MM-DDThh:mm".to_owned(),
        FieldType::Bool => "1＝はい、0＝いいえ".to_owned(),
        FieldType::Select => format!("コード1つ：{}", codes("、")),
        FieldType::Multiselect => format!("コードを | で区切る：{}", codes("、")),
        FieldType::UserRef => "職員番号".to_owned(),
        FieldType::OrgRef => "機関の識別子".to_owned(),
        FieldType::PersonRef => "支援対象者ID".to_owned(),
        FieldType::Int | FieldType::Number => match &field.unit {
            Some(unit) => format!("半角の数字（{unit}）"),
            None => "半角の数字".to_owned(),
        },
        FieldType::Calc => "出力だけ（ほかの欄から計算）".to_owned(),
        FieldType::File | FieldType::Signature => "出力しない".to_owned(),
        _ => String::new(),
    }
}

/// JSON Schema (2020-12) of a form's values as the API gives and takes them. Conditional requirements
/// stand as `x-required-when`: what they read may come from outside the sheet.
#[must_use]
pub fn json_schema(form: &Definition) -> Value {
    let (properties, required) = properties(form, &mut form.fields());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:musubi:form:{}:{}", form.id, form.version),
        "title": form.title,
        "description": if form.verified { "" } else { "未検証：国の様式との照合が済んでいません。" },
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn properties(
    form: &Definition,
    fields: &mut dyn Iterator<Item = &Field>,
) -> (Map<String, Value>, Vec<String>) {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields.filter(|field| field.is_stored()) {
        let mut schema = value_schema(form, field);
        schema["title"] = field.label.clone().into();
        schema["x-pii"] = field.pii.code().into();
        schema["x-verified"] = field.verified.into();
        if let Some(condition) = &field.required_when {
            schema["x-required-when"] = json!(condition);
        }
        if let Some(condition) = &field.visible_when {
            schema["x-visible-when"] = json!(condition);
        }
        if field.required && field.visible_when.is_none() {
            required.push(field.id.clone());
        }
        properties.insert(field.id.clone(), schema);
    }
    (properties, required)
}

fn value_schema(form: &Definition, field: &Field) -> Value {
    let options = || {
        let list = form.list(field).map(|list| list.options.as_slice());
        let options = list.unwrap_or_default().iter();
        let named: Vec<Value> = options
            .map(|option| json!({ "const": option.code, "title": option.label }))
            .collect();
        json!({ "oneOf": named })
    };
    let number = |kind: &str| {
        let mut schema = json!({ "type": kind });
        if let Some(min) = field.limits.min {
            schema["minimum"] = min.into();
        }
        if let Some(max) = field.limits.max {
            schema["maximum"] = max.into();
        }
        schema
    };
    match field.kind {
        FieldType::Text | FieldType::Textarea => {
            json!({ "type": "string", "maxLength": field.max_chars() })
        }
        FieldType::Int => number("integer"),
        FieldType::Number => number("number"),
        FieldType::Bool => json!({ "type": "boolean" }),
        FieldType::Date if field.limits.partial_date => {
            json!({ "type": "string", "pattern": "^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$" })
        }
        FieldType::Date => json!({ "type": "string", "format": "date" }),
        FieldType::Datetime => {
            json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2})?$" })
        }
        FieldType::Select => options(),
        FieldType::Multiselect => {
            json!({ "type": "array", "items": options(), "uniqueItems": true })
        }
        FieldType::Table => {
            let (properties, required) = properties(form, &mut field.columns.iter());
            let row = json!({ "type": "object", "properties": properties, "required": required });
            let most = field.limits.max_rows.unwrap_or(domain::form::Limits::ROWS);
            json!({ "type": "array", "items": row, "maxItems": most })
        }
        // Opaque identifiers of accounts, agencies, persons and files.
        _ => json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" }),
    }
}

/// A condition in words: 「対応方針＝つなぐ」.
fn words(condition: &Condition, form: &Definition) -> String {
    let join = |all: &[Condition], by: &str| {
        let parts: Vec<String> = all.iter().map(|one| words(one, form)).collect();
        parts.join(by)
    };
    match condition {
        Condition::All(all) => join(&all.all, " かつ "),
        Condition::Any(any) => join(&any.any, " または "),
        Condition::Not(not) => format!("（{}）でない", words(&not.not, form)),
        Condition::Compare(compare) => {
            let field = form.fields().find(|field| field.id == compare.field);
            let label = field.map_or(compare.field.as_str(), |field| field.label.as_str());
            let one = |value: &Value| {
                let code = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                field
                    .and_then(|field| form.option_label(field, &code))
                    .map_or(code.clone(), str::to_owned)
            };
            let value = match &compare.value {
                Value::Array(values) => values.iter().map(one).collect::<Vec<_>>().join("・"),
                Value::Null => String::new(),
                value => one(value),
            };
            format!("{label} {} {value}", compare.op.label_ja())
                .trim_end()
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::form::catalogue;

    fn all() -> Vec<&'static Definition> {
        catalogue().definitions().iter().collect()
    }

    #[test]
    fn every_field_and_column_is_in_the_dictionary() {
        let listing = dictionary(&all());
        let fields: usize = catalogue()
            .definitions()
            .iter()
            .flat_map(Definition::fields)
            .map(|field| 1 + field.columns.len())
            .sum();
        assert_eq!(listing.rows.len(), fields);
        assert!(
            listing
                .rows
                .iter()
                .all(|row| row.len() == listing.columns.len())
        );
        assert!(listing.rows.iter().all(|row| row[18] == "未検証"));
        let row = |id: &str| {
            let mut rows = listing.rows.iter();
            rows.find(|row| row[0] == "SCR" && row[4] == id)
                .unwrap()
                .clone()
        };
        assert_eq!(
            row("refer_method")[10],
            "対応方針（スクリーニング結果） 等しい 既存の相談支援機関（他制度）で対応が可能であり、つなぐ"
        );
    }

    #[test]
    fn a_written_listing_is_read_again() {
        for listing in [dictionary(&all()), csv_specification(&all())] {
            let written = listing.csv(&WriteOptions::default()).unwrap();
            let read = crate::read(&written.bytes).unwrap();
            assert_eq!(read.records.len(), listing.rows.len());
            let markdown = listing.markdown();
            assert_eq!(markdown.lines().count(), listing.rows.len() + 2);
        }
    }

    #[test]
    fn a_schema_names_what_a_sheet_keeps() {
        for form in catalogue().definitions() {
            let schema = json_schema(form);
            let properties = schema["properties"].as_object().unwrap();
            let stored: Vec<&str> = form
                .fields()
                .filter(|field| field.is_stored())
                .map(|field| field.id.as_str())
                .collect();
            assert_eq!(properties.len(), stored.len(), "{}", form.id);
            for required in schema["required"].as_array().unwrap() {
                assert!(stored.contains(&required.as_str().unwrap()));
            }
        }
        let plan = json_schema(catalogue().definition("plan").unwrap());
        let items = &plan["properties"]["items"];
        assert_eq!(
            (&items["type"], &items["maxItems"]),
            (&json!("array"), &json!(30))
        );
        assert_eq!(items["items"]["properties"]["goal"]["maxLength"], 10_000);
        let codes = &plan["properties"]["plan_kind"]["oneOf"];
        assert_eq!(codes[0], json!({ "const": "first", "title": "初回プラン" }));
    }
}
