//! CPU: each target gets no more than this share of one processor.
//!
//! The process is stopped as soon as it has used more than its share of the time that has passed,
//! and goes on when it has not: over tenths of a second it is as slow as on a slower machine, and
//! within them it comes in bursts. One that needs less than the share notices nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Count, Fault, Proof};
use crate::plan::Share;
use crate::world::{World, tighten};

/// The least share.
const SHARE_MIN: f64 = 0.001;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
    /// The share of one processor, for example `5%`.
    pub share: Share,
}

impl Fault for Cpu {
    fn kind(&self) -> &'static str {
        "cpu"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let share = self.share.parts_per_million();
        for target in &aim.hosts {
            tighten(&mut world.host_mut(*target).limits.cpu_ppm, share);
        }
    }

    fn proof(&self) -> Proof {
        Proof::Counted(Count::CpuHeldMs)
    }

    fn describe(&self) -> String {
        format!("{} of one processor", self.share)
    }

    fn mistake(&self) -> Option<String> {
        let too_little = self.share.fraction() < SHARE_MIN;
        too_little.then(|| format!("{} is a `pause`; give at least `0.1%`", self.share))
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn the_smallest_share_wins() {
        let cpu = |percent| Cpu {
            share: Share::from_percent(percent),
        };
        let mut world = World::healthy(1);
        cpu(20.0).bend(&mut world, &Aim::at(&[HostIndex(0)]));
        cpu(5.0).bend(&mut world, &Aim::at(&[HostIndex(0)]));
        assert_eq!(world.host(HostIndex(0)).limits.cpu_ppm, Some(50_000));
    }
}
