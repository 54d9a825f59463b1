//! What faults do to a host's process from outside: its share of the processor, its limits and
//! its wall clock. The same on every runtime whose processes are this machine's.
//!
//! What is wanted is kept here, so that a process that is started again starts into it. Everything
//! goes through the process's number on this machine; where there is none, because the engine
//! is another machine's, a fault that needs it is refused.

mod throttle;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clock::Skew;

use throttle::{Held, Throttle};

use super::{Probe, RuntimeError};
use crate::history::EventSink;
use crate::host::HostId;
use crate::world::{ClockBend, ProcessLimits, clock_error_ns};

/// How often a process that has just been started is looked at until its clock is set: a process
/// that executes another program has a true clock again.
const CLOCK_INTERVAL: Duration = Duration::from_millis(5);

/// How long after a start the clock is looked after.
const CLOCK_PATIENCE: Duration = Duration::from_secs(10);

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bent {
    host: HostId,
    sink: EventSink,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    limits: ProcessLimits,
    clock: Vec<ClockBend>,
    process: Option<Process>,
    throttle: Option<Throttle>,
    held: Held,
    /// Processor time of the processes that are gone.
    cpu_used: Duration,
}

/// The process that exists now.
#[derive(Debug)]
struct Process {
    pid: u32,
    pidfd: Arc<OwnedFd>,
    /// The limits that it was started with: memory, files.
    memory: libc::rlimit64,
    files: libc::rlimit64,
    memory_limited: bool,
    files_limited: bool,
}

impl Bent {
    /// Nothing is wrong yet.
    pub fn new(host: HostId, sink: EventSink) -> Bent {
        Bent {
            host,
            sink,
            state: Arc::new(Mutex::new(State {
                limits: ProcessLimits::default(),
                clock: Vec::new(),
                process: None,
                throttle: None,
                held: Held::default(),
                cpu_used: Duration::ZERO,
            })),
        }
    }

    /// A process was started: it gets what is wanted.
    ///
    /// # Errors
    /// When a limit cannot be set. The clock is set as soon as the program runs.
    pub fn started(&self, pid: u32) -> Result<(), RuntimeError> {
        let process = Process::new(pid).map_err(|error| self.failed("limit", error))?;
        let mut state = self.lock();
        state.process = Some(process);
        let clock_is_wrong = !state.clock.is_empty();
        let limited = state.limit();
        drop(state);
        limited.map_err(|error| self.failed("limit", error))?;
        if clock_is_wrong {
            self.keep_setting_the_clock(pid);
        }
        Ok(())
    }

    /// The process is gone.
    pub fn ended(&self) {
        let mut state = self.lock();
        let used = state
            .process
            .as_ref()
            .and_then(|process| throttle::cpu_time(process.pid));
        state.cpu_used += used.unwrap_or_default();
        state.held.set_process(None);
        state.process = None;
    }

    /// The process is frozen by somebody else, or no longer.
    pub fn set_frozen(&self, frozen: bool) {
        self.lock().held.set_frozen(frozen);
    }

    /// From now on the process may use this much.
    ///
    /// # Errors
    /// When that cannot be set, or the process is not one of this machine.
    pub fn set_limits(&self, limits: ProcessLimits, alive: bool) -> Result<(), RuntimeError> {
        let mut state = self.lock();
        state.limits = limits;
        if alive && state.process.is_none() {
            drop(state);
            return Err(elsewhere(&self.host, "limited"));
        }
        let limited = state.limit();
        drop(state);
        limited.map_err(|error| self.failed("limit", error))
    }

    /// From now on the wall clock of the process is this wrong.
    ///
    /// # Errors
    /// When that cannot be done on this machine, or the process is not one of it.
    pub fn set_clock(&self, bends: &[ClockBend], alive: bool) -> Result<(), RuntimeError> {
        let mut state = self.lock();
        state.clock = bends.to_vec();
        let pid = state.process.as_ref().map(|process| process.pid);
        drop(state);
        match pid {
            Some(pid) => match clock::set(pid, self.skew(bends)) {
                // It has just ended by itself.
                Err(clock::ClockError::Gone { .. }) => Ok(()),
                other => other.map_err(RuntimeError::from),
            },
            None if alive => Err(elsewhere(&self.host, "given another clock")),
            None => Ok(()),
        }
    }

