//! When the steps of the timeline happen: each step on its own, then the steps together.

use std::collections::HashMap;
use std::time::Duration;

use super::check::step_name;
use super::path::Path;
use super::placed::{FAULTS_MAX, Placed, Start, as_written};
use super::problem::Problem;
use super::spans::{delays, ends_too_late, too_long};
use super::spec::Plan;
use super::units::Span;
use super::{form, whom};

/// How many faults are compared with each other.
const COMPARED_MAX: usize = 300;

/// All problems of the timeline.
#[must_use]
pub fn check(plan: &Plan) -> Vec<Problem> {
    let mut problems = form::check(plan);
    let placed = as_written(plan);
    let first_ones: Vec<&Placed<'_>> = placed.iter().filter(|one| one.repetition == 0).collect();
    for one in &first_ones {
        problems.extend(fault(one));
        problems.extend(times(plan, one));
        problems.extend(delays(one));
    }
    if placed.len() >= FAULTS_MAX {
        let message = format!("the timeline has more than {FAULTS_MAX} faults");
        let help = "repeat steps less often";
        problems.push(Problem::error(Path::from("timeline"), message, help));
    }
    problems.extend(whom::check(plan, &first_ones));
    problems.extend(ids(&placed));
    problems.extend(overlaps(&placed[..placed.len().min(COMPARED_MAX)]));
    problems
}

fn fault(one: &Placed<'_>) -> Option<Problem> {
    let mistake = one.fault.inner().mistake()?;
    let (message, help) = mistake
        .split_once("; ")
        .unwrap_or((&mistake, "correct the fault"));
    Some(Problem::error(one.path.key("fault"), message, help))
}

fn times(plan: &Plan, one: &Placed<'_>) -> Vec<Problem> {
    let (step, path) = (one.step, &one.path);
    let lasts = path.key("for");
    let mut problems: Vec<Problem> = [
        too_long(path.key("at"), step.at),
        too_long(lasts.clone(), step.lasts),
        too_long(path.key("every"), step.every),
        too_long(path.key("jitter"), step.jitter),
    ]
    .into_iter()
    .flatten()
    .collect();
    let kind = one.fault.inner().kind();
    if step.lasts.is_some() && one.fault.ends_by_itself() {
        let message = match one.fault.is_instant() {
            true => format!("`{kind}` is over as soon as it has happened: it cannot last"),
            false => format!("`{kind}` is over when it is done: how long that is, it says itself"),
        };
        let problem = Problem::error(lasts, message, "remove `for`").on_key();
        problems.push(problem.relying_on([path.key("fault")]));
    } else if step.lasts.is_some_and(|lasts| lasts.0.is_zero()) {
        let help = "write how long it lasts, or leave `for` out: then it lasts until the end";
        problems.push(Problem::error(lasts, "a fault of 0s does not happen", help));
    }
    problems.extend(repeated(plan, one));
    problems.extend(beyond_the_end(plan, one));
    problems.extend(waits(plan, one));
    problems
}

/// What is wrong with how often a step starts.
fn repeated(plan: &Plan, one: &Placed<'_>) -> Option<Problem> {
    let (step, path) = (one.step, &one.path);
    let every = step.every?;
    if every.0.is_zero() {
        let help = "write how long after its last start it starts again";
        return Some(Problem::error(
            path.key("every"),
            "it cannot start every 0s",
            help,
        ));
    }
    if step.times == Some(0) {
        let message = "a step that starts 0 times does nothing";
        return Some(Problem::error(
            path.key("times"),
            message,
            "write at least 1",
        ));
    }
    let endless = step.times.is_none() && plan.duration.is_none();
    endless.then(|| {
        let help = "add `times`, or give the plan a `duration`";
        let message = "nothing says when it has started often enough";
        Problem::error(path.key("every"), message, help).relying_on([Path::from("duration")])
    })
}

