//! The standard files: which columns each has, taken from the definitions of the sheets where there is
//! one, so that a field that is added there is in the file as well.

use std::sync::{Arc, OnceLock};

use domain::form::{
    Catalogue, Definition, Field, FieldType, OptionList, TextFormat, catalogue, local,
};
use serde::Serialize;

/// What may stand in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Text,
    /// Text with line breaks.
    Long,
    /// An identifier or number that is text: leading zeros belong to it.
    Code,
    Phone,
    PostalCode,
    Int,
    Number,
    Bool,
    Date,
    /// A year or month alone is allowed.
    PartialDate,
    DateTime,
    Select,
    Multi,
}

/// One column of a standard file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableColumn {
    /// Identifier of the catalogue.
    pub id: String,
    /// Japanese header.
    pub label: String,
    pub kind: Kind,
    /// The choices of [`Kind::Select`] and [`Kind::Multi`].
    #[serde(skip)]
    pub options: Option<Arc<OptionList>>,
    pub required: bool,
    /// Most characters of a text.
    pub max_chars: usize,
    /// Written by exports, left alone by imports.
    pub output_only: bool,
    /// A field that the municipality added to its sheet.
    pub own: bool,
}

/// A standard file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// `person`: the file is `person.csv`.
    pub id: String,
    pub title: String,
    /// The sheet that it is made of, by its form.
    pub form: Option<String>,
    /// The table of the sheet whose rows it holds.
    pub part: Option<String>,
    pub columns: Vec<TableColumn>,
    /// Whether it can be brought in as well.
    pub import: bool,
    /// Compared with the ministry's file. `false` = 未検証.
    pub verified: bool,
}

impl Table {
    /// Position of a column by its identifier.
    #[must_use]
    pub fn position(&self, id: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.id == id)
    }
}

/// Names of the standard files that are not made of form and table (catalogue §4).
const NAMES: [(&str, &str); 5] = [
    ("plan_items", "plan_item"),
    ("evaluation_items", "evaluation_item"),
    ("meeting_attendees", "meeting_attendee"),
    ("meeting_roles", "meeting_role"),
    ("meeting_materials", "meeting_material"),
];

/// The standard file of a sheet (`table`: `None`) or of one of its tables.
#[must_use]
pub fn table_id(form: &str, table: Option<&str>) -> String {
    let name = match table {
        None => return form.to_owned(),
        Some(table) => format!("{form}_{table}"),
    };
    NAMES
        .iter()
        .find(|(long, _)| *long == name)
        .map_or(name.clone(), |(_, short)| (*short).to_owned())
}

/// Sheets that are documents of a case.
pub const SHEETS: [&str; 6] = [
    "intake_application",
    "intake_assessment",
    "screening",
    "plan",
    "evaluation",
    "meeting",
];

fn text(id: &str, label: &str, kind: Kind, output_only: bool) -> TableColumn {
    TableColumn {
        id: id.to_owned(),
        label: label.to_owned(),
        kind,
        options: None,
        required: false,
        max_chars: 200,
        output_only,
        own: false,
    }
}

/// A column without which a row is about nothing.
fn key(id: &str, label: &str) -> TableColumn {
    TableColumn {
        required: true,
        ..text(id, label, Kind::Code, false)
    }
}

fn choice(id: &str, label: &str, list: &str, output_only: bool) -> TableColumn {
    TableColumn {
        options: catalogue().list(list).cloned().map(Arc::new),
        ..text(id, label, Kind::Select, output_only)
    }
}

fn of_field(definition: &Definition, field: &Field) -> Option<TableColumn> {
    let kind = match field.kind {
        FieldType::Text => match field.limits.format {
            Some(TextFormat::Phone) => Kind::Phone,
            Some(TextFormat::PostalCode) => Kind::PostalCode,
            _ if field.id.ends_with("_no") || field.id.ends_with("_id") => Kind::Code,
            _ => Kind::Text,
        },
        FieldType::Textarea => Kind::Long,
        FieldType::Int => Kind::Int,
        FieldType::Number => Kind::Number,
        FieldType::Bool => Kind::Bool,
        FieldType::Date if field.limits.partial_date => Kind::PartialDate,
        FieldType::Date => Kind::Date,
        FieldType::Datetime => Kind::DateTime,
        FieldType::Select => Kind::Select,
        FieldType::Multiselect => Kind::Multi,
        FieldType::UserRef | FieldType::OrgRef | FieldType::PersonRef => Kind::Code,
        FieldType::Calc => Kind::Text,
        // Tables are files of their own; files and signatures are not written.
        _ => return None,
    };
    Some(TableColumn {
        id: field.id.clone(),
        label: field.csv_header().to_owned(),
        kind,
        options: definition.list(field).cloned().map(Arc::new),
        required: field.required,
        max_chars: field.max_chars(),
        // What was withdrawn is kept where it stands, and not asked for any more.
        output_only: !field.is_stored() || field.retired,
        own: local::is_own_id(&field.id),
    })
}

