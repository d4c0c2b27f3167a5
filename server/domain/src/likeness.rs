//! What makes two entries of the register look like one and the same person (名寄せ): comparable
//! forms of names, readings, telephone numbers and addresses, the reasons that follow from them,
//! and the keys under which candidates are found without comparing everybody with everybody.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use crate::code::coded;
use crate::wareki::PartialDate;

static VARIANTS: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    include_str!("../../../datasets/lexicon/kanji-variants.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (variant, common) = line.split_once('\t')?;
            Some((variant.chars().next()?, common.chars().next()?))
        })
        .collect()
});

/// 髙 → 高, 﨑 → 崎, 邊 → 辺 …; any other character is returned as it is.
#[must_use]
pub fn fold_variant(c: char) -> char {
    VARIANTS.get(&c).copied().unwrap_or(c)
}

/// Letters that stand for each other in names without being variants of one another; any other
/// character is returned as it is.
#[must_use]
pub const fn fold_in_names(c: char) -> char {
    match c {
        '碕' => '崎',
        '槇' => '槙',
        '斎' => '斉',
        other => other,
    }
}

/// The hiragana of a katakana letter; any other character is returned as it is.
#[must_use]
pub fn hiragana(c: char) -> char {
    match c {
        'ァ'..='ヶ' => char::from_u32(c as u32 - 0x60).unwrap_or(c),
        other => other,
    }
}

/// Variation selectors choose a glyph of the same character.
const fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

/// Normal form for look-ups: NFKC (widths), katakana to hiragana, no blanks, middle dots, hyphens
/// and variation selectors, lower case, variant characters folded.
#[must_use]
pub fn normal(text: &str) -> String {
    text.nfkc()
        .filter(|&c| !c.is_whitespace() && !matches!(c, '・' | '-' | '－' | '‐'))
        .filter(|&c| !is_variation_selector(c))
        .map(|c| fold_in_names(fold_variant(hiragana(c))))
        .flat_map(char::to_lowercase)
        .collect()
}

/// The row of a kana without sound marks, as the vowel it ends in.
fn vowel(kana: char) -> Option<char> {
    const ROWS: [(&str, char); 5] = [
        ("あかさたなはまやらわゃ", 'あ'),
        ("いきしちにひみり", 'い'),
        ("うくすつぬふむゆるゅ", 'う'),
        ("えけせてねへめれ", 'え'),
        ("おこそとのほもよろをょ", 'お'),
    ];
    ROWS.iter()
        .find(|(row, _)| row.contains(kana))
        .map(|(_, vowel)| *vowel)
}

/// A reading without what is written now so and now so: sound marks (がとう, かとう), small letters
/// (きよ, きょ), long vowels (おおの, おの; ゆうこ, ゆこ; ー) and ぢ, づ, を, ゐ, ゑ.
#[must_use]
pub fn kana_skeleton(kana: &str) -> String {
    let mut out = String::new();
    for c in normal(kana).nfd() {
        let plain = match c {
            '\u{3099}' | '\u{309A}' => {
                // ぢ and づ are written for じ and ず.
                let changed = match out.pop() {
                    Some('ち') => 'し',
                    Some('つ') => 'す',
                    Some(other) => other,
                    None => continue,
                };
                out.push(changed);
                continue;
            }
            'ぁ' | 'ぃ' | 'ぅ' | 'ぇ' | 'ぉ' | 'っ' | 'ゃ' | 'ゅ' | 'ょ' | 'ゎ' => {
                char::from_u32(c as u32 + 1).unwrap_or(c)
            }
            'を' => 'お',
            'ゐ' => 'い',
            'ゑ' => 'え',
            other => other,
        };
        let long = match (out.chars().last().and_then(vowel), plain) {
            (Some(_), 'ー') => true,
            (Some('お'), 'う') | (Some('え'), 'い') => true,
            (Some(last), next) => last == next,
            (None, _) => false,
        };
        if !long {
            out.push(plain);
        }
    }
    out
}

