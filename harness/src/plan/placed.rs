//! The timeline laid out: every fault that the steps mean, with the rule by which it starts.
//!
//! Groups are opened, repetitions are written out, and each fault gets its number, which is its
//! position in the list. Where all times are known beforehand, a start is a time; what waits for
//! something that only the run shows starts after other faults or on a condition.

use std::collections::HashMap;

use super::path::Path;
use super::spec::{Plan, Step, StepPhase};
use super::units::Span;
use super::when::When;
use crate::fault::FaultSpec;

/// The most faults of a plan, repetitions counted.
pub const FAULTS_MAX: usize = 10_000;

/// How deep groups may stand within each other.
pub const DEPTH_MAX: usize = 4;

/// A fault of the timeline.
#[derive(Clone, Debug)]
pub struct Placed<'a> {
    /// Where it is written.
    pub step: &'a Step,
    /// What it does.
    pub fault: &'a FaultSpec,
    /// The path to the step.
    pub path: Path,
    /// Its name in reports, unique where the plan is right.
    pub name: String,
    /// When it starts.
    pub start: Start,
    /// How long it is active.
    pub lasts: Option<Span>,
    /// True when it is part of the recovery, and its start counts from the final heal.
    pub heals: bool,
    /// How many times the same step was placed before.
    pub repetition: usize,
}

/// When a fault starts.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// At this moment, microseconds after the start of the clock (or of the heal).
    At(u64),
    /// This long after all of these faults have ended.
    After {
        /// Their numbers.
        faults: Vec<usize>,
        /// Microseconds.
        wait_us: u64,
    },
    /// When a condition holds, watched for from another start on.
    When {
        /// What must hold.
        condition: When,
        /// From when on.
        from: Box<Start>,
    },
}

/// What the start of something counts from: the end of something else, as a rule.
#[derive(Clone, Debug)]
enum End {
    /// This moment, at which these faults have ended.
    At(u64, Vec<usize>),
    /// When all of these faults have ended.
    Of(Vec<usize>),
    /// The start of a group that waits for a condition.
    On(Start),
    /// Only the end of the timeline.
    Never,
}

/// How a start is moved by its jitter: the number of the fault, and by how much at most.
pub type Jitter<'a> = &'a mut dyn FnMut(usize, Span) -> i64;

/// All faults of a plan, in order. Without a jitter to draw, starts are where the plan says.
#[must_use]
pub fn placed<'a>(plan: &'a Plan, jitter: Jitter<'_>) -> Vec<Placed<'a>> {
    let mut layout = Layout {
        plan,
        jitter,
        placed: Vec::new(),
        repetitions: HashMap::new(),
    };
    for (number, step) in plan.timeline.iter().enumerate() {
        let path = Path::from("timeline").item(number);
        let heals = step.phase == Some(StepPhase::Heal);
        layout.item(step, &path, &End::At(0, vec![]), heals, 0);
    }
    layout.placed
}

/// The same, with every start where the plan says.
#[must_use]
pub fn as_written(plan: &Plan) -> Vec<Placed<'_>> {
    placed(plan, &mut |_, _| 0)
}

struct Layout<'a, 'b> {
    plan: &'a Plan,
    jitter: Jitter<'b>,
    placed: Vec<Placed<'a>>,
    /// How often each step was placed.
    repetitions: HashMap<Path, usize>,
}

