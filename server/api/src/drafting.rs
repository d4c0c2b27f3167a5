//! From a transcript to the sheets: reading and drafting with the intake pipeline, what is kept of
//! it, and writing accepted values into a live sheet.
//!
//! **Invariant:** nothing that stands in a sheet is overwritten unless the request says so. Whether
//! a field is empty is decided on the room's own task, where the value is written.

use std::collections::{BTreeMap, BTreeSet};

use collab::values;
use domain::{
    form::{self, Catalogue, Definition, Field, FieldShape, FormShape, is_empty, selected_codes},
    my_number,
    section::{DocumentKind, Section},
};
use intake::{Drafted, Hint, Ingest, NameFinder, NameKind, NameSpan, Role, Transcript, Utterance};
use models::{Ner, NerLabel};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use yrs::{Any, GetString, Map, MapRef, Out, Text, TransactionMut};

/// The entity model reads about five thousand characters a second; longer conversations are
/// drafted by rules and word lists alone.
const MOST_FOR_THE_MODEL: usize = 40_000;

/// Who accepted a field, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    pub at: String,
    /// Account id.
    pub by: String,
}

/// What is kept of a transcript, sealed as one value. The file's name is not: it often names the
/// person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub utterances: Vec<Utterance>,
    /// Role of every speaker: `worker`, `client`, `family`, `agency`, `other` or `unknown`.
    pub speakers: BTreeMap<String, String>,
    /// The roles among them that a person has set.
    pub given: BTreeMap<String, String>,
    /// `assessment.<field>` or `intake.<field>` → value with evidence.
    pub draft: BTreeMap<String, Drafted>,
    /// What was said of the person register's fields: shown, never written by accepting.
    pub person: BTreeMap<String, Drafted>,
    pub people: Value,
    pub relations: Value,
    pub orgs: Value,
    pub warnings: Value,
    #[serde(default)]
    pub accepted: BTreeMap<String, Accepted>,
}

/// A transcript as it was read, before it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    pub format: String,
    pub encoding: String,
    pub kept: Kept,
}

/// Why a transcript was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0}")]
    Unreadable(#[from] intake::Error),
    /// A 12-digit number with the check digit of a マイナンバー. Counts utterances from 1.
    #[error("personal number in utterance {utterance}")]
    PersonalNumber { utterance: usize },
}

/// Reads a file and drafts from it. Takes a while for a large one: not on an async worker.
///
/// # Errors
/// [`Refused`]: nothing of the file may be kept.
pub fn read(bytes: &[u8], hint: &Hint, ner: Option<&Ner>) -> Result<Read, Refused> {
    let transcript = intake::read(bytes, hint)?;
    for (at, one) in transcript.utterances.iter().enumerate() {
        let texts = [Some(one.text.as_str()), one.speaker.as_deref()];
        if texts
            .into_iter()
            .flatten()
            .any(|text| !my_number::find(text).is_empty())
        {
            return Err(Refused::PersonalNumber { utterance: at + 1 });
        }
    }
    let ingest = drafted(transcript, &BTreeMap::new(), ner);
    // The pipeline also looks across separators that are no usual grouping.
    if let Some(warning) = ingest
        .warnings
        .iter()
        .find(|warning| warning.code == "personal_number")
    {
        return Err(Refused::PersonalNumber {
            utterance: warning.utterance.unwrap_or(0) + 1,
        });
    }
    let warnings = ingest
        .warnings
        .iter()
        .map(|warning| {
            let mut one = json!({ "code": warning.code, "message": warning.message_ja });
            if let Some(line) = warning.line {
                one["line"] = line.into();
            }
            if let Some(utterance) = warning.utterance {
                one["utterance"] = utterance.into();
            }
            one
        })
        .collect();
    Ok(Read {
        format: ingest.format.to_owned(),
        encoding: ingest.encoding.to_owned(),
        kept: kept(ingest, &BTreeMap::new(), warnings),
    })
}

/// Drafts again after a person has said who is who. What was accepted stays noted.
#[must_use]
pub fn redraft(
    format: &str,
    former: Kept,
    given: BTreeMap<String, String>,
    ner: Option<&Ner>,
) -> Kept {
    let format = serde_json::from_value(Value::String(format.to_owned()))
        .unwrap_or(intake::Format::TxtPlain);
    let roles = given
        .iter()
        .filter_map(|(speaker, code)| Some((speaker.clone(), role(code)?)))
        .collect();
    // The encoding is of no interest here: the text is read already.
    let transcript = Transcript {
        format,
        encoding: "utf-8",
        utterances: former.utterances,
        warnings: Vec::new(),
    };
    let again = kept(drafted(transcript, &roles, ner), &given, former.warnings);
    Kept {
        accepted: former.accepted,
        ..again
    }
}

