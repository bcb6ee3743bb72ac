//! A journal that only remembers what it was told, and gives receipts that name the entry.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use lazuli_engine::{Entered, Entering, Proof, Receipt, Scribe, Version};
use lazuli_store::journal::{Draft, Group, Kind};

/// A scribe that seals nothing.
#[derive(Debug)]
pub(crate) struct FakeScribe {
    drafts: Mutex<Vec<Bytes>>,
    commits: AtomicUsize,
    refuses: AtomicBool,
    opening_bytes: AtomicUsize,
}

impl Default for FakeScribe {
    fn default() -> Self {
        Self {
            drafts: Mutex::default(),
            commits: AtomicUsize::new(0),
            refuses: AtomicBool::new(false),
            opening_bytes: AtomicUsize::new(300),
        }
    }
}

impl FakeScribe {
    /// What was entered, from an entry on.
    pub(crate) fn entries(&self, from: usize) -> Vec<Logged> {
        self.drafts.lock().unwrap().iter().skip(from).map(|draft| Logged(draft.clone())).collect()
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.drafts.lock().unwrap().len()
    }

    /// How many commits had entries.
    pub(crate) fn commits(&self) -> usize {
        self.commits.load(Ordering::Relaxed)
    }

    /// Refuses entries from now on, or takes them again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Makes openings of a length.
    pub(crate) fn open_with(&self, bytes: usize) {
        self.opening_bytes.store(bytes, Ordering::Relaxed);
    }
}

impl Scribe for FakeScribe {
    fn begin(&self) -> Box<dyn Entering + '_> {
        Box::new(Commits(self))
    }
}

struct Commits<'a>(&'a FakeScribe);

impl Entering for Commits<'_> {
    fn enter(&mut self, _: Version, drafts: Vec<Bytes>, _: bool) -> Option<Entered> {
        if drafts.is_empty() {
            return Some(Entered::default());
        }
        if self.0.refuses.load(Ordering::Relaxed) {
            return None;
        }
        self.0.commits.fetch_add(1, Ordering::Relaxed);
        let mut all = self.0.drafts.lock().unwrap();
        let first = all.len();
        all.extend(drafts.iter().cloned());
        let opening_bytes = self.0.opening_bytes.load(Ordering::Relaxed);
        let proof = Given { entries: first..all.len(), opening_bytes };
        Some(Entered { entries: drafts, proof: Some(std::sync::Arc::new(proof)) })
    }

    fn durable(self: Box<Self>) {}
}

#[derive(Debug)]
struct Given {
    entries: std::ops::Range<usize>,
    opening_bytes: usize,
}

impl Proof for Given {
    fn receipts(&self) -> Vec<Receipt> {
        (0..self.entries.len()).filter_map(|index| self.receipt(index)).collect()
    }

    fn receipt(&self, index: usize) -> Option<Receipt> {
        let entry = self.entries.clone().nth(index)?;
        let opening = Some("o".repeat(self.opening_bytes));
        Some(Receipt { receipt: receipt(entry), opening })
    }
}

/// The receipt of an entry.
pub(crate) fn receipt(entry: usize) -> String {
    format!("receipt-{entry:-<600}")
}

/// An entry.
#[derive(Clone, Debug)]
pub(crate) struct Logged(Bytes);

impl Logged {
    fn draft(&self) -> Draft<'_> {
        Draft::decode(&self.0).unwrap()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn kind(&self) -> Kind {
        self.draft().kind
    }

    pub(crate) fn op(&self) -> &str {
        self.draft().op
    }

    pub(crate) fn account(&self) -> &str {
        self.draft().account
    }

    /// When it happened, in milliseconds since 1970.
    pub(crate) fn t_ms(&self) -> u64 {
        self.draft().t_ms
    }

    /// The value of a group in the notation of RFC 8949, section 8.
    pub(crate) fn group(&self, group: Group) -> String {
        let draft = self.draft();
        let mut rest = draft.values[group.place()];
        let mut out = String::new();
        show(&mut rest, &mut out);
        assert!(rest.is_empty(), "one item is a value: {out}");
        out
    }
}

fn show(rest: &mut &[u8], out: &mut String) {
    let first = rest[0];
    if first == 0xf6 {
        *rest = &rest[1..];
        out.push_str("null");
        return;
    }
    let more = match first & 0x1f {
        0..24 => 0,
        exponent => 1 << (exponent - 24),
    };
    let tail = rest[1..=more].iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    let number = if more == 0 { usize::from(first & 0x1f) } else { tail };
    *rest = &rest[1 + more..];
    match first >> 5 {
        0 => write!(out, "{number}").unwrap(),
        2 => {
            out.push_str("h'");
            rest[..number].iter().for_each(|byte| write!(out, "{byte:02x}").unwrap());
            out.push('\'');
            *rest = &rest[number..];
        }
        3 => {
            write!(out, "{:?}", std::str::from_utf8(&rest[..number]).unwrap()).unwrap();
            *rest = &rest[number..];
        }
        4 => {
            out.push('[');
            for item in 0..number {
                out.push_str(if item == 0 { "" } else { ", " });
                show(rest, out);
            }
            out.push(']');
        }
        kind => panic!("no value has an item of type {kind}"),
    }
}
