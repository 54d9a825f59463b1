//! The form of a step: which of its keys go together.
//!
//! A step is a fault or a group, is aimed at hosts or at links, and starts at a time or on a
//! condition. The types allow every mixture, so that a mistake keeps its place; this says no.

use super::path::Path;
use super::placed::DEPTH_MAX;
use super::problem::Problem;
use super::spec::{Plan, Protocol, Step};
use crate::fault::{FaultSpec, Shape};

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// In the timeline.
    Timeline,
    /// In a group.
    Group,
}

/// All problems of the forms of a plan's steps.
#[must_use]
pub fn check(plan: &Plan) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, step) in plan.timeline.iter().enumerate() {
        let path = Path::from("timeline").item(number);
        item(step, &path, Within::Timeline, 0, &mut problems);
    }
    problems
}

fn item(step: &Step, path: &Path, within: Within, depth: usize, problems: &mut Vec<Problem>) {
    if depth > DEPTH_MAX {
        let help = format!("groups may stand in groups {DEPTH_MAX} deep");
        problems.push(Problem::error(
            path.clone(),
            "too many groups in groups",
            help,
        ));
        return;
    }
    let kinds = [
        step.fault.is_some(),
        !step.sequence.is_empty(),
        !step.parallel.is_empty(),
    ];
    match kinds.iter().filter(|given| **given).count() {
        0 => {
            let help = "add `fault`: what happens, like `kill` or `{latency: {mean: 20ms}}`, or \
                        give `sequence` or `parallel` with steps";
            problems.push(missing(path, "fault", help));
        }
        1 => {}
        _ => {
            let help = "write one step for each, or one of them as a step of the other";
            let message = "a step is one of `fault`, `sequence` and `parallel`, not several";
            problems.push(Problem::error(path.clone(), message, help));
        }
    }
    problems.extend(start(step, path, within));
    match &step.fault {
        Some(fault) => problems.extend(aim(step, fault, path)),
        None => problems.extend(group(step, path)),
    }
    for (key, members) in [("sequence", &step.sequence), ("parallel", &step.parallel)] {
        for (number, member) in members.iter().enumerate() {
            let path = path.key(key).item(number);
            item(member, &path, Within::Group, depth + 1, problems);
        }
    }
    problems.extend(endless(step, path));
}

/// The problem with a key that a step cannot do without.
fn missing(path: &Path, key: &str, help: &str) -> Problem {
    let message = format!("the key `{key}` is missing here");
    Problem::error(path.clone(), message, help).relying_on([path.key(key)])
}

/// What says when it starts.
fn start(step: &Step, path: &Path, within: Within) -> Vec<Problem> {
    let mut problems = Vec::new();
    if step.at.is_none() && step.when.is_none() && within == Within::Timeline {
        let help = "add `at`: a duration with its unit, like `300ms` or `10s`";
        problems.push(missing(path, "at", help));
    }
    let mut forbid = |key: &str, given: bool, message: &str, help: &str| {
        if given {
            problems.push(Problem::error(path.key(key), message, help).on_key());
        }
    };
    forbid(
        "times",
        step.times.is_some() && step.every.is_none(),
        "`times` says how often something starts again, and nothing says after how long",
        "add `every`, like `every: 20s`, or remove `times`",
    );
    forbid(
        "every",
        step.every.is_some() && step.when.is_some(),
        "a step with `when` starts at most once",
        "remove `every`",
    );
    forbid(
        "jitter",
        step.jitter.is_some() && step.when.is_some(),
        "`jitter` moves a time, and this step starts on a condition",
        "remove `jitter`",
    );
    forbid(
        "phase",
        step.phase.is_some() && within == Within::Group,
        "a phase belongs to the whole group",
        "give `phase` to the group",
    );
    forbid(
        "when",
        step.when.is_some() && step.phase.is_some(),
        "the recovery does not wait for a condition",
        "write `at`, counted from the final heal",
    );
    let open = step.lasts.is_none() && step.fault.as_ref().is_some_and(|f| !f.ends_by_itself());
    forbid(
        "phase",
        step.phase.is_some() && open,
        "a fault of the recovery must end before it",
        "add `for`: how long it lasts",
    );
    problems
}

