//! What history, comparison and restore have in common: who may look into a document's past, what
//! its fields are called, and which moments were kept.

use std::{collections::BTreeMap, sync::Arc};

use collab::{Past, hub::FieldAuthor, identity::Author, log::Version, shape::Shape, values};
use domain::{
    clock::instant_text,
    disclosure::Level,
    form::{Definition, FieldType},
    id::{AccountId, AgencyId, DocumentId, MunicipalityId},
    section::{DocumentKind, Section},
};
use serde::Serialize;
use serde_json::Value;
use store::{Caller, Tx, agencies::Agency, documents::DocumentAccess};
use yrs::{ReadTxn, StateVector};

use crate::{error::ApiError, state::AppState};

/// Label of a version that was kept when the sheet was finalised.
pub const FINAL: &str = "final";
/// Label of the state before a restore.
pub const BEFORE_RESTORE: &str = "before_restore";
/// Before the id of the version in the label of the state after a restore.
const RESTORED: &str = "restored:";
/// Before the words of a user. Without it their words could be taken for a code.
const KEPT: &str = "kept:";

/// The document, for readers of its original. A masked reader gets the answer of a stranger: the
/// past holds what the projection withholds.
///
/// # Errors
/// 404 for everybody else, and for documents whose past is none of a sheet's (mask decisions).
pub async fn readable(
    tx: &mut Tx,
    caller: &Caller,
    id: &DocumentId,
) -> Result<DocumentAccess, ApiError> {
    tx.document_for(caller, id)
        .await?
        .filter(|access| access.level() >= Level::Read)
        .filter(|access| access.info().kind != DocumentKind::Masks)
        .ok_or_else(ApiError::not_found)
}

/// A field of a document: of a form, or a part of a note or a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub id: String,
    pub label: String,
    /// Heading of the form under which it stands.
    pub section: Option<String>,
    pub kind: Kind,
}

/// How a field is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Text,
    Value,
    /// Rows with these columns: id, label, whether it is text.
    Table(Vec<(String, String, bool)>),
}

/// The fields of a document in the order of the screen.
#[must_use]
pub fn places(kind: DocumentKind, form: Option<&Definition>) -> Vec<Place> {
    let is_text = |kind: FieldType| matches!(kind, FieldType::Text | FieldType::Textarea);
    let own = |id: &str, label: &str, kind: Kind| Place {
        id: id.to_owned(),
        label: label.to_owned(),
        section: None,
        kind,
    };
    let columns = |list: &[(&str, &str)]| {
        Kind::Table(
            list.iter()
                .map(|(id, label)| ((*id).to_owned(), (*label).to_owned(), false))
                .collect(),
        )
    };
    match kind {
        DocumentKind::Note => vec![own("content", "本文", Kind::Text)],
        DocumentKind::Network => vec![
            own(
                "nodes",
                "人・機関",
                columns(&[
                    ("label", "名前・名称"),
                    ("kind", "種類"),
                    ("sex", "性別"),
                    ("birth_date", "生年月日"),
                    ("deceased", "故人"),
                    ("death_date", "亡くなった日"),
                    ("index", "支援対象者"),
                    ("key_person", "キーパーソン"),
                ]),
            ),
            own(
                "ties",
                "つながり",
                columns(&[
                    ("from", "どこから"),
                    ("to", "どこへ"),
                    ("family", "図"),
                    ("kind", "関係"),
                    ("direction", "支援の流れ"),
                    ("frequency", "頻度"),
                    ("valid_from", "いつから"),
                    ("valid_to", "いつまで"),
                    ("note", "備考"),
                ]),
            ),
            own(
                "households",
                "世帯",
                columns(&[("name", "呼び名"), ("members", "世帯の人")]),
            ),
        ],
        _ => form
            .into_iter()
            .flat_map(|definition| &definition.sections)
            .flat_map(|section| {
                section.fields.iter().map(move |field| Place {
                    id: field.id.clone(),
                    label: field.label.clone(),
                    section: Some(section.title.clone()),
                    kind: match field.kind {
                        FieldType::Table => Kind::Table(
                            field
                                .columns
                                .iter()
                                .map(|c| (c.id.clone(), c.label.clone(), is_text(c.kind)))
                                .collect(),
                        ),
                        kind if is_text(kind) => Kind::Text,
                        _ => Kind::Value,
                    },
                })
            })
            .collect(),
    }
}

/// A document at one moment.
#[derive(Debug)]
pub struct State {
    pub shape: Arc<Shape>,
    pub epoch: u64,
    pub seq: u64,
    /// As one update.
    pub update: Vec<u8>,
    /// Field → value, in the form of `collab::values::fields`.
    pub values: BTreeMap<String, Value>,
}

/// The roots that hold the fields of a kind of document; `fields` holds several.
fn roots(kind: DocumentKind) -> &'static [&'static str] {
    match kind {
        DocumentKind::Note => &["content"],
        DocumentKind::Network => &["nodes", "ties", "households"],
        _ => &["fields"],
    }
}

