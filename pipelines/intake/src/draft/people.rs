//! Relatives and others that were mentioned, and their ties to the client.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::conversation::{Clause, Conversation, Role, Subject, kin_words};
use super::{Evidence, Sheet};
use crate::lexicon::{Kin, LEXICON, pattern};
use crate::number::integer;

/// Someone other than the client. `kinship` as seen from the client.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Person {
    pub name: Option<String>,
    /// Code of `kinship`.
    pub kinship: Option<String>,
    /// Code of `gender`.
    pub sex: Option<String>,
    pub age: Option<i64>,
    /// `cohabit`, `separate` or `dead`.
    pub living: Option<String>,
    pub evidence: Vec<Evidence>,
    /// The word by which the person was first called.
    #[serde(skip)]
    pub(crate) word: String,
    /// Sentence and byte of each mention.
    #[serde(skip)]
    pub(crate) said: Vec<(usize, usize)>,
    /// The relative who is speaking.
    #[serde(skip)]
    pub(crate) informant: bool,
}

impl Person {
    pub(crate) fn is_kin(&self) -> bool {
        !matches!(
            self.kinship.as_deref(),
            Some("friend" | "neighbor" | "landlord" | "guardian" | "keyworker" | "other") | None
        )
    }
}

/// A tie. Ends are `client` or a person's name (kinship code where no name was said).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    pub from: String,
    pub to: String,
    /// Code of `gengrel` or `ecorel`.
    #[serde(rename = "type")]
    pub kind: String,
    pub evidence: Vec<Evidence>,
}

/// What a word of the speaker means for the client; `None`: the client, or undecided.
fn as_seen_from_client(
    conversation: &Conversation,
    clause: &Clause,
    byte: usize,
    kin: &Kin,
) -> Option<String> {
    let client = &conversation.client;
    // 「母の妹」 out of the mouth of the client's daughter is the client's sister.
    let before = clause.text[..byte]
        .trim_end_matches("亡くなった")
        .trim_end_matches('、');
    if let Some(owner) = before.strip_suffix('の')
        && clause.role != Some(Role::Client)
        && client.words.iter().any(|w| owner.ends_with(w.as_str()))
    {
        return Some(kin.code.clone());
    }
    if kin.code == "friend" || kin.code == "landlord" || kin.code == "guardian" {
        return Some(kin.code.clone());
    }
    let relative = clause.role == Some(Role::Family)
        || clause.role.is_none() && client.absent && !clause.question && !clause.confirm;
    // The client said 「主人は、どこかに」; the niece goes on: 「主人は、十二年前に亡くなりました」.
    let repeats = relative
        && conversation.clauses.iter().any(|c| {
            c.role == Some(Role::Client)
                && c.utterance < clause.utterance
                && clause.utterance - c.utterance <= 2
                && c.text.contains(kin.word.as_str())
        });
    if !relative || repeats {
        let is_client =
            client.kin.as_deref() == Some(kin.code.as_str()) && clause.role != Some(Role::Client);
        return (!is_client).then(|| kin.code.clone());
    }
    let seen = client.kin.as_ref().and_then(|k| LEXICON.seen_from.get(k))?;
    let meaning = seen.get(&kin.code)?;
    match meaning.as_str() {
        "client" | "skip" => None,
        "parent" => Some(
            if kin.sex.as_deref() == Some("1") {
                "father"
            } else {
                "mother"
            }
            .to_owned(),
        ),
        "brother" => Some(
            if kin.word.starts_with("長") {
                "elder_bro"
            } else {
                "younger_bro"
            }
            .to_owned(),
        ),
        "sister" => Some(
            if kin.word.starts_with("長") {
                "elder_sis"
            } else {
                "younger_sis"
            }
            .to_owned(),
        ),
        other => Some(other.to_owned()),
    }
}

struct Found {
    people: Vec<Person>,
}

