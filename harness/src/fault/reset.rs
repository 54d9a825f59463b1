//! Reset: every TCP connection of the targets with another host is reset, and so is every attempt
//! at a new one.
//!
//! As when a firewall in between rejects instead of dropping: who sends learns at once that the
//! connection is gone.

use fabric::{HostIndex, LinkPolicy};

use super::{Count, Fault, Proof, bend_all_links};
use crate::world::World;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Reset;

impl Fault for Reset {
    fn kind(&self) -> &'static str {
        "reset"
    }

    fn bend(&self, world: &mut World, targets: &[HostIndex]) {
        let added = LinkPolicy {
            reset: true,
            ..LinkPolicy::default()
        };
        bend_all_links(world, targets, &added);
    }

    fn proof(&self) -> Proof {
        Proof::Packets(Count::Reset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_reset_is_owed_nothing() {
        let mut world = World::healthy(3);
        Reset.bend(&mut world, &[HostIndex(2)]);
        let owed = [0, 2].map(|host| world.sits_in_majority(HostIndex(host)));
        assert_eq!(owed, [true, false]);
    }
}
