//! Which tiles there are, and their paths.
//!
//! <https://c2sp.org/tlog-tiles#merkle-tree>: a tile holds up to 256 neighbouring hashes of every
//! eighth level of the tree. One that is not full has its width in its path, so that no path ever
//! changes what it holds.

use std::fmt;
use std::str::FromStr;

use crate::{TREE_SIZE_MAX, decimal};

/// The height of a tile: it has the hashes of every eighth level.
pub const TILE_HEIGHT: u8 = 8;

/// How many hashes or entries a full tile has.
pub const TILE_WIDTH: u16 = 1 << TILE_HEIGHT;

/// The longest path of a tile that a tree can have.
const PATH_BYTES_MAX: usize = 64;

/// The highest level at which a tree of at most [`TREE_SIZE_MAX`] leaves has a tile.
const LEVEL_MAX: u8 = 7;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of the tree; those of level `n` stand `8 n` above the leaves.
    Hashes(u8),
    /// The entries themselves: an entry bundle.
    Entries,
}

/// The address of a tile that some tree can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// Why a path is not that of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TilePathError {
    /// It is not written as tile paths are.
    Malformed,
    /// No tree of at most 2^63 - 1 leaves has this tile.
    OutOfRange,
}

impl fmt::Display for TilePathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not the path of a tile",
            Self::OutOfRange => "no tree has this tile",
        })
    }
}

impl std::error::Error for TilePathError {}

impl Tile {
    /// The tile `index` of a kind with `width` hashes or entries; `None` if the width is not 1 to
    /// 256, or if no tree has such a tile.
    pub fn new(kind: TileKind, index: u64, width: u16) -> Option<Self> {
        let tile = Self { kind, index, width };
        let level = tile.level();
        if width == 0 || width > TILE_WIDTH || level > LEVEL_MAX {
            return None;
        }
        let hashes = u128::from(index) * u128::from(TILE_WIDTH) + u128::from(width);
        // The limit is shifted down, for the number could be shifted out at the top.
        let hashes_max = TREE_SIZE_MAX >> (level * TILE_HEIGHT);
        (hashes <= u128::from(hashes_max)).then_some(tile)
    }

    /// What it holds.
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its level among the tiles; entries are at level 0, like the leaves' hashes.
    pub const fn level(&self) -> u8 {
        match self.kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        }
    }

    /// Its place among the tiles of its level.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds, 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether it can grow no more.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The same tile when it is full; `None` at the end of the largest tree.
    pub fn full(&self) -> Option<Self> {
        Self::new(self.kind, self.index, TILE_WIDTH)
    }

    /// The place of its first hash among those of its level; of its first entry in the log.
    pub const fn first(&self) -> u64 {
        self.index * TILE_WIDTH as u64
    }

    /// Its path below the prefix of the log, as `tile/0/x001/234.p/5`.
    pub fn path(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        while let Some(group) = groups.pop() {
            match groups.len() {
                0 => write!(f, "{group:03}")?,
                _ => write!(f, "x{group:03}/")?,
            }
        }
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for Tile {
    type Err = TilePathError;

    fn from_str(path: &str) -> Result<Self, TilePathError> {
        if path.len() > PATH_BYTES_MAX {
            return Err(TilePathError::Malformed);
        }
        let (kind, index, width) = parts(path).ok_or(TilePathError::Malformed)?;
        let tile = Self::new(kind, index, width).ok_or(TilePathError::OutOfRange)?;
        // There is one way to write each path; anything else would give a tile two names.
        if tile.path() == path { Ok(tile) } else { Err(TilePathError::Malformed) }
    }
}

/// Kind, index and width of a path, whose form is checked by writing it anew.
fn parts(path: &str) -> Option<(TileKind, u64, u16)> {
    let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match level {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes(u8::try_from(decimal::parse(level)?).ok()?),
    };
    let (groups, width) = match rest.split_once(".p/") {
        Some((groups, width)) => (groups, u16::try_from(decimal::parse(width)?).ok()?),
        None => (rest, TILE_WIDTH),
    };
    let mut index: u64 = 0;
    for group in groups.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let is_group = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_group.then(|| digits.parse::<u64>().ok()).flatten()?;
        index = index.checked_mul(1000)?.checked_add(number)?;
    }
    Some((kind, index, width))
}

/// The tiles of hashes of a tree of `size` leaves, from the leaves up.
pub fn tiles_of(size: u64) -> impl Iterator<Item = Tile> {
    new_tiles(0, size)
}

/// The tiles of hashes that a tree of `new` leaves has and one of `old` leaves has not, from the
/// leaves up: what must be written when the log grows. Nothing if it does not.
pub fn new_tiles(old: u64, new: u64) -> impl Iterator<Item = Tile> {
    (0..=LEVEL_MAX).flat_map(move |level| new_of(TileKind::Hashes(level), old, new))
}

/// The entry bundles that a tree of `new` leaves has and one of `old` leaves has not.
pub fn new_bundles(old: u64, new: u64) -> impl Iterator<Item = Tile> {
    new_of(TileKind::Entries, old, new)
}

