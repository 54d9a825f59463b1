//! Restart: the process is asked to end (SIGTERM), and is started again at once.
//!
//! In the world a restart is one more wanted incarnation of the process. It is over when it has
//! happened, so it stays counted until the end of the run and healing does not take it back.

use fabric::HostIndex;

use super::{Fault, Proof};
use crate::world::World;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Restart;

impl Fault for Restart {
    fn kind(&self) -> &'static str {
        "restart"
    }

    fn bend(&self, world: &mut World, targets: &[HostIndex]) {
        for target in targets {
            world.add_restart(*target);
        }
    }

    fn proof(&self) -> Proof {
        Proof::ProcessExited
    }

    fn is_instant(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_restarts_count_as_two() {
        let mut world = World::healthy(2);
        Restart.bend(&mut world, &[HostIndex(0)]);
        Restart.bend(&mut world, &[HostIndex(0)]);
        assert_eq!(world.restarts(HostIndex(0)), 2);
        assert_eq!(world.restarts(HostIndex(1)), 0);
    }
}
