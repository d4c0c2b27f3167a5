//! Sheets are data: one definition per sheet in `datasets/forms/`. From it come screen, Y.Doc
//! shape, validation, masked projection, CSV, statistics and the TypeScript types.

mod builtin;
mod calculate;
mod carry;
pub mod local;
mod message;
mod project;
mod rule;
mod shape;
mod typescript;
mod validate;

pub use builtin::{Catalogue, DefinitionError, Form, catalogue};
pub use calculate::{age_on, calculate};
pub use carry::{Carry, CarryHow, Source, carried, source_of};
pub use local::Extension;
pub use message::message_ja;
pub use project::{MaskedText, Projected, ProjectedRow, Projection, project_masked};
pub use rule::{Condition, Op, contains_code, is_empty, selected_codes};
pub use shape::{ColumnShape, FieldShape, FormShape, ScalarKind};
pub use typescript::typescript;
pub(crate) use validate::parse_iso;
pub use validate::{Context, Issue, Severity, validate};

use serde::{Deserialize, Serialize};

use crate::code::coded;

coded! {
    /// Type of a field. `textarea` differs from `text` on the screen only.
    pub enum FieldType {
        Text = "text", "文字";
        Textarea = "textarea", "文章";
        Int = "int", "整数";
        Number = "number", "数値";
        /// ISO date; `date_precision` may allow a year or a month alone.
        Date = "date", "日付";
        /// `YYYY-MM-DD` or `YYYY-MM-DDThh:mm`, local time of the municipality.
        Datetime = "datetime", "日時";
        Bool = "bool", "はい・いいえ";
        Select = "select", "1つ選択";
        Multiselect = "multiselect", "複数選択";
        UserRef = "user_ref", "職員";
        OrgRef = "org_ref", "機関";
        PersonRef = "person_ref", "人";
        Table = "table", "表";
        /// Never stored; see [`Calculation`].
        Calc = "calc", "計算";
        File = "file", "ファイル";
        Signature = "signature", "署名";
    }
}

coded! {
    /// What kind of personal information a field holds: decides how it is masked.
    pub enum Pii {
        None = "none", "なし";
        Name = "name", "氏名";
        Kana = "kana", "ふりがな";
        Address = "address", "住所";
        Phone = "phone", "電話";
        Email = "email", "メール";
        BirthDate = "birth_date", "生年月日";
        IdNumber = "id_number", "番号";
        Account = "account", "口座";
        Facility = "facility", "施設・所属";
        /// Free text that may hold anything: masked span by span.
        FreeText = "free_text", "自由記述";
        /// 要配慮個人情報 and the like; shown to masked readers, who do not learn whose it is.
        Sensitive = "sensitive", "要配慮";
    }
}

coded! {
    /// Whom a field is about.
    pub enum About {
        Client = "client", "本人";
        Member = "member", "世帯員";
        Family = "family", "家族・親族";
        Reporter = "reporter", "来談者・相談元";
        Staff = "staff", "職員";
        None = "none", "人ではない";
    }
}

/// A sheet's definition. As JSON it is the body of `GET /forms/{id}` (with `lists` filled in).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub id: String,
    /// Three-letter code of the catalogue (UKE, IAS …).
    pub code: String,
    pub title: String,
    /// Version of the definition's content.
    pub version: String,
    /// Version of the shape stored in documents; changes only when stored data would not fit.
    pub schema: u32,
    /// Compared with the ministry's file. `false` = 未検証.
    pub verified: bool,
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// A case may have several of them, each a document with its own number (プラン, 評価, 会議).
    #[serde(default, skip_serializing_if = "is_false")]
    pub repeated: bool,
    /// The field with the business date that lists show beside the sheet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    pub sections: Vec<FormSection>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// The option lists that the fields name (resolved on loading; not in the TOML).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<OptionList>,
}

