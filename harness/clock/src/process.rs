//! The memory and the threads of another process, by way of `/proc`: see proc(5).

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::ClockError;

/// No vDSO is larger.
const IMAGE_BYTES_MAX: u64 = 1 << 20;

/// How long the kernel may take to execute a program.
const EXECUTE_MAX: Duration = Duration::from_secs(2);

/// How often it is asked whether it has.
const POLL: Duration = Duration::from_micros(100);

/// A process and the memory of the program that it executed when this was opened. Should it
/// execute another one, reads and writes fail and do not hit the new one.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) memory: File,
    vdso: Range<u64>,
}

/// One thread, by its directory in `/proc`.
#[derive(Debug)]
pub(crate) struct Thread(PathBuf);

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) stack_pointer: u64,
    pub(crate) program_counter: u64,
}

impl Process {
    /// Opens the memory of a process and finds the vDSO in it. Whoever has just started a process
    /// may come before the kernel has mapped everything, and waits here.
    pub(crate) fn open(pid: u32) -> Result<Process, ClockError> {
        let deadline = Instant::now() + EXECUTE_MAX;
        loop {
            if let Some(process) = Process::open_executed(pid)? {
                return Ok(process);
            }
            if Instant::now() > deadline {
                return Err(ClockError::TimedOut {
                    pid,
                    what: "is still being executed; try again",
                });
            }
            thread::sleep(POLL);
        }
    }

    /// None while the kernel is still at executing the program.
    fn open_executed(pid: u32) -> Result<Option<Process>, ClockError> {
        let wrap = |step, source| failure(pid, step, source);
        // The first thread may have ended, and with it its view of the memory.
        let thread = threads(pid)?.next().ok_or(ClockError::Gone { pid })??;
        let memory = OpenOptions::new()
            .read(true)
            .write(true)
            .open(thread.0.join("mem"))
            .map_err(|source| wrap("open the memory", source))?;
        // The auxiliary vector is written after the vDSO is mapped, so it is read before.
        let vector = fs::read(thread.0.join("auxv"))
            .map_err(|source| wrap("read the auxiliary vector", source))?;
        let maps = fs::read_to_string(thread.0.join("maps"))
            .map_err(|source| wrap("read the mappings", source))?;
        if maps.is_empty() {
            return Err(ClockError::Gone { pid });
        }
        match vdso_range(&maps) {
            Some(vdso) => Ok(Some(Process { pid, memory, vdso })),
            None if vector.iter().all(|byte| *byte == 0) => Ok(None),
            None => Err(ClockError::Unsupported {
                what: "it has no vDSO".to_owned(),
                remedy: "boot the kernel without vdso=0",
            }),
        }
    }

    /// The image of the vDSO as it is now.
    pub(crate) fn image(&self) -> Result<Vec<u8>, ClockError> {
        let bytes = (self.vdso.end - self.vdso.start).min(IMAGE_BYTES_MAX);
        let mut image = vec![0; bytes as usize];
        self.read_exact(0, &mut image)?;
        Ok(image)
    }

    /// Reads from the vDSO.
    pub(crate) fn read_exact(&self, at: usize, buffer: &mut [u8]) -> Result<(), ClockError> {
        let start = self.vdso.start + at as u64;
        self.memory
            .read_exact_at(buffer, start)
            .map_err(|source| failure(self.pid, "read the vDSO", source))
    }

    /// Writes into the vDSO.
    pub(crate) fn write(&self, at: usize, bytes: &[u8]) -> Result<(), ClockError> {
        let start = self.vdso.start + at as u64;
        self.memory.write_all_at(bytes, start).map_err(|source| {
            if source.raw_os_error() == Some(Errno::EIO as i32) {
                ClockError::Unsupported {
                    what: "the kernel does not let anybody write to code".to_owned(),
                    remedy: "boot it with proc_mem.force_override=always",
                }
            } else {
                failure(self.pid, "write to the vDSO", source)
            }
        })
    }

