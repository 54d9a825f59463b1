//! The one writer that orders all events.
//!
//! Everybody who has something to say holds an `EventSink`; the channel behind it is bounded, so
//! a slow disk slows the run down and no event is ever dropped. The writer is a thread of its
//! own: file writes never hold up the run's timers. Observers (progress) see each event after it
//! is in the file's buffer.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::thread::JoinHandle;
use tokio::time::Instant;

use thiserror::Error;
use tokio::sync::mpsc;

use super::event::{Event, EventKind};

/// Events that may wait for the writer.
const QUEUE_EVENTS: usize = 4096;

/// The history could not be written.
#[derive(Debug, Error)]
pub enum WriterError {
    /// The file could not be written.
    #[error("the history could not be written; is the disk full? ({0})")]
    Io(#[from] std::io::Error),
    /// An event has no JSON form.
    #[error("an event could not be encoded: {0}")]
    Encode(#[from] serde_json::Error),
    /// The writer ended early.
    #[error("the history's writer has ended before the run")]
    Gone,
}

/// Where events go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EventSink {
    sender: mpsc::Sender<Event>,
    origin: Instant,
}

/// A sink whose events nobody writes, for tests; they can be received.
#[cfg(test)]
pub fn detached_sink() -> (EventSink, mpsc::Receiver<Event>) {
    let (sender, receiver) = mpsc::channel(QUEUE_EVENTS);
    let origin = Instant::now();
    (EventSink { sender, origin }, receiver)
}

impl EventSink {
    /// Microseconds since the start of the run.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.at_us(Instant::now())
    }

    /// A moment as microseconds since the start of the run.
    #[must_use]
    pub fn at_us(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.origin).as_micros()).unwrap_or(u64::MAX)
    }

    /// The start of the run.
    #[must_use]
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// The moment that is this many microseconds after the start of the run.
    #[must_use]
    pub fn moment(&self, at_us: u64) -> Instant {
        self.origin + std::time::Duration::from_micros(at_us)
    }

    /// Writes an event that happened now. Waits while the writer is behind.
    ///
    /// When the writer has failed, the event goes nowhere: the run learns of it when it finishes
    /// the writer, and ends as harness trouble.
    pub async fn emit(&self, event: EventKind) {
        self.emit_at(self.now_us(), event).await;
    }

    /// Writes an event that happened at the given time.
    pub async fn emit_at(&self, at_us: u64, event: EventKind) {
        if self.sender.send(Event { at_us, event }).await.is_err() {
            tracing::debug!("an event came after the history's writer had ended");
        }
    }

    /// True when the writer has ended, normally because it failed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// The writer's thread.
#[derive(Debug)]
pub struct HistoryWriter {
    thread: JoinHandle<Result<(), WriterError>>,
}

impl HistoryWriter {
    /// Creates the file and starts the writer; `observe` is shown every event in order.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn start(
        path: &Path,
        origin: Instant,
        mut observe: impl FnMut(&Event) + Send + 'static,
    ) -> Result<(EventSink, HistoryWriter), WriterError> {
        let mut file = BufWriter::new(File::create(path)?);
        let (sender, mut receiver) = mpsc::channel::<Event>(QUEUE_EVENTS);
        let thread = std::thread::Builder::new()
            .name("history".into())
            .spawn(move || {
                while let Some(event) = receiver.blocking_recv() {
                    serde_json::to_writer(&mut file, &event)?;
                    file.write_all(b"\n")?;
                    if receiver.is_empty() {
                        file.flush()?;
                    }
                    observe(&event);
                }
                file.flush()?;
                Ok(())
            })?;
        Ok((EventSink { sender, origin }, HistoryWriter { thread }))
    }

    /// Waits until every event is in the file. Every sink must have been dropped before.
    ///
    /// # Errors
    /// When an event could not be written.
    pub fn finish(self) -> Result<(), WriterError> {
        self.thread.join().map_err(|_| WriterError::Gone)?
    }
}