impl<'a> Layout<'a, '_> {
    /// Places a step or a group, repeated as it says; `base` is what its `at` counts from.
    fn item(&mut self, step: &'a Step, path: &Path, base: &End, heals: bool, depth: usize) -> End {
        let mut end: Option<End> = None;
        let every_us = step.every.map_or(0, Span::as_micros);
        for repetition in 0..self.times(step, base) {
            if self.placed.len() >= FAULTS_MAX || depth > DEPTH_MAX {
                break;
            }
            let later_us = every_us.saturating_mul(repetition);
            let start = self.start(step, base, later_us);
            let ended = self.once(step, path, start, heals, depth);
            end = Some(match end {
                Some(end) => joined(end, ended),
                None => ended,
            });
        }
        end.unwrap_or_else(|| base.clone())
    }

    /// How often a step starts.
    fn times(&self, step: &Step, base: &End) -> u64 {
        let every_us = step.every.map_or(0, Span::as_micros);
        let most = FAULTS_MAX as u64 + 1;
        match (step.times, self.plan.duration, base) {
            (Some(times), ..) if every_us > 0 => u64::from(times).min(most),
            (None, Some(duration), End::At(base_us, _)) if every_us > 0 => {
                let first_us = base_us.saturating_add(step.at.map_or(0, Span::as_micros));
                let left_us = duration.as_micros().saturating_sub(first_us);
                left_us.div_ceil(every_us).clamp(1, most)
            }
            _ => 1,
        }
    }

    /// When one repetition starts.
    fn start(&mut self, step: &Step, base: &End, later_us: u64) -> Start {
        let wait_us = step.at.map_or(0, Span::as_micros).saturating_add(later_us);
        let start = match base {
            End::At(base_us, _) => {
                let at_us = base_us.saturating_add(wait_us);
                let by_us = step
                    .jitter
                    .map_or(0, |most| (self.jitter)(self.placed.len(), most));
                Start::At(at_us.saturating_add_signed(by_us))
            }
            End::Of(faults) => Start::After {
                faults: faults.clone(),
                wait_us,
            },
            End::On(start) => start.clone(),
            // What comes after something without an end never starts; it is a mistake.
            End::Never => Start::After {
                faults: vec![],
                wait_us,
            },
        };
        match &step.when {
            None => start,
            Some(condition) => Start::When {
                condition: condition.clone(),
                from: Box::new(start),
            },
        }
    }

    /// Places one repetition of a step or a group.
    fn once(
        &mut self,
        step: &'a Step,
        path: &Path,
        start: Start,
        heals: bool,
        depth: usize,
    ) -> End {
        if let Some(fault) = &step.fault {
            return self.fault(step, fault, path, start, heals);
        }
        let base = match start {
            Start::At(at_us) => End::At(at_us, vec![]),
            Start::After { faults, .. } => End::Of(faults),
            start @ Start::When { .. } => End::On(start),
        };
        let mut end: Option<End> = None;
        let in_turn = !step.sequence.is_empty();
        let (key, members) = match in_turn {
            true => ("sequence", &step.sequence),
            false => ("parallel", &step.parallel),
        };
        for (number, member) in members.iter().enumerate() {
            let path = path.key(key).item(number);
            let from = end.as_ref().filter(|_| in_turn).unwrap_or(&base).clone();
            let ended = self.item(member, &path, &from, heals, depth + 1);
            end = Some(match end {
                Some(end) if !in_turn => joined(end, ended),
                _ => ended,
            });
        }
        end.unwrap_or(base)
    }

    fn fault(
        &mut self,
        step: &'a Step,
        fault: &'a FaultSpec,
        path: &Path,
        start: Start,
        heals: bool,
    ) -> End {
        let number = self.placed.len();
        let repetitions = self.repetitions.entry(path.clone()).or_default();
        let repetition = *repetitions;
        *repetitions += 1;
        let end = match (&start, step.lasts, fault.is_instant()) {
            (Start::At(at_us), _, true) => End::At(*at_us, vec![number]),
            (Start::At(at_us), Some(lasts), _) => {
                End::At(at_us.saturating_add(lasts.as_micros()), vec![number])
            }
            (_, Some(_), _) => End::Of(vec![number]),
            (..) if fault.ends_by_itself() => End::Of(vec![number]),
            (_, None, _) => End::Never,
        };
        self.placed.push(Placed {
            step,
            fault,
            path: path.clone(),
            name: name(step, fault, number, repetition),
            start,
            lasts: step.lasts,
            heals,
            repetition,
        });
        end
    }
}

