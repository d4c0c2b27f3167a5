//! What a case is for 類似事案: a masked digest, features as codes, and vectors of the digest.
//!
//! **Invariant:** only scans are read, never a live document: what was not scanned does not exist
//! here, and every accepted or pending span is replaced.
//! **Invariant:** what is stored is masked as today: with a new decision or a changed register the
//! vectors go in the same transaction, and come back from the next scan.
//! **Invariant:** nothing is stored of a case that did not opt in (`similar_ok`).

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use domain::{
    form::{self, Catalogue, Definition, FieldType, Projection},
    id::{CaseId, MunicipalityId},
    section::{DocumentKind, Section},
};
use serde_json::Value;
use store::{
    Tx,
    outbox::{self, Position},
    vectors::{self, Embedded, Likeness},
};

use crate::{
    background::PIECE,
    engines::{EngineState, Engines},
    error::ApiError,
    scanning,
    state::AppState,
};

/// Parts of a case in the store, beside [`DIGEST`]. Sentences are `001`, `002` … in the digest's order.
pub(crate) use store::vectors::DIGEST;
pub(crate) const FEATURES: &str = "features";
/// Longest digest in characters: more than a thousand say little more about what a case is like,
/// and every sentence costs an inference.
const LONGEST: usize = 2_000;

/// The sheets a digest is made of.
pub const SECTIONS: [Section; 2] = [Section::Assessment, Section::Intake];
const KINDS: [DocumentKind; 2] = [DocumentKind::Assessment, DocumentKind::Intake];

/// A case in masked words and codes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Digest {
    pub text: String,
    /// `<field>:<code>`, for example `issues:debt`.
    pub features: BTreeSet<String>,
}

/// Texts of the sheets that go into the digest, what says most first.
const TEXTS: [(DocumentKind, &str); 11] = [
    (DocumentKind::Assessment, "chief_complaint_self"),
    (DocumentKind::Assessment, "chief_complaint_family"),
    (DocumentKind::Intake, "request_text"),
    (DocumentKind::Assessment, "summary"),
    (DocumentKind::Assessment, "assessment_summary"),
    (DocumentKind::Assessment, "assessment_background"),
    (DocumentKind::Assessment, "issues_other"),
    (DocumentKind::Assessment, "budget"),
    (DocumentKind::Assessment, "intention_self"),
    (DocumentKind::Assessment, "intention_family"),
    (DocumentKind::Intake, "referrer_note"),
];

/// Choices that become features: field, and the name under which fields of one meaning compare.
const CHOICES: [(DocumentKind, &str, &str); 17] = [
    (DocumentKind::Assessment, "issues", "issues"),
    (DocumentKind::Assessment, "issues_household", "issues"),
    (DocumentKind::Assessment, "issues_extra", "issues_extra"),
    (DocumentKind::Assessment, "attributes", "attributes"),
    (DocumentKind::Assessment, "danger", "danger"),
    (DocumentKind::Assessment, "arrears", "arrears"),
    (DocumentKind::Assessment, "debt_kinds", "debt_kinds"),
    (DocumentKind::Assessment, "cohabit", "cohabit"),
    (DocumentKind::Assessment, "children", "children"),
    (DocumentKind::Assessment, "marital", "marital"),
    (DocumentKind::Assessment, "housing", "housing"),
    (DocumentKind::Assessment, "work", "work"),
    (DocumentKind::Assessment, "care_level", "care_level"),
    (DocumentKind::Assessment, "handbooks", "handbooks"),
    (DocumentKind::Assessment, "seiho", "seiho"),
    (DocumentKind::Intake, "topics", "topics"),
    (DocumentKind::Intake, "topic_primary", "topics"),
];

/// What a shared feature is, for the reasons: `topic`, `issue`, `household` or `attribute`.
#[must_use]
pub fn kind_of(feature: &str) -> &'static str {
    match feature.split(':').next().unwrap_or_default() {
        "topics" => "topic",
        "issues" | "issues_extra" | "danger" | "arrears" | "debt_kinds" => "issue",
        "cohabit" | "children" | "marital" | "housing" => "household",
        _ => "attribute",
    }
}

