//! A cell: what is known of 64 KiB of a page blob, as runs of pages. No I/O.

use serde::{Deserialize, Serialize};

use crate::pieces::Home;

/// Bytes in a page: the unit of every write.
pub const PAGE_BYTES: u64 = 512;

/// Pages in a cell.
pub const CELL_PAGES: u8 = 128;

/// Bytes in a cell.
pub const CELL_BYTES: u64 = CELL_PAGES as u64 * PAGE_BYTES;

/// What a run of pages is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fill {
    /// Zeros, over whatever is below.
    Zeros,
    /// Bytes of a piece.
    Piece {
        /// Where the piece is.
        home: Home,
        /// Pages of it before the first one here.
        skip: u8,
        /// For a piece that is a copy of another: the id of that one, and the pages of it before
        /// the first one here. Pages that differ in this were written at different times.
        copy_of: Option<(u64, u8)>,
    },
}

/// A run of pages of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// First page.
    pub start: u8,
    /// The page after the last one, at most [`CELL_PAGES`].
    pub end: u8,
    /// What is there.
    pub fill: Fill,
}

/// The runs of a cell, in order and apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellRow {
    /// Whether pages that no segment names are zeros; otherwise they are what the map below has.
    pub opaque: bool,
    /// The segments.
    pub segments: Vec<Segment>,
}

impl Fill {
    /// The fill of the run that begins `pages` later.
    const fn later(self, pages: u8) -> Self {
        match self {
            Self::Zeros => Self::Zeros,
            Self::Piece { home, skip, copy_of } => {
                let copy_of = match copy_of {
                    Some((id, skip)) => Some((id, skip + pages)),
                    None => None,
                };
                Self::Piece { home, skip: skip + pages, copy_of }
            }
        }
    }
}

impl Segment {
    /// The part of it from page `start` to before `end`, if there is one.
    pub fn within(&self, start: u8, end: u8) -> Option<Self> {
        let (from, to) = (self.start.max(start), self.end.min(end));
        let fill = self.fill.later(from.saturating_sub(self.start));
        (from < to).then_some(Self { start: from, end: to, fill })
    }

    /// What tells the write that filled its first page, and the page of that write; nothing for
    /// zeros.
    pub fn written(&self) -> Option<(u64, u8)> {
        match self.fill {
            Fill::Zeros => None,
            Fill::Piece { home, skip, copy_of } => Some(copy_of.unwrap_or((home.id(), skip))),
        }
    }
}

impl CellRow {
    /// The cell of a map that has nothing there.
    pub const fn empty(opaque: bool) -> Self {
        Self { opaque, segments: Vec::new() }
    }

    /// Forgets what is known of the pages from `start` to before `end`.
    pub fn cut(&mut self, start: u8, end: u8) {
        let old = std::mem::take(&mut self.segments);
        for segment in old {
            self.segments.extend(segment.within(0, start));
            self.segments.extend(segment.within(end, CELL_PAGES));
        }
    }

    /// Fills the pages from `start` to before `end`.
    pub fn fill(&mut self, start: u8, end: u8, fill: Fill) {
        self.cut(start, end);
        if start < end && !(fill == Fill::Zeros && self.opaque) {
            let place = self.segments.partition_point(|segment| segment.start < start);
            self.segments.insert(place, Segment { start, end, fill });
        }
    }

    /// The cell as it is seen with another one below it.
    #[must_use]
    pub fn over(&self, below: &Self) -> Self {
        if self.opaque {
            return self.clone();
        }
        let mut whole = Self::empty(below.opaque);
        let mut at = 0;
        let lower = |whole: &mut Self, from, to| {
            let parts = below.segments.iter().filter_map(|segment| segment.within(from, to));
            whole.segments.extend(parts);
        };
        for segment in &self.segments {
            lower(&mut whole, at, segment.start);
            whole.segments.push(*segment);
            at = segment.end;
        }
        lower(&mut whole, at, CELL_PAGES);
        whole
    }

    /// The same content with nothing below: what no segment names is zeros.
    #[must_use]
    pub fn into_opaque(mut self) -> Self {
        self.opaque = true;
        self.segments.retain(|segment| segment.fill != Fill::Zeros);
        self
    }