/// Digits of a telephone number without the leading zero, which spreadsheets lose and `+81`
/// replaces: one form for every notation. `None` for less than four digits.
#[must_use]
pub fn phone_key(text: &str) -> Option<String> {
    let wide: String = text.nfkc().collect();
    let digits: String = wide.chars().filter(char::is_ascii_digit).collect();
    let national = if wide.trim_start().starts_with('+') {
        digits.strip_prefix("81").unwrap_or(&digits)
    } else {
        &digits
    };
    let significant = national.trim_start_matches('0');
    (significant.len() >= 4).then(|| significant.to_owned())
}

/// An address in one notation: no prefecture, 一丁目二番三号 as `1-2-3`. `None` without any number,
/// where half a town would be the same.
#[must_use]
pub fn address_key(text: &str) -> Option<String> {
    let plain: String = text
        .nfkc()
        .filter(|c| !c.is_whitespace() && !is_variation_selector(*c))
        .map(fold_variant)
        .collect();
    let town = ["東京都", "北海道", "大阪府", "京都府"]
        .iter()
        .find_map(|prefecture| plain.strip_prefix(prefecture))
        .or_else(|| {
            let at = plain.find('県')?;
            (plain[..at].chars().count() <= 3).then(|| &plain[at + '県'.len_utf8()..])
        })
        .unwrap_or(&plain);
    let letters: Vec<char> = town.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < letters.len() {
        let rest = &letters[at..];
        let number: String = rest.iter().take_while(|&&c| kanji_digit(c)).collect();
        let after: String = rest[number.chars().count()..].iter().take(2).collect();
        if !number.is_empty()
            && ["丁目", "番", "号"]
                .iter()
                .any(|unit| after.starts_with(unit))
        {
            out.push_str(&kanji_number(&number).to_string());
            at += number.chars().count();
        } else if out.ends_with(|c: char| c.is_ascii_digit()) {
            let unit = [
                "丁目",
                "番地の",
                "番地",
                "番",
                "号",
                "の",
                "-",
                "‐",
                "−",
                "ー",
                "―",
            ]
            .iter()
            .find(|unit| rest.iter().take(unit.chars().count()).collect::<String>() == **unit);
            match unit {
                Some(unit) => {
                    out.push('-');
                    at += unit.chars().count();
                }
                None => {
                    out.push(rest[0]);
                    at += 1;
                }
            }
        } else {
            out.push(rest[0]);
            at += 1;
        }
    }
    let out = out.trim_end_matches('-');
    out.contains(|c: char| c.is_ascii_digit())
        .then(|| out.to_lowercase())
}

const fn kanji_digit(c: char) -> bool {
    matches!(
        c,
        '一' | '二' | '三' | '四' | '五' | '六' | '七' | '八' | '九' | '十'
    )
}

/// Reads 一 to 九十九; of what is no such number it makes some number, always the same.
fn kanji_number(text: &str) -> u32 {
    text.chars().fold(0, |sum: u32, c| {
        match "一二三四五六七八九".chars().position(|digit| digit == c) {
            Some(at) => sum.saturating_add(u32::try_from(at).unwrap_or_default() + 1),
            None if sum == 0 => 10,
            None => sum.saturating_mul(10),
        }
    })
}

coded! {
    /// Why two entries look like one person, the strongest first.
    pub enum Reason {
        Name = "name", "氏名が同じ";
        /// But for variant characters or widths.
        NameVariant = "name_variant", "氏名が字体違いで同じ";
        NameSwapped = "name_swapped", "姓と名が逆";
        Kana = "kana", "ふりがなが同じ";
        KanaSwapped = "kana_swapped", "ふりがなの姓と名が逆";
        /// But for long vowels, small letters and sound marks.
        KanaLike = "kana_like", "ふりがなが似ている";
        /// Given name alone: somebody whose surname changed.
        GivenName = "given_name", "名が同じ";
        BirthDate = "birth_date", "生年月日が同じ";
        /// One of the two dates says no more, or only about when.
        BirthYear = "birth_year", "生まれた年が合う";
        Phone = "phone", "電話番号が同じ";
        Address = "address", "住所が同じ";
    }
}