/// A feature in words: the option, with its field where the option alone says nothing (「有」).
#[must_use]
pub fn words_of(forms: &Catalogue, feature: &str) -> Option<String> {
    let (name, code) = feature.split_once(':')?;
    let (kind, id, _) = CHOICES.iter().find(|(_, _, compared)| *compared == name)?;
    let definition = forms.definition(kind.form()?)?;
    let field = definition.field(id)?;
    let label = definition.option_label(field, code)?;
    Some(match name {
        "issues" | "issues_extra" | "attributes" | "topics" | "danger" => label.to_owned(),
        _ => format!("{}：{label}", field.label),
    })
}

/// Codes that say that something is not there or not known: no likeness.
fn says_nothing(code: &str) -> bool {
    matches!(code, "none" | "unknown" | "other" | "na" | "0" | "9")
}

/// Adds what one sheet's masked projection says.
fn gather(
    kind: DocumentKind,
    projection: &Projection,
    texts: &mut Vec<(usize, String)>,
    features: &mut BTreeSet<String>,
) {
    for (at, (_, field)) in TEXTS.iter().enumerate().filter(|(_, (of, _))| *of == kind) {
        let text = projection
            .get(*field)
            .and_then(|shown| shown.text.as_deref())
            .map(str::trim)
            .unwrap_or_default();
        if !text.is_empty() {
            texts.push((at, text.to_owned()));
        }
    }
    for (_, field, name) in CHOICES.iter().filter(|(of, ..)| *of == kind) {
        let Some(value) = projection
            .get(*field)
            .and_then(|shown| shown.value.as_ref())
        else {
            continue;
        };
        let codes: Vec<&str> = match value {
            Value::String(code) => vec![code],
            other => form::selected_codes(other),
        };
        features.extend(
            codes
                .into_iter()
                .filter(|code| !says_nothing(code))
                .map(|code| format!("{name}:{code}")),
        );
    }
}

/// Puts the digest together: texts in their order, then issues and household in words.
fn compose(
    forms: &Catalogue,
    mut texts: Vec<(usize, String)>,
    features: BTreeSet<String>,
) -> Option<Digest> {
    texts.sort_by_key(|(at, _)| *at);
    let mut lines: Vec<String> = Vec::new();
    for (_, text) in texts {
        if !lines.contains(&text) {
            lines.push(text);
        }
    }
    for (kind, heading) in [
        ("topic", "困りごと"),
        ("issue", "課題"),
        ("household", "世帯"),
    ] {
        let words: Vec<String> = features
            .iter()
            .filter(|feature| kind_of(feature) == kind)
            .filter_map(|feature| words_of(forms, feature))
            .collect();
        if !words.is_empty() {
            lines.push(format!("{heading}は、{}。", words.join("、")));
        }
    }
    let text: String = lines.join("\n").chars().take(LONGEST).collect();
    (!text.trim().is_empty()).then_some(Digest { text, features })
}

/// The masked projection of a sheet's last scan.
async fn projected(
    tx: &mut Tx,
    work: &store::DocumentWork,
    definition: &Definition,
) -> Result<Option<(Projection, Position)>, ApiError> {
    let Some(stored) = scanning::read_scan(tx, work).await? else {
        return Ok(None);
    };
    let persons = work.register(tx).await?;
    let facts = work.facts(tx).await?;
    let protected = scanning::address_protected(facts.as_ref());
    // The scan's own values: what was written since does not count before it is scanned.
    let scan = stored.scan.for_register(&persons);
    let projection = scanning::project(
        definition,
        &scan,
        &scan.values,
        protected,
        &mut scanning::numbering(&persons),
    );
    Ok(Some((
        projection,
        Position {
            epoch: work.info().epoch,
            seq: stored.seq,
        },
    )))
}

struct Gathered {
    digest: Option<Digest>,
    positions: Vec<(domain::id::DocumentId, Position)>,
}

