//! What a plan means, key by key: names, the system, the network, the workload.
//!
//! The timeline, the lengths of time, expectations, labels and controls have files of their own.
//! Nothing here knows of lines and columns, and nothing stops at the first problem.

use super::inventory::{self, GROUPS, MIRRORS};
use super::limits::{Bytes, Limits};
use super::network::Network;
use super::path::Path;
use super::problem::Problem;
use super::spec::{Cohort, Plan, Popularity, Starts, System, Workload};
use super::whom::unknown_bug;
use super::{aim, control, expectations, labels, spans, timeline};

/// The most nodes of a plan, cohorts included.
pub const NODES_MAX: u32 = 1_000;
/// The longest name of a plan or a step; it becomes the name of a folder.
const NAME_MAX: usize = 64;
/// The least and the most processors of a host.
const CPUS_MIN: f64 = 0.01;
const CPUS_MAX: f64 = 256.0;
/// The longest name of a cohort; hosts are named after it, and their sockets' paths are short.
const COHORT_NAME_MAX: usize = 32;

/// All problems of a plan.
#[must_use]
pub fn check(plan: &Plan) -> Vec<Problem> {
    [
        name(&plan.name, Path::from("name"), NAME_MAX)
            .into_iter()
            .collect(),
        question(&plan.question),
        system(&plan.system),
        network(&plan.network),
        workload(&plan.workload, &plan.system),
        spans::check(plan),
        expectations::check(plan),
        labels::check(&plan.system),
        control::check(plan),
        timeline::check(plan),
    ]
    .concat()
}

/// The paths that say which nodes there are.
pub fn node_paths() -> [Path; 2] {
    [Path::from("system.nodes"), Path::from("system.cohorts")]
}

/// The number of nodes, cohorts included.
#[must_use]
pub fn nodes(system: &System) -> u32 {
    let of_cohorts = system.cohorts.iter().map(|cohort| u32::from(cohort.count));
    of_cohorts.fold(u32::from(system.nodes), u32::saturating_add)
}

/// The problem with a name that becomes the name of a folder.
pub fn step_name(text: &str, path: Path) -> Option<Problem> {
    name(text, path, NAME_MAX)
}

fn name(text: &str, path: Path, longest: usize) -> Option<Problem> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let valid = text.starts_with(good)
        && text.len() <= longest
        && text
            .chars()
            .all(|c| good(c) || matches!(c, '.' | '_' | '-'));
    let message = match text {
        "" => "the name is empty".to_owned(),
        _ => format!("`{}` cannot be the name of a folder", text.escape_debug()),
    };
    let help = format!(
        "use 1 to {longest} of `a-z`, `0-9`, `.`, `_`, `-`, starting with a letter or a digit"
    );
    (!valid).then(|| Problem::error(path, message, help))
}

fn question(question: &str) -> Vec<Problem> {
    let help = "say in one sentence what a run of this plan answers; reports open with it";
    let empty = question.trim().is_empty();
    let problem = || Problem::error(Path::from("question"), "the question is empty", help);
    empty.then(problem).into_iter().collect()
}

fn system(system: &System) -> Vec<Problem> {
    let mut problems = Vec::new();
    if system.registry != 1 {
        problems.push(Problem::error(
            Path::from("system.registry"),
            format!("{} registries are not supported", system.registry),
            "for now there is exactly one: write `registry: 1`, or leave it out",
        ));
    }
    problems.extend(node_count(system));
    for (position, cohort) in system.cohorts.iter().enumerate() {
        problems.extend(one_cohort(system, position, cohort));
    }
    problems.extend(nobody_at_first(system));
    problems.extend(mirrors(system));
    problems.extend(limits(&system.limits));
    if nodes(system) <= NODES_MAX {
        problems.extend(bugs(system));
    }
    problems
}

