//! Every fault of hosts on real processes: what was measured is what was asked for.

use harness::check::{FaultFigures, Outcome, Owed, fault_figures};
use harness::fault::Count;
use harness::history::{History, HostState};
use harness::host::HostId;

use crate::bed::{finding, run_plan};

/// Faults of processes, one after another, on hosts of their own.
const PROCESSES: &str = "
name: process-faults
question: Is what was measured what was asked for?
system:
  registry: 1
  nodes: 8
  cohorts: [{name: late, count: 2, starts: later}]
  mirrors: 3
  replicas: 3
workload: {names: 20, rates: {register: 2/s, resolve: 20/s, update: 2/s}}
timeline:
  - {id: crash, at: 2s, targets: node-8, fault: crash}
  - {id: loop, at: 3s, for: 8s, targets: node-7, fault: {crash-loop: {uptime: 1s, first: 500ms}}}
  - {id: away, at: 3s, for: 4s, targets: node-6, fault: leave}
  - {id: join, at: 4s, targets: late, fault: join}
  - {id: mass, at: 13s, targets: [node-4, node-5, node-6], fault: {mass-restart: {within: 3s}}}
  - {id: churn, at: 18s, for: 12s, targets: [node-7, node-8], fault:
      {churn: {session: {constant: 3s}, gap: {constant: 1s}}}}
  - {id: rolling, at: 20s, targets: [node-4, node-5, late-1], fault: {rolling-restart: {gap: 300ms}}}
  - {id: power, at: 31s, for: 3s, targets: [registry, node-1], fault: power-loss}
  - {id: gone, at: 36s, targets: late-2, for: 2s, fault: leave}
duration: 42s
";

/// Faults of disks, limits, clocks and programs, at the same time on hosts of their own.
const REST: &str = "
name: host-faults
question: Is what was measured what was asked for?
system: {registry: 1, nodes: 9, mirrors: 5, replicas: 3}
workload: {names: 30, rates: {register: 4/s, resolve: 60/s, update: 12/s}}
timeline:
  - {id: full, at: 2s, for: 4s, targets: registry, fault: {disk-full: {free: 0B}}}
  - {id: slow, at: 7s, for: 4s, targets: mirrors, fault: {disk-slow: {latency: 10ms}}}
  - {id: read-only, at: 12s, for: 4s, targets: registry, fault: disk-read-only}
  - {id: throttled, at: 2s, for: 4s, targets: {count: 2, of: mirrors}, fault: {cpu: {share: 0.5%}}}
  - {id: clock, at: 2s, for: 5s, targets: [node-1, node-2], fault:
      {clock: {offset: '-2h', drift: '+5%'}}}
  - {id: drift, at: 9s, for: 6s, targets: node-3, fault: {clock: {drift: '-10%'}}}
  - {id: to-and-fro, at: 9s, for: 4s, targets: node-4, fault: {clock: {offset: '+1m', every: 500ms}}}
  - {id: files, at: 10s, for: 3s, targets: node-5, fault: {files: {limit: 40}}}
  - {id: memory, at: 10s, for: 3s, targets: node-6, fault: {memory: {limit: 4GiB}}}
  - {id: bug, at: 14s, for: 4s, targets: mirrors, fault: {bug: {name: drop-replies, probability: 30%}}}
duration: 22s
";

fn figures(history: &History) -> Vec<FaultFigures> {
    fault_figures(history, &Owed::of(history))
}

fn fault<'a>(all: &'a [FaultFigures], id: &str) -> &'a FaultFigures {
    all.iter().find(|one| one.id == id).expect("of the plan")
}

fn count(all: &[FaultFigures], id: &str, count: Count) -> u64 {
    let evidence = fault(all, id).evidence.as_ref().expect("measured");
    evidence.counted.get(&count).copied().unwrap_or_default()
}

