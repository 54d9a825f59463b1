//! Every fault of the network on real processes: what was measured is what was asked for.

use harness::check::{Outcome, Owed, fault_figures};
use harness::fault::Count;
use harness::history::{Evidence, History};

use crate::bed::run_plan;

/// One fault after another on the same links, so that each window has its own traffic.
const PLAN: &str = "
name: network-faults
question: Is what was measured what was asked for?
system: {registry: 1, nodes: 5, mirrors: 3, replicas: 3}
workload: {names: 20, rates: {register: 4/s, resolve: 120/s, update: 6/s}}
timeline:
  - {id: duplicate, at: 2s, for: 2s, targets: all, fault: {duplicate: {rate: 20%}}}
  - {id: reorder, at: 4s, for: 2s, targets: all, fault: {reorder: {rate: 20%, late: 10ms}}}
  - {id: corrupt, at: 6s, for: 2s, targets: all, fault: {corrupt: {rate: 10%}}}
  - {id: silent, at: 8s, for: 2s, targets: node-1, fault: {corrupt: {rate: 5%, silent: true}}}
  - {id: bursts, at: 10s, for: 3s, targets: all, fault: {loss: {rate: 10%, burst: 3}}}
  - {id: line, at: 14s, for: 2s, targets: all, fault: {bandwidth: {rate: 1mbit}}}
  - {id: hole, at: 17s, for: 2s, targets: node-1, fault: {mtu: {bytes: 200}}}
  - {id: jam, at: 20s, for: 2s, targets: node-2, fault: jam}
  - {id: reset, at: 23s, for: 2s, targets: node-3, fault: reset}
duration: 28s
";

fn evidence<'a>(history: &'a History, id: &str) -> &'a Evidence {
    let number = history
        .header
        .faults
        .iter()
        .position(|fault| fault.id == id);
    let number = number.expect("a fault of the plan");
    history.faults[number]
        .evidence
        .as_ref()
        .expect("it was measured")
}

/// The share of the packets of a fault's links to which something was done.
fn share(history: &History, id: &str, count: Count) -> f64 {
    let evidence = evidence(history, id);
    let counted = evidence.counted.get(&count).copied().unwrap_or_default();
    assert!(evidence.packets_passed > 200, "{id}: {evidence:?}");
    counted as f64 / evidence.packets_passed as f64
}

/// Goal: each fault of the network happens, as often as the plan says. Method: a run with enough
/// traffic that shares are known to a few percent; the bounds are generous, because a share of
/// some hundred packets is itself drawn.
pub fn every_network_fault_is_measured() {
    let (history, findings) = run_plan(PLAN);
    for fault in fault_figures(&history, &Owed::of(&history)) {
        assert_eq!(fault.proved, Some(true), "{fault:#?}");
    }
    let near = |share: f64, asked: f64| {
        assert!(
            (share - asked).abs() < asked / 2.0,
            "{share} instead of {asked}"
        );
    };
    near(share(&history, "duplicate", Count::Duplicated), 0.2);
    near(share(&history, "reorder", Count::Reordered), 0.2);
    near(share(&history, "corrupt", Count::Corrupted), 0.1);
    let bursts = evidence(&history, "bursts");
    let all = (bursts.packets_passed + bursts.packets_lost) as f64;
    near(bursts.packets_lost as f64 / all, 0.1);
    let failed: Vec<_> = findings
        .iter()
        .filter(|one| one.outcome == Outcome::Fail)
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
