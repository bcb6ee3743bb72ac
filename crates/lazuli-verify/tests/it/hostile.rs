//! What a hostile party may hand over: huge claims, floods and tricks. The right code, no panic.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use lazuli_evidence::{Digest, Entry, Kind, heads, leaf_hash, segment, spine};
use lazuli_tlog::{Checkpoint, Hash, NoteSigner, TreeHead};
use lazuli_verify::chains::ACCOUNTS_MAX;
use lazuli_verify::report::Exit;
use lazuli_verify::segment::ENTRIES_MAX;

use crate::builder::{Log, ORIGIN, files, policy_text, small, write};
use crate::bundle_builder::{Bundle, push, seal};
use crate::{bundle_report, log_report};

#[test]
fn a_log_that_claims_two_to_the_63_leaves_ends_at_the_first_missing_tile() {
    let place = tempfile::tempdir().unwrap();
    small().write(place.path());
    let head = TreeHead { size: (1 << 63) - 1, root: Hash([7; 32]) };
    let signer = NoteSigner::from_seed(ORIGIN.parse().unwrap(), &[1; 32]).unwrap();
    let signed = Checkpoint::new(ORIGIN, head).unwrap().sign(&[&signer]).unwrap();
    write(&place.path().join("checkpoint"), signed.to_string().as_bytes());
    let report = log_report(place.path());
    assert_eq!(report.exit(), Exit::Missing, "{report}");
    assert!(report.to_string().contains("missing: tile/entries/000: there is no such file"));
    let larger = signed.to_string().replace("9223372036854775807", "9223372036854775808");
    write(&place.path().join("checkpoint"), larger.as_bytes());
    assert_eq!(log_report(place.path()).exit(), Exit::Contradiction);
}

#[test]
fn ten_thousand_signatures_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let log = small();
    log.write(place.path());
    let text = log.checkpoint(&[1, 2]).to_string();
    let last = text.lines().last().unwrap();
    let flood = text.clone() + &format!("{last}\n").repeat(10_000);
    write(&place.path().join("checkpoint"), flood.as_bytes());
    let report = log_report(place.path());
    assert_eq!(report.exit(), Exit::Contradiction);
    assert!(report.to_string().contains("contradiction: checkpoint: "), "{report}");
    let strangers: String =
        (0..60).map(|n| last.replace("witness2", &format!("w{n}")) + "\n").collect();
    write(&place.path().join("checkpoint"), (text + &strangers).as_bytes());
    assert_eq!(log_report(place.path()).exit(), Exit::Contradiction, "of a known key, misnamed");
}

#[test]
fn segments_that_claim_too_much_are_refused() {
    let place = tempfile::tempdir().unwrap();
    small().write(place.path());
    let path = place.path().join("seg/0000000002");
    let huge = [segment::MAGIC, b"\x02\x1b\x80\0\0\0\0\0\0\0"].concat();
    let long = [segment::MAGIC, b"\x02\x01\xff\xff\xff\xff"].concat();
    let wide = [segment::MAGIC, b"\x18\x02\x01"].concat();
    for bytes in [huge, long, wide, Vec::new(), vec![0xff; 70_000]] {
        write(&path, &bytes);
        let report = log_report(place.path());
        assert_eq!(report.exit(), Exit::Contradiction);
        assert!(report.to_string().contains("contradiction: seg/0000000002: segment 2: "));
    }
    // Sparse, so that it takes no space: longer than any segment.
    std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let report = log_report(place.path());
    assert!(report.to_string().contains("longer than the 67108864 bytes"), "{report}");
}

#[test]
fn leaves_in_other_forms_are_refused_though_the_log_signs_them() {
    let segment = spine::Heads { site: 1, n: 0, t_ms: 0, root: [0; 32] };
    let good = spine::Leaf::Heads(segment).encode();
    let wide = [&good[..3], b"\x18\x01", &good[4..]].concat();
    let later = [&good[..1], b"\x02", &good[2..]].concat();
    let longer = [good.as_slice(), b"\0"].concat();
    let endless = [b"\x9f".as_slice(), &good[1..], b"\xff"].concat();
    for (leaf, flaw) in [
        (wide, "not in its shortest form"),
        (later, "an unknown version"),
        (longer, "more bytes than belong here"),
        (endless, "an indefinite length"),
    ] {
        let mut log = small();
        log.tree.append(lazuli_tlog::leaf_hash(&leaf));
        log.leaves.push(leaf);
        let place = tempfile::tempdir().unwrap();
        log.write(place.path());
        let report = log_report(place.path());
        assert_eq!(report.exit(), Exit::Contradiction);
        let finding = "contradiction: tile/entries/000.p/9 leaf 8: not a leaf of the spine: ";
        assert!(report.to_string().contains(finding), "{report}");
        assert!(report.to_string().contains(flaw), "{flaw}: {report}");
    }
}

