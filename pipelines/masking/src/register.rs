//! The person register: names and other values that are known, and where they stand in a text.

use serde::{Deserialize, Serialize};

use crate::repeats::is_whole_name;
use crate::text::{Text, is_hiragana, is_kana, to_katakana};
use crate::words::{name_cue_after, name_cue_before};
use crate::{Candidate, Label, Source};

/// Known persons. Also the JSON that `musubi mask --register FILE.json` reads:
///
/// ```json
/// {"persons": [{
///   "id": "p1",
///   "names": ["架空 太郎"], "kana": ["かくう たろう"],
///   "aliases": ["たろちゃん"], "former_names": ["仮名 太郎"],
///   "addresses": ["架空県架空市架空町1-2-3"], "phones": ["090-0000-0000"],
///   "emails": ["taro@example.com"], "birth_date": "1970-01-02",
///   "postal_codes": ["000-0000"], "facilities": ["架空製作所"],
///   "other_ids": ["12345678"]
/// }]}
/// ```
///
/// Every list may be left out. A space in a name separates surname and given name; without one only
/// the full name is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    pub persons: Vec<RegisterPerson>,
}

/// One person. Values in whatever notation they were entered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegisterPerson {
    pub id: String,
    pub names: Vec<String>,
    pub kana: Vec<String>,
    pub aliases: Vec<String>,
    pub former_names: Vec<String>,
    pub addresses: Vec<String>,
    pub phones: Vec<String>,
    pub emails: Vec<String>,
    pub postal_codes: Vec<String>,
    /// Workplaces and schools.
    pub facilities: Vec<String>,
    /// ISO date.
    pub birth_date: Option<String>,
    pub other_ids: Vec<String>,
}

/// A text made comparable character by character, with the places of the characters.
struct View {
    chars: Vec<char>,
    place: Vec<usize>,
}

impl View {
    fn new(text: &Text, keep: impl Fn(char) -> Option<char>) -> Self {
        let mut view = Self {
            chars: Vec::new(),
            place: Vec::new(),
        };
        for (index, &c) in text.chars.iter().enumerate() {
            if let Some(c) = keep(c) {
                view.chars.push(c);
                view.place.push(index);
            }
        }
        view
    }

    fn find(&self, needle: &[char]) -> Vec<(usize, usize)> {
        if needle.is_empty() || needle.len() > self.chars.len() {
            return Vec::new();
        }
        (0..=self.chars.len() - needle.len())
            .filter(|&at| self.chars[at..at + needle.len()] == *needle)
            .map(|at| (self.place[at], self.place[at + needle.len() - 1] + 1))
            .collect()
    }
}

/// Kana as katakana, letters lower-case, 斉 and 斎 alike, no spaces and name points.
fn name_key(c: char) -> Option<char> {
    match c {
        c if c.is_whitespace() && c != '\n' => None,
        '・' | '=' | '･' => None,
        '斉' => Some('斎'),
        'ヂ' | 'ぢ' => Some('ジ'),
        'ヅ' | 'づ' => Some('ズ'),
        c => Some(c.to_lowercase().next().map_or(c, to_katakana)),
    }
}

/// Only what carries an address: digits in one form, no spaces, hyphens, 丁目 or 番地.
fn address_key(c: char) -> Option<char> {
    match c {
        c if c.is_whitespace() => None,
        '-' | '‐' | '‑' | '–' | '—' | '−' | '―' | 'ー' | 'の' | '丁' | '目' | '番' | '地'
        | '号' | '室' => None,
        '一' => Some('1'),
        '二' => Some('2'),
        '三' => Some('3'),
        '四' => Some('4'),
        '五' => Some('5'),
        '六' => Some('6'),
        '七' => Some('7'),
        '八' => Some('8'),
        '九' => Some('9'),
        c => Some(c),
    }
}

fn digit_key(c: char) -> Option<char> {
    match c {
        '-' | '‐' | '‑' | '–' | '—' | '−' | '―' | 'ー' | '(' | ')' | ' ' | 'の' | '.' | '・' => {
            None
        }
        c => Some(c.to_ascii_lowercase()),
    }
}

fn key(value: &str, keep: fn(char) -> Option<char>) -> Vec<char> {
    Text::new(value, None)
        .map(|text| text.chars.into_iter().filter_map(keep).collect())
        .unwrap_or_default()
}

