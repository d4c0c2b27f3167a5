//! What is written at a node: its name, or in the masked variant only what it is to the client.

use std::collections::BTreeMap;

use crate::model::{Family, Network, NodeKind};

/// Label of every node. Masked: 続柄 or ［氏名n］ for people; agencies of the register keep their
/// name, everything else typed by hand (a shop, a neighbour's house) may name a person and is
/// numbered instead.
pub(crate) fn labels(network: &Network, masked: bool) -> BTreeMap<String, String> {
    if !masked {
        return network
            .nodes
            .iter()
            .map(|(id, node)| {
                let label = node.label.trim();
                (
                    id.clone(),
                    if label.is_empty() {
                        "（名称なし）".to_owned()
                    } else {
                        label.to_owned()
                    },
                )
            })
            .collect();
    }
    let kin = kinship(network);
    let mut said: BTreeMap<&str, u32> = BTreeMap::new();
    let words: Vec<(&String, Option<String>, &str)> = network
        .nodes
        .iter()
        .map(|(id, node)| match node.kind {
            NodeKind::Person => (id, kin.get(id).cloned(), "氏名"),
            NodeKind::Agency if node.agency_id.is_some() && !node.label.trim().is_empty() => {
                (id, Some(node.label.trim().to_owned()), "機関")
            }
            NodeKind::Agency => (id, None, "機関"),
            NodeKind::Group => (id, None, "団体"),
            NodeKind::Place => (id, None, "場所"),
            NodeKind::Pet => (id, Some("ペット".to_owned()), "ペット"),
        })
        .collect();
    let mut labels = BTreeMap::new();
    for (id, word, class) in &words {
        let text = match word {
            None => {
                let n = said.entry(class).or_default();
                *n += 1;
                format!("［{class}{n}］")
            }
            Some(word)
                if words
                    .iter()
                    .filter(|other| other.1.as_ref() == Some(word))
                    .count()
                    > 1 =>
            {
                let n = said.entry(word).or_default();
                *n += 1;
                format!("{word}{n}")
            }
            Some(word) => word.clone(),
        };
        labels.insert((*id).clone(), text);
    }
    labels
}

/// 続柄 as seen from the client: as entered, else from the kinship ties (only when there is one
/// client: with two, 「父」 would say nothing).
pub(crate) fn kinship(network: &Network) -> BTreeMap<String, String> {
    let clients = network.clients();
    let mut kin: BTreeMap<String, String> = BTreeMap::new();
    for (id, node) in &network.nodes {
        if node.index {
            kin.insert(id.clone(), "本人".to_owned());
        } else if let Some(word) = node.kinship.as_deref().and_then(kinship_word) {
            kin.insert(id.clone(), word.to_owned());
        }
    }
    let [client] = clients[..] else { return kin };
    let parents = |child: &str| -> Vec<&str> {
        network
            .ties
            .values()
            .filter(|t| t.family == Family::Gen && t.to == child && is_descent(&t.kind))
            .map(|t| t.from.as_str())
            .collect()
    };
    let sex = |id: &str| {
        network
            .nodes
            .get(id)
            .and_then(|n| n.sex.as_deref())
            .unwrap_or_default()
    };
    let by_sex =
        |id: &str, male: &'static str, female: &'static str, other: &'static str| match sex(id) {
            "1" => male,
            "2" => female,
            _ => other,
        };
    let own = parents(client);
    for (id, node) in &network.nodes {
        if node.kind != NodeKind::Person || kin.contains_key(id) {
            continue;
        }
        let couple = network.ties.values().find(|t| {
            t.family == Family::Gen
                && !is_descent(&t.kind)
                && ((t.from == client && &t.to == id) || (t.to == client && &t.from == id))
        });
        let theirs = parents(id);
        let word = if let Some(tie) = couple {
            match tie.kind.as_str() {
                "marriage" | "separated" => Some(by_sex(id, "夫", "妻", "配偶者")),
                "divorced" => Some(by_sex(id, "元夫", "元妻", "元配偶者")),
                "common_law" => Some("内縁の相手"),
                "engaged" => Some("交際相手"),
                _ => None,
            }
        } else if own.contains(&id.as_str()) {
            Some(by_sex(id, "父", "母", "親"))
        } else if theirs.contains(&client) {
            Some(by_sex(id, "息子", "娘", "子"))
        } else if theirs.iter().any(|p| own.contains(p)) {
            let born = |id: &str| network.nodes.get(id).and_then(|n| n.birth_date.clone());
            match (born(id), born(client)) {
                (Some(a), Some(b)) if a < b => Some(by_sex(id, "兄", "姉", "きょうだい")),
                (Some(a), Some(b)) if a > b => Some(by_sex(id, "弟", "妹", "きょうだい")),
                _ => Some("きょうだい"),
            }
        } else if own.iter().any(|p| parents(p).contains(&id.as_str())) {
            Some(by_sex(id, "祖父", "祖母", "祖父母"))
        } else if theirs.iter().any(|p| parents(p).contains(&client)) {
            Some("孫")
        } else {
            None
        };
        if let Some(word) = word {
            kin.insert(id.clone(), word.to_owned());
        }
    }
    kin
}

fn is_descent(kind: &str) -> bool {
    matches!(kind, "bio" | "adopted" | "foster" | "step")
}

/// Label of a `kinship` code. A text that is no code is not shown: it may hold a name.
fn kinship_word(code: &str) -> Option<&'static str> {
    const WORDS: [(&str, &str); 35] = [
        ("self", "本人"),
        ("spouse", "配偶者"),
        ("partner", "パートナー"),
        ("ex_spouse", "元配偶者"),
        ("father", "父"),
        ("mother", "母"),
        ("step_father", "継父"),
        ("step_mother", "継母"),
        ("foster_parent", "養父母・里親"),
        ("son", "息子"),
        ("daughter", "娘"),
        ("child", "子"),
        ("step_child", "継子"),
        ("adopted_child", "養子"),
        ("foster_child", "里子"),
        ("elder_bro", "兄"),
        ("elder_sis", "姉"),
        ("younger_bro", "弟"),
        ("younger_sis", "妹"),
        ("half_sib", "異父母きょうだい"),
        ("grandfather", "祖父"),
        ("grandmother", "祖母"),
        ("grandchild", "孫"),
        ("uncle", "おじ"),
        ("aunt", "おば"),
        ("nephew_niece", "おい・めい"),
        ("cousin", "いとこ"),
        ("in_law_parent", "義父母"),
        ("in_law_child", "子の配偶者"),
        ("in_law_sib", "義きょうだい"),
        ("friend", "友人・知人"),
        ("neighbor", "近隣住民"),
        ("landlord", "家主・管理会社"),
        ("guardian", "成年後見人等"),
        ("keyworker", "支援者"),
    ];
    WORDS
        .iter()
        .find(|(key, _)| *key == code)
        .map(|(_, word)| *word)
}
