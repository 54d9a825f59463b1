//! One host: its network namespace, and the process that comes and goes in it.
//!
//! A watcher task owns each process: it alone waits for it, so an exit is seen exactly once and
//! becomes an event, wanted or not. Everybody else looks at `Observed`. Signals go through a
//! process descriptor (pidfd), so they can never hit another process that got the same number.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fabric::HostNet;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::super::bent::{Bent, open_pidfd, send_signal};
use super::super::home::Home;
use super::super::served::Served;
use super::super::{Observed, Probe, RuntimeError, reading, until_ready};
use crate::history::{EventKind, EventSink, HostState};
use crate::system::Launch;
use crate::world::{ClockBend, Disk, ProcessLimits};

/// How long a process may take to end when it is asked to.
const TERMINATE_PATIENCE: Duration = Duration::from_secs(5);

/// How long the kernel may take to stop a process.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A host and its process.
#[derive(Debug)]
pub struct HostProcess {
    home: Home,
    /// Its disk, when the harness serves it.
    served: Option<Served>,
    bent: Bent,
    launch: Launch,
    net: HostNet,
    sink: EventSink,
    observed: watch::Sender<Observed>,
    running: Arc<Mutex<Option<Running>>>,
}

/// The process that exists now.
#[derive(Debug)]
struct Running {
    pid: u32,
    pidfd: OwnedFd,
    /// True when the harness is ending it.
    exit_wanted: bool,
}

impl HostProcess {
    /// A host in its home and its network; starts nothing.
    pub fn new(
        home: Home,
        served: Option<Served>,
        launch: Launch,
        net: HostNet,
        sink: EventSink,
    ) -> HostProcess {
        HostProcess {
            bent: Bent::new(home.id().clone(), sink.clone()),
            home,
            served,
            launch,
            net,
            sink,
            observed: watch::Sender::new(Observed::default()),
            running: Arc::default(),
        }
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    pub fn observe(&self) -> watch::Receiver<Observed> {
        self.observed.subscribe()
    }

    /// The number of the process that exists now.
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(|running| running.pid)
    }

    /// Starts the process and the watcher; does nothing when it runs already.
    pub async fn start(&self) -> Result<(), RuntimeError> {
        if self.observed.borrow().alive {
            return Ok(());
        }
        let child = self
            .spawn()
            .map_err(|source| self.home.error("start", source))?;
        let pid = child
            .id()
            .expect("a child that was not waited for has a number");
        let pidfd = open_pidfd(pid).map_err(|source| self.home.error("watch", source))?;
        *self.lock() = Some(Running {
            pid,
            pidfd,
            exit_wanted: false,
        });
        self.observed
            .send_modify(|observed| *observed = observed.started());
        self.emit(HostState::Started { pid }).await;
        let bent = self.bent.started(pid);
        self.watch(child);
        bent
    }

    pub async fn kill(&self) -> Result<(), RuntimeError> {
        self.end(libc::SIGKILL, Duration::MAX).await
    }

    pub async fn terminate(&self) -> Result<(), RuntimeError> {
        self.end(libc::SIGTERM, TERMINATE_PATIENCE).await
    }

