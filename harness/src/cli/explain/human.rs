//! A schedule as text for a person: hosts, network, workload, timeline, expectations.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use crate::history::OperationKind;
use crate::host::{HostId, HostInfo};
use crate::plan::{Availability, Expect, LatencyBound, Network, Plan, Popularity, Quantiles};
use crate::plan::{Share, Span};
use crate::report::words::{count, counted};
use crate::schedule::{Edge, EdgeKind, Fault, Schedule};

/// Lines of names are wrapped at this many columns.
const WIDTH: usize = 100;
/// Before what belongs to the line above it in the timeline.
const INDENT: &str = "            ";

/// Renders the whole explanation.
pub fn render(plan: &Plan, schedule: &Schedule) -> String {
    let sections = [
        format!("{}, seed {}\n{}\n", plan.name, schedule.seed, plan.question),
        hosts(plan, schedule),
        network(&plan.network),
        workload(plan, schedule),
        timeline(plan, schedule),
        expectations(&plan.expect),
    ];
    sections.join("\n")
}

fn hosts(plan: &Plan, schedule: &Schedule) -> String {
    let all: Vec<&HostInfo> = schedule.hosts.iter().map(|(_, host)| host).collect();
    let mut text = format!("{}\n", counted(all.len() as u64, "host"));
    for group in all.chunk_by(|one, other| one.groups == other.groups) {
        let (first, last) = (group[0], group[group.len() - 1]);
        let (names, addresses) = match group.len() {
            1 => (first.id.to_string(), first.address.to_string()),
            _ => (
                format!("{} to {}", first.id, last.id),
                format!("{} to {}", first.address, last.address),
            ),
        };
        let _ = writeln!(text, "  {names:<24} {addresses}");
    }
    let system = &plan.system;
    text.push_str(&match system.mirrors {
        0 => "  no mirrors: the registry is on its own\n".to_owned(),
        mirrors => format!(
            "  the system makes {mirrors} of the nodes its mirrors; each name is held by {}\n",
            system.replicas.min(mirrors)
        ),
    });
    let of_groups = system.bugs.iter();
    let of_cohorts = system.cohorts.iter().map(|one| (&one.name, &one.bugs));
    for (whom, bugs) in of_groups.chain(of_cohorts) {
        if !bugs.is_empty() {
            let _ = writeln!(text, "  bugs planted in {whom}: {}", bugs.join(", "));
        }
    }
    text
}

fn network(network: &Network) -> String {
    let latency = match (network.latency, network.jitter) {
        (None, _) if network.profile.is_some() => String::new(),
        (None, _) => "no added latency".to_owned(),
        (Some(mean), None) => format!("{mean} one-way"),
        (Some(mean), Some(jitter)) => format!("{mean} ± {jitter} one-way"),
    };
    let loss = network.loss.map(|loss| format!("{loss} loss"));
    let bandwidth = network.bandwidth.map(|rate| rate.to_string());
    let profile = network.profile.map(|one| format!("profile {}", one.word()));
    let parts: Vec<String> = [profile, Some(latency), loss, bandwidth]
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    format!("Every link before any fault\n  {}\n", parts.join(", "))
}

fn workload(plan: &Plan, schedule: &Schedule) -> String {
    let workload = &plan.workload;
    let popularity = match workload.popularity {
        Popularity::Uniform => "every name is resolved equally often".to_owned(),
        Popularity::Zipf(exponent) => format!("popularity is Zipf with exponent {exponent}"),
    };
    let all: u64 = schedule.operations.values().sum();
    let rates = [
        (OperationKind::Register, workload.rates.register),
        (OperationKind::Resolve, workload.rates.resolve),
        (OperationKind::Update, workload.rates.update),
    ];
    let mut text = format!("{} arrive within the timeline\n", counted(all, "operation"));
    for (kind, rate) in rates {
        let number = schedule.operations.get(&kind).copied().unwrap_or_default();
        let (rate, number) = (rate.to_string(), count(number));
        let _ = writeln!(text, "  {:<10} {rate:>8} {number:>9}", kind.word());
    }
    let _ = writeln!(
        text,
        "  {} registered before the clock starts; {popularity}\n  \
         {} of registrations are attempted by two clients at once; deadline {}",
        counted(u64::from(workload.names), "name"),
        workload.contention,
        workload.deadline
    );
    text
}

