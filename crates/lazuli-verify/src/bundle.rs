//! `lazuli-verify bundle`: evidence that an investigator was given, in a folder of its own.

use std::io::BufReader;

use lazuli_tlog::policy::Policy;
use lazuli_tlog::verify_inclusion;
use lazuli_tlog::{TreeHead, leaf_hash};

use crate::accounts::{self, Held, ProvedHead};
use crate::cbor::{self, hex};
use crate::entry::{GROUP_NAMES, GROUPS};
use crate::folder::Folder;
use crate::fork::unreadable;
use crate::items::{EntryItem, HeadItem, ItemError, next_item};
use crate::log::CHECKPOINT_BYTES_MAX;
use crate::part::Part;
use crate::report::Report;
use crate::{bag, checkpoint, claims};

/// The most entries, and the most heads, of a bundle.
const ITEMS_MAX: usize = 300_000;

/// How many entries are printed with their opened groups.
const SHOWN_MAX: usize = 20;

/// The most bytes of the file of claims.
const CLAIMS_BYTES_MAX: u64 = 1024 * 1024;

/// The parts of a bundle.
const LOG: &str = "data/log";
const ENTRIES: &str = "data/entries";
const HEADS: &str = "data/heads";
const CLAIMS: &str = "data/claims";

/// What was read of a bundle.
#[derive(Default)]
struct Read {
    entries: Vec<Held>,
    heads: Vec<ProvedHead>,
    opened: u64,
    sealed: u64,
    shown: usize,
}

/// Verifies the bundle in a folder.
pub fn check(folder: &Folder, policy: &Policy, report: &mut Report) {
    let Some(payload) = bag::check(folder, report) else { return };
    let log = folder.below(LOG);
    let place = log.name("checkpoint");
    let trusted = match log.read("checkpoint", CHECKPOINT_BYTES_MAX) {
        Ok(bytes) => checkpoint::check(&place, &bytes, policy, report),
        Err(error) => {
            unreadable(&place, &error, report);
            None
        }
    };
    let Some(trusted) = trusted else { return };
    report.not_proved("that the log has an entry for everything that the server did");
    report.not_proved("what stands in the groups that are sealed");
    report.not_proved("anything about accounts and times that the bundle does not cover");
    let prefix = format!("{LOG}/");
    let in_log = payload.iter().filter_map(|path| path.strip_prefix(&prefix));
    let tiles: Vec<&str> = in_log.filter(|path| path.starts_with("tile/")).collect();
    let part = Part::read(&log, &tiles, trusted.head, report);
    let mut read = Read::default();
    let has_entries = each_item(folder, ENTRIES, report, |place, bytes, report| {
        read.entry(place, bytes, &part, report);
    });
    let has_heads = each_item(folder, HEADS, report, |place, bytes, report| {
        read.head(place, bytes, &part, report);
    });
    // Without one of the files as a whole every account would seem to have gaps.
    let is_whole = has_entries && has_heads;
    if is_whole {
        read.summarise(report);
    }
    if is_whole && payload.iter().any(|path| path == CLAIMS) {
        match folder.read(CLAIMS, CLAIMS_BYTES_MAX) {
            Ok(bytes) => claims::check(CLAIMS, &bytes, (&read.entries, &read.heads), report),
            Err(error) => unreadable(CLAIMS, &error, report),
        }
    }
    let ignored = payload.iter().filter(|path| {
        !path.starts_with(&prefix) && ![ENTRIES, HEADS, CLAIMS].contains(&path.as_str())
    });
    ignored.for_each(|path| report.note(format!("{path}: hashed, but not read")));
}

