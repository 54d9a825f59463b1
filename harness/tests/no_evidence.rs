//! A fault that did nothing proves nothing, and the exit code says so.
//!
//! Goal: loss on a link over which nothing passes is reported as without evidence, the verdict is
//! unknown, the exit code 3, and the plan's check has warned of it. Method: without mirrors, nodes
//! speak to the registry alone, so nothing passes between two of them.

use std::process::{Command, Output};

const PLAN: &str = "\
name: no-op
question: What is said of a fault that does nothing?
system: { registry: 1, nodes: 3, mirrors: 0 }
workload: { names: 5, rates: { resolve: 10/s } }
timeline:
  - { id: nothing, at: 1s, for: 2s, links: node-1 -> node-2, fault: { loss: { rate: 50% } } }
duration: 4s
";

#[test]
fn a_fault_without_effect_is_without_evidence_and_the_verdict_unknown() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plan = folder.path().join("no-op.yaml");
    std::fs::write(&plan, PLAN).expect("writable");
    let out = folder.path().join("run");
    let run = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(["run", "--runtime", "local", "--out"])
        .args([&out, &plan])
        .output()
        .expect("the harness starts");
    if run.status.code() == Some(70) && !is_required() {
        println!(
            "SKIPPED: the local runtime does not work here: {}",
            all(&run)
        );
        return;
    }
    assert_eq!(run.status.code(), Some(3), "{}", all(&run));
    assert!(
        says(&run, "nothing passes over `node-1 -> node-2`"),
        "{}",
        all(&run)
    );
    let verdict = std::fs::read_to_string(out.join("verdict.json")).expect("written");
    let verdict: serde_json::Value = serde_json::from_str(&verdict).expect("JSON");
    assert_eq!(verdict["outcome"], "unknown");
    assert_eq!(verdict["faults"][0]["proved"], false);
    let findings = verdict["findings"].as_array().expect("findings");
    let outcome = |checker: &str| {
        let finding = findings.iter().find(|one| one["checker"] == checker);
        finding.expect("every checker has a finding")["outcome"].clone()
    };
    assert_eq!(outcome("fault-evidence"), "unknown");
    assert_eq!(outcome("no-acknowledged-write-lost"), "pass");
}

fn is_required() -> bool {
    std::env::var_os("HARNESS_REQUIRE_LOCAL").is_some_and(|value| value == "1")
}

fn says(run: &Output, words: &str) -> bool {
    all(run).contains(words)
}

fn all(run: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&run.stdout) + &text(&run.stderr)
}
