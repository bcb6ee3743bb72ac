//! Builds bundles of evidence, as a collector would.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lazuli_evidence::cbor::Writer;
use lazuli_evidence::heads;
use lazuli_evidence::{Digest, GROUPS};
use lazuli_tlog::Hash;

use crate::builder::{Log, Logged, files, segment_tree, write};

/// What goes into a bundle.
pub(crate) struct Bundle<'a> {
    pub(crate) log: &'a Log,
    /// The labels of the accounts whose entries are told.
    pub(crate) labels: BTreeSet<Digest>,
    /// The groups that are opened, by their numbers.
    pub(crate) opened: Vec<u8>,
    /// The sequence numbers that a dishonest collector leaves out.
    pub(crate) left_out: Vec<u64>,
    /// The lines of the file of claims.
    pub(crate) claims: String,
}

impl<'a> Bundle<'a> {
    pub(crate) fn new(log: &'a Log, label: Digest) -> Self {
        let (opened, left_out) = (vec![4, 6], Vec::new());
        Self { log, labels: BTreeSet::from([label]), opened, left_out, claims: String::new() }
    }

    /// Writes the bundle, with all heads that the log has of the accounts.
    pub(crate) fn write(&self, folder: &Path) {
        self.log.write_spine(&folder.join("data/log"));
        let mut entries = Vec::new();
        for (seg, logged) in self.log.segments.iter().enumerate() {
            let tree = segment_tree(logged);
            for (index, logged) in logged.iter().enumerate() {
                let entry = logged.entry();
                if self.labels.contains(&entry.label) && !self.left_out.contains(&entry.seq) {
                    let path = tree.inclusion_proof(index as u64, tree.size()).unwrap();
                    let place = (seg as u64, index as u64, tree.size());
                    push(&mut entries, &entry_item(logged, place, &path, &self.opened));
                }
            }
        }
        write(&folder.join("data/entries"), &entries);
        let mut items = Vec::new();
        for (leaf, map) in &self.log.heads {
            for label in &self.labels {
                let head = map.get(label);
                let proof = heads::prove(map, label);
                push(&mut items, &head_item(*leaf as u64, label, head, &proof));
            }
        }
        write(&folder.join("data/heads"), &items);
        if !self.claims.is_empty() {
            write(&folder.join("data/claims"), self.claims.as_bytes());
        }
        seal(folder);
    }
}

/// Adds an item behind its length.
pub(crate) fn push(out: &mut Vec<u8>, item: &[u8]) {
    out.extend_from_slice(&(item.len() as u32).to_be_bytes());
    out.extend_from_slice(item);
}

pub(crate) fn entry_item(
    logged: &Logged,
    (seg, index, count): (u64, u64, u64),
    path: &[Hash],
    opened: &[u8],
) -> Vec<u8> {
    let mut item = Vec::new();
    let mut writer = Writer::new(&mut item);
    let path: Vec<u8> = path.iter().flat_map(|hash| hash.0).collect();
    writer.array(7).uint(seg).uint(index).uint(count).bytes(&path).bytes(&logged.bytes);
    if opened.is_empty() {
        writer.null().array(0);
        return item;
    }
    assert_eq!(logged.commitments.len(), GROUPS);
    writer.bytes(logged.commitments.as_flattened()).array(opened.len());
    for group in opened {
        let place = usize::from(*group) - 1;
        writer.array(3).uint(u64::from(*group));
        writer.bytes(&logged.salts[place]).bytes(&logged.values[place]);
    }
    item
}

pub(crate) fn head_item(
    leaf: u64,
    label: &Digest,
    head: Option<&heads::Head>,
    proof: &heads::Proof,
) -> Vec<u8> {
    let mut item = Vec::new();
    let mut writer = Writer::new(&mut item);
    writer.array(5).uint(leaf).bytes(label);
    match head {
        Some(head) => writer.uint(head.seq).bytes(&head.hash),
        None => writer.null().null(),
    };
    proof.encode_into(&mut item);
    item
}

/// Writes the manifest of what is there, as a collector does last, and a forger too.
pub(crate) fn seal(folder: &Path) {
    write(&folder.join("bagit.txt"), b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
    let mut manifest = String::new();
    for path in files(folder).iter().filter(|path| path.starts_with("data/")) {
        let digest = Hash::of(&[&fs::read(folder.join(path)).unwrap()]);
        manifest.extend([&lazuli_verify::cbor::hex(digest.as_bytes()), "  ", path, "\n"]);
    }
    write(&folder.join("manifest-sha256.txt"), manifest.as_bytes());
}
