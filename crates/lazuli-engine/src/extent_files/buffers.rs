//! Buffers that large reads use again: fresh memory costs more in page faults and zeroing than
//! the copy of the content into it.

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Buffers kept for the next read.
const KEPT_MAX: usize = 8;
/// Bytes of a buffer that is kept: a smaller one is made to measure, so that few bytes do not hold a
/// large buffer, and a larger one goes back to the allocator.
const KEPT_BYTES: RangeInclusive<usize> = 256 * 1024..=640 * 1024;

/// The buffers that are free.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

/// A buffer; it goes back when nobody holds its content any more.
#[derive(Debug)]
pub(crate) struct Buffer {
    home: Arc<Buffers>,
    bytes: Vec<u8>,
    len: usize,
}

impl Buffers {
    /// A buffer of `len` bytes. What they are is not said: an earlier read's, where the buffer was
    /// used before.
    pub(crate) fn take(self: &Arc<Self>, len: usize) -> Buffer {
        let mut bytes = Vec::new();
        if len >= *KEPT_BYTES.start() {
            let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
            bytes = free.unwrap_or_default();
        }
        if bytes.len() < len {
            bytes.resize(len, 0);
        }
        Buffer { home: Arc::clone(self), bytes, len }
    }
}

impl Buffer {
    /// The bytes, to be written.
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.len).unwrap_or_default()
    }

    /// The first `len` bytes, to be handed out.
    pub(crate) fn into_bytes(mut self, len: usize) -> Bytes {
        self.len = self.len.min(len);
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if !KEPT_BYTES.contains(&self.bytes.len()) {
            return;
        }
        let mut free = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT_MAX {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_once_its_content_is_dropped() {
        let buffers = Arc::new(Buffers::default());
        let mut first = buffers.take(*KEPT_BYTES.start());
        first.as_mut()[..8].copy_from_slice(b"contents");
        let held = first.into_bytes(7);
        let part = held.slice(3..);
        drop(held);
        assert!(buffers.0.lock().unwrap().is_empty(), "a slice still holds it");
        assert_eq!(part, "tent"[..].as_bytes());
        drop(part);
        assert_eq!(buffers.0.lock().unwrap().len(), 1);
        assert_eq!(buffers.take(3).as_mut().len(), 3);
        assert_eq!(buffers.0.lock().unwrap().len(), 1, "few bytes hold no large buffer");
    }

    #[test]
    fn few_and_no_large_buffers_are_kept() {
        let buffers = Arc::new(Buffers::default());
        drop(buffers.take(KEPT_BYTES.end() + 1));
        drop(buffers.take(KEPT_BYTES.start() - 1));
        assert!(buffers.0.lock().unwrap().is_empty());
        let many: Vec<Buffer> =
            (0..KEPT_MAX + 3).map(|_| buffers.take(*KEPT_BYTES.start())).collect();
        drop(many);
        assert_eq!(buffers.0.lock().unwrap().len(), KEPT_MAX);
    }
}
