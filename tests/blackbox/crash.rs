//! Failures around the server: it is killed, the disk is full, what is stored is damaged, the
//! database goes away. Nothing acknowledged is lost, and nobody is told otherwise meanwhile. See
//! docs/durability.md.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::join_all;
use musubi_tests::{
    Database, Dice, Peer, Server,
    database::Cluster,
    dice::{rounds, seed},
    each_database,
    power::{copy, library, monotonic},
    server::{fixture, signal},
    socket::Heard,
    typing::{Desk, Place, Typist, words},
};
use rustix::process::Signal;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use yrs::{Text, Transact};

use crate::world::{OPEN_CASE, World};

const OVERLOADED: u64 = 7;
const DAMAGED: u64 = 10;

type Typing = Vec<JoinHandle<Result<()>>>;

/// People who type in these documents, three in each.
fn people(
    world: &World,
    desk: &Desk,
    documents: &[(String, Place)],
    dice: &mut Dice,
    batch: usize,
) -> Result<Typing> {
    let mut typing = Vec::new();
    for (number, (document, place)) in documents.iter().enumerate() {
        for (who, login) in ["aoba-coord", "aoba-coord2", "aoba-coord"]
            .iter()
            .enumerate()
        {
            let typist = Typist {
                desk: desk.clone(),
                name: format!("b{batch}d{number}w{who}"),
                url: world.server.url.clone(),
                document: document.clone(),
                place: place.clone(),
                token: world.token(login)?,
                dice: Dice::new(dice.roll()),
                pause: Duration::from_millis(30),
                removes: true,
                open: Vec::new(),
            };
            typing.push(tokio::spawn(typist.run(true)));
        }
    }
    Ok(typing)
}

async fn all_done(typing: Typing) -> Result<()> {
    for typist in join_all(typing).await {
        typist??;
    }
    Ok(())
}

/// Reads every document as a newcomer and judges it.
async fn check(
    world: &World,
    desk: &Desk,
    documents: &[(String, Place)],
    at: u64,
    all: bool,
) -> Result<()> {
    let token = world.token("aoba-coord2")?;
    for (document, place) in documents {
        let peer = Peer::join(&world.server.url, document, &token).await?;
        let text = place.read(&peer.doc)?;
        desk.book()
            .check(document, &text, at, all)
            .with_context(|| document.clone())?;
    }
    Ok(())
}

async fn killed_again_and_again(database: Database) -> Result<()> {
    let rounds = rounds("MUSUBI_KILL_ROUNDS", 4);
    let mut dice = Dice::new(seed("kill -9"));
    let mut world = World::start(database).await?;
    let mut done = 0;
    let mut batch = 0;
    while done < rounds {
        // New documents now and then: a text of many thousand words slows its readers down.
        let mut documents = vec![(world.note().await?, Place::Note)];
        if batch == 0 {
            let sheet = world
                .case(OPEN_CASE)
                .await?
                .document("assessment")
                .to_owned();
            documents.push((sheet, Place::Field("life_history".to_owned())));
        } else {
            documents.push((world.note().await?, Place::Note));
        }
        let desk = Desk::default();
        let typing = people(&world, &desk, &documents, &mut dice, batch)?;
        for round in 0..10.min(rounds - done) {
            sleep(Duration::from_millis(200 + dice.below(900) as u64)).await;
            desk.hold();
            world.server.kill()?;
            let at = monotonic();
            world.server.launch()?;
            // Before anybody comes back with what the server should have.
            check(&world, &desk, &documents, at, false)
                .await
                .with_context(|| format!("round {}", done + round))?;
            desk.release();
        }
        sleep(Duration::from_millis(300)).await;
        desk.close();
        all_done(typing).await?;
        check(&world, &desk, &documents, monotonic(), true)
            .await
            .context("after everybody came back")?;
        let book = desk.book();
        ensure!(book.told.is_empty(), "{:?}", book.told);
        println!(
            "{database:?}: {} edits, {} acknowledged",
            book.edits.len(),
            book.acknowledged()
        );
        drop(book);
        done += 10.min(rounds - done);
        batch += 1;
    }
    Ok(())
}