impl Found {
    fn person(&mut self, code: &str, word: &str, sex: Option<&str>) -> usize {
        // 長男 and 次男 are two; 娘 and 娘さん one.
        let bare = |w: &str| {
            w.trim_start_matches('お')
                .trim_end_matches("さん")
                .trim_end_matches("さま")
                .to_owned()
        };
        let numbered = |w: &str| {
            ["長", "次", "三"]
                .iter()
                .find(|n| w.starts_with(**n))
                .map(|n| (*n).to_owned())
        };
        let at = self.people.iter().position(|p| {
            p.kinship.as_deref() == Some(code)
                && (numbered(&p.word) == numbered(word)
                    || numbered(&p.word).is_none()
                    || numbered(word).is_none())
                && (sex.is_none() || p.sex.is_none() || p.sex.as_deref() == sex)
        });
        at.unwrap_or_else(|| {
            self.people.push(Person {
                kinship: Some(code.to_owned()),
                sex: sex.map(str::to_owned),
                word: bare(word),
                ..Person::default()
            });
            self.people.len() - 1
        })
    }
}

pub(super) fn find(conversation: &Conversation, sheet: &Sheet) -> Vec<Person> {
    let mut found = Found { people: vec![] };
    let clauses = &conversation.clauses;
    let informant = informant(conversation, &mut found);
    // Whom the next words are about: carried through an utterance and from a question to its answer.
    let mut asked: Option<usize> = None;
    let mut current: Option<(usize, usize)> = None;
    for (at, clause) in clauses.iter().enumerate() {
        let words: Vec<(usize, &Kin, Option<String>)> = kin_words(&clause.text)
            .into_iter()
            .map(|(byte, kin)| {
                (
                    byte,
                    kin,
                    as_seen_from_client(conversation, clause, byte, kin),
                )
            })
            .collect();
        let staff = clause.role == Some(Role::Staff)
            || clause.role.is_none() && (clause.question || clause.confirm);
        if clause.question && staff {
            asked = None;
            current = None;
            let naming = words.iter().find(|(byte, kin, _)| {
                let rest = &clause.text[byte + kin.word.len()..];
                pattern!(r"^(さん|さま)?(は|の|って|、|,|。|も|$)")
                    .is_some_and(|p| p.is_match(rest))
            });
            if let Some((byte, kin, Some(code))) = naming {
                // A question alone does not make a person exist; the answer must say something.
                let answered = clauses.get(at + 1).is_some_and(|next| {
                    let t = &next.text;
                    !pattern!(r"^(いない|いません|おりません|ない(です)?|いないです|もらってない)")
                        .is_some_and(|p| p.is_match(t.trim()))
                        && (name_in_answer(t).is_some()
                            || age_in(t, true).is_some()
                            || pattern!("亡くな|死ん|離婚|に(います|住)|入院")
                                .is_some_and(|p| p.is_match(t)))
                });
                let known = found
                    .people
                    .iter()
                    .any(|p| p.kinship.as_deref() == Some(code.as_str()));
                if answered || known {
                    let index = found.person(code, &kin.word, kin.sex.as_deref());
                    found.people[index].said.push((at, *byte));
                    if found.people[index].evidence.is_empty() {
                        found.people[index].evidence.push(Evidence::of(clause));
                    }
                    asked = Some(index);
                }
            } else if clause.text.contains("お父さん") || clause.text.contains("お母さん") {
                asked = informant;
            } else if words.is_empty()
                && (clause.asked_about("age") || clause.text.contains("お名前は"))
            {
                asked = last_person(&found, at);
            }
            continue;
        }
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for (byte, kin, code) in &words {
            let Some(code) = code else {
                spans.push((*byte, usize::MAX));
                continue;
            };
            let rest = &clause.text[byte + kin.word.len()..];
            // 「兄の子ども」 and quotations of how someone is called are not the brother.
            if code == "landlord"
                || staff && !clause.confirm
                || kin.code == "spouse" && rest.starts_with("の実家")
                || code == "friend"
                    && !pattern!(r"^(から|が|に|の家|と(は|も)|、)")
                        .is_some_and(|p| p.is_match(rest))
                    && !clause.asked_about("debt")
            {
                continue;
            }
            if staff {
                continue;
            }
            let denied =
                pattern!(r"^(さん)?(は|が|も)(い)?(ない|いません|おらん|おりません|いない)")
                    .is_some_and(|p| p.is_match(rest));
            if denied {
                continue;
            }
            let index = found.person(code, &kin.word, kin.sex.as_deref());
            let person = &mut found.people[index];
            if clause.text[..*byte].ends_with("亡くなった") {
                person.living = Some("dead".to_owned());
            }
            person.said.push((at, *byte));
            if person.evidence.len() < 4 {
                person.evidence.push(Evidence::of(clause));
            }
            spans.push((*byte, index));
        }
        let relative = clause.role == Some(Role::Family)
            || clause.role.is_none() && conversation.client.absent;
        if let (Some(index), true) = (informant, relative) {
            for hit in pattern!("(わたし|わし|私|僕|俺)は")
                .into_iter()
                .flat_map(|p| p.find_iter(&clause.text))
            {
                spans.push((hit.start(), index));
            }
            spans.sort_unstable();
        }
        // Attributes belong to the last person named before them.
        let segments = cut(&clause.text, &spans);
        for (text, owner) in segments {
            let owner = match owner {
                Some(usize::MAX) => None,
                Some(index) => Some(index),
                None => current
                    .filter(|(utterance, _)| *utterance == clause.utterance)
                    .map(|(_, index)| index)
                    .or(asked)
                    .filter(|_| !staff && !own_words(clause, conversation)),
            };
            if let Some(index) = owner
                && !staff
            {
                let answer = spans.is_empty();
                describe(&mut found.people[index], &text, answer, clause);
                current = Some((clause.utterance, index));
            }
        }
        if let (true, Some(index)) = (own_words(clause, conversation), informant) {
            describe(&mut found.people[index], &clause.text, true, clause);
        }
        named_others(clause, at, &mut found);
    }
    for person in &mut found.people {
        person.evidence.dedup();
    }
    let client_name = sheet.text("name").unwrap_or_default().to_owned();
    found
        .people
        .retain(|p| !p.evidence.is_empty() && p.name.as_deref().is_none_or(|n| n != client_name));
    found.people
}

