//! The offline check of a whole data directory.
//!
//! After a clean shutdown every metadata file is compared with the checksum the state file holds;
//! after an unclean one log, manifests and tables are verified by their own checksums. Every byte of
//! every extent belongs to a verified frame. All rows are then read from a shadow copy (opening the
//! trees changes them), so the directory itself is never written.
//!
//! The layer above checks its references between [`Fsck::open`] and [`Fsck::finish`].

mod lock;
mod manifest;
pub(crate) mod shadow;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::shadow::Shadow;
use crate::disk::{Access, Disk, SystemDisk, read_full};
use crate::embedded::store::{self, StoreError, WAL_DIR};
use crate::embedded::trees::{Sizes, Trees};
use crate::engine::{self, OpenError, io_error};
use crate::extent_files::walk::{Walk, walk};
use crate::extent_files::{extent_of, path_of};
use crate::frame::Span;
use crate::identity::{self, IDENTITY_FILE};
use crate::meta::{KeyRange, MetaError, Row, Version};
use crate::scrub::Damage;
use crate::state::{self, State};
use crate::wal::{self, ReplayError};
use crate::{ExtentId, Piece, sums};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is not as it was written. Empty: the directory is sound.
    pub damage: Vec<Damage>,
    /// Whether the store was closed in good order.
    pub clean_shutdown: bool,
    /// Rows read and verified.
    pub rows: u64,
    /// Commits in the journal, numbered without a gap.
    pub commits: u64,
    /// Extents verified.
    pub extents: u64,
    /// Bytes of extent files verified.
    pub extent_bytes: u64,
    /// Extents a crash cut off, with the length of their valid part. It is no damage that whole frames
    /// follow: before a power cut, the system writes what was not synced in any order. But once
    /// metadata names one of them, that one was synced and all before it: then it is damage.
    pub torn: Vec<(ExtentId, u64)>,
    /// Why the directory could not be locked against a server, if it could not: there nothing can be
    /// written.
    pub unlocked: Option<String>,
}

/// A check under way: the engine's own part is done.
pub struct Fsck {
    data: PathBuf,
    disk: Arc<dyn Disk>,
    report: Report,
    extents: Vec<(ExtentId, u64)>,
    /// Torn extents in which metadata names whole frames beyond the valid part.
    durable_beyond: BTreeSet<ExtentId>,
    rows: Option<Trees>,
    /// Removed from the disk when dropped, after the store that reads it.
    shadow: Option<Shadow>,
    _lock: Option<File>,
}

/// Checks a data directory as far as the engine can tell. Blocking.
pub fn fsck(data_dir: &Path) -> Result<Report, OpenError> {
    Ok(Fsck::open(data_dir)?.finish())
}

