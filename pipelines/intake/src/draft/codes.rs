//! Choice fields from the cue lexicon.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::complaint::Complaint;
use super::conversation::{Clause, Conversation, Role, Subject};
use super::people::Person;
use super::{Evidence, Sheet};
use crate::lexicon::{About, Cue, LEXICON, pattern};

const MULTI: [&str; 7] = [
    "topics",
    "issues",
    "issues_extra",
    "attributes",
    "handbooks",
    "benefits",
    "danger",
];

/// Field → code → combined weight, last sentence, evidence.
type Weighed<'a> = BTreeMap<&'a str, BTreeMap<&'a str, (f64, usize, Vec<Evidence>)>>;

struct Hit<'a> {
    cue: &'a Cue,
    clause: usize,
    weight: f64,
    evidence: Evidence,
}

/// A negation right after the match turns it round.
fn negated_after(rest: &str) -> bool {
    let near: String = rest
        .chars()
        .take(14)
        .take_while(|c| !matches!(c, '、' | '。'))
        .collect();
    pattern!(r"(な(い|く|かった|し)|ません|ねえ|ねぇ|じゃな|ではな|無い|違う|違い)")
        .is_some_and(|p| p.is_match(&near))
}

fn applies(
    conversation: &Conversation,
    complaint: &Complaint,
    cue: &Cue,
    at: usize,
    young: bool,
) -> Option<(f64, std::ops::Range<usize>)> {
    let clause = &conversation.clauses[at];
    if cue.early && clause.utterance >= 12 || cue.young && !young {
        return None;
    }
    if cue.complaint && !complaint.own.contains(&at) && !complaint.others.contains(&at) {
        return None;
    }
    if !cue.topics.is_empty() && !cue.topics.iter().any(|t| clause.asked_about(t)) {
        return None;
    }
    if !cue.topic_or.is_empty()
        && !cue.topic_or.iter().any(|t| clause.asked_about(t))
        && !cue.near.as_ref().is_some_and(|p| p.is_match(&clause.text))
    {
        return None;
    }
    match cue.about {
        About::Any => {}
        About::Client
            if cue.field == "marital"
                && matches!(&clause.subject, Subject::Other(who) if matches!(who.as_str(), "spouse" | "ex_spouse" | "partner")) =>
            {}
        About::Client if clause.subject != Subject::Client => return None,
        About::Household if clause.own_subject && clause.subject != Subject::Client => return None,
        About::Client | About::Household => {}
    }
    if cue
        .unless
        .as_ref()
        .is_some_and(|p| p.is_match(&clause.text))
    {
        return None;
    }
    let hit = cue.any.find(&clause.text)?;
    if !cue.negated && negated_after(&clause.text[hit.end()..]) {
        return None;
    }
    if cue.unless_match.as_ref().is_some_and(|p| {
        let end = clause.text[hit.end()..]
            .char_indices()
            .nth(8)
            .map_or(clause.text.len(), |(i, _)| hit.end() + i);
        p.is_match(&clause.text[hit.start()..end])
    }) {
        return None;
    }
    let by_staff = matches!(clause.role, Some(Role::Staff))
        || clause.role.is_none() && (clause.question || clause.confirm);
    let weight = if clause.reports() {
        cue.weight
    } else if cue.staff {
        if clause.then_no {
            return None;
        } else {
            cue.weight
        }
    } else if by_staff {
        // The part before the last comma of a question is what was understood so far.
        let understood = clause.text[hit.end()..].contains('、');
        if clause.then_no {
            return None;
        } else if clause.then_yes && (cue.answer || clause.confirm || cue.echo) {
            cue.weight
        } else if clause.confirm && (cue.echo || cue.answer)
            || cue.echo && (!clause.question || understood)
        {
            cue.weight * 0.9
        } else {
            return None;
        }
    } else if clause.then_yes && cue.answer {
        cue.weight
    } else {
        return None;
    };
    Some((weight, hit.range()))
}

