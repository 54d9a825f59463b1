//! All kinds of faults by their words.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Bandwidth, Bug, Churn, Clock, Corrupt, Cpu, Crash, CrashLoop, DiskFull, DiskReadOnly, DiskSlow,
    Duplicate, Fault, Files, Flap, FlashCrowd, Jam, Join, Kill, Latency, Leave, Load, Loss,
    MassRestart, Memory, Mtu, Partition, Pause, PowerLoss, Profile, Reorder, Reset, Restart,
    RollingRestart, Wipe,
};

/// A fault as a plan writes it; the tag is the key, for example `{latency: {mean: 20ms}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultSpec {
    /// The process dies at once and stays dead while the fault lasts; its disk is kept.
    Kill,
    /// The process is asked to end, and is started again at once; its disk is kept.
    Restart,
    /// The process is killed, and is started again at once; its disk is kept.
    Crash,
    /// The process dies soon after each start, and is started again after ever longer pauses.
    CrashLoop(CrashLoop),
    /// The targets are restarted one after another, each when the one before is ready again.
    RollingRestart(RollingRestart),
    /// Each target is restarted once, at a moment of its own within a window.
    MassRestart(MassRestart),
    /// The process is frozen: it accepts connections and never answers.
    Pause,
    /// Each target comes and goes on its own, as the machines of a peer-to-peer network do.
    Churn(Churn),
    /// Hosts of a cohort with `starts: later` are started for the first time, and stay.
    Join,
    /// The process is asked to end and stays away while the fault lasts; its disk is kept.
    Leave,
    /// The process dies, its disk is emptied, and it stays dead while the fault lasts.
    Wipe,
    /// The process dies, what it had not synced is lost, and it stays dead while the fault lasts.
    PowerLoss,
    /// Writes on the disk fail: no space left.
    DiskFull(DiskFull),
    /// Each operation on the disk takes longer.
    DiskSlow(DiskSlow),
    /// Every change on the disk fails.
    DiskReadOnly,
    /// The process gets no more than a share of one processor.
    Cpu(Cpu),
    /// The process can have no more private memory than this.
    Memory(Memory),
    /// The process can have no more open files, sockets included, than this.
    Files(Files),
    /// The wall clock is wrong, as the process sees it.
    Clock(Clock),
    /// The program behaves as if it had a bug that the system has built in.
    Bug(Bug),
    /// Packets between hosts vanish.
    Partition(Partition),
    /// The links go down and come back, again and again.
    Flap(Flap),
    /// Packets take longer.
    Latency(Latency),
    /// Packets get lost.
    Loss(Loss),
    /// Every link becomes a slow line.
    Bandwidth(Bandwidth),
    /// Packets arrive twice.
    Duplicate(Duplicate),
    /// Packets are overtaken by later ones.
    Reorder(Reorder),
    /// Packets get a wrong bit.
    Corrupt(Corrupt),
    /// Every TCP connection is reset, and every attempt at a new one.
    Reset,
    /// Packets that are too long vanish.
    Mtu(Mtu),
    /// Packets are held, and delivered when the fault ends.
    Jam,
    /// The links become those of a named kind of network, on top of what they are.
    Profile(Profile),
    /// The clients do so many times as much.
    Load(Load),
    /// Every client of the targets does something at the same time.
    FlashCrowd(FlashCrowd),
}

impl FaultSpec {
    /// The fault behind the specification.
    #[must_use]
    pub fn inner(&self) -> &dyn Fault {
        match self {
            FaultSpec::Kill => &Kill,
            FaultSpec::Restart => &Restart,
            FaultSpec::Crash => &Crash,
            FaultSpec::CrashLoop(crash_loop) => crash_loop,
            FaultSpec::RollingRestart(rolling) => rolling,
            FaultSpec::MassRestart(mass) => mass,
            FaultSpec::Pause => &Pause,
            FaultSpec::Churn(churn) => churn,
            FaultSpec::Join => &Join,
            FaultSpec::Leave => &Leave,
            FaultSpec::Wipe => &Wipe,
            FaultSpec::PowerLoss => &PowerLoss,
            FaultSpec::DiskFull(full) => full,
            FaultSpec::DiskSlow(slow) => slow,
            FaultSpec::DiskReadOnly => &DiskReadOnly,
            FaultSpec::Cpu(cpu) => cpu,
            FaultSpec::Memory(memory) => memory,
            FaultSpec::Files(files) => files,
            FaultSpec::Clock(clock) => clock,
            FaultSpec::Bug(bug) => bug,
            FaultSpec::Partition(partition) => partition,
            FaultSpec::Flap(flap) => flap,
            FaultSpec::Latency(latency) => latency,
            FaultSpec::Loss(loss) => loss,
            FaultSpec::Bandwidth(bandwidth) => bandwidth,
            FaultSpec::Duplicate(duplicate) => duplicate,
            FaultSpec::Reorder(reorder) => reorder,
            FaultSpec::Corrupt(corrupt) => corrupt,
            FaultSpec::Reset => &Reset,
            FaultSpec::Mtu(mtu) => mtu,
            FaultSpec::Jam => &Jam,
            FaultSpec::Profile(profile) => profile,
            FaultSpec::Load(load) => load,
            FaultSpec::FlashCrowd(crowd) => crowd,
        }
    }

    /// True when the fault is over as soon as it has happened.
    #[must_use]
    pub fn is_instant(&self) -> bool {
        self.inner().lasting() == super::Lasting::Instant
    }

    /// True when how long it lasts is its own business, so `for` cannot be given.
    #[must_use]
    pub fn ends_by_itself(&self) -> bool {
        self.inner().lasting() != super::Lasting::WhileActive
    }

    /// True when it needs a disk that the harness serves.
    #[must_use]
    pub fn needs_disk(&self) -> bool {
        matches!(
            self,
            FaultSpec::PowerLoss
                | FaultSpec::DiskFull(_)
                | FaultSpec::DiskSlow(_)
                | FaultSpec::DiskReadOnly
        )
    }
}

impl fmt::Display for FaultSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = self.inner();
        match fault.describe() {
            text if text.is_empty() => formatter.write_str(fault.kind()),
            text => write!(formatter, "{} {text}", fault.kind()),
        }
    }
}