fn by_field(kind: DocumentKind, mut root: impl FnMut(&str) -> Value) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for name in roots(kind) {
        match (root(name), *name) {
            (Value::Object(fields), "fields") => all.extend(fields),
            (value, name) => {
                all.insert(name.to_owned(), value);
            }
        }
    }
    all
}

/// The present state.
///
/// # Errors
/// 404 when the document is gone, 503 while it cannot be loaded.
pub async fn present(state: &AppState, access: &DocumentAccess) -> Result<State, ApiError> {
    let kind = access.info().kind;
    state
        .hub()
        .read(&access.info().id, move |view| State {
            shape: Arc::clone(&view.shape),
            epoch: view.epoch,
            seq: view.seq,
            update: view.txn.encode_state_as_update_v1(&StateVector::default()),
            values: by_field(kind, |name| values::root(&view.txn, &view.shape, name)),
        })
        .await
        .map_err(refused)
}

/// The fields of a kept moment. CPU work in proportion to the document.
#[must_use]
pub fn fields_of(kind: DocumentKind, past: &Past) -> BTreeMap<String, Value> {
    by_field(kind, |name| past.root(name))
}

/// Names of a network's nodes by their ids.
#[must_use]
pub fn node_names(values: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let nodes = values.get("nodes").and_then(Value::as_array);
    nodes
        .into_iter()
        .flatten()
        .filter_map(|node| {
            Some((
                node["id"].as_str()?.to_owned(),
                node.get("label")?.as_str()?.to_owned(),
            ))
        })
        .collect()
}

/// The name of a node; of one that is not there, that it is not.
#[must_use]
pub fn node_name(names: &BTreeMap<String, String>, id: &str) -> String {
    let known = names.get(id).cloned();
    known.unwrap_or_else(|| "（図にない人・機関）".to_owned())
}

/// Puts the names of the nodes where ties and households hold their ids, as they were called at that
/// moment.
pub fn name_ends(values: &mut BTreeMap<String, Value>) {
    let names = node_names(values);
    let named = |id: &Value| Value::from(node_name(&names, id.as_str().unwrap_or_default()));
    for row in values
        .get_mut("ties")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        for end in ["from", "to"] {
            if let Some(id) = row.get_mut(end) {
                *id = named(id);
            }
        }
    }
    let homes = values.get_mut("households").and_then(Value::as_array_mut);
    for row in homes.into_iter().flatten() {
        for member in row
            .get_mut("members")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            *member = named(member);
        }
    }
}

/// What a row of a network is called.
#[must_use]
pub fn row_name(table: &str, row: &Value) -> Option<String> {
    let text = |column: &str| row.get(column).and_then(Value::as_str);
    match table {
        "nodes" => text("label").map(str::to_owned),
        "ties" => Some(format!("{} と {}", text("from")?, text("to")?)),
        "households" => text("name").map(str::to_owned),
        _ => None,
    }
}

/// What a room's refusal is to the caller.
pub fn refused(error: collab::HubError) -> ApiError {
    use collab::{HubError, frame::Code};
    match error {
        HubError::Gone => ApiError::not_found(),
        HubError::Unavailable(_) => ApiError::unavailable("overloaded"),
        HubError::Refused {
            code: Code::PersonalNumber,
            ..
        } => ApiError::new(
            axum::http::StatusCode::UNPROCESSABLE_ENTITY,
            "personal_number",
        ),
        HubError::Refused {
            code: Code::TooLarge,
            ..
        } => ApiError::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, "too_large"),
        other => ApiError::internal(other),
    }
}

/// Why a moment was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MomentKind {
    /// Every few minutes of writing, and when the last one had gone.
    Automatic,
    /// The sheet was finalised.
    Final,
    /// Somebody kept it, with words of their own.
    Kept,
    /// The state before somebody went back to an earlier version.
    BeforeRestore,
    /// The state after that.
    Restored,
    /// The present state; not kept.
    Now,
}

/// What a label says: the kind, the words of a user, the version gone back to.
#[must_use]
pub fn meaning(label: &str) -> (MomentKind, Option<&str>, Option<&str>) {
    match label {
        "" => (MomentKind::Automatic, None, None),
        FINAL => (MomentKind::Final, None, None),
        BEFORE_RESTORE => (MomentKind::BeforeRestore, None, None),
        _ => match (label.strip_prefix(KEPT), label.strip_prefix(RESTORED)) {
            (Some(words), _) => (MomentKind::Kept, Some(words), None),
            (_, Some(id)) => (MomentKind::Restored, None, Some(id)),
            _ => (MomentKind::Kept, Some(label), None),
        },
    }
}

/// The label for the words of a user.
#[must_use]
pub fn kept_label(words: &str) -> String {
    format!("{KEPT}{words}")
}

/// The label of the state after a restore.
#[must_use]
pub fn restored_label(version: &str) -> String {
    format!("{RESTORED}{version}")
}

/// `1-23`: epoch and sequence number. States of one number are equal, whatever their labels.
#[must_use]
pub fn version_id(epoch: u64, seq: u64) -> String {
    format!("{epoch}-{seq}")
}