/// A group of fields on the screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormSection {
    pub id: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Added by the municipality ([`local`]).
    #[serde(default, skip_serializing_if = "is_false")]
    pub local: bool,
    pub fields: Vec<Field>,
}

/// A field, or a column of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub id: String,
    pub label: String,
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Name of the option list (`select`, `multiselect`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
    /// Field that says more when an option with `text = true` is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_field: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(default)]
    pub required: bool,
    /// Required when the condition holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_when: Option<Condition>,
    /// Shown (and allowed to hold a value) only when the condition holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible_when: Option<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calculation: Option<Calculation>,
    /// Where the value stands already, so that nobody types it twice: offered, never written
    /// unasked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carry: Vec<Carry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Field>,
    #[serde(default, skip_serializing_if = "Limits::is_default")]
    pub limits: Limits,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// CSV header; the label where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<String>,
    /// Header in the ministry's workbook; `null` until the workbook is at hand.
    #[serde(default)]
    pub xlsx: Option<String>,
    /// Used in statistics or the report to the ministry (expected).
    #[serde(default)]
    pub statistics: bool,
    pub pii: Pii,
    pub person: About,
    /// Section whose disclosure governs the field. `register` = person register.
    pub group: String,
    /// Protected by 住所秘匿.
    #[serde(default)]
    pub confidential_address: bool,
    /// Supplied by the server from elsewhere (case, register, settings); read-only on the screen
    /// and never part of the document.
    #[serde(default)]
    pub automatic: bool,
    /// Source code of the catalogue (S, A, B … D).
    pub source: String,
    /// Compared with the ministry's file. `false` = 未検証.
    pub verified: bool,
    /// Remark for those who maintain the definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Added by the municipality ([`local`]).
    #[serde(default, skip_serializing_if = "is_false")]
    pub local: bool,
    /// Withdrawn: old values stay valid and are shown, new ones are not asked for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retired: bool,
}

/// Limits of a value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Code points; [`Limits::TEXT`] or [`Limits::TEXTAREA`] where missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_chars: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Rows of a table; [`Limits::ROWS`] where missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<usize>,
    /// A date after today is an error.
    #[serde(default)]
    pub not_future: bool,
    /// A year or a month alone is allowed (生年月日の推定など).
    #[serde(default)]
    pub partial_date: bool,
    /// Form of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<TextFormat>,
}

impl Limits {
    /// Longest `text`, in code points.
    pub const TEXT: usize = 200;
    /// Longest `textarea`, in code points.
    pub const TEXTAREA: usize = 10_000;
    /// Most rows of a table.
    pub const ROWS: usize = 100;

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

coded! {
    /// Form of a text; a value that does not fit is a warning, never refused.
    pub enum TextFormat {
        Phone = "phone", "電話番号";
        PostalCode = "postal_code", "郵便番号";
        Email = "email", "メールアドレス";
        Kana = "kana", "ふりがな";
    }
}

/// How a `calc` field comes about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Calculation {
    /// 満年齢 from a birth date (or else an estimate) on the context's day.
    Age {
        birth_date: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        estimated: Option<String>,
    },
    /// Code of the option list `age_band` from the same.
    AgeBand {
        birth_date: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        estimated: Option<String>,
    },
    /// Number of chosen options or rows in these fields, without exclusive options.
    Count { fields: Vec<String> },
    /// Sum of numbers; `table/column` adds up a column. Missing while none of them is there.
    Sum { fields: Vec<String> },
    /// Number of a table's rows for which the condition holds (names: columns, then fields).
    CountRows { table: String, when: Condition },
    /// Whole days from one date to the other; negative when they stand the wrong way round.
    Days { from: String, to: String },
    /// The same day so many months, then days, later; the last day of a shorter month.
    DateAfter {
        date: String,
        #[serde(default)]
        months: i32,
        #[serde(default)]
        days: i32,
    },
}

