//! TUN devices and the interface they show inside a network namespace, by `ioctl` alone.
//!
//! Everything here acts on the network namespace of the calling thread, so it is called only on a
//! helper thread that has entered the right one: see [`crate::host_net`]. No program is run and no
//! netlink spoken; the requests used are as old as IPv4 on Linux and work for root as well as for
//! uid 0 of a user namespace that owns the network namespace.

use std::ffi::{CStr, c_int, c_ulong};
use std::fs::{self, OpenOptions};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::{io, mem};

use crate::host_net::HostNetError;

/// The name of the one interface of a host, besides `lo`.
pub const INTERFACE: &CStr = c"fab0";

/// The network of all hosts, of RFC 2544 (benchmarking), as address and prefix length.
pub const NETWORK: (Ipv4Addr, u8) = (Ipv4Addr::new(198, 18, 0, 0), 15);

const LOOPBACK: &CStr = c"lo";

/// Opens a TUN device named [`INTERFACE`] in the calling thread's network namespace, with
/// offloads, gives it its address and brings it and `lo` up.
pub(crate) fn open_interface(
    address: Ipv4Addr,
    prefix: u8,
    mtu: u16,
) -> Result<OwnedFd, HostNetError> {
    if prefix > 32 {
        return Err(HostNetError::Prefix { prefix });
    }
    let tun = open_tun()?;
    let control = Control::open()?;
    // Should this fail, IPv6 packets come to the fabric, which ignores them.
    let _ = fs::write("/proc/sys/net/ipv6/conf/fab0/disable_ipv6", "1");
    control.set_mtu(mtu)?;
    control.set_address("set the address", libc::SIOCSIFADDR, address)?;
    control.set_address("set the netmask", libc::SIOCSIFNETMASK, netmask(prefix))?;
    control.bring_up(LOOPBACK)?;
    control.bring_up(INTERFACE)?;
    control.add_route(NETWORK.0, netmask(NETWORK.1))?;
    Ok(tun)
}

/// True when a file descriptor is a TUN device whose frames carry a header of offloads.
pub(crate) fn has_offloads(tun: BorrowedFd<'_>) -> bool {
    let mut request = interface_request(INTERFACE);
    // SAFETY: TUNGETIFF fills in the request, which lives through the call; on anything but a TUN
    // device it fails and writes nothing.
    let answer = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNGETIFF, &mut request) };
    // SAFETY: every bit pattern is a valid number, and the union was zeroed when it was made.
    answer == 0 && c_int::from(unsafe { request.ifr_ifru.ifru_flags }) & libc::IFF_VNET_HDR != 0
}

fn open_tun() -> Result<OwnedFd, HostNetError> {
    let tun = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .map_err(|source| HostNetError::OpenTun { source })?;
    let mut request = interface_request(INTERFACE);
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes the request, which lives through the call.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &mut request) })
        .map_err(|source| HostNetError::CreateTun { source })?;
    let offloads = c_ulong::from(libc::TUN_F_CSUM | libc::TUN_F_TSO4);
    // SAFETY: TUNSETOFFLOAD takes its argument by value and touches no memory of ours.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETOFFLOAD, offloads) }).map_err(
        |source| HostNetError::Configure {
            step: "offer offloads",
            source,
        },
    )?;
    Ok(OwnedFd::from(tun))
}

/// The socket through which interfaces are configured.
struct Control(OwnedFd);

