//! Random numbers and contents that a seed brings back, so that a test need not keep the bytes it
//! wrote.
//!
//! SplitMix64: <https://doi.org/10.1145/2714064.2660195>

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A source of random numbers; the same seed gives the same numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A source that begins at `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A number in `low..high`; `low` if the range is empty.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low);
        if span == 0 { low } else { low + self.next() % span }
    }

    /// A source of its own, for instance for a thread.
    pub const fn split(&mut self) -> Self {
        Self::new(mix(self.next() ^ GAMMA))
    }
}

const fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// The first `len` bytes of the content of `seed`; a shorter content begins a longer one.
pub fn fill(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(len.next_multiple_of(8));
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Whether `bytes` are the whole content of `seed` with `len` bytes.
pub fn is_filled(bytes: &[u8], seed: u64, len: usize) -> bool {
    let mut random = Random::new(seed);
    bytes.len() == len
        && bytes.chunks(8).all(|chunk| random.next().to_le_bytes().starts_with(chunk))
}

#[cfg(test)]
mod tests {
    use super::{Random, fill, is_filled};

    #[test]
    fn a_seed_brings_its_bytes_back_and_one_wrong_bit_is_seen() {
        let mut bytes = fill(7, 1_003);
        assert!(is_filled(&bytes, 7, 1_003));
        assert!(fill(7, 2_000).starts_with(&bytes));
        assert!(!is_filled(&bytes, 8, 1_003));
        assert!(!is_filled(&bytes, 7, 1_004));
        bytes[1_002] ^= 1;
        assert!(!is_filled(&bytes, 7, 1_003));
    }

    #[test]
    fn numbers_stay_in_their_range_and_reach_its_ends() {
        let mut random = Random::new(1);
        let drawn: Vec<u64> = (0..200).map(|_| random.between(3, 6)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&3), Some(&5)));
        assert_eq!(random.between(9, 9), 9);
    }
}
