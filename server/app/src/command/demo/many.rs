//! `musubi demo --cases N`: many fictitious cases, to see how large a municipality may grow. Some are
//! made like every other case, after the demo's own under other names, with ten
//! entries of 支援経過 each; they are scanned and embedded as far as the models are there. The others are
//! copies of these ([`store::copies`]): other people, other days, entries with words of their own, and
//! vectors with some noise.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use anyhow::Context;
use api::{scanning, worker};
use domain::id::PersonId;
use jiff::{ToSpan, civil::Date};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::Value;
use store::{
    Caller, StoreError, cases,
    copies::{Changes, Pattern},
    persons::Person,
    vectors::Embedded,
};

use super::{Loader, written};
use crate::dataset;

/// Entries of 支援経過 in each case.
pub(super) const ENTRIES: usize = 10;
/// Copies written in one transaction.
const TOGETHER: usize = 40;
/// One in so many cases is made in the ordinary way, as long as there are other patterns.
const COPIES_EACH: usize = 20;
/// The cases spread over so many days before the day they are made.
const DAYS: u16 = 5 * 365;
/// How far a number of a vector of length 1 is moved, at most.
const NOISE: f32 = 0.02;

// Names have two letters each: in live documents a word is replaced by one of the same length.
const SURNAMES: &[(&str, &str)] = &[
    ("佐藤", "さとう"),
    ("鈴木", "すずき"),
    ("高橋", "たかはし"),
    ("田中", "たなか"),
    ("伊藤", "いとう"),
    ("渡辺", "わたなべ"),
    ("山本", "やまもと"),
    ("中村", "なかむら"),
    ("小林", "こばやし"),
    ("加藤", "かとう"),
    ("吉田", "よしだ"),
    ("山田", "やまだ"),
    ("山口", "やまぐち"),
    ("松本", "まつもと"),
    ("井上", "いのうえ"),
    ("木村", "きむら"),
    ("斎藤", "さいとう"),
    ("清水", "しみず"),
    ("山崎", "やまざき"),
    ("池田", "いけだ"),
    ("橋本", "はしもと"),
    ("阿部", "あべ"),
    ("石川", "いしかわ"),
    ("小川", "おがわ"),
    ("前田", "まえだ"),
    ("岡田", "おかだ"),
    ("藤田", "ふじた"),
    ("後藤", "ごとう"),
    ("近藤", "こんどう"),
    ("村上", "むらかみ"),
    ("遠藤", "えんどう"),
    ("青木", "あおき"),
    ("坂本", "さかもと"),
    ("福田", "ふくだ"),
    ("太田", "おおた"),
    ("西村", "にしむら"),
];
const MEN: &[(&str, &str)] = &[
    ("正雄", "まさお"),
    ("健一", "けんいち"),
    ("大輔", "だいすけ"),
    ("翔太", "しょうた"),
    ("和也", "かずや"),
    ("拓海", "たくみ"),
    ("直樹", "なおき"),
    ("幸雄", "ゆきお"),
    ("悠斗", "ゆうと"),
];
const WOMEN: &[(&str, &str)] = &[
    ("和子", "かずこ"),
    ("幸子", "さちこ"),
    ("美咲", "みさき"),
    ("陽子", "ようこ"),
    ("恵美", "えみ"),
    ("節子", "せつこ"),
    ("千代", "ちよ"),
    ("裕子", "ゆうこ"),
    ("キヨ", "きよ"),
    ("結衣", "ゆい"),
];

/// What an entry may go on to say.
const WHEN: &[&str] = &[
    "翌週",
    "月末までに",
    "次の訪問の前に",
    "受診の日に合わせて",
    "家族の都合を聞いたうえで",
    "担当者会議の前に",
];
const WHO: &[&str] = &[
    "本人",
    "母",
    "長男",
    "民生委員",
    "地区担当の保健師",
    "ケアマネジャー",
    "学校の先生",
    "大家さん",
];
const WHAT: &[&str] = &[
    "手続きの書類をそろえる",
    "通院の付添いについて相談する",
    "家計の状況を一緒に見直す",
    "家の中の片付けの進め方を決める",
    "日中の過ごし方を話し合う",
    "滞納分の分け払いを相談する",
    "見学の日程を決める",
];
const HOW: &[&str] = &[
    "ことになった。",
    "ことを確認した。",
    "方向で調整している。",
    "ことを提案し、少し考えたいとの返事。",
    "約束をした。",
];
const MOOD: &[&str] = &[
    "表情は落ち着いていた。",
    "疲れた様子が見られた。",
    "前回より口数が多かった。",
    "眠れていないとのこと。",
    "食事は一日二回とのこと。",
    "冗談を言う場面もあった。",
];

