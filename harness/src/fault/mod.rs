//! Faults: what bends the world for a while.
//!
//! A fault never does I/O. `bend` changes a `World`, a pure value, and only the runtime and the
//! fabric act on worlds. One fault is one file here, one line in `FaultSpec` and one in `inner`.
//! Healing is not a fault's business: the world is folded anew from the faults still active.

mod kill;
mod restart;
mod wipe;

mod pause;

mod partition;

mod bandwidth;
mod corrupt;
mod duplicate;
mod jam;
mod latency;
mod loss;
mod mtu;
mod reorder;
mod reset;

use std::fmt;

use fabric::{HostIndex, LinkPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use bandwidth::Bandwidth;
pub use corrupt::Corrupt;
pub use duplicate::Duplicate;
pub use jam::Jam;
pub use kill::Kill;
pub use latency::{Distribution, Latency};
pub use loss::Loss;
pub use mtu::Mtu;
pub use partition::{Direction, Partition, Shape};
pub use pause::Pause;
pub use reorder::Reorder;
pub use reset::Reset;
pub use restart::Restart;
pub use wipe::Wipe;

use crate::plan::Share;
use crate::world::World;

/// What every kind of fault can say and do.
pub trait Fault {
    /// The word for it in plans.
    fn kind(&self) -> &'static str;

    /// Changes the world as long as the fault is active. Order-free: bending a world by two
    /// faults gives the same world in either order.
    fn bend(&self, world: &mut World, targets: &[HostIndex]);

    /// What must be measured before the fault counts as having happened.
    fn proof(&self) -> Proof;

    /// The parameters as a person would say them; empty when there are none.
    fn describe(&self) -> String {
        String::new()
    }

    /// The first thing wrong with the parameters, if any.
    fn mistake(&self) -> Option<String> {
        None
    }

    /// True when the fault is over as soon as it has happened and cannot last.
    fn is_instant(&self) -> bool {
        false
    }
}

/// The measurement that shows that a fault really happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Each target's process was seen to exit because of us.
    ProcessExited,
    /// Each target's process was seen stopped by the kernel.
    ProcessStopped,
    /// Each target's process was seen to exit, and its disk to be empty then.
    DiskWiped,
    /// Packets were dropped on links that the fault cuts.
    PacketsBlocked,
    /// Packets on the links were measured to take longer.
    PacketsDelayed,
    /// Packets on the links were lost.
    PacketsLost,
    /// Packets had to wait for the line, or did not fit into its queue.
    LineBusy,
    /// The fabric did this to packets on the links.
    Packets(Count),
}

/// What the fabric does to a packet, and counts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// It was delivered twice.
    Duplicated,
    /// It was held back, so that others overtook it.
    Reordered,
    /// It got a wrong bit.
    Corrupted,
    /// It was answered with a reset.
    Reset,
    /// It was too long and vanished.
    Oversized,
    /// It was held until the jam was over.
    Jammed,
    /// It did not fit into a queue and vanished.
    QueueFull,
}

impl Count {
    /// What became of the packets, after a number of them.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Count::Duplicated => "delivered twice",
            Count::Reordered => "held back, for others to overtake",
            Count::Corrupted => "given a wrong bit",
            Count::Reset => "answered with a reset",
            Count::Oversized => "too long, gone without a word",
            Count::Jammed => "held in the jam",
            Count::QueueFull => "dropped from a full queue",
        }
    }
}

/// Lays a policy over every link that starts or ends at a target, each once.
fn bend_all_links(world: &mut World, targets: &[HostIndex], added: &LinkPolicy) {
    let links = world.links_of(targets);
    world.bend_links(links, added);
}

/// The mistake of a share of nothing.
fn zero_share(key: &str, share: Share) -> Option<String> {
    let nothing = share.parts_per_million() == 0;
    nothing.then(|| format!("{share} of the packets is none of them; give `{key}` a value"))
}

/// A fault as a plan writes it; the tag is the key, for example `{latency: {mean: 20ms}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FaultSpec {
    /// The process dies at once and stays dead while the fault lasts; its disk is kept.
    Kill,
    /// The process is asked to end, and is started again at once; its disk is kept.
    Restart,
    /// The process is frozen: it accepts connections and never answers.
    Pause,
    /// The process dies, its disk is emptied, and it stays dead while the fault lasts.
    Wipe,
    /// Packets between two sides vanish.
    Partition(Partition),
    /// Packets to and from the targets take longer.
    Latency(Latency),
    /// Packets to and from the targets get lost.
    Loss(Loss),
    /// Every link of the targets becomes a slow line.
    Bandwidth(Bandwidth),
    /// Packets to and from the targets arrive twice.
    Duplicate(Duplicate),
    /// Packets to and from the targets are overtaken by later ones.
    Reorder(Reorder),
    /// Packets to and from the targets get a wrong bit.
    Corrupt(Corrupt),
    /// Every TCP connection of the targets is reset, and every attempt at a new one.
    Reset,
    /// Packets that are too long vanish on the links of the targets.
    Mtu(Mtu),
    /// Packets to and from the targets are held, and delivered when the fault ends.
    Jam,
}

impl FaultSpec {
    /// The fault behind the specification.
    #[must_use]
    pub fn inner(&self) -> &dyn Fault {
        match self {
            FaultSpec::Kill => &Kill,
            FaultSpec::Restart => &Restart,
            FaultSpec::Pause => &Pause,
            FaultSpec::Wipe => &Wipe,
            FaultSpec::Partition(partition) => partition,
            FaultSpec::Latency(latency) => latency,
            FaultSpec::Loss(loss) => loss,
            FaultSpec::Bandwidth(bandwidth) => bandwidth,
            FaultSpec::Duplicate(duplicate) => duplicate,
            FaultSpec::Reorder(reorder) => reorder,
            FaultSpec::Corrupt(corrupt) => corrupt,
            FaultSpec::Reset => &Reset,
            FaultSpec::Mtu(mtu) => mtu,
            FaultSpec::Jam => &Jam,
        }
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
