//! What a municipality adds to the sheets that ship: sections, fields, options and option lists of
//! its own, as data (ADR 0019).
//!
//! An [`Extension`] only ever adds. What ships is never changed, made optional or taken away, and
//! what was published once stays: a field that is withdrawn is marked `retired`. So every newer
//! catalogue is a superset of every older one, and any document fits the newest.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::{
    About, Catalogue, Condition, Definition, Field, FieldType, FormOption, FormSection, Limits,
    OptionList, Pii,
    builtin::{check, resolve_lists},
};
use crate::section::DocumentKind;

/// Most own fields of a sheet, withdrawn ones included.
pub const MAX_FIELDS: usize = 100;
/// Most own sections of a sheet.
pub const MAX_SECTIONS: usize = 20;
/// Most own option lists.
pub const MAX_LISTS: usize = 50;
/// Most own options of a list, withdrawn ones included.
pub const MAX_OPTIONS: usize = 100;
/// Longest label or title, in code points.
pub const MAX_LABEL: usize = 60;
/// Longest help text, in code points.
pub const MAX_HELP: usize = 500;

/// Ids that the server gives: `x_` and six characters of `a-z2-7`.
pub const PREFIX: &str = "x_";
/// Ids of a draft that the server has not given yet.
const NEW: &str = "new_";
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const ID_CHARS: usize = 6;

/// Everything a municipality added.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// By form id.
    #[serde(default)]
    pub forms: BTreeMap<String, OwnForm>,
    /// Option lists of its own.
    #[serde(default)]
    pub lists: Vec<OwnList>,
    /// Options added to lists that ship, by list id.
    #[serde(default)]
    pub options: BTreeMap<String, Vec<OwnOption>>,
}

/// What is added to one sheet. The order is that of the screen, after what ships.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnForm {
    #[serde(default)]
    pub sections: Vec<OwnSection>,
    #[serde(default)]
    pub fields: Vec<OwnField>,
}

/// A section behind those that ship.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnSection {
    pub id: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// A field. Missing answers about personal information are the strict ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnField {
    pub id: String,
    /// Section of the sheet, its own or one that ships.
    pub section: String,
    pub label: String,
    /// One of [`KINDS`].
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Option list of a choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    #[serde(default)]
    pub required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible_when: Option<Condition>,
    #[serde(default = "sensitive")]
    pub pii: Pii,
    #[serde(default = "client")]
    pub person: About,
    #[serde(default)]
    pub confidential_address: bool,
    #[serde(default)]
    pub retired: bool,
}

/// An option list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnList {
    pub id: String,
    pub title: String,
    pub options: Vec<OwnOption>,
}

/// An option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnOption {
    pub code: String,
    pub label: String,
    /// Cannot be chosen together with others.
    #[serde(default)]
    pub exclusive: bool,
    #[serde(default)]
    pub retired: bool,
}

const fn sensitive() -> Pii {
    Pii::Sensitive
}

const fn client() -> About {
    About::Client
}

/// Types an own field may have.
pub const KINDS: [FieldType; 8] = [
    FieldType::Text,
    FieldType::Textarea,
    FieldType::Int,
    FieldType::Number,
    FieldType::Date,
    FieldType::Bool,
    FieldType::Select,
    FieldType::Multiselect,
];

/// Something that keeps an extension from being published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The id of what it is about, or the form's or list's.
    pub at: String,
    /// Stable; the words stand in the web app.
    pub code: &'static str,
}

/// What a publication changed; counts for lists and audit, never labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    pub added: usize,
    pub changed: usize,
    pub retired: usize,
    /// Sheets it touches.
    pub forms: BTreeSet<String>,
}

/// Whether an id is of the form that the server gives.
#[must_use]
pub fn is_own_id(id: &str) -> bool {
    own_number(id).is_some()
}

/// The number that an own id stands for, below 2³⁰: different ids have different numbers.
#[must_use]
pub fn own_number(id: &str) -> Option<u32> {
    let rest = id.strip_prefix(PREFIX)?;
    (rest.len() == ID_CHARS).then_some(())?;
    rest.bytes().try_fold(0, |number, byte| {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        Some(number << 5 | u32::try_from(digit).ok()?)
    })
}

/// The own id of a number; only the lower 30 bits count.
#[must_use]
pub fn own_id(number: u32) -> String {
    let digits = (0..ID_CHARS)
        .rev()
        .map(|at| char::from(ALPHABET[(number >> (5 * at) & 31) as usize]));
    PREFIX.chars().chain(digits).collect()
}

