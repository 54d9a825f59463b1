//! What the timeline means: each step on its own, then the steps together.

use std::collections::HashMap;
use std::time::Duration;

use super::aim::Members;
use super::check::{NODES_MAX, node_paths, nodes, step_name};
use super::inventory::{self, MIRRORS};
use super::path::Path;
use super::problem::Problem;
use super::spans::{ends_too_late, too_long};
use super::spec::{Plan, Step};
use crate::fault::{FaultSpec, Partition};
use fabric::HostIndex;

/// All problems of the timeline.
#[must_use]
pub fn check(plan: &Plan) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, step) in plan.timeline.iter().enumerate() {
        let path = Path::from("timeline").item(number);
        problems.extend(fault(step, &path));
        problems.extend(times(plan, step, &path));
    }
    // With too many nodes there is no telling who is aimed at, and that was said already.
    if nodes(&plan.system) <= NODES_MAX {
        problems.extend(aims(plan));
    }
    problems.extend(ids(plan));
    problems.extend(overlaps(plan));
    problems
}

fn fault(step: &Step, path: &Path) -> Option<Problem> {
    let mistake = step.fault.inner().mistake()?;
    let (message, help) = mistake
        .split_once("; ")
        .unwrap_or((&mistake, "correct the fault"));
    Some(Problem::error(path.key("fault"), message, help))
}

fn times(plan: &Plan, step: &Step, path: &Path) -> Vec<Problem> {
    let (at, lasts) = (path.key("at"), path.key("for"));
    let mut problems: Vec<Problem> = [
        too_long(at.clone(), Some(step.at)),
        too_long(lasts.clone(), step.lasts),
    ]
    .into_iter()
    .flatten()
    .collect();
    let kind = step.fault.inner().kind();
    if step.lasts.is_some() && step.fault.inner().is_instant() {
        let message = format!("`{kind}` is over as soon as it has happened: it cannot last");
        let problem = Problem::error(lasts, message, "remove `for`").on_key();
        problems.push(problem.relying_on([path.key("fault")]));
    } else if step.lasts.is_some_and(|lasts| lasts.0.is_zero()) {
        let help = "write how long it lasts, or leave `for` out: then it lasts until the end";
        problems.push(Problem::error(lasts, "a fault of 0s does not happen", help));
    }
    problems.extend(beyond_the_end(plan, step, path));
    problems
}

fn beyond_the_end(plan: &Plan, step: &Step, path: &Path) -> Option<Problem> {
    let Some(duration) = plan.duration else {
        return ends_too_late(step, path);
    };
    let relies_on = [path.key("at"), Path::from("duration")];
    if step.at >= duration {
        let message = format!("the step starts at {}, when the timeline is over", step.at);
        let help = format!("`duration` is {duration}: start earlier, or make it longer");
        return Some(Problem::error(path.key("at"), message, help).relying_on(relies_on));
    }
    let end = step.at.0.saturating_add(step.lasts?.0);
    let message = format!("the step would end after the timeline, which is over at {duration}");
    let help = "it ends with the timeline; make `duration` longer to see what comes after it";
    let warning = || Problem::warning(path.key("for"), message, help).relying_on(relies_on);
    (end > duration.0).then(warning)
}

fn aims(plan: &Plan) -> Vec<Problem> {
    let hosts = inventory::names(&plan.system);
    let members = Members::new(&plan.system, &hosts);
    let mut problems = Vec::new();
    for (number, step) in plan.timeline.iter().enumerate() {
        let step_path = Path::from("timeline").item(number);
        let path = step_path.key("targets");
        problems.extend(members.check(&step.targets, &path));
        if plan.system.mirrors == 0 && step.targets.names().contains(&MIRRORS) {
            let message = "the fault aims at `mirrors`, and there are none";
            let help = "`system.mirrors` is 0, so this part of its targets is nobody";
            let relies_on = [Path::from("system.mirrors")];
            problems.push(Problem::warning(path, message, help).relying_on(relies_on));
        } else if let FaultSpec::Partition(partition) = &step.fault {
            problems.extend(one_sided(partition, step, &step_path, &members));
        }
    }
    problems
}

/// The problem with a partition that has all hosts on one side.
fn one_sided(
    partition: &Partition,
    step: &Step,
    path: &Path,
    members: &Members<'_>,
) -> Option<Problem> {
    let all = u16::try_from(members.all()).expect("checked to be at most NODES_MAX and a registry");
    let targets = members
        .certain(&step.targets)
        .filter(|hosts| hosts.len() == usize::from(all))?;
    let indexes: Vec<HostIndex> = (0..all).map(HostIndex).collect();
    let message = "the partition cuts nothing: all hosts are on one side";
    let help = "aim at a part of the hosts, or use `shape: isolate` to leave each one alone";
    let cuts_nothing = targets.is_empty() || partition.cut_links(all, &indexes).is_empty();
    cuts_nothing.then(|| {
        Problem::error(path.key("targets"), message, help)
            .relying_on(node_paths().into_iter().chain([path.key("fault")]))
    })
}

fn ids(plan: &Plan) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut first: HashMap<String, usize> = HashMap::new();
    // Generated names first: a clash with one is the given name's fault.
    let (given, generated): (Vec<_>, Vec<_>) = plan
        .timeline
        .iter()
        .enumerate()
        .partition(|(_, step)| step.id.is_some());
    for (number, step) in generated.into_iter().chain(given) {
        let path = |number: usize| Path::from("timeline").item(number);
        let at_id = path(number).key("id");
        let name = step.name(number);
        if let Some(other) = first.get(&name) {
            let message = format!("step {} is called `{name}` too", other + 1);
            let help = "give each step an id of its own; without one it is called `KIND-NUMBER`";
            let relies_on = [path(*other).key("id"), path(*other).key("fault")];
            problems.push(Problem::error(at_id, message, help).relying_on(relies_on));
        } else if step.id.is_some() {
            problems.extend(step_name(&name, at_id));
        }
        first.entry(name).or_insert(number);
    }
    problems
}

/// Steps that do the same to the same targets at the same time.
fn overlaps(plan: &Plan) -> Vec<Problem> {
    let window = |step: &Step| {
        let instant = step
            .fault
            .inner()
            .is_instant()
            .then_some(Duration::from_micros(1));
        let lasts = instant
            .or(step.lasts.map(|lasts| lasts.0))
            .unwrap_or(Duration::MAX);
        (step.at.0, step.at.0.saturating_add(lasts))
    };
    let overlap = |one: &Step, other: &Step| {
        let ((start, end), (other_start, other_end)) = (window(one), window(other));
        start < other_end && other_start < end
    };
    let same = |one: &Step, other: &Step| {
        one.fault == other.fault && one.targets == other.targets && overlap(one, other)
    };
    let steps = &plan.timeline;
    let twin = |number: usize| {
        steps[..number]
            .iter()
            .position(|one| same(one, &steps[number]))
    };
    let path = |number: usize| Path::from("timeline").item(number);
    (0..steps.len())
        .filter_map(|number| Some((number, twin(number)?)))
        .map(|(number, twin)| {
            let kind = steps[number].fault.inner().kind();
            let message = format!(
                "this `{kind}` overlaps with the same one of step {}",
                twin + 1
            );
            let help = "the two act as one while both are active; make it one step, or move one";
            Problem::warning(path(number).key("at"), message, help)
                .relying_on([path(number), path(twin)])
        })
        .collect()
}