impl Fsck {
    /// Checks a data directory nobody has open; an error means that it could not be checked, damage
    /// goes to the report. Blocking.
    pub fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let data = data_dir.to_path_buf();
        let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
        let format = data.join(state::FORMAT_FILE);
        if !format.try_exists().map_err(io_error(&format))? {
            return Err(OpenError::NotAStore(data));
        }
        let (lock, unlocked) = match lock::lock(&data)? {
            Ok(lock) => (Some(lock), None),
            Err(why) => (None, Some(why)),
        };
        match shadow::discard(&data) {
            Err(error) if !lock::is_read_only(&error) => return Err(io_error(&data)(error)),
            _ => {}
        }
        let mut fsck = Self {
            data,
            disk,
            report: Report { unlocked, ..Report::default() },
            extents: Vec::new(),
            durable_beyond: BTreeSet::new(),
            rows: None,
            shadow: None,
            _lock: lock,
        };
        fsck.check()?;
        Ok(fsck)
    }

    /// Up to `limit` user rows of `range`; none if damage to the metadata kept it from being read.
    pub fn rows(&self, range: &KeyRange, limit: usize) -> Result<Vec<Row>, MetaError> {
        self.rows.as_ref().map_or(Ok(Vec::new()), |rows| rows.scan(range, limit))
    }

    /// The extents on disk with their sizes, ascending.
    pub fn extents(&self) -> &[(ExtentId, u64)] {
        &self.extents
    }

    /// Whether every byte of a piece that metadata names can be read.
    pub fn verify_piece(&mut self, piece: Piece) -> Result<(), Damage> {
        const STEP: u64 = 4 << 20;
        let damage = |offset, what: &str| Damage::of_extent(piece.extent, offset, what);
        let path = path_of(&self.data.join(state::EXTENTS_DIR), piece.extent);
        let opened = self.disk.open(&path, Access::Read);
        let file = opened.map_err(|error| damage(piece.offset, &error.to_string()))?;
        let mut at = 0;
        while at < piece.len {
            let end = at.saturating_add(STEP).min(piece.len);
            let span = Span::of(piece, &(at..end));
            let span = span.ok_or_else(|| damage(piece.offset, "metadata names no such place"))?;
            let mut buffer = vec![0; span.len];
            let read = read_full(&*file, &mut buffer, span.offset);
            let read = read.map_err(|error| damage(span.offset, &error.to_string()))?;
            buffer.truncate(read);
            span.unframe(&mut buffer).map_err(|(offset, what)| damage(offset, what))?;
            at = end;
        }
        let torn = &self.report.torn;
        if let Ok(index) = torn.binary_search_by_key(&piece.extent, |(extent, _)| *extent)
            && torn.get(index).is_some_and(|(_, valid_len)| piece.offset > *valid_len)
        {
            self.durable_beyond.insert(piece.extent);
        }
        Ok(())
    }

    /// Adds damage the caller found to the report.
    pub fn add(&mut self, damage: Damage) {
        self.report.damage.push(damage);
    }

    /// What was found so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Ends the check: tells which of the torn extents were whole once.
    pub fn finish(mut self) -> Report {
        let Report { torn, damage, .. } = &mut self.report;
        torn.retain(|&(extent, valid_len)| {
            let is_damaged = self.durable_beyond.contains(&extent);
            if is_damaged {
                let what = "no valid frame, although a later one is in use";
                let found = Damage::of_extent(extent, valid_len, what);
                // It is told already if it is in use itself.
                let is_told =
                    |told: &Damage| told.file == found.file && told.offset == found.offset;
                if !damage.iter().any(is_told) {
                    damage.push(found);
                }
            }
            !is_damaged
        });
        self.report
    }

    fn found(&mut self, file: impl Into<String>, offset: Option<u64>, what: impl Into<String>) {
        self.report.damage.push(Damage { file: file.into(), offset, what: what.into() });
    }

    fn check(&mut self) -> Result<(), OpenError> {
        match engine::read_format(&*self.disk, &self.data) {
            Ok(_) => {}
            Err(OpenError::Damaged(what)) => self.found(state::FORMAT_FILE, None, what),
            Err(error) => return Err(error),
        }
        match identity::read(&*self.disk, &self.data) {
            Ok(_) => {}
            Err(OpenError::Damaged(what)) => self.found(IDENTITY_FILE, None, what),
            Err(error) => return Err(error),
        }
        let lock_len = self.data.join(state::LOCK_FILE).metadata().map_or(0, |meta| meta.len());
        if lock_len != 0 {
            self.found(state::LOCK_FILE, Some(0), "the lock file is not empty");
        }
        let left = match engine::read_last_state(&*self.disk, &self.data) {
            Ok(left) => left,
            Err(OpenError::Damaged(what)) => {
                self.found(state::STATE_FILE, None, what);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.report.clean_shutdown = left.clean;
        self.check_names()?;
        let meta_dir = self.data.join(state::META_DIR);
        if left.clean {
            self.check_sums(&meta_dir, &left);
        } else {
            self.check_structure(&meta_dir, left.relaxed);
        }
        let extents_dir = self.data.join(state::EXTENTS_DIR);
        if extents_dir.exists() {
            self.check_extents(&extents_dir, &left).map_err(io_error(&extents_dir))?;
        } else if self.data.join(state::STATE_FILE).exists() {
            self.found(state::EXTENTS_DIR, None, "is missing");
        }
        // The log is begun after the state is written, and before the first commit and extent.
        let has_begun = left.last_version > 0 || !self.extents.is_empty();
        if has_begun && !meta_dir.join(WAL_DIR).exists() {
            self.found(format!("{}/{WAL_DIR}", state::META_DIR), None, "is missing");
        }
        let prefix = format!("{}/", state::META_DIR);
        let broken = self.report.damage.iter().any(|damage| damage.file.starts_with(&prefix));
        // Trees may panic on damaged files, and what they would read is not to be believed.
        if !broken && meta_dir.join(WAL_DIR).exists() {
            self.check_rows(&meta_dir, &left)?;
        }
        Ok(())
    }

    /// Names the files that do not belong: nothing else would account for their bytes.
    fn check_names(&mut self) -> Result<(), OpenError> {
        let known = [
            state::FORMAT_FILE,
            state::STATE_FILE,
            state::LOCK_FILE,
            IDENTITY_FILE,
            state::META_DIR,
            state::EXTENTS_DIR,
            shadow::NAME,
            "lost+found",
            "FORMAT.new",
            "STATE.new",
            "IDENTITY.new",
        ];
        for name in self.disk.list(&self.data).map_err(io_error(&self.data))? {
            if !known.contains(&name.as_str()) {
                self.found(name, None, "does not belong into a data directory");
            }
        }
        Ok(())
    }

    fn check_sums(&mut self, meta_dir: &Path, left: &State) {
        for file in &left.files {
            if let Err(what) = sums::verify(&self.data, file, true) {
                self.found(file.path.clone(), None, what);
            }
        }
        let paths = match sums::files_below(meta_dir) {
            Ok(paths) => paths,
            Err((path, error)) => {
                self.found(sums::name(&self.data, &path), None, error.to_string());
                Vec::new()
            }
        };
        for path in paths {
            let name = sums::name(&self.data, &path);
            if !left.files.iter().any(|file| file.path == name) {
                self.found(name, None, "appeared after the store was closed");
            }
        }
        if left.files.iter().any(|file| file.crc64.is_none()) {
            // The close ran out of time: these files have checksums of their own.
            self.check_structure(meta_dir, left.relaxed);
        }
    }

    fn check_structure(&mut self, meta_dir: &Path, relaxed: bool) {
        let wal_dir = meta_dir.join(WAL_DIR);
        if wal_dir.exists() {
            match wal::replay(&*self.disk, &wal_dir, relaxed, &mut |_| Ok(())) {
                Ok(_) => {}
                Err(ReplayError::Damaged(path, offset, what)) => {
                    self.found(sums::name(&self.data, &path), Some(offset), what);
                }
                Err(ReplayError::Io(path, error)) => {
                    self.found(sums::name(&self.data, &path), None, error.to_string());
                }
            }
        }
        for (path, what) in manifest::check(meta_dir) {
            self.found(sums::name(&self.data, &path), None, what);
        }
    }

    fn check_extents(&mut self, dir: &Path, left: &State) -> std::io::Result<()> {
        let mut names = self.disk.list(dir)?;
        names.sort_unstable();
        for name in names {
            let Some(extent) = extent_of(&name) else {
                let file = format!("{}/{name}", state::EXTENTS_DIR);
                self.found(file, None, "is no extent");
                continue;
            };
            let (len, walked) = match self.walk_extent(&dir.join(&name), extent) {
                Ok(walked) => walked,
                Err(error) => {
                    let file = format!("{}/{name}", state::EXTENTS_DIR);
                    self.found(file, None, error.to_string());
                    continue;
                }
            };
            self.extents.push((extent, len));
            self.report.extents += 1;
            self.report.extent_bytes += len;
            let may_be_torn = !left.clean && extent.0 >= left.first_unsealed;
            match walked {
                Walk::Sealed => {}
                Walk::Unsealed { valid_len, .. } if may_be_torn => {
                    self.report.torn.push((extent, valid_len));
                }
                Walk::Unsealed { valid_len, .. } => {
                    let what = "no valid frame and no seal";
                    self.report.damage.push(Damage::of_extent(extent, valid_len, what));
                }
                Walk::Damaged { offset, what } => {
                    self.report.damage.push(Damage::of_extent(extent, offset, what));
                }
            }
        }
        Ok(())
    }

    /// The length of an extent's file, and what it is.
    fn walk_extent(&self, path: &Path, extent: ExtentId) -> std::io::Result<(u64, Walk)> {
        let file = self.disk.open(path, Access::Read)?;
        Ok((file.len()?, walk(&*file, extent)?))
    }

    /// Reads every row, and the journal without a gap.
    fn check_rows(&mut self, meta_dir: &Path, left: &State) -> Result<(), OpenError> {
        let shadow = Shadow::of(&self.data, meta_dir).map_err(io_error(meta_dir))?;
        let sizes = Sizes { cache_bytes: 16 << 20, memtable_bytes: 16 << 20 };
        let wal_dir = meta_dir.join(WAL_DIR);
        let opened = store::recover(&*self.disk, shadow.path(), &wal_dir, sizes, left.relaxed);
        let store = match opened {
            Ok((trees, _)) => trees,
            Err(StoreError::Io(path, error)) => return Err(io_error(&path)(error)),
            Err(StoreError::Damaged(what)) => {
                self.found(state::META_DIR, None, format!("cannot be opened: {what}"));
                return Ok(());
            }
        };
        match read_all(&store) {
            Ok((rows, commits)) => (self.report.rows, self.report.commits) = (rows, commits),
            Err(what) => self.found(state::META_DIR, None, what),
        }
        let expected = left.last_version;
        let commits = self.report.commits;
        if self.report.damage.is_empty() && commits < expected {
            let what = format!("last commit is {commits}, but {expected} was durable");
            self.found(state::META_DIR, None, what);
        }
        self.rows = Some(store);
        self.shadow = Some(shadow);
        Ok(())
    }
}

/// The number of user rows and of commits; the error says what is wrong.
fn read_all(store: &Trees) -> Result<(u64, u64), String> {
    const PAGE: usize = 10_000;
    let text = |error: MetaError| error.to_string();
    let mut rows = 0;
    let mut range = KeyRange { start: bytes::Bytes::new(), end: None };
    loop {
        let page = store.scan(&range, PAGE).map_err(text)?;
        rows += page.len() as u64;
        let Some(last) = page.last() else { break };
        range.start = [&last.key[..], &[0]].concat().into();
    }
    let mut commits = 0;
    loop {
        let page = store.journal(Version(commits + 1), PAGE).map_err(text)?;
        if page.is_empty() {
            return Ok((rows, commits));
        }
        for (version, _) in page {
            commits += 1;
            if version.0 != commits {
                return Err(format!("commit {commits} is missing from the journal"));
            }
        }
    }
}
