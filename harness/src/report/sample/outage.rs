//! A whole run, drawn from a fixed formula.

use super::{HistoryBuilder, SECOND, scheduled};
use crate::check::{Finding, Outcome as Verdict};
use crate::history::{
    Answer, ErrorKind, EventKind, Evidence, History, OperationKind, Outcome, Phase,
};

/// A run of 60 seconds with 25 hosts: the registry is dead from second 10 to 40, and a few nodes
/// are slow meanwhile. With mirrors nobody notices; without them nothing but some stale look-ups
/// works while the registry is dead.
pub(crate) fn outage(with_mirrors: bool) -> History {
    let mut builder = HistoryBuilder::new(25);
    let clock = 3 * SECOND;
    builder.header.faults = vec![
        scheduled("kill-1", "kill", "registry", 10, Some(40)),
        scheduled(
            "slow mirrors",
            "latency",
            "minority of mirrors",
            20,
            Some(30),
        ),
        scheduled("restart-3", "restart", "node-7", 45, None),
    ];
    builder.header.command = "harness run chaos-plans/central-outage.yaml --seed 7".into();
    builder.boot(clock);
    kill_the_registry(&mut builder, clock);
    slow_some_nodes(&mut builder, clock);
    restart_a_node(&mut builder, clock);
    for step in 0..60 * 57 {
        draw_operation(&mut builder, clock, step, with_mirrors);
    }
    builder.usage(64 * SECOND);
    builder.phase(clock + 60 * SECOND, Phase::Heal);
    builder.phase(clock + 60 * SECOND + 200_000, Phase::Settle);
    builder.phase(clock + 63 * SECOND, Phase::FinalReads);
    builder.phase(clock + 64 * SECOND, Phase::Stop);
    builder.push(
        clock + 64 * SECOND,
        EventKind::RunFinished { interrupted: false },
    );
    builder.finish(clock + 64 * SECOND)
}

/// What the checkers might find in such a run.
pub(crate) fn findings(with_mirrors: bool) -> Vec<Finding> {
    let finding = |checker: &str, outcome, summary: &str, evidence: &[&str]| Finding {
        checker: checker.into(),
        outcome,
        summary: summary.into(),
        evidence: evidence.iter().map(|line| (*line).into()).collect(),
    };
    let availability = if with_mirrors {
        finding(
            "availability",
            Verdict::Pass,
            "every bound of the plan was kept",
            &[],
        )
    } else {
        let broken = ["resolve: 77.20% served, at least 99.9% expected"];
        finding(
            "availability",
            Verdict::Fail,
            "1 of 2 bounds was broken",
            &broken,
        )
    };
    let lost_writes = "160 acknowledged writes were all read back";
    let mut findings = vec![
        availability,
        finding("lost_writes", Verdict::Pass, lost_writes, &[]),
    ];
    if !with_mirrors {
        let alarm = ["12.3 s node-4: <b>a line & its \"quotes\"</b>"];
        let summary = "1 log line needs a look";
        findings.push(finding(
            "unexpected_exits",
            Verdict::Unknown,
            summary,
            &alarm,
        ));
    }
    findings
}

fn kill_the_registry(builder: &mut HistoryBuilder, clock: u64) {
    builder.start_fault(clock + 10 * SECOND, 0, &["registry"]);
    builder.exit(clock + 10 * SECOND + 3_000, "registry");
    let evidence = Evidence {
        hosts_seen: 1,
        ..Evidence::default()
    };
    builder.measured(clock + 40 * SECOND, 0, evidence);
    builder.stop_fault(clock + 40 * SECOND, 0);
    builder.start(clock + 40 * SECOND + 4_000, "registry");
    builder.ready(clock + 40 * SECOND + 600_000, "registry");
}

fn slow_some_nodes(builder: &mut HistoryBuilder, clock: u64) {
    builder.start_fault(clock + 20 * SECOND, 1, &["node-2", "node-5", "node-6"]);
    let evidence = Evidence {
        packets_passed: 12_345,
        mean_delay_us: Some(304_200),
        requested_delay_us: Some(310_000),
        ..Evidence::default()
    };
    builder.measured(clock + 30 * SECOND, 1, evidence);
    builder.stop_fault(clock + 30 * SECOND, 1);
}

fn restart_a_node(builder: &mut HistoryBuilder, clock: u64) {
    builder.start_fault(clock + 45 * SECOND, 2, &["node-7"]);
    builder.exit(clock + 45 * SECOND + 2_000, "node-7");
    builder.start(clock + 45 * SECOND + 5_000, "node-7");
    builder.ready(clock + 46 * SECOND, "node-7");
    let evidence = Evidence {
        hosts_seen: 1,
        ..Evidence::default()
    };
    builder.measured(clock + 45 * SECOND + 3_000, 2, evidence);
    builder.stop_fault(clock + 45 * SECOND + 3_000, 2);
}

/// The operation with this number: 57 a second, of which 50 are look-ups.
fn draw_operation(builder: &mut HistoryBuilder, clock: u64, step: u64, with_mirrors: bool) {
    let kind = match step % 57 {
        0 | 30 => OperationKind::Register,
        5 | 15 | 25 | 35 | 45 => OperationKind::Update,
        _ => OperationKind::Resolve,
    };
    let intended = clock + step * SECOND / 57;
    let second = (intended - clock) / SECOND;
    let client = format!("node-{}", 1 + chance(step, 1) % 24);
    let slowed = (20..30).contains(&second) && ["node-2", "node-5", "node-6"].contains(&&*client);
    let base_us: u64 = match kind {
        OperationKind::Resolve => 22_000,
        OperationKind::Register | OperationKind::Update => 48_000,
    };
    // Most are near the base; the slowest of a hundred take up to eight times as long.
    let tail = (32 / (1 + chance(step, 2) % 1024)).min(8);
    let latency = base_us + chance(step, 3) % 9_000 + tail * base_us + u64::from(slowed) * 600_000;
    let dead = (10..41).contains(&second);
    let outcome = match chance(step, 4) % 10 {
        0..5 if dead && !with_mirrors => None,
        5..9 if dead && !with_mirrors => Some(Outcome::Fail {
            error: ErrorKind::Unavailable,
            detail: "the registry cannot be reached".into(),
        }),
        _ if dead && !with_mirrors && kind != OperationKind::Resolve => None,
        _ => Some(Outcome::Ok(Answer {
            stale: dead && !with_mirrors,
            ..Answer::default()
        })),
    };
    let done = match outcome {
        Some(outcome) => (intended + latency, outcome),
        None => (
            intended + 2 * SECOND,
            Outcome::Unknown {
                detail: "time-out".into(),
            },
        ),
    };
    builder.operation(kind, &client, intended, Some(done));
}

/// A number that looks random and is always the same (the mixing step of SplitMix64).
fn chance(step: u64, purpose: u64) -> u64 {
    let mut mixed = (step * 8 + purpose).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) >> 1
}
