//! The schedule: a plan compiled with a seed, every choice made, every edge with its time.
//!
//! Compiling is pure: the same plan and seed give a byte-identical `schedule.json`. Targets that
//! depend on what the system does (`mirrors`) cannot be drawn before the fault fires; the schedule
//! says so, and the history records who it was. The same holds for faults that wait for others or
//! for a condition: they have a rule instead of an edge. Arrivals of the workload are drawn from
//! the seed as the run goes; the schedule holds how many of each kind there will be, as far as no
//! load waits for a condition.

mod whom;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fabric::{Filter, HostIndex, LinkPolicy};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use whom::Whom;

use crate::fault::{Beat, BeatTime, Beating, FaultSpec, Link};
use crate::history::{OperationKind, ScheduledFault};
use crate::host::{HostId, Inventory};
use crate::plan::{self, Links, Placed, Plan, Protocol, Span, Start, Step, Targets, Workload};
use crate::seed::{self, Stream};
use crate::workload::{Arrivals, Pace};
use crate::world::{LoadWorld, World};

/// Quiet time that is added after the last edge when a plan gives no duration.
const TAIL_US: u64 = 10_000_000;

/// The groups whose members only the running system knows.
pub const DYNAMIC_GROUPS: &[&str] = &["mirrors"];

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Version of this format.
    pub format: u32,
    /// The plan's name.
    pub plan: String,
    /// The seed.
    pub seed: u64,
    /// All hosts.
    pub hosts: Inventory,
    /// The policy of every link before any fault.
    pub network: LinkPolicy,
    /// All faults, in the plan's order.
    pub faults: Vec<Fault>,
    /// All edges whose time is known, in order of time, then of fault. Those of the recovery count
    /// from the final heal.
    pub edges: Vec<Edge>,
    /// Length of the timeline, microseconds.
    pub timeline_us: u64,
    /// What the clients do.
    pub workload: Workload,
    /// Operations that will arrive, per kind.
    pub operations: BTreeMap<OperationKind, u64>,
}

/// A fault of the schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Its name in reports, unique in the run.
    pub id: String,
    /// What it does.
    pub fault: FaultSpec,
    /// Whom the plan aims it at; absent when it names links, or when it is about all clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aimed_at: Option<Targets>,
    /// The links that the plan aims it at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Links>,
    /// The packets that it is narrowed to.
    #[serde(default, skip_serializing_if = "Filter::matches_all")]
    pub filter: Filter,
    /// Who that is; absent when only the running system knows.
    pub targets: Option<Vec<HostId>>,
    /// Whom it hits from each moment on, when it comes and goes within its time and its targets are
    /// known; a turn that waits for a host is left out, because only the run shows when it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// The rule by which it starts, when that is no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<Rule>,
    /// How long it is active, microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts_us: Option<u64>,
    /// True when it is part of the recovery.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub heals: bool,
}

/// A moment at which a fault hits others of its targets than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Microseconds after the start of the fault.
    pub after_us: u64,
    /// Whom it hits from then on, each as often as it is hit by then.
    pub hits: Vec<HostId>,
}

/// The rule by which a fault starts that has no time of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// This long after all of these faults have ended.
    After {
        /// Their numbers.
        faults: Vec<usize>,
        /// Microseconds.
        wait_us: u64,
    },
    /// When this holds, watched for from then on.
    When {
        /// What must hold.
        condition: plan::When,
        /// From when on, microseconds after the start of the clock or after the rule within.
        from_us: u64,
        /// After these faults have ended.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        after: Vec<usize>,
    },
}

/// A moment at which a fault starts or stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// Microseconds after the start of the clock.
    pub at_us: u64,
    /// Number of the fault.
    pub fault: usize,
    /// Which edge.
    pub edge: EdgeKind,
}

/// Start or stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeKind {
    /// The fault becomes active.
    Start,
    /// It ends.
    Stop,
}

