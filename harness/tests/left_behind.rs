//! Nothing is left behind: whatever kills the harness, the kernel takes everything down.
//!
//! Goal: after SIGKILL of the harness at any moment there is no process, no namespace and no
//! mount of its run. Method: real runs are killed at random moments of their first seconds, boot
//! included. Every process of a run inherits a marker in its environment, by which it would be
//! found. The namespaces of those processes are noted before the kill, and looked for afterwards
//! among all processes that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use harness::seed::{Stream, generator};
use rand::RngExt;

/// How often a run is killed; `HARNESS_TEST_KILLS` sets another number, for example by night.
const KILLS: u32 = 20;

/// How many of the kills, the first ones, are during boot.
const KILLS_AT_BOOT: u32 = 3;

/// The seed of the moments; `HARNESS_TEST_SEED` sets another one.
const SEED: u64 = 7;

/// The moments of the kills, milliseconds. The latest one keeps twenty runs within a minute and a
/// half on a loaded machine; so that it can be amid faults, those of the plan begin early.
const KILL_FROM_MS: u64 = 20;
const KILL_AT_BOOT_UNTIL_MS: u64 = 400;
const KILL_UNTIL_MS: u64 = 4000;

/// How long the kernel may take to end everything.
const PATIENCE: Duration = Duration::from_secs(20);

const PLAN: &str = "
name: killed
question: Is anything left when the harness is killed?
system: {registry: 1, nodes: 8, mirrors: 5, replicas: 3}
workload: {names: 20, rates: {register: 2/s, resolve: 20/s, update: 2/s}}
timeline:
  - {at: 200ms, for: 2s, targets: registry, fault: kill}
  - {at: 200ms, for: 4s, targets: {minority: nodes}, fault: {latency: {mean: 50ms}}}
  - {at: 200ms, for: 4s, targets: [node-1, node-2], fault: {disk-slow: {latency: 5ms}}}
  - {at: 200ms, for: 4s, targets: [node-2, node-3], fault: {cpu: {share: 1%}}}
  - {at: 200ms, for: 4s, targets: node-4, fault: {clock: {offset: +10s, every: 100ms}}}
duration: 30s
";

/// A number from the environment.
fn number<T: FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn nothing_is_left_after_sigkill_at_any_moment() {
    if !local_runtime_works() {
        return;
    }
    let seed = number("HARNESS_TEST_SEED").unwrap_or(SEED);
    println!("the moments are drawn with HARNESS_TEST_SEED={seed}");
    let mut rng = generator(seed, Stream::Compile);
    for kill in 0..number("HARNESS_TEST_KILLS").unwrap_or(KILLS) {
        let until_ms = if kill < KILLS_AT_BOOT {
            KILL_AT_BOOT_UNTIL_MS
        } else {
            KILL_UNTIL_MS
        };
        let delay = Duration::from_millis(rng.random_range(KILL_FROM_MS..until_ms));
        let (folder, marker) = (tempfile::tempdir().expect("a folder"), marker(kill));
        let mut harness = start(folder.path(), &marker);
        std::thread::sleep(delay);
        let victims = processes_with(&marker);
        let namespaces_of_run: BTreeSet<String> =
            &namespaces(&victims) - &namespaces(&[std::process::id()]);
        harness.kill().expect("the harness is still running");
        harness.wait().expect("it was our child");
        wait_until_gone(&marker, &namespaces_of_run, delay);
        let mounts = fs::read_to_string("/proc/mounts").expect("readable");
        let here = folder.path().display().to_string();
        assert!(!mounts.contains(&here), "after {delay:?}: a mount is left");
        println!(
            "killed after {delay:?} with {} processes in {} namespaces: nothing left",
            victims.len(),
            namespaces_of_run.len()
        );
    }
}

