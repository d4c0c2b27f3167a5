//! Index and analysis with the built dictionary.
#![expect(clippy::unwrap_used, reason = "a failing step is a failing test")]

use std::collections::{BTreeMap, HashSet};

use search::{Analyzer, Entry, Index, Query};

fn analyzer() -> Analyzer {
    let assets = models::Assets::locate(None).expect("run `make setup` first");
    Analyzer::load(&assets.dictionary().expect("run `make setup` first")).unwrap()
}

fn entry(id: &str, text: &str) -> Entry {
    Entry {
        id: id.to_owned(),
        fields: BTreeMap::from([("text".to_owned(), text.to_owned())]),
    }
}

fn ids(index: &Index, text: &str, permitted: Option<&HashSet<String>>) -> (Vec<String>, usize) {
    let query = Query {
        text,
        fields: &[("text", 1.0)],
        permitted,
        limit: 10,
    };
    let found = index.search(&query).unwrap();
    (
        found.hits.into_iter().map(|hit| hit.id).collect(),
        found.total,
    )
}

#[test]
fn inflected_and_differently_written_words_are_found() {
    let mut index = Index::in_memory(analyzer(), &["text"]).unwrap();
    index
        .put(&entry("a", "夜に眠れず、朝は起きられないと話していた。"))
        .unwrap();
    index
        .put(&entry("b", "ﾃﾞｲｻｰﾋﾞｽの利用を渡邊さんに勧めた。"))
        .unwrap();
    index
        .put(&entry("c", "家賃の支払いが遅れている。"))
        .unwrap();
    index.commit().unwrap();
    assert_eq!(ids(&index, "起きる", None).0, ["a"]);
    assert_eq!(ids(&index, "デイサービス", None).0, ["b"]);
    assert_eq!(ids(&index, "渡辺", None).0, ["b"]);
    assert_eq!(ids(&index, "家賃", None).0[0], "c");
    assert!(ids(&index, "、。", None).0.is_empty());
}

#[test]
fn what_is_not_permitted_is_neither_found_nor_counted() {
    let mut index = Index::in_memory(analyzer(), &["text"]).unwrap();
    for id in ["a", "b", "c"] {
        index.put(&entry(id, "家賃を滞納している")).unwrap();
    }
    index.commit().unwrap();
    let permitted = HashSet::from(["b".to_owned()]);
    assert_eq!(
        ids(&index, "家賃", Some(&permitted)),
        (vec!["b".to_owned()], 1)
    );
    assert_eq!(ids(&index, "家賃", Some(&HashSet::new())), (vec![], 0));
    assert_eq!(ids(&index, "家賃", None).1, 3);
}

#[test]
fn an_entry_is_replaced_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    {
        let mut index = Index::open(folder.path(), analyzer(), &["text"]).unwrap();
        index.put(&entry("a", "家賃を滞納している")).unwrap();
        index.commit().unwrap();
        index.put(&entry("a", "学校に行けない")).unwrap();
        index.put(&entry("b", "学校を休む")).unwrap();
        index.commit().unwrap();
        assert!(ids(&index, "滞納", None).0.is_empty());
        index.remove("b");
        index.commit().unwrap();
    }
    // A folder keeps what was committed.
    let index = Index::open(folder.path(), analyzer(), &["text"]).unwrap();
    assert_eq!(ids(&index, "学校", None), (vec!["a".to_owned()], 1));
}

#[test]
fn highlights_are_code_points_of_the_text_as_written() {
    let analyzer = analyzer();
    let text = "𠮷の家賃を滞納した。ﾔﾁﾝではない";
    let found = search::index::highlight(&analyzer, text, "家賃 滞納").unwrap();
    let chars: Vec<char> = text.chars().collect();
    let marked: Vec<String> = found
        .iter()
        .map(|(start, end)| chars[start.0..end.0].iter().collect())
        .collect();
    assert_eq!(marked, ["家賃", "滞納"]);
}