/// Whether options may be added to a list: only where nothing but sheets reads it. Lists that the
/// register, the case or the records use have a meaning in the program.
#[must_use]
pub fn may_grow(shipped: &Catalogue, list: &str) -> bool {
    let mut users = shipped
        .definitions()
        .iter()
        .filter(|form| form.lists.iter().any(|used| used.id == list))
        .peekable();
    users.peek().is_some() && users.all(|form| DocumentKind::of_form(&form.id).is_some())
}

impl Extension {
    /// All ids in it: sections, fields, lists, options.
    fn ids(&self) -> impl Iterator<Item = &str> {
        let forms = self.forms.values().flat_map(|form| {
            let sections = form.sections.iter().map(|section| section.id.as_str());
            sections.chain(form.fields.iter().map(|field| field.id.as_str()))
        });
        let lists = self.lists.iter().flat_map(|list| {
            std::iter::once(list.id.as_str()).chain(list.options.iter().map(|o| o.code.as_str()))
        });
        let options = self.options.values().flatten().map(|o| o.code.as_str());
        forms.chain(lists).chain(options)
    }

    fn ids_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let forms = self.forms.values_mut().flat_map(|form| {
            let sections = form.sections.iter_mut().map(|section| &mut section.id);
            let fields = form.fields.iter_mut().flat_map(|field| {
                [&mut field.id, &mut field.section]
                    .into_iter()
                    .chain(field.options.as_mut())
            });
            sections.chain(fields)
        });
        let lists = self.lists.iter_mut().flat_map(|list| {
            std::iter::once(&mut list.id).chain(list.options.iter_mut().map(|o| &mut o.code))
        });
        let options = self.options.values_mut().flatten().map(|o| &mut o.code);
        forms.chain(lists).chain(options)
    }

    /// Gives everything new its id: ids that begin with `new_` are replaced, alike wherever they are
    /// named. `random` gives numbers for [`own_id`]; none is used twice.
    ///
    /// # Errors
    /// A [`Problem`] `foreign_id`: an own id that stands in none of `known`.
    pub fn assign_ids(
        &mut self,
        known: &[&Self],
        mut random: impl FnMut() -> u32,
    ) -> Result<(), Problem> {
        let mut taken: BTreeSet<String> = known
            .iter()
            .flat_map(|extension| extension.ids())
            .map(str::to_owned)
            .collect();
        for id in self.ids() {
            if !id.starts_with(NEW) && !taken.contains(id) {
                return Err(Problem {
                    at: id.chars().take(MAX_LABEL).collect(),
                    code: "foreign_id",
                });
            }
        }
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        for id in self.ids_mut().filter(|id| id.starts_with(NEW)) {
            if !given.contains_key(id) {
                let fresh = loop {
                    let fresh = own_id(random());
                    if taken.insert(fresh.clone()) {
                        break fresh;
                    }
                };
                given.insert(id.clone(), fresh);
            }
            if let Some(fresh) = given.get(id) {
                id.clone_from(fresh);
            }
        }
        let fields = self.forms.values_mut().flat_map(|form| &mut form.fields);
        for condition in fields.filter_map(|field| field.visible_when.as_mut()) {
            rename(condition, &given);
        }
        Ok(())
    }

    /// What keeps it from being published after `previous`; empty = nothing.
    #[must_use]
    pub fn problems(&self, shipped: &Catalogue, previous: &Self) -> Vec<Problem> {
        let mut found = Problems::default();
        let mut seen = BTreeSet::new();
        for id in self.ids() {
            if !is_own_id(id) || !seen.insert(id) {
                found.raise(id, "bad_id");
            }
        }
        for list in &self.lists {
            found.label(&list.id, &list.title);
            found.options(&list.id, &list.options, &[]);
            if list.options.iter().all(|option| option.retired) {
                found.raise(&list.id, "no_options");
            }
        }
        found.limit("lists", self.lists.len(), MAX_LISTS, "too_many_lists");
        for (id, options) in &self.options {
            match shipped.list(id) {
                Some(list) if may_grow(shipped, id) => found.options(id, options, &list.options),
                _ => found.raise(id, "closed_list"),
            }
        }
        for (id, own) in &self.forms {
            match shipped.definition(id) {
                Some(form) if DocumentKind::of_form(id).is_some() => {
                    self.form_problems(shipped, form, own, &mut found);
                }
                _ => found.raise(id, "closed_form"),
            }
        }
        self.against(previous, &mut found);
        if found.0.is_empty() {
            // The same checks that the shipped definitions pass.
            let whole = self.applied(shipped, 1);
            let names: BTreeSet<&str> = whole.lists.iter().map(|list| list.id.as_str()).collect();
            for definition in &whole.definitions {
                if check(definition, &names).is_err() {
                    found.raise(&definition.id, "does_not_fit");
                }
            }
        }
        found.0
    }

    fn form_problems(
        &self,
        shipped: &Catalogue,
        form: &Definition,
        own: &OwnForm,
        found: &mut Problems,
    ) {
        found.limit(
            &form.id,
            own.sections.len(),
            MAX_SECTIONS,
            "too_many_sections",
        );
        found.limit(&form.id, own.fields.len(), MAX_FIELDS, "too_many_fields");
        let mut titles: BTreeSet<String> = form
            .sections
            .iter()
            .map(|section| folded(&section.title))
            .collect();
        for section in &own.sections {
            found.label(&section.id, &section.title);
            found.text(&section.id, section.help.as_deref(), MAX_HELP);
            if !titles.insert(folded(&section.title)) {
                found.raise(&section.id, "same_label");
            }
        }
        let mut labels: BTreeSet<(String, String)> = BTreeSet::new();
        for section in &form.sections {
            let fields = section.fields.iter();
            labels.extend(fields.map(|field| (section.id.clone(), folded(&field.label))));
        }
        for field in &own.fields {
            let raise = |found: &mut Problems, code| found.raise(&field.id, code);
            found.label(&field.id, &field.label);
            found.text(&field.id, field.help.as_deref(), MAX_HELP);
            found.text(&field.id, field.unit.as_deref(), 10);
            if !KINDS.contains(&field.kind) {
                raise(found, "bad_type");
            }
            let ships = form
                .sections
                .iter()
                .any(|section| section.id == field.section);
            if !ships
                && !own
                    .sections
                    .iter()
                    .any(|section| section.id == field.section)
            {
                raise(found, "unknown_section");
            }
            if !field.retired && !labels.insert((field.section.clone(), folded(&field.label))) {
                raise(found, "same_label");
            }
            let choice = matches!(field.kind, FieldType::Select | FieldType::Multiselect);
            let listed = field.options.as_deref().map(|name| {
                shipped.list(name).is_some() || self.lists.iter().any(|list| list.id == name)
            });
            match (choice, listed) {
                (true, Some(true)) | (false, None) => {}
                (true, None) => raise(found, "no_options"),
                _ => raise(found, "unknown_list"),
            }
            if !fits(field.kind, field.pii) {
                raise(found, "bad_pii");
            }
            for name in field.visible_when.iter().flat_map(Condition::fields) {
                let of_form = form.field(name).is_some_and(Field::is_stored);
                let own_one = own.fields.iter().any(|other| other.id == name);
                if name == field.id || !(of_form || own_one) {
                    raise(found, "unknown_condition");
                }
            }
        }
    }

    /// Nothing published is lost or means something else; nothing becomes more open than it was when
    /// people wrote into it.
    fn against(&self, previous: &Self, found: &mut Problems) {
        let gone = |id: &str, found: &mut Problems| found.raise(id, "published");
        for (id, before) in &previous.forms {
            let now = self.forms.get(id);
            for section in &before.sections {
                if !now.is_some_and(|now| now.sections.iter().any(|own| own.id == section.id)) {
                    gone(&section.id, found);
                }
            }
            for field in &before.fields {
                let same = now.and_then(|now| now.fields.iter().find(|own| own.id == field.id));
                match same {
                    Some(own) if own.kind == field.kind && own.options == field.options => {
                        if own.pii != field.pii && !is_stricter(field.pii, own.pii)
                            || field.confidential_address && !own.confidential_address
                        {
                            found.raise(&field.id, "less_protected");
                        }
                    }
                    _ => gone(&field.id, found),
                }
            }
        }
        let options = |before: &[OwnOption], now: Option<&[OwnOption]>, found: &mut Problems| {
            for option in before {
                if !now.is_some_and(|now| now.iter().any(|own| own.code == option.code)) {
                    gone(&option.code, found);
                }
            }
        };
        for list in &previous.lists {
            match self.lists.iter().find(|own| own.id == list.id) {
                Some(own) => options(&list.options, Some(&own.options), found),
                None => gone(&list.id, found),
            }
        }
        for (id, before) in &previous.options {
            options(before, self.options.get(id).map(Vec::as_slice), found);
        }
    }

    /// What differs from `previous`.
    #[must_use]
    pub fn changes_since(&self, previous: &Self) -> Changes {
        let mut changes = Changes::default();
        let none = OwnForm::default();
        for (id, now) in &self.forms {
            let before = previous.forms.get(id).unwrap_or(&none);
            let touched = changes.compare(&before.sections, &now.sections, |s| &s.id, |_| false)
                | changes.compare(&before.fields, &now.fields, |f| &f.id, |f| f.retired);
            if touched || before != now {
                changes.forms.insert(id.clone());
            }
        }
        for now in &self.lists {
            let before = previous.lists.iter().find(|list| list.id == now.id);
            match before {
                None => changes.added += 1,
                Some(before) if before.title != now.title => changes.changed += 1,
                Some(_) => {}
            }
            let before = before.map_or(&[][..], |list| &list.options);
            changes.compare(before, &now.options, |o| &o.code, |o| o.retired);
        }
        for (id, now) in &self.options {
            let before = previous.options.get(id).map_or(&[][..], Vec::as_slice);
            changes.compare(before, now, |o| &o.code, |o| o.retired);
        }
        changes
    }

    /// The catalogue with everything added. What does not fit what ships any more (after an update of
    /// the program) is left out field by field; [`Extension::problems`] says so before publishing.
    #[must_use]
    pub fn extend(&self, shipped: &Catalogue, version: u32) -> Catalogue {
        let whole = self.applied(shipped, version);
        let names: BTreeSet<&str> = whole.lists.iter().map(|list| list.id.as_str()).collect();
        let definitions = whole
            .definitions
            .iter()
            .map(|definition| {
                if check(definition, &names).is_ok() {
                    return definition.clone();
                }
                let mut kept = definition.clone();
                for section in &mut kept.sections {
                    section.fields.retain(|field| !field.local);
                }
                for (at, section) in definition.sections.iter().enumerate() {
                    for field in section.fields.iter().filter(|field| field.local) {
                        kept.sections[at].fields.push(field.clone());
                        if check(&kept, &names).is_err() {
                            kept.sections[at].fields.pop();
                        }
                    }
                }
                kept
            })
            .collect();
        Catalogue {
            definitions,
            ..whole
        }
    }

    fn applied(&self, shipped: &Catalogue, version: u32) -> Catalogue {
        let mut lists = shipped.lists().to_vec();
        for list in &mut lists {
            let added = self.options.get(&list.id).into_iter().flatten();
            list.options.extend(added.map(option));
        }
        lists.extend(self.lists.iter().map(|list| OptionList {
            id: list.id.clone(),
            title: list.title.clone(),
            source: SOURCE.to_owned(),
            verified: false,
            options: list.options.iter().map(option).collect(),
        }));
        let mut definitions = shipped.definitions().to_vec();
        for definition in &mut definitions {
            if let Some(own) = self.forms.get(&definition.id) {
                add(definition, own);
            }
            resolve_lists(definition, &lists);
            let touched = definition.sections.iter().any(|section| section.local)
                || definition.fields().any(|field| field.local)
                || definition
                    .lists
                    .iter()
                    .any(|list| list.options.iter().any(|option| option.local));
            if touched {
                definition.version = format!("{}+{version}", definition.version);
            }
        }
        Catalogue {
            definitions,
            lists,
            version,
        }
    }
}