fn hits<'a>(conversation: &Conversation, complaint: &Complaint, young: bool) -> Vec<Hit<'a>> {
    let mut found = Vec::new();
    for cue in &LEXICON.cues {
        for at in 0..conversation.clauses.len() {
            if let Some((weight, range)) = applies(conversation, complaint, cue, at, young) {
                let clause = &conversation.clauses[at];
                // Long utterances without punctuation: cite the neighbourhood, else the sentence.
                let evidence = if clause.text.chars().count() > 60 {
                    Evidence::within(clause, range)
                } else {
                    Evidence::of(clause)
                };
                found.push(Hit {
                    cue,
                    clause: at,
                    weight,
                    evidence,
                });
            }
        }
    }
    found
}

fn is_refusal(text: &str) -> bool {
    let text = text.trim().trim_end_matches(['。', '、']);
    text.chars().count() <= 22
        && pattern!(r"(ない(です|と思います|と聞いて(い)?ます|よ|わ|な)?|ありません|ございません|ねえ|してません|してない(です)?|特にない(です)?)$").is_some_and(|p| p.is_match(text))
        && !pattern!(r"わから|知らない|忘れ|他(に)?は|ほかは|それ以外").is_some_and(|p| p.is_match(text))
}

pub(super) fn fill(conversation: &Conversation, complaint: &Complaint, sheet: &mut Sheet) {
    let young = sheet.number("estimated_age").is_some_and(|a| a <= 25);
    let found = hits(conversation, complaint, young);
    let mut by_field: Weighed<'_> = BTreeMap::new();
    for hit in &found {
        let entry = by_field
            .entry(&hit.cue.field)
            .or_default()
            .entry(&hit.cue.code)
            .or_insert((0.0, 0, vec![]));
        entry.0 = 1.0 - (1.0 - entry.0) * (1.0 - hit.weight);
        entry.1 = entry.1.max(hit.clause);
        entry.2.push(hit.evidence);
    }
    for (field, codes) in &by_field {
        if matches!(
            *field,
            "consent_status" | "arrears" | "debt" | "topics" | "marital" | "route"
        ) {
            continue;
        }
        if MULTI.contains(field) {
            for (code, (weight, _, evidence)) in codes {
                if *weight >= 0.5 {
                    sheet.add_code(
                        field,
                        code,
                        multi_confidence(field, *weight),
                        evidence.clone(),
                    );
                }
            }
        } else if let Some((code, (weight, _, evidence))) = codes.iter().max_by(|a, b| {
            (a.1.0, a.1.1)
                .partial_cmp(&(b.1.0, b.1.1))
                .unwrap_or(std::cmp::Ordering::Equal)
        }) {
            let rival = codes
                .iter()
                .filter(|(c, _)| *c != code)
                .map(|(_, v)| v.0)
                .fold(0.0, f64::max);
            let sure = weight * (1.0 - 0.25 * rival);
            if sure >= 0.45 {
                sheet.set(field, json!(code), sure, evidence.clone());
            }
        }
    }
    for field in ["arrears", "debt"] {
        if let Some(codes) = by_field.get(field) {
            if field == "arrears" {
                // "none" counts only where nothing else was named.
                for (code, (weight, _, evidence)) in codes
                    .iter()
                    .filter(|(code, _)| **code != "none" || codes.len() == 1)
                {
                    sheet.add_code("arrears", code, *weight, evidence.clone());
                }
            } else if let Some((_, (weight, _, evidence))) = codes.iter().next() {
                sheet.set("debt", json!("1"), *weight, evidence.clone());
            }
        }
    }
    if let Some(codes) = by_field.get("marital")
        && let Some((code, (weight, _, evidence))) = codes.iter().max_by(|a, b| {
            (a.1.0)
                .partial_cmp(&b.1.0)
                .unwrap_or(std::cmp::Ordering::Equal)
        })
    {
        sheet.set("marital", json!(code), *weight, evidence.clone());
    }
    for denial in &LEXICON.denials {
        if sheet.fields.contains_key(&denial.field) {
            continue;
        }
        let no = conversation.clauses.iter().find(|c| {
            c.reports()
                && c.asked_about(&denial.topic)
                && c.subject == Subject::Client
                && is_refusal(&c.text)
        });
        if let Some(clause) = no {
            let value = match denial.field.as_str() {
                "arrears" | "handbooks" => json!([denial.code]),
                _ => json!(denial.code),
            };
            sheet.set(&denial.field, value, 0.85, vec![Evidence::of(clause)]);
        }
    }
    topics(&by_field, sheet);
    consent(conversation, &by_field, sheet);
    route(conversation, &by_field, sheet);
    medical(conversation, &found, sheet);
}

