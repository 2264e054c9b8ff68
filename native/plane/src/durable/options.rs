//! What a history is given: where its files are and what it keeps.

use std::sync::Arc;

use crate::durable::disk::Disk;
use crate::durable::sync::Fsync;

/// What holds for every history of a data directory.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the files are.
    pub disk: Arc<dyn Disk>,
    /// The boot of the machine.
    pub boot: Arc<str>,
    /// The policy.
    pub fsync: Fsync,
    /// Bytes after which a segment is followed by another.
    pub segment_bytes: u64,
}

/// What a channel keeps on disk.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Age of the newest record of a segment after which it goes.
    pub seconds: f64,
    /// Bytes of all segments but the one that reaches over the bound.
    pub bytes: u64,
    /// Newest records of keys stay.
    pub per_key: bool,
}
