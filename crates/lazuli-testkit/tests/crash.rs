//! A server killed again and again under load: what it acknowledged reads back, what it did not is
//! there whole or not at all, and its data directory is sound.
//!
//! Every client keeps its receipts: each holds when it is given, and at the end the log is held to
//! all of them; and to what became of requests that were not answered.
//!
//! `LAZULI_CRASH_ROUNDS` says how many rounds (200), `LAZULI_CRASH_SEED` which ones.

#[path = "crash/actor.rs"]
mod actor;
#[path = "crash/appends.rs"]
mod appends;
#[path = "crash/controls.rs"]
mod controls;
#[path = "crash/model.rs"]
mod model;
#[path = "crash/pages.rs"]
mod pages;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actor::Actor;
use lazuli_evidence::Kind;
use lazuli_testkit::{
    ACCOUNT, Client, Kept, Random, Request, Server, Trust, check_directory, kill_under_load, view,
};
use model::Endings;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Clients at work at the same time.
const ACTORS: u64 = 4;

/// The longest that the log may take until every receipt leads to a checkpoint.
const UPGRADE_LIMIT: Duration = Duration::from_mins(2);

/// Every so many rounds the blobs that all append to are new ones.
const GENERATION_ROUNDS: u64 = 20;

/// Every so many rounds the data directory is checked whole.
const FSCK_EVERY: u64 = 10;

fn number(variable: &str, otherwise: u64) -> Outcome<u64> {
    match std::env::var(variable) {
        Ok(text) => Ok(text.parse()?),
        Err(_) => Ok(otherwise),
    }
}

/// Reads everything that the actors know of, each on a connection of its own.
fn verify(server: &Server, actors: &mut [Actor], endings: &mut Endings) -> Outcome<()> {
    for actor in actors {
        let mut client = Client::new(server.address())?;
        actor.verify(&mut client, endings)?;
    }
    Ok(())
}

/// Reads the append blobs of a generation, and holds them against what all actors know.
fn verify_appends(server: &Server, actors: &[Actor], generation: u64) -> Outcome<()> {
    let all: Vec<_> = actors.iter().map(|actor| &actor.appends).collect();
    Ok(appends::verify(&mut Client::new(server.address())?, &all, generation)?)
}

/// Reads the page blobs that all write to, and holds them against what all actors wrote.
fn verify_pages(server: &Server, actors: &mut [Actor], seen: &mut pages::Seen) -> Outcome<()> {
    let mut all: Vec<_> = actors.iter_mut().map(|actor| &mut actor.pages).collect();
    Ok(pages::verify(&mut Client::new(server.address())?, &mut all, seen)?)
}

/// Begins a generation of append blobs.
fn begin_generation(server: &Server, actors: &mut [Actor], generation: u64) -> Outcome<()> {
    appends::create(&mut Client::new(server.address())?, generation)?;
    for actor in actors {
        actor.generation = generation;
    }
    Ok(())
}

/// Makes the container, and the actors as the log's policy has them trust it.
fn begin(server: &Server, random: &mut Random) -> Outcome<Vec<Actor>> {
    let path = format!("/{}", actor::CONTAINER);
    let query = "restype=container";
    let request = Request { method: "PUT", path: &path, query, ..Request::default() };
    let made = Client::new(server.address())?.send(&request)?;
    assert_eq!(made.status, 201, "{}", made.text());
    pages::create(&mut Client::new(server.address())?)?;
    let policy = Client::new(server.address())?.fetch("/.lazuli/log/policy")?;
    let trust = Arc::new(Trust::new(&policy.body)?);
    let actor = |index| Actor::new(index, random.split(), Arc::clone(&trust));
    let actors: Vec<Actor> = (0..ACTORS).map(actor).collect();
    for actor in &actors {
        actor.controls.create(&mut Client::new(server.address())?)?;
    }
    Ok(actors)
}