/// First person of a relative who speaks.
fn own_words(clause: &Clause, conversation: &Conversation) -> bool {
    matches!(&clause.subject, Subject::Other(who) if who == "informant")
        && clause.own_subject
        && (clause.role == Some(Role::Family)
            || clause.role.is_none() && conversation.client.absent)
}

fn last_person(found: &Found, before: usize) -> Option<usize> {
    found
        .people
        .iter()
        .enumerate()
        .filter_map(|(index, p)| {
            p.said
                .iter()
                .map(|s| s.0)
                .filter(|s| *s < before && before - s <= 4)
                .max()
                .map(|s| (s, index))
        })
        .max()
        .map(|(_, index)| index)
}

/// The relative in the room.
fn informant(conversation: &Conversation, found: &mut Found) -> Option<usize> {
    let client = &conversation.client;
    if conversation.meeting {
        return None;
    }
    let speaks = |words: &str| {
        conversation.clauses.iter().find(|c| {
            (c.role == Some(Role::Family) || c.role.is_none())
                && regex::Regex::new(words).is_ok_and(|p| p.is_match(&c.text))
        })
    };
    let family = conversation.clauses.iter().find(|c| {
        c.role == Some(Role::Family) || client.absent && c.role.is_none() && !c.question
    })?;
    let (code, sex, place) = match client.kin.as_deref()? {
        "daughter" | "son" => {
            let staff_father = conversation.clauses.iter().find(|c| {
                (c.role == Some(Role::Staff) || c.role.is_none()) && c.text.contains("お父さん")
            });
            let staff_mother = conversation.clauses.iter().find(|c| {
                (c.role == Some(Role::Staff) || c.role.is_none()) && c.text.contains("お母さん")
            });
            let father = speaks("わし|俺|妻が|家内|女房").or(staff_father);
            let mother = speaks("主人|夫が|旦那").or(staff_mother);
            match (father, mother) {
                (Some(c), None) => ("father", Some("1"), c),
                (None, Some(c)) => ("mother", Some("2"), c),
                (Some(c), Some(_)) if staff_father.is_some() && staff_mother.is_none() => {
                    ("father", Some("1"), c)
                }
                (Some(_), Some(c)) if staff_mother.is_some() && staff_father.is_none() => {
                    ("mother", Some("2"), c)
                }
                _ => return None,
            }
        }
        "aunt" | "uncle" => {
            let niece = conversation.clauses.iter().find(|c| c.text.contains('姪'));
            let nephew = conversation.clauses.iter().find(|c| c.text.contains('甥'));
            (
                "nephew_niece",
                if niece.is_some() {
                    Some("2")
                } else {
                    nephew.map(|_| "1")
                },
                niece.or(nephew).unwrap_or(family),
            )
        }
        "father" | "mother" => {
            let staff = conversation
                .clauses
                .iter()
                .find(|c| c.text.contains("娘さん"));
            let son = conversation
                .clauses
                .iter()
                .find(|c| c.text.contains("息子さん"));
            match (staff, son) {
                (Some(c), None) => ("daughter", Some("2"), c),
                (None, Some(c)) => ("son", Some("1"), c),
                _ => ("child", None, family),
            }
        }
        // How the worker calls the brother or sister in the room.
        "elder_bro" | "elder_sis" | "younger_bro" | "younger_sis" => return None,
        "spouse" => ("spouse", None, family),
        _ => return None,
    };
    let index = found.person(code, "", sex);
    found.people[index].informant = true;
    found.people[index].evidence.push(Evidence::of(place));
    Some(index)
}

