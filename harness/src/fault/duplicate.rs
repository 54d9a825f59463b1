//! Duplicate: packets to and from the targets arrive twice, each with the same chance.

use fabric::LinkPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Count, Fault, Proof};
use crate::plan::Share;
use crate::world::World;

/// Packets that arrive twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Duplicate {
    /// The chance of each packet to arrive twice.
    pub rate: Share,
}

impl Fault for Duplicate {
    fn kind(&self) -> &'static str {
        "duplicate"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let added = LinkPolicy {
            duplicate_ppm: vec![self.rate.parts_per_million()],
            ..LinkPolicy::default()
        };
        aim.lay(world, added);
    }

    fn proof(&self) -> Proof {
        Proof::Packets(Count::Duplicated)
    }

    fn describe(&self) -> String {
        self.rate.to_string()
    }

    fn mistake(&self) -> Option<String> {
        super::zero_share("rate", self.rate)
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
    fn the_links_of_the_targets_and_no_others_duplicate() {
        let fault = Duplicate {
            rate: Share::from_percent(3.0),
        };
        let mut world = World::healthy(3);
        fault.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        let chances = |from, to| &world.link(HostIndex(from), HostIndex(to)).duplicate_ppm;
        assert_eq!(*chances(1, 0), [30_000]);
        assert_eq!(*chances(1, 2), [0; 0]);
    }
}
