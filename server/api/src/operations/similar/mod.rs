//! 類似事案: which cases are like this one, and why. Candidates are the municipality's cases that
//! opted in; texts and vectors are masked. A case the caller may not open is shown as its masked
//! digest alone, without anything that names it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ::similar::{Corpus, Hit, Reason, Search, Sieve, nearest_passage, query_vector};
use domain::{disclosure::Level, form::Catalogue, id::CaseId};
use serde::Serialize;
use store::{CaseAccess, Tx, vectors as stored};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    context::{CallContext, blocking},
    error::ApiError,
    state::AppState,
    vectors::{self, Candidate, Digest, SECTIONS},
};

pub mod of_case;
#[cfg(test)]
mod requests;
pub mod search;

/// The operations on similar cases.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(of_case::of_case))
        .routes(routes!(search::search))
}

/// Candidates that are ranked, at least.
const RANKED: usize = 2_000;
/// Cases looked at together.
const AT_ONCE: i64 = 300;
/// Hits shown.
const TOP: usize = 10;
/// Longest digest shown, in characters.
const SHOWN: usize = 400;

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ReasonAnswer {
    /// `topic`, `issue`, `household`, `attribute`, `words` or `passage`.
    pub kind: &'static str,
    pub text: String,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct SimilarAnswer {
    /// Only of a case the caller may open; so are `case_no`, `display` and `outcome`.
    pub case_id: Option<String>,
    pub case_no: Option<String>,
    /// Its clients as the caller sees them.
    pub display: Option<String>,
    pub stage: &'static str,
    pub outcome: Option<String>,
    /// 0 to 1; how close it is among the candidates, no probability.
    pub score: f32,
    pub reasons: Vec<ReasonAnswer>,
    /// Masked.
    pub digest: Option<String>,
}

impl std::fmt::Debug for SimilarAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimilarAnswer")
            .field("case_id", &self.case_id)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SimilarList {
    pub hits: Vec<SimilarAnswer>,
    /// `not_scanned`: nothing of the case can be compared yet; `no_candidates`: no other case
    /// opted in.
    pub notice: Option<&'static str>,
}

impl SimilarList {
    const fn empty(notice: &'static str) -> Self {
        Self {
            hits: Vec::new(),
            notice: Some(notice),
        }
    }
}

/// Whether the masked digest may be shown beside the case's name: the caller may open the case
/// and every sheet that the digest is made of at least masked.
fn opens(access: &CaseAccess) -> bool {
    SECTIONS
        .iter()
        .all(|section| access.decision(*section).level >= Level::Masked)
}

/// Finds and explains. `own`: the case that is compared, which is no likeness of itself.
///
/// # Errors
/// 403 without the capability, 503 without models.
async fn find(
    state: &AppState,
    call: &CallContext,
    query: Digest,
    own: Option<&CaseId>,
) -> Result<SimilarList, ApiError> {
    let engines = vectors::engines(state).await?;
    let _turn = state.inference_turn().await?;
    let dimension = engines.models.embedder.dimension();
    let (engines_there, text) = (Arc::clone(&engines), query.text.clone());
    let whole = blocking(move || query_vector(&engines_there.models.embedder, &text))
        .await?
        .map_err(ApiError::internal)?;
    let candidates = nearest(
        state,
        call,
        &engines.models.version,
        &whole,
        &query,
        own,
        dimension,
    )
    .await?;
    if candidates.is_empty() {
        return Ok(SimilarList::empty("no_candidates"));
    }
    let entries = candidates
        .iter()
        .map(|candidate| candidate.entry.clone())
        .collect();
    let (engines_there, whole_there) = (Arc::clone(&engines), whole.clone());
    let mut found = blocking(move || {
        let engines = engines_there;
        let corpus = Corpus::new(&engines.analyzer, &engines.models.embedder, entries)?;
        corpus.search(&Search {
            text: &query.text,
            whole: Some(&whole_there),
            features: &query.features,
            limit: TOP,
        })
    })
    .await?
    .map_err(ApiError::internal)?;

    let few = candidates.len() <= 3;
    // Below the candidates' mean nothing is alike.
    found.retain(|hit| few || hit.score > 0.0);
    // Sentences only explain: they are asked for of what is shown.
    let shown: Vec<CaseId> = found.iter().map(|hit| CaseId(hit.id.clone())).collect();
    let mut tx = state.db().read().await?;
    let parts =
        stored::likenesses(&mut tx, &call.caller, &engines.models.version, &shown, &[]).await?;
    let explained: HashMap<String, Candidate> = vectors::candidates(parts, dimension)
        .into_iter()
        .map(|candidate| (candidate.entry.id.clone(), candidate))
        .collect();
    let mut hits = Vec::new();
    for mut hit in found {
        // What may not be shown any more is left out.
        let Some(candidate) = explained.get(&hit.id) else {
            continue;
        };
        let entry = &candidate.entry;
        let nearest = nearest_passage(&whole, &entry.text, &entry.vectors);
        hit.reasons
            .retain(|reason| !matches!(reason, Reason::Meaning { .. }));
        hit.reasons
            .extend(nearest.map(|text| Reason::Meaning { text }));
        hits.push(show(&mut tx, call, hit, candidate).await?);
    }
    Ok(SimilarList { hits, notice: None })
}

/// The candidates that are worth ranking, without their sentences. They pass by a few hundred at a time:
/// a large municipality's do not fit into memory together.
async fn nearest(
    state: &AppState,
    call: &CallContext,
    version: &str,
    whole: &[f32],
    query: &Digest,
    own: Option<&CaseId>,
    dimension: usize,
) -> Result<Vec<Candidate>, ApiError> {
    let municipality = &call.caller.viewer.municipality;
    let mut sieve = Sieve::new(whole, &query.features, RANKED);
    let mut after = String::new();
    loop {
        let mut tx = state.db().read().await?;
        let cases = stored::opted_in(&mut tx, municipality, &after, AT_ONCE).await?;
        let parts = [vectors::DIGEST, vectors::FEATURES];
        let parts = stored::likenesses(&mut tx, &call.caller, version, &cases, &parts).await?;
        drop(tx);
        for candidate in vectors::candidates(parts, dimension) {
            if Some(&candidate.case) == own {
                continue;
            }
            let vector = candidate.entry.vectors.first().cloned();
            let features = candidate.entry.features.clone();
            sieve.offer(vector.as_deref(), &features, candidate);
        }
        match cases.last() {
            Some(last) => after.clone_from(&last.0),
            None => return Ok(sieve.into_kept()),
        }
    }
}

async fn show(
    tx: &mut Tx,
    call: &CallContext,
    hit: Hit,
    candidate: &Candidate,
) -> Result<SimilarAnswer, ApiError> {
    let access = if candidate.visible {
        tx.case_for(&call.caller, &candidate.case).await?
    } else {
        None
    };
    let forms = tx.forms(&call.caller.viewer.municipality).await?;
    let mut answer = SimilarAnswer {
        case_id: None,
        case_no: None,
        display: None,
        stage: candidate.stage.code(),
        outcome: None,
        score: closeness(hit.score),
        reasons: reasons(&forms, hit.reasons),
        digest: Some(shortened(&candidate.entry.text)),
    };
    if let Some(access) = access.filter(opens) {
        let summary = access.summary(tx).await?;
        let clients: Vec<String> = summary
            .clients
            .into_iter()
            .map(|client| client.display)
            .collect();
        answer.display = (!clients.is_empty()).then(|| clients.join("・"));
        answer.outcome = access.outcome(tx).await?;
        answer.case_id = Some(access.id().0.clone());
        answer.case_no = Some(summary.case_no);
    }
    Ok(answer)
}

/// The pipeline's score is a sum of deviations from the candidates' mean; the screen wants 0 to 1.
fn closeness(score: f32) -> f32 {
    let value = 1.0 / (1.0 + (-(score - 1.0)).exp());
    (value * 1000.0).round() / 1000.0
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        // Not in the middle of ［氏名1］.
        if let Some(open) = short
            .rfind('［')
            .filter(|open| !short[*open..].contains('］'))
        {
            short.truncate(open);
        }
        short.push('…');
    }
    short
}

