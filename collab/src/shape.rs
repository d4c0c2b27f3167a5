//! What may stand in a document: root types, keys, kinds and sizes of values.
//!
//! A shape is data derived from the document's kind and, for sheets, the form definition. The
//! update walker asks it for every struct before anything is applied. Map keys come only from
//! known sets or id patterns: a key stays in a Y.Doc for good, so it never holds a personal
//! value.

use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Says whether a text contains a valid 12-digit マイナンバー. The room hands in the text around
/// what changed, so it is also found when typed digit by digit. What it says of a piece must not
/// depend on what stands beyond a letter outside ASCII on either side.
pub type PersonalNumberCheck = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Longest long-text field, in UTF-16 code units.
pub const MAX_FIELD_TEXT: u32 = 200_000;
/// Longest shared note, in UTF-16 code units; the document's size limit is reached first.
pub const MAX_NOTE_TEXT: u32 = 1 << 26;
/// Longest text held as one value (not live), in UTF-16 code units.
pub const MAX_VALUE_TEXT: u32 = 2_000;
/// Most rows of a table, nodes or ties of a network, spans of a text (deleted ones included).
pub const MAX_ENTRIES: usize = 20_000;

/// Number of a rule within its [`Shape`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId(pub(crate) u32);

/// What may stand at one place.
#[derive(Debug, Clone)]
pub enum Rule {
    /// Y.Text of plain strings, at most so many UTF-16 code units.
    Text { max: u32 },
    /// One JSON scalar.
    Scalar(Scalar),
    /// Y.Map.
    Map(MapRule),
}

/// Keys and values of a Y.Map.
#[derive(Debug, Clone, Default)]
pub struct MapRule {
    /// Known keys.
    pub(crate) fixed: HashMap<Box<str>, RuleId>,
    /// What stands under opaque random keys, `[a-z0-9]{8,32}`.
    pub(crate) entries: Option<RuleId>,
    /// The nested types under the known keys are created by the server with the document and
    /// are never replaced or deleted.
    pub(crate) seeded: bool,
    /// Multi-choice: option codes with flags.
    pub(crate) options: bool,
}

