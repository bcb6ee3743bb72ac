//! A data directory that is restored from an older copy: the server signs nothing backwards and says
//! so, what it signed before stays to be seen, and an operator can go on.

use std::fs;
use std::path::Path;
use std::process::Command;

use lazuli_testkit::{Client, Request, Server};

use crate::parties::{
    Outcome, answer_of, ask, folder, log, logged, make_container, put, start, status, trust,
    verify, wait_for,
};

/// Copies a folder whole.
fn copy(from: &Path, to: &Path) -> Outcome<()> {
    let mut copy = Command::new("cp");
    copy.arg("-a").args([from, to]);
    let (code, text) = answer_of(copy)?;
    if code == 0 { Ok(()) } else { Err(text.into()) }
}

/// Waits until the checkpoint has more leaves than before, and stops the server.
fn stop_later(server: Server) -> Outcome<()> {
    let size = |server: &Server| -> Outcome<u64> {
        Ok(status(server)?["checkpoint"]["size"].as_u64().unwrap_or(0))
    };
    let before = size(&server)?;
    wait_for("a later checkpoint", || Ok((size(&server)? > before).then_some(())))?;
    Ok(server.stop()?)
}

/// Holds a server to it that nothing is written or signed, and that whoever runs it is told.
fn stands_still(server: &Server) -> Outcome<()> {
    let ready = ask(server, "/health/ready")?;
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert!(ready.text().contains("log-rollback: "), "{}", ready.text());
    let (code, text) = log(server, "status", &[])?;
    assert!(code == 1 && text.contains("log-rollback: "), "{code}: {text}");
    assert!(ask(server, "/metrics")?.text().contains("\nlazuli_log_paused 1\n"));
    let mut client = Client::new(server.address())?;
    let headers: &[_] = &[("x-ms-blob-type", "BlockBlob")];
    let write = Request { method: "PUT", path: "/box/c", headers, ..Request::default() };
    assert_eq!(client.send(&write)?.status, 503);
    Ok(())
}

/// Holds a server that was just started to it that not even the first read is served.
fn serves_no_read(server: &Server) -> Outcome<()> {
    let mut client = Client::new(server.address())?;
    let read = Request { method: "GET", path: "/box/a", ..Request::default() };
    for _ in 0..3 {
        assert_eq!(client.send(&read)?.status, 503);
    }
    Ok(())
}

#[test]
#[ignore = "needs the release binaries; cargo xtask test --only receipts runs it"]
fn a_restored_directory_is_not_signed_backwards_and_can_be_gone_on_from() -> Outcome<()> {
    let folder = folder("rollback")?;
    let [data, backup] = ["data", "backup"].map(|name| folder.join(name));
    let policy = folder.join("policy");
    let server = start(&folder, &logged())?;
    trust(&server, &policy)?;
    let mut client = Client::new(server.address())?;
    make_container(&mut client, "box")?;
    put(&mut client, "/box/a", b"a")?;
    stop_later(server)?;
    copy(&data, &backup)?;
    let server = start(&folder, &logged())?;
    put(&mut Client::new(server.address())?, "/box/b", b"b")?;
    stop_later(server)?;
    let public = folder.join("data.log");
    let signed = fs::read(public.join("checkpoint"))?;
    fs::remove_dir_all(&data)?;
    fs::rename(&backup, &data)?;

    let server = start(&folder, &logged())?;
    serves_no_read(&server)?;
    stands_still(&server)?;
    // What was signed is still there, whole.
    assert_eq!(fs::read(public.join("checkpoint"))?, signed);
    let shown = Client::new(server.address())?.fetch("/.lazuli/log/checkpoint")?;
    assert_eq!((shown.status, &shown.body), (200, &signed));
    let url = format!("http://{}/.lazuli/log", server.address());
    let (code, text) = verify("log", &[Path::new(&url)], &policy)?;
    assert_eq!(code, 0, "{text}");
    let (code, text) = verify("log", &[&public], &policy)?;
    assert_eq!(code, 0, "{text}");
    server.stop()?;
    // Nor does it sign when it is started again.
    let server = start(&folder, &logged())?;
    serves_no_read(&server)?;
    stands_still(&server)?;
    server.stop()?;

    // What `docs/operating.md` says to do to go on: another log, with keys of its own.
    for name in ["data.keys", "data.heads"] {
        fs::rename(folder.join(name), folder.join(format!("old-{name}")))?;
    }
    let server = start(&folder, &logged())?;
    assert_eq!(ask(&server, "/health/ready")?.status, 200);
    put(&mut Client::new(server.address())?, "/box/c", b"c")?;
    let other = folder.join("other-policy");
    trust(&server, &other)?;
    assert_ne!(
        fs::read(&other)?,
        fs::read(&policy)?,
        "it has the name and the keys of the old one"
    );
    stop_later(server)?;
    assert_eq!(verify("log", &[&public], &other)?.0, 0);
    // What a server that still runs writes meanwhile may stay.
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}

#[test]
#[ignore = "needs the release binaries; cargo xtask test --only receipts runs it"]
fn a_head_that_was_set_back_stops_the_log_and_tampering_with_what_it_shows_is_named() -> Outcome<()>
{
    let folder = folder("tampered")?;
    let policy = folder.join("policy");
    let server = start(&folder, &logged())?;
    trust(&server, &policy)?;
    make_container(&mut Client::new(server.address())?, "box")?;
    let heads = folder.join("data.heads");
    wait_for("a checkpoint", || Ok(status(&server)?["checkpoint"]["size"].as_u64()))?;
    let old = fs::read(&heads)?;
    let set_back = || -> Outcome<Option<()>> {
        // It may be replaced once more by a signature that was on its way.
        if fs::read(&heads)? != old {
            fs::write(&heads, &old)?;
        }
        let paused = status(&server)?["paused"].as_str().map(str::to_owned);
        Ok(paused.is_some_and(|why| why.starts_with("log-rollback: ")).then_some(()))
    };
    wait_for("the log stops", set_back)?;
    assert_eq!(ask(&server, "/health/ready")?.status, 503);

    let url = format!("http://{}/.lazuli/log", server.address());
    let (code, text) = verify("log", &[Path::new(&url)], &policy)?;
    assert_eq!(code, 0, "{text}");
    let size = status(&server)?["checkpoint"]["size"].as_u64().ok_or("no checkpoint")?;
    let name = format!("tile/entries/000.p/{size}");
    let tile = folder.join("data.log").join(&name);
    let mut bytes = fs::read(&tile)?;
    *bytes.last_mut().ok_or("an empty tile")? ^= 1;
    fs::write(&tile, bytes)?;
    let (code, text) = verify("log", &[Path::new(&url)], &policy)?;
    assert!(code == 1 && text.contains(&format!("contradiction: {name}")), "{code}: {text}");
    server.stop()?;
    // What a server that still runs writes meanwhile may stay.
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}
