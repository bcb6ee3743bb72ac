//! Paths of tiles: each tile has one path, and no path leads elsewhere.
#![no_main]

use lazuli_tlog::{Tile, entries};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let path = lazuli_fuzz::text(data);
    if let Ok(tile) = path.parse::<Tile>() {
        assert_eq!(tile.path(), path);
        assert_eq!(Tile::new(tile.kind(), tile.index(), tile.width()), Some(tile));
        assert!(!path.contains("..") && path.starts_with("tile/"));
        assert!((1..=256).contains(&tile.width()) && tile.level() <= 7);
    }
    if let [width, bundle @ ..] = data {
        if let Ok(found) = entries(bundle, u16::from(*width)) {
            let length: usize = found.iter().map(|entry| entry.len() + 2).sum();
            assert_eq!(length, bundle.len());
        }
    }
});
