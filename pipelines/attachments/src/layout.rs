//! Text as it is collected: bounded, without what cannot be shown, and with the lines of a paragraph
//! joined, so that a word that was broken at the end of a line is found.

use crate::{LONGEST, Reading};

/// A line of at least so many letters goes on in the next one.
const FULL_LINE: usize = 15;

/// A text under way.
#[derive(Default)]
pub(crate) struct Text {
    text: String,
    letters: usize,
}

impl Text {
    pub(crate) fn is_full(&self) -> bool {
        self.letters >= LONGEST
    }

    /// Adds what was read, as far as there is room.
    pub(crate) fn push(&mut self, text: &str) {
        for c in text.chars() {
            if self.is_full() {
                return;
            }
            if c == '\n' || c == '\t' || !(c.is_control() || c == '\u{fffd}') {
                self.text.push(c);
                self.letters += 1;
            }
        }
    }

    /// Begins a new line unless one has begun.
    pub(crate) fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.push("\n");
        }
    }

    /// Parts what follows from what was there on this line.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with([' ', '\n', '\t', '\u{3000}']) {
            self.push(" ");
        }
    }

    pub(crate) fn finish(self) -> Reading {
        if self.text.trim().is_empty() {
            Reading::NoText
        } else {
            Reading::Text(self.text.trim().to_owned())
        }
    }

    /// As [`Text::finish`], for pages: lines that were broken where the page ended are joined.
    pub(crate) fn finish_pages(self) -> Reading {
        let mut out = String::with_capacity(self.text.len());
        let mut length = 0;
        for line in self.text.lines().map(str::trim) {
            if line.is_empty() {
                continue;
            }
            let goes_on =
                length >= FULL_LINE && out.ends_with(is_japanese) && line.starts_with(is_japanese);
            if !goes_on && !out.is_empty() {
                out.push('\n');
            }
            out.push_str(line);
            length = line.chars().count();
        }
        let text = out.trim();
        if text.is_empty() {
            Reading::NoText
        } else {
            Reading::Text(text.to_owned())
        }
    }
}

/// Letters of Japanese, with the comma that ends no sentence.
fn is_japanese(c: char) -> bool {
    matches!(c, '、' | '々' | '〇' | 'ー' | 'ぁ'..='ゖ' | 'ァ'..='ヺ'
        | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_lines_go_on_and_headings_do_not() {
        let mut text = Text::default();
        text.push("診断書\n上記の者は糖尿病により当院で加\n療中であることを証明する。\n鳴子医院\n");
        let Reading::Text(read) = text.finish_pages() else {
            panic!("no text")
        };
        assert_eq!(
            read,
            "診断書\n上記の者は糖尿病により当院で加療中であることを証明する。\n鳴子医院"
        );
    }

    #[test]
    fn no_more_than_the_longest_is_taken() {
        let mut text = Text::default();
        text.push(&"あ".repeat(LONGEST + 5));
        text.gap();
        assert!(text.is_full());
        let Reading::Text(read) = text.finish() else {
            panic!("no text")
        };
        assert_eq!(read.chars().count(), LONGEST);
    }

    #[test]
    fn what_cannot_be_shown_is_left_out() {
        let mut text = Text::default();
        text.push("\u{0}あ\u{fffd}\tい\r\n");
        assert_eq!(text.finish(), Reading::Text("あ\tい".to_owned()));
    }
}
