//! Pause: the process is frozen (SIGSTOP); its kernel still accepts connections for it.
//!
//! This is the peer that looks alive and never answers: nothing is refused, everything times out.

use super::{Aim, Fault, Proof};
use crate::world::{Process, World};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Pause;

impl Fault for Pause {
    fn kind(&self) -> &'static str {
        "pause"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        aim.worsen(world, Process::Paused);
    }

    fn proof(&self) -> Proof {
        Proof::ProcessStopped
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kill;
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn a_dead_process_stays_dead_when_paused_too() {
        let mut world = World::healthy(1);
        Kill.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        Pause.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        assert_eq!(world.process(HostIndex(0)), Process::Dead);
    }
}