/// `MUSUBI_KILL_ROUNDS` kills on each database (4 in `make test`).
#[tokio::test(flavor = "multi_thread")]
async fn kill_minus_nine() {
    each_database(killed_again_and_again).await;
}

/// How the disk fills up.
enum Full {
    /// No file may grow: `RLIMIT_FSIZE`.
    FileSize,
    /// The file system has no block left.
    Tmpfs(Mount),
    /// Nothing is synced while this file is there: the device fails.
    Device(PathBuf),
}

struct Mount(PathBuf);

impl Mount {
    /// A small tmpfs on the folder; `None` where that is not allowed.
    fn tmpfs(on: &Path) -> Option<Self> {
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"])
            .arg(on)
            .output();
        done.is_ok_and(|output| output.status.success())
            .then(|| Self(on.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _left_for_the_system = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

impl Full {
    fn fill(&self, world: &World) -> Result<()> {
        match self {
            Self::FileSize => world.server.limit_file_size(Some(4096)),
            Self::Tmpfs(mount) => {
                let mut ballast = std::fs::File::create(mount.0.join("ballast"))?;
                for size in [1 << 20, 4096, 1] {
                    let block = vec![1_u8; size];
                    while std::io::Write::write_all(&mut ballast, &block).is_ok() {}
                }
                Ok(())
            }
            Self::Device(file) => Ok(std::fs::write(file, "")?),
        }
    }

    fn free(&self, world: &World) -> Result<()> {
        match self {
            Self::FileSize => world.server.limit_file_size(None),
            Self::Tmpfs(mount) => Ok(std::fs::remove_file(mount.0.join("ballast"))?),
            Self::Device(file) => Ok(std::fs::remove_file(file)?),
        }
    }
}

/// Nobody is told "saved" between `from` and now.
fn nothing_acknowledged_since(desk: &Desk, from: u64) -> Result<()> {
    let book = desk.book();
    let late: Vec<_> = book
        .edits
        .iter()
        .filter(|edit| edit.acknowledged.is_some_and(|at| at > from))
        .collect();
    ensure!(
        late.is_empty(),
        "{} acknowledged meanwhile, such as {:?}",
        late.len(),
        late[0]
    );
    Ok(())
}

async fn somebody_is_told(desk: &Desk, within: Duration) -> Result<()> {
    let since = Instant::now();
    while desk.book().told.is_empty() {
        ensure!(
            since.elapsed() < within,
            "nobody was told within {within:?}"
        );
        sleep(Duration::from_millis(50)).await;
    }
    for told in &desk.book().told {
        ensure!(
            told.code == OVERLOADED && told.reason.contains("保存できていません"),
            "{told:?}"
        );
    }
    Ok(())
}

/// Waits until that many people have each had something acknowledged.
async fn everybody_has_saved(desk: &Desk, people: usize) -> Result<()> {
    let since = Instant::now();
    loop {
        let who: BTreeSet<String> = desk
            .book()
            .edits
            .iter()
            .filter(|edit| edit.acknowledged.is_some())
            .filter_map(|edit| Some(edit.word.split_once('.')?.0.to_owned()))
            .collect();
        if who.len() == people {
            return Ok(());
        }
        ensure!(
            since.elapsed() < Duration::from_secs(30),
            "{who:?} of {people} have saved something"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

async fn a_full_disk(mut world: World, full: Full) -> Result<()> {
    let mut dice = Dice::new(seed("full disk"));
    let documents = [(world.note().await?, Place::Note)];
    let desk = Desk::default();
    let mut reader = Peer::join(
        &world.server.url,
        &documents[0].0,
        &world.token("aoba-coord2")?,
    )
    .await?;
    let typing = people(&world, &desk, &documents, &mut dice, 0)?;
    // Without room nobody is let in: the audit cannot be written.
    everybody_has_saved(&desk, typing.len()).await?;
    full.fill(&world)?;
    // A commit that was under way may still have found room.
    sleep(Duration::from_millis(1500)).await;
    let from = monotonic();
    somebody_is_told(&desk, Duration::from_secs(30)).await?;
    nothing_acknowledged_since(&desk, from)?;
    ensure!(world.server.is_up()?, "the server ended");
    reader.barrier().await.context("the reader was cut off")?;
    let text = documents[0].1.read(&reader.doc)?;
    desk.book()
        .check(&documents[0].0, &text, monotonic(), false)
        .context("the reader's text")?;
    let alive = world.as_user("aoba-coord")?.get_raw("/healthz").await?;
    ensure!(alive.status == 200, "{}", alive.status);
    nothing_acknowledged_since(&desk, from)?;

    full.free(&world)?;
    let before = desk.book().acknowledged();
    let since = Instant::now();
    while desk.book().acknowledged() < before + 20 {
        ensure!(
            since.elapsed() < Duration::from_secs(40),
            "nothing is saved although there is room again"
        );
        sleep(Duration::from_millis(50)).await;
    }
    desk.close();
    all_done(typing).await?;
    reader.barrier().await?;
    let text = documents[0].1.read(&reader.doc)?;
    desk.book()
        .check(&documents[0].0, &text, monotonic(), true)
        .context("the reader stayed behind")?;
    world.server.kill()?;
    world.server.launch()?;
    check(&world, &desk, &documents, monotonic(), true).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_not_grow() -> Result<()> {
    // Its log cannot grow either.
    let folder = tempfile::tempdir()?;
    let mut server = Server::on_folder(tempfile::tempdir()?, None);
    server.load(&[&fixture("aoba")])?;
    let log = folder.path().join("log");
    std::fs::write(&log, "\n".repeat(8192))?;
    server.log = Some(log);
    server.launch()?;
    a_full_disk(World::of(server), Full::FileSize).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(mount) = Mount::tmpfs(folder.path()) else {
        println!("not run: tmpfs cannot be mounted here");
        return Ok(());
    };
    let mut server = Server::on_folder(folder, None);
    server.load(&[&fixture("aoba")])?;
    server.launch()?;
    a_full_disk(World::of(server), Full::Tmpfs(mount)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_to_sync() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| -> Result<String> {
        let path = folder.path().join(name);
        Ok(path.to_str().context("path")?.to_owned())
    };
    let mut server = Server::on_folder(tempfile::tempdir()?, None);
    server.load(&[&fixture("aoba")])?;
    let data = server.data.path().canonicalize()?;
    let library = library()?;
    for (name, value) in [
        ("LD_PRELOAD", library.to_str().context("path")?.to_owned()),
        (
            "POWERLOSS_FOLDER",
            data.to_str().context("path")?.to_owned(),
        ),
        ("POWERLOSS_LOG", path("operations")?),
        ("POWERLOSS_BREAK", path("broken")?),
    ] {
        server.serve_environment.push((name.to_owned(), value));
    }
    server.launch()?;
    a_full_disk(
        World::of(server),
        Full::Device(folder.path().join("broken")),
    )
    .await
}

/// Where the sealed records of a document stand in a database file or write-ahead log: version 1,
/// key id, epoch 1, sequence number. Offset and sequence number.
fn records(bytes: &[u8], document: &str) -> Vec<(usize, u64)> {
    let id = document.as_bytes();
    let mut found = Vec::new();
    for at in 0..bytes.len().saturating_sub(id.len() + 40) {
        if !bytes[at..].starts_with(id) {
            continue;
        }
        // The row's numbers stand between.
        for record in at + id.len()..at + id.len() + 5 {
            let head = bytes.get(record..record + 33).unwrap_or_default();
            if head.len() == 33 && head[0] == 1 && head[17..25] == [0, 0, 0, 0, 0, 0, 0, 1] {
                let seq = head[25..33]
                    .iter()
                    .fold(0, |n, byte| n << 8 | u64::from(*byte));
                found.push((record, seq));
                break;
            }
        }
    }
    found
}

/// A document as a newcomer finds it: its text, or the code with which it is refused.
async fn open(world: &World, document: &str) -> Result<Result<String, u64>> {
    let token = world.token("aoba-coord2")?;
    let mut peer = Peer::open(&world.server.url, document, &token).await?;
    peer.send_step1().await?;
    loop {
        match peer.hear().await? {
            Heard::Content => return Ok(Ok(Place::Note.read(&peer.doc)?)),
            Heard::Refused { code, reason } => {
                ensure!(
                    code != DAMAGED || reason.contains("壊れ"),
                    "{code}: {reason}"
                );
                return Ok(Err(code));
            }
            Heard::Closed => bail!("closed without a reason"),
            _ => {}
        }
    }
}

async fn write_words(world: &World, document: &str, name: &str, count: usize) -> Result<String> {
    let token = world.token("aoba-coord")?;
    let mut peer = Peer::join(&world.server.url, document, &token).await?;
    for number in 0..count {
        let text = Place::Note.text(&peer.doc)?;
        text.push(&mut peer.doc.transact_mut(), &format!("[{name}.{number}]"));
        peer.push().await?;
        peer.barrier().await?;
    }
    Place::Note.read(&peer.doc)
}

/// The world on a copy of the folder, after `spoil` had its way with it.
async fn spoiled(
    folder: &Path,
    tokens_of: &World,
    spoil: impl FnOnce(&Path) -> Result<()>,
) -> Result<World> {
    let data = tempfile::tempdir()?;
    copy(folder, data.path())?;
    spoil(data.path())?;
    let mut server = Server::on_folder(data, None);
    server.launch()?;
    let world = World::of(server);
    world.take_tokens(tokens_of)?;
    Ok(world)
}

fn change_file(path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
    let mut bytes = std::fs::read(path)?;
    change(&mut bytes);
    std::fs::write(path, bytes)?;
    Ok(())
}

/// The doctor names these documents and no other, and quotes nothing.
fn doctor_names(world: &mut World, damaged: &[&str], sound: &[&str]) -> Result<()> {
    world.server.stop()?;
    let (well, said) = world.server.doctor()?;
    ensure!(!well, "{said}");
    for document in damaged {
        ensure!(
            said.contains(&format!("要対応 文書の記録 {document}")),
            "{document} is not named: {said}"
        );
    }
    for document in sound {
        ensure!(!said.contains(document), "{document} is named: {said}");
    }
    ensure!(words(&said).next().is_none(), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_records() -> Result<()> {
    let mut world = World::start(Database::Sqlite).await?;
    let (flipped, torn, sound) = (
        world.note().await?,
        world.note().await?,
        world.note().await?,
    );
    let before = write_words(&world, &flipped, "f", 6).await?;
    write_words(&world, &torn, "t", 6).await?;
    let whole = write_words(&world, &sound, "s", 6).await?;
    world.server.stop()?;
    let folder = world.server.data.path().to_owned();
    ensure!(
        !folder.join("documents.sqlite-wal").exists(),
        "the log was not written back at the stop"
    );

    let mut spoiled = spoiled(&folder, &world, |data| {
        change_file(&data.join("documents.sqlite"), |bytes| {
            let (at, _) = records(bytes, &flipped)[3];
            bytes[at + 70] ^= 0x10;
            let (at, _) = records(bytes, &torn)[2];
            // The rest of a sector that was never written.
            bytes[at + 40..at + 90].fill(0);
        })
    })
    .await?;
    for document in [&flipped, &torn] {
        ensure!(
            open(&spoiled, document).await? == Err(DAMAGED),
            "{document} opens"
        );
    }
    ensure!(open(&spoiled, &sound).await? == Ok(whole.clone()));
    write_words(&spoiled, &sound, "more", 1).await?;
    doctor_names(&mut spoiled, &[&flipped, &torn], &[&sound])?;

    // A row that says it is another document's: found by the index, or by the check of the files.
    let mut spoiled = self::spoiled(&folder, &world, |data| {
        change_file(&data.join("documents.sqlite"), |bytes| {
            let (at, _) = records(bytes, &flipped)[3];
            bytes[at - 10] ^= 1;
        })
    })
    .await?;
    for (document, text) in [(&flipped, &before), (&sound, &whole)] {
        let found = open(&spoiled, document).await?;
        ensure!(
            found.is_err() || found == Ok(text.clone()),
            "{document} is silently another: {found:?}"
        );
    }
    spoiled.server.stop()?;
    let (well, said) = spoiled.server.doctor()?;
    ensure!(!well && said.contains("要対応"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_write_ahead_log() -> Result<()> {
    let mut world = World::start(Database::Sqlite).await?;
    let mut texts = Vec::new();
    for name in ["before", "first", "second"] {
        let note = world.note().await?;
        let text = write_words(&world, &note, name, 4).await?;
        texts.push((note, text));
    }
    world.server.stop()?;
    world.server.launch()?;
    for number in [1, 2, 1] {
        let name = format!("wal{number}x{}", texts[number].1.len());
        texts[number].1 = write_words(&world, &texts[number].0, &name, 5).await?;
    }
    let made = world.note().await?;
    texts.push((made.clone(), write_words(&world, &made, "made", 3).await?));
    // A log that is still there: the server had no time to write it back.
    world.server.kill()?;
    let folder = world.server.data.path().to_owned();
    let log = "documents.sqlite-wal";
    let length = std::fs::metadata(folder.join(log))?.len();
    ensure!(length > 20_000, "the log is empty");

    let last_of =
        |bytes: &[u8], document: &str| records(bytes, document).last().map_or(0, |(at, _)| *at);
    let first = texts[1].0.clone();
    type Spoil<'s> = Box<dyn Fn(&mut Vec<u8>) + 's>;
    let spoils: [(&str, Spoil<'_>); 4] = [
        (
            "a flipped bit in the last record",
            Box::new(|bytes| {
                let at = last_of(bytes, &made);
                bytes[at + 50] ^= 1;
            }),
        ),
        (
            "a flipped bit in the middle",
            Box::new(|bytes| {
                let at = last_of(bytes, &first);
                bytes[at + 50] ^= 1;
            }),
        ),
        (
            "half of it cut off",
            Box::new(|bytes| bytes.truncate(bytes.len() / 2)),
        ),
        ("all of it gone", Box::new(Vec::clear)),
    ];
    for (what, spoil) in spoils {
        let mut spoiled = spoiled(&folder, &world, |data| {
            change_file(&data.join(log), |bytes| spoil(bytes))
        })
        .await?;
        let (mut damaged, mut sound) = (Vec::new(), Vec::new());
        for (document, text) in &texts {
            match open(&spoiled, document).await? {
                Ok(found) => {
                    ensure!(
                        found == *text,
                        "{what}: {document} is silently shorter: {found}"
                    );
                    sound.push(document.as_str());
                }
                Err(DAMAGED) => damaged.push(document.as_str()),
                Err(code) => bail!("{what}: refused with {code}"),
            }
        }
        println!("{what}: {} damaged, {} sound", damaged.len(), sound.len());
        ensure!(!damaged.is_empty(), "{what}: nothing was noticed");
        ensure!(
            sound.contains(&texts[0].0.as_str()),
            "{what}: a document that was not touched does not open"
        );
        doctor_names(&mut spoiled, &damaged, &sound)?;
        // It stays so: the evidence is not overwritten by what others write meanwhile.
        spoiled.server.launch()?;
        write_words(&spoiled, sound[0], "later", 2).await?;
        spoiled.server.stop()?;
        spoiled.server.launch()?;
        ensure!(open(&spoiled, damaged[0]).await? == Err(DAMAGED), "{what}");
    }
    Ok(())
}

async fn a_database_that_goes_away() -> Result<()> {
    let rounds = rounds("MUSUBI_OUTAGE_ROUNDS", 1);
    let mut dice = Dice::new(seed("database outage"));
    let cluster = Cluster::start()?;
    let mut server = Server::on_folder(tempfile::tempdir()?, Some(cluster.create_database()?));
    server.load(&[&fixture("aoba")])?;
    server.launch()?;
    let mut world = World::of(server);
    let documents = [
        (world.note().await?, Place::Note),
        (world.note().await?, Place::Note),
    ];
    let desk = Desk::default();
    let typing = people(&world, &desk, &documents, &mut dice, 0)?;
    sleep(Duration::from_secs(1)).await;
    for round in 0..rounds {
        // It stops answering, as behind a cut cable, and comes to again.
        let processes = cluster.hang()?;
        sleep(Duration::from_millis(800)).await;
        let from = monotonic();
        sleep(Duration::from_millis(2000 + dice.below(4000) as u64)).await;
        let nothing = nothing_acknowledged_since(&desk, from);
        for process in &processes {
            // A child that ended is nobody's loss.
            let _gone = signal(*process, Signal::CONT);
        }
        nothing.context("stalled")?;
        goes_on(&desk, "after the stall").await?;

        // It is gone, and comes back after a while. The first time long enough for everybody to be
        // told, whatever the pause.
        let told = desk.book().told.len();
        cluster.stop_at_once()?;
        let from = monotonic() + 1_000_000_000;
        let pause = if round == 0 {
            18_000
        } else {
            3000 + dice.below(17_000)
        };
        sleep(Duration::from_millis(pause as u64)).await;
        nothing_acknowledged_since(&desk, from).context("database away")?;
        ensure!(world.server.is_up()?, "the server ended");
        if round == 0 {
            ensure!(
                desk.book().told.len() > told,
                "nobody was told that nothing is saved"
            );
            somebody_is_told(&desk, Duration::ZERO).await?;
        }
        cluster.start_again()?;
        goes_on(&desk, "after the outage").await?;
        println!(
            "outage of {pause} ms; told {} times so far",
            desk.book().told.len()
        );
    }
    desk.close();
    all_done(typing).await?;
    world.server.kill()?;
    world.server.launch()?;
    check(&world, &desk, &documents, monotonic(), true).await?;
    world.server.stop()?;
    cluster.stop_at_once()
}

/// Typing goes on by itself: every document gets new acknowledged words.
async fn goes_on(desk: &Desk, when: &str) -> Result<()> {
    let before = desk.book().acknowledged();
    let goes_on = async {
        while desk.book().acknowledged() < before + 30 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(60), goes_on)
        .await
        .with_context(|| format!("{when}: nothing is saved"))
}

/// `MUSUBI_OUTAGE_ROUNDS` outages of PostgreSQL (1 in `make test`).
#[tokio::test(flavor = "multi_thread")]
async fn database_outage() -> Result<()> {
    a_database_that_goes_away().await
}

async fn many_open_at_once(database: Database) -> Result<()> {
    const CLIENTS: usize = 60;
    const DOCUMENTS: usize = 10;
    const WORDS: usize = 4;
    let rounds = rounds("MUSUBI_RACE_ROUNDS", 2);
    let mut world = World::start(database).await?;
    let logins = ["aoba-coord", "aoba-coord2"];
    let mut documents = Vec::new();
    for round in 0..rounds {
        if round % 2 == 0 {
            documents.clear();
            for _ in 0..DOCUMENTS {
                documents.push((world.note().await?, String::new()));
            }
        } else {
            // The same ones, with content, and none of them in memory.
            world.server.kill()?;
            world.server.launch()?;
        }
        let mut typing = Vec::new();
        for client in 0..CLIENTS {
            let document = documents[client % DOCUMENTS].0.clone();
            let (url, token) = (
                world.server.url.clone(),
                world.token(logins[client % logins.len()])?,
            );
            typing.push(tokio::spawn(async move {
                let mut peer = Peer::join(&url, &document, &token).await?;
                peer.patience = Duration::from_secs(40);
                for word in 0..WORDS {
                    let text = Place::Note.text(&peer.doc)?;
                    let word = format!("[r{round}c{client}.{word}]");
                    text.push(&mut peer.doc.transact_mut(), &word);
                    peer.push().await?;
                }
                peer.barrier().await
            }));
        }
        all_done(typing).await?;
        for (number, (document, before)) in documents.iter_mut().enumerate() {
            let peer =
                Peer::join(&world.server.url, document, &world.token("aoba-coord2")?).await?;
            let text = Place::Note.read(&peer.doc)?;
            let mut found: Vec<&str> = words(&text).collect();
            found.sort_unstable();
            let mine = (0..CLIENTS).filter(|client| client % DOCUMENTS == number);
            let written = mine.flat_map(|c| (0..WORDS).map(move |w| format!("[r{round}c{c}.{w}]")));
            let mut expected: Vec<String> =
                words(before).map(str::to_owned).chain(written).collect();
            expected.sort_unstable();
            ensure!(
                found == expected,
                "round {round}, document {number}: {} of {} words",
                found.len(),
                expected.len()
            );
            *before = text;
        }
    }
    Ok(())
}

/// `MUSUBI_RACE_ROUNDS` rounds on each database (2 in `make test`).
#[tokio::test(flavor = "multi_thread")]
async fn load_race() {
    each_database(many_open_at_once).await;
}
