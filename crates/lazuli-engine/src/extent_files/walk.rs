//! Walking an extent file from its first byte to its last: for recovery, scrub and fsck.

use std::io;

use crate::checksum::{crc32c, crc32c_parts};
use crate::disk::{DiskFile, read_full};
use crate::extents::ExtentId;
use crate::frame::{self, HEADER_BYTES, Header, Kind, Place, SEAL_BYTES, Seal};

/// What an extent file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// Every byte is accounted for by valid frames and a seal.
    Sealed,
    /// Valid frames up to an offset, and no seal: a writer was cut off there.
    Unsealed {
        /// Bytes of valid frames.
        valid_len: u64,
        /// Length of the file.
        len: u64,
    },
    /// A sealed extent with a byte that does not belong.
    Damaged {
        /// File offset of the frame in question.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// Verifies every frame of a file.
pub(crate) fn walk(file: &dyn DiskFile, extent: ExtentId) -> io::Result<Walk> {
    let len = file.len()?;
    let mut offset = 0;
    let mut payload = Vec::new();
    let what = loop {
        match frame_at(file, Place { extent, offset }, &mut payload)? {
            Err(what) => break what,
            Ok(header) if header.kind == Kind::Seal => break "",
            Ok(header) => offset += (HEADER_BYTES + header.len) as u64,
        }
    };
    let Some(seal_offset) = len.checked_sub(SEAL_BYTES as u64) else {
        return Ok(Walk::Unsealed { valid_len: offset, len });
    };
    let Some(seal) = seal_at(file, Place { extent, offset: seal_offset })? else {
        return Ok(if what.is_empty() {
            Walk::Damaged { offset, what: "bytes after the seal" }
        } else {
            Walk::Unsealed { valid_len: offset, len }
        });
    };
    if seal.valid_len != offset {
        let what = if what.is_empty() { "the seal is not where it says" } else { what };
        return Ok(Walk::Damaged { offset, what });
    }
    if torn_crc(file, offset, seal_offset)? != seal.torn_crc {
        return Ok(Walk::Damaged { offset, what: "torn region does not match its checksum" });
    }
    Ok(Walk::Sealed)
}

/// The seal that ends a file, if there is one: cheap, for recovery.
pub(crate) fn has_seal(file: &dyn DiskFile, extent: ExtentId) -> io::Result<bool> {
    match file.len()?.checked_sub(SEAL_BYTES as u64) {
        Some(offset) => Ok(seal_at(file, Place { extent, offset })?.is_some()),
        None => Ok(false),
    }
}

/// Seals a file that was cut off while it was written: what is torn stays, under a checksum, so that
/// every byte of the file is accounted for.
pub(crate) fn seal_torn(file: &dyn DiskFile, extent: ExtentId, valid_len: u64) -> io::Result<()> {
    let len = file.len()?;
    let torn_crc = torn_crc(file, valid_len, len)?;
    let seal = Seal { valid_len, torn_len: len - valid_len, torn_crc };
    file.write_all_at(&frame::encode_seal(seal, Place { extent, offset: len }), len)?;
    file.set_len(len + SEAL_BYTES as u64)?;
    file.sync_data()
}

/// The frame at a place, verified; its payload is left in `payload`.
fn frame_at(
    file: &dyn DiskFile,
    place: Place,
    payload: &mut Vec<u8>,
) -> io::Result<Result<Header, &'static str>> {
    payload.resize(frame::FRAME_BYTES, 0);
    let read = read_full(file, payload, place.offset)?;
    payload.truncate(read);
    let header = match frame::parse_header(payload, place) {
        Ok(header) => header,
        Err(what) => return Ok(Err(what)),
    };
    let body = payload.get(HEADER_BYTES..HEADER_BYTES + header.len);
    Ok(match body {
        None => Err("frame is cut off"),
        Some(body) if header.matches(body) => Ok(header),
        Some(_) => Err("frame payload does not match its checksum"),
    })
}

fn seal_at(file: &dyn DiskFile, place: Place) -> io::Result<Option<Seal>> {
    let mut bytes = [0; SEAL_BYTES];
    let read = read_full(file, &mut bytes, place.offset)?;
    Ok(bytes.get(..read).and_then(|bytes| frame::parse_seal(bytes, place).ok()))
}

/// CRC32C of a region of any length; 0 for an empty one.
fn torn_crc(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<u32> {
    if start >= end {
        return Ok(0);
    }
    // A checksum of the chunks' checksums keeps memory bounded.
    let mut sum = crc32c(&(end - start).to_le_bytes());
    let mut chunk = vec![0; 1 << 20];
    let mut offset = start;
    while offset < end {
        let want = usize::try_from(end - offset).unwrap_or(usize::MAX).min(chunk.len());
        let buffer = chunk.get_mut(..want).unwrap_or_default();
        let read = read_full(file, buffer, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let part = crc32c(buffer.get(..read).unwrap_or_default());
        sum = crc32c_parts(&[&sum.to_le_bytes(), &part.to_le_bytes()]);
        offset += read as u64;
    }
    Ok(sum)
}