fn timeline(plan: &Plan, schedule: &Schedule) -> String {
    let mut text = format!("Timeline of {}\n", time(schedule.timeline_us));
    if schedule.edges.is_empty() {
        text.push_str("  no faults\n");
    }
    let heals = |edge: &&Edge| schedule.faults[edge.fault].heals;
    for edge in schedule.edges.iter().filter(|edge| !heals(edge)) {
        let _ = writeln!(
            text,
            "  {:>8}  {}",
            time(edge.at_us),
            edge_line(schedule, *edge)
        );
    }
    for fault in &schedule.faults {
        if let Some(rule) = fault.rule_words(&schedule.faults) {
            let lasts = match fault.lasts_us {
                Some(lasts_us) => format!(", for {}", time(lasts_us)),
                None => String::new(),
            };
            let _ = writeln!(
                text,
                "  {:>8}  {} starts {rule}: {}{lasts}\n{INDENT}{}",
                "?",
                fault.id,
                fault.fault,
                whom(fault)
            );
        }
    }
    let _ = writeln!(
        text,
        "  {:>8}  everything heals; then at most {} to settle",
        time(schedule.timeline_us),
        plan.settle
    );
    for edge in schedule.edges.iter().filter(heals) {
        let after = format!("+{}", time(edge.at_us));
        let _ = writeln!(text, "  {after:>8}  {}", edge_line(schedule, *edge));
    }
    text
}

/// What happens at an edge; a start says to whom, and until when.
fn edge_line(schedule: &Schedule, edge: Edge) -> String {
    let fault = &schedule.faults[edge.fault];
    if edge.edge == EdgeKind::Stop {
        return format!("{} stops", fault.id);
    }
    let is_its_stop = |one: &&Edge| one.fault == edge.fault && one.edge == EdgeKind::Stop;
    let lasts = match schedule.edges.iter().find(is_its_stop) {
        Some(stop) => format!(", for {}", time(stop.at_us - edge.at_us)),
        None if fault.fault.is_instant() => String::new(),
        None if fault.fault.ends_by_itself() => ", until it is done".to_owned(),
        None => ", until everything heals".to_owned(),
    };
    let turns = match fault.turns.len() {
        0 => String::new(),
        turns => format!("; {} in `--format json`", counted(turns as u64, "turn")),
    };
    format!(
        "{} starts: {}{lasts}{turns}\n{INDENT}{}",
        fault.id,
        fault.fault,
        whom(fault)
    )
}

/// Whom a fault hits.
fn whom(fault: &Fault) -> String {
    match (&fault.targets, fault.aim_words()) {
        (None, aimed_at) => format!("on {aimed_at}: drawn when it fires"),
        (Some(_), aimed_at) if fault.aimed_at.is_none() => format!("on {aimed_at}"),
        (Some(hosts), aimed_at) if hosts.len() == 1 && hosts[0].0 == aimed_at => {
            format!("on {aimed_at}")
        }
        (Some(hosts), aimed_at) => format!("on {aimed_at}:{}", names(hosts)),
    }
}

/// The names, each line as long as a line may be.
fn names(hosts: &[HostId]) -> String {
    if hosts.is_empty() {
        return " nobody".to_owned();
    }
    let mut text = String::new();
    let mut columns = usize::MAX;
    for (position, host) in hosts.iter().enumerate() {
        let comma = if position + 1 < hosts.len() { "," } else { "" };
        let word = format!(" {host}{comma}");
        if columns.saturating_add(word.chars().count()) > WIDTH {
            let _ = write!(text, "\n{INDENT} ");
            columns = INDENT.len() + 1;
        }
        columns += word.chars().count();
        text.push_str(&word);
    }
    text
}

fn expectations(expect: &Expect) -> String {
    let mut text =
        "Expected, besides what always must hold (no acknowledged write lost, one owner \
                    a name)\n"
            .to_owned();
    let mut line = |what: &str, bounds: Vec<String>| {
        if !bounds.is_empty() {
            let _ = writeln!(text, "  {what:<17} {}", bounds.join(", "));
        }
    };
    line("availability", shares(&expect.availability));
    line("raw availability", shares(&expect.availability_raw));
    line("latency", latencies(&expect.latency));
    let recovery = expect
        .recovery
        .map(|most| format!("≤ {most} after each fault"));
    line("recovery", recovery.into_iter().collect());
    let spread = expect.load.spread;
    let spread = spread.map(|most| format!("of a mirror ≤ {most} times the mirrors' mean"));
    line("load", spread.into_iter().collect());
    if *expect == Expect::default() {
        text.push_str("  nothing else\n");
    }
    text
}

fn shares(bounds: &Availability) -> Vec<String> {
    let bound = |kind: &str, share: Option<Share>| share.map(|least| format!("{kind} ≥ {least}"));
    [
        bound("register", bounds.register),
        bound("resolve", bounds.resolve),
        bound("update", bounds.update),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn latencies(bounds: &LatencyBound) -> Vec<String> {
    let of_kind = |kind: &'static str, quantiles: &Quantiles| {
        [
            ("p50", quantiles.p50),
            ("p90", quantiles.p90),
            ("p99", quantiles.p99),
        ]
        .into_iter()
        .filter_map(move |(name, most): (&str, Option<Span>)| {
            Some(format!("{kind} {name} ≤ {}", most?))
        })
        .collect::<Vec<_>>()
    };
    [
        of_kind("register", &bounds.register),
        of_kind("resolve", &bounds.resolve),
        of_kind("update", &bounds.update),
    ]
    .concat()
}

/// A moment or a length of the timeline.
fn time(us: u64) -> impl Display {
    Span(Duration::from_micros(us)).to_string()
}
