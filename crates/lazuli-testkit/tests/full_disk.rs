//! A disk that runs full under load, again and again: writes are refused with 507 and change
//! nothing, reads go on, writes resume once there is room, and nothing acknowledged is lost. With a
//! transparency log, reads go on as long as there is room kept for their entries.
//!
//! The disk is a small tmpfs in a mount namespace of its own, so that `ENOSPC` is the kernel's and
//! meets every file, those of the metadata store among them.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lazuli_testkit::{Client, Random, Request, Server, binary, fill, is_filled};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Names the folder that is the small disk, for the process inside the namespace.
const DISK_VARIABLE: &str = "LAZULI_SMALL_DISK";

/// How often the disk is filled.
const ROUNDS: usize = 6;

/// Clients at work at the same time.
const WRITERS: u64 = 3;

/// Blobs of each client.
const NAMES: u64 = 8;

/// Reads on a full disk, each of which must be in the log.
const READS: usize = 1_000;

/// The longest wait for a refusal on a full disk, and for a write once there is room.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the writers have met so far.
#[derive(Default)]
struct Progress {
    written: AtomicU64,
    refused: AtomicU64,
    stop: AtomicBool,
}

impl Progress {
    /// Waits until `count` has grown.
    fn await_more(&self, count: &AtomicU64, what: &str) -> Outcome<()> {
        let (before, begun) = (count.load(Ordering::Relaxed), Instant::now());
        while count.load(Ordering::Relaxed) == before {
            if begun.elapsed() > PATIENCE || self.stop.load(Ordering::Relaxed) {
                return Err(format!("{what} for {} s", begun.elapsed().as_secs()).into());
            }
            std::thread::yield_now();
        }
        Ok(())
    }
}

/// A content, by the seed and length it is made from; `None` where there is no blob.
type Content = Option<(u64, usize)>;

/// A client that knows what each of its blobs must hold.
struct Writer {
    index: u64,
    random: Random,
    blobs: Vec<Content>,
    /// Whether the server has a transparency log.
    logged: bool,
}

impl Writer {
    fn path(&self, name: usize) -> String {
        format!("/small/{}-{name}", self.index)
    }

