//! The history: everything that happened in a run, in one order, as `events.jsonl`.
//!
//! One writer orders all events. Checkers and renderers see only what is read back from here: a
//! thing that is not an event did not happen.

mod event;

mod writer;

mod error;
mod read;

pub use error::HistoryError;
pub use event::{
    Answer, ClockEvidence, Completion, ErrorKind, Event, EventKind, Evidence, FORMAT, HostState,
    HostUsage, Invocation, LoadEvidence, OperationId, OperationKind, Outcome, Phase, Purpose,
    RunHeader, ScheduledFault, Served, Usage,
};
pub use read::{FaultRun, History, Operation};
pub use writer::{EventSink, HistoryWriter, WriterError};

#[cfg(test)]
pub use writer::detached_sink;