/// How often a host was started.
fn starts(history: &History, host: &str) -> usize {
    let states = &history.hosts[&HostId(host.into())];
    let start = |(_, state): &&(u64, HostState)| matches!(state, HostState::Started { .. });
    states.iter().filter(start).count()
}

fn nothing_is_lost(history: &History, findings: &[harness::check::Finding]) {
    assert_eq!(history.troubles, [], "the harness had no trouble");
    for checker in ["no-acknowledged-write-lost", "fault-evidence", "one-owner"] {
        let finding = finding(findings, checker);
        assert_eq!(finding.outcome, Outcome::Pass, "{finding:#?}");
    }
}

/// Goal: each fault of processes happens as often and at the hosts that the plan says, and nothing
/// acknowledged is lost. Method: one run; starts are counted in the history.
pub fn every_process_fault_is_measured() {
    let (history, findings) = run_plan(PROCESSES);
    let all = figures(&history);
    for fault in &all {
        assert_eq!(fault.proved, Some(true), "{fault:#?}");
    }
    // Down at 0, 1.5 and 3.5 and 6.5 s of the loop, so it is started four times, and the last
    // pause is cut short by its end.
    assert_eq!(
        starts(&history, "node-7") - 1,
        4 + churned(&history, "node-7")
    );
    assert_eq!(
        starts(&history, "late-2"),
        2,
        "it joined, left and came back"
    );
    for host in ["node-4", "node-5"] {
        assert_eq!(starts(&history, host), 3, "{host}: mass and rolling");
    }
    let rolling = fault(&all, "rolling");
    assert!(
        rolling.stopped_ms > rolling.started_ms.map(|at| at + 600.0),
        "two gaps"
    );
    nothing_is_lost(&history, &findings);
}

/// How often the churn took a host away.
fn churned(history: &History, host: &str) -> usize {
    let number = history
        .header
        .faults
        .iter()
        .position(|fault| fault.id == "churn");
    let run = &history.faults[number.expect("of the plan")];
    let host = HostId(host.into());
    let mut away = false;
    let mut times = 0;
    for (_, hits) in &run.turns {
        let hit = hits.contains(&host);
        times += usize::from(hit && !away);
        away = hit;
    }
    times
}

/// Goal: each fault of disks, limits, clocks and programs takes effect as asked for. Method: one
/// run; bounds are wide where the machine may be slow, and one-sided where only less is wrong.
pub fn every_other_host_fault_is_measured() {
    let (history, findings) = run_plan(REST);
    let all = figures(&history);
    for fault in &all {
        assert_eq!(fault.proved, Some(true), "{fault:#?}");
    }
    let delayed = count(&all, "slow", Count::DiskDelayed);
    let each_ms = count(&all, "slow", Count::DiskDelayMs) as f64 / delayed as f64;
    assert!(
        (9.0..40.0).contains(&each_ms),
        "{each_ms} ms instead of 10 ms"
    );
    let targets = fault(&all, "throttled").targets.len() as f64;
    let used_ms = count(&all, "throttled", Count::CpuUsedMs) as f64 / targets;
    // Half a percent of four seconds is 20 ms; a look at the books every 5 ms lets more through.
    assert!(used_ms < 150.0, "{used_ms} ms of processor time each");
    let clock = |id: &str| {
        let evidence = fault(&all, id).evidence.as_ref().expect("measured");
        evidence.clock.expect("clocks were read")
    };
    let near = |id: &str, asked_us: i64, within_us: i64| {
        let read = clock(id);
        assert!(
            (read.asked_us - asked_us).abs() < within_us,
            "{id}: {read:?}"
        );
        assert!(
            (read.read_us - asked_us).abs() < within_us,
            "{id}: {read:?}"
        );
    };
    near("clock", -7_200_000_000, 2_000_000);
    near("drift", -600_000, 200_000);
    near("to-and-fro", 60_000_000, 1_000_000);
    nothing_is_lost(&history, &findings);
}