/// Pieces of a sentence with the person named before each.
fn cut(text: &str, spans: &[(usize, usize)]) -> Vec<(String, Option<usize>)> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut owner = None;
    for (byte, index) in spans {
        if *byte > from {
            pieces.push((text[from..*byte].to_owned(), owner));
        }
        // 「娘と二人です」 describes nobody but the household.
        owner = Some(*index);
        from = *byte;
    }
    pieces.push((text[from..].to_owned(), owner));
    pieces.retain(|(t, _)| !t.trim().is_empty());
    pieces
}

fn age_in(text: &str, bare: bool) -> Option<i64> {
    let years = pattern!(r"([0-9〇一二三四五六七八九十]{1,4})(?:歳|才)");
    let after = pattern!(
        r"(?:は|が|、|^)、?([0-9〇一二三四五六七八九十]{1,4})(?:です|だと思います|になった|になりま|で、|。|、|$)"
    );
    let told = years
        .and_then(|p| p.captures_iter(text).last())
        .and_then(|c| c.get(1))
        .map(|m| (m.end(), m.as_str().to_owned()));
    let plain = after
        .and_then(|p| p.captures_iter(text).last())
        .and_then(|c| c.get(1))
        .map(|m| (m.end(), m.as_str().to_owned()));
    let chosen = match (told, plain) {
        (Some(a), Some(b)) if bare && b.0 > a.0 && text.contains("いや") => Some(b),
        (Some(a), _) => Some(a),
        (None, Some(b)) if bare || text.contains('は') => Some(b),
        _ => None,
    };
    let (end, number) = chosen?;
    // 「二十歳のときに」 and 「五歳まで」 are past ages.
    let past = ["のとき", "の時", "の頃", "で結婚", "まで", "から"]
        .iter()
        .any(|p| text[end..].trim_start_matches(['歳', '才']).starts_with(p));
    if past {
        return None;
    }
    integer(&number)
        .filter(|v| (0..=110).contains(v))
        .filter(|v| *v > 9 || text.contains('歳'))
}

/// 「美月。」「茂、六十六です」「山内一郎。」
fn name_in_answer(text: &str) -> Option<String> {
    let answer = pattern!(
        r"^(?:えっと、?|えーと、?|はい、?|名前は、?)?([一-龠々]{1,5}[ぁ-ん]{0,1}|[ァ-ヴー]{2,8})(?:です|、[0-9一二三四五六七八九十]|。|$)"
    );
    let name = answer?.captures(text.trim())?.get(1)?.as_str().to_owned();
    let words = [
        "今",
        "今年",
        "去年",
        "年金",
        "二人",
        "一人",
        "県内",
        "元気",
        "病気",
        "無職",
        "同居",
        "別居",
        "専業主婦",
        "会社員",
        "一緒",
        "不明",
        "高校",
        "中学",
        "大学",
        "学生",
        "仕事",
        "家",
    ];
    let place = pattern!(r"^(北海道|東京|大阪|名古屋|福岡|仙台|[一-龠]{2,3}(県|市|町|区|都|府))$")
        .is_some_and(|p| p.is_match(&name));
    (!words.contains(&name.as_str()) && !place && integer(&name).is_none()).then_some(name)
}