impl Calculation {
    /// The fields (and names from elsewhere) it reads.
    #[must_use]
    pub fn inputs(&self) -> Vec<&str> {
        match self {
            Self::Age {
                birth_date,
                estimated,
            }
            | Self::AgeBand {
                birth_date,
                estimated,
            } => std::iter::once(birth_date.as_str())
                .chain(estimated.as_deref())
                .collect(),
            Self::Count { fields } | Self::Sum { fields } => {
                fields.iter().map(String::as_str).collect()
            }
            Self::CountRows { table, .. } => vec![table],
            Self::Days { from, to } => vec![from, to],
            Self::DateAfter { date, .. } => vec![date],
        }
    }
}

/// A check across fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Check {
    /// Dates that follow each other (equal is fine, missing ones are skipped). A name with a dot
    /// (`case.closed_on`) is looked up in [`Context::outside`].
    Order {
        dates: Vec<String>,
        severity: Severity,
    },
    /// The option chosen in `field` must be among those chosen in `of`.
    Within {
        field: String,
        of: String,
        severity: Severity,
    },
    /// When the condition holds, the issue `code` is raised at `field`.
    Raise {
        when: Condition,
        field: String,
        code: String,
        message: String,
        severity: Severity,
    },
}

/// An option list of `datasets/forms/options.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionList {
    pub id: String,
    pub title: String,
    pub source: String,
    pub verified: bool,
    pub options: Vec<FormOption>,
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormOption {
    pub code: String,
    pub label: String,
    /// Cannot be chosen together with others (なし, 該当なし, 不明).
    #[serde(default, skip_serializing_if = "is_false")]
    pub exclusive: bool,
    /// Asks for more in the field's `other_field`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub text: bool,
    /// Added by the municipality ([`local`]).
    #[serde(default, skip_serializing_if = "is_false")]
    pub local: bool,
    /// Withdrawn: stays valid where it was chosen, and is not offered any more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retired: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Definition {
    /// All fields (not columns), in the order of the screen.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.sections.iter().flat_map(|section| &section.fields)
    }

    /// `None` for an unknown field.
    #[must_use]
    pub fn field(&self, id: &str) -> Option<&Field> {
        self.fields().find(|field| field.id == id)
    }

    /// The field or column at a path: `field`, or `table/rowId/column`.
    #[must_use]
    pub fn field_at(&self, path: &str) -> Option<&Field> {
        let mut parts = path.split('/');
        let field = self.field(parts.next()?)?;
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => Some(field),
            (Some(_row), Some(column), None) => field.column(column),
            _ => None,
        }
    }

    /// The list that a field or column names.
    #[must_use]
    pub fn list(&self, field: &Field) -> Option<&OptionList> {
        let name = field.options.as_deref()?;
        self.lists.iter().find(|list| list.id == name)
    }

    /// The label of an option.
    #[must_use]
    pub fn option_label(&self, field: &Field, code: &str) -> Option<&str> {
        self.list(field)?
            .option(code)
            .map(|option| option.label.as_str())
    }
}

impl OptionList {
    /// `None` for an unknown code.
    #[must_use]
    pub fn option(&self, code: &str) -> Option<&FormOption> {
        self.options.iter().find(|option| option.code == code)
    }
}

impl Field {
    /// `None` for an unknown column.
    #[must_use]
    pub fn column(&self, id: &str) -> Option<&Self> {
        self.columns.iter().find(|column| column.id == id)
    }

    /// Whether the field is kept in the document: calculated and automatic ones are not.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.kind != FieldType::Calc && !self.automatic
    }

    /// Longest text in code points.
    #[must_use]
    pub fn max_chars(&self) -> usize {
        self.limits
            .max_chars
            .unwrap_or(if self.kind == FieldType::Textarea {
                Limits::TEXTAREA
            } else {
                Limits::TEXT
            })
    }

    /// The header in CSV files.
    #[must_use]
    pub fn csv_header(&self) -> &str {
        self.csv.as_deref().unwrap_or(&self.label)
    }
}

#[cfg(test)]
mod tests;
