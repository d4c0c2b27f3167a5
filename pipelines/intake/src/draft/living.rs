//! Household, marriage and money.

use serde_json::json;

use super::conversation::{Clause, Conversation, Role, Subject, kin_words};
use super::people::Person;
use super::{Evidence, Sheet};
use crate::lexicon::pattern;
use crate::number::{integer, money as amounts};

fn persons(text: &str) -> Option<i64> {
    match text {
        "ひとり" | "独り" => Some(1),
        "ふたり" => Some(2),
        "さんにん" => Some(3),
        "よにん" => Some(4),
        "ごにん" => Some(5),
        other => integer(other.trim_end_matches(['人', '名'])),
    }
    .filter(|n| (1..=15).contains(n))
}

pub(super) fn household(conversation: &Conversation, sheet: &mut Sheet, people: &mut [Person]) {
    let count =
        pattern!(r"(?:[0-9一二三四五六七八九十]{1,2}人|ひとり|独り|ふたり|さんにん|よにん|ごにん)");
    let alone =
        pattern!(r"(?:一人|1人|ひとり|独り)(?:です|暮らし|だ|よ|で(?:す|住|暮)|、|。|$)|独居|単身");
    let with = pattern!(
        r"と(?:、?(?:私|僕|わたし)と?)?(?:二人|2人|ふたり)(?:暮らし|です|で|、|。|だけ|きり)"
    );
    let house =
        pattern!(r"(?P<n>[0-9一二三四五六七八九十]{1,2})人(?:家族|暮らし|で暮ら|で住|世帯)");
    let only = pattern!(
        r"(?P<n>[0-9一二三四五六七八九]{1,2})人.{0,12}(?:あとは?|それと|と)、?(?:僕|私|わたし|自分|俺)(?:だけ|の)"
    );
    let mut best: Option<(i64, f64, Evidence, Option<usize>)> = None;
    let mut offer = |n: i64, sure: f64, evidence: Evidence, with: Option<usize>| {
        if best.as_ref().is_none_or(|b| sure > b.1) {
            best = Some((n, sure, evidence, with));
        }
    };
    for (at, clause) in conversation.clauses.iter().enumerate() {
        let staff = clause.role == Some(Role::Staff)
            || clause.role.is_none() && (clause.question || clause.confirm);
        let confirmed = staff && (clause.then_yes || clause.confirm) && !clause.then_no;
        if staff && !confirmed {
            continue;
        }
        let other = matches!(&clause.subject, Subject::Other(who) if who != "informant")
            && clause.own_subject;
        if let Some(hit) = with.and_then(|p| p.find(&clause.text))
            && !pattern!("昔|前は|以前|子どもの頃").is_some_and(|p| p.is_match(&clause.text))
        {
            offer(2, 0.9, Evidence::within(clause, 0..hit.end()), Some(at));
        } else if let Some(hit) = only.and_then(|p| p.captures(&clause.text))
            && let Some(n) = hit.name("n").and_then(|n| integer(n.as_str()))
        {
            offer(n + 1, 0.85, Evidence::of(clause), Some(at));
        } else if let Some(hit) = house.and_then(|p| p.captures(&clause.text))
            && !other
            && let Some(n) = hit
                .name("n")
                .and_then(|n| integer(n.as_str()))
                .filter(|n| (1..=15).contains(n))
        {
            offer(n, 0.85, Evidence::of(clause), None);
        } else if !other && clause.subject == Subject::Client && clause.asked_about("household") {
            if let Some(hit) = alone.and_then(|p| p.find(&clause.text))
                && !(staff && clause.text.contains("お一人") && !clause.then_yes)
            {
                offer(1, 0.9, Evidence::within(clause, hit.range()), None);
            } else if let Some(hit) = count.and_then(|p| p.find_iter(&clause.text).last())
                && let Some(n) = persons(hit.as_str())
                && n >= 2
                && (!staff || clause.then_yes)
                && !clause.text.contains("きょうだい")
            {
                offer(n, 0.8, Evidence::of(clause), None);
            }
        } else if !other
            && pattern!(r"(?:一人|ひとり|独り)暮らし(?:です|で|、|。|し)|独居")
                .is_some_and(|p| p.is_match(&clause.text))
            && clause.subject == Subject::Client
            && clause.reports()
        {
            offer(1, 0.85, Evidence::of(clause), None);
        }
    }
    let Some((size, sure, evidence, with)) = best else {
        return;
    };
    sheet.set("household_size", json!(size), sure, vec![evidence]);
    // Who was named beside the number lives there.
    if let Some(at) = with {
        let clause = &conversation.clauses[at];
        for (place, kin) in kin_words(&clause.text) {
            let rest = &clause.text[place + kin.word.len()..];
            let named = rest.starts_with('と')
                || pattern!(r"^(さん)?(が|は)[0-9一二三四五六七八九]人")
                    .is_some_and(|p| p.is_match(rest));
            if !named {
                continue;
            }
            for person in people.iter_mut().filter(|p| p.said.contains(&(at, place))) {
                if person.living.is_none() {
                    person.living = Some("cohabit".to_owned());
                }
            }
            if conversation.client.absent
                && conversation.client.kin.as_deref() == Some(kin.code.as_str())
            {
                for person in people.iter_mut().filter(|p| p.informant) {
                    person.living = Some("cohabit".to_owned());
                }
            }
        }
    }
    if size == 1 {
        for person in people
            .iter_mut()
            .filter(|p| p.living.is_none() && p.is_kin())
        {
            person.living = Some("separate".to_owned());
        }
    }
}

