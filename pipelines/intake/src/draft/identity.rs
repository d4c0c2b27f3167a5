//! Who the client is: name, reading, birth date, age, sex, address, telephone.

use serde_json::json;

use super::conversation::{Clause, Conversation, Role, Subject};
use super::{Evidence, NameFinder, NameKind, Sheet, address};
use crate::lexicon::pattern;
use crate::number::{Said, dates, integer};
use crate::transcript::Utterance;

pub(super) fn fill(
    conversation: &mut Conversation,
    utterances: &[Utterance],
    names: Option<&NameFinder<'_>>,
    sheet: &mut Sheet,
) {
    name(conversation, utterances, names, sheet);
    birth(conversation, sheet);
    sex(conversation, sheet);
    address::fill(conversation, sheet);
    phone(conversation, sheet);
}

const FILLERS: [&str; 14] = [
    "えーっと",
    "えーと",
    "えっと",
    "ええと",
    "えー",
    "あの",
    "あ、",
    "はい、",
    "はい",
    "、",
    "うーん",
    "まあ",
    "私は",
    "わたしは",
];

fn without_fillers(text: &str) -> &str {
    let mut rest = text.trim();
    while let Some(next) = FILLERS.iter().find_map(|f| rest.strip_prefix(f)) {
        rest = next.trim_start();
    }
    rest
}

/// A name as an answer: 「長谷部亮太。」「山内、真理子。」「グエンティホア」「中原綾です。」
fn spoken_name(text: &str) -> Option<(String, std::ops::Range<usize>)> {
    let rest = without_fillers(text);
    let offset =
        text.len() - rest.len() - (text.len() - text.trim_end().len()).min(text.len() - rest.len());
    let offset = text.find(rest).unwrap_or(offset);
    let kanji = pattern!(
        r"^([一-龠々ヶ]{1,4})[ 、]?([一-龠々ヶ]{1,4}|[一-龠々]{0,2}[ぁ-んァ-ヴー]{1,5})?(です|だ|といいます|と申します|って(いい|言い)ます|、で|、?です)?[、。]?$"
    );
    let foreign = pattern!(
        r"^([ァ-ヴー]{2,12}(?:[・＝= ][ァ-ヴー]{1,12}){0,3})(です|といいます|と申します)?[、。]?$"
    );
    if let Some(found) = kanji.and_then(|p| p.captures(rest)) {
        let family = found.get(1)?;
        let given = found.get(2);
        let given_text = given.map_or("", |g| g.as_str());
        let given_text = ["といいます", "と申します", "です", "だ"]
            .iter()
            .find_map(|e| given_text.strip_suffix(e))
            .unwrap_or(given_text);
        let whole = format!("{}{}", family.as_str(), given_text);
        let end = given.map_or(family.end(), |g| g.start() + given_text.len());
        let plain_words = [
            "本人",
            "自分",
            "相談",
            "名前",
            "今日",
            "電話",
            "大丈夫",
            "結構",
            "匿名",
            "不明",
            "娘",
            "息子",
            "母",
            "父",
            "妻",
            "夫",
        ];
        if whole.chars().count() >= 2
            && !plain_words.contains(&whole.as_str())
            && !whole.contains('歳')
            && integer(&whole).is_none()
        {
            return Some((
                whole,
                offset + family.start()..offset + end.max(family.end()),
            ));
        }
    }
    let found = foreign?.captures(rest)?;
    let whole = found.get(1)?;
    Some((
        whole.as_str().to_owned(),
        offset + whole.start()..offset + whole.end(),
    ))
}