#[test]
fn items_that_claim_too_much_are_refused() {
    let log = small();
    let place = tempfile::tempdir().unwrap();
    Bundle::new(&log, crate::builder::label("alpha")).write(place.path());
    let entries = place.path().join("data/entries");
    let mut deep = Vec::new();
    push(&mut deep, &vec![0x81; 100_000]);
    let mut map = Vec::new();
    push(&mut map, b"\xa2\x01\x01\x01\x01");
    for (bytes, finding) in [
        (b"\xff\xff\xff\xff".to_vec(), "it has more than 1048576 bytes"),
        (b"\0\0\0".to_vec(), "the file ends within it"),
        (b"\0\0\0\x05\x87".to_vec(), "the file ends within it"),
        (b"\0\0\0\x01\x87".to_vec(), "the bytes end too early"),
        (deep, "a length or number out of its range"),
        (map, "an item of the wrong type"),
    ] {
        write(&entries, &bytes);
        seal(place.path());
        let report = bundle_report(place.path());
        assert_eq!(report.exit(), Exit::Contradiction, "{report}");
        let place = "contradiction: data/entries item 0: ";
        assert!(report.to_string().contains(&format!("{place}{finding}")), "{finding}: {report}");
    }
}

/// What the program may take of the memory, in KiB.
const MEMORY_KIB: u64 = 256 * 1024;

