//! Restart: the process is asked to end (SIGTERM), and is started again at once.
//!
//! In the world a restart is one more wanted incarnation of the process. It is over when it has
//! happened, so it stays counted until the end of the run and healing does not take it back.

use super::{Aim, Fault, How, Lasting, Proof};
use crate::world::World;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Restart;

impl Fault for Restart {
    fn kind(&self) -> &'static str {
        "restart"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        How::Graceful.bend(world, &aim.hosts);
    }

    fn proof(&self) -> Proof {
        Proof::ProcessExited
    }

    fn lasting(&self) -> Lasting {
        Lasting::Instant
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn two_restarts_count_as_two() {
        let mut world = World::healthy(2);
        Restart.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        Restart.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        assert_eq!(world.host(HostIndex(0)).restarts, 2);
        assert_eq!(world.host(HostIndex(1)).restarts, 0);
    }
}
