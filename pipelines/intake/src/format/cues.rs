//! WebVTT (Zoom, Teams and others) and SubRip. A broken cue costs itself, not the file.

use std::collections::BTreeMap;

use super::{Parsed, clock_time};
use crate::error::Warning;
use crate::transcript::{Format, Utterance};

struct Cue {
    id: String,
    start: Option<f64>,
    end: Option<f64>,
    text: String,
    speaker: Option<String>,
}

/// `None` when there is not a single cue.
pub(super) fn parse(text: &str, warnings: &mut Vec<Warning>) -> Option<Parsed> {
    let is_vtt = text
        .trim_start_matches(['\u{feff}', '\r', '\n', ' '])
        .starts_with("WEBVTT");
    let lines: Vec<&str> = text
        .split('\n')
        .map(|line| line.trim_end_matches('\r'))
        .collect();
    let mut cues: Vec<Cue> = Vec::new();
    let mut seen_timing = false;
    let mut comma = false;
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim();
        if is_vtt && (line.starts_with("NOTE") || line == "STYLE" || line == "REGION") {
            while at < lines.len() && !lines[at].trim().is_empty() {
                at += 1;
            }
            continue;
        }
        let Some((left, right)) = line.split_once("-->") else {
            at += 1;
            continue;
        };
        seen_timing = true;
        comma |= left.contains(',');
        let timing = at + 1;
        let start = clock_time(left);
        let end = right.split_whitespace().next().and_then(clock_time);
        if start.is_none() || end.is_none() {
            warnings.push(Warning::line(
                "bad_time",
                timing,
                "時刻を読めません。発言だけを取り込みました",
            ));
        }
        let id = if at > 0 {
            lines[at - 1].trim().to_owned()
        } else {
            String::new()
        };
        at += 1;
        let mut words: Vec<&str> = Vec::new();
        while at < lines.len() && !lines[at].trim().is_empty() {
            // A missing blank line: the next cue's number and times follow at once.
            if lines[at].contains("-->") {
                if words
                    .last()
                    .is_some_and(|w| w.trim().chars().all(|c| c.is_ascii_digit()))
                {
                    words.pop();
                }
                break;
            }
            words.push(lines[at].trim());
            at += 1;
        }
        if words.is_empty() {
            let message = if at >= lines.len() {
                "ファイルが途中で切れています。最後の発言がありません"
            } else {
                "発言のない字幕を飛ばしました"
            };
            warnings.push(Warning::line(
                if at >= lines.len() {
                    "truncated"
                } else {
                    "empty_cue"
                },
                timing,
                message,
            ));
            continue;
        }
        let mut joined = String::new();
        for word in words {
            if joined.ends_with(|c: char| c.is_ascii_alphanumeric())
                && word.starts_with(|c: char| c.is_ascii_alphanumeric())
            {
                joined.push(' ');
            }
            joined.push_str(word);
        }
        let (speaker, text) = voice(&joined);
        if text.contains('<') && !text.contains('>') {
            warnings.push(Warning::line(
                "truncated",
                at,
                "ファイルが途中で切れています",
            ));
        }
        cues.push(Cue {
            id,
            start,
            end,
            text: entities(&text),
            speaker: speaker.map(|s| entities(&s)),
        });
    }
    if cues.is_empty() {
        return if seen_timing {
            Some((if is_vtt { Format::Vtt } else { Format::Srt }, vec![]))
        } else {
            None
        };
    }
    let voiced = cues.iter().any(|cue| cue.speaker.is_some());
    if !voiced {
        prefixes(&mut cues);
    }
    let named = cues.iter().any(|cue| cue.speaker.is_some());
    let format = match (is_vtt, voiced, named) {
        (true, true, _) => Format::TeamsVtt,
        (true, false, true) => Format::ZoomVtt,
        (true, false, false) => Format::Vtt,
        (false, ..) if comma => Format::Srt,
        (false, ..) => Format::Vtt,
    };
    let mut utterances: Vec<Utterance> = Vec::new();
    let mut last_group: Option<String> = None;
    for cue in cues {
        let group = group(&cue.id);
        match utterances.last_mut() {
            Some(last) if group.is_some() && group == last_group && last.speaker == cue.speaker => {
                last.text.push_str(&cue.text);
                last.end = cue.end.or(last.end);
            }
            _ => utterances.push(Utterance {
                speaker: cue.speaker,
                start: cue.start,
                end: cue.end,
                text: cue.text,
            }),
        }
        last_group = group;
    }
    Some((format, utterances))
}

