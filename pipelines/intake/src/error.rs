//! What can be wrong with a transcript as a whole, and what was odd but readable.

use serde::Serialize;

/// The file could not be taken. `code` is stable; messages never hold content of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("ファイルが大きすぎます（{found}バイト）。{limit}バイト（20MB）まで取り込めます")]
    TooLarge { found: usize, limit: usize },
    #[error("録音が長すぎます。5時間までの文字起こしを取り込めます。分けて取り込んでください")]
    TooLong,
    #[error("ファイルに発言がありません")]
    Empty,
    #[error(
        "文字コードを判別できません。UTF-8、UTF-16、CP932（シフトJIS）のいずれかで保存し直してください"
    )]
    Encoding,
    #[error("文字起こしのファイルではないようです（文字以外のデータが含まれています）")]
    Binary,
    #[error(
        "JSONとして読めません（{line}行{column}文字目）。ファイルが途中で切れていないか確かめてください"
    )]
    Json { line: usize, column: usize },
    #[error(
        "対応していないJSONの形です。Whisper、WhisperX、Google、Azure、AWS、AmiVoice、Watsonの出力を取り込めます"
    )]
    UnknownJson,
    #[error("指定された形式（{0}）としては読めません")]
    WrongFormat(&'static str),
    #[error("発言内容の列が見つかりません。列の割当を指定してください（見出し: {0}列）")]
    Columns(usize),
}

impl Error {
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::TooLong => "too_long",
            Self::Empty => "empty",
            Self::Encoding => "encoding",
            Self::Binary => "binary",
            Self::Json { .. } => "json",
            Self::UnknownJson => "unknown_json",
            Self::WrongFormat(_) => "wrong_format",
            Self::Columns(_) => "columns",
        }
    }
}

/// Something the reader should know, though the rest was read. `line` counts from 1 in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    pub code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utterance: Option<usize>,
    pub message_ja: String,
}

impl Warning {
    pub(crate) fn line(code: &'static str, line: usize, message: &str) -> Self {
        Self {
            code,
            line: Some(line),
            utterance: None,
            message_ja: format!("{line}行目: {message}"),
        }
    }

    pub(crate) fn utterance(code: &'static str, utterance: usize, message: &str) -> Self {
        Self {
            code,
            line: None,
            utterance: Some(utterance),
            message_ja: format!("発言{}: {message}", utterance + 1),
        }
    }
}