async fn gathered(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
    sections: &[Section],
) -> Result<Gathered, ApiError> {
    let (mut texts, mut features, mut positions) = (Vec::new(), BTreeSet::new(), Vec::new());
    for document in tx.documents_of(municipality, case).await? {
        let Some(work) = tx.work_on(&document).await? else {
            continue;
        };
        let info = work.info();
        let kind = info.kind;
        if !KINDS.contains(&kind)
            || !info
                .section
                .is_some_and(|section| sections.contains(&section))
        {
            continue;
        }
        let Some(definition) = tx.form_of(info).await? else {
            continue;
        };
        if !definition
            .fields()
            .any(|field| matches!(field.kind, FieldType::Text | FieldType::Textarea))
        {
            continue;
        }
        if let Some((projection, position)) = projected(tx, &work, &definition).await? {
            gather(kind, &projection, &mut texts, &mut features);
            positions.push((document, position));
        }
    }
    let forms = tx.forms(municipality).await?;
    Ok(Gathered {
        digest: compose(&forms, texts, features),
        positions,
    })
}

/// The masked digest of a case out of the given sections' last scans; `None` while nothing was
/// scanned or written.
///
/// # Errors
/// Database away.
pub async fn digest(
    tx: &mut Tx,
    municipality: &MunicipalityId,
    case: &CaseId,
    sections: &[Section],
) -> Result<Option<Digest>, ApiError> {
    Ok(gathered(tx, municipality, case, sections).await?.digest)
}

/// The engines, or why they cannot be used.
///
/// # Errors
/// 503 `models_not_ready` while they load, `model_unavailable` when they could not be loaded.
pub async fn engines(state: &AppState) -> Result<Arc<Engines>, ApiError> {
    state
        .engines()
        .get()
        .await
        .ok_or_else(|| match state.engines().state() {
            EngineState::Failed => ApiError::unavailable("model_unavailable"),
            EngineState::Loading | EngineState::Resting | EngineState::Ready => {
                ApiError::unavailable("models_not_ready")
            }
        })
}

fn consumer(version: &str) -> String {
    format!("vectors/{version}")
}

/// Vectors of a digest, a few passages at a time, giving way to people.
async fn embedded(
    state: &AppState,
    engines: &Arc<Engines>,
    text: &str,
) -> Result<Vec<Vec<f32>>, ApiError> {
    let passages = Arc::new(::similar::passages(text));
    let mut out = Vec::with_capacity(passages.len());
    while out.len() < passages.len() {
        let (engines, passages, from) = (Arc::clone(engines), Arc::clone(&passages), out.len());
        let piece = move || {
            let began = Instant::now();
            let mut made = Vec::new();
            for passage in &passages[from..] {
                made.push(engines.models.embedder.embed_passage(passage)?);
                if began.elapsed() >= PIECE {
                    break;
                }
            }
            Ok::<_, models::Error>(made)
        };
        let made = state.background().piece(piece).await?;
        out.extend(made.map_err(ApiError::internal)?);
    }
    Ok(out)
}

