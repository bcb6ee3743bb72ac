//! `lazuli-verify log`: a whole log as files, from the checkpoint down to the entries.

use std::collections::VecDeque;

use lazuli_tlog::Hash;
use lazuli_tlog::policy::Policy;

use crate::chains::{Chains, EntryPlace};
use crate::checkpoint::{self, Trusted};
use crate::entry::Entry;
use crate::folder::Folder;
use crate::report::{Report, time};
use crate::segment::{FILE_BYTES_MAX, SegmentFile, root_over};
use crate::spine::{Heads, Leaf, Rules};
use crate::tree::{LeafAt, Walk};
use crate::vouched;

/// The most bytes of a checkpoint.
pub(crate) const CHECKPOINT_BYTES_MAX: u64 = 256 * 1024;

/// How many segments may be closed before the heads that cover the first of them are logged.
const LAG_MAX: usize = 4096;

/// How many rows of missing segments are told one by one.
const MISSING_MAX: usize = 1000;

/// The folder of the segments' files.
const SEGMENTS: &str = "seg";

/// A segment that the caller wants to know more about.
#[derive(Debug, Default)]
pub struct Watch {
    /// Its number.
    pub seg: u64,
    /// The place of one of its entries.
    pub index: u64,
    /// The root that its leaf names.
    pub root: Option<Hash>,
    /// The leaf hashes of all its entries, if its file is there and readable.
    pub leaves: Option<Vec<Hash>>,
    /// The bytes of the entry.
    pub entry: Option<Vec<u8>>,
}

/// What is known of a log that was looked through.
#[derive(Debug)]
pub struct Known {
    /// Its checkpoint.
    pub trusted: Trusted,
    /// The number of its last segment, and when that was closed in milliseconds since 1970.
    pub last: Option<(u64, u64)>,
}

/// Looks through the log in a folder. `None` if its checkpoint is not to be trusted.
pub fn check(
    folder: &Folder,
    policy: &Policy,
    mut watch: Option<&mut Watch>,
    report: &mut Report,
) -> Option<Known> {
    let place = folder.name("checkpoint");
    let bytes = match folder.read("checkpoint", CHECKPOINT_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.is_absence() => {
            report.missing(place, error);
            return None;
        }
        Err(error) => {
            report.contradiction(place, error);
            return None;
        }
    };
    let trusted = checkpoint::check_signature(&place, &bytes, policy, report)?;
    let vouched = trusted.too_few.and_then(|_| vouched::check(folder, &trusted, policy, report));
    let mut watched_at = None;
    let mut rules = Rules::default();
    let mut segments = Segments::new(folder);
    let mut each =
        |at: &LeafAt<'_>, report: &mut Report| match rules.next(at.place, at.bytes, report) {
            Some(Leaf::Segment(segment)) => {
                if let Some(watch) = watch.as_deref_mut().filter(|watch| watch.seg == segment.n) {
                    watch.root = Some(segment.root);
                    watched_at = Some(at.index);
                }
                segments.add((segment.n, segment.root), &mut watch, report);
            }
            Some(Leaf::Heads(heads)) => segments.heads(at.place, &heads, &mut watch, report),
            _ => {}
        };
    Walk::new(folder, trusted.head).run(report, &mut each);
    segments.finish(&mut watch, report);
    // What is asked about may be in the part that nobody else vouches for.
    let size = vouched.as_ref().map_or(0, |vouched| vouched.head.size);
    if size == 0 || watched_at.is_some_and(|index| index >= size) {
        trusted.report_quorum(&place, report);
    }
    rules.summarise(report);
    limits(vouched.as_ref().unwrap_or(&trusted), rules.last_segment(), report);
    Some(Known { trusted, last: rules.last_segment() })
}

/// Says what a log cannot show.
fn limits(trusted: &Trusted, last: Option<(u64, u64)>, report: &mut Report) {
    if let Some((n, t1_ms)) = last {
        report.fact(format!("the last segment is {n}, closed at {}", time(t1_ms)));
        report.not_proved(format!("anything after {}", time(t1_ms)));
    }
    if trusted.witnessed.is_none() {
        report.not_proved("that others were shown the same log: no witness of the policy vouches");
    }
    report.not_proved("that every operation was logged: a missing one shows in its receipt only");
    report.not_proved("what the sealed fields of the entries say");
}

/// The segments of a log, each held against its leaf, in order.
struct Segments<'a> {
    folder: &'a Folder,
    /// Whether the folder has entries at all.
    is_exported: bool,
    /// Number and root of segments whose files are not looked at yet.
    waiting: VecDeque<(u64, Hash)>,
    /// The last segment that was looked at.
    done: Option<u64>,
    chains: Chains,
    missing: Vec<(u64, u64)>,
    /// How many segments are missing behind those.
    missing_more: u64,
    heads_checked: u64,
    heads_unchecked: u64,
}

impl<'a> Segments<'a> {
    fn new(folder: &'a Folder) -> Self {
        Self {
            folder,
            is_exported: folder.has_folder(SEGMENTS),
            waiting: VecDeque::new(),
            done: None,
            chains: Chains::default(),
            missing: Vec::new(),
            missing_more: 0,
            heads_checked: 0,
            heads_unchecked: 0,
        }
    }

