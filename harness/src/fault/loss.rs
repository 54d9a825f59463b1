//! Loss: packets to and from the targets get lost, independently or in bursts.
//!
//! Applied in each direction of each link of a target; losses of several faults combine as
//! independent chances. Bursts follow the model of Gilbert: a link is good, and loses nothing, or
//! bad, and loses everything; how long it stays bad is the length of a burst.

use fabric::{GilbertElliott, LinkPolicy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Fault, Proof};
use crate::plan::Share;
use crate::world::World;

/// A millionth of certainty.
const MILLION: f64 = 1e6;

/// The most that bursts may lose: beyond it there is no room for pauses between them.
const BURSTS_SHARE_MAX: f64 = 0.9;

/// Lost packets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// The share of packets that get lost.
    pub rate: Share,
    /// Mean length of a burst, in packets that are lost one after another; without it each packet
    /// gets lost independently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub burst: Option<u16>,
}

impl Loss {
    /// The same in the fabric's terms.
    fn as_policy(&self) -> LinkPolicy {
        match self.burst {
            None => LinkPolicy {
                loss_ppm: vec![self.rate.parts_per_million()],
                ..LinkPolicy::default()
            },
            Some(burst) => LinkPolicy {
                gilbert_elliott: vec![bursts(self.rate, burst)],
                ..LinkPolicy::default()
            },
        }
    }
}

/// Gilbert's model with this long-run share `s` of loss and this mean burst `b`: the chance to turn
/// good is `r = 1 / b`, and the one to turn bad `p = r s / (1 - s)`, from `s = p / (p + r)`.
pub(super) fn bursts(rate: Share, burst: u16) -> GilbertElliott {
    let (share, to_good) = (rate.fraction(), 1.0 / f64::from(burst));
    let to_bad = (to_good * share / (1.0 - share)).min(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "chances lie between 0 and 1"
    )]
    let ppm = |chance: f64| (chance * MILLION).round() as u32;
    GilbertElliott {
        to_bad_ppm: ppm(to_bad),
        to_good_ppm: ppm(to_good),
        loss_good_ppm: 0,
        loss_bad_ppm: 1_000_000,
    }
}

impl Fault for Loss {
    fn kind(&self) -> &'static str {
        "loss"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        aim.lay(world, self.as_policy());
    }

    fn proof(&self) -> Proof {
        Proof::PacketsLost
    }

    fn describe(&self) -> String {
        match self.burst {
            Some(burst) => format!("{} in bursts of {burst}", self.rate),
            None => self.rate.to_string(),
        }
    }

    fn mistake(&self) -> Option<String> {
        match self.burst {
            Some(0) => Some("a `burst` of no packets loses none; give 1 or more".into()),
            Some(_) if self.rate.fraction() > BURSTS_SHARE_MAX => {
                Some("bursts with pauses lose at most 90%; for more leave out `burst`".into())
            }
            _ => super::zero_share("rate", self.rate),
        }
    }

    fn is_about_packets(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use fabric::HostIndex;

    use super::*;

    #[test]
    fn losses_combine_as_independent_chances() {
        let half = Loss {
            rate: Share::from_percent(50.0),
            burst: None,
        };
        let mut world = World::healthy(2);
        half.bend(&mut world, &Aim::at(&[HostIndex(0)]));
        half.bend(&mut world, &Aim::at(&[HostIndex(1)]));
        let share = world.link(HostIndex(0), HostIndex(1)).loss_share();
        assert!((share - 0.75).abs() < 1e-9, "{share}");
    }

    #[test]
    fn bursts_lose_the_same_share_in_the_long_run() {
        for (percent, burst) in [(2.0, 5), (30.0, 3), (0.5, 50)] {
            let loss = Loss {
                rate: Share::from_percent(percent),
                burst: Some(burst),
            };
            let mut world = World::healthy(2);
            loss.bend(&mut world, &Aim::at(&[HostIndex(0)]));
            let share = world.link(HostIndex(0), HostIndex(1)).loss_share();
            assert!((share * 100.0 - percent).abs() < 0.02, "{share}");
        }
    }
}