/// Source code of what a municipality added.
const SOURCE: &str = "L";

fn option(own: &OwnOption) -> FormOption {
    FormOption {
        code: own.code.clone(),
        label: own.label.trim().to_owned(),
        exclusive: own.exclusive,
        text: false,
        local: true,
        retired: own.retired,
    }
}

fn add(definition: &mut Definition, own: &OwnForm) {
    let group = definition
        .fields()
        .find(|field| field.is_stored())
        .map_or_else(String::new, |field| field.group.clone());
    for section in &own.sections {
        definition.sections.push(FormSection {
            id: section.id.clone(),
            title: section.title.trim().to_owned(),
            help: section.help.clone(),
            local: true,
            fields: Vec::new(),
        });
    }
    for field in &own.fields {
        let label = field.label.trim().to_owned();
        let at = definition
            .sections
            .iter()
            .position(|section| section.id == field.section)
            .unwrap_or(definition.sections.len().saturating_sub(1));
        // CSV headers are unique in a sheet.
        let headers: BTreeSet<&str> = definition.fields().map(Field::csv_header).collect();
        let section = definition
            .sections
            .get(at)
            .map(|section| section.title.as_str());
        let csv = headers.contains(label.as_str()).then(|| {
            let longer = format!("{}_{label}", section.unwrap_or_default());
            if headers.contains(longer.as_str()) {
                format!("{longer}_{}", field.id)
            } else {
                longer
            }
        });
        let made = Field {
            id: field.id.clone(),
            label,
            kind: field.kind,
            options: field.options.clone(),
            other_field: None,
            help: field.help.clone(),
            required: field.required && !field.retired,
            required_when: None,
            visible_when: field.visible_when.clone().filter(|_| !field.retired),
            calculation: None,
            carry: Vec::new(),
            columns: Vec::new(),
            limits: Limits::default(),
            unit: field.unit.clone(),
            csv,
            xlsx: None,
            statistics: false,
            pii: field.pii,
            person: field.person,
            group: group.clone(),
            confidential_address: field.confidential_address,
            automatic: false,
            source: SOURCE.to_owned(),
            verified: false,
            note: None,
            local: true,
            retired: field.retired,
        };
        if let Some(section) = definition.sections.get_mut(at) {
            section.fields.push(made);
        }
    }
}

