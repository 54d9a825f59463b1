//! Churn: each target comes and goes on its own, as the machines of a peer-to-peer network do.
//!
//! A *session* is a time of being up, a *gap* one of being away; their lengths are drawn, each
//! target from a stream of its own. A process that goes is killed, as a machine that is switched
//! off; its disk is kept. Each target begins within a session, at a point drawn evenly from it.
//!
//! The presets are session lengths that were measured, with the Weibull parameters solved from
//! the two quantiles that were published:
//! - `ipfs-2022-week`: half of the sessions last 2 h or less, 80 % 8 h (RFM 2 of ProbeLab's
//!   network measurements, April and May 2022);
//! - `ipfs-2022-peers`: 87.6 % of the sessions are shorter than 8 h, 2.5 % longer than 24 h
//!   (Trautwein and others, SIGCOMM 2022).
//!
//! How long peers stay away has no figure there, so a gap has no preset.

use fabric::HostIndex;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp, LogNormal, Weibull};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Beat, Beating, Fault, Hit, Proof, beats_of};
use crate::plan::Span;
use crate::world::{Process, World};

/// The most sessions of one target that are drawn.
const SESSIONS_MAX: usize = 1_000;

/// The shortest session or gap, seconds: what is drawn below it counts as this.
const SHORTEST_S: f64 = 0.1;

/// The longest one, seconds.
const LONGEST_S: f64 = 1e7;

/// How much faster time may run.
const SPEED_MAX: f64 = 1e6;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// How long a target is up.
    pub session: Lifetime,
    /// How long it is away.
    pub gap: Lifetime,
    /// Time runs this many times as fast: all lengths drawn are divided by it.
    #[serde(default = "default_speed")]
    #[schemars(range(min = 0.001, max = 1_000_000.0))]
    pub speed: f64,
}

/// How a length of time is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Lifetime {
    /// Always the same.
    Constant(Span),
    /// Exponential: the chance to end is the same at every moment.
    Exponential {
        /// Its mean.
        mean: Span,
    },
    /// Weibull: with a shape below 1, what has lasted long is likely to go on.
    Weibull {
        /// Its shape, `k`.
        shape: f64,
        /// Its scale, `λ`: 63.2 % are shorter.
        scale: Span,
    },
    /// Log-normal.
    LogNormal {
        /// Half are shorter: `exp(μ)`.
        median: Span,
        /// The standard deviation of the logarithm, `σ`.
        sigma: f64,
    },
    /// Lengths of sessions that were measured.
    Preset(Preset),
}

/// Measured session lengths; see the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Preset {
    /// Weibull with shape 0.608 and scale 3.66 h.
    #[serde(rename = "ipfs-2022-week")]
    Ipfs2022Week,
    /// Weibull with shape 0.518 and scale 1.93 h.
    #[serde(rename = "ipfs-2022-peers")]
    Ipfs2022Peers,
}

fn default_speed() -> f64 {
    1.0
}

impl Lifetime {
    /// One length, seconds; none when the parameters make no distribution.
    fn draw_s(&self, rng: &mut ChaCha8Rng) -> Option<f64> {
        let drawn = match self {
            Lifetime::Constant(length) => length.0.as_secs_f64(),
            Lifetime::Exponential { mean } => {
                Exp::new(1.0 / mean.0.as_secs_f64()).ok()?.sample(rng)
            }
            Lifetime::Weibull { shape, scale } => {
                weibull(*shape, scale.0.as_secs_f64())?.sample(rng)
            }
            Lifetime::LogNormal { median, sigma } => {
                let mu = median.0.as_secs_f64().ln();
                LogNormal::new(mu, *sigma).ok()?.sample(rng)
            }
            Lifetime::Preset(preset) => {
                let (shape, scale_h) = match preset {
                    Preset::Ipfs2022Week => (0.608, 3.66),
                    Preset::Ipfs2022Peers => (0.518, 1.93),
                };
                weibull(shape, scale_h * 3600.0)?.sample(rng)
            }
        };
        drawn.is_finite().then_some(drawn)
    }

    /// What is wrong with it.
    fn mistake(&self, key: &str) -> Option<String> {
        let positive = |length: &Span| !length.0.is_zero();
        let number = |value: f64| value.is_finite() && value > 0.0 && value <= 100.0;
        let good = match self {
            Lifetime::Constant(length) => positive(length),
            Lifetime::Exponential { mean } => positive(mean),
            Lifetime::Weibull { shape, scale } => number(*shape) && positive(scale),
            Lifetime::LogNormal { median, sigma } => positive(median) && number(*sigma),
            Lifetime::Preset(_) => key == "session",
        };
        (!good).then(|| match self {
            Lifetime::Preset(_) => {
                "a preset is about sessions, nobody measured the gaps; give `gap` a distribution"
                    .to_owned()
            }
            _ => format!("`{key}` has a parameter of zero or out of range; give positive ones"),
        })
    }

    fn words(&self) -> String {
        match self {
            Lifetime::Constant(length) => length.to_string(),
            Lifetime::Exponential { mean } => format!("exponential, mean {mean}"),
            Lifetime::Weibull { shape, scale } => format!("Weibull, shape {shape}, scale {scale}"),
            Lifetime::LogNormal { median, sigma } => {
                format!("log-normal, median {median}, sigma {sigma}")
            }
            Lifetime::Preset(Preset::Ipfs2022Week) => "as of IPFS servers in 2022".to_owned(),
            Lifetime::Preset(Preset::Ipfs2022Peers) => "as of IPFS peers in 2022".to_owned(),
        }
    }
}