fn said(rng: &mut StdRng) -> String {
    let mut one = |of: &[&'static str]| of.choose(rng).copied().unwrap_or_default();
    format!(
        "{}{}{}と{}{}",
        one(MOOD),
        one(WHEN),
        one(WHO),
        one(WHAT),
        one(HOW)
    )
}

impl Loader<'_> {
    /// Makes `count` more cases; the same ones for the same `count`, but for their identifiers.
    ///
    /// # Errors
    /// The store.
    pub(super) async fn many(&mut self, count: usize, today: Date) -> anyhow::Result<()> {
        self.remember().await?;
        self.state.engines().settled().await;
        let agency = self.owner_agency()?;
        let fallback = self.anyone_of(&agency).await?;
        let mut rng = StdRng::seed_from_u64(count as u64);
        let mut numbers: HashMap<i16, usize> = HashMap::new();
        let mut tx = self.db.read().await?;
        for year in today.year() - 10..=today.year() {
            let highest = cases::highest_of_five(&mut tx, &self.municipality, year).await?;
            let highest = highest.and_then(|highest| highest.get(5..)?.parse().ok());
            numbers.extend(highest.map(|highest| (year, highest)));
        }
        drop(tx);
        let mut number = |year: i16| {
            let number = numbers.entry(year).or_insert(10_000);
            *number += 1;
            format!("{year}-{number}")
        };
        let wanted = count.div_ceil(COPIES_EACH).min(self.dataset.cases.len());
        let mut patterns = Vec::with_capacity(wanted);
        for source in self.dataset.cases.iter().take(wanted) {
            let owner = match self.caller(&source.owner, Some(&agency)).await {
                Ok(caller) => caller,
                Err(_) => fallback.clone(),
            };
            let case_no = number(source.received_on.year());
            let case = varied(source, case_no, today, &mut rng)?;
            patterns.push(Arc::new(self.pattern(&owner, &case).await?));
            eprintln!("架空の事案: 手本 {} / {wanted}", patterns.len());
        }
        self.copies(&patterns, count - patterns.len(), &mut number, &mut rng)
            .await
    }

    /// A case in the ordinary way, read as a pattern.
    async fn pattern(&self, owner: &Caller, case: &dataset::Case) -> anyhow::Result<Made> {
        let mut tx = self.db.write().await?;
        let (created, people) = self.create(&mut tx, owner, case).await?;
        tx.commit().await?;
        self.documents(owner, case, &created, &people).await?;
        let mut tx = self.db.write().await?;
        let access = tx.case_for(owner, &created.case).await?.context("case")?;
        for entry in &case.progress {
            access
                .add_progress(&mut tx, &written(entry, &people))
                .await?;
        }
        tx.commit().await?;
        worker::settle(self.state, &self.municipality, &created.case).await?;
        let pattern = self
            .db
            .case_as_pattern(&self.municipality, &created.case)
            .await?;
        let mut persons = Vec::new();
        for person in &case.persons {
            let id = people.get(&person.reference).context("person")?;
            persons.push((id.clone(), person.clone()));
        }
        Ok(Made {
            pattern: Arc::new(pattern),
            case_no: case.case_no.clone(),
            received_on: case.received_on,
            persons,
        })
    }

    async fn copies(
        &self,
        made: &[Arc<Made>],
        count: usize,
        number: &mut impl FnMut(i16) -> String,
        rng: &mut StdRng,
    ) -> anyhow::Result<()> {
        let patterns: Vec<Arc<Pattern>> =
            made.iter().map(|made| Arc::clone(&made.pattern)).collect();
        let copier = self.db.copier(&self.municipality).await?;
        let mut done = 0;
        // While one portion is written the next is made.
        let mut writing: Option<tokio::task::JoinHandle<store::Result<()>>> = None;
        while done < count {
            let portion = TOGETHER.min(count - done);
            let mut wanted = Vec::with_capacity(portion);
            for _ in 0..portion {
                let made = made.choose(rng).context("デモに事案がありません")?;
                let changes = made.changes(&mut *number, rng)?;
                wanted.push((Arc::clone(made), changes, rng.random::<u64>()));
            }
            let copier = copier.clone();
            let copies = tokio::task::spawn_blocking(move || {
                wanted
                    .into_iter()
                    .map(|(made, changes, seed)| {
                        let mut rng = StdRng::seed_from_u64(seed);
                        copier.copy(&made.pattern, &changes, |place, persons, value| {
                            edited(place, persons, value, &mut rng)
                        })
                    })
                    .collect::<store::Result<Vec<_>>>()
            })
            .await??;
            if let Some(writing) = writing.take() {
                writing.await??;
            }
            let (db, municipality) = (self.db.clone(), self.municipality.clone());
            let patterns = patterns.clone();
            writing = Some(tokio::spawn(async move {
                db.write_copies(&municipality, &patterns, copies).await
            }));
            done += portion;
            if done % 1000 < TOGETHER {
                eprintln!("架空の事案: {done} / {count}");
            }
        }
        if let Some(writing) = writing {
            writing.await??;
        }
        Ok(())
    }
}

