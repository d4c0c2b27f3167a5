//! Bytes → text. Files come from Windows offices, recorders and web services.

use encoding_rs::{Encoding, SHIFT_JIS, UTF_16BE, UTF_16LE};

use crate::error::{Error, Warning};

/// Text, the encoding's name as it is shown, and what was odd.
pub(crate) fn decode(bytes: &[u8]) -> Result<(String, &'static str, Vec<Warning>), Error> {
    let utf16 = |encoding: &'static Encoding, bytes: &[u8], name| {
        let (text, broken) = encoding.decode_without_bom_handling(bytes);
        let warnings = if broken {
            vec![broken_characters(&text)]
        } else {
            vec![]
        };
        (text.into_owned(), name, warnings)
    };
    let (text, name, warnings) = if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        let text = String::from_utf8_lossy(rest).into_owned();
        let warnings = if text.contains('\u{fffd}') {
            vec![broken_characters(&text)]
        } else {
            vec![]
        };
        (text, "utf-8-bom", warnings)
    } else if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        utf16(UTF_16LE, rest, "utf-16le")
    } else if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        utf16(UTF_16BE, rest, "utf-16be")
    } else if let Ok(text) = std::str::from_utf8(bytes)
        && !text.contains('\0')
    {
        (text.to_owned(), "utf-8", vec![])
    } else if let Some(big) = utf16_without_mark(bytes) {
        if big {
            utf16(UTF_16BE, bytes, "utf-16be")
        } else {
            utf16(UTF_16LE, bytes, "utf-16le")
        }
    } else if bytes.contains(&0) {
        return Err(Error::Binary);
    } else {
        legacy(bytes)?
    };
    if text.contains('\0') {
        Err(Error::Binary)
    } else {
        Ok((text, name, warnings))
    }
}

/// UTF-8 cut in the middle of a character, else CP932, else UTF-8 with single broken characters.
fn legacy(bytes: &[u8]) -> Result<(String, &'static str, Vec<Warning>), Error> {
    if let Err(error) = std::str::from_utf8(bytes)
        && error.error_len().is_none()
    {
        let text = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
        let line = text.lines().count().max(1);
        return Ok((
            text,
            "utf-8",
            vec![Warning::line(
                "truncated",
                line,
                "ファイルが文字の途中で切れています",
            )],
        ));
    }
    let (text, broken) = SHIFT_JIS.decode_without_bom_handling(bytes);
    let bad = text.chars().filter(|c| *c == '\u{fffd}').count();
    if !broken || bad * 200 < text.chars().count() {
        let warnings = if broken {
            vec![broken_characters(&text)]
        } else {
            vec![]
        };
        return Ok((text.into_owned(), "cp932", warnings));
    }
    let lossy = String::from_utf8_lossy(bytes);
    let bad = lossy.chars().filter(|c| *c == '\u{fffd}').count();
    if bad * 50 < lossy.chars().count() {
        let warning = broken_characters(&lossy);
        return Ok((lossy.into_owned(), "utf-8", vec![warning]));
    }
    Err(Error::Encoding)
}

/// ASCII line ends and digits leave every second byte zero. `Some(true)`: big endian.
fn utf16_without_mark(bytes: &[u8]) -> Option<bool> {
    if bytes.len() < 8 || !bytes.len().is_multiple_of(2) {
        return None;
    }
    let sample = &bytes[..bytes.len().min(4096)];
    let zeros = |odd: usize| {
        sample
            .iter()
            .skip(odd)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let most = sample.len() / 20;
    match (even, odd) {
        (0, odd) if odd > most => Some(false),
        (even, 0) if even > most => Some(true),
        _ => None,
    }
}

fn broken_characters(text: &str) -> Warning {
    let count = text.chars().filter(|c| *c == '\u{fffd}').count();
    let line = text
        .lines()
        .position(|line| line.contains('\u{fffd}'))
        .unwrap_or(0)
        + 1;
    Warning::line(
        "broken_characters",
        line,
        &format!("読めない文字があり「\u{fffd}」で表しました（全部で{count}か所）"),
    )
}
