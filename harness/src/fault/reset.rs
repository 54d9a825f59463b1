//! Reset: every TCP connection of the targets with another host is reset, and so is every attempt
//! at a new one.
//!
//! As when a firewall in between rejects instead of dropping: who sends learns at once that the
//! connection is gone.

use fabric::LinkPolicy;

use super::{Aim, Count, Fault, Proof};
use crate::world::World;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Reset;

impl Fault for Reset {
    fn kind(&self) -> &'static str {
        "reset"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let added = LinkPolicy {
            reset: true,
            ..LinkPolicy::default()
        };
        aim.lay(world, added);
    }

    fn proof(&self) -> Proof {
        Proof::Packets(Count::Reset)
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
    fn whoever_is_reset_is_owed_nothing() {
        let mut world = World::healthy(3);
        Reset.bend(&mut world, &Aim::at(&[HostIndex(2)]));
        let owed = [0, 2].map(|host| world.sits_in_majority(HostIndex(host)));
        assert_eq!(owed, [true, false]);
    }
}
