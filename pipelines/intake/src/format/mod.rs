//! One module per family of formats. The format is told by content, never by the file's name.

mod cues;
mod json;
mod table;
mod text;

use crate::error::{Error, Warning};
use crate::transcript::{Format, Hint, Kind, Utterance};

type Parsed = (Format, Vec<Utterance>);

pub(crate) fn parse(text: &str, hint: &Hint, warnings: &mut Vec<Warning>) -> Result<Parsed, Error> {
    let start = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if start.is_empty() {
        return Err(Error::Empty);
    }
    match hint.kind {
        Kind::Vtt | Kind::Srt => cues::parse(text, warnings).ok_or(Error::WrongFormat("字幕")),
        Kind::Json => json::parse(start, warnings),
        Kind::Txt => Ok(text::parse(text)),
        Kind::Csv => table::parse(text, hint.columns, warnings),
        Kind::Auto => {
            if start.starts_with(['{', '[']) && looks_like_json(start) {
                return json::parse(start, warnings);
            }
            if start.starts_with("WEBVTT") || text.contains("-->") {
                if let Some(parsed) = cues::parse(text, warnings) {
                    return Ok(parsed);
                }
                if start.starts_with("WEBVTT") {
                    return Err(Error::Empty);
                }
            }
            if hint.columns.is_some() || table::looks_like(text) {
                return table::parse(text, hint.columns, warnings);
            }
            Ok(text::parse(text))
        }
    }
}

/// `[10:02] …` and `{笑}` start texts too.
fn looks_like_json(start: &str) -> bool {
    let mut chars = start.chars().skip(1).filter(|c| !c.is_whitespace());
    matches!(
        (start.chars().next(), chars.next()),
        (Some('{'), Some('"' | '}') | None) | (Some('['), Some('{' | ']'))
    )
}

/// `1:02:03.5`, `02:03,250`, `0:02`; full-width digits and colons too. Seconds.
pub(crate) fn clock_time(text: &str) -> Option<f64> {
    let text: String = text.trim().chars().map(crate::number::narrow).collect();
    let text = text
        .trim_matches(['[', ']', '(', ')', '<', '>'])
        .replace(',', ".");
    let parts: Vec<&str> = text.split(':').collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    let mut seconds = 0.0;
    for (at, part) in parts.iter().enumerate() {
        let last = at + 1 == parts.len();
        let whole = part.split('.').next().unwrap_or_default();
        let digits = whole.chars().all(|c| c.is_ascii_digit()) && (1..=4).contains(&whole.len());
        let fraction_ok = last || !part.contains('.');
        if !digits || !fraction_ok || part.matches('.').count() > 1 {
            return None;
        }
        let value: f64 = part.parse().ok()?;
        if at > 0 && value >= 60.0 {
            return None;
        }
        seconds = seconds * 60.0 + value;
    }
    Some(seconds)
}

/// Rounds to milliseconds, so that ticks and words leave no noise.
pub(crate) fn millis(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
