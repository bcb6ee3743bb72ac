//! Leaves and entries as people read them: one line each.

use lazuli_evidence::Entry;
use lazuli_evidence::spine::{Leaf, What};
use lazuli_log::admin;

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A time in milliseconds since 1970, as RFC 3339.
pub(super) fn time(ms: u64) -> String {
    admin::time(ms).unwrap_or_else(|| ms.to_string())
}

/// A leaf of the spine.
pub(super) fn leaf(bytes: &[u8]) -> String {
    match Leaf::decode(bytes) {
        Some(Leaf::Segment(leaf)) => {
            let root = lazuli_tlog::Hash(leaf.root);
            format!("{}  segment {}, root {root}", time(leaf.t1_ms), leaf.n)
        }
        Some(Leaf::Heads(leaf)) => {
            let root = lazuli_tlog::Hash(leaf.root);
            format!("{}  heads as of segment {}, root {root}", time(leaf.t_ms), leaf.n)
        }
        Some(Leaf::Statement(leaf)) => {
            let (kind, digest) = (leaf.kind.escape_debug(), hex(&leaf.digest));
            format!("{}  statement {kind}, digest {digest}", time(leaf.t_ms))
        }
        Some(Leaf::Event(leaf)) => {
            let more = match leaf.what {
                What::Gap => format!(" from {} to {}", time(leaf.from_ms), time(leaf.to_ms)),
                What::Boot => format!(", program {}", hex(&leaf.binary_digest)),
                What::Heartbeat | What::Shutdown => String::new(),
            };
            format!("{}  {} of start {}{more}", time(leaf.t_ms), leaf.what.text(), leaf.boot)
        }
        None => format!("{} bytes that are no leaf of a Lazuli log", bytes.len()),
    }
}

/// An entry, by what it says without a key.
pub(super) fn entry(bytes: &[u8]) -> String {
    let Some(entry) = Entry::decode(bytes) else {
        return format!("{} bytes that are no entry", bytes.len());
    };
    let Entry { kind, op, t_ms, label, seq, .. } = entry;
    let (kind, op) = (kind.name(), op.escape_debug());
    format!("{}  {kind:8} {op:24} account {} number {seq}", time(t_ms), hex(&label[..8]))
}

#[cfg(test)]
mod tests {
    use lazuli_evidence::spine::Event;

    use super::*;

    #[test]
    fn leaves_are_told_in_one_line() {
        let event = Event {
            site: 1,
            boot: 2,
            t_ms: 5000,
            what: What::Gap,
            binary_digest: [0; 32],
            config_digest: [0; 32],
            from_ms: 1000,
            to_ms: 5000,
        };
        assert_eq!(
            leaf(&Leaf::Event(event).encode()),
            "1970-01-01T00:00:05.000Z  gap of start 2 from 1970-01-01T00:00:01.000Z \
             to 1970-01-01T00:00:05.000Z"
        );
        assert_eq!(leaf(b"other"), "5 bytes that are no leaf of a Lazuli log");
        assert_eq!(entry(b""), "0 bytes that are no entry");
    }
}
