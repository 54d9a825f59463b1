//! What runs inside the containers of hosts: wait for the network, then become the program.
//!
//! A container's network namespace is made when it starts, and its device can only be made after
//! that. So its first process waits until the host's address is there and can be sent from; the
//! kernel says when that may have changed (rtnetlink(7)).

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

use crate::runtime::home::LOG;

/// How long the network may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The announcements that matter: of interfaces, IPv4 addresses and IPv4 routes.
const GROUPS: u32 = (libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV4_ROUTE) as u32;

/// Any port: nothing is ever sent there.
const DISCARD: u16 = 9;

/// Waits until this host can send from `address`, writes from then on to the log in the current
/// folder, and becomes the program. Returns only when that failed.
#[must_use]
pub fn become_host(address: Ipv4Addr, program: &Path, arguments: &[OsString]) -> io::Error {
    if let Err(error) = wait_for_network(address, PATIENCE) {
        return error;
    }
    let log = OpenOptions::new().create(true).append(true).open(LOG);
    let (out, err) = match log.and_then(|log| Ok((log.try_clone()?, log))) {
        Ok(both) => both,
        Err(error) => return error,
    };
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .exec()
}

/// Returns when packets can be sent from this address.
///
/// # Errors
/// When that does not come about in time, or the kernel does not say.
fn wait_for_network(address: Ipv4Addr, patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    let announcements = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    // Listening begins before the first look, so that nothing is missed in between.
    bind(announcements.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
    let mut announcement = [0; 4096];
    while !can_send_from(address) {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut ready = [PollFd::new(announcements.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, timeout)? == 0 {
            let late =
                format!("the network with the address {address} did not come in {patience:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, late));
        }
        // What was announced does not matter; too many at once (ENOBUFS) does not either.
        let _ = recv(
            announcements.as_raw_fd(),
            &mut announcement,
            MsgFlags::MSG_DONTWAIT,
        );
    }
    Ok(())
}

/// True when the address is this host's and there is a route to its neighbours. Nothing is sent.
fn can_send_from(address: Ipv4Addr) -> bool {
    let [one, two, three, last] = address.octets();
    let neighbour = Ipv4Addr::new(one, two, three, if last == 1 { 2 } else { 1 });
    UdpSocket::bind((address, 0)).is_ok_and(|socket| socket.connect((neighbour, DISCARD)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_there_is_not_waited_for() {
        wait_for_network(Ipv4Addr::LOCALHOST, Duration::ZERO).expect("the loopback is there");
    }

    #[test]
    fn an_address_that_never_comes_is_an_error_that_names_it() {
        let nowhere = Ipv4Addr::new(198, 19, 255, 1);
        let error = wait_for_network(nowhere, Duration::from_millis(50));
        let said = error.expect_err("nobody makes it").to_string();
        assert!(said.contains("198.19.255.1"), "{said}");
    }
}
