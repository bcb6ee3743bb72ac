//! `lazuli-verify receipt`: what a client was given, held against the keys and against the log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lazuli_tlog::policy::Policy;
use lazuli_tlog::{Hash, TlogProof, VerifierKey, leaf_hash};

use crate::cbor::{self, Flaw, Reader};
use crate::checkpoint;
use crate::entry::{Entry, GROUP_NAMES};
use crate::folder::Folder;
use crate::log::{self, Watch};
use crate::receipt::{Opening, PATH_MAX, Receipt, header_bytes, receipt_keys};
use crate::report::{Report, time};
use crate::segment::root_over;
use crate::spine::Leaf;

/// How long after a receipt its segment must be in a witnessed checkpoint, in milliseconds.
const PROMISE_MS: u64 = 120_000;

/// The first line of a proof.
const PROOF: &str = "c2sp.org/tlog-proof@v1";

/// The most bytes of a file with receipts.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What stands in a file that a client saved.
#[derive(Debug, Default)]
pub struct Saved<'a> {
    receipt: Option<&'a str>,
    opening: Option<&'a str>,
    proof: Option<&'a str>,
}

/// What the names of this server's headers begin with.
const HEADER_PREFIX: &str = "x-lz-";

/// Finds headers, in any case and among others, and a proof, in a text. What looks like a part of
/// either and is none, as after damage, is reported and not passed over.
pub fn parse<'a>(text: &'a str, report: &mut Report) -> Saved<'a> {
    let mut saved = Saved::default();
    let mut at = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if line.trim_end_matches(['\r', '\n']) == PROOF {
            saved.proof = text.get(at..);
            break;
        }
        at += line.len();
        let (name, value) = line.split_once(':').unwrap_or_default();
        let kept = match name.trim().to_ascii_lowercase().as_str() {
            "x-lz-receipt" => &mut saved.receipt,
            "x-lz-opening" => &mut saved.opening,
            _ => {
                if let Some(what) = part_of(line) {
                    report.missing(format_args!("line {number}"), what);
                }
                continue;
            }
        };
        if kept.replace(value.trim()).is_some() {
            report.contradiction(name.trim(), "the file has two of them");
        }
    }
    saved
}

/// What a line that is neither a header of ours nor the beginning of a proof seems to be a part of.
fn part_of(line: &str) -> Option<&'static str> {
    let mut words =
        line.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_".contains(letter)));
    let is_value =
        |bytes: Vec<u8>| Receipt::parse(&bytes).is_ok() || Opening::parse(&bytes).is_ok();
    if line.to_ascii_lowercase().contains(HEADER_PREFIX) {
        Some("no header that is known here")
    } else if words.any(|word| header_bytes(word).is_ok_and(is_value)) {
        Some("a receipt or an opening without the name of its header")
    } else if line.starts_with("c2sp.org/") {
        Some("not a proof of a version that is known here")
    } else if is_signature(line) {
        Some("a signature outside of a proof, whose first line is missing or damaged")
    } else {
        None
    }
}

/// Whether a line is one of a signed note's signatures: a dash, a name, and at least a key id.
fn is_signature(line: &str) -> bool {
    let words = line.strip_prefix("\u{2014} ").and_then(|rest| rest.trim_end().split_once(' '));
    words.is_some_and(|(_, bytes)| STANDARD.decode(bytes).is_ok_and(|bytes| bytes.len() > 4))
}

/// What the parts of a file say, each read strictly.
struct Parts<'a> {
    receipt: Option<Receipt>,
    /// The bytes of the opening, from which it is read.
    opening: Option<Opening<'a>>,
}

