//! From a live document to what masked readers see.
//!
//! A *scan* is one moment of a document: its values, and for each text the spans that must not be
//! shown, with what reviewers decided. The projection is made from a scan alone, so text and spans
//! always belong together. Newer text is not shown until the next scan is done.
//!
//! **Invariant:** fail closed. No model, no new scan; no scan, nothing shown; a span is shown only
//! when a reviewer rejected it and the text under it is what the reviewer saw.

pub mod reconcile;
pub mod replace;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use collab::{anchor, identity::Author, values};
use domain::{
    clock::instant_text,
    disclosure::CaseFacts,
    form::{self, Definition, MaskedText, Projected, Projection},
    id::DocumentId,
    mask::Numbering,
    offset::{CodePoint, OffsetMap, Utf16},
    section::DocumentKind,
};
use masking::{Register, RegisterPerson};
use parking_lot::Mutex;
use rand::RngExt;
use reconcile::{Existing, Found, Range, Status, Step, reconcile};
use serde::{Deserialize, Serialize};
use serde_json::{Map as Object, Value};
use store::{
    Tx, documents::DocumentWork, masking::ScanState, persons::Person, projections::Audience,
};
use yrs::{Any, Map, MapPrelim, ReadTxn};

use crate::{engines::Engines, error::ApiError, events::CaseEvent, state::AppState};

/// What a span looks like in a scan. Offsets in code points of the scanned text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScannedSpan {
    pub id: String,
    pub start: CodePoint,
    pub end: CodePoint,
    pub label: String,
    pub person: Option<String>,
    /// Rejected by a reviewer: shown.
    pub rejected: bool,
    /// Nobody decided yet: masked, and waiting.
    pub pending: bool,
}

/// One moment of a document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scan {
    /// The values of the moment, texts included, in the form of `collab::values::fields`.
    pub values: Object<String, Value>,
    /// Path of a text → its spans. A text without an entry was not scanned.
    pub spans: BTreeMap<String, Vec<ScannedSpan>>,
    /// Artifacts that made the suggestions.
    pub model: String,
    /// Fingerprint of the register that the texts were looked through with.
    #[serde(default)]
    pub register: String,
}

impl Scan {
    #[must_use]
    pub fn pending(&self) -> usize {
        self.spans
            .values()
            .flatten()
            .filter(|span| span.pending)
            .count()
    }

    /// The scan as it may be shown with today's register: when a name was added since, no text of it
    /// may, until it has been looked through again.
    #[must_use]
    pub fn for_register(mut self, persons: &[(i64, Person)]) -> Self {
        if self.register != fingerprint(&register(persons)) {
            self.spans.clear();
        }
        self
    }

    #[must_use]
    pub fn total(&self) -> usize {
        self.spans.values().map(Vec::len).sum()
    }
}

/// The texts of a sheet by path (`summary`, `table/row/column`), in the order of the form.
#[must_use]
pub fn texts(definition: &Definition, values: &Object<String, Value>) -> Vec<(String, String)> {
    let is_text = |field: &form::Field| {
        matches!(
            field.kind,
            form::FieldType::Text | form::FieldType::Textarea
        )
    };
    let mut found = Vec::new();
    for field in definition.fields() {
        let Some(value) = values.get(&field.id) else {
            continue;
        };
        if is_text(field) {
            if let Some(text) = value.as_str() {
                found.push((field.id.clone(), text.to_owned()));
            }
            continue;
        }
        for row in value
            .as_array()
            .filter(|_| field.kind == form::FieldType::Table)
            .into_iter()
            .flatten()
        {
            let Some(id) = row["id"].as_str() else {
                continue;
            };
            for column in field.columns.iter().filter(|column| is_text(column)) {
                if let Some(text) = row[&column.id].as_str() {
                    found.push((format!("{}/{id}/{}", field.id, column.id), text.to_owned()));
                }
            }
        }
    }
    found
}

