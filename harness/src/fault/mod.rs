//! Faults: what bends the world for a while.
//!
//! A fault never does I/O. `bend` changes a `World`, a pure value, and only the runtime and the
//! fabric act on worlds. One fault is one file here, one line in `FaultSpec` and one in `inner`.
//! Healing is not a fault's business: the world is folded anew from the faults still active.
//!
//! An [`Aim`] says whom a fault hits at a moment: hosts, links, packets. A fault that comes and
//! goes within its time says so by its [`Beat`]s.

mod aim;
mod beat;
mod proof;
mod spec;

mod kill;

mod crash;
mod crash_loop;
mod mass_restart;
mod restart;
mod rolling_restart;

mod churn;
mod join;
mod leave;
mod pause;

mod disk_full;
mod disk_read_only;
mod disk_slow;
mod power_loss;
mod wipe;

mod clock;
mod cpu;
mod files;
mod memory;

mod bug;

mod flap;
mod partition;

mod bandwidth;
mod corrupt;
mod duplicate;
mod jam;
mod latency;
mod loss;
mod mtu;
mod profile;
mod reorder;
mod reset;

mod flash_crowd;
mod load;

pub use aim::{Aim, Link};
pub use bandwidth::Bandwidth;
pub use beat::{BEATS_MAX, Beat, BeatTime, Beating, Hit, beats_of};
pub use bug::Bug;
pub use churn::{Churn, Lifetime, Preset};
pub use clock::Clock;
pub use corrupt::Corrupt;
pub use cpu::Cpu;
pub use crash::Crash;
pub use crash_loop::CrashLoop;
pub use disk_full::DiskFull;
pub use disk_read_only::DiskReadOnly;
pub use disk_slow::DiskSlow;
pub use duplicate::Duplicate;
pub use files::Files;
pub use flap::Flap;
pub use flash_crowd::FlashCrowd;
pub use jam::Jam;
pub use join::Join;
pub use kill::Kill;
pub use latency::{Distribution, Latency};
pub use leave::Leave;
pub use load::Load;
pub use loss::Loss;
pub use mass_restart::{How, MassRestart};
pub use memory::Memory;
pub use mtu::Mtu;
pub use partition::{Direction, Partition, Shape};
pub use pause::Pause;
pub use power_loss::PowerLoss;
pub use profile::Profile;
pub use proof::{Count, Proof};
pub use reorder::Reorder;
pub use reset::Reset;
pub use restart::Restart;
pub use rolling_restart::RollingRestart;
pub use spec::FaultSpec;
pub use wipe::Wipe;

use crate::plan::{Share, Span};
use crate::world::World;

/// What every kind of fault can say and do.
pub trait Fault {
    /// The word for it in plans.
    fn kind(&self) -> &'static str;

    /// Changes the world as long as the fault is active. Order-free: bending a world by two
    /// faults gives the same world in either order.
    fn bend(&self, world: &mut World, aim: &Aim);

    /// What must be measured before the fault counts as having happened.
    fn proof(&self) -> Proof;

    /// Whom it hits from which moment on; none when it hits all of its targets all the time.
    fn beats(&self, _beating: Beating<'_>) -> Option<Vec<Beat>> {
        None
    }

    /// The parameters as a person would say them; empty when there are none.
    fn describe(&self) -> String {
        String::new()
    }

    /// The first thing wrong with the parameters, if any.
    fn mistake(&self) -> Option<String> {
        None
    }

    /// How long it lasts.
    fn lasting(&self) -> Lasting {
        Lasting::WhileActive
    }

    /// How long it takes to be done, when it is over by itself and knows that beforehand.
    fn own_length(&self) -> Option<Span> {
        None
    }

    /// True when it is about packets, so that it can be aimed at links, ports and protocols.
    fn is_about_packets(&self) -> bool {
        false
    }

    /// True when it is about what the clients do, not about hosts.
    fn is_about_clients(&self) -> bool {
        false
    }
}

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// As long as the plan says, else until the final heal.
    WhileActive,
    /// It is over as soon as it has happened, and what it did stays.
    Instant,
    /// It is over after its last beat, and what it did stays.
    UntilDone,
}

/// The mistake of a share of nothing.
fn zero_share(key: &str, share: Share) -> Option<String> {
    let nothing = share.parts_per_million() == 0;
    nothing.then(|| format!("{share} of the packets is none of them; give `{key}` a value"))
}