    /// What can be read of the process now.
    pub fn probe(&self) -> Probe {
        let state = self.lock();
        let process = state.process.as_ref();
        let limit = |resource| process.and_then(|process| read_limit(process.pid, resource));
        let cpu = process.and_then(|process| throttle::cpu_time(process.pid));
        Probe {
            cpu_held: state.held.total(),
            cpu_used: state.cpu_used + cpu.unwrap_or_default(),
            memory_limit: limit(libc::RLIMIT_DATA),
            files_limit: limit(libc::RLIMIT_NOFILE),
            clock_error_ns: process.and_then(|process| clock_error(process.pid)),
            ..Probe::default()
        }
    }

    /// The clock of a program that is only now being executed is set as soon as it can be, and
    /// looked at until the process has settled.
    fn keep_setting_the_clock(&self, pid: u32) {
        let bent = self.clone();
        tokio::spawn(async move {
            let deadline = tokio::time::Instant::now() + CLOCK_PATIENCE;
            while tokio::time::Instant::now() < deadline {
                let wanted = {
                    let state = bent.lock();
                    let same = state.process.as_ref().is_some_and(|now| now.pid == pid);
                    same.then(|| state.clock.clone())
                };
                let Some(wanted) = wanted else { return };
                let lost = matches!(clock::get(pid), Ok(None));
                if lost && !wanted.is_empty() {
                    // What fails here shows in the evidence: the clock is read there.
                    let _ = clock::set(pid, bent.skew(&wanted));
                }
                tokio::time::sleep(CLOCK_INTERVAL).await;
            }
        });
    }

    /// All that is wrong with the clock as one skew, counted from now.
    fn skew(&self, bends: &[ClockBend]) -> Skew {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Skew {
            offset_ns: clock_error_ns(bends, self.sink.now_us()),
            drift_ppb: bends.iter().map(|bend| bend.drift_ppb).sum(),
            since_ns: i64::try_from(unix.as_nanos()).unwrap_or(i64::MAX),
        }
    }