/// The case's persons as the masking pipeline knows them.
#[must_use]
pub fn register(persons: &[(i64, Person)]) -> Register {
    let persons = persons
        .iter()
        .map(|(_, person)| {
            let current = |field: &str| person.fields.get(field).cloned();
            let past = |field: &str| {
                person
                    .former
                    .iter()
                    .filter(|fact| fact.field == field)
                    .map(|fact| fact.value.clone())
                    .collect::<Vec<_>>()
            };
            let all = |fields: &[&str]| {
                fields
                    .iter()
                    .flat_map(|field| current(field).into_iter().chain(past(field)))
                    .collect::<Vec<String>>()
            };
            let address = [current("address"), current("address2")]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>();
            let mut addresses = all(&["address"]);
            if address.len() == 2 {
                addresses.push(address.join(" "));
                addresses.push(address.concat());
            }
            RegisterPerson {
                id: person.id.0.clone(),
                names: current("name").into_iter().collect(),
                kana: all(&["name_kana"]),
                aliases: all(&["alias"]),
                former_names: past("name")
                    .into_iter()
                    .chain(all(&["former_name"]))
                    .collect(),
                addresses,
                phones: all(&["phone_home", "phone_mobile"]),
                emails: all(&["email"]),
                birth_date: current("birth_date"),
                other_ids: all(&["atena_no"]),
            }
        })
        .collect();
    Register { persons }
}

fn fingerprint(register: &Register) -> String {
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(serde_json::to_vec(register).unwrap_or_default());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Numbers of the case's persons: ［氏名n］ with the n that lists show.
#[must_use]
pub fn numbering(persons: &[(i64, Person)]) -> Numbering {
    let last = persons.iter().map(|(number, _)| *number).max().unwrap_or(0);
    let by_number: HashMap<i64, &str> = persons
        .iter()
        .map(|(number, person)| (*number, person.id.as_str()))
        .collect();
    // A number once given to somebody who left the case stays unused.
    let keys: Vec<String> = (1..=last)
        .map(|number| {
            by_number
                .get(&number)
                .map_or_else(|| format!("unused-{number}"), |id| (*id).to_owned())
        })
        .collect();
    Numbering::with_persons(keys.iter().map(String::as_str))
}

/// Suggestions already computed for a text: unchanged fields cost nothing at the next scan.
#[derive(Debug, Default)]
pub struct SuggestionCache {
    known: Mutex<HashMap<(DocumentId, String), Suggested>>,
}

/// Hash of text, register and model; and what was found.
type Suggested = (u64, Arc<Vec<masking::Span>>);

impl SuggestionCache {
    /// Documents whose suggestions are kept.
    const LIMIT: usize = 4096;

    fn suggest(
        &self,
        document: &DocumentId,
        path: &str,
        text: &str,
        register: &Register,
        engines: &Engines,
    ) -> masking::Result<Arc<Vec<masking::Span>>> {
        use std::hash::{Hash, Hasher};
        let mut hasher = std::hash::DefaultHasher::new();
        (
            text,
            serde_json::to_string(register).unwrap_or_default(),
            &engines.models.version,
        )
            .hash(&mut hasher);
        let hash = hasher.finish();
        let key = (document.clone(), path.to_owned());
        if let Some((known, spans)) = self.known.lock().get(&key)
            && *known == hash
        {
            return Ok(Arc::clone(spans));
        }
        let spans = Arc::new(engines.masker.suggest(text, register)?);
        let mut known = self.known.lock();
        if known.len() >= Self::LIMIT {
            known.clear();
        }
        known.insert(key, (hash, Arc::clone(&spans)));
        Ok(spans)
    }
}

/// A span as it stands in the masks document.
#[derive(Debug, Clone)]
struct RawSpan {
    id: String,
    field: String,
    start: String,
    end: String,
    label: String,
    person: Option<String>,
    status: Status,
    manual: bool,
}

fn raw_spans(rows: &Value) -> Vec<RawSpan> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter()
        .filter_map(|row| {
            let text = |key: &str| row[key].as_str().map(str::to_owned);
            Some(RawSpan {
                id: text("id")?,
                field: text("field")?,
                start: text("start")?,
                end: text("end")?,
                label: text("label").unwrap_or_else(|| "PERSON".to_owned()),
                person: text("person"),
                status: match row["status"].as_str() {
                    Some("accepted") => Status::Accepted,
                    Some("rejected") => Status::Rejected,
                    _ => Status::Pending,
                },
                manual: row["source"].as_str() == Some("manual"),
            })
        })
        .collect()
}

/// What one look at the parent document gives: all of one moment.
struct Moment {
    values: Object<String, Value>,
    epoch: u64,
    seq: u64,
    /// Where the spans of the masks document are, UTF-16.
    resolved: HashMap<String, std::ops::Range<Utf16>>,
}

