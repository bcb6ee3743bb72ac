//! A disk in memory that fails as real ones do, repeatably: a power cut takes unsynced bytes and
//! unsynced names, in part, and tears writes; any call can be made to fail; bytes can be flipped.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, Disk, DiskFile, Space};

const SECTOR: usize = 512;

/// What an injected fault answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device fails (`EIO`).
    Io,
    /// The disk is full (`ENOSPC`).
    Full,
}

/// A simulated disk. Clones share the disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    random: u64,
    /// Names as the running process sees them, and as they would be after a power cut.
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    files: BTreeMap<u64, Contents>,
    next_file: u64,
    calls: u64,
    fault: Option<(u64, Fault)>,
    free_bytes: u64,
    total_bytes: u64,
    /// The call at which the power is cut.
    cut_at: Option<u64>,
    /// What is found after that.
    cut: Option<SimDisk>,
}

#[derive(Debug, Default)]
struct Contents {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Ranges written since the last sync.
    unsynced: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    id: u64,
}

impl SimDisk {
    /// An empty disk; `seed` decides what a power cut takes.
    pub fn new(seed: u64) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                random: seed | 1,
                names: BTreeMap::new(),
                durable_names: BTreeMap::new(),
                files: BTreeMap::new(),
                next_file: 0,
                calls: 0,
                fault: None,
                free_bytes: u64::MAX,
                total_bytes: u64::MAX,
                cut_at: None,
                cut: None,
            })),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call that reaches the device, and fails it if it is its turn.
    fn call(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.calls += 1;
        if state.cut_at == Some(state.calls) {
            let after = state.after_cut();
            state.cut = Some(after);
        }
        match state.fault {
            Some((at, Fault::Io)) if at == state.calls => Err(io::Error::from_raw_os_error(5)),
            Some((at, Fault::Full)) if at == state.calls => Err(io::Error::from_raw_os_error(28)),
            _ => Ok(state),
        }
    }

    /// Fails the `n`-th call from now on (1 is the next one).
    pub fn fail_at(&self, n: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.calls + n, fault));
    }

    /// Calls that reached the device so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Cuts the power before the `n`-th call from now on (1 is the next one); [`Self::cut`] tells
    /// what a machine finds then.
    pub fn cut_at(&self, n: u64) {
        let mut state = self.state();
        state.cut_at = Some(state.calls + n);
    }

    /// What a machine finds after the power was cut at the call that [`Self::cut_at`] named; `None`
    /// before that call. The old disk goes on as if nothing had happened.
    pub fn cut(&self) -> Option<Self> {
        self.state().cut.clone()
    }

    /// Sets the size the disk reports.
    pub fn set_total_bytes(&self, bytes: u64) {
        self.state().total_bytes = bytes;
    }

    /// Sets the free space the disk reports.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.state().free_bytes = bytes;
    }

    /// Flips bits of one stored byte; whether there is such a byte.
    pub fn flip(&self, path: &Path, offset: usize, bits: u8) -> bool {
        let mut state = self.state();
        let Some(id) = state.names.get(path).copied() else { return false };
        let Some(contents) = state.files.get_mut(&id) else { return false };
        for bytes in [&mut contents.bytes, &mut contents.durable] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= bits;
            }
        }
        offset < contents.bytes.len()
    }

    /// What a machine finds after its power was cut now: synced bytes and names, and of the others
    /// a random part. The old disk goes on as if nothing had happened.
    #[must_use]
    pub fn power_cut(&self) -> Self {
        self.state().after_cut()
    }
}

