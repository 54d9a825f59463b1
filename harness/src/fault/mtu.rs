//! MTU: packets longer than this vanish on every link of the targets, and nothing says so.
//!
//! A black hole for path MTU discovery (RFC 2923, section 2.1): small messages pass, so hosts find
//! each other and connect, and whatever is large never arrives.

use fabric::LinkPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Count, Fault, Proof};
use crate::world::World;

/// The least that every host of the internet takes (RFC 791).
const BYTES_MIN: u16 = 68;

/// The packets that hosts send are not longer, bytes.
const BYTES_MAX: u16 = 1500;

/// A black hole for long packets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mtu {
    /// The longest IP packet that passes, bytes.
    #[schemars(range(min = 68, max = 1499))]
    pub bytes: u16,
}

impl Fault for Mtu {
    fn kind(&self) -> &'static str {
        "mtu"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let added = LinkPolicy {
            mtu_bytes: Some(self.bytes),
            ..LinkPolicy::default()
        };
        aim.lay(world, added);
    }

    fn proof(&self) -> Proof {
        Proof::Packets(Count::Oversized)
    }

    fn describe(&self) -> String {
        format!("{} bytes", self.bytes)
    }

    fn mistake(&self) -> Option<String> {
        let possible = (BYTES_MIN..BYTES_MAX).contains(&self.bytes);
        (!possible).then(|| {
            format!(
                "an MTU of {} bytes does nothing that a plan could mean; give {BYTES_MIN} to {}",
                self.bytes,
                BYTES_MAX - 1
            )
        })
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
    fn the_smallest_of_several_wins() {
        let mut world = World::healthy(2);
        Mtu { bytes: 1200 }.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        Mtu { bytes: 600 }.bend(&mut world, &Aim::at(&[HostIndex(1)]));
        let policy = world.link(HostIndex(1), HostIndex(0));
        assert_eq!(policy.mtu_bytes, Some(600));
    }

    #[test]
    fn one_that_every_packet_fits_is_a_mistake() {
        assert!(Mtu { bytes: 1500 }.mistake().is_some());
        assert!(Mtu { bytes: 20 }.mistake().is_some());
        assert!(Mtu { bytes: 576 }.mistake().is_none());
    }
}
