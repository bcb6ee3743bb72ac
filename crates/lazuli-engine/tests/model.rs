//! Random histories: the embedded store, the memory model and redb agree on every answer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use lazuli_engine::memory::MemoryMeta;
use lazuli_engine::{Commit, Engine, Expect, KeyRange, Meta, Options, Room, Row, Version};
use proptest::prelude::*;

const TABLE: redb::TableDefinition<'_, &[u8], (u64, &[u8])> = redb::TableDefinition::new("rows");

#[derive(Clone, Debug)]
enum Step {
    /// Commit these keys (a value, or a delete), expecting the current version of some, or a wrong
    /// one.
    Commit {
        changes: Vec<(u8, Option<u8>)>,
        expects: Vec<(u8, bool)>,
        entries: u8,
    },
    Scan {
        start: u8,
        end: Option<u8>,
        limit: usize,
    },
    Reopen {
        clean: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let changes = prop::collection::btree_map(0..12_u8, prop::option::of(any::<u8>()), 0..5);
    let expects = prop::collection::vec((0..12_u8, prop::bool::weighted(0.9)), 0..3);
    prop_oneof![
        10 => (changes, expects, 0..3_u8).prop_map(|(changes, expects, entries)| Step::Commit {
            changes: changes.into_iter().collect(),
            expects,
            entries
        }),
        4 => (0..12_u8, prop::option::of(0..14_u8), 0..8_usize)
            .prop_map(|(start, end, limit)| Step::Scan { start, end, limit }),
        1 => any::<bool>().prop_map(|clean| Step::Reopen { clean }),
    ]
}

/// Keys that are empty, share prefixes, and hold the lowest and highest bytes.
fn key(number: u8) -> Bytes {
    let keys: [&[u8]; 14] = [
        b"",
        b"\0",
        b"\0\0",
        b"a",
        b"a\0",
        b"a\xff",
        b"ab",
        b"b",
        b"b\xff\xff",
        b"c",
        b"\xfe",
        b"\xff",
        b"\xff\0",
        b"\xff\xff",
    ];
    Bytes::from_static(keys[usize::from(number) % keys.len()])
}

fn commit(changes: &[(u8, Option<u8>)], expect: Vec<Expect>, entries: u8) -> Commit {
    let puts = changes.iter().filter_map(|(k, v)| v.map(|v| (key(*k), vec![v; 3].into())));
    let deletes = changes.iter().filter(|(_, v)| v.is_none()).map(|(k, _)| key(*k));
    Commit {
        since: lazuli_engine::Version(0),
        expect,
        puts: puts.collect(),
        deletes: deletes.collect(),
        entries: (0..entries).map(|n| Bytes::from(vec![n])).collect(),
        unproved: false,
        payloads: Vec::new(),
        room: Room::Free,
    }
}

fn store_in_redb(redb: &redb::Database, changes: &[(u8, Option<u8>)], version: Version) {
    let write = redb.begin_write().unwrap();
    let mut table = write.open_table(TABLE).unwrap();
    for (number, value) in changes {
        match value {
            Some(value) => {
                table.insert(&key(*number)[..], (version.0, &[*value; 3][..])).unwrap();
            }
            None => drop(table.remove(&key(*number)[..]).unwrap()),
        }
    }
    drop(table);
    write.commit().unwrap();
}

fn all_in_redb(redb: &redb::Database) -> Vec<(Vec<u8>, u64, Vec<u8>)> {
    let read = redb::ReadableDatabase::begin_read(redb).unwrap();
    let Ok(table) = read.open_table(TABLE) else { return Vec::new() };
    let rows = redb::ReadableTable::iter(&table).unwrap().map(|row| {
        let (key, value) = row.unwrap();
        let (version, value) = value.value();
        (key.value().to_vec(), version, value.to_vec())
    });
    rows.collect()
}

/// The rows that a visitor is handed who ends the read with the one numbered `limit`.
async fn visited(meta: &dyn Meta, range: KeyRange, limit: usize) -> Vec<Row> {
    let (sender, rows) = std::sync::mpsc::channel();
    let mut left = limit;
    let visitor = move |row| {
        left -= 1;
        sender.send(row).is_ok() && left > 0
    };
    meta.visit(range, Box::new(visitor)).await.unwrap();
    rows.try_iter().collect()
}

async fn run(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { reserve_bytes: 0, ..Options::new(dir.path()) };
    let memory = redb::backends::InMemoryBackend::new();
    let redb = redb::Database::builder().create_with_backend(memory).unwrap();
    let model = MemoryMeta::default();
    let mut engine = Engine::open(options.clone()).unwrap();
    for step in steps {
        match step {
            Step::Commit { changes, expects, entries } => {
                let mut expect = Vec::new();
                for (number, right) in expects {
                    let row = model.get(&key(number)).await.unwrap();
                    let version = row.map(|row| row.version);
                    let version = if right { version } else { Some(Version(u64::MAX)) };
                    expect.push(Expect { key: key(number), version });
                }
                let stored = engine.meta.commit(commit(&changes, expect.clone(), entries)).await;
                assert_eq!(stored, model.commit(commit(&changes, expect, entries)).await);
                if let Ok(committed) = stored {
                    store_in_redb(&redb, &changes, committed.version);
                }
                for (number, _) in changes {
                    let read = engine.meta.get(&key(number)).await;
                    assert_eq!(read, model.get(&key(number)).await);
                }
            }
            Step::Scan { start, end, limit } => {
                let range = KeyRange { start: key(start), end: end.map(key) };
                let read = engine.meta.scan(range.clone(), limit).await;
                assert_eq!(read, model.scan(range.clone(), limit).await);
                assert_eq!(visited(&*engine.meta, range, limit.max(1)).await, {
                    let range = KeyRange { start: key(start), end: end.map(key) };
                    model.scan(range, limit.max(1)).await.unwrap()
                });
            }
            Step::Reopen { clean } => {
                if clean {
                    engine.close().unwrap();
                }
                drop(engine);
                engine = Engine::open(options.clone()).unwrap();
            }
        }
    }
    let everything = KeyRange { start: Bytes::new(), end: None };
    let rows = engine.meta.scan(everything.clone(), 1000).await.unwrap();
    assert_eq!(rows, model.scan(everything, 1000).await.unwrap());
    let rows: Vec<_> =
        rows.into_iter().map(|r| (r.key.to_vec(), r.version.0, r.value.to_vec())).collect();
    assert_eq!(rows, all_in_redb(&redb));
    for (from, limit) in [(0, 1000), (3, 2)] {
        let read = engine.meta.journal(Version(from), limit).await;
        assert_eq!(read, model.journal(Version(from), limit).await);
    }
    engine.close().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn embedded_store_and_models_agree(steps in prop::collection::vec(step(), 1..40)) {
        tokio::runtime::Runtime::new().unwrap().block_on(run(steps));
    }
}
