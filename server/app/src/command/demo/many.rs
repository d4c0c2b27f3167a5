//! `musubi demo --cases N`: many fictitious cases, to see how large a municipality may grow. Each takes
//! one of the demo's cases for a pattern, under other names and on other days, and has ten entries of
//! 支援経過. Sheets and networks stay as they are when nobody has opened them yet.

use std::collections::HashMap;

use anyhow::Context;
use jiff::{ToSpan, civil::Date};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use store::Caller;

use super::{Loader, written};
use crate::dataset;

/// Entries of 支援経過 in each case.
pub(super) const ENTRIES: usize = 10;
/// Cases written in one transaction.
const TOGETHER: usize = 50;
/// The cases spread over so many days before the day they are made.
const DAYS: i32 = 5 * 365;

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
    ("佐々木", "ささき"),
    ("山口", "やまぐち"),
    ("松本", "まつもと"),
    ("井上", "いのうえ"),
    ("木村", "きむら"),
    ("林", "はやし"),
    ("斎藤", "さいとう"),
    ("清水", "しみず"),
    ("山崎", "やまざき"),
    ("森", "もり"),
    ("池田", "いけだ"),
    ("橋本", "はしもと"),
    ("阿部", "あべ"),
    ("石川", "いしかわ"),
    ("小川", "おがわ"),
    ("前田", "まえだ"),
    ("岡田", "おかだ"),
    ("長谷川", "はせがわ"),
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
    ("清", "きよし"),
    ("博", "ひろし"),
    ("和也", "かずや"),
    ("誠", "まこと"),
    ("隆", "たかし"),
    ("拓海", "たくみ"),
    ("勝", "まさる"),
    ("直樹", "なおき"),
    ("幸雄", "ゆきお"),
    ("蓮", "れん"),
    ("茂", "しげる"),
    ("悠斗", "ゆうと"),
];
const WOMEN: &[(&str, &str)] = &[
    ("和子", "かずこ"),
    ("幸子", "さちこ"),
    ("美咲", "みさき"),
    ("陽子", "ようこ"),
    ("恵美", "えみ"),
    ("節子", "せつこ"),
    ("愛", "あい"),
    ("由美子", "ゆみこ"),
    ("千代", "ちよ"),
    ("葵", "あおい"),
    ("裕子", "ゆうこ"),
    ("さくら", "さくら"),
    ("久美子", "くみこ"),
    ("真由美", "まゆみ"),
    ("キヨ", "きよ"),
    ("結衣", "ゆい"),
];

impl Loader<'_> {
    /// Makes `count` more cases; the same ones for the same `count`, but for their identifiers.
    ///
    /// # Errors
    /// The store.
    pub(super) async fn many(&mut self, count: usize, today: Date) -> anyhow::Result<()> {
        self.remember().await?;
        let agency = self.owner_agency()?;
        let mut owners: HashMap<&str, Caller> = HashMap::new();
        let fallback = self.anyone_of(&agency).await?;
        for case in &self.dataset.cases {
            let caller = match self.caller(&case.owner, Some(&agency)).await {
                Ok(caller) => caller,
                Err(_) => fallback.clone(),
            };
            owners.insert(&case.owner, caller);
        }
        let mut rng = StdRng::seed_from_u64(count as u64);
        let mut numbers: HashMap<i16, usize> = HashMap::new();
        let mut made = 0;
        while made < count {
            let mut tx = self.db.write().await?;
            for _ in 0..TOGETHER.min(count - made) {
                let pattern = self
                    .dataset
                    .cases
                    .choose(&mut rng)
                    .context("デモに事案がありません")?;
                let received_on = today
                    .checked_sub(rng.random_range(1..DAYS).days())
                    .context("date")?;
                let number = numbers.entry(received_on.year()).or_insert(10_000);
                *number += 1;
                let case = varied(pattern, received_on, *number, today, &mut rng)?;
                let owner = owners.get(pattern.owner.as_str()).unwrap_or(&fallback);
                let (created, people) = self.create(&mut tx, owner, &case).await?;
                let access = tx.case_for(owner, &created.case).await?.context("case")?;
                for entry in &case.progress {
                    access
                        .add_progress(&mut tx, &written(entry, &people))
                        .await?;
                }
                made += 1;
            }
            tx.commit().await?;
            if made % 1000 < TOGETHER {
                eprintln!("架空の事案: {made} / {count}");
            }
        }
        Ok(())
    }
}

