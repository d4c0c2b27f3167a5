//! Names by their cues: an honorific or role after them, a kinship word or label before them, a
//! surname and a given name side by side, a reading in brackets.

use crate::text::{Text, is_hiragana, is_kana, is_kanji, is_katakana};
use crate::words::{WORDS, honorific_ends, name_cue_after, name_cue_before};
use crate::{Candidate, Label, Source};

/// Longest name part in characters.
const LONGEST: usize = 12;

pub(crate) fn find(text: &Text) -> Vec<Candidate> {
    let mut out = Vec::new();
    for at in 0..text.len() {
        before_honorific(text, at, &mut out);
        before_role(text, at, &mut out);
        after_cue(text, at, &mut out);
    }
    called(text, &mut out);
    foreign(text, &mut out);
    mixed_given(text, &mut out);
    full_names(text, &mut out);
    readings(text, &mut out);
    out
}

/// Behind two kana that are no surname this makes a pet name as well as `pet_endings` do: 「ジロさん」.
const POLITE_ENDING: &str = "さん";

/// Letters of the pet ending that `name` ends in, or of さん; none when less than two kana would be left or the
/// name has other letters.
pub(crate) fn pet_ending(name: &[char]) -> Option<usize> {
    if !name.iter().all(|&c| is_kana(c)) {
        return None;
    }
    WORDS
        .pet_endings
        .iter()
        .chain([POLITE_ENDING])
        .map(|ending| ending.chars().collect::<Vec<_>>())
        .find(|ending| name.ends_with(ending) && name.len() >= ending.len() + 2)
        .map(|ending| ending.len())
}

/// A pet name takes its ending along, so that what is hidden is what the person is called.
pub(crate) fn fuse(text: &Text, kept: &mut [Candidate]) {
    for index in 0..kept.len() {
        let Candidate { start, end, .. } = kept[index];
        if kept[index].label != Label::Person
            || matches!(kept[index].source, Source::Register | Source::Manual)
            || end - start > 4
            || !text.chars[start..end].iter().all(|&c| is_kana(c))
        {
            continue;
        }
        let surname = text
            .word_at(start)
            .is_some_and(|word| word.end == end && word.is_surname());
        let polite = || {
            let pet = end - start == 2 && !surname && text.tail(end).starts_with(POLITE_ENDING);
            pet.then(|| POLITE_ENDING.chars().count())
        };
        let Some(length) = WORDS.pet_endings.starts(text, end).or_else(polite) else {
            continue;
        };
        let stop = end + length;
        // 「ユウどんどん」「ミカりんご」: no ending but the next word.
        let whole = text.is_boundary(stop) && text.at(stop) != Some('ー');
        if whole && kept.get(index + 1).is_none_or(|next| next.start >= stop) {
            kept[index].end = stop;
        }
    }
}

fn push(out: &mut Vec<Candidate>, start: usize, end: usize, score: f32, source: Source) {
    out.push(Candidate::new(start, end, Label::Person, score, source));
}

fn before_honorific(text: &Text, at: usize, out: &mut Vec<Candidate>) {
    let Some(length) = WORDS.honorifics.starts(text, at) else {
        return;
    };
    // Only at the first character of the honorific, and not inside a longer word.
    if at == 0 || !honorific_ends(text, at, length) {
        return;
    }
    let honorific = text.slice(at, at + length);
    if matches!(honorific, "たん" | "ちゃま" | "どの") && !text.is_boundary(at) {
        return;
    }
    let weak = matches!(honorific, "様" | "氏" | "君" | "殿" | "たん");
    if let Some(start) = name_start(text, at, !weak) {
        push(out, start, at, if weak { 0.8 } else { 0.9 }, Source::Rule);
    }
}

