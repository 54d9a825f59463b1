//! What can happen in a run, one type an event, as written to `events.jsonl`.
//!
//! Times are whole microseconds since the start of the run, on the monotonic clock. The plan's
//! zero (the start of the clock) is the `timeline` phase's start. The format is versioned by
//! `RunHeader::format`; fields are only ever added.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use fabric::Filter;

use crate::fault::{Count, FaultSpec};
use crate::host::{HostId, Inventory};
use crate::plan::{Expect, Network, Verdict};

/// The version of the event format.
pub const FORMAT: u32 = 2;

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Microseconds since the start of the run.
    pub at_us: u64,
    /// What happened.
    pub event: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// First event of every history.
    RunStarted(Box<RunHeader>),
    /// A phase begins; the one before it ends.
    PhaseStarted { phase: Phase },
    /// A host's process changed state.
    HostChanged { host: HostId, state: HostState },
    /// A fault became active, aimed at these hosts.
    FaultStarted {
        /// Which one.
        fault: usize,
        /// Whom it hits.
        targets: Vec<HostId>,
        /// The links that it is narrowed to; absent when it is about all links of the targets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        links: Option<Vec<(HostId, HostId)>>,
    },
    /// From now on the fault hits these of its targets, each as often as it is hit so far.
    FaultTurned {
        /// Which one.
        fault: usize,
        /// Whom it hits now.
        hits: Vec<HostId>,
    },
    /// A fault ended.
    FaultStopped { fault: usize },
    /// The world's links and processes were brought to what is wanted.
    WorldApplied {
        /// Time until every link had its new policy; absent when no link changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        links_us: Option<u64>,
        /// Time until every process step was done.
        processes_us: u64,
    },
    /// What was measured of a fault while it was active.
    Measured { fault: usize, evidence: Evidence },
    /// A client starts an operation.
    Invoked(Invocation),
    /// An operation ended, or its deadline passed.
    Completed(Completion),
    /// How the wait for the system to settle ended.
    Settled {
        /// False when the deadline passed first.
        settled: bool,
        /// What was still pending, per host, at the end of the wait.
        pending: Vec<(HostId, u64)>,
    },
    /// What a host holds once everything has settled, for systems that can say so.
    Digest {
        host: HostId,
        /// Each name it holds, with a text that is the same where the version is the same. A text
        /// that begins with digits and a colon begins with the sequence number: `17:9f86d081`.
        records: BTreeMap<String, String>,
    },
    /// How many requests of other hosts a host's process has handled so far, for systems that count
    /// them; asked now and then during the timeline.
    Served(Served),
    /// How many peers of other systems a host believes, for systems that can say so.
    Strangers {
        host: HostId,
        /// Those whose addresses it would use or pass on.
        peers: u64,
    },
    /// Resources used, sampled once before the stop.
    Usage(Usage),
    /// A line in a host's log that must not be there, such as a panic.
    LogAlarm { host: HostId, line: String },
    /// The harness could not do something it should have done; the verdict says so.
    Trouble { message: String },
    /// Last event of a complete history.
    RunFinished {
        /// True when the user asked to stop before the end.
        interrupted: bool,
    },
}

/// What a run is, known before it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// Version of the event format.
    pub format: u32,
    /// The plan's name.
    pub plan: String,
    /// The plan's question.
    pub question: String,
    /// The verdict that the plan is documented to have.
    pub documented: Verdict,
    /// The seed of every choice.
    pub seed: u64,
    /// `local`, `docker` or `fake`.
    pub runtime: String,
    /// The command that repeats the run.
    pub command: String,
    /// Version of the harness.
    pub version: String,
    /// Kernel release, for example `6.18.44`.
    pub kernel: String,
    /// Number of processors.
    pub processors: usize,
    /// Wall clock at the start, RFC 3339, UTC.
    pub started_at: String,
    /// All hosts.
    pub hosts: Inventory,
    /// The network before any fault.
    pub network: Network,
    /// All faults of the schedule, by number.
    pub faults: Vec<ScheduledFault>,
    /// What must hold.
    pub expect: Expect,
    /// The operations' deadline, microseconds.
    pub deadline_us: u64,
    /// Length of the timeline, microseconds.
    pub timeline_us: u64,
    /// How many hosts shall hold each name once everything has settled; absent when not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u32>,
}

/// What a host said that it had served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Which host.
    pub host: HostId,
    /// Requests of other hosts since its process started.
    pub requests: u64,
    /// What the host said that it was, for example `mirror`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// A fault of the schedule: what it is; when and whom it hit are events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduledFault {
    /// Its name in reports, unique in the run.
    pub id: String,
    /// What it does.
    pub fault: FaultSpec,
    /// The targets as the plan says them.
    pub aimed_at: String,
    /// The packets that it is narrowed to.
    #[serde(default, skip_serializing_if = "Filter::matches_all")]
    pub filter: Filter,
    /// The rule by which it starts, in words, when that is no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<String>,
    /// When it shall start, microseconds after the start of the clock; 0 when a rule says it.
    pub start_us: u64,
    /// When it shall end; absent when the final heal ends it or it is instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_us: Option<u64>,
}

/// The phases of a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Hosts start and get ready.
    Boot,
    /// The first names are registered.
    Preload,
    /// The clock runs: workload and faults. Calm until the first fault.
    Timeline,
    /// All faults have ended; every host shall be ready again.
    Heal,
    /// Waiting until nothing is pending.
    Settle,
    /// Every acknowledged name is read.
    FinalReads,
    /// Processes are stopped.
    Stop,
}

