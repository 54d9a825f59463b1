//! Crash loop: the process dies soon after each start, and is started again after a pause that
//! grows each time, as a supervisor with a back-off does it.
//!
//! A *round* is a time of being down and one of being up. The pauses are `first`, then each
//! `factor` times the one before, and never longer than `max`.

use fabric::HostIndex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Beat, Beating, Fault, Hit, Proof, beats_of};
use crate::plan::Span;
use crate::world::{Process, World};

/// The growth of the pauses, at most.
const FACTOR_MAX: f64 = 100.0;

/// The most rounds that are drawn.
const ROUNDS_MAX: usize = 5_000;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrashLoop {
    /// How long the process is up before it dies again, counted from its start.
    #[serde(default = "default_uptime")]
    pub uptime: Span,
    /// The first pause before it is started again.
    #[serde(default = "default_first")]
    pub first: Span,
    /// Each pause is this many times the one before.
    #[serde(default = "default_factor")]
    #[schemars(range(min = 1.0, max = 100.0))]
    pub factor: f64,
    /// The longest pause.
    #[serde(default = "default_max")]
    pub max: Span,
}

fn default_uptime() -> Span {
    Span::from_millis(1_000)
}

fn default_first() -> Span {
    Span::from_millis(1_000)
}

fn default_factor() -> f64 {
    2.0
}

fn default_max() -> Span {
    Span::from_millis(30_000)
}

impl CrashLoop {
    /// When one process is down, as pairs of microseconds since the start of the fault.
    fn downs(&self, lasts_us: u64) -> Vec<(u64, u64)> {
        let mut downs = Vec::new();
        let (mut at_us, mut pause) = (0u64, self.first.0);
        while at_us < lasts_us && downs.len() < ROUNDS_MAX {
            let up_us = at_us.saturating_add(Span(pause).as_micros());
            downs.push((at_us, up_us));
            at_us = up_us.saturating_add(self.uptime.as_micros());
            let longer = pause.as_secs_f64() * self.factor;
            pause = match longer < self.max.0.as_secs_f64() {
                true => std::time::Duration::from_secs_f64(longer),
                false => self.max.0,
            };
        }
        downs
    }
}

impl Fault for CrashLoop {
    fn kind(&self) -> &'static str {
        "crash-loop"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        aim.worsen(world, Process::Dead);
    }

    fn beats(&self, beating: Beating<'_>) -> Option<Vec<Beat>> {
        let downs = self.downs(beating.lasts_us);
        let of_host = |host: &HostIndex| {
            let host = *host;
            downs.iter().map(move |(from_us, until_us)| Hit {
                host,
                from_us: *from_us,
                until_us: *until_us,
            })
        };
        let hits: Vec<Hit> = beating.targets.iter().flat_map(of_host).collect();
        Some(beats_of(&hits, beating.lasts_us))
    }

    fn proof(&self) -> Proof {
        Proof::ProcessExited
    }

    fn describe(&self) -> String {
        format!(
            "up for {}, down for {}, then {} times as long, at most {}",
            self.uptime, self.first, self.factor, self.max
        )
    }

    fn mistake(&self) -> Option<String> {
        if self.uptime.0.is_zero() || self.first.0.is_zero() {
            return Some("`uptime` and `first` cannot be zero; give them a length of time".into());
        }
        if self.max < self.first {
            return Some("`max` is shorter than `first`; pauses never get shorter".into());
        }
        let possible = (1.0..=FACTOR_MAX).contains(&self.factor);
        (!possible).then(|| format!("{} is no growth; give a `factor` of 1 to 100", self.factor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_one() {
        let fault = CrashLoop {
            max: Span::from_millis(3_000),
            ..serde_json::from_str("{}").expect("all keys have defaults")
        };
        let seconds: Vec<(u64, u64)> = fault
            .downs(12_000_000)
            .into_iter()
            .map(|(from, until)| (from / 1_000_000, until / 1_000_000))
            .collect();
        assert_eq!(seconds, [(0, 1), (2, 4), (5, 8), (9, 12)]);
    }
}
