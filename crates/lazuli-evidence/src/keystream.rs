//! The keystreams of one entry: the first bytes of ChaCha20 under each of the groups' keys.
//!
//! A cipher computes several blocks of one stream at a time; an entry needs a block or two of each of
//! twelve. Here blocks of different streams are computed side by side, each in its lane, and take a
//! quarter of the time that they take one after the other. The compiler makes vector instructions of
//! it, for any processor: twelve lanes suit those with 128 bits.
//!
//! <https://www.rfc-editor.org/rfc/rfc8439.html#section-2.3>

use std::array;

use crate::group::GROUPS;

/// The length of a block.
const BLOCK_BYTES: usize = 64;

/// How many blocks beyond the first ones are computed at a time.
const REST_LANES: usize = 4;

/// The words that a state begins with: "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// How often all columns and diagonals of a state are mixed.
const DOUBLE_ROUNDS: usize = 10;

/// The columns of a state, and its diagonals.
const QUARTERS: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];

/// A block that is wanted: the place of its stream, and its place in that.
type Wanted = (usize, u32);

/// A state for each lane: words are kept with the same words of the others.
type States<const LANES: usize> = [[u32; LANES]; 16];

/// Keystreams in memory that is used again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keystreams {
    /// Whole blocks, those of one stream behind each other.
    bytes: Vec<u8>,
    /// Where each stream begins in it, and where the last one ends.
    starts: [usize; GROUPS + 1],
}

impl Keystreams {
    /// Computes the first bytes of each key's stream, as many as `lengths` says and at least one
    /// block.
    pub(crate) fn fill(
        &mut self,
        keys: &[[u8; 32]; GROUPS],
        nonce: &[u8; 12],
        lengths: &[usize; GROUPS],
    ) {
        let blocks = lengths.map(|length| length.div_ceil(BLOCK_BYTES).max(1));
        let mut end = 0;
        for (start, blocks) in self.starts[1..].iter_mut().zip(blocks) {
            end += blocks * BLOCK_BYTES;
            *start = end;
        }
        self.bytes.clear();
        self.bytes.resize(end, 0);
        self.compute::<GROUPS>(keys, nonce, &array::from_fn::<_, GROUPS, _>(|place| (place, 0)));
        // Few values are longer than what is left of a block behind a salt.
        let longer = blocks.into_iter().enumerate();
        let rest = longer.flat_map(|(place, blocks)| (1..blocks).map(move |at| (place, at as u32)));
        for wanted in rest.collect::<Vec<_>>().chunks(REST_LANES) {
            self.compute::<REST_LANES>(keys, nonce, wanted);
        }
    }

    /// The stream of the key at a place, in whole blocks.
    pub(crate) fn at(&self, place: usize) -> &[u8] {
        self.bytes.get(self.starts[place]..self.starts[place + 1]).unwrap_or_default()
    }

    /// Computes up to `LANES` blocks.
    fn compute<const LANES: usize>(
        &mut self,
        keys: &[[u8; 32]; GROUPS],
        nonce: &[u8; 12],
        wanted: &[Wanted],
    ) {
        let lane = |lane: usize| wanted.get(lane).copied().unwrap_or_default();
        let states =
            states::<LANES>(array::from_fn(|at| &keys[lane(at).0]), nonce, |at| lane(at).1);
        for (at, (place, block)) in wanted.iter().enumerate() {
            let start = self.starts[*place] + *block as usize * BLOCK_BYTES;
            let words = self.bytes[start..].as_chunks_mut().0.iter_mut();
            for (bytes, words) in words.zip(&states) {
                *bytes = words[at].to_le_bytes();
            }
        }
    }
}

