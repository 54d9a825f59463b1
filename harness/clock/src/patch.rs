//! Skewing a clock and reading the skew: the edge between this crate and other processes.

use std::fs::File;
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime};
use std::{process, thread};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::code::{self, DATA_BYTES};
use crate::image::{Content, Functions, Write};
use crate::process::{Process, failure, is_own};
use crate::stopped::{Stopped, Threads};
use crate::{ClockError, Skew};

/// How long a process may take to come to rest outside of its vDSO, and another writer to finish.
const PATCH_MAX: Duration = Duration::from_secs(2);

/// How long a process runs between two attempts.
const PAUSE: Duration = Duration::from_micros(100);

/// How often a reader starts again because of a writer.
const READS_MAX: usize = 1_000;

/// Whether clocks can be skewed here: whether this process's vDSO has the functions, with enough
/// room, and the kernel lets it be written to.
///
/// # Errors
/// What is missing, and what to do about it.
pub fn supported() -> Result<(), ClockError> {
    let own = Process::open(process::id())?;
    let image = own.image()?;
    Functions::find(&image)?;
    // The last byte of what identifies an ELF file has no meaning, and stays what it is.
    own.write(15, &image[15..16])
}

/// Lets a process see a skewed clock from now on. The first time, this patches it, for which it
/// is stopped, unless it was stopped already, until each thread has noticed: some hundred
/// microseconds, or some milliseconds when threads that want to run wait for a processor. After
/// that, only the parameters change, at one instant for all threads. The default skew heals.
///
/// # Errors
/// When there is no such process, it may not be traced, or it is one whose clock cannot be
/// skewed. Nothing has changed then.
pub fn set(pid: u32, skew: Skew) -> Result<(), ClockError> {
    if is_own(pid) {
        return Err(ClockError::Unsupported {
            what: "a process that stops itself cannot go on".to_owned(),
            remedy: "skew the clock of another process",
        });
    }
    if i64::try_from(skew.exact_ns(now_ns())).is_err() {
        return Err(ClockError::TooFar { skew });
    }
    let deadline = Instant::now() + PATCH_MAX;
    let process = Process::open(pid)?;
    let _lock = lock(&process, deadline)?;
    let image = process.image()?;
    let functions = Functions::find(&image)?;
    match functions.content(&image)? {
        Content::Patched => update(&process, &functions, &skew),
        Content::Unpatched => install(&process, &functions, &image, &skew, deadline),
    }
}

/// The skew that a process has; none when it was never patched, or has executed another program
/// since.
///
/// # Errors
/// When there is no such process, it may not be traced, or its clock cannot be skewed.
pub fn get(pid: u32) -> Result<Option<Skew>, ClockError> {
    let process = Process::open(pid)?;
    let image = process.image()?;
    let functions = Functions::find(&image)?;
    match functions.content(&image)? {
        Content::Unpatched => Ok(None),
        Content::Patched => read(&process, &functions).map(|(_, skew)| Some(skew)),
    }
}

/// The true time, in nanoseconds since the epoch.
fn now_ns() -> i64 {
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX)
}

/// Keeps other writers away from the same process, also those of other processes.
fn lock(process: &Process, deadline: Instant) -> Result<Flock<File>, ClockError> {
    let wrap = |source| failure(process.pid, "lock the memory", source);
    let mut file = process.memory.try_clone().map_err(wrap)?;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((unlocked, Errno::EWOULDBLOCK)) => file = unlocked,
            Err((_, error)) => return Err(wrap(error.into())),
        }
        if Instant::now() > deadline {
            return Err(ClockError::TimedOut {
                pid: process.pid,
                what: "is being patched by somebody else; try again",
            });
        }
        thread::sleep(PAUSE);
    }
}

/// Gives a patched process another skew.
fn update(process: &Process, functions: &Functions, skew: &Skew) -> Result<(), ClockError> {
    let (sequence, _) = read(process, functions)?;
    for (at, bytes) in code::update(sequence, skew) {
        process.write(functions.data().start + at, &bytes)?;
    }
    Ok(())
}

/// The sequence and the skew of a patched process. A writer does not touch the slot that is read
/// before the sequence has moved on.
fn read(process: &Process, functions: &Functions) -> Result<(u64, Skew), ClockError> {
    let mut data = [0; DATA_BYTES];
    for _ in 0..READS_MAX {
        process.read_exact(functions.data().start, &mut data)?;
        let (sequence, skew) = code::read(&data);
        process.read_exact(functions.data().start, &mut data)?;
        if code::read(&data).0 == sequence {
            return Ok((sequence, skew));
        }
    }
    Err(ClockError::TimedOut {
        pid: process.pid,
        what: "gets a new skew all the time; try again",
    })
}