    /// The segments that have bytes.
    pub fn pieces(&self) -> impl Iterator<Item = (&Segment, Home)> {
        self.segments.iter().filter_map(|segment| match segment.fill {
            Fill::Piece { home, .. } => Some((segment, home)),
            Fill::Zeros => None,
        })
    }

    /// Whether a segment names the piece of this id.
    pub fn names(&self, id: u64) -> bool {
        self.pieces().any(|(_, home)| home.id() == id)
    }

    /// Whether the segments are in order, apart and inside of the cell.
    pub fn is_sound(&self) -> bool {
        let inside = |segment: &Segment| segment.start < segment.end && segment.end <= CELL_PAGES;
        self.segments.iter().all(inside)
            && self.segments.windows(2).all(|pair| match pair {
                [a, b] => a.end <= b.start,
                _ => true,
            })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What each page of a cell shows: the piece and the page of it, or zeros; `None` is what is
    /// below.
    type Pages = [Option<(u64, u8)>; CELL_PAGES as usize];

    fn pages(cell: &CellRow) -> Pages {
        let mut pages = [cell.opaque.then_some((0, 0)); CELL_PAGES as usize];
        for segment in &cell.segments {
            for page in segment.start..segment.end {
                let part = segment.within(page, page + 1).unwrap();
                pages[usize::from(page)] = Some(part.written().unwrap_or((0, 0)));
            }
        }
        pages
    }

    fn piece(id: u64) -> Fill {
        Fill::Piece { home: Home::Row(id), skip: 0, copy_of: None }
    }

    fn writes() -> impl Strategy<Value = Vec<(u8, u8, bool)>> {
        let write = (0..CELL_PAGES, 1..=CELL_PAGES, any::<bool>());
        proptest::collection::vec(write, 0..20)
    }

    fn written(opaque: bool, writes: &[(u8, u8, bool)], first: u64) -> (CellRow, Pages) {
        let mut cell = CellRow::empty(opaque);
        let mut model: Pages = pages(&cell);
        for (id, (start, len, zeros)) in (first..).zip(writes) {
            let end = start.saturating_add(*len).min(CELL_PAGES);
            cell.fill(*start, end, if *zeros { Fill::Zeros } else { piece(id) });
            for page in *start..end {
                model[usize::from(page)] = Some(if *zeros { (0, 0) } else { (id, page - start) });
            }
        }
        (cell, model)
    }

    proptest! {
        #[test]
        fn a_cell_shows_what_was_written(
            opaque in any::<bool>(), writes in writes(), below in writes(), limit in 0..=CELL_PAGES,
        ) {
            let (mut cell, mut model) = written(opaque, &writes, 1);
            prop_assert!(cell.is_sound());
            prop_assert_eq!(pages(&cell), model);
            let (lower, lower_model) = written(true, &below, 100);
            let whole = cell.over(&lower);
            prop_assert!(whole.is_sound());
            let mut both = model;
            for (page, below) in both.iter_mut().zip(lower_model) {
                *page = page.or(below);
            }
            prop_assert_eq!(pages(&whole), both);
            let flat = whole.into_opaque();
            prop_assert_eq!(pages(&flat), both);
            prop_assert!(flat.segments.iter().all(|segment| segment.fill != Fill::Zeros));
            cell.cut(limit, CELL_PAGES);
            for page in limit..CELL_PAGES {
                model[usize::from(page)] = opaque.then_some((0, 0));
            }
            prop_assert_eq!(pages(&cell), model);
        }
    }

    #[test]
    fn a_copy_tells_what_it_is_a_copy_of() {
        let mut cell = CellRow::empty(true);
        cell.fill(4, 10, Fill::Piece { home: Home::Row(9), skip: 0, copy_of: Some((7, 3)) });
        let part = cell.segments[0].within(6, 8).unwrap();
        assert_eq!(part.written(), Some((7, 5)));
        assert_eq!(part.fill, Fill::Piece { home: Home::Row(9), skip: 2, copy_of: Some((7, 5)) });
        assert!(cell.names(9) && !cell.names(7));
    }
}