    fn work(&mut self, client: &mut Client, progress: &Progress) -> Outcome<()> {
        while !progress.stop.load(Ordering::Relaxed) {
            let name = self.random.between(0, NAMES) as usize;
            let len = [10, 3_000, 90_000, 400_000][self.random.between(0, 4) as usize];
            let (seed, path) = (self.random.next(), self.path(name));
            let deletes = self.random.between(0, 8) == 0;
            let body = if deletes { Vec::new() } else { fill(seed, len) };
            let method = if deletes { "DELETE" } else { "PUT" };
            let headers: &[_] = if deletes { &[] } else { &[("x-ms-blob-type", "BlockBlob")] };
            let request = Request { method, path: &path, headers, body: &body, query: "" };
            let answer = client.send(&request)?;
            match answer.status {
                201 => self.blobs[name] = Some((seed, len)),
                202 => self.blobs[name] = None,
                404 if deletes && self.blobs[name].is_none() => {}
                507 => {
                    progress.refused.fetch_add(1, Ordering::Relaxed);
                    self.check(client, name)?;
                    continue;
                }
                // The metadata store failed in the middle of a commit: it may be there or not, but
                // nothing else may be.
                503 => {
                    let new = if deletes { None } else { Some((seed, len)) };
                    self.settle(client, name, new)?;
                    continue;
                }
                other => return Err(format!("{method} {path}: {other} {}", answer.text()).into()),
            }
            progress.written.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn holds(&self, client: &mut Client, name: usize, content: Content) -> Outcome<bool> {
        let path = self.path(name);
        let request = Request { method: "GET", path: &path, ..Request::default() };
        let begun = Instant::now();
        let answer = loop {
            let answer = client.send(&request)?;
            // What is kept for entries of reads may be used up for a moment.
            if !self.logged || answer.status != 503 || begun.elapsed() > PATIENCE {
                break answer;
            }
        };
        Ok(match (answer.status, content) {
            (404, None) => true,
            (200, Some((seed, len))) => is_filled(&answer.body, seed, len),
            (200 | 404, _) => false,
            (other, _) => return Err(format!("GET {path}: {other} {}", answer.text()).into()),
        })
    }

    fn check(&self, client: &mut Client, name: usize) -> Outcome<()> {
        if self.holds(client, name, self.blobs[name])? {
            return Ok(());
        }
        let path = self.path(name);
        let request = Request { method: "GET", path: &path, ..Request::default() };
        let answer = client.send(&request)?;
        let (found, known) = (answer.body.len(), self.blobs[name]);
        Err(format!("{path}: {} with {found} bytes, not {known:?}", answer.status).into())
    }

    fn settle(&mut self, client: &mut Client, name: usize, new: Content) -> Outcome<()> {
        if self.holds(client, name, new)? {
            self.blobs[name] = new;
        }
        self.check(client, name)
    }
}

/// Fills the disk to its last byte; gives the file that does.
fn fill_disk(disk: &Path) -> Outcome<PathBuf> {
    let filler = disk.join("filler");
    let mut file = File::create(&filler)?;
    for block in [1 << 20, 4096] {
        while file.write_all(&vec![b'x'; block]).is_ok() {}
    }
    Ok(filler)
}

/// Fills the disk, waits for a refusal, and makes room again.
fn fill_up(disk: &Path, progress: &Progress) -> Outcome<()> {
    let filler = fill_disk(disk)?;
    progress.await_more(&progress.refused, "no write refused on a full disk")?;
    std::fs::remove_file(&filler)?;
    progress.await_more(&progress.written, "no write accepted although there is room")
}

/// Puts a blob until the answer is the one that is waited for.
fn put_until(client: &mut Client, status: u16) -> Outcome<()> {
    let headers: &[_] = &[("x-ms-blob-type", "BlockBlob")];
    let request = Request { method: "PUT", path: "/small/read", headers, body: b"read", query: "" };
    let begun = Instant::now();
    loop {
        let answer = client.send(&request)?;
        if answer.status == status {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("PUT: {} instead of {status}", answer.status).into());
        }
    }
}

/// Reads on a full disk, and finds every read in the log once there is room again.
fn read_on_a_full_disk(server: &Server, disk: &Path) -> Outcome<()> {
    let mut client = Client::new(server.address())?;
    put_until(&mut client, 201)?;
    let filler = fill_disk(disk)?;
    put_until(&mut client, 507)?;
    let before = logged_reads(server, disk, "before")?;
    for read in 0..READS {
        let request = Request { method: "GET", path: "/small/read", ..Request::default() };
        let answer = client.send(&request)?;
        if answer.status != 200 || answer.body != b"read" {
            return Err(format!("read {read}: {} {}", answer.status, answer.text()).into());
        }
    }
    std::fs::remove_file(filler)?;
    put_until(&mut client, 201)?;
    let begun = Instant::now();
    for attempt in 0.. {
        let found = logged_reads(server, disk, &format!("after-{attempt}"))? - before;
        if found == READS {
            return Ok(());
        }
        if found > READS || begun.elapsed() > PATIENCE {
            return Err(format!("{READS} reads, and {found} in the log").into());
        }
    }
    Ok(())
}

/// How many reads of the blob are in sealed segments of the log.
fn logged_reads(server: &Server, disk: &Path, name: &str) -> Outcome<usize> {
    let out = disk.with_file_name(format!("entries-{name}"));
    let _ = std::fs::remove_dir_all(&out);
    let mut command = Command::new(binary());
    command.args(["log", "entries", "--account", "devstoreaccount1", "--admin"]);
    command.arg(format!("http://{}", server.admin())).arg("--out").arg(&out);
    let done = command.output()?;
    std::fs::remove_dir_all(&out)?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into());
    }
    let text = String::from_utf8(done.stdout)?;
    let is_read = |line: &&str| line.contains(" GetBlob ") && line.ends_with(" small/read");
    Ok(text.lines().filter(is_read).count())
}