/// Patches a process, whose vDSO has this image now.
fn install(
    process: &Process,
    functions: &Functions,
    image: &[u8],
    skew: &Skew,
    deadline: Instant,
) -> Result<(), ClockError> {
    let mut bar = Undo::new(process, image);
    let outcome = replace(functions, skew, deadline, &mut bar);
    if outcome.is_ok() {
        bar.keep();
    } else if !bar.is_empty() {
        // A bar is better not lifted under somebody's feet.
        let stopped = Stopped::stop(process, Instant::now() + PATCH_MAX);
        drop(bar);
        drop(stopped);
    }
    outcome
}

/// Replaces the functions at a moment when no thread is inside of the vDSO. Threads that read the
/// time all the time may never be outside all at once, so after one vain attempt the functions
/// are barred: who is inside gets out, and who calls waits.
fn replace(
    functions: &Functions,
    skew: &Skew,
    deadline: Instant,
    bar: &mut Undo<'_>,
) -> Result<(), ClockError> {
    let process = bar.process;
    let timed_out = |what| {
        let pid = process.pid;
        Err(ClockError::TimedOut { pid, what })
    };
    loop {
        let stopped = Stopped::stop(process, deadline)?;
        match stopped.threads(functions)? {
            Threads::Outside => {
                let mut patch = Undo::new(process, bar.image);
                patch.write(&functions.patch(skew))?;
                patch.keep();
                return Ok(());
            }
            _ if !stopped.is_ours() => {
                return timed_out("was stopped while a thread read the time; let it go on first");
            }
            _ if Instant::now() > deadline => {
                return timed_out("never left its vDSO; try again");
            }
            Threads::Inside if bar.is_empty() => bar.write(&functions.bar())?,
            Threads::Inside | Threads::Anywhere => {}
        }
        drop(stopped);
        thread::sleep(PAUSE);
    }
}

/// Writes into a vDSO, taken back when this is dropped, unless they are kept.
#[derive(Debug)]
struct Undo<'a> {
    process: &'a Process,
    image: &'a [u8],
    written: Vec<Range<usize>>,
}

impl<'a> Undo<'a> {
    fn new(process: &'a Process, image: &'a [u8]) -> Undo<'a> {
        let written = Vec::new();
        Undo {
            process,
            image,
            written,
        }
    }

    fn write(&mut self, writes: &[Write]) -> Result<(), ClockError> {
        for (at, bytes) in writes {
            self.written.push(*at..*at + bytes.len());
            self.process.write(*at, bytes)?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    fn keep(&mut self) {
        self.written.clear();
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        for range in self.written.drain(..).rev() {
            // The process may be gone, and then so is its vDSO.
            let _ = self.process.write(range.start, &self.image[range]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// A program that does not read the time while it is tested.
    struct Sleeper(Child);

    impl Sleeper {
        fn start() -> Sleeper {
            let mut command = Command::new("sleep");
            Sleeper(command.arg("600").spawn().expect("sleep"))
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// The kernel lets the parent go on before it has mapped the vDSO of the child.
    #[test]
    fn a_process_can_be_skewed_from_its_first_moment() {
        for drift_ppb in 1..=100 {
            let skew = Skew {
                drift_ppb,
                since_ns: now_ns(),
                ..Skew::default()
            };
            let sleeper = Sleeper::start();
            set(sleeper.0.id(), skew).expect("set");
            assert_eq!(get(sleeper.0.id()).expect("read"), Some(skew));
        }
    }

    #[test]
    fn what_is_not_kept_is_taken_back() {
        let sleeper = Sleeper::start();
        let process = Process::open(sleeper.0.id()).expect("a child");
        let image = process.image().expect("its vDSO");
        let functions = Functions::find(&image).expect("supported");
        let mut writes = Undo::new(&process, &image);
        writes.write(&functions.bar()).expect("written");
        writes
            .write(&functions.patch(&Skew::default()))
            .expect("written");
        assert_ne!(process.image().expect("its vDSO"), image);
        drop(writes);
        assert_eq!(process.image().expect("its vDSO"), image);
    }
}