/// A case that copies are made of.
struct Made {
    pattern: Arc<Pattern>,
    case_no: String,
    received_on: Date,
    persons: Vec<(PersonId, dataset::Person)>,
}

impl Made {
    /// Other people on earlier days.
    fn changes(
        &self,
        number: &mut impl FnMut(i16) -> String,
        rng: &mut StdRng,
    ) -> anyhow::Result<Changes> {
        let earlier = rng.random_range(0..DAYS);
        let received_on = self.received_on.checked_sub(i64::from(earlier).days())?;
        let mut changes = Changes {
            words: vec![(self.case_no.clone(), number(received_on.year()))],
            values: BTreeMap::new(),
            earlier,
        };
        let mut names = Names::default();
        for (id, person) in &self.persons {
            let (old_surname, old_given) = parts(&person.name);
            let (surname, given) = names.draw(person, rng)?;
            for (old, new) in [(old_surname, surname.0), (old_given, given.0)] {
                if !changes.words.iter().any(|(known, _)| known == old) {
                    changes.words.push((old.to_owned(), new.to_owned()));
                }
            }
            let mut value = |field: &str, value: String| {
                changes.values.insert((id.clone(), field.to_owned()), value);
            };
            value("name_kana", format!("{} {}", surname.1, given.1));
            if let Some(phone) = &person.phone_home {
                value("phone_home", telephone(phone, rng));
            }
            if let Some(phone) = &person.phone_mobile {
                value("phone_mobile", telephone(phone, rng));
            }
            if let Some(address) = &person.address {
                value("address", house(address, rng));
            }
            if let Some(born) = person.birth_date.filter(|born| born.year() < 2015) {
                let other = born.checked_sub(rng.random_range(-700..700).days())?;
                if other.year() < 2015 {
                    changes.words.push((born.to_string(), other.to_string()));
                }
            }
        }
        Ok(changes)
    }
}

/// Changes what is told elsewhere of names and texts.
fn edited(
    place: &str,
    persons: &[(i64, Person)],
    value: Vec<u8>,
    rng: &mut StdRng,
) -> store::Result<Vec<u8>> {
    let corrupt = |_| StoreError::Corrupt("copy");
    match place {
        "mask_scans.scan_sealed" => {
            let mut scan: Value = serde_json::from_slice(&value).map_err(corrupt)?;
            if let Some(scan) = scan.as_object_mut() {
                scan.insert("register".into(), scanning::fingerprint_of(persons).into());
            }
            serde_json::to_vec(&scan).map_err(corrupt)
        }
        "progress_records.content_sealed" => {
            let mut entry: Value = serde_json::from_slice(&value).map_err(corrupt)?;
            if let Some(Value::String(text)) = entry.get_mut("content") {
                text.push_str(&said(rng));
            }
            serde_json::to_vec(&entry).map_err(corrupt)
        }
        "vectors.vector_sealed" => {
            let mut embedded: Embedded = serde_json::from_slice(&value).map_err(corrupt)?;
            for number in &mut embedded.vector {
                *number += rng.random_range(-NOISE..NOISE);
            }
            let length = embedded.vector.iter().map(|n| n * n).sum::<f32>().sqrt();
            if length > 0.0 {
                embedded.vector.iter_mut().for_each(|n| *n /= length);
            }
            serde_json::to_vec(&embedded).map_err(corrupt)
        }
        _ => Ok(value),
    }
}

type Name = (&'static str, &'static str);

/// Names that were drawn for a case: families keep one surname, and nobody is called like another.
#[derive(Default)]
struct Names {
    surnames: HashMap<String, Name>,
    drawn: BTreeSet<&'static str>,
}

impl Names {
    fn draw(&mut self, person: &dataset::Person, rng: &mut StdRng) -> anyhow::Result<(Name, Name)> {
        let (old_surname, _) = parts(&person.name);
        let surname = match self.surnames.get(old_surname) {
            Some(known) => *known,
            None => {
                let drawn = self.other(SURNAMES, rng)?;
                self.surnames.insert(old_surname.to_owned(), drawn);
                drawn
            }
        };
        let men = person.gender.as_deref() == Some("1");
        Ok((surname, self.other(if men { MEN } else { WOMEN }, rng)?))
    }