/// Kinds of scalar values. `null` (empty) is always allowed.
#[derive(Debug, Clone)]
pub enum Scalar {
    /// One of these codes.
    OneOf(Arc<[Box<str>]>),
    Bool,
    /// Whole number within the bounds, inclusive.
    Integer {
        min: i64,
        max: i64,
    },
    /// Finite number within the bounds, inclusive.
    Number {
        min: f64,
        max: f64,
    },
    /// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    Date,
    /// `YYYY-MM-DD` or `YYYY-MM-DDThh:mm`, local time of the municipality.
    DateTime,
    /// ISO 8601 in UTC, as `2026-11-22T01:02:03.456Z`.
    Instant,
    /// `[A-Za-z0-9_-]{1,64}`: an identifier or a code from a list.
    Code,
    /// Printable ASCII up to 128 characters: fractional index.
    Order,
    /// Base64 of a relative position, up to 256 characters.
    Anchor,
    /// `field`, or `table/row/column`.
    FieldPath,
    /// The account of whoever writes it.
    OwnAccount,
    /// Free text up to so many UTF-16 code units.
    Text {
        max: u32,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Root {
    pub(crate) rule: RuleId,
    /// Only written with [`Hub::write_as`](crate::hub::Hub::write_as) and seeds.
    pub(crate) server_only: bool,
}

/// The shape of one kind of document (see the module's words).
#[derive(Clone)]
pub struct Shape {
    kind: Box<str>,
    rules: Vec<Rule>,
    roots: HashMap<Box<str>, Root>,
    /// Content of the `meta` root of a sheet.
    meta: Vec<(Box<str>, Value)>,
    personal_number: Option<PersonalNumberCheck>,
    /// Fields that came to the form after documents of it were made, with their numbers.
    grown: Vec<(Box<str>, u32)>,
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shape")
            .field("kind", &self.kind)
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

/// One field of a sheet, for [`Shape::sheet`].
#[derive(Debug, Clone)]
pub struct Field {
    /// Field id of the form definition, or column id within a table.
    pub id: String,
    pub content: FieldContent,
}

/// What a field holds.
#[derive(Debug, Clone)]
pub enum FieldContent {
    /// Written together: Y.Text.
    LiveText {
        max: u32,
    },
    Scalar(Scalar),
    /// Multi-choice: Y.Map option code → bool.
    Options(Vec<String>),
    /// Rows: Y.Map row id → Y.Map of `order` and these columns.
    Table(Vec<Field>),
}

impl Shape {
    fn empty(kind: &str) -> Self {
        Self {
            kind: kind.into(),
            rules: Vec::new(),
            roots: HashMap::new(),
            meta: Vec::new(),
            personal_number: None,
            grown: Vec::new(),
        }
    }

    /// 共有メモ: root Y.Text `content`.
    #[must_use]
    pub fn note() -> Self {
        let mut shape = Self::empty("note");
        let text = shape.add(Rule::Text { max: MAX_NOTE_TEXT });
        shape.root("content", text, false);
        shape
    }

    /// A sheet: root Y.Map `fields` from the form definition, and the server's `meta`.
    #[must_use]
    pub fn sheet(kind: &str, form: &str, form_version: u32, fields: &[Field]) -> Self {
        let mut shape = Self::empty(kind);
        let fixed = fields
            .iter()
            .map(|f| (f.id.as_str().into(), shape.field(&f.content)))
            .collect();
        let fields = shape.add(Rule::Map(MapRule {
            fixed,
            seeded: true,
            ..MapRule::default()
        }));
        shape.root("fields", fields, false);
        shape.meta = vec![
            ("form".into(), form.into()),
            ("form_version".into(), form_version.into()),
            ("schema".into(), 1.into()),
        ];
        let code = shape.add(Rule::Scalar(Scalar::Code));
        let number = shape.add(Rule::Scalar(Scalar::Integer {
            min: 0,
            max: i64::from(u32::MAX),
        }));
        let fixed = HashMap::from([
            ("form".into(), code),
            ("form_version".into(), number),
            ("schema".into(), number),
        ]);
        let meta = shape.add(Rule::Map(MapRule {
            fixed,
            seeded: true,
            ..MapRule::default()
        }));
        shape.root("meta", meta, true);
        shape
    }

    /// 世帯・関係: `nodes`, `ties`, `households`, `settings`.
    #[must_use]
    pub fn network() -> Self {
        let mut shape = Self::empty("network");
        let place = || Scalar::Number {
            min: -1e6,
            max: 1e6,
        };
        let node = shape.record(vec![
            (
                "kind",
                one_of(&["person", "agency", "group", "place", "pet"]),
            ),
            ("person_id", Scalar::Code),
            ("agency_id", Scalar::Code),
            ("label", Scalar::Text { max: 200 }),
            ("sex", Scalar::Code),
            ("birth_date", Scalar::Date),
            ("death_date", Scalar::Date),
            ("deceased", Scalar::Bool),
            ("key_person", Scalar::Bool),
            ("index", Scalar::Bool),
            ("x", place()),
            ("y", place()),
            ("sector", Scalar::Code),
        ]);
        let tie = shape.record(vec![
            ("family", one_of(&["eco", "gen"])),
            ("from", Scalar::Code),
            ("to", Scalar::Code),
            ("kind", Scalar::Code),
            ("direction", Scalar::Code),
            ("frequency", Scalar::Text { max: 200 }),
            ("valid_from", Scalar::Date),
            ("valid_to", Scalar::Date),
            (
                "note",
                Scalar::Text {
                    max: MAX_VALUE_TEXT,
                },
            ),
            ("source", Scalar::Code),
        ]);
        let flag = shape.add(Rule::Scalar(Scalar::Bool));
        let members = shape.add(Rule::Map(MapRule {
            entries: Some(flag),
            ..MapRule::default()
        }));
        let mut household = shape.record_rule(vec![
            ("name", Scalar::Text { max: 200 }),
            ("kind", Scalar::Code),
        ]);
        household.fixed.insert("members".into(), members);
        let household = shape.add(Rule::Map(household));
        for (root, entry) in [("nodes", node), ("ties", tie), ("households", household)] {
            let rule = shape.add(Rule::Map(MapRule {
                entries: Some(entry),
                ..MapRule::default()
            }));
            shape.root(root, rule, false);
        }
        let settings = shape.record(vec![
            ("layout", Scalar::Code),
            ("as_of", Scalar::Date),
            ("show_eco", Scalar::Bool),
            ("show_gen", Scalar::Bool),
            ("locked", Scalar::Bool),
            (
                "zoom",
                Scalar::Number {
                    min: 0.01,
                    max: 100.0,
                },
            ),
        ]);
        shape.root("settings", settings, false);
        shape
    }

    /// Masks of a text document: `spans`, by the scanner and the reviewers.
    #[must_use]
    pub fn masks() -> Self {
        let mut shape = Self::empty("masks");
        let span = shape.record(vec![
            ("field", Scalar::FieldPath),
            ("start", Scalar::Anchor),
            ("end", Scalar::Anchor),
            (
                "label",
                one_of(&[
                    "PERSON",
                    "ADDRESS",
                    "FACILITY",
                    "PHONE",
                    "EMAIL",
                    "ID_NUMBER",
                    "BIRTHDATE",
                    "POSTAL_CODE",
                    "ACCOUNT",
                    "OTHER_ID",
                ]),
            ),
            ("score", Scalar::Number { min: 0.0, max: 1.0 }),
            (
                "source",
                one_of(&["register", "rule", "dictionary", "model", "manual"]),
            ),
            ("person", Scalar::Code),
            ("status", one_of(&["pending", "accepted", "rejected"])),
            ("by", Scalar::OwnAccount),
            ("at", Scalar::Instant),
        ]);
        let spans = shape.add(Rule::Map(MapRule {
            entries: Some(span),
            ..MapRule::default()
        }));
        shape.root("spans", spans, false);
        shape
    }

    /// Refuses text that contains a valid マイナンバー (code 9).
    #[must_use]
    pub fn with_personal_number_check(mut self, check: PersonalNumberCheck) -> Self {
        self.personal_number = Some(check);
        self
    }

    /// Says which fields of a sheet were added to its form later, each with a number below 2³⁰ that
    /// is its own for good. Documents that exist already get their containers when they are loaded.
    #[must_use]
    pub fn with_grown<'a>(mut self, fields: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        self.grown = fields
            .into_iter()
            .map(|(id, number)| (id.into(), number))
            .collect();
        self.grown.sort();
        self
    }

    pub(crate) fn grown(&self) -> &[(Box<str>, u32)] {
        &self.grown
    }

    /// `note`, `intake`, `assessment`, `network`, `masks`, …
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The rule at a field path (`summary`, `table/row/column`, `nodes/<id>/label`, `content`);
    /// `None` when nothing of that name may stand in the document.
    pub(crate) fn rule_at(&self, path: &str) -> Option<&Rule> {
        let mut parts = path.split('/').peekable();
        let first = *parts.peek()?;
        let root = match self.roots.get(first) {
            Some(root) => {
                parts.next();
                root
            }
            None => self.roots.get("fields")?,
        };
        parts.try_fold(self.rule(root.rule), |rule, part| match rule {
            Rule::Map(map) => Some(self.rule(map.rule_of(part)?)),
            Rule::Text { .. } | Rule::Scalar(_) => None,
        })
    }

    pub(crate) fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id.0 as usize]
    }

