//! Power loss: a server's file operations are recorded while people type; then the power is cut at
//! many moments of that run, an adversary takes what had not reached the disk, and the real binary
//! starts on what is left. See docs/durability.md.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use musubi_tests::{
    Dice, Peer, Server,
    dice::{rounds, seed},
    power::{Lies, Moment, Trace, copy, library, monotonic},
    server::fixture,
    typing::{Book, Desk, Place, Typist},
};
use serde::{Deserialize, Serialize};

use crate::world::{OPEN_CASE, World};

/// Crashes derived from one recorded run.
const PER_RUN: usize = 25;
/// How long people type in a recorded run.
const TYPING: Duration = Duration::from_millis(3500);

/// A recorded run.
struct Run {
    /// Holds `base`, `operations` and `run.json`.
    folder: tempfile::TempDir,
    facts: Facts,
    trace: Trace,
}

/// What must be known of a run to judge a crash of it.
#[derive(Serialize, Deserialize)]
struct Facts {
    /// Where the server had its data.
    data: PathBuf,
    documents: Vec<(String, Place)>,
    token: String,
    book: Book,
}

/// One crash; kept when it fails.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    moment: u64,
    seed: u64,
}

impl Run {
    fn operations(folder: &Path) -> PathBuf {
        folder.join("operations")
    }

    fn base(folder: &Path) -> PathBuf {
        folder.join("base")
    }

    async fn record(dice: &mut Dice) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = tempfile::tempdir()?;
        // Compaction and checkpoints every moment, so that crashes fall into them.
        std::fs::write(
            data.path().join("musubi.toml"),
            "[log]\ncompact_entries = 40\ncheckpoint_pages = 50\n",
        )?;
        let server = Server::on_folder(data, None);
        server.load(&[&fixture("aoba")])?;
        let mut world = World::of(server);
        world.server.launch()?;
        let sheet = world
            .case(OPEN_CASE)
            .await?
            .document("assessment")
            .to_owned();
        let mut documents = vec![(sheet, Place::Field("life_history".to_owned()))];
        for _ in 0..2 {
            documents.push((world.note().await?, Place::Note));
        }
        let writers = ["aoba-coord", "aoba-coord2", "aoba-coord", "aoba-coord2"];
        let tokens: Vec<String> = writers
            .iter()
            .map(|login| world.token(login))
            .collect::<Result<_>>()?;
        world.server.stop()?;
        let folder_path = world.server.data.path().canonicalize()?;
        copy(&folder_path, &Self::base(folder.path()))?;

        world.server.serve_environment = vec![
            ("LD_PRELOAD".to_owned(), text(&library()?)?),
            ("POWERLOSS_FOLDER".to_owned(), text(&folder_path)?),
            (
                "POWERLOSS_LOG".to_owned(),
                text(&Self::operations(folder.path()))?,
            ),
        ];
        world.server.launch()?;
        let desk = Desk::default();
        let mut typing = Vec::new();
        for (number, (document, place)) in documents.iter().enumerate() {
            for (who, token) in tokens.iter().enumerate().take(3) {
                let typist = Typist {
                    desk: desk.clone(),
                    name: format!("t{number}w{who}"),
                    url: world.server.url.clone(),
                    document: document.clone(),
                    place: place.clone(),
                    token: token.clone(),
                    dice: Dice::new(dice.roll()),
                    pause: Duration::from_millis(12),
                    removes: true,
                    open: Vec::new(),
                };
                typing.push(tokio::spawn(typist.run(false)));
            }
        }
        // Documents made in the middle: registry and log are two files.
        let started = tokio::time::Instant::now();
        while started.elapsed() < TYPING {
            let made = world.note().await?;
            desk.book().made.insert(made, monotonic());
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        desk.close();
        for typist in join_all(typing).await {
            typist??;
        }
        world.server.kill()?;
        let trace = Trace::read(
            &Self::operations(folder.path()),
            &folder_path,
            &Self::base(folder.path()),
        )?;
        let facts = Facts {
            data: folder_path,
            documents,
            token: tokens[0].clone(),
            book: desk.book().clone(),
        };
        std::fs::write(folder.path().join("run.json"), serde_json::to_vec(&facts)?)?;
        Ok(Self {
            folder,
            facts,
            trace,
        })
    }

