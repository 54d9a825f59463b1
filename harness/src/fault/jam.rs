//! Jam: packets to and from the targets are held while the fault lasts, and delivered when it
//! ends: very late, but not lost.
//!
//! As opposed to a partition, whose packets are gone. What TCP sent again meanwhile arrives too.

use fabric::{HostIndex, LinkPolicy};

use super::{Count, Fault, Proof, bend_all_links};
use crate::world::World;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Jam;

impl Fault for Jam {
    fn kind(&self) -> &'static str {
        "jam"
    }

    fn bend(&self, world: &mut World, targets: &[HostIndex]) {
        let added = LinkPolicy {
            jam: true,
            ..LinkPolicy::default()
        };
        bend_all_links(world, targets, &added);
    }

    fn proof(&self) -> Proof {
        Proof::Packets(Count::Jammed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jam_is_no_cut_but_reaches_nobody() {
        let mut world = World::healthy(3);
        Jam.bend(&mut world, &[HostIndex(0)]);
        assert!(!world.link(HostIndex(0), HostIndex(1)).is_cut());
        assert!(!world.sits_in_majority(HostIndex(0)));
    }
}
