//! Reading a history back: `events.jsonl` to the indexed form that checkers and renderers use.
//!
//! Reading is strict about the first line and the order of things, and lenient about the end: a
//! run that was cut short still reads, without its last event. A torn last line is left out.

use std::collections::BTreeMap;
use std::io::BufRead;

use thiserror::Error;

use super::event::{
    Completion, Event, EventKind, Evidence, FORMAT, HostState, Invocation, OperationId,
    OperationKind, Outcome, Phase, Purpose, RunHeader, Usage,
};
use crate::host::{HostId, HostInfo};

/// A history that cannot be read.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The file could not be read.
    #[error("the history could not be read: {0}")]
    Io(#[from] std::io::Error),
    /// A line is no event.
    #[error("line {line} of the history is no event: {source}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The first event is not `run_started`.
    #[error("the history does not begin with `run_started`; is it an events.jsonl of a run?")]
    NoHeader,
    /// The events are of a format that this harness does not know.
    #[error("the history is of format {found}, this harness reads format {FORMAT} and older")]
    Format {
        /// The format found.
        found: u32,
    },
    /// An event refers to something that was never mentioned before.
    #[error("line {line} of the history refers to {what}, which never began")]
    Dangling {
        /// Counted from 1.
        line: usize,
        /// What it refers to.
        what: String,
    },
}

/// An operation from its invocation to its completion.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What was asked, by whom, for what.
    pub invocation: Invocation,
    /// When it really was sent, microseconds since the start of the run.
    pub invoked_us: u64,
    /// When it completed; absent when the run ended first.
    pub completed_us: Option<u64>,
    /// How it completed; absent when the run ended first.
    pub outcome: Option<Outcome>,
}

impl Operation {
    /// Latency from the intended start, microseconds; none without an answer.
    #[must_use]
    pub fn latency_us(&self) -> Option<u64> {
        self.completed_us
            .map(|end| end.saturating_sub(self.invocation.intended_us))
    }

    /// True when the system served it: it was done, or a registration was rightly told that the
    /// name is taken.
    #[must_use]
    pub fn is_served(&self) -> bool {
        match &self.outcome {
            Some(Outcome::Ok(_)) => true,
            Some(Outcome::Fail { error, .. }) => {
                self.invocation.kind == OperationKind::Register
                    && *error == super::event::ErrorKind::Taken
            }
            Some(Outcome::Unknown { .. }) | None => false,
        }
    }

    /// The answer, when it was done.
    #[must_use]
    pub fn answer(&self) -> Option<&super::event::Answer> {
        match &self.outcome {
            Some(Outcome::Ok(answer)) => Some(answer),
            _ => None,
        }
    }
}

/// A fault as it happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaultRun {
    /// When it became active; absent when the run ended first.
    pub started_us: Option<u64>,
    /// When it ended.
    pub stopped_us: Option<u64>,
    /// Whom it hit.
    pub targets: Vec<HostId>,
    /// What was measured.
    pub evidence: Option<Evidence>,
}

/// A whole history, indexed.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// What the run was.
    pub header: RunHeader,
    /// Every operation, by number.
    pub operations: Vec<Operation>,
    /// Every fault of the schedule, in its order (`header.faults`).
    pub faults: Vec<FaultRun>,
    /// The phases with their start, in order.
    pub phases: Vec<(u64, Phase)>,
    /// The state changes of each host, in order.
    pub hosts: BTreeMap<HostId, Vec<(u64, HostState)>>,
    /// How long it took to apply each change of the world: (when, links, processes).
    pub applied: Vec<(u64, Option<u64>, u64)>,
    /// Whether the system settled, and what was pending.
    pub settled: Option<(bool, Vec<(HostId, u64)>)>,
    /// What each host held once everything had settled, as far as it said so.
    pub digests: Vec<(HostId, BTreeMap<String, String>)>,
    /// Resources used.
    pub usage: Option<Usage>,
    /// Alarming log lines: (when, host, line).
    pub alarms: Vec<(u64, HostId, String)>,
    /// What the harness could not do.
    pub troubles: Vec<(u64, String)>,
    /// The end: whether it was interrupted; absent when the run was cut short.
    pub finished: Option<bool>,
    /// Time of the last event.
    pub end_us: u64,
}

