//! Flap: the links of the targets go down and come back, again and again.
//!
//! While they are down every packet vanishes, as with a partition. All of them flap together; with
//! `jitter` each time of being up or down is longer or shorter by up to that much.

use fabric::{HostIndex, LinkPolicy};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Beat, BeatTime, Beating, Fault, Proof};
use crate::fault::beat::BEATS_MAX;
use crate::plan::Span;
use crate::world::World;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flap {
    /// How long the links are down each time; it begins with this.
    pub down: Span,
    /// How long they are up in between.
    pub up: Span,
    /// By how much each of these times is longer or shorter, at most.
    #[serde(default)]
    pub jitter: Option<Span>,
}

impl Flap {
    /// One time of being down or up, drawn, microseconds.
    fn drawn(&self, mean: Span, rng: &mut impl RngExt) -> u64 {
        let (mean, jitter) = (mean.as_micros(), self.jitter.map_or(0, Span::as_micros));
        match jitter {
            0 => mean,
            _ => rng.random_range(mean.saturating_sub(jitter)..=mean.saturating_add(jitter)),
        }
        .max(1)
    }
}

impl Fault for Flap {
    fn kind(&self) -> &'static str {
        "flap"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let cut = LinkPolicy {
            blocked: true,
            ..LinkPolicy::default()
        };
        aim.lay(world, cut);
    }

    fn beats(&self, beating: Beating<'_>) -> Option<Vec<Beat>> {
        let (mut beats, mut at_us, mut down) = (Vec::new(), 0u64, true);
        while at_us < beating.lasts_us && beats.len() < BEATS_MAX {
            let hits: &[HostIndex] = if down { beating.targets } else { &[] };
            beats.push(Beat {
                at: BeatTime::After(at_us),
                hits: hits.to_vec(),
            });
            let mean = if down { self.down } else { self.up };
            at_us = at_us.saturating_add(self.drawn(mean, beating.rng));
            down = !down;
        }
        Some(beats)
    }

    fn proof(&self) -> Proof {
        Proof::PacketsBlocked
    }

    fn describe(&self) -> String {
        match self.jitter {
            Some(jitter) => format!("down {}, up {}, ± {jitter}", self.down, self.up),
            None => format!("down {}, up {}", self.down, self.up),
        }
    }

    fn mistake(&self) -> Option<String> {
        if self.down.0.is_zero() || self.up.0.is_zero() {
            return Some("`down` and `up` cannot be zero; give each a length of time".into());
        }
        let jitter = self.jitter.unwrap_or_default();
        let longer = jitter > self.down.min(self.up);
        longer.then(|| "`jitter` is longer than `down` or `up`; make it shorter".into())
    }

    fn is_about_packets(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn links_are_down_first_and_half_of_the_times() {
        let fault = Flap {
            down: Span::from_millis(500),
            up: Span::from_millis(1_500),
            jitter: None,
        };
        let beats = fault.beats(Beating {
            targets: &[HostIndex(3)],
            lasts_us: 5_000_000,
            rng: &mut rand_chacha::ChaCha8Rng::seed_from_u64(1),
        });
        let beats = beats.expect("it beats");
        let down: Vec<bool> = beats.iter().map(|beat| !beat.hits.is_empty()).collect();
        assert_eq!(down, [true, false, true, false, true, false]);
        assert_eq!(beats[3].at, BeatTime::After(2_500_000));
    }
}