impl Control {
    fn open() -> Result<Control, HostNetError> {
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        // SAFETY: `socket` takes numbers and returns a new file descriptor or -1.
        let fd = check(unsafe { libc::socket(libc::AF_INET, kind, 0) }).map_err(|source| {
            HostNetError::Configure {
                step: "open a socket",
                source,
            }
        })?;
        // SAFETY: the kernel has just returned this descriptor, so nobody else owns it.
        Ok(Control(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn set_mtu(&self, mtu: u16) -> Result<(), HostNetError> {
        let mut request = interface_request(INTERFACE);
        request.ifr_ifru.ifru_mtu = c_int::from(mtu);
        self.send("set the MTU", libc::SIOCSIFMTU, &mut request)
    }

    fn set_address(
        &self,
        step: &'static str,
        operation: c_ulong,
        address: Ipv4Addr,
    ) -> Result<(), HostNetError> {
        let mut request = interface_request(INTERFACE);
        request.ifr_ifru.ifru_addr = socket_address(address);
        self.send(step, operation, &mut request)
    }

    fn bring_up(&self, interface: &CStr) -> Result<(), HostNetError> {
        let mut request = interface_request(interface);
        self.send(
            "read the flags of an interface",
            libc::SIOCGIFFLAGS,
            &mut request,
        )?;
        // SAFETY: SIOCGIFFLAGS has just stored the flags there.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        request.ifr_ifru.ifru_flags = flags | libc::IFF_UP as libc::c_short;
        self.send("bring an interface up", libc::SIOCSIFFLAGS, &mut request)
    }

    /// Adds a route through [`INTERFACE`]; one that is there already is fine.
    fn add_route(&self, network: Ipv4Addr, mask: Ipv4Addr) -> Result<(), HostNetError> {
        // SAFETY: all fields are numbers or pointers, for which zero is valid.
        let mut route: libc::rtentry = unsafe { mem::zeroed() };
        route.rt_dst = socket_address(network);
        route.rt_genmask = socket_address(mask);
        route.rt_flags = libc::RTF_UP;
        route.rt_dev = INTERFACE.as_ptr().cast_mut();
        // SAFETY: SIOCADDRT reads the route and the name in it; both live through the call.
        match check(unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SIOCADDRT, &route) }) {
            Ok(_) => Ok(()),
            Err(source) if source.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            Err(source) => Err(HostNetError::Configure {
                step: "add the route",
                source,
            }),
        }
    }

    fn send(
        &self,
        step: &'static str,
        operation: c_ulong,
        request: &mut libc::ifreq,
    ) -> Result<(), HostNetError> {
        // SAFETY: all operations used here read or write one `ifreq`, which lives through the call.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), operation, request) })
            .map_err(|source| HostNetError::Configure { step, source })?;
        Ok(())
    }
}

/// The network namespace of the calling thread. Asked of a socket, because `/proc` may be
/// missing, or belong to another pid namespace.
pub(crate) fn current_netns() -> Result<OwnedFd, HostNetError> {
    let control = Control::open()?;
    // SAFETY: SIOCGSKNS takes no argument and returns a new file descriptor or -1.
    let fd = check(unsafe { libc::ioctl(control.0.as_raw_fd(), libc::SIOCGSKNS) }).map_err(
        |source| HostNetError::Configure {
            step: "open the namespace",
            source,
        },
    )?;
    // SAFETY: the kernel has just returned this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn interface_request(interface: &CStr) -> libc::ifreq {
    // SAFETY: all fields are numbers or pointers, for which zero is valid.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface.to_bytes()) {
        *to = from.cast_signed() as libc::c_char;
    }
    request
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    // SAFETY: all fields are numbers, for which zero is valid.
    let mut internet: libc::sockaddr_in = unsafe { mem::zeroed() };
    internet.sin_family = libc::AF_INET as libc::sa_family_t;
    internet.sin_addr.s_addr = u32::from(address).to_be();
    // SAFETY: `sockaddr_in` is made to be passed as a `sockaddr`, and both have 16 bytes.
    unsafe { mem::transmute::<libc::sockaddr_in, libc::sockaddr>(internet) }
}

fn netmask(prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0))
}

fn check(answer: c_int) -> io::Result<c_int> {
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_makes_its_netmask() {
        assert_eq!(netmask(15), Ipv4Addr::new(255, 254, 0, 0));
        assert_eq!(netmask(32), Ipv4Addr::new(255, 255, 255, 255));
        assert_eq!(netmask(0), Ipv4Addr::UNSPECIFIED);
    }
}
