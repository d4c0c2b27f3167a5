//! The word lists under `datasets/lexicon`, compiled once. A test checks that every expression and
//! every code is valid; at run time a faulty entry is left out.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

pub(crate) struct Topic {
    pub id: String,
    pub ask: Regex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// The sentence must be about the client.
    Client,
    /// About the client, or the household without naming anyone.
    Household,
    Any,
}

pub(crate) struct Cue {
    pub field: String,
    pub code: String,
    pub any: Regex,
    pub unless: Option<Regex>,
    pub unless_match: Option<Regex>,
    pub topics: Vec<String>,
    /// Either one of these was asked about, or `near` stands in the sentence.
    pub topic_or: Vec<String>,
    pub near: Option<Regex>,
    pub about: About,
    pub negated: bool,
    pub weight: f64,
    pub answer: bool,
    pub echo: bool,
    pub staff: bool,
    pub early: bool,
    pub complaint: bool,
    pub young: bool,
}

pub(crate) struct Denial {
    pub topic: String,
    pub field: String,
    pub code: String,
}

pub(crate) struct Kin {
    pub word: String,
    pub code: String,
    pub sex: Option<String>,
}

pub(crate) struct Lexicon {
    pub topics: Vec<Topic>,
    pub cues: Vec<Cue>,
    pub denials: Vec<Denial>,
    /// Longest words first.
    pub kin: Vec<Kin>,
    pub seen_from: BTreeMap<String, BTreeMap<String, String>>,
    pub roles: BTreeMap<String, Regex>,
    pub agencies: Vec<(String, Regex)>,
    pub not_agency: Option<Regex>,
}

#[derive(Deserialize)]
struct TopicsFile {
    topic: Vec<TopicEntry>,
}

#[derive(Deserialize)]
struct TopicEntry {
    id: String,
    ask: String,
}

