//! A process that gets a share of one processor: it is stopped whenever it has used more.
//!
//! The kernel's control groups would do it more smoothly, but not for whoever is not root. The
//! books are kept over a tenth of a second: what was not used for longer is not saved up.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::send_signal;

/// How often the books are looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// The time for which an unused share is kept.
const SAVED: Duration = Duration::from_millis(100);

/// The process that may be held, and for how long it was. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<Mutex<Books>>);

#[derive(Debug, Default)]
struct Books {
    process: Option<(u32, Arc<OwnedFd>)>,
    /// The processor time that it had used when the books were looked at last.
    used: Duration,
    /// Somebody else has frozen it: it is not ours to let it go on.
    frozen: bool,
    /// We hold it since then.
    since: Option<Instant>,
    total: Duration,
}

impl Held {
    /// The process that exists now.
    pub fn set_process(&self, process: Option<(u32, Arc<OwnedFd>)>) {
        let mut books = self.lock();
        let same = books.process.as_ref().map(|one| one.0) == process.as_ref().map(|one| one.0);
        if same {
            return;
        }
        books.release();
        books.used = process
            .as_ref()
            .and_then(|(pid, _)| cpu_time(*pid))
            .unwrap_or_default();
        books.process = process;
    }

    /// Whether somebody else has frozen the process.
    pub fn set_frozen(&self, frozen: bool) {
        let mut books = self.lock();
        books.frozen = frozen;
        if !frozen && books.since.is_some() {
            // Whoever let it go on let it go on for us too.
            books.stopped_holding();
        }
    }

    /// How long processes were held so far.
    pub fn total(&self) -> Duration {
        let books = self.lock();
        books.total + books.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// The processor time used since the last look.
    fn used(&self) -> Duration {
        let mut books = self.lock();
        let now = books.process.as_ref().and_then(|(pid, _)| cpu_time(*pid));
        let now = now.unwrap_or(books.used);
        let used = now.saturating_sub(books.used);
        books.used = now;
        used
    }

    fn hold(&self) {
        let mut books = self.lock();
        if books.since.is_some() || books.frozen {
            return;
        }
        let Some((_, pidfd)) = &books.process else {
            return;
        };
        if send_signal(pidfd, libc::SIGSTOP).is_ok() {
            books.since = Some(Instant::now());
        }
    }

    fn release(&self) {
        self.lock().release();
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn release(&mut self) {
        if self.since.is_none() {
            return;
        }
        self.stopped_holding();
        if let Some((_, pidfd)) = self.process.as_ref().filter(|_| !self.frozen) {
            // One that is gone needs no signal.
            let _ = send_signal(pidfd, libc::SIGCONT);
        }
    }

    fn stopped_holding(&mut self) {
        let held = self
            .since
            .take()
            .map_or(Duration::ZERO, |since| since.elapsed());
        self.total += held;
    }
}

/// Holds a process to its share until it is dropped.
#[derive(Debug)]
pub struct Throttle {
    share_ppm: Arc<AtomicU32>,
    held: Held,
    task: JoinHandle<()>,
}

impl Throttle {
    /// Starts to hold a process to this share of one processor, in millionths.
    pub fn start(held: Held, ppm: u32) -> Throttle {
        let share_ppm = Arc::new(AtomicU32::new(ppm));
        let task = tokio::spawn(keep_books(held.clone(), Arc::clone(&share_ppm)));
        Throttle {
            share_ppm,
            held,
            task,
        }
    }

    /// Another share from now on.
    pub fn set_share(&self, ppm: u32) {
        self.share_ppm.store(ppm, Ordering::Relaxed);
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        self.task.abort();
        self.held.release();
    }
}

async fn keep_books(held: Held, share_ppm: Arc<AtomicU32>) {
    let mut last = Instant::now();
    // What was used before counts for nothing.
    held.used();
    let mut credit_us = 0.0;
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        let share = f64::from(share_ppm.load(Ordering::Relaxed)) / 1e6;
        let earned_us = (now - last).as_secs_f64() * 1e6 * share;
        last = now;
        let most_us = SAVED.as_secs_f64() * 1e6 * share;
        let used_us = held.used().as_secs_f64() * 1e6;
        credit_us = (credit_us + earned_us - used_us).min(most_us);
        if credit_us < 0.0 {
            held.hold();
        } else {
            held.release();
        }
    }
}

/// Processor time of a process with all of its threads, to the nanosecond; none when it is gone.
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let pid = i32::try_from(pid).ok()?;
    let mut clock = 0;
    // SAFETY: the kernel's library writes a clock's number into our variable.
    if unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } != 0 {
        return None;
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes the time into our variable.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u32::try_from(time.tv_nsec).ok()?;
    Some(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::super::open_pidfd;
    use super::*;

    #[tokio::test]
    async fn a_busy_process_gets_its_share_and_goes_on_afterwards() {
        let mut busy = Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .stdin(Stdio::null())
            .spawn()
            .expect("a shell exists");
        let pid = busy.id();
        let pidfd = Arc::new(open_pidfd(pid).expect("a child"));
        let held = Held::default();
        held.set_process(Some((pid, pidfd)));
        let throttle = Throttle::start(held.clone(), 100_000);
        let (began, before) = (Instant::now(), cpu_time(pid).expect("alive"));
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (passed, used) = (began.elapsed(), cpu_time(pid).expect("alive") - before);
        drop(throttle);
        // A tenth, and what it uses before it is first looked at; this machine may be busy, so
        // there is no lower bound.
        let share = used.as_secs_f64() / passed.as_secs_f64();
        assert!(share < 0.2, "{share}");
        assert!(
            held.total() > Duration::from_millis(500),
            "{:?}",
            held.total()
        );
        let goes_on = cpu_time(pid).expect("alive");
        let deadline = Instant::now() + Duration::from_secs(30);
        while cpu_time(pid).expect("alive") < goes_on + Duration::from_millis(20) {
            assert!(Instant::now() < deadline, "it does not go on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        busy.kill().expect("ours");
        busy.wait().expect("ours");
    }
}