#[test]
fn an_interrupt_ends_the_run_in_order_and_leaves_nothing() {
    if !local_runtime_works() {
        return;
    }
    let (folder, marker) = (tempfile::tempdir().expect("a folder"), marker(1000));
    let mut harness = start(folder.path(), &marker);
    wait_for_event(
        &folder.path().join("run/events.jsonl"),
        r#""phase":"timeline""#,
        &mut harness,
    );
    let pid = i32::try_from(harness.id()).expect("process numbers are small");
    // SAFETY: signals our own child, which was not waited for yet.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    let status = harness.wait().expect("it was our child");
    assert_eq!(status.code(), Some(130));
    wait_until_gone(&marker, &BTreeSet::new(), Duration::ZERO);
    let events = fs::read_to_string(folder.path().join("run/events.jsonl")).expect("readable");
    assert!(events.contains(r#""run_finished":{"interrupted":true}"#));
    assert!(
        folder.path().join("run/report.html").exists(),
        "what there is was reported"
    );
}

fn marker(number: u32) -> String {
    format!(
        "HARNESS_TEST_MARKER=left-behind-{}-{number}",
        std::process::id()
    )
}

fn start(folder: &Path, marker: &str) -> Child {
    let plan = folder.join("killed.yaml");
    fs::write(&plan, PLAN).expect("writable");
    let (key, value) = marker.split_once('=').expect("made with one");
    Command::new(env!("CARGO_BIN_EXE_harness"))
        .arg("run")
        .arg(&plan)
        .args(["--seed", "7", "--quiet", "--out"])
        .arg(folder.join("run"))
        .env(key, value)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the harness starts")
}

fn wait_for_event(path: &Path, text: &str, harness: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !fs::read_to_string(path).is_ok_and(|events| events.contains(text)) {
        let ended = harness.try_wait().expect("it is our child");
        assert_eq!(ended, None, "the harness ended early");
        assert!(Instant::now() < deadline, "no {text} in time");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until neither a process nor a namespace of the run is there any more. A process that the
/// kernel is still taking down keeps its namespaces a moment longer than its environment.
fn wait_until_gone(marker: &str, namespaces_of_run: &BTreeSet<String>, delay: Duration) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let processes = processes_with(marker);
        let spaces = &namespaces(&all_processes()) & namespaces_of_run;
        if processes.is_empty() && spaces.is_empty() {
            return;
        }
        let late = Instant::now() >= deadline;
        assert!(
            !late,
            "killed after {delay:?}, left: {processes:?} {spaces:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes that have the marker in their environment. One that is gone or a zombie has no
/// environment any more.
fn processes_with(marker: &str) -> Vec<u32> {
    all_processes()
        .into_iter()
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|pair| pair == marker.as_bytes())
        })
        .collect()
}

/// Every user, mount, pid and network namespace that one of these processes is in.
fn namespaces(processes: &[u32]) -> BTreeSet<String> {
    let kinds = ["user", "mnt", "pid", "net"];
    processes
        .iter()
        .flat_map(|pid| kinds.map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}"))))
        .filter_map(|link| Some(link.ok()?.display().to_string()))
        .collect()
}

fn all_processes() -> Vec<u32> {
    fs::read_dir("/proc")
        .expect("there is a /proc")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Whether a run can be started here at all; says so when not, and fails where it must work.
fn local_runtime_works() -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = folder.path().join("probe.yaml");
    let probe = "
name: probe
question: Does the local runtime work here?
system: {registry: 1, nodes: 1, mirrors: 0}
workload: {names: 1, contention: 0%, rates: {resolve: 1/s}}
duration: 1s
";
    fs::write(&plan, probe).expect("writable");
    let output = Command::new(env!("CARGO_BIN_EXE_harness"))
        .arg("run")
        .arg(&plan)
        .args(["--quiet", "--out"])
        .arg(folder.path().join("run"))
        .output()
        .expect("the harness starts");
    let works = output.status.code() != Some(70);
    let required = std::env::var_os("HARNESS_REQUIRE_LOCAL").is_some_and(|value| value == "1");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        works || !required,
        "the local runtime is required here, and does not work: {said}"
    );
    if !works {
        println!("SKIPPED: the local runtime does not work here: {said}");
    }
    works
}
