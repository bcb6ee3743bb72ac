//! Which log a start goes on with: data directories that are deleted, copied, restored and mixed up,
//! beside a head store and keys that stay.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lazuli_base::{Clock, ManualClock, SystemEntropy, Timestamp};
use lazuli_engine::{Commit, CommitError, Engine, Options};
use lazuli_evidence::{Draft, Kind};
use lazuli_log::belonging::{self, BelongingError, Beside, Place};
use lazuli_log::{Log, Parts};

/// A folder with a data directory and what lies beside it.
struct House {
    dir: tempfile::TempDir,
}

/// A started server.
struct Server {
    engine: Engine,
    log: Log,
    clock: Arc<ManualClock>,
    origin: String,
}

impl House {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// The files and directories, in order.
    fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    fn engine(&self, data: &str) -> Engine {
        let options = Options { reserve_bytes: 0, ..Options::new(self.path(data)) };
        Engine::open(options).unwrap()
    }

    async fn try_start(&self, data: &str, origin: Option<&str>) -> Result<Server, BelongingError> {
        let engine = self.engine(data);
        let directory = self.path(data);
        let [keys, heads, files] =
            ["keys", "heads", "log"].map(|end| directory.with_extension(end));
        let beside = Beside { keys: &keys, head_store: &heads, files: &files };
        let identity = engine.identity().unwrap();
        let place = Place { directory: &directory, identity, meta: &*engine.meta, beside };
        let accounts = ["one".to_owned()];
        let (keys, heads) = belonging::open(place, origin, &accounts, &SystemEntropy).await?;
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1000)));
        let origin = keys.origin().to_owned();
        let parts = Parts {
            meta: Arc::clone(&engine.meta),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            keys,
            files: Some(files),
            heads,
            site: 1,
            config: [0; 32],
            witnesses: None,
            reads: lazuli_base::Oldest::default(),
        };
        let log = Log::open(parts).await.unwrap();
        engine.write_journal_with(Arc::clone(&log.ledger) as _);
        Ok(Server { engine, log, clock, origin })
    }

    async fn start(&self) -> Server {
        self.try_start("data", None).await.unwrap()
    }

    /// A server that wrote, signed and stopped; the name of its log.
    async fn served(&self) -> String {
        let mut server = self.start().await;
        server.write("before").await.unwrap();
        server.tick().await;
        server.stop().await
    }
}

impl Server {
    async fn write(&self, name: &str) -> Result<(), CommitError> {
        let draft = Draft::new(Kind::Write, "PutBlob", "one", 5).encode();
        let mut commit = Commit { entries: vec![draft], ..Commit::default() };
        commit.puts.push((Bytes::from(name.to_owned()), Bytes::from_static(b"value")));
        self.engine.meta.commit(commit).await.map(|_| ())
    }

    async fn tick(&mut self) {
        self.clock.advance(Duration::from_secs(1));
        self.log.sealer.tick().await;
    }

    async fn stop(mut self) -> String {
        self.log.sealer.stop().await;
        self.engine.close().unwrap();
        self.origin
    }

    /// That it takes entries and signs from leaf 0 on.
    async fn begins_anew(&mut self) {
        // A boot, and one segment.
        self.begins_with(2).await;
    }

