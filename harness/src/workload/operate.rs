//! One operation: recorded before it is sent, done, recorded when it has ended.
//!
//! The invocation is an event before a byte is sent, so a harness that dies in between still
//! shows that the write may have happened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::history::{
    Completion, EventKind, EventSink, Invocation, OperationId, OperationKind, Outcome, Purpose,
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
}

impl Operator {
    /// An operator that records into this history.
    #[must_use]
    pub fn new(sink: EventSink) -> Operator {
        Operator {
            sink,
            next: AtomicU64::new(0),
        }
    }

    /// Does one operation at a host and returns how it ended.
    ///
    /// The value written is made from the operation's number, so that every value in the system
    /// can be traced to the operation that wrote it.
    pub async fn operate(&self, request: Request, host: &HostId, client: &impl Client) -> Outcome {
        let op = self.next.fetch_add(1, Ordering::Relaxed);
        let value = value_of(op);
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
        outcome
    }
}

/// The value that an operation writes.
fn value_of(op: OperationId) -> String {
    format!("op-{op}")
}
