//! What outsiders see of the log: the same, whoever does how much.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use lazuli_evidence::Digest;
use lazuli_evidence::spine::{Leaf, What};
use lazuli_testkit::{ACCOUNT, Client, Server, view};
use lazuli_tlog::Tile;
use lazuli_tlog::tile::new_bundles;

use crate::parties::{Outcome, folder, make_container, put, start, status, wait_for};

/// The second tenant, and its key.
const OTHER: &str = "quietneighbour";
const OTHER_KEY: &str = "c2VjcmV0IG9mIHRoZSBxdWlldCBuZWlnaGJvdXI=";

/// The development account's well-known key.
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Segments that are compared: fewer than there are between two heartbeats.
const SEGMENTS: usize = 8;

/// How far two servers may be apart after these segments, in milliseconds: the machine is shared.
const APART_MS: u64 = 2000;

/// A leaf as an outsider sees it: what it is, and how long.
type Seen = (&'static str, usize);

/// The leaves up to the last segment that is compared, and the time between the first and the last
/// segment in milliseconds.
struct Shape {
    leaves: Vec<Seen>,
    span_ms: u64,
}

/// Reads the public files of a log.
fn shape(files: &Path) -> Outcome<Shape> {
    let signed = lazuli_tlog::SignedCheckpoint::parse(&fs::read(files.join("checkpoint"))?)?;
    let (mut leaves, mut times) = (Vec::new(), Vec::new());
    for tile in new_bundles(0, signed.checkpoint().head().size) {
        let tile: Tile = tile;
        let bundle = fs::read(files.join(tile.path()))?;
        for bytes in lazuli_tlog::entries(&bundle, tile.width())? {
            if times.len() == SEGMENTS {
                break;
            }
            let kind = match Leaf::decode(bytes).ok_or("no leaf")? {
                Leaf::Segment(leaf) => {
                    times.push(leaf.t1_ms);
                    "segment"
                }
                Leaf::Heads(_) => "heads",
                Leaf::Statement(_) => "statement",
                Leaf::Event(event) if event.what == What::Boot => "boot",
                Leaf::Event(_) => "event",
            };
            leaves.push((kind, bytes.len()));
        }
    }
    let (first, last) = times.first().zip(times.last()).ok_or("no segments")?;
    Ok(Shape { leaves, span_ms: last - first })
}

/// Writes blobs until it is told to stop; how many.
fn write_on(server: &Server, (account, key): (&str, &str), stop: &AtomicBool) -> Outcome<Vec<u64>> {
    let mut client = Client::of_account(server.address(), account, key)?;
    // Several of one account make it.
    let _ = make_container(&mut client, "box");
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        put(&mut client, &format!("/box/{count}"), &[7; 3000])?;
        count += 1;
    }
    Ok(vec![count])
}

/// Every public byte of a log.
fn public_bytes(folder: &Path, all: &mut Vec<Vec<u8>>) -> Outcome<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            public_bytes(&path, all)?;
        } else {
            all.push(fs::read(&path)?);
        }
    }
    Ok(())
}

/// All forms in which a label may stand among public bytes.
fn forms(label: &Digest, account: &str) -> Vec<Vec<u8>> {
    let hex = lazuli_verify::cbor::hex(label);
    let mut forms = vec![account.as_bytes().to_vec(), label.to_vec()];
    forms.extend([hex.to_uppercase().into_bytes(), hex.into_bytes()]);
    // In the middle of other bytes it begins at any of three places of a group.
    for place in 0..3 {
        let part = &label[place..place + 27];
        forms.extend([STANDARD.encode(part).into_bytes(), URL_SAFE.encode(part).into_bytes()]);
    }
    forms
}

#[test]
#[ignore = "needs the release binaries; cargo xtask test --only receipts runs it"]
fn outsiders_see_neither_who_nor_how_much() -> Outcome<()> {
    let folder = folder("shape")?;
    let (busy, idle) = (folder.join("busy"), folder.join("idle"));
    fs::create_dir_all(&busy)?;
    fs::create_dir_all(&idle)?;
    let arguments: Vec<String> =
        ["--transparency-log", "on", "--account"].map(str::to_owned).into();
    let accounts = [format!("{ACCOUNT}:{KEY}"), "--account".into(), format!("{OTHER}:{OTHER_KEY}")];
    let arguments = [arguments, accounts.into()].concat();
    let (heavy, none) = (start(&busy, &arguments)?, start(&idle, &arguments)?);
    let stop = AtomicBool::new(false);
    let tenant = (ACCOUNT, KEY);
    let written: u64 = std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| write_on(&heavy, tenant, &stop))).collect();
        let waited = [&heavy, &none].map(|server| {
            wait_for("segments", || {
                let closed = status(server)?["segments"].as_u64().unwrap_or(0);
                Ok((closed > SEGMENTS as u64).then_some(()))
            })
        });
        stop.store(true, Ordering::Relaxed);
        let mut count = 0;
        for writer in writers {
            count += writer.join().map_err(|_| "a writer panicked")??.iter().sum::<u64>();
        }
        waited.into_iter().collect::<Outcome<Vec<_>>>()?;
        Outcome::Ok(count)
    })?;
    let mut quiet = Client::of_account(heavy.address(), OTHER, OTHER_KEY)?;
    make_container(&mut quiet, "box")?;
    let labels = [ACCOUNT, OTHER].map(|account| view(&heavy, account).map(|view| view.label));
    heavy.stop()?;
    none.stop()?;
    let seen = [shape(&busy.join("data.log"))?, shape(&idle.join("data.log"))?];
    assert_eq!(seen[0].leaves, seen[1].leaves, "{written} writes show");
    let segments = seen[0].leaves.iter().filter(|(kind, _)| *kind == "segment").count();
    assert_eq!(segments, SEGMENTS);
    let apart = seen[0].span_ms.abs_diff(seen[1].span_ms);
    assert!(apart < APART_MS, "{written} writes show: {apart} ms apart after {SEGMENTS} segments");
    let mut all = Vec::new();
    public_bytes(&busy.join("data.log"), &mut all)?;
    assert!(all.iter().any(|file| file.len() > 1000), "the public files are not there");
    for (label, account) in labels.into_iter().zip([ACCOUNT, OTHER]) {
        for form in forms(&label?, account) {
            let shows = |file: &Vec<u8>| file.windows(form.len()).any(|part| part == form);
            assert!(!all.iter().any(shows), "{account} is public as {form:02x?}");
        }
    }
    println!("{written} writes and none look alike");
    assert!(written > 100, "no load: {written}");
    // What a server that still runs writes meanwhile may stay.
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}
