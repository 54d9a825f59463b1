//! Profile: the links of the targets become those of a named kind of network, on top of what they
//! are.
//!
//! The figures are orders of magnitude for comparing runs, not measurements of a provider. One-way
//! latency is half of the round trip usually quoted for each kind; losses of wireless links come in
//! bursts.

use fabric::LinkPolicy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loss::bursts;
use super::{Aim, Fault, Proof};
use crate::plan::Share;
use crate::world::World;

/// A named kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// 0.2 ms ± 0.1 ms one way.
    Lan,
    /// 40 ms ± 5 ms one way, 0.01 % loss.
    Wan,
    /// 20 ms ± 5 ms one way, 10 mbit/s, 0.1 % loss.
    Dsl,
    /// 60 ms ± 30 ms one way, 1 mbit/s, 1 % loss in bursts of 3.
    #[serde(rename = "3g")]
    ThreeG,
    /// 300 ms ± 20 ms one way, 5 mbit/s, 0.5 % loss.
    Satellite,
    /// 5 ms ± 4 ms one way, 20 mbit/s, 5 % loss in bursts of 4.
    LossyWifi,
}

/// Figures of a profile.
struct Figures {
    latency_us: u64,
    jitter_us: u64,
    rate_bps: Option<u64>,
    loss_percent: f64,
    /// Packets lost one after another.
    burst: u16,
}

impl Profile {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Profile::Lan => "lan",
            Profile::Wan => "wan",
            Profile::Dsl => "dsl",
            Profile::ThreeG => "3g",
            Profile::Satellite => "satellite",
            Profile::LossyWifi => "lossy-wifi",
        }
    }

    fn figures(self) -> Figures {
        let figures = |latency_us, jitter_us, rate_bps, loss_percent, burst| Figures {
            latency_us,
            jitter_us,
            rate_bps,
            loss_percent,
            burst,
        };
        match self {
            Profile::Lan => figures(200, 100, None, 0.0, 1),
            Profile::Wan => figures(40_000, 5_000, None, 0.01, 1),
            Profile::Dsl => figures(20_000, 5_000, Some(10_000_000), 0.1, 1),
            Profile::ThreeG => figures(60_000, 30_000, Some(1_000_000), 1.0, 3),
            Profile::Satellite => figures(300_000, 20_000, Some(5_000_000), 0.5, 1),
            Profile::LossyWifi => figures(5_000, 4_000, Some(20_000_000), 5.0, 4),
        }
    }

    /// The same in the fabric's terms.
    #[must_use]
    pub fn policy(self) -> LinkPolicy {
        let figures = self.figures();
        let share = Share::from_percent(figures.loss_percent);
        let mut policy = LinkPolicy {
            latency: vec![fabric::Latency::Uniform {
                mean_us: figures.latency_us,
                jitter_us: figures.jitter_us,
            }],
            bandwidth_bps: figures.rate_bps,
            ..LinkPolicy::default()
        };
        match (share.parts_per_million(), figures.burst) {
            (0, _) => {}
            (ppm, 1) => policy.loss_ppm.push(ppm),
            (_, burst) => policy.gilbert_elliott.push(bursts(share, burst)),
        }
        policy
    }
}

impl Fault for Profile {
    fn kind(&self) -> &'static str {
        "profile"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        aim.lay(world, self.policy());
    }

    fn proof(&self) -> Proof {
        Proof::PacketsDelayed
    }

    fn describe(&self) -> String {
        self.word().to_owned()
    }

    fn is_about_packets(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_profile_has_the_loss_and_latency_that_it_says() {
        let all = [
            (Profile::Lan, 200, 0.0),
            (Profile::Wan, 40_000, 0.01),
            (Profile::Dsl, 20_000, 0.1),
            (Profile::ThreeG, 60_000, 1.0),
            (Profile::Satellite, 300_000, 0.5),
            (Profile::LossyWifi, 5_000, 5.0),
        ];
        for (profile, latency_us, loss_percent) in all {
            let policy = profile.policy();
            assert_eq!(policy.mean_latency().as_micros(), latency_us, "{profile:?}");
            let loss = policy.loss_share() * 100.0;
            assert!((loss - loss_percent).abs() < 0.01, "{profile:?}: {loss}");
            let word = serde_json::to_value(profile).expect("a word");
            assert_eq!(word, profile.word());
        }
    }
}
