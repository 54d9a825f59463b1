//! The schedule: a plan compiled with a seed, every choice made, every edge with its time.
//!
//! Compiling is pure: the same plan and seed give a byte-identical `schedule.json`. Targets that
//! depend on what the system does (`mirrors`) cannot be drawn before the fault fires; the schedule
//! says so, and the history records who it was. Arrivals of the workload are drawn from the seed
//! as the run goes; the schedule holds how many of each kind there will be.

use std::collections::BTreeMap;

use fabric::{HostIndex, LinkPolicy};
use serde::{Deserialize, Serialize};

use crate::fault::FaultSpec;
use crate::history::{OperationKind, ScheduledFault};
use crate::host::{HostId, Inventory};
use crate::plan::{self, Plan, Span, Targets, Workload};
use crate::seed::{self, Stream};
use crate::workload::Arrivals;
use crate::world::World;

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
    /// All edges, in order of time, then of fault.
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
    /// Whom the plan aims it at.
    pub aimed_at: Targets,
    /// Who that is; absent when only the running system knows.
    pub targets: Option<Vec<HostId>>,
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
    let faults = name_and_aim(plan, &hosts, seed);
    let edges = edges(plan);
    let timeline_us = timeline_us(plan, &edges);
    let operations = count_operations(&plan.workload, seed, timeline_us);
    Schedule {
        format: 1,
        plan: plan.name.clone(),
        seed,
        network: network_policy(&plan.network),
        faults,
        edges,
        timeline_us,
        workload: plan.workload.clone(),
        operations,
        hosts,
    }
}

/// How many arrivals of each kind the seed gives within the timeline.
fn count_operations(
    workload: &Workload,
    seed: u64,
    timeline_us: u64,
) -> BTreeMap<OperationKind, u64> {
    let mut counts = BTreeMap::new();
    for arrival in Arrivals::new(&workload.rates, seed).take_while(|one| one.at_us < timeline_us) {
        *counts.entry(arrival.kind).or_default() += 1;
    }
    counts
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
        World::with_network(self.hosts.len(), self.network.clone())
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
                aimed_at: fault.aimed_at.to_string(),
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
        let members = |name: &str| match dynamic.get(name) {
            Some(hosts) => hosts.clone(),
            None => named(&self.hosts, name),
        };
        draw(&self.faults[number].aimed_at, &members, self.seed, number)
    }
}

/// The hosts that a name stands for: a host or a group.
fn named(hosts: &Inventory, name: &str) -> Vec<HostIndex> {
    match hosts.find(&HostId(name.to_owned())) {
        Some(host) => vec![host],
        None => hosts.group(name),
    }
}

fn draw(
    targets: &Targets,
    members: &impl Fn(&str) -> Vec<HostIndex>,
    seed: u64,
    number: usize,
) -> Vec<HostIndex> {
    targets.draw(members, &mut seed::numbered(seed, Stream::Targets, number))
}

fn name_and_aim(plan: &Plan, hosts: &Inventory, seed: u64) -> Vec<Fault> {
    let members = |name: &str| named(hosts, name);
    plan.timeline
        .iter()
        .enumerate()
        .map(|(number, step)| {
            let dynamic = step
                .targets
                .names()
                .iter()
                .any(|name| DYNAMIC_GROUPS.contains(name));
            let drawn = (!dynamic).then(|| draw(&step.targets, &members, seed, number));
            Fault {
                id: step.name(number),
                fault: step.fault.clone(),
                aimed_at: step.targets.clone(),
                targets: drawn.map(|list| {
                    list.into_iter()
                        .map(|host| hosts.get(host).id.clone())
                        .collect()
                }),
            }
        })
        .collect()
}

fn edges(plan: &Plan) -> Vec<Edge> {
    let mut edges: Vec<Edge> = plan
        .timeline
        .iter()
        .enumerate()
        .flat_map(|(fault, step)| {
            let start = step.at.as_micros();
            let stop = step.lasts.map(|lasts| start + lasts.as_micros());
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

fn timeline_us(plan: &Plan, edges: &[Edge]) -> u64 {
    let last_edge = edges.last().map_or(0, |edge| edge.at_us);
    plan.duration.map_or(last_edge + TAIL_US, Span::as_micros)
}

fn network_policy(network: &plan::Network) -> LinkPolicy {
    let mean_us = network.latency.map_or(0, Span::as_micros);
    let jitter_us = network.jitter.map_or(0, Span::as_micros);
    let latency = match (mean_us, jitter_us) {
        (0, _) => vec![],
        (_, 0) => vec![fabric::Latency::Constant { mean_us }],
        _ => vec![fabric::Latency::Uniform { mean_us, jitter_us }],
    };
    LinkPolicy {
        latency,
        loss_ppm: network
            .loss
            .map(plan::Share::parts_per_million)
            .into_iter()
            .collect(),
        bandwidth_bps: network.bandwidth.map(plan::Bitrate::bits_per_second),
        ..LinkPolicy::default()
    }
}
