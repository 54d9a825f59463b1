//! Clock: the wall clock of the targets is wrong, as their processes see it.
//!
//! `offset` is there from the start of the fault to its end, so the clock jumps twice. `drift`
//! makes it run too fast or too slow from then on; at the end it jumps back to the true time. With
//! `every` it jumps between the wrong and the true time, again and again. Several faults add up.
//! The monotonic clock stays true, as it does when a machine's wall clock is set.

use fabric::HostIndex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::beat::BEATS_MAX;
use super::{Aim, Beat, BeatTime, Beating, Fault, Proof};
use crate::plan::{Drift, Offset, Span};
use crate::world::{ClockBend, World};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// How much later than the true time the clock shows, for example `+5m` or `-1h`.
    #[serde(default)]
    pub offset: Option<Offset>,
    /// How much faster it runs, for example `+1%` or `-200ppm`.
    #[serde(default)]
    pub drift: Option<Drift>,
    /// Jump to the wrong time and back, each after this long.
    #[serde(default)]
    pub every: Option<Span>,
}

/// The shortest time between two jumps.
const EVERY_MIN: Span = Span::from_millis(50);

impl Fault for Clock {
    fn kind(&self) -> &'static str {
        "clock"
    }

    fn bend(&self, world: &mut World, aim: &Aim) {
        let bend = ClockBend {
            offset_ns: self.offset.map_or(0, Offset::nanos),
            drift_ppb: self.drift.map_or(0, Drift::parts_per_billion),
            since_us: aim.began_us,
        };
        for target in &aim.hosts {
            let clock = &mut world.host_mut(*target).clock;
            clock.push(bend);
            clock.sort_unstable();
        }
    }

    fn beats(&self, beating: Beating<'_>) -> Option<Vec<Beat>> {
        let every_us = self.every?.as_micros().max(1);
        let jumps = usize::try_from(beating.lasts_us.div_ceil(every_us)).unwrap_or(BEATS_MAX);
        let jump = |number: usize| {
            let hits: &[HostIndex] = match number.is_multiple_of(2) {
                true => beating.targets,
                false => &[],
            };
            Beat {
                at: BeatTime::After(every_us * number as u64),
                hits: hits.to_vec(),
            }
        };
        Some((0..jumps.clamp(1, BEATS_MAX)).map(jump).collect())
    }

    fn proof(&self) -> Proof {
        Proof::ClockRead
    }

    fn describe(&self) -> String {
        let offset = self.offset.map(|offset| format!("{offset}"));
        let drift = self.drift.map(|drift| format!("{drift} drift"));
        let every = self.every.map(|every| format!("to and fro every {every}"));
        let parts: Vec<String> = [offset, drift, every].into_iter().flatten().collect();
        parts.join(", ")
    }

    fn mistake(&self) -> Option<String> {
        let offset = self.offset.map_or(0, Offset::nanos);
        let drift = self.drift.map_or(0, Drift::parts_per_billion);
        if offset == 0 && drift == 0 {
            return Some("a clock without offset and drift is right; give one of them".into());
        }
        let often = self.every.is_some_and(|every| every < EVERY_MIN);
        often.then(|| format!("it cannot jump that often; give `every` at least {EVERY_MIN}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_drifts_of_several_faults_are_all_there() {
        let clock = |text: &str| serde_yaml::from_str::<Clock>(text).expect("valid");
        let mut world = World::healthy(1);
        let mut aim = Aim::at(&[HostIndex(0)]);
        clock("{offset: '+5m'}").bend(&mut world, &aim);
        aim.began_us = 7_000_000;
        clock("{offset: '-1s', drift: '+1%'}").bend(&mut world, &aim);
        let bends = &world.host(HostIndex(0)).clock;
        let offset: i64 = bends.iter().map(|bend| bend.offset_ns).sum();
        assert_eq!(offset, 299_000_000_000);
        assert!(bends.iter().any(|bend| bend.since_us == 7_000_000));
    }
}