fn weibull(shape: f64, scale_s: f64) -> Option<Weibull<f64>> {
    Weibull::new(scale_s, shape).ok()
}

impl Churn {
    /// A length as it is run, microseconds.
    fn run_us(&self, drawn_s: f64) -> u64 {
        let seconds = (drawn_s / self.speed).clamp(SHORTEST_S, LONGEST_S);
        Span(std::time::Duration::from_secs_f64(seconds)).as_micros()
    }

    /// When one target is away.
    fn gaps(&self, host: HostIndex, lasts_us: u64, rng: &mut ChaCha8Rng) -> Option<Vec<Hit>> {
        let mut gaps = Vec::new();
        let first_s = self.session.draw_s(rng)? * rng.random::<f64>();
        let mut at_us = self.run_us(first_s);
        while at_us < lasts_us && gaps.len() < SESSIONS_MAX {
            let until_us = at_us.saturating_add(self.run_us(self.gap.draw_s(rng)?));
            gaps.push(Hit {
                host,
                from_us: at_us,
                until_us,
            });
            at_us = until_us.saturating_add(self.run_us(self.session.draw_s(rng)?));
        }
        Some(gaps)
    }
}

impl Fault for Churn {
    fn kind(&self) -> &'static str {
        "churn"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        aim.worsen(world, Process::Dead);
    }

    fn beats(&self, beating: Beating<'_>) -> Option<Vec<Beat>> {
        let Beating {
            targets,
            lasts_us,
            rng,
        } = beating;
        let hits: Vec<Hit> = targets
            .iter()
            .filter_map(|host| self.gaps(*host, lasts_us, rng))
            .flatten()
            .collect();
        Some(beats_of(&hits, lasts_us))
    }

    fn proof(&self) -> Proof {
        Proof::SomeProcessExited
    }

    fn describe(&self) -> String {
        let speed = match self.speed {
            1.0 => String::new(),
            speed => format!(", {speed} times as fast"),
        };
        format!(
            "up {}, away {}{speed}",
            self.session.words(),
            self.gap.words()
        )
    }

    fn mistake(&self) -> Option<String> {
        let possible = self.speed > 0.0 && self.speed <= SPEED_MAX;
        self.session
            .mistake("session")
            .or_else(|| self.gap.mistake("gap"))
            .or_else(|| {
                (!possible).then(|| "time cannot run at that `speed`; give 1 or more".to_owned())
            })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn median_s(lifetime: &Lifetime) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut drawn: Vec<f64> = (0..20_001)
            .map(|_| lifetime.draw_s(&mut rng).expect("good parameters"))
            .collect();
        drawn.sort_unstable_by(f64::total_cmp);
        drawn[10_000]
    }

    #[test]
    fn each_distribution_has_the_median_of_its_parameters() {
        let minute = Span::from_millis(60_000);
        let cases = [
            (Lifetime::Constant(minute), 60.0),
            (Lifetime::Exponential { mean: minute }, 60.0 * 2f64.ln()),
            (
                Lifetime::Weibull {
                    shape: 0.5,
                    scale: minute,
                },
                60.0 * 2f64.ln().powi(2),
            ),
            (
                Lifetime::LogNormal {
                    median: minute,
                    sigma: 1.0,
                },
                60.0,
            ),
            (Lifetime::Preset(Preset::Ipfs2022Week), 7200.0),
        ];
        for (lifetime, expected) in cases {
            let median = median_s(&lifetime);
            let off = (median / expected - 1.0).abs();
            assert!(
                off < 0.05,
                "{lifetime:?}: {median} s, {expected} s expected"
            );
        }
    }

    #[test]
    fn targets_come_and_go_each_on_its_own() {
        let churn: Churn = serde_json::from_str(
            r#"{"session": {"exponential": {"mean": "10s"}}, "gap": {"exponential": {"mean": "5s"}}}"#,
        )
        .expect("valid");
        let targets: Vec<HostIndex> = (0..30).map(HostIndex).collect();
        let lasts_us = 600_000_000;
        let beats = churn.beats(Beating {
            targets: &targets,
            lasts_us,
            rng: &mut ChaCha8Rng::seed_from_u64(1),
        });
        let beats = beats.expect("it beats");
        // A third of the time away, by 10 s and 5 s on average.
        let mut away = 0.0;
        for pair in beats.windows(2) {
            let at = |beat: &Beat| match beat.at {
                super::super::BeatTime::After(at) => at as f64,
                super::super::BeatTime::OnceReady(..) => unreachable!("churn waits for nobody"),
            };
            away += (at(&pair[1]) - at(&pair[0])) * pair[0].hits.len() as f64;
        }
        let share = away / (lasts_us as f64 * 30.0);
        assert!((share - 1.0 / 3.0).abs() < 0.05, "{share}");
        assert!(
            beats
                .iter()
                .any(|beat| beat.hits.len() != 30 && !beat.hits.is_empty())
        );
    }
}
