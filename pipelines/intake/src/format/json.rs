//! JSON of the speech recognisers.

use serde_json::Value;

use super::{Parsed, clock_time, millis};
use crate::error::{Error, Warning};
use crate::transcript::{Format, Utterance};

pub(super) fn parse(text: &str, warnings: &mut Vec<Warning>) -> Result<Parsed, Error> {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let repaired = repair(text).and_then(|mended| serde_json::from_str(&mended).ok());
            let Some(value) = repaired else {
                return Err(Error::Json {
                    line: error.line(),
                    column: error.column(),
                });
            };
            warnings.push(Warning::line(
                "truncated",
                error.line(),
                "JSONが途中で切れています。読めたところまで取り込みました",
            ));
            value
        }
    };
    let readers: [fn(&Value) -> Option<Parsed>; 6] =
        [amivoice, azure, aws, watson, google, whisper];
    readers
        .iter()
        .find_map(|read| read(&value))
        .ok_or(Error::UnknownJson)
}

/// Cuts a truncated file after its last complete object and closes what is open.
fn repair(text: &str) -> Option<String> {
    let mut open: Vec<char> = Vec::new();
    let mut in_text = false;
    let mut escaped = false;
    let mut good: Option<(usize, Vec<char>)> = None;
    for (at, c) in text.char_indices() {
        if in_text {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match c {
            '"' => in_text = true,
            '{' => open.push('}'),
            '[' => open.push(']'),
            '}' | ']' => {
                if open.pop() != Some(c) {
                    return None;
                }
                if c == '}' && open.last() == Some(&']') {
                    good = Some((at + 1, open.clone()));
                }
            }
            _ => {}
        }
    }
    let (end, open) = good?;
    let mut mended = text[..end].to_owned();
    mended.extend(open.iter().rev());
    Some(mended)
}

fn label(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Seconds out of 1.2, "1.2", "1.200s" or "0:01.2".
fn seconds(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => {
            let text = text.trim();
            text.strip_suffix('s')
                .unwrap_or(text)
                .parse()
                .ok()
                .or_else(|| clock_time(text))
        }
        Value::Object(parts) => {
            let whole = seconds(parts.get("seconds")).unwrap_or(0.0);
            Some(whole + parts.get("nanos").and_then(Value::as_f64).unwrap_or(0.0) / 1e9)
        }
        _ => None,
    }
    .map(millis)
}

fn text_of<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// Words with speaker and times → runs of one speaker.
#[derive(Default)]
struct Runs(Vec<Utterance>);

impl Runs {
    fn add(
        &mut self,
        speaker: Option<String>,
        start: Option<f64>,
        end: Option<f64>,
        word: &str,
        fresh: bool,
    ) {
        match self.0.last_mut() {
            Some(last) if !fresh && last.speaker == speaker => {
                if last.text.ends_with(|c: char| c.is_ascii_alphanumeric())
                    && word.starts_with(|c: char| c.is_ascii_alphanumeric())
                {
                    last.text.push(' ');
                }
                last.text.push_str(word);
                last.end = end.or(last.end);
                last.start = last.start.or(start);
            }
            _ => self.0.push(Utterance {
                speaker,
                start,
                end,
                text: word.to_owned(),
            }),
        }
    }
}

fn whisper(value: &Value) -> Option<Parsed> {
    let segments = value
        .get("segments")
        .or_else(|| value.is_array().then_some(value))?
        .as_array()?;
    if !segments.iter().any(|s| text_of(s, "text").is_some()) {
        return None;
    }
    let mut speakers = false;
    let utterances = segments
        .iter()
        .filter_map(|segment| {
            let text = text_of(segment, "text")?;
            let speaker = label(segment.get("speaker"));
            speakers |= speaker.is_some() || segment.get("words").is_some();
            Some(Utterance {
                speaker,
                start: seconds(segment.get("start")),
                end: seconds(segment.get("end")),
                text: text.trim().to_owned(),
            })
        })
        .collect();
    Some((
        if speakers {
            Format::WhisperxJson
        } else {
            Format::WhisperJson
        },
        utterances,
    ))
}

fn google(value: &Value) -> Option<Parsed> {
    let root = value.get("response").unwrap_or(value);
    let results = root.get("results")?.as_array()?;
    let best = |result: &Value| result.get("alternatives").and_then(|a| a.get(0)).cloned();
    let words_of = |alternative: &Value| {
        alternative
            .get("words")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let tag = |word: &Value| {
        label(word.get("speakerTag").or_else(|| word.get("speakerLabel"))).filter(|t| t != "0")
    };
    // Diarisation comes again, complete, in the last result.
    let last = best(results.last()?)?;
    let last_words = words_of(&last);
    let mut runs = Runs::default();
    if last_words.iter().any(|w| tag(w).is_some()) {
        for word in &last_words {
            let written = text_of(word, "word").unwrap_or_default();
            let written = written.split('|').next().unwrap_or_default();
            let (start, end) = (
                seconds(word.get("startTime").or_else(|| word.get("startOffset"))),
                seconds(word.get("endTime").or_else(|| word.get("endOffset"))),
            );
            runs.add(tag(word), start, end, written, false);
        }
        return Some((Format::GoogleJson, runs.0));
    }
    let mut before = None;
    for result in results {
        let Some(alternative) = best(result) else {
            continue;
        };
        let words = words_of(&alternative);
        let end = words
            .last()
            .and_then(|w| seconds(w.get("endTime")))
            .or_else(|| seconds(result.get("resultEndTime")));
        let start = words
            .first()
            .and_then(|w| seconds(w.get("startTime")))
            .or(before);
        before = end;
        if let Some(text) = text_of(&alternative, "transcript") {
            runs.add(None, start, end, text.trim(), true);
        }
    }
    (!runs.0.is_empty()).then_some((Format::GoogleJson, runs.0))
}

fn azure(value: &Value) -> Option<Parsed> {
    let phrases = value
        .get("recognizedPhrases")
        .or_else(|| value.get("phrases"))?
        .as_array()?;
    let ticks = |value: Option<&Value>| value.and_then(Value::as_f64).map(|t| millis(t / 1e7));
    let mut utterances: Vec<Utterance> = phrases
        .iter()
        .filter_map(|phrase| {
            let text = phrase
                .get("nBest")
                .and_then(|n| n.get(0))
                .and_then(|n| text_of(n, "display"))
                .or_else(|| text_of(phrase, "text"))?;
            let start = ticks(phrase.get("offsetInTicks"))
                .or_else(|| {
                    phrase
                        .get("offsetMilliseconds")
                        .and_then(Value::as_f64)
                        .map(|ms| millis(ms / 1000.0))
                })
                .or_else(|| text_of(phrase, "offset").and_then(iso_duration));
            let length = ticks(phrase.get("durationInTicks"))
                .or_else(|| {
                    phrase
                        .get("durationMilliseconds")
                        .and_then(Value::as_f64)
                        .map(|ms| millis(ms / 1000.0))
                })
                .or_else(|| text_of(phrase, "duration").and_then(iso_duration));
            Some(Utterance {
                speaker: label(phrase.get("speaker")),
                start,
                end: start.zip(length).map(|(s, l)| millis(s + l)),
                text: text.trim().to_owned(),
            })
        })
        .collect();
    // Two channels come one after the other.
    utterances.sort_by(|a, b| {
        a.start
            .partial_cmp(&b.start)
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    Some((Format::AzureJson, utterances))
}

/// `PT1H2M3.4S`.
fn iso_duration(text: &str) -> Option<f64> {
    let mut rest = text.strip_prefix("PT")?;
    let mut seconds = 0.0;
    while let Some(at) = rest.find(['H', 'M', 'S']) {
        let value: f64 = rest[..at].parse().ok()?;
        seconds += value
            * match &rest[at..=at] {
                "H" => 3600.0,
                "M" => 60.0,
                _ => 1.0,
            };
        rest = &rest[at + 1..];
    }
    rest.is_empty().then(|| millis(seconds))
}

fn aws(value: &Value) -> Option<Parsed> {
    let results = value.get("results")?;
    let items = results.get("items")?.as_array()?;
    let segments = results.get("audio_segments").and_then(Value::as_array);
    if let Some(segments) =
        segments.filter(|s| s.iter().any(|s| text_of(s, "transcript").is_some()))
    {
        let utterances = segments
            .iter()
            .filter_map(|s| {
                Some(Utterance {
                    speaker: label(s.get("speaker_label")),
                    start: seconds(s.get("start_time")),
                    end: seconds(s.get("end_time")),
                    text: text_of(s, "transcript")?.trim().to_owned(),
                })
            })
            .collect();
        return Some((Format::AwsJson, utterances));
    }
    // Who speaks when: the segments, and the items inside them.
    let turns: Vec<(f64, f64, Option<String>)> = results
        .get("speaker_labels")
        .and_then(|l| l.get("segments"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|s| {
            Some((
                seconds(s.get("start_time"))?,
                seconds(s.get("end_time"))?,
                label(s.get("speaker_label")),
            ))
        })
        .collect();
    let mut runs = Runs::default();
    let mut turn_now: Option<usize> = None;
    for item in items {
        let Some(word) = item
            .get("alternatives")
            .and_then(|a| a.get(0))
            .and_then(|a| text_of(a, "content"))
        else {
            continue;
        };
        let start = seconds(item.get("start_time"));
        let end = seconds(item.get("end_time"));
        let turn = match start {
            Some(t) => turns
                .iter()
                .position(|(a, b, _)| t >= a - 0.005 && t < b + 0.005)
                .or(turn_now),
            None => turn_now,
        };
        let speaker =
            label(item.get("speaker_label")).or_else(|| turn.and_then(|t| turns[t].2.clone()));
        let fresh = runs.0.is_empty() || (turn != turn_now && start.is_some());
        let speaker = if start.is_none() {
            runs.0.last().map_or(speaker, |last| last.speaker.clone())
        } else {
            speaker
        };
        runs.add(speaker, start, end, word, fresh && start.is_some());
        turn_now = turn;
    }
    if runs.0.is_empty() || turns.is_empty() {
        let whole = results
            .get("transcripts")
            .and_then(|t| t.get(0))
            .and_then(|t| text_of(t, "transcript"));
        if let Some(text) =
            whole.filter(|_| turns.is_empty() && runs.0.iter().all(|r| r.speaker.is_none()))
        {
            return Some((
                Format::AwsJson,
                vec![Utterance {
                    speaker: None,
                    start: None,
                    end: None,
                    text: text.to_owned(),
                }],
            ));
        }
    }
    Some((Format::AwsJson, runs.0))
}

fn watson(value: &Value) -> Option<Parsed> {
    let results = value.get("results")?.as_array()?;
    let is_watson = value.get("speaker_labels").is_some()
        || results.iter().any(|r| {
            r.get("alternatives")
                .and_then(|a| a.get(0))
                .is_some_and(|a| a.get("timestamps").is_some())
        });
    if !is_watson {
        return None;
    }
    let labels: Vec<(f64, String)> = value
        .get("speaker_labels")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|l| Some((seconds(l.get("from"))?, label(l.get("speaker"))?)))
        .collect();
    let mut runs = Runs::default();
    for result in results {
        let Some(alternative) = result.get("alternatives").and_then(|a| a.get(0)) else {
            continue;
        };
        let stamps = alternative
            .get("timestamps")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        if stamps.is_empty() {
            if let Some(text) = text_of(alternative, "transcript") {
                runs.add(None, None, None, text.trim(), true);
            }
            continue;
        }
        for (at, stamp) in stamps.iter().enumerate() {
            let (start, end) = (seconds(stamp.get(1)), seconds(stamp.get(2)));
            let speaker = start.and_then(|s| {
                labels
                    .iter()
                    .find(|(from, _)| (from - s).abs() < 0.02)
                    .map(|l| l.1.clone())
            });
            runs.add(
                speaker,
                start,
                end,
                stamp.get(0).and_then(Value::as_str).unwrap_or_default(),
                at == 0,
            );
        }
    }
    Some((Format::WatsonJson, runs.0))
}

fn amivoice(value: &Value) -> Option<Parsed> {
    let segments: Vec<Value> = match value.get("segments").and_then(Value::as_array) {
        Some(segments) if segments.iter().any(|s| s.get("results").is_some()) => segments.clone(),
        None if value
            .get("results")
            .and_then(|r| r.get(0))
            .is_some_and(|r| r.get("tokens").is_some()) =>
        {
            vec![value.clone()]
        }
        _ => return None,
    };
    let ms = |value: Option<&Value>| value.and_then(Value::as_f64).map(|t| millis(t / 1000.0));
    let mut utterances = Vec::new();
    for segment in &segments {
        for result in segment
            .get("results")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let tokens = result
                .get("tokens")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            let speakers: Vec<Option<String>> =
                tokens.iter().map(|t| label(t.get("label"))).collect();
            let one = speakers.windows(2).all(|p| p[0] == p[1] || p[1].is_none());
            let whole = text_of(result, "text").or_else(|| text_of(segment, "text"));
            if one && let Some(text) = whole.filter(|t| !t.is_empty()) {
                utterances.push(Utterance {
                    speaker: speakers.first().cloned().flatten(),
                    start: ms(result.get("starttime")),
                    end: ms(result.get("endtime")),
                    text: text.to_owned(),
                });
                continue;
            }
            let mut runs = Runs::default();
            let mut now = None;
            for (token, speaker) in tokens.iter().zip(speakers) {
                now = speaker.or(now);
                let fresh = runs.0.is_empty();
                runs.add(
                    now.clone(),
                    ms(token.get("starttime")),
                    ms(token.get("endtime")),
                    text_of(token, "written").unwrap_or_default(),
                    fresh,
                );
            }
            utterances.extend(runs.0);
        }
    }
    Some((Format::AmivoiceJson, utterances))
}