fn limits(limits: &Limits) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(memory) = limits.memory.filter(|memory| *memory < memory_min()) {
        let message = format!("{memory} of memory are too little for a process to start");
        let help = format!("give at least `{}`", memory_min());
        problems.push(Problem::error(
            Path::from("system.limits.memory"),
            message,
            help,
        ));
    }
    if let Some(cpus) = limits
        .cpus
        .filter(|cpus| !(CPUS_MIN..=CPUS_MAX).contains(&cpus.0))
    {
        let message = format!("a host cannot have {} processors", cpus.0);
        let help = format!("give {CPUS_MIN} to {CPUS_MAX}, for example `0.5` for half of one");
        problems.push(Problem::error(
            Path::from("system.limits.cpus"),
            message,
            help,
        ));
    }
    problems
}

/// The least memory that the engine gives a container.
fn memory_min() -> Bytes {
    "6MiB".parse().expect("a size")
}

fn node_count(system: &System) -> Option<Problem> {
    let problem = |message: String, help: &str| {
        Some(Problem::error(Path::from("system.nodes"), message, help).relying_on(node_paths()))
    };
    match nodes(system) {
        0 => problem(
            "the system has no nodes".into(),
            "write for example `nodes: 24`, or give `cohorts`",
        ),
        all if all > NODES_MAX => problem(
            format!("{all} nodes are too many"),
            "a plan may have 1000 nodes, cohorts included",
        ),
        _ => None,
    }
}

fn one_cohort(system: &System, position: usize, cohort: &Cohort) -> Vec<Problem> {
    let path = Path::from("system.cohorts").item(position);
    let at_name = path.key("name");
    let mut problems: Vec<Problem> = name(&cohort.name, at_name.clone(), COHORT_NAME_MAX)
        .into_iter()
        .collect();
    let clash = |with: String| {
        let message = format!("a cohort cannot be named `{}`: {with}", cohort.name);
        let relies_on = [Path::from("system.cohorts"), Path::from("system.nodes")];
        Problem::error(at_name.clone(), message, "choose another name").relying_on(relies_on)
    };
    let named = cohort.name.as_str();
    let earlier = system.cohorts[..position]
        .iter()
        .any(|one| one.name == named);
    if GROUPS.contains(&named) || named == "node" {
        problems.push(clash(
            "it is the name of a built-in group or of its hosts".into(),
        ));
    } else if earlier {
        problems.push(clash("another cohort has that name".into()));
    } else if is_host(system, named) {
        problems.push(clash("a host has that name".into()));
    }
    if cohort.count == 0 {
        let help = "write at least `count: 1`, or remove the cohort";
        problems.push(Problem::error(
            path.key("count"),
            "the cohort has no nodes",
            help,
        ));
    }
    problems
}

/// True when the name is that of a host: its group's name and a number.
fn is_host(system: &System, name: &str) -> bool {
    let Some((group, number)) = name.rsplit_once('-') else {
        return false;
    };
    let size = match group {
        "node" => system.nodes,
        _ => system
            .cohorts
            .iter()
            .find(|one| one.name == group)
            .map_or(0, |one| one.count),
    };
    (1..=size).contains(&number.parse().unwrap_or(0))
}

/// The problem with a system whose nodes all join later.
fn nobody_at_first(system: &System) -> Option<Problem> {
    let late = system
        .cohorts
        .iter()
        .filter(|one| one.starts == Starts::Later);
    let late: u32 = late.map(|one| u32::from(one.count)).sum();
    (late > 0 && late == nodes(system)).then(|| {
        let help = "write for example `nodes: 9`: those that are there from the start";
        let message = "no node is there from the start";
        Problem::error(Path::from("system"), message, help).relying_on(node_paths())
    })
}

fn mirrors(system: &System) -> Vec<Problem> {
    let System {
        mirrors, replicas, ..
    } = *system;
    let mut problems = Vec::new();
    let all = nodes(system);
    if u32::from(mirrors) > all && all > 0 {
        let message = format!("`mirrors` is {mirrors}, but there are only {all} nodes");
        let help = format!("mirrors are nodes: write `mirrors: {all}` or less");
        let path = Path::from("system.mirrors");
        problems.push(Problem::error(path, message, help).relying_on(node_paths()));
    }
    let path = Path::from("system.replicas");
    let relies_on = || [Path::from("system.mirrors")];
    if mirrors > 0 && replicas == 0 {
        let help = "write at least `replicas: 1`, or `mirrors: 0` for a registry on its own";
        problems.push(Problem::error(path, "no mirror would hold a name", help));
    } else if mirrors > 0 && replicas > mirrors {
        let message = format!("`replicas` is {replicas}, but there are only {mirrors} mirrors");
        let help = format!("write `replicas: {mirrors}` or less");
        problems.push(Problem::error(path, message, help).relying_on(relies_on()));
    }
    problems
}

