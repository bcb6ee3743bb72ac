//! Tests of the policies.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::cosignature::Cosigner;
use crate::hash::Hash;
use crate::key::NoteSigner;
use crate::verify::TreeHead;

fn log(seed: u8) -> NoteSigner {
    NoteSigner::from_seed(format!("log{seed}").parse().unwrap(), &[seed; 32]).unwrap()
}

fn witness(seed: u8) -> Cosigner {
    let name = format!("w{seed}").parse().unwrap();
    Cosigner::from_seed(name, Algorithm::CosignatureV1, &[seed; 32]).unwrap()
}

/// A policy of one log, the witnesses 1 to 6, and these lines.
fn text(lines: &str) -> String {
    let mut text = format!("# A comment\n \t\nlog {} https://log.example\n", log(100).verifier());
    for seed in 1..=6 {
        let _ = writeln!(text, "witness W{seed}\t {} ", witness(seed).verifier());
    }
    text + lines
}

fn parse(lines: &str) -> Result<Policy, PolicyErrorKind> {
    Policy::parse(text(lines).as_bytes()).map_err(|error| error.kind)
}

#[test]
fn the_example_of_the_specification_counts_as_it_says() {
    let policy = parse(
        "group X-witnesses 2 W1 W2 W3\ngroup Y-witnesses any W4 W5 W6\n\
         group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n",
    )
    .unwrap();
    let cases: [(&[usize], bool); 8] = [
        (&[], false),
        (&[0, 1], false),
        (&[0, 3], false),
        (&[0, 1, 3], true),
        (&[0, 2, 5], true),
        (&[0, 0, 3], false),
        (&[3, 4, 5], false),
        (&[0, 1, 2, 3, 4, 5, 99], true),
    ];
    for (witnesses, expected) in cases {
        assert_eq!(policy.has_quorum(witnesses.iter().copied()), expected, "{witnesses:?}");
    }
    assert_eq!(policy.witnesses()[1], Witness { name: b"W2".to_vec(), url: None });
    assert_eq!(policy.log_url(0), Some(b"https://log.example".as_slice()));
    assert_eq!(policy.logs()[0].name().as_str(), "log100");
}

#[test]
fn a_single_witness_or_none_can_be_a_quorum() {
    let one = parse("quorum W3\n").unwrap();
    assert!(one.has_quorum([2]) && !one.has_quorum([0, 1]));
    assert!(parse("quorum none\n").unwrap().has_quorum([]));
    // Witnesses may be listed after the quorum that does not need them.
    assert!(Policy::parse(b"quorum none\n").unwrap().logs().is_empty());
}

#[test]
fn bad_policies_are_refused() {
    use PolicyErrorKind as Kind;
    let again = format!("witness W7 {}\nquorum none\n", witness(1).verifier());
    let renamed = VerifierKey::new(
        "other".parse().unwrap(),
        Algorithm::CosignatureV1,
        &witness(1).verifier().public_key(),
    );
    let renamed = format!("witness W7 {}\nquorum none\n", renamed.unwrap());
    let log_again = format!("log {}\nquorum none\n", log(100).verifier());
    let log_as_witness = format!("witness W7 {}\nquorum none\n", log(9).verifier());
    let witness_as_log = format!("log {}\nquorum none\n", witness(7).verifier());
    let named_none = format!("witness none {}\nquorum none\n", witness(7).verifier());
    let named_twice = format!("witness W1 {}\nquorum none\n", witness(7).verifier());
    let cases = [
        ("", Kind::NoQuorum),
        ("quorum none", Kind::NoLineFeed),
        ("quorum none\nquorum none\n", Kind::SecondQuorum),
        ("quorum W9\n", Kind::UnknownName),
        ("quorum w1\n", Kind::UnknownName),
        ("quorum\n", Kind::ItemCount),
        ("quorum W1 W2\n", Kind::ItemCount),
        ("group G any\n", Kind::ItemCount),
        ("group G 0 W1\n", Kind::Threshold),
        ("group G 2 W1\n", Kind::Threshold),
        ("group G 01 W1\n", Kind::Threshold),
        ("group G some W1\n", Kind::Threshold),
        ("group G 99999999999999999999 W1\n", Kind::Threshold),
        ("group G any none\n", Kind::UnknownName),
        ("group G any G\n", Kind::UnknownName),
        ("group G any W1 W1\n", Kind::DuplicateMember),
        ("group G any W1\ngroup H any W1\n", Kind::DuplicateMember),
        ("group W1 any W2\n", Kind::DuplicateName),
        ("group none any W2\n", Kind::DuplicateName),
        ("quorum\u{c}none\n", Kind::ControlCharacter),
        ("quorum none\r\n", Kind::ControlCharacter),
        ("quorum none\u{7f}\n", Kind::ControlCharacter),
        ("Quorum none\n", Kind::UnknownKeyword),
        ("witness W7 key\n", Kind::Key(KeyError::Malformed)),
        (&again, Kind::DuplicateKey),
        (&renamed, Kind::DuplicateKey),
        (&log_again, Kind::DuplicateKey),
        (&log_as_witness, Kind::Key(KeyError::Algorithm(0x01))),
        (&witness_as_log, Kind::Key(KeyError::Algorithm(0x04))),
        (&named_none, Kind::DuplicateName),
        (&named_twice, Kind::DuplicateName),
    ];
    for (lines, kind) in cases {
        assert_eq!(parse(lines), Err(kind), "{lines}");
    }
    let long = vec![b'\n'; POLICY_BYTES_MAX + 1];
    assert_eq!(Policy::parse(&long), Err(PolicyError { line: 1, kind: Kind::TooLong }));
    let third = Policy::parse(b"\n\nwhat\n").unwrap_err();
    assert_eq!(third.to_string(), "line 3 of the policy: not a log, witness, group or quorum");
}