/// Verifies a saved file, and with a folder also that the log kept the promise.
pub fn check(text: &str, policy: &Policy, log: Option<&Folder>, report: &mut Report) {
    let saved = parse(text, report);
    let opening_bytes = saved.opening.and_then(|value| bytes_of("x-lz-opening", value, report));
    let receipt_bytes = saved.receipt.and_then(|value| bytes_of("x-lz-receipt", value, report));
    let mut parts = Parts { receipt: None, opening: None };
    if let Some(bytes) = &receipt_bytes {
        match Receipt::parse(bytes) {
            Ok(receipt) => parts.receipt = Some(receipt),
            Err(error) => report.contradiction("x-lz-receipt", error),
        }
    }
    if let Some(bytes) = &opening_bytes {
        match Opening::parse(bytes) {
            Ok(opening) => parts.opening = Some(opening),
            Err(error) => report.contradiction("x-lz-opening", error),
        }
    }
    if saved.receipt.is_none() && saved.proof.is_none() {
        report.missing("x-lz-receipt", "the file has neither a receipt nor a proof");
    }
    if parts.receipt.is_some() || saved.proof.is_some() {
        check_parts(&parts, saved.proof, (policy, log), report);
    }
    report.not_proved("that the entry is all that the server did");
    report.not_proved("what the client sent, as opposed to what the server logged");
}

fn bytes_of(name: &str, value: &str, report: &mut Report) -> Option<Vec<u8>> {
    match header_bytes(value) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            report.contradiction(name, error);
            None
        }
    }
}

fn check_parts(
    parts: &Parts<'_>,
    proof: Option<&str>,
    (policy, log): (&Policy, Option<&Folder>),
    report: &mut Report,
) {
    if let Some(opening) = &parts.opening {
        show(opening, report);
    }
    let opened = parts.opening.as_ref().map(|opening| opening.entry.leaf_hash());
    let key = parts.receipt.as_ref().and_then(|receipt| key_of(receipt, policy, report));
    let proved = proof.and_then(|proof| check_proof(proof, policy, report));
    if let (Some(receipt), Some(proved)) = (&parts.receipt, &proved) {
        same_place(receipt, proved, opened, report);
    }
    let Some(receipt) = &parts.receipt else {
        return report.not_proved("that a receipt was given for the entry");
    };
    if let Some(opening) = &parts.opening
        && opening.entry.site != receipt.site
    {
        report.contradiction("x-lz-receipt", "the receipt is of another site than the opening");
    }
    let Some(key) = key else { return };
    let leaf = opened.or(proved.as_ref().map(|proved| proved.leaf));
    let promised = leaf.and_then(|leaf| promise(receipt, key, leaf, report));
    match log {
        Some(folder) => {
            let entry = parts.opening.as_ref().map(|opening| opening.entry);
            check_log(&Promise { receipt, key, leaf, promised, entry }, folder, policy, report);
        }
        None if leaf.is_none() => {
            let what = "without it only the log tells which entry the receipt is for";
            report.missing("x-lz-opening", what);
        }
        None if proved.is_none() => {
            report.not_proved("that the log kept the promise: that takes --log or a proof");
        }
        None => {}
    }
}

/// The key that a receipt names.
fn key_of<'a>(
    receipt: &Receipt,
    policy: &'a Policy,
    report: &mut Report,
) -> Option<&'a VerifierKey> {
    let key = receipt.key(policy);
    if key.is_none() {
        let what = format_args!("no receipts key of the policy has the id {}", receipt.key_id);
        if receipt_keys(policy).next().is_some() {
            report.contradiction("x-lz-receipt", what);
        } else {
            report.missing("the policy", what);
        }
    }
    key
}

/// Verifies the signature, and gives the root that was signed.
fn promise(receipt: &Receipt, key: &VerifierKey, leaf: Hash, report: &mut Report) -> Option<Hash> {
    match receipt.verify(key, leaf) {
        Ok(root) => {
            let Receipt { seg, index, size, t_ms, .. } = receipt;
            let hex = cbor::hex(leaf.as_bytes());
            report.fact(format!("the log's proof of it is at: proof/{seg}/{index}/{hex}"));
            report.fact(format!(
                "receipt: {} promised at {} that the entry has index {index} in segment {seg}, \
                 which had {size} entries",
                key.name(),
                time(*t_ms)
            ));
            Some(root)
        }
        Err(error) => {
            report.contradiction("x-lz-receipt", format_args!("not of this entry: {error}"));
            None
        }
    }
}

