//! Builds logs and bundles as a server would write them, and as a dishonest one would.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lazuli_evidence::heads::{self, Head};
use lazuli_evidence::spine::{self, Leaf, What};
use lazuli_evidence::{
    ABSENT, DayKeys, Digest, Entry, GROUPS, Group, Kind, NO_PREVIOUS, Opened, Opening, Place,
    Receipt, Sealed, account_label, day_of, leaf_hash, receipt_text, segment,
};
use lazuli_tlog::key::{Algorithm, NoteSigner};
use lazuli_tlog::tile::{Tile, TileKind};
use lazuli_tlog::{Checkpoint, Cosigner, Hash, MemoryTree, SignedCheckpoint, append_entry, tile};

pub(crate) const ORIGIN: &str = "log.example/site1";
pub(crate) const START_MS: u64 = 1_760_000_000_000;

/// What an entry of a test is, and how it was sealed.
#[derive(Clone)]
pub(crate) struct Logged {
    pub(crate) bytes: Vec<u8>,
    pub(crate) commitments: [Digest; GROUPS],
    pub(crate) salts: [[u8; 16]; GROUPS],
    pub(crate) values: [Vec<u8>; GROUPS],
}

impl Logged {
    pub(crate) fn entry(&self) -> Entry<'_> {
        Entry::decode(&self.bytes).expect("an entry")
    }

    pub(crate) fn opening(&self) -> String {
        let values = self.values.each_ref().map(Vec::as_slice);
        Opening::new(&self.entry(), &self.salts, values).to_header()
    }

    /// The opening with some groups sealed, as where there is no room for all of them.
    pub(crate) fn opening_without(&self, groups: &[Group]) -> String {
        let values = self.values.each_ref().map(Vec::as_slice);
        let entry = self.entry();
        let mut opening = Opening::new(&entry, &self.salts, values);
        for group in groups {
            opening.groups[group.place()] = Opened::Sealed(self.commitments[group.place()]);
        }
        opening.to_header()
    }
}

/// A log that grows.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) accounts: BTreeMap<Digest, Head>,
    pub(crate) segments: Vec<Vec<Logged>>,
    open: Vec<Logged>,
    pub(crate) leaves: Vec<Vec<u8>>,
    prev_segment: Digest,
    pub(crate) segment_leaf: Vec<usize>,
    pub(crate) heads: Vec<(usize, BTreeMap<Digest, Head>)>,
    pub(crate) tree: MemoryTree,
}

pub(crate) fn label(account: &str) -> Digest {
    account_label(account, &[9; 32])
}

fn signer() -> NoteSigner {
    NoteSigner::from_seed(ORIGIN.parse().unwrap(), &[1; 32]).unwrap()
}

pub(crate) fn receipts() -> NoteSigner {
    NoteSigner::from_seed(format!("{ORIGIN}/receipts").parse().unwrap(), &[2; 32]).unwrap()
}

fn witness(n: u8) -> Cosigner {
    let name = format!("witness{n}.example").parse().unwrap();
    Cosigner::from_seed(name, Algorithm::CosignatureV1, &[10 + n; 32]).unwrap()
}

/// The text of a policy that wants both witnesses.
pub(crate) fn policy_text() -> String {
    format!(
        "log {}\nlog {}\nwitness w1 {}\nwitness w2 {}\ngroup both all w1 w2\nquorum both\n",
        signer().verifier(),
        receipts().verifier(),
        witness(1).verifier(),
        witness(2).verifier()
    )
}

impl Log {
    pub(crate) fn new() -> Self {
        let mut log = Self {
            accounts: BTreeMap::new(),
            segments: Vec::new(),
            open: Vec::new(),
            leaves: Vec::new(),
            prev_segment: NO_PREVIOUS,
            segment_leaf: Vec::new(),
            heads: Vec::new(),
            tree: MemoryTree::new(),
        };
        log.event(What::Boot);
        log
    }

    fn now(&self) -> u64 {
        START_MS + self.segments.len() as u64 * 1000
    }

