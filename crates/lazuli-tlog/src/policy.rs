//! Policies: which logs are trusted, and which witnesses must vouch for a checkpoint.
//!
//! <https://c2sp.org/tlog-policy>. A policy is a file of octets, and its names are octets too. Groups
//! only name what stands before them, so that a quorum is counted in one pass without recursion.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::checkpoint::SignedCheckpoint;
use crate::key::{Algorithm, KeyError, UnsupportedKey, VerifierKey};
use crate::note::NoteError;

/// The most bytes of a policy file.
pub const POLICY_BYTES_MAX: usize = 1024 * 1024;

/// The most logs, the most witnesses and the most groups; the specification asks for 32 of each.
pub const POLICY_ITEMS_MAX: usize = 256;

/// What is wrong with a policy file, and in which line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// The line; the one after the last if something is missing.
    pub line: usize,
    /// What is wrong there.
    pub kind: PolicyErrorKind,
}

/// What is wrong with a line of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyErrorKind {
    /// The file, or a list in it, is longer than this implementation reads.
    TooLong,
    /// A control character that is neither tab nor line feed.
    ControlCharacter,
    /// The file does not end in a line feed.
    NoLineFeed,
    /// A line that begins with another word than `log`, `witness`, `group` and `quorum`.
    UnknownKeyword,
    /// A line with too few or too many items.
    ItemCount,
    /// A key that cannot be used.
    Key(KeyError),
    /// A public key that an earlier line has.
    DuplicateKey,
    /// A name that an earlier line defines, or `none`.
    DuplicateName,
    /// A name that no earlier line defines.
    UnknownName,
    /// A name that is a group's member already.
    DuplicateMember,
    /// A threshold that is not `any`, `all` or a number from 1 to the number of members.
    Threshold,
    /// A second line `quorum`.
    SecondQuorum,
    /// No line `quorum`.
    NoQuorum,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the policy: ", self.line)?;
        f.write_str(match &self.kind {
            PolicyErrorKind::TooLong => "the policy is longer than this program reads",
            PolicyErrorKind::ControlCharacter => "a control character",
            PolicyErrorKind::NoLineFeed => "no line feed at the end",
            PolicyErrorKind::UnknownKeyword => "not a log, witness, group or quorum",
            PolicyErrorKind::ItemCount => "too few or too many items",
            PolicyErrorKind::Key(error) => return error.fmt(f),
            PolicyErrorKind::DuplicateKey => "the public key is listed before",
            PolicyErrorKind::DuplicateName => "the name is taken",
            PolicyErrorKind::UnknownName => "the name is not defined before",
            PolicyErrorKind::DuplicateMember => "the name is a member of a group before",
            PolicyErrorKind::Threshold => "the threshold does not fit the number of members",
            PolicyErrorKind::SecondQuorum => "a second quorum",
            PolicyErrorKind::NoQuorum => "the quorum is missing",
        })
    }
}

impl std::error::Error for PolicyError {}

/// A witness, as a policy names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name within the policy, which need not be that of its key.
    pub name: Vec<u8>,
    /// Where it can be reached, if the policy says so.
    pub url: Option<Vec<u8>>,
}

/// A witness or a group, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    Witness(usize),
    Group(usize),
    /// A witness whose key was skipped: it counts among the members and never vouches.
    Skipped(usize),
}

/// Members of whom some must vouch.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

/// Who must vouch in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quorum {
    Nobody,
    Member(Member),
}

/// A trust policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    log_urls: Vec<Option<Vec<u8>>>,
    witnesses: Vec<Witness>,
    witness_keys: Vec<VerifierKey>,
    groups: Vec<Group>,
    quorum: Quorum,
    skipped: Vec<UnsupportedKey>,
}

/// A cosignature that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// The place of the witness in [`Policy::witnesses`].
    pub witness: usize,
    /// When it vouched, in seconds since 1970.
    pub timestamp: u64,
}

/// What a policy says about a checkpoint that a known log signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The place of the key that signed in [`Policy::logs`].
    pub log: usize,
    /// The witnesses that cosigned, each once.
    pub cosigned: Vec<Cosigned>,
    /// Whether they are enough. A checkpoint without a quorum is signed but not witnessed.
    pub has_quorum: bool,
}