/// Makes the vectors of a case from its last scans and stores them. `false`: the case did not opt
/// in, or there is nothing to make them from, and nothing is kept.
///
/// # Errors
/// 503 without models, database away.
pub async fn refresh(
    state: &AppState,
    municipality: &MunicipalityId,
    case: &CaseId,
) -> Result<bool, ApiError> {
    let engines = engines(state).await?;
    let version = engines.models.version.clone();
    let mut tx = state.db().read().await?;
    let Gathered { digest, positions } = gathered(&mut tx, municipality, case, &SECTIONS).await?;
    drop(tx);
    let Some(digest) = digest else {
        let mut tx = state.db().write().await?;
        vectors::forget(&mut tx, municipality, case).await?;
        tx.commit().await?;
        return Ok(false);
    };
    // The store says whether the case opted in before the model is put to work.
    let mut tx = state.db().write().await?;
    let wanted = vectors::wanted(&mut tx, municipality, case).await?;
    tx.commit().await?;
    if !wanted {
        return Ok(false);
    }
    let made = embedded(state, &engines, &digest.text).await?;
    let features = Embedded {
        text: digest
            .features
            .iter()
            .cloned()
            .collect::<Vec<_>>()
            .join("\n"),
        vector: Vec::new(),
    };

    let mut tx = state.db().write().await?;
    tx.hold_case(municipality, case).await?;
    // Together: sentences of an older digest must not stay behind, nor those of an older model.
    vectors::forget(&mut tx, municipality, case).await?;
    // Masked otherwise meanwhile (a decision, a name): whoever changed it has it made anew.
    if gathered(&mut tx, municipality, case, &SECTIONS)
        .await?
        .digest
        .as_ref()
        != Some(&digest)
    {
        tx.commit().await?;
        return Ok(false);
    }
    if !vectors::store(&mut tx, municipality, case, FEATURES, &version, &features).await? {
        tx.commit().await?;
        return Ok(false);
    }
    for (at, vector) in made.into_iter().enumerate() {
        let (part, text) = if at == 0 {
            (DIGEST.to_owned(), digest.text.clone())
        } else {
            (format!("{at:03}"), String::new())
        };
        vectors::store(
            &mut tx,
            municipality,
            case,
            &part,
            &version,
            &Embedded { text, vector },
        )
        .await?;
    }
    for (document, position) in &positions {
        outbox::advance(
            &mut tx,
            &consumer(&version),
            municipality,
            Some(document),
            *position,
        )
        .await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Cases with a scan that their vectors, or the present model's, have not seen.
///
/// # Errors
/// 503 while nothing is known of the models, database away.
pub async fn behind(
    state: &AppState,
    municipality: &MunicipalityId,
) -> Result<Vec<CaseId>, ApiError> {
    // To know it needs no model in memory.
    let version = state
        .engines()
        .version()
        .ok_or_else(|| ApiError::unavailable("models_not_ready"))?;
    let mut tx = state.db().read().await?;
    let behind = vectors::behind(
        &mut tx,
        municipality,
        &consumer(&version),
        &version,
        &KINDS,
        &SECTIONS,
    )
    .await?;
    Ok(behind)
}

/// A candidate put together from its parts in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub case: CaseId,
    /// The caller may know of the case.
    pub visible: bool,
    pub stage: domain::stage::Stage,
    pub entry: ::similar::Entry,
}

/// Joins the parts of each case; those without a digest (being made just now) are left out.
/// `dimension`: vectors of another length belong to a model that is gone.
#[must_use]
pub fn candidates(parts: Vec<Likeness>, dimension: usize) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut sentences: Vec<Vec<f32>> = Vec::new();
    // By case, then by part: sentences come before `digest`, `digest` before `features`.
    for part in parts {
        if found.last().is_none_or(|last| last.case != part.case) {
            sentences.clear();
            found.push(Candidate {
                entry: ::similar::Entry {
                    id: part.case.0.clone(),
                    ..::similar::Entry::default()
                },
                case: part.case.clone(),
                visible: part.visible,
                stage: part.stage,
            });
        }
        let Some(candidate) = found.last_mut() else {
            continue;
        };
        match part.part.as_str() {
            FEATURES => {
                candidate.entry.features = part.embedded.text.lines().map(str::to_owned).collect()
            }
            DIGEST => {
                candidate.entry.text = part.embedded.text;
                if part.embedded.vector.len() == dimension {
                    candidate.entry.vectors.push(part.embedded.vector);
                    candidate.entry.vectors.append(&mut sentences);
                }
            }
            _ if part.embedded.vector.len() == dimension => sentences.push(part.embedded.vector),
            _ => {}
        }
    }
    found.retain(|candidate| !candidate.entry.text.is_empty());
    found
}

