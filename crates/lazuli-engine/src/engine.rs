//! Opening and closing a store.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lazuli_base::SystemEntropy;

use crate::disk::{self, Disk, SystemDisk};
use crate::embedded::meta::{self, EmbeddedMeta};
use crate::embedded::queue::Bounds;
use crate::embedded::store::{self, Store, StoreError};
use crate::embedded::trees::Sizes;
use crate::extent_files::{self, ExtentFiles};
use crate::headroom::Headroom;
use crate::identity::{self, DataId, IDENTITY_FILE, Identity};
use crate::memory::{MemoryExtents, MemoryMeta};
use crate::meta::Version;
use crate::scribe::{Desk, Scribe};
use crate::state::{self, State, StateFile};
use crate::stats::Stats;
use crate::sums;
use crate::{Extents, Meta};

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After it is on the disk.
    #[default]
    Sync,
    /// After the operating system has it: a crash of the process loses nothing, a power cut at most
    /// the last second. (The payloads a commit names are synced before it in either case.)
    Relaxed,
}

/// A disk has room for this many shared extents at least.
const EXTENTS_MIN: u64 = 32;

/// Shared extents are not made shorter than this, however small the disk.
const EXTENT_BYTES_MIN: u64 = 1 << 20;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory; created if it is missing.
    pub data_dir: PathBuf,
    /// When a commit is acknowledged.
    pub durability: Durability,
    /// Memory for cached metadata, in bytes.
    pub cache_bytes: u64,
    /// Memory for single rows that are read often, in bytes.
    pub row_cache_bytes: u64,
    /// Metadata kept in memory before it is written to a table, in bytes.
    pub memtable_bytes: u64,
    /// A shared extent that reached this length is finished, in bytes.
    pub extent_bytes: u64,
    /// Disk space that must stay free for a write to be accepted, in bytes; at most a quarter of
    /// the file system.
    pub reserve_bytes: u64,
    /// Commits that may wait; more are answered `Busy`.
    pub queue_commits: usize,
    /// Bytes of commits that may wait.
    pub queue_bytes: usize,
    /// The disk for extents and the engine's own small files.
    pub disk: Arc<dyn Disk>,
    /// The identity of the data directory if it has none yet.
    pub new_id: DataId,
}

impl Options {
    /// The defaults for a data directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            durability: Durability::Sync,
            cache_bytes: 48 << 20,
            row_cache_bytes: 24 << 20,
            memtable_bytes: 16 << 20,
            extent_bytes: 64 << 20,
            reserve_bytes: 128 << 20,
            queue_commits: 8192,
            queue_bytes: 64 << 20,
            disk: Arc::new(SystemDisk),
            new_id: DataId::draw(&SystemEntropy),
        }
    }
}

/// Why a store could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or this one, has the data directory open.
    InUse(PathBuf),
    /// The directory holds something else.
    NotAStore(PathBuf),
    /// The directory was written in a format this version does not know.
    UnknownFormat(u32),
    /// The contents are damaged; the text names the file. Nothing was changed.
    Damaged(String),
    /// The disk refused; the text names the file.
    Io(String, io::Error),
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse(path) => {
                write!(f, "data directory {} is in use by another process", path.display())
            }
            Self::NotAStore(path) => {
                write!(f, "{} is neither empty nor a Lazuli data directory", path.display())
            }
            Self::UnknownFormat(version) => {
                let known = state::FORMAT_VERSION;
                write!(f, "data directory has format {version}; this version knows up to {known}")
            }
            Self::Damaged(what) => write!(f, "data directory is damaged: {what}"),
            Self::Io(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

/// Names the file an I/O error is about.
pub(crate) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |error| OpenError::Io(path.display().to_string(), error)
}

/// An open store.
pub struct Engine {
    /// The metadata.
    pub meta: Arc<dyn Meta>,
    /// The bytes.
    pub extents: Arc<dyn Extents>,
    /// What the engine counts.
    pub stats: Arc<Stats>,
    desk: Desk,
    identity: Option<Identity>,
    embedded: Option<Embedded>,
}

struct Embedded {
    meta: Arc<EmbeddedMeta>,
    store: Arc<Store>,
    pub(crate) files: Arc<ExtentFiles>,
    state: Arc<StateFile>,
    data_dir: PathBuf,
    lock: Mutex<Option<File>>,
}

impl Engine {
    /// A store in memory: everything is gone when it is dropped.
    pub fn in_memory() -> Self {
        let meta = MemoryMeta::default();
        Self {
            desk: Arc::clone(&meta.desk),
            meta: Arc::new(meta),
            extents: Arc::new(MemoryExtents::default()),
            stats: Arc::default(),
            identity: None,
            embedded: None,
        }
    }