    fn failed(&self, step: &'static str, source: io::Error) -> RuntimeError {
        RuntimeError::Host {
            step,
            host: self.host.0.clone(),
            source,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Gives the process the limits that are wanted.
    fn limit(&mut self) -> io::Result<()> {
        let limits = self.limits;
        if let Some(process) = &mut self.process {
            process.limit_memory(limits.memory_bytes)?;
            process.limit_files(limits.files)?;
            let held = (process.pid, Arc::clone(&process.pidfd));
            self.held.set_process(Some(held));
        }
        match (limits.cpu_ppm, &self.throttle) {
            (Some(ppm), Some(throttle)) => throttle.set_share(ppm),
            (Some(ppm), None) => self.throttle = Some(Throttle::start(self.held.clone(), ppm)),
            // Dropping it lets the process go on.
            (None, _) => self.throttle = None,
        }
        Ok(())
    }
}

impl Process {
    fn new(pid: u32) -> io::Result<Process> {
        Ok(Process {
            pid,
            pidfd: Arc::new(open_pidfd(pid)?),
            memory: limits_of(pid, libc::RLIMIT_DATA, None)?,
            files: limits_of(pid, libc::RLIMIT_NOFILE, None)?,
            memory_limited: false,
            files_limited: false,
        })
    }

    fn limit_memory(&mut self, wanted: Option<u64>) -> io::Result<()> {
        let changed = wanted.is_some() || self.memory_limited;
        self.memory_limited = wanted.is_some();
        match changed {
            true => limit(self.pid, libc::RLIMIT_DATA, wanted, self.memory),
            false => Ok(()),
        }
    }

    fn limit_files(&mut self, wanted: Option<u64>) -> io::Result<()> {
        let changed = wanted.is_some() || self.files_limited;
        self.files_limited = wanted.is_some();
        match changed {
            true => limit(self.pid, libc::RLIMIT_NOFILE, wanted, self.files),
            false => Ok(()),
        }
    }
}

/// Sets the soft limit of a resource, or what it was before; one that is gone needs no limit.
fn limit(
    pid: u32,
    resource: libc::__rlimit_resource_t,
    wanted: Option<u64>,
    before: libc::rlimit64,
) -> io::Result<()> {
    let soft = wanted.map_or(before.rlim_cur, |wanted| wanted.min(before.rlim_max));
    let new = libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: before.rlim_max,
    };
    match limits_of(pid, resource, Some(new)) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// The soft limit of a resource.
fn read_limit(pid: u32, resource: libc::__rlimit_resource_t) -> Option<u64> {
    limits_of(pid, resource, None)
        .ok()
        .map(|limits| limits.rlim_cur)
}

/// Reads, and sets if given, the limits of a process; see prlimit(2).
fn limits_of(
    pid: u32,
    resource: libc::__rlimit_resource_t,
    new: Option<libc::rlimit64>,
) -> io::Result<libc::rlimit64> {
    let pid = i32::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
    let new: *const libc::rlimit64 = new.as_ref().map_or(std::ptr::null(), |new| new);
    let mut old = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `new` is null or points to a value that lives until the end of the function, `old`
    // is ours to be written.
    match unsafe { libc::prlimit64(pid, resource, new, &raw mut old) } {
        0 => Ok(old),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A descriptor of a process, so that a signal can never hit another one with the same number.
pub fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    match i32::try_from(fd) {
        // SAFETY: the kernel just made this descriptor and nobody else has it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends a signal to the process behind a descriptor.
pub fn send_signal(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open, no siginfo is passed.
    let done = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// How much more than the true time a process is set to see; none when its clock was never set.
fn clock_error(pid: u32) -> Option<i64> {
    let skew = clock::get(pid).ok()??;
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let true_ns = i64::try_from(unix.as_nanos()).ok()?;
    Some(skew.shown_ns(true_ns).saturating_sub(true_ns))
}

fn elsewhere(host: &HostId, what: &str) -> RuntimeError {
    RuntimeError::Unsupported {
        what: format!("{host} cannot be {what}: its process is not one of this machine"),
        remedy: "use an engine on this machine, or the local runtime".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A process that sleeps, ended when dropped.
    struct Sleeper(Child);

    impl Sleeper {
        fn new() -> Sleeper {
            let child = Command::new("sleep")
                .arg("60")
                .stdin(Stdio::null())
                .spawn()
                .expect("sleep exists");
            Sleeper(child)
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[tokio::test]
    async fn limits_are_set_read_back_and_lifted() {
        let (sink, _events) = crate::history::detached_sink();
        let bent = Bent::new(HostId("node-1".into()), sink);
        let sleeper = Sleeper::new();
        bent.started(sleeper.0.id()).expect("it can be limited");
        let before = bent.probe();
        let limits = ProcessLimits {
            cpu_ppm: None,
            memory_bytes: Some(64 << 20),
            files: Some(20),
        };
        bent.set_limits(limits, true).expect("it can be limited");
        let limited = bent.probe();
        assert_eq!(limited.memory_limit, Some(64 << 20));
        assert_eq!(limited.files_limit, Some(20));
        bent.set_limits(ProcessLimits::default(), true)
            .expect("it can be lifted");
        let after = bent.probe();
        assert_eq!(after.memory_limit, before.memory_limit);
        assert_eq!(after.files_limit, before.files_limit);
    }

    #[tokio::test]
    async fn a_process_that_is_started_again_starts_into_its_limits() {
        let (sink, _events) = crate::history::detached_sink();
        let bent = Bent::new(HostId("node-1".into()), sink);
        let limits = ProcessLimits {
            files: Some(33),
            ..ProcessLimits::default()
        };
        bent.set_limits(limits, false).expect("nobody to limit yet");
        let sleeper = Sleeper::new();
        bent.started(sleeper.0.id()).expect("it can be limited");
        assert_eq!(bent.probe().files_limit, Some(33));
        bent.ended();
        let refused = bent.set_limits(limits, true).expect_err("no process here");
        assert!(refused.to_string().contains("not one of this machine"));
    }
}