impl Reason {
    const fn weight(self) -> u32 {
        match self {
            Self::Name | Self::NameVariant | Self::Kana => 4,
            Self::NameSwapped | Self::KanaSwapped | Self::BirthDate | Self::Phone => 3,
            Self::KanaLike => 2,
            Self::GivenName | Self::Address | Self::BirthYear => 1,
        }
    }

    const fn is_of_whole_name(self) -> bool {
        matches!(
            self,
            Self::Name
                | Self::NameVariant
                | Self::NameSwapped
                | Self::Kana
                | Self::KanaSwapped
                | Self::KanaLike
        )
    }
}

/// How sure the likeness is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// One household shares a telephone.
    Possible,
    Likely,
}

/// The reasons why two entries look alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likeness {
    pub reasons: BTreeSet<Reason>,
    /// Both birth dates are known, and no two of them can be the same day.
    pub birth_differs: bool,
}

impl Likeness {
    /// `None`: not worth showing.
    #[must_use]
    pub fn grade(&self) -> Option<Grade> {
        let has = |reason| self.reasons.contains(&reason);
        let named = self.reasons.iter().any(|reason| {
            reason.is_of_whole_name() && (*reason != Reason::KanaLike || !self.birth_differs)
        });
        let born = has(Reason::BirthDate)
            && [Reason::Phone, Reason::Address, Reason::GivenName]
                .into_iter()
                .any(has);
        if named || born {
            Some(Grade::Likely)
        } else {
            has(Reason::Phone).then_some(Grade::Possible)
        }
    }

    /// For the order on the screen; higher is more alike.
    #[must_use]
    pub fn weight(&self) -> u32 {
        let sum: u32 = self.reasons.iter().map(|reason| reason.weight()).sum();
        sum.saturating_sub(if self.birth_differs { 2 } else { 0 })
    }
}

/// What of an entry is compared: present and former values alike.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Identity {
    names: BTreeSet<String>,
    kana: BTreeSet<String>,
    birth_dates: BTreeSet<PartialDate>,
    phones: BTreeSet<String>,
    addresses: BTreeSet<String>,
}

/// Names the type alone: the values are personal and must not reach a log.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

/// Surname and given name, as far as a blank tells them apart.
fn parts(name: &str) -> Vec<&str> {
    name.split_whitespace().collect()
}