/// Codes of roles that a person may set.
pub const ROLES: [&str; 6] = ["worker", "client", "family", "agency", "other", "unknown"];

fn role(code: &str) -> Option<Role> {
    match code {
        "worker" => Some(Role::Staff),
        "client" => Some(Role::Client),
        "family" => Some(Role::Family),
        "agency" => Some(Role::Agency),
        _ => None,
    }
}

const fn role_code(role: Role) -> &'static str {
    match role {
        Role::Staff => "worker",
        Role::Client => "client",
        Role::Family => "family",
        Role::Agency => "agency",
    }
}

fn drafted(transcript: Transcript, roles: &BTreeMap<String, Role>, ner: Option<&Ner>) -> Ingest {
    let length: usize = transcript
        .utterances
        .iter()
        .map(|one| one.text.chars().count())
        .sum();
    match ner.filter(|_| length <= MOST_FOR_THE_MODEL) {
        Some(ner) => {
            let find = |text: &str| names(ner, text);
            let find: &NameFinder<'_> = &find;
            intake::draft(transcript, roles, Some(find))
        }
        None => intake::draft(transcript, roles, None),
    }
}

/// Names the model finds; none when it fails, the rules go on without it.
fn names(ner: &Ner, text: &str) -> Vec<NameSpan> {
    let found = ner.tag(text).unwrap_or_default();
    found
        .into_iter()
        .map(|entity| NameSpan {
            start: entity.start.0,
            end: entity.end.0,
            kind: match entity.label {
                NerLabel::Person => NameKind::Person,
                NerLabel::Address => NameKind::Place,
                _ => NameKind::Agency,
            },
        })
        .collect()
}

fn kept(ingest: Ingest, given: &BTreeMap<String, String>, warnings: Value) -> Kept {
    let mut speakers: BTreeMap<String, String> = ingest
        .utterances
        .iter()
        .filter_map(|one| one.speaker.clone())
        .map(|speaker| (speaker, "unknown".to_owned()))
        .collect();
    speakers.extend(
        ingest
            .speakers
            .iter()
            .map(|(speaker, role)| (speaker.clone(), role_code(*role).to_owned())),
    );
    speakers.extend(given.clone());
    let (mut draft, mut person) = (BTreeMap::new(), BTreeMap::new());
    for (field, value) in ingest.draft {
        let Some((sheet, id)) =
            intake::target(&field).map(|(sheet, id)| (sheet.to_owned(), id.to_owned()))
        else {
            continue;
        };
        match sheet.as_str() {
            "person" => {
                person.insert(id, value);
            }
            // The household's size is asked for as the number of people living together.
            "household" if id == "household_size" => {
                draft
                    .entry("assessment.cohabit_count".to_owned())
                    .or_insert(value);
            }
            _ => {
                draft.insert(format!("{sheet}.{id}"), value);
            }
        }
    }
    draft.retain(|target, drafted| {
        // A transcript fills fields that ship.
        Place::of(form::catalogue(), target)
            .and_then(|place| place.fitting(&drafted.value))
            .is_some_and(|value| {
                drafted.value = value;
                true
            })
    });
    let json = |value: serde_json::Result<Value>| value.unwrap_or_else(|_| json!([]));
    Kept {
        speakers,
        given: given.clone(),
        draft,
        person,
        people: json(serde_json::to_value(&ingest.people)),
        relations: json(serde_json::to_value(&ingest.relations)),
        orgs: json(serde_json::to_value(&ingest.orgs)),
        warnings,
        accepted: BTreeMap::new(),
        utterances: ingest.utterances,
    }
}

/// What happens to fields that are not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are left as they are.
    #[default]
    FillEmpty,
    Replace,
    /// Texts grow, options are added; a single value that is there stays.
    Append,
}

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Written {
    Written,
    SkippedNotEmpty,
    /// The caller may not edit the sheet (any more), or it is final.
    NotPermitted,
    /// Not in the draft, or not in the form.
    Unknown,
    /// Does not fit the form: too long, or no such option.
    Invalid,
}