/// Makes what is missing; how many cases got vectors.
#[cfg(test)]
pub(crate) async fn refresh_missing(state: &AppState) -> usize {
    let municipality = "town".into();
    let mut made = 0;
    for case in behind(state, &municipality).await.unwrap() {
        made += usize::from(refresh(state, &municipality, &case).await.unwrap());
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::form::Projected;
    use domain::stage::Stage;

    fn shown(text: &str) -> Projected {
        Projected {
            text: Some(text.to_owned()),
            ..Projected::default()
        }
    }

    fn chosen(value: Value) -> Projected {
        Projected {
            value: Some(value),
            ..Projected::default()
        }
    }

    #[test]
    fn every_named_field_exists_with_its_type() {
        for (kind, field) in TEXTS {
            let definition = form::catalogue().definition(kind.form().unwrap()).unwrap();
            let field = definition.field(field).unwrap_or_else(|| panic!("{field}"));
            assert!(
                matches!(field.kind, FieldType::Text | FieldType::Textarea),
                "{}",
                field.id
            );
        }
        for (kind, field, name) in CHOICES {
            let definition = form::catalogue().definition(kind.form().unwrap()).unwrap();
            let options = definition
                .list(definition.field(field).unwrap_or_else(|| panic!("{field}")))
                .unwrap();
            let code = &options.options[0].code;
            assert!(
                words_of(form::catalogue(), &format!("{name}:{code}")).is_some(),
                "{name}:{code}"
            );
        }
    }

    #[test]
    fn a_digest_is_made_of_what_is_shown_masked_and_of_nothing_withheld() {
        let assessment = Projection::from([
            (
                "chief_complaint_self".to_owned(),
                shown("［氏名1］の家賃が払えない。"),
            ),
            (
                "summary".to_owned(),
                Projected {
                    withheld: true,
                    ..Projected::default()
                },
            ),
            (
                "issues".to_owned(),
                chosen(serde_json::json!(["debt", "other"])),
            ),
            ("cohabit".to_owned(), chosen(serde_json::json!("1"))),
            ("children".to_owned(), chosen(serde_json::json!("0"))),
            ("medical".to_owned(), shown("みどり野病院")),
        ]);
        let intake = Projection::from([(
            "topic_primary".to_owned(),
            chosen(serde_json::json!("debt")),
        )]);
        let (mut texts, mut features) = (Vec::new(), BTreeSet::new());
        gather(DocumentKind::Intake, &intake, &mut texts, &mut features);
        gather(
            DocumentKind::Assessment,
            &assessment,
            &mut texts,
            &mut features,
        );
        let digest = compose(form::catalogue(), texts, features).unwrap();
        assert_eq!(
            digest
                .features
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
            ["cohabit:1", "issues:debt", "topics:debt"]
        );
        assert!(
            digest.text.starts_with("［氏名1］の家賃が払えない。\n"),
            "{}",
            digest.text
        );
        assert!(
            digest.text.contains("課題は、（多重・過重）債務。")
                && digest.text.contains("同居者：有"),
            "{}",
            digest.text
        );
        assert!(!digest.text.contains("病院"));
        assert_eq!(
            compose(form::catalogue(), Vec::new(), BTreeSet::new()),
            None
        );
    }

    #[test]
    fn parts_of_a_case_come_together_in_order() {
        let part = |case: &str, part: &str, text: &str, vector: &[f32]| Likeness {
            case: case.into(),
            part: part.into(),
            visible: case == "a",
            stage: Stage::Active,
            embedded: Embedded {
                text: text.into(),
                vector: vector.to_vec(),
            },
        };
        let found = candidates(
            vec![
                part("a", "001", "", &[0.0, 1.0]),
                part("a", "002", "", &[1.0, 1.0]),
                part("a", "digest", "全体", &[1.0, 0.0]),
                part("a", "features", "issues:debt\ncohabit:1", &[]),
                part("b", "001", "", &[0.5, 0.5]),
                part("b", "features", "", &[]),
                part("c", "digest", "古い", &[1.0]),
            ],
            2,
        );
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0].entry.vectors,
            [vec![1.0, 0.0], vec![0.0, 1.0], vec![1.0, 1.0]]
        );
        assert!(found[0].entry.features.contains("cohabit:1") && found[0].visible);
        assert!(found[1].entry.vectors.is_empty() && !found[1].visible);
    }

    #[test]
    fn reasons_are_sorted_by_what_they_are_about() {
        assert_eq!(kind_of("topics:debt"), "topic");
        assert_eq!(kind_of("issues:debt"), "issue");
        assert_eq!(kind_of("cohabit:1"), "household");
        assert_eq!(kind_of("work:seeking"), "attribute");
        assert_eq!(
            words_of(form::catalogue(), "cohabit:1").as_deref(),
            Some("同居者：有")
        );
        assert_eq!(words_of(form::catalogue(), "nonsense"), None);
    }
}
