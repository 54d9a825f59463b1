//! Load: the clients do so many times as much while the fault lasts.
//!
//! All rates of the workload are multiplied by `factor`; with `ramp` the factor grows evenly to it
//! during that time. A factor below 1 is less load. Several faults multiply.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Aim, Fault, Proof};
use crate::plan::Span;
use crate::world::{LoadBend, World};

/// The most that load may grow.
pub const FACTOR_MAX: f64 = 1_000.0;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// What all rates are multiplied by.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub factor: f64,
    /// How long it takes to get there; at once when absent.
    #[serde(default)]
    pub ramp: Option<Span>,
}

impl Fault for Load {
    fn kind(&self) -> &'static str {
        "load"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        world.add_load(LoadBend {
            factor_ppm: factor_ppm(self.factor),
            ramp_us: self.ramp.map_or(0, Span::as_micros),
            since_us: aim.began_us,
        });
    }

    fn proof(&self) -> Proof {
        Proof::Load
    }

    fn describe(&self) -> String {
        match self.ramp {
            Some(ramp) => format!("{} times, within {ramp}", self.factor),
            None => format!("{} times", self.factor),
        }
    }

    fn mistake(&self) -> Option<String> {
        if !(0.0..=FACTOR_MAX).contains(&self.factor) {
            return Some(format!(
                "load cannot be {} times as much; give a `factor` of 0 to {FACTOR_MAX}",
                self.factor
            ));
        }
        let same = factor_ppm(self.factor) == 1_000_000;
        same.then(|| "a factor of 1 changes nothing; give another `factor`".into())
    }

    fn is_about_clients(&self) -> bool {
        true
    }
}

/// The factor in millionths.
fn factor_ppm(factor: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the conversion saturates, and plans are checked for 0 to 1000"
    )]
    let ppm = (factor * 1e6).round() as u64;
    ppm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_multiply_and_ramps_begin_at_the_load_that_there_is() {
        let load = |factor, ramp| Load { factor, ramp };
        let mut world = World::healthy(1);
        let began = |began_us| Aim {
            began_us,
            ..Aim::default()
        };
        load(4.0, None).bend(&mut world, &began(0));
        let ramp = Some(Span::from_millis(10_000));
        load(3.0, ramp).bend(&mut world, &began(5_000_000));
        let factor = |at_us| world.load().factor_at(at_us);
        assert!((factor(5_000_000) - 4.0).abs() < 1e-9);
        assert!((factor(10_000_000) - 8.0).abs() < 1e-9);
        assert!((factor(60_000_000) - 12.0).abs() < 1e-9);
    }
}