/// A step that waits for something has no time of its own, so the plan must say when to stop.
fn waits(plan: &Plan, one: &Placed<'_>) -> Option<Problem> {
    let starts = matches!(one.start, Start::At(_));
    let ends = one.fault.is_instant()
        || !one.fault.ends_by_itself()
        || one.fault.inner().own_length().is_some();
    let known = starts && ends;
    (!known && !one.heals && plan.duration.is_none()).then(|| {
        let message =
            "when this step starts or ends only the run shows, so nothing says when all is over";
        let help = "give the plan a `duration`, like `duration: 60s`";
        Problem::error(one.path.clone(), message, help).relying_on([Path::from("duration")])
    })
}

fn beyond_the_end(plan: &Plan, one: &Placed<'_>) -> Option<Problem> {
    let Start::At(at_us) = one.start else {
        return None;
    };
    let at = Span(Duration::from_micros(at_us));
    let path = &one.path;
    let Some(duration) = plan.duration.filter(|_| !one.heals) else {
        return ends_too_late(at, one.lasts, path);
    };
    let relies_on = [path.key("at"), Path::from("duration")];
    if at >= duration {
        let message = format!("the step starts at {at}, when the timeline is over");
        let help = format!("`duration` is {duration}: start earlier, or make it longer");
        return Some(Problem::error(path.key("at"), message, help).relying_on(relies_on));
    }
    let end = at.0.saturating_add(one.lasts?.0);
    let message = format!("the step would end after the timeline, which is over at {duration}");
    let help = "it ends with the timeline; make `duration` longer to see what comes after it";
    let warning = || Problem::warning(path.key("for"), message, help).relying_on(relies_on);
    (end > duration.0).then(warning)
}

fn ids(placed: &[Placed<'_>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut first: HashMap<&str, usize> = HashMap::new();
    // Generated names first: a clash with one is the given name's fault.
    let (given, generated): (Vec<_>, Vec<_>) = placed
        .iter()
        .enumerate()
        .partition(|(_, one)| one.step.id.is_some());
    for (number, one) in generated.into_iter().chain(given) {
        let at_id = one.path.key("id");
        if let Some(other) = first.get(one.name.as_str()) {
            let message = format!("step {} is called `{}` too", other + 1, one.name);
            let help = "give each step an id of its own; without one it is called `KIND-NUMBER`";
            let other = &placed[*other].path;
            let relies_on = [other.key("id"), other.key("fault")];
            problems.push(Problem::error(at_id, message, help).relying_on(relies_on));
        } else if one.step.id.is_some() && one.repetition == 0 {
            problems.extend(step_name(&one.name, at_id));
        }
        first.entry(&one.name).or_insert(number);
    }
    problems
}

/// Steps that do the same to the same targets at the same time.
fn overlaps(placed: &[Placed<'_>]) -> Vec<Problem> {
    let window = |one: &Placed<'_>| {
        let Start::At(start_us) = one.start else {
            return None;
        };
        let instant = one.fault.is_instant().then_some(Duration::from_micros(1));
        let lasts = instant
            .or(one.lasts.map(|lasts| lasts.0))
            .unwrap_or(Duration::MAX);
        let start = Duration::from_micros(start_us);
        Some((start, start.saturating_add(lasts)))
    };
    let overlap = |one: &Placed<'_>, other: &Placed<'_>| {
        let (Some((start, end)), Some((other_start, other_end))) = (window(one), window(other))
        else {
            return false;
        };
        start < other_end && other_start < end && one.heals == other.heals
    };
    let same = |one: &Placed<'_>, other: &Placed<'_>| {
        let (step, other_step) = (one.step, other.step);
        one.fault == other.fault
            && step.targets == other_step.targets
            && step.links == other_step.links
            && (step.port, step.protocol) == (other_step.port, other_step.protocol)
            && overlap(one, other)
    };
    let twin = |number: usize| {
        placed[..number]
            .iter()
            .position(|one| same(one, &placed[number]))
    };
    (0..placed.len())
        .filter_map(|number| Some((number, twin(number)?)))
        .map(|(number, twin)| {
            let one = &placed[number];
            let kind = one.fault.inner().kind();
            let message = format!(
                "this `{kind}` overlaps with the same one of step {}",
                twin + 1
            );
            let help = "the two act as one while both are active; make it one step, or move one";
            Problem::warning(one.path.key("at"), message, help)
                .relying_on([one.path.clone(), placed[twin].path.clone()])
        })
        .collect()
}
