//! The transcript as a conversation: sentences with who says them, what was asked before and whom
//! they are about.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lexicon::{Kin, LEXICON, pattern};
use crate::number::narrow;
use crate::transcript::Utterance;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Client,
    Family,
    Staff,
    Agency,
}

/// Whom a sentence is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Client,
    /// Kinship code as seen from whoever speaks, or `other`.
    Other(String),
}

#[derive(Debug, Clone)]
pub(crate) struct Clause {
    pub utterance: usize,
    /// Code points within the utterance.
    pub start: usize,
    pub end: usize,
    /// Narrowed and without fillers.
    pub text: String,
    /// For each character of `text` its code point within the utterance.
    map: Vec<usize>,
    pub role: Option<Role>,
    pub question: bool,
    /// 「…ですね」: repeats or sums up what was said.
    pub confirm: bool,
    /// Topics asked about, valid for this sentence.
    pub asked: Vec<String>,
    pub subject: Subject,
    /// Subject was named in this very sentence.
    pub own_subject: bool,
    /// The answer that follows begins with yes / with no.
    pub then_yes: bool,
    pub then_no: bool,
}

impl Clause {
    /// Code point of a byte position of `text`, counted within the utterance.
    pub(crate) fn code_point(&self, byte: usize) -> usize {
        let at = self.text[..byte].chars().count();
        // The end of a range lies behind its last character, not before the next one.
        match at {
            0 => self.start,
            at => self.map.get(at - 1).map_or(self.end, |last| last + 1),
        }
    }

    /// Code point at which the character at a byte position starts.
    pub(crate) fn code_point_of(&self, byte: usize) -> usize {
        let at = self.text[..byte].chars().count();
        self.map.get(at).copied().unwrap_or(self.end)
    }

    /// Said by someone who reports facts: not a question, not the staff's own words.
    pub(crate) fn reports(&self) -> bool {
        let by_staff = self.role == Some(Role::Staff) || self.role.is_none() && self.confirm;
        !self.question && !by_staff
    }

    pub(crate) fn asked_about(&self, topic: &str) -> bool {
        self.asked.iter().any(|t| t == topic)
    }
}

/// What is known about the client before any field is drafted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Client {
    pub speaker: Option<String>,
    /// Code of the client as seen from the relatives in the room.
    pub kin: Option<String>,
    pub sex: Option<String>,
    /// Words that name the client.
    pub words: Vec<String>,
    pub absent: bool,
    /// Where the words were found that showed a relative to be the client.
    pub shown_at: Option<(usize, usize, usize)>,
}

pub(crate) struct Conversation {
    pub clauses: Vec<Clause>,
    pub roles: BTreeMap<String, Role>,
    pub client: Client,
    /// Only staff and agencies talk.
    pub meeting: bool,
}