fn before_role(text: &Text, at: usize, out: &mut Vec<Candidate>) {
    if at == 0 {
        return;
    }
    let (name_end, role_at) = if text.at(at) == Some(' ') {
        (at, at + 1)
    } else {
        (at, at)
    };
    let Some(length) = WORDS.roles.starts(text, role_at) else {
        return;
    };
    let role = text.slice(role_at, role_at + length);
    // 「…会社員」 is no 会社 + 員, and Latin roles are words of their own.
    if role.chars().all(|c| c.is_ascii_alphabetic()) {
        if text
            .at(role_at + length)
            .is_some_and(|c| c.is_ascii_alphabetic())
            || text
                .before(role_at)
                .is_some_and(|c| c.is_ascii_alphabetic())
        {
            return;
        }
    } else if name_end != role_at
        || !(text.is_boundary(role_at) || is_name_word_before(text, role_at))
    {
        return;
    }
    if let Some(start) = name_start(text, name_end, false) {
        // A role also follows ordinary nouns (「生活相談員」): only what looks like a name counts.
        if looks_like_name(text, start, name_end) {
            push(out, start, name_end, 0.85, Source::Rule);
        }
    }
}

fn is_name_word_before(text: &Text, at: usize) -> bool {
    text.word_until(at)
        .is_some_and(|word| text.words[word].is_name())
}

/// Start of the name that ends at `end`. `hiragana`: whether a run of hiragana may be a name.
fn name_start(text: &Text, end: usize, hiragana: bool) -> Option<usize> {
    let last = text.before(end)?;
    let start = if is_katakana(last) {
        let start = run_start(text, end, |c| is_katakana(c) || c == '・' || c == '=');
        trim_left(text, start, end, |c| c == '・' || c == '=' || c == 'ー')
    } else if last.is_ascii_alphabetic() {
        let start = run_start(text, end, |c| {
            c.is_ascii_alphabetic() || c == ' ' || c == '.' || c == '\'' || c == '-'
        });
        let start = trim_left(text, start, end, |c| !c.is_ascii_alphabetic());
        // 「A氏」 is already a pseudonym.
        if end - start < 2 {
            return None;
        }
        start
    } else if is_kanji(last) {
        kanji_start(text, end)?
    } else if is_hiragana(last) && hiragana {
        hiragana_start(text, end)?
    } else {
        return None;
    };
    if start >= end || end - start > LONGEST + 6 {
        return None;
    }
    let mut start = start;
    // 「保護観察官田中さん」: past a role in front, also where the dictionary cuts elsewhere.
    for at in start + 1..end {
        if WORDS.roles.ends(text, at).is_some_and(|length| length > 1) {
            start = at;
        }
    }
    while start < end && text.chars[start] == ' ' {
        start += 1;
    }
    // 「長男太郎さん」「担当田中さん」: what stands before the name is no part of it.
    for list in [&WORDS.kinship, &WORDS.name_labels] {
        while let Some(length) = list.starts(text, start) {
            if start + length >= end || (length == 1 && end - start <= 2) {
                break;
            }
            start += length;
            while start < end && matches!(text.at(start), Some('の' | ' ' | ':' | '・')) {
                start += 1;
            }
        }
    }
    let found = text.slice(start, end);
    if start >= end
        || is_common(found)
        || WORDS.roles.ends(text, end).is_some_and(|length| length > 1)
    {
        return None;
    }
    Some(start)
}

pub(crate) fn is_common(found: &str) -> bool {
    WORDS.not_names.contains(found)
        || WORDS.kinship.contains(found)
        || WORDS.roles.contains(found)
        || WORDS.name_labels.contains(found)
        || WORDS.public_bodies.contains(found)
        || WORDS
            .facility_suffixes
            .iter()
            .any(|suffix| found.ends_with(suffix))
        || WORDS.not_names.iter().any(|word| {
            word.chars().count() >= 2
                && found.ends_with(word)
                && found.chars().count() - word.chars().count() <= 2
        })
        || WORDS
            .roles
            .iter()
            .any(|word| word.chars().count() >= 2 && found.ends_with(word))
        || WORDS.public_bodies.iter().any(|word| found.ends_with(word))
}

fn run_start(text: &Text, end: usize, belongs: impl Fn(char) -> bool) -> usize {
    let mut start = end;
    while start > 0 && belongs(text.chars[start - 1]) {
        start -= 1;
    }
    start
}

