//! Spoken addresses: 「鳴沢市の工業団地三の一、あおば寮の二一二です」.

use serde_json::json;

use super::conversation::{Conversation, Role, Subject};
use super::{Evidence, Sheet};
use crate::lexicon::pattern;
use crate::number::integer;

pub(super) fn fill(conversation: &Conversation, sheet: &mut Sheet) {
    let place = pattern!(
        r"(?:(?P<city>[一-龠々ヶァ-ヴー]{1,4}(?:都|道|府|県))?(?P<town>[一-龠々ヶぁ-んァ-ヴー]{1,6}?(?:市|区|町|村|郡))[の、]{0,2})?(?P<area>[一-龠々ヶケが]{1,7}?(?:町|台|丘|団地|条|通|原|田|山|川|沢|浜|島|森|野|谷|坂|浦|本|東|西|南|北|中)?)[、の]?(?P<num>[0-9〇一二三四五六七八九十]{1,4}(?:丁目|番地|番|号)?(?:[の、-]{0,2}[0-9〇一二三四五六七八九十]{1,4}(?:丁目|番地|番|号)?){0,3})(?P<house>[、の ]{0,2}(?P<name>[一-龠々ぁ-んァ-ヴーA-Za-zヶ]{2,14}?)[の、]?(?P<room>[0-9〇一二三四五六七八九十]{3,4})(?:号室|号)?)?"
    );
    let Some(place) = place else { return };
    let mut best: Option<(u32, String, Evidence)> = None;
    for clause in &conversation.clauses {
        if matches!(clause.subject, Subject::Other(_)) && clause.own_subject {
            continue;
        }
        let by_staff = clause.role == Some(Role::Staff) || clause.role.is_none() && clause.confirm;
        let asked = clause.asked_about("address")
            || pattern!("住所|お住まいは|ご自宅").is_some_and(|p| p.is_match(&clause.text));
        for found in place.captures_iter(&clause.text) {
            let Some(whole) = found.get(0) else { continue };
            let part = |name: &str| found.name(name).map_or("", |m| m.as_str());
            let numbers = number_groups(part("num"));
            let formal = part("num").contains("丁目")
                || part("num").contains("番地")
                || part("num").contains('号');
            let town = found.name("town").is_some();
            // A number after a word is no address by itself.
            let enough = (town && (numbers.len() >= 2 || formal))
                || (formal && numbers.len() >= 2)
                || (asked && town);
            if !enough
                || (by_staff && clause.then_no)
                || !(asked || formal || town && numbers.len() >= 2)
            {
                continue;
            }
            let area = strip_lead(part("area"));
            let town_text = strip_lead(part("town"));
            let mut value = format!("{}{}{}{}", part("city"), town_text, area, numbers.join("-"));
            if found.name("house").is_some() {
                let room = integer(part("room"))
                    .map(|n| n.to_string())
                    .unwrap_or_default();
                value.push(' ');
                value.push_str(part("name").trim_end_matches('の'));
                value.push_str(&room);
            }
            let points = u32::from(asked) * 2
                + u32::from(town) * 2
                + u32::from(formal)
                + u32::from(found.name("house").is_some());
            if best.as_ref().is_none_or(|(p, ..)| points > *p) {
                best = Some((points, value, Evidence::within(clause, whole.range())));
            }
        }
    }
    if let Some((points, value, evidence)) = best {
        sheet.set(
            "address",
            json!(value),
            if points >= 4 { 0.9 } else { 0.75 },
            vec![evidence],
        );
    }
}

/// Words before the place that the pattern swallowed: 「住所は、」「えっと」.
fn strip_lead(text: &str) -> &str {
    let mut rest = text;
    for lead in [
        "ご住所は",
        "住所は",
        "えっと",
        "えーと",
        "はい",
        "が",
        "は",
        "の",
        "、",
    ] {
        rest = rest.strip_prefix(lead).unwrap_or(rest);
    }
    rest
}

/// `三丁目の八番地` → 3, 8; `四の十八` → 4, 18.
fn number_groups(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_ascii_digit() || "〇一二三四五六七八九十".contains(c)))
        .filter(|g| !g.is_empty())
        .filter_map(|g| integer(g).map(|n| n.to_string()))
        .collect()
}
