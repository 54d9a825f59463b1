//! Leave: the process is asked to end (SIGTERM) and stays away while the fault lasts.
//!
//! A system that hands over before it goes can do so; its disk is kept. Without `for` it is gone
//! until the final heal.

use super::{Aim, Fault, Proof};
use crate::world::{Process, World};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Leave;

impl Fault for Leave {
    fn kind(&self) -> &'static str {
        "leave"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        aim.worsen(world, Process::Left);
    }

    fn proof(&self) -> Proof {
        Proof::ProcessExited
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;
    use crate::world::{Action, reconcile};

    #[test]
    fn whoever_leaves_is_asked_and_not_killed() {
        let healthy = World::healthy(1);
        let mut world = healthy.clone();
        Leave.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        let asked = [Action::Terminate(HostIndex(0))];
        assert_eq!(reconcile(&healthy, &world), asked);
        assert_eq!(reconcile(&world, &healthy), [Action::Start(HostIndex(0))]);
    }
}
