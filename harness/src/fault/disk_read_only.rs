//! Disk read-only: every change on the disk of the targets fails with EROFS, as after the kernel
//! has found an error on it and mounted it again for reading.

use super::{Aim, Count, Fault, Proof};
use crate::world::World;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct DiskReadOnly;

impl Fault for DiskReadOnly {
    fn kind(&self) -> &'static str {
        "disk-read-only"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        for target in &aim.hosts {
            world.host_mut(*target).disk.read_only = true;
        }
    }

    fn proof(&self) -> Proof {
        Proof::Counted(Count::DiskReadOnly)
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn only_the_disks_of_the_targets_are_read_only() {
        let mut world = World::healthy(2);
        DiskReadOnly.bend(&mut world, &Aim::at(&[HostIndex(1)]));
        let read_only = [0, 1].map(|host| world.host(HostIndex(host)).disk.read_only);
        assert_eq!(read_only, [false, true]);
    }
}
