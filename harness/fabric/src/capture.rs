//! A capture: everything that a tap sees, written to a pcapng file by a thread of its own.
//!
//! The file has one interface for each host, under its name. Times are those of the tap: with a
//! tap whose zero is that of a history, a packet at 12.5 s is next to the event at 12.5 s.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};

use crate::pcapng;
use crate::table::HostIndex;
use crate::tap::{Missed, Tap, Tapped};

/// What the file says of itself.
const COMMENT: &str = "Times count from the start of the history. Each packet is there twice: \
    when its host has sent it (outbound), and when it reaches the other one (inbound). A dropped \
    packet has a comment with the cause.";

/// A capture that is being written.
#[derive(Debug)]
pub struct Capture {
    writer: JoinHandle<io::Result<u64>>,
    missed: Missed,
}

/// What a capture has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Records in the file.
    pub written: u64,
    /// Records left out because the writer was behind.
    pub missed: u64,
}

impl Capture {
    /// Opens the file and starts the writer. Give the tap to [`crate::Fabric::set_tap`].
    ///
    /// # Errors
    /// When the file cannot be made or written.
    pub fn start(path: &Path, hosts: &[&str]) -> io::Result<(Tap, Capture)> {
        let count = u16::try_from(hosts.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "too many hosts"))?;
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&pcapng::section_header(COMMENT))?;
        for name in hosts {
            file.write_all(&pcapng::interface(name))?;
        }
        let (tap, records, missed) = Tap::new(count);
        let seen_by_writer = missed.clone();
        let writer = thread::Builder::new()
            .name("fabric-capture".to_owned())
            .spawn(move || write(file, &records, count, &seen_by_writer))?;
        Ok((tap, Capture { writer, missed }))
    }

    /// Waits until everything is written. Every [`Tap`] must be gone by then, the fabric's too.
    ///
    /// # Errors
    /// When the file could not be written; what is in it until there can be read.
    pub fn finish(self) -> io::Result<Captured> {
        let written = self.writer.join();
        Ok(Captured {
            written: written.expect("the writer returns its errors")?,
            missed: self.missed.total(),
        })
    }
}

/// Writes until the last tap is gone, then the statistics.
fn write(
    mut file: BufWriter<File>,
    records: &Receiver<Tapped>,
    hosts: u16,
    missed: &Missed,
) -> io::Result<u64> {
    let mut captured = vec![0u64; usize::from(hosts)];
    let mut latest_us = 0;
    while let Some(tapped) = next(records, &mut file)? {
        file.write_all(&pcapng::packet(&tapped))?;
        captured[usize::from(tapped.host.0)] += 1;
        latest_us = tapped.at_us;
    }
    for (host, count) in (0..hosts).zip(&captured) {
        let left_out = missed.of(HostIndex(host));
        file.write_all(&pcapng::statistics(host, latest_us, *count, left_out))?;
    }
    file.flush()?;
    Ok(captured.iter().sum())
}

/// The next record. Before it waits for one it flushes, so that a run which is killed leaves a
/// file that can be read.
fn next(records: &Receiver<Tapped>, file: &mut BufWriter<File>) -> io::Result<Option<Tapped>> {
    if let Ok(tapped) = records.try_recv() {
        return Ok(Some(tapped));
    }
    file.flush()?;
    Ok(records.recv().ok())
}