/// Writes an opened entry as people read it.
fn show(opening: &Opening<'_>, report: &mut Report) {
    report.fact(format!("entry: {}", opening.entry.describe()));
    for (name, value) in GROUP_NAMES.into_iter().zip(opening.values) {
        let Some(value) = value else {
            report.fact(format!("  {name}: sealed"));
            report.not_proved(format!("what the entry says of its {name}: the opening seals it"));
            continue;
        };
        match cbor::show(value) {
            Ok(shown) if shown == "null" => {}
            Ok(shown) => report.fact(format!("  {name}: {shown}")),
            Err(error) => report.contradiction(name, error),
        }
    }
}

/// What an upgraded proof shows.
struct Proved {
    seg: u64,
    index: u64,
    leaf: Hash,
}

/// Verifies a proof from an entry to a checkpoint.
fn check_proof(text: &str, policy: &Policy, report: &mut Report) -> Option<Proved> {
    let proof = match TlogProof::parse(text.as_bytes()) {
        Ok(proof) => proof,
        Err(error) => {
            report.contradiction("proof", error);
            return None;
        }
    };
    let proved = inner(proof.extra.as_deref().unwrap_or_default(), report);
    let (proved, spine_leaf) = match proved {
        Ok(proved) => proved,
        Err(error) => {
            report.contradiction("proof", format_args!("extra data: {error}"));
            return None;
        }
    };
    checkpoint::check_signed("proof", &proof.checkpoint, policy, report)?;
    let head = proof.checkpoint.checkpoint().head();
    if let Err(error) = lazuli_tlog::verify_inclusion(&proof.path, spine_leaf, proof.index, head) {
        report.contradiction("proof", format_args!("the segment is not in the log: {error}"));
        return None;
    }
    let proved = proved?;
    let (seg, index, at) = (proved.seg, proved.index, proof.index);
    report
        .fact(format!("proof: the entry is index {index} of segment {seg}, leaf {at} of the log"));
    Some(proved)
}

/// Reads the extra data of a proof: the segment's leaf and the way to it from the entry. Gives what
/// it shows, if the way leads there, and the hash of the segment's leaf.
fn inner(extra: &[u8], report: &mut Report) -> Result<(Option<Proved>, Hash), cbor::CborError> {
    let mut reader = Reader::new(extra);
    reader.array(6)?;
    reader.version(1)?;
    let wrong_leaf = reader.error(Flaw::WrongType);
    let spine_leaf = reader.bytes()?;
    let Leaf::Segment(segment) = Leaf::parse(spine_leaf)? else { return Err(wrong_leaf) };
    let bytes = reader.bytes()?;
    let (index, size, path) = (reader.uint()?, reader.uint()?, reader.hashes(PATH_MAX)?);
    reader.end()?;
    let (entry, leaf) = (Entry::parse(bytes)?, leaf_hash(bytes));
    let proved = match lazuli_tlog::inclusion_root(&path, leaf, index, size) {
        Ok(root) if root == segment.root => {
            report.fact(format!("proof: entry: {}", entry.describe()));
            Some(Proved { seg: segment.n, index, leaf })
        }
        _ => {
            report.contradiction("proof", "the entry does not lead to the root of its segment");
            None
        }
    };
    Ok((proved, leaf_hash(spine_leaf)))
}

/// Holds a receipt against a proof of what stands in its place.
fn same_place(receipt: &Receipt, proved: &Proved, opened: Option<Hash>, report: &mut Report) {
    if (receipt.seg, receipt.index) != (proved.seg, proved.index) {
        report.contradiction("proof", "the proof is for another entry than the receipt");
    } else if opened.is_some_and(|opened| opened != proved.leaf) {
        let Receipt { seg, index, .. } = receipt;
        let what = format_args!("receipt not included: segment {seg} has another entry at {index}");
        report.contradiction("proof", what);
    }
}

/// A receipt and what is known about it.
struct Promise<'a> {
    receipt: &'a Receipt,
    key: &'a VerifierKey,
    /// The leaf hash of its entry, if that is known.
    leaf: Option<Hash>,
    /// The root that was signed, if the signature could be verified.
    promised: Option<Hash>,
    /// The entry, if it was opened.
    entry: Option<Entry<'a>>,
}

