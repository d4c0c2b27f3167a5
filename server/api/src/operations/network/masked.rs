//! The masked variant of a network, as data: nothing in it names anybody, so that whatever is
//! drawn from it cannot either.

use std::collections::{BTreeMap, BTreeSet};

use ::network::{Drawing, Household, Item, Network, Node, NodeKind, Sector, Tie};
use domain::disclosure::Level;

use super::{Known, person_of};

/// Makes the masked network under fresh ids, and says which number each unnamed person has in
/// ［氏名n］. Persons of the case keep their number there; others count on.
///
/// Agencies keep a name only when it is the register's; whatever else was typed (a shop, a
/// neighbour's house) may name a person.
pub(super) fn masked(
    network: &Network,
    people: &BTreeMap<String, Known>,
    agencies: &BTreeMap<String, String>,
) -> (Network, BTreeMap<String, i64>) {
    let mut shown: Vec<(&String, &Node, Option<&Known>)> = network
        .nodes
        .iter()
        .map(|(id, node)| (id, node, person_of(node, people)))
        .filter(|(_, _, known)| known.is_none_or(|known| known.level > Level::None))
        .collect();
    // Document ids stay inside; the order of the fresh ones follows the case's numbers, so that
    // 本人1 is the first of them.
    shown.sort_by_key(|(id, _, known)| {
        (
            known.and_then(|known| known.number).unwrap_or(i64::MAX),
            *id,
        )
    });
    let fresh: BTreeMap<&str, String> = shown
        .iter()
        .enumerate()
        .map(|(at, (id, ..))| (id.as_str(), format!("n{:03}", at + 1)))
        .collect();

    let used: BTreeSet<i64> = people.values().filter_map(|known| known.number).collect();
    let mut next = used.last().copied().unwrap_or(0);
    let mut numbers = BTreeMap::new();
    let mut nodes = BTreeMap::new();
    for (id, node, known) in shown {
        let Some(fresh) = fresh.get(id.as_str()) else {
            continue;
        };
        if node.kind == NodeKind::Person {
            let number = known.and_then(|known| known.number).unwrap_or_else(|| {
                next += 1;
                next
            });
            numbers.insert(fresh.clone(), number);
        }
        nodes.insert(fresh.clone(), bare(node, known, agencies));
    }
    let ties = network
        .ties
        .values()
        .filter_map(|tie| {
            Some(Tie {
                from: fresh.get(tie.from.as_str())?.clone(),
                to: fresh.get(tie.to.as_str())?.clone(),
                frequency: None,
                note: None,
                ..tie.clone()
            })
        })
        .enumerate()
        .map(|(at, tie)| (format!("t{:03}", at + 1), tie))
        .collect();
    let settings = network
        .settings
        .iter()
        .filter(|(key, _)| *key == "death_mark")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let households = households(network, &fresh);
    (
        Network {
            nodes,
            ties,
            households,
            settings,
        },
        numbers,
    )
}

/// Who of those shown lives together, under numbers: a household's name is free text and mostly
/// holds a surname. Their order follows their members', so that it tells nothing else.
fn households(network: &Network, fresh: &BTreeMap<&str, String>) -> BTreeMap<String, Household> {
    let mut homes: Vec<BTreeSet<String>> = network
        .households
        .values()
        .map(|household| {
            let members = household.members.iter();
            members
                .filter_map(|id| fresh.get(id.as_str()).cloned())
                .collect::<BTreeSet<String>>()
        })
        .filter(|members| !members.is_empty())
        .collect();
    homes.sort();
    homes
        .into_iter()
        .enumerate()
        .map(|(at, members)| {
            let name = format!("世帯{}", at + 1);
            (format!("h{:03}", at + 1), Household { name, members })
        })
        .collect()
}

fn bare(node: &Node, known: Option<&Known>, agencies: &BTreeMap<String, String>) -> Node {
    let agency = node
        .agency_id
        .as_ref()
        .filter(|_| node.kind == NodeKind::Agency)
        .and_then(|id| agencies.get(id));
    Node {
        kind: node.kind,
        person_id: None,
        // Any value: it says that the label is the register's.
        agency_id: agency.map(|_| "register".to_owned()),
        label: agency.cloned().unwrap_or_default(),
        sex: node.sex.clone(),
        birth_date: None,
        death_date: None,
        deceased: node.deceased,
        key_person: node.key_person,
        index: node.index,
        x: node.x,
        y: node.y,
        // Guessed from the label, which is gone.
        sector: serde_json::to_value(Sector::of(node))
            .ok()
            .and_then(|code| code.as_str().map(str::to_owned)),
        kinship: node
            .kinship
            .clone()
            .or_else(|| known.and_then(|known| known.kinship.clone())),
    }
}