fn trim_left(text: &Text, mut start: usize, end: usize, drop: impl Fn(char) -> bool) -> usize {
    while start < end && drop(text.chars[start]) {
        start += 1;
    }
    start
}

/// Kanji name: the words before the honorific as far as they may be parts of a name; over one space
/// where both sides look like surname and given name.
fn kanji_start(text: &Text, end: usize) -> Option<usize> {
    let run = run_start(text, end, |c| {
        is_kanji(c) || matches!(c, 'ヶ' | 'ケ' | 'ノ' | '之')
    });
    let mut start = end;
    let mut words = 0;
    while start > run && words < 4 {
        let Some(word) = text.word_at(start - 1) else {
            break;
        };
        let from = word.start.max(run);
        let piece = text.slice(from, start);
        let plain = word.known && !word.is_name() && !word.is_place() && word.pos[1] != "固有名詞";
        if WORDS.kinship.contains(piece) && piece.chars().count() > 1
            || WORDS.name_labels.contains(piece)
        {
            break;
        }
        // One ordinary word may be a name (森さん); two in a row are a compound unless both are short.
        if plain
            && words > 0
            && (start - from > 1 || end - from > 5)
            && !text
                .words
                .get(text.word_until(start).unwrap_or(usize::MAX))
                .is_some_and(super::text::Word::is_name)
        {
            break;
        }
        if matches!(
            word.pos[0].as_str(),
            "助詞" | "助動詞" | "接続詞" | "副詞" | "連体詞"
        ) || word.pos[1] == "数" && words > 0 && !is_kanji(text.chars[from])
        {
            break;
        }
        start = from;
        words += 1;
    }
    if start == end || end - start > 6 {
        return None;
    }
    // 「山野 一郎さん」
    if text.before(start) == Some(' ') && start >= 2 {
        let left_end = start - 1;
        let left = run_start(text, left_end, is_kanji);
        if left < left_end && left_end - left <= 3 && !is_common(text.slice(left, left_end)) {
            return Some(left);
        }
        let left = run_start(text, left_end, is_katakana);
        if left < left_end
            && left_end - left <= 6
            && end - start <= 3
            && !is_common(text.slice(left, left_end))
        {
            return Some(left);
        }
    }
    Some(start)
}

/// Hiragana name of 2–6 characters before an honorific: back to the last particle or other script.
fn hiragana_start(text: &Text, end: usize) -> Option<usize> {
    let run = run_start(text, end, |c| is_hiragana(c) || c == 'ー');
    let mut start = run;
    // Drop particles at the front: 「弟のゆうた」「はなこ」 needs the word border to tell は from はな.
    {
        for at in run..end {
            let Some(word) = text.word_at(at) else {
                continue;
            };
            let leads = word.pos[0] == "助詞"
                || (word.known
                    && word.end - word.start >= 2
                    && matches!(
                        word.pos[0].as_str(),
                        "副詞" | "連体詞" | "接続詞" | "感動詞"
                    ));
            if word.start == at && at == start && leads && end >= word.end + 2 {
                start = word.end;
            } else if word.start == at {
                break;
            }
        }
    }
    if text.at(start) == Some('の') && WORDS.kinship.ends(text, start).is_some() && end - start >= 3
    {
        start += 1;
    }
    // Written together with a kanji surname: 「架空よしお」.
    if start == run && run > 0 && is_kanji(text.chars[run - 1]) {
        let word = text.word_at(run - 1)?;
        if word.is_name() || word.is_place() || !word.known {
            return Some(word.start);
        }
        return None;
    }
    // 「架空 みのりさん」
    if text.before(start) == Some(' ') && start >= 2 {
        let left = run_start(text, start - 1, |c| is_kanji(c) || is_katakana(c));
        let length = start - 1 - left;
        if (1..=4).contains(&length)
            && !is_common(text.slice(left, start - 1))
            && looks_like_name(text, left, start - 1)
        {
            return Some(left);
        }
    }
    ((2..=6).contains(&(end - start))).then_some(start)
}