fn name(
    conversation: &mut Conversation,
    utterances: &[Utterance],
    names: Option<&NameFinder<'_>>,
    sheet: &mut Sheet,
) {
    // Meetings: 「坂本蒼さん、さかもとあおい、…」
    let introduced = pattern!(
        r"([一-龠々ヶ]{2,6})(?:さん|様|くん|君|ちゃん)?[、（(][ ]?([ぁ-んー]{2,12}[ ]?[ぁ-んー]{0,8})(?:さん)?[、）)。]"
    );
    let clauses = conversation.clauses.clone();
    let mut found: Option<(String, Vec<Evidence>, f64)> = None;
    for clause in clauses.iter().take_while(|c| c.utterance < 20) {
        if let Some(hit) = introduced.and_then(|p| p.captures(&clause.text))
            && let (Some(kanji), Some(kana)) = (hit.get(1), hit.get(2))
            && clause.role != Some(Role::Client)
            && kana.as_str().chars().count() >= 4
            && !pattern!(r"(ます|です|ません|した|さい|よね|かな|けど|から|ので)$")
                .is_some_and(|p| p.is_match(kana.as_str()))
        {
            found = Some((
                kanji.as_str().to_owned(),
                vec![Evidence::within(clause, kanji.range())],
                0.9,
            ));
            sheet.set(
                "name_kana",
                json!(kana.as_str().replace(' ', "")),
                0.9,
                vec![Evidence::within(clause, kana.range())],
            );
            break;
        }
    }
    if found.is_none() {
        found = asked_name(&clauses);
    }
    if found.is_none() {
        found = names.and_then(|find| modelled_name(&clauses, utterances, find));
    }
    let Some((name, evidence, confidence)) = found else {
        return;
    };
    let at = evidence[0].utterance;
    let chars = name.chars().count();
    sheet.set("name", json!(name), confidence, evidence);
    // Family name, given name and whole name may stand for the client later.
    let mut words = vec![name.clone()];
    if name
        .chars()
        .all(|c| ('一'..='龠').contains(&c) || c == '々')
        && chars >= 3
    {
        for cut in 1..chars {
            let given: String = name.chars().skip(cut).collect();
            let said = clauses.iter().any(|c| {
                c.text.contains(&format!("{given}さん")) || c.text.contains(&format!("{given}くん"))
            });
            if said {
                words.push(given);
            }
        }
    }
    conversation.client.words.extend(words);
    conversation.refollow();
    if sheet.fields.contains_key("name_kana") {
        return;
    }
    // The worker repeats it: 「なかはらあやさん。」, or the client spells it.
    let echo = pattern!(
        r"(?:^|[、。 ])([ぁ-んー]{2,10}[ 、]?[ぁ-んー]{1,10})(?:さん|様)(?:ですね|ですか|、|。|$)"
    );
    for clause in clauses
        .iter()
        .filter(|c| c.utterance >= at && c.utterance <= at + 4)
    {
        if let Some(hit) = echo
            .and_then(|p| p.captures(&clause.text))
            .and_then(|c| c.get(1))
        {
            let kana: String = hit
                .as_str()
                .chars()
                .filter(|c| !matches!(c, ' ' | '、'))
                .collect();
            let kin = [
                "おかあ",
                "おとう",
                "おにい",
                "おねえ",
                "おくさ",
                "むすめ",
                "おじい",
                "おばあ",
            ]
            .iter()
            .any(|w| kana.starts_with(w));
            if kana.chars().count() >= chars.max(3) && !kin {
                sheet.set(
                    "name_kana",
                    json!(kana),
                    0.9,
                    vec![Evidence::within(clause, hit.range())],
                );
                return;
            }
        }
    }
    let spelled =
        pattern!(r"([ぁ-んー]{2,8}[ 、]?[ぁ-んー]{2,8})(?:と(?:読み|書い)|です、?(?:漢字|字)は)");
    for clause in clauses
        .iter()
        .filter(|c| c.utterance >= at && c.utterance <= at + 4)
    {
        if let Some(hit) = spelled
            .and_then(|p| p.captures(&clause.text))
            .and_then(|c| c.get(1))
        {
            let kana: String = hit
                .as_str()
                .chars()
                .filter(|c| !matches!(c, ' ' | '、'))
                .collect();
            if kana.chars().count() >= chars.max(4) {
                sheet.set(
                    "name_kana",
                    json!(kana),
                    0.75,
                    vec![Evidence::within(clause, hit.range())],
                );
                return;
            }
        }
    }
}