/// Gives each item of a file to `each`, with its place. Whether the whole file could be read.
fn each_item(
    folder: &Folder,
    path: &str,
    report: &mut Report,
    mut each: impl FnMut(&str, &[u8], &mut Report),
) -> bool {
    let mut file = match folder.open(path) {
        Ok((file, _)) => BufReader::with_capacity(1 << 16, file),
        Err(error) => {
            unreadable(path, &error, report);
            return false;
        }
    };
    let mut buffer = Vec::new();
    for number in 0..=ITEMS_MAX {
        let place = format!("{path} item {number}");
        match next_item(&mut file, &mut buffer) {
            Ok(false) => break,
            Ok(true) if number < ITEMS_MAX => each(&place, &buffer, report),
            Ok(true) => {
                report.missing(place, "more items than this program reads");
                return false;
            }
            Err(ItemError::Unreadable(kind)) => {
                report.missing(place, kind);
                return false;
            }
            Err(error) => {
                report.contradiction(place, error);
                break;
            }
        }
    }
    true
}

impl Read {
    /// Verifies an entry and keeps what completeness needs of it.
    fn entry(&mut self, place: &str, bytes: &[u8], part: &Part, report: &mut Report) {
        let item = match EntryItem::parse(bytes) {
            Ok(item) => item,
            Err(error) => return report.contradiction(place, error),
        };
        let (seg, index) = (item.seg, item.index);
        let place = format!("{place}: segment {seg} index {index}");
        let hash = leaf_hash(item.bytes);
        if let Some(segment) = part.segments.get(&seg) {
            let head = TreeHead { size: item.count, root: segment.root };
            if let Err(error) = verify_inclusion(&item.path, hash, index, &head) {
                report.contradiction(&place, format_args!("not in its segment: {error}"));
            }
            if item.entry.site != segment.site {
                report.contradiction(&place, "an entry of another site than its segment");
            }
        } else {
            // It still has its place in the chain of its account.
            report.missing(&place, "the leaf of its segment");
        }
        match item.check_opened() {
            Ok(()) => self.show(&place, &item, report),
            Err(what) => report.contradiction(&place, what),
        }
        let crate::entry::Entry { label, seq, prev, kind, t_ms, .. } = item.entry;
        self.entries.push(Held { label, seq, hash, prev, kind, t_ms, seg });
    }

    /// Prints the first entries that have opened groups, and counts all.
    fn show(&mut self, place: &str, item: &EntryItem<'_>, report: &mut Report) {
        let sealed = GROUPS - item.opened.len();
        self.opened += item.opened.len() as u64;
        self.sealed += sealed as u64;
        if item.opened.is_empty() || self.shown == SHOWN_MAX {
            return;
        }
        self.shown += 1;
        report.fact(format!("{place}: {}", item.entry.describe()));
        for opened in &item.opened {
            let name = GROUP_NAMES.get(usize::from(opened.group) - 1).unwrap_or(&"?");
            let value = cbor::show(opened.value).unwrap_or_default();
            report.fact(format!("  {name}: {value}"));
        }
        report.fact(format!("  {sealed} groups sealed"));
    }

    /// Verifies what a map says of an account.
    fn head(&mut self, place: &str, bytes: &[u8], part: &Part, report: &mut Report) {
        let item = match HeadItem::parse(bytes) {
            Ok(item) => item,
            Err(error) => return report.contradiction(place, error),
        };
        let Some(heads) = part.heads.get(&item.leaf) else {
            let what = format_args!("no map of heads at leaf {} of the log", item.leaf);
            return report.missing(place, what);
        };
        if !item.proof.proves(&heads.root, &item.label, item.head.as_ref()) {
            let label = hex(item.label.as_bytes());
            let what = format_args!("head mismatch: the map does not say this of account {label}");
            return report.contradiction(place, what);
        }
        let t_ms = part.segments.get(&heads.n).map(|segment| segment.t1_ms);
        let (label, seg, head) = (item.label, heads.n, item.head);
        self.heads.push(ProvedHead { label, seg, t_ms, head });
    }

    /// Checks the accounts, and says what there was.
    fn summarise(&mut self, report: &mut Report) {
        let (entries, heads) = (self.entries.len(), self.heads.len());
        report.fact(format!("bundle: {entries} entries, {heads} heads of accounts"));
        report.fact(format!("{} groups opened, {} groups sealed", self.opened, self.sealed));
        accounts::sort(&mut self.entries, &mut self.heads);
        for account in accounts::accounts(&self.entries, &self.heads) {
            account.check(report);
        }
    }
}
