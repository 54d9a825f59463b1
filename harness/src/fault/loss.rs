//! Loss: packets to and from the targets get lost, each independently with the same chance.
//!
//! Applied in each direction of each link of a target; losses of several faults combine as
//! independent chances.

use fabric::HostIndex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Fault, Proof};
use crate::plan::Share;
use crate::world::World;

/// Independent loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// The chance of each packet to get lost.
    pub rate: Share,
}

impl Fault for Loss {
    fn kind(&self) -> &'static str {
        "loss"
    }

    fn bend(&self, world: &mut World, targets: &[HostIndex]) {
        let added = fabric::LinkPolicy {
            loss_ppm: vec![self.rate.parts_per_million()],
            ..fabric::LinkPolicy::default()
        };
        world.bend_links(world.links_of(targets), &added);
    }

    fn proof(&self) -> Proof {
        Proof::PacketsLost
    }

    fn describe(&self) -> String {
        self.rate.to_string()
    }

    fn mistake(&self) -> Option<String> {
        (self.rate.parts_per_million() == 0)
            .then(|| "a loss of 0% changes nothing; give `rate` a value".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_combine_as_independent_chances() {
        let half = Loss {
            rate: Share::from_percent(50.0),
        };
        let mut world = World::healthy(2);
        half.bend(&mut world, &[HostIndex(0)]);
        half.bend(&mut world, &[HostIndex(1)]);
        let share = world.link(HostIndex(0), HostIndex(1)).loss_share();
        assert!((share - 0.75).abs() < 1e-9, "{share}");
    }
}
