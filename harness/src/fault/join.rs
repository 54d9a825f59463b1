//! Join: hosts that were not there from the start are started for the first time.
//!
//! Who can join is a cohort with `starts: later`. A host that has joined stays; `leave` or `kill`
//! takes it away again.

use super::{Aim, Fault, Lasting, Proof};
use crate::world::World;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Join;

impl Fault for Join {
    fn kind(&self) -> &'static str {
        "join"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        for target in &aim.hosts {
            world.host_mut(*target).absent = false;
        }
    }

    fn proof(&self) -> Proof {
        Proof::ProcessStarted
    }

    fn lasting(&self) -> Lasting {
        Lasting::Instant
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::super::Kill;
    use super::*;
    use crate::world::{Action, Process, reconcile};

    #[test]
    fn whoever_joins_is_started_unless_something_else_keeps_it_down() {
        let mut healthy = World::healthy(2);
        healthy.host_mut(HostIndex(1)).absent = true;
        assert_eq!(healthy.process(HostIndex(1)), Process::Dead);
        let mut world = healthy.clone();
        Join.bend(&mut world, &Aim::at(&[HostIndex(1)]));
        assert_eq!(reconcile(&healthy, &world), [Action::Start(HostIndex(1))]);
        Kill.bend(&mut world, &Aim::at(&[HostIndex(1)]));
        assert_eq!(reconcile(&healthy, &world), []);
    }
}
