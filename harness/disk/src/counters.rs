//! What happened on a disk: the proof that a fault took place.

use std::time::Duration;

/// Counts since the disk was served; none ever goes down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounters {
    /// Requests of the kernel, of every kind.
    pub operations: u64,
    /// Changes refused with ENOSPC because of `free_bytes`.
    pub refused_full: u64,
    /// Changes refused with EROFS because of `read_only`.
    pub refused_read_only: u64,
    /// Operations that had to wait because of `slow`, also those that still wait.
    pub delayed: u64,
    /// How long those that were carried out had waited, all together.
    pub delay_total: Duration,
    /// Syncs of files that were answered with success.
    pub synced: u64,
    /// Files taken to be durable before they were synced, because [`crate::UNDO_BYTES_MAX`] or
    /// [`crate::UNDO_FILES_MAX`] was reached. Such a file loses less than it could have.
    pub synced_early: u64,
    /// Changes of contents that were taken and forgotten while the power was gone.
    pub forgotten: u64,
    /// Changes and syncs refused with EIO while the power was gone.
    pub refused_powerless: u64,
    /// Files that went back to their last sync when the power came back.
    pub lost_files: u64,
    /// Bytes that had been written to those files, or cut off from them, since their last sync.
    pub lost_bytes: u64,
}