fn bugs(system: &System) -> Vec<Problem> {
    let names = inventory::names(system);
    let members = aim::Members::new(system, &names);
    let mut problems = Vec::new();
    let of_cohorts = system
        .cohorts
        .iter()
        .enumerate()
        .flat_map(|(position, cohort)| {
            let path = Path::from("system.cohorts").item(position).key("bugs");
            named(&cohort.bugs, &path)
        });
    problems.extend(of_cohorts);
    for (name, bugs) in &system.bugs {
        let path = Path::from("system.bugs").key(name);
        problems.extend(named(bugs, &path));
        if name == MIRRORS {
            let message = "who is a mirror is not known when the bugs are planted";
            let help = "name a cohort or hosts instead";
            problems.push(Problem::error(path, message, help).on_key());
        } else if let Some(problem) = members.unknown(name, path) {
            problems.push(problem.on_key());
        }
    }
    problems
}

/// The problems with the names of bugs, one by one.
fn named(bugs: &[String], path: &Path) -> Vec<Problem> {
    let problem = |(number, name): (usize, &String)| unknown_bug(name, path.item(number));
    bugs.iter().enumerate().filter_map(problem).collect()
}

fn network(network: &Network) -> Vec<Problem> {
    let latency = network.latency.unwrap_or_default();
    if network.profile.is_some() && network.latency.is_none() && network.jitter.is_some() {
        let message = "`jitter` without `latency` would replace the latency of the profile";
        let help = "write the `latency` too, or remove `jitter`";
        return vec![Problem::error(Path::from("network.jitter"), message, help)];
    }
    let jitter = network.jitter.unwrap_or_default();
    let problem = || {
        let message = format!("`jitter` is {jitter}, more than the `latency` of {latency}");
        let help = "delays cannot be negative: make `jitter` at most `latency`";
        Problem::error(Path::from("network.jitter"), message, help)
            .relying_on([Path::from("network.latency")])
    };
    (jitter > latency).then(problem).into_iter().collect()
}

fn workload(workload: &Workload, system: &System) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut error = |path: &str, message: String, help: &str, relies_on: Vec<Path>| {
        problems.push(Problem::error(Path::from(path), message, help).relying_on(relies_on));
    };
    let rates = &workload.rates;
    if [rates.register, rates.resolve, rates.update]
        .iter()
        .all(|rate| rate.hertz() == 0.0)
    {
        let help = "give at least one of `register`, `resolve`, `update`, like `resolve: 50/s`";
        error(
            "workload.rates",
            "all rates are zero: nothing would happen".into(),
            help,
            vec![],
        );
    }
    if let Popularity::Zipf(s) = workload.popularity
        && !(s.is_finite() && s >= 0.0)
    {
        let help = "write 0 or more, like `zipf: 1.0`; 0 is uniform";
        error(
            "workload.popularity.zipf",
            format!("{s} is not a Zipf exponent"),
            help,
            vec![],
        );
    }
    if workload.deadline.0.is_zero() {
        let help = "write how late an answer may be, like `deadline: 2s`";
        error(
            "workload.deadline",
            "no answer can come within 0s".into(),
            help,
            vec![],
        );
    }
    let contended = workload.contention.fraction() > 0.0 && rates.register.hertz() > 0.0;
    if contended && nodes(system) == 1 {
        let message = "two clients cannot register at once: there is one node".to_owned();
        let help = "write `contention: 0%`, or give the system more nodes";
        let relies_on = [Path::from("workload.rates")]
            .into_iter()
            .chain(node_paths());
        error("workload.contention", message, help, relies_on.collect());
    }
    problems
}