    /// A moment at which much had just been promised or was half done.
    fn moment(&self, dice: &mut Dice) -> Result<u64> {
        let moments = self.trace.moments();
        let of = |kind: Moment| -> Vec<u64> {
            moments
                .iter()
                .filter(|(_, moment)| *moment == kind)
                .map(|(at, _)| *at)
                .collect()
        };
        let promises: Vec<u64> = self
            .facts
            .book
            .edits
            .iter()
            .flat_map(|edit| [edit.acknowledged, edit.seen, edit.removal_acknowledged])
            .flatten()
            .chain(self.facts.book.made.values().copied())
            .collect();
        let near = |at: u64, dice: &mut Dice| match dice.below(3) {
            0 => at - 1,
            1 => at,
            _ => at + dice.below(400_000) as u64,
        };
        let chosen = match dice.below(10) {
            0..=3 => dice.pick(&promises).copied(),
            4..=6 => {
                let at = dice.pick(&of(Moment::LogSynced)).copied();
                at.map(|at| near(at, dice))
            }
            7..=8 => {
                let at = dice.pick(&of(Moment::DatabaseSynced)).copied();
                at.map(|at| near(at, dice))
            }
            _ => dice.pick(&moments).map(|(at, _)| *at),
        };
        chosen.context("the run has no such moment")
    }

    /// Acknowledgements, the one with the most log syncs since the last checkpoint first: what a log
    /// that never reached the disk would take with it.
    fn most_to_lose(&self) -> Vec<u64> {
        let mut promises: Vec<u64> = self
            .facts
            .book
            .edits
            .iter()
            .filter_map(|edit| edit.acknowledged)
            .collect();
        promises.sort_unstable();
        let moments = self.trace.moments();
        let (mut next, mut syncs, mut out) = (0, 0_usize, Vec::new());
        for promise in promises {
            while let Some((_, moment)) = moments.get(next).filter(|(at, _)| *at <= promise) {
                match moment {
                    Moment::LogSynced => syncs += 1,
                    Moment::DatabaseSynced => syncs = 0,
                    Moment::Other => {}
                }
                next += 1;
            }
            out.push((std::cmp::Reverse(syncs), promise));
        }
        out.sort_unstable();
        out.into_iter().map(|(_, promise)| promise).collect()
    }

    async fn crash(&self, plan: &Plan, lies: Lies, with_doctor: bool) -> Result<()> {
        let left = tempfile::tempdir()?;
        let mut dice = Dice::new(plan.seed);
        self.trace
            .crash(plan.moment, &mut dice, lies, left.path())?;
        let mut server = Server::on_folder(left, None);
        server.launch().context("the server does not start")?;
        let places = self.facts.documents.iter().cloned();
        let made = self.facts.book.made_before(plan.moment);
        let made = made.map(|document| (document.to_owned(), Place::Note));
        for (document, place) in places.chain(made) {
            let mut peer = Peer::join(&server.url, &document, &self.facts.token)
                .await
                .with_context(|| format!("{document} does not open"))?;
            let text = place.read(&peer.doc)?;
            self.facts
                .book
                .check(&document, &text, plan.moment, false)
                .with_context(|| document.clone())?;
            peer.barrier().await?;
        }
        server.stop()?;
        if with_doctor {
            let (_, said) = server.doctor()?;
            ensure!(
                said.contains("良好  文書の記録: ")
                    && said.contains("良好  データベースのファイル: "),
                "{said}"
            );
        }
        Ok(())
    }