    pub(crate) fn roots(&self) -> impl Iterator<Item = (&str, &Root)> {
        self.roots.iter().map(|(name, root)| (&**name, root))
    }

    /// Multi-choice: known keys with flags, nothing else.
    pub(crate) fn is_options(&self, map: &MapRule) -> bool {
        map.options
    }

    pub(crate) fn meta(&self) -> &[(Box<str>, Value)] {
        &self.meta
    }

    pub(crate) fn personal_number(&self) -> Option<&PersonalNumberCheck> {
        self.personal_number.as_ref()
    }

    fn add(&mut self, rule: Rule) -> RuleId {
        self.rules.push(rule);
        RuleId(self.rules.len() as u32 - 1)
    }

    fn root(&mut self, name: &str, rule: RuleId, server_only: bool) {
        self.roots.insert(name.into(), Root { rule, server_only });
    }

    fn record_rule(&mut self, columns: Vec<(&str, Scalar)>) -> MapRule {
        let fixed = columns
            .into_iter()
            .map(|(key, scalar)| (key.into(), self.add(Rule::Scalar(scalar))))
            .collect();
        MapRule {
            fixed,
            ..MapRule::default()
        }
    }

    fn record(&mut self, columns: Vec<(&str, Scalar)>) -> RuleId {
        let rule = self.record_rule(columns);
        self.add(Rule::Map(rule))
    }

