//! Named schools, hospitals, services and employers, by the word that says what they are.

use crate::text::{Text, is_hiragana, is_kanji, is_katakana};
use crate::words::WORDS;
use crate::{Candidate, Label, Source};

pub(crate) fn find(text: &Text) -> Vec<Candidate> {
    let mut out = Vec::new();
    for suffix in WORDS.facility_suffixes.iter() {
        for (at, end) in text.find_all(suffix) {
            // 「保育園」 in 「保育園児」, 「病院」 in 「病院長」: the longer suffix or word is another thing.
            if text
                .at(end)
                .is_some_and(|c| matches!(c, '児' | '生' | '員' | '長' | '化' | '士' | '職'))
            {
                continue;
            }
            if let Some(start) = left(text, at, suffix) {
                out.push(Candidate::new(
                    start,
                    branch(text, end),
                    Label::Facility,
                    0.7,
                    Source::Rule,
                ));
            }
        }
    }
    for prefix in WORDS.facility_prefixes.iter() {
        for (at, end) in text.find_all(prefix) {
            if at > 0 && !text.is_boundary(at) && is_kanji(text.chars[at]) {
                continue;
            }
            if let Some(stop) = right(text, end) {
                out.push(Candidate::new(
                    at,
                    stop,
                    Label::Facility,
                    0.75,
                    Source::Rule,
                ));
            }
        }
    }
    quoted(text, &mut out);
    employers(text, &mut out);
    schools(text, &mut out);
    out
}

/// What belongs to a name found before: the legal form or kind in front of it (「医療法人○○会 ○○病院」)
/// and the branch behind it (「○○ 青葉支店」).
pub(crate) fn extended(text: &Text, candidate: &mut Candidate) {
    if candidate.label != Label::Facility {
        return;
    }
    // 「○○市の△△病院」: the particle between place and name, where a rule took it along.
    let led = candidate.end - candidate.start > 3
        && matches!(
            text.chars[candidate.start],
            'の' | 'は' | 'が' | 'を' | 'に' | 'で' | 'と'
        )
        && (is_kanji(text.chars[candidate.start + 1])
            || is_katakana(text.chars[candidate.start + 1]));
    if led {
        candidate.start += 1;
    }
    for _ in 0..3 {
        let mut start = candidate.start;
        if text.before(start) == Some(' ') && text.raw(start - 1) == Some(' ') {
            start -= 1;
        }
        // 「医療法人○○会 」: the body that runs it, behind its legal form.
        if start < candidate.start && text.before(start) == Some('会') {
            let mut body = start - 1;
            while start - body < 7
                && text
                    .before(body)
                    .is_some_and(|c| is_kanji(c) || is_katakana(c) || is_hiragana(c))
                && WORDS.facility_prefixes.ends(text, body).is_none()
            {
                body -= 1;
            }
            if WORDS.facility_prefixes.ends(text, body).is_some() {
                start = body;
            }
        }
        let Some(length) = WORDS.facility_prefixes.ends(text, start) else {
            break;
        };
        candidate.start = start - length;
    }
    if text.at(candidate.end) != Some(' ') {
        return;
    }
    let from = candidate.end + 1;
    let mut at = from;
    while at - from < 9
        && text
            .at(at)
            .is_some_and(|c| is_kanji(c) || is_katakana(c) || is_hiragana(c))
    {
        at += 1;
    }
    if at > from + 1 && WORDS.spaced_branches.ends(text, at).is_some() {
        candidate.end = at;
    }
}