fn unspaced(name: &str) -> String {
    name.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The parts the other way round; `None` for a single part.
fn swapped(name: &str) -> Option<String> {
    let parts = parts(name);
    (parts.len() >= 2).then(|| parts.iter().rev().copied().collect())
}

fn given(name: &str) -> Option<String> {
    let parts = parts(name);
    (parts.len() >= 2).then(|| parts.last().map(|part| normal(part)))?
}

impl Identity {
    /// Takes up the value of a register field; fields that say nothing about likeness are ignored.
    pub fn add(&mut self, field: &str, value: &str) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        match field {
            "name" | "alias" if !normal(value).is_empty() => {
                self.names.insert(value.to_owned());
            }
            "name_kana" | "alias_kana" if !normal(value).is_empty() => {
                self.kana.insert(value.to_owned());
            }
            "birth_date" => self.birth_dates.extend(value.parse::<PartialDate>()),
            "phone_home" | "phone_mobile" => self.phones.extend(phone_key(value)),
            "address" => self.addresses.extend(address_key(value)),
            _ => {}
        }
    }

    /// Whether there is nothing to compare.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Why this and another entry look alike.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Likeness {
        let mut reasons = BTreeSet::new();
        for (a, b) in pairs(&self.names, &other.names) {
            if unspaced(a) == unspaced(b) {
                reasons.insert(Reason::Name);
            } else if normal(a) == normal(b) {
                reasons.insert(Reason::NameVariant);
            } else if is_swapped(a, b, normal) {
                reasons.insert(Reason::NameSwapped);
            }
            if given(a).is_some() && given(a) == given(b) {
                reasons.insert(Reason::GivenName);
            }
        }
        for (a, b) in pairs(&self.kana, &other.kana) {
            if normal(a) == normal(b) {
                reasons.insert(Reason::Kana);
            } else if kana_skeleton(&unspaced(a)) == kana_skeleton(&unspaced(b)) {
                reasons.insert(Reason::KanaLike);
            } else if is_swapped(a, b, kana_skeleton) {
                reasons.insert(Reason::KanaSwapped);
            }
            if given(a).is_some() && given(a) == given(b) {
                reasons.insert(Reason::GivenName);
            }
        }
        // A stronger reason says what a weaker one would.
        for (strong, weak) in [
            (Reason::Name, Reason::NameVariant),
            (Reason::Kana, Reason::KanaLike),
        ] {
            if reasons.contains(&strong) {
                reasons.remove(&weak);
            }
        }
        if reasons.iter().any(|reason| reason.is_of_whole_name()) {
            reasons.remove(&Reason::GivenName);
        }
        let dates = || pairs(&self.birth_dates, &other.birth_dates);
        for (shared, reason) in [
            (
                dates().any(|(a, b)| a.is_full() && a == b),
                Reason::BirthDate,
            ),
            (
                dates().any(|(a, b)| !(a.is_full() && b.is_full()) && a.may_equal(b)),
                Reason::BirthYear,
            ),
            (!self.phones.is_disjoint(&other.phones), Reason::Phone),
            (
                !self.addresses.is_disjoint(&other.addresses),
                Reason::Address,
            ),
        ] {
            if shared {
                reasons.insert(reason);
            }
        }
        let birth_differs = !self.birth_dates.is_empty()
            && !other.birth_dates.is_empty()
            && !reasons.contains(&Reason::BirthDate)
            && !reasons.contains(&Reason::BirthYear);
        Likeness {
            reasons,
            birth_differs,
        }
    }

    /// Keys under which entries that look alike are found: any two that [`Self::compare`] finds
    /// alike in more than their given name or address share one of these.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<(Key, String)> {
        let mut out = BTreeSet::new();
        for name in &self.names {
            out.insert((Key::Name, normal(name)));
            out.extend(swapped(name).map(|name| (Key::Name, normal(&name))));
        }
        for kana in &self.kana {
            for kana in [Some(unspaced(kana)), swapped(kana)].into_iter().flatten() {
                out.insert((Key::Kana, kana_skeleton(&kana)));
            }
        }
        // A year alone is shared by half a town.
        let days = self.birth_dates.iter().filter(|date| date.is_full());
        out.extend(days.map(|day| (Key::BirthDate, day.to_string())));
        out.extend(self.phones.iter().map(|value| (Key::Phone, value.clone())));
        out
    }
}

/// Kinds of keys of [`Identity::keys`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Name,
    Kana,
    BirthDate,
    Phone,
}

impl Key {
    /// How much a shared key says.
    #[must_use]
    pub const fn weight(self) -> u32 {
        match self {
            Self::Name => 4,
            Self::BirthDate | Self::Phone => 3,
            Self::Kana => 2,
        }
    }
}

fn pairs<'a, T>(a: &'a BTreeSet<T>, b: &'a BTreeSet<T>) -> impl Iterator<Item = (&'a T, &'a T)> {
    a.iter().flat_map(move |a| b.iter().map(move |b| (a, b)))
}

