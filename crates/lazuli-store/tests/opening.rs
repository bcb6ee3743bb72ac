//! Whatever an operation is done to and whoever asks: there is an opening, and with its receipt it fits
//! into one response.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::IpAddr;

use lazuli_base::Timestamp;
use lazuli_evidence::{
    DayKeys, GROUPS, HEADER_BYTES_MAX, OPENING_HEADER, Opening, Place, RECEIPT_HEADER, Receipt,
    Sealed,
};
use lazuli_model::ApiVersion;
use lazuli_model::etag::ETag;
use lazuli_model::tier::AccessTier;
use lazuli_store::blob::BlobPath;
use lazuli_store::journal::{Draft, Entry, Group, Kind};
use lazuli_store::origin::{Checksum, Facts, Origin};
use proptest::prelude::*;

/// The longest names of operations that are built, and a short one.
const OPERATIONS: [&str; 3] =
    ["SetPageBlobSequenceNumber", "FindBlobsByTagsInContainer", "PutBlob"];

/// The pseudonym that stands in place of a principal: a string of 16 bytes.
const PSEUDONYM: &[u8] = b"\x50pseudonym-of-him";

/// A request, as far as its length matters.
#[derive(Clone, Debug)]
struct Asked {
    operation: &'static str,
    container: String,
    blob: String,
    client_request_id: Option<String>,
    policy: Option<String>,
    conditions: usize,
    checksum: Checksum,
    /// How many hashes the receipt has.
    path: usize,
    seq: u64,
}

/// A name of up to `most` characters, of one byte each or of several.
fn name(most: usize) -> impl Strategy<Value = String> {
    let character = prop::sample::select(vec!['n', '-', 'ü', '名', '🦊']);
    (prop::bool::ANY, character, 1..=most).prop_map(|(is_longest, character, length)| {
        let length = if is_longest { length } else { length.min(90) };
        String::from(character).repeat(length)
    })
}

fn correlation() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        Just(Some("0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d".to_owned())),
        "[ -~]{1,1024}".prop_map(Some),
    ]
}

prop_compose! {
    fn asked()(
        operation in prop::sample::select(OPERATIONS.to_vec()),
        container in "[a-z0-9]{3,63}",
        blob in name(1024),
        client_request_id in correlation(),
        policy in prop::option::of("[ -~]{1,64}"),
        conditions in 0_usize..=4,
        checksum in prop_oneof![Just(Checksum::Md5([1; 16])), Just(Checksum::Crc64(2))],
        path in 0_usize..=17,
        seq in prop_oneof![Just(u64::MAX), 1..1_000_u64],
    ) -> Asked {
        Asked {
            operation, container, blob, client_request_id, policy, conditions, checksum, path, seq,
        }
    }
}

const CONDITIONS: [&str; 4] =
    ["if-unmodified-since", "if-modified-since", "if-none-match", "x-ms-if-tags"];

/// The groups of the entry as they are sealed.
fn draft(asked: &Asked) -> bytes::Bytes {
    let origin = Origin::new(&Facts {
        scheme: "account-sas",
        key: Some(1),
        identity: None,
        policy: asked.policy.as_deref(),
        remote: "2001:db8:aaaa::1".parse::<IpAddr>().unwrap(),
        secure: true,
        content_length: Some(u64::MAX),
        conditions: &CONDITIONS[..asked.conditions],
        tier: Some(AccessTier::Archive),
        version: ApiVersion::NEWEST,
        client: Some(("azsdk-python-storage-blob", 12)),
        request_id: "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        client_request_id: asked.client_request_id.as_deref(),
        status: 201,
    });
    origin.brought(asked.checksum);
    let (container, blob) = (&*asked.container, &*asked.blob);
    let path = BlobPath { account: "account", container, blob };
    Entry::new(Kind::Write, asked.operation, "account")
        .blob(&path, Some(Timestamp::from_unix_seconds(2_000_000_000)))
        .bytes(Some(u64::MAX))
        .etag(Some(ETag(u64::MAX)))
        .encode(Timestamp::from_unix_seconds(2_000_000_000), Some(&origin))
}

proptest! {
    #[test]
    fn every_request_has_an_opening_that_fits(asked in asked()) {
        let bytes = draft(&asked);
        let mut draft = Draft::decode(&bytes).unwrap();
        draft.values[Group::Principal.place()] = PSEUDONYM;
        let place = Place { label: [3; 32], boot: u32::MAX, seq: asked.seq };
        let mut sealed = Sealed::new();
        sealed.seal(&DayKeys::derive(&[1; 32], 20_000), &place, &draft.values);
        let entry = lazuli_evidence::Entry {
            kind: draft.kind,
            op: draft.op,
            site: 1,
            boot: place.boot,
            t_ms: draft.t_ms,
            label: place.label,
            seq: place.seq,
            prev: [4; 32],
            fields_root: sealed.fields_root(),
        };
        let receipt = Receipt {
            site: 1,
            seg: u64::from(u32::MAX),
            index: (1 << asked.path) - 1,
            size: 1 << asked.path,
            t_ms: draft.t_ms,
            path: vec![[5; 32]; asked.path],
            key_id: [1, 2, 3, 4],
            signature: [6; 64],
        };
        let receipt = receipt.to_header();
        let whole = Opening::new(&entry, sealed.salts(), draft.values);
        let Some(opening) = whole.clone().fitted(receipt.len()) else {
            return Err(TestCaseError::fail("there is no opening"));
        };
        prop_assert_eq!(opening.entry(), entry);
        let header = opening.to_header();
        let lines = format!("{RECEIPT_HEADER}: {receipt}\r\n{OPENING_HEADER}: {header}\r\n");
        prop_assert!(lines.len() <= HEADER_BYTES_MAX, "{}", lines.len());
        let encoded = opening.encode();
        prop_assert!(Opening::decode(&encoded).as_ref() == Some(&opening));
        let open = |opening: &Opening<'_>| {
            Group::ALL.into_iter().filter(|group| opening.value(*group).is_some()).count()
        };
        prop_assert_eq!(open(&whole), GROUPS);
        // The fallback: whatever else is sealed, a short name stays readable in a quiet segment.
        if asked.path <= 7 && asked.blob.len() <= 64 {
            prop_assert!(opening.value(Group::Object).is_some(), "{} open", open(&opening));
        }
    }
}