fn check_all(server: &Server, writers: &[Writer]) -> Outcome<()> {
    let mut client = Client::new(server.address())?;
    for writer in writers {
        for name in 0..writer.blobs.len() {
            writer.check(&mut client, name)?;
        }
    }
    Ok(())
}

/// Fills the disk again and again under load; gives a sentence on what was done.
fn run_on(disk: &Path, logged: bool) -> Outcome<String> {
    let data = disk.join("data");
    // The ready file and the text log are not on the small disk.
    let logs = disk.with_extension("logs");
    std::fs::create_dir_all(&logs)?;
    let start = if logged { Server::start_logged } else { Server::start };
    let server = start(&logs, &data)?;
    let query = "restype=container";
    let request = Request { method: "PUT", path: "/small", query, ..Request::default() };
    assert_eq!(Client::new(server.address())?.send(&request)?.status, 201);
    let mut random = Random::new(u64::from(std::process::id()));
    let mut writers: Vec<Writer> = (0..WRITERS)
        .map(|index| {
            let blobs = vec![None; NAMES as usize];
            Writer { index, random: random.split(), blobs, logged }
        })
        .collect();
    let progress = Progress::default();
    let address = server.address();
    std::thread::scope(|scope| -> Outcome<()> {
        let at_work: Vec<_> = writers
            .iter_mut()
            .map(|writer| {
                let progress = &progress;
                scope.spawn(move || {
                    let done = writer.work(&mut Client::new(address)?, progress);
                    progress.stop.store(true, Ordering::Relaxed);
                    done
                })
            })
            .collect();
        let filled = (0..ROUNDS).try_for_each(|_| fill_up(disk, &progress));
        progress.stop.store(true, Ordering::Relaxed);
        for writer in at_work {
            writer.join().map_err(|_| "a client panicked")??;
        }
        filled
    })?;
    check_all(&server, &writers)?;
    if logged {
        read_on_a_full_disk(&server, disk)?;
    }
    server.kill()?;
    let checked = Command::new(binary()).arg("fsck").arg("--data").arg(&data).output()?;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let server = start(&logs, &data)?;
    check_all(&server, &writers)?;
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (written, refused) = (count(&progress.written), count(&progress.refused));
    Ok(format!("{ROUNDS} times full, {written} writes acknowledged, {refused} refused"))
}

/// Runs a test in a namespace of its own with a small disk, called by its name.
#[expect(clippy::print_stdout, reason = "the test's outcome is for whoever reads its output")]
fn on_a_small_disk(test: &str, logged: bool) -> Outcome<()> {
    if let Some(disk) = std::env::var_os(DISK_VARIABLE) {
        println!("{}", run_on(Path::new(&disk), logged)?);
        return Ok(());
    }
    let folder = if logged { "small-disk-logged" } else { "small-disk" };
    let disk = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&disk)?;
    let mut inside = Command::new("unshare");
    inside.args(["--map-root-user", "--mount", "sh", "-c"]);
    inside.arg(r#"mount -t tmpfs -o size=256m tmpfs "$0" || exit 77; exec "$@""#).arg(&disk);
    inside.arg(std::env::current_exe()?).args(["--include-ignored", "--nocapture", "--exact"]);
    let status = inside.arg(test).env(DISK_VARIABLE, &disk).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) if status.code() != Some(77) && status.code() != Some(1) => {
            Err(format!("the test on the small disk failed: {status}").into())
        }
        other => {
            println!("not tested: there is no namespace with a disk of its own ({other:?})");
            Ok(())
        }
    }
}

#[test]
#[ignore = "needs the release binary and namespaces; cargo xtask test --only crash runs it"]
fn a_full_disk_refuses_writes_and_heals() -> Outcome<()> {
    on_a_small_disk("a_full_disk_refuses_writes_and_heals", false)
}

#[test]
#[ignore = "needs the release binary and namespaces; cargo xtask test --only crash runs it"]
fn a_full_disk_with_a_log_refuses_writes_enters_reads_and_heals() -> Outcome<()> {
    on_a_small_disk("a_full_disk_with_a_log_refuses_writes_enters_reads_and_heals", true)
}
