//! What a page blob of the model holds.

use std::collections::BTreeMap;

use lazuli_store::pages::Ranged;

use crate::PAGE;

/// A state of a blob: which write each page that has bytes shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) pages: u64,
    pub(crate) writes: BTreeMap<u64, u64>,
}

/// The bytes of a page that a write has filled.
pub(crate) fn page(write: u64) -> [u8; PAGE as usize] {
    std::array::from_fn(|at| (write as u8).wrapping_mul(31).wrapping_add((at / 3) as u8) | 1)
}

impl State {
    /// The bytes of a range of pages.
    pub(crate) fn bytes(&self, pages: std::ops::Range<u64>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(((pages.end - pages.start) * PAGE) as usize);
        for number in pages {
            match self.writes.get(&number) {
                Some(write) => bytes.extend_from_slice(&page(*write)),
                None => bytes.resize(bytes.len() + PAGE as usize, 0),
            }
        }
        bytes
    }

    /// The runs of pages that differ from those of `before`; that have bytes, if there is none.
    pub(crate) fn ranges(&self, before: Option<&Self>) -> Vec<Ranged> {
        let mut told: Vec<Ranged> = Vec::new();
        let mut numbers: Vec<u64> = self.writes.keys().copied().collect();
        numbers.extend(before.iter().flat_map(|before| before.writes.keys()));
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers.into_iter().filter(|number| *number < self.pages) {
            let now = self.writes.get(&number);
            if before.is_some_and(|before| before.writes.get(&number) == now) {
                continue;
            }
            let (first, end) = (number * PAGE, (number + 1) * PAGE);
            let cleared = now.is_none();
            match told.last_mut() {
                Some(last) if last.end == first && last.cleared == cleared => last.end = end,
                _ => told.push(Ranged { first, end, cleared }),
            }
        }
        told
    }
}