/// Runs the program where it gets no more memory than that, and gives its code and what it printed.
fn run_limited(arguments: &[&str]) -> (Option<i32>, String) {
    let limited = format!("ulimit -v {MEMORY_KIB} && exec \"$0\" \"$@\"");
    let program = env!("CARGO_BIN_EXE_lazuli-verify");
    let done = Command::new("sh").args(["-c", &limited, program]).args(arguments).output().unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// A file that says to have `length` bytes and takes no space.
fn sparse(path: &Path, length: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::File::create(path).unwrap().set_len(length).unwrap();
}

/// The files of a bundle or a log that tell lengths and counts, with what a hostile party puts there.
fn hostile_items() -> Vec<(&'static str, Vec<u8>)> {
    let item = |bytes: &[u8]| {
        let mut out = Vec::new();
        push(&mut out, bytes);
        out
    };
    // An entry of a bundle, up to its path, the length of which is 2^62.
    let long = item(b"\x87\x01\x01\x01\x5b\x40\0\0\0\0\0\0\0");
    // The same with a list of opened groups of 2^63 items.
    let mut many = b"\x87\x01\x01\x01\x40\x40\xf6".to_vec();
    many.extend_from_slice(b"\x9b\x80\0\0\0\0\0\0\0");
    // A million items that are as short as can be: a count that unpacks.
    let flood = item(b"\xf6").repeat(1_000_000);
    let deep = item(&vec![0x81; 1_000_000]);
    let texts =
        item(&[b"\x87".as_slice(), &b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xff".repeat(9)].concat());
    vec![
        ("longest", b"\xff\xff\xff\xff".to_vec()),
        ("long", long),
        ("many", item(&many)),
        ("flood", flood),
        ("deep", deep),
        ("texts", texts),
    ]
}

#[test]
fn no_bundle_makes_the_program_take_more_memory() {
    let place = tempfile::tempdir().unwrap();
    let policy = place.path().join("policy");
    write(&policy, policy_text().as_bytes());
    let bundle = place.path().join("bundle");
    let [bundle_name, policy_name] = [&bundle, &policy].map(|path| path.to_str().unwrap());
    let arguments = ["bundle", bundle_name, "--policy", policy_name];
    let log = small();
    Bundle::new(&log, crate::builder::label("alpha")).write(&bundle);
    let (code, text) = run_limited(&arguments);
    assert_eq!(code, Some(0), "the limit is enough for what is honest: {text}");
    for file in ["data/entries", "data/heads"] {
        for (name, bytes) in hostile_items() {
            Bundle::new(&log, crate::builder::label("alpha")).write(&bundle);
            write(&bundle.join(file), &bytes);
            seal(&bundle);
            let (code, text) = run_limited(&arguments);
            assert_eq!(code, Some(1), "{file}, {name}: {text}");
            assert!(text.contains(&format!("contradiction: {file} item 0: ")), "{name}: {text}");
            assert!(text.contains("\nNot proved by this evidence\n"), "{name}: {text}");
        }
    }
    // Files that say to be long: the manifest, a tile, the checkpoint, the claims.
    for file in ["manifest-sha256.txt", "data/log/checkpoint", "data/log/tile/0/000.p/8"] {
        Bundle::new(&log, crate::builder::label("alpha")).write(&bundle);
        sparse(&bundle.join(file), 1 << 33);
        let (code, text) = run_limited(&arguments);
        assert_eq!(code, Some(1), "{file}: {text}");
        assert!(text.contains(file), "{file} is named: {text}");
    }
}

#[test]
fn no_log_makes_the_program_take_more_memory() {
    let place = tempfile::tempdir().unwrap();
    let policy = place.path().join("policy");
    write(&policy, policy_text().as_bytes());
    let folder = place.path().join("log");
    let [folder_name, policy_name] = [&folder, &policy].map(|path| path.to_str().unwrap());
    let arguments = ["log", folder_name, "--policy", policy_name];
    let log = small();
    log.write(&folder);
    assert_eq!(run_limited(&arguments).0, Some(0));
    let tiles = files(&folder).into_iter().filter(|path| path.starts_with("tile/"));
    for path in tiles.chain(["checkpoint".to_owned(), "seg/0000000002".to_owned()]) {
        let file = folder.join(&path);
        let good = fs::read(&file).unwrap();
        // A segment's file may be long, and is read as a whole.
        let pairs = if path.starts_with("seg/") { 20_000_000 } else { 200_000 };
        let prefixes = [
            // Entries that say to be as long as can be, without end; hashes without end.
            b"\xff\xff".repeat(pairs),
            // A segment with 2^63 entries of 4 GiB.
            [segment::MAGIC, b"\x02\x1b\x80\0\0\0\0\0\0\0\xff\xff\xff\xff"].concat(),
            vec![0x9f; 1_000_000],
        ];
        for bytes in prefixes {
            write(&file, &bytes);
            let (code, text) = run_limited(&arguments);
            assert_eq!(code, Some(1), "{path}: {text}");
            assert!(text.contains(&path), "{path} is named: {text}");
        }
        sparse(&file, 1 << 40);
        let (code, text) = run_limited(&arguments);
        assert!(code == Some(1) && text.contains(&path), "{path}: {code:?}: {text}");
        write(&file, &good);
    }
    assert_eq!(run_limited(&arguments).0, Some(0), "all is as it was");
}

/// The file of a segment with as many entries as one can have, each of another account, whose labels
/// go up from `first`; gives the leaf hashes of the entries by their labels, too.
fn full_segment(n: u64, first: u32) -> (Vec<u8>, Vec<(Digest, Digest)>) {
    let op = "o".repeat(256);
    let mut entries = Vec::new();
    let mut leaves = Vec::new();
    for number in first..first + ENTRIES_MAX as u32 {
        let mut label = [0; 32];
        label[..4].copy_from_slice(&(number << 12).to_be_bytes());
        let entry = Entry {
            kind: Kind::Write,
            op: &op,
            site: 1,
            boot: 1,
            t_ms: 0,
            label,
            seq: 1,
            prev: [0; 32],
            fields_root: [7; 32],
        };
        let bytes = entry.encode();
        leaves.push((label, leaf_hash(&bytes)));
        entries.push(bytes);
    }
    (segment::encode(n, &entries), leaves)
}

#[test]
fn as_many_accounts_as_a_log_can_sign_fit_into_memory() {
    let place = tempfile::tempdir().unwrap();
    let mut log = Log::new();
    let mut heads = BTreeMap::new();
    let mut segments = Vec::new();
    let full = ACCOUNTS_MAX as u64 / ENTRIES_MAX;
    for n in 0..=full {
        let (file, leaves) = full_segment(n, n as u32 * ENTRIES_MAX as u32);
        let mut tree = lazuli_tlog::Frontier::new();
        for (label, hash) in leaves {
            tree.append(Hash(hash));
            heads.insert(label, heads::Head { seq: 1, hash });
        }
        log.close_with(tree.root().0);
        segments.push((n, file));
        if n + 1 == full {
            log.log_root(heads::root(&heads));
        }
    }
    log.write_spine(place.path());
    for (n, file) in segments {
        write(&place.path().join("seg").join(segment::file_name(n)), &file);
    }
    let policy = place.path().join("policy");
    write(&policy, policy_text().as_bytes());
    let [folder, policy] = [place.path(), &policy].map(|path| path.to_str().unwrap());
    let (code, text) = run_limited(&["log", folder, "--policy", policy]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("segment 2 index 0: more than 262144 accounts\n"), "{text}");
    assert!(text.contains("heads: 1 maps are those of the entries\n"), "{text}");
    assert!(text.contains("\nNot proved by this evidence\n- "), "{text}");
}
