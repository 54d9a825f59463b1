//! Nothing is left behind: after SIGKILL, after an interrupt, and when even the reaper failed.

use std::process::Command;
use std::time::Duration;

use harness::seed::{Stream, generator};
use rand::RngExt;

use crate::bench::{Bench, docker, said, wait_until};

/// Kills, at moments drawn with a fixed seed; more by the environment for a nightly run.
const KILLS: u32 = 4;

const PLAN: &str = "
question: Is anything left when the harness is killed?
system: {registry: 1, nodes: 6, mirrors: 3, replicas: 3}
workload: {names: 10, rates: {register: 2/s, resolve: 20/s, update: 2/s}}
timeline:
  - {at: 1s, for: 2s, targets: registry, fault: kill}
  - {at: 1s, for: 4s, targets: {minority: nodes}, fault: pause}
  - {at: 1s, for: 4s, targets: node-1, fault: {cpu: {share: 1%}}}
  - {at: 1s, for: 4s, targets: registry, fault: {disk-slow: {latency: 5ms}}}
duration: 60s
";

fn kills() -> u32 {
    let wanted = std::env::var("HARNESS_TEST_KILLS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(KILLS)
}

pub fn after_sigkill() {
    let mut rng = generator(7, Stream::Compile);
    for kill in 0..kills() {
        let bench = Bench::new(PLAN);
        // The first kills are while the containers are being made.
        let upper = if kill < 2 { 2500 } else { 12_000 };
        let delay = Duration::from_millis(rng.random_range(100..upper));
        let mut harness = bench.start();
        std::thread::sleep(delay);
        let there = bench.containers().len();
        harness.kill().expect("the harness is still running");
        harness.wait().expect("it was our child");
        let took = bench.wait_until_nothing_is_left();
        // The engine may still have been making one then.
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(bench.containers(), [""; 0]);
        println!("killed after {delay:?} with {there} containers: nothing left {took:?} later");
    }
    assert_eq!(volumes_and_networks(), "", "volumes or networks of ours");
}

/// What carries the label of a run and is no container.
fn volumes_and_networks() -> String {
    let filter = ["--quiet", "--filter", "label=harness.run"];
    let list = |what: &str| docker(&[&[what, "ls"], &filter[..]].concat());
    list("volume") + &list("network")
}

pub fn after_interrupt() {
    let bench = Bench::new(PLAN);
    let mut harness = bench.start();
    bench.wait_for_event(r#""phase":"timeline""#, &mut harness);
    let pid = i32::try_from(harness.id()).expect("process numbers are small");
    // SAFETY: signals our own child, which was not waited for yet.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    let status = harness.wait().expect("it was our child");
    assert_eq!(status.code(), Some(130));
    assert_eq!(
        bench.containers(),
        [""; 0],
        "an interrupt ends a run in order"
    );
    assert!(
        bench.run_folder().join("report.html").exists(),
        "what there is was reported"
    );
}

/// The harness and its reaper both die: what only a machine that fails can do.
pub fn sweep_removes_what_a_reaper_could_not() {
    let bench = Bench::new(PLAN);
    let mut harness = bench.start();
    bench.wait_for_event(r#""phase":"timeline""#, &mut harness);
    let containers = bench.containers();
    let reaper = containers.iter().find(|name| name.ends_with("reaper"));
    docker(&["kill", reaper.expect("a reaper runs")]);
    harness.kill().expect("the harness is still running");
    harness.wait().expect("it was our child");
    assert!(bench.containers().len() >= 7, "{:?}", bench.containers());

    let sweep = |arguments: &[&str]| {
        let program = env!("CARGO_BIN_EXE_harness");
        let output = Command::new(program).arg("sweep").args(arguments).output();
        let output = output.expect("the harness starts");
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        said(&output)
    };
    let listed = sweep(&["--list"]);
    assert!(
        listed.contains(&bench.name) && listed.contains("left"),
        "{listed}"
    );
    assert!(bench.containers().len() >= 7, "listing removes nothing");
    let swept = sweep(&[]);
    assert!(
        swept.contains("node-1") && swept.contains("removed"),
        "{swept}"
    );
    wait_until("no container", Duration::from_secs(30), || {
        bench.containers().is_empty()
    });
}
