//! 世帯・関係: the ecomap drawn by the server from the live document. Names of persons come from
//! the register as the caller sees them; masked readers get a picture made from data without
//! names, notes, ages and document ids.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use ::network::{Drawing, Fonts, Network, Options, draw};
use domain::{
    disclosure::{self, Level},
    id::{CaseId, PersonId},
    section::Section,
};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{
    CaseAccess, Tx, agencies,
    audit::{self, Event},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use yrs::{ReadTxn, types::ToJson};

use crate::{context::CallContext, error::ApiError, scanning, state::AppState};

pub mod layout;
mod masked;
pub mod png;
#[cfg(test)]
mod requests;
pub mod svg;

/// The operations on the network.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(layout::layout))
        .routes(routes!(svg::svg))
        .routes(routes!(png::png))
}

/// Which variant.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
pub struct Variant {
    /// The masked variant, for handing on. Masked readers get it in any case.
    #[serde(default)]
    pub masked: bool,
}

/// A network as the caller may see it, ready for drawing.
struct Shown {
    network: Network,
    /// Node → its number in ［氏名n］, in the masked variant.
    numbers: BTreeMap<String, i64>,
    masked: bool,
    level: Level,
    case_no: String,
    options: Options,
}

impl Shown {
    fn draw(&self) -> Drawing {
        let mut drawing = draw(&self.network, &self.options);
        masked::renumber(&mut drawing, &self.numbers);
        drawing
    }

    /// `ecomap-2026-0147-masked.svg`: ASCII, nothing personal.
    fn file_name(&self, ending: &str) -> String {
        let case_no: String = self
            .case_no
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect();
        let masked = if self.masked { "-masked" } else { "" };
        format!("ecomap-{case_no}{masked}.{ending}")
    }
}

/// Loads the network of a case for the caller.
///
/// # Errors
/// 404 when the case or its network does not exist for the caller.
async fn show(
    state: &AppState,
    call: &CallContext,
    case: &CaseId,
    variant: &Variant,
    action: &'static str,
    format: &str,
) -> Result<Shown, ApiError> {
    let mut tx = state.db().read().await?;
    let access = tx
        .case_for(&call.caller, case)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let document = access
        .document(&mut tx, Section::Network)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let level = document.level();
    if level < Level::Masked {
        return Err(ApiError::not_found());
    }
    let masked = variant.masked || level < Level::Read;
    let id = document.info().id.clone();
    let detail = json!({ "masked": masked, "format": format });
    audit::record(
        &mut tx,
        Event::by(&call.caller, action, "document", id.as_str())
            .in_case(case)
            .detail(detail),
    );
    tx.commit().await?;

    let value = state
        .hub()
        .read(&id, |view| raw(&view.txn))
        .await
        .map_err(ApiError::internal)?;
    let network = Network::from_value(&value);
    let mut tx = state.db().read().await?;
    let people = people(&mut tx, &access, &id, &network).await?;
    let case_no = access.summary(&mut tx).await?.case_no;
    let (network, numbers) = if masked {
        let names = agency_names(&mut tx, &access).await?;
        masked::masked(&network, &people, &names)
    } else {
        (named(network, &people), BTreeMap::new())
    };
    let as_of = (!masked).then_some(call.caller.viewer.today);
    let options = Options {
        masked,
        as_of,
        legend: true,
    };
    Ok(Shown {
        network: if masked {
            valid_on(network, call.caller.viewer.today)
        } else {
            network
        },
        numbers,
        masked,
        level,
        case_no,
        options,
    })
}

/// The document's four maps as JSON objects keyed by id.
fn raw<T: ReadTxn>(txn: &T) -> Value {
    let root = |name: &str| {
        txn.get_map(name)
            .and_then(|map| serde_json::to_value(map.to_json(txn)).ok())
            .unwrap_or_else(|| json!({}))
    };
    json!({ "nodes": root("nodes"), "ties": root("ties"), "households": root("households"), "settings": root("settings") })
}

/// Ties that hold on the day. The masked variant is drawn without a date, so that no age shows.
fn valid_on(mut network: Network, day: jiff::civil::Date) -> Network {
    let day = day.to_string();
    network.ties.retain(|_, tie| {
        tie.valid_from.as_ref().is_none_or(|from| *from <= day)
            && tie.valid_to.as_ref().is_none_or(|to| *to >= day)
    });
    network
}

/// A person of the register at a node.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    level: Level,
    /// The n of ［氏名n］; `None` for a person outside the case.
    number: Option<i64>,
    /// Code of `kinship`, as entered in the case.
    kinship: Option<String>,
    /// Only when the caller sees the person by name.
    name: Option<String>,
}