    fn leaf(&mut self, leaf: &Leaf<'_>) {
        let bytes = leaf.encode();
        self.tree.append(Hash(leaf_hash(&bytes)));
        self.leaves.push(bytes);
    }

    pub(crate) fn event(&mut self, what: What) {
        let t_ms = self.now();
        let digest = [0x55; 32];
        let (binary_digest, config_digest) = (digest, digest);
        self.leaf(&Leaf::Event(spine::Event {
            site: 1,
            boot: 1,
            t_ms,
            what,
            binary_digest,
            config_digest,
            from_ms: t_ms,
            to_ms: t_ms,
        }));
    }

    /// Logs an operation.
    pub(crate) fn add(&mut self, account: &str, kind: Kind, op: &str) -> Logged {
        let label = label(account);
        let last = self.accounts.get(&label).copied();
        let last = last.unwrap_or(Head { seq: 0, hash: NO_PREVIOUS });
        self.add_at(label, last, kind, op)
    }

    /// Logs an operation behind an entry of the caller's choice.
    pub(crate) fn add_at(&mut self, label: Digest, last: Head, kind: Kind, op: &str) -> Logged {
        let (seq, t_ms) = (last.seq + 1, self.now());
        let mut values = [const { Vec::new() }; GROUPS];
        for value in &mut values {
            value.extend_from_slice(ABSENT);
        }
        values[Group::Object.place()] = format!("\x68object{:02}", seq % 100).into_bytes();
        values[Group::Result.place()] = b"\x82\x18\xc9\x63abc".to_vec();
        let mut sealed = Sealed::new();
        let keys = DayKeys::derive(&[3; 32], day_of(t_ms));
        let place = Place { label, boot: 1, seq };
        sealed.seal(&keys, &place, &values.each_ref().map(Vec::as_slice));
        let entry = Entry {
            kind,
            op,
            site: 1,
            boot: 1,
            t_ms,
            label,
            seq,
            prev: last.hash,
            fields_root: sealed.fields_root(),
        };
        let bytes = entry.encode();
        let (commitments, salts) = (*sealed.commitments(), *sealed.salts());
        let logged = Logged { bytes, commitments, salts, values };
        self.accounts.insert(label, Head { seq, hash: leaf_hash(&logged.bytes) });
        self.open.push(logged.clone());
        logged
    }

    /// The receipt for the entry at `index` of the open segment.
    pub(crate) fn receipt(&self, index: usize) -> Receipt {
        let mut tree = MemoryTree::new();
        tree.extend(self.open.iter().map(|logged| Hash(leaf_hash(&logged.bytes))));
        let (seg, size) = (self.segments.len() as u64, tree.size());
        let t_ms = self.now();
        let text = receipt_text(ORIGIN, seg, size, &tree.head().root.0, t_ms);
        let path = tree.inclusion_proof(index as u64, size).unwrap();
        let signature = receipts().sign(&text);
        Receipt {
            site: 1,
            seg,
            index: index as u64,
            size,
            t_ms,
            path: path.into_iter().map(|hash| hash.0).collect(),
            key_id: signature.id().0,
            signature: signature.bytes().try_into().unwrap(),
        }
    }

    /// Forgets an entry of the open segment: what a dishonest server may do.
    pub(crate) fn drop_open(&mut self, index: usize) {
        self.open.remove(index);
    }

    /// Closes the open segment.
    pub(crate) fn close(&mut self) {
        self.close_with(segment_tree(&self.open).head().root.0);
    }

    /// Closes the open segment with a root of the caller's choice.
    pub(crate) fn close_with(&mut self, root: Digest) {
        let n = self.segments.len() as u64;
        let t0_ms = self.now();
        let segment = spine::Segment {
            site: 1,
            n,
            boot: 1,
            t0_ms,
            t1_ms: t0_ms + 1000,
            root,
            count_commitment: [0x44; 32],
            prev: self.prev_segment,
        };
        let leaf = Leaf::Segment(segment);
        self.prev_segment = leaf.leaf_hash();
        self.segment_leaf.push(self.leaves.len());
        self.leaf(&leaf);
        let open = std::mem::take(&mut self.open);
        self.segments.push(open);
    }