    pub async fn pause(&self) -> Result<(), RuntimeError> {
        self.bent.set_frozen(true);
        let Some(pid) = self
            .signal(libc::SIGSTOP, false)
            .map_err(|e| self.home.error("pause", e))?
        else {
            return Ok(());
        };
        let deadline = Instant::now() + STOP_PATIENCE;
        while !reading::is_stopped(pid) {
            if Instant::now() > deadline {
                let slow = io::Error::new(io::ErrorKind::TimedOut, "it did not stop");
                return Err(self.home.error("pause", slow));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.observed
            .send_modify(|observed| observed.stopped = true);
        self.emit(HostState::Paused).await;
        Ok(())
    }

    pub async fn resume(&self) -> Result<(), RuntimeError> {
        if !self.observed.borrow().stopped {
            return Ok(());
        }
        let signalled = self
            .signal(libc::SIGCONT, false)
            .map_err(|e| self.home.error("resume", e))?;
        self.bent.set_frozen(false);
        if signalled.is_some() {
            self.observed
                .send_modify(|observed| observed.stopped = false);
            self.emit(HostState::Resumed).await;
        }
        Ok(())
    }

    /// Empties the disk of a process that does not run.
    pub async fn wipe(&self) -> Result<(), RuntimeError> {
        let wiped = self.home.wipe(self.served.as_ref().map(Served::folder));
        let files = wiped.map_err(|source| self.home.error("wipe the disk of", source))?;
        if let Some(served) = &self.served {
            served.forget();
        }
        self.observed.send_modify(|observed| observed.wipes += 1);
        self.emit(HostState::Wiped { files }).await;
        Ok(())
    }

    /// Ends the process and takes back what it had not synced.
    pub async fn lose_power(&self) -> Result<(), RuntimeError> {
        let Some(served) = &self.served else {
            let unserved = io::Error::other("the harness does not serve its disk");
            return Err(self.home.error("take the power of", unserved));
        };
        served.cut_power();
        self.kill().await?;
        let lost = served.restore_power()?;
        self.observed
            .send_modify(|observed| observed.power_losses += 1);
        self.emit(HostState::PowerLost {
            files: lost.files,
            bytes: lost.bytes,
        })
        .await;
        Ok(())
    }

    pub fn set_disk(&self, disk: &Disk) {
        if let Some(served) = &self.served {
            served.set(disk);
        }
    }

    pub fn set_limits(&self, limits: &ProcessLimits) -> Result<(), RuntimeError> {
        self.bent.set_limits(*limits, self.observed.borrow().alive)
    }

    pub fn set_clock(&self, bends: &[ClockBend]) -> Result<(), RuntimeError> {
        self.bent.set_clock(bends, self.observed.borrow().alive)
    }

    pub fn probe(&self) -> Probe {
        Probe {
            disk: self.served.as_ref().map(Served::probe).unwrap_or_default(),
            ..self.bent.probe()
        }
    }

    /// Sends a signal and waits until the process is gone; SIGKILL when `patience` is over.
    async fn end(&self, signal: i32, patience: Duration) -> Result<(), RuntimeError> {
        let mut observed = self.observe();
        self.signal(signal, true)
            .map_err(|source| self.home.error("end", source))?;
        let gone = observed.wait_for(|observed| !observed.alive);
        if tokio::time::timeout(patience, gone).await.is_ok() {
            return Ok(());
        }
        self.signal(libc::SIGKILL, true)
            .map_err(|source| self.home.error("kill", source))?;
        // The sender lives as long as this host, so waiting cannot fail.
        let _ = observed.wait_for(|observed| !observed.alive).await;
        Ok(())
    }

    /// Sends a signal to the process, if there is one, and returns its number.
    fn signal(&self, signal: i32, exit_wanted: bool) -> io::Result<Option<u32>> {
        let mut running = self.lock();
        let Some(running) = running.as_mut() else {
            return Ok(None);
        };
        running.exit_wanted |= exit_wanted;
        match send_signal(&running.pidfd, signal) {
            // It has just ended by itself; its watcher says so.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Ok(Some(running.pid)),
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.home.log_path())?;
        let netns = self.net.netns().as_raw_fd();
        let mut command = Command::new(&self.launch.program);
        command
            .args(&self.launch.arguments)
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        // SAFETY: between fork and exec only setns is called, which is async-signal-safe (a bare
        // system call), on a descriptor that `self.net` keeps open.
        unsafe {
            command.pre_exec(move || match libc::setns(netns, libc::CLONE_NEWNET) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            });
        }
        command.spawn()
    }

    /// Starts the task that waits for the process, and that asks whether it is ready meanwhile.
    fn watch(&self, mut child: Child) {
        let (id, sink) = (self.home.id().clone(), self.sink.clone());
        let (observed, running) = (self.observed.clone(), Arc::clone(&self.running));
        let client = self.home.client().clone();
        let bent = self.bent.clone();
        tokio::spawn(async move {
            let status = tokio::select! {
                status = child.wait() => status,
                status = async {
                    until_ready(&client).await;
                    let state = HostState::Ready;
                    let host = id.clone();
                    sink.emit(EventKind::HostChanged { host, state }).await;
                    observed.send_modify(|observed| observed.ready = true);
                    std::future::pending().await
                } => status,
            };
            // The select ends only by the child's end, which may be seen by either of its arms.
            let ended = running
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .take();
            let wanted = ended.is_some_and(|running| running.exit_wanted);
            bent.ended();
            let state = exit_state(status, wanted);
            sink.emit(EventKind::HostChanged { host: id, state }).await;
            observed.send_modify(|observed| *observed = observed.without_process());
        });
    }

    async fn emit(&self, state: HostState) {
        self.sink
            .emit(EventKind::HostChanged {
                host: self.home.id().clone(),
                state,
            })
            .await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn exit_state(status: io::Result<ExitStatus>, wanted: bool) -> HostState {
    let status = status.ok();
    HostState::Exited {
        code: status.and_then(|status| status.code()),
        signal: status.and_then(|status| status.signal()),
        wanted,
    }
}