/// The persons that nodes refer to, as the caller sees them.
async fn people(
    tx: &mut Tx,
    access: &CaseAccess,
    document: &domain::id::DocumentId,
    network: &Network,
) -> Result<BTreeMap<String, Known>, ApiError> {
    let referred: BTreeSet<PersonId> = network
        .nodes
        .values()
        .filter_map(|node| node.person_id.clone())
        .map(PersonId)
        .collect();
    let work = tx
        .work_on(document)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let viewer = &access.caller().viewer;
    let hidden = disclosure::hidden_persons(viewer, access.facts());
    let in_case = work.register(tx).await?;
    // The numbers that the reader's list shows; nobody misses that of a hidden person.
    let mut numbers: BTreeMap<PersonId, Option<i64>> = BTreeMap::new();
    let mut count = 0;
    for (number, person) in in_case {
        let shown = !hidden.contains(&person.id);
        count += i64::from(shown);
        let number = if hidden.is_empty() { number } else { count };
        numbers.insert(person.id, shown.then_some(number));
    }
    let listed = access.persons(tx).await?;
    let referred: Vec<PersonId> = referred.into_iter().collect();
    // A node keeps the id it was given; somebody who was merged since is who was kept.
    let merged = tx.merged_into(&viewer.municipality, &referred).await?;
    let mut known = BTreeMap::new();
    for node in referred {
        let id = merged.get(&node).unwrap_or(&node).clone();
        let person = match numbers.get(&id) {
            Some(number) => {
                let seen = listed.iter().find(|person| Some(person.number) == *number);
                Known {
                    level: disclosure::person_level(viewer, access.facts(), &id),
                    number: *number,
                    kinship: seen.and_then(|person| person.kinship.clone()),
                    name: seen
                        .filter(|person| person.person_id.as_ref() == Some(&id))
                        .map(|person| person.display.clone()),
                }
            }
            None => {
                let outside = match tx.person_for(access.caller(), &id).await? {
                    Some(right) => right.person(tx).await?,
                    None => None,
                };
                Known {
                    level: Level::Read,
                    number: None,
                    kinship: None,
                    name: outside.map(|person| person.name().to_owned()),
                }
            }
        };
        known.insert(node.0, person);
    }
    Ok(known)
}

/// Agencies that a masked picture may name. With 住所秘匿 only the members of the case, which the
/// reader knows anyway: where somebody stays can be told from the places around.
async fn agency_names(
    tx: &mut Tx,
    access: &CaseAccess,
) -> Result<BTreeMap<String, String>, ApiError> {
    let members: BTreeSet<String> = access
        .members(tx)
        .await?
        .into_iter()
        .map(|member| member.agency.id)
        .collect();
    let owner = &access.facts().owner;
    let protected = scanning::address_protected(Some(access.facts()));
    let municipality = access.caller().viewer.municipality.clone();
    Ok(agencies::by_id(tx, &municipality)
        .await?
        .into_iter()
        .filter(|(id, _)| !protected || id == owner || members.contains(id.as_str()))
        .map(|(id, agency)| (id.0, agency.name))
        .collect())
}

/// The network for readers of the original, names as the register has them today. Somebody the
/// caller must not know of is left out; somebody shown masked has no name, no age and no sex.
fn named(mut network: Network, people: &BTreeMap<String, Known>) -> Network {
    name_households(&mut network, people);
    network
        .nodes
        .retain(|_, node| person_of(node, people).is_none_or(|known| known.level > Level::None));
    for node in network.nodes.values_mut() {
        let Some(known) = person_of(node, people).cloned() else {
            continue;
        };
        if known.level < Level::Read {
            node.label = known.number.map_or_else(
                || "［氏名］".to_owned(),
                |number| format!("［氏名{number}］"),
            );
            (node.birth_date, node.death_date, node.sex) = (None, None, None);
        } else if let Some(name) = known.name {
            node.label = name;
        }
    }
    let nodes = &network.nodes;
    network
        .ties
        .retain(|_, tie| nodes.contains_key(&tie.from) && nodes.contains_key(&tie.to));
    network
}

/// Leaves out households of which the caller must not know anybody. A household's name is free
/// text: where it may tell of somebody the caller does not see by name, a number stands instead.
fn name_households(network: &mut Network, people: &BTreeMap<String, Known>) {
    let level = |node: &::network::Node| person_of(node, people).map_or(Level::Edit, |p| p.level);
    let unnamed: Vec<&::network::Node> = network
        .nodes
        .values()
        .filter(|node| level(node) < Level::Read)
        .collect();
    let told = |name: &str| {
        let mut words = unnamed
            .iter()
            .flat_map(|node| node.label.split_whitespace());
        words.any(|word| name.contains(word))
    };
    let nodes = &network.nodes;
    let mut households = std::mem::take(&mut network.households);
    households.retain(|_, household| {
        household.members.retain(|id| {
            let node = nodes.get(id);
            node.is_some_and(|node| level(node) > Level::None)
        });
        !household.members.is_empty()
    });
    for (at, household) in households.values_mut().enumerate() {
        let hidden = household.members.iter().any(|id| {
            let node = nodes.get(id);
            node.is_some_and(|node| level(node) < Level::Read)
        });
        if hidden || told(&household.name) {
            household.name = format!("世帯{}", at + 1);
        }
    }
    network.households = households;
}

