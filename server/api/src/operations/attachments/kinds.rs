//! What may be attached: content and ending of the name must say the same, and stand in this list.

use encoding_rs::{DecoderResult, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE};

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub media_type: &'static str,
    endings: &'static [&'static str],
    /// Recognised by its first bytes as one of these; empty: it is text.
    magic: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    Kind {
        media_type: "application/pdf",
        endings: &["pdf"],
        magic: &["application/pdf"],
    },
    Kind {
        media_type: "image/png",
        endings: &["png"],
        magic: &["image/png"],
    },
    Kind {
        media_type: "image/jpeg",
        endings: &["jpg", "jpeg"],
        magic: &["image/jpeg"],
    },
    Kind {
        media_type: "image/heic",
        endings: &["heic", "heif"],
        magic: &["image/heif", "image/heic"],
    },
    Kind {
        media_type: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        endings: &["docx"],
        magic: &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
    },
    Kind {
        media_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        endings: &["xlsx"],
        magic: &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
    },
    Kind {
        media_type: "text/csv",
        endings: &["csv"],
        magic: &[],
    },
    Kind {
        media_type: "text/plain",
        endings: &["txt"],
        magic: &[],
    },
];

/// Why something cannot be attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Such files are not taken at all.
    Kind,
    /// The name says something else than the content.
    Mismatch,
}

impl Wrong {
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Kind => "unsupported_format",
            Self::Mismatch => "content_mismatch",
        }
    }
}

/// Endings of file names that are taken, without the dot.
#[must_use]
pub fn endings() -> Vec<&'static str> {
    KINDS
        .iter()
        .flat_map(|kind| kind.endings)
        .copied()
        .collect()
}

impl Kind {
    /// The kind of a file by its name and first bytes.
    ///
    /// # Errors
    /// Not in the list, or name and content differ.
    pub fn of(name: &str, first: &[u8]) -> Result<Self, Wrong> {
        let ending = name
            .rsplit_once('.')
            .map(|(_, ending)| ending.to_ascii_lowercase())
            .unwrap_or_default();
        let kind = KINDS
            .iter()
            .find(|kind| kind.endings.contains(&ending.as_str()))
            .ok_or(Wrong::Kind)?;
        let found = infer::get(first).map(|found| found.mime_type());
        let same = match found {
            Some(found) => kind.magic.contains(&found),
            None => kind.magic.is_empty(),
        };
        if same {
            Ok(*kind)
        } else {
            Err(Wrong::Mismatch)
        }
    }

    /// Whether the rest of the content has to be looked at too.
    #[must_use]
    pub fn text(&self) -> Option<TextCheck> {
        self.magic.is_empty().then(TextCheck::default)
    }
}

/// How an attachment is shown in the browser itself: the `Content-Security-Policy` that goes with it.
/// `None`: it can only be downloaded.
#[must_use]
pub fn shown_inline(media_type: &str) -> Option<&'static str> {
    match media_type {
        "image/png" | "image/jpeg" => {
            Some("sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'")
        }
        // A sandbox would shut out the browser's own viewer, which is one by itself: no script of the
        // file reaches a page, and nothing is fetched.
        "application/pdf" => Some(
            "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        _ => None,
    }
}

/// Whether bytes that come part by part are text: UTF-8, Shift_JIS (CP932), or UTF-16 with its mark, and
/// no control characters.
#[derive(Default)]
pub struct TextCheck {
    decoders: Vec<(encoding_rs::Decoder, bool)>,
    begun: bool,
}

impl std::fmt::Debug for TextCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TextCheck")
    }
}

impl TextCheck {
    /// Looks at the next bytes; `last`: there are no more. `false`: it is no text.
    pub fn take(&mut self, bytes: &[u8], last: bool) -> bool {
        if !self.begun {
            self.begun = true;
            let encodings: &[_] = match bytes {
                [0xff, 0xfe, ..] => &[UTF_16LE],
                [0xfe, 0xff, ..] => &[UTF_16BE],
                _ => &[UTF_8, SHIFT_JIS],
            };
            self.decoders = encodings
                .iter()
                .map(|encoding| (encoding.new_decoder_with_bom_removal(), true))
                .collect();
        }
        for (decoder, fits) in &mut self.decoders {
            *fits = *fits && decodes(decoder, bytes, last);
        }
        self.decoders.iter().any(|(_, fits)| *fits)
    }
}

fn decodes(decoder: &mut encoding_rs::Decoder, mut bytes: &[u8], last: bool) -> bool {
    let mut buffer = [0_u8; 4096];
    loop {
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(bytes, &mut buffer, last);
        let written = buffer.get(..written).unwrap_or_default();
        let control = |byte: &u8| byte.is_ascii_control() && !b"\t\r\n\x0c\x1a".contains(byte);
        if written.iter().any(control) {
            return false;
        }
        bytes = bytes.get(read..).unwrap_or_default();
        match result {
            DecoderResult::InputEmpty => return true,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_content_must_agree() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        assert_eq!(Kind::of("写真.PNG", png).unwrap().media_type, "image/png");
        assert_eq!(Kind::of("写真.pdf", png), Err(Wrong::Mismatch));
        assert_eq!(Kind::of("写真.txt", png), Err(Wrong::Mismatch));
        assert_eq!(Kind::of("a.pdf", b"plain"), Err(Wrong::Mismatch));
        assert_eq!(Kind::of("a.exe", b"MZ"), Err(Wrong::Kind));
        assert_eq!(Kind::of("a.pdf.exe", b"%PDF-1.7"), Err(Wrong::Kind));
        assert_eq!(Kind::of("png", png), Err(Wrong::Kind));
        assert_eq!(Kind::of("a.html", b"<html>"), Err(Wrong::Kind));
        assert_eq!(
            Kind::of("a.txt", b"<!DOCTYPE html><html>"),
            Err(Wrong::Mismatch)
        );
        assert_eq!(
            Kind::of("a.csv", "日付,氏名".as_bytes())
                .unwrap()
                .media_type,
            "text/csv"
        );
        assert_eq!(
            Kind::of("a.pdf", b"%PDF-1.7").unwrap().media_type,
            "application/pdf"
        );
        let zip = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0a.txt";
        assert_eq!(Kind::of("a.docx", zip), Err(Wrong::Mismatch));
    }

    #[test]
    fn text_is_text_however_it_is_cut() {
        let sjis: &[u8] = b"\x93\xfa\x96{\x8c\xea\r\n";
        let utf16: &[u8] = b"\xff\xfeA\0\xd7\x65";
        for (bytes, is) in [
            ("日本語\n".as_bytes(), true),
            (sjis, true),
            (utf16, true),
            (b"a\0b".as_slice(), false),
            (b"\xff\xff\xff".as_slice(), false),
            (b"".as_slice(), true),
        ] {
            for cut in 0..=bytes.len() {
                let mut check = TextCheck::default();
                // The first bytes come together: a mark is never cut.
                if cut == 1 {
                    continue;
                }
                let (first, rest) = bytes.split_at(cut);
                let fits = (cut == 0 || check.take(first, false)) & check.take(rest, true);
                assert_eq!(fits, is, "{bytes:?} at {cut}");
            }
        }
    }

    #[test]
    fn only_pictures_and_pdf_are_shown_in_the_browser() {
        for kind in KINDS {
            let shown = shown_inline(kind.media_type);
            let expected = ["pdf", "png", "jpg"].contains(&kind.endings[0]);
            assert_eq!(shown.is_some(), expected, "{}", kind.media_type);
        }
    }
}