fn asked_name(clauses: &[Clause]) -> Option<(String, Vec<Evidence>, f64)> {
    for (at, clause) in clauses.iter().enumerate() {
        let asks = clause.asked_about("name")
            && !clause.question
            && matches!(clause.subject, Subject::Client);
        if !asks || matches!(clause.role, Some(Role::Staff | Role::Agency)) {
            continue;
        }
        // Family and given name may be two sentences.
        let (first, range) = match spoken_name(&clause.text) {
            Some(found) => found,
            None => {
                let whole = pattern!(
                    r"(?:名前は、?|わたしは、?|私は、?)([一-龠々ヶ]{2,6}|[ァ-ヴー・]{3,16})(?:です|と申します|といいます)"
                );
                let Some(hit) = whole
                    .and_then(|p| p.captures(&clause.text))
                    .and_then(|c| c.get(1))
                else {
                    continue;
                };
                (hit.as_str().to_owned(), hit.range())
            }
        };
        let mut evidence = vec![Evidence::within(clause, range)];
        let mut name = first;
        let next = clauses
            .get(at + 1)
            .filter(|n| n.utterance == clause.utterance);
        if name.chars().count() <= 2
            && let Some((given, range)) = next
                .and_then(|n| spoken_name(&n.text))
                .filter(|(g, _)| g.chars().count() <= 3)
            && let Some(next) = next
        {
            name.push_str(&given);
            evidence.push(Evidence::within(next, range));
        }
        return Some((name, evidence, 0.9));
    }
    None
}

/// The entity model's first person in what the client says when asked for the name.
fn modelled_name(
    clauses: &[Clause],
    utterances: &[Utterance],
    find: &NameFinder<'_>,
) -> Option<(String, Vec<Evidence>, f64)> {
    let clause = clauses
        .iter()
        .find(|c| c.asked_about("name") && !c.question && c.role != Some(Role::Staff))?;
    let text = &utterances[clause.utterance].text;
    let span = find(text)
        .into_iter()
        .find(|s| s.kind == NameKind::Person && s.start < s.end && s.end <= text.chars().count())?;
    let name: String = text
        .chars()
        .skip(span.start)
        .take(span.end - span.start)
        .collect();
    Some((
        name,
        vec![Evidence {
            utterance: clause.utterance,
            start: span.start,
            end: span.end,
        }],
        0.75,
    ))
}

fn birth(conversation: &Conversation, sheet: &mut Sheet) {
    let clauses = &conversation.clauses;
    let mut best: Option<(usize, Said, Vec<Evidence>)> = None;
    let mut partial: Option<(Said, Evidence)> = None;
    for (at, clause) in clauses.iter().enumerate() {
        let near = clause.asked_about("birth")
            || pattern!("生年月日|誕生日|生まれ").is_some_and(|p| p.is_match(&clause.text));
        if !near || matches!(clause.subject, Subject::Other(_)) && clause.own_subject {
            continue;
        }
        for (said, range) in dates(&clause.text) {
            let evidence = Evidence::within(clause, range);
            match &mut best {
                None => {
                    if said.iso().is_some() {
                        best = Some((at, said, vec![evidence]));
                    } else if said.year.is_some() {
                        partial = Some((said, evidence));
                    } else if let Some((year, first)) = &partial {
                        let joined = Said {
                            year: year.year,
                            ..said
                        };
                        if joined.iso().is_some() {
                            best = Some((at, joined, vec![*first, evidence]));
                        }
                    }
                }
                // 「あ、違います、五月です」: later words within the same exchange win.
                Some((first, old, all)) if at <= *first + 4 => {
                    let joined = Said {
                        year: said.year.or(old.year),
                        month: said.month.or(old.month),
                        day: said.day.or(old.day),
                    };
                    let corrects = pattern!(r"違|いや|じゃな|ではな|まちが|間違")
                        .is_some_and(|p| p.is_match(&clause.text));
                    if joined.iso().is_some()
                        && (corrects || said.iso().is_some())
                        && joined != *old
                    {
                        *old = joined;
                        all.push(evidence);
                    }
                }
                _ => {}
            }
        }
        if let Some((first, old, all)) = &mut best
            && at > *first
            && at <= *first + 4
            && pattern!(r"違|いや、|まちが|間違").is_some_and(|p| p.is_match(&clause.text))
            && let Some(hit) = pattern!(r"([0-9〇一二三四五六七八九十]+)(月|日)です")
                .and_then(|p| p.captures(&clause.text))
        {
            let value = hit
                .get(1)
                .and_then(|m| integer(m.as_str()))
                .and_then(|v| i8::try_from(v).ok());
            let mut joined = *old;
            if hit.get(2).is_some_and(|m| m.as_str() == "月") {
                joined.month = value
            } else {
                joined.day = value
            }
            if joined.iso().is_some() {
                *old = joined;
                all.push(Evidence::of(clause));
            }
        }
    }
    let at = best.as_ref().map(|(at, ..)| *at);
    if let Some((_, said, mut evidence)) = best
        && let Some(iso) = said.iso()
    {
        evidence.reverse();
        sheet.set("birth_date", json!(iso), 0.92, evidence);
    }
    age(conversation, at, sheet);
}

