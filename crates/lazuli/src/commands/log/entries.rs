//! `lazuli log entries`: an account's own entries, opened, and whether they are all.
//!
//! What the server says is checked here against its checkpoint, and written as a bundle that
//! `lazuli-verify bundle` checks anew, without the server.

mod chain;
mod covering;
mod item;

use std::collections::{BTreeMap, BTreeSet};

use lazuli_evidence::Pseudonym;
use lazuli_evidence::spine::Leaf;
use lazuli_log::account::{Page, items};
use lazuli_log::admin;

use self::chain::{Chain, Verdict};
use self::covering::covering;
use self::item::{EntryItem, HeadItem};
use super::remote::Remote;
use super::tree::Tree;
use super::{bag, describe};
use crate::cli::LogEntries;
use crate::failure::Failure;
use crate::output;

/// The most bytes of a page.
const PAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Prints the entries and writes the bundle.
pub(crate) fn run(arguments: &LogEntries) -> Result<(), Failure> {
    let from = time(arguments.from.as_deref(), 0)?;
    let to = time(arguments.to.as_deref(), u64::MAX)?;
    if from > to {
        let failure = Failure::usage("`--from` is later than `--to`: there is no such time");
        return Err(failure);
    }
    let remote = Remote::of_admin(&arguments.admin.admin)?;
    let page = pages(&remote, &arguments.account, from, to)?;
    let leaves: BTreeSet<u64> = page.leaves.iter().copied().collect();
    let signed = covering(&remote, leaves.last().copied())?;
    let mut tree = Tree::new(&remote, *signed.checkpoint().head());
    let (mut files, mut known) = (BTreeMap::new(), Known::default());
    for leaf in leaves {
        known.read(&mut tree, &mut files, leaf)?;
    }
    let verdict = check(&page, &known, (from, to))?;
    let Tree { tiles, .. } = tree;
    files.extend(tiles.into_iter().map(|(path, bytes)| (format!("log/{path}"), bytes)));
    files.insert("log/checkpoint".to_owned(), signed.to_string().into_bytes());
    let claim = format!("from {} {}\n", describe::hex(&page.label), verdict.first());
    files.insert("claims".to_owned(), claim.into_bytes());
    files.insert("entries".to_owned(), page.entries);
    files.insert("heads".to_owned(), page.heads);
    bag::create(&arguments.out, &files)?;
    output::line(verdict)
}

fn time(text: Option<&str>, otherwise: u64) -> Result<u64, Failure> {
    let Some(text) = text else { return Ok(otherwise) };
    admin::parse_time(text).ok_or_else(|| {
        Failure::usage(format!("`{text}` is no time"))
            .hint("`2026-01-31T12:00:00Z`, or milliseconds since 1970")
    })
}

/// All pages of the answer, put together.
fn pages(remote: &Remote, account: &str, from: u64, to: u64) -> Result<Page, Failure> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if account.is_empty() || !account.bytes().all(is_name) {
        return Err(Failure::usage(format!("`{account}` cannot be an account")));
    }
    let until = if to < u64::MAX { format!("&to={to}") } else { String::new() };
    let query = format!("entries?account={account}&from={from}{until}");
    let (mut whole, mut at) = (None::<Page>, String::new());
    loop {
        let bytes = remote.get(&format!("{query}{at}"), PAGE_BYTES_MAX)?;
        let bytes = bytes.ok_or_else(|| {
            Failure::new(format!("the log has nothing of account `{account}`"))
                .hint("an account has entries from when the server first ran with it and a log")
        })?;
        let page = Page::decode(&bytes).ok_or_else(|| Failure::new("not a page of entries"))?;
        let next = page.next;
        match &mut whole {
            None => whole = Some(page),
            Some(whole) => {
                // The log goes on while it is read: the first page says what is asked for.
                whole.leaves.extend(page.leaves);
                whole.entries.extend(page.entries);
                whole.principals.extend(page.principals);
            }
        }
        let end = whole.as_ref().map_or(0, |whole| whole.segments.1);
        match (next, whole.take()) {
            (Some(next), Some(page)) if next.segment < end => {
                at = format!("&at={next}&end={end}");
                whole = Some(page);
            }
            (_, Some(page)) => return Ok(page),
            (_, None) => return Err(Failure::new("not a page of entries")),
        }
    }
}