/// 「○○に勤務」「○○を退職」「○○でアルバイト」: a named place of work without a telling suffix.
fn employers(text: &Text, out: &mut Vec<Candidate>) {
    for cue in WORDS.facility_cues.iter() {
        for (at, _) in text.find_all(cue) {
            let mut end = at;
            if matches!(
                text.before(end),
                Some('に' | 'へ' | 'を' | 'で' | 'の' | ' ')
            ) {
                end -= 1;
            }
            // Back over nouns; the run must hold a name.
            let mut start = end;
            let mut proper = false;
            let mut common = false;
            while start > 0 && end - start < 14 {
                let Some(word) = text.word_at(start - 1) else {
                    break;
                };
                let c = text.chars[word.start];
                let surface = text.slice(word.start, start.min(word.end));
                if !word.is_noun()
                    || matches!(
                        word.pos[1].as_str(),
                        "代名詞" | "副詞可能" | "非自立" | "数"
                    )
                    || !(is_kanji(c) || is_katakana(c))
                    || WORDS.kinship.contains(surface)
                    || WORDS.name_labels.contains(surface)
                {
                    break;
                }
                proper |= word.pos[1] == "固有名詞" || !word.known;
                common |= (word.pos[1] != "固有名詞") && word.pos[1] != "接尾";
                start = word.start;
            }
            let found = text.slice(start, end);
            // A bare place or a person works nowhere: name and kind together make an employer.
            if start < end
                && proper
                && common
                && end - start >= 3
                && !WORDS.not_names.contains(found)
                && WORDS.public_bodies.ends(text, end).is_none()
                && WORDS.roles.ends(text, end).is_none()
            {
                out.push(Candidate::new(
                    start,
                    end,
                    Label::Facility,
                    0.6,
                    Source::Rule,
                ));
            }
        }
    }
}

/// 「青葉小」「青葉東中の」: schools by their short form after a proper noun.
fn schools(text: &Text, out: &mut Vec<Candidate>) {
    for kind in ["小", "中", "高"] {
        for (at, end) in text.find_all(kind) {
            let closed = text.at(end).is_none_or(|c| {
                !(is_kanji(c)
                    || is_katakana(c)
                    || matches!(c, 'さ' | 'い' | 'く' | 'か' | 'っ' | 'け' | 'ま'))
            }) || WORDS.roles.starts(text, end).is_some()
                || WORDS.school_cues.starts(text, end).is_some();
            let Some(index) = text.word_until(at) else {
                continue;
            };
            let mut start = text.words[index].start;
            let mut proper = text.words[index].is_place()
                || text.words[index].is_surname()
                || !text.words[index].known;
            if !proper
                && WORDS.school_directions.contains(text.slice(start, at))
                && let Some(before) = text.word_until(start)
            {
                start = text.words[before].start;
                proper = text.words[before].is_place() || text.words[before].is_surname();
            }
            if proper
                && closed
                && at - start >= 2
                && is_kanji(text.chars[start])
                && !(kind == "中" && text.at(end).is_some_and(|c| c.is_ascii_digit()))
            {
                out.push(Candidate::new(
                    start,
                    end,
                    Label::Facility,
                    0.6,
                    Source::Rule,
                ));
            }
        }
    }
}