/// Compiles a checked plan.
#[must_use]
pub fn compile(plan: &Plan, seed: u64) -> Schedule {
    let hosts = plan::inventory(plan);
    let placed = plan::placed(plan, &mut |number, most: Span| {
        let most_us = i64::try_from(most.as_micros()).unwrap_or(i64::MAX / 2);
        seed::numbered(seed, Stream::Jitter, number).random_range(-most_us..=most_us)
    });
    let mut faults: Vec<Fault> = placed
        .iter()
        .enumerate()
        .map(|(number, one)| name_and_aim(one, &hosts, seed, number))
        .collect();
    let edges = edges(&placed);
    let timeline_us = timeline_us(plan, &placed);
    for (number, fault) in faults.iter_mut().enumerate() {
        fault.turns = turns(fault, &hosts, timeline_us, seed, number);
    }
    let operations = count_operations(&plan.workload, seed, timeline_us, &placed);
    Schedule {
        format: 2,
        plan: plan.name.clone(),
        seed,
        network: plan.network.policy(),
        faults,
        edges,
        timeline_us,
        workload: plan.workload.clone(),
        operations,
        hosts,
    }
}

/// When a fault hits whom, as far as that is known beforehand.
fn turns(
    fault: &Fault,
    hosts: &Inventory,
    timeline_us: u64,
    seed: u64,
    number: usize,
) -> Vec<Turn> {
    let Some(targets) = &fault.targets else {
        return vec![];
    };
    let targets: Vec<HostIndex> = targets.iter().filter_map(|id| hosts.find(id)).collect();
    let beats = beats(fault, &targets, timeline_us, seed, number);
    let turn = |beat: Beat| match beat.at {
        BeatTime::OnceReady(..) => None,
        BeatTime::After(after_us) => Some(Turn {
            after_us,
            hits: beat
                .hits
                .iter()
                .map(|host| hosts.get(*host).id.clone())
                .collect(),
        }),
    };
    beats.into_iter().filter_map(turn).collect()
}

/// When a fault with these targets hits whom; nothing when it hits all of them all the time.
fn beats(
    fault: &Fault,
    targets: &[HostIndex],
    timeline_us: u64,
    seed: u64,
    number: usize,
) -> Vec<Beat> {
    let beats = fault.fault.inner().beats(Beating {
        targets,
        // Without an end of its own it ends with the timeline, which is not longer than this.
        lasts_us: fault.lasts_us.unwrap_or(timeline_us),
        rng: &mut seed::numbered(seed, Stream::Beats, number),
    });
    beats.unwrap_or_default()
}

