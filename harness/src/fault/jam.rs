//! Jam: packets to and from the targets are held while the fault lasts, and delivered when it
//! ends: very late, but not lost.
//!
//! As opposed to a partition, whose packets are gone. What TCP sent again meanwhile arrives too.

use fabric::LinkPolicy;

use super::{Aim, Count, Fault, Proof};
use crate::world::World;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Jam;

impl Fault for Jam {
    fn kind(&self) -> &'static str {
        "jam"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let added = LinkPolicy {
            jam: true,
            ..LinkPolicy::default()
        };
        aim.lay(world, added);
    }

    fn proof(&self) -> Proof {
        Proof::Packets(Count::Jammed)
    }

    fn is_about_packets(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn a_jam_is_no_cut_but_reaches_nobody() {
        let mut world = World::healthy(3);
        Jam.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        assert!(!world.link(HostIndex(0), HostIndex(1)).is_cut());
        assert!(!world.sits_in_majority(HostIndex(0)));
    }
}