/// A proper name, an unknown word, or one short kanji word.
pub(crate) fn looks_like_name(text: &Text, start: usize, end: usize) -> bool {
    if WORDS.generic_heads.contains(text.slice(start, end)) || is_common(text.slice(start, end)) {
        return false;
    }
    let mut any = false;
    for word in text
        .words
        .iter()
        .filter(|word| word.start < end && start < word.end)
    {
        if word.is_name() || word.is_place() || word.pos[1] == "固有名詞" || !word.known {
            any = true;
        } else if matches!(
            word.pos[0].as_str(),
            "助詞" | "助動詞" | "動詞" | "副詞" | "接続詞" | "形容詞"
        ) && end - start > 3
        {
            return false;
        }
    }
    any || (end - start == 1
        && is_kanji(text.chars[start])
        && text
            .words
            .iter()
            .filter(|word| word.start < end && start < word.end)
            .count()
            == 1
        && text.is_boundary(start)
        && text.is_boundary(end)
        && !text.word_at(start).is_some_and(|word| {
            matches!(
                word.pos[1].as_str(),
                "サ変接続" | "副詞可能" | "形容動詞語幹" | "接尾" | "数" | "代名詞" | "非自立"
            )
        }))
        || (text.chars[start..end]
            .iter()
            .all(|&c| is_katakana(c) || c == '・')
            && end - start >= 2
            && text.chars[start..end].contains(&'・'))
}

/// 「長男の太郎(10歳)」「氏名：山田 花子」「担当 田中」
fn after_cue(text: &Text, at: usize, out: &mut Vec<Candidate>) {
    if at > 0 && !text.is_boundary(at) && is_kanji(text.chars[at]) && is_kanji(text.chars[at - 1]) {
        return;
    }
    let kin = WORDS.kinship.starts(text, at).map(|length| (length, true));
    let label = WORDS
        .name_labels
        .starts(text, at)
        .map(|length| (length, false));
    let role = WORDS.roles.starts(text, at).map(|length| (length, false));
    let Some((length, is_kin)) = kin
        .into_iter()
        .chain(label)
        .chain(role)
        .max_by_key(|(length, _)| *length)
    else {
        return;
    };
    let mut start = at + length;
    // Kinship words that are part of a longer word: 父親, 母子, 子育て, 妻帯 …
    if is_kin
        && matches!(
            text.at(start),
            Some('親' | '子' | '系' | '方' | '娘' | '国' | '語' | '体' | '校' | '屋' | '帯')
        )
    {
        return;
    }
    let mut strong = false;
    let mut spaced = false;
    // 「本人(姪：山田花子)」 is left to the inner cue; a colon or space makes the cue strong.
    while let Some(c) = text.at(start) {
        match c {
            ':' | '=' => strong = true,
            ' ' => spaced = true,
            '、' | '(' | '「' | '『' | '→' | '・' => {}
            'の' if is_kin && start == at + length => {}
            _ => break,
        }
        start += 1;
        if start - at - length > 3 {
            return;
        }
    }
    let bare = start == at + length;
    // 「相談者 父 架空一郎」「担当：主任 架空」: the inner cue comes on its own turn.
    for list in [&WORDS.kinship, &WORDS.name_labels, &WORDS.roles] {
        if let Some(inner) = list.starts(text, start)
            && (!text.at(start + inner).is_some_and(is_kanji) || inner > 1)
        {
            return;
        }
    }
    let Some(end) = name_end(text, start) else {
        return;
    };
    let found = text.slice(start, end);
    if is_common(found) || WORDS.generic_heads.contains(found) {
        return;
    }
    let marked = strong || spaced;
    let closed = match text.at(end) {
        None => true,
        Some(c) => matches!(
            c,
            '\n' | ' '
                | '('
                | ')'
                | '、'
                | '。'
                | '」'
                | '』'
                | ','
                | '/'
                | '・'
                | ';'
                | '→'
                | ':'
                | '<'
                | '['
                | '【'
                | ']'
        ),
    };
    let age = text
        .tail(end)
        .trim_start()
        .strip_prefix('(')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let school = WORDS.name_details.starts(text, end).is_some();
    let honorific = WORDS.honorifics.starts(text, end).is_some();
    let particle = matches!(
        text.at(end),
        Some('は' | 'が' | 'と' | 'を' | 'に' | 'も' | 'へ' | 'の')
    );
    let name = looks_like_name(text, start, end);
    let has_space = found.contains(' ');
    let accepted = if is_kin {
        (age || school || honorific)
            && (!bare || name || is_kanji(text.chars[start]))
            && (name || end - start <= 3 || has_space)
            || name
                && (closed || particle)
                && text.words.iter().any(|word| {
                    word.start < end
                        && start < word.end
                        && (word.is_name() || !word.known || word.pos[1] == "固有名詞")
                })
            || (marked && closed && name)
    } else {
        (marked && (closed || age || honorific) && (name || (has_space && strong)))
            || (bare
                && closed
                && name
                && is_kanji(text.chars[start])
                && text
                    .words
                    .iter()
                    .any(|word| word.start == start && word.is_name()))
    };
    if accepted {
        push(
            out,
            start,
            end,
            if strong || age { 0.85 } else { 0.7 },
            Source::Rule,
        );
    }
}