fn describe(person: &mut Person, text: &str, answer: bool, clause: &Clause) {
    if pattern!(r"亡くな|死んで|死にました|死んだ|死去|他界|病死|亡き")
        .is_some_and(|p| p.is_match(text))
    {
        person.living = Some("dead".to_owned());
    }
    let away = pattern!(
        r"(?:が|は|も)、?(?:今は、?)?(?:[一-龠ァ-ヴー]{2,6}に(?:[。、]|$|い|おり|住|嫁)|(?:県内|県外|市内|市外|都内|地元|海外|近く|遠方|北海道|青森|岩手|宮城|秋田|山形|福島|茨城|栃木|群馬|埼玉|千葉|東京|神奈川|新潟|富山|石川|福井|山梨|長野|岐阜|静岡|愛知|三重|滋賀|京都|大阪|兵庫|奈良|和歌山|鳥取|島根|岡山|広島|山口|徳島|香川|愛媛|高知|福岡|佐賀|長崎|熊本|大分|宮崎|鹿児島|沖縄|札幌|仙台|横浜|川崎|名古屋|神戸|[一-龠]{1,3}[県市町村区])(?:で(?:す|、|。|一人|暮|働|結婚)|の(?:施設|方)))|^(?:今は、?)?[一-龠ァ-ヴー]{2,6}に(?:い|おり|住|嫁)|離れて(?:住|暮)|別居|県外|県内|遠方|実家に(?:い|住)|施設に(?:い|入)|に嫁"
    );
    if person.living.is_none() && away.is_some_and(|p| p.is_match(text)) && !text.contains("同居")
    {
        person.living = Some("separate".to_owned());
    }
    if person.living.is_none()
        && pattern!(r"一緒に(住|暮)|同居|と二人暮らし|家におり").is_some_and(|p| p.is_match(text))
    {
        person.living = Some("cohabit".to_owned());
    }
    if person.age.is_none() || answer && text.contains("いや") {
        person.age = age_in(
            text,
            answer || clause.asked_about("age") || person.living.is_some(),
        )
        .or(person.age);
    }
    if person.name.is_none() {
        let told = pattern!(
            r"(?:は|の名前は|が)、?([ァ-ヴー]{2,8})(?:です|、|。|わたし|$)|(?:は|が)、?([一-龠]{1,3}[一-龠ぁ-ん]{1,3})(?:といいます|と申します|、[0-9一二三四五六七八九十]+です)|^([一-龠々]{1,4}[ぁ-ん]?)さん。?$"
        );
        let name = told.and_then(|p| p.captures(text)).and_then(|c| {
            c.iter()
                .skip(1)
                .flatten()
                .next()
                .map(|m| m.as_str().to_owned())
        });
        let asked_name =
            answer && (clause.asked_about("name") || name.is_none()) && !person.is_elsewhere();
        person.name = name.or_else(|| {
            if asked_name {
                name_in_answer(text).filter(|n| {
                    clause.asked_about("name") || n.chars().count() <= 2 && text.contains('、')
                })
            } else {
                None
            }
        });
    }
}

impl Person {
    fn is_elsewhere(&self) -> bool {
        self.living.as_deref() == Some("dead")
    }
}

