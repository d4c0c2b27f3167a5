//! Character encodings of the files people exchange.

use encoding_rs::{SHIFT_JIS, UTF_16BE, UTF_16LE};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// The usual form: Excel opens it correctly by a double click.
    #[serde(rename = "utf-8-bom")]
    Utf8Bom,
    #[serde(rename = "utf-8")]
    Utf8,
    /// Windows-31J, for programs that know nothing else.
    #[serde(rename = "cp932")]
    Cp932,
    /// Read only: what Excel writes as「Unicode テキスト」.
    #[serde(rename = "utf-16")]
    Utf16,
}

impl std::str::FromStr for Encoding {
    type Err = ();

    /// `utf-8-bom`, `utf-8`, `cp932`.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "utf-8-bom" => Ok(Self::Utf8Bom),
            "utf-8" => Ok(Self::Utf8),
            "cp932" => Ok(Self::Cp932),
            _ => Err(()),
        }
    }
}

impl Encoding {
    /// For the Content-Type header.
    #[must_use]
    pub fn charset(self) -> &'static str {
        match self {
            Self::Utf8Bom | Self::Utf8 => "utf-8",
            Self::Cp932 => "Shift_JIS",
            Self::Utf16 => "utf-16",
        }
    }
}

/// A character CP932 cannot hold, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unencodable {
    /// Line of the file, the header being 1 (note lines come before it and count too).
    pub row: usize,
    /// Column of the file, from 1.
    pub column: usize,
    /// The character, with its variation selector where it has one.
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnencodable {
    /// Nothing is written; the list says what to mend.
    #[default]
    Refuse,
    /// Each becomes 〓; the list says where.
    Geta,
}

/// The same JIS character under the code point Windows uses for it. Every Windows and Mac program
/// treats these as one, so they are no loss.
fn windows_form(c: char) -> char {
    match c {
        '\u{301c}' => '\u{ff5e}',
        '\u{2016}' => '\u{2225}',
        '\u{2212}' => '\u{ff0d}',
        '\u{2014}' => '\u{2015}',
        '\u{00a2}' => '\u{ffe0}',
        '\u{00a3}' => '\u{ffe1}',
        '\u{00ac}' => '\u{ffe2}',
        c => c,
    }
}

fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// One cell in CP932 with the pieces that do not fit (each replaced by 〓 in the bytes).
pub(crate) fn to_cp932(text: &str) -> (Vec<u8>, Vec<String>) {
    let mut bytes = Vec::with_capacity(text.len());
    let mut lost = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let mut piece = c.to_string();
        while let Some(selector) = chars.next_if(|c| is_variation_selector(*c)) {
            piece.push(selector);
        }
        let single = piece.chars().count() == 1;
        let form = windows_form(c).to_string();
        let (encoded, _, failed) = SHIFT_JIS.encode(&form);
        // The encoder also bends a few characters (¥ to \) that would come back as others.
        let same = !failed && SHIFT_JIS.decode_without_bom_handling(&encoded).0 == form;
        if single && same {
            bytes.extend_from_slice(&encoded);
        } else {
            bytes.extend_from_slice(&[0x81, 0xac]); // 〓
            lost.push(piece);
        }
    }
    (bytes, lost)
}

/// Decodes by byte order mark, else as UTF-8, else as CP932. `None` when it is none of them.
pub(crate) fn decode(bytes: &[u8]) -> Option<(String, Encoding)> {
    if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return String::from_utf8(rest.to_vec())
            .ok()
            .map(|text| (text, Encoding::Utf8Bom));
    }
    for (mark, encoding) in [(&b"\xff\xfe"[..], UTF_16LE), (&b"\xfe\xff"[..], UTF_16BE)] {
        if let Some(rest) = bytes.strip_prefix(mark) {
            let (text, failed) = encoding.decode_without_bom_handling(rest);
            return (!failed).then(|| (text.into_owned(), Encoding::Utf16));
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some((text.to_owned(), Encoding::Utf8));
    }
    let (text, failed) = SHIFT_JIS.decode_without_bom_handling(bytes);
    (!failed).then(|| (text.into_owned(), Encoding::Cp932))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cp932_holds_what_windows_holds() {
        let (bytes, lost) = to_cp932("髙橋さんは①階、﨑山〜");
        assert!(lost.is_empty());
        assert_eq!(decode(&bytes).unwrap().0, "髙橋さんは①階、﨑山～");
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_selector() {
        let (bytes, lost) = to_cp932("𠮷田と葛\u{e0100}城と¥");
        assert_eq!(lost, ["𠮷", "葛\u{e0100}", "¥"]);
        assert_eq!(decode(&bytes).unwrap().0, "〓田と〓城と〓");
    }
}
