//! A port: where one host is plugged into the fabric.
//!
//! Wraps the descriptor of a TUN device. Reads and writes never block, and their errors are sorted
//! into the few cases that matter to the router. A device without offloads works too, and so does
//! anything else that carries one IP packet a read, such as a datagram socket; their frames get an
//! empty header when read, and lose it when written.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd;

use crate::frame::{OFFLOAD_BYTES, complete_checksum};
use crate::tun;

/// Where one host is plugged in.
#[derive(Debug)]
pub(crate) struct Port {
    device: OwnedFd,
    /// True when frames keep their header of offloads.
    pub offloads: bool,
    /// Tells this port from those that the same host had before.
    pub generation: u32,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// A frame of this length.
    Frame(usize),
    /// Nothing for now.
    Nothing,
    /// The device is gone.
    Gone,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The host has it.
    Passed,
    /// The device has no room.
    Full,
    /// The device is down, gone, or does not take the packet.
    Refused,
}

impl Port {
    /// Takes a device over and makes it non-blocking.
    pub fn new(device: OwnedFd, generation: u32) -> Result<Port, Errno> {
        let flags = OFlag::from_bits_retain(fcntl(&device, FcntlArg::F_GETFL)?);
        fcntl(&device, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        let offloads = tun::has_offloads(device.as_fd());
        Ok(Port {
            device,
            offloads,
            generation,
        })
    }

    /// Reads one frame into a buffer of [`crate::frame::FRAME_BYTES_MAX`].
    pub fn receive(&self, buffer: &mut [u8]) -> Received {
        let header_bytes = if self.offloads { 0 } else { OFFLOAD_BYTES };
        buffer[..header_bytes].fill(0);
        loop {
            return match unistd::read(&self.device, &mut buffer[header_bytes..]) {
                Ok(0) => Received::Gone,
                Ok(bytes) => Received::Frame(header_bytes + bytes),
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => Received::Nothing,
                Err(_) => Received::Gone,
            };
        }
    }

    /// Writes one frame; a large segment only to a port with offloads.
    pub fn send(&self, frame: &mut [u8]) -> Sent {
        let bytes = if self.offloads {
            frame
        } else {
            complete_checksum(frame);
            &mut frame[OFFLOAD_BYTES..]
        };
        loop {
            return match unistd::write(&self.device, bytes) {
                Ok(_) => Sent::Passed,
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => Sent::Full,
                // EIO: the host took its interface down. EINVAL: not a packet the kernel knows.
                Err(_) => Sent::Refused,
            };
        }
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}