impl Register {
    pub(crate) fn find(&self, text: &Text) -> Vec<Candidate> {
        if self.persons.is_empty() {
            return Vec::new();
        }
        let names = View::new(text, name_key);
        let addresses = View::new(text, address_key);
        let digits = View::new(text, digit_key);
        let mut out = Vec::new();
        for person in &self.persons {
            let mut push = |start: usize, end: usize, label: Label, score: f32| {
                out.push(Candidate {
                    person: Some(person.id.clone()),
                    ..Candidate::new(start, end, label, score, Source::Register)
                });
            };
            for name in person
                .names
                .iter()
                .chain(&person.former_names)
                .chain(&person.kana)
            {
                let whole = key(name, name_key);
                for (start, end) in names.find(&whole) {
                    if whole.len() >= 3 && !(whole.len() < 5 && is_inside_kana(text, start, end))
                        || is_whole_name(text, start, end)
                    {
                        push(start, end, Label::Person, 1.0);
                    }
                }
                let mut parts: Vec<&str> = name
                    .split([' ', '　', '・'])
                    .filter(|part| !part.is_empty())
                    .collect();
                if parts.len() < 2 {
                    parts.clear();
                }
                for part in parts {
                    for (start, end) in names.find(&key(part, name_key)) {
                        if is_name_alone(text, start, end) {
                            push(start, end, Label::Person, 0.95);
                        }
                    }
                }
            }
            for alias in &person.aliases {
                for (start, end) in names.find(&key(alias, name_key)) {
                    if is_name_alone(text, start, end) {
                        push(start, end, Label::Person, 0.95);
                    }
                }
            }
            for address in &person.addresses {
                let whole = key(address, address_key);
                for (start, end) in addresses.find(&whole) {
                    push(start, address_end(text, end), Label::Address, 1.0);
                }
                // The address without its prefecture, and without its number: still the person's home.
                if let Some(short) = crate::words::WORDS.prefectures.iter().find_map(|name| {
                    let name = key(name, address_key);
                    whole.strip_prefix(name.as_slice())
                }) {
                    for (start, end) in addresses.find(short) {
                        push(start, address_end(text, end), Label::Address, 1.0);
                    }
                }
            }
            // A place of work or school is where somebody can be found.
            for facility in &person.facilities {
                let whole = key(facility, name_key);
                if whole.len() < 2 {
                    continue;
                }
                for (start, end) in names.find(&whole) {
                    push(start, end, Label::Facility, 1.0);
                }
            }
            for (values, label) in [
                (&person.phones, Label::Phone),
                (&person.postal_codes, Label::PostalCode),
                (&person.other_ids, Label::IdNumber),
                (&person.emails, Label::Email),
            ] {
                for value in values {
                    let whole = key(value, digit_key);
                    if whole.len() < 3 {
                        continue;
                    }
                    for (start, end) in digits.find(&whole) {
                        let glued = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
                        if !(whole[0].is_ascii_digit() && glued(text.before(start))
                            || whole.last().is_some_and(char::is_ascii_digit)
                                && glued(text.at(end)))
                        {
                            push(start, end, label, 1.0);
                        }
                    }
                }
            }
            for form in person
                .birth_date
                .as_deref()
                .map(birth_forms)
                .unwrap_or_default()
            {
                for (start, end) in text.find_all(&form) {
                    if !text
                        .before(start)
                        .is_some_and(|c| c.is_ascii_alphanumeric())
                        && !text.at(end).is_some_and(|c| c.is_ascii_digit())
                    {
                        push(start, end, Label::Birthdate, 1.0);
                    }
                }
            }
        }
        out
    }
}

/// The key leaves 号, 番地 and 室 out: the span must not.
fn address_end(text: &Text, mut end: usize) -> usize {
    while matches!(text.at(end), Some('号' | '室' | '番' | '地')) {
        end += 1;
    }
    end
}

fn is_inside_kana(text: &Text, start: usize, end: usize) -> bool {
    text.chars[start..end].iter().all(|&c| is_kana(c)) && !is_whole_name(text, start, end)
}

/// A surname, given name or alias standing alone. Known names are looked for harder than guessed
/// ones: one that is no other word needs no cue.
fn is_name_alone(text: &Text, start: usize, end: usize) -> bool {
    if is_whole_name(text, start, end) {
        return true;
    }
    let short_kana = end - start <= 2 && text.chars[start..end].iter().all(|&c| is_hiragana(c));
    let clear = !short_kana
        && end - start >= 3
        && text.is_boundary(start)
        && text.is_boundary(end)
        && !text
            .word_at(start)
            .is_some_and(|word| word.known && word.end == end && !word.is_name());
    clear
        || ((name_cue_after(text, end) || name_cue_before(text, start)) && text.is_boundary(start))
}

/// Western and Japanese notations of an ISO date.
fn birth_forms(iso: &str) -> Vec<String> {
    let mut numbers = iso.split('-').map(str::parse::<u32>);
    let (Some(Ok(year)), Some(Ok(month)), Some(Ok(day))) =
        (numbers.next(), numbers.next(), numbers.next())
    else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let mut add = |year: &str| {
        out.push(format!("{year}年{month}月{day}日"));
        for mark in ['.', '/', '-'] {
            out.push(format!("{year}{mark}{month}{mark}{day}"));
            out.push(format!("{year}{mark}{month:02}{mark}{day:02}"));
        }
    };
    add(&year.to_string());
    // Every era whose first or last year it may be: notes are not always right about the change.
    for (name, letter, first, last) in [
        ("明治", 'M', 1868, 1912),
        ("大正", 'T', 1912, 1926),
        ("昭和", 'S', 1926, 1989),
        ("平成", 'H', 1989, 2019),
        ("令和", 'R', 2019, 9999),
    ] {
        if (first..=last).contains(&year) {
            let number = year - first + 1;
            add(&format!("{name}{number}"));
            add(&format!("{letter}{number}"));
            if number == 1 {
                add(&format!("{name}元"));
            }
        }
    }
    out
}
