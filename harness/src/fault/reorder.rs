//! Reorder: some packets to and from the targets are held back, so that later ones overtake them.

use fabric::LinkPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Count, Fault, Proof};
use crate::plan::{Share, Span};
use crate::world::World;

/// Packets that are overtaken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reorder {
    /// The chance of each packet to be held back.
    pub rate: Share,
    /// How much later it arrives; what is sent meanwhile overtakes it.
    pub late: Span,
}

impl Fault for Reorder {
    fn kind(&self) -> &'static str {
        "reorder"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let added = LinkPolicy {
            reorder: vec![fabric::Reorder {
                share_ppm: self.rate.parts_per_million(),
                late_us: self.late.as_micros(),
            }],
            ..LinkPolicy::default()
        };
        aim.lay(world, added);
    }

    fn proof(&self) -> Proof {
        Proof::Packets(Count::Reordered)
    }

    fn describe(&self) -> String {
        format!("{} by {}", self.rate, self.late)
    }

    fn mistake(&self) -> Option<String> {
        if self.late.0.is_zero() {
            return Some("a packet that is not `late` is not overtaken; give it a value".into());
        }
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
    fn reordering_is_no_latency_of_everything() {
        let fault = Reorder {
            rate: Share::from_percent(10.0),
            late: "30ms".parse().expect("a span"),
        };
        let mut world = World::healthy(2);
        fault.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        let policy = world.link(HostIndex(0), HostIndex(1));
        assert_eq!(policy.reorder[0].late_us, 30_000);
        assert!(policy.mean_latency().is_zero());
    }
}