    /// Takes the next segment. Its file waits, for heads that cover it may come later.
    fn add(&mut self, segment: (u64, Hash), watch: &mut Option<&mut Watch>, report: &mut Report) {
        if !self.is_exported {
            return;
        }
        self.waiting.push_back(segment);
        if self.waiting.len() > LAG_MAX {
            self.look(watch, report);
        }
    }

    /// Looks at the file of the segment that waits longest.
    fn look(&mut self, watch: &mut Option<&mut Watch>, report: &mut Report) {
        let Some((n, root)) = self.waiting.pop_front() else { return };
        self.done = Some(n);
        let path = format!("{SEGMENTS}/{n:010}");
        let file = self.folder.name(&path);
        let bytes = match self.folder.read(&path, FILE_BYTES_MAX) {
            Ok(bytes) => bytes,
            // What is empty needs no file: there is one empty tree.
            Err(error) if error.is_absence() && root == Hash::of_empty_tree() => return,
            Err(error) if error.is_absence() => {
                self.chains.skip();
                return self.is_missing(n);
            }
            // Another thing than a file stands there, or a file that is too long.
            Err(error) => {
                self.chains.skip();
                return report.contradiction(file, format_args!("segment {n}: {error}"));
            }
        };
        let segment = match SegmentFile::parse(&bytes) {
            Ok(segment) => segment,
            Err(error) => {
                self.chains.skip();
                return report.contradiction(file, format_args!("segment {n}: {error}"));
            }
        };
        if segment.n != n {
            report.contradiction(&file, format_args!("it says that it is segment {}", segment.n));
        }
        let leaves = segment.leaf_hashes();
        if root_over(&leaves, leaves.len() as u64) != Some(root) {
            let what = format_args!("segment {n}: its entries do not have the root in the log");
            report.contradiction(&file, what);
        }
        self.entries(&file, &segment, &leaves, report);
        if let Some(watch) = watch.as_deref_mut().filter(|watch| watch.seg == n) {
            let place = usize::try_from(watch.index).ok();
            let entry = place.and_then(|place| segment.entries.get(place));
            watch.entry = entry.map(|entry| entry.to_vec());
            watch.leaves = Some(leaves);
        }
    }

    /// Notes that a segment is missing, in a row with the one before it.
    fn is_missing(&mut self, n: u64) {
        let is_full = self.missing.len() == MISSING_MAX;
        match self.missing.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(n) => *last = n,
            _ if is_full => self.missing_more += 1,
            _ => self.missing.push((n, n)),
        }
    }

    /// Reads the entries and follows their chains.
    fn entries(
        &mut self,
        file: &str,
        segment: &SegmentFile<'_>,
        leaves: &[Hash],
        report: &mut Report,
    ) {
        for (index, (bytes, hash)) in segment.entries.iter().zip(leaves).enumerate() {
            let place = EntryPlace { file, seg: segment.n, index };
            match Entry::parse(bytes) {
                Ok(entry) => self.chains.next(&place, &entry, *hash, report),
                Err(error) => report.contradiction(place, format_args!("not an entry: {error}")),
            }
        }
    }

    /// Holds logged heads against the heads of the chains, where those are known.
    fn heads(
        &mut self,
        place: &str,
        heads: &Heads,
        watch: &mut Option<&mut Watch>,
        report: &mut Report,
    ) {
        while self.waiting.front().is_some_and(|(n, _)| *n <= heads.n) {
            self.look(watch, report);
        }
        if !self.is_exported || self.done != Some(heads.n) || !self.chains.is_complete() {
            self.heads_unchecked += 1;
            return;
        }
        self.heads_checked += 1;
        if self.chains.heads_root() != heads.root {
            let what =
                format_args!("heads that are not those of the entries to segment {}", heads.n);
            report.contradiction(place, what);
        }
    }

    /// Looks at the rest, and says what there was.
    fn finish(&mut self, watch: &mut Option<&mut Watch>, report: &mut Report) {
        if !self.is_exported {
            let what = "the folder has no entries, only the public log";
            report.note(format!("{}: {what}", self.folder.name(SEGMENTS)));
            report.not_proved("that the entries of the segments are what the log commits to");
            return;
        }
        while !self.waiting.is_empty() {
            self.look(watch, report);
        }
        for (first, last) in &self.missing {
            let which = if first == last {
                format!("missing segment {first}")
            } else {
                format!("missing segments {first} to {last}")
            };
            report.missing(self.folder.name(format_args!("{SEGMENTS}/{first:010}")), which);
        }
        if self.missing_more > 0 {
            let what = format_args!("{} more segments are missing", self.missing_more);
            report.missing(self.folder.name(SEGMENTS), what);
        }
        let (entries, accounts) = self.chains.counts();
        report.fact(format!("segments: {entries} entries of {accounts} accounts, in chains"));
        report.fact(format!("heads: {} maps are those of the entries", self.heads_checked));
        if self.heads_unchecked > 0 {
            let count = self.heads_unchecked;
            report.note(format!("{count} maps of heads could not be computed from the entries"));
        }
    }
}
