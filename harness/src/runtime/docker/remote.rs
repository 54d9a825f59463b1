//! A fabric that another process holds: what is said over the socket, and both ends of it.
//!
//! One request, one reply, each a line of JSON. The holder serves one caller and ends when that
//! one is gone. It runs in a privileged container that sees the engine's processes, so it can
//! enter the network namespaces of the hosts' containers.

use std::fs::Permissions;
use std::io::{self, BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fabric::{Fabric, HostIndex, LinkReport, PolicyTable};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::network;

/// How long the holder may take over one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The file name of the socket.
pub const SOCKET: &str = "fabric.sock";

/// The container that holds the fabric did not do its part.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// It does not answer.
    #[error(
        "the container that holds the network does not answer: {0}; its end is in `docker ps -a`"
    )]
    Gone(#[from] io::Error),
    /// What it says makes no sense.
    #[error("the container that holds the network said something strange: {0}")]
    Strange(#[from] serde_json::Error),
    /// It could not do it.
    #[error("{0}")]
    Failed(String),
}

/// What the holder is told to do.
#[derive(Debug, Serialize, Deserialize)]
enum Request {
    Attach {
        host: HostIndex,
        address: Ipv4Addr,
        pid: u32,
    },
    Detach {
        host: HostIndex,
    },
    SetPolicies {
        policies: PolicyTable,
    },
    Counters,
    CpuTime,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
enum Reply {
    Done,
    Counters(Vec<LinkReport>),
    CpuTime(Duration),
    Failed(String),
}

/// The caller's end.
#[derive(Debug)]
pub struct Remote {
    stream: Mutex<BufReader<UnixStream>>,
}

impl Remote {
    /// Connects to a holder that listens.
    pub fn connect(socket: &Path) -> io::Result<Remote> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Remote {
            stream: Mutex::new(BufReader::new(stream)),
        })
    }

    pub fn attach(&self, host: HostIndex, address: Ipv4Addr, pid: u32) -> Result<(), RemoteError> {
        self.tell(&Request::Attach { host, address, pid })
    }

    pub fn detach(&self, host: HostIndex) -> Result<(), RemoteError> {
        self.tell(&Request::Detach { host })
    }

    pub fn set_policies(&self, policies: PolicyTable) -> Result<(), RemoteError> {
        self.tell(&Request::SetPolicies { policies })
    }

    pub fn counters(&self) -> Result<Vec<LinkReport>, RemoteError> {
        match self.ask(&Request::Counters)? {
            Reply::Counters(counters) => Ok(counters),
            other => Err(unexpected(&other)),
        }
    }

    pub fn cpu_time(&self) -> Result<Duration, RemoteError> {
        match self.ask(&Request::CpuTime)? {
            Reply::CpuTime(time) => Ok(time),
            other => Err(unexpected(&other)),
        }
    }

    fn tell(&self, request: &Request) -> Result<(), RemoteError> {
        match self.ask(request)? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&self, request: &Request) -> Result<Reply, RemoteError> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        write_line(stream.get_mut(), request)?;
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

fn unexpected(reply: &Reply) -> RemoteError {
    match reply {
        Reply::Failed(said) => RemoteError::Failed(said.clone()),
        other => RemoteError::Failed(format!("the network answered {other:?} to something else")),
    }
}

/// The holder's end: listens at `socket`, which `user` may use, says so by `listens`, serves the
/// first caller, and returns when that one is gone.
///
/// # Errors
/// When it cannot listen, or the caller says something strange.
pub fn hold(
    socket: &Path,
    user: u32,
    hosts: u16,
    seed: u64,
    listens: impl FnOnce(),
) -> Result<(), RemoteError> {
    let failed = |error: fabric::FabricError| RemoteError::Failed(error.to_string());
    let fabric = Fabric::start(seed, hosts).map_err(failed)?;
    let listener = UnixListener::bind(socket)?;
    // The folder that the socket is in belongs to the user alone.
    std::fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    std::os::unix::fs::chown(socket, Some(user), None)?;
    listens();
    let (stream, _) = listener.accept()?;
    serve(&fabric, BufReader::new(stream))
}

fn serve(fabric: &Fabric, mut stream: BufReader<UnixStream>) -> Result<(), RemoteError> {
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let reply = carry_out(fabric, serde_json::from_str(&line)?);
        write_line(stream.get_mut(), &reply)?;
    }
}

fn carry_out(fabric: &Fabric, request: Request) -> Reply {
    let done = match request {
        Request::Attach { host, address, pid } => {
            network::attach(fabric, host, address, pid).map_err(|error| error.to_string())
        }
        Request::Detach { host } => fabric.detach(host).map_err(|error| error.to_string()),
        Request::SetPolicies { policies } => fabric
            .set_policies(policies)
            .map(|_since| ())
            .map_err(|error| error.to_string()),
        Request::Counters => {
            return match fabric.counters() {
                Ok(counters) => Reply::Counters(counters),
                Err(error) => Reply::Failed(error.to_string()),
            };
        }
        Request::CpuTime => return Reply::CpuTime(fabric.cpu_time()),
    };
    match done {
        Ok(()) => Reply::Done,
        Err(said) => Reply::Failed(said),
    }
}

fn write_line(stream: &mut UnixStream, value: &impl Serialize) -> Result<(), RemoteError> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(stream.write_all(&line)?)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_fabric_can_be_told_what_to_do_from_another_process() {
        let (near, far) = UnixStream::pair().expect("a pair of sockets");
        let holder = thread::spawn(move || {
            let fabric = Fabric::start(1, 2).expect("a fabric starts");
            serve(&fabric, BufReader::new(far))
        });
        let remote = Remote {
            stream: Mutex::new(BufReader::new(near)),
        };
        let table = |hosts| PolicyTable::uniform(hosts, fabric::LinkPolicy::default());
        remote.set_policies(table(2)).expect("a table that fits");
        let refused = remote
            .set_policies(table(3))
            .expect_err("one that does not fit");
        assert!(refused.to_string().contains("3 hosts"), "{refused}");
        assert_eq!(remote.counters().expect("counters"), []);
        assert!(remote.cpu_time().is_ok());
        remote
            .detach(HostIndex(1))
            .expect("nothing is attached, which is fine");
        let nobody = remote.attach(HostIndex(0), Ipv4Addr::new(198, 18, 0, 1), u32::MAX);
        let said = nobody.expect_err("there is no such process").to_string();
        assert!(said.contains("network namespace"), "{said}");
        drop(remote);
        let ended = holder.join().expect("the holder does not panic");
        ended.expect("it ends in order when its caller is gone");
    }
}