    /// Extents on any disk, with metadata in memory: for simulation. `meta` is the metadata that
    /// outlived a simulated power cut, or a new one.
    pub fn simulated(options: &Options, meta: Arc<MemoryMeta>) -> Result<Self, OpenError> {
        let (disk, data) = (Arc::clone(&options.disk), options.data_dir.clone());
        let dir = data.join(state::EXTENTS_DIR);
        let previous = read_state(&*disk, &data)?.unwrap_or_default();
        let next_extent = recover_extents(&*disk, &dir, &previous)?;
        let running = State { next_extent, first_unsealed: next_extent, ..State::default() };
        let state =
            StateFile::create(Arc::clone(&disk), &data, running).map_err(io_error(&data))?;
        let stats = Arc::new(Stats::default());
        let extent_bytes = extent_bytes(&*disk, &dir, options.extent_bytes);
        let headroom = Headroom::new(Arc::clone(&disk), data, options.reserve_bytes);
        let extents = ExtentFiles::new(extent_files::Parts {
            disk,
            dir,
            state: Arc::new(state),
            headroom: Arc::new(headroom),
            stats: Arc::clone(&stats),
            next_extent,
            extent_bytes,
        });
        let desk = Arc::clone(&meta.desk);
        let extents = Arc::new(extents);
        Ok(Self { meta, extents, stats, desk, identity: None, embedded: None })
    }

    /// Opens the store in a data directory, creating it if the directory is missing or empty.
    /// Blocking.
    #[expect(clippy::needless_pass_by_value, reason = "options are made for one store")]
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let data = options.data_dir.clone();
        create_dir_durably(&*options.disk, &data).map_err(io_error(&data))?;
        let lock = lock(&data)?;
        let (previous, identity) = prepare(&options)?;
        let stats = Arc::new(Stats::default());
        let disk = Arc::clone(&options.disk);
        let extents_dir = data.join(state::EXTENTS_DIR);
        let next_extent = recover_extents(&*disk, &extents_dir, &previous)?;
        let running = State {
            clean: false,
            relaxed: options.durability == Durability::Relaxed,
            next_extent,
            first_unsealed: next_extent,
            last_version: previous.last_version,
            files: Vec::new(),
        };
        // From here on the directory is not what its clean state said: the mark goes first.
        let state =
            StateFile::create(Arc::clone(&disk), &data, running).map_err(io_error(&data))?;
        let state = Arc::new(state);
        let (store, last) = open_store(&options, &previous, &stats)?;
        let extent_bytes = extent_bytes(&*disk, &extents_dir, options.extent_bytes);
        let reserve = options.reserve_bytes;
        let headroom = Arc::new(Headroom::new(Arc::clone(&disk), data.clone(), reserve));
        let files = Arc::new(ExtentFiles::new(extent_files::Parts {
            disk,
            dir: extents_dir,
            state: Arc::clone(&state),
            headroom: Arc::clone(&headroom),
            stats: Arc::clone(&stats),
            next_extent,
            extent_bytes,
        }));
        let desk = Desk::default();
        let meta = EmbeddedMeta::start(meta::Parts {
            store: Arc::clone(&store),
            stats: Arc::clone(&stats),
            headroom,
            durability: options.durability,
            bounds: Bounds {
                commits: options.queue_commits,
                bytes: options.queue_bytes,
                group_commits: 1024,
                group_bytes: 16 << 20,
            },
            last,
            desk: Arc::clone(&desk),
            row_cache_bytes: options.row_cache_bytes,
        });
        let meta = Arc::new(meta.map_err(io_error(&data))?);
        Ok(Self {
            meta: Arc::clone(&meta) as Arc<dyn Meta>,
            extents: Arc::clone(&files) as Arc<dyn Extents>,
            stats,
            desk,
            identity: Some(identity),
            embedded: Some(Embedded {
                meta,
                store,
                files,
                state,
                data_dir: data,
                lock: Mutex::new(Some(lock)),
            }),
        })
    }

    /// Which data directory the store is in; `None` if it is in memory.
    pub fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// Has `scribe` write the journal from the next commit on, and room kept for commits of entries
    /// alone, which are taken on a full disk as long as that lasts. To be called before the store
    /// is used, once the scribe has read the journal; a second one changes nothing.
    pub fn write_journal_with(&self, scribe: Arc<dyn Scribe>) {
        let _ = self.desk.set(scribe);
        if let Some(embedded) = &self.embedded {
            embedded.store.keep_reserve();
        }
    }

    /// Answers the commits that wait, refuses new ones, makes everything durable, and notes that the
    /// store was closed in good order. Blocking; reads must have ended. A second call does nothing.
    pub fn close(&self) -> Result<(), OpenError> {
        let Some(embedded) = &self.embedded else { return Ok(()) };
        embedded.close()
    }

    pub(crate) fn files(&self) -> Option<&Arc<ExtentFiles>> {
        self.embedded.as_ref().map(|embedded| &embedded.files)
    }
}