/// People called by what they do or where they live: 「ケアマネの原田さん」「裏の加藤さん」.
fn named_others(clause: &Clause, at: usize, found: &mut Found) {
    let worker = pattern!(
        r"(?:ケアマネ(?:ージャー)?|計画相談|相談支援専門員|相談員|保健師|ヘルパー|訪問看護|ワーカー|担当|居宅|後見人)(?:さん)?の、?([一-龠]{1,3})さん"
    );
    let neighbour =
        pattern!(r"(?:裏|隣|お隣|近所|向かい|下の階|上の階|お向かい)の、?([一-龠]{1,3})さん");
    let upstairs = pattern!(
        r"(下の階|上の階|隣の部屋|お隣|隣)の?(?:方|人|住民)?[がは、].{0,16}(苦情|文句|怒|揉め)"
    );
    for (found_by, code) in [(worker, "keyworker"), (neighbour, "neighbor")] {
        for hit in found_by
            .into_iter()
            .flat_map(|p| p.captures_iter(&clause.text))
        {
            let Some(name) = hit.get(1).map(|m| m.as_str().to_owned()) else {
                continue;
            };
            if matches!(name.as_str(), "人" | "方" | "奥" | "お客")
                || found
                    .people
                    .iter()
                    .any(|p| p.name.as_deref() == Some(&name))
            {
                continue;
            }
            found.people.push(Person {
                name: Some(name),
                kinship: Some(code.to_owned()),
                evidence: vec![Evidence::of(clause)],
                said: vec![(at, 0)],
                ..Person::default()
            });
        }
    }
    if !clause.question
        && let Some(hit) = upstairs
            .and_then(|p| p.captures(&clause.text))
            .and_then(|c| c.get(1))
        && !found
            .people
            .iter()
            .any(|p| p.kinship.as_deref() == Some("neighbor"))
    {
        found.people.push(Person {
            name: Some(format!("{}の住民", hit.as_str())),
            kinship: Some("neighbor".to_owned()),
            evidence: vec![Evidence::of(clause)],
            said: vec![(at, 0)],
            ..Person::default()
        });
    }
}

/// Who is not of the household, once the household is known; elder or younger, once ages are.
pub(super) fn complete(conversation: &Conversation, people: &mut [Person], sheet: &Sheet) {
    let inside = people
        .iter()
        .filter(|p| p.living.as_deref() == Some("cohabit"))
        .count();
    if sheet
        .number("household_size")
        .is_some_and(|n| i64::try_from(inside + 1).is_ok_and(|i| i == n))
    {
        for person in people
            .iter_mut()
            .filter(|p| p.living.is_none() && p.is_kin())
        {
            person.living = Some("separate".to_owned());
        }
    }
    // 「こどもふたりわたしさんにん」: exactly the children fill the household.
    let open: Vec<usize> = (0..people.len())
        .filter(|i| {
            people[*i].living.is_none()
                && matches!(
                    people[*i].kinship.as_deref(),
                    Some("son" | "daughter" | "child")
                )
        })
        .collect();
    let counted = sheet.evidence("household_size").first().is_some_and(|e| {
        conversation.clauses.iter().any(|c| {
            c.utterance == e.utterance
                && pattern!("こども|子ども|子供").is_some_and(|p| p.is_match(&c.text))
        })
    });
    if counted
        && !open.is_empty()
        && sheet
            .number("household_size")
            .is_some_and(|n| i64::try_from(inside + open.len() + 1).is_ok_and(|i| i == n))
    {
        for index in open {
            people[index].living = Some("cohabit".to_owned());
        }
    }
    if let Some(own) = sheet.number("estimated_age") {
        for person in people.iter_mut() {
            let by_number = ["長", "次", "三"]
                .iter()
                .any(|n| person.word.starts_with(n));
            if let (Some(age), true) = (person.age, by_number) {
                let code = match person.kinship.as_deref() {
                    Some("elder_bro" | "younger_bro") => {
                        if age > own {
                            "elder_bro"
                        } else {
                            "younger_bro"
                        }
                    }
                    Some("elder_sis" | "younger_sis") => {
                        if age > own {
                            "elder_sis"
                        } else {
                            "younger_sis"
                        }
                    }
                    _ => continue,
                };
                person.kinship = Some(code.to_owned());
            }
        }
    }
    if people.iter().any(|p| p.informant && p.living.is_none())
        && conversation.client.absent
        && sheet.number("household_size") == Some(2)
    {
        for person in people.iter_mut().filter(|p| p.informant) {
            person.living = Some("cohabit".to_owned());
        }
    }
}

fn end(person: &Person) -> String {
    person
        .name
        .clone()
        .or_else(|| person.kinship.clone())
        .unwrap_or_default()
}