/// Holds the log to every receipt: all lead to a signed checkpoint, and no two to one entry.
fn hold_to_receipts(server: &Server, actors: &[Actor]) -> Outcome<()> {
    let mut kept: Vec<(&Kept, &Actor)> =
        actors.iter().flat_map(|actor| actor.kept.iter().map(move |kept| (kept, actor))).collect();
    kept.sort_by_key(|(kept, _)| (kept.segment, kept.index));
    let mut client = Client::new(server.address())?;
    let begun = Instant::now();
    for (kept, actor) in &kept {
        let path = Trust::proof_path(kept);
        let proof = loop {
            let answer = client.fetch(&path)?;
            // The segment that was open when the server was killed is closed within a second.
            if answer.status == 200 || begun.elapsed() > UPGRADE_LIMIT {
                break answer;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let upgraded = actor.trust.upgrade(kept, &proof.body);
        upgraded.map_err(|error| format!("{kept:?}: {error}: {}", proof.text()))?;
    }
    let places: BTreeSet<_> = kept.iter().map(|(kept, _)| (kept.segment, kept.index)).collect();
    let numbers: BTreeSet<_> = kept.iter().map(|(kept, _)| kept.seq).collect();
    assert_eq!((places.len(), numbers.len()), (kept.len(), kept.len()), "two have one entry");
    Ok(())
}

/// Holds the log to what became of the requests that were not answered: those that had no effect have
/// no entry of a change, and those that had theirs have one.
fn hold_to_entries(server: &Server, endings: &Endings) -> Outcome<()> {
    let changes = [Kind::Control, Kind::Write, Kind::Delete];
    let entries = view(server, ACCOUNT)?.entries;
    let changed = entries.iter().filter(|entry| changes.contains(&entry.kind));
    let changed: BTreeSet<_> = changed.map(|entry| entry.client_request.as_str()).collect();
    for id in &endings.without_effect {
        assert!(!changed.contains(id.as_str()), "{id} has an entry and no effect");
    }
    for id in &endings.with_effect {
        assert!(changed.contains(id.as_str()), "{id} has an effect and no entry");
    }
    Ok(())
}

#[test]
#[ignore = "needs the release binary and takes a minute; cargo xtask test --only crash runs it"]
fn acknowledged_writes_survive_kills() -> Outcome<()> {
    let rounds = number("LAZULI_CRASH_ROUNDS", 200)?;
    let seed = number("LAZULI_CRASH_SEED", u64::from(std::process::id()))?;
    println!("LAZULI_CRASH_SEED={seed} LAZULI_CRASH_ROUNDS={rounds}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crash-{seed}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let data = folder.join("data");
    let mut random = Random::new(seed);
    let mut actors: Vec<Actor> = Vec::new();
    let (mut endings, mut seen) = (Endings::default(), pages::Seen::new());
    for round in 0..rounds {
        let server = Server::start_logged(&folder, &data)?;
        if round == 0 {
            actors = begin(&server, &mut random)?;
        }
        verify(&server, &mut actors, &mut endings)
            .and_then(|()| match round {
                0 => Ok(()),
                _ => verify_appends(&server, &actors, (round - 1) / GENERATION_ROUNDS),
            })
            .and_then(|()| verify_pages(&server, &mut actors, &mut seen))
            .map_err(|error| format!("round {round}, seed {seed}: {error}"))?;
        if round % GENERATION_ROUNDS == 0 {
            begin_generation(&server, &mut actors, round / GENERATION_ROUNDS)?;
        }
        let lifetime = Duration::from_millis(random.between(20, 250));
        let address = server.address();
        kill_under_load(server, &mut actors, lifetime, |actor| actor.work(address))?;
        if round % FSCK_EVERY == FSCK_EVERY - 1 {
            check_directory(&data)?;
        }
    }
    let server = Server::start_logged(&folder, &data)?;
    verify(&server, &mut actors, &mut endings)?;
    for generation in 0..rounds.div_ceil(GENERATION_ROUNDS) {
        verify_appends(&server, &actors, generation)?;
    }
    verify_pages(&server, &mut actors, &mut seen)?;
    hold_to_receipts(&server, &actors)?;
    hold_to_entries(&server, &endings)?;
    server.kill()?;
    check_directory(&data)?;
    let acknowledged: usize = actors.iter().map(|actor| actor.kept.len()).sum();
    println!("{rounds} rounds, {acknowledged} acknowledged operations");
    let Endings { old, new, either, .. } = endings;
    println!("unanswered: {old} without effect, {new} with it, {either} of which that is the same");
    assert!(acknowledged > 0, "nothing was acknowledged");
    let appended: usize = actors.iter().map(|actor| actor.appends.acknowledged()).sum();
    assert!(appended > 0, "nothing was appended");
    let controlled: usize = actors.iter().map(|actor| actor.controls.acknowledged()).sum();
    assert!(controlled > 0, "no lease and no policy was changed");
    let _ = std::fs::remove_dir_all(&folder);
    Ok(())
}
