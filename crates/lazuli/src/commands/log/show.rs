//! `lazuli log show`: the checkpoint with the last leaves, one leaf, or one segment.

use lazuli_evidence::segment;

use super::describe;
use super::remote::Remote;
use super::tree::Tree;
use crate::cli::LogShow;
use crate::failure::Failure;
use crate::output;

/// The most bytes of the file of a segment.
pub(super) const SEGMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many leaves are shown with the checkpoint.
const LEAVES: u64 = 10;

/// Prints a part of the log.
pub(crate) fn run(arguments: &LogShow) -> Result<(), Failure> {
    let remote = Remote::of_admin(&arguments.admin.admin)?;
    let signed = remote.best_checkpoint()?;
    let mut tree = Tree::new(&remote, *signed.checkpoint().head());
    if let Some(n) = arguments.segment {
        let (index, leaf) = tree
            .segment(n)?
            .ok_or_else(|| Failure::new(format!("the log has no leaf of segment {n} yet")))?;
        output::line(format!("leaf {index}: {}", describe::leaf(&leaf)))?;
        let file = remote.need(&format!("segment/{n}"), SEGMENT_BYTES_MAX)?;
        let entries = segment::decode(&file);
        let (_, entries) = entries.ok_or_else(|| Failure::new("not the file of a segment"))?;
        for (index, entry) in entries.into_iter().enumerate() {
            output::line(format!("{index:6}  {}", describe::entry(entry)))?;
        }
        return Ok(());
    }
    let last = tree.head.size.saturating_sub(1);
    let leaves = if let Some(leaf) = arguments.leaf {
        leaf..=leaf
    } else {
        output::line(&signed)?;
        tree.head.size.saturating_sub(LEAVES)..=last
    };
    for index in leaves {
        let leaf = tree.leaf(index)?;
        output::line(format!("{index:6}  {}", describe::leaf(&leaf)))?;
    }
    Ok(())
}
