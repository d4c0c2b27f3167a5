//! The `network` document as data.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    Person,
    Agency,
    Group,
    Place,
    Pet,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub kind: NodeKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agency_id: Option<String>,
    #[serde(default)]
    pub label: String,
    /// Code of `gender`: 1 男性, 2 女性, 3 その他, 9 不明.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub death_date: Option<String>,
    #[serde(default)]
    pub deceased: bool,
    #[serde(default)]
    pub key_person: bool,
    /// 支援対象者 of the case.
    #[serde(default)]
    pub index: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<f64>,
    /// Code of [`Sector`]; anything else is taken for unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector: Option<String>,
    /// Code of `kinship` as seen from the 支援対象者, where it was entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinship: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Between a person and the surroundings (`ecorel`).
    Eco,
    /// Kinship (`gengrel`); for parent and child, `from` is the parent.
    Gen,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tie {
    pub family: Family,
    pub from: String,
    pub to: String,
    /// Code of `ecorel` or `gengrel`.
    #[serde(default)]
    pub kind: String,
    /// Code of `flow`: to_client, from_client, both, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Household {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub members: BTreeSet<String>,
}

/// The parts of a `network` document that were readable.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Network {
    pub nodes: BTreeMap<String, Node>,
    pub ties: BTreeMap<String, Tie>,
    pub households: BTreeMap<String, Household>,
    /// `death_mark`: `cross` (usual) or `fill`.
    pub settings: BTreeMap<String, Value>,
}

impl Network {
    /// Reads the document's JSON (`nodes`, `ties`, `households`, `settings`). Entries that are not
    /// of the expected shape are left out, so that one bad entry never hides the others; ties
    /// whose ends do not exist (any more) likewise.
    #[must_use]
    pub fn from_value(value: &Value) -> Self {
        fn entries<T: serde::de::DeserializeOwned>(
            value: &Value,
            key: &str,
        ) -> BTreeMap<String, T> {
            let Some(map) = value.get(key).and_then(Value::as_object) else {
                return BTreeMap::new();
            };
            map.iter()
                .filter_map(|(id, entry)| {
                    Some((
                        id.clone(),
                        serde_json::from_value(without_nulls(entry)).ok()?,
                    ))
                })
                .collect()
        }
        let nodes: BTreeMap<String, Node> = entries(value, "nodes");
        let mut ties: BTreeMap<String, Tie> = entries(value, "ties");
        ties.retain(|_, tie| {
            tie.from != tie.to && nodes.contains_key(&tie.from) && nodes.contains_key(&tie.to)
        });
        let households = value
            .get("households")
            .and_then(Value::as_object)
            .map(|map| {
                map.iter()
                    .map(|(id, entry)| {
                        let members = entry.get("members").and_then(Value::as_object);
                        let household = Household {
                            name: entry
                                .get("name")
                                .and_then(Value::as_str)
                                .unwrap_or_default()
                                .to_owned(),
                            members: members
                                .map(|m| {
                                    m.iter()
                                        .filter(|(_, on)| **on == Value::Bool(true))
                                        .map(|(id, _)| id.clone())
                                        .collect()
                                })
                                .unwrap_or_default(),
                        };
                        (id.clone(), household)
                    })
                    .collect()
            })
            .unwrap_or_default();
        Self {
            nodes,
            ties,
            households,
            settings: entries(value, "settings"),
        }
    }

    /// Ids of the 支援対象者, in order.
    pub(crate) fn clients(&self) -> Vec<&str> {
        self.nodes
            .iter()
            .filter(|(_, node)| node.index)
            .map(|(id, _)| id.as_str())
            .collect()
    }
}

/// A null is an empty field, not a wrong one; a number may stand where a code is written.
fn without_nulls(entry: &Value) -> Value {
    match entry {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| match (key.as_str(), value) {
                    ("sex", Value::Number(number)) => {
                        (key.clone(), Value::String(number.to_string()))
                    }
                    _ => (key.clone(), value.clone()),
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Where on the ring a node belongs, in the order the ring is filled (clockwise from the top).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sector {
    Administration,
    Medical,
    Care,
    Disability,
    Child,
    Livelihood,
    Legal,
    Community,
    Family,
    Other,
}

impl Sector {
    /// The entered sector, else one guessed from what the node is called.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let entered = node
            .sector
            .as_ref()
            .and_then(|code| serde_json::from_value(Value::String(code.clone())).ok());
        if let Some(sector) = entered {
            return sector;
        }
        match node.kind {
            NodeKind::Person | NodeKind::Pet => return Self::Family,
            NodeKind::Agency | NodeKind::Group | NodeKind::Place => {}
        }
        const WORDS: [(Sector, &[&str]); 8] = [
            (
                Sector::Medical,
                &[
                    "病院",
                    "医院",
                    "クリニック",
                    "診療",
                    "訪問看護",
                    "薬局",
                    "歯科",
                    "心療",
                    "精神保健",
                    "保健所",
                ],
            ),
            (
                Sector::Care,
                &[
                    "包括",
                    "介護",
                    "ケアマネ",
                    "居宅",
                    "デイ",
                    "ホーム",
                    "ヘルパー",
                ],
            ),
            (
                Sector::Disability,
                &[
                    "障害",
                    "障がい",
                    "作業所",
                    "就労継続",
                    "計画相談",
                    "A型",
                    "B型",
                ],
            ),
            (
                Sector::Child,
                &[
                    "学校",
                    "小学",
                    "中学",
                    "高校",
                    "児童",
                    "こども",
                    "子ども",
                    "保育",
                    "幼稚園",
                    "学童",
                    "教育",
                    "SSW",
                ],
            ),
            (
                Sector::Livelihood,
                &[
                    "自立相談",
                    "困窮",
                    "くらし",
                    "ハローワーク",
                    "就労",
                    "サポステ",
                    "フードバンク",
                    "居住支援",
                    "不動産",
                    "電力",
                    "ガス",
                    "水道",
                ],
            ),
            (
                Sector::Legal,
                &[
                    "弁護士",
                    "法テラス",
                    "司法書士",
                    "後見",
                    "警察",
                    "保護観察",
                    "裁判",
                ],
            ),
            (
                Sector::Administration,
                &[
                    "市役所",
                    "役場",
                    "区役所",
                    "福祉課",
                    "課",
                    "福祉事務所",
                    "社会福祉協議会",
                    "社協",
                ],
            ),
            (
                Sector::Community,
                &[
                    "民生委員",
                    "自治会",
                    "町内",
                    "近隣",
                    "隣",
                    "サロン",
                    "居場所",
                    "食堂",
                    "NPO",
                    "ボランティア",
                ],
            ),
        ];
        WORDS
            .iter()
            .find(|(_, words)| words.iter().any(|word| node.label.contains(word)))
            .map_or_else(
                || {
                    if node.kind == NodeKind::Agency {
                        Self::Other
                    } else {
                        Self::Community
                    }
                },
                |(sector, _)| *sector,
            )
    }
}
