//! The shape of a plan, key by key, with defaults.
//!
//! Only the shape: what a value means together with the others is `check`'s business. Unknown
//! keys are errors. There is no `flatten`, no `untagged` and no internal tag here, because those
//! lose the position of a mistake.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::Limits;
use super::links::Links;
use super::network::Network;
use super::targets::Targets;
use super::units::{Rate, Share, Span};
use super::when::When;
use crate::fault::FaultSpec;

/// A whole plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Short name, used for the run folder.
    #[schemars(length(max = 64), regex(pattern = "^[a-z0-9][a-z0-9._-]*$"))]
    pub name: String,
    /// The question that a run of this plan answers, in one sentence.
    pub question: String,
    /// Free labels for choosing plans, for example `ci`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Seed of every random choice; drawn and printed when absent.
    #[serde(default)]
    pub seed: Option<u64>,
    /// The verdict that this plan is documented to have. It does not change the exit code.
    #[serde(default)]
    pub verdict: Verdict,
    /// The checker that must fail: this plan is a negative control, made for that. It needs
    /// `verdict: fail`, and does not change the exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// The system under test.
    pub system: System,
    /// The network before any fault.
    #[serde(default)]
    pub network: Network,
    /// What the clients do.
    pub workload: Workload,
    /// The faults and when they are active.
    #[serde(default)]
    pub timeline: Vec<Step>,
    /// Length of the timeline; when absent, ten seconds after its last edge.
    #[serde(default)]
    pub duration: Option<Span>,
    /// At most how long the system may take to settle after the final heal.
    #[serde(default = "default_settle")]
    pub settle: Span,
    /// What must hold.
    #[serde(default)]
    pub expect: Expect,
}

/// The documented verdict of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The system is expected to hold.
    #[default]
    Pass,
    /// The plan shows a system that does not hold, on purpose.
    Fail,
}

/// The hosts of the system under test and how they are set up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Central registries: 1.
    #[schemars(range(min = 1, max = 1))]
    #[serde(default = "default_registry")]
    pub registry: u16,
    /// Nodes without a cohort; `node-1` … `node-N`.
    #[schemars(range(max = 1000))]
    #[serde(default)]
    pub nodes: u16,
    /// Named groups of nodes, in addition to `nodes`.
    #[serde(default)]
    pub cohorts: Vec<Cohort>,
    /// How many of the nodes become mirrors; 0 is a registry on its own.
    #[serde(default = "default_mirrors")]
    pub mirrors: u16,
    /// Mirrors that hold each name.
    #[serde(default = "default_replicas")]
    pub replicas: u16,
    /// Bugs planted from the start: group or host name to bug names.
    #[serde(default)]
    pub bugs: BTreeMap<String, Vec<String>>,
    /// How long a record holds unless its owner renews it; the system's own default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_life: Option<Span>,
    /// The label by whose values mirrors are spread, for example `version`: as few of them as can
    /// be have the same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<String>,
    /// What each host may use of the machine; needs `--runtime docker`.
    #[serde(default)]
    pub limits: Limits,
}

/// A named group of nodes that share a property, for example a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cohort {
    /// The group's name; faults can aim at it.
    pub name: String,
    /// Number of nodes.
    #[schemars(range(min = 1, max = 1000))]
    pub count: u16,
    /// Bugs planted in each of them.
    #[serde(default)]
    pub bugs: Vec<String>,
    /// What each of them says of itself, for example `version: "5.0"`, in addition to the label
    /// `cohort`, which is the cohort's name unless it is given here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether they are there from the start, or are started by the fault `join`.
    #[serde(default)]
    pub starts: Starts,
}

/// When the hosts of a cohort are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Starts {
    /// From the start of the run.
    #[default]
    Now,
    /// When the fault `join` starts them.
    Later,
}

/// What the clients do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Names registered before the clock starts.
    #[serde(default = "default_names")]
    pub names: u32,
    /// Mean arrival rates; arrivals are Poisson, open loop.
    pub rates: Rates,
    /// Which names are resolved how often.
    #[serde(default)]
    pub popularity: Popularity,
    /// Share of registrations that two clients attempt at the same moment.
    #[serde(default = "default_contention")]
    pub contention: Share,
    /// An answer later than this after the intended start does not count as available.
    #[serde(default = "default_deadline")]
    pub deadline: Span,
}

