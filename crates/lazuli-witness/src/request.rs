//! The body of `add-checkpoint`.
//!
//! <https://c2sp.org/tlog-witness@v1.0.0#add-checkpoint>: a line with the old size, the hashes of
//! the consistency proof, an empty line, and the signed checkpoint.

use lazuli_tlog::note::NOTE_BYTES_MAX;
use lazuli_tlog::{Hash, SignedCheckpoint, TREE_SIZE_MAX};

/// The most hashes of a proof.
const PROOF_HASHES_MAX: usize = 63;

/// The most bytes of a body: the longest note, the longest proof and a size.
pub(crate) const BODY_BYTES_MAX: usize = NOTE_BYTES_MAX + (PROOF_HASHES_MAX + 1) * 45;

/// A request to cosign a checkpoint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AddCheckpoint {
    /// The size of the checkpoint from which the proof leads.
    pub(crate) old: u64,
    /// The consistency proof.
    pub(crate) proof: Vec<Hash>,
    /// The checkpoint, not verified.
    pub(crate) signed: SignedCheckpoint,
}

impl AddCheckpoint {
    /// Reads a body; the error says what is wrong with it.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, &'static str> {
        if body.len() > BODY_BYTES_MAX {
            return Err("the body is too long");
        }
        let end = body.windows(2).position(|pair| pair == b"\n\n");
        let (head, rest) = end.and_then(|end| body.split_at_checked(end)).ok_or("no empty line")?;
        let head = std::str::from_utf8(head).map_err(|_| "the body is not UTF-8")?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(size);
        let old = old.ok_or("the first line is not `old` and a size")?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == PROOF_HASHES_MAX {
                return Err("the proof has more than 63 hashes");
            }
            proof.push(line.parse().map_err(|_| "a line of the proof is not a hash")?);
        }
        let note = rest.strip_prefix(b"\n\n").unwrap_or_default();
        let signed = SignedCheckpoint::parse(note);
        let signed = signed.map_err(|_| "what follows the empty line is not a checkpoint")?;
        Ok(Self { old, proof, signed })
    }
}

/// A size, in decimal without leading zeroes.
fn size(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    // What is written back in the same way had no sign and no leading zero.
    (number <= TREE_SIZE_MAX && number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: &str = "example.com/behind-the-sofa\n20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URY\
        N7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

    #[test]
    fn the_example_of_the_specification_is_read() {
        let body = format!(
            "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
             jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
             5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
             /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n{NOTE}"
        );
        let request = AddCheckpoint::parse(body.as_bytes()).unwrap();
        assert_eq!((request.old, request.proof.len()), (20_852_014, 4));
        assert_eq!(request.signed.to_string(), NOTE);
        let first = AddCheckpoint::parse(format!("old 0\n\n{NOTE}").as_bytes()).unwrap();
        assert_eq!((first.old, first.proof.len()), (0, 0));
    }

    #[test]
    fn other_bodies_are_refused() {
        let hash = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n";
        let bad = [
            String::new(),
            "old 0".to_owned(),
            "old 0\n\n".to_owned(),
            NOTE.to_owned(),
            format!("\n\n{NOTE}"),
            format!("old\n\n{NOTE}"),
            format!("old 00\n\n{NOTE}"),
            format!("old +1\n\n{NOTE}"),
            format!("old -1\n\n{NOTE}"),
            format!("old 1 \n\n{NOTE}"),
            format!("old 9223372036854775808\n\n{NOTE}"),
            format!("old 99999999999999999999\n\n{NOTE}"),
            format!("old 0\n{NOTE}"),
            format!("old 0\r\n\r\n{NOTE}"),
            format!("old 0\n\n\n{NOTE}"),
            format!("old 0\nhash\n\n{NOTE}"),
            format!("old 1\n{}\n{NOTE}", hash.repeat(64)),
            format!("old 1\n\n{}", NOTE.replace("20852163", "020852163")),
            format!("old 1\n\n{}", NOTE.replace('\u{2014}', "-")),
            format!("old 1\n\n{}", &NOTE[..NOTE.len() - 1]),
            "a".repeat(BODY_BYTES_MAX + 1),
        ];
        for body in bad {
            let shown: String = body.chars().take(30).collect();
            assert!(AddCheckpoint::parse(body.as_bytes()).is_err(), "{shown:?}");
        }
        assert!(AddCheckpoint::parse(b"old 0\n\xff\n\n").is_err());
        let most = format!("old 1\n{}\n{NOTE}", hash.repeat(63));
        assert!(AddCheckpoint::parse(most.as_bytes()).is_ok());
    }
}