    fn field(&mut self, content: &FieldContent) -> RuleId {
        let rule = match content {
            FieldContent::LiveText { max } => Rule::Text { max: *max },
            FieldContent::Scalar(scalar) => Rule::Scalar(scalar.clone()),
            FieldContent::Options(codes) => {
                let flag = self.add(Rule::Scalar(Scalar::Bool));
                let fixed = codes
                    .iter()
                    .map(|code| (code.as_str().into(), flag))
                    .collect();
                Rule::Map(MapRule {
                    fixed,
                    options: true,
                    ..MapRule::default()
                })
            }
            FieldContent::Table(columns) => {
                let mut fixed: HashMap<Box<str>, RuleId> = columns
                    .iter()
                    .map(|c| (c.id.as_str().into(), self.field(&c.content)))
                    .collect();
                fixed.insert("order".into(), self.add(Rule::Scalar(Scalar::Order)));
                let row = self.add(Rule::Map(MapRule {
                    fixed,
                    ..MapRule::default()
                }));
                Rule::Map(MapRule {
                    entries: Some(row),
                    ..MapRule::default()
                })
            }
        };
        self.add(rule)
    }
}

/// A choice among codes.
#[must_use]
pub fn one_of<S: AsRef<str>>(codes: &[S]) -> Scalar {
    Scalar::OneOf(codes.iter().map(|code| code.as_ref().into()).collect())
}

impl MapRule {
    pub(crate) fn rule_of(&self, key: &str) -> Option<RuleId> {
        if let Some(rule) = self.fixed.get(key) {
            return Some(*rule);
        }
        self.entries.filter(|_| is_id(key))
    }
}

fn is_id(key: &str) -> bool {
    (8..=32).contains(&key.len())
        && key
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_field_path(path: &str) -> bool {
    let mut parts = path.split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(field), None, ..) => is_name(field),
        (Some(table), Some(row), Some(column), None) => {
            is_name(table) && is_id(row) && is_name(column)
        }
        _ => false,
    }
}

/// A scalar as it stands in an update, borrowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Plain<'a> {
    Empty,
    Bool(bool),
    Number(f64),
    Text(&'a str),
}

