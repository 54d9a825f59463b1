//! The wanted state of one host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The wanted state of a host's process, from best to worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Process {
    /// It runs.
    #[default]
    Running,
    /// It exists and does nothing.
    Paused,
    /// It was asked to end and does not exist.
    Left,
    /// It does not exist.
    Dead,
}

impl Process {
    /// True when there is no process.
    #[must_use]
    pub fn is_gone(self) -> bool {
        matches!(self, Process::Left | Process::Dead)
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostWorld {
    /// What its process shall do, as far as faults decide.
    pub process: Process,
    /// It has not joined yet, so it has no process whatever the faults say.
    pub absent: bool,
    /// How often its process was to be asked to end and started again, so far.
    pub restarts: u32,
    /// How often its process was to be killed and started again, so far.
    pub crashes: u32,
    /// How often its disk was to be emptied, so far.
    pub wipes: u32,
    /// How often it was to lose its power, so far.
    pub power_losses: u32,
    /// What is wrong with its disk.
    pub disk: Disk,
    /// What its process may use.
    pub limits: ProcessLimits,
    /// What is wrong with its wall clock; sorted.
    pub clock: Vec<ClockBend>,
    /// The bugs that its program shall have, with their chances in millionths.
    pub bugs: BTreeMap<String, u32>,
}

impl HostWorld {
    /// What its process shall do.
    #[must_use]
    pub fn process(&self) -> Process {
        match self.absent {
            true => Process::Dead,
            false => self.process,
        }
    }
}

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// How much more fits; none means no bound.
    pub free_bytes: Option<u64>,
    /// How much longer each operation takes, microseconds.
    pub slow_us: u64,
    /// Changes fail.
    pub read_only: bool,
}

/// What a process may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Millionths of one processor.
    pub cpu_ppm: Option<u32>,
    /// Private memory.
    pub memory_bytes: Option<u64>,
    /// Open files.
    pub files: Option<u64>,
}

/// Lowers a bound to this, unless it is lower already.
pub fn tighten<T: Ord>(bound: &mut Option<T>, to: T) {
    let tightest = match bound.take() {
        Some(before) => before.min(to),
        None => to,
    };
    *bound = Some(tightest);
}

/// One thing wrong with a wall clock: from `since_us` on it shows
/// `offset + drift * (now - since)` more than the true time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClockBend {
    /// The offset, nanoseconds.
    pub offset_ns: i64,
    /// The drift, parts per billion.
    pub drift_ppb: i64,
    /// From when the drift counts, microseconds since the start of the run.
    pub since_us: u64,
}

/// How much more than the true time a clock shows with all of these, nanoseconds.
#[must_use]
pub fn clock_error_ns(bends: &[ClockBend], at_us: u64) -> i64 {
    let of_one = |bend: &ClockBend| {
        let passed_us = i128::from(at_us) - i128::from(bend.since_us);
        i128::from(bend.offset_ns) + passed_us * i128::from(bend.drift_ppb) / 1_000_000
    };
    let total: i128 = bends.iter().map(of_one).sum();
    i64::try_from(total.clamp(i64::MIN.into(), i64::MAX.into())).expect("clamped")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_drifts_add_up() {
        let bend = |offset_ns, drift_ppb, since_us| ClockBend {
            offset_ns,
            drift_ppb,
            since_us,
        };
        // 1 % for 10 s is 100 ms.
        let bends = [
            bend(5_000_000, 10_000_000, 1_000_000),
            bend(-1_000_000, 0, 0),
        ];
        assert_eq!(clock_error_ns(&bends, 11_000_000), 104_000_000);
        assert_eq!(clock_error_ns(&[], 11_000_000), 0);
    }
}
