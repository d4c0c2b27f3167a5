//! A transcript, whatever wrote it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Warning};
use crate::{encoding, format};

/// Largest file taken.
pub const MAX_BYTES: usize = 20 * 1024 * 1024;
/// Longest recording taken, in seconds.
pub const MAX_SECONDS: f64 = 5.0 * 3600.0;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Utterance {
    pub speaker: Option<String>,
    /// Seconds from the start of the recording.
    pub start: Option<f64>,
    pub end: Option<f64>,
    /// As it was written: no fillers removed, nothing corrected.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    ZoomVtt,
    TeamsVtt,
    Vtt,
    Srt,
    WhisperJson,
    WhisperxJson,
    GoogleJson,
    AzureJson,
    AwsJson,
    AmivoiceJson,
    WatsonJson,
    /// Speaker and time on a line of their own, the words below.
    TxtBlock,
    /// Speaker, time and words on one line.
    TxtInline,
    /// One line, one utterance.
    TxtPlain,
    Csv,
}

impl Format {
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ZoomVtt => "zoom_vtt",
            Self::TeamsVtt => "teams_vtt",
            Self::Vtt => "vtt",
            Self::Srt => "srt",
            Self::WhisperJson => "whisper_json",
            Self::WhisperxJson => "whisperx_json",
            Self::GoogleJson => "google_json",
            Self::AzureJson => "azure_json",
            Self::AwsJson => "aws_json",
            Self::AmivoiceJson => "amivoice_json",
            Self::WatsonJson => "watson_json",
            Self::TxtBlock => "txt_block",
            Self::TxtInline => "txt_inline",
            Self::TxtPlain => "txt_plain",
            Self::Csv => "csv",
        }
    }
}

/// What the caller knows about the file. All of it may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Hint {
    pub kind: Kind,
    /// For CSV: which column holds what, counted from 0.
    pub columns: Option<Columns>,
}

/// Family of formats; the members tell themselves apart by content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    #[default]
    Auto,
    Vtt,
    Srt,
    Json,
    Txt,
    Csv,
}

impl std::str::FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "auto" => Self::Auto,
            "vtt" => Self::Vtt,
            "srt" => Self::Srt,
            "json" => Self::Json,
            "txt" => Self::Txt,
            "csv" => Self::Csv,
            _ => return Err(()),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    pub speaker: Option<usize>,
    pub start: Option<usize>,
    pub end: Option<usize>,
    pub text: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Transcript {
    pub format: Format,
    pub encoding: &'static str,
    pub utterances: Vec<Utterance>,
    pub warnings: Vec<Warning>,
}

/// Reads a file of any known format.
pub fn read(bytes: &[u8], hint: &Hint) -> Result<Transcript, Error> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::TooLarge {
            found: bytes.len(),
            limit: MAX_BYTES,
        });
    }
    let (text, encoding, mut warnings) = encoding::decode(bytes)?;
    let (format, mut utterances) = format::parse(&text, hint, &mut warnings)?;
    for (at, one) in utterances.iter_mut().enumerate() {
        if let Some(clean) = without_markup(&one.text) {
            one.text = clean;
            warnings.push(Warning::utterance(
                "markup_removed",
                at,
                "HTMLの記述を取り除きました",
            ));
        }
        one.speaker = one
            .speaker
            .take()
            .map(|s| {
                without_markup(&s)
                    .unwrap_or(s)
                    .trim()
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(60)
                    .collect::<String>()
            })
            .filter(|s| !s.is_empty());
    }
    utterances.retain(|one| !one.text.trim().is_empty());
    if utterances.is_empty() {
        return Err(Error::Empty);
    }
    check_times(&mut utterances, &mut warnings)?;
    Ok(Transcript {
        format,
        encoding,
        utterances,
        warnings,
    })
}

/// `None` when there is no markup. Scripts and styles go with their content, other tags leave it.
fn without_markup(text: &str) -> Option<String> {
    use std::sync::LazyLock;
    static ACTIVE: LazyLock<Option<regex::Regex>> = LazyLock::new(|| {
        regex::Regex::new(
            r"(?is)<(script|style|iframe|object)\b[^>]*>.*?(</(script|style|iframe|object)\s*>|$)",
        )
        .ok()
    });
    static TAG: LazyLock<Option<regex::Regex>> =
        LazyLock::new(|| regex::Regex::new(r#"(?s)</?[A-Za-z!][A-Za-z0-9:-]*(\s[^<>]*)?/?>"#).ok());
    if !text.contains('<') {
        return None;
    }
    let (active, tag) = (ACTIVE.as_ref()?, TAG.as_ref()?);
    let mut clean = tag
        .replace_all(&active.replace_all(text, ""), "")
        .into_owned();
    // Taking one tag out may join another together.
    while tag.is_match(&clean) {
        clean = tag.replace_all(&clean, "").into_owned();
    }
    (clean != text).then_some(clean)
}

fn check_times(utterances: &mut [Utterance], warnings: &mut Vec<Warning>) -> Result<(), Error> {
    let mut last = 0.0_f64;
    let mut reversed: Option<usize> = None;
    for (at, one) in utterances.iter_mut().enumerate() {
        for time in [&mut one.start, &mut one.end] {
            if time.is_some_and(|t| !t.is_finite() || t < 0.0) {
                *time = None;
            }
        }
        if let (Some(start), Some(end)) = (one.start, one.end)
            && end < start
        {
            one.end = None;
            warnings.push(Warning::utterance(
                "end_before_start",
                at,
                "終了時刻が開始より前のため、終了時刻を使いません",
            ));
        }
        if one
            .start
            .into_iter()
            .chain(one.end)
            .any(|t| t > MAX_SECONDS)
        {
            return Err(Error::TooLong);
        }
        if let Some(start) = one.start {
            if start + 0.001 < last && reversed.is_none() {
                reversed = Some(at);
            }
            last = last.max(start);
        }
    }
    if let Some(at) = reversed {
        warnings.push(Warning::utterance(
            "time_reversed",
            at,
            "時刻が前の発言より戻っています。ファイルの順のまま取り込みました",
        ));
    }
    Ok(())
}
