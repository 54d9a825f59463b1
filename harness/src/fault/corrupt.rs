//! Corrupt: some packets to and from the targets get a wrong bit.
//!
//! As a broken cable does it, the checksum shows it and the receiver's kernel drops the packet. As
//! a broken switch or memory does it (`silent: true`), the checksum is right and the program reads
//! wrong bytes.

use fabric::{Corruption, LinkPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Count, Fault, Proof};
use crate::plan::Share;
use crate::world::World;

/// Packets with a wrong bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Corrupt {
    /// The chance of each packet to get a wrong bit.
    pub rate: Share,
    /// True when the checksum is repaired, so that no kernel notices.
    #[serde(default)]
    pub silent: bool,
}

impl Fault for Corrupt {
    fn kind(&self) -> &'static str {
        "corrupt"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let how = match self.silent {
            true => Corruption::Silent,
            false => Corruption::Detected,
        };
        let added = LinkPolicy {
            corrupt: vec![fabric::Corrupt {
                share_ppm: self.rate.parts_per_million(),
                how,
            }],
            ..LinkPolicy::default()
        };
        aim.lay(world, added);
    }

    fn proof(&self) -> Proof {
        Proof::Packets(Count::Corrupted)
    }

    fn describe(&self) -> String {
        let how = if self.silent { ", silently" } else { "" };
        format!("{}{how}", self.rate)
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
    fn silence_is_the_receivers_not_the_faults() {
        let fault = |silent| Corrupt {
            rate: Share::from_percent(1.0),
            silent,
        };
        let mut world = World::healthy(2);
        fault(true).bend(&mut world, &Aim::at(&[HostIndex(0)]));
        fault(false).bend(&mut world, &Aim::at(&[HostIndex(0)]));
        let how = &world.link(HostIndex(1), HostIndex(0)).corrupt;
        assert_eq!(how.len(), 2);
        assert_ne!(how[0].how, how[1].how);
    }
}