/// Ages said of the client; the one next to the birth date first.
fn age(conversation: &Conversation, birth_at: Option<usize>, sheet: &mut Sheet) {
    let years = pattern!(r"([0-9〇一二三四五六七八九十百]{1,4})(?:歳|才)");
    let alone = pattern!(
        r"^(?:えっと、?|えーと、?|はい、?|今年で?)?([0-9〇一二三四五六七八九十百]{1,4})(?:です|になりま|になった|だ|よ|。|$)"
    );
    let mut found: Vec<(usize, i64, Evidence, u32)> = Vec::new();
    for (at, clause) in conversation.clauses.iter().enumerate() {
        if matches!(clause.subject, Subject::Other(_)) {
            continue;
        }
        let near_birth = birth_at.is_some_and(|b| at > b && at <= b + 4) || birth_at == Some(at);
        let asked = clause.asked_about("age");
        let introduced = conversation
            .client
            .words
            .iter()
            .any(|w| clause.text.contains(w.as_str()))
            || clause.utterance < 8 && conversation.client.absent;
        if !near_birth && !asked && !introduced {
            continue;
        }
        let hit = years
            .and_then(|p| p.captures_iter(&clause.text).last())
            .or_else(|| {
                if asked {
                    alone.and_then(|p| p.captures(&clause.text))
                } else {
                    None
                }
            });
        let Some(number) = hit.and_then(|h| h.get(1)) else {
            continue;
        };
        let Some(value) = integer(number.as_str()).filter(|v| (0..=119).contains(v)) else {
            continue;
        };
        // The worker's repetition is the most certain; a client may be wrong about it.
        let points = u32::from(near_birth) * 3
            + u32::from(clause.role != Some(Role::Client))
            + u32::from(asked)
            + u32::from(clause.confirm);
        found.push((at, value, Evidence::within(clause, number.range()), points));
    }
    // 「娘が、四十七で」
    if conversation.client.absent && found.is_empty() {
        let told = pattern!(
            r"(?:が|は)、?([0-9〇一二三四五六七八九十]{2,4})(?:、|で、|です|歳|になる|になり)"
        );
        for clause in conversation
            .clauses
            .iter()
            .filter(|c| c.utterance < 14 && c.own_subject && c.subject == Subject::Client)
        {
            if let Some(number) = told
                .and_then(|p| p.captures(&clause.text))
                .and_then(|c| c.get(1))
                && let Some(value) = integer(number.as_str()).filter(|v| (10..=110).contains(v))
            {
                found.push((0, value, Evidence::within(clause, number.range()), 0));
            }
        }
    }
    let Some(best) = found.iter().max_by_key(|f| (f.3, std::cmp::Reverse(f.0))) else {
        return;
    };
    let evidence = std::iter::once(best.2)
        .chain(found.iter().filter(|f| f.1 == best.1).map(|f| f.2))
        .collect();
    sheet.set("estimated_age", json!(best.1), 0.9, evidence);
}