impl Embedded {
    fn close(&self) -> Result<(), OpenError> {
        let Some(last) = self.meta.stop() else { return Ok(()) };
        let broken = |what: String| OpenError::Damaged(format!("not closed in good order: {what}"));
        let next_extent = self.files.close().map_err(|error| broken(error.to_string()))?;
        let flushed = self.store.close(Duration::from_secs(2));
        flushed.map_err(|error| broken(error.to_string()))?;
        let deadline = Instant::now() + Duration::from_secs(2);
        let meta_dir = self.data_dir.join(state::META_DIR);
        let files = sums::compute(&self.data_dir, &meta_dir, Some(deadline));
        let files = files.map_err(io_error(&meta_dir))?;
        let clean = self.state.update(|state| {
            state.clean = true;
            state.next_extent = next_extent;
            state.first_unsealed = next_extent;
            state.last_version = last.0;
            state.files = files;
        });
        clean.map_err(io_error(&self.data_dir))?;
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        Ok(())
    }
}

/// Creates a directory and makes its name, and those of its new parents, durable.
fn create_dir_durably(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    disk.create_dir(dir)?;
    disk.sync_dir(dir)?;
    let absolute = std::path::absolute(dir)?;
    for parent in absolute.ancestors().skip(1).take(3) {
        // A parent that may not be opened was not created by us.
        match disk.sync_dir(parent) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            result => result?,
        }
    }
    Ok(())
}

/// Takes the lock of a data directory.
pub(crate) fn lock(data: &Path) -> Result<File, OpenError> {
    let path = data.join(state::LOCK_FILE);
    let open = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let file = open.map_err(io_error(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse(data.to_path_buf())),
        Err(std::fs::TryLockError::Error(error)) => Err(io_error(&path)(error)),
    }
}

/// Checks what the directory is and makes it one of ours if it is empty; returns how it was left,
/// and which one it is.
fn prepare(options: &Options) -> Result<(State, Identity), OpenError> {
    let (disk, data) = (&*options.disk, &options.data_dir);
    let format = data.join(state::FORMAT_FILE);
    let is_new = read_format(disk, data)?.is_none();
    if is_new {
        let ours = [state::LOCK_FILE, "FORMAT.new", IDENTITY_FILE, "IDENTITY.new", "lost+found"];
        let names = disk.list(data).map_err(io_error(data))?;
        if names.iter().any(|name| !ours.contains(&name.as_str())) {
            return Err(OpenError::NotAStore(data.clone()));
        }
        // Before the format: a directory that has one was given its identity when it was made.
        identity::write(disk, data, options.new_id)?;
        let text = state::format_text(state::FORMAT_VERSION);
        disk::replace_file(disk, &format, text.as_bytes()).map_err(io_error(&format))?;
    }
    let id = identity::read(disk, data)?;
    let previous = read_last_state(disk, data)?;
    crate::fsck::shadow::discard(data).map_err(io_error(data))?;
    let meta_dir = data.join(state::META_DIR);
    for dir in [meta_dir.clone(), data.join(state::EXTENTS_DIR)] {
        disk.create_dir(&dir).map_err(io_error(&dir))?;
        disk.sync_dir(&dir).map_err(io_error(&dir))?;
    }
    disk.sync_dir(data).map_err(io_error(data))?;
    if previous.clean {
        sums::verify_quickly(data, &previous.files).map_err(OpenError::Damaged)?;
    }
    Ok((previous, Identity { id, is_new }))
}