/// What the leaves that were read say.
#[derive(Default)]
struct Known {
    segments: BTreeMap<u64, [u8; 32]>,
    /// Root and last segment of the maps of heads, by their leaves.
    heads: BTreeMap<u64, ([u8; 32], u64)>,
}

impl Known {
    /// Reads the file of entries that a leaf is in, unless it was read before.
    fn read(
        &mut self,
        tree: &mut Tree<'_>,
        files: &mut BTreeMap<String, Vec<u8>>,
        leaf: u64,
    ) -> Result<(), Failure> {
        let missing = || Failure::new(format!("the log has no leaf {leaf}"));
        let tile = tree.bundle_of(leaf).ok_or_else(missing)?;
        let path = format!("log/{}", tile.path());
        if files.contains_key(&path) {
            return Ok(());
        }
        let bundle = tree.bundle(tile)?;
        let entries = lazuli_tlog::entries(&bundle, tile.width()).map_err(Failure::new)?;
        for (index, entry) in (tile.first()..).zip(entries) {
            match Leaf::decode(entry) {
                Some(Leaf::Segment(segment)) => {
                    self.segments.insert(segment.n, segment.root);
                }
                Some(Leaf::Heads(heads)) => {
                    self.heads.insert(index, (heads.root, heads.n));
                }
                _ => {}
            }
        }
        files.insert(path, bundle);
        Ok(())
    }
}

/// Checks entries and heads against the leaves and each other, and prints the entries that fall
/// between two times.
fn check(page: &Page, known: &Known, (from, to): (u64, u64)) -> Result<Verdict, Failure> {
    let broken = |what: &str| Failure::new(format!("the server's answer is damaged: {what}"));
    let mut heads = Vec::new();
    for item in items(&page.heads).ok_or_else(|| broken("heads"))? {
        let item = HeadItem::parse(item).ok_or_else(|| broken("a head"))?;
        let (root, n) = known.heads.get(&item.leaf).ok_or_else(|| broken("a head's leaf"))?;
        if item.label != page.label || !item.is_proved(root) {
            return Err(broken("a head without a proof"));
        }
        heads.push((*n, item.head));
    }
    let mut chain = Chain::new(page.segments.0, heads);
    for bytes in items(&page.entries).ok_or_else(|| broken("entries"))? {
        let item = EntryItem::parse(bytes).ok_or_else(|| broken("an entry"))?;
        let root = known.segments.get(&item.seg).ok_or_else(|| broken("an entry's segment"))?;
        if item.entry.label != page.label || !item.is_in(root) || !item.is_opened() {
            return Err(broken("an entry without a proof"));
        }
        chain.next(item.seg, &item.entry, item.hash()).map_err(|what| broken(&what))?;
        if (from..=to).contains(&item.entry.t_ms) {
            output::line(line(&item, &page.principals))?;
        }
    }
    chain.finish().map_err(|what| broken(&what))
}

/// Time, number, kind, operation, status, principal and object of an entry.
fn line(item: &EntryItem<'_>, principals: &BTreeMap<Pseudonym, String>) -> String {
    let entry = &item.entry;
    let (kind, op) = (entry.kind.name(), entry.op.escape_debug());
    let status = item.status().map_or_else(|| "-".to_owned(), |status| status.to_string());
    let time = describe::time(entry.t_ms);
    let (seq, who, object) = (entry.seq, item.principal(principals), item.object());
    format!("{time}  {seq:6}  {kind:8}  {op:22}  {status:>3}  {who:9}  {object}")
}