impl Scalar {
    /// `account`: who writes; `None` for the server.
    pub(crate) fn allows(&self, value: Plain<'_>, account: Option<&str>) -> bool {
        match (self, value) {
            (_, Plain::Empty) => true,
            (Self::OneOf(codes), Plain::Text(text)) => codes.iter().any(|code| &**code == text),
            (Self::Bool, Plain::Bool(_)) => true,
            (Self::Integer { min, max }, Plain::Number(n)) => {
                n.fract() == 0.0 && n >= *min as f64 && n <= *max as f64
            }
            (Self::Number { min, max }, Plain::Number(n)) => n >= *min && n <= *max,
            (Self::Date, Plain::Text(text)) => is_date(text),
            (Self::DateTime, Plain::Text(text)) => match text.len() {
                10 => is_date(text),
                16 => text.parse::<jiff::civil::DateTime>().is_ok(),
                _ => false,
            },
            (Self::Instant, Plain::Text(text)) => {
                text.len() <= 32 && text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()
            }
            (Self::Code, Plain::Text(text)) => {
                (1..=64).contains(&text.len())
                    && text
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            }
            (Self::Order, Plain::Text(text)) => {
                (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
            }
            (Self::Anchor, Plain::Text(text)) => {
                text.len() <= 256
                    && text.bytes().all(|b| {
                        b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_')
                    })
            }
            (Self::FieldPath, Plain::Text(text)) => is_field_path(text),
            (Self::OwnAccount, Plain::Text(text)) => account.is_none_or(|account| account == text),
            (Self::Text { max }, Plain::Text(text)) => text.encode_utf16().count() <= *max as usize,
            _ => false,
        }
    }
}

fn is_date(text: &str) -> bool {
    // 昭和30年頃 is `1955~`.
    let text = match text.strip_suffix('~') {
        Some(known) if known.len() < 10 => known,
        Some(_) => return false,
        None => text,
    };
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes
            .get(range)
            .is_some_and(|b| b.iter().all(u8::is_ascii_digit))
    };
    match bytes.len() {
        4 => digits(0..4),
        7 => {
            digits(0..4)
                && bytes[4] == b'-'
                && digits(5..7)
                && (1..=12).contains(&number(&text[5..7]))
        }
        10 => text.parse::<jiff::civil::Date>().is_ok(),
        _ => false,
    }
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_never_hold_words() {
        assert!(is_id("abcdefgh12345678"));
        for bad in [
            "山田太郎",
            "short",
            "UPPERCASE1",
            "with space 1",
            "a/b/c/d/e/f/g/h",
        ] {
            assert!(!is_id(bad), "{bad}");
        }
        assert!(is_field_path("household/abcdefgh1234/name"));
        assert!(!is_field_path("household/abcdefgh1234"));
    }

    #[test]
    fn scalars_are_checked() {
        assert!(one_of(&["a", "b"]).allows(Plain::Text("b"), None));
        assert!(!one_of(&["a", "b"]).allows(Plain::Text("c"), None));
        assert!(Scalar::Date.allows(Plain::Text("2026-02-28"), None));
        for bad in ["2026-02-30", "2026-13", "昭和65年", "20260228", "２０２６"] {
            assert!(!Scalar::Date.allows(Plain::Text(bad), None), "{bad}");
        }
        assert!(Scalar::DateTime.allows(Plain::Text("2026-11-22T09:30"), None));
        assert!(Scalar::DateTime.allows(Plain::Text("2026-11-22"), None));
        for bad in [
            "2026-11-22T25:00",
            "2026-11-22 田中さん",
            "20261122T093000Z",
        ] {
            assert!(!Scalar::DateTime.allows(Plain::Text(bad), None), "{bad}");
        }
        let age = Scalar::Integer { min: 0, max: 130 };
        assert!(age.allows(Plain::Number(42.0), None));
        assert!(!age.allows(Plain::Number(42.5), None));
        assert!(!age.allows(Plain::Number(f64::NAN), None));
        assert!(!age.allows(Plain::Text("42"), None));
        assert!(Scalar::OwnAccount.allows(Plain::Text("me"), Some("me")));
        assert!(!Scalar::OwnAccount.allows(Plain::Text("you"), Some("me")));
    }
}
