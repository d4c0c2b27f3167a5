//! Addresses: municipalities and towns, numbered blocks, buildings and rooms, stations and parks.

use crate::patterns::PATTERNS;
use crate::text::{Text, is_hiragana, is_kanji, is_katakana};
use crate::words::WORDS;
use crate::{Candidate, Label, Source};

pub(crate) fn find(text: &Text) -> Vec<Candidate> {
    let mut out = Vec::new();
    blocks(text, &mut out);
    rooms(text, &mut out);
    buildings(text, &mut out);
    municipalities(text, &mut out);
    landmarks(text, &mut out);
    out
}

/// What is said of a place found before: 「○○町の会社寮」「○○の集落」「○○川の河川敷」.
pub(crate) fn extended(text: &Text, candidate: &mut Candidate) {
    if candidate.label != Label::Address {
        return;
    }
    // 「7」「階」, 「紀の川」「駅」: the unit right behind it.
    if text
        .before(candidate.end)
        .is_some_and(|c| c.is_ascii_digit())
    {
        if let Some(length) = WORDS.floor_words.starts(text, candidate.end) {
            candidate.end += length;
        }
    } else if candidate.source == Source::Model
        && let Some(length) = WORDS.place_units.starts(text, candidate.end)
    {
        candidate.end += length;
    }
    // 「○○町1234」: a lot number right behind the place.
    let mut end = candidate.end;
    while end - candidate.end < 12
        && text.at(end).is_some_and(|c| {
            c.is_ascii_digit() || (matches!(c, '-' | '‐' | '−' | '–') && end > candidate.end)
        })
    {
        end += 1;
    }
    let unit = matches!(
        text.at(end),
        Some(
            '年' | '月'
                | '日'
                | '時'
                | '分'
                | '円'
                | '人'
                | '名'
                | '歳'
                | '件'
                | '回'
                | '度'
                | '点'
                | '/'
                | ':'
                | '.'
                | '%'
        )
    );
    if end > candidate.end && !unit {
        while matches!(text.at(end), Some('番' | '地' | '号' | '室')) {
            end += 1;
        }
        candidate.end = end;
    }
    if text.at(candidate.end) != Some('の') {
        return;
    }
    if let Some(length) = WORDS.lodgings.starts(text, candidate.end + 1) {
        let end = candidate.end + 1 + length;
        let room = PATTERNS
            .room_after
            .find(text.tail(end))
            .map_or("", |found| found.as_str());
        candidate.end = if room.chars().any(|c| c.is_ascii_digit()) {
            end + room.chars().count()
        } else {
            end
        };
    }
}

/// 「青森の浪岡」: two places joined by の are one description of where somebody is.
pub(crate) fn join(text: &Text, kept: &mut [Candidate]) {
    for index in 1..kept.len() {
        let (left, right) = kept.split_at_mut(index);
        let (Some(left), Some(right)) = (left.last_mut(), right.first()) else {
            continue;
        };
        if left.label == Label::Address
            && right.label == Label::Address
            && left.end + 1 == right.start
            && text.at(left.end) == Some('の')
        {
            left.end = right.start;
        }
    }
}

fn push(out: &mut Vec<Candidate>, start: usize, end: usize, score: f32, source: Source) {
    out.push(Candidate::new(start, end, Label::Address, score, source));
}

fn blocks(text: &Text, out: &mut Vec<Candidate>) {
    for found in PATTERNS.block.find_iter(&text.string) {
        let (start, mut end) = (text.index_at(found.start()), text.index_at(found.end()));
        let left = address_start(text, start);
        if left == start {
            continue;
        }
        let named = text.slice(left, start);
        let plain = !found.as_str().contains(['丁', '番', '条']);
        // 「2-3」 after anything but a place is a score, a date or a range.
        let place = text.words.iter().any(|word| {
            word.start < start && left < word.end && (word.is_place() || word.pos[2] == "地域")
        }) || named.ends_with([
            '町', '村', '市', '区', '郷', '里', '台', '丘', '原', '野', '浜', '島', '川', '山',
            '田', '谷', '沢', '津', '崎', 'ヶ',
        ]);
        if plain && !place {
            continue;
        }
        if let Some(building) = PATTERNS.building.find(text.tail(end)) {
            end = text.index_at(text.byte(end) + building.end());
        } else if let Some(length) = named_building(text, end) {
            end += length;
        }
        while end > start && matches!(text.chars[end - 1], 'の' | '-' | 'ー' | '−') {
            end -= 1;
        }
        push(out, left, end, 0.9, Source::Rule);
    }
}