/// Mean arrivals per second of each kind of operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Registrations of new names.
    #[serde(default)]
    pub register: Rate,
    /// Look-ups of registered names.
    #[serde(default)]
    pub resolve: Rate,
    /// Changes by a name's owner.
    #[serde(default)]
    pub update: Rate,
}

/// How often each name is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Popularity {
    /// Every name equally often.
    Uniform,
    /// The k-th oldest name with probability proportional to k^-s; the value is s.
    Zipf(f64),
}

/// One item of the timeline: a fault, or a group of steps (`sequence`, `parallel`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// A name for reports; `kind-N` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When it starts, counted from the start of the clock; within a sequence, how long after the
    /// step before has ended; with `when`, from when on that is watched for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Span>,
    /// Start when this is observed, at most once. Needs a `duration` of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// How long it is active; without it, until the final heal.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
    /// Start it again and again, this long after its last start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// How often it starts with `every`; without it, until the end of the plan's `duration`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub times: Option<u32>,
    /// By how much each start is earlier or later, at most; drawn with the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Span>,
    /// `heal`: `at` counts from the final heal, and the step is part of the recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<StepPhase>,
    /// The hosts that it is aimed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// The links that it is aimed at, instead of all links of the targets; for faults of packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Links>,
    /// Only packets from or to this TCP or UDP port; for faults of packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Only packets of this protocol; for faults of packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultSpec>,
    /// Steps that start one after another, each when the one before has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sequence: Vec<Step>,
    /// Steps that start together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parallel: Vec<Step>,
}

/// A phase of the run that a step can belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepPhase {
    /// The recovery after the timeline.
    Heal,
}

/// A protocol of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, so also the echo requests of `ping`.
    Icmp,
}

/// What must hold; everything is judged on owed operations unless the key says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Least share of owed operations that are served, per kind, over the whole timeline.
    #[serde(default)]
    pub availability: Availability,
    /// Least share of all operations that are served.
    #[serde(default)]
    pub availability_raw: Availability,
    /// Upper bounds of latency quantiles of owed operations.
    #[serde(default)]
    pub latency: LatencyBound,
    /// After each fault ends: at most this long until availability is back to calm.
    #[serde(default)]
    pub recovery: Option<Span>,
    /// How the load is spread over the mirrors.
    #[serde(default, skip_serializing_if = "LoadBound::is_empty")]
    pub load: LoadBound,
}

/// Bounds of the load of single hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadBound {
    /// No mirror handles more than so many times the requests that mirrors handle on average, for
    /// example `3`; at least 1.
    #[schemars(range(min = 1))]
    #[serde(default)]
    pub spread: Option<f64>,
}

impl LoadBound {
    /// True when nothing is bounded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == LoadBound::default()
    }
}

/// A share per kind of operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Availability {
    /// Registrations.
    #[serde(default)]
    pub register: Option<Share>,
    /// Look-ups.
    #[serde(default)]
    pub resolve: Option<Share>,
    /// Updates.
    #[serde(default)]
    pub update: Option<Share>,
}

/// Latency bounds per kind of operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatencyBound {
    /// Registrations.
    #[serde(default)]
    pub register: Quantiles,
    /// Look-ups.
    #[serde(default)]
    pub resolve: Quantiles,
    /// Updates.
    #[serde(default)]
    pub update: Quantiles,
}

/// Upper bounds of quantiles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// Half of the operations are at least this fast.
    #[serde(default)]
    pub p50: Option<Span>,
    /// 90 of 100 are.
    #[serde(default)]
    pub p90: Option<Span>,
    /// 99 of 100 are.
    #[serde(default)]
    pub p99: Option<Span>,
}

impl Default for Popularity {
    fn default() -> Self {
        Popularity::Zipf(1.0)
    }
}

fn default_registry() -> u16 {
    1
}

fn default_mirrors() -> u16 {
    8
}

fn default_replicas() -> u16 {
    5
}

fn default_names() -> u32 {
    100
}

fn default_contention() -> Share {
    Share::from_percent(5.0)
}

fn default_deadline() -> Span {
    Span(Duration::from_secs(2))
}

fn default_settle() -> Span {
    Span(Duration::from_secs(30))
}