/// Verifies `FORMAT`; `None` if there is none.
pub(crate) fn read_format(disk: &dyn Disk, data: &Path) -> Result<Option<u32>, OpenError> {
    let path = data.join(state::FORMAT_FILE);
    match disk::read_file(disk, &path) {
        Ok(text) => match state::parse_format(&text) {
            Some(state::FORMAT_VERSION) => Ok(Some(state::FORMAT_VERSION)),
            Some(version) => Err(OpenError::UnknownFormat(version)),
            None => Err(OpenError::Damaged(format!("{} is not readable", path.display()))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(&path)(error)),
    }
}

/// Reads `STATE`; `None` if there is none.
fn read_state(disk: &dyn Disk, data: &Path) -> Result<Option<State>, OpenError> {
    let path = data.join(state::STATE_FILE);
    match disk::read_file(disk, &path) {
        Ok(bytes) => match State::parse(&bytes) {
            Some(state) => Ok(Some(state)),
            None => Err(OpenError::Damaged(format!("{} is not readable", path.display()))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(&path)(error)),
    }
}

/// How the directory was left. One that was never completely made, and holds nothing, may have no
/// `STATE`; any other without it is damaged, for it is written before all that it is about.
pub(crate) fn read_last_state(disk: &dyn Disk, data: &Path) -> Result<State, OpenError> {
    if let Some(state) = read_state(disk, data)? {
        return Ok(state);
    }
    for name in [state::META_DIR, state::EXTENTS_DIR] {
        let dir = data.join(name);
        match disk.list(&dir) {
            Ok(names) if names.is_empty() => {}
            Ok(_) => {
                let path = data.join(state::STATE_FILE);
                return Err(OpenError::Damaged(format!("{} is missing", path.display())));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error(&dir)(error)),
        }
    }
    Ok(State::default())
}

/// The length of shared extents: at most `wanted`, and less on a small disk, for what the one that
/// is being filled holds of dead bytes cannot be taken back yet.
fn extent_bytes(disk: &dyn Disk, dir: &Path, wanted: u64) -> u64 {
    let total = disk.space(dir).map_or(u64::MAX, |space| space.total);
    wanted.min((total / EXTENTS_MIN).max(EXTENT_BYTES_MIN))
}

/// Seals what a crash left unsealed and removes empty files; returns the first id never used.
fn recover_extents(disk: &dyn Disk, dir: &Path, previous: &State) -> Result<u64, OpenError> {
    let mut next = previous.next_extent.max(1);
    if previous.clean {
        return Ok(next);
    }
    for name in disk.list(dir).map_err(io_error(dir))? {
        let Some(extent) = extent_files::extent_of(&name) else { continue };
        next = next.max(extent.0.saturating_add(1));
        if extent.0 < previous.first_unsealed {
            continue;
        }
        let path = extent_files::path_of(dir, extent);
        recover_extent(disk, &path, extent).map_err(io_error(&path))?;
    }
    disk.sync_dir(dir).map_err(io_error(dir))?;
    Ok(next)
}

fn recover_extent(disk: &dyn Disk, path: &Path, extent: crate::ExtentId) -> io::Result<()> {
    use extent_files::walk::{Walk, has_seal, seal_torn, walk};
    let file = disk.open(path, disk::Access::ReadWrite)?;
    if file.is_empty()? {
        return disk.remove(path);
    }
    if has_seal(&*file, extent)? {
        // The seal may have reached the disk by itself: what it seals is verified by scrub and fsck.
        return file.sync_data();
    }
    if let Walk::Unsealed { valid_len, .. } = walk(&*file, extent)? {
        seal_torn(&*file, extent, valid_len)?;
    }
    Ok(())
}

/// Opens the metadata and checks that nothing that was durable is gone.
fn open_store(
    options: &Options,
    previous: &State,
    stats: &Arc<Stats>,
) -> Result<(Arc<Store>, Version), OpenError> {
    let path = options.data_dir.join(state::META_DIR);
    let damaged = |what: String| OpenError::Damaged(format!("{}: {what}", path.display()));
    let store = Store::open(store::Parts {
        disk: Arc::clone(&options.disk),
        dir: path.clone(),
        sizes: Sizes { cache_bytes: options.cache_bytes, memtable_bytes: options.memtable_bytes },
        unsynced: previous.relaxed,
        durability: options.durability,
        stats: Arc::clone(stats),
    });
    let store = store.map_err(|error| match error {
        StoreError::Io(path, error) => OpenError::Io(path.display().to_string(), error),
        StoreError::Damaged(what) => OpenError::Damaged(what),
    })?;
    sync_dirs(&path).map_err(io_error(&path))?;
    let last = store.last_version().map_err(|error| damaged(error.to_string()))?;
    let expected = Version(previous.last_version);
    if last < expected || (previous.clean && last != expected) {
        let (last, expected) = (last.0, expected.0);
        return Err(damaged(format!("last commit is {last}, but {expected} was durable")));
    }
    Ok((Arc::new(store), last))
}

/// Makes the names in a directory and all below it durable.
fn sync_dirs(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_dirs(&entry.path())?;
        }
    }
    File::open(dir)?.sync_all()
}
