//! A socket that passes everything on to the engine, until it is told to stall one process.
//!
//! From then on nothing that this process asks reaches the engine, and no answer comes back, but
//! its connections stay open: as when an engine hangs. Everybody else is served as before.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

/// Where the engine is.
const ENGINE: &str = "/var/run/docker.sock";

pub struct StallingProxy {
    path: PathBuf,
    /// The process that is stalled; 0 for none.
    stalled: Arc<AtomicU32>,
}

impl StallingProxy {
    /// Listens at `path`. The threads end with the test's process.
    pub fn start(path: &Path) -> StallingProxy {
        let listener = UnixListener::bind(path).expect("a new socket");
        let stalled = Arc::new(AtomicU32::new(0));
        let shared = Arc::clone(&stalled);
        thread::spawn(move || {
            for caller in listener.incoming() {
                let caller = caller.expect("a connection");
                serve(&caller, &shared);
            }
        });
        StallingProxy {
            path: path.to_owned(),
            stalled,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stalls the connections of a process, those that there are and those to come.
    pub fn stall(&self, process: u32) {
        self.stalled.store(process, Ordering::SeqCst);
    }
}

fn serve(caller: &UnixStream, stalled: &Arc<AtomicU32>) {
    let process = getsockopt(caller, PeerCredentials)
        .expect("a local caller")
        .pid();
    let process = u32::try_from(process).expect("process numbers are positive");
    let engine = UnixStream::connect(ENGINE).expect("the engine listens");
    let both = |stream: &UnixStream| stream.try_clone().expect("a descriptor");
    for (from, to) in [(both(caller), both(&engine)), (both(&engine), both(caller))] {
        let stalled = Arc::clone(stalled);
        thread::spawn(move || pass_on(from, to, process, &stalled));
    }
}

/// Passes on what is read, until either side is gone. The end of the caller is passed on even
/// when it is stalled: that is no answer.
fn pass_on(mut from: UnixStream, mut to: UnixStream, process: u32, stalled: &AtomicU32) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if stalled.load(Ordering::SeqCst) == process {
            continue;
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
