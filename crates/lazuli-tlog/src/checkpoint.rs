//! Checkpoints: notes that say how large a log is and what its root is.
//!
//! <https://c2sp.org/tlog-checkpoint>

use std::fmt;
use std::str::FromStr;

use crate::decimal;
use crate::key::NoteSigner;
use crate::note::{NoteError, NoteSignature, SignedNote};
use crate::verify::TreeHead;

/// What a log says about itself: the text of a checkpoint, which is its `Display`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    head: TreeHead,
    extensions: Vec<String>,
}

/// Why a text or a note is not a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    /// The note around it is at fault.
    Note(NoteError),
    /// The text is not lines of origin, size, root and possibly more, none of them empty.
    Malformed,
    /// The size is not a decimal number below 2^63 without leading zeroes.
    Size,
    /// The root is not the base64 of 32 bytes.
    Root,
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Note(error) => error.fmt(f),
            Self::Malformed => f.write_str("the text has not the lines of a checkpoint"),
            Self::Size => f.write_str("the tree size of the checkpoint is malformed"),
            Self::Root => f.write_str("the root hash of the checkpoint is malformed"),
        }
    }
}

impl std::error::Error for CheckpointError {}

impl From<NoteError> for CheckpointError {
    fn from(error: NoteError) -> Self {
        Self::Note(error)
    }
}

impl Checkpoint {
    /// The checkpoint of a tree of the log `origin`: one line that is not empty.
    pub fn new(origin: &str, head: TreeHead) -> Result<Self, CheckpointError> {
        if origin.is_empty() || origin.contains(|letter| letter < ' ') {
            return Err(CheckpointError::Malformed);
        }
        if head.size > crate::TREE_SIZE_MAX {
            return Err(CheckpointError::Size);
        }
        Ok(Self { origin: origin.to_owned(), head, extensions: Vec::new() })
    }

    /// The line that identifies the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Size and root of its tree.
    pub const fn head(&self) -> &TreeHead {
        &self.head
    }

    /// Lines that follow and mean nothing here.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// Signs it as the log: one signature of each key.
    pub fn sign(self, signers: &[&NoteSigner]) -> Result<SignedCheckpoint, CheckpointError> {
        let text = self.to_string();
        self.with_signatures(signers.iter().map(|signer| signer.sign(&text)).collect())
    }

    /// Makes a note of it with signatures that were made elsewhere.
    pub fn with_signatures(
        self,
        signatures: Vec<NoteSignature>,
    ) -> Result<SignedCheckpoint, CheckpointError> {
        let note = SignedNote::new(&self.to_string(), signatures)?;
        Ok(SignedCheckpoint { checkpoint: self, note })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.head.size, self.head.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Reads the text of a note.
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let lines = text.strip_suffix('\n').ok_or(CheckpointError::Malformed)?;
        let mut lines = lines.split('\n');
        let mut next = || lines.next().ok_or(CheckpointError::Malformed);
        let (origin, size, root) = (next()?, next()?, next()?);
        let size = decimal::parse(size).ok_or(CheckpointError::Size)?;
        let root = root.parse().map_err(|_| CheckpointError::Root)?;
        let mut checkpoint = Self::new(origin, TreeHead { size, root })?;
        for line in lines {
            if line.is_empty() {
                return Err(CheckpointError::Malformed);
            }
            checkpoint.extensions.push(line.to_owned());
        }
        Ok(checkpoint)
    }
}

/// A note whose text is a checkpoint. Nothing in it is verified by reading it. Its `Display` is
/// the note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: SignedNote,
}

impl SignedCheckpoint {
    /// Reads a note and the checkpoint in it.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let note = SignedNote::parse(bytes)?;
        Ok(Self { checkpoint: note.text().parse()?, note })
    }

    /// What the log says, if the note verifies.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note, with which signatures are verified.
    pub const fn note(&self) -> &SignedNote {
        &self.note
    }

    /// Adds a signature, such as a cosignature that a witness answered.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        self.note.add(signature)
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;

    const TEXT: &str = "example.com/behind-the-sofa\n20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn the_text_of_the_specification_is_read_and_written() {
        let checkpoint: Checkpoint = TEXT.parse().unwrap();
        assert_eq!(checkpoint.origin(), "example.com/behind-the-sofa");
        assert_eq!(checkpoint.head().size, 20_852_163);
        assert_eq!(checkpoint.to_string(), TEXT);
        let longer = format!("{TEXT}more\nand more\n");
        let checkpoint: Checkpoint = longer.parse().unwrap();
        assert_eq!(checkpoint.extensions(), ["more", "and more"]);
        assert_eq!(checkpoint.to_string(), longer);
    }

    #[test]
    fn what_is_not_a_checkpoint_is_refused() {
        let with = |from: &str, to: &str| TEXT.replacen(from, to, 1).parse::<Checkpoint>();
        let cases = [
            (with("example.com/behind-the-sofa", ""), CheckpointError::Malformed),
            (with("20852163", "020852163"), CheckpointError::Size),
            (with("20852163", ""), CheckpointError::Size),
            (with("20852163", "9223372036854775808"), CheckpointError::Size),
            (with("20852163", "-1"), CheckpointError::Size),
            (with("q2I=", "q2J="), CheckpointError::Root),
            (with("CsUY", ""), CheckpointError::Root),
            (with("q2I=\n", "q2I="), CheckpointError::Malformed),
            (with("q2I=\n", "q2I=\n\n"), CheckpointError::Malformed),
            (with("q2I=\n", "q2I=\n\nx\n"), CheckpointError::Malformed),
            ("".parse(), CheckpointError::Malformed),
            ("a\n1\n".parse(), CheckpointError::Malformed),
        ];
        for (place, (result, error)) in cases.into_iter().enumerate() {
            assert_eq!(result, Err(error), "case {place}");
        }
        let head = TreeHead { size: 1 << 63, root: Hash([0; 32]) };
        assert_eq!(Checkpoint::new("a", head), Err(CheckpointError::Size));
        let head = TreeHead { size: 1, root: Hash([0; 32]) };
        assert_eq!(Checkpoint::new("a\nb", head), Err(CheckpointError::Malformed));
    }

    #[test]
    fn a_signed_checkpoint_is_read_back() {
        let signer = NoteSigner::from_seed("log.example".parse().unwrap(), &[1; 32]).unwrap();
        let checkpoint: Checkpoint = TEXT.parse().unwrap();
        let signed = checkpoint.sign(&[&signer]).unwrap();
        let read = SignedCheckpoint::parse(signed.to_string().as_bytes()).unwrap();
        assert_eq!(read, signed);
        assert!(read.note().verify(&[signer.verifier().clone()]).is_ok());
        let note = SignedNote::new("text\n", vec![signer.sign("text\n")]).unwrap();
        let result = SignedCheckpoint::parse(note.to_string().as_bytes());
        assert_eq!(result, Err(CheckpointError::Malformed));
    }
}
