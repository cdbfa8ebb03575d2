//! The way up to TypeScript: one bounded batch that fills until it is taken. Each packet stands behind its length, four
//! bytes, little-endian.

use std::sync::Mutex;

pub struct RaisedQueue {
    batch: Mutex<Vec<u8>>,
    limit_bytes: usize,
}

/// What became of a packet offered to the queue.
#[derive(Debug, PartialEq, Eq)]
pub enum Offered {
    /// Taken, and the queue was empty: the reader must be woken.
    First,
    Queued,
    Full,
}

impl RaisedQueue {
    pub fn new(limit_bytes: usize) -> Self {
        Self { batch: Mutex::new(Vec::new()), limit_bytes }
    }

    pub fn offer(&self, packet: &[u8]) -> Offered {
        let mut batch = self.lock();
        if batch.len() + packet.len() + 4 > self.limit_bytes {
            return Offered::Full;
        }
        let first = batch.is_empty();
        batch.extend_from_slice(&(packet.len() as u32).to_le_bytes());
        batch.extend_from_slice(packet);
        if first { Offered::First } else { Offered::Queued }
    }

    /// The batch so far; the queue is empty afterwards.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        // A batch is whole after each push, so a panic elsewhere while it was held has not torn it.
        self.batch.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
