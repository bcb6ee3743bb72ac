//! Which cells were written beside a reader: what the collector looks at once the reader is done,
//! instead of the whole map.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::schema::MapId;

/// Most cells of a map that are known one by one.
const CELLS_MAX: usize = 64 * 1024;

/// Cells of a map with rows that perhaps nobody sees.
#[derive(Debug)]
enum Stale {
    /// Only these.
    Cells(BTreeSet<u32>),
    /// Any: of some of them nothing is known, since an earlier run wrote them, or they are many.
    All,
}

/// Cells that were written beside a reader, by map. A row of work says durably that there are some.
#[derive(Debug, Default)]
pub(crate) struct StaleCells(Mutex<HashMap<MapId, Stale>>);

impl StaleCells {
    fn maps(&self) -> MutexGuard<'_, HashMap<MapId, Stale>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to note cells of a map, of which there may be some already that nobody noted.
    pub(crate) fn begin(&self, map: MapId, has_work: bool) {
        self.maps()
            .entry(map)
            .or_insert_with(|| if has_work { Stale::All } else { Stale::Cells(BTreeSet::new()) });
    }

    /// Notes cells, before the change that writes them is committed.
    pub(crate) fn add(&self, map: MapId, cells: impl IntoIterator<Item = u32>) {
        let mut maps = self.maps();
        let Some(stale) = maps.get_mut(&map) else {
            maps.insert(map, Stale::All);
            return;
        };
        if let Stale::Cells(known) = stale {
            known.extend(cells);
            if known.len() > CELLS_MAX {
                *stale = Stale::All;
            }
        }
    }

    /// Takes the cells that were noted; `None` if all of the map has to be looked at.
    pub(crate) fn take(&self, map: MapId) -> Option<Vec<u32>> {
        match self.maps().remove(&map) {
            Some(Stale::Cells(cells)) => Some(cells.into_iter().collect()),
            Some(Stale::All) | None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_everything() {
        let stale = StaleCells::default();
        let (a, b, c) = (MapId(1), MapId(2), MapId(3));
        assert_eq!(stale.take(a), None);
        stale.begin(a, false);
        stale.add(a, [7, 3]);
        stale.begin(a, true);
        stale.add(a, [3]);
        assert_eq!(stale.take(a), Some(vec![3, 7]));
        stale.begin(b, true);
        stale.add(b, [1]);
        assert_eq!(stale.take(b), None);
        // The collector took what was noted while the change was made.
        stale.add(c, [1]);
        assert_eq!(stale.take(c), None);
        stale.begin(c, false);
        stale.add(c, 0..=CELLS_MAX as u32);
        assert_eq!(stale.take(c), None);
    }
}