/// Widowed and divorced follow from what is said of the spouse.
pub(super) fn marital(conversation: &Conversation, sheet: &mut Sheet, people: &mut Vec<Person>) {
    if let Some(spouse) = people
        .iter()
        .find(|p| p.kinship.as_deref() == Some("spouse"))
    {
        match spouse.living.as_deref() {
            Some("dead") => sheet.set("marital", json!("widowed"), 0.88, spouse.evidence.clone()),
            Some("cohabit") if sheet.text("marital").is_none() && !conversation.client.absent => {
                sheet.set("marital", json!("married"), 0.6, spouse.evidence.clone());
            }
            _ => {}
        }
    }
    if sheet.text("marital") == Some("divorced") {
        let mut known = false;
        for person in people.iter_mut() {
            if person.kinship.as_deref() == Some("spouse")
                && person.living.as_deref() != Some("dead")
            {
                person.kinship = Some("ex_spouse".to_owned());
                person.living.get_or_insert_with(|| "separate".to_owned());
            }
            known |= person.kinship.as_deref() == Some("ex_spouse");
        }
        if !known && !conversation.client.absent {
            people.push(Person {
                kinship: Some("ex_spouse".to_owned()),
                living: Some("separate".to_owned()),
                evidence: sheet.evidence("marital"),
                ..Person::default()
            });
        }
    } else if people
        .iter()
        .any(|p| p.kinship.as_deref() == Some("ex_spouse"))
        && sheet.text("marital").is_none()
    {
        let evidence = people
            .iter()
            .find(|p| p.kinship.as_deref() == Some("ex_spouse"))
            .map(|p| p.evidence.clone())
            .unwrap_or_default();
        sheet.set("marital", json!("divorced"), 0.7, evidence);
    }
}

fn reports_money(clause: &Clause) -> bool {
    let by_staff = clause.role == Some(Role::Staff) || clause.role.is_none() && clause.confirm;
    !by_staff
}

pub(super) fn money(conversation: &Conversation, sheet: &mut Sheet) {
    income(conversation, sheet);
    debt(conversation, sheet);
}