    /// Keeps what is needed to play the crash again.
    fn keep(&self, plan: &Plan) -> Result<PathBuf> {
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("powerloss-{}", plan.seed));
        copy(self.folder.path(), &to)?;
        std::fs::write(to.join("plan.json"), serde_json::to_vec(plan)?)?;
        Ok(to)
    }

    /// Reads what [`Self::keep`] kept.
    fn kept(from: &Path) -> Result<(Self, Plan)> {
        let folder = tempfile::tempdir()?;
        copy(from, folder.path())?;
        let facts: Facts = serde_json::from_slice(&std::fs::read(from.join("run.json"))?)?;
        let plan = serde_json::from_slice(&std::fs::read(from.join("plan.json"))?)?;
        let trace = Trace::read(
            &Self::operations(folder.path()),
            &facts.data,
            &Self::base(folder.path()),
        )?;
        let run = Self {
            folder,
            facts,
            trace,
        };
        Ok((run, plan))
    }
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("path")?.to_owned())
}

/// `MUSUBI_POWER_ROUNDS` crashes (6 in `make test`); `MUSUBI_POWER_REPLAY` plays a kept one again.
#[tokio::test(flavor = "multi_thread")]
async fn power_loss() -> Result<()> {
    if let Some(folder) = std::env::var_os("MUSUBI_POWER_REPLAY") {
        let (run, plan) = Run::kept(Path::new(&folder))?;
        return run.crash(&plan, Lies::None, true).await;
    }
    let rounds = rounds("MUSUBI_POWER_ROUNDS", 6);
    let mut dice = Dice::new(seed("power loss"));
    let mut done = 0;
    while done < rounds {
        let run = Run::record(&mut dice).await?;
        let book = &run.facts.book;
        let moments = run.trace.moments();
        let count = |kind| moments.iter().filter(|(_, moment)| *moment == kind).count();
        println!(
            "recorded: {} operations, {} log syncs, {} other syncs; {} edits, {} acknowledged, {} documents made",
            run.trace.len(),
            count(Moment::LogSynced),
            count(Moment::DatabaseSynced),
            book.edits.len(),
            book.acknowledged(),
            book.made.len()
        );
        ensure!(
            book.acknowledged() > 50 && count(Moment::DatabaseSynced) > 3,
            "too little happened for a crash to mean anything"
        );
        for round in 0..PER_RUN.min(rounds - done) {
            let plan = Plan {
                moment: run.moment(&mut dice)?,
                seed: dice.roll(),
            };
            if let Err(error) = run.crash(&plan, Lies::None, round % 5 == 0).await {
                let kept = run.keep(&plan)?;
                return Err(error).with_context(|| {
                    format!(
                        "round {}: MUSUBI_POWER_REPLAY={}",
                        done + round,
                        kept.display()
                    )
                });
            }
        }
        done += PER_RUN.min(rounds - done);
        if done >= rounds {
            a_disk_that_lies_is_noticed(&run, &mut dice).await?;
        }
    }
    Ok(())
}

/// The test itself: where syncs do nothing, the same judgement must find something lost. `All` is
/// what `synchronous = OFF` amounts to, `WriteAheadLogs` what `synchronous = NORMAL` does.
async fn a_disk_that_lies_is_noticed(run: &Run, dice: &mut Dice) -> Result<()> {
    for lies in [Lies::All, Lies::WriteAheadLogs] {
        let mut noticed = None;
        for moment in run.most_to_lose().into_iter().take(8) {
            let plan = Plan {
                moment,
                seed: dice.roll(),
            };
            if let Err(error) = run.crash(&plan, lies, false).await {
                noticed = Some(error);
                break;
            }
        }
        let noticed = noticed.with_context(|| format!("{lies:?} lost nothing in 8 crashes"))?;
        println!("{lies:?}: {noticed:#}");
    }
    Ok(())
}
