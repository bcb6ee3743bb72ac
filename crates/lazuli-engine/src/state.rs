//! The two small files of a data directory: `FORMAT`, which says what the directory is, and `STATE`,
//! which says how it was left.
//!
//! `STATE` is replaced, durably, when a store is opened (running), when extent ids are reserved, and
//! last of all when it is closed (clean). A clean state lists every metadata file with its length
//! and CRC-64, so that a flipped byte or a lost tail in any of them is noticed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::checksum::crc32c;
use crate::disk::{self, Disk};
use crate::frame::Fields;

/// Name of the format file.
pub(crate) const FORMAT_FILE: &str = "FORMAT";
/// Name of the state file.
pub(crate) const STATE_FILE: &str = "STATE";
/// Name of the lock file.
pub(crate) const LOCK_FILE: &str = "LOCK";
/// Name of the directory of the metadata store.
pub(crate) const META_DIR: &str = "meta";
/// Name of the directory of the extent files.
pub(crate) const EXTENTS_DIR: &str = "extents";

/// The format version this engine writes.
pub(crate) const FORMAT_VERSION: u32 = 2;

const MAGIC: [u8; 8] = *b"LZSTATE1";
/// Extent ids reserved by one durable write.
const RESERVED_IDS: u64 = 4096;

/// The content of `FORMAT`.
pub(crate) fn format_text(version: u32) -> String {
    let head = format!("lazuli data directory\nformat {version}\n");
    format!("{head}crc32c {:08x}\n", crc32c(head.as_bytes()))
}

/// The version in `FORMAT`; `None` if the file is damaged.
pub(crate) fn parse_format(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    let version = text.lines().nth(1)?.strip_prefix("format ")?.parse().ok()?;
    (format_text(version) == text).then_some(version)
}

/// How a store was left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Closed in good order: `files` is complete and `last_version` exact.
    pub(crate) clean: bool,
    /// Whether the store last ran with relaxed durability.
    pub(crate) relaxed: bool,
    /// No extent with this id or a higher one was ever written.
    pub(crate) next_extent: u64,
    /// Extents with lower ids are sealed.
    pub(crate) first_unsealed: u64,
    /// Every commit up to this one was durable.
    pub(crate) last_version: u64,
    /// The metadata files at a clean close.
    pub(crate) files: Vec<FileSum>,
}

/// A file as it was at a clean close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileSum {
    /// Path below the data directory, with `/`.
    pub(crate) path: String,
    pub(crate) len: u64,
    /// CRC-64/NVME of the content, if there was time to compute it.
    pub(crate) crc64: Option<u64>,
}

impl State {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([u8::from(self.clean), u8::from(self.relaxed)]);
        for field in [self.next_extent, self.first_unsealed, self.last_version] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend((self.files.len() as u32).to_le_bytes());
        for file in &self.files {
            bytes.extend((file.path.len() as u16).to_le_bytes());
            bytes.extend(file.path.as_bytes());
            bytes.extend(file.len.to_le_bytes());
            bytes.push(u8::from(file.crc64.is_some()));
            bytes.extend(file.crc64.unwrap_or(0).to_le_bytes());
        }
        bytes.extend(crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// The state in the bytes of `STATE`; `None` if they are damaged.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c(body) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut fields = Fields(body);
        if fields.array::<8>()? != MAGIC {
            return None;
        }
        let mut state = Self {
            clean: fields.u8()? == 1,
            relaxed: fields.u8()? == 1,
            next_extent: fields.u64()?,
            first_unsealed: fields.u64()?,
            last_version: fields.u64()?,
            files: Vec::new(),
        };
        for _ in 0..fields.u32()? {
            let len = usize::from(fields.u16()?);
            let path = String::from_utf8(fields.take(len)?.to_vec()).ok()?;
            let len = fields.u64()?;
            let hashed = fields.u8()? == 1;
            let crc64 = Some(fields.u64()?).filter(|_| hashed);
            state.files.push(FileSum { path, len, crc64 });
        }
        fields.0.is_empty().then_some(state)
    }
}

/// `STATE` of an open store.
#[derive(Debug)]
pub(crate) struct StateFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    state: Mutex<State>,
}

impl StateFile {
    /// Writes `state` as the state of the data directory.
    pub(crate) fn create(disk: Arc<dyn Disk>, data: &Path, state: State) -> io::Result<Self> {
        let file = Self { disk, path: data.join(STATE_FILE), state: Mutex::new(State::default()) };
        file.update(|current| *current = state)?;
        Ok(file)
    }

    /// Changes the state, durably.
    pub(crate) fn update(&self, change: impl FnOnce(&mut State)) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = state.clone();
        change(&mut next);
        disk::replace_file(&*self.disk, &self.path, &next.encode())?;
        *state = next;
        Ok(())
    }

    /// Makes sure that extent `id` is reserved before it is written.
    pub(crate) fn reserve(&self, id: u64) -> io::Result<()> {
        let reserved = self.state.lock().unwrap_or_else(PoisonError::into_inner).next_extent;
        if id < reserved {
            return Ok(());
        }
        self.update(|state| state.next_extent = id.saturating_add(RESERVED_IDS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_notices_every_flipped_byte() {
        let text = format_text(12).into_bytes();
        assert_eq!(parse_format(&text), Some(12));
        for index in 0..text.len() {
            let mut flipped = text.clone();
            flipped[index] ^= 1;
            assert_eq!(parse_format(&flipped), None, "byte {index}");
        }
    }

    #[test]
    fn the_state_round_trips_and_notices_every_flipped_byte() {
        let files = vec![
            FileSum { path: "meta/wal/00000001.wal".into(), len: 5, crc64: Some(6) },
            FileSum { path: "meta/x".into(), len: 0, crc64: None },
        ];
        let state =
            State { clean: true, next_extent: 4, last_version: 9, files, ..State::default() };
        let bytes = state.encode();
        assert_eq!(State::parse(&bytes), Some(state));
        for index in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[index] ^= 0x10;
            assert_eq!(State::parse(&flipped), None, "byte {index}");
        }
    }
}
