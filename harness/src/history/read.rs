//! Reading a history back: `events.jsonl` to the indexed form that checkers and renderers use.
//!
//! Reading is strict about the first line and the order of things, and lenient about the end: a
//! run that was cut short still reads, without its last event. A torn last line is left out.
//!
//! A file that is damaged can still be JSON, so what figures and drawings grow with is bounded
//! here: times and the number of hosts. Times need not be in order; who reads a history must not
//! rely on it.

use std::collections::BTreeMap;
use std::io::BufRead;

use super::error::HistoryError;
use super::event::{
    Completion, Event, EventKind, Evidence, FORMAT, HostState, Invocation, OperationId,
    OperationKind, Outcome, Phase, Purpose, RunHeader, Served, Usage,
};
use crate::host::{HostId, HostInfo};
use crate::plan::NODES_MAX;

/// The latest moment of a run, in hours since its start: three times the longest time of a plan.
pub const RUN_HOURS_MAX: u64 = 72;

/// The same in microseconds.
const LATEST_US: u64 = RUN_HOURS_MAX * 3_600_000_000;

/// The most hosts of a run: the nodes of the largest plan, and its registry.
pub const HOSTS_MAX: usize = NODES_MAX as usize + 1;

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
    /// The links that it was narrowed to; none when it was about all links of the targets.
    pub links: Option<Vec<(HostId, HostId)>>,
    /// Whom it hit from which moment on, when it came and went within its time.
    pub turns: Vec<(u64, Vec<HostId>)>,
    /// What was measured.
    pub evidence: Option<Evidence>,
}

impl FaultRun {
    /// Whom it hit at a moment, each as often as it had been hit by then.
    #[must_use]
    pub fn hits_at(&self, at_us: u64) -> &[HostId] {
        let after = self
            .turns
            .partition_point(|(turned_us, _)| *turned_us <= at_us);
        match after.checked_sub(1) {
            Some(last) => &self.turns[last].1,
            None => &self.targets,
        }
    }
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
    /// What hosts said that they had served, and when.
    pub served: Vec<(u64, Served)>,
    /// How many strangers each host believed when it was asked last.
    pub strangers: BTreeMap<HostId, u64>,
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
        let at_us = bounded(line, at_us)?;
        let Some(history) = &mut self.history else {
            self.history = Some(begin(line, event)?);
            return Ok(());
        };
        history.end_us = history.end_us.max(at_us);
        match event {
            EventKind::RunStarted(_) => return Err(HistoryError::NoHeader),
            EventKind::PhaseStarted { phase } => history.phases.push((at_us, phase)),
            EventKind::HostChanged { host, state } => {
                history.hosts.entry(host).or_default().push((at_us, state));
            }
            EventKind::FaultStarted {
                fault,
                targets,
                links,
            } => {
                let run = fault_run(history, line, fault)?;
                run.started_us = Some(at_us);
                run.targets = targets;
                run.links = links;
            }
            EventKind::FaultTurned { fault, hits } => {
                fault_run(history, line, fault)?.turns.push((at_us, hits));
            }
            EventKind::FaultStopped { fault } => {
                fault_run(history, line, fault)?.stopped_us = Some(at_us);
            }
            EventKind::Measured { fault, evidence } => {
                fault_run(history, line, fault)?.evidence = Some(evidence);
            }
            EventKind::WorldApplied {
                links_us,
                processes_us,
            } => {
                history.applied.push((at_us, links_us, processes_us));
            }
            EventKind::Invoked(invocation) => {
                bounded(line, invocation.intended_us)?;
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
                let position = self.positions.get(&op).copied();
                let position = position.ok_or_else(|| dangling(line, format!("operation {op}")))?;
                history.operations[position].completed_us = Some(at_us);
                history.operations[position].outcome = Some(outcome);
            }
            EventKind::Settled { settled, pending } => history.settled = Some((settled, pending)),
            EventKind::Digest { host, records } => history.digests.push((host, records)),
            EventKind::Served(served) => history.served.push((at_us, served)),
            EventKind::Strangers { host, peers } => {
                history.strangers.insert(host, peers);
            }
            EventKind::Usage(usage) => history.usage = Some(usage),
            EventKind::LogAlarm { host, line } => history.alarms.push((at_us, host, line)),
            EventKind::Trouble { message } => history.troubles.push((at_us, message)),
            EventKind::RunFinished { interrupted } => history.finished = Some(interrupted),
        }
        Ok(())
    }
}

/// A time that a run can get to.
fn bounded(line: usize, at_us: u64) -> Result<u64, HistoryError> {
    match at_us > LATEST_US {
        true => Err(HistoryError::TooLate { line, at_us }),
        false => Ok(at_us),
    }
}

/// The fault that an event is about.
fn fault_run(
    history: &mut History,
    line: usize,
    number: usize,
) -> Result<&mut FaultRun, HistoryError> {
    let run = history.faults.get_mut(number);
    run.ok_or_else(|| dangling(line, format!("fault {number}")))
}

fn dangling(line: usize, what: String) -> HistoryError {
    HistoryError::Dangling { line, what }
}

fn begin(line: usize, event: EventKind) -> Result<History, HistoryError> {
    let EventKind::RunStarted(header) = event else {
        return Err(HistoryError::NoHeader);
    };
    if header.format > FORMAT {
        return Err(HistoryError::Format {
            found: header.format,
        });
    }
    let found = header.hosts.count();
    if found > HOSTS_MAX {
        return Err(HistoryError::TooManyHosts { line, found });
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
        served: Vec::new(),
        strangers: BTreeMap::new(),
        usage: None,
        alarms: Vec::new(),
        troubles: Vec::new(),
        finished: None,
        end_us: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{HistoryBuilder, operation};

    /// What is said of a history that goes on with this event on its second line.
    fn refusal(at_us: u64, event: EventKind) -> Option<String> {
        let mut builder = HistoryBuilder::new(2);
        builder.push(at_us, event);
        let history = History::from_events(builder.into_events());
        history.err().map(|error| error.to_string())
    }

    fn invocation(intended_us: u64) -> EventKind {
        EventKind::Invoked(operation("node-1", intended_us, None).invocation)
    }

    #[test]
    fn a_time_that_no_run_gets_to_is_refused() {
        let boot = EventKind::PhaseStarted { phase: Phase::Boot };
        assert_eq!(refusal(LATEST_US, boot.clone()), None);
        let said = refusal(LATEST_US + 1, boot).expect("too late");
        assert!(said.contains("line 2") && said.contains("72 h"), "{said}");
        assert_eq!(refusal(0, invocation(LATEST_US)), None);
        let said = refusal(0, invocation(u64::MAX)).expect("too late");
        assert!(said.contains("18446744073709551615 µs"), "{said}");
    }

    #[test]
    fn more_hosts_than_a_plan_can_have_are_refused() {
        let with_hosts = |count: usize| {
            let mut events = HistoryBuilder::new(1).into_events();
            let mut text = serde_json::to_value(&events[0]).expect("an event is JSON");
            let hosts = &mut text["event"]["run_started"]["hosts"];
            *hosts = vec![hosts[0].clone(); count].into();
            events[0] = serde_json::from_value(text).expect("the same event");
            History::from_events(events)
                .err()
                .map(|error| error.to_string())
        };
        assert_eq!(with_hosts(HOSTS_MAX), None);
        let said = with_hosts(70_000).expect("too many");
        assert!(said.contains("line 1") && said.contains("70000"), "{said}");
        assert!(said.contains("1001"), "{said}");
    }
}