#[derive(Deserialize)]
struct CuesFile {
    cue: Vec<CueEntry>,
    denial: Vec<DenialEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CueEntry {
    field: String,
    code: String,
    any: String,
    unless: Option<String>,
    unless_match: Option<String>,
    #[serde(default)]
    topic: Vec<String>,
    #[serde(default)]
    topic_or: String,
    near: Option<String>,
    #[serde(default)]
    about: String,
    #[serde(default)]
    negated: bool,
    #[serde(default = "usual_weight")]
    weight: f64,
    #[serde(default)]
    answer: bool,
    #[serde(default)]
    echo: bool,
    #[serde(default)]
    staff: bool,
    #[serde(default)]
    early: bool,
    #[serde(default)]
    complaint: bool,
    #[serde(default)]
    young: bool,
}

fn usual_weight() -> f64 {
    0.7
}

#[derive(Deserialize)]
struct DenialEntry {
    topic: String,
    field: String,
    code: String,
}

#[derive(Deserialize)]
struct KinFile {
    kin: Vec<KinEntry>,
    seen_from: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct KinEntry {
    words: Vec<String>,
    code: String,
    sex: Option<String>,
}

#[derive(Deserialize)]
struct AgenciesFile {
    agency: Vec<AgencyEntry>,
    general: General,
}

#[derive(Deserialize)]
struct AgencyEntry {
    kind: String,
    any: String,
}

#[derive(Deserialize)]
struct General {
    not: String,
}

const TOPICS: &str = include_str!("../../../datasets/lexicon/topics.toml");
const CUES: &str = include_str!("../../../datasets/lexicon/cues.toml");
const KINSHIP: &str = include_str!("../../../datasets/lexicon/kinship.toml");
const ROLES: &str = include_str!("../../../datasets/lexicon/roles.toml");
const AGENCIES: &str = include_str!("../../../datasets/lexicon/agencies.toml");

pub(crate) static LEXICON: LazyLock<Lexicon> = LazyLock::new(load);

fn load() -> Lexicon {
    let topics: TopicsFile = toml::from_str(TOPICS).unwrap_or(TopicsFile { topic: vec![] });
    let cues: CuesFile = toml::from_str(CUES).unwrap_or(CuesFile {
        cue: vec![],
        denial: vec![],
    });
    let kinship: KinFile = toml::from_str(KINSHIP).unwrap_or(KinFile {
        kin: vec![],
        seen_from: BTreeMap::new(),
    });
    let roles: BTreeMap<String, String> = toml::from_str(ROLES).unwrap_or_default();
    let agencies: Option<AgenciesFile> = toml::from_str(AGENCIES).ok();
    let optional = |text: &Option<String>| text.as_deref().and_then(|t| Regex::new(t).ok());
    let mut kin: Vec<Kin> = kinship
        .kin
        .iter()
        .flat_map(|entry| {
            entry.words.iter().map(|word| Kin {
                word: word.clone(),
                code: entry.code.clone(),
                sex: entry.sex.clone(),
            })
        })
        .collect();
    kin.sort_by_key(|k| std::cmp::Reverse(k.word.chars().count()));
    Lexicon {
        topics: topics
            .topic
            .into_iter()
            .filter_map(|t| {
                Some(Topic {
                    id: t.id,
                    ask: Regex::new(&t.ask).ok()?,
                })
            })
            .collect(),
        cues: cues
            .cue
            .into_iter()
            .filter_map(|c| {
                Some(Cue {
                    any: Regex::new(&c.any).ok()?,
                    unless: optional(&c.unless),
                    unless_match: optional(&c.unless_match),
                    near: optional(&c.near),
                    field: c.field,
                    code: c.code,
                    topics: c.topic,
                    topic_or: c.topic_or.split_whitespace().map(str::to_owned).collect(),
                    about: match c.about.as_str() {
                        "any" => About::Any,
                        "household" => About::Household,
                        _ => About::Client,
                    },
                    negated: c.negated,
                    weight: c.weight,
                    answer: c.answer,
                    echo: c.echo,
                    staff: c.staff,
                    early: c.early,
                    complaint: c.complaint,
                    young: c.young,
                })
            })
            .collect(),
        denials: cues
            .denial
            .into_iter()
            .map(|d| Denial {
                topic: d.topic,
                field: d.field,
                code: d.code,
            })
            .collect(),
        kin,
        seen_from: kinship.seen_from,
        roles: roles
            .into_iter()
            .filter_map(|(role, text)| Some((role, Regex::new(&text).ok()?)))
            .collect(),
        agencies: agencies
            .iter()
            .flat_map(|file| file.agency.iter())
            .filter_map(|a| Some((a.kind.clone(), Regex::new(&a.any).ok()?)))
            .collect(),
        not_agency: agencies
            .as_ref()
            .and_then(|file| Regex::new(&file.general.not).ok()),
    }
}

/// A pattern of this crate's own source.
macro_rules! pattern {
    ($text:expr) => {{
        static PATTERN: std::sync::LazyLock<Option<regex::Regex>> =
            std::sync::LazyLock::new(|| regex::Regex::new($text).ok());
        PATTERN.as_ref()
    }};
}
pub(crate) use pattern;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_valid() {
        let topics: TopicsFile = toml::from_str(TOPICS).unwrap();
        let cues: CuesFile = toml::from_str(CUES).unwrap();
        let kinship: KinFile = toml::from_str(KINSHIP).unwrap();
        let roles: BTreeMap<String, String> = toml::from_str(ROLES).unwrap();
        let agencies: AgenciesFile = toml::from_str(AGENCIES).unwrap();
        for topic in &topics.topic {
            Regex::new(&topic.ask).unwrap();
        }
        let known: Vec<&str> = topics.topic.iter().map(|t| t.id.as_str()).collect();
        for cue in &cues.cue {
            for text in [
                Some(&cue.any),
                cue.unless.as_ref(),
                cue.unless_match.as_ref(),
                cue.near.as_ref(),
            ]
            .into_iter()
            .flatten()
            {
                Regex::new(text).unwrap();
            }
            for topic in cue
                .topic
                .iter()
                .map(String::as_str)
                .chain(cue.topic_or.split_whitespace())
            {
                assert!(known.contains(&topic), "{topic}");
            }
            assert!((0.0..=1.0).contains(&cue.weight));
        }
        for text in roles.values() {
            Regex::new(text).unwrap();
        }
        assert!(agencies.agency.iter().all(|a| Regex::new(&a.any).is_ok()));
        Regex::new(&agencies.general.not).unwrap();
        let codes: Vec<&str> = kinship.kin.iter().map(|k| k.code.as_str()).collect();
        assert!(
            kinship
                .seen_from
                .keys()
                .all(|k| codes.contains(&k.as_str()))
        );
    }
}
