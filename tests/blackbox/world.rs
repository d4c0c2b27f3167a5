//! The fixture municipality as the tests name it: cases by number, documents by section, clients
//! by login id.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use musubi_tests::{Client, Database, Server};
use reqwest::Method;
use serde_json::Value;
use yrs::{Doc, GetString, Map, MapPrelim, MapRef, Out, Text, TextPrelim, TextRef, Transact};

/// A case where nobody is protected: agencies reach 閲覧 and 編集.
pub const OPEN_CASE: &str = "2026-0002";
/// A case with a protected address: agencies reach masked reading at most.
pub const PROTECTED_CASE: &str = "2026-0001";

/// A case from which 青葉包括, 調整 次郎 and, about one person, 青葉基幹 are excluded.
pub const EXCLUDED_CASE: &str = "2026-0003";

/// Values of the register and of the sheets that must not reach whoever may not see them.
pub const CANARIES: &[&str] = &[
    "金糸雀",
    "太郎",
    "かなりあ",
    "隠岐",
    "避子",
    "おき さけこ",
    "花見川町",
    "秘匿町",
    "0900-90-1234",
    "0900-90-9999",
    "鶸谷",
    "実里",
    "ひわたに",
    "鶸谷町",
    "0900-91-5678",
];

pub struct World {
    pub server: Server,
    tokens: std::sync::Mutex<BTreeMap<String, String>>,
    clients: std::sync::Mutex<BTreeMap<String, Client>>,
}

/// A case with its documents.
#[derive(Debug, Clone)]
pub struct Case {
    pub id: String,
    /// Section → document id.
    pub documents: BTreeMap<String, String>,
    pub persons: Vec<Value>,
}

impl Case {
    pub fn document(&self, section: &str) -> &str {
        self.documents.get(section).map_or("", |id| id.as_str())
    }
}