/// The new tiles of one level.
fn new_of(kind: TileKind, old: u64, new: u64) -> impl Iterator<Item = Tile> {
    let level = Tile { kind, index: 0, width: 0 }.level();
    let (old, new) = (old >> (level * TILE_HEIGHT), new >> (level * TILE_HEIGHT));
    let width = u64::from(TILE_WIDTH);
    let tiles = if new > old { old / width..new.div_ceil(width) } else { 0..0 };
    tiles.filter_map(move |index| {
        let held = (new - index * width).min(width);
        Tile::new(kind, index, held as u16)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(level: u8, index: u64, width: u16) -> Tile {
        Tile::new(TileKind::Hashes(level), index, width).unwrap()
    }

    #[test]
    fn paths_are_written_and_read_as_the_specification_says() {
        let cases = [
            (hashes(0, 0, 256), "tile/0/000"),
            (hashes(0, 1_234_067, 256), "tile/0/x001/x234/067"),
            (hashes(0, 1000, 256), "tile/0/x001/000"),
            (hashes(2, 0, 1), "tile/2/000.p/1"),
            (hashes(7, 0, 127), "tile/7/000.p/127"),
            (Tile::new(TileKind::Entries, 273, 112).unwrap(), "tile/entries/273.p/112"),
        ];
        for (tile, path) in cases {
            assert_eq!(tile.path(), path);
            assert_eq!(path.parse(), Ok(tile));
        }
        let last = Tile::new(TileKind::Entries, TREE_SIZE_MAX >> 8, 255).unwrap();
        assert_eq!(last.path().parse(), Ok(last));
        assert!(last.path().len() <= PATH_BYTES_MAX && last.full().is_none());
    }

    #[test]
    fn other_paths_are_refused() {
        let malformed = [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "/tile/0/000",
            "tile/0/000/",
            "tile/00/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001/x000",
            "tile/0/000.p/",
            "tile/0/000.p/01",
            "tile/0/000.p/256",
            "tile/0/000.p/0x1",
            "tile/0/../000",
            "tile/entries/..",
            "tile/0/+01",
            "tile/256/000",
            "tile/Entries/000",
            "tile/0/000.p/1.p/1",
            "tile/-1/000",
            "tile/data/000",
        ];
        for path in malformed {
            assert_eq!(path.parse::<Tile>(), Err(TilePathError::Malformed), "{path}");
        }
        let outside = [
            "tile/0/000.p/0",
            "tile/0/000.p/257",
            "tile/8/000",
            "tile/63/000",
            "tile/7/001",
            "tile/7/000",
            "tile/0/x999/x999/x999/x999/x999/999",
        ];
        for path in outside {
            assert_eq!(path.parse::<Tile>(), Err(TilePathError::OutOfRange), "{path}");
        }
        for level in 0..=LEVEL_MAX {
            for width in [1, 255, 256] {
                assert_eq!(Tile::new(TileKind::Hashes(level), u64::MAX, width), None);
            }
        }
        let long = format!("tile/0/{}000", "x999/".repeat(9));
        assert_eq!(long.parse::<Tile>(), Err(TilePathError::Malformed));
        assert!(format!("tile/0/{}000", "x999/".repeat(100_000)).parse::<Tile>().is_err());
    }

    #[test]
    fn the_example_tree_has_the_tiles_that_the_specification_counts() {
        let count = |level, is_full| {
            let tiles = tiles_of(70_000);
            tiles.filter(|tile| tile.level() == level && tile.is_full() == is_full).count()
        };
        assert_eq!([count(0, true), count(1, true), count(2, true)], [273, 1, 0]);
        let partial: Vec<_> = tiles_of(70_000).filter(|tile| !tile.is_full()).collect();
        assert_eq!(partial, [hashes(0, 273, 112), hashes(1, 1, 17), hashes(2, 0, 1)]);
        let of_256: Vec<_> = tiles_of(256).collect();
        assert_eq!(of_256, [hashes(0, 0, 256), hashes(1, 0, 1)]);
        assert_eq!(tiles_of(0).count(), 0);
        assert!(tiles_of(TREE_SIZE_MAX).take(3).all(|tile| tile.is_full()));
    }

    #[test]
    fn growth_needs_the_tiles_that_were_not_there() {
        for old in [0, 1, 255, 256, 257, 511, 65_535, 65_536, 70_000] {
            for new in [old, old + 1, old + 255, old + 256, old + 70_000] {
                let before: Vec<_> = tiles_of(old).collect();
                let expected: Vec<_> =
                    tiles_of(new).filter(|tile| !before.contains(tile)).collect();
                assert_eq!(new_tiles(old, new).collect::<Vec<_>>(), expected, "{old} {new}");
            }
        }
        assert_eq!(new_tiles(7, 3).count(), 0);
        let bundles: Vec<_> = new_bundles(255, 257).map(|tile| tile.path()).collect();
        assert_eq!(bundles, ["tile/entries/000", "tile/entries/001.p/1"]);
    }
}