    /// That it takes entries, and has so many leaves after the first second.
    async fn begins_with(&mut self, leaves: u64) {
        assert_eq!(self.log.ledger.paused(), None);
        self.write("new").await.unwrap();
        self.tick().await;
        let signed = self.log.public.checkpoint().unwrap();
        assert_eq!(signed.checkpoint().head().size, leaves);
        assert_eq!(signed.checkpoint().origin(), self.origin);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_was_deleted_begins_a_new_log_and_the_old_one_is_kept() {
    let house = House::new();
    let old = house.served().await;
    let [keys, heads] = ["data.keys", "data.heads"].map(|name| house.path(name));
    let [keys, heads] = [keys, heads].map(|path| std::fs::read_to_string(path).unwrap());
    let id = heads.trim_end().rsplit(' ').next().unwrap().to_owned();
    house.remove("data");
    let mut server = house.start().await;
    assert_ne!(server.origin, old);
    server.begins_anew().await;
    server.stop().await;
    let kept = |name: &str| std::fs::read_to_string(house.path(&format!("{name}.{id}"))).unwrap();
    assert_eq!((kept("data.keys"), kept("data.heads")), (keys, heads));
    assert!(house.path(&format!("data.log.{id}")).join("checkpoint").exists());
    // The next start finds its own.
    assert_eq!(house.start().await.log.ledger.paused(), None);
    assert_eq!(house.names().len(), 7, "{:?}", house.names());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_deleted_directory_is_in_nobodys_way() {
    for gone in [&["data.keys"][..], &["data.heads"], &["data.keys", "data.heads"], &["data.log"]] {
        let house = House::new();
        house.served().await;
        house.remove("data");
        for name in gone {
            house.remove(name);
        }
        house.start().await.begins_anew().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_was_cut_off_begins_the_log_all_the_same() {
    // The directory was made, and then nothing.
    let house = House::new();
    house.served().await;
    house.remove("data");
    drop(house.engine("data"));
    house.start().await.begins_anew().await;
    // The head was written, and not the keys.
    let house = House::new();
    drop(house.start().await);
    let heads = std::fs::read_to_string(house.path("data.heads")).unwrap();
    let unsigned = heads.replacen(" 1 0 ", " 0 0 ", 1);
    assert_ne!(heads, unsigned);
    std::fs::write(house.path("data.heads"), unsigned).unwrap();
    house.remove("data.keys");
    // A gap besides: the start that was cut off may have answered reads.
    house.start().await.begins_with(3).await;
    let heads = std::fs::read_to_string(house.path("data.heads")).unwrap();
    assert_eq!(heads.lines().count(), 2, "{heads}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_restored_to_before_its_first_entry_takes_none() {
    let house = House::new();
    drop(house.engine("data"));
    copy(&house.path("data"), &house.path("backup"));
    house.served().await;
    house.remove("data");
    house.rename("backup", "data");
    let mut server = house.start().await;
    assert!(server.log.ledger.paused().unwrap().starts_with("log-rollback"));
    assert_eq!(server.write("more").await, Err(CommitError::NoJournal));
    let shown = server.log.public.checkpoint().unwrap().to_string();
    server.log.sealer.tick().await;
    assert_eq!(server.log.public.checkpoint().unwrap().to_string(), shown, "nothing is signed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_with_commits_and_without_a_log_begins_one() {
    let house = House::new();
    let engine = house.engine("data");
    let put = (Bytes::from("a"), Bytes::from("b"));
    engine.meta.commit(Commit { puts: vec![put], ..Commit::default() }).await.unwrap();
    drop(engine);
    let mut server = house.start().await;
    server.write("new").await.unwrap();
    server.tick().await;
    assert_eq!(server.log.ledger.paused(), None);
    assert!(server.log.public.checkpoint().is_some());
}

/// Why a start is refused.
async fn refusal(house: &House, data: &str, origin: Option<&str>) -> BelongingError {
    let before = house.names();
    let Err(error) = house.try_start(data, origin).await else { panic!("it starts") };
    assert_eq!(house.names(), before, "a start that is refused changes nothing");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_its_keys_or_its_head_is_not_gone_on_with() {
    let house = House::new();
    house.served().await;
    house.rename("data.keys", "k");
    let error = refusal(&house, "data", Some("new.test")).await;
    assert!(matches!(error, BelongingError::KeysMissing(_)) && error.hint().is_some());
    house.rename("data.heads", "h");
    house.rename("k", "data.keys");
    let error = refusal(&house, "data", None).await;
    assert!(matches!(error, BelongingError::HeadsMissing(_)) && error.hint().is_some());
    house.rename("h", "data.heads");
    assert_eq!(house.start().await.log.ledger.paused(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_data_alone_begins_a_log_of_its_own() {
    let house = House::new();
    let before = house.served().await;
    house.rename("data.keys", "k");
    house.rename("data.heads", "h");
    let mut server = house.start().await;
    assert_ne!(server.origin, before);
    server.write("after").await.unwrap();
    server.tick().await;
    assert_eq!(server.log.ledger.paused(), None);
    let signed = server.log.public.checkpoint().unwrap();
    assert_eq!(signed.checkpoint().origin(), server.origin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_keys_are_lost_is_followed_by_one_that_is_named() {
    let house = House::new();
    drop(house.try_start("data", Some("old.test")).await.unwrap());
    let mut server = house.start().await;
    server.write("before").await.unwrap();
    server.tick().await;
    server.stop().await;
    house.remove("data.keys");
    house.remove("data.heads");
    let error = refusal(&house, "data", Some("old.test")).await;
    assert!(matches!(error, BelongingError::NameTaken(_)), "{error}");
    let mut server = house.try_start("data", Some("new.test")).await.unwrap();
    server.write("after").await.unwrap();
    server.tick().await;
    assert_eq!(server.log.ledger.paused(), None);
    assert_eq!(server.log.public.checkpoint().unwrap().checkpoint().origin(), "new.test");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_another_directory_are_refused_and_both_are_named() {
    let house = House::new();
    house.served().await;
    let other = house.try_start("other", None).await.unwrap();
    let id = |engine: &Engine| engine.identity().unwrap().id.to_string();
    let other_id = id(&other.engine);
    other.stop().await;
    let own_id = id(&house.engine("data"));
    for (files, named) in [
        (&["heads"][..], "other.keys"),
        (&["keys"], "other.keys"),
        (&["heads", "keys"], "other.heads"),
    ] {
        for end in files {
            house.rename(&format!("other.{end}"), &format!("own.{end}"));
            std::fs::copy(house.path(&format!("data.{end}")), house.path(&format!("other.{end}")))
                .unwrap();
        }
        let error = refusal(&house, "other", None).await;
        let text = error.to_string();
        if files == ["heads"] {
            // The other directory's heads do not know this log.
            assert!(matches!(error, BelongingError::HeadsMissing(_)), "{text}");
        } else {
            assert!(matches!(error, BelongingError::Foreign(..)), "{text}");
            assert!(text.contains(named), "{text}");
            assert!(text.contains(&own_id) && text.contains(&other_id), "{text}");
        }
        for end in files {
            house.rename(&format!("own.{end}"), &format!("other.{end}"));
        }
    }
    // The files of both are as they were.
    assert_eq!(house.start().await.log.ledger.paused(), None);
    let other = house.try_start("other", None).await.unwrap();
    assert_eq!(other.log.ledger.paused(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_name_no_directory_are_taken_over() {
    let house = House::new();
    house.served().await;
    for (name, word) in [("data.heads", " "), ("data.keys", "\ndata ")] {
        let text = std::fs::read_to_string(house.path(name)).unwrap();
        let at = text.rfind(word).unwrap();
        let at = if word == " " { at } else { text.find(word).unwrap() };
        let end = at + 1 + text[at + 1..].find('\n').unwrap();
        let unbound = format!("{}{}", &text[..at], &text[end..]);
        std::fs::write(house.path(name), unbound).unwrap();
    }
    let mut server = house.start().await;
    assert_eq!(server.log.ledger.paused(), None);
    server.tick().await;
    let id = server.engine.identity().unwrap().id.to_string();
    for name in ["data.heads", "data.keys"] {
        assert!(std::fs::read_to_string(house.path(name)).unwrap().contains(&id), "{name}");
    }
    server.stop().await;
    // A directory that is made anew is newer than they are.
    house.served().await;
    house.remove("data");
    house.start().await.begins_anew().await;
}
