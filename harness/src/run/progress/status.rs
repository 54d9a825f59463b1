//! What is known of a run while it goes on: a pure fold of its events, and the words for it.
//!
//! Live availability counts all operations; which of them were owed is known only afterwards.

use std::collections::{BTreeSet, HashMap};

use super::recent::Recent;
use crate::history::{
    Completion, Event, EventKind, HostState, Invocation, Operation, OperationId, Phase, Purpose,
    RunHeader,
};
use crate::host::HostId;
use crate::report::words;

/// See the module.
#[derive(Debug, Default)]
pub struct Status {
    header: Option<Box<RunHeader>>,
    now_us: u64,
    clock_us: Option<u64>,
    phase: Option<Phase>,
    ready: BTreeSet<HostId>,
    active: BTreeSet<usize>,
    in_flight: HashMap<OperationId, Invocation>,
    done_in_phase: u64,
    recent: Recent,
}

/// How far a phase has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So much of a known length.
    Known { done: u64, length: u64 },
    /// So much, without a known end.
    Open { done: u64 },
}

impl Extent {
    /// How the bar looks in such a phase.
    #[must_use]
    pub const fn template(self) -> &'static str {
        match self {
            Extent::Known { .. } => "{spinner} {prefix:<11} {bar:24} {wide_msg}",
            Extent::Open { .. } => "{spinner} {prefix:<11} {wide_msg}",
        }
    }

    /// How much is done.
    #[must_use]
    pub const fn done(self) -> u64 {
        match self {
            Extent::Known { done, .. } | Extent::Open { done } => done,
        }
    }
}

impl Status {
    /// Takes an event in; returns the lines that are worth a person's attention.
    pub fn observe(&mut self, event: &Event) -> Vec<String> {
        self.now_us = self.now_us.max(event.at_us);
        match &event.event {
            EventKind::RunStarted(header) => self.header = Some(header.clone()),
            EventKind::PhaseStarted { phase } => return self.enter(*phase),
            EventKind::HostChanged { host, state } => return self.change_host(host, state),
            EventKind::FaultStarted { fault, targets, .. } => {
                self.active.insert(*fault);
                return vec![self.stamped(&self.fault_start_words(*fault, targets))];
            }
            EventKind::FaultStopped { fault } => {
                self.active.remove(fault);
                return vec![self.stamped(&format!("fault ends: {}", self.fault_id(*fault)))];
            }
            EventKind::Invoked(invocation) => {
                self.in_flight.insert(invocation.op, invocation.clone());
            }
            EventKind::Completed(completion) => self.complete(event.at_us, completion),
            EventKind::Settled {
                settled: false,
                pending,
            } => {
                let hosts = words::counted(pending.len() as u64, "host");
                return vec![self.stamped(&format!("not settled: something pends on {hosts}"))];
            }
            EventKind::LogAlarm { host, line } => {
                return vec![self.stamped(&format!("{host} logged: {line}"))];
            }
            EventKind::Trouble { message } => {
                return vec![self.stamped(&format!("trouble: {message}"))];
            }
            EventKind::Settled { settled: true, .. }
            | EventKind::WorldApplied { .. }
            | EventKind::FaultTurned { .. }
            | EventKind::Measured { .. }
            | EventKind::Digest { .. }
            | EventKind::Served(_)
            | EventKind::Strangers { .. }
            | EventKind::Usage(_)
            | EventKind::RunFinished { .. } => {}
        }
        Vec::new()
    }

    /// Time of the latest event, microseconds since the start of the run.
    #[must_use]
    pub const fn now_us(&self) -> u64 {
        self.now_us
    }