/// End of a name that starts at `start`: one run of one script, perhaps a space or ・ and a second.
fn name_end(text: &Text, start: usize) -> Option<usize> {
    let first = text.at(start)?;
    let class: fn(char) -> bool = if is_kanji(first) {
        |c| is_kanji(c) || matches!(c, 'ヶ' | 'ケ' | 'ノ')
    } else if is_katakana(first) {
        |c| is_katakana(c) || c == '・'
    } else if is_hiragana(first) {
        is_hiragana
    } else {
        return None;
    };
    let run = |from: usize, class: fn(char) -> bool| {
        let mut at = from;
        while text.at(at).is_some_and(class) {
            at += 1;
        }
        at
    };
    let mut end = run(start, class);
    if is_hiragana(first) {
        // A whole field in hiragana, or nothing: particles cannot be told from names here.
        let closed = text
            .at(end)
            .is_none_or(|c| matches!(c, '\n' | ' ' | '(' | ')' | '、' | '。' | '」' | ','));
        if !closed {
            return None;
        }
    }
    // Given name in kana after a kanji surname: 「架空よしお」 is left to honorifics; 「架空キク」 is not.
    if is_kanji(first) && text.at(end).is_some_and(is_katakana) && end - start <= 3 {
        end = run(end, is_katakana);
    }
    // Roles and honorifics end the name: 「山田太郎弁護士」「田中様」.
    for at in start + 1..end {
        if WORDS
            .honorifics
            .starts(text, at)
            .is_some_and(|length| honorific_ends(text, at, length))
            || WORDS
                .roles
                .starts(text, at)
                .is_some_and(|length| length > 1)
        {
            end = at;
            break;
        }
    }
    // 「宇佐美同席」: an everyday word behind a known name is no part of it.
    if let Some(last) = text.word_until(end).map(|word| &text.words[word]) {
        let name_before = last.start > start
            && text
                .word_until(last.start)
                .is_some_and(|word| text.words[word].is_name());
        if name_before
            && last.known
            && matches!(last.pos[1].as_str(), "サ変接続" | "副詞可能" | "一般")
            && last.end - last.start >= 2
        {
            end = last.start;
        }
    }
    if matches!(text.at(end), Some(' ' | '・')) && end - start <= 5 {
        let next = text.at(end + 1)?;
        let class: Option<fn(char) -> bool> = if is_kanji(next) {
            Some(is_kanji)
        } else if is_katakana(next) {
            Some(|c| is_katakana(c) || c == '・')
        } else if is_hiragana(next) {
            Some(is_hiragana)
        } else {
            None
        };
        if let Some(class) = class {
            let second = run(end + 1, class);
            let closed = text
                .at(second)
                .is_none_or(|c| !c.is_alphanumeric() || is_kana(c))
                || WORDS.honorifics.starts(text, second).is_some();
            let piece = text.slice(end + 1, second);
            if second - end - 1 <= 5
                && closed
                && !is_common(piece)
                && !WORDS.generic_heads.contains(piece)
                && !WORDS.kinship.contains(piece)
                && looks_like_given(text, end + 1, second)
            {
                end = second;
            }
        }
    }
    (end > start && end - start <= LONGEST).then_some(end)
}