/// Scans a document now: suggests, reconciles with the reviewers' decisions, stores the scan.
/// Returns the number of undecided suggestions.
///
/// # Errors
/// 503 `models_not_ready` while the models are not there: the former scan stays.
pub async fn scan(state: &AppState, document: &DocumentId) -> Result<usize, ApiError> {
    let engines = state
        .engines()
        .get()
        .ok_or_else(|| ApiError::unavailable("models_not_ready"))?;
    let _turn = state.scan_turn().await;
    let mut tx = state.db().read().await?;
    let work = tx
        .work_on(document)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let persons = work.register(&mut tx).await?;
    let former = read_scan(&mut tx, &work).await?;
    drop(tx);
    let Some(definition) = work
        .info()
        .form
        .as_deref()
        .and_then(|form| form::catalogue().definition(form))
    else {
        return Ok(0);
    };

    let raw = match work.masks() {
        Some(masks) => {
            let rows = state
                .hub()
                .read(masks, |view| values::root(&view.txn, &view.shape, "spans"))
                .await
                .map_err(ApiError::internal)?;
            raw_spans(&rows)
        }
        None => Vec::new(),
    };
    let moment = look(state, document, raw.clone()).await?;
    let texts = texts(definition, &moment.values);
    let register = register(&persons);
    let known = fingerprint(&register);

    let suggested = {
        let (state, document, texts, engines) = (
            state.clone(),
            document.clone(),
            texts.clone(),
            Arc::clone(&engines),
        );
        crate::context::blocking(move || {
            texts
                .iter()
                .map(|(path, text)| {
                    let spans = state
                        .suggestions()
                        .suggest(&document, path, text, &register, &engines)?;
                    Ok((path.clone(), spans))
                })
                .collect::<masking::Result<HashMap<_, _>>>()
        })
        .await?
        .map_err(ApiError::internal)?
    };

    let former_surfaces = former
        .as_ref()
        .map(|stored| surfaces(definition, &stored.scan))
        .unwrap_or_default();
    let mut plan = Vec::new();
    for (path, text) in &texts {
        let offsets = OffsetMap::new(text);
        let existing: Vec<Existing> = raw
            .iter()
            .filter(|span| span.field == *path)
            .map(|span| {
                let range = moment.resolved.get(&span.id).and_then(|range| {
                    Some(Range {
                        start: offsets.from_utf16(range.start)?,
                        end: offsets.from_utf16(range.end)?,
                    })
                });
                let now = range.map(|range| slice(text, range));
                Existing {
                    id: span.id.clone(),
                    range,
                    label: span.label.clone(),
                    status: span.status,
                    manual: span.manual,
                    unchanged: unchanged(
                        former_surfaces.get(&span.id).map(String::as_str),
                        now.as_deref(),
                        span.status,
                    ),
                }
            })
            .collect();
        let found: Vec<Found> = suggested
            .get(path)
            .into_iter()
            .flat_map(|spans| spans.iter())
            .map(|span| Found {
                range: Range {
                    start: span.start,
                    end: span.end,
                },
                label: code(&span.label),
                score: span.score,
                source: code(&span.source),
                person: span.person.clone(),
            })
            .collect();
        plan.push(PlannedField {
            path: path.clone(),
            text: text.clone(),
            steps: reconcile(&existing, &found),
            existing,
        });
    }
    let gone: Vec<String> = {
        let present: BTreeSet<&str> = texts.iter().map(|(path, _)| path.as_str()).collect();
        raw.iter()
            .filter(|span| !present.contains(span.field.as_str()))
            .map(|span| span.id.clone())
            .collect()
    };

    let mut scan = write_down(
        state,
        document,
        &work,
        &raw,
        plan,
        gone,
        moment.values,
        &engines,
    )
    .await?;
    scan.register = known;
    let pending = scan.pending();
    let mut tx = state.db().write().await?;
    let value = serde_json::to_value(&scan).map_err(ApiError::internal)?;
    let waiting = i64::try_from(pending).unwrap_or(i64::MAX);
    work.store_scan(
        &mut tx,
        moment.epoch,
        moment.seq,
        ScanState::Done,
        waiting,
        &value,
    )
    .await?;
    let facts = work.facts(&mut tx).await?;
    let masked = project(
        definition,
        &scan,
        &scan.values,
        address_protected(facts.as_ref()),
        &mut numbering(&persons),
    );
    let masked = serde_json::to_value(&masked).map_err(ApiError::internal)?;
    work.store_projection(&mut tx, Audience::Masked, moment.epoch, moment.seq, &masked)
        .await?;
    tx.commit().await?;
    if let Some(case) = &work.info().case {
        let municipality = &work.info().municipality;
        state.events().tell(
            municipality,
            case,
            CaseEvent::Projection {
                document_id: document.clone(),
                seq: moment.seq,
            },
        );
        state.events().tell(
            municipality,
            case,
            CaseEvent::Masks {
                document_id: document.clone(),
            },
        );
    }
    Ok(pending)
}

