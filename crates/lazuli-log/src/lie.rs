//! A log that lies when a test asks it to: a client gets a receipt for an entry that is nowhere.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::ledger::Ledger;

/// A lie that may be asked for.
#[derive(Debug, Default)]
pub(crate) struct Lie {
    is_due: AtomicBool,
}

impl Lie {
    /// Whether the lie is due, which it is once.
    pub(crate) fn is_told(&self) -> bool {
        self.is_due.swap(false, Ordering::Relaxed)
    }
}

impl Ledger {
    /// Drops the entries of the next commit that gets a receipt: what it changes is stored, and its
    /// receipts are signed over the open segment with its entries in it, but the journal, the segment
    /// and the accounts' chains go on as if there had been none.
    pub fn drop_next(&self) {
        self.lie.is_due.store(true, Ordering::Relaxed);
    }
}