/// 「 グリーンハイツ」 right after a block, without a room.
fn named_building(text: &Text, end: usize) -> Option<usize> {
    let start = if text.at(end) == Some(' ') {
        end + 1
    } else {
        end
    };
    let mut at = start;
    while text
        .at(at)
        .is_some_and(|c| is_kanji(c) || is_katakana(c) || c == '・' || c.is_ascii_alphabetic())
    {
        at += 1;
    }
    let name = text.slice(start, at);
    (at > start
        && at - start <= 14
        && WORDS
            .building_words
            .iter()
            .any(|word| name.starts_with(word) || name.ends_with(word)))
    .then_some(at - end)
}

/// Where the place name before a numbered block begins.
fn address_start(text: &Text, block: usize) -> usize {
    let mut start = block;
    let mut words = 0;
    while start > 0 && words < 14 {
        // One space is allowed between prefecture, city and town.
        let mut end = start;
        if text.before(end) == Some(' ') && words > 0 && end >= 2 && is_place_end(text, end - 1) {
            end -= 1;
        }
        let Some(index) = text.word_until(end) else {
            break;
        };
        let word = &text.words[index];
        let surface = text.slice(word.start, word.end);
        let c = text.chars[word.start];
        if WORDS.not_in_addresses.contains(surface) {
            break;
        }
        let acceptable = match word.pos[0].as_str() {
            "名詞" => {
                !matches!(word.pos[1].as_str(), "代名詞" | "副詞可能" | "非自立")
                    && (word.pos[1] != "数" || words > 0 && is_kanji(c))
            }
            "接頭詞" => word.pos[1] == "名詞接続",
            "記号" => false,
            // ヶ, の inside a name (「御茶ノ水」「一の宮」)
            "助詞" => {
                words > 0
                    && matches!(surface, "の" | "ノ" | "が" | "ケ")
                    && is_place_inside(text, word.start)
            }
            _ => !word.known,
        };
        if !acceptable || !(is_kanji(c) || is_katakana(c) || is_hiragana(c)) {
            break;
        }
        if c.is_ascii_digit() && words == 0 {
            break;
        }
        start = word.start;
        words += 1;
        // Nothing stands before a prefecture.
        if WORDS.prefectures.contains(surface)
            || WORDS
                .prefectures
                .iter()
                .any(|prefecture| text.slice(start, block).starts_with(prefecture))
        {
            break;
        }
    }
    // Words in front that are no place: 「本人 住所東京都…」.
    for label in &WORDS.address_labels {
        if text.slice(start, block).starts_with(label) {
            start += label.chars().count();
        }
    }
    start
}

fn is_place_end(text: &Text, end: usize) -> bool {
    text.word_until(end)
        .is_some_and(|word| text.words[word].is_place() || text.words[word].pos[2] == "地域")
        || matches!(
            text.before(end),
            Some('市' | '区' | '町' | '村' | '県' | '府' | '都' | '郡')
        )
}

fn is_place_inside(text: &Text, at: usize) -> bool {
    text.word_until(at)
        .is_some_and(|word| text.words[word].is_place())
}

fn rooms(text: &Text, out: &mut Vec<Candidate>) {
    for found in PATTERNS.room.find_iter(&text.string) {
        let (start, end) = (text.index_at(found.start()), text.index_at(found.end()));
        if text
            .before(start)
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '第')
        {
            continue;
        }
        push(out, start, end, 0.75, Source::Rule);
    }
}

/// 「コーポ青葉 103」「青葉ハイツ」「県営青葉団地3棟」
fn buildings(text: &Text, out: &mut Vec<Candidate>) {
    for word in WORDS
        .building_words
        .iter()
        .filter(|word| !WORDS.weak_building_words.contains(word))
    {
        for (at, end) in text.find_all(word) {
            let mut start = at;
            while start > 0
                && at - start < 10
                && name_char(text, start - 1, text.chars[at.min(text.len() - 1)])
            {
                start -= 1;
            }
            let mut start = word_floor(text, start, at);
            for generic in WORDS.generic_buildings.iter() {
                if text.slice(start, at).starts_with(generic) {
                    // 「市営○○団地」 has a name after the kind; 「市営住宅」 has none.
                    if text.slice(start, at) == generic {
                        start = at;
                    }
                    break;
                }
            }
            let mut tail = end;
            while tail - end < 10
                && text.at(tail).is_some_and(|c| is_kanji(c) || is_katakana(c))
                && !matches!(word, "荘" | "団地" | "住宅")
            {
                tail += 1;
            }
            let tail = word_ceiling(text, tail, end);
            let room = PATTERNS
                .room_after
                .find(text.tail(tail))
                .map_or(0, |found| found.as_str().chars().count());
            let room_text = text.slice(tail, tail + room);
            let has_room =
                room_text.chars().any(|c| c.is_ascii_digit()) && !room_text.ends_with('階');
            let named = start < at && at - start >= 2 || tail > end;
            if named
                && (matches!(word, "荘" | "住宅") && !has_room)
                && !text.words.iter().any(|w| {
                    w.start >= start && w.end <= at && (w.pos[1] == "固有名詞" || !w.known)
                })
            {
                continue;
            }
            if named
                || has_room
                    && start == at
                    && tail == end
                    && !matches!(word, "住宅" | "アパート" | "マンション" | "団地")
            {
                let end = if has_room { tail + room } else { tail };
                push(out, start, end, 0.7, Source::Rule);
            }
        }
    }
}

