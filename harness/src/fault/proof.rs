//! What must be measured before a fault counts as having happened.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The measurement that shows that a fault really happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Each target's process was seen to exit because of us.
    ProcessExited,
    /// At least one target's process was, as far as any was to exit.
    SomeProcessExited,
    /// Each target's process was seen to start.
    ProcessStarted,
    /// Each target's process was seen stopped by the kernel.
    ProcessStopped,
    /// Each target's process was seen to exit, and its disk to be empty then.
    DiskWiped,
    /// Each target's process was seen to exit, and its disk to be what was synced.
    PowerLost,
    /// Packets were dropped on links that the fault cuts.
    PacketsBlocked,
    /// Packets on the links were measured to take longer.
    PacketsDelayed,
    /// Packets on the links were lost.
    PacketsLost,
    /// Packets had to wait for the line, or did not fit into its queue.
    LineBusy,
    /// The fabric did this to packets on the links.
    Packets(Count),
    /// This was counted on the targets at least once.
    Counted(Count),
    /// This limit was read back from each target's process.
    Limited(Count),
    /// The wall clock of each target was read and shows what was asked for.
    ClockRead,
    /// More or fewer operations were started than in calm, as asked for.
    Load,
}

/// What is counted: by the fabric on links, by disks and by processes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// A packet was delivered twice.
    Duplicated,
    /// A packet was held back, so that others overtook it.
    Reordered,
    /// A packet got a wrong bit.
    Corrupted,
    /// A packet was answered with a reset.
    Reset,
    /// A packet was too long and vanished.
    Oversized,
    /// A packet was held until the jam was over.
    Jammed,
    /// A packet did not fit into a queue and vanished.
    QueueFull,
    /// A packet would have opened a connection and vanished.
    NewBlocked,
    /// A write failed because the disk was full.
    DiskFull,
    /// A change failed because the disk was read-only.
    DiskReadOnly,
    /// An operation on the disk took longer.
    DiskDelayed,
    /// Milliseconds that those took longer, together.
    DiskDelayMs,
    /// A disk went back to what was synced.
    PowerLost,
    /// Bytes that were written and not synced, and are gone.
    BytesLost,
    /// Milliseconds for which processes were held back.
    CpuHeldMs,
    /// Milliseconds of processor time that those processes used.
    CpuUsedMs,
    /// A process was read to have the limit of its memory.
    MemoryLimited,
    /// A process was read to have the limit of its files.
    FilesLimited,
    /// A planted bug bit.
    BugBites,
    /// A host with a planted bug ended by itself.
    BugExits,
}

impl Count {
    /// What was counted, after a number.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Count::Duplicated => "packets delivered twice",
            Count::Reordered => "packets held back, for others to overtake",
            Count::Corrupted => "packets given a wrong bit",
            Count::Reset => "packets answered with a reset",
            Count::Oversized => "packets too long, gone without a word",
            Count::Jammed => "packets held in the jam",
            Count::QueueFull => "packets dropped from a full queue",
            Count::NewBlocked => "packets of new connections dropped",
            Count::DiskFull => "writes refused: no space left (ENOSPC)",
            Count::DiskReadOnly => "changes refused: read-only (EROFS)",
            Count::DiskDelayed => "disk operations delayed",
            Count::DiskDelayMs => "ms of delay of them",
            Count::PowerLost => "disks back to what was synced",
            Count::BytesLost => "bytes lost that were not synced",
            Count::CpuHeldMs => "ms held back",
            Count::CpuUsedMs => "ms of processor time used",
            Count::MemoryLimited => "processes read to have the memory limit",
            Count::FilesLimited => "processes read to have the limit of open files",
            Count::BugBites => "times the bug bit",
            Count::BugExits => "hosts ended by the bug",
        }
    }
}
