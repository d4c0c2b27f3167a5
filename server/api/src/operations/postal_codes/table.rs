//! `datasets/postal/postal.txt.gz`, unpacked at the first question.

use std::io::Read;
use std::sync::LazyLock;

use flate2::read::GzDecoder;

/// A place with its own postal code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    pub prefecture: &'a str,
    pub city: &'a str,
    /// Empty where the code stands for the rest of the municipality.
    pub town: &'a str,
}

struct Table {
    text: String,
    /// Code, begin of its line, begin of its municipality's line, in bytes; ordered.
    lines: Vec<(u32, u32, u32)>,
}

static TABLE: LazyLock<Option<Table>> = LazyLock::new(|| {
    let packed = include_bytes!("../../../../../datasets/postal/postal.txt.gz");
    let mut text = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut text).ok()?;
    let mut lines = Vec::new();
    let (mut at, mut municipality) = (0_u32, 0_u32);
    for line in text.split_inclusive('\n') {
        if line.starts_with('@') {
            municipality = at;
        } else if let Some(code) = line.get(..7).and_then(|code| code.parse().ok()) {
            lines.push((code, at, municipality));
        }
        at += u32::try_from(line.len()).ok()?;
    }
    lines.sort_unstable();
    Some(Table { text, lines })
});

impl Table {
    /// The two values of the line that begins at a byte.
    fn line(&self, at: u32) -> Option<(&str, &str)> {
        let rest = self.text.get(usize::try_from(at).ok()?..)?;
        rest.lines().next()?.split_once('\t')
    }

    fn place(&self, line: u32, municipality: u32) -> Option<Place<'_>> {
        let (_, town) = self.line(line)?;
        let (prefecture, city) = self.line(municipality)?;
        Some(Place {
            prefecture: prefecture.trim_start_matches('@'),
            city,
            town,
        })
    }
}

/// The places of a code of seven digits; empty for one that is not in use. Takes about 20 ms the
/// first time and microseconds then.
pub fn places(code: u32) -> Vec<Place<'static>> {
    let Some(table) = TABLE.as_ref() else {
        return Vec::new();
    };
    let from = table.lines.partition_point(|(other, _, _)| *other < code);
    table.lines[from..]
        .iter()
        .take_while(|(other, _, _)| *other == code)
        .filter_map(|(_, line, municipality)| table.place(*line, *municipality))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_places() {
        let shiba = Place {
            prefecture: "東京都",
            city: "港区",
            town: "芝公園",
        };
        assert_eq!(places(1_050_011), [shiba]);
        assert_eq!(
            places(600_000)[0].city,
            "札幌市中央区",
            "a leading zero is no less"
        );
        assert_eq!(places(9_999_999), []);
        // One code, several towns.
        assert!(places(4_980_000).len() > 1);
    }

    #[test]
    fn every_line_is_read() {
        let table = TABLE.as_ref().unwrap();
        assert!(table.lines.len() > 120_000, "{}", table.lines.len());
        for (_, line, municipality) in &table.lines {
            let place = table.place(*line, *municipality).unwrap();
            assert!(!place.prefecture.is_empty() && !place.city.is_empty());
        }
    }
}
