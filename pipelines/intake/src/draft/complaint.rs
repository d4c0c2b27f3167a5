//! What people came for, and the short account of the talk.

use serde_json::json;

use super::conversation::{Clause, Conversation, Role, Subject};
use super::{Evidence, Sheet};
use crate::lexicon::{LEXICON, pattern};

/// Sentences in which the concern was brought.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    /// Positions of sentences, by the client and by others.
    pub own: Vec<usize>,
    pub others: Vec<usize>,
}

fn says_something(clause: &Clause) -> bool {
    let text = clause.text.trim_matches(['。', '、', ' ', '\n']);
    text.chars().count() >= 6
        && !pattern!(r"^(はい|ええ|そうです|お願いします|すみません|すんません|ありがとう|こんにちは|あ、?どうも|よろしく|いえ|うん).{0,8}$").is_some_and(|p| p.is_match(text))
}

pub(super) fn fill(conversation: &Conversation, sheet: &mut Sheet) -> Complaint {
    let clauses = &conversation.clauses;
    let mut complaint = Complaint::default();
    let worry = pattern!(
        r"心配|このままだと|困っ|倒れたら|どうなる|どうしたら|どうしよう|助けて|限界|不安|できなく|行けなく|なくした|やめた|ほしい|くれ"
    );
    // Whoever answers first is the one who was asked.
    let mut answers: Option<Option<Role>> = None;
    for (at, clause) in clauses.iter().enumerate() {
        if conversation.meeting {
            break;
        }
        let own = clause.role == Some(Role::Client)
            || clause.role.is_none() && !conversation.client.absent;
        let staff = clause.role == Some(Role::Staff)
            || clause.role.is_none()
                && (clause.confirm
                    || clause.question && !clause.text.trim_end_matches('。').ends_with("んか"));
        if staff {
            if clause.question {
                answers = None;
            }
            continue;
        }
        if !says_something(clause) {
            continue;
        }
        let asked =
            clause.asked_about("complaint") && *answers.get_or_insert(clause.role) == clause.role;
        let list = if own {
            &mut complaint.own
        } else {
            &mut complaint.others
        };
        if asked && list.len() < if own { 3 } else { 4 } {
            list.push(at);
        }
    }
    // A relative came for the client: how it was put first.
    if let Some((utterance, ..)) = conversation.client.shown_at {
        let first: Vec<usize> = clauses
            .iter()
            .enumerate()
            .filter(|(_, c)| c.utterance == utterance && says_something(c))
            .map(|(at, _)| at)
            .collect();
        for at in first.into_iter().rev() {
            if !complaint.others.contains(&at) {
                complaint.others.insert(0, at);
            }
        }
        complaint.own.clear();
    }
    if conversation.meeting || complaint.others.is_empty() {
        // Sentences that speak for most needs.
        let mut scored: Vec<(usize, usize)> = clauses
            .iter()
            .enumerate()
            .filter(|(_, c)| {
                says_something(c)
                    && !c.question
                    && !matches!(c.role, Some(Role::Client | Role::Staff) | None)
                    && (conversation.meeting && c.subject == Subject::Client
                        || worry.is_some_and(|p| p.is_match(&c.text)))
            })
            .map(|(at, c)| {
                let hits = LEXICON
                    .cues
                    .iter()
                    .filter(|cue| {
                        (cue.complaint || cue.field == "issues" || cue.field == "issues_extra")
                            && cue.any.is_match(&c.text)
                    })
                    .count();
                (
                    at,
                    hits * 2 + usize::from(worry.is_some_and(|p| p.is_match(&c.text))),
                )
            })
            .filter(|(_, score)| *score >= if conversation.meeting { 2 } else { 1 })
            .collect();
        scored.sort_by_key(|(at, score)| (std::cmp::Reverse(*score), *at));
        scored.truncate(if conversation.meeting { 2 } else { 1 });
        let mut best: Vec<usize> = scored.into_iter().map(|(at, _)| at).collect();
        best.sort_unstable();
        if complaint.others.is_empty() {
            complaint.others = best;
        }
    }
    for (field, list, sure) in [
        ("chief_complaint_self", &complaint.own, 0.75),
        ("chief_complaint_family", &complaint.others, 0.65),
    ] {
        let chosen: Vec<&Clause> = list.iter().map(|at| &clauses[*at]).collect();
        if chosen.is_empty() {
            continue;
        }
        let value: String = chosen.iter().map(|c| c.text.trim()).collect();
        sheet.set(
            field,
            json!(value),
            sure,
            chosen.iter().map(|c| Evidence::of(c)).collect(),
        );
    }
    complaint
}

/// Extract of at most six sentences, in the order of the talk: the concern, then the sentences
/// most of the drafted values rest on.
pub(super) fn summarise(conversation: &Conversation, complaint: &Complaint, sheet: &mut Sheet) {
    let clauses = &conversation.clauses;
    let mut chosen: Vec<usize> = complaint
        .own
        .iter()
        .chain(&complaint.others)
        .take(3)
        .copied()
        .collect();
    let weight = |at: usize| {
        let c = &clauses[at];
        sheet
            .fields
            .iter()
            .filter(|(field, _)| {
                !matches!(
                    field.as_str(),
                    "name"
                        | "name_kana"
                        | "birth_date"
                        | "address"
                        | "phone_mobile"
                        | "phone_home"
                        | "contact_method"
                )
            })
            .flat_map(|(_, d)| &d.evidence)
            .filter(|e| e.utterance == c.utterance && e.start < c.end && c.start < e.end)
            .count()
    };
    let mut rest: Vec<usize> = (0..clauses.len())
        .filter(|at| {
            !chosen.contains(at)
                && clauses[*at].reports()
                && clauses[*at].text.chars().count() >= 8
                && weight(*at) > 0
        })
        .collect();
    rest.sort_by_key(|at| (std::cmp::Reverse(weight(*at)), *at));
    chosen.extend(rest.into_iter().take(6_usize.saturating_sub(chosen.len())));
    chosen.sort_unstable();
    chosen.dedup();
    if chosen.len() < 2 {
        return;
    }
    let text: String = chosen
        .iter()
        .map(|at| {
            let said = clauses[*at].text.trim();
            if said.ends_with(['。', '!', '?']) {
                said.to_owned()
            } else {
                format!("{said}。")
            }
        })
        .collect();
    let evidence = chosen
        .iter()
        .map(|at| Evidence::of(&clauses[*at]))
        .collect();
    sheet.set("summary", json!(text), 0.5, evidence);
}