fn sex(conversation: &Conversation, sheet: &mut Sheet) {
    let said = pattern!(r"(女の子|女性|女の方)|(男の子|男性|男の方)");
    for clause in conversation.clauses.iter().take_while(|c| c.utterance < 24) {
        if clause.question || clause.subject != Subject::Client || clause.role == Some(Role::Client)
        {
            continue;
        }
        let named = conversation
            .client
            .words
            .iter()
            .any(|w| clause.text.contains(w.as_str()));
        if let Some(hit) = said
            .and_then(|p| p.captures(&clause.text))
            .filter(|_| named)
        {
            let code = if hit.get(1).is_some() { "2" } else { "1" };
            sheet.set("gender", json!(code), 0.9, vec![Evidence::of(clause)]);
            return;
        }
    }
    if let (Some(sex), Some((utterance, start, end))) =
        (&conversation.client.sex, conversation.client.shown_at)
    {
        sheet.set(
            "gender",
            json!(sex),
            0.9,
            vec![Evidence {
                utterance,
                start,
                end,
            }],
        );
    } else if let (Some(sex), Some(_)) = (&conversation.client.sex, &conversation.client.kin) {
        let place = conversation.clauses.iter().find(|c| {
            c.role != Some(Role::Client)
                && conversation
                    .client
                    .words
                    .iter()
                    .skip(2)
                    .any(|w| c.text.contains(w.as_str()))
        });
        if let Some(clause) = place {
            sheet.set("gender", json!(sex), 0.85, vec![Evidence::of(clause)]);
        }
    }
}

fn phone(conversation: &Conversation, sheet: &mut Sheet) {
    let number = pattern!(r"[0０〇零]\d{1,4}[-‐−–ー ]?\d{1,4}[-‐−–ー ]?\d{3,4}");
    let spoken = pattern!(
        r"(?:[〇零一二三四五六七八九]|ゼロ|ぜろ){2,4}(?:の|、|-)?(?:[〇零一二三四五六七八九]|ゼロ|ぜろ){2,4}(?:の|、|-)?(?:[〇零一二三四五六七八九]|ゼロ|ぜろ){3,4}"
    );
    for clause in &conversation.clauses {
        let hit = number.and_then(|p| p.find(&clause.text)).or_else(|| {
            clause
                .asked_about("phone")
                .then(|| spoken.and_then(|p| p.find(&clause.text)))
                .flatten()
        });
        let Some(hit) = hit else { continue };
        let digits: String = hit
            .as_str()
            .replace("ゼロ", "0")
            .replace("ぜろ", "0")
            .chars()
            .filter_map(|c| match c {
                '0'..='9' => Some(c),
                '〇' | '零' => Some('0'),
                c => "一二三四五六七八九"
                    .chars()
                    .position(|d| d == c)
                    .and_then(|at| char::from_digit(u32::try_from(at + 1).ok()?, 10)),
            })
            .collect();
        if !(digits.len() == 10 || digits.len() == 11) || !digits.starts_with('0') {
            continue;
        }
        let mobile =
            digits.len() == 11 && ["070", "080", "090"].iter().any(|p| digits.starts_with(p));
        let others = matches!(clause.role, Some(Role::Staff | Role::Agency))
            && !conversation.meeting
            && !clause.confirm;
        let relatives = match clause.subject {
            Subject::Other(_) => clause.own_subject,
            Subject::Client => {
                clause.role == Some(Role::Family)
                    && mobile
                    && !clause.own_subject
                    && !ends_with_client(clause, conversation)
            }
        };
        if others
            || relatives
            || pattern!("会社|職場|学校|(センター|病院|役所|課)の")
                .is_some_and(|p| p.is_match(&clause.text))
        {
            continue;
        }
        let shown = if digits.len() == 11 {
            format!("{}-{}-{}", &digits[..3], &digits[3..7], &digits[7..])
        } else {
            said_groups(hit.as_str(), &digits)
        };
        let field = if mobile { "phone_mobile" } else { "phone_home" };
        sheet.set_if_empty(
            field,
            json!(shown),
            0.93,
            vec![Evidence::within(clause, hit.range())],
        );
    }
}

/// 「080…です母の」: whose it is may follow.
fn ends_with_client(clause: &Clause, conversation: &Conversation) -> bool {
    conversation
        .client
        .words
        .iter()
        .any(|w| clause.text.contains(&format!("{w}の")))
}

/// Landline: the groups as they were said; area codes differ in length.
fn said_groups(said: &str, digits: &str) -> String {
    let groups: Vec<String> = said
        .split(|c: char| !c.is_ascii_digit())
        .filter(|g| !g.is_empty())
        .map(str::to_owned)
        .collect();
    if groups.len() == 3 {
        groups.join("-")
    } else {
        digits.to_owned()
    }
}