pub(super) fn relations(conversation: &Conversation, people: &[Person]) -> Vec<Relation> {
    let mut relations: BTreeMap<(String, String, String), Vec<Evidence>> = BTreeMap::new();
    let mut tie = |from: &str, to: &str, kind: &str, evidence: &[Evidence]| {
        relations
            .entry((from.to_owned(), to.to_owned(), kind.to_owned()))
            .or_default()
            .extend(evidence.iter().copied().take(3));
    };
    let of = |code: &'static str| {
        people
            .iter()
            .filter(move |p| p.kinship.as_deref() == Some(code))
    };
    for person in people {
        let name = end(person);
        match person.kinship.as_deref() {
            Some("father" | "mother") => tie(&name, "client", "bio", &person.evidence),
            Some("son" | "daughter" | "child") => {
                tie("client", &name, "bio", &person.evidence);
                for partner in of("spouse").chain(of("ex_spouse")) {
                    tie(&end(partner), &name, "bio", &person.evidence);
                }
            }
            Some("spouse") => tie("client", &name, "marriage", &person.evidence),
            Some("ex_spouse") => tie("client", &name, "divorced", &person.evidence),
            Some("partner") => tie("client", &name, "common_law", &person.evidence),
            Some("step_father" | "step_mother") => tie(&name, "client", "step", &person.evidence),
            _ => {}
        }
    }
    // A parent who speaks of husband or wife and of the other children.
    if let Some(parent) = people
        .iter()
        .find(|p| p.informant && matches!(p.kinship.as_deref(), Some("father" | "mother")))
    {
        let other = if parent.kinship.as_deref() == Some("father") {
            "mother"
        } else {
            "father"
        };
        for partner in of(other) {
            tie(&end(parent), &end(partner), "marriage", &partner.evidence);
        }
        for code in ["elder_bro", "younger_bro", "elder_sis", "younger_sis"] {
            for child in of(code) {
                tie(&end(parent), &end(child), "bio", &child.evidence);
            }
        }
    }
    let broken = pattern!(
        r"絶縁|縁を切|音信不通|(話して|連絡を?(取って|とって)|会って)(い)?(ない|ません)|連絡が(ない|取れ)"
    );
    let conflict = pattern!(r"揉め|もめて|苦情|トラブル|文句を|怒鳴り込");
    let stress = pattern!(r"口喧嘩|喧嘩ばかり|けんかばかり|ぎくしゃく|仲が悪|折り合いが");
    let strong = pattern!(
        r"(週に?[一二三四五1-5]回|毎日|毎週).{0,6}(来て|通って|行って|電話)|仲(は|が)?(いい|良)|頼りに"
    );
    let normal = pattern!(
        r"月に?一?[一二1-2]回.{0,8}(電話|来|手伝|会)|悪くはない|仲は普通|たまに(連絡|電話|会)"
    );
    for (at, clause) in conversation.clauses.iter().enumerate() {
        if clause.question {
            continue;
        }
        let mentioned: Vec<&Person> = people
            .iter()
            .filter(|p| p.said.iter().any(|(s, _)| *s == at))
            .collect();
        let before: Vec<&Person> = if mentioned.is_empty() {
            people
                .iter()
                .filter(|p| {
                    p.said.iter().any(|(s, _)| {
                        *s < at
                            && at - s <= 2
                            && conversation.clauses[*s].utterance + 1 >= clause.utterance
                    })
                })
                .collect()
        } else {
            mentioned
        };
        let Some(person) = before.last() else {
            continue;
        };
        let kinds = [
            (broken, "broken"),
            (conflict, "conflict"),
            (stress, "stress"),
            (strong, "strong"),
            (normal, "normal"),
        ];
        if let Some((_, kind)) = kinds
            .iter()
            .find(|(p, _)| p.is_some_and(|p| p.is_match(&clause.text)))
        {
            let quiet = person.living.as_deref() == Some("dead");
            if !quiet {
                tie(&end(person), "client", kind, &[Evidence::of(clause)]);
            }
        }
    }
    relations
        .into_iter()
        .map(|((from, to, kind), evidence)| Relation {
            from,
            to,
            kind,
            evidence,
        })
        .collect()
}