/// Which classes a type can have: a text always may hold something, a choice is no name by itself.
const fn fits(kind: FieldType, pii: Pii) -> bool {
    match kind {
        FieldType::Text => !matches!(pii, Pii::None | Pii::BirthDate),
        FieldType::Textarea => matches!(pii, Pii::FreeText | Pii::Sensitive | Pii::Address),
        FieldType::Date => matches!(pii, Pii::None | Pii::Sensitive | Pii::BirthDate),
        FieldType::Int | FieldType::Number => {
            matches!(pii, Pii::None | Pii::Sensitive | Pii::IdNumber)
        }
        _ => matches!(pii, Pii::None | Pii::Sensitive | Pii::Facility),
    }
}

/// Whether masked readers see no more under `now` than they did under `before`.
const fn is_stricter(before: Pii, now: Pii) -> bool {
    const fn rank(pii: Pii) -> u8 {
        match pii {
            Pii::None => 0,
            Pii::Sensitive | Pii::FreeText => 1,
            // Replaced as a whole.
            _ => 2,
        }
    }
    rank(now) >= rank(before)
}

/// As people compare labels: width, letter case and spaces do not count.
fn folded(label: &str) -> String {
    let plain: String = label.nfkc().filter(|c| !c.is_whitespace()).collect();
    plain.to_lowercase()
}

