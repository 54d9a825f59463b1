//! Disk full: no more than this fits on the disk of each target; a write beyond it fails with
//! ENOSPC, as on any full disk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Count, Fault, Proof};
use crate::plan::Bytes;
use crate::world::{World, tighten};

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiskFull {
    /// How much more fits when the fault begins, for example `0B` or `64KiB`.
    pub free: Bytes,
}

impl Fault for DiskFull {
    fn kind(&self) -> &'static str {
        "disk-full"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let free = self.free.bytes();
        for target in &aim.hosts {
            tighten(&mut world.host_mut(*target).disk.free_bytes, free);
        }
    }

    fn proof(&self) -> Proof {
        Proof::Counted(Count::DiskFull)
    }

    fn describe(&self) -> String {
        format!("{} free", self.free)
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn the_fullest_of_several_wins() {
        let full = |free: &str| DiskFull {
            free: free.parse().expect("a size"),
        };
        let mut world = World::healthy(2);
        full("1MiB").bend(&mut world, &Aim::at(&[HostIndex(0)]));
        full("64KiB").bend(&mut world, &Aim::at(&[HostIndex(0)]));
        let free = |host| world.host(HostIndex(host)).disk.free_bytes;
        assert_eq!((free(0), free(1)), (Some(64 << 10), None));
    }
}
