//! How much memory instances have, each and all together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::ResourceLimiter;

/// Instances, tables and memories that a store may have.
const MOST_PARTS: usize = 100;
const MOST_TABLE_ELEMENTS: usize = 20_000;

/// The memory of all instances.
#[derive(Debug)]
pub(crate) struct Total {
    bytes: AtomicUsize,
    most: usize,
}

impl Total {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), most })
    }

    /// Bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.most;
        if !fits {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }
}

/// The memory of one instance, which it gives back when it is dropped.
#[derive(Debug)]
pub(crate) struct Footprint {
    total: Arc<Total>,
    bytes: usize,
    most: usize,
    refused: Option<Refused>,
}

/// Why memory was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The instance has all that it may have.
    Own,
    /// All instances together have.
    Everybodys,
}

impl Footprint {
    /// Of an instance that may have `most` bytes.
    pub(crate) fn new(total: &Arc<Total>, most: usize) -> Self {
        Self { total: Arc::clone(total), bytes: 0, most, refused: None }
    }

    /// Bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it ever asked for more than it got, and why it did not.
    pub(crate) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// Whether it may have `more` bytes; it has them then.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        if self.bytes.saturating_add(more) > self.most {
            self.refused = Some(Refused::Own);
            return false;
        }
        if !self.total.take(more) {
            self.refused = Some(Refused::Everybodys);
            return false;
        }
        self.bytes += more;
        true
    }
}

impl ResourceLimiter for Footprint {
    fn memory_growing(&mut self, now: usize, wanted: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(wanted.saturating_sub(now)))
    }

    fn table_growing(&mut self, _now: usize, wanted: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        Ok(wanted <= MOST_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        MOST_PARTS
    }

    fn tables(&self) -> usize {
        MOST_PARTS
    }

    fn memories(&self) -> usize {
        MOST_PARTS
    }
}

impl Drop for Footprint {
    fn drop(&mut self) {
        self.total.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_bounded_by_itself_and_by_all() {
        let total = Total::new(100);
        let (mut one, mut other) = (Footprint::new(&total, 60), Footprint::new(&total, 60));
        assert!(one.grow(60));
        assert!(!one.grow(1));
        assert_eq!(one.refused(), Some(Refused::Own));
        assert!(!other.grow(41));
        assert_eq!(other.refused(), Some(Refused::Everybodys));
        drop(one);
        assert!(other.grow(41));
        assert_eq!((total.bytes(), other.bytes()), (41, 41));
    }
}