/// The second part of a spaced name: a name, an unknown word, or at most three characters.
fn looks_like_given(text: &Text, start: usize, end: usize) -> bool {
    let words: Vec<_> = text
        .words
        .iter()
        .filter(|word| word.start < end && start < word.end)
        .collect();
    if let [word] = words.as_slice() {
        // 「久保田 内容」: one everyday word of two or more characters.
        if word.known && word.pos[1] != "固有名詞" && word.end - word.start >= 2 {
            return false;
        }
    }
    words
        .iter()
        .any(|word| word.is_name() || !word.known || word.pos[1] == "固有名詞")
        || (end - start <= 3
            && !words
                .iter()
                .any(|word| matches!(word.pos[1].as_str(), "サ変接続" | "副詞可能")))
}

/// 「ビシュヌ・タパ」: katakana parts joined by ・ of which one is no word of the dictionary.
fn foreign(text: &Text, out: &mut Vec<Candidate>) {
    for (at, _) in text.find_all("・") {
        let start = run_start(text, at, |c| is_katakana(c) || c == '・');
        if text.chars[start..at].contains(&'・') {
            continue;
        }
        let mut end = at;
        while text.at(end).is_some_and(|c| is_katakana(c) || c == '・') {
            end += 1;
        }
        let parts: Vec<&str> = text.slice(start, end).split('・').collect();
        let long = parts.iter().all(|part| part.chars().count() >= 2) || parts.len() >= 3;
        let words: Vec<_> = text
            .words
            .iter()
            .filter(|word| word.start < end && start < word.end && word.pos[0] != "記号")
            .collect();
        let strange = words.iter().any(|word| !word.known || word.is_name());
        let joined = text.before(start).is_some_and(is_kanji)
            || text.at(end).is_some_and(is_kanji) && !name_cue_after(text, end);
        if start < at
            && long
            && strange
            && !joined
            && end - start <= 20
            && WORDS.facility_prefixes.ends(text, at).is_none()
            && WORDS.building_words.ends(text, at).is_none()
        {
            push(out, start, end, 0.6, Source::Rule);
        }
    }
}

/// 「妻とも子」「長女みち代」: hiragana with one last kanji of given names, after a cue.
fn mixed_given(text: &Text, out: &mut Vec<Candidate>) {
    for end in 2..=text.len() {
        if !matches!(
            text.chars[end - 1],
            '子' | '美' | '江' | '代' | '恵' | '乃' | '菜' | '奈' | '香' | '佳' | '花' | '枝'
        ) || !is_hiragana(text.chars[end - 2])
        {
            continue;
        }
        for length in 2..=4 {
            let Some(start) = end.checked_sub(length) else {
                break;
            };
            if !text.chars[start..end - 1].iter().all(|&c| is_hiragana(c)) {
                break;
            }
            // 「祖父さんが代わりに」: the honorific of what stands before.
            if WORDS.honorifics.starts(text, start).is_some() {
                continue;
            }
            let cue = WORDS.kinship.ends(text, start).is_some()
                || text.before(start) == Some('の')
                    && WORDS.kinship.ends(text, start - 1).is_some();
            let open = !text.at(end).is_some_and(is_kanji) || name_cue_after(text, end);
            if cue
                && open
                && !(length == 2
                    && matches!(
                        text.chars[start],
                        'が' | 'は' | 'を' | 'に' | 'で' | 'も' | 'の' | 'と' | 'へ' | 'や'
                    ))
            {
                push(out, start, end, 0.6, Source::Rule);
            }
        }
    }
}

