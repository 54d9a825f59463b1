//! Whole runs: every kind of fault, both holders of the network, limits.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bench::{Bench, docker, give_to, said};

/// Every kind of fault that is applied differently to a container than to a process, and two of
/// the network.
const EVERY_FAULT: &str = "
question: Does every fault happen on containers?
system: {registry: 1, nodes: 7, mirrors: 5, replicas: 3}
network: {latency: 5ms, jitter: 1ms}
workload: {names: 20, rates: {register: 2/s, resolve: 20/s, update: 2/s}}
timeline:
  - {id: killed, at: 3s, for: 5s, targets: registry, fault: kill}
  - {id: frozen, at: 4s, for: 3s, targets: node-1, fault: pause}
  - {id: restarted, at: 9s, targets: node-2, fault: restart}
  - {id: cut, at: 12s, for: 3s, targets: node-3, fault: {partition: {shape: isolate}}}
  - {id: slow, at: 13s, for: 3s, targets: node-4, fault: {latency: {mean: 30ms}}}
  - {id: lossy, at: 13s, for: 3s, targets: nodes, fault: {loss: {rate: 20%}}}
duration: 20s
";

/// Every kind of fault of disks, limits, clocks and programs, which act on a container's process
/// and its mounts, and packet faults that are new to containers.
const HOST_FAULTS: &str = "
question: Does every fault of hosts happen on containers?
system: {registry: 1, nodes: 7, mirrors: 5, replicas: 3}
network: {latency: 5ms, jitter: 1ms}
workload: {names: 20, rates: {register: 3/s, resolve: 40/s, update: 8/s}}
timeline:
  - {id: full, at: 2s, for: 4s, targets: registry, fault: {disk-full: {free: 0B}}}
  - {id: slow, at: 7s, for: 3s, targets: registry, fault: {disk-slow: {latency: 10ms}}}
  - {id: read-only, at: 11s, for: 4s, targets: registry, fault: disk-read-only}
  - {id: power, at: 16s, for: 2s, targets: [registry, node-7], fault: power-loss}
  - {id: throttled, at: 2s, for: 4s, targets: {count: 2, of: mirrors}, fault: {cpu: {share: 0.5%}}}
  - {id: clock, at: 2s, for: 5s, targets: [node-1, node-2], fault:
      {clock: {offset: '-2h', drift: '+5%'}}}
  - {id: files, at: 9s, for: 3s, targets: node-5, fault: {files: {limit: 40}}}
  - {id: memory, at: 9s, for: 3s, targets: node-6, fault: {memory: {limit: 4GiB}}}
  - {id: bug, at: 12s, for: 4s, targets: mirrors, fault: {bug: {name: drop-replies, probability: 30%}}}
  - {id: crash, at: 20s, targets: node-1, fault: crash}
  - {id: rolling, at: 21s, targets: [node-2, node-3], fault: {rolling-restart: {gap: 200ms}}}
  - {id: wrong-again, at: 20s, for: 6s, targets: node-1, fault: {clock: {offset: '+1h'}}}
  - {id: port, at: 24s, for: 3s, targets: all, port: 4001, fault: {duplicate: {rate: 20%}}}
  - {id: phone, at: 24s, for: 3s, targets: node-4, fault: {profile: 3g}}
  - {id: more, at: 24s, for: 3s, fault: {load: {factor: 3}}}
duration: 32s
";

/// Without mirrors, so that nobody has to give a mirror back what it held: that is not judged here.
const WIPED: &str = "
question: Does a host whose disk was emptied start again?
system: {registry: 1, nodes: 3, mirrors: 0}
workload: {names: 10, rates: {resolve: 20/s}}
timeline:
  - {id: wiped, at: 2s, for: 2s, targets: node-3, fault: wipe}
duration: 6s
";

const NETWORK_ONLY: &str = "
question: Does it matter who holds the network?
system: {registry: 1, nodes: 4, mirrors: 3, replicas: 3}
network: {latency: 5ms, jitter: 1ms}
workload: {names: 10, rates: {register: 2/s, resolve: 20/s, update: 2/s}}
timeline:
  - {id: cut, at: 2s, for: 3s, targets: node-1, fault: {partition: {shape: isolate}}}
  - {id: slow, at: 2s, for: 3s, targets: node-2, fault: {latency: {mean: 30ms}}}
  - {id: restarted, at: 6s, targets: node-3, fault: restart}
duration: 9s
expect: {availability: {resolve: 99%}}
";

fn fault<'a>(verdict: &'a Value, id: &str) -> &'a Value {
    let faults = verdict["faults"].as_array().expect("faults");
    let found = faults.iter().find(|fault| fault["id"] == id);
    found.unwrap_or_else(|| panic!("no fault {id} in {verdict:#}"))
}

fn finding<'a>(verdict: &'a Value, checker: &str) -> &'a Value {
    let findings = verdict["findings"].as_array().expect("findings");
    let found = findings.iter().find(|one| one["checker"] == checker);
    found.unwrap_or_else(|| panic!("no finding {checker} in {verdict:#}"))
}