fn persons() -> Table {
    let mut columns = vec![text("person_id", "支援対象者ID", Kind::Code, false)];
    if let Some(form) = catalogue().definition("person") {
        for field in form.fields() {
            // The number stands in front; household and kinship belong to a household, not to the person.
            if field.kind == FieldType::Calc
                || matches!(
                    field.id.as_str(),
                    "person_id" | "household_id" | "kinship" | "kinship_other"
                )
            {
                continue;
            }
            let Some(mut column) = of_field(form, field) else {
                continue;
            };
            // Marked at the person by those who may, not by a file.
            column.output_only =
                matches!(column.id.as_str(), "address_confidential" | "risk_flags");
            if column.kind == Kind::Text && column.id == "atena_no" {
                column.kind = Kind::Code;
            }
            column.required = false;
            let after = column.id == "alias";
            columns.push(column);
            if after {
                columns.push(text(
                    "alias_kana",
                    "通称・旧姓（ふりがな）",
                    Kind::Text,
                    false,
                ));
            }
        }
    }
    columns.push(text("workplace", "勤務先", Kind::Text, false));
    columns.push(text("school", "学校・園", Kind::Text, false));
    columns.push(text("updated_at", "更新日時", Kind::Text, true));
    for column in &mut columns {
        // The register's own bound: what stands there goes out and comes in again.
        column.max_chars = 2000;
    }
    Table {
        id: "person".to_owned(),
        title: "支援対象者・関係者（台帳）".to_owned(),
        form: None,
        part: None,
        columns,
        import: true,
        verified: false,
    }
}

fn progress() -> Table {
    let mut columns = vec![
        text("record_id", "支援経過ID", Kind::Code, false),
        TableColumn {
            required: true,
            ..text("case_no", "事案番号", Kind::Code, false)
        },
    ];
    if let Some(form) = catalogue().definition("progress_record") {
        for field in form.fields().filter(|field| field.is_stored()) {
            let Some(mut column) = of_field(form, field) else {
                continue;
            };
            match column.id.as_str() {
                "target_person" => {
                    columns.push(TableColumn {
                        max_chars: 2000,
                        ..text("person_ids", "支援対象者ID", Kind::Code, false)
                    });
                    columns.push(text("target_person", &column.label, Kind::Text, true));
                    continue;
                }
                "staff" | "org" => {
                    columns.push(text(&column.id, &column.label, Kind::Text, true));
                    continue;
                }
                "performed_at" | "content" | "method" => column.required = true,
                _ => column.required = false,
            }
            columns.push(column);
        }
    }
    columns.push(text(
        "private_note",
        "機微メモ（自機関限り）",
        Kind::Long,
        true,
    ));
    columns.push(text("amendments", "訂正の回数", Kind::Int, true));
    columns.push(text("recorded_at", "記録日時", Kind::Text, true));
    Table {
        id: "progress".to_owned(),
        title: "支援経過".to_owned(),
        form: None,
        part: None,
        columns,
        import: true,
        verified: false,
    }
}

fn output(id: &str, title: &str, columns: Vec<TableColumn>) -> Table {
    Table {
        id: id.to_owned(),
        title: title.to_owned(),
        form: None,
        part: None,
        columns,
        import: false,
        verified: false,
    }
}

fn cases() -> Table {
    let plain = |id, label| text(id, label, Kind::Text, false);
    let long = |column: TableColumn| TableColumn {
        max_chars: 2000,
        ..column
    };
    let columns = vec![
        text("case_no", "事案番号", Kind::Code, false),
        TableColumn {
            max_chars: 100,
            ..plain("case_title", "事案名（表示名）")
        },
        long(text("person_ids", "支援対象者ID", Kind::Code, false)),
        long(plain("clients", "支援対象者")),
        // With the names alone nobody could be told apart.
        long(plain("client_birth_dates", "支援対象者の生年月日")),
        choice("stage", "段階", "case_status", false),
        choice("urgency", "緊急性", "urgency", false),
        text("received_on", "受付日", Kind::Date, false),
        text("closed_on", "終結日", Kind::Date, false),
        plain("owner", "主担当（多機関協働事業者）"),
        plain("owner_agency", "担当する機関"),
        plain("lead_org", "主担当機関（伴走）"),
        text("last_progress_on", "最後の支援経過", Kind::Date, true),
        text("similar_ok", "類似検索への利用可否", Kind::Bool, false),
    ];
    Table {
        import: true,
        ..output("case", "事案", columns)
    }
}

