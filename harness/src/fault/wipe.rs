//! Wipe: the process dies by SIGKILL, its disk is emptied, and it stays dead while the fault lasts.
//!
//! As when a machine's disk is replaced. What the system's set-up had put on the disk before the
//! first start, for example the registry's key, is there again afterwards.

use super::{Aim, Fault, Proof};
use crate::world::{Process, World};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Wipe;

impl Fault for Wipe {
    fn kind(&self) -> &'static str {
        "wipe"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        aim.worsen(world, Process::Dead);
        for target in &aim.hosts {
            world.host_mut(*target).wipes += 1;
        }
    }

    fn proof(&self) -> Proof {
        Proof::DiskWiped
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn the_targets_are_dead_and_their_disks_empty() {
        let mut world = World::healthy(2);
        Wipe.bend(&mut world, &Aim::at(&[HostIndex(1)]));
        let wipes = [0, 1].map(|host| world.host(HostIndex(host)).wipes);
        assert_eq!(wipes, [0, 1]);
        assert_eq!(world.process(HostIndex(0)), Process::Running);
        assert_eq!(world.process(HostIndex(1)), Process::Dead);
    }
}
