//! Histories for tests: built by hand, event by event, or (in `outage`) a whole run.

mod outage;

use std::net::Ipv4Addr;
use std::time::Duration;

pub(crate) use outage::{findings, outage};

use fabric::Filter;

use crate::fault::{Bandwidth, Duplicate, FaultSpec, Latency, Loss, Partition};
use crate::history::{
    Answer, Completion, Event, EventKind, Evidence, FORMAT, History, HostState, HostUsage,
    Invocation, Operation, OperationKind, Outcome, Phase, Purpose, RunHeader, ScheduledFault,
    Usage,
};
use crate::host::{HostId, HostInfo, Inventory};
use crate::plan::{Expect, Network, Share, Span};

const SECOND: u64 = 1_000_000;

/// Collects events in any order; `finish` sorts them by time.
pub(crate) struct HistoryBuilder {
    header: RunHeader,
    events: Vec<Event>,
    operations: u64,
}

/// An operation outside any history.
pub(crate) fn operation(client: &str, intended_us: u64, completed_us: Option<u64>) -> Operation {
    Operation {
        invocation: invocation(0, OperationKind::Resolve, client, intended_us),
        invoked_us: intended_us,
        completed_us,
        outcome: completed_us.map(|_| Outcome::Ok(Answer::default())),
    }
}

fn fault(word: &str) -> FaultSpec {
    let split = serde_json::json!({ "shape": "split" });
    match word {
        "kill" => FaultSpec::Kill,
        "pause" => FaultSpec::Pause,
        "restart" => FaultSpec::Restart,
        "split" => FaultSpec::Partition(
            serde_json::from_value::<Partition>(split).expect("a split needs nothing else"),
        ),
        "loss" => FaultSpec::Loss(Loss {
            rate: Share::from_percent(2.0),
            burst: None,
        }),
        "duplicate" => FaultSpec::Duplicate(Duplicate {
            rate: Share::from_percent(3.0),
        }),
        "bandwidth" => FaultSpec::Bandwidth(Bandwidth {
            rate: "1mbit".parse().expect("a rate"),
            queue: None,
        }),
        "jam" => FaultSpec::Jam,
        "latency" => FaultSpec::Latency(Latency {
            mean: Span(Duration::from_millis(300)),
            jitter: Some(Span(Duration::from_millis(100))),
            distribution: None,
            correlation: None,
        }),
        other => panic!("the samples have no fault `{other}`"),
    }
}

fn scheduled(id: &str, word: &str, at: &str, start_s: u64, stop_s: Option<u64>) -> ScheduledFault {
    ScheduledFault {
        id: id.into(),
        fault: fault(word),
        aimed_at: at.into(),
        filter: Filter::default(),
        starts: None,
        start_us: start_s * SECOND,
        stop_us: stop_s.map(|stop| stop * SECOND),
    }
}

fn invocation(op: u64, kind: OperationKind, client: &str, intended_us: u64) -> Invocation {
    Invocation {
        op,
        purpose: Purpose::Workload,
        kind,
        client: HostId(client.into()),
        name: format!("name-{}", op % 100),
        value: None,
        intended_us,
    }
}

impl HistoryBuilder {
    /// A registry that serves no clients, and nodes that do, `node-1` and so on.
    pub(crate) fn new(hosts: u8) -> HistoryBuilder {
        let host = |number: u8| HostInfo {
            joins: false,
            id: HostId(if number == 0 {
                "registry".into()
            } else {
                format!("node-{number}")
            }),
            groups: vec![if number == 0 {
                "registry".into()
            } else {
                "nodes".into()
            }],
            address: Ipv4Addr::new(198, 18, 0, number + 1),
            serves_clients: number > 0,
        };
        let header = RunHeader {
            format: FORMAT,
            plan: "central-outage".into(),
            question: "Does anyone notice when the central registry dies for 30 seconds?".into(),
            documented: crate::plan::Verdict::Pass,
            seed: 7,
            runtime: "local".into(),
            command: "harness run plan.yaml --seed 7".into(),
            version: "0.1.0".into(),
            kernel: "6.18.44".into(),
            processors: 2,
            started_at: "2026-01-02T03:04:05Z".into(),
            hosts: Inventory::new((0..hosts).map(host).collect()),
            network: Network::default(),
            faults: Vec::new(),
            expect: Expect::default(),
            deadline_us: 2 * SECOND,
            timeline_us: 60 * SECOND,
            copies: None,
        };
        HistoryBuilder {
            header,
            events: Vec::new(),
            operations: 0,
        }
    }

    pub(crate) fn push(&mut self, at_us: u64, event: EventKind) {
        self.events.push(Event { at_us, event });
    }