/// A field of a sheet, by `assessment.<field>` or `intake.<field>`.
#[derive(Debug, Clone)]
pub struct Place {
    pub section: Section,
    pub field: String,
    shape: FieldShape,
    exclusive: BTreeSet<String>,
}

impl Place {
    /// `None` when there is no such field, or none that a draft can fill.
    #[must_use]
    pub fn of(forms: &Catalogue, target: &str) -> Option<Self> {
        let (sheet, id) = target.split_once('.')?;
        let kind = match sheet {
            "intake" => DocumentKind::Intake,
            "assessment" => DocumentKind::Assessment,
            _ => return None,
        };
        Self::in_form(forms.definition(kind.form()?)?, id)
    }

    /// A field of a form that is a sheet of a case; `None` for tables and what is not stored.
    #[must_use]
    pub fn in_form(definition: &Definition, id: &str) -> Option<Self> {
        let section = DocumentKind::of_form(&definition.id)?.section()?;
        let field = definition.field(id)?;
        let FormShape { mut fields, .. } = definition.shape();
        let shape = fields
            .remove(id)
            .filter(|shape| !matches!(shape, FieldShape::Table { .. }))?;
        Some(Self {
            section,
            field: id.to_owned(),
            shape,
            exclusive: exclusive(definition, field),
        })
    }

    /// The value in the form in which it is written; `None` when it does not fit.
    #[must_use]
    pub fn fitting(&self, value: &Value) -> Option<Value> {
        if is_empty(Some(value)) {
            return None;
        }
        match &self.shape {
            FieldShape::Text { max_chars, line } => {
                let text = value.as_str()?.trim();
                let text = if *line {
                    text.split_whitespace().collect::<Vec<_>>().join(" ")
                } else {
                    text.to_owned()
                };
                (!text.is_empty() && text.chars().count() <= *max_chars).then(|| text.into())
            }
            FieldShape::Scalar(kind) => kind.accepts(value).then(|| value.clone()),
            FieldShape::Options { codes } => {
                let asked = match value.as_str() {
                    Some(code) => vec![code],
                    None => selected_codes(value),
                };
                let known: Vec<&str> = asked
                    .into_iter()
                    .filter(|code| codes.iter().any(|known| known == code))
                    .collect();
                (!known.is_empty()).then(|| json!(known))
            }
            FieldShape::Table { .. } => None,
        }
    }

    /// Writes a fitting value into the root map `fields` of the sheet.
    pub fn write(
        &self,
        txn: &mut TransactionMut<'_>,
        fields: &MapRef,
        value: &Value,
        mode: Mode,
    ) -> Written {
        match &self.shape {
            FieldShape::Text { max_chars, line } => {
                let Some(Out::YText(text)) = fields.get(txn, &self.field) else {
                    return Written::Unknown;
                };
                let Some(new) = value.as_str() else {
                    return Written::Invalid;
                };
                let now = text.get_string(txn);
                let empty = now.trim().is_empty();
                if !empty && mode == Mode::FillEmpty {
                    return Written::SkippedNotEmpty;
                }
                if !empty && mode == Mode::Append {
                    if now.contains(new) {
                        return Written::Written;
                    }
                    let addition = format!("{}{new}", if *line { " " } else { "\n" });
                    if now.chars().count() + addition.chars().count() > *max_chars {
                        return Written::Invalid;
                    }
                    let end = text.len(txn);
                    text.insert(txn, end, &addition);
                    return Written::Written;
                }
                let length = text.len(txn);
                if length > 0 {
                    text.remove_range(txn, 0, length);
                }
                text.insert(txn, 0, new);
                Written::Written
            }
            FieldShape::Scalar(_) => {
                let filled = match fields.get(txn, &self.field) {
                    Some(Out::Any(any)) => {
                        values::scalar(&any).is_some_and(|value| !is_empty(Some(&value)))
                    }
                    _ => false,
                };
                if filled && mode != Mode::Replace {
                    return Written::SkippedNotEmpty;
                }
                let Some(any) = scalar(value) else {
                    return Written::Invalid;
                };
                fields.insert(txn, self.field.as_str(), any);
                Written::Written
            }
            FieldShape::Options { .. } => {
                let Some(Out::YMap(options)) = fields.get(txn, &self.field) else {
                    return Written::Unknown;
                };
                let chosen: BTreeSet<String> = options
                    .iter(txn)
                    .filter(|(_, out)| matches!(out, Out::Any(Any::Bool(true))))
                    .map(|(code, _)| code.to_owned())
                    .collect();
                if !chosen.is_empty() && mode == Mode::FillEmpty {
                    return Written::SkippedNotEmpty;
                }
                let mut wanted: BTreeSet<String> = selected_codes(value)
                    .into_iter()
                    .map(str::to_owned)
                    .collect();
                if mode == Mode::Replace {
                    for code in chosen.difference(&wanted) {
                        options.remove(txn, code);
                    }
                } else if !chosen.is_empty() {
                    // 「なし」 does not go together with what is chosen already.
                    wanted.retain(|code| !self.exclusive.contains(code));
                }
                for code in wanted.difference(&chosen) {
                    options.insert(txn, code.as_str(), true);
                }
                Written::Written
            }
            FieldShape::Table { .. } => Written::Unknown,
        }
    }
}