/// Characters that nobody sees or that turn the line around.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn raise(&mut self, at: &str, code: &'static str) {
        let at = at.chars().take(MAX_LABEL).collect();
        let problem = Problem { at, code };
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    fn limit(&mut self, at: &str, count: usize, most: usize, code: &'static str) {
        if count > most {
            self.raise(at, code);
        }
    }

    fn label(&mut self, at: &str, label: &str) {
        if label.trim().is_empty() {
            self.raise(at, "no_label");
        }
        self.text(at, Some(label), MAX_LABEL);
    }

    fn text(&mut self, at: &str, text: Option<&str>, most: usize) {
        let Some(text) = text else { return };
        if text.chars().count() > most {
            self.raise(at, "too_long");
        }
        if text.chars().any(is_unseen) {
            self.raise(at, "control_character");
        }
    }

    fn options(&mut self, at: &str, own: &[OwnOption], shipped: &[FormOption]) {
        self.limit(at, own.len(), MAX_OPTIONS, "too_many_options");
        let mut labels: BTreeSet<String> =
            shipped.iter().map(|option| folded(&option.label)).collect();
        for option in own {
            self.label(&option.code, &option.label);
            if !option.retired && !labels.insert(folded(&option.label)) {
                self.raise(&option.code, "same_label");
            }
        }
    }
}

impl Changes {
    /// Counts; `true` when there is a difference.
    fn compare<T: PartialEq>(
        &mut self,
        before: &[T],
        now: &[T],
        id: impl Fn(&T) -> &str,
        retired: impl Fn(&T) -> bool,
    ) -> bool {
        let mut differs = false;
        for item in now {
            match before.iter().find(|old| id(old) == id(item)) {
                None => self.added += 1,
                Some(old) if old == item => continue,
                Some(old) if retired(item) && !retired(old) => self.retired += 1,
                Some(_) => self.changed += 1,
            }
            differs = true;
        }
        differs
    }
}

fn rename(condition: &mut Condition, given: &BTreeMap<String, String>) {
    match condition {
        Condition::All(all) => all.all.iter_mut().for_each(|part| rename(part, given)),
        Condition::Any(any) => any.any.iter_mut().for_each(|part| rename(part, given)),
        Condition::Not(not) => rename(&mut not.not, given),
        Condition::Compare(compare) => {
            if let Some(id) = given.get(&compare.field) {
                compare.field.clone_from(id);
            }
            let values = match &mut compare.value {
                serde_json::Value::Array(values) => values.as_mut_slice(),
                value => std::slice::from_mut(value),
            };
            for value in values {
                if let Some(id) = value.as_str().and_then(|code| given.get(code)) {
                    *value = id.clone().into();
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "local/tests.rs"]
mod tests;