/// Start of the name before the suffix at `at`, if there is a name and not just a kind of place.
fn left(text: &Text, at: usize, suffix: &str) -> Option<usize> {
    let mut start = at;
    let mut proper = false;
    let mut kinds = true;
    let mut words = 0;
    while start > 0 && words < 7 {
        let Some(word) = text.word_at(start - 1) else {
            break;
        };
        let from = word.start;
        let surface = text.slice(from, start.min(word.end));
        let c = text.chars[from];
        let particle_inside = word.pos[0] == "助詞"
            && matches!(surface, "の" | "と")
            && start < at
            && words > 0
            && from > 0
            && is_kana_name(text, from);
        let noun = (word.is_noun()
            || word.pos[0] == "接頭詞"
            || (is_hiragana(c)
                && word.end - from >= 2
                && matches!(word.pos[0].as_str(), "副詞" | "形容詞" | "動詞" | "感動詞")
                && words > 0))
            && !matches!(word.pos[1].as_str(), "代名詞" | "副詞可能" | "非自立")
            && !(word.pos[1] == "数" && c.is_ascii_digit());
        if !(noun || particle_inside)
            || !(is_kanji(c)
                || is_katakana(c)
                || is_hiragana(c)
                || c.is_ascii_alphabetic()
                || c == '・')
        {
            break;
        }
        // A label in front is no part of the name: 「勤務先 ○○工業」.
        if (WORDS.kinship.contains(surface) && !matches!(surface, "こども" | "子ども"))
            || WORDS.name_labels.contains(surface)
            || WORDS.honorifics.contains(surface)
            || WORDS.not_in_facilities.contains(surface)
        {
            break;
        }
        let generic = WORDS.generic_heads.contains(surface)
            || WORDS.facility_suffixes.contains(surface)
            || WORDS.facility_prefixes.contains(surface);
        kinds &= generic;
        proper |= word.pos[1] == "固有名詞"
            || !word.known
            || (is_katakana(c) && word.end - from >= 3 && !generic);
        start = from;
        words += 1;
    }
    // 「青葉こばと幼稚園」「ひだまりの診療所」: hiragana right before the suffix, after a place or a border.
    let hiragana_before = start > 0 && is_hiragana(text.chars[start - 1]);
    if start == at || hiragana_before || is_hiragana(text.chars[start]) {
        let belongs = |c: char| is_hiragana(c) || c == 'ー';
        let mut run = start;
        while run > 0 && belongs(text.chars[run - 1]) {
            run -= 1;
        }
        let mut stop = run;
        while stop < at && belongs(text.chars[stop]) {
            stop += 1;
        }
        let place = text
            .word_until(run)
            .map(|word| &text.words[word])
            .filter(|word| word.pos[1] == "固有名詞" && is_kanji(text.chars[word.start]));
        let ends_in_no = text.before(stop) == Some('の');
        let length = stop - run - usize::from(ends_in_no);
        let border = run == 0
            || matches!(
                text.chars[run - 1],
                '\n' | '。' | '、' | '「' | '(' | ' ' | ':' | '・' | '→' | '='
            );
        let opens = text.word_at(run).is_some_and(|word| {
            !matches!(
                word.pos[0].as_str(),
                "助詞" | "助動詞" | "副詞" | "接続詞" | "連体詞" | "形容詞" | "感動詞"
            ) && word.pos[1] != "代名詞"
        });
        let closes = !text
            .word_at(stop.saturating_sub(1))
            .is_some_and(|word| word.is_particle());
        if (3..=6).contains(&length) && opens {
            if let Some(place) = place {
                start = place.start;
                proper = true;
                kinds = false;
            } else if border && closes && !ends_in_no {
                start = run;
                kinds = false;
            }
        }
    }
    while start < at && matches!(text.chars[start], '・' | 'ー' | ' ') {
        start += 1;
    }
    if start >= at
        || kinds
        || WORDS.generic_heads.contains(text.slice(start, at))
        || WORDS.not_names.contains(text.slice(start, at))
    {
        return None;
    }
    if WORDS.weak_suffixes.contains(suffix) && !proper {
        return None;
    }
    let strong = suffix.chars().count() >= 2 && !WORDS.weak_suffixes.contains(suffix);
    (proper || strong && at - start >= 2).then_some(start)
}

fn is_kana_name(text: &Text, at: usize) -> bool {
    text.before(at)
        .is_some_and(|c| is_hiragana(c) || is_katakana(c) || is_kanji(c))
        && text
            .word_until(at)
            .is_some_and(|word| text.words[word].is_noun())
}

