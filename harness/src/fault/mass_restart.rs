//! Mass restart: every target is restarted once, each at a moment of its own within a window.
//!
//! As when millions of machines install an update and start again within the same half hour. The
//! moments are drawn from the seed, each as likely as any other.

use std::fmt;

use fabric::HostIndex;
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Beat, BeatTime, Beating, Fault, Lasting, Proof};
use crate::plan::Span;
use crate::world::World;

/// How a process ends that is started again at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It is asked to end (SIGTERM).
    #[default]
    Graceful,
    /// It is ended (SIGKILL).
    Immediate,
}

impl How {
    /// Wants one more restart of each host.
    pub(super) fn bend(self, world: &mut World, hosts: &[HostIndex]) {
        for target in hosts {
            let host = world.host_mut(*target);
            match self {
                How::Graceful => host.restarts += 1,
                How::Immediate => host.crashes += 1,
            }
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            How::Graceful => "asked to end",
            How::Immediate => "killed",
        })
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MassRestart {
    /// The length of the window.
    pub within: Span,
    /// How each process ends.
    #[serde(default)]
    pub how: How,
}

impl Fault for MassRestart {
    fn kind(&self) -> &'static str {
        "mass-restart"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        self.how.bend(world, &aim.hosts);
    }

    fn beats(&self, beating: Beating<'_>) -> Option<Vec<Beat>> {
        let within_us = self.within.as_micros().max(1);
        let mut moments: Vec<(u64, HostIndex)> = beating
            .targets
            .iter()
            .map(|host| (beating.rng.random_range(0..within_us), *host))
            .collect();
        moments.sort_unstable();
        let restarted = |position: usize| {
            let mut hosts: Vec<HostIndex> =
                moments[..=position].iter().map(|(_, host)| *host).collect();
            hosts.sort_unstable();
            hosts
        };
        let beats = moments.iter().enumerate().map(|(position, (at, _))| Beat {
            at: BeatTime::After(*at),
            hits: restarted(position),
        });
        let begin = Beat {
            at: BeatTime::After(0),
            hits: Vec::new(),
        };
        Some(std::iter::once(begin).chain(beats).collect())
    }

    fn proof(&self) -> Proof {
        Proof::ProcessExited
    }

    fn describe(&self) -> String {
        format!("each once within {}, {}", self.within, self.how)
    }

    fn mistake(&self) -> Option<String> {
        let nothing = self.within.0.is_zero();
        nothing.then(|| "a window of `0s` is a `restart`; give `within` a length".into())
    }

    fn lasting(&self) -> Lasting {
        Lasting::UntilDone
    }

    fn own_length(&self) -> Option<Span> {
        Some(self.within)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn each_target_is_restarted_once_within_the_window() {
        let fault = MassRestart {
            within: Span::from_millis(2_000),
            how: How::Immediate,
        };
        let targets: Vec<HostIndex> = (0..20).map(HostIndex).collect();
        let beats = |seed| {
            fault.beats(Beating {
                targets: &targets,
                lasts_us: 0,
                rng: &mut rand_chacha::ChaCha8Rng::seed_from_u64(seed),
            })
        };
        let drawn = beats(1).expect("it beats");
        assert_eq!(drawn.last().expect("some").hits, targets);
        let within = |beat: &Beat| matches!(beat.at, BeatTime::After(at) if at < 2_000_000);
        assert!(drawn.iter().all(within));
        assert_eq!(beats(1), beats(1));
        assert_ne!(beats(1), beats(2));
    }
}
