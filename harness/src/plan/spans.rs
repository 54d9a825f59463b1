//! How long the times of a plan may be: nothing that a run must wait for is without a bound, and
//! nothing is promised that the fabric does not carry out.
//!
//! A link holds no packet back for longer than an hour: what is drawn beyond that is cut to it.
//! A plan with a longer latency would not measure what it says.

use std::time::Duration;

use fabric::policy::LATENCY_US_MAX;

use super::network::Network;
use super::path::Path;
use super::placed::Placed;
use super::problem::Problem;
use super::spec::{LatencyBound, Plan};
use super::units::Span;
use crate::fault::FaultSpec;

/// The longest time that a plan may give for anything.
const SPAN_HOURS_MAX: u64 = 24;

/// The same as a length of time.
const SPAN_MAX: Span = Span(Duration::from_secs(SPAN_HOURS_MAX * 3600));

/// The shortest life of a record that nodes take.
const RECORD_LIFE_MIN: Span = Span(Duration::from_secs(2));

/// The longest that a link holds a packet back.
const DELAY_MAX: Span = Span(Duration::from_micros(LATENCY_US_MAX));

/// Every length of time of the plan, without those of its steps.
pub fn check(plan: &Plan) -> Vec<Problem> {
    let all = [
        ("duration", plan.duration),
        ("settle", Some(plan.settle)),
        ("workload.deadline", Some(plan.workload.deadline)),
        ("expect.recovery", plan.expect.recovery),
        ("system.record_life", plan.system.record_life),
    ];
    let mut problems: Vec<Problem> = all
        .into_iter()
        .filter_map(|(path, span)| too_long(Path::from(path), span))
        .collect();
    if plan.duration.is_some_and(|duration| duration.0.is_zero()) {
        let help = "write how long the timeline is, or leave `duration` out";
        problems.push(Problem::error(
            Path::from("duration"),
            "the timeline has no length",
            help,
        ));
    }
    problems.extend(too_short_lived(plan.system.record_life));
    problems.extend(network(&plan.network));
    problems.extend(latency_bounds(&plan.expect.latency));
    problems
}

/// The problem with a length of time beyond the limit.
pub fn too_long(path: Path, span: Option<Span>) -> Option<Problem> {
    let span = span.filter(|span| *span > SPAN_MAX)?;
    let help = format!("no time in a plan may be longer than {SPAN_HOURS_MAX}h");
    Some(Problem::error(path, format!("{span} is too long"), help))
}

/// The problem with records that expire before they could be renewed.
fn too_short_lived(life: Option<Span>) -> Option<Problem> {
    let life = life.filter(|life| *life < RECORD_LIFE_MIN)?;
    let message = format!("records that live for {life} expire before they can be renewed");
    let help = format!("give them at least {RECORD_LIFE_MIN}, like `record_life: 30s`");
    Some(Problem::error(
        Path::from("system.record_life"),
        message,
        help,
    ))
}

/// The problem with a step that lasts for so long that the timeline is beyond the limit, although
/// each of its times is not.
pub fn ends_too_late(at: Span, lasts: Option<Span>, path: &Path) -> Option<Problem> {
    let lasts = lasts.filter(|lasts| *lasts <= SPAN_MAX).unwrap_or_default();
    let end = Span(at.0.saturating_add(lasts.0));
    let key = if at <= SPAN_MAX { "for" } else { "at" };
    (end > SPAN_MAX && (at <= SPAN_MAX || path.0.len() > 2)).then(|| {
        let message = format!("the step would end at {end}, and the timeline after it");
        let help =
            format!("no timeline may be longer than {SPAN_HOURS_MAX}h: end the step earlier");
        Problem::error(path.key(key), message, help).relying_on([path.key("at")])
    })
}

/// The problem with a delay beyond what a link can do.
fn too_slow(path: Path, delay: Option<Span>) -> Option<Problem> {
    let delay = delay.filter(|delay| *delay > DELAY_MAX)?;
    let message = format!("{delay} is too long: a link delays a packet by at most {DELAY_MAX}");
    let help = format!("write `{DELAY_MAX}` or less; to stop all packets use a partition");
    Some(Problem::error(path, message, help))
}

fn network(network: &Network) -> impl Iterator<Item = Problem> {
    let path = Path::from("network");
    let latency = too_slow(path.key("latency"), network.latency);
    let jitter = too_slow(path.key("jitter"), network.jitter);
    latency.into_iter().chain(jitter)
}

/// The problems with the delays of a fault.
pub fn delays(one: &Placed<'_>) -> Vec<Problem> {
    let path = one.path.key("fault");
    let delays = match one.fault {
        FaultSpec::Latency(latency) => {
            let path = path.key("latency");
            vec![
                too_slow(path.key("mean"), Some(latency.mean)),
                too_slow(path.key("jitter"), latency.jitter),
            ]
        }
        FaultSpec::Reorder(reorder) => {
            vec![too_slow(
                path.key("reorder").key("late"),
                Some(reorder.late),
            )]
        }
        _ => vec![],
    };
    delays.into_iter().flatten().collect()
}

fn latency_bounds(latency: &LatencyBound) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (kind, bounds) in [
        ("register", &latency.register),
        ("resolve", &latency.resolve),
        ("update", &latency.update),
    ] {
        let path = Path::from("expect.latency").key(kind);
        problems.extend(too_long(path.key("p50"), bounds.p50));
        problems.extend(too_long(path.key("p90"), bounds.p90));
        problems.extend(too_long(path.key("p99"), bounds.p99));
    }
    problems
}
