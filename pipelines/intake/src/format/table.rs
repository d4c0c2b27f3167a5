//! CSV and tab-separated tables with one row per utterance.

use super::{Parsed, clock_time};
use crate::error::{Error, Warning};
use crate::transcript::{Columns, Format, Utterance};

const TEXT: [&str; 14] = [
    "発話内容",
    "発言内容",
    "テキスト",
    "発話",
    "発言",
    "内容",
    "本文",
    "認識結果",
    "文字起こし",
    "text",
    "transcript",
    "content",
    "message",
    "utterance",
];
const SPEAKER: [&str; 9] = [
    "話者名",
    "発言者名",
    "話者",
    "発言者",
    "話し手",
    "氏名",
    "名前",
    "speaker",
    "name",
];
const START: [&str; 7] = [
    "開始時刻",
    "開始時間",
    "開始",
    "時刻",
    "時間",
    "start",
    "time",
];
const END: [&str; 4] = ["終了時刻", "終了時間", "終了", "end"];

fn delimiter(line: &str) -> u8 {
    let count = |c: char| line.matches(c).count();
    if count('\t') > count(',') {
        b'\t'
    } else {
        b','
    }
}

fn header_columns(cells: &[String]) -> Option<Columns> {
    let find = |names: &[&str], taken: &[Option<usize>]| {
        names
            .iter()
            .find_map(|name| {
                cells.iter().position(|cell| {
                    let cell = cell.trim().to_lowercase();
                    cell == *name
                        || (cell.contains(name) && cell.chars().count() <= name.chars().count() + 6)
                })
            })
            .filter(|at| !taken.contains(&Some(*at)))
    };
    let start = find(&START, &[]);
    let end = find(&END, &[start]);
    let speaker = find(&SPEAKER, &[start, end]);
    let text = find(&TEXT, &[start, end, speaker])?;
    (start.is_some() || speaker.is_some()).then_some(Columns {
        speaker,
        start,
        end,
        text,
    })
}

pub(super) fn looks_like(text: &str) -> bool {
    let Some(first) = text
        .trim_start_matches('\u{feff}')
        .lines()
        .find(|line| !line.trim().is_empty())
    else {
        return false;
    };
    let cells: Vec<String> = first
        .split(char::from(delimiter(first)))
        .map(|c| c.trim_matches('"').to_owned())
        .collect();
    cells.len() >= 2 && header_columns(&cells).is_some()
}

pub(super) fn parse(
    text: &str,
    columns: Option<Columns>,
    warnings: &mut Vec<Warning>,
) -> Result<Parsed, Error> {
    let text = text.trim_start_matches('\u{feff}');
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(first))
        .from_reader(text.as_bytes());
    let mut records = reader
        .records()
        .filter_map(Result::ok)
        .filter(|r| r.iter().any(|c| !c.trim().is_empty()))
        .peekable();
    let header: Vec<String> = records
        .peek()
        .map(|r| r.iter().map(str::to_owned).collect())
        .unwrap_or_default();
    let named = header_columns(&header);
    let columns = match (columns, named) {
        (Some(given), _) => given,
        (None, Some(found)) => found,
        (None, None) => guessed(&header).ok_or(Error::Columns(header.len()))?,
    };
    if named.is_some() {
        records.next();
    }
    let mut utterances = Vec::new();
    for record in records {
        let cell = |at: Option<usize>| {
            at.and_then(|at| record.get(at))
                .map(str::trim)
                .filter(|c| !c.is_empty())
        };
        let line = record
            .position()
            .map_or(0, |p| usize::try_from(p.line()).unwrap_or(0));
        let Some(text) = cell(Some(columns.text)) else {
            warnings.push(Warning::line(
                "empty_row",
                line,
                "発言のない行を飛ばしました",
            ));
            continue;
        };
        let time =
            |at: Option<usize>| cell(at).and_then(|c| clock_time(c).or_else(|| c.parse().ok()));
        if cell(columns.start).is_some() && time(columns.start).is_none() {
            warnings.push(Warning::line("bad_time", line, "時刻を読めません"));
        }
        utterances.push(Utterance {
            speaker: cell(columns.speaker).map(str::to_owned),
            start: time(columns.start),
            end: time(columns.end),
            text: text.to_owned(),
        });
    }
    Ok((Format::Csv, utterances))
}

/// Without a header: times are recognised, the last column holds the words, the one before it that
/// is no time the speaker.
fn guessed(cells: &[String]) -> Option<Columns> {
    if cells.len() < 2 {
        return None;
    }
    let times: Vec<usize> = cells
        .iter()
        .enumerate()
        .filter(|(_, c)| clock_time(c).is_some())
        .map(|(at, _)| at)
        .collect();
    let text = cells.len() - 1;
    let speaker = (0..text).rev().find(|at| !times.contains(at));
    (!times.contains(&text)).then_some(Columns {
        speaker,
        start: times.first().copied(),
        end: times.get(1).copied(),
        text,
    })
}
