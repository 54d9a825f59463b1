//! Links, ports, shapes, groups of steps, conditions and load on real processes.

use harness::check::{Owed, fault_figures};
use harness::history::{History, OperationKind, Phase};
use harness::host::HostId;

use crate::bed::run_plan;

const AIMS: &str = "
name: aims
question: Does each fault hit what it is aimed at, when it is to?
system: {registry: 1, nodes: 7, mirrors: 5, replicas: 3}
network: lan
workload: {names: 30, rates: {register: 3/s, resolve: 60/s, update: 6/s}}
timeline:
  - {id: link, at: 2s, for: 3s, links: node-1 -> mirrors, fault: {latency: {mean: 40ms}}}
  - {id: port, at: 2s, for: 3s, targets: registry, port: 8080, protocol: tcp, fault: {loss: {rate: 20%}}}
  - {id: ring, at: 6s, for: 3s, targets: mirrors, fault: {partition: {shape: majorities-ring}}}
  - {id: bridge, at: 6s, for: 3s, targets: nodes, fault: {partition: {shape: bridge}}}
  - {id: pairs, at: 10s, for: 3s, links: [node-2 <-> registry, node-3 -> registry], fault:
      {partition: {shape: pairs}}}
  - {id: holders, at: 10s, for: 2s, targets: {one: {replicas-of: name-00001}}, fault: pause}
  - {id: stateful, at: 13s, for: 4s, targets: registry, fault:
      {partition: {shape: one-way, direction: to, only_new: true}}}
  - {id: reconnect, at: 13500ms, targets: [node-1, node-2], fault: crash}
  - {id: flap, at: 18s, for: 3s, targets: node-4, fault: {flap: {down: 300ms, up: 300ms}}}
  - {id: phone, at: 18s, for: 3s, targets: node-5, fault: {profile: 3g}}
  - {id: more, at: 22s, for: 4s, fault: {load: {factor: 4}}}
  - {id: crowd, at: 27s, fault: {flash-crowd: {each: 20, within: 500ms}}}
duration: 30s
";

const ORDER: &str = "
name: order
question: Do steps start when they are to?
system: {registry: 1, nodes: 5, mirrors: 3, replicas: 3}
workload: {names: 10, rates: {register: 5/s, resolve: 20/s}}
timeline:
  - {id: again, at: 2s, every: 3s, times: 3, for: 1s, targets: node-1, fault: pause}
  - at: 12s
    sequence:
      - {id: first, for: 1s, targets: node-2, fault: kill}
      - {id: second, targets: [node-3, node-4], fault: {rolling-restart: {gap: 200ms}}}
      - {id: third, at: 500ms, for: 1s, targets: node-5, fault: pause}
  - {id: seen, when: {host: node-2, state: down}, for: 1s, targets: node-1, fault: pause}
  - {id: cut, at: 18s, for: 6s, targets: all, fault: {partition: {shape: isolate}}}
  - {id: worse, when: {availability: {register: '< 50%'}, over: 2s}, at: 18s, for: 1s, targets: node-1,
     fault: pause}
  - {id: after, phase: heal, at: 500ms, for: 1s, targets: registry, fault: pause}
duration: 28s
";

/// When a fault started and stopped, seconds after the start of the clock.
fn span(history: &History, id: &str) -> (f64, f64) {
    let faults = &history.header.faults;
    let number = faults.iter().position(|fault| fault.id == id);
    let run = &history.faults[number.unwrap_or_else(|| panic!("no fault {id}"))];
    let (clock, _) = history.timeline().expect("it had a timeline");
    let seconds = |at: Option<u64>| (at.expect("it was") as f64 - clock as f64) / 1e6;
    (seconds(run.started_us), seconds(run.stopped_us))
}

/// Goal: links, ports, shapes and clients are hit as aimed. Method: one run, each fault proved by
/// counters of exactly the links and packets that it is about.
pub fn every_aim_is_measured() {
    let (history, _) = run_plan(AIMS);
    let all = fault_figures(&history, &Owed::of(&history));
    for fault in &all {
        assert_eq!(fault.proved, Some(true), "{fault:#?}");
    }
    let find = |id: &str| all.iter().find(|one| one.id == id).expect("of the plan");
    let link = find("link").evidence.as_ref().expect("measured");
    let delay_us = link.mean_delay_us.expect("packets passed");
    assert!((38_000..80_000).contains(&delay_us), "{delay_us}");
    let lost = find("port").evidence.as_ref().expect("measured");
    let share = lost.packets_lost as f64 / (lost.packets_lost + lost.packets_passed) as f64;
    assert!(
        (0.1..0.3).contains(&share),
        "{share} instead of 20% of the port's packets"
    );
    let holders = find("holders");
    assert_eq!(holders.targets.len(), 1, "{holders:#?}");
    // The load and the crowd are operations of the workload, and clients of every node did them.
    let (from, to) = span(&history, "crowd");
    let (clock, _) = history.timeline().expect("it had a timeline");
    let within = |at: u64| ((at - clock) as f64 / 1e6) >= from && ((at - clock) as f64 / 1e6) <= to;
    let updates = |host: &str| {
        let by = HostId(host.into());
        let all = history.workload().filter(|one| one.invocation.client == by);
        all.filter(|one| one.invocation.kind != OperationKind::Register)
            .filter(|one| within(one.invocation.intended_us))
            .count()
    };
    for host in ["node-1", "node-7"] {
        assert!(updates(host) >= 20, "{host}: {}", updates(host));
    }
}

/// Goal: steps start when they are to: again and again, after each other, when something is seen,
/// and in the recovery. Method: one run; times are bounded from below exactly, and from above
/// generously, because the machine may be slow.
pub fn every_start_is_as_the_plan_says() {
    let (history, _) = run_plan(ORDER);
    let near = |at: f64, wanted: f64| {
        assert!(
            at > wanted - 0.01 && at < wanted + 1.5,
            "{at} instead of {wanted}"
        );
    };
    for (id, at) in [
        ("again", 2.0),
        ("again.2", 5.0),
        ("again.3", 8.0),
        ("first", 12.0),
    ] {
        near(span(&history, id).0, at);
    }
    near(span(&history, "second").0, 13.0);
    let (second, third) = (span(&history, "second"), span(&history, "third"));
    assert!(second.1 > second.0 + 0.2, "{second:?}");
    near(third.0, second.1 + 0.5);
    near(span(&history, "seen").0, 12.0);
    let worse = span(&history, "worse");
    assert!(worse.0 >= 20.0 && worse.0 < 24.5, "{worse:?}");
    let heal = history.phase_start(Phase::Heal).expect("it healed");
    let (clock, _) = history.timeline().expect("it had a timeline");
    let after = span(&history, "after").0;
    assert!(after >= (heal - clock) as f64 / 1e6 + 0.5, "{after}");
    let settle = history.phase_start(Phase::Settle).expect("it settled");
    assert!(
        after < (settle - clock) as f64 / 1e6,
        "it is part of the recovery"
    );
}