struct PlannedField {
    path: String,
    text: String,
    existing: Vec<Existing>,
    steps: Vec<Step>,
}

fn code<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Whether a decision is still about the text it was made on. Of a rejection nobody can say so when
/// no earlier scan knows the span: it is asked again.
fn unchanged(before: Option<&str>, now: Option<&str>, status: Status) -> bool {
    match before {
        Some(before) => Some(before) == now,
        None => status != Status::Rejected,
    }
}

fn slice(text: &str, range: Range) -> String {
    text.chars()
        .skip(range.start.0)
        .take(range.end.0.saturating_sub(range.start.0))
        .collect()
}

/// Span id → the text it covered at a scan.
fn surfaces(definition: &Definition, scan: &Scan) -> HashMap<String, String> {
    let texts: HashMap<String, String> = texts(definition, &scan.values).into_iter().collect();
    scan.spans
        .iter()
        .flat_map(|(path, spans)| spans.iter().map(move |span| (path, span)))
        .filter_map(|(path, span)| {
            let text = texts.get(path)?;
            Some((
                span.id.clone(),
                slice(
                    text,
                    Range {
                        start: span.start,
                        end: span.end,
                    },
                ),
            ))
        })
        .collect()
}

async fn look(
    state: &AppState,
    document: &DocumentId,
    raw: Vec<RawSpan>,
) -> Result<Moment, ApiError> {
    state
        .hub()
        .read(document, move |view| {
            let resolved = raw
                .into_iter()
                .filter_map(|span| {
                    let text = anchor::text_at(&view.txn, &view.shape, &span.field)?;
                    let range = anchor::resolve(&view.txn, &text, &span.start, &span.end)?;
                    Some((span.id, range))
                })
                .collect();
            let values = match values::fields(&view.txn, &view.shape) {
                Value::Object(values) => values,
                _ => Object::new(),
            };
            Moment {
                values,
                epoch: view.epoch,
                seq: view.seq,
                resolved,
            }
        })
        .await
        .map_err(ApiError::internal)
}