impl State {
    fn after_cut(&mut self) -> SimDisk {
        let mut random = self.random;
        let mut names = self.durable_names.clone();
        for (path, id) in &self.names {
            if names.get(path) != Some(id) && next(&mut random).is_multiple_of(2) {
                names.insert(path.clone(), *id);
            }
        }
        let removed = |path: &PathBuf| !self.names.contains_key(path);
        let gone: Vec<_> = names.keys().filter(|path| removed(path)).cloned().collect();
        for path in gone {
            if next(&mut random).is_multiple_of(2) {
                names.remove(&path);
            }
        }
        let mut files = BTreeMap::new();
        for (id, contents) in &self.files {
            let bytes = contents.after_cut(&mut random);
            files.insert(*id, Contents { durable: bytes.clone(), bytes, unsynced: Vec::new() });
        }
        self.random = random;
        let after = Self {
            random: next(&mut random) | 1,
            durable_names: names.clone(),
            names,
            files,
            next_file: self.next_file,
            calls: 0,
            fault: None,
            free_bytes: self.free_bytes,
            total_bytes: self.total_bytes,
            cut_at: None,
            cut: None,
        };
        SimDisk { state: Arc::new(Mutex::new(after)) }
    }
}

/// The next number of an xorshift generator.
fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random
}

impl Contents {
    fn after_cut(&self, random: &mut u64) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for (start, end) in &self.unsynced {
            let mut at = *start;
            while at < *end {
                // Sectors reach the disk one by one, in any order.
                let stop = ((at / SECTOR + 1) * SECTOR).min(*end);
                if !next(random).is_multiple_of(3)
                    && let Some(sector) = self.bytes.get(at..stop)
                {
                    put(&mut bytes, at, sector);
                }
                at = stop;
            }
        }
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    let end = at + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    if let Some(target) = bytes.get_mut(at..end) {
        target.copy_from_slice(new);
    }
}

fn missing() -> io::Error {
    io::Error::from_raw_os_error(2)
}

impl SimFile {
    fn with<T>(&self, work: impl FnOnce(&mut Contents) -> T) -> io::Result<T> {
        let mut state = self.disk.call()?;
        state.files.get_mut(&self.id).map(work).ok_or_else(missing)
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|contents| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let stored = contents.bytes.get(start..).unwrap_or_default();
            let len = stored.len().min(buffer.len());
            for (target, byte) in buffer.iter_mut().zip(stored) {
                *target = *byte;
            }
            len
        })
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(|contents| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            put(&mut contents.bytes, start, bytes);
            contents.unsynced.push((start, start + bytes.len()));
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|contents| {
            contents.durable.clone_from(&contents.bytes);
            contents.unsynced.clear();
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|contents| contents.bytes.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|contents| contents.bytes.resize(usize::try_from(len).unwrap_or(0), 0))
    }

    fn reserve(&self, _len: u64) -> io::Result<()> {
        self.with(|_| ())
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.call()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.next_file += 1;
        let id = state.next_file;
        state.files.insert(id, Contents::default());
        state.names.insert(path.to_path_buf(), id);
        Ok(Arc::new(SimFile { disk: self.clone(), id }))
    }

    fn open(&self, path: &Path, _access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let id = self.call()?.names.get(path).copied().ok_or_else(missing)?;
        Ok(Arc::new(SimFile { disk: self.clone(), id }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.call()?;
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into());
        Ok(inside.filter_map(name).collect())
    }

    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        self.call().map(|_| ())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        let id = state.names.remove(from).ok_or_else(missing)?;
        state.names.insert(to.to_path_buf(), id);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call()?.names.remove(path).map(|_| ()).ok_or_else(missing)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.call()?;
        let inside = |path: &Path| path.parent() == Some(dir);
        state.durable_names.retain(|path, _| !inside(path));
        let names: Vec<_> = state
            .names
            .iter()
            .filter(|(path, _)| inside(path))
            .map(|(p, i)| (p.clone(), *i))
            .collect();
        state.durable_names.extend(names);
        Ok(())
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        let state = self.state();
        Ok(Space { free: state.free_bytes, total: state.total_bytes })
    }

    fn file_len(&self, path: &Path) -> io::Result<u64> {
        let state = self.call()?;
        let contents = state.names.get(path).and_then(|id| state.files.get(id));
        contents.map(|contents| contents.bytes.len() as u64).ok_or_else(missing)
    }
}
