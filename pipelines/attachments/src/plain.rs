//! Plain text and CSV: UTF-8, UTF-16 with its mark, or CP932, as they are accepted.

use encoding_rs::{Encoding, SHIFT_JIS, UTF_8};

use crate::{Reading, layout::Text};

pub(crate) fn read(bytes: &[u8]) -> Reading {
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or_else(|| {
        let fits = std::str::from_utf8(bytes).is_ok();
        (if fits { UTF_8 } else { SHIFT_JIS }, 0)
    });
    let (decoded, _) = encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default());
    let mut text = Text::default();
    text.push(&decoded);
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_is_read() {
        let (cp932, ..) = SHIFT_JIS.encode("氏名,髙橋①\r\n");
        let utf16: Vec<u8> = std::iter::once(0xfeff)
            .chain("氏名,髙橋①\r\n".encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        let expected = Reading::Text("氏名,髙橋①".to_owned());
        for bytes in ["\u{feff}氏名,髙橋①\r\n".as_bytes(), &cp932, &utf16] {
            assert_eq!(read(bytes), expected);
        }
        assert_eq!(read(b" \r\n"), Reading::NoText);
    }
}