/// The state of a host's process as the runtime saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// A process was started.
    Started { pid: u32 },
    /// It says that it is ready to serve.
    Ready,
    /// The kernel says that it is stopped.
    Paused,
    /// It goes on.
    Resumed,
    /// Its disk was emptied while it did not run.
    Wiped {
        /// Files that were there and are gone.
        files: u64,
    },
    /// Its disk went back to what was synced, while its process did not run.
    PowerLost {
        /// Files that have changed by it.
        files: u64,
        /// Bytes that were written and are gone.
        bytes: u64,
    },
    /// It ended.
    Exited {
        /// Exit status, when it ended by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        /// Signal, when it was ended by one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// True when the harness ended it.
        wanted: bool,
    },
}

/// Numbers the operations of a run from 0.
pub type OperationId = u64;

/// A client starts an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    /// Number of the operation.
    pub op: OperationId,
    /// What it is for.
    pub purpose: Purpose,
    /// What it does.
    pub kind: OperationKind,
    /// The host whose client interface is used.
    pub client: HostId,
    /// The name that it is about.
    pub name: String,
    /// The value written; absent for a look-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// When it was meant to start; latency counts from here.
    pub intended_us: u64,
}

/// Why an operation was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Registered before the clock starts; not part of availability.
    Preload,
    /// The open-loop workload; this is what availability counts.
    Workload,
    /// Read after everything has settled; not part of availability.
    FinalRead,
}

/// What an operation does.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Takes a new name.
    Register,
    /// Looks a name up.
    Resolve,
    /// Changes an own name's value.
    Update,
}

/// An operation ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// Which operation.
    pub op: OperationId,
    /// How it ended.
    pub outcome: Outcome,
}

/// How an operation ended. Definite and indefinite errors are kept apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Ok(Answer),
    /// It was refused for good: it has not happened and will not.
    Fail { error: ErrorKind, detail: String },
    /// Time-out or reset: it may have happened or may still happen.
    Unknown { detail: String },
}

/// What the system answered. What an operation or a system does not say is absent or false.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Who owns the name, as the system identifies owners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Version of the name's value; grows with each update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The value read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The owner is final (for systems with provisional registrations).
    #[serde(default)]
    pub certified: bool,
    /// A write: a quorum of replicas holds it.
    #[serde(default)]
    pub mirrored: bool,
    /// A read: a quorum of replicas was asked.
    #[serde(default)]
    pub confirmed: bool,
    /// A read: from a local cache, and said to be so.
    #[serde(default)]
    pub stale: bool,
    /// A read: which part of the system answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A definite refusal, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The name belongs to somebody else: a correct answer to a registration.
    Taken,
    /// No such name.
    NotFound,
    /// Only the owner may change a name.
    NotOwner,
    /// The system says that it cannot serve this now.
    Unavailable,
    /// Nobody listens: the connection was refused, nothing was sent.
    Refused,
    /// The system did not understand the request.
    Invalid,
}

/// What was measured while a fault was active, as differences between its start and its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Targets whose process was seen in the wanted state (dead, restarted, stopped).
    #[serde(default)]
    pub hosts_seen: u32,
    /// Packets handed out on the links concerned.
    #[serde(default)]
    pub packets_passed: u64,
    /// Packets dropped because the link was cut.
    #[serde(default)]
    pub packets_blocked: u64,
    /// Packets dropped by chance.
    #[serde(default)]
    pub packets_lost: u64,
    /// What else was done to packets, and to how many; what was done to none is absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counted: BTreeMap<Count, u64>,
    /// Bytes of the packets handed out, IP headers included.
    #[serde(default)]
    pub bytes_passed: u64,
    /// Mean time a packet spent in the fabric, microseconds; absent when none passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_delay_us: Option<u64>,
    /// What the mean should have been on those links, microseconds, all active faults counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_delay_us: Option<u64>,
    /// The wall clocks that were read; absent for other faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockEvidence>,
    /// The operations that were started; absent for other faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<LoadEvidence>,
}

/// Wall clocks read, at the moment at which they were to be most wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockEvidence {
    /// Targets whose clock was read.
    pub hosts: u32,
    /// How much more than the true time they were to show, microseconds; the mean.
    pub asked_us: i64,
    /// How much more they showed, microseconds; the mean.
    pub read_us: i64,
}

/// Operations of the workload while a fault of the load was active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadEvidence {
    /// Operations started.
    pub operations: u64,
    /// Operations that the load asked for, as the mean of the arrivals.
    pub asked: u64,
    /// Operations that there would have been without the fault.
    pub calm: u64,
}

/// Resources used by the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Per host: memory and processor time of its process.
    pub hosts: Vec<HostUsage>,
    /// Processor time of the harness process without the fabric's thread, microseconds.
    pub harness_cpu_us: u64,
    /// Processor time of the fabric's thread, microseconds.
    pub fabric_cpu_us: u64,
    /// Length of the sampled time, microseconds.
    pub wall_us: u64,
}

/// Resources used by one host's current process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostUsage {
    /// Which host.
    pub host: HostId,
    /// Its address, for reading beside packet captures.
    pub address: Ipv4Addr,
    /// Proportional set size, bytes: private memory plus its share of what is shared.
    pub pss_bytes: u64,
    /// Processor time since its start, microseconds.
    pub cpu_us: u64,
}

impl OperationKind {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            OperationKind::Register => "register",
            OperationKind::Resolve => "resolve",
            OperationKind::Update => "update",
        }
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.word())
    }
}