/// Puts the case's numbers into the ［氏名n］ of a drawing.
pub(super) fn renumber(drawing: &mut Drawing, numbers: &BTreeMap<String, i64>) {
    for item in &mut drawing.items {
        if let Item::Text {
            text,
            node: Some(node),
            ..
        } = item
            && text.starts_with("［氏名")
            && let Some(number) = numbers.get(node)
        {
            *text = format!("［氏名{number}］");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::network::{Options, draw, to_svg};
    use serde_json::json;

    fn network() -> Network {
        Network::from_value(&json!({
            "nodes": {
                "zz": {"kind": "person", "label": "山本 健一", "person_id": "p1", "index": true, "birth_date": "1972-05-01", "sex": "1"},
                "aa": {"kind": "person", "label": "小林 由香", "person_id": "p4"},
                "bb": {"kind": "person", "label": "大家の石田"},
                "cc": {"kind": "person", "label": "夫（加害）", "person_id": "p9"},
                "dd": {"kind": "agency", "label": "山本さんの通う作業所", "agency_id": "a1"},
                "ee": {"kind": "agency", "label": "母子寮つばさ", "agency_id": "a2"},
                "ff": {"kind": "place", "label": "緑町3-8-12"},
                "gg": {"kind": "person", "label": "和子", "person_id": "p2"}
            },
            "ties": {
                "t1": {"family": "eco", "from": "zz", "to": "bb", "kind": "conflict", "frequency": "家賃の件で石田さんが来る", "note": "佐々木"},
                "t2": {"family": "eco", "from": "zz", "to": "cc", "kind": "broken"}
            },
            "households": {
                "h1": {"name": "山本家", "members": {"zz": true, "gg": true}},
                "h2": {"name": "加害者宅", "members": {"cc": true}},
                "h0": {"name": "由香さんの避難先", "members": {"aa": true, "cc": true}}
            }
        }))
    }

    fn people() -> BTreeMap<String, Known> {
        let known = |level, number, kinship: Option<&str>| Known {
            level,
            number: Some(number),
            kinship: kinship.map(str::to_owned),
            name: Some("名前".into()),
        };
        BTreeMap::from([
            ("p1".to_owned(), known(Level::Masked, 1, None)),
            ("p2".to_owned(), known(Level::Masked, 2, Some("mother"))),
            ("p4".to_owned(), known(Level::Masked, 4, None)),
            ("p9".to_owned(), known(Level::None, 9, None)),
        ])
    }

    #[test]
    fn nothing_typed_and_no_id_of_the_document_remains() {
        let agencies = BTreeMap::from([("a1".to_owned(), "作業所あおば".to_owned())]);
        let (network, numbers) = masked(&network(), &people(), &agencies);
        let mut drawing = draw(
            &network,
            &Options {
                masked: true,
                as_of: None,
                legend: true,
            },
        );
        renumber(&mut drawing, &numbers);
        let everything = format!(
            "{}{}{}",
            to_svg(&drawing),
            serde_json::to_string(&drawing).unwrap(),
            serde_json::to_string(&network).unwrap()
        );
        for hidden in [
            "山本",
            "健一",
            "小林",
            "由香",
            "石田",
            "加害",
            "つばさ",
            "緑町",
            "和子",
            "佐々木",
            "家賃",
            "1972",
            "避難",
            "\"h0\"",
            "\"zz\"",
            "\"aa\"",
            "p1",
            "p4",
            "名前",
        ] {
            assert!(!everything.contains(hidden), "{hidden}");
        }
        for shown in [
            "本人",
            "母",
            "［氏名4］",
            "作業所あおば",
            "［機関1］",
            "［場所1］",
            "個人情報として取扱い",
        ] {
            assert!(to_svg(&drawing).contains(shown), "{shown}");
        }
        // Whoever must not be known of is not there, nor is the tie to them.
        assert_eq!(network.nodes.len(), 7);
        assert_eq!(network.ties.len(), 1);
        // So is their household; the others are numbered in the order of their people.
        let homes: Vec<(&str, Vec<&str>)> = network
            .households
            .values()
            .map(|home| {
                let members = home.members.iter().map(String::as_str).collect();
                (home.name.as_str(), members)
            })
            .collect();
        assert_eq!(
            homes,
            [("世帯1", vec!["n001", "n002"]), ("世帯2", vec!["n003"])]
        );
        for shown in ["世帯1", "世帯2", "同じ世帯"] {
            assert!(to_svg(&drawing).contains(shown), "{shown}");
        }
        assert!(!to_svg(&drawing).contains("世帯3"));
        // A person outside the case gets a number that nobody of the case has.
        assert!(to_svg(&drawing).contains("［氏名10］"));
    }

    #[test]
    fn the_first_client_is_the_one_with_the_first_number() {
        let two = Network::from_value(&json!({"nodes": {
            "aa": {"kind": "person", "label": "x", "person_id": "p4", "index": true},
            "zz": {"kind": "person", "label": "y", "person_id": "p1", "index": true, "sex": "2"}
        }}));
        let (network, _) = masked(&two, &people(), &BTreeMap::new());
        assert_eq!(network.nodes["n001"].sex.as_deref(), Some("2"));
    }
}