/// 「○○と呼ばれ」「○○と名乗る」「友だちの○○っち」
fn called(text: &Text, out: &mut Vec<Candidate>) {
    for cue in WORDS.naming_cues.iter() {
        for (at, _) in text.find_all(cue) {
            let Some(last) = text.before(at) else {
                continue;
            };
            let class: fn(char) -> bool = if is_katakana(last) {
                is_katakana
            } else if is_kanji(last) {
                is_kanji
            } else {
                continue;
            };
            let start = run_start(text, at, class);
            let start = crate::model::skip_cues(text, start, at);
            let found = text.slice(start, at);
            let named = is_katakana(last)
                || text
                    .word_at(start)
                    .is_some_and(|word| word.pos[1] == "固有名詞" || !word.known);
            if (2..=6).contains(&(at - start)) && named && !is_common(found) {
                push(out, start, at, 0.6, Source::Rule);
            }
        }
    }
    // Nicknames are one piece with their ending.
    for ending in WORDS.nickname_endings.iter() {
        for (at, end) in text.find_all(ending) {
            let start = run_start(
                text,
                at,
                if is_katakana(ending.chars().next().unwrap_or('あ')) {
                    is_katakana
                } else {
                    is_hiragana
                },
            );
            let mut from = start;
            while from < at && !name_cue_before(text, from) {
                from += 1;
            }
            if text.at(from) == Some('の') {
                from += 1;
            }
            if (1..=4).contains(&at.saturating_sub(from))
                && name_cue_before(text, from)
                && !matches!(
                    text.slice(from, end),
                    "こっち" | "そっち" | "あっち" | "どっち"
                )
            {
                push(out, from, end, 0.6, Source::Rule);
            }
        }
    }
}

/// A surname and a given name, perhaps with a space between: known to the dictionary as such.
fn full_names(text: &Text, out: &mut Vec<Candidate>) {
    for (index, word) in text.words.iter().enumerate() {
        if !word.is_surname() {
            continue;
        }
        let mut next = index + 1;
        let gap = text.at(word.end) == Some(' ');
        while text
            .words
            .get(next)
            .is_some_and(|other| text.chars[other.start].is_whitespace())
        {
            next += 1;
        }
        let Some(given) = text.words.get(next) else {
            continue;
        };
        let begins = given.start == word.end || (gap && given.start == word.end + 1);
        if begins && given.is_name() && given.pos[3] != "姓" {
            push(out, word.start, given.end, 0.8, Source::Dictionary);
        } else if begins
            && gap
            && given.is_noun()
            && (1..=3).contains(&(given.end - given.start))
            && is_kanji(text.chars[given.start])
        {
            let closed = text.at(given.end).is_none_or(|c| !c.is_alphanumeric())
                || WORDS.honorifics.starts(text, given.end).is_some();
            if closed
                && !is_common(text.slice(given.start, given.end))
                && looks_like_given(text, given.start, given.end)
            {
                push(out, word.start, given.end, 0.7, Source::Dictionary);
            }
        }
    }
}

/// 「山田 花子(やまだ はなこ)」: the reading of the name before the bracket.
fn readings(text: &Text, out: &mut Vec<Candidate>) {
    for at in 1..text.len() {
        if text.chars[at] != '(' || !(is_kanji(text.chars[at - 1]) || is_kana(text.chars[at - 1])) {
            continue;
        }
        let mut end = at + 1;
        while text
            .at(end)
            .is_some_and(|c| is_kana(c) || c == ' ' || c == '・')
        {
            end += 1;
        }
        if !matches!(text.at(end), Some(')' | '、' | ',')) || end - at < 3 {
            continue;
        }
        let inside = text.slice(at + 1, end);
        let spaced = inside.contains(' ');
        let pure = inside.chars().all(|c| is_hiragana(c) || c == ' ')
            || inside.chars().all(|c| is_katakana(c) || c == ' ');
        let name_before = text
            .word_until(at)
            .is_some_and(|word| text.words[word].is_name());
        if pure && (spaced && end - at >= 5 || name_before && end - at >= 4) && !is_common(inside) {
            push(out, at + 1, end, 0.85, Source::Rule);
            if spaced {
                // What the reading reads: the kanji before it.
                let start = run_start(text, at, |c| is_kanji(c) || c == ' ' || is_katakana(c));
                let start = trim_left(text, start, at, |c| c == ' ');
                if at - start <= 8 && at > start && name_before {
                    push(out, start, at, 0.7, Source::Rule);
                }
            }
        }
    }
}