/// First kinship word at or after a byte: position, entry.
pub(crate) fn kin_words(text: &str) -> Vec<(usize, &'static Kin)> {
    let mut found: Vec<(usize, &'static Kin)> = Vec::new();
    for kin in &LEXICON.kin {
        for (at, _) in text.match_indices(kin.word.as_str()) {
            let end = at + kin.word.len();
            let covered = found.iter().any(|(a, k)| at < a + k.word.len() && *a < end);
            // 母子, 父子, 祖父母, 主人公, 妹島 …: a single character must not be part of another word.
            let single = kin.word.chars().count() == 1;
            let after = text[end..].chars().next();
            let before = text[..at].chars().next_back();
            let kanji = |c: Option<char>| c.is_some_and(|c| ('一'..='龠').contains(&c));
            let inside = single
                && (kanji(after)
                    || (kanji(before) && !before.is_some_and(|c| "元実義のは、".contains(c))));
            if !covered && !inside {
                found.push((at, kin));
            }
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found
}

impl Conversation {
    /// `given`: roles the user has set; they win over what is inferred.
    pub(crate) fn new(utterances: &[Utterance], given: &BTreeMap<String, Role>) -> Self {
        let texts: Vec<String> = utterances
            .iter()
            .map(|u| u.text.chars().map(narrow).collect())
            .collect();
        let mut clauses = split(&texts);
        let roles = infer_roles(utterances, &clauses, given);
        for clause in &mut clauses {
            clause.role = utterances[clause.utterance]
                .speaker
                .as_ref()
                .and_then(|s| roles.get(s))
                .copied();
            let (question, confirm) = asks(&clause.text, clause.role);
            (clause.question, clause.confirm) = (question, confirm);
        }
        let labelled = utterances.iter().any(|u| u.speaker.is_some());
        let meeting = labelled
            && !roles.is_empty()
            && !roles
                .values()
                .any(|r| matches!(r, Role::Client | Role::Family));
        let client = find_client(utterances, &clauses, &roles, meeting);
        let mut conversation = Self {
            clauses,
            roles,
            client,
            meeting,
        };
        conversation.settle_roles(utterances, given);
        conversation.follow();
        conversation
    }

    /// A relative who came for the client is family, not client.
    fn settle_roles(&mut self, utterances: &[Utterance], given: &BTreeMap<String, Role>) {
        if !self.client.absent || self.meeting {
            return;
        }
        for (speaker, role) in &mut self.roles {
            if *role == Role::Client && !given.contains_key(speaker) {
                *role = Role::Family;
            }
        }
        for clause in &mut self.clauses {
            clause.role = utterances[clause.utterance]
                .speaker
                .as_ref()
                .and_then(|s| self.roles.get(s))
                .copied();
        }
    }

    /// Once the client's name is known, sentences that say it are about the client.
    pub(crate) fn refollow(&mut self) {
        self.follow();
    }

    /// Topics, subjects and answers, sentence by sentence.
    fn follow(&mut self) {
        let mut asked: Vec<String> = Vec::new();
        let mut asked_subject: Option<Subject> = None;
        let mut last: Option<(usize, Subject)> = None;
        let client = self.client.clone();
        for at in 0..self.clauses.len() {
            let clause = self.clauses[at].clone();
            let own = subject_of(&clause, &client);
            if clause.question
                || (clause.confirm && matches!(clause.role, Some(Role::Staff) | None))
            {
                let topics: Vec<String> = LEXICON
                    .topics
                    .iter()
                    .filter(|t| t.ask.is_match(&clause.text))
                    .map(|t| t.id.clone())
                    .collect();
                let long = clause.text.chars().count() > 9;
                if clause.question && (!topics.is_empty() || long) {
                    asked = topics;
                    // Of somebody who is not there the subject is said once and then understood.
                    if own.is_some() || !client.absent || self.meeting {
                        asked_subject.clone_from(&own);
                    }
                } else if own.is_some() && clause.question {
                    // 「弟さんは」: the topic stays, the subject changes.
                    asked_subject.clone_from(&own);
                    if !clause.text.contains("お名前") && long {
                        asked.clear();
                    }
                }
                last = None;
            }
            let inherited = match &last {
                Some((utterance, subject)) if *utterance == clause.utterance => {
                    Some(subject.clone())
                }
                _ => None,
            };
            let subject = own
                .clone()
                .or(inherited)
                .or_else(|| asked_subject.clone())
                .unwrap_or(Subject::Client);
            if !clause.question {
                last = Some((clause.utterance, subject.clone()));
            }
            self.clauses[at].asked.clone_from(&asked);
            self.clauses[at].subject = subject;
            self.clauses[at].own_subject = own.is_some();
        }
        for at in 0..self.clauses.len() {
            let next = self.clauses[at + 1..]
                .iter()
                .find(|c| c.text.chars().count() > 0);
            let (yes, no) = next.map_or((false, false), |c| (says_yes(&c.text), says_no(&c.text)));
            self.clauses[at].then_yes = yes && !no;
            self.clauses[at].then_no = no;
        }
    }
}

/// Sentences: cut after 。！？ and line ends.
fn split(texts: &[String]) -> Vec<Clause> {
    let mut clauses = Vec::new();
    for (utterance, text) in texts.iter().enumerate() {
        let chars: Vec<char> = text.chars().collect();
        let mut start = 0;
        for at in 0..=chars.len() {
            let end = at == chars.len();
            if !end && !matches!(chars[at], '。' | '?' | '!' | '\n' | '．') {
                continue;
            }
            let stop = if end { at } else { at + 1 };
            let (text, map) = without_fillers(&chars[start..stop], start);
            if !text.trim().is_empty() && text.chars().any(char::is_alphanumeric) {
                clauses.push(Clause {
                    utterance,
                    start,
                    end: stop,
                    text,
                    map,
                    role: None,
                    question: false,
                    confirm: false,
                    asked: vec![],
                    subject: Subject::Client,
                    own_subject: false,
                    then_yes: false,
                    then_no: false,
                });
            }
            start = stop;
        }
    }
    clauses
}

/// Drops 「あの、」「えっと、」「足はね、」: they stand between words that belong together.
fn without_fillers(chars: &[char], offset: usize) -> (String, Vec<usize>) {
    const FILLERS: [&str; 16] = [
        "えっとですね、",
        "えーっと、",
        "えーと、",
        "ええと、",
        "えっと、",
        "えー、",
        "あのー、",
        "あの、",
        "うーん、",
        "まあ、",
        "その、",
        "なんか、",
        "こう、",
        "あー、",
        "んー、",
        "やっぱり、",
    ];
    let mut text = String::new();
    let mut map = Vec::with_capacity(chars.len());
    let mut at = 0;
    while at < chars.len() {
        let starts = at == 0 || matches!(chars[at - 1], '、' | '。' | ' ' | '…');
        let filler = FILLERS.iter().find(|f| {
            starts
                && f.chars()
                    .enumerate()
                    .all(|(i, c)| chars.get(at + i) == Some(&c))
        });
        if let Some(filler) = filler {
            at += filler.chars().count();
            continue;
        }
        let softener = chars[at] == 'ね'
            && chars.get(at + 1) == Some(&'、')
            && at > 0
            && matches!(
                chars[at - 1],
                'は' | 'が' | 'て' | 'で' | 'に' | 'も' | 'を' | 'ら'
            );
        if softener {
            at += 1;
            continue;
        }
        text.push(chars[at]);
        map.push(offset + at);
        at += 1;
    }
    (text, map)
}

fn bare(text: &str) -> &str {
    text.trim()
        .trim_end_matches(['。', '、', ',', '.', ' ', '\n', '．', '…'])
}

/// Question, confirmation.
fn asks(text: &str, role: Option<Role>) -> (bool, bool) {
    let mut trimmed = bare(text);
    // A back-channel word at the end hides the ending: 「アパートですかはい」.
    for tail in ["はい", "ええ"] {
        if trimmed.chars().count() > 4
            && let Some(rest) = trimmed.strip_suffix(tail)
        {
            trimmed = bare(rest);
        }
    }
    let confirm = pattern!(
        r"(です|ます|でした|ました)(よ)?ね$|ですかね$|ということ(です)?か$|んですね$|ということで$"
    )
    .is_some_and(|p| p.is_match(trimmed));
    let explicit = text.contains('?') || pattern!(r"(です|ます|でしょう|ません|ました|ましょう|でした)(でしょう)?か(ね)?$|でしょう$|でしょうか$").is_some_and(|p| p.is_match(trimmed));
    let asking = match role {
        Some(Role::Client | Role::Family) => explicit,
        Some(Role::Agency) => explicit || pattern!(r"(か|は|のほうは|ことは)$").is_some_and(|p| p.is_match(trimmed)),
        _ => {
            explicit
                || pattern!(r"(か|かな|は|とか|って|のほうは|を|ください|お願いします|どのような|ことは|では|では、)$").is_some_and(|p| p.is_match(trimmed))
                    && (role.is_some() || !pattern!(r"(お願いします|って|とか|んか|を)$").is_some_and(|p| p.is_match(trimmed)) || trimmed.contains("お名前"))
        }
    };
    (asking && !confirm, confirm)
}

fn says_yes(text: &str) -> bool {
    pattern!(r"^(あ、?|あー、?|まあ、?|えっと、?)?(はい|ええ|そう|うん|おう|そうだ|その通り|いいです|お願い)").is_some_and(|p| p.is_match(text.trim()))
}

fn says_no(text: &str) -> bool {
    pattern!(r"^(あ、?|あー、?|えっと、?)?(違(い|う)|ちがい|いえ|いや[、。]|いいえ|そうじゃな)")
        .is_some_and(|p| p.is_match(text.trim()))
}

/// The last subject marked in a sentence before its predicate; words like 娘さんの収入は too.
fn subject_of(clause: &Clause, client: &Client) -> Option<Subject> {
    let text = &clause.text;
    let mut found: Option<(usize, Subject)> = None;
    let mut offer = |at: usize, subject: Subject| {
        if found.as_ref().is_none_or(|(first, _)| at < *first) {
            found = Some((at, subject));
        }
    };
    let marks = |rest: &str| {
        ["は", "が", "も", "の", "って", "、", "に", "ご", "自身"]
            .iter()
            .any(|p| rest.starts_with(p))
            || rest.is_empty()
            || rest.starts_with('。')
    };
    for word in &client.words {
        for (at, _) in text.match_indices(word.as_str()) {
            if marks(&text[at + word.len()..]) || text[at + word.len()..].starts_with("さん") {
                offer(at, Subject::Client);
            }
        }
    }
    let speaks_client = matches!(clause.role, Some(Role::Client));
    for (at, kin) in kin_words(text) {
        let rest = &text[at + kin.word.len()..];
        let rest = rest
            .strip_prefix("さん")
            .or_else(|| rest.strip_prefix("さま"))
            .unwrap_or(rest);
        let companion = rest.starts_with("と");
        // What a landlord or friend does, happens to the client.
        let bystander = matches!(kin.code.as_str(), "landlord" | "friend" | "guardian");
        if companion || bystander || !marks(rest) {
            continue;
        }
        let is_client = !speaks_client
            && client.kin.as_deref() == Some(kin.code.as_str())
            && (client.words.iter().any(|w| w == &kin.word));
        offer(
            at,
            if is_client {
                Subject::Client
            } else {
                Subject::Other(kin.code.clone())
            },
        );
    }
    if let Some(own) =
        pattern!(r"(わたし|わし|私|僕|ぼく|俺|おれ|自分|うち)(は|が|も|の|自身|ご自身)")
    {
        for hit in own.find_iter(text) {
            let subject = match clause.role {
                Some(Role::Client) => Subject::Client,
                Some(Role::Family) => Subject::Other("informant".to_owned()),
                Some(Role::Staff | Role::Agency) => continue,
                None if client.absent => Subject::Other("informant".to_owned()),
                None => Subject::Client,
            };
            offer(hit.start(), subject);
        }
    }
    if client.absent
        && client.kin.is_some()
        && clause.role != Some(Role::Family)
        && let Some(hit) =
            pattern!(r"[一-龠々]{1,4}さん(ご自身|は|の|も)").and_then(|p| p.find(text))
        && clause.question
        && !client
            .words
            .iter()
            .any(|w| hit.as_str().contains(w.as_str()))
        && kin_words(hit.as_str()).is_empty()
    {
        // Called by name: whoever is in the room.
        offer(hit.start(), Subject::Other("informant".to_owned()));
    }
    if clause.role.is_none() && client.absent {
        // 「わし、要支援一で」
        if text.trim_start().starts_with("わし、") || text.trim_start().starts_with("私、") {
            offer(0, Subject::Other("informant".to_owned()));
        }
    }
    found.map(|(_, subject)| subject)
}

fn infer_roles(
    utterances: &[Utterance],
    clauses: &[Clause],
    given: &BTreeMap<String, Role>,
) -> BTreeMap<String, Role> {
    let mut order: Vec<String> = Vec::new();
    for speaker in utterances.iter().filter_map(|u| u.speaker.clone()) {
        if !order.contains(&speaker) {
            order.push(speaker);
        }
    }
    let mut roles: BTreeMap<String, Role> = BTreeMap::new();
    // One label for everybody tells nothing.
    if order.len() == 1 && !given.contains_key(&order[0]) {
        return roles;
    }
    let says = |role: &str, text: &str| LEXICON.roles.get(role).is_some_and(|p| p.is_match(text));
    for speaker in &order {
        if let Some(role) = given.get(speaker) {
            roles.insert(speaker.clone(), *role);
        } else if says("staff", speaker) && !says("agency", speaker) {
            roles.insert(speaker.clone(), Role::Staff);
        } else if says("client", speaker) {
            roles.insert(speaker.clone(), Role::Client);
        } else if says("agency", speaker) {
            roles.insert(
                speaker.clone(),
                if says("staff", speaker) && speaker.contains("多機関") {
                    Role::Staff
                } else {
                    Role::Agency
                },
            );
        }
    }
    let questions = |speaker: &str| {
        let own: Vec<&Clause> = clauses
            .iter()
            .filter(|c| utterances[c.utterance].speaker.as_deref() == Some(speaker))
            .collect();
        let asking = own
            .iter()
            .filter(|c| asks(&c.text, None).0 || asks(&c.text, None).1)
            .count();
        // Many questions count for more than few words that all are questions.
        asking * asking * 1000 / own.len().max(1)
    };
    if !roles.values().any(|r| *r == Role::Staff) {
        let free: Vec<&String> = order
            .iter()
            .filter(|s| roles.get(*s).is_none_or(|r| *r == Role::Agency) && !given.contains_key(*s))
            .collect();
        if let Some(best) = free.iter().max_by_key(|s| {
            (
                questions(s),
                std::cmp::Reverse(order.iter().position(|o| o == **s)),
            )
        }) {
            roles.insert((*best).clone(), Role::Staff);
        }
    }
    // Whoever introduces himself by an office belongs to it.
    for speaker in &order {
        if roles.contains_key(speaker) {
            continue;
        }
        let introduces = clauses
            .iter()
            .filter(|c| utterances[c.utterance].speaker.as_deref() == Some(speaker))
            .take(3)
            .any(|c| says("introduces", bare(&c.text)));
        if introduces {
            roles.insert(speaker.clone(), Role::Agency);
        }
    }
    let open: Vec<&String> = order.iter().filter(|s| !roles.contains_key(*s)).collect();
    let has_client = roles.values().any(|r| *r == Role::Client);
    if open.len() == 1 && !has_client {
        roles.insert(open[0].clone(), Role::Client);
    } else if !open.is_empty() {
        let answers = if has_client {
            None
        } else {
            name_giver(utterances, clauses, &roles, &open)
        };
        for speaker in open {
            roles.insert(
                speaker.clone(),
                if answers.as_deref() == Some(speaker) {
                    Role::Client
                } else {
                    Role::Family
                },
            );
        }
    }
    roles
}

/// Who answers the first question for a name.
fn name_giver(
    utterances: &[Utterance],
    clauses: &[Clause],
    roles: &BTreeMap<String, Role>,
    open: &[&String],
) -> Option<String> {
    let speaker = |c: &Clause| utterances[c.utterance].speaker.clone();
    let asked = clauses.iter().position(|c| {
        c.text.contains("名前")
            && speaker(c).is_some_and(|s| matches!(roles.get(&s), Some(Role::Staff | Role::Agency)))
    });
    let after = asked.map_or(0, |at| at + 1);
    clauses[after..]
        .iter()
        .filter_map(speaker)
        .find(|s| open.contains(&s))
        .or_else(|| open.first().map(|s| (*s).clone()))
}

fn find_client(
    utterances: &[Utterance],
    clauses: &[Clause],
    roles: &BTreeMap<String, Role>,
    meeting: bool,
) -> Client {
    let mut client = Client {
        words: vec!["ご本人".to_owned(), "本人".to_owned()],
        ..Client::default()
    };
    let take = |client: &mut Client, kin: &Kin| {
        client.kin = Some(kin.code.clone());
        client.sex.clone_from(&kin.sex);
        for other in LEXICON
            .kin
            .iter()
            .filter(|k| k.code == kin.code && k.sex == kin.sex)
        {
            client.words.push(other.word.clone());
        }
    };
    if meeting {
        client.absent = true;
        return client;
    }
    // 「娘のことなんです」: the relative is the client, the one who speaks came for her.
    for clause in clauses.iter().take_while(|c| c.utterance < 12) {
        if matches!(clause.role, Some(Role::Staff | Role::Agency)) {
            continue;
        }
        for (at, kin) in kin_words(&clause.text) {
            let rest = clause.text[at + kin.word.len()..].trim_start_matches("さん");
            let concern = pattern!(r"^(の|について|のことで|のこと)").is_some_and(|p| p.is_match(rest))
                && pattern!(r"^の?(こと|件)?(なん|です|で、|でご?相談|で相談|で来|で伺|でお|について)|^について")
                    .is_some_and(|p| p.is_match(rest));
            if concern && !matches!(kin.code.as_str(), "friend" | "landlord") {
                take(&mut client, kin);
                client.absent = true;
                client.shown_at = Some((clause.utterance, clause.start, clause.end));
                return client;
            }
        }
    }
    // 「あの子のことなんです。姪がね、…」: named in the next sentence.
    for (at, clause) in clauses
        .iter()
        .enumerate()
        .take_while(|(_, c)| c.utterance < 12)
    {
        let concern = pattern!(r"あの(人|子)の(こと|件)(なんです|です|で)")
            .is_some_and(|p| p.is_match(&clause.text));
        if !concern || matches!(clause.role, Some(Role::Staff | Role::Agency)) {
            continue;
        }
        let named = clauses[at + 1..]
            .iter()
            .take(2)
            .find_map(|c| kin_words(&c.text).first().map(|(_, kin)| *kin));
        if let Some(kin) = named.filter(|k| !matches!(k.code.as_str(), "friend" | "landlord")) {
            take(&mut client, kin);
            client.absent = true;
            client.shown_at = Some((clause.utterance, clause.start, clause.end));
            return client;
        }
    }
    client.speaker = roles
        .iter()
        .find(|(_, role)| **role == Role::Client)
        .map(|(s, _)| s.clone());
    // How the relatives in the room call the client: 「伯母さん、…」, 「お母さんのことですね」.
    if roles.values().any(|r| *r == Role::Family) {
        let mut votes: BTreeMap<&str, (u32, &'static Kin)> = BTreeMap::new();
        for clause in clauses {
            let speaker = utterances[clause.utterance].speaker.as_ref();
            for (at, kin) in kin_words(&clause.text) {
                let rest = &clause.text[at + kin.word.len()..];
                let called = clause.role == Some(Role::Family)
                    && at == 0
                    && rest.starts_with(['、', ',', '。', '?', '!']);
                let ended = clause.role == Some(Role::Family)
                    && bare(rest).is_empty()
                    && clause.text[..at].ends_with('、');
                let concern = clause.role == Some(Role::Staff)
                    && pattern!(r"^(のことですね|のお名前|のお話)")
                        .is_some_and(|p| p.is_match(rest));
                let label = speaker.is_some_and(|s| {
                    Some(s) == client.speaker.as_ref()
                        && s.contains(kin.word.trim_start_matches('お').trim_end_matches("さん"))
                });
                let points = u32::from(called) * 3
                    + u32::from(ended) * 2
                    + u32::from(concern) * 3
                    + u32::from(label);
                if points > 0 {
                    votes.entry(kin.code.as_str()).or_insert((0, kin)).0 += points;
                }
            }
        }
        if let Some((_, (points, kin))) = votes.iter().max_by_key(|(_, (points, _))| *points)
            && *points >= 2
        {
            take(&mut client, kin);
        }
    }
    client
}
