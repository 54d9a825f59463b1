//! Trouble with the engine is the harness's own: exit 70, and a message that says what to do.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::bench::{Bench, PATIENCE, docker, said, wait_until};
use crate::stalling_proxy::StallingProxy;

const PLAN: &str = "
question: What happens when the engine hangs?
system: {registry: 1, nodes: 3, mirrors: 3, replicas: 3}
workload: {names: 10, rates: {resolve: 20/s}}
timeline:
  - {at: 2s, for: 2s, targets: node-1, fault: kill}
duration: 8s
";

/// Longer than any deadline of one step, with what has to be tried after it.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// The engine answers everything until the clock of the timeline starts, and nothing after that.
pub fn silent_engine() {
    let bench = Bench::new(PLAN);
    let proxy = StallingProxy::start(&bench.folder.path().join("engine.sock"));
    let errors = bench.folder.path().join("stderr");
    let mut harness = bench
        .command()
        .env("DOCKER_HOST", format!("unix://{}", proxy.path().display()))
        .stdout(Stdio::null())
        .stderr(fs::File::create(&errors).expect("writable"))
        .spawn()
        .expect("the harness starts");
    bench.wait_for_event(r#""phase":"timeline""#, &mut harness);
    proxy.stall(harness.id());
    let start = Instant::now();
    let status = harness.wait().expect("it was our child");
    let took = start.elapsed();
    let said = fs::read_to_string(&errors).expect("written");
    assert_eq!(status.code(), Some(70), "{said}");
    assert!(took < ENDS_WITHIN, "it took {took:?}");
    assert!(said.contains("did not end node-1 within"), "{said}");
    assert!(said.contains("systemctl restart docker"), "{said}");
    assert!(said.contains("harness sweep"), "{said}");
    println!("ended {took:?} after the engine had stopped answering");
    // The reaper's own questions are answered.
    bench.wait_until_nothing_is_left();
}

pub fn absent_engine() {
    let bench = Bench::new(PLAN);
    let nowhere = bench.folder.path().join("nowhere.sock");
    let mut command = bench.command();
    command.env("DOCKER_HOST", format!("unix://{}", nowhere.display()));
    let output = command.output().expect("the harness starts");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(70), "{said}");
    assert!(
        said.contains("no Docker engine answers at unix://"),
        "{said}"
    );
    assert!(said.contains("systemctl start docker"), "{said}");
}

/// A host that ends while the network is so slow that it cannot be ready yet.
pub fn host_that_ends_at_once() {
    let bench = Bench::new(&PLAN.replace("workload:", "network: {latency: 1500ms}\nworkload:"));
    let errors = bench.folder.path().join("stderr");
    let mut harness = bench
        .command()
        .stdout(Stdio::null())
        .stderr(fs::File::create(&errors).expect("writable"))
        .spawn()
        .expect("the harness starts");
    let log = bench.run_folder().join("hosts/node-2/log");
    wait_until("the first line of node-2's log", PATIENCE, || {
        fs::metadata(&log).is_ok_and(|log| log.len() > 0)
    });
    let containers = bench.containers();
    let node = containers.iter().find(|name| name.ends_with("node-2"));
    docker(&["kill", node.expect("node-2 runs")]);
    let status = harness.wait().expect("it was our child");
    let said = fs::read_to_string(&errors).expect("written");
    assert_eq!(status.code(), Some(70), "{said}");
    assert!(said.contains("node-2 ended before it was ready"), "{said}");
    assert!(said.contains("INFO"), "the last lines of its log: {said}");
    assert_eq!(bench.containers(), [""; 0]);
}