/// Teams cuts one utterance into cues `GUID/12-0`, `GUID/12-1`.
fn group(id: &str) -> Option<String> {
    let (head, part) = id.rsplit_once('-')?;
    let (guid, number) = head.rsplit_once('/')?;
    let digits = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_digit());
    (guid.len() >= 32 && digits(part) && digits(number)).then(|| head.to_owned())
}

/// Takes `<v Name>` apart and drops VTT's other inline tags (`<c>`, `<00:00:01.000>`, `<i>`).
fn voice(text: &str) -> (Option<String>, String) {
    let mut speaker = None;
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        let Some(close) = rest[open..].find('>') else {
            // Cut inside a tag at the end of the file.
            let tail = &rest[open..];
            if !tail[1..].starts_with(|c: char| c == '/' || c.is_ascii_alphabetic()) {
                out.push_str(tail);
            }
            rest = "";
            break;
        };
        let tag = &rest[open + 1..open + close];
        let inline = |t: &str| {
            let name = t
                .trim_start_matches('/')
                .split(['.', ' ', '\t'])
                .next()
                .unwrap_or_default();
            matches!(name, "v" | "c" | "b" | "i" | "u" | "ruby" | "rt" | "lang")
                || t.starts_with(|c: char| c.is_ascii_digit())
        };
        if let Some(name) = tag.strip_prefix("v ").or_else(|| {
            tag.strip_prefix("v.")
                .and_then(|t| t.split_once(' ').map(|p| p.1))
        }) {
            speaker.get_or_insert_with(|| name.trim().to_owned());
        } else if !inline(tag) {
            out.push_str(&rest[open..=open + close]);
        }
        rest = &rest[open + close + 1..];
    }
    out.push_str(rest);
    (speaker, out)
}

fn entities(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&nbsp;", " ")
        .replace("&lrm;", "")
        .replace("&rlm;", "")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

/// `名前: 発話`. Names may hold a colon themselves, times and ratios too: a colon followed by a
/// space decides; a full-width one only where the same label comes again.
fn prefixes(cues: &mut [Cue]) {
    let mut often: BTreeMap<String, usize> = BTreeMap::new();
    for cue in cues.iter() {
        for (label, _) in candidates(&cue.text) {
            *often.entry(label.to_owned()).or_default() += 1;
        }
    }
    for cue in cues.iter_mut() {
        let found = {
            let all = candidates(&cue.text);
            let sure = all.iter().find(|(label, rest)| {
                rest.starts_with(' ')
                    && label
                        .chars()
                        .all(|c| !c.is_ascii_digit() || label.chars().count() > 2)
            });
            let repeated = all
                .iter()
                .find(|(label, _)| often.get(*label).copied().unwrap_or(0) >= 2);
            sure.or(repeated)
                .map(|(label, rest)| ((*label).trim().to_owned(), rest.trim_start().to_owned()))
        };
        if let Some((label, rest)) = found
            && !rest.is_empty()
        {
            cue.speaker = Some(label);
            cue.text = rest;
        }
    }
}

fn candidates(text: &str) -> Vec<(&str, &str)> {
    text.char_indices()
        .take(40)
        .take_while(|(_, c)| !matches!(c, '。' | '、' | '？' | '！' | '?' | '!' | '「'))
        .filter(|(at, c)| matches!(c, ':' | '：') && *at > 0)
        .map(|(at, c)| (&text[..at], &text[at + c.len_utf8()..]))
        .filter(|(label, _)| {
            !label.trim().is_empty() && !label.ends_with(|c: char| c.is_ascii_digit())
                || label.chars().any(|c| !c.is_ascii_digit() && c != ':')
        })
        .collect()
}
