//! Word lists (data/words.toml).

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::text::Text;

/// A list that can be asked what stands right before or after a place.
#[derive(Debug, Deserialize)]
#[serde(from = "Vec<String>")]
pub(crate) struct List {
    set: HashSet<String>,
    /// Longest first.
    sorted: Vec<(String, usize)>,
    /// Numbers in `sorted` of the words with this first and this last character: most places of a
    /// text begin and end none.
    first: HashMap<char, Vec<usize>>,
    last: HashMap<char, Vec<usize>>,
}

impl From<Vec<String>> for List {
    fn from(words: Vec<String>) -> Self {
        let mut sorted: Vec<(String, usize)> = words
            .iter()
            .map(|word| (word.clone(), word.chars().count()))
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let mut first: HashMap<char, Vec<usize>> = HashMap::new();
        let mut last: HashMap<char, Vec<usize>> = HashMap::new();
        for (index, (word, _)) in sorted.iter().enumerate() {
            if let (Some(head), Some(tail)) = (word.chars().next(), word.chars().next_back()) {
                first.entry(head).or_default().push(index);
                last.entry(tail).or_default().push(index);
            }
        }
        Self {
            set: words.into_iter().collect(),
            sorted,
            first,
            last,
        }
    }
}

impl List {
    pub fn contains(&self, word: &str) -> bool {
        self.set.contains(word)
    }

    /// Length in characters of the longest entry that starts at `at`.
    pub fn starts(&self, text: &Text, at: usize) -> Option<usize> {
        let tail = text.tail(at);
        self.first
            .get(&text.at(at)?)?
            .iter()
            .map(|&index| &self.sorted[index])
            .find(|(word, _)| tail.starts_with(word.as_str()))
            .map(|(_, length)| *length)
    }

    /// Length in characters of the longest entry that ends at `at`.
    pub fn ends(&self, text: &Text, at: usize) -> Option<usize> {
        let head = text.head(at);
        self.last
            .get(&text.before(at)?)?
            .iter()
            .map(|&index| &self.sorted[index])
            .find(|(word, _)| head.ends_with(word.as_str()))
            .map(|(_, length)| *length)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.sorted.iter().map(|(word, _)| word.as_str())
    }
}

/// What each list is for stands beside it in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Words {
    pub honorifics: List,
    pub roles: List,
    pub kinship: List,
    pub name_labels: List,
    pub attendance_headings: List,
    pub floor_words: List,
    pub number_heads: List,
    pub place_units: List,
    pub not_names: List,
    pub name_followers: List,
    pub name_details: List,
    pub grades: List,
    pub naming_cues: List,
    pub nickname_endings: List,
    pub pet_endings: List,
    pub facility_suffixes: List,
    pub facility_prefixes: List,
    pub weak_suffixes: List,
    pub facility_endings: List,
    pub generic_heads: List,
    pub facility_cues: List,
    pub not_in_facilities: List,
    /// Tried in this order: the first that fits ends the name.
    pub branches: Vec<String>,
    pub spaced_branches: List,
    pub school_directions: List,
    pub school_cues: List,
    pub public_bodies: List,
    pub prefectures: List,
    pub building_words: List,
    pub generic_buildings: List,
    pub not_places: List,
    pub weak_building_words: List,
    pub lodgings: List,
    pub landmarks: List,
    pub not_in_landmarks: List,
    pub not_in_addresses: List,
    /// Taken off in this order, each once.
    pub address_labels: Vec<String>,
    /// Taken off in this order, each once.
    pub place_tails: Vec<String>,
}

#[expect(
    clippy::expect_used,
    reason = "the file is compiled in; a test reads it"
)]
pub(crate) static WORDS: LazyLock<Words> =
    LazyLock::new(|| toml::from_str(include_str!("../data/words.toml")).expect("data/words.toml"));

/// Whether a name may end at `at`: an honorific or a role follows (「田中さん」「田中 CW」).
pub(crate) fn name_cue_after(text: &Text, at: usize) -> bool {
    WORDS
        .honorifics
        .starts(text, at)
        .is_some_and(|length| honorific_ends(text, at, length))
        || WORDS.roles.starts(text, at).is_some()
        || (text.at(at) == Some(' ') && WORDS.roles.starts(text, at + 1).is_some())
}

/// 「様」 in 様子 or 様々 and 「君」 in 君たち are not honorifics.
pub(crate) fn honorific_ends(text: &Text, at: usize, length: usize) -> bool {
    let next = text.at(at + length);
    match text.slice(at, at + length) {
        "様" => !matches!(
            next,
            Some('子' | '々' | '式' | '態' | '相' | '変' | 'な' | 'に')
        ),
        "氏" => !matches!(next, Some('名' | '族' | '神')),
        "たん" => !matches!(next, Some(c) if crate::text::is_kana(c)),
        _ => true,
    }
}

/// Whether a kinship word, a role or a label (「氏名：」) ends at `at`, so that a name may start there.
pub(crate) fn name_cue_before(text: &Text, at: usize) -> bool {
    let mut at = at;
    while matches!(
        text.before(at),
        Some(' ' | ':' | '=' | '・' | '(' | '「' | '→')
    ) {
        at -= 1;
    }
    if text.before(at) == Some('の') && WORDS.kinship.ends(text, at - 1).is_some() {
        return true;
    }
    WORDS.kinship.ends(text, at).is_some()
        || WORDS.roles.ends(text, at).is_some()
        || WORDS.name_labels.ends(text, at).is_some()
}