/// Writes the steps into the masks document and returns the scan as it then stands. Anchors are
/// made only where the text is still the scanned one; elsewhere the next scan does it.
#[expect(
    clippy::too_many_arguments,
    reason = "the pieces of one scan, used once"
)]
async fn write_down(
    state: &AppState,
    document: &DocumentId,
    work: &DocumentWork,
    raw: &[RawSpan],
    plan: Vec<PlannedField>,
    gone: Vec<String>,
    values: Object<String, Value>,
    engines: &Engines,
) -> Result<Scan, ApiError> {
    let mut scan = Scan {
        values,
        model: engines.models.version.clone(),
        ..Scan::default()
    };
    let mut removals = gone;
    // What is to go, by id: it comes back when a reviewer accepts it before it is gone.
    let mut leaving: HashMap<String, (String, ScannedSpan)> = HashMap::new();
    // (path, text, id, range, label, source, score, person, new)
    let mut anchored = Vec::new();
    for field in plan {
        let offsets = OffsetMap::new(&field.text);
        let mut spans: BTreeMap<String, ScannedSpan> = field
            .existing
            .iter()
            .filter_map(|span| {
                let range = span.range?;
                let person = raw
                    .iter()
                    .find(|raw| raw.id == span.id)
                    .and_then(|raw| raw.person.clone());
                Some((
                    span.id.clone(),
                    ScannedSpan {
                        id: span.id.clone(),
                        start: range.start,
                        end: range.end,
                        label: span.label.clone(),
                        person,
                        rejected: span.status == Status::Rejected,
                        pending: span.status == Status::Pending,
                    },
                ))
            })
            .collect();
        for step in field.steps {
            match step {
                Step::Remove { id } => {
                    if let Some(span) = spans.remove(&id) {
                        leaving.insert(id.clone(), (field.path.clone(), span));
                    }
                    removals.push(id);
                }
                Step::Move { id, to } => {
                    if let Some(span) = spans.get_mut(&id) {
                        (span.start, span.end) = (to.start, to.end);
                    }
                    anchored.push((field.path.clone(), id, utf16(&offsets, to), None));
                }
                Step::Add(found) => {
                    let id = fresh_key();
                    let span = ScannedSpan {
                        id: id.clone(),
                        start: found.range.start,
                        end: found.range.end,
                        label: found.label.clone(),
                        person: found.person.clone(),
                        rejected: false,
                        pending: true,
                    };
                    spans.insert(id.clone(), span);
                    anchored.push((
                        field.path.clone(),
                        id,
                        utf16(&offsets, found.range),
                        Some(found),
                    ));
                }
            }
        }
        let mut spans: Vec<ScannedSpan> = spans.into_values().collect();
        spans.sort_by_key(|span| (span.start, span.end));
        scan.spans.insert(field.path, spans);
    }
    let Some(masks) = work
        .masks()
        .filter(|_| !removals.is_empty() || !anchored.is_empty())
    else {
        return Ok(scan);
    };

    let scanned: HashMap<String, String> = work
        .info()
        .form
        .as_deref()
        .and_then(|form| form::catalogue().definition(form))
        .map(|definition| texts(definition, &scan.values).into_iter().collect())
        .unwrap_or_default();
    let ready = state
        .hub()
        .read(document, move |view| {
            anchored
                .into_iter()
                .filter_map(|(path, id, range, found)| {
                    let text = anchor::text_at(&view.txn, &view.shape, &path)?;
                    let same =
                        yrs::GetString::get_string(&text, &view.txn) == *scanned.get(&path)?;
                    let (start, end) = anchor::anchor(&view.txn, &text, range?).filter(|_| same)?;
                    Some((path, id, start, end, found))
                })
                .collect::<Vec<_>>()
        })
        .await
        .map_err(ApiError::internal)?;
    let at = instant_text(state.clock().now());
    let (_, kept) = state
        .hub()
        .write_as(&Author::system(), masks, move |txn| {
            let mut kept: Vec<String> = Vec::new();
            let Some(spans) = txn.get_map("spans") else { return kept };
            for id in removals {
                // A reviewer may have decided meanwhile: what was accepted stays.
                let decided = matches!(
                    spans.get(txn, &id),
                    Some(yrs::Out::YMap(span)) if matches!(span.get(txn, "status"), Some(yrs::Out::Any(Any::String(status))) if &*status == "accepted")
                );
                if decided {
                    kept.push(id);
                } else {
                    spans.remove(txn, &id);
                }
            }
            for (path, id, start, end, found) in ready {
                match found {
                    Some(found) => {
                        let mut entries: Vec<(&str, Any)> = vec![
                            ("field", path.into()),
                            ("start", start.into()),
                            ("end", end.into()),
                            ("label", found.label.into()),
                            ("score", Any::from(f64::from(found.score))),
                            ("source", found.source.into()),
                            ("status", "pending".into()),
                            ("at", at.clone().into()),
                        ];
                        if let Some(person) = found.person {
                            entries.push(("person", person.into()));
                        }
                        spans.insert(txn, id, MapPrelim::from_iter(entries));
                    }
                    None => {
                        if let Some(yrs::Out::YMap(span)) = spans.get(txn, &id) {
                            span.insert(txn, "start", start);
                            span.insert(txn, "end", end);
                        }
                    }
                }
            }
            kept
        })
        .await
        .map_err(ApiError::internal)?;
    for (path, span) in kept.iter().filter_map(|id| leaving.remove(id)) {
        let spans = scan.spans.entry(path).or_default();
        spans.push(ScannedSpan {
            rejected: false,
            pending: false,
            ..span
        });
        spans.sort_by_key(|span| (span.start, span.end));
    }
    Ok(scan)
}

fn utf16(offsets: &OffsetMap, range: Range) -> Option<std::ops::Range<Utf16>> {
    Some(offsets.to_utf16(range.start)?..offsets.to_utf16(range.end)?)
}

/// An opaque key as browsers make them too: 16 letters and digits.
#[must_use]
pub fn fresh_key() -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut rng = rand::rng();
    (0..16)
        .map(|_| char::from(ALPHABET[usize::from(rng.random::<u8>() & 31)]))
        .collect()
}