/// The pattern under other names and on other days.
fn varied(
    pattern: &dataset::Case,
    received_on: Date,
    number: usize,
    today: Date,
    rng: &mut StdRng,
) -> anyhow::Result<dataset::Case> {
    let mut case = pattern.clone();
    let moved = pattern.received_on.until(received_on)?;
    let earlier = |day: Date| -> anyhow::Result<Date> { Ok(day.checked_add(moved)?.min(today)) };
    case.case_no = format!("{}-{number}", received_on.year());
    case.received_on = received_on;
    case.closed_on = pattern.closed_on.map(earlier).transpose()?;
    case.exclusions.clear();
    for consent in &mut case.consents {
        for day in [
            &mut consent.obtained_on,
            &mut consent.expires_on,
            &mut consent.withdrawn_on,
        ] {
            *day = day.map(earlier).transpose()?;
        }
    }
    for member in &mut case.members {
        member.from = earlier(member.from)?;
        member.to = member.to.map(earlier).transpose()?;
    }
    let words = rename(&mut case, rng)?;
    let told = |text: &str| {
        words
            .iter()
            .fold(text.to_owned(), |text, (old, new)| text.replace(old, new))
    };
    let mut entries = Vec::with_capacity(ENTRIES);
    let mut on = received_on;
    for entry in pattern.progress.iter().cycle().take(ENTRIES) {
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

/// Gives everybody of the case another name, families one surname together, and another birth date,
/// telephone and house. Returns what the texts must say instead of what, the longest first.
fn rename(case: &mut dataset::Case, rng: &mut StdRng) -> anyhow::Result<Vec<(String, String)>> {
    let mut surnames: HashMap<String, (&str, &str)> = HashMap::new();
    let mut words = Vec::new();
    for person in &mut case.persons {
        let men = person.gender.as_deref() == Some("male");
        let given = (if men { MEN } else { WOMEN })
            .choose(rng)
            .context("given")?;
        let (old_surname, old_given) = person
            .name
            .split_once([' ', '　'])
            .map_or((person.name.clone(), String::new()), |(surname, given)| {
                (surname.to_owned(), given.to_owned())
            });
        let drawn = SURNAMES.choose(rng).context("surname")?;
        let surname = *surnames.entry(old_surname.clone()).or_insert(*drawn);
        words.push((
            format!("{old_surname}{old_given}"),
            format!("{}{}", surname.0, given.0),
        ));
        words.push((person.name.clone(), format!("{} {}", surname.0, given.0)));
        words.push((old_surname, surname.0.to_owned()));
        // One character stands in too many other words.
        if old_given.chars().count() > 1 {
            words.push((old_given, given.0.to_owned()));
        }
        person.name = format!("{} {}", surname.0, given.0);
        person.kana = Some(format!("{} {}", surname.1, given.1));
        person.former_names.clear();
        person.alias = None;
        person.birth_date = person
            .birth_date
            .map(|born| born.checked_sub(rng.random_range(-700..700).days()))
            .transpose()?;
        for phone in [&mut person.phone_home, &mut person.phone_mobile] {
            if let Some(number) = phone
                && number.len() > 4
            {
                number.truncate(number.len() - 4);
                number.push_str(&format!("{:04}", rng.random_range(0..10_000)));
            }
        }
        if let Some(address) = &mut person.address {
            let street = address
                .trim_end_matches(|c: char| c.is_ascii_digit() || c == '-')
                .to_owned();
            *address = format!(
                "{street}{}-{}-{}",
                rng.random_range(1..9),
                rng.random_range(1..30),
                rng.random_range(1..20)
            );
        }
    }
    words.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
    words.dedup();
    Ok(words)
}