/// Holds a receipt against the log.
fn check_log(promise: &Promise<'_>, folder: &Folder, policy: &Policy, report: &mut Report) {
    let receipt = promise.receipt;
    let mut watch = Watch { seg: receipt.seg, index: receipt.index, ..Watch::default() };
    let known = log::check(folder, policy, Some(&mut watch), report);
    let (seg, index) = (receipt.seg, receipt.index);
    let Some(known) = known else { return };
    if watch.root.is_none() {
        let late = known
            .last
            .is_some_and(|(n, t1_ms)| n > seg || t1_ms > receipt.t_ms.saturating_add(PROMISE_MS));
        if late && promise.promised.is_some() {
            not_included(promise, "the log went on without its segment", report);
        } else {
            report.missing("log", format_args!("it does not reach segment {seg} yet"));
        }
        return;
    }
    let Some(leaves) = &watch.leaves else {
        report.missing(folder.name(format_args!("seg/{seg:010}")), "the entries of the receipt");
        return;
    };
    let place = usize::try_from(index).ok();
    let logged = place.and_then(|place| leaves.get(place)).copied();
    let logged_entry = watch.entry.as_deref().and_then(|bytes| Entry::parse(bytes).ok());
    match (logged, promise.leaf) {
        (None, _) => not_included(promise, "its segment ends before its index", report),
        (Some(logged), Some(leaf)) if logged != leaf => {
            not_included(promise, "another entry stands in its place", report);
            if let (Some(logged), Some(promised)) = (logged_entry, promise.entry) {
                differences(&logged, &promised, report);
            }
        }
        (Some(logged), _) => included(promise, (logged, leaves), logged_entry, report),
    }
}

/// The entry is in its place: whether those before it are as they were when it was promised.
fn included(
    promise: &Promise<'_>,
    (logged, leaves): (Hash, &[Hash]),
    entry: Option<Entry<'_>>,
    report: &mut Report,
) {
    let receipt = promise.receipt;
    let promised = match (promise.leaf, promise.promised) {
        (None, _) => self::promise(receipt, promise.key, logged, report),
        (Some(_), promised) => promised,
    };
    let Some(promised) = promised else { return };
    if promise.leaf.is_none()
        && let Some(entry) = entry
    {
        report.fact(format!("entry: {}", entry.describe()));
    }
    if root_over(leaves, receipt.size) == Some(promised) {
        let Receipt { seg, index, .. } = receipt;
        report.fact(format!("included: segment {seg} of the log has the entry at index {index}"));
    } else {
        not_included(promise, "its segment was changed after the promise", report);
    }
}

/// Prints what proves to anybody that a promise was broken.
fn not_included(promise: &Promise<'_>, why: &str, report: &mut Report) {
    let Receipt { seg, index, t_ms, signature, .. } = promise.receipt;
    let place = format!("segment {seg} index {index}");
    report.contradiction(place, format_args!("receipt not included: {why}"));
    let Some(root) = promise.promised else { return };
    let text = promise.receipt.signed_text(promise.key, &root);
    report.fact(format!("transferable evidence: signed by {} at {}:", promise.key, time(*t_ms)));
    text.lines().for_each(|line| report.fact(format!("  {line}")));
    report.fact(format!("  signature {}", cbor::hex(signature)));
}

/// Names what the log says otherwise than the opening.
fn differences(logged: &Entry<'_>, opened: &Entry<'_>, report: &mut Report) {
    let hash = |hash: &Hash| cbor::hex(hash.as_bytes());
    let both = [
        ("kind", logged.kind.to_string(), opened.kind.to_string()),
        ("op", logged.op.escape_debug().to_string(), opened.op.escape_debug().to_string()),
        ("site", logged.site.to_string(), opened.site.to_string()),
        ("boot", logged.boot.to_string(), opened.boot.to_string()),
        ("time", logged.t_ms.to_string(), opened.t_ms.to_string()),
        ("account", hash(&logged.label), hash(&opened.label)),
        ("number", logged.seq.to_string(), opened.seq.to_string()),
        ("previous entry", hash(&logged.prev), hash(&opened.prev)),
        ("fields", hash(&logged.fields_root), hash(&opened.fields_root)),
    ];
    for (name, logged, opened) in both.iter().filter(|(_, logged, opened)| logged != opened) {
        report.contradiction(name, format_args!("the log says {logged}, the opening {opened}"));
    }
}
