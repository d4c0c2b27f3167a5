//! Retrieval on the development set: the fusion must not do worse than the vectors alone.
#![expect(clippy::unwrap_used, reason = "a failing step is a failing test")]

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use similar::{Corpus, Entry, Reason, Search, vectors_of};

fn load() -> (search::Analyzer, models::Embedder) {
    let assets = models::Assets::locate(None).expect("run `make setup` first");
    let runtime =
        models::Runtime::init(&assets.onnxruntime().expect("run `make setup` first")).unwrap();
    let embedder = models::Embedder::load(&runtime, &assets.models().unwrap(), 1).unwrap();
    (
        search::Analyzer::load(&assets.dictionary().expect("run `make setup` first")).unwrap(),
        embedder,
    )
}

fn rows(path: &Path) -> Vec<(String, String)> {
    std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|row| {
            (
                row["id"].as_str().unwrap().to_owned(),
                row["text"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

fn ndcg(ranked: &[String], grades: &HashMap<String, u32>) -> f64 {
    let gain = |grade: u32| f64::from(2_u32.pow(grade) - 1);
    let sum = |gains: Vec<f64>| {
        gains
            .iter()
            .take(10)
            .enumerate()
            .map(|(at, gain)| gain / (at as f64 + 2.0).log2())
            .sum::<f64>()
    };
    let mut ideal: Vec<f64> = grades.values().map(|&grade| gain(grade)).collect();
    ideal.sort_by(|a, b| b.total_cmp(a));
    sum(ranked
        .iter()
        .map(|id| gain(*grades.get(id).unwrap_or(&0)))
        .collect())
        / sum(ideal)
}

#[test]
fn fused_ranking_reaches_its_figure() {
    let (analyzer, embedder) = load();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/evaluation/similar-dev");
    let mut grades: HashMap<String, HashMap<String, u32>> = HashMap::new();
    for line in std::fs::read_to_string(dir.join("qrels.tsv"))
        .unwrap()
        .lines()
    {
        let cells: Vec<&str> = line.split('\t').collect();
        grades
            .entry(cells[0].to_owned())
            .or_default()
            .insert(cells[1].to_owned(), cells[2].parse().unwrap());
    }
    let entries = rows(&dir.join("corpus.jsonl"))
        .into_iter()
        .map(|(id, text)| Entry {
            vectors: vec![embedder.embed_passage(&text).unwrap()],
            id,
            text,
            ..Entry::default()
        })
        .collect();
    let corpus = Corpus::new(&analyzer, &embedder, entries).unwrap();
    let none = BTreeSet::new();
    let queries = rows(&dir.join("queries.jsonl"));
    let total: f64 = queries
        .iter()
        .map(|(id, text)| {
            let hits = corpus
                .search(&Search {
                    text,
                    features: &none,
                    limit: 10,
                    whole: None,
                })
                .unwrap();
            ndcg(
                &hits.into_iter().map(|hit| hit.id).collect::<Vec<_>>(),
                &grades[id],
            )
        })
        .sum();
    let mean = total / queries.len() as f64;
    // The vectors alone: .712. Quantised arithmetic differs a little between processors.
    assert!(mean >= 0.70, "nDCG@10 {mean:.3}");
}

#[test]
fn a_hit_says_why() {
    let (analyzer, embedder) = load();
    let entry = |id: &str, text: &str, feature: &str| Entry {
        id: id.to_owned(),
        text: text.to_owned(),
        vectors: vectors_of(&embedder, text).unwrap(),
        features: BTreeSet::from([feature.to_owned()]),
    };
    let entries = vec![
        entry(
            "a",
            "［氏名1］さんは家賃を三か月滞納している。立ち退きを求められ、督促状が届いた。",
            "issue:rent",
        ),
        entry(
            "b",
            "孫が学校に行けず、昼夜逆転している。担任が家庭訪問を続けている。",
            "issue:school",
        ),
    ];
    let corpus = Corpus::new(&analyzer, &embedder, entries).unwrap();
    let features = BTreeSet::from(["issue:rent".to_owned()]);
    let hits = corpus
        .search(&Search {
            text: "家賃の滞納で督促を受けている",
            whole: None,
            features: &features,
            limit: 5,
        })
        .unwrap();
    assert_eq!(hits[0].id, "a");
    assert!(hits[0].reasons.contains(&Reason::Feature {
        text: "issue:rent".to_owned()
    }));
    assert!(hits[0].reasons.contains(&Reason::Term {
        text: "滞納".to_owned()
    }));
    assert!(
        hits[0]
            .reasons
            .iter()
            .any(|reason| matches!(reason, Reason::Meaning { text } if !text.contains("氏名")))
    );
}

#[test]
fn a_broken_line_is_named() {
    let (_, embedder) = load();
    let mut out = Vec::new();
    let input = "{\"id\":1,\"text\":\"一行目\"}\n\n{\"id\":2}\n";
    let error = similar::lines::embed(&embedder, input.as_bytes(), &mut out).unwrap_err();
    assert!(
        error.is_input() && error.to_string().contains("3 行目"),
        "{error}"
    );
    assert_eq!(String::from_utf8(out).unwrap().lines().count(), 1);
}