fn consents() -> Table {
    let words = |id, label, kind| TableColumn {
        max_chars: 2000,
        ..text(id, label, kind, false)
    };
    let mut sections = choice(
        "allowed_sections",
        "共有してよい項目（タブ）",
        "section",
        false,
    );
    sections.kind = Kind::Multi;
    let columns = vec![
        text("consent_id", "同意ID", Kind::Code, false),
        key("case_no", "事案番号"),
        text("person_id", "支援対象者ID", Kind::Code, false),
        text("subject", "同意対象者", Kind::Text, true),
        choice("status", "同意区分", "consent_status", false),
        text("obtained_on", "取得日", Kind::Date, false),
        choice("method", "取得方法", "consent_method", false),
        text("expires_on", "有効期限・再確認日", Kind::Date, false),
        text("withdrawn_on", "撤回日", Kind::Date, false),
        sections,
        words("allowed_orgs", "共有してよい機関", Kind::Text),
        words("excluded_orgs", "共有してはいけない機関", Kind::Text),
        words(
            "policy_version",
            "説明した内容・使用した規程の版",
            Kind::Text,
        ),
        words("purpose", "利用目的", Kind::Long),
        words("proxy", "代理人・立会人", Kind::Text),
        words("note", "備考", Kind::Long),
        text("current", "現在の同意", Kind::Bool, true),
    ];
    Table {
        import: true,
        ..output("consent", "個人情報の共有に関する同意", columns)
    }
}

fn households() -> Table {
    output(
        "household_member",
        "世帯員（台帳の世帯）",
        vec![
            text("household_id", "世帯ID", Kind::Code, true),
            text("household_kind", "世帯の種別", Kind::Text, true),
            text("person_id", "支援対象者ID", Kind::Code, true),
            text("name", "氏名", Kind::Text, true),
            choice("kinship", "世帯主との続柄", "kinship", true),
            text("kinship_other", "続柄（その他の内容）", Kind::Text, true),
            text("valid_from", "始まった日", Kind::Date, true),
            text("valid_to", "終わった日", Kind::Date, true),
        ],
    )
}

fn relations() -> Table {
    let columns = vec![
        key("case_no", "事案番号"),
        text("person_id", "支援対象者ID", Kind::Code, false),
        text("name", "氏名", Kind::Text, false),
        text("role", "事案での立場", Kind::Text, false),
        choice("kinship", "本人との続柄", "kinship", false),
    ];
    Table {
        import: true,
        ..output("relation", "事案の関係者（続柄）", columns)
    }
}

fn sheets(forms: &Catalogue) -> Vec<Table> {
    let mut out = Vec::new();
    for form in SHEETS.iter().filter_map(|id| forms.definition(id)) {
        // 会議 has a room, a protocol and people who were there: it is written where it takes place.
        let import = form.id != "meeting";
        let keys = |row: bool| {
            let mut keys = vec![TableColumn {
                required: import,
                ..text("case_no", "事案番号", Kind::Code, !import)
            }];
            if form.repeated {
                keys.push(text("number", "回次", Kind::Int, !import));
            }
            if row {
                keys.push(text("row", "行", Kind::Int, !import));
            } else {
                keys.push(text("state", "下書き・確定", Kind::Text, true));
            }
            keys
        };
        let made = |table: Option<&Field>, fields: &mut dyn Iterator<Item = &Field>| {
            let mut columns = keys(table.is_some());
            for field in fields {
                // The keys in front say it already; what the server supplies from elsewhere has a file of its own.
                if field.automatic || columns.iter().any(|column| column.id == field.id) {
                    continue;
                }
                if let Some(mut column) = of_field(form, field) {
                    column.output_only |= !import;
                    // A draft may have gaps; what is missing is said when it is made final.
                    column.required = false;
                    columns.push(column);
                }
            }
            Table {
                id: table_id(&form.id, table.map(|table| table.id.as_str())),
                title: table.map_or_else(
                    || form.title.clone(),
                    |table| format!("{}：{}", form.title, table.label),
                ),
                form: Some(form.id.clone()),
                part: table.map(|table| table.id.clone()),
                columns,
                import,
                verified: form.verified,
            }
        };
        out.push(made(None, &mut form.fields()));
        for table in form.fields().filter(|field| field.kind == FieldType::Table) {
            if !table.automatic {
                out.push(made(Some(table), &mut table.columns.iter()));
            }
        }
    }
    out
}

/// Every standard file, in the order in which they build on each other. `forms`: the sheets of a
/// municipality, with what it added; its own fields are columns under their own ids.
#[must_use]
pub fn tables_of(forms: &Catalogue) -> Vec<Arc<Table>> {
    let mut all = vec![persons(), households(), cases(), relations(), consents()];
    all.extend(sheets(forms));
    all.push(progress());
    for table in &mut all {
        let mut seen = std::collections::BTreeSet::new();
        // A header stands once in a file: a second one of the same words says which it is.
        for column in &mut table.columns {
            if !seen.insert(column.label.clone()) {
                column.label = format!("{}（{}）", column.label, column.id);
                seen.insert(column.label.clone());
            }
        }
    }
    all.into_iter().map(Arc::new).collect()
}