/// How many arrivals of each kind the seed gives within the timeline.
fn count_operations(
    workload: &Workload,
    seed: u64,
    timeline_us: u64,
    placed: &[Placed<'_>],
) -> BTreeMap<OperationKind, u64> {
    let mut pace = Pace::new(0);
    let mut changes = load_changes(placed).into_iter().peekable();
    let mut counts = BTreeMap::new();
    for arrival in Arrivals::new(&workload.rates, seed) {
        let mut due_us = pace.due(arrival.at_us);
        while let Some((at_us, load)) = changes.next_if(|(at_us, _)| *at_us <= due_us) {
            pace.change(at_us, load);
            due_us = pace.due(arrival.at_us);
        }
        if due_us >= timeline_us {
            break;
        }
        pace.reach(due_us);
        *counts.entry(arrival.kind).or_default() += 1;
    }
    counts
}

/// The load from each moment on at which it changes, as far as that is known beforehand.
fn load_changes(placed: &[Placed<'_>]) -> Vec<(u64, LoadWorld)> {
    let spans: Vec<(u64, u64, &Placed<'_>)> = placed
        .iter()
        .filter(|one| matches!(one.fault, FaultSpec::Load(_)) && !one.heals)
        .filter_map(|one| match one.start {
            Start::At(at_us) => {
                let stop_us = one
                    .lasts
                    .map_or(u64::MAX, |lasts| at_us + lasts.as_micros());
                Some((at_us, stop_us, one))
            }
            _ => None,
        })
        .collect();
    let moments: BTreeSet<u64> = spans
        .iter()
        .flat_map(|(start, stop, _)| [*start, *stop])
        .collect();
    let load_at = |at_us: u64| {
        let mut world = World::healthy(0);
        for (start, stop, one) in &spans {
            if *start <= at_us && at_us < *stop {
                let aim = crate::fault::Aim {
                    began_us: *start,
                    ..crate::fault::Aim::default()
                };
                one.fault.inner().bend(&mut world, &aim);
            }
        }
        (at_us, world.load().clone())
    };
    moments.into_iter().map(load_at).collect()
}

/// Seed of what a fault itself draws.
#[must_use]
pub fn draw_of(seed: u64, number: usize) -> u64 {
    seed::numbered(seed, Stream::Shapes, number).random()
}

impl Schedule {
    /// The bytes of `schedule.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("a schedule has string keys and no cycles");
        text.push('\n');
        text
    }

    /// The healthy world of this schedule.
    #[must_use]
    pub fn healthy(&self) -> World {
        World::with_network(self.hosts.len(), self.network.clone()).without(self.hosts.joining())
    }

    /// The faults as the history's header lists them.
    #[must_use]
    pub fn scheduled_faults(&self) -> Vec<ScheduledFault> {
        let edge_at = |number: usize, kind: EdgeKind| {
            self.edges
                .iter()
                .find(|edge| edge.fault == number && edge.edge == kind)
                .map(|edge| edge.at_us)
        };
        self.faults
            .iter()
            .enumerate()
            .map(|(number, fault)| ScheduledFault {
                id: fault.id.clone(),
                fault: fault.fault.clone(),
                aimed_at: fault.aim_words(),
                filter: fault.filter,
                starts: fault.rule_words(&self.faults),
                start_us: edge_at(number, EdgeKind::Start).unwrap_or_default(),
                stop_us: edge_at(number, EdgeKind::Stop),
            })
            .collect()
    }

    /// The hosts that fault `number` hits, given who is in the dynamic groups right now.
    #[must_use]
    pub fn targets(
        &self,
        number: usize,
        dynamic: &BTreeMap<String, Vec<HostIndex>>,
    ) -> Vec<HostIndex> {
        let whom = Whom {
            hosts: &self.hosts,
            dynamic,
        };
        whom.targets(&self.faults[number], self.seed, number)
    }

    /// The links that fault `number` is narrowed to; none when it is about all of its hosts'.
    #[must_use]
    pub fn links(
        &self,
        number: usize,
        dynamic: &BTreeMap<String, Vec<HostIndex>>,
    ) -> Option<BTreeSet<Link>> {
        let whom = Whom {
            hosts: &self.hosts,
            dynamic,
        };
        let links = self.faults[number].links.as_ref()?;
        Some(whom.links(links))
    }

    /// When fault `number` with these targets hits whom; nothing when it hits all of them all the
    /// time.
    #[must_use]
    pub fn beats(&self, number: usize, targets: &[HostIndex]) -> Vec<Beat> {
        let fault = &self.faults[number];
        beats(fault, targets, self.timeline_us, self.seed, number)
    }

    /// True when a fault of the plan needs what this says of it.
    #[must_use]
    pub fn any(&self, needs: impl Fn(&FaultSpec) -> bool) -> bool {
        self.faults.iter().any(|fault| needs(&fault.fault))
    }

    /// The hosts that a fault which needs this may hit.
    #[must_use]
    pub fn possible_targets(&self, needs: impl Fn(&FaultSpec) -> bool) -> BTreeSet<HostIndex> {
        let of_fault = |fault: &Fault| -> Vec<HostIndex> {
            match &fault.targets {
                Some(targets) => targets
                    .iter()
                    .filter_map(|id| self.hosts.find(id))
                    .collect(),
                None => self.hosts.indexes().collect(),
            }
        };
        self.faults
            .iter()
            .filter(|fault| needs(&fault.fault))
            .flat_map(of_fault)
            .collect()
    }
}

impl Fault {
    /// True when whom it hits only the running system knows.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        self.targets.is_none()
    }

    /// The names whose holders it hits.
    #[must_use]
    pub fn held_names(&self) -> Vec<&str> {
        self.aimed_at
            .as_ref()
            .map_or_else(Vec::new, Targets::held_names)
    }

    /// Whom it is aimed at, as the plan says it.
    #[must_use]
    pub fn aim_words(&self) -> String {
        let whom = match (&self.aimed_at, &self.links) {
            (Some(targets), _) => targets.to_string(),
            (None, Some(links)) => links.to_string(),
            (None, None) => "all clients".to_owned(),
        };
        let protocol = self.filter.protocol.map(|protocol| match protocol {
            fabric::Protocol::Tcp => ", TCP",
            fabric::Protocol::Udp => ", UDP",
            fabric::Protocol::Icmp => ", ICMP",
        });
        let port = self.filter.port.map(|port| format!(", port {port}"));
        format!(
            "{whom}{}{}",
            protocol.unwrap_or_default(),
            port.unwrap_or_default()
        )
    }

    /// When it starts, where that is no time.
    #[must_use]
    pub fn rule_words(&self, all: &[Fault]) -> Option<String> {
        let names = |faults: &[usize]| {
            let names: Vec<&str> = faults.iter().map(|one| all[*one].id.as_str()).collect();
            names.join(" and ")
        };
        let time = |us: u64| Span(Duration::from_micros(us));
        Some(match self.starts.as_ref()? {
            Rule::After { faults, wait_us: 0 } => format!("after {}", names(faults)),
            Rule::After { faults, wait_us } => {
                format!("{} after {}", time(*wait_us), names(faults))
            }
            Rule::When {
                condition,
                from_us: 0,
                after,
            } if after.is_empty() => format!("when {condition}"),
            Rule::When {
                condition,
                from_us,
                after,
            } => {
                let after = match after.is_empty() {
                    true => String::new(),
                    false => format!(" after {}", names(after)),
                };
                format!("when {condition}, from {}{after} on", time(*from_us))
            }
        })
    }
}

fn name_and_aim(one: &Placed<'_>, hosts: &Inventory, seed: u64, number: usize) -> Fault {
    let step = one.step;
    let names = [
        step.targets.as_ref().map(Targets::names),
        step.links.as_ref().map(Links::names),
    ];
    let held = step
        .targets
        .as_ref()
        .map_or_else(Vec::new, Targets::held_names);
    let dynamic = !held.is_empty()
        || names
            .iter()
            .flatten()
            .flatten()
            .any(|name| DYNAMIC_GROUPS.contains(name));
    let mut fault = Fault {
        id: one.name.clone(),
        fault: one.fault.clone(),
        aimed_at: step.targets.clone(),
        links: step.links.clone(),
        filter: filter(step),
        targets: None,
        turns: Vec::new(),
        starts: rule(&one.start),
        lasts_us: one.lasts.map(Span::as_micros),
        heals: one.heals,
    };
    if !dynamic {
        let whom = Whom {
            hosts,
            dynamic: &BTreeMap::new(),
        };
        let drawn = whom.targets(&fault, seed, number);
        fault.targets = Some(
            drawn
                .into_iter()
                .map(|host| hosts.get(host).id.clone())
                .collect(),
        );
    }
    fault
}

fn filter(step: &Step) -> Filter {
    let protocol = step.protocol.map(|protocol| match protocol {
        Protocol::Tcp => fabric::Protocol::Tcp,
        Protocol::Udp => fabric::Protocol::Udp,
        Protocol::Icmp => fabric::Protocol::Icmp,
    });
    Filter {
        protocol,
        port: step.port,
    }
}

fn rule(start: &Start) -> Option<Rule> {
    match start {
        Start::At(_) => None,
        Start::After { faults, wait_us } => Some(Rule::After {
            faults: faults.clone(),
            wait_us: *wait_us,
        }),
        Start::When { condition, from } => {
            let (from_us, after) = match from.as_ref() {
                Start::At(at_us) => (*at_us, vec![]),
                Start::After { faults, wait_us } => (*wait_us, faults.clone()),
                // A condition within a group that waits for one: both are watched for from the
                // same start on.
                Start::When { .. } => (0, vec![]),
            };
            Some(Rule::When {
                condition: condition.clone(),
                from_us,
                after,
            })
        }
    }
}

fn edges(placed: &[Placed<'_>]) -> Vec<Edge> {
    let mut edges: Vec<Edge> = placed
        .iter()
        .enumerate()
        .filter_map(|(fault, one)| match one.start {
            Start::At(start_us) => Some((fault, one, start_us)),
            _ => None,
        })
        .flat_map(|(fault, one, start)| {
            let stop = one
                .lasts
                .map(|lasts| start.saturating_add(lasts.as_micros()));
            let edge = move |at_us, edge| Edge { at_us, fault, edge };
            [
                Some(edge(start, EdgeKind::Start)),
                stop.map(|at| edge(at, EdgeKind::Stop)),
            ]
        })
        .flatten()
        .collect();
    edges.sort_unstable();
    edges
}

fn timeline_us(plan: &Plan, placed: &[Placed<'_>]) -> u64 {
    let end = |one: &Placed<'_>| {
        let Start::At(start_us) = one.start else {
            return None;
        };
        let length = one.lasts.or(one.fault.inner().own_length());
        Some(start_us.saturating_add(length.map_or(0, Span::as_micros)))
    };
    let last_us = placed
        .iter()
        .filter(|one| !one.heals)
        .filter_map(end)
        .max()
        .unwrap_or_default();
    plan.duration.map_or(last_us + TAIL_US, Span::as_micros)
}
