//! Crash: the process dies by SIGKILL and is started again at once.
//!
//! As `restart`, but the process is not asked: it cannot say good-bye, close or flush anything.

use super::{Aim, Fault, How, Lasting, Proof};
use crate::world::World;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Crash;

impl Fault for Crash {
    fn kind(&self) -> &'static str {
        "crash"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        How::Immediate.bend(world, &aim.hosts);
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
    use crate::world::{Action, reconcile};

    #[test]
    fn a_crash_is_no_restart() {
        let healthy = World::healthy(2);
        let mut world = healthy.clone();
        Crash.bend(&mut world, &Aim::at(&[HostIndex(1)]));
        assert_eq!(world.host(HostIndex(1)).restarts, 0);
        let steps = [Action::Kill(HostIndex(1)), Action::Start(HostIndex(1))];
        assert_eq!(reconcile(&healthy, &world), steps);
    }
}