fn income(conversation: &Conversation, sheet: &mut Sheet) {
    let source = pattern!(
        r"年金|収入|給料|月給|手取り|月収|工賃|手当|給付|バイト代|時給|パート|アルバイト|月に?、?[0-9一二三四五六七八九十]+万|稼|仕送り"
    );
    let not = pattern!(
        r"家賃|借金|ローン|カード|滞納|払|財布|貯金|預金|手持ち|工事|修理|返済|円の(家|部屋)|電気|水道|ガス|買|残高|学費|葬儀|昨日まで|前は|以前|でした|申請|借り"
    );
    let total = pattern!(r"合わせて|あわせて|全部で|世帯で|合計|二人で|ふたりで|トータル|みんなで");
    let allowance = pattern!(r"児童扶養手当|児童手当|特別児童|母子手当");
    let mut own: Vec<(i64, Evidence, bool)> = Vec::new();
    let mut all: Vec<(i64, Evidence)> = Vec::new();
    let mut informant: Vec<(i64, Evidence)> = Vec::new();
    let mut household: Option<(i64, f64, Vec<Evidence>)> = None;
    let mut zero: Option<Evidence> = None;
    for clause in &conversation.clauses {
        let asked = ["income", "pension", "benefits", "work"]
            .iter()
            .any(|t| clause.asked_about(t));
        let is_total = total.is_some_and(|p| p.is_match(&clause.text));
        let context =
            asked || source.is_some_and(|p| p.is_match(&clause.text)) || is_total && all.len() >= 2;
        if !context
            || clause.asked_about("debt")
            || clause.asked_about("arrears")
            || clause.asked_about("rent")
        {
            continue;
        }
        let said = amounts(&clause.text);
        if said.is_empty() {
            if clause.asked_about("income") && clause.subject == Subject::Client && reports_money(clause) && !clause.question
                && pattern!(r"^(いや、?|いえ、?|特に|今は|もう)?、?(ない|ありません|ゼロ|0円|無収入)(です|よ)?[。]?$|無収入").is_some_and(|p| p.is_match(clause.text.trim()))
            {
                zero.get_or_insert(Evidence::of(clause));
            }
            continue;
        }
        let staff = clause.role == Some(Role::Staff)
            || clause.role.is_none() && (clause.question || clause.confirm);
        if staff {
            let sum: i64 = all.iter().map(|a| a.0).sum();
            if !clause.then_no
                && (is_total || (all.len() >= 2 && said.last().is_some_and(|s| s.0 == sum)))
                && !all.is_empty()
            {
                let (amount, range) = said[said.len() - 1].clone();
                household = Some((amount, 0.88, vec![Evidence::within(clause, range)]));
            }
            continue;
        }
        if not.is_some_and(|p| p.is_match(&clause.text)) {
            continue;
        }
        for (amount, range) in said {
            let evidence = Evidence::within(clause, clause_part(clause, range.clone()));
            if is_total {
                household = Some((amount, 0.85, vec![evidence]));
                continue;
            }
            match &clause.subject {
                Subject::Client => {
                    let child = allowance.is_some_and(|p| p.is_match(&clause.text));
                    own.push((amount, evidence, child));
                    all.push((amount, evidence));
                }
                Subject::Other(who) if who == "informant" => {
                    informant.push((amount, evidence));
                    all.push((amount, evidence));
                }
                Subject::Other(_) => all.push((amount, evidence)),
            }
        }
    }
    if let Some((amount, evidence, _)) = own.iter().find(|(_, _, child)| !child) {
        sheet.set("income_self", json!(amount), 0.82, vec![*evidence]);
    } else if let Some(evidence) = zero {
        sheet.set("income_self", json!(0), 0.82, vec![evidence]);
    }
    if household.is_none()
        && conversation.client.absent
        && zero.is_some()
        && informant.len() == 1
        && sheet.number("household_size") == Some(2)
    {
        household = Some((informant[0].0, 0.7, vec![informant[0].1]));
    }
    if let Some((amount, sure, evidence)) = household
        && sheet.number("household_size") != Some(1)
    {
        sheet.set("income_household", json!(amount), sure, evidence);
    }
}

/// The words around an amount that belong to it: from the last full pause before.
fn clause_part(clause: &Clause, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    if clause.text.chars().count() <= 40 {
        0..clause.text.len()
    } else {
        range
    }
}

fn debt(conversation: &Conversation, sheet: &mut Sheet) {
    let owed = pattern!(r"借金|借り|ローン|カード|キャッシング|リボ|債務|から");
    let not = pattern!(r"家賃|収入|年金|給料|住宅ローン|返済(は|が|に)?月|月々");
    let total = pattern!(r"合わせて|あわせて|全部で|合計|トータル|ということ");
    let mut parts: Vec<(i64, Evidence)> = Vec::new();
    let mut whole: Option<(i64, Evidence)> = None;
    for clause in &conversation.clauses {
        let named = pattern!(r"借金|キャッシング|リボ|サラ金|消費者金融|カードローン|借り入れ")
            .is_some_and(|p| p.is_match(&clause.text));
        if !(clause.asked_about("debt") || named) || clause.subject != Subject::Client {
            continue;
        }
        let staff = clause.role == Some(Role::Staff)
            || clause.role.is_none() && (clause.question || clause.confirm);
        for (amount, range) in amounts(&clause.text) {
            let evidence = Evidence::within(clause, range.clone());
            let sum: i64 = parts.iter().map(|p| p.0).sum();
            if staff {
                if !clause.then_no
                    && !parts.is_empty()
                    && (amount == sum || total.is_some_and(|p| p.is_match(&clause.text)))
                {
                    whole = Some((amount, evidence));
                }
            } else if parts.iter().any(|p| p.0 == amount) || amount == sum && parts.len() > 1 {
                whole.get_or_insert((sum, evidence));
            } else if owed.is_some_and(|p| p.is_match(&clause.text))
                && !not.is_some_and(|p| p.is_match(&clause.text))
                || parts.is_empty()
            {
                parts.push((amount, evidence));
            }
        }
    }
    if parts.is_empty() {
        return;
    }
    let evidence: Vec<Evidence> = parts
        .iter()
        .map(|p| p.1)
        .chain(whole.iter().map(|w| w.1))
        .collect();
    let amount = whole.map_or_else(|| parts.iter().map(|p| p.0).sum(), |w| w.0);
    sheet.set(
        "debt",
        json!("1"),
        0.9,
        sheet
            .evidence("debt")
            .into_iter()
            .filter(|_| sheet.text("debt") == Some("1"))
            .chain(evidence.iter().copied())
            .collect(),
    );
    sheet.set("debt_amount", json!(amount), 0.85, evidence);
}