fn exclusive(definition: &Definition, field: &Field) -> BTreeSet<String> {
    let list = definition
        .list(field)
        .map(|list| list.options.as_slice())
        .unwrap_or_default();
    list.iter()
        .filter(|option| option.exclusive)
        .map(|option| option.code.clone())
        .collect()
}

fn scalar(value: &Value) -> Option<Any> {
    match value {
        Value::Bool(flag) => Some(Any::Bool(*flag)),
        Value::String(text) => Some(Any::from(text.as_str())),
        Value::Number(number) => number.as_f64().map(Any::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yrs::{MapPrelim, ReadTxn, TextPrelim, Transact};

    const TALK: &str = "相談員：お仕事はどうされていますか。\n本人：いまは働いていません。家賃を3か月滞納しています。\n相談員：わかりました。\n";

    fn sheet() -> (yrs::Doc, MapRef) {
        let doc = yrs::Doc::new();
        let fields = doc.get_or_insert_map("fields");
        let mut txn = doc.transact_mut();
        fields.insert(&mut txn, "summary", TextPrelim::new(""));
        fields.insert(&mut txn, "arrears", MapPrelim::default());
        drop(txn);
        (doc, fields)
    }

    fn write(doc: &yrs::Doc, fields: &MapRef, target: &str, value: &Value, mode: Mode) -> Written {
        let place = Place::of(form::catalogue(), target).unwrap();
        let value = place.fitting(value).unwrap();
        place.write(&mut doc.transact_mut(), fields, &value, mode)
    }

    fn text(doc: &yrs::Doc, fields: &MapRef, field: &str) -> String {
        let txn = doc.transact();
        match fields.get(&txn, field) {
            Some(Out::YText(text)) => text.get_string(&txn),
            other => panic!("{other:?}"),
        }
    }

    fn codes(doc: &yrs::Doc, fields: &MapRef, field: &str) -> Vec<String> {
        let txn = doc.transact();
        let Some(Out::YMap(map)) = fields.get(&txn, field) else {
            panic!("{field}")
        };
        let mut codes: Vec<String> = map
            .iter(&txn)
            .filter(|(_, out)| matches!(out, Out::Any(Any::Bool(true))))
            .map(|(code, _)| code.to_owned())
            .collect();
        codes.sort();
        codes
    }

    #[test]
    fn text_is_filled_appended_and_replaced_only_as_asked() {
        let (doc, fields) = sheet();
        let target = "assessment.summary";
        assert_eq!(
            write(&doc, &fields, target, &json!("一つ目"), Mode::FillEmpty),
            Written::Written
        );
        assert_eq!(
            write(&doc, &fields, target, &json!("二つ目"), Mode::FillEmpty),
            Written::SkippedNotEmpty
        );
        assert_eq!(text(&doc, &fields, "summary"), "一つ目");
        assert_eq!(
            write(&doc, &fields, target, &json!("二つ目𠮷"), Mode::Append),
            Written::Written
        );
        assert_eq!(
            write(&doc, &fields, target, &json!("二つ目𠮷"), Mode::Append),
            Written::Written
        );
        assert_eq!(text(&doc, &fields, "summary"), "一つ目\n二つ目𠮷");
        assert_eq!(
            write(&doc, &fields, target, &json!("三つ目"), Mode::Replace),
            Written::Written
        );
        assert_eq!(text(&doc, &fields, "summary"), "三つ目");
    }

    #[test]
    fn choices_and_numbers_are_not_overwritten_unasked() {
        let (doc, fields) = sheet();
        let target = "assessment.urgency";
        assert_eq!(
            write(&doc, &fields, target, &json!("a"), Mode::FillEmpty),
            Written::Written
        );
        for mode in [Mode::FillEmpty, Mode::Append] {
            assert_eq!(
                write(&doc, &fields, target, &json!("b"), mode),
                Written::SkippedNotEmpty
            );
        }
        assert_eq!(
            write(&doc, &fields, target, &json!("b"), Mode::Replace),
            Written::Written
        );
        let count = "assessment.cohabit_count";
        assert_eq!(
            write(&doc, &fields, count, &json!(3), Mode::FillEmpty),
            Written::Written
        );
        let txn = doc.transact();
        let Some(Out::Any(any)) = fields.get(&txn, "cohabit_count") else {
            panic!()
        };
        assert_eq!(values::scalar(&any), Some(json!(3)));
    }

    #[test]
    fn options_are_added_and_none_does_not_join_others() {
        let (doc, fields) = sheet();
        let target = "assessment.arrears";
        assert_eq!(
            write(&doc, &fields, target, &json!(["rent"]), Mode::FillEmpty),
            Written::Written
        );
        assert_eq!(
            write(&doc, &fields, target, &json!(["gas"]), Mode::FillEmpty),
            Written::SkippedNotEmpty
        );
        assert_eq!(
            write(&doc, &fields, target, &json!(["gas", "none"]), Mode::Append),
            Written::Written
        );
        assert_eq!(codes(&doc, &fields, "arrears"), ["gas", "rent"]);
        assert_eq!(
            write(&doc, &fields, target, &json!(["none"]), Mode::Replace),
            Written::Written
        );
        assert_eq!(codes(&doc, &fields, "arrears"), ["none"]);
    }

    #[test]
    fn what_the_form_does_not_know_is_not_written() {
        assert!(Place::of(form::catalogue(), "person.name").is_none());
        assert!(Place::of(form::catalogue(), "assessment.nosuch").is_none());
        assert!(Place::of(form::catalogue(), "assessment.services_used").is_none());
        let place = Place::of(form::catalogue(), "assessment.urgency").unwrap();
        assert!(place.fitting(&json!("nosuch")).is_none());
        assert!(place.fitting(&json!("")).is_none());
        assert!(
            Place::of(form::catalogue(), "assessment.summary")
                .unwrap()
                .fitting(&json!("長".repeat(20_000)))
                .is_none()
        );
        assert_eq!(
            Place::of(form::catalogue(), "assessment.arrears")
                .unwrap()
                .fitting(&json!("rent")),
            Some(json!(["rent"]))
        );
        let (doc, _) = sheet();
        assert!(doc.transact().get_map("fields").is_some());
    }

    #[test]
    fn a_conversation_becomes_a_draft_of_fields_that_exist() {
        let read = read(TALK.as_bytes(), &Hint::default(), None).unwrap();
        assert_eq!(
            read.kept.speakers.get("相談員").map(String::as_str),
            Some("worker")
        );
        assert!(
            read.kept
                .draft
                .keys()
                .all(|target| Place::of(form::catalogue(), target).is_some()),
            "{:?}",
            read.kept.draft.keys()
        );
        assert!(
            read.kept.draft.contains_key("assessment.arrears"),
            "{:?}",
            read.kept.draft.keys()
        );
        let stored = serde_json::to_value(&read.kept).unwrap();
        assert_eq!(serde_json::from_value::<Kept>(stored).unwrap(), read.kept);
    }

    #[test]
    fn roles_set_by_hand_stay_and_acceptances_too() {
        let read = read(TALK.as_bytes(), &Hint::default(), None).unwrap();
        let mut kept = read.kept;
        kept.accepted.insert(
            "assessment.arrears".into(),
            Accepted {
                at: "2026-11-22T00:00:00.000Z".into(),
                by: "a".into(),
            },
        );
        let given = BTreeMap::from([("本人".to_owned(), "other".to_owned())]);
        let again = redraft(&read.format, kept, given.clone(), None);
        assert_eq!(again.speakers["本人"], "other");
        assert_eq!(again.given, given);
        assert!(again.accepted.contains_key("assessment.arrears"));
    }

    #[test]
    fn a_personal_number_is_named_by_its_utterance_and_nothing_is_kept() {
        let talk = "相談員：番号をどうぞ。\n本人：1234 5678 9018です。\n";
        assert_eq!(
            read(talk.as_bytes(), &Hint::default(), None),
            Err(Refused::PersonalNumber { utterance: 2 })
        );
        assert_eq!(
            read(b"", &Hint::default(), None),
            Err(Refused::Unreadable(intake::Error::Empty))
        );
    }
}