    fn other(&mut self, of: &[Name], rng: &mut StdRng) -> anyhow::Result<Name> {
        let left: Vec<Name> = of
            .iter()
            .copied()
            .filter(|name| !self.drawn.contains(name.0))
            .collect();
        let name = *left
            .choose(rng)
            .or_else(|| of.choose(rng))
            .context("names")?;
        self.drawn.insert(name.0);
        Ok(name)
    }
}

fn parts(name: &str) -> (&str, &str) {
    name.split_once([' ', '　']).unwrap_or((name, ""))
}

fn telephone(number: &str, rng: &mut StdRng) -> String {
    let kept = number.len().saturating_sub(4);
    let kept = number.get(..kept).unwrap_or_default();
    format!("{kept}{:04}", rng.random_range(0..10_000))
}

fn house(address: &str, rng: &mut StdRng) -> String {
    let street = address.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    format!(
        "{street}{}-{}-{}",
        rng.random_range(1..9),
        rng.random_range(1..30),
        rng.random_range(1..20)
    )
}

/// The demo's case under other names, with [`ENTRIES`] entries.
fn varied(
    source: &dataset::Case,
    case_no: String,
    today: Date,
    rng: &mut StdRng,
) -> anyhow::Result<dataset::Case> {
    let mut case = source.clone();
    case.case_no = case_no;
    // Who was shut out is a matter of the one case.
    case.exclusions.clear();
    let mut names = Names::default();
    let mut words: Vec<(String, String)> = Vec::new();
    for person in &mut case.persons {
        let (surname, given) = names.draw(person, rng)?;
        let (old_surname, old_given) = parts(&person.name);
        words.push((
            format!("{old_surname}{old_given}"),
            format!("{}{}", surname.0, given.0),
        ));
        words.push((person.name.clone(), format!("{} {}", surname.0, given.0)));
        words.push((old_surname.to_owned(), surname.0.to_owned()));
        // One character stands in too many other words.
        if old_given.chars().count() > 1 {
            words.push((old_given.to_owned(), given.0.to_owned()));
        }
        person.name = format!("{} {}", surname.0, given.0);
        person.kana = Some(format!("{} {}", surname.1, given.1));
        person.former_names.clear();
        person.alias = None;
        for phone in [&mut person.phone_home, &mut person.phone_mobile] {
            *phone = phone.as_deref().map(|number| telephone(number, rng));
        }
        person.address = person.address.as_deref().map(|address| house(address, rng));
    }
    words.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
    words.dedup();
    let told = |text: &str| {
        words
            .iter()
            .fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    };
    let later = case
        .plans
        .iter_mut()
        .chain(&mut case.meetings)
        .chain(&mut case.evaluations);
    for sheet in [&mut case.intake, &mut case.assessment, &mut case.screening]
        .into_iter()
        .chain(later)
        .filter(|sheet| !sheet.is_empty())
    {
        sheet.insert("case_no".into(), case.case_no.clone().into());
        for (_, value) in sheet.iter_mut() {
            reword(value, &told);
        }
    }
    for table in case
        .network
        .nodes
        .iter_mut()
        .chain(&mut case.network.ties)
        .chain(&mut case.network.relations)
    {
        for (key, value) in table.iter_mut() {
            if matches!(key.as_str(), "label" | "note") {
                reword(value, &told);
            }
        }
    }
    let mut on = case.received_on;
    let mut entries = Vec::with_capacity(ENTRIES);
    for entry in source.progress.iter().cycle().take(ENTRIES) {
        let mut entry = entry.clone();
        entry.performed_at = on.min(today).to_datetime(entry.performed_at.time());
        entry.title = told(&entry.title);
        entry.content = told(&entry.content);
        entries.push(entry);
        on = on.checked_add(rng.random_range(3..30).days())?;
    }
    case.progress = entries;
    Ok(case)
}

fn reword(value: &mut toml::Value, told: &impl Fn(&str) -> String) {
    match value {
        toml::Value::String(text) => *text = told(text),
        toml::Value::Array(list) => list.iter_mut().for_each(|value| reword(value, told)),
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, value)| reword(value, told)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_two_letters_each() {
        for name in SURNAMES.iter().chain(MEN).chain(WOMEN) {
            assert_eq!(name.0.chars().count(), 2, "{}", name.0);
            assert_eq!(name.0.len(), 6, "{}", name.0);
        }
    }
}