fn name_char(text: &Text, at: usize, _next: char) -> bool {
    let c = text.chars[at];
    (is_kanji(c) || is_katakana(c) || c == '・')
        && text
            .word_at(at)
            .is_none_or(|word| word.is_noun() || word.pos[0] == "接頭詞")
}

/// Moves `start` right to the start of a word.
fn word_floor(text: &Text, mut start: usize, limit: usize) -> usize {
    while start < limit && !text.is_boundary(start) {
        start += 1;
    }
    start
}

fn word_ceiling(text: &Text, mut end: usize, limit: usize) -> usize {
    while end > limit && !text.is_boundary(end) {
        end -= 1;
    }
    end
}

/// Place names that the dictionary knows, with what they are made of: 長野 + 市, 函館, 草津.
fn municipalities(text: &Text, out: &mut Vec<Candidate>) {
    let mut index = 0;
    while index < text.words.len() {
        let word = &text.words[index];
        if !word.is_place() {
            index += 1;
            continue;
        }
        let start = word.start;
        let mut end = word.end;
        let mut next = index + 1;
        let mut unit = false;
        while let Some(other) = text.words.get(next) {
            let surface = text.slice(other.start, other.end);
            if other.start != end {
                break;
            }
            let suffix = other.pos[1] == "接尾" && other.pos[2] == "地域"
                || matches!(
                    surface,
                    "市" | "区" | "町" | "村" | "郡" | "県" | "府" | "都"
                );
            if suffix
                || other.is_place()
                || (unit
                    && other.is_noun()
                    && is_kanji(text.chars[other.start])
                    && matches!(
                        text.before(other.end),
                        Some('町' | '村' | '区' | '市' | '台' | '丘')
                    ))
            {
                unit |= suffix
                    || matches!(
                        text.before(other.end),
                        Some('町' | '村' | '区' | '市' | '県')
                    );
                end = other.end;
                next += 1;
            } else {
                break;
            }
        }
        index = next;
        unit |= matches!(
            text.before(end),
            Some('町' | '村' | '区' | '市' | '県' | '府' | '都')
        );
        let after = text.at(end);
        // Part of a longer name: a surname with an honorific, a company, a school.
        if crate::words::name_cue_after(text, end) {
            continue;
        }
        let attached = after.is_some_and(|c| is_kanji(c) || is_katakana(c));
        let joined_left = text
            .before(start)
            .is_some_and(|c| is_kanji(c) || is_katakana(c))
            && !text
                .word_until(start)
                .is_some_and(|word| text.words[word].is_place());
        if WORDS.not_places.contains(text.slice(start, end)) {
            continue;
        }
        if end - start < 2 || (attached && !unit) || joined_left && !unit {
            continue;
        }
        if attached
            && unit
            && text
                .word_from(end)
                .is_some_and(|word| matches!(text.words[word].pos[1].as_str(), "サ変接続"))
        {
            continue;
        }
        push(
            out,
            start,
            end,
            if unit { 0.65 } else { 0.55 },
            Source::Dictionary,
        );
    }
}

/// 「青葉駅」「青葉公園」: where somebody lives or is.
fn landmarks(text: &Text, out: &mut Vec<Candidate>) {
    for kind in WORDS.landmarks.iter() {
        for (at, end) in text.find_all(kind) {
            let Some(index) = text.word_until(at) else {
                // The dictionary may know 「○○駅」 as one word.
                if let Some(word) = text
                    .word_at(at)
                    .filter(|word| word.end == end && word.start < at && word.pos[1] == "固有名詞")
                {
                    push(out, word.start, end, 0.7, Source::Dictionary);
                }
                continue;
            };
            let mut start = at;
            let mut proper = false;
            let mut index = Some(index);
            while let Some(current) = index {
                let word = &text.words[current];
                let surface = text.slice(word.start, word.end);
                let c = text.chars[word.start];
                if !(word.pos[0] == "名詞" || !word.known || word.pos[0] == "接頭詞")
                    || !(is_kanji(c) || is_katakana(c) || is_hiragana(c))
                    || at - word.start > 8
                    || matches!(
                        word.pos[1].as_str(),
                        "非自立" | "代名詞" | "数" | "副詞可能" | "サ変接続"
                    )
                    || WORDS.not_in_landmarks.contains(surface)
                {
                    break;
                }
                proper |= word.pos[1] == "固有名詞" || !word.known;
                start = word.start;
                index = text.word_until(start);
            }
            let strong = matches!(kind, "駅") && start < at || proper;
            if start < at && strong {
                push(out, start, end, 0.6, Source::Dictionary);
            }
        }
    }
}