    /// Logs the heads of all accounts; gives the index of the leaf.
    pub(crate) fn log_heads(&mut self) -> usize {
        self.heads.push((self.leaves.len(), self.accounts.clone()));
        self.log_root(heads::root(&self.accounts));
        self.leaves.len() - 1
    }

    /// Logs the root of a map of heads.
    pub(crate) fn log_root(&mut self, root: Digest) {
        let n = self.segments.len() as u64 - 1;
        self.leaf(&Leaf::Heads(spine::Heads { site: 1, n, t_ms: self.now(), root }));
    }

    /// The checkpoint of all leaves, with the cosignatures of some witnesses.
    pub(crate) fn checkpoint(&self, witnesses: &[u8]) -> SignedCheckpoint {
        self.checkpoint_at(witnesses, START_MS / 1000)
    }

    /// The same, cosigned at a time in seconds since 1970.
    pub(crate) fn checkpoint_at(&self, witnesses: &[u8], at: u64) -> SignedCheckpoint {
        let checkpoint = Checkpoint::new(ORIGIN, self.tree.head()).unwrap();
        let mut signed = checkpoint.clone().sign(&[&signer()]).unwrap();
        for n in witnesses {
            signed.add(witness(*n).cosign(&checkpoint, at).unwrap()).unwrap();
        }
        signed
    }

    /// Writes the public log into a folder.
    pub(crate) fn write_spine(&self, folder: &Path) {
        write(&folder.join("checkpoint"), self.checkpoint(&[1, 2]).to_string().as_bytes());
        let size = self.leaves.len() as u64;
        for tile in tile::tiles_of(size) {
            let bytes = lazuli_tlog::tile_bytes(&mut &self.tree, tile).unwrap();
            write(&folder.join(tile.path()), &bytes);
        }
        for tile in tile::new_bundles(0, size) {
            write(&folder.join(tile.path()), &self.bundle(tile));
        }
    }

    fn bundle(&self, tile: Tile) -> Vec<u8> {
        assert_eq!(tile.kind(), TileKind::Entries);
        let mut bytes = Vec::new();
        let first = tile.first() as usize;
        for leaf in &self.leaves[first..first + usize::from(tile.width())] {
            append_entry(&mut bytes, leaf).unwrap();
        }
        bytes
    }

    /// Writes log and entries into a folder.
    pub(crate) fn write(&self, folder: &Path) {
        self.write_spine(folder);
        fs::create_dir_all(folder.join("seg")).unwrap();
        for (n, entries) in self.segments.iter().enumerate() {
            let entries: Vec<&[u8]> =
                entries.iter().map(|logged| logged.bytes.as_slice()).collect();
            let path = folder.join("seg").join(segment::file_name(n as u64));
            write(&path, &segment::encode(n as u64, &entries));
        }
    }
}

/// The tree over the entries of a segment.
pub(crate) fn segment_tree(entries: &[Logged]) -> MemoryTree {
    let mut tree = MemoryTree::new();
    tree.extend(entries.iter().map(|logged| Hash(leaf_hash(&logged.bytes))));
    tree
}

/// A small log with all that a log has: 5 segments, 12 entries of 3 accounts, heads and events.
pub(crate) fn small() -> Log {
    let mut log = Log::new();
    for round in 0..5 {
        for account in ["alpha", "beta", "gamma"].iter().take(round % 4) {
            log.add(account, Kind::Write, "PutBlob");
            log.add(account, Kind::Delete, "DeleteBlob");
        }
        log.close();
        if round == 3 {
            log.log_heads();
            log.event(What::Heartbeat);
        }
    }
    log
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The paths of all files in a folder, in order, as they are below it.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(folder).unwrap();
                found.push(below.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
