//! Signed notes and the checkpoints in them: what is read is written back byte for byte.
#![no_main]

use lazuli_tlog::note::parse_signatures;
use lazuli_tlog::{SignedCheckpoint, SignedNote, VerifierKey};
use libfuzzer_sys::fuzz_target;

/// The key of the note in the specification.
const KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

fuzz_target!(|data: &[u8]| {
    if let Ok(note) = SignedNote::parse(data) {
        assert_eq!(note.to_string().as_bytes(), data);
        let key: VerifierKey = KEY.parse().expect("the key of the specification");
        let _ = note.verify(&[key]);
        let again = SignedNote::new(note.text(), note.signatures().to_vec());
        assert_eq!(again.as_ref(), Ok(&note));
    }
    if let Ok(signed) = SignedCheckpoint::parse(data) {
        assert_eq!(signed.to_string().as_bytes(), data);
        assert_eq!(signed.checkpoint().to_string(), signed.note().text());
    }
    if let Ok(signatures) = parse_signatures(data) {
        assert!(!signatures.is_empty());
    }
    let text = lazuli_fuzz::text(data);
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
});
