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

use super::super::bent::{open_pidfd, send_signal};
use super::super::body::Body;
use super::super::home::Home;
use super::super::served::Served;
use super::super::{RuntimeError, reading, until_ready};
use crate::history::{EventKind, EventSink, HostState};
use crate::system::Launch;

/// How long a process may take to end when it is asked to.
const TERMINATE_PATIENCE: Duration = Duration::from_secs(5);

/// How long the kernel may take to stop a process.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A host and its process.
#[derive(Debug)]
pub struct HostProcess {
    body: Body,
    launch: Launch,
    net: HostNet,
    sink: EventSink,
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
            body: Body::new(home, served, sink.clone()),
            launch,
            net,
            sink,
            running: Arc::default(),
        }
    }

    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The number of the process that exists now.
    pub fn pid(&self) -> Option<u32> {
        self.lock().as_ref().map(|running| running.pid)
    }

    /// Starts the process and the watcher; does nothing when it runs already.
    pub async fn start(&self) -> Result<(), RuntimeError> {
        if self.body.observed.borrow().alive {
            return Ok(());
        }
        let child = self
            .spawn()
            .map_err(|source| self.body.home.error("start", source))?;
        let pid = child
            .id()
            .expect("a child that was not waited for has a number");
        let pidfd = open_pidfd(pid).map_err(|source| self.body.home.error("watch", source))?;
        *self.lock() = Some(Running {
            pid,
            pidfd,
            exit_wanted: false,
        });
        self.body
            .observed
            .send_modify(|observed| *observed = observed.started());
        self.body.emit(HostState::Started { pid }).await;
        let bent = self.body.bent.started(pid);
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
        self.body.bent.set_frozen(true);
        let Some(pid) = self
            .signal(libc::SIGSTOP, false)
            .map_err(|e| self.body.home.error("pause", e))?
        else {
            return Ok(());
        };
        let deadline = Instant::now() + STOP_PATIENCE;
        while !reading::is_stopped(pid) {
            if Instant::now() > deadline {
                let slow = io::Error::new(io::ErrorKind::TimedOut, "it did not stop");
                return Err(self.body.home.error("pause", slow));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.body
            .observed
            .send_modify(|observed| observed.stopped = true);
        self.body.emit(HostState::Paused).await;
        Ok(())
    }

    pub async fn resume(&self) -> Result<(), RuntimeError> {
        if !self.body.observed.borrow().stopped {
            return Ok(());
        }
        let signalled = self
            .signal(libc::SIGCONT, false)
            .map_err(|e| self.body.home.error("resume", e))?;
        self.body.bent.set_frozen(false);
        if signalled.is_some() {
            self.body
                .observed
                .send_modify(|observed| observed.stopped = false);
            self.body.emit(HostState::Resumed).await;
        }
        Ok(())
    }

    /// Sends a signal and waits until the process is gone; SIGKILL when `patience` is over.
    async fn end(&self, signal: i32, patience: Duration) -> Result<(), RuntimeError> {
        let mut observed = self.body.observe();
        self.signal(signal, true)
            .map_err(|source| self.body.home.error("end", source))?;
        let gone = observed.wait_for(|observed| !observed.alive);
        if tokio::time::timeout(patience, gone).await.is_ok() {
            return Ok(());
        }
        self.signal(libc::SIGKILL, true)
            .map_err(|source| self.body.home.error("kill", source))?;
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
            .open(self.body.home.log_path())?;
        let netns = self.net.netns().as_raw_fd();
        let mut command = Command::new(&self.launch.program);
        command
            .args(&self.launch.arguments)
            .current_dir(self.body.home.path())
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
        let (id, sink) = (self.body.home.id().clone(), self.sink.clone());
        let (observed, running) = (self.body.observed.clone(), Arc::clone(&self.running));
        let client = self.body.home.client().clone();
        let bent = self.body.bent.clone();
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
