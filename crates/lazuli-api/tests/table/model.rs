//! Random histories of requests, held against a model: every status, every entity tag, and what
//! queries give in pages.

use std::collections::BTreeMap;

use lazuli_base::{Entropy as _, SeededEntropy};

use crate::harness::{Call, Tables, call, get, send};

const PARTITIONS: [&str; 3] = ["a", "a b", "ä"];
const ROWS: [&str; 4] = ["", "1", "10", "2"];
const NAMES: [&str; 3] = ["x", "y", "z"];

/// An entity: its tag and its numbers.
#[derive(Clone, Debug, Default)]
struct Known {
    etag: String,
    numbers: BTreeMap<&'static str, u64>,
}

type Key = (&'static str, &'static str);

struct History {
    tables: Tables,
    entropy: SeededEntropy,
    model: BTreeMap<Key, Known>,
    /// Tags that were replaced.
    stale: String,
}

impl History {
    fn new(seed: u64) -> Self {
        let stale = "W/\"datetime'2001-01-01T00%3A00%3A00.0000000Z'\"".to_owned();
        let (tables, entropy) = (Tables::with_table(), SeededEntropy::new(seed));
        Self { tables, entropy, model: BTreeMap::new(), stale }
    }

    /// A random number below this one.
    fn below(&self, end: usize) -> usize {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        (u64::from_le_bytes(bytes) % end as u64) as usize
    }

    /// One request: what it is, what it is to be answered, and what is there afterwards.
    fn step(&mut self) {
        self.tables.pass(self.below(2) as u64);
        let key = (PARTITIONS[self.below(3)], ROWS[self.below(4)]);
        let (name, number) = (NAMES[self.below(3)], self.below(10) as u64);
        let before = self.model.get(&key).cloned();
        let (call, status, replaces) = match self.below(5) {
            0 => {
                let (partition, row) = key;
                let body = format!(
                    "{{\"PartitionKey\":\"{partition}\",\"RowKey\":\"{row}\",\"{name}\":{number}}}"
                );
                let call = send("POST", "/Things", body).header("prefer", "return-no-content");
                (call, if before.is_some() { 409 } else { 204 }, true)
            }
            1 => {
                let (call, status) = self.conditional(call("DELETE", &path(key)), before.as_ref());
                self.answered(&call, status);
                if status == 204 {
                    self.model.remove(&key);
                }
                return;
            }
            verb => {
                let (method, replaces) =
                    [("PUT", true), ("MERGE", false), ("PATCH", false)][verb - 2];
                let call = send(method, &path(key), format!("{{\"{name}\":{number}}}"));
                let (call, status) = match self.below(2) {
                    0 => (call, 204),
                    _ => self.conditional(call, before.as_ref()),
                };
                (call, status, replaces)
            }
        };
        let etag = self.answered(&call, status);
        if status == 204 {
            let mut known = before.unwrap_or_default();
            assert_ne!(known.etag, etag, "{call:?}");
            if !known.etag.is_empty() {
                self.stale = known.etag;
            }
            if replaces {
                known.numbers.clear();
            }
            known.numbers.insert(name, number);
            self.model.insert(key, Known { etag, ..known });
        }
    }

    /// A call with a condition, and the status it has to be answered with.
    fn conditional(&self, call: Call, before: Option<&Known>) -> (Call, u16) {
        match (self.below(3), before) {
            (0, Some(known)) => (call.header("if-match", &known.etag), 204),
            (1, Some(known)) => {
                // Another entity may have had the tag that this one has.
                let status = if self.stale == known.etag { 204 } else { 412 };
                (call.header("if-match", &self.stale), status)
            }
            (_, Some(_)) => (call.header("if-match", "*"), 204),
            (_, None) => (call.header("if-match", "*"), 404),
        }
    }

    /// Sends a call; gives the entity tag of its answer.
    fn answered(&self, call: &Call, status: u16) -> String {
        let answer = self.tables.send(call);
        assert_eq!(answer.status(), status, "{answer}");
        answer.header("etag")
    }

    /// What the queries give, a few entities at a time, is what the model has.
    fn check(&self) {
        let number = self.below(10) as u64;
        let rows = |wanted: &dyn Fn(&Key, &Known) -> bool| -> Vec<&str> {
            let found = self.model.iter().filter(|(key, known)| wanted(key, known));
            found.map(|((_, row), _)| *row).collect()
        };
        let of = |known: &Known, name| known.numbers.get(name).copied();
        assert_eq!(self.tables.rows("$top=5"), rows(&|_, _| true));
        for (filter, wanted) in [
            (format!("x ge {number}"), rows(&|_, it| of(it, "x").is_some_and(|x| x >= number))),
            (
                format!("not (x ge {number}) and y lt 5"),
                rows(&|_, it| {
                    of(it, "x").is_none_or(|x| x < number) && of(it, "y").is_some_and(|y| y < 5)
                }),
            ),
            (
                "PartitionKey gt 'a' and RowKey le '10' or z eq 1".to_owned(),
                rows(&|(partition, row), it| {
                    (*partition > "a" && *row <= "10") || of(it, "z") == Some(1)
                }),
            ),
        ] {
            let query = format!("$top=3&$filter={}", filter.replace(' ', "%20"));
            assert_eq!(self.tables.rows(&query), wanted, "{filter}: {:?}", self.model);
        }
        for (key, known) in &self.model {
            let answer = self.tables.send(&get(&path(*key))).is(200);
            answer.has("etag", &known.etag);
            for name in NAMES {
                let told = of(known, name).map(|number| format!("\"{name}\":{number}"));
                match told {
                    Some(told) => answer.says(&told),
                    None => answer.hides(&format!("\"{name}\":")),
                };
            }
        }
    }
}

fn path((partition, row): Key) -> String {
    let encoded = partition.replace(' ', "%20").replace('ä', "%C3%A4");
    format!("/Things(PartitionKey='{encoded}',RowKey='{row}')")
}

#[test]
fn requests_do_what_the_model_does() {
    for seed in 0..8 {
        let mut history = History::new(seed);
        for _ in 0..20 {
            for _ in 0..10 {
                history.step();
            }
            history.check();
        }
        assert!(!history.model.is_empty());
    }
}