/// End of the name after a kind word: one run of one script, over one space.
fn right(text: &Text, at: usize) -> Option<usize> {
    let mut start = at;
    if matches!(text.at(start), Some(' ' | '「' | '・')) {
        start += 1;
    }
    let first = text.at(start)?;
    let class: fn(char) -> bool = if is_katakana(first) {
        |c| is_katakana(c) || c == '・'
    } else if is_kanji(first) {
        |c| is_kanji(c) || is_katakana(c)
    } else if is_hiragana(first) {
        is_hiragana
    } else {
        return None;
    };
    let mut end = start;
    while text.at(end).is_some_and(class) {
        end += 1;
    }
    if is_hiragana(first) {
        // Back to the last particle: 「グループホームひだまりで」.
        let mut stop = start;
        let mut index = text.word_from(start)?;
        while let Some(word) = text
            .words
            .get(index)
            .filter(|word| word.start == stop && word.end <= end)
        {
            if word.is_particle() && stop > start
                || (word.is_particle() && word.pos[0] == "助動詞")
                || word.pos[0] == "助詞"
            {
                break;
            }
            stop = word.end;
            index += 1;
        }
        end = stop;
        if end - start < 2 {
            return None;
        }
        // The town that tells branches apart: 「たんぽぽ青葉」.
        while text.at(end).is_some_and(is_kanji)
            && text.word_at(end).is_some_and(|word| word.is_place())
        {
            end += 1;
        }
    }
    let end = mixed_name(text, start, end);
    let name = text.slice(start, end);
    let spaced = start > at;
    if end - start < 2
        && text
            .word_at(start)
            .is_none_or(|word| word.pos[1] != "固有名詞")
    {
        return None;
    }
    let first_word = text.word_at(start)?;
    let plain = first_word.known
        && matches!(
            first_word.pos[1].as_str(),
            "サ変接続" | "副詞可能" | "非自立" | "代名詞" | "数" | "接尾" | "形容動詞語幹"
        )
        || matches!(
            first_word.pos[0].as_str(),
            "助詞" | "助動詞" | "接続詞" | "接頭詞"
        );
    if plain
        || WORDS.generic_heads.contains(name)
        || WORDS.not_names.contains(name)
        || WORDS.facility_suffixes.contains(name)
        || WORDS.roles.starts(text, start).is_some()
        || WORDS.kinship.contains(name)
    {
        return None;
    }
    if spaced && !(first_word.pos[1] == "固有名詞" || !first_word.known || is_katakana(first)) {
        return None;
    }
    Some(branch(text, end))
}

/// A name of several scripts (「とどろきの家」「○○ひまわり」「○○の丘」): on over noun-like words, and
/// over one の before a word that such names end in.
fn mixed_name(text: &Text, start: usize, end: usize) -> usize {
    let mut end = end;
    let letter = |c: char| is_kanji(c) || is_katakana(c) || is_hiragana(c);
    while end - start < 14 {
        let Some(index) = text.word_from(end) else {
            break;
        };
        let word = &text.words[index];
        if !letter(text.chars[word.start]) {
            break;
        }
        let surface = text.slice(word.start, word.end);
        if surface == "の" {
            let ending = WORDS.facility_endings.starts(text, word.end);
            let closed = ending.is_some_and(|length| {
                text.at(word.end + length).is_none_or(|c| {
                    !letter(c)
                        || text
                            .word_from(word.end + length)
                            .is_some_and(|next| text.words[next].pos[0] == "助詞")
                })
            });
            if let (Some(length), true) = (ending, closed) {
                return word.end + length;
            }
            break;
        }
        let goes_on = (word.pos[1] == "固有名詞" || !word.known)
            || word.pos[0] == "名詞"
                && word.pos[1] == "一般"
                && is_hiragana(text.chars[word.start]);
        if !goes_on || WORDS.honorifics.starts(text, end).is_some() {
            break;
        }
        end = word.end;
    }
    end
}

/// 「○○病院 青葉分院」「○○商事青葉支店」
fn branch(text: &Text, end: usize) -> usize {
    for kind in &WORDS.branches {
        let mut at = end;
        while at - end < 6 && text.at(at).is_some_and(|c| is_kanji(c) || is_katakana(c)) {
            if text.tail(at).starts_with(kind) && at > end {
                let place = text
                    .word_at(end)
                    .is_some_and(|word| word.pos[1] == "固有名詞");
                if place {
                    return at + kind.chars().count();
                }
            }
            at += 1;
        }
    }
    end
}

/// 「居酒屋 ○○」「カフェ『○○』」: nothing yet beyond what `right` finds; a quoted name after a kind.
fn quoted(text: &Text, out: &mut Vec<Candidate>) {
    for prefix in WORDS.facility_prefixes.iter() {
        for (_, end) in text.find_all(prefix) {
            let close = match text.at(end) {
                Some('「') => '」',
                Some('『') => '』',
                _ => continue,
            };
            if let Some(stop) =
                (end + 1..text.len().min(end + 16)).find(|&at| text.chars[at] == close)
                && stop > end + 1
            {
                out.push(Candidate::new(
                    end + 1,
                    stop,
                    Label::Facility,
                    0.8,
                    Source::Rule,
                ));
            }
        }
    }
}