/// The standard files as they ship, as of [`tables_of`].
#[must_use]
pub fn tables() -> &'static [Arc<Table>] {
    static TABLES: OnceLock<Vec<Arc<Table>>> = OnceLock::new();
    TABLES.get_or_init(|| tables_of(catalogue()))
}

/// One standard file as it ships.
#[must_use]
pub fn table(id: &str) -> Option<&'static Table> {
    tables()
        .iter()
        .map(Arc::as_ref)
        .find(|table| table.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_files_of_the_catalogue_are_there() {
        for id in [
            "person",
            "household_member",
            "relation",
            "case",
            "plan",
            "plan_item",
            "progress",
            "evaluation",
            "consent",
            "meeting",
            "meeting_attendee",
            "screening",
            "intake_application",
            "intake_assessment",
        ] {
            assert!(
                table(id).is_some_and(|table| table.columns.len() > 3),
                "{id}"
            );
        }
        let able: Vec<&str> = tables()
            .iter()
            .filter(|table| table.import)
            .map(|table| table.id.as_str())
            .collect();
        for id in [
            "person",
            "case",
            "relation",
            "consent",
            "intake_application",
            "intake_assessment",
            "screening",
            "plan",
            "plan_item",
            "evaluation",
            "progress",
        ] {
            assert!(able.contains(&id), "{id}");
        }
        for id in ["meeting", "meeting_attendee", "household_member"] {
            assert!(!able.contains(&id), "{id}");
        }
    }

    #[test]
    fn identifiers_and_headers_are_unique_and_choices_have_their_list() {
        for table in tables() {
            let ids: BTreeSet<&str> = table
                .columns
                .iter()
                .map(|column| column.id.as_str())
                .collect();
            let labels: BTreeSet<&str> = table
                .columns
                .iter()
                .map(|column| column.label.as_str())
                .collect();
            assert_eq!(
                (ids.len(), labels.len()),
                (table.columns.len(), table.columns.len()),
                "{}",
                table.id
            );
            for column in &table.columns {
                let chosen = matches!(column.kind, Kind::Select | Kind::Multi);
                assert!(
                    !chosen || column.options.is_some(),
                    "{}.{}",
                    table.id,
                    column.id
                );
            }
        }
        let ids: BTreeSet<&str> = tables().iter().map(|table| table.id.as_str()).collect();
        assert_eq!(ids.len(), tables().len());
    }

    #[test]
    fn what_a_municipality_added_is_a_column_and_what_it_withdrew_only_goes_out() {
        let shipped = catalogue();
        let section = &shipped.definition("plan").unwrap().sections[0].id;
        let extension: local::Extension = serde_json::from_value(serde_json::json!({
            "forms": { "plan": { "fields": [
                { "id": "x_aaaaaa", "section": section, "label": "作成日", "type": "text" },
                { "id": "x_bbbbbb", "section": section, "label": "見守り", "type": "multiselect", "options": "x_cccccc" },
                { "id": "x_dddddd", "section": section, "label": "やめた項目", "type": "int", "retired": true },
            ] } },
            "lists": [{ "id": "x_cccccc", "title": "頻度", "options": [{ "code": "x_eeeeee", "label": "毎日" }] }],
        }))
        .unwrap();
        let tables = tables_of(&extension.extend(shipped, 1));
        let plan = tables.iter().find(|table| table.id == "plan").unwrap();
        let column = |id: &str| &plan.columns[plan.position(id).unwrap()];
        // A header of its own, although the words stand there already.
        assert_eq!(column("planned_on").label, "作成日");
        assert_eq!(column("x_aaaaaa").label, "基本_作成日");
        assert!(column("x_aaaaaa").own && !column("planned_on").own);
        let list = column("x_bbbbbb").options.as_ref().unwrap();
        assert_eq!(
            (column("x_bbbbbb").kind, list.options[0].label.as_str()),
            (Kind::Multi, "毎日")
        );
        assert!(column("x_dddddd").output_only && !column("x_aaaaaa").output_only);
        assert!(table("plan").unwrap().position("x_aaaaaa").is_none());
    }

    #[test]
    fn what_the_specification_names_is_in_the_progress_file() {
        let progress = table("progress").unwrap();
        for id in [
            "performed_at",
            "target_person",
            "staff",
            "org",
            "method",
            "involved_orgs",
            "content",
            "person_ids",
        ] {
            assert!(progress.position(id).is_some(), "{id}");
        }
    }
}
