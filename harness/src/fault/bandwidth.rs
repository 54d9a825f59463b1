//! Bandwidth: every link of the targets becomes a slow line with a bounded queue.
//!
//! Applied in each direction of each link of a target; the narrowest of several wins. What waits
//! for the line is late, and what does not fit into its queue is lost.

use fabric::LinkPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Fault, Proof};
use crate::plan::{Bitrate, Bytes};
use crate::world::World;

/// A slow line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    /// Its rate, counted over IP packets.
    pub rate: Bitrate,
    /// How much may wait for it; 200 ms at its rate, and at least sixteen packets, when absent.
    #[serde(default)]
    pub queue: Option<Bytes>,
}

impl Fault for Bandwidth {
    fn kind(&self) -> &'static str {
        "bandwidth"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let added = LinkPolicy {
            bandwidth_bps: Some(self.rate.bits_per_second()),
            queue_bytes: self.queue.map(Bytes::bytes),
            ..LinkPolicy::default()
        };
        aim.lay(world, added);
    }

    fn proof(&self) -> Proof {
        Proof::LineBusy
    }

    fn describe(&self) -> String {
        self.rate.to_string()
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
    fn the_narrowest_line_wins() {
        let line = |rate: &str| Bandwidth {
            rate: rate.parse().expect("a rate"),
            queue: None,
        };
        let mut world = World::healthy(2);
        line("2mbit").bend(&mut world, &Aim::at(&[HostIndex(0)]));
        line("1mbit").bend(&mut world, &Aim::at(&[HostIndex(1)]));
        let policy = world.link(HostIndex(0), HostIndex(1));
        assert_eq!(policy.bandwidth_bps, Some(1_000_000));
    }
}
