//! Power loss: the process dies, and what it wrote and did not sync is gone. It stays dead while
//! the fault lasts.
//!
//! Each file on the host's disk goes back to what it was when it was last synced (fsync(2)); the
//! names of files are kept, as a journaling file system keeps them. `kill` loses nothing: what a
//! dead process wrote is in the kernel's hands.

use super::{Aim, Fault, Proof};
use crate::world::{Process, World};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct PowerLoss;

impl Fault for PowerLoss {
    fn kind(&self) -> &'static str {
        "power-loss"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        aim.worsen(world, Process::Dead);
        for target in &aim.hosts {
            world.host_mut(*target).power_losses += 1;
        }
    }

    fn proof(&self) -> Proof {
        Proof::PowerLost
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;
    use crate::world::{Action, reconcile};

    #[test]
    fn power_goes_before_the_process_does() {
        let healthy = World::healthy(1);
        let mut world = healthy.clone();
        PowerLoss.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        let steps = [Action::LosePower(HostIndex(0))];
        assert_eq!(reconcile(&healthy, &world), steps);
    }
}
