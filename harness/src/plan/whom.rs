//! Whom the steps of the timeline are aimed at, and whether that can do what they say.

use super::aim::Members;
use super::check::{NODES_MAX, node_paths, nodes};
use super::inventory::{self, MIRRORS};
use super::nearest::{did_you_mean, nearest};
use super::path::Path;
use super::placed::Placed;
use super::problem::Problem;
use super::spec::{Plan, Starts};
use super::targets::Targets;
use crate::fault::{Aim, FaultSpec, Partition};
use crate::system::BUGS;
use fabric::HostIndex;

/// All problems of whom the steps are aimed at.
#[must_use]
pub fn check(plan: &Plan, placed: &[&Placed<'_>]) -> Vec<Problem> {
    // With too many nodes there is no telling who is aimed at, and that was said already.
    if nodes(&plan.system) > NODES_MAX {
        return vec![];
    }
    let hosts = inventory::names(&plan.system);
    let members = Members::new(&plan.system, &hosts);
    let mut problems = Vec::new();
    for one in placed {
        problems.extend(targets(plan, one, &members));
        problems.extend(links(plan, one, &members));
        problems.extend(condition(plan, one, &hosts));
        if let FaultSpec::Bug(bug) = one.fault {
            let path = one.path.key("fault").key("bug").key("name");
            problems.extend(unknown_bug(&bug.name, path));
        }
    }
    problems
}

fn targets(plan: &Plan, one: &Placed<'_>, members: &Members<'_>) -> Vec<Problem> {
    let Some(targets) = &one.step.targets else {
        return vec![];
    };
    let path = one.path.key("targets");
    let mut problems = members.check(targets, &path);
    let dynamic = targets.names().contains(&MIRRORS) || !targets.held_names().is_empty();
    if plan.system.mirrors == 0 && dynamic {
        let message = match targets.names().contains(&MIRRORS) {
            true => "the fault aims at `mirrors`, and there are none",
            false => "the fault aims at the mirrors of a name, and there are none",
        };
        let help = "`system.mirrors` is 0, so this part of its targets is nobody";
        let relies_on = [Path::from("system.mirrors")];
        problems.push(Problem::warning(path, message, help).relying_on(relies_on));
        return problems;
    }
    match one.fault {
        FaultSpec::Partition(partition) => {
            problems.extend(one_sided(partition, one, targets, members));
        }
        FaultSpec::Join => problems.extend(nobody_joins(plan, one, targets)),
        _ => {}
    }
    problems
}

/// The problem with a partition that has all hosts on one side.
fn one_sided(
    partition: &Partition,
    one: &Placed<'_>,
    targets: &Targets,
    members: &Members<'_>,
) -> Option<Problem> {
    let all = u16::try_from(members.all()).expect("checked to be at most NODES_MAX and a registry");
    let certain = members.certain(targets)?;
    let index = |at: &usize| HostIndex(u16::try_from(*at).expect("the position of a host"));
    let hosts: Vec<HostIndex> = certain.iter().map(index).collect();
    let cuts_nothing = hosts.is_empty() || partition.cut_links(all, &Aim::at(&hosts)).is_empty();
    let (message, help) = match certain.len() == usize::from(all) {
        true => (
            "the partition cuts nothing: all hosts are on one side",
            "aim at a part of the hosts, or use `shape: isolate` to leave each one alone",
        ),
        false => (
            "the partition cuts nothing: these targets are too few for its shape",
            "aim at three hosts or more, or use `shape: split`",
        ),
    };
    cuts_nothing.then(|| {
        Problem::error(one.path.key("targets"), message, help)
            .relying_on(node_paths().into_iter().chain([one.path.key("fault")]))
    })
}

/// The problem with hosts that are there already.
fn nobody_joins(plan: &Plan, one: &Placed<'_>, targets: &Targets) -> Option<Problem> {
    let late = |name: &&str| {
        plan.system.cohorts.iter().any(|cohort| {
            let of_cohort = name
                .strip_prefix(cohort.name.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
            of_cohort && cohort.starts == Starts::Later
        })
    };
    let names = targets.names();
    let early = names.iter().find(|name| !late(name))?;
    let message = format!("`{early}` is there from the start, so it cannot join");
    let help = "join a cohort with `starts: later`, or hosts of one";
    let relies_on = [Path::from("system.cohorts")];
    Some(Problem::error(one.path.key("targets"), message, help).relying_on(relies_on))
}

fn links(plan: &Plan, one: &Placed<'_>, members: &Members<'_>) -> Vec<Problem> {
    let Some(links) = &one.step.links else {
        return vec![];
    };
    let path = one.path.key("links");
    if links.0.is_empty() {
        let help = "name at least one, like `links: node-1 -> registry`";
        return vec![Problem::error(path, "no link is aimed at", help)];
    }
    let mut problems: Vec<Problem> = links
        .names()
        .into_iter()
        .filter_map(|name| members.unknown(name, path.clone()))
        .collect();
    let loops = |from: &str, to: &str| {
        let side = |name: &str| members.certain(&Targets::Named(name.to_owned()));
        let (Some(from), Some(to)) = (side(from), side(to)) else {
            return false;
        };
        from.len() == 1 && from == to
    };
    if let Some(same) = links.0.iter().find(|one| loops(&one.from, &one.to)) {
        let message = format!("`{same}` leads from a host to itself");
        let help = "no packet of a host to itself passes the network; name two hosts";
        problems.push(Problem::error(path.clone(), message, help));
    }
    let silent = |side: &str| side != "registry" && side != "all";
    let quiet = links
        .0
        .iter()
        .find(|one| silent(&one.from) && silent(&one.to));
    if let Some(quiet) = quiet.filter(|_| plan.system.mirrors == 0) {
        let message = format!("nothing passes over `{quiet}`: without mirrors nodes do not talk");
        let help = "`system.mirrors` is 0, so every packet is from or to the registry; a fault \
                    without traffic has no evidence";
        let relies_on = [Path::from("system.mirrors")];
        problems.push(Problem::warning(path, message, help).relying_on(relies_on));
    }
    problems
}

/// The problems with the condition that a step waits for.
fn condition(plan: &Plan, one: &Placed<'_>, hosts: &[(String, Option<String>)]) -> Vec<Problem> {
    let Some(when) = &one.step.when else {
        return vec![];
    };
    let path = one.path.key("when");
    let mut problems = Vec::new();
    let mut error = |path: Path, message: String, help: &str| {
        problems.push(Problem::error(path, message, help));
    };
    if when.availability.given().next().is_none() && when.host.is_none() && when.state.is_none() {
        let help = "write for example `{availability: {resolve: \"< 95%\"}}` or `{host: node-3, \
                    state: ready}`";
        error(path.clone(), "nothing is waited for".into(), help);
    }
    match (&when.host, when.state) {
        (Some(_), None) => {
            let help = "add `state: ready`, `down` or `paused`";
            error(
                path.key("host"),
                "which state of the host is meant?".into(),
                help,
            );
        }
        (None, Some(_)) => {
            let help = "add `host`, like `host: node-3`";
            error(path.key("state"), "whose state is meant?".into(), help);
        }
        (Some(host), Some(_)) if !hosts.iter().any(|(name, _)| name == host) => {
            let names = hosts.iter().map(|(name, _)| name.as_str());
            let help = match nearest(host, names) {
                Some(near) => format!("did you mean `{near}`? a condition is about one host"),
                None => "a condition is about one host, like `node-3` or `registry`".to_owned(),
            };
            let message = format!("there is no host `{}`", host.escape_debug());
            let problem = Problem::error(path.key("host"), message, help);
            problems.push(problem.relying_on(node_paths()));
        }
        _ => {}
    }
    if when.over.0.is_zero() {
        let help = "write how long the moments are that count, like `over: 3s`";
        problems.push(Problem::error(
            path.key("over"),
            "no operation ends within 0s",
            help,
        ));
    }
    let rates = &plan.workload.rates;
    let rate_of = |kind: &str| match kind {
        "register" => rates.register,
        "resolve" => rates.resolve,
        _ => rates.update,
    };
    for (kind, _) in when.availability.given() {
        if rate_of(kind).hertz() == 0.0 {
            let message = format!("this waits for the availability of `{kind}`, and none happens");
            let rate = Path::from("workload.rates").key(kind);
            let help = format!("give `{rate}` a rate, like `5/s`");
            let path = path.key("availability").key(kind);
            problems.push(Problem::warning(path, message, help).relying_on([rate]));
        }
    }
    problems
}

/// The problem with a bug that the system does not have.
pub fn unknown_bug(name: &str, path: Path) -> Option<Problem> {
    if BUGS.contains(&name) {
        return None;
    }
    let rest = format!("the system has {}", BUGS.join(", "));
    let help = did_you_mean(name, BUGS.iter().copied(), &rest);
    let message = format!("the system has no bug `{}`", name.escape_debug());
    Some(Problem::error(path, message, help))
}
