//! The dependency edges of ARCHITECTURE.md, read from `cargo metadata`. A picture nobody checks
//! drifts.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

/// Crate → the workspace crates it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("collab", &["domain"]),
    ("store", &["domain", "collab"]),
    ("models", &["domain"]),
    ("masking", &["domain", "models", "search"]),
    ("search", &["domain", "models"]),
    ("similar", &["domain", "models", "search"]),
    ("intake", &["domain", "models", "masking"]),
    ("network", &["domain"]),
    ("statistics", &["domain"]),
    ("exchange", &["domain"]),
    ("attachments", &["exchange"]),
    (
        "api",
        &[
            "domain",
            "store",
            "collab",
            "models",
            "masking",
            "search",
            "similar",
            "intake",
            "network",
            "statistics",
            "exchange",
            "attachments",
        ],
    ),
    (
        "musubi",
        &[
            "domain",
            "store",
            "collab",
            "models",
            "masking",
            "search",
            "similar",
            "intake",
            "network",
            "statistics",
            "exchange",
            "attachments",
            "api",
        ],
    ),
    ("musubi-tests", &[]),
    ("powerloss", &[]),
];

/// Outside crates that must not be reached from where they do not belong.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("domain", &["tokio", "sqlx", "axum", "yrs", "ort"]),
    ("collab", &["sqlx", "axum", "ort"]),
    ("models", &["tokio", "sqlx", "axum"]),
    ("masking", &["tokio", "sqlx", "axum"]),
    ("search", &["tokio", "sqlx", "axum"]),
    ("similar", &["tokio", "sqlx", "axum"]),
    ("intake", &["tokio", "sqlx", "axum"]),
    ("network", &["tokio", "sqlx", "axum"]),
    ("statistics", &["tokio", "sqlx", "axum"]),
    ("exchange", &["tokio", "sqlx", "axum"]),
    ("attachments", &["tokio", "sqlx", "axum"]),
];

#[test]
fn dependencies_point_one_way() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let own: BTreeSet<&str> = packages
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    let known: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        own, known,
        "a crate was added or removed: say here what it may depend on"
    );

    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(crate_name, _)| *crate_name == name)
            .unwrap();
        let forbidden = FORBIDDEN
            .iter()
            .find(|(crate_name, _)| *crate_name == name)
            .map_or(&[][..], |(_, list)| list);
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            // A crate of the registry may have a name of ours.
            let ours = dependency["source"].is_null() && own.contains(to);
            let test_only = dependency["kind"].as_str() == Some("dev");
            if (ours && !allowed.contains(&to)) || (!test_only && forbidden.contains(&to)) {
                wrong.push(format!("{name} → {to}"));
            }
        }
    }
    assert!(wrong.is_empty(), "edges against ARCHITECTURE.md: {wrong:?}");
}

/// Uses of the definitions as they ship, by file: none of them is about a document of a municipality,
/// which may have added fields to it (`Tx::forms`, `Tx::form_of`).
const SHIPPED: &[(&str, usize, &str)] = &[
    (
        "api/src/drafting.rs",
        1,
        "a transcript fills fields that ship",
    ),
    (
        "api/src/operations/agencies/create.rs",
        1,
        "a closed list of the program",
    ),
    (
        "api/src/operations/cases/add_person.rs",
        1,
        "a closed list of the register",
    ),
    (
        "api/src/operations/cases/add_progress.rs",
        1,
        "closed lists of the records",
    ),
    (
        "api/src/operations/cases/progress.rs",
        1,
        "a closed list of the records",
    ),
    (
        "api/src/operations/progress_templates/save.rs",
        1,
        "closed lists of the records",
    ),
    (
        "api/src/operations/cases/register_consent.rs",
        1,
        "a closed list of consents",
    ),
    (
        "api/src/operations/cases/update.rs",
        1,
        "a closed list of the case",
    ),
    (
        "api/src/operations/documents/create.rs",
        1,
        "notes have no form",
    ),
    (
        "api/src/operations/local_forms/mod.rs",
        2,
        "what is added to",
    ),
    (
        "api/src/operations/local_forms/preview.rs",
        1,
        "what is added to",
    ),
    (
        "api/src/operations/disclosure_presets/mod.rs",
        1,
        "a closed list of the program",
    ),
    (
        "api/src/operations/persons/households.rs",
        1,
        "a closed list of the register",
    ),
    (
        "api/src/operations/persons/mod.rs",
        2,
        "the register's form is closed",
    ),
    (
        "api/src/operations/search/hits.rs",
        2,
        "labels of the register and the records",
    ),
    (
        "store/src/forms.rs",
        3,
        "the one way to a municipality's forms",
    ),
];

#[test]
fn documents_are_read_by_the_forms_of_their_municipality() {
    let server = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../server");
    let mut found = std::collections::BTreeMap::new();
    let mut folders = vec![server.join("api/src"), server.join("store/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("folder") {
            let path = entry.expect("entry").path();
            let name = path
                .strip_prefix(&server)
                .expect("inside")
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs")
                && !name.ends_with("tests.rs")
                && !name.contains("/tests/")
            {
                let text = std::fs::read_to_string(&path).expect("source");
                let code = text
                    .split("\n#[cfg(test)]\nmod ")
                    .next()
                    .unwrap_or_default();
                let uses = code.matches("form::catalogue()").count();
                if uses > 0 {
                    found.insert(name, uses);
                }
            }
        }
    }
    let known = SHIPPED
        .iter()
        .map(|(file, uses, _)| ((*file).to_owned(), *uses))
        .collect();
    assert_eq!(found, known);
}

/// Two structures that the API document calls by one name: the later one silently takes the place of
/// the other there.
#[test]
fn schemas_have_names_of_their_own() {
    let derived = regex::Regex::new(
        r"derive\([^)]*\bToSchema\b[^)]*\)\](?:\s*(?:#\[[^\n]*\]|///[^\n]*))*\s*(?:pub(?:\([a-z]+\))? )?(?:struct|enum) (\w+)",
    )
    .expect("pattern");
    let api = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/api/src");
    let mut found: std::collections::BTreeMap<String, Vec<String>> = Default::default();
    let mut derives = 0;
    let mut folders = vec![api.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("source");
            let file = path.strip_prefix(&api).expect("inside").display();
            derives += text
                .lines()
                .filter(|line| line.contains("derive(") && line.contains("ToSchema"))
                .count();
            for name in derived.captures_iter(&text) {
                let places = found.entry(name[1].to_owned()).or_default();
                places.push(file.to_string());
            }
        }
    }
    let seen: usize = found.values().map(Vec::len).sum();
    assert!(seen > 100, "only {seen} schemas seen");
    assert_eq!(seen, derives, "a schema is written in a way not seen here");
    found.retain(|_, places| places.len() > 1);
    assert!(found.is_empty(), "one name for two: {found:?}");
}
