//! The line to the kernel, and how it is cut.
//!
//! The event loop sleeps in read(2) on the device, and reads again whatever wakes it, until the
//! device is gone. We cannot unmount to make it go: the mount is in a namespace of others, and may
//! be busy. So the descriptor that the loop reads from is replaced by one that cannot be read, and
//! then a question to the disk itself wakes the loop. With the last descriptor of the device gone,
//! the kernel ends the connection: whoever still uses the disk gets ENOTCONN, instead of waiting
//! for an answer for ever.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use fuser::Notifier;
use nix::sys::statvfs::fstatvfs;

use crate::pin::Pin;

/// The device of one session.
#[derive(Debug)]
pub(crate) struct Line {
    /// Owns the descriptor as much as the session does: while it lives, the number is not reused.
    notifier: Notifier,
    number: RawFd,
    /// The disk's own root, by which we can ask ourselves.
    root: Pin,
    /// A descriptor that can be neither read nor written.
    dead_end: OwnedFd,
}

impl Line {
    /// The number is that of the descriptor that the notifier's session was made from.
    pub(crate) fn new(notifier: Notifier, number: RawFd, root: Pin) -> io::Result<Line> {
        let dead_end = Pin::folder(Path::new("/"))?.into();
        Ok(Line {
            notifier,
            number,
            root,
            dead_end,
        })
    }

    pub(crate) fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    /// Cuts the line, and returns when the loop has read for the last time. Nothing happens the
    /// second time.
    pub(crate) fn cut(&self) -> io::Result<()> {
        // SAFETY: both descriptors are open, the second because the notifier shares ownership of
        // it. It stays a descriptor that its owners may use and close; only what it leads to
        // changes, and they expect errors of it.
        let replaced =
            unsafe { libc::dup3(self.dead_end.as_raw_fd(), self.number, libc::O_CLOEXEC) };
        if replaced < 0 {
            return Err(io::Error::last_os_error());
        }
        // The loop reads the question and cannot answer it. Or nobody reads any more: then the
        // connection is gone already. Either way this is an error, at once.
        let _ = fstatvfs(&self.root);
        Ok(())
    }
}
