//! What a disk does to the operations on it.

use std::time::Duration;

/// How a disk behaves. The default is a healthy disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskPolicy {
    /// How many bytes files may still grow by, all together, from the moment on which this bound
    /// was set; none is no bound but that of the folder. Files that shrink or go give back.
    pub free_bytes: Option<u64>,
    /// How much longer each operation takes, one after the other, as on a disk with one head.
    /// Lookups, attributes, listings and the closing of files take no longer.
    pub slow: Duration,
    /// Refuses every change, also by files that are open for writing already.
    pub read_only: bool,
}
