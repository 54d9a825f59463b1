//! Reading what the kernel says of a process, from `/proc`.

use std::fs;
use std::time::Duration;

/// Proportional set size, bytes: private memory plus the process's share of what is shared.
/// `None` when the process is gone or the kernel does not tell. See proc(5), `smaps_rollup`.
#[must_use]
pub fn process_pss(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with("Pss:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Processor time, user and system, of all threads. `None` when the process is gone.
/// See proc(5), `stat` fields 14 and 15.
#[must_use]
pub fn process_cpu(pid: u32) -> Option<Duration> {
    let fields = stat_fields(pid)?;
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // SAFETY: sysconf only reads a constant of the system.
    let ticks_per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let ticks_per_second = u64::try_from(ticks_per_second)
        .ok()
        .filter(|ticks| *ticks > 0)?;
    Some(Duration::from_micros(ticks * 1_000_000 / ticks_per_second))
}

/// When the process was started, in ticks since the machine booted. `None` when it is gone.
/// See proc(5), `stat` field 22.
#[must_use]
pub fn start_ticks(pid: u32) -> Option<u64> {
    stat_fields(pid)?.get(19)?.parse().ok()
}

/// True when every sign is that the process is stopped by a signal. See proc(5), `stat` field 3.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    stat_fields(pid).is_some_and(|fields| fields.first().is_some_and(|state| state == "T"))
}

/// The fields of `/proc/PID/stat` after the command's name, which may hold spaces itself.
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_about_this_process() {
        let pid = std::process::id();
        assert!(process_pss(pid).is_some_and(|bytes| bytes > 100_000));
        assert!(process_cpu(pid).is_some());
        assert!(!is_stopped(pid));
        assert!(start_ticks(pid).is_some_and(|ticks| ticks > 0));
        assert_eq!(start_ticks(u32::MAX), None);
        assert_eq!(process_pss(u32::MAX), None);
    }
}