/// Reasons in words, one line for each kind.
fn reasons(forms: &Catalogue, found: Vec<Reason>) -> Vec<ReasonAnswer> {
    let mut shared: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    let mut words: Vec<String> = Vec::new();
    let mut passages = Vec::new();
    for reason in found {
        match reason {
            Reason::Feature { text } => {
                if let Some(said) = vectors::words_of(forms, &text) {
                    shared
                        .entry(vectors::kind_of(&text))
                        .or_default()
                        .insert(said);
                }
            }
            Reason::Term { text } => words.push(format!("「{text}」")),
            Reason::Meaning { text } => passages.push(shortened(text.trim())),
        }
    }
    let mut out: Vec<ReasonAnswer> = ["topic", "issue", "household", "attribute"]
        .into_iter()
        .filter_map(|kind| {
            let said: Vec<String> = shared.remove(kind)?.into_iter().collect();
            Some(ReasonAnswer {
                kind,
                text: format!("{}が共通しています", said.join("、")),
            })
        })
        .collect();
    if !words.is_empty() {
        out.push(ReasonAnswer {
            kind: "words",
            text: format!("{}が両方に出てきます", words.concat()),
        });
    }
    out.extend(
        passages
            .into_iter()
            .filter(|text| !text.is_empty())
            .map(|text| ReasonAnswer {
                kind: "passage",
                text,
            }),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words_not_codes() {
        let out = reasons(
            domain::form::catalogue(),
            vec![
                Reason::Feature {
                    text: "issues:debt".into(),
                },
                Reason::Feature {
                    text: "issues:poverty".into(),
                },
                Reason::Feature {
                    text: "cohabit:1".into(),
                },
                Reason::Feature {
                    text: "gone:code".into(),
                },
                Reason::Term {
                    text: "滞納".into(),
                },
                Reason::Term {
                    text: "入院".into(),
                },
                Reason::Meaning {
                    text: "家賃を払えなくなった。".into(),
                },
            ],
        );
        let said: Vec<(&str, &str)> = out
            .iter()
            .map(|reason| (reason.kind, reason.text.as_str()))
            .collect();
        assert_eq!(
            said,
            [
                ("issue", "経済的困窮、（多重・過重）債務が共通しています"),
                ("household", "同居者：有が共通しています"),
                ("words", "「滞納」「入院」が両方に出てきます"),
                ("passage", "家賃を払えなくなった。"),
            ]
        );
    }

    #[test]
    fn closeness_grows_with_the_score_and_stays_between_0_and_1() {
        assert!(closeness(3.0) > 0.75 && closeness(1.0) == 0.5 && closeness(-2.0) < 0.1);
        assert!(closeness(1000.0) <= 1.0 && closeness(-1000.0) >= 0.0);
    }

    #[test]
    fn a_long_digest_is_cut_before_a_mark_not_in_it() {
        let text = format!("{}［氏名1］と話した。", "あ".repeat(SHOWN - 2));
        let short = shortened(&text);
        assert!(short.ends_with("あ…") && !short.contains('［'), "{short}");
        assert_eq!(shortened("短い"), "短い");
    }
}