    /// The distance of an address from the start of the vDSO, if it is in there.
    pub(crate) fn in_vdso(&self, address: u64) -> Option<usize> {
        let is_inside = self.vdso.contains(&address);
        is_inside.then(|| (address - self.vdso.start) as usize)
    }

    /// All threads that have not ended.
    pub(crate) fn threads(&self) -> Result<Vec<Thread>, ClockError> {
        threads(self.pid)?.collect()
    }

    /// Whether a signal has stopped the process, or is about to. A stop that is pending becomes
    /// the state of at least one thread in one step, so in this order none is overlooked.
    pub(crate) fn is_stopping(&self) -> Result<bool, ClockError> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))
            .map_err(|source| failure(self.pid, "read the status", source))?;
        let threads = self.threads()?;
        let is_stopped = |thread: &Thread| thread.state() == Some('T');
        Ok(is_stop_pending(&status) || threads.iter().any(is_stopped))
    }
}

impl Thread {
    /// Whether it is stopped, by a signal or by a tracer. A thread that has ended counts as such.
    pub(crate) fn is_stopped(&self) -> bool {
        self.state()
            .is_none_or(|state| matches!(state, 'T' | 't' | 'Z' | 'X'))
    }

    /// Where it is; none when it runs or has ended.
    pub(crate) fn place(&self) -> io::Result<Option<Place>> {
        let text = match fs::read_to_string(self.0.join("syscall")) {
            Err(error) if is_absence(&error) => return Ok(None),
            text => text?,
        };
        Ok(place(&text))
    }

    fn state(&self) -> Option<char> {
        state(&fs::read(self.0.join("stat")).ok()?)
    }
}

/// Whether a process is the calling one.
pub(crate) fn is_own(pid: u32) -> bool {
    Path::new("/proc/self/task").join(pid.to_string()).exists()
}

/// What an error of the operating system means for the caller.
pub(crate) fn failure(pid: u32, step: &'static str, source: io::Error) -> ClockError {
    match source.kind() {
        // The memory of a program that is no longer executed ends at 0.
        ErrorKind::UnexpectedEof | ErrorKind::WriteZero => ClockError::Gone { pid },
        _ if is_absence(&source) => ClockError::Gone { pid },
        ErrorKind::PermissionDenied => ClockError::Denied {
            pid,
            why: why_denied(pid),
        },
        _ => ClockError::Io { pid, step, source },
    }
}

fn is_absence(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ESRCH as i32)
}

fn threads(pid: u32) -> Result<impl Iterator<Item = Result<Thread, ClockError>>, ClockError> {
    let tasks = Path::new("/proc").join(pid.to_string()).join("task");
    let wrap = move |source| failure(pid, "list the threads", source);
    let entries = fs::read_dir(tasks).map_err(wrap)?;
    let threads = entries.map(move |entry| entry.map_err(wrap).map(|entry| Thread(entry.path())));
    let has_ended = |thread: &Thread| matches!(thread.state(), None | Some('Z' | 'X'));
    Ok(threads.filter(move |thread| !thread.as_ref().is_ok_and(has_ended)))
}

