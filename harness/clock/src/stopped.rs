//! A moment in which no thread of a process runs.

use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ClockError;
use crate::image::Functions;
use crate::process::{Place, Process, Thread, failure};

/// How often a process is asked whether it has stopped.
const POLL: Duration = Duration::from_micros(20);

/// How much of each stack is searched for interrupted calls. A signal handler rarely has more.
const STACK_BYTES: usize = 32 << 10;

/// A process while it is stopped. It goes on when this is dropped, unless somebody else had
/// stopped it before.
#[derive(Debug)]
pub(crate) struct Stopped<'a> {
    process: &'a Process,
    is_ours: bool,
}

/// Where the threads of a stopped process are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// None is inside of the vDSO.
    Outside,
    /// Some are, though not on the bytes that become the bar.
    Inside,
    /// Some may be anywhere.
    Anywhere,
}

impl Stopped<'_> {
    /// Stops all threads.
    pub(crate) fn stop(process: &Process, deadline: Instant) -> Result<Stopped<'_>, ClockError> {
        let mut stopped = Stopped {
            process,
            is_ours: false,
        };
        if !process.is_stopping()? {
            stopped.is_ours = true;
            stopped.signal(Signal::SIGSTOP)?;
        }
        while !stopped.is_at_rest()? {
            if Instant::now() > deadline {
                return Err(ClockError::TimedOut {
                    pid: process.pid,
                    what: "did not stop: a thread waits for a device or for a child made by \
                           vfork; try again",
                });
            }
            thread::sleep(POLL);
        }
        Ok(stopped)
    }

    /// Whether the process goes on when this is dropped.
    pub(crate) fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// Where the threads are.
    pub(crate) fn threads(&self, functions: &Functions) -> Result<Threads, ClockError> {
        let mut all = Threads::Outside;
        for thread in self.process.threads()? {
            let place = thread
                .place()
                .map_err(|source| failure(self.process.pid, "find a thread", source))?;
            let Some(place) = place else {
                return Ok(Threads::Anywhere);
            };
            for at in self.places_in_vdso(place) {
                if functions.is_under_bar(at) {
                    return Ok(Threads::Anywhere);
                }
                if !functions.is_entry(at) {
                    all = Threads::Inside;
                }
            }
        }
        Ok(all)
    }

    /// Where in the vDSO a thread is, or comes back to when its signal handlers return.
    fn places_in_vdso(&self, place: Place) -> impl Iterator<Item = usize> {
        let mut stack = vec![0; STACK_BYTES];
        // A stack may end sooner, and a thread may have no stack at all.
        let bytes = self.process.memory.read_at(&mut stack, place.stack_pointer);
        stack.truncate(bytes.unwrap_or(0));
        [place.program_counter]
            .into_iter()
            .chain(interrupted(&stack))
            .filter_map(|address| self.process.in_vdso(address))
    }

    /// Whether all threads are stopped.
    fn is_at_rest(&self) -> Result<bool, ClockError> {
        let threads = self.process.threads()?;
        if threads.is_empty() {
            let pid = self.process.pid;
            return Err(ClockError::Gone { pid });
        }
        Ok(threads.iter().all(Thread::is_stopped))
    }

    fn signal(&self, signal: Signal) -> Result<(), ClockError> {
        let pid = Pid::from_raw(self.process.pid.cast_signed());
        let wrap = |source: nix::Error| failure(self.process.pid, "stop a thread", source.into());
        kill(pid, signal).map_err(wrap)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        if self.is_ours {
            // It may have been killed meanwhile.
            let _ = self.signal(Signal::SIGCONT);
        }
    }
}

/// The program counters in the frames of signals on a stack: `struct sigcontext` of
/// arch/x86/include/uapi/asm/sigcontext.h has the program counter, the flags and then, in one
/// word, the segments, of which that of 64-bit code is 0x33. Return addresses do not look like it.
fn interrupted(stack: &[u8]) -> Vec<u64> {
    let (words, _) = stack.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let is_frame = |three: &&[u64]| {
        let flags = three[1];
        // Bit 1 is always set, and there are none from bit 22 on.
        flags & 2 != 0 && flags < 1 << 22 && three[2] & 0xffff == 0x33
    };
    let frames = words.windows(3).filter(is_frame);
    frames.map(|three| three[0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_call_is_seen_and_a_return_address_is_not() {
        let stack = |words: &[u64]| -> Vec<u8> {
            words.iter().copied().flat_map(u64::to_le_bytes).collect()
        };
        let frame = [1, 2, 0x7f00_0af7, 0x246, 0x002b_0000_0000_0033, 5];
        assert_eq!(interrupted(&stack(&frame)), [0x7f00_0af7]);
        assert_eq!(interrupted(&stack(&[0x7f00_0af7, 0x7f00, 0x33, 3])), []);
        assert_eq!(interrupted(&stack(&[0x7f00_0af7])), []);
        assert_eq!(interrupted(&[]), []);
    }
}
