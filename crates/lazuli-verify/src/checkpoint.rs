//! Checkpoints held against a policy: who signed, who vouches, and lines that name a wrong key.

use lazuli_tlog::policy::{Cosigned, Policy};
use lazuli_tlog::{NoteSignature, SignedCheckpoint, TreeHead, UnsupportedKey, VerifierKey};

use crate::report::{Report, time};

/// A checkpoint that a log of the policy signed.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// The log.
    pub origin: String,
    /// Size and root of its tree.
    pub head: TreeHead,
    /// The newest time at which a witness vouched for it, in seconds since 1970.
    pub witnessed: Option<u64>,
    /// The witnesses of the policy that vouch for it, each with its newest time.
    pub cosigned: Vec<Cosigned>,
    /// How many witnesses of the policy vouch for it, if they are too few.
    pub too_few: Option<usize>,
}

impl Trusted {
    /// Reports it if too few witnesses vouch for the checkpoint, which `place` names.
    pub fn report_quorum(&self, place: &str, report: &mut Report) {
        if let Some(count) = self.too_few {
            let what = "witnesses of the policy, which wants more";
            report.below_quorum(format!("{place}: {count} {what}"));
        }
    }
}

/// Reads a checkpoint and holds it against the policy; `place` names it.
pub fn check(place: &str, bytes: &[u8], policy: &Policy, report: &mut Report) -> Option<Trusted> {
    let trusted = check_signature(place, bytes, policy, report)?;
    trusted.report_quorum(place, report);
    Some(trusted)
}

/// The same, but whether enough witnesses vouch is left to the caller to report.
pub fn check_signature(
    place: &str,
    bytes: &[u8],
    policy: &Policy,
    report: &mut Report,
) -> Option<Trusted> {
    match SignedCheckpoint::parse(bytes) {
        Ok(signed) => evaluate(place, &signed, policy, report),
        Err(error) => {
            report.contradiction(place, format_args!("not a checkpoint: {error}"));
            None
        }
    }
}

/// Holds a checkpoint against the policy.
pub fn check_signed(
    place: &str,
    signed: &SignedCheckpoint,
    policy: &Policy,
    report: &mut Report,
) -> Option<Trusted> {
    let trusted = evaluate(place, signed, policy, report)?;
    trusted.report_quorum(place, report);
    Some(trusted)
}

fn evaluate(
    place: &str,
    signed: &SignedCheckpoint,
    policy: &Policy,
    report: &mut Report,
) -> Option<Trusted> {
    misnamed(place, signed, policy, report);
    let evaluation = match policy.evaluate(signed) {
        Ok(evaluation) => evaluation,
        Err(error) => {
            report.contradiction(place, error);
            return None;
        }
    };
    let checkpoint = signed.checkpoint();
    let head = *checkpoint.head();
    let (origin, size) = (checkpoint.origin().escape_debug(), head.size);
    report.fact(format!("{place}: signed by {origin}, {size} leaves, root {}", head.root));
    for cosigned in &evaluation.cosigned {
        let witness = policy.witnesses().get(cosigned.witness);
        let name = witness.map(|witness| String::from_utf8_lossy(&witness.name).into_owned());
        let at = time(cosigned.timestamp.saturating_mul(1000));
        let name = name.unwrap_or_default();
        report.fact(format!("{place}: witness {} vouched at {at}", name.escape_debug()));
    }
    let too_few = (!evaluation.has_quorum).then_some(evaluation.cosigned.len());
    let witnessed = evaluation.cosigned.iter().map(|cosigned| cosigned.timestamp).max();
    let (origin, cosigned) = (checkpoint.origin().to_owned(), evaluation.cosigned);
    Some(Trusted { origin, head, witnessed, cosigned, too_few })
}

/// Finds signatures that a key of the policy made, on lines that name another key.
///
/// Signatures of unknown keys mean nothing and are passed over. A line in which only the name or
/// the id was altered would be passed over as well, if it were not for this.
fn misnamed(place: &str, signed: &SignedCheckpoint, policy: &Policy, report: &mut Report) {
    let text = signed.note().text();
    let keys = || policy.logs().iter().chain(policy.witness_keys());
    for signature in signed.note().signatures() {
        let is_known = keys().any(|key| signature.is_of(key));
        let is_similar =
            |key: &VerifierKey| key.name() == signature.name() || key.id() == signature.id();
        let made_by = |key: &&VerifierKey| key.verify(text, signature.bytes()).is_ok();
        let maker = if is_known {
            None
        } else if signed.note().signatures().len() <= TRIED_MAX {
            keys().find(made_by)
        } else {
            keys().filter(|key| is_similar(key)).find(made_by)
        };
        if let Some(key) = maker {
            let what = format_args!("a signature of {} under a wrong name or id", key.name());
            report.contradiction(place, what);
        } else if let Some(key) = keys().find(|key| !is_known && is_nearly(signature, key)) {
            let what = format_args!("a signature of {} with a damaged key id", key.name());
            report.contradiction(place, what);
        } else if !is_known {
            unknown(place, signature, policy, report);
        }
    }
}

/// Whether a signature has the name of a key and three of the four bytes of its id. One character of
/// a line holds the end of the id and the beginning of the signature: what is altered there fits no
/// key any more. Another key of that name is so near by one chance in four million.
fn is_nearly(signature: &NoteSignature, key: &VerifierKey) -> bool {
    let (id, of_key) = (signature.id().0, key.id().0);
    let same = id.iter().zip(of_key).filter(|(one, other)| **one == *other).count();
    signature.name() == key.name() && same == 3
}

/// Up to how many signatures each one is tried with every key of the policy.
const TRIED_MAX: usize = 8;

/// Mentions a signature of a key that the policy does not list, or whose key was skipped.
fn unknown(place: &str, signature: &NoteSignature, policy: &Policy, report: &mut Report) {
    let (name, id) = (signature.name().as_str().escape_debug(), signature.id());
    let is_of = |key: &UnsupportedKey| key.name() == signature.name() && key.id() == id;
    if policy.skipped().iter().any(is_of) {
        return report.note(format!("{place}: the signature of {name}+{id} is not verified here"));
    }
    report.note(format!("{place}: the policy does not list the signing key {name}+{id}"));
}
