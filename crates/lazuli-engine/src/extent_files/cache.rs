//! Open files of extents that are read, a bounded number of them.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::DiskFile;
use crate::extents::ExtentId;

const FILES_MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct FileCache(Mutex<Files>);

#[derive(Debug, Default)]
struct Files {
    tick: u64,
    open: HashMap<ExtentId, (u64, Arc<dyn DiskFile>)>,
}

impl FileCache {
    /// The open file of `extent`, from the cache or from `open`.
    pub(crate) fn get(
        &self,
        extent: ExtentId,
        open: impl FnOnce() -> io::Result<Arc<dyn DiskFile>>,
    ) -> io::Result<Arc<dyn DiskFile>> {
        {
            let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            files.tick += 1;
            let tick = files.tick;
            if let Some((used, file)) = files.open.get_mut(&extent) {
                *used = tick;
                return Ok(Arc::clone(file));
            }
        }
        let file = open()?;
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if files.open.len() >= FILES_MAX {
            let oldest = files.open.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id);
            oldest.and_then(|id| files.open.remove(&id));
        }
        let tick = files.tick;
        files.open.insert(extent, (tick, Arc::clone(&file)));
        Ok(file)
    }

    /// Closes the file of an extent that is removed, so that its space comes back.
    pub(crate) fn forget(&self, extent: ExtentId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&extent);
    }
}