impl World {
    /// Waits until the first scans have loaded the models and memory stays as it is: what is measured
    /// then is what the test itself makes it take.
    pub async fn calm(&self) -> Result<()> {
        const PAUSE: std::time::Duration = std::time::Duration::from_millis(1500);
        let client = self.as_user("aoba-coord")?;
        for _ in 0..60 {
            if client.get_raw("/readyz").await?.json["models"] == "ready" {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        let (mut before, mut same) = (0, 0);
        for _ in 0..40 {
            let now = self.server.resident()?;
            same = if now.abs_diff(before) < 1 << 20 {
                same + 1
            } else {
                0
            };
            if same == 2 {
                return Ok(());
            }
            before = now;
            tokio::time::sleep(PAUSE).await;
        }
        anyhow::bail!("memory grows although nobody does anything")
    }

    pub async fn start(on: Database) -> Result<Self> {
        Ok(Self::of(Server::with_fixtures(on).await?))
    }

    /// The world of a server that is there.
    pub fn of(server: Server) -> Self {
        Self {
            server,
            tokens: std::sync::Mutex::default(),
            clients: std::sync::Mutex::default(),
        }
    }

    /// Takes over the bearer tokens of a world with the same accounts.
    pub fn take_tokens(&self, of: &Self) -> Result<()> {
        let theirs = of.tokens.lock().expect("no test panicked with the lock");
        let mut own = self.tokens.lock().expect("no test panicked with the lock");
        own.clone_from(&theirs);
        Ok(())
    }

    /// Makes a note that the coordinators share; returns its id.
    pub async fn note(&self) -> Result<String> {
        let made = self
            .as_user("aoba-coord")?
            .post("/documents", serde_json::json!({"kind": "note"}))
            .await?
            .ok()?;
        Ok(made["id"].as_str().context("id")?.to_owned())
    }

    /// A client with a bearer token of the account.
    pub fn as_user(&self, login_id: &str) -> Result<Client> {
        let token = self.token(login_id)?;
        let mut clients = self.clients.lock().expect("no test panicked with the lock");
        let client = clients
            .entry(login_id.to_owned())
            .or_insert_with(|| Client::with_token(&self.server.url, &token));
        Ok(client.clone())
    }

    /// A bearer token of the account, made once.
    pub fn token(&self, login_id: &str) -> Result<String> {
        let mut tokens = self.tokens.lock().expect("no test panicked with the lock");
        if let Some(token) = tokens.get(login_id) {
            return Ok(token.clone());
        }
        let token = self.server.token(login_id)?;
        tokens.insert(login_id.to_owned(), token.clone());
        Ok(token)
    }

    /// The case with that number as the coordinator sees it.
    pub async fn case(&self, number: &str) -> Result<Case> {
        let coordinator = self.as_user("aoba-coord")?;
        let found = coordinator.get("/cases").await?.ok()?;
        let items = found["items"].as_array().context("items")?;
        let id = items
            .iter()
            .find(|case| case["case_no"] == number)
            .and_then(|case| case["id"].as_str())
            .context("no such case")?;
        let detail = coordinator.get(&format!("/cases/{id}")).await?.ok()?;
        let documents = detail["sections"]
            .as_array()
            .context("sections")?
            .iter()
            .filter_map(|section| {
                Some((
                    section["section"].as_str()?.to_owned(),
                    section["document_id"].as_str()?.to_owned(),
                ))
            })
            .collect();
        Ok(Case {
            id: id.to_owned(),
            documents,
            persons: detail["persons"].as_array().cloned().unwrap_or_default(),
        })
    }

    /// The id of an agency by its name.
    pub async fn agency(&self, name: &str) -> Result<String> {
        let found = self.as_user("aoba-admin")?.get("/agencies").await?.ok()?;
        let items = found["items"].as_array().context("items")?;
        let agency = items
            .iter()
            .find(|agency| agency["name"] == name)
            .context("no such agency")?;
        Ok(agency["id"].as_str().context("id")?.to_owned())
    }

    /// The id of an account by its login id.
    pub async fn account(&self, login_id: &str) -> Result<String> {
        let found = self.as_user("aoba-admin")?.get("/accounts").await?.ok()?;
        let items = found["items"].as_array().context("items")?;
        let account = items
            .iter()
            .find(|account| account["login_id"] == login_id)
            .context("no such account")?;
        Ok(account["id"].as_str().context("id")?.to_owned())
    }
}

/// A named step: its name stands in the message when it fails.
pub async fn step(name: &str, check: impl Future<Output = Result<()>>) -> Result<()> {
    check.await.with_context(|| name.to_owned())
}

fn fields(doc: &Doc) -> MapRef {
    doc.get_or_insert_map("fields")
}

fn text_of(doc: &Doc, field: &str) -> Option<TextRef> {
    let root = fields(doc);
    match root.get(&doc.transact(), field) {
        Some(Out::YText(text)) => Some(text),
        _ => None,
    }
}

/// The text of a sheet's text field.
pub fn field_text(doc: &Doc, field: &str) -> String {
    text_of(doc, field)
        .map(|text| text.get_string(&doc.transact()))
        .unwrap_or_default()
}

/// Types at the end of a sheet's text field.
pub fn type_field(doc: &Doc, field: &str, typed: &str) -> Result<()> {
    let text = text_of(doc, field).with_context(|| format!("{field} is no live text"))?;
    text.push(&mut doc.transact_mut(), typed);
    Ok(())
}

/// Adds a row whose cells are all texts.
pub fn add_row(doc: &Doc, table: &str, row: &str, cells: &[(&str, &str)]) -> Result<()> {
    let root = fields(doc);
    let mut txn = doc.transact_mut();
    let Some(Out::YMap(rows)) = root.get(&txn, table) else {
        anyhow::bail!("{table} is no table")
    };
    let live = rows.insert(
        &mut txn,
        row,
        MapPrelim::from_iter([("order", yrs::Any::from("z0"))]),
    );
    for (column, value) in cells {
        live.insert(&mut txn, *column, TextPrelim::new(*value));
    }
    Ok(())
}

/// Every operation of the interface, as `METHOD /path` below `/api/v1`, from its own description.
pub async fn operations(client: &Client) -> Result<BTreeSet<String>> {
    let described = client.get_raw("/api/openapi.json").await?.ok()?;
    let mut found = BTreeSet::new();
    for (path, methods) in described["paths"].as_object().context("paths")? {
        for method in methods.as_object().context("methods")?.keys() {
            found.insert(format!(
                "{} {}",
                method.to_uppercase(),
                path.trim_start_matches("/api/v1")
            ));
        }
    }
    ensure!(
        found.len() > 60,
        "the description is not complete: {}",
        found.len()
    );
    Ok(found)
}

pub fn split(operation: &str) -> Result<(Method, &str)> {
    let (method, path) = operation.split_once(' ').context("operation")?;
    Ok((method.parse()?, path))
}

/// Nothing of the register may stand in an answer to somebody who may not know it.
pub fn no_canary(what: &str, body: &str) -> Result<()> {
    let found: Vec<_> = CANARIES
        .iter()
        .filter(|canary| body.contains(**canary))
        .collect();
    ensure!(found.is_empty(), "{what} tells {found:?}: {body}");
    Ok(())
}