/// The block of each lane's key and counter.
fn states<const LANES: usize>(
    keys: [&[u8; 32]; LANES],
    nonce: &[u8; 12],
    counter: impl Fn(usize) -> u32,
) -> States<LANES> {
    let mut first = [[0; LANES]; 16];
    let (constants, rest) = first.split_at_mut(4);
    let (key, rest) = rest.split_at_mut(8);
    for (words, constant) in constants.iter_mut().zip(CONSTANTS) {
        *words = [constant; LANES];
    }
    for (at, words) in key.iter_mut().enumerate() {
        *words = keys.map(|key| u32::from_le_bytes(key.as_chunks().0[at]));
    }
    rest[0] = array::from_fn(counter);
    for (words, bytes) in rest[1..].iter_mut().zip(nonce.as_chunks().0) {
        *words = [u32::from_le_bytes(*bytes); LANES];
    }
    let mut states = first;
    for _ in 0..DOUBLE_ROUNDS {
        for quarter in QUARTERS {
            mix(&mut states, quarter);
        }
    }
    for (words, first) in states.iter_mut().zip(&first) {
        for (word, first) in words.iter_mut().zip(first) {
            *word = word.wrapping_add(*first);
        }
    }
    states
}

/// The quarter round on four words of each lane's state.
///
/// <https://www.rfc-editor.org/rfc/rfc8439.html#section-2.1>
#[inline]
fn mix<const LANES: usize>(states: &mut States<LANES>, places: [usize; 4]) {
    let [mut a, mut b, mut c, mut d] = places.map(|place| states[place]);
    for lane in 0..LANES {
        a[lane] = a[lane].wrapping_add(b[lane]);
        d[lane] = (d[lane] ^ a[lane]).rotate_left(16);
        c[lane] = c[lane].wrapping_add(d[lane]);
        b[lane] = (b[lane] ^ c[lane]).rotate_left(12);
        a[lane] = a[lane].wrapping_add(b[lane]);
        d[lane] = (d[lane] ^ a[lane]).rotate_left(8);
        c[lane] = c[lane].wrapping_add(d[lane]);
        b[lane] = (b[lane] ^ c[lane]).rotate_left(7);
    }
    for (place, words) in places.into_iter().zip([a, b, c, d]) {
        states[place] = words;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20;
    use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
    use proptest::prelude::*;

    #[test]
    fn a_block_is_that_of_rfc_8439() {
        // <https://www.rfc-editor.org/rfc/rfc8439.html#section-2.3.2>
        let key = array::from_fn(|at| at as u8);
        let nonce = [0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0];
        let states = states([&[0; 32], &key], &nonce, |lane| lane as u32);
        let expected = [
            0xe4e7_f110,
            0x1559_3bd1,
            0x1fdd_0f50,
            0xc471_20a3,
            0xc7f4_d1c7,
            0x0368_c033,
            0x9aaa_2204,
            0x4e6c_d4c3,
            0x4664_82d2,
            0x09aa_9f07,
            0x05d7_c214,
            0xa202_8bd9,
            0xd19c_12b5,
            0xb94e_16de,
            0xe883_d0cb,
            0x4e3c_50a2,
        ];
        assert_eq!(states.map(|words| words[1]), expected);
    }

    #[test]
    fn a_stream_is_that_of_rfc_8439() {
        // <https://www.rfc-editor.org/rfc/rfc8439.html#appendix-A.1>, test vector 1: all zeros.
        let mut streams = Keystreams::default();
        streams.fill(&[[0; 32]; GROUPS], &[0; 12], &[16; GROUPS]);
        let expected = 0x76b8_e0ad_a0f1_3d90_405d_6ae5_5386_bd28_u128.to_be_bytes();
        for place in 0..GROUPS {
            assert_eq!(streams.at(place)[..16], expected, "stream {place}");
            assert_eq!(streams.at(place).len(), BLOCK_BYTES, "nothing of another stream");
        }
    }

    proptest! {
        #[test]
        fn streams_are_those_of_the_cipher(
            keys in any::<[[u8; 32]; GROUPS]>(),
            nonce in any::<[u8; 12]>(),
            lengths in proptest::array::uniform12(prop_oneof![0..70_usize, 0..500_usize]),
        ) {
            let mut streams = Keystreams::default();
            streams.fill(&[[9; 32]; GROUPS], &nonce, &[300; GROUPS]);
            streams.fill(&keys, &nonce, &lengths);
            for (place, (key, length)) in keys.iter().zip(lengths).enumerate() {
                let mut expected = vec![0; length];
                ChaCha20::new(key.into(), (&nonce).into()).apply_keystream(&mut expected);
                prop_assert_eq!(&streams.at(place)[..length], expected, "stream {}", place);
            }
        }
    }
}
