//! Rolling restart: the targets are restarted one after another, as an upgrade does it.
//!
//! The next one is restarted when the one before is ready again and `gap` has passed. The fault
//! is over when the last one was restarted; how long that takes, only the system knows.

use fabric::HostIndex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mass_restart::How;
use super::{Aim, Beat, BeatTime, Beating, Fault, Lasting, Proof};
use crate::plan::Span;
use crate::world::World;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollingRestart {
    /// How long the one before is ready before the next one is restarted.
    pub gap: Span,
    /// How each process ends.
    #[serde(default)]
    pub how: How,
}

impl Fault for RollingRestart {
    fn kind(&self) -> &'static str {
        "rolling-restart"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        self.how.bend(world, &aim.hosts);
    }

    fn beats(&self, beating: Beating<'_>) -> Option<Vec<Beat>> {
        let beat = |(position, _): (usize, &HostIndex)| {
            let at = match position.checked_sub(1) {
                None => BeatTime::After(0),
                Some(before) => BeatTime::OnceReady(beating.targets[before], self.gap.as_micros()),
            };
            let hits = beating.targets[..=position].to_vec();
            Beat { at, hits }
        };
        Some(beating.targets.iter().enumerate().map(beat).collect())
    }

    fn proof(&self) -> Proof {
        Proof::ProcessExited
    }

    fn describe(&self) -> String {
        format!("one after another, {} apart, {}", self.gap, self.how)
    }

    fn lasting(&self) -> Lasting {
        Lasting::UntilDone
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn each_waits_for_the_one_before_and_none_is_restarted_twice() {
        let fault = RollingRestart {
            gap: Span::from_millis(500),
            how: How::Graceful,
        };
        let targets = [4, 7, 9].map(HostIndex);
        let beats = fault.beats(Beating {
            targets: &targets,
            lasts_us: 0,
            rng: &mut rand_chacha::ChaCha8Rng::seed_from_u64(1),
        });
        let beats = beats.expect("it beats");
        assert_eq!(beats[0].at, BeatTime::After(0));
        assert_eq!(beats[2].at, BeatTime::OnceReady(HostIndex(7), 500_000));
        let mut world = World::healthy(10);
        fault.bend(&mut world, &Aim::at(&beats[2].hits));
        let restarts = targets.map(|host| world.host(host).restarts);
        assert_eq!(restarts, [1, 1, 1]);
    }
}