fn is_swapped(a: &str, b: &str, form: fn(&str) -> String) -> bool {
    let (whole_a, whole_b) = (form(&unspaced(a)), form(&unspaced(b)));
    swapped(a).is_some_and(|a| form(&a) == whole_b)
        || swapped(b).is_some_and(|b| form(&b) == whole_a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn identity(values: &[(&str, &str)]) -> Identity {
        let mut out = Identity::default();
        for (field, value) in values {
            out.add(field, value);
        }
        out
    }

    fn found(a: &[(&str, &str)], b: &[(&str, &str)]) -> Vec<&'static str> {
        let (a, b) = (identity(a), identity(b));
        let likeness = a.compare(&b);
        assert_eq!(likeness, b.compare(&a), "the order must not matter");
        likeness
            .reasons
            .iter()
            .map(|reason| reason.code())
            .collect()
    }

    #[test]
    fn look_ups_fold_width_kana_and_variants() {
        assert_eq!(normal("ヤマダ　タロウ"), "やまだたろう");
        assert_eq!(normal("ｶﾞﾄｳ"), "がとう");
        assert_eq!(normal("髙橋"), "高橋");
        assert_eq!(normal("渡邉 Ａｎｎａ"), "渡辺anna");
        assert_eq!(normal("葛\u{E0100}城"), "葛城");
        assert_eq!(normal("齋藤"), normal("齊藤"));
    }

    #[test]
    fn readings_are_alike_in_every_spelling() {
        for (a, b) in [
            ("オオノ ユウコ", "おの ゆうこ"),
            ("おおの ゆうこ", "おうの ゆーこ"),
            ("さとう きょうこ", "さとう きようこ"),
            ("なかじま", "なかしま"),
            ("かとう", "がとう"),
            ("みづき", "みずき"),
            ("ちかげ", "ちかけ"),
            ("はっとり", "はつとり"),
            ("けいこ", "けえこ"),
            ("ｶｵﾘ", "かをり"),
        ] {
            assert_eq!(kana_skeleton(a), kana_skeleton(b), "{a} {b}");
        }
        for (a, b) in [
            ("たなか", "なかた"),
            ("あおき", "おき"),
            ("いとう", "さとう"),
        ] {
            assert_ne!(kana_skeleton(a), kana_skeleton(b), "{a} {b}");
        }
    }

    #[test]
    fn a_number_is_one_number_in_every_notation() {
        for text in [
            "090-1234-5678",
            "０９０（１２３４）５６７８",
            "+81 90 1234 5678",
            "9012345678",
        ] {
            assert_eq!(phone_key(text).as_deref(), Some("9012345678"), "{text}");
        }
        assert_eq!(phone_key("なし"), None);
    }

    #[test]
    fn an_address_is_one_address_in_every_notation() {
        for text in [
            "架空県架空市本町一丁目二番三号",
            "架空市本町１丁目２番３号",
            "架空市本町1-2-3",
            "架空市 本町１－２－３",
            "架空市本町1丁目2番地の3",
        ] {
            assert_eq!(
                address_key(text).as_deref(),
                Some("架空市本町1-2-3"),
                "{text}"
            );
        }
        assert_eq!(
            address_key("架空市本町十二丁目3").as_deref(),
            Some("架空市本町12-3")
        );
        assert_eq!(address_key("架空市三宅町"), None);
        // No number at all is no reason to fail.
        let endless = format!("架空市本町九{}丁目", "十".repeat(40));
        assert_eq!(address_key(&endless), address_key(&endless));
        assert!(address_key(&endless).is_some());
    }

    #[test]
    fn reasons_are_named() {
        let takahashi = [
            ("name", "髙橋 花子"),
            ("name_kana", "たかはし はなこ"),
            ("birth_date", "1950-01-02"),
        ];
        assert_eq!(found(&takahashi, &[("name", "高橋花子")]), ["name_variant"]);
        assert_eq!(found(&takahashi, &[("name", "髙橋　花子")]), ["name"]);
        assert_eq!(
            found(&takahashi, &[("name", "花子 高橋")]),
            ["name_swapped"]
        );
        assert_eq!(
            found(&takahashi, &[("name_kana", "ハナコタカハシ")]),
            ["kana_swapped"]
        );
        assert_eq!(
            found(&takahashi, &[("name_kana", "たかばしはなこ")]),
            ["kana_like"]
        );
        assert_eq!(
            found(
                &takahashi,
                &[("name", "佐藤 花子"), ("birth_date", "1950-01-02")]
            ),
            ["given_name", "birth_date"]
        );
        assert_eq!(found(&takahashi, &[("name", "山田 一郎")]), [""; 0]);
    }

    #[test]
    fn one_sign_alone_proposes_nobody() {
        let grade =
            |a: &[(&str, &str)], b: &[(&str, &str)]| identity(a).compare(&identity(b)).grade();
        let born = ("birth_date", "1950-01-02");
        let phone = ("phone_home", "03-0000-0000");
        assert_eq!(grade(&[born], &[born]), None);
        assert_eq!(grade(&[phone], &[phone]), Some(Grade::Possible));
        assert_eq!(grade(&[born, phone], &[born, phone]), Some(Grade::Likely));
        let like = [("name_kana", "おおの"), ("birth_date", "1950-01-02")];
        assert_eq!(grade(&like, &[("name_kana", "おの")]), Some(Grade::Likely));
        assert_eq!(
            grade(
                &like,
                &[("name_kana", "おの"), ("birth_date", "1980-01-02")]
            ),
            None
        );
        // A birth date may have been mistyped: a same name is shown all the same.
        assert_eq!(
            grade(
                &like,
                &[("name_kana", "おおの"), ("birth_date", "1980-01-02")]
            ),
            Some(Grade::Likely)
        );
    }

    proptest! {
        /// Whoever looks alike is found by a shared key, so the index misses nobody.
        #[test]
        fn who_looks_alike_shares_a_key(
            a in "(お|おお|う|か|が|ゆ|ゅ|ー|っ|ち|ぢ){1,4}( (お|う|こ|ご|ー|い){1,3})?",
            b in "(お|おお|う|か|が|ゆ|ゅ|ー|っ|ち|ぢ){1,4}( (お|う|こ|ご|ー|い){1,3})?",
            names in prop::bool::ANY,
        ) {
            let field = if names { "name" } else { "name_kana" };
            let (a, b) = (identity(&[(field, &a)]), identity(&[(field, &b)]));
            if a.compare(&b).grade().is_some() {
                prop_assert!(!a.keys().is_disjoint(&b.keys()));
            }
            prop_assert!(a.compare(&a).grade().is_some());
        }

        #[test]
        fn any_text_is_read(text in "\\PC{0,40}") {
            let _ = (normal(&text), kana_skeleton(&text), phone_key(&text), address_key(&text));
        }
    }

    #[test]
    fn a_year_alone_strengthens_and_never_decides() {
        let of = |born: &str, more: &[(&str, &str)]| {
            let mut out = Identity::default();
            out.add("birth_date", born);
            for (field, value) in more {
                out.add(field, value);
            }
            out
        };
        let likeness = |a: &str, b: &str| of(a, &[]).compare(&of(b, &[]));
        let year = BTreeSet::from([Reason::BirthYear]);
        for (a, b) in [
            ("1955", "1955-08-01"),
            ("1955-08", "1955"),
            ("1955", "1955"),
            ("1955~", "1957-12-31"),
            ("1955~", "1953"),
        ] {
            let found = likeness(a, b);
            assert_eq!(
                (&found.reasons, found.birth_differs),
                (&year, false),
                "{a} {b}"
            );
            assert_eq!(found.grade(), None);
            assert_eq!(likeness(b, a), found);
        }
        for (a, b) in [
            ("1955", "1956-01-01"),
            ("1955~", "1958-01-01"),
            ("1955-08", "1955-09"),
        ] {
            assert!(likeness(a, b).birth_differs, "{a} {b}");
        }
        assert!(
            of("1955~", &[]).keys().is_empty(),
            "half a town was born that year"
        );
        let phone = [("phone_mobile", "090-0000-1111")];
        let both = of("1955", &phone).compare(&of("1955-08-01", &phone));
        assert_eq!(
            both.grade(),
            Some(Grade::Possible),
            "a telephone and a year are a household"
        );
        assert!(both.weight() > of("1955", &phone).compare(&of("1990", &phone)).weight());
    }
}
