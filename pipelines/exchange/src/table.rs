//! The standard files: which columns each has, taken from the definitions of the sheets where there is
//! one, so that a field that is added there is in the file as well.

use std::sync::OnceLock;

use domain::form::{Definition, Field, FieldType, OptionList, TextFormat, catalogue};
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
    pub options: Option<&'static OptionList>,
    pub required: bool,
    /// Most characters of a text.
    pub max_chars: usize,
    /// Written by exports, left alone by imports.
    pub output_only: bool,
}

/// A standard file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// `person`: the file is `person.csv`.
    pub id: String,
    pub title: String,
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
    }
}

fn choice(id: &str, label: &str, list: &str, output_only: bool) -> TableColumn {
    TableColumn {
        options: catalogue().list(list),
        ..text(id, label, Kind::Select, output_only)
    }
}

fn of_field(definition: &'static Definition, field: &'static Field) -> Option<TableColumn> {
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
        options: definition.list(field),
        required: field.required,
        max_chars: field.max_chars(),
        output_only: !field.is_stored(),
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
        columns,
        import: true,
        verified: false,
    }
}

fn output(id: &str, title: &str, columns: Vec<TableColumn>) -> Table {
    Table {
        id: id.to_owned(),
        title: title.to_owned(),
        columns,
        import: false,
        verified: false,
    }
}

fn cases() -> Table {
    let plain = |id, label| text(id, label, Kind::Text, true);
    output(
        "case",
        "事案",
        vec![
            text("case_no", "事案番号", Kind::Code, true),
            plain("case_title", "事案名（表示名）"),
            text("person_ids", "支援対象者ID", Kind::Code, true),
            plain("clients", "支援対象者"),
            plain("stage", "段階"),
            choice("urgency", "緊急性", "urgency", true),
            text("received_on", "受付日", Kind::Date, true),
            text("closed_on", "終結日", Kind::Date, true),
            plain("owner", "主担当（多機関協働事業者）"),
            plain("owner_agency", "担当する機関"),
            plain("lead_org", "主担当機関（伴走）"),
            text("last_progress_on", "最後の支援経過", Kind::Date, true),
            text("similar_ok", "類似検索への利用可否", Kind::Bool, true),
        ],
    )
}

fn consents() -> Table {
    let plain = |id, label| text(id, label, Kind::Text, true);
    let mut sections = choice(
        "allowed_sections",
        "共有してよい項目（タブ）",
        "section",
        true,
    );
    sections.kind = Kind::Multi;
    output(
        "consent",
        "個人情報の共有に関する同意",
        vec![
            text("consent_id", "同意ID", Kind::Code, true),
            text("case_no", "事案番号", Kind::Code, true),
            text("person_id", "支援対象者ID", Kind::Code, true),
            plain("subject", "同意対象者"),
            choice("status", "同意区分", "consent_status", true),
            text("obtained_on", "取得日", Kind::Date, true),
            choice("method", "取得方法", "consent_method", true),
            text("expires_on", "有効期限・再確認日", Kind::Date, true),
            text("withdrawn_on", "撤回日", Kind::Date, true),
            sections,
            plain("allowed_orgs", "共有してよい機関"),
            plain("excluded_orgs", "共有してはいけない機関"),
            plain("policy_version", "説明した内容・使用した規程の版"),
            text("purpose", "利用目的", Kind::Long, true),
            plain("proxy", "代理人・立会人"),
            text("note", "備考", Kind::Long, true),
            text("current", "現在の同意", Kind::Bool, true),
        ],
    )
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
    output(
        "relation",
        "事案の関係者（続柄）",
        vec![
            text("case_no", "事案番号", Kind::Code, true),
            text("person_id", "支援対象者ID", Kind::Code, true),
            text("name", "氏名", Kind::Text, true),
            text("role", "事案での立場", Kind::Text, true),
            choice("kinship", "本人との続柄", "kinship", true),
        ],
    )
}

fn sheets() -> Vec<Table> {
    let mut out = Vec::new();
    for form in SHEETS.iter().filter_map(|id| catalogue().definition(id)) {
        let keys = |row: bool| {
            let mut keys = vec![text("case_no", "事案番号", Kind::Code, true)];
            if form.repeated {
                keys.push(text("number", "回次", Kind::Int, true));
            }
            if row {
                keys.push(text("row", "行", Kind::Int, true));
            } else {
                keys.push(text("state", "下書き・確定", Kind::Text, true));
            }
            keys
        };
        let made = |table: Option<&'static Field>,
                    fields: &mut dyn Iterator<Item = &'static Field>| {
            let mut columns = keys(table.is_some());
            for field in fields {
                // The keys in front say it already; what the server supplies from elsewhere has a file of its own.
                if field.automatic || columns.iter().any(|column| column.id == field.id) {
                    continue;
                }
                if let Some(mut column) = of_field(form, field) {
                    column.output_only = true;
                    columns.push(column);
                }
            }
            Table {
                id: table_id(&form.id, table.map(|table| table.id.as_str())),
                title: table.map_or_else(
                    || form.title.clone(),
                    |table| format!("{}：{}", form.title, table.label),
                ),
                columns,
                import: false,
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

/// Every standard file, in the order in which they build on each other.
#[must_use]
pub fn tables() -> &'static [Table] {
    static TABLES: OnceLock<Vec<Table>> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut all = vec![persons(), households(), cases(), relations(), consents()];
        all.extend(sheets());
        all.push(progress());
        for table in &mut all {
            let mut seen = std::collections::BTreeSet::new();
            let forms = table.columns.iter_mut();
            // A header stands once in a file: a second one of the same words says which it is.
            for column in forms {
                if !seen.insert(column.label.clone()) {
                    column.label = format!("{}（{}）", column.label, column.id);
                    seen.insert(column.label.clone());
                }
            }
        }
        all
    })
}

/// One standard file.
#[must_use]
pub fn table(id: &str) -> Option<&'static Table> {
    tables().iter().find(|table| table.id == id)
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
        assert_eq!(able, ["person", "progress"]);
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