/// Why a checkpoint does not come into question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvaluationError {
    /// The policy lists no log with the checkpoint's origin.
    UnknownLog,
    /// No listed key of the log signed it, or a signature of a listed key is wrong.
    Note(NoteError),
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownLog => f.write_str("the policy does not list the log of the checkpoint"),
            Self::Note(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for EvaluationError {}

impl Policy {
    /// Reads a policy file, all keys of which this build must be able to verify.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        Self::read(bytes, false)
    }

    /// Reads a policy file and skips keys that this build cannot verify: a witness with such a key
    /// counts in its group and never vouches, and a log needs another key of the same name.
    pub fn parse_supported(bytes: &[u8]) -> Result<Self, PolicyError> {
        Self::read(bytes, true)
    }

    fn read(bytes: &[u8], skips: bool) -> Result<Self, PolicyError> {
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(PolicyError { line: 1, kind: PolicyErrorKind::TooLong });
        }
        let mut parser = Parser { skips, ..Parser::default() };
        let mut number = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            number += 1;
            parser.line(line).map_err(|kind| PolicyError { line: number, kind })?;
            parser.number += 1;
        }
        parser.check_logs()?;
        let quorum = parser
            .quorum
            .ok_or(PolicyError { line: number + 1, kind: PolicyErrorKind::NoQuorum })?;
        Ok(Self { quorum, ..parser.policy })
    }

    /// The keys of the logs.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// Where the log at this place can be reached, if the policy says so.
    pub fn log_url(&self, log: usize) -> Option<&[u8]> {
        self.log_urls.get(log)?.as_deref()
    }

    /// The witnesses.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// The keys of the witnesses, each at the place of its witness.
    pub fn witness_keys(&self) -> &[VerifierKey] {
        &self.witness_keys
    }

    /// The keys that were skipped.
    pub fn skipped(&self) -> &[UnsupportedKey] {
        &self.skipped
    }

    /// Verifies the signature of a listed log and those of the witnesses, and counts the quorum.
    pub fn evaluate(&self, signed: &SignedCheckpoint) -> Result<Evaluation, EvaluationError> {
        let origin = signed.checkpoint().origin();
        let places: Vec<usize> = (0..self.logs.len())
            .filter(|place| self.logs.get(*place).is_some_and(|key| key.name().as_str() == origin))
            .collect();
        let keys: Vec<VerifierKey> =
            places.iter().filter_map(|place| self.logs.get(*place)).cloned().collect();
        if keys.is_empty() {
            return Err(EvaluationError::UnknownLog);
        }
        let verified = signed.note().verify(&keys).map_err(EvaluationError::Note)?;
        let log = verified.first().and_then(|signature| places.get(signature.key));
        let log = *log.ok_or(EvaluationError::UnknownLog)?;
        let cosigned = self.cosigned(signed).map_err(EvaluationError::Note)?;
        let has_quorum = self.has_quorum(cosigned.iter().map(|cosigned| cosigned.witness));
        Ok(Evaluation { log, cosigned, has_quorum })
    }

    /// Verifies the cosignatures of the listed witnesses, of which there may be none. One that is
    /// wrong spoils the checkpoint.
    pub fn cosigned(&self, signed: &SignedCheckpoint) -> Result<Vec<Cosigned>, NoteError> {
        let mut newest = BTreeMap::new();
        for signature in signed.note().verify_any(&self.witness_keys)? {
            let newest: &mut u64 = newest.entry(signature.key).or_default();
            *newest = signature.timestamp.unwrap_or_default().max(*newest);
        }
        let cosigned = |(witness, timestamp)| Cosigned { witness, timestamp };
        Ok(newest.into_iter().map(cosigned).collect())
    }

    /// Whether these witnesses, by their places, are enough.
    pub fn has_quorum(&self, witnesses: impl IntoIterator<Item = usize>) -> bool {
        let witnesses: BTreeSet<usize> = witnesses.into_iter().collect();
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        let vouches = |member: &Member, groups: &[bool]| match member {
            Member::Witness(place) => witnesses.contains(place),
            // A group stands after its members, so that they are counted already.
            Member::Group(place) => groups.get(*place).copied().unwrap_or(false),
            Member::Skipped(_) => false,
        };
        for group in &self.groups {
            let count = group.members.iter().filter(|member| vouches(member, &groups)).count();
            groups.push(count >= group.threshold);
        }
        match &self.quorum {
            Quorum::Nobody => true,
            Quorum::Member(member) => vouches(member, &groups),
        }
    }
}