    pub(crate) fn phase(&mut self, at_us: u64, phase: Phase) {
        self.push(at_us, EventKind::PhaseStarted { phase });
    }

    /// Every host starts and is ready before the clock starts at the given time.
    pub(crate) fn boot(&mut self, clock_us: u64) {
        self.phase(0, Phase::Boot);
        let hosts: Vec<HostId> = self
            .header
            .hosts
            .iter()
            .map(|(_, host)| host.id.clone())
            .collect();
        for (host, number) in hosts.iter().zip(1..) {
            self.start(clock_us / 1000 * number, &host.0);
            self.ready(clock_us / 1000 * (number + 100), &host.0);
        }
        self.phase(clock_us / 2, Phase::Preload);
        self.phase(clock_us, Phase::Timeline);
    }

    /// Adds a fault to the schedule; returns its number.
    pub(crate) fn schedule(&mut self, word: &str) -> usize {
        let number = self.header.faults.len();
        self.header.faults.push(scheduled(
            &format!("{word}-{}", number + 1),
            word,
            "some",
            0,
            None,
        ));
        number
    }

    pub(crate) fn start_fault(&mut self, at_us: u64, fault: usize, targets: &[&str]) {
        let targets = targets
            .iter()
            .map(|target| HostId((*target).into()))
            .collect();
        self.push(
            at_us,
            EventKind::FaultStarted {
                fault,
                targets,
                links: None,
            },
        );
    }

    pub(crate) fn stop_fault(&mut self, at_us: u64, fault: usize) {
        self.push(at_us, EventKind::FaultStopped { fault });
    }

    pub(crate) fn measured(&mut self, at_us: u64, fault: usize, evidence: Evidence) {
        self.push(at_us, EventKind::Measured { fault, evidence });
    }

    fn change(&mut self, at_us: u64, host: &str, state: HostState) {
        self.push(
            at_us,
            EventKind::HostChanged {
                host: HostId(host.into()),
                state,
            },
        );
    }

    pub(crate) fn start(&mut self, at_us: u64, host: &str) {
        let pid = 1000 + u32::try_from(self.events.len()).expect("a sample is small");
        self.change(at_us, host, HostState::Started { pid });
    }

    pub(crate) fn ready(&mut self, at_us: u64, host: &str) {
        self.change(at_us, host, HostState::Ready);
    }

    pub(crate) fn pause(&mut self, at_us: u64, host: &str) {
        self.change(at_us, host, HostState::Paused);
    }

    pub(crate) fn resume(&mut self, at_us: u64, host: &str) {
        self.change(at_us, host, HostState::Resumed);
    }

    pub(crate) fn exit(&mut self, at_us: u64, host: &str) {
        let state = HostState::Exited {
            code: None,
            signal: Some(9),
            wanted: true,
        };
        self.change(at_us, host, state);
    }

    /// A workload operation and, when it has one, its completion.
    pub(crate) fn operation(
        &mut self,
        kind: OperationKind,
        client: &str,
        intended_us: u64,
        done: Option<(u64, Outcome)>,
    ) {
        let op = self.operations;
        self.operations += 1;
        let invocation = invocation(op, kind, client, intended_us);
        self.push(intended_us, EventKind::Invoked(invocation));
        if let Some((at_us, outcome)) = done {
            self.push(at_us, EventKind::Completed(Completion { op, outcome }));
        }
    }

    fn usage(&mut self, at_us: u64) {
        let hosts = self
            .header
            .hosts
            .iter()
            .map(|(index, host)| HostUsage {
                host: host.id.clone(),
                address: host.address,
                pss_bytes: (9 << 20) + (u64::from(index.0) << 18),
                cpu_us: 400_000 + u64::from(index.0) * 10_000,
            })
            .collect();
        let usage = Usage {
            hosts,
            harness_cpu_us: 3_100_000,
            fabric_cpu_us: 4_200_000,
            wall_us: 60 * SECOND,
        };
        self.push(at_us, EventKind::Usage(usage));
    }

    /// The history; its last event is not before the given time.
    pub(crate) fn finish(self, end_us: u64) -> History {
        let mut history = History::from_events(self.into_events()).expect("a sound history");
        history.end_us = history.end_us.max(end_us);
        history
    }

    /// The events, header first, in order of time.
    pub(crate) fn into_events(mut self) -> Vec<Event> {
        self.events.sort_by_key(|event| event.at_us);
        let header = EventKind::RunStarted(Box::new(self.header));
        let mut events = vec![Event {
            at_us: 0,
            event: header,
        }];
        events.append(&mut self.events);
        events
    }
}
