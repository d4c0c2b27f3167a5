//! What happens in a run, as data.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Right {
    Edit,
    Read,
    None,
    Masked,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// Two peers with the same one are one person with two memberships.
    pub account: usize,
    pub right: Right,
    pub node: usize,
}

/// How a change of rights is told.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Told {
    Account,
    Membership,
    Documents,
    Everything,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Nudge {
    /// The oldest that is on its way.
    One,
    All,
    /// All of them twice, and once more with an old number.
    Doubled,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Disk {
    Works,
    Refuses,
    WritesAndFails,
    Slow(u16),
}

/// Indices and places are taken modulo what there is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Step {
    Insert {
        who: usize,
        text: usize,
        at: usize,
        len: usize,
    },
    Digits {
        who: usize,
        text: usize,
        at: usize,
    },
    Delete {
        who: usize,
        text: usize,
        at: usize,
        len: usize,
    },
    Choose {
        who: usize,
        what: usize,
    },
    Tick {
        who: usize,
        what: usize,
        on: bool,
    },
    Remark {
        who: usize,
    },
    AddRow {
        who: usize,
    },
    MoveRow {
        who: usize,
        row: usize,
        to: usize,
    },
    Age {
        who: usize,
        row: usize,
        years: usize,
    },
    DropRow {
        who: usize,
        row: usize,
    },
    Undo {
        who: usize,
    },
    Redo {
        who: usize,
    },
    Read {
        who: usize,
        frames: usize,
    },
    Barrier {
        who: usize,
    },
    Presence {
        who: usize,
    },
    ForgePresence {
        who: usize,
        whose: usize,
    },
    Leave {
        who: usize,
    },
    Return {
        who: usize,
        node: usize,
        new_copy: bool,
    },
    /// Joins and never asks for the document.
    Lurk {
        who: usize,
    },
    Right {
        who: usize,
        right: Right,
        told: Told,
    },
    StopAccount {
        who: usize,
        stopped: bool,
    },
    /// The right goes while the join is being checked.
    RaceJoin {
        who: usize,
        node: usize,
    },
    Evil {
        who: usize,
        kind: usize,
        whose: usize,
    },
    ServerWrites {
        who: usize,
        node: usize,
    },
    Disk(Disk),
    Kill {
        node: usize,
        power: bool,
    },
    Idle,
    Nudge(Nudge),
    Replace,
    Pause {
        ms: u64,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    pub seed: u64,
    /// A sheet, else a note.
    pub sheet: bool,
    pub nodes: usize,
    pub peers: Vec<Spec>,
    pub steps: Vec<Step>,
}

impl Plan {
    pub fn random(seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let nodes = rng.random_range(1..=2);
        let count = rng.random_range(3..=8);
        let mut peers: Vec<Spec> = (0..count)
            .map(|account| Spec {
                account,
                right: match (account, rng.random_range(0..8)) {
                    (0 | 1, _) | (_, 0..=4) => Right::Edit,
                    (_, 5) => Right::Read,
                    (_, 6) => Right::None,
                    _ => Right::Masked,
                },
                node: rng.random_range(0..nodes),
            })
            .collect();
        // 兼務: one person, two memberships.
        peers[2].account = 0;
        let sheet = rng.random_bool(0.7);
        let length = rng.random_range(30..=140);
        let steps = (0..length).map(|_| step(rng, count, nodes)).collect();
        Self {
            seed,
            sheet,
            nodes,
            peers,
            steps,
        }
    }
}

fn step(rng: &mut StdRng, peers: usize, nodes: usize) -> Step {
    let who = rng.random_range(0..peers);
    let whose = rng.random_range(0..peers);
    let node = rng.random_range(0..nodes);
    let row = rng.random_range(0..4);
    let at = rng.random_range(0..1000);
    let text = rng.random_range(0..4);
    match rng.random_range(0..1000) {
        0..200 => Step::Insert {
            who,
            text,
            at,
            len: rng.random_range(1..6),
        },
        200..215 => Step::Digits { who, text, at },
        215..310 => Step::Delete {
            who,
            text,
            at,
            len: rng.random_range(1..5),
        },
        310..335 => Step::Choose {
            who,
            what: rng.random_range(0..3),
        },
        335..360 => Step::Tick {
            who,
            what: rng.random_range(0..2),
            on: rng.random_bool(0.6),
        },
        360..380 => Step::Remark { who },
        380..410 => Step::AddRow { who },
        410..430 => Step::MoveRow { who, row, to: at },
        430..445 => Step::Age {
            who,
            row,
            years: at % 120,
        },
        445..455 => Step::DropRow { who, row },
        455..490 => Step::Undo { who },
        490..510 => Step::Redo { who },
        510..640 => Step::Read {
            who,
            frames: rng.random_range(1..30),
        },
        640..700 => Step::Barrier { who },
        700..725 => Step::Presence { who },
        725..735 => Step::ForgePresence { who, whose },
        735..765 => Step::Leave { who },
        765..820 => Step::Return {
            who,
            node,
            new_copy: rng.random_bool(0.3),
        },
        820..825 => Step::Lurk { who },
        825..850 => Step::Right {
            who,
            right: match rng.random_range(0..8) {
                0..=3 => Right::Edit,
                4 | 5 => Right::Read,
                6 => Right::None,
                _ => Right::Masked,
            },
            told: match rng.random_range(0..4) {
                0 => Told::Account,
                1 => Told::Membership,
                2 => Told::Documents,
                _ => Told::Everything,
            },
        },
        850..857 => Step::StopAccount {
            who,
            stopped: rng.random_bool(0.4),
        },
        857..862 => Step::RaceJoin { who, node },
        862..902 => Step::Evil {
            who,
            kind: rng.random_range(0..super::evil::KINDS),
            whose,
        },
        902..912 => Step::ServerWrites { who, node },
        912..942 => Step::Disk(match rng.random_range(0..8) {
            0..=3 => Disk::Works,
            4 => Disk::Refuses,
            5 => Disk::WritesAndFails,
            _ => Disk::Slow(rng.random_range(1..60)),
        }),
        942..950 => Step::Kill {
            node,
            power: rng.random_bool(0.5),
        },
        950..953 => Step::Idle,
        953..973 => Step::Nudge(match rng.random_range(0..4) {
            0 | 1 => Nudge::One,
            2 => Nudge::All,
            _ => Nudge::Doubled,
        }),
        973..976 => Step::Replace,
        _ => Step::Pause {
            ms: rng.random_range(1..120),
        },
    }
}
