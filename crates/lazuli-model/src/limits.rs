//! The limits that grew with the versions.
//!
//! <https://learn.microsoft.com/azure/storage/blobs/scalability-targets>

use crate::ApiVersion;

const MIB: u64 = 1024 * 1024;

/// Most blocks in a committed block list.
pub const COMMITTED_BLOCKS_MAX: usize = 50_000;

/// Most uncommitted blocks of one blob.
pub const UNCOMMITTED_BLOCKS_MAX: usize = 100_000;

/// Most bytes of a source that Copy Blob From URL copies.
pub const COPY_FROM_URL_BYTES_MAX: u64 = 256 * MIB;

/// Most bytes of a range whose checksum Get Blob computes.
pub const RANGE_CHECKSUM_BYTES_MAX: u64 = 4 * MIB;

/// Most bytes that Put Page and Put Page From URL write.
pub const PUT_PAGE_BYTES_MAX: u64 = 4 * MIB;

/// Most bytes of a body of Put Blob, and of a source of Put Blob From URL.
pub fn put_blob_bytes_max(version: ApiVersion) -> u64 {
    match version {
        v if v >= ApiVersion::new(2019, 12, 12) => 5000 * MIB,
        v if v >= ApiVersion::new(2016, 5, 31) => 256 * MIB,
        _ => 64 * MIB,
    }
}

/// Most bytes of a body of Put Block, and of a source of Put Block From URL.
pub fn put_block_bytes_max(version: ApiVersion) -> u64 {
    match version {
        v if v >= ApiVersion::new(2019, 12, 12) => 4000 * MIB,
        v if v >= ApiVersion::new(2016, 5, 31) => 100 * MIB,
        _ => 4 * MIB,
    }
}

/// Most bytes of a body of Append Block, and of a source of Append Block From URL.
pub fn append_block_bytes_max(version: ApiVersion) -> u64 {
    if version >= ApiVersion::new(2022, 11, 2) { 100 * MIB } else { 4 * MIB }
}