fn multi_confidence(field: &str, weight: f64) -> f64 {
    match field {
        "issues" => weight * 0.8,
        "issues_extra" | "attributes" => weight * 0.9,
        _ => weight,
    }
}

/// Topics come from the concern itself; the strongest, else the first said, is the primary one.
fn topics(by_field: &Weighed<'_>, sheet: &mut Sheet) {
    let Some(codes) = by_field.get("topics") else {
        return;
    };
    for (code, (weight, _, evidence)) in codes {
        sheet.add_code("topics", code, weight * 0.85, evidence.clone());
    }
    let primary = codes.iter().max_by(|a, b| {
        let first = |v: &(f64, usize, Vec<Evidence>)| std::cmp::Reverse(v.2.iter().min().copied());
        (a.1.0, first(a.1))
            .partial_cmp(&(b.1.0, first(b.1)))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    if let Some((code, (weight, _, evidence))) = primary {
        sheet.set("topic_primary", json!(code), weight * 0.8, evidence.clone());
    }
}

fn consent(conversation: &Conversation, by_field: &Weighed<'_>, sheet: &mut Sheet) {
    let empty = BTreeMap::new();
    let codes = by_field.get("consent_status").unwrap_or(&empty);
    // The strictest that was said holds.
    for code in ["incapable", "refused", "limited"] {
        if let Some((weight, _, evidence)) = codes.get(code) {
            sheet.set("consent_status", json!(code), *weight, evidence.clone());
            return;
        }
    }
    let agreed: Vec<Evidence> = conversation
        .clauses
        .iter()
        .filter(|c| {
            c.asked_about("consent")
                && c.subject == Subject::Client
                && matches!(c.role, Some(Role::Client) | None)
                && !c.question
                && pattern!(r"^(はい|ええ|うん)?、?(いい|お願い|構いません|大丈夫|どうぞ|わかりました|もちろん|はい、)|いいです|いいいです").is_some_and(|p| p.is_match(&c.text))
        })
        .map(Evidence::of)
        .collect();
    let signed = conversation.clauses.iter().find(|c| {
        c.text.contains("同意書")
            && c.subject == Subject::Client
            && !c.text.contains("まだ")
            && c.then_yes
            && !c.then_no
    });
    if let Some((weight, _, evidence)) = codes.get("full") {
        sheet.set(
            "consent_status",
            json!("full"),
            *weight,
            evidence.iter().copied().chain(agreed).collect(),
        );
    } else if let (Some(clause), false) = (signed, agreed.is_empty()) {
        sheet.set(
            "consent_status",
            json!("full"),
            0.7,
            std::iter::once(Evidence::of(clause))
                .chain(agreed)
                .collect(),
        );
    } else if let Some((weight, _, evidence)) = codes.get("verbal") {
        sheet.set(
            "consent_status",
            json!("verbal"),
            *weight,
            agreed.into_iter().chain(evidence.iter().copied()).collect(),
        );
    } else if let Some((weight, _, evidence)) = codes.get("unconfirmed") {
        sheet.set(
            "consent_status",
            json!("unconfirmed"),
            *weight,
            evidence.clone(),
        );
    } else if !agreed.is_empty() {
        sheet.set("consent_status", json!("verbal"), 0.6, agreed);
    }
}

fn route(conversation: &Conversation, by_field: &Weighed<'_>, sheet: &mut Sheet) {
    if let Some(codes) = by_field.get("route")
        && let Some((code, (weight, _, evidence))) = codes.iter().max_by(|a, b| {
            (a.1.0)
                .partial_cmp(&b.1.0)
                .unwrap_or(std::cmp::Ordering::Equal)
        })
    {
        sheet.set("route", json!(code), *weight, evidence.clone());
        return;
    }
    let method = sheet.text("contact_method").map(str::to_owned);
    let evidence = sheet.evidence("contact_method");
    if conversation.client.absent && !conversation.meeting {
        let code = match method.as_deref() {
            Some("visit") => "family_visit",
            Some("tel" | "mail") => "family_tel",
            _ => return,
        };
        let shown = conversation
            .client
            .shown_at
            .map(|(utterance, start, end)| Evidence {
                utterance,
                start,
                end,
            });
        sheet.set(
            "route",
            json!(code),
            0.8,
            shown.into_iter().chain(evidence).collect(),
        );
    } else if conversation.client.speaker.is_some() {
        let code = match method.as_deref() {
            Some("visit") => "self_visit",
            Some("tel" | "mail") => "self_tel",
            _ => return,
        };
        sheet.set("route", json!(code), 0.7, evidence);
    }
}

/// 通院状況 in the words in which it was said.
fn medical(conversation: &Conversation, found: &[Hit<'_>], sheet: &mut Sheet) {
    if sheet.text("health") != Some("bad_visit") {
        return;
    }
    let mut said: Vec<&Clause> = Vec::new();
    let mut seen = BTreeSet::new();
    for hit in found
        .iter()
        .filter(|h| h.cue.field == "health" && h.cue.code == "bad_visit")
    {
        if seen.insert(hit.clause) {
            said.push(&conversation.clauses[hit.clause]);
        }
    }
    let Some(first) = said.first() else { return };
    let next = conversation.clauses.iter().find(|c| {
        c.utterance == first.utterance
            && c.start == first.end
            && pattern!("見てもらって|受診|診て|通院").is_some_and(|p| p.is_match(&c.text))
    });
    let parts: Vec<&Clause> = std::iter::once(*first).chain(next).collect();
    let value: String = parts.iter().map(|c| c.text.trim()).collect();
    sheet.set(
        "medical",
        json!(value),
        0.75,
        parts.iter().map(|c| Evidence::of(c)).collect(),
    );
}

/// What follows from other values; each carries the evidence of what it follows from.
pub(super) fn derive(sheet: &mut Sheet, people: &[Person]) {
    let age = sheet.number("estimated_age");
    let age_evidence = sheet.evidence("estimated_age");
    if let Some(age) = age {
        if age >= 65 {
            sheet.add_code("attributes", "elder", 0.85, age_evidence.clone());
        } else if age < 18 {
            sheet.add_code("attributes", "child", 0.85, age_evidence.clone());
        }
    }
    if ["body", "ryoiku", "mental"]
        .iter()
        .any(|c| sheet.has_code("handbooks", c))
    {
        let evidence = sheet.evidence("handbooks");
        sheet.add_code("issues", "disability_cert", 0.8, evidence.clone());
        sheet.add_code("attributes", "disabled", 0.85, evidence);
    }
    // ひとり親: a child in the household and no partner any more.
    let child = people.iter().find(|p| {
        matches!(p.kinship.as_deref(), Some("son" | "daughter" | "child"))
            && p.living.as_deref() == Some("cohabit")
            && p.age.is_some_and(|a| a < 20)
    });
    if let (Some(child), Some("divorced" | "widowed" | "never")) = (child, sheet.text("marital")) {
        let evidence = sheet
            .evidence("marital")
            .into_iter()
            .chain(child.evidence.iter().copied())
            .collect();
        sheet.add_code("issues", "single_parent", 0.75, evidence);
    }
    // 8050: a parent of 70 or more with a child of working age who does not go out.
    let parent = people.iter().find(|p| {
        matches!(p.kinship.as_deref(), Some("father" | "mother"))
            && p.age.is_some_and(|a| a >= 70)
            && p.living.as_deref() != Some("separate")
    });
    if let (Some(parent), Some(40..=64)) = (parent, age)
        && (sheet.has_code("issues_extra", "hikikomori") || sheet.has_code("issues", "isolation"))
    {
        let evidence = parent
            .evidence
            .iter()
            .copied()
            .chain(sheet.evidence("issues_extra"))
            .collect();
        sheet.add_code("issues_extra", "p8050", 0.8, evidence);
    }
    if sheet.has_code("issues_extra", "dementia") && age.is_some_and(|a| a < 40) {
        // Said of somebody else, most likely.
        let codes: Vec<String> = sheet
            .codes("issues_extra")
            .into_iter()
            .filter(|c| c != "dementia")
            .collect();
        if codes.is_empty() {
            sheet.fields.remove("issues_extra");
        } else if let Some(drafted) = sheet.fields.get_mut("issues_extra") {
            drafted.value = json!(codes);
        }
    }
}