/// A policy of which some lines are read.
struct Parser {
    policy: Policy,
    names: BTreeMap<Vec<u8>, Member>,
    members: BTreeSet<Member>,
    quorum: Option<Quorum>,
    /// Whether keys that this build cannot verify are skipped.
    skips: bool,
    /// How many lines were read.
    number: usize,
    /// The lines of logs whose keys were skipped, with the places of those keys.
    skipped_logs: Vec<(usize, usize)>,
}

impl Default for Parser {
    fn default() -> Self {
        let policy = Policy {
            logs: Vec::new(),
            log_urls: Vec::new(),
            witnesses: Vec::new(),
            witness_keys: Vec::new(),
            groups: Vec::new(),
            quorum: Quorum::Nobody,
            skipped: Vec::new(),
        };
        Self {
            policy,
            names: BTreeMap::new(),
            members: BTreeSet::new(),
            quorum: None,
            skips: false,
            number: 0,
            skipped_logs: Vec::new(),
        }
    }
}

impl Parser {
    /// Reads one line with its line feed.
    fn line(&mut self, line: &[u8]) -> Result<(), PolicyErrorKind> {
        let line = line.strip_suffix(b"\n").ok_or(PolicyErrorKind::NoLineFeed)?;
        if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(PolicyErrorKind::ControlCharacter);
        }
        let items = line.split(|byte| matches!(byte, b' ' | b'\t'));
        let items: Vec<&[u8]> = items.filter(|item| !item.is_empty()).collect();
        match items.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key] => self.log(key, None),
            [b"log", key, url] => self.log(key, Some(url)),
            [b"witness", name, key] => self.witness(name, key, None),
            [b"witness", name, key, url] => self.witness(name, key, Some(url)),
            [b"group", name, threshold, members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            [b"quorum", name] => self.quorum(name),
            [b"log" | b"witness" | b"group" | b"quorum", ..] => Err(PolicyErrorKind::ItemCount),
            _ => Err(PolicyErrorKind::UnknownKeyword),
        }
    }

    fn log(&mut self, key: &[u8], url: Option<&[u8]>) -> Result<(), PolicyErrorKind> {
        if let Some(place) = self.skip(key)? {
            self.skipped_logs.push((self.number + 1, place));
            return Ok(());
        }
        let key = new_key(key, &self.policy.logs)?;
        // A log signs with plain Ed25519, or cosigns its own checkpoints with ML-DSA-44.
        if key.algorithm() == Algorithm::CosignatureV1 {
            return Err(PolicyErrorKind::Key(KeyError::Algorithm(key.algorithm().byte())));
        }
        self.policy.logs.push(key);
        self.policy.log_urls.push(url.map(<[u8]>::to_vec));
        Ok(())
    }

    fn witness(
        &mut self,
        name: &[u8],
        key: &[u8],
        url: Option<&[u8]>,
    ) -> Result<(), PolicyErrorKind> {
        if let Some(place) = self.skip(key)? {
            return self.define(name, Member::Skipped(place));
        }
        let key = new_key(key, &self.policy.witness_keys)?;
        if !key.algorithm().is_cosignature() {
            return Err(PolicyErrorKind::Key(KeyError::Algorithm(key.algorithm().byte())));
        }
        self.define(name, Member::Witness(self.policy.witnesses.len()))?;
        let url = url.map(<[u8]>::to_vec);
        self.policy.witnesses.push(Witness { name: name.to_vec(), url });
        self.policy.witness_keys.push(key);
        Ok(())
    }

    /// Keeps a key that is to be skipped, and gives its place; `None` for any other.
    fn skip(&mut self, key: &[u8]) -> Result<Option<usize>, PolicyErrorKind> {
        let Some(text) = std::str::from_utf8(key).ok().filter(|_| self.skips) else {
            return Ok(None);
        };
        let key: UnsupportedKey = match text.parse() {
            Ok(key) => key,
            Err(error @ (KeyError::IdMismatch | KeyError::InvalidPublicKey)) => {
                return Err(PolicyErrorKind::Key(error));
            }
            Err(_) => return Ok(None),
        };
        let skipped = &mut self.policy.skipped;
        if skipped.len() == POLICY_ITEMS_MAX {
            return Err(PolicyErrorKind::TooLong);
        }
        if skipped.contains(&key) {
            return Err(PolicyErrorKind::DuplicateKey);
        }
        skipped.push(key);
        Ok(Some(skipped.len() - 1))
    }

    /// Each log whose key was skipped has another one.
    fn check_logs(&self) -> Result<(), PolicyError> {
        for (line, place) in &self.skipped_logs {
            let name = self.policy.skipped.get(*place).map(UnsupportedKey::name);
            if !self.policy.logs.iter().any(|key| Some(key.name()) == name) {
                let error = KeyError::Algorithm(Algorithm::MlDsa44.byte());
                return Err(PolicyError { line: *line, kind: PolicyErrorKind::Key(error) });
            }
        }
        Ok(())
    }

    fn group(
        &mut self,
        name: &[u8],
        threshold: &[u8],
        names: &[&[u8]],
    ) -> Result<(), PolicyErrorKind> {
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            let member = *self.names.get(*name).ok_or(PolicyErrorKind::UnknownName)?;
            if !self.members.insert(member) {
                return Err(PolicyErrorKind::DuplicateMember);
            }
            members.push(member);
        }
        let threshold = match threshold {
            b"any" => 1,
            b"all" => members.len(),
            number => decimal(number)
                .filter(|count| (1..=members.len()).contains(count))
                .ok_or(PolicyErrorKind::Threshold)?,
        };
        if self.policy.groups.len() == POLICY_ITEMS_MAX {
            return Err(PolicyErrorKind::TooLong);
        }
        self.define(name, Member::Group(self.policy.groups.len()))?;
        self.policy.groups.push(Group { threshold, members });
        Ok(())
    }

    fn quorum(&mut self, name: &[u8]) -> Result<(), PolicyErrorKind> {
        if self.quorum.is_some() {
            return Err(PolicyErrorKind::SecondQuorum);
        }
        self.quorum = Some(match name {
            b"none" => Quorum::Nobody,
            name => Quorum::Member(*self.names.get(name).ok_or(PolicyErrorKind::UnknownName)?),
        });
        Ok(())
    }

    /// Gives a name to a witness or a group.
    fn define(&mut self, name: &[u8], member: Member) -> Result<(), PolicyErrorKind> {
        if name == b"none" || self.names.contains_key(name) {
            return Err(PolicyErrorKind::DuplicateName);
        }
        self.names.insert(name.to_vec(), member);
        Ok(())
    }
}

/// Reads a key whose public key none of `others` has.
fn new_key(text: &[u8], others: &[VerifierKey]) -> Result<VerifierKey, PolicyErrorKind> {
    if others.len() == POLICY_ITEMS_MAX {
        return Err(PolicyErrorKind::TooLong);
    }
    let text = std::str::from_utf8(text).map_err(|_| PolicyErrorKind::Key(KeyError::Malformed))?;
    let key: VerifierKey = text.parse().map_err(PolicyErrorKind::Key)?;
    let public_key = key.public_key();
    let is_taken = others.iter().any(|other| other.public_key() == public_key);
    if is_taken { Err(PolicyErrorKind::DuplicateKey) } else { Ok(key) }
}

/// A number of members, written in decimal.
fn decimal(text: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(text).ok()?;
    usize::try_from(crate::decimal::parse(text)?).ok()
}

#[cfg(test)]
mod tests;
