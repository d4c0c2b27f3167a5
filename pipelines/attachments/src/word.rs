//! Word documents (.docx): body, headers, footers, notes and comments, read as they come.

use std::io::{BufReader, Read};

use exchange::archive;
use quick_xml::{Reader as XmlReader, events::Event};

use crate::{Reading, layout::Text};

/// Most bytes of the parts that are looked at, unpacked. An element is held whole.
const MAX_PARTS: u64 = 64 << 20;

/// Body first; then what stands around it.
fn rank(name: &str) -> Option<u8> {
    let part = name.strip_prefix("word/")?.strip_suffix(".xml")?;
    let numbered = |of: &str| {
        part.strip_prefix(of)
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match part {
        "document" => Some(0),
        "footnotes" | "endnotes" | "comments" => Some(2),
        _ => (numbered("header") || numbered("footer")).then_some(1),
    }
}

pub(crate) fn read(bytes: &[u8]) -> Reading {
    let Ok(mut archive) = archive::open(bytes) else {
        return Reading::Unreadable;
    };
    let mut parts: Vec<(u8, String)> = archive
        .file_names()
        .filter_map(|name| {
            let name = name.ok()?.into_owned();
            Some((rank(&name)?, name))
        })
        .collect();
    parts.sort();
    if parts.first().is_none_or(|(rank, _)| *rank > 0) {
        return Reading::Unreadable;
    }
    let mut text = Text::default();
    let mut left = MAX_PARTS;
    for (_, name) in &parts {
        let Ok(part) = archive.by_name(name) else {
            return Reading::Unreadable;
        };
        let mut part = part.take(left);
        if part_text(&mut part, &mut text).is_none() {
            return Reading::Unreadable;
        }
        left = part.limit();
        if left == 0 && !text.is_full() {
            return Reading::Unreadable;
        }
        text.line();
    }
    text.finish()
}

/// Adds the letters of one part. `None`: it is broken.
fn part_text(part: &mut impl Read, text: &mut Text) -> Option<()> {
    let mut reader = XmlReader::from_reader(BufReader::new(part));
    reader.config_mut().check_end_names = false;
    let mut buffer = Vec::new();
    let mut in_text = false;
    while !text.is_full() {
        buffer.clear();
        match reader.read_event_into(&mut buffer).ok()? {
            Event::Eof => break,
            Event::Start(element) if element.local_name().as_ref() == "t" => in_text = true,
            Event::Start(element) | Event::Empty(element) => match element.local_name().as_ref() {
                "tab" | "tc" => text.push("\t"),
                "br" | "cr" => text.line(),
                _ => {}
            },
            Event::End(element) => match element.local_name().as_ref() {
                "t" => in_text = false,
                "p" | "tr" => text.line(),
                _ => {}
            },
            Event::Text(letters) if in_text => {
                text.push(&letters.xml10_content());
            }
            Event::GeneralRef(entity) if in_text => match entity.resolve_char_ref() {
                Ok(Some(letter)) => text.push(letter.encode_utf8(&mut [0; 4])),
                _ => text.push(match entity.as_ref() {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    "apos" => "'",
                    _ => "",
                }),
            },
            _ => {}
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn document(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in parts {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn paragraphs_tables_and_what_stands_around_them_are_read() {
        let bytes = document(&[
            (
                "word/header1.xml",
                "<w:hdr><w:p><w:r><w:t>部外秘</w:t></w:r></w:p></w:hdr>",
            ),
            (
                "word/document.xml",
                "<?xml version=\"1.0\"?><w:document><w:body><w:p><w:r><w:t>家賃の</w:t></w:r><w:r><w:t xml:space=\"preserve\">滞納 &amp; 督促&#x3002;</w:t></w:r></w:p>\
                 <w:tbl><w:tr><w:tc><w:p><w:r><w:t>氏名</w:t></w:r></w:p></w:tc></w:tr></w:tbl><w:instrText>PAGE</w:instrText></w:body></w:document>",
            ),
            (
                "word/settings.xml",
                "<w:settings><w:t>設定</w:t></w:settings>",
            ),
        ]);
        assert_eq!(
            read(&bytes),
            Reading::Text("家賃の滞納 & 督促。\n\t氏名\n部外秘".to_owned())
        );
        assert_eq!(read(b"PK\x03\x04"), Reading::Unreadable);
        assert_eq!(
            read(&document(&[("word/header1.xml", "<a/>")])),
            Reading::Unreadable
        );
        assert_eq!(
            read(&document(&[("word/document.xml", "<w:document/>")])),
            Reading::NoText
        );
    }

    #[test]
    fn entities_that_stand_for_each_other_and_deep_nesting_do_no_harm() {
        let bombs = [
            "<!DOCTYPE a [<!ENTITY b \"xxxx\"><!ENTITY c \"&b;&b;&b;\">]><w:t>&c;</w:t>".to_owned(),
            "<w:t>".repeat(200_000),
            format!("<w:t>{}</w:t>", "<a>".repeat(200_000)),
        ];
        for bomb in bombs {
            let bytes = document(&[("word/document.xml", &bomb)]);
            assert_eq!(read(&bytes), Reading::NoText, "{}", bomb.len());
        }
        // One element that never ends.
        let endless = format!("<w:t {}", "a='b' ".repeat(3 << 20));
        let bytes = document(&[("word/document.xml", &endless)]);
        assert_eq!(read(&bytes), Reading::Unreadable);
    }
}