/// Whom and what it is aimed at.
fn aim(step: &Step, fault: &FaultSpec, path: &Path) -> Vec<Problem> {
    let kind = fault.inner().kind();
    let (packets, clients) = (
        fault.inner().is_about_packets(),
        fault.inner().is_about_clients(),
    );
    let mut problems = Vec::new();
    let error = |key: &str, message: String, help: &str| {
        let relies_on = [path.key("fault")];
        Problem::error(path.key(key), message, help)
            .on_key()
            .relying_on(relies_on)
    };
    match (&step.targets, &step.links) {
        (Some(_), Some(_)) => problems.push(error(
            "links",
            "a step is aimed at `targets` or at `links`, not at both".into(),
            "remove one of them",
        )),
        (None, None) if !clients => {
            let help = "add `targets`: a host, a group, a list of them, or one of `{count: 3, of: \
                        nodes}`, `{minority: mirrors}` and the like";
            problems.push(missing(path, "targets", help));
        }
        (Some(_), None) if matches!(fault, FaultSpec::Load(_)) => problems.push(error(
            "targets",
            "`load` is about what all clients do together".into(),
            "remove `targets`",
        )),
        _ => {}
    }
    let of_packets = [
        ("links", step.links.is_some()),
        ("port", step.port.is_some()),
        ("protocol", step.protocol.is_some()),
    ];
    for (key, _) in of_packets.iter().filter(|(_, given)| *given && !packets) {
        let message = format!("`{key}` is for faults of packets, and `{kind}` is none");
        problems.push(error(key, message, "remove it"));
    }
    problems.extend(pairs(step, fault, path));
    if step.port == Some(0) {
        let message = "no packet is from or to port 0".to_owned();
        problems.push(error("port", message, "write 1 to 65535"));
    }
    if step.port.is_some() && step.protocol == Some(Protocol::Icmp) {
        let message = "packets of ICMP have no port".to_owned();
        problems.push(error(
            "port",
            message,
            "remove it, or name another protocol",
        ));
    }
    problems
}

/// Links and the shape of pairs belong together.
fn pairs(step: &Step, fault: &FaultSpec, path: &Path) -> Option<Problem> {
    let FaultSpec::Partition(partition) = fault else {
        return None;
    };
    let shape = path.key("fault").key("partition").key("shape");
    match (partition.shape == Shape::Pairs, step.links.is_some()) {
        (true, false) => {
            let help = "write `links: node-1 <-> node-2` instead of `targets`";
            Some(Problem::error(
                shape,
                "pairs of hosts are named by `links`",
                help,
            ))
        }
        (false, true) => {
            let help = "write `shape: pairs`, or `targets` instead of `links`";
            let message = "with `links` the shape is what they say";
            Some(Problem::error(shape, message, help))
        }
        _ => None,
    }
}

/// What a group cannot have.
fn group(step: &Step, path: &Path) -> Vec<Problem> {
    if step.sequence.is_empty() && step.parallel.is_empty() {
        return vec![];
    }
    let keys = [
        ("for", step.lasts.is_some()),
        ("targets", step.targets.is_some()),
        ("links", step.links.is_some()),
        ("port", step.port.is_some()),
        ("protocol", step.protocol.is_some()),
        ("id", step.id.is_some()),
    ];
    let of_steps = |(key, _): &(&str, bool)| {
        let message = format!("`{key}` belongs to the steps of the group, not to the group");
        Problem::error(path.key(key), message, "give it to the steps").on_key()
    };
    keys.iter()
        .filter(|(_, given)| *given)
        .map(of_steps)
        .collect()
}

/// Steps of a sequence after which the next one would never start.
fn endless(step: &Step, path: &Path) -> Vec<Problem> {
    let members = &step.sequence[..step.sequence.len().saturating_sub(1)];
    let open = |member: &Step| {
        let fault = member.fault.as_ref();
        member.lasts.is_none() && fault.is_some_and(|fault| !fault.ends_by_itself())
    };
    let problem = |number: usize| {
        let help = "add `for`: how long it lasts";
        let message = "this step never ends, so the next one of the sequence never starts";
        let path = path.key("sequence").item(number);
        Problem::error(path.clone(), message, help).relying_on([path.key("fault")])
    };
    (0..members.len())
        .filter(|number| open(&members[*number]))
        .map(problem)
        .collect()
}
