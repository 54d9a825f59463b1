//! What the property test on real processes draws is within what it calls tolerance.
//!
//! Goal: a schedule that fails there says something of the directory, and not of the schedule.
//! Method: the same strategy, without processes. Each schedule must be a plan that the harness has
//! nothing to say about, and must leave enough mirrors; and the hardest ones must be among them.

#[path = "real/properties/drawn.rs"]
mod drawn;

use std::time::Duration;

use drawn::{MIRRORS_AWAY, any_schedule, plan_of};
use harness::plan::{self, Plan, Step, Targets};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Schedules among which the hardest ones are looked for.
const SCHEDULES: usize = 300;

/// When a fault on mirrors begins and ends, and how many it hits.
type OnMirrors = (Duration, Duration, usize);

proptest! {
    #[test]
    fn a_drawn_schedule_is_a_plan_without_warnings(faults in any_schedule()) {
        let text = plan_of(&faults);
        let loaded = plan::load_str("drawn.yaml", &text, &[])
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(loaded.warnings.is_empty(), "{text}\n{:?}", loaded.warnings);
        prop_assert_eq!(loaded.plan.timeline.len(), faults.len());
    }

    #[test]
    fn a_drawn_schedule_leaves_a_majority_of_every_replica_group(faults in any_schedule()) {
        let plan = read(&plan_of(&faults));
        let minority = usize::from((plan.system.replicas - 1) / 2);
        let away: usize = on_mirrors(&plan).iter().map(|(_, _, count)| count).sum();
        prop_assert!(away <= minority, "{away} mirrors are away");
    }
}

#[test]
fn as_many_mirrors_as_may_be_away_are_away_at_once_by_one_fault_and_by_several() {
    let (schedules, mut runner) = (any_schedule(), TestRunner::deterministic());
    let mut draw = || {
        let tree = schedules
            .new_tree(&mut runner)
            .expect("nothing is rejected");
        on_mirrors(&read(&plan_of(&tree.current())))
    };
    let all: Vec<Vec<OnMirrors>> = (0..SCHEDULES).map(|_| draw()).collect();
    let hardest = all.iter().filter(|faults| at_once(faults) == MIRRORS_AWAY);
    let (by_one, by_several): (Vec<_>, Vec<_>) = hardest.partition(|faults| faults.len() == 1);
    assert!(!by_one.is_empty(), "no fault hits all of them");
    assert!(!by_several.is_empty(), "no two faults overlap");
}

fn read(text: &str) -> Plan {
    let loaded = plan::load_str("drawn.yaml", text, &[]);
    loaded.expect("drawn schedules have no mistakes").plan
}

/// Whom a drawn step is aimed at.
fn targets(step: &Step) -> &Targets {
    step.targets.as_ref().expect("drawn with targets")
}

fn on_mirrors(plan: &Plan) -> Vec<OnMirrors> {
    let steps = plan.timeline.iter();
    steps
        .filter(|step| targets(step).names().contains(&"mirrors"))
        .map(|step| {
            let Targets::Count(count, _) = targets(step) else {
                panic!("nobody can say how many {} are", targets(step));
            };
            let lasts = step.lasts.expect("every drawn fault ends");
            let at = step.at.expect("drawn with a time").0;
            (at, at + lasts.0, *count)
        })
        .collect()
}

/// The most mirrors that are away at one moment, which is when some fault begins.
fn at_once(faults: &[OnMirrors]) -> usize {
    let away = |moment: Duration| -> usize {
        let active = faults
            .iter()
            .filter(|(start, end, _)| (*start..*end).contains(&moment));
        active.map(|(_, _, count)| count).sum()
    };
    faults
        .iter()
        .map(|(start, _, _)| away(*start))
        .max()
        .unwrap_or(0)
}
