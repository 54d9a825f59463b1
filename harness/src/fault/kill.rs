//! Kill: the process dies by SIGKILL and stays dead while the fault lasts.
//!
//! The host's disk folder and network stay, as when a machine's one service crashes: connection
//! attempts are refused rather than left without an answer.

use super::{Aim, Fault, Proof};
use crate::world::{Process, World};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Kill;

impl Fault for Kill {
    fn kind(&self) -> &'static str {
        "kill"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        aim.worsen(world, Process::Dead);
    }

    fn proof(&self) -> Proof {
        Proof::ProcessExited
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn only_the_targets_are_dead() {
        let mut world = World::healthy(3);
        Kill.bend(&mut world, &Aim::at(&[HostIndex(1)]));
        let states: Vec<Process> = (0..3).map(|host| world.process(HostIndex(host))).collect();
        assert_eq!(states, [Process::Running, Process::Dead, Process::Running]);
    }
}