/// Reads [`version_id`].
#[must_use]
pub fn read_version_id(id: &str) -> Option<(u64, u64)> {
    let (epoch, seq) = id.split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse().ok())?
    };
    Some((number(epoch)?, number(seq)?))
}

/// A version of the document's present epoch, with its state.
///
/// # Errors
/// 404 when there is none; also for what was before an erasure.
pub async fn version(
    state: &AppState,
    document: &DocumentId,
    epoch: u64,
    id: &str,
) -> Result<Version, ApiError> {
    let (of, seq) = read_version_id(id)
        .filter(|(of, _)| *of == epoch)
        .ok_or_else(ApiError::not_found)?;
    let version = state.log().version(document, of, seq).await;
    version
        .map_err(ApiError::internal)?
        .ok_or_else(ApiError::not_found)
}

/// Who somebody is, for the screen.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Person {
    pub account_id: String,
    /// Null for an account that is known no more.
    pub name: Option<String>,
    pub agency_id: String,
    /// The agency they wrote for.
    pub agency: Option<String>,
}

/// Names of authors.
#[derive(Debug)]
pub struct Names {
    accounts: BTreeMap<AccountId, String>,
    agencies: BTreeMap<AgencyId, Agency>,
}

impl Names {
    /// Looks up the names of these authors and their agencies.
    ///
    /// # Errors
    /// Database away.
    pub async fn of<'a>(
        tx: &mut Tx,
        municipality: &MunicipalityId,
        authors: impl IntoIterator<Item = &'a Author>,
    ) -> Result<Self, ApiError> {
        let mut ids: Vec<AccountId> = authors.into_iter().map(|a| a.account.clone()).collect();
        ids.sort();
        ids.dedup();
        Ok(Self {
            accounts: store::accounts::names(tx, municipality, &ids).await?,
            agencies: store::agencies::by_id(tx, municipality).await?,
        })
    }

    /// Knows nobody.
    #[cfg(test)]
    pub(super) fn nobody() -> Self {
        Self {
            accounts: BTreeMap::new(),
            agencies: BTreeMap::new(),
        }
    }

    /// `None` for the server's own work (imports, migrations).
    #[must_use]
    pub fn person(&self, author: &Author) -> Option<Person> {
        (*author != Author::system()).then(|| Person {
            account_id: author.account.0.clone(),
            name: self.accounts.get(&author.account).cloned(),
            agency_id: author.agency.0.clone(),
            agency: self.agencies.get(&author.agency).map(|a| a.name.clone()),
        })
    }
}

/// Who changed something last, and when.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct LastChange {
    pub at: String,
    pub by: Option<Person>,
}

/// The last change at or below a path, no later than `until` (exact to the minute).
#[must_use]
pub fn last_change(
    runs: &[FieldAuthor],
    names: &Names,
    path: &str,
    until: Option<jiff::Timestamp>,
) -> Option<LastChange> {
    let below = |field: &str| {
        field
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // The seed wrote nothing that anybody would call a change.
    runs.iter()
        .rev()
        .find(|run| {
            run.field.as_deref().is_some_and(below)
                && until.is_none_or(|until| run.authored.at <= until)
                && run.authored.author != Author::system()
        })
        .map(|run| LastChange {
            at: instant_text(run.authored.at),
            by: names.person(&run.authored.author),
        })
}

/// Code of the section the document is.
#[must_use]
pub fn section(access: &DocumentAccess) -> Option<&'static str> {
    access.info().section.map(Section::code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_users_are_never_taken_for_codes() {
        assert_eq!(
            meaning(&kept_label("final")),
            (MomentKind::Kept, Some("final"), None)
        );
        assert_eq!(meaning(FINAL).0, MomentKind::Final);
        assert_eq!(meaning("").0, MomentKind::Automatic);
        assert_eq!(
            meaning(&restored_label("1-23")),
            (MomentKind::Restored, None, Some("1-23"))
        );
    }

    #[test]
    fn ids_of_versions_are_read_strictly() {
        assert_eq!(read_version_id(&version_id(2, 40)), Some((2, 40)));
        for bad in [
            "",
            "1",
            "1-",
            "-1",
            "1-+2",
            "1-2-3",
            "a-b",
            " 1-2",
            "1-99999999999999999999",
        ] {
            assert_eq!(read_version_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_kind_with_a_past_has_names_for_its_parts() {
        for kind in [
            DocumentKind::Intake,
            DocumentKind::Assessment,
            DocumentKind::Network,
            DocumentKind::Note,
        ] {
            let form = kind
                .form()
                .and_then(|form| domain::form::catalogue().definition(form));
            let all = places(kind, form);
            assert!(!all.is_empty(), "{kind}");
            assert!(all.iter().all(|place| !place.label.is_empty()));
        }
        // What the network's shape holds and is no layout has a column.
        let columns: Vec<String> = places(DocumentKind::Network, None)
            .into_iter()
            .flat_map(|place| match place.kind {
                Kind::Table(columns) => columns.into_iter().map(|c| c.0).collect(),
                _ => Vec::new(),
            })
            .collect();
        for column in ["label", "from", "to", "members", "note"] {
            assert!(columns.contains(&column.to_owned()), "{column}");
        }
    }
}
