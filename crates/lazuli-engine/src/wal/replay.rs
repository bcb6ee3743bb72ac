//! Reading the log back.

use std::io;
use std::path::{Path, PathBuf};

use super::segment::{self, Broken, Record};
use super::{Reach, Segment, generation_of, segment_name};
use crate::disk::{self, Disk};

/// What a log holds.
#[derive(Debug, Default)]
pub(crate) struct Logged {
    /// Its segments, oldest first.
    pub(crate) segments: Vec<Segment>,
    /// The sequence number of its last record.
    pub(crate) last: u64,
    /// The last segment with records, and how much of it they take in bytes.
    pub(crate) tail: Option<(PathBuf, u64)>,
    /// A record that did not reach the disk whole: its segment, and its place in bytes.
    pub(crate) torn: Option<(PathBuf, u64)>,
}

/// Why a log cannot be read.
#[derive(Debug)]
pub(crate) enum ReplayError {
    /// The disk refused.
    Io(PathBuf, io::Error),
    /// The log is not what was written: the file, the offset in bytes, what is wrong.
    Damaged(PathBuf, u64, &'static str),
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Damaged(path, offset, what) => {
                write!(f, "{}, offset {offset}: {what}", path.display())
            }
        }
    }
}

/// Gives every record of the log in `dir`, in order, without changing anything. `unsynced` says that
/// more than one record may have been on its way to the disk when the log was last written.
pub(crate) fn replay(
    disk: &dyn Disk,
    dir: &Path,
    unsynced: bool,
    each: &mut dyn FnMut(&Record) -> Result<(), &'static str>,
) -> Result<Logged, ReplayError> {
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |error| ReplayError::Io(path, error)
    };
    let names = disk.list(dir).map_err(at(dir))?;
    let mut found: Vec<u32> = names.iter().filter_map(|name| generation_of(name, "wal")).collect();
    found.sort_unstable();
    let mut logged = Logged::default();
    let mut last = None;
    let mut behind = None;
    for generation in found {
        let path = dir.join(segment_name(generation));
        let bytes = disk::read_file(disk, &path).map_err(at(&path))?;
        let mut reach: Reach = [0; 3];
        let mut records = 0;
        let end = segment::read(&bytes, generation, &mut |record, offset| {
            if last.is_some_and(|last| last != record.previous) {
                return Err(Broken { offset, what: "records before this one are missing" });
            }
            for (index, reach) in reach.iter_mut().enumerate() {
                if record.spaces & (1 << index) != 0 {
                    *reach = record.seqno;
                }
            }
            each(&record).map_err(|what| Broken { offset, what })?;
            last = Some(record.seqno);
            records += 1;
            Ok(())
        });
        let end = end
            .map_err(|Broken { offset, what }| ReplayError::Damaged(path.clone(), offset, what))?;
        if records > 0 {
            logged.tail = Some((path.clone(), end.whole));
        }
        if records > 0 || end.torn.is_some() {
            // What was torn in an earlier segment is made up for by the chain of records.
            logged.torn = end.torn.map(|offset| (path.clone(), offset));
            behind = end.torn.zip(end.whole_behind).map(|(offset, _)| (path, offset));
        }
        logged.segments.push(Segment { generation, bytes: bytes.len() as u64, reach });
    }
    if let Some((path, offset)) = behind.filter(|_| !unsynced) {
        return Err(ReplayError::Damaged(path, offset, "broken record before whole ones"));
    }
    logged.last = last.unwrap_or(0);
    Ok(logged)
}