/// A scan out of the store, with the sequence number it was made at.
#[derive(Debug, Clone)]
pub struct StoredScan {
    pub scan: Scan,
    pub seq: u64,
    pub at: String,
}

/// The last scan of a document, if it can be read. One that cannot counts as none.
///
/// # Errors
/// Database away.
pub async fn read_scan(tx: &mut Tx, work: &DocumentWork) -> store::Result<Option<StoredScan>> {
    let Some(stored) = work
        .scan(tx)
        .await?
        .filter(|stored| stored.state == ScanState::Done)
    else {
        return Ok(None);
    };
    Ok(serde_json::from_value(stored.value)
        .ok()
        .map(|scan| StoredScan {
            scan,
            seq: stored.seq,
            at: stored.at,
        }))
}

/// Whether somebody the case is about has 住所秘匿: protected fields are withheld from everybody
/// who reads masked.
#[must_use]
pub fn address_protected(facts: Option<&CaseFacts>) -> bool {
    facts.is_none_or(|facts| {
        facts
            .persons
            .iter()
            .any(|person| person.address_confidential)
    })
}

/// What masked readers see of a sheet. `current` are the document's present values: a text that
/// differs from the scanned one carries `withheld`.
#[must_use]
pub fn project(
    definition: &Definition,
    scan: &Scan,
    current: &Object<String, Value>,
    address_protected: bool,
    numbering: &mut Numbering,
) -> Projection {
    let shown: BTreeMap<&str, &Vec<ScannedSpan>> = scan
        .spans
        .iter()
        .map(|(path, spans)| (path.as_str(), spans))
        .collect();
    // The texts first, then the structured fields, with one numbering: ［氏名3］ is one person only.
    let masked: HashMap<String, String> = texts(definition, &scan.values)
        .into_iter()
        .filter_map(|(path, text)| {
            let spans = shown.get(path.as_str())?;
            let masked = replace::replace(&text, spans, numbering);
            Some((path, masked))
        })
        .collect();
    let mut projection = form::project_masked(
        definition,
        &scan.values,
        address_protected,
        numbering,
        &mut |path, _| {
            masked.get(path).map_or(MaskedText::Withheld, |text| {
                MaskedText::Masked(text.clone())
            })
        },
    );
    let scanned: HashMap<String, String> = texts(definition, &scan.values).into_iter().collect();
    for (path, text) in texts(definition, current) {
        if scanned.get(&path) == Some(&text) {
            continue;
        }
        let field = path.split('/').next().unwrap_or_default().to_owned();
        projection
            .entry(field)
            .or_insert_with(Projected::default)
            .withheld = true;
    }
    projection
}

/// Whether documents of this kind are scanned.
#[must_use]
pub fn is_scanned(kind: DocumentKind) -> bool {
    kind.form().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_that_no_scan_knows_is_asked_again() {
        assert!(unchanged(Some("森"), Some("森"), Status::Rejected));
        assert!(!unchanged(Some("森"), Some("森山"), Status::Rejected));
        assert!(!unchanged(None, Some("森"), Status::Rejected));
        assert!(
            unchanged(None, Some("森"), Status::Accepted)
                && unchanged(None, Some("森"), Status::Pending)
        );
    }

    #[test]
    fn a_scan_made_with_another_register_shows_no_text() {
        let person = |name: &str| {
            let fields = BTreeMap::from([("name".to_owned(), name.to_owned())]);
            let person = Person {
                id: "p1".into(),
                version: 1,
                fields,
                former: Vec::new(),
                flags: Vec::new(),
                address_confidential: false,
                address_withheld: false,
                address_allow: Vec::new(),
                updated_at: String::new(),
            };
            (1, person)
        };
        let before = [person("架空太郎")];
        let scan = Scan {
            spans: BTreeMap::from([("summary".to_owned(), Vec::new())]),
            register: fingerprint(&register(&before)),
            ..Scan::default()
        };
        assert_eq!(scan.clone().for_register(&before), scan);
        assert!(
            scan.clone()
                .for_register(&[person("架空次郎")])
                .spans
                .is_empty()
        );
        // Nor one that is older than the fingerprint.
        assert!(
            Scan {
                register: String::new(),
                ..scan
            }
            .for_register(&before)
            .spans
            .is_empty()
        );
    }
}
