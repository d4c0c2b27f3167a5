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