#[test]
fn names_are_octets() {
    let lines = [b"group \xff any W1\nquorum \xff\n".as_slice()];
    let bytes = [text("").as_bytes(), lines[0]].concat();
    assert!(Policy::parse(&bytes).unwrap().has_quorum([0]));
}

#[test]
fn checkpoints_are_held_against_the_policy() {
    let policy = parse("group G 2 W1 W2 W3\nquorum G\n").unwrap();
    let head = TreeHead { size: 3, root: Hash([1; 32]) };
    let checkpoint = Checkpoint::new("log100", head).unwrap();
    let mut signed = checkpoint.clone().sign(&[&log(100)]).unwrap();
    let evaluate = |signed: &SignedCheckpoint| policy.evaluate(signed);
    assert!(evaluate(&signed).is_ok_and(|result| !result.has_quorum));
    for (seed, time) in [(1, 10), (9, 11), (1, 12)] {
        signed.add(witness(seed).cosign(&checkpoint, time).unwrap()).unwrap();
    }
    let alone = evaluate(&signed).unwrap();
    assert_eq!(alone.cosigned, [Cosigned { witness: 0, timestamp: 12 }]);
    assert!(!alone.has_quorum);
    signed.add(witness(3).cosign(&checkpoint, 13).unwrap()).unwrap();
    assert!(evaluate(&signed).unwrap().has_quorum);
    // A wrong signature of a known witness spoils it all.
    let other = Checkpoint::new("log100", TreeHead { size: 4, ..head }).unwrap();
    signed.add(witness(2).cosign(&other, 13).unwrap()).unwrap();
    let result = evaluate(&signed);
    assert!(matches!(result, Err(EvaluationError::Note(NoteError::InvalidSignature(..)))));
}

#[test]
fn logs_that_are_not_listed_or_did_not_sign_are_told_apart() {
    let policy = parse("quorum none\n").unwrap();
    let head = TreeHead { size: 3, root: Hash([1; 32]) };
    let stranger = Checkpoint::new("log7", head).unwrap().sign(&[&log(7)]).unwrap();
    assert_eq!(policy.evaluate(&stranger), Err(EvaluationError::UnknownLog));
    // The listed key signs under its own origin only.
    let borrowed = Checkpoint::new("log7", head).unwrap().sign(&[&log(100)]).unwrap();
    assert_eq!(policy.evaluate(&borrowed), Err(EvaluationError::UnknownLog));
    let unsigned = Checkpoint::new("log100", head).unwrap().sign(&[&log(7)]).unwrap();
    let error = EvaluationError::Note(NoteError::NoKnownSignature);
    assert_eq!(policy.evaluate(&unsigned), Err(error));
}

/// The text of a key of ML-DSA-44, whether this build has it or not.
fn ml_dsa_key(name: &str) -> String {
    let public_key = [5; 1312];
    let name = name.parse().unwrap();
    let id = crate::key::KeyId::of(&name, Algorithm::MlDsa44, &public_key);
    let bytes = [[Algorithm::MlDsa44.byte()].as_slice(), &public_key].concat();
    format!("{name}+{id}+{}", STANDARD.encode(bytes))
}

#[test]
fn keys_that_this_build_cannot_verify_are_skipped_where_asked_for() {
    let key = ml_dsa_key("pq");
    let lines = format!("witness PQ {key}\ngroup two 2 W1 W2 PQ\nquorum two\n");
    let all = lines.replace("two 2", "two all");
    let is_supported = Algorithm::MlDsa44.is_supported();
    assert_eq!(parse(&lines).is_ok(), is_supported);
    let read = |lines: &str| Policy::parse_supported(text(lines).as_bytes());
    let policy = read(&lines).unwrap();
    assert_eq!(policy.skipped().len(), usize::from(!is_supported));
    assert!(policy.has_quorum([0, 1]) && !policy.has_quorum([0]));
    // It stays a member that would have to vouch.
    assert!(!read(&all).unwrap().has_quorum([0, 1]));
    assert!(read(&lines.replace("quorum two", "quorum PQ")).is_ok());
    let kind = |lines: &str| read(lines).map_err(|error| error.kind).unwrap_err();
    let twice = format!("witness PQ2 {key}\n{lines}");
    assert_eq!(kind(&twice), PolicyErrorKind::DuplicateKey);
    let taken = lines.replace("witness PQ ", "witness W1 ");
    assert_eq!(kind(&taken), PolicyErrorKind::DuplicateName);
    let mismatch = PolicyErrorKind::Key(KeyError::IdMismatch);
    assert_eq!(kind(&lines.replace("PQ pq+", "PQ qp+")), mismatch);
    // A log needs a key that can be verified.
    let beside = format!("log {}\nquorum none\n", ml_dsa_key("log100"));
    assert!(read(&beside).is_ok());
    let alone = read(&format!("log {}\nquorum none\n", ml_dsa_key("other")));
    let refused = PolicyErrorKind::Key(KeyError::Algorithm(6));
    let expected = PolicyError { line: 10, kind: refused };
    assert_eq!(alone.err(), (!is_supported).then_some(expected));
}
