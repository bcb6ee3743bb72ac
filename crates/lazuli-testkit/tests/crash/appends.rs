//! Append blobs that all clients append to: every block that was acknowledged is there once, whole
//! and where its answer said; one that was not answered is there whole or not at all.

use std::collections::{BTreeMap, BTreeSet};

use lazuli_testkit::{Client, Random, Request, fill, is_filled};

use crate::actor::CONTAINER;

/// Blobs that are appended to at the same time.
const BLOBS: u64 = 2;

/// Bytes before the content of a block: the client, its count of blocks and the content's length.
const HEAD_BYTES: usize = 24;

/// The names of the blobs of a generation: they are not appended to forever, for they are read whole.
pub(crate) fn names(generation: u64) -> impl Iterator<Item = String> {
    (0..BLOBS).map(move |blob| format!("shared-{generation}-{blob}"))
}

/// Makes the blobs of a generation.
pub(crate) fn create(client: &mut Client, generation: u64) -> Result<(), String> {
    for name in names(generation) {
        let path = format!("/{CONTAINER}/{name}");
        let headers = [("x-ms-blob-type", "AppendBlob")];
        let request =
            Request { method: "PUT", path: &path, headers: &headers, ..Request::default() };
        let made = client.send(&request).map_err(|error| error.to_string())?;
        if made.status != 201 {
            return Err(format!("{name}: {}: {}", made.status, made.text()));
        }
    }
    Ok(())
}

/// What one client appended.
#[derive(Debug, Default)]
pub(crate) struct Appends {
    client: u64,
    count: u64,
    /// The offsets of acknowledged blocks, by blob and number.
    made: BTreeMap<(String, u64), u64>,
    /// Blocks whose requests were not answered.
    unanswered: BTreeSet<(String, u64)>,
}

/// A block about to be appended.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) blob: String,
    pub(crate) bytes: Vec<u8>,
    number: u64,
}

fn seed(client: u64, number: u64) -> u64 {
    client << 40 | number
}

impl Appends {
    pub(crate) fn of(client: u64) -> Self {
        Self { client, ..Self::default() }
    }

    /// How many of its blocks were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.made.len()
    }

    /// The next block, for one of a generation's blobs. It counts as unanswered until it is answered.
    pub(crate) fn next(&mut self, random: &mut Random, generation: u64) -> Block {
        let len = match random.between(0, 20) {
            0 => random.between(4096, 20_000),
            _ => random.between(0, 600),
        };
        let number = self.count;
        self.count += 1;
        let blob = format!("shared-{generation}-{}", random.between(0, BLOBS));
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        for part in [self.client, number, len] {
            bytes.extend_from_slice(&part.to_le_bytes());
        }
        let len = usize::try_from(len).unwrap_or_default();
        bytes.extend_from_slice(&fill(seed(self.client, number), len));
        self.unanswered.insert((blob.clone(), number));
        Block { blob, bytes, number }
    }

    /// Takes the answer to a block: the offset it was appended at.
    pub(crate) fn answered(&mut self, block: &Block, offset: &str) -> Result<(), String> {
        let offset = offset.parse().map_err(|_| format!("the offset `{offset}`"))?;
        let key = (block.blob.clone(), block.number);
        self.unanswered.remove(&key);
        self.made.insert(key, offset);
        Ok(())
    }
}

/// A block as it was read: its offset, client and number.
type Found = (u64, u64, u64);

/// The blocks in a blob's content, each of which must be whole.
fn blocks(content: &[u8]) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < content.len() {
        let number = |place: usize| {
            let bytes = content.get(at + 8 * place..at + 8 * place + 8);
            bytes.and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes)
        };
        let [Some(client), Some(count), Some(len)] = [number(0), number(1), number(2)] else {
            return Err(format!("a block at {at} is cut off"));
        };
        let len = usize::try_from(len).map_err(|_| format!("a block at {at} is torn"))?;
        let end = (at + HEAD_BYTES).checked_add(len);
        let body = end.and_then(|end| content.get(at + HEAD_BYTES..end));
        if !body.is_some_and(|body| is_filled(body, seed(client, count), len)) {
            return Err(format!("block {count} of client {client} at {at} is not whole"));
        }
        found.push((at as u64, client, count));
        at += HEAD_BYTES + len;
    }
    Ok(found)
}

/// Reads the blobs of a generation and holds them against what all clients know.
pub(crate) fn verify(client: &mut Client, all: &[&Appends], generation: u64) -> Result<(), String> {
    for name in names(generation) {
        let path = format!("/{CONTAINER}/{name}");
        let request = Request { method: "GET", path: &path, ..Request::default() };
        let read = client.send(&request).map_err(|error| error.to_string())?;
        if read.status != 200 {
            return Err(format!("{name}: {}: {}", read.status, read.text()));
        }
        let found = blocks(&read.body).map_err(|error| format!("{name}: {error}"))?;
        let count = read.header("x-ms-blob-committed-block-count");
        if count != found.len().to_string() {
            return Err(format!("{name} tells of {count} blocks and has {}", found.len()));
        }
        compare(&name, all, &found).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn compare(name: &str, all: &[&Appends], found: &[Found]) -> Result<(), String> {
    let mut places = BTreeMap::new();
    let mut newest = BTreeMap::new();
    for (at, client, number) in found {
        if places.insert((*client, *number), *at).is_some() {
            return Err(format!("block {number} of client {client} is there twice"));
        }
        if newest.insert(*client, *number).is_some_and(|before| before > *number) {
            return Err(format!("block {number} of client {client} comes after a later one"));
        }
    }
    for appends in all {
        let of_blob = appends.made.iter().filter(|((blob, _), _)| blob == name);
        for ((_, number), offset) in of_blob {
            let place = places.remove(&(appends.client, *number));
            if place != Some(*offset) {
                let client = appends.client;
                return Err(format!(
                    "block {number} of client {client} was appended at {offset} and is at {place:?}"
                ));
            }
        }
        for (_, number) in appends.unanswered.iter().filter(|(blob, _)| blob == name) {
            places.remove(&(appends.client, *number));
        }
    }
    if places.is_empty() { Ok(()) } else { Err(format!("nobody appended {places:?}")) }
}