/// The setting that forbids to trace a process, as far as it can be told from outside.
fn why_denied(pid: u32) -> String {
    let own = geteuid().as_raw();
    let owner = fs::metadata(format!("/proc/{pid}")).map_or(own, |data| data.uid());
    if own != 0 && owner != own {
        return format!("it belongs to user {owner} and this is user {own}; run as that user");
    }
    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let yama = yama.trim();
    if !matches!(yama, "" | "0") {
        return format!(
            "kernel.yama.ptrace_scope is {yama}; set it to 0 or run with CAP_SYS_PTRACE"
        );
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_filtered = |line: &str| line.starts_with("Seccomp:") && !line.ends_with('0');
    if status.lines().any(is_filtered) {
        return "a seccomp filter is on this process; run it without (in a container: \
                --security-opt seccomp=unconfined, or --cap-add SYS_PTRACE)"
            .to_owned();
    }
    "it has more rights than this process, is marked as not dumpable, or a security module \
     forbids it; run with CAP_SYS_PTRACE in its user namespace"
        .to_owned()
}

/// The addresses of the vDSO, from `/proc/PID/maps`.
fn vdso_range(maps: &str) -> Option<Range<u64>> {
    let line = maps.lines().find(|line| line.ends_with(" [vdso]"))?;
    let (start, end) = line.split_ascii_whitespace().next()?.split_once('-')?;
    let address = |digits| u64::from_str_radix(digits, 16).ok();
    Some(address(start)?..address(end)?).filter(|range| range.start < range.end)
}

/// The state of a thread, from its `stat`. Its name before that may have any character.
fn state(stat: &[u8]) -> Option<char> {
    let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(end_of_name + 2).map(|byte| char::from(*byte))
}

/// Whether SIGSTOP waits to be taken by a process, from its `status`, where signal n is bit n - 1.
fn is_stop_pending(status: &str) -> bool {
    let mut lines = status.lines();
    let pending = lines.find_map(|line| line.strip_prefix("ShdPnd:"));
    let bits = pending.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    bits.is_some_and(|bits| bits >> (Signal::SIGSTOP as i32 - 1) & 1 == 1)
}

/// Where a thread is, from its `syscall`, which ends in the stack pointer and the program counter
/// unless it runs.
fn place(text: &str) -> Option<Place> {
    let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let mut words = text.split_ascii_whitespace().rev();
    let program_counter = number(words.next()?)?;
    let stack_pointer = number(words.next()?)?;
    Some(Place {
        stack_pointer,
        program_counter,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vdso_is_found_among_the_mappings() {
        let maps = "7f10-7f20 r--p 00000000 00:00 0    [vvar]\n\
                    7f26f0b9f000-7f26f0ba1000 r-xp 00000000 00:00 0      [vdso]\n";
        assert_eq!(vdso_range(maps), Some(0x7f26_f0b9_f000..0x7f26_f0ba_1000));
        assert_eq!(vdso_range("7f10-7f20 r--p 0 00:00 0 /tmp/[vdso]x\n"), None);
        assert_eq!(vdso_range(""), None);
    }

    #[test]
    fn a_name_with_brackets_does_not_hide_the_state() {
        assert_eq!(state(b"17 (a) R (b)) T 1 2"), Some('T'));
        assert_eq!(state(b"17 (a"), None);
    }

    #[test]
    fn a_pending_stop_is_signal_nineteen() {
        assert!(is_stop_pending(
            "SigPnd:\t0\nShdPnd:\t0000000000040000\nSigBlk:\t0\n"
        ));
        assert!(!is_stop_pending(
            "SigPnd:\t40000\nShdPnd:\t0000000000020000\n"
        ));
        assert!(!is_stop_pending(""));
    }

    #[test]
    fn the_place_is_what_ends_the_line() {
        let expected = Place {
            stack_pointer: 0x7ffe,
            program_counter: 0x40,
        };
        assert_eq!(place("-1 0x7ffe 0x40\n"), Some(expected));
        let in_a_call = "35 0x1 0x2 0x3 0x4 0x5 0x6 0x7ffe 0x40\n";
        assert_eq!(place(in_a_call), Some(expected));
        assert_eq!(place("running\n"), None);
    }

    #[test]
    fn what_is_ended_is_gone() {
        for error in [
            io::Error::from(ErrorKind::WriteZero),
            Errno::ESRCH.into(),
            Errno::ENOENT.into(),
        ] {
            assert!(matches!(failure(7, "", error), ClockError::Gone { pid: 7 }));
        }
        let denied = failure(std::process::id(), "", Errno::EPERM.into());
        assert!(matches!(denied, ClockError::Denied { .. }), "{denied}");
    }
}
