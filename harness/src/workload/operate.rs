//! One operation: recorded before it is sent, done, recorded when it has ended.
//!
//! The invocation is an event before a byte is sent, so a harness that dies in between still
//! shows that the write may have happened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::recent::Recent;
use crate::history::{
    Completion, ErrorKind, EventKind, EventSink, Invocation, OperationId, OperationKind, Outcome,
    Purpose,
};
use crate::host::HostId;
use crate::system::Client;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Request {
    /// Why.
    pub purpose: Purpose,
    /// What.
    pub kind: OperationKind,
    /// About which name.
    pub name: String,
    /// When it was meant to start.
    pub intended: Instant,
    /// How long after that it is given up.
    pub deadline: Duration,
}

/// Does and records operations, and numbers them.
#[derive(Debug)]
pub struct Operator {
    sink: EventSink,
    next: AtomicU64,
    /// Operations of the workload that were started.
    started: AtomicU64,
    recent: Recent,
}

impl Operator {
    /// An operator that records into this history.
    #[must_use]
    pub fn new(sink: EventSink) -> Operator {
        Operator {
            sink,
            next: AtomicU64::new(0),
            started: AtomicU64::new(0),
            recent: Recent::default(),
        }
    }

    /// How many operations of the workload were started so far.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// How the last operations of the workload ended.
    #[must_use]
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Does one operation at a host and returns how it ended.
    ///
    /// The value written is made from the operation's number, so that every value in the system
    /// can be traced to the operation that wrote it.
    pub async fn operate(&self, request: Request, host: &HostId, client: &impl Client) -> Outcome {
        let op = self.next.fetch_add(1, Ordering::Relaxed);
        let value = value_of(op);
        let (purpose, kind) = (request.purpose, request.kind);
        if purpose == Purpose::Workload {
            self.started.fetch_add(1, Ordering::Relaxed);
        }
        self.sink
            .emit(EventKind::Invoked(Invocation {
                op,
                purpose: request.purpose,
                kind: request.kind,
                client: host.clone(),
                name: request.name.clone(),
                value: (request.kind != OperationKind::Resolve).then(|| value.clone()),
                intended_us: self.sink.at_us(request.intended),
            }))
            .await;
        let give_up = request.intended + request.deadline;
        let patience = give_up.saturating_duration_since(Instant::now());
        let outcome = client
            .operate(request.kind, &request.name, &value, patience)
            .await;
        self.sink
            .emit(EventKind::Completed(Completion {
                op,
                outcome: outcome.clone(),
            }))
            .await;
        if purpose == Purpose::Workload {
            self.recent.note(kind, is_served(&outcome));
        }
        outcome
    }
}

/// True when the client got what a working system gives: that a name is taken is such an answer.
fn is_served(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Ok(_) => true,
        Outcome::Fail { error, .. } => *error == ErrorKind::Taken,
        Outcome::Unknown { .. } => false,
    }
}

/// The value that an operation writes.
fn value_of(op: OperationId) -> String {
    format!("op-{op}")
}