    /// The words for the phase.
    #[must_use]
    pub fn phase_words(&self) -> &'static str {
        self.phase.map_or("", words::phase)
    }

    /// How far the phase has come.
    #[must_use]
    pub fn extent(&self) -> Extent {
        match (self.phase, &self.header) {
            (Some(Phase::Boot), Some(header)) => Extent::Known {
                done: self.ready.len() as u64,
                length: u64::from(header.hosts.len()),
            },
            (Some(Phase::Timeline), Some(header)) => Extent::Known {
                done: self.since_clock_us().min(header.timeline_us),
                length: header.timeline_us,
            },
            _ => Extent::Open {
                done: self.done_in_phase,
            },
        }
    }

    /// What stands beside the bar.
    #[must_use]
    pub fn message(&self) -> String {
        match (self.phase, &self.header) {
            (Some(Phase::Boot), Some(header)) => {
                format!("{} of {} ready", self.ready.len(), header.hosts.len())
            }
            (Some(Phase::Timeline), Some(header)) => {
                let left = header.timeline_us.saturating_sub(self.since_clock_us());
                format!("{:.0} s left  {}", seconds(left), self.load_words())
            }
            (Some(Phase::Preload | Phase::FinalReads), _) => {
                format!("{} done", words::counted(self.done_in_phase, "operation"))
            }
            _ => String::new(),
        }
    }

    /// The status as a line of its own; none where there is nothing to say.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let message = self.message();
        (!message.is_empty()).then(|| self.stamped(&message))
    }

    /// The load, the live availability and the active faults.
    fn load_words(&self) -> String {
        let mut parts = vec![format!("{} op/s", self.recent.load(self.now_us))];
        for (kind, served) in self.recent.availability(self.now_us) {
            parts.push(format!("{kind} {}", words::percent(Some(served))));
        }
        let active: Vec<&str> = self
            .active
            .iter()
            .map(|fault| self.fault_id(*fault))
            .collect();
        parts.push(if active.is_empty() {
            "no fault".to_owned()
        } else {
            active.join(", ")
        });
        parts.join("  ")
    }

    fn enter(&mut self, phase: Phase) -> Vec<String> {
        self.done_in_phase = 0;
        let note = match phase {
            Phase::Boot | Phase::Stop => None,
            Phase::Preload => Some(format!("boot: {} ready", self.ready_words())),
            Phase::Timeline => Some("the clock starts".to_owned()),
            Phase::Heal => Some("healing: no fault is active any more".to_owned()),
            Phase::Settle => Some(format!("settling: {} ready", self.ready_words())),
            Phase::FinalReads => Some("reading every acknowledged name".to_owned()),
        };
        if phase == Phase::Timeline {
            self.clock_us = Some(self.now_us);
        }
        self.phase = Some(phase);
        note.map(|note| self.stamped(&note)).into_iter().collect()
    }

    fn change_host(&mut self, host: &HostId, state: &HostState) -> Vec<String> {
        match state {
            HostState::Ready => {
                self.ready.insert(host.clone());
            }
            HostState::Started { .. } | HostState::Exited { .. } => {
                self.ready.remove(host);
            }
            HostState::Paused
            | HostState::Resumed
            | HostState::Wiped { .. }
            | HostState::PowerLost { .. } => {}
        }
        match state {
            HostState::Exited {
                code,
                signal,
                wanted: false,
            } => {
                let how = match (code, signal) {
                    (_, Some(signal)) => format!("by signal {signal}"),
                    (Some(code), None) => format!("with status {code}"),
                    (None, None) => "somehow".to_owned(),
                };
                vec![self.stamped(&format!("{host} ended {how}, unasked"))]
            }
            _ => Vec::new(),
        }
    }

    fn complete(&mut self, at_us: u64, completion: &Completion) {
        self.done_in_phase += 1;
        let Some(invocation) = self.in_flight.remove(&completion.op) else {
            return;
        };
        if invocation.purpose != Purpose::Workload {
            return;
        }
        let operation = Operation {
            invoked_us: invocation.intended_us,
            completed_us: Some(at_us),
            outcome: Some(completion.outcome.clone()),
            invocation,
        };
        let kind = operation.invocation.kind;
        self.recent.add(self.now_us, kind, operation.is_served());
    }

    fn since_clock_us(&self) -> u64 {
        self.clock_us
            .map_or(0, |clock| self.now_us.saturating_sub(clock))
    }

    /// A line with its time: since the start of the clock with a sign, before that since the
    /// start of the run.
    fn stamped(&self, text: &str) -> String {
        match self.clock_us {
            Some(_) => format!("{:>+8.1} s  {text}", seconds(self.since_clock_us())),
            None => format!("{:>8.1} s  {text}", seconds(self.now_us)),
        }
    }

    fn ready_words(&self) -> String {
        let hosts = self.header.as_ref().map_or(0, |header| header.hosts.len());
        format!("{} of {hosts} hosts", self.ready.len())
    }

    fn fault_id(&self, fault: usize) -> &str {
        let known = self
            .header
            .as_ref()
            .and_then(|header| header.faults.get(fault));
        known.map_or("?", |scheduled| scheduled.id.as_str())
    }

    fn fault_start_words(&self, fault: usize, targets: &[HostId]) -> String {
        let known = self
            .header
            .as_ref()
            .and_then(|header| header.faults.get(fault));
        let Some(scheduled) = known else {
            return "fault starts".to_owned();
        };
        let hosts = match targets {
            [one] => one.to_string(),
            many => format!(
                "{} ({})",
                words::counted(many.len() as u64, "host"),
                scheduled.aimed_at
            ),
        };
        format!(
            "fault starts: {}, {} on {hosts}",
            scheduled.id, scheduled.fault
        )
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a run's microseconds stay far below 2^52"
)]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::history::{Answer, OperationKind, Outcome};
    use crate::report::sample::HistoryBuilder;

    const SECOND: u64 = 1_000_000;

    /// A run of 20 seconds: an operation every 250 ms, which fails while the registry is dead.
    pub(in super::super) fn short_run() -> Vec<Event> {
        let mut builder = HistoryBuilder::new(4);
        builder.boot(SECOND);
        let fault = builder.schedule("kill");
        builder.start_fault(6 * SECOND, fault, &["registry"]);
        for step in 0..80 {
            let at = SECOND + step * SECOND / 4;
            let outcome = if (20..40).contains(&step) {
                Outcome::Unknown {
                    detail: String::new(),
                }
            } else {
                Outcome::Ok(Answer::default())
            };
            let done = Some((at + 10_000, outcome));
            builder.operation(OperationKind::Resolve, "node-1", at, done);
        }
        builder.stop_fault(11 * SECOND, fault);
        builder.push(
            12 * SECOND,
            EventKind::Trouble {
                message: "no space".into(),
            },
        );
        let state = HostState::Exited {
            code: Some(3),
            signal: None,
            wanted: false,
        };
        let host = HostId("node-2".into());
        builder.push(13 * SECOND, EventKind::HostChanged { host, state });
        builder.phase(21 * SECOND, Phase::Heal);
        builder.phase(22 * SECOND, Phase::Settle);
        builder.phase(23 * SECOND, Phase::FinalReads);
        builder.into_events()
    }

    #[test]
    fn what_happens_is_noted_with_its_time() {
        let mut status = Status::default();
        let notes: Vec<String> = short_run()
            .iter()
            .flat_map(|event| status.observe(event))
            .collect();
        insta::assert_snapshot!(notes.join("\n"));
    }

    #[test]
    fn the_status_of_each_moment() {
        let mut status = Status::default();
        let mut shown = Vec::new();
        let mut next = 0;
        for event in short_run() {
            if event.at_us >= next {
                shown.push(format!(
                    "{:<11} | {}",
                    status.phase_words(),
                    status.message()
                ));
                next += 2 * SECOND;
            }
            status.observe(&event);
        }
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn boot_counts_the_ready_hosts_and_the_timeline_its_time() {
        let mut status = Status::default();
        let extents: Vec<Extent> = short_run()
            .iter()
            .map(|event| {
                status.observe(event);
                status.extent()
            })
            .collect();
        assert!(extents.contains(&Extent::Known { done: 0, length: 4 }));
        assert!(extents.contains(&Extent::Known { done: 4, length: 4 }));
        assert!(extents.contains(&Extent::Known {
            done: 5 * SECOND,
            length: 60 * SECOND
        }));
        assert_eq!(extents.last(), Some(&Extent::Open { done: 0 }));
    }
}