fn person_of<'a>(node: &::network::Node, people: &'a BTreeMap<String, Known>) -> Option<&'a Known> {
    people.get(node.person_id.as_deref()?)
}

/// The pictures' font, handed to the painter once.
///
/// # Errors
/// 503 when the assets hold no font that can be used.
fn fonts(state: &AppState) -> Result<Fonts, ApiError> {
    static FONTS: OnceLock<Option<Fonts>> = OnceLock::new();
    let font = state
        .config()
        .font
        .clone()
        .ok_or_else(|| ApiError::unavailable("font_unavailable"))?;
    FONTS
        .get_or_init(|| Fonts::register(font.to_vec(), None).ok())
        .ok_or_else(|| ApiError::unavailable("font_unavailable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        Network::from_value(&json!({
            "nodes": {
                "a": {"kind": "person", "label": "古い名前", "person_id": "p1", "index": true, "birth_date": "1980-01-01"},
                "b": {"kind": "person", "label": "隠す人", "person_id": "p2"},
                "c": {"kind": "person", "label": "伏せる人", "person_id": "p3", "birth_date": "1990-01-01", "sex": "1"},
                "d": {"kind": "person", "label": "民生委員"}
            },
            "ties": {"t": {"family": "eco", "from": "a", "to": "b", "kind": "normal"}, "u": {"family": "eco", "from": "a", "to": "d", "kind": "normal"}},
            "households": {
                "h1": {"name": "本人の世帯", "members": {"a": true, "gone": true}},
                "h2": {"name": "隠す人の家", "members": {"b": true}},
                "h3": {"name": "隠す人の実家", "members": {"a": true, "b": true}},
                "h4": {"name": "別の家", "members": {"c": true, "d": true}}
            }
        }))
    }

    fn known(level: Level, number: i64, name: Option<&str>) -> Known {
        Known {
            level,
            number: Some(number),
            kinship: None,
            name: name.map(str::to_owned),
        }
    }

    #[test]
    fn names_come_from_the_register_and_the_policy() {
        let people = BTreeMap::from([
            ("p1".to_owned(), known(Level::Edit, 1, Some("新しい名前"))),
            ("p2".to_owned(), known(Level::None, 2, None)),
            ("p3".to_owned(), known(Level::Masked, 3, None)),
        ]);
        let shown = named(network(), &people);
        assert_eq!(shown.nodes["a"].label, "新しい名前");
        assert!(!shown.nodes.contains_key("b"));
        assert_eq!(shown.nodes["c"].label, "［氏名3］");
        assert_eq!(shown.nodes["c"].birth_date, None);
        assert_eq!(shown.nodes["d"].label, "民生委員");
        assert_eq!(shown.ties.keys().collect::<Vec<_>>(), ["u"]);
        let homes: Vec<(&str, &str, usize)> = shown
            .households
            .iter()
            .map(|(id, home)| (id.as_str(), home.name.as_str(), home.members.len()))
            .collect();
        assert_eq!(
            homes,
            [
                ("h1", "本人の世帯", 1),
                ("h3", "世帯2", 1),
                ("h4", "世帯3", 2)
            ]
        );
    }

    #[test]
    fn the_document_is_read_as_maps_by_id() {
        use yrs::{Map, MapPrelim, Transact};
        let doc = yrs::Doc::new();
        let (nodes, homes) = (
            doc.get_or_insert_map("nodes"),
            doc.get_or_insert_map("households"),
        );
        {
            let mut txn = doc.transact_mut();
            let node = nodes.insert(&mut txn, "abcdefgh", MapPrelim::default());
            node.insert(&mut txn, "kind", "person");
            node.insert(&mut txn, "label", "甲");
            let home = homes.insert(&mut txn, "hhhhhhhh", MapPrelim::default());
            let members = home.insert(&mut txn, "members", MapPrelim::default());
            members.insert(&mut txn, "abcdefgh", true);
        }
        let network = Network::from_value(&raw(&doc.transact()));
        assert_eq!(network.nodes["abcdefgh"].label, "甲");
        assert!(network.households["hhhhhhhh"].members.contains("abcdefgh"));
    }
}