impl History {
    /// Reads a history, line by line.
    ///
    /// # Errors
    /// When the text is not a history of a known format.
    pub fn read(lines: impl BufRead) -> Result<History, HistoryError> {
        let mut reader = Reader::default();
        let mut pending_error: Option<HistoryError> = None;
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line?;
            if let Some(error) = pending_error.take() {
                return Err(error);
            }
            match serde_json::from_str::<Event>(&line) {
                Ok(event) => reader.take(number, event)?,
                // Only an error when another line follows: the last one may be torn.
                Err(source) => {
                    pending_error = Some(HistoryError::Line {
                        line: number,
                        source,
                    });
                }
            }
        }
        reader.history.ok_or(HistoryError::NoHeader)
    }

    /// Builds a history from events in memory.
    ///
    /// # Errors
    /// When the events are not a history of a known format.
    pub fn from_events(events: impl IntoIterator<Item = Event>) -> Result<History, HistoryError> {
        let mut reader = Reader::default();
        for (number, event) in (1..).zip(events) {
            reader.take(number, event)?;
        }
        reader.history.ok_or(HistoryError::NoHeader)
    }

    /// When a phase began.
    #[must_use]
    pub fn phase_start(&self, phase: Phase) -> Option<u64> {
        self.phases
            .iter()
            .find(|(_, one)| *one == phase)
            .map(|(at, _)| *at)
    }

    /// When the clock started (the plan's zero) and when the timeline ended, microseconds.
    #[must_use]
    pub fn timeline(&self) -> Option<(u64, u64)> {
        let start = self.phase_start(Phase::Timeline)?;
        let end = self.phase_start(Phase::Heal).unwrap_or(self.end_us);
        Some((start, end))
    }

    /// The operations of the open-loop workload, in order of invocation.
    pub fn workload(&self) -> impl Iterator<Item = &Operation> {
        self.operations
            .iter()
            .filter(|one| one.invocation.purpose == Purpose::Workload)
    }

    /// A host by name.
    #[must_use]
    pub fn host(&self, id: &HostId) -> Option<&HostInfo> {
        self.header
            .hosts
            .find(id)
            .map(|index| self.header.hosts.get(index))
    }
}

/// Folds events into a history.
#[derive(Default)]
struct Reader {
    history: Option<History>,
    positions: BTreeMap<OperationId, usize>,
}

impl Reader {
    fn take(&mut self, line: usize, event: Event) -> Result<(), HistoryError> {
        let Event { at_us, event } = event;
        let Some(history) = &mut self.history else {
            self.history = Some(begin(event)?);
            return Ok(());
        };
        history.end_us = history.end_us.max(at_us);
        let fault = |number: usize, known: usize| {
            if number < known {
                Ok(number)
            } else {
                Err(HistoryError::Dangling {
                    line,
                    what: format!("fault {number}"),
                })
            }
        };
        match event {
            EventKind::RunStarted(_) => return Err(HistoryError::NoHeader),
            EventKind::PhaseStarted { phase } => history.phases.push((at_us, phase)),
            EventKind::HostChanged { host, state } => {
                history.hosts.entry(host).or_default().push((at_us, state));
            }
            EventKind::FaultStarted {
                fault: number,
                targets,
            } => {
                let number = fault(number, history.faults.len())?;
                history.faults[number].started_us = Some(at_us);
                history.faults[number].targets = targets;
            }
            EventKind::FaultStopped { fault: number } => {
                let number = fault(number, history.faults.len())?;
                history.faults[number].stopped_us = Some(at_us);
            }
            EventKind::Measured {
                fault: number,
                evidence,
            } => {
                let number = fault(number, history.faults.len())?;
                history.faults[number].evidence = Some(evidence);
            }
            EventKind::WorldApplied {
                links_us,
                processes_us,
            } => {
                history.applied.push((at_us, links_us, processes_us));
            }
            EventKind::Invoked(invocation) => {
                self.positions
                    .insert(invocation.op, history.operations.len());
                history.operations.push(Operation {
                    invocation,
                    invoked_us: at_us,
                    completed_us: None,
                    outcome: None,
                });
            }
            EventKind::Completed(Completion { op, outcome }) => {
                let position =
                    self.positions
                        .get(&op)
                        .copied()
                        .ok_or_else(|| HistoryError::Dangling {
                            line,
                            what: format!("operation {op}"),
                        })?;
                history.operations[position].completed_us = Some(at_us);
                history.operations[position].outcome = Some(outcome);
            }
            EventKind::Settled { settled, pending } => history.settled = Some((settled, pending)),
            EventKind::Digest { host, records } => history.digests.push((host, records)),
            EventKind::Usage(usage) => history.usage = Some(usage),
            EventKind::LogAlarm { host, line } => history.alarms.push((at_us, host, line)),
            EventKind::Trouble { message } => history.troubles.push((at_us, message)),
            EventKind::RunFinished { interrupted } => history.finished = Some(interrupted),
        }
        Ok(())
    }
}

fn begin(event: EventKind) -> Result<History, HistoryError> {
    let EventKind::RunStarted(header) = event else {
        return Err(HistoryError::NoHeader);
    };
    if header.format > FORMAT {
        return Err(HistoryError::Format {
            found: header.format,
        });
    }
    Ok(History {
        faults: vec![FaultRun::default(); header.faults.len()],
        header: *header,
        operations: Vec::new(),
        phases: Vec::new(),
        hosts: BTreeMap::new(),
        applied: Vec::new(),
        settled: None,
        digests: Vec::new(),
        usage: None,
        alarms: Vec::new(),
        troubles: Vec::new(),
        finished: None,
        end_us: 0,
    })
}