pub fn every_fault_happens() {
    let bench = Bench::new(EVERY_FAULT);
    let mut harness = bench.start();
    bench.wait_for_event(r#""phase":"timeline""#, &mut harness);
    let containers = bench.containers();
    for host in ["registry", "node-1", "node-7", "reaper"] {
        let there = containers.iter().any(|name| name.ends_with(host));
        assert!(there, "{host} is not among {containers:?}");
    }
    assert_eq!(
        containers.len(),
        9,
        "8 hosts and the reaper: {containers:?}"
    );
    let status = harness.wait().expect("it was our child");
    assert_eq!(
        bench.containers(),
        [""; 0],
        "nothing is left when it has ended"
    );
    let verdict = bench.verdict();
    assert_eq!(verdict["runtime"], "docker");
    for id in ["killed", "frozen", "restarted", "cut", "slow", "lossy"] {
        assert_eq!(
            fault(&verdict, id)["proved"],
            true,
            "{:#}",
            fault(&verdict, id)
        );
    }
    for checker in [
        "fault-evidence",
        "no-acknowledged-write-lost",
        "unexpected-exits",
    ] {
        let finding = finding(&verdict, checker);
        assert_eq!(finding["outcome"], "pass", "{finding:#}");
    }
    assert_eq!(status.code(), Some(0), "{:#}", verdict["findings"]);
    let log = bench.run_folder().join("hosts/node-2/log");
    let log = std::fs::read_to_string(log).expect("each host's log is in the run folder");
    assert!(log.matches("serving").count() >= 2, "started twice: {log}");
}

/// Every fault of hosts is proved on containers as on processes, and what was acknowledged stays.
pub fn every_host_fault_happens() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: faults of disks on containers need root");
        return;
    }
    let bench = Bench::new(HOST_FAULTS);
    let mut harness = bench.start();
    harness.wait().expect("it was our child");
    let verdict = bench.verdict();
    let faults = verdict["faults"].as_array().expect("faults");
    assert_eq!(faults.len(), 15);
    for fault in faults {
        assert_eq!(fault["proved"], true, "{fault:#}");
    }
    for checker in [
        "fault-evidence",
        "no-acknowledged-write-lost",
        "one-owner",
        "harness",
    ] {
        let finding = finding(&verdict, checker);
        assert_eq!(finding["outcome"], "pass", "{finding:#}");
    }
    assert_eq!(bench.containers(), [""; 0]);
}

pub fn wiped_disk() {
    let bench = Bench::new(WIPED);
    let mut harness = bench.start();
    bench.wait_for_event(r#""phase":"timeline""#, &mut harness);
    let disk = bench.run_folder().join("hosts/node-3/disk");
    let key = |disk: &Path| {
        files(disk)
            .into_iter()
            .find(|(name, _)| name.contains("key"))
    };
    let before = key(&disk).expect("a node keeps its key on its disk");
    let status = harness.wait().expect("it was our child");
    assert_eq!(status.code(), Some(0), "{:#}", bench.verdict()["findings"]);
    assert_eq!(fault(&bench.verdict(), "wiped")["proved"], true);
    let after = key(&disk).expect("a node without a key makes one");
    assert_ne!(before.1, after.1, "the old key is gone");
}

/// The files of a folder with their contents.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("readable");
    entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.is_file())
        .map(|path| {
            let bytes = std::fs::read(&path).expect("readable");
            (path.display().to_string(), bytes)
        })
        .collect()
}

pub fn network_in_a_container() {
    let bench = Bench::new(NETWORK_ONLY);
    let mut command = bench.command();
    let output = command.env("HARNESS_FABRIC", "container").output();
    let output = output.expect("the harness starts");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let verdict = bench.verdict();
    for id in ["cut", "slow", "restarted"] {
        assert_eq!(
            fault(&verdict, id)["proved"],
            true,
            "{:#}",
            fault(&verdict, id)
        );
    }
    assert_eq!(bench.containers(), [""; 0]);
}

/// A user who is in the engine's group and nothing else.
pub fn without_root() {
    const USER: u32 = 65_534;
    let is_root = nix::unistd::geteuid().is_root();
    let group = std::fs::metadata("/var/run/docker.sock");
    let (true, Ok(group)) = (is_root, group) else {
        println!("SKIPPED: it takes root to become a user of the group of /var/run/docker.sock");
        return;
    };
    let group = std::os::unix::fs::MetadataExt::gid(&group);
    let bench = Bench::new(NETWORK_ONLY);
    // The executable's own folder may be closed to other users.
    let program = bench.folder.path().join("harness");
    std::fs::copy(env!("CARGO_BIN_EXE_harness"), &program).expect("it can be copied");
    give_to(bench.folder.path(), USER);
    let output = Command::new("setpriv")
        .arg(format!("--reuid={USER}"))
        .arg(format!("--regid={USER}"))
        .arg(format!("--groups={group}"))
        .arg(&program)
        .args(bench.command().get_args())
        .current_dir(bench.folder.path())
        .output()
        .expect("there is a setpriv command");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(bench.verdict()["runtime"], "docker");
    assert_eq!(bench.containers(), [""; 0]);
}

pub fn limits_are_kept() {
    let plan = NETWORK_ONLY.replace(
        "replicas: 3}",
        "replicas: 3, limits: {memory: 96MiB, cpus: 0.5}}",
    );
    let bench = Bench::new(&plan);
    let mut harness = bench.start();
    bench.wait_for_event(r#""phase":"timeline""#, &mut harness);
    let containers = bench.containers();
    let node = containers.iter().find(|name| name.ends_with("node-1"));
    let node = node.expect("node-1 runs");
    let limits = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}";
    let limits = docker(&["inspect", "--format", limits, node]);
    assert_eq!(limits.trim(), "100663296 500000000");
    let status = harness.wait().expect("it was our child");
    assert_eq!(status.code(), Some(0), "{:#}", bench.verdict()["findings"]);
}