/// When both have ended.
fn joined(one: End, other: End) -> End {
    let both = |mut one: Vec<usize>, other: Vec<usize>| {
        one.extend(other);
        one.sort_unstable();
        one.dedup();
        one
    };
    match (one, other) {
        (End::Never, _) | (_, End::Never) => End::Never,
        (End::On(_), end) | (end, End::On(_)) => end,
        (End::At(one_us, one), End::At(other_us, other)) => {
            End::At(one_us.max(other_us), both(one, other))
        }
        (End::At(_, one) | End::Of(one), End::At(_, other) | End::Of(other)) => {
            End::Of(both(one, other))
        }
    }
}

/// A fault's name in reports: the given one, or its kind and its number from 1. Repetitions are
/// numbered from 2.
fn name(step: &Step, fault: &FaultSpec, number: usize, repetition: usize) -> String {
    match (&step.id, repetition) {
        (Some(id), 0) => id.clone(),
        (Some(id), again) => format!("{id}.{}", again + 1),
        (None, _) => format!("{}-{}", fault.inner().kind(), number + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed_of(timeline: &str) -> Vec<(String, String)> {
        let text = format!(
            "name: x\nquestion: y\nsystem: {{nodes: 5}}\nduration: 60s\n\
             workload: {{rates: {{resolve: 1/s}}}}\ntimeline: {timeline}\n"
        );
        let plan: Plan = {
            let value: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
            serde_yaml::with::singleton_map_recursive::deserialize(value).expect("a plan")
        };
        let words = |start: &Start| match start {
            Start::At(us) => format!("{}", us / 1_000_000),
            Start::After { faults, wait_us } => format!("{faults:?}+{}", wait_us / 1_000_000),
            Start::When { condition, .. } => condition.to_string(),
        };
        as_written(&plan)
            .iter()
            .map(|one| (one.name.clone(), words(&one.start)))
            .collect()
    }

    fn starts_of(timeline: &str) -> Vec<String> {
        placed_of(timeline).into_iter().map(|one| one.1).collect()
    }

    #[test]
    fn a_sequence_is_one_after_another_and_parallel_steps_start_together() {
        let starts = starts_of(
            "[{at: 10s, sequence: [\
               {for: 5s, targets: all, fault: kill}, \
               {parallel: [{for: 2s, targets: all, fault: jam}, \
                           {for: 4s, targets: all, fault: reset}]}, \
               {at: 1s, targets: all, fault: restart}]}]",
        );
        assert_eq!(starts, ["10", "15", "15", "20"]);
    }

    #[test]
    fn what_follows_something_open_waits_for_it() {
        let starts = starts_of(
            "[{at: 10s, sequence: [\
               {targets: all, fault: {rolling-restart: {gap: 1s}}}, \
               {at: 2s, for: 5s, targets: all, fault: jam}, \
               {targets: all, fault: restart}]}]",
        );
        assert_eq!(starts, ["10", "[0]+2", "[1]+0"]);
        let starts = starts_of(
            "[{when: {host: node-1, state: down}, sequence: [\
               {for: 5s, targets: all, fault: jam}, {targets: all, fault: restart}]}]",
        );
        assert_eq!(starts, ["node-1 is down", "[0]+0"]);
    }

    #[test]
    fn repetitions_are_written_out_and_named() {
        let twice =
            placed_of("[{id: a, at: 1s, every: 10s, times: 2, for: 2s, targets: all, fault: jam}]");
        let names: Vec<&str> = twice.iter().map(|one| one.0.as_str()).collect();
        assert_eq!(names, ["a", "a.2"]);
        assert_eq!(twice[1].1, "11");
        let to_the_end = starts_of("[{at: 5s, every: 20s, targets: all, fault: restart}]");
        assert_eq!(to_the_end, ["5", "25", "45"]);
    }
}
