//! Agencies that were named.

use serde::{Deserialize, Serialize};

use super::conversation::Conversation;
use super::{Evidence, NameFinder, NameKind};
use crate::lexicon::LEXICON;
use crate::transcript::Utterance;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agency {
    pub name: String,
    /// Code of `org_type`.
    pub kind: String,
    pub evidence: Vec<Evidence>,
}

pub(super) fn find(
    conversation: &Conversation,
    utterances: &[Utterance],
    names: Option<&NameFinder<'_>>,
) -> Vec<Agency> {
    let mut found: Vec<Agency> = Vec::new();
    for clause in &conversation.clauses {
        let mut taken: Vec<std::ops::Range<usize>> = Vec::new();
        for (kind, pattern) in &LEXICON.agencies {
            for hit in pattern.find_iter(&clause.text) {
                if taken
                    .iter()
                    .any(|t| hit.start() < t.end && t.start < hit.end())
                {
                    continue;
                }
                let name = hit
                    .as_str()
                    .trim_start_matches(['の', 'は', 'が', 'で', 'に', 'と', 'へ', 'を'])
                    .to_owned();
                if LEXICON
                    .not_agency
                    .as_ref()
                    .is_some_and(|p| p.is_match(&name))
                {
                    continue;
                }
                taken.push(hit.range());
                add(
                    &mut found,
                    &name,
                    kind,
                    Evidence::within(clause, hit.range()),
                );
            }
        }
    }
    if let Some(find) = names {
        for (at, utterance) in utterances.iter().enumerate() {
            let length = utterance.text.chars().count();
            for span in find(&utterance.text) {
                if span.kind == NameKind::Agency && span.start < span.end && span.end <= length {
                    let name: String = utterance
                        .text
                        .chars()
                        .skip(span.start)
                        .take(span.end - span.start)
                        .collect();
                    add(
                        &mut found,
                        &name,
                        "other",
                        Evidence {
                            utterance: at,
                            start: span.start,
                            end: span.end,
                        },
                    );
                }
            }
        }
    }
    found
}

/// 「包括」 after 「東部包括」 is the same place.
fn add(found: &mut Vec<Agency>, name: &str, kind: &str, evidence: Evidence) {
    if name.chars().count() < 2 {
        return;
    }
    match found
        .iter_mut()
        .find(|a| a.name.contains(name) || name.contains(&a.name))
    {
        Some(known) => {
            if name.chars().count() > known.name.chars().count() {
                name.clone_into(&mut known.name);
            }
            if known.evidence.len() < 4 {
                known.evidence.push(evidence);
            }
        }
        None => found.push(Agency {
            name: name.to_owned(),
            kind: kind.to_owned(),
            evidence: vec![evidence],
        }),
    }
}
