//! The schema of plans, and the other files that are made from the code and committed.
//!
//! Goal: an editor that uses the committed schema accepts what `harness check` accepts and marks
//! what is mistyped. Method: a third-party validator judges every shipped plan, one plan with
//! everything in it, and that plan with one mistake each, beside the harness's own parser.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use assert_cmd::Command;
use harness::plan;
use jsonschema::Validator;
use serde_json::Value;

/// The first line of every shipped plan: where editors find the schema.
const SCHEMA_LINE: &str = "# yaml-language-server: $schema=plan.schema.json\n";

/// Every key and every form of a plan.
const EVERYTHING: &str = "
name: everything
question: Does the schema know every key?
tags: [a, b]
seed: 18446744073709551615
verdict: fail
control: recovery
system:
  registry: 1
  nodes: 12
  cohorts: [{ name: old, count: 4, bugs: [ack-before-commit], labels: { version: '5.0' } }]
  mirrors: 6
  replicas: 5
  bugs: { registry: [ack-before-commit] }
  record_life: 30s
  spread: version
  limits: { memory: 64MiB, cpus: 0.5 }
network: { latency: 10ms, jitter: 2ms, loss: 0.1%, bandwidth: 10mbit }
workload:
  names: 50
  rates: { register: 0.5/s, resolve: 50/s, update: 30/min }
  popularity: uniform
  contention: 5%
  deadline: 2s
duration: 1m 30s
timeline:
  - { id: dies, at: 0s, for: 2s, targets: registry, fault: kill }
  - { at: 1s, targets: [node-1, old, { one: mirrors }], fault: restart }
  - { at: 2s, for: 1s, targets: { count: 2, of: nodes }, fault: pause }
  - { at: 3s, for: 1s, targets: { percent: 30%, of: nodes }, fault: { partition: { shape: split } } }
  - at: 4s
    for: 1500ms
    targets: { minority: mirrors }
    fault: { partition: { shape: one-way, direction: from } }
  - at: 5s
    for: 1s
    targets: { majority: { count: 5, of: nodes } }
    fault: { latency: { mean: 300ms, jitter: 100ms, distribution: normal } }
  - { at: 6s, for: 1s, targets: node-2, fault: { loss: { rate: 2% } } }
  - { at: 7s, for: 1s, targets: node-3, fault: wipe }
  - { at: 8s, for: 1s, targets: node-1, fault: { loss: { rate: 2%, burst: 5 } } }
  - { at: 9s, for: 1s, targets: node-2, fault: { bandwidth: { rate: 1mbit, queue: 64KiB } } }
  - { at: 10s, for: 1s, targets: node-3, fault: { duplicate: { rate: 2% } } }
  - { at: 11s, for: 1s, targets: node-4, fault: { reorder: { rate: 2%, late: 20ms } } }
  - { at: 12s, for: 1s, targets: node-5, fault: { corrupt: { rate: 2%, silent: true } } }
  - { at: 13s, for: 1s, targets: node-6, fault: { mtu: { bytes: 600 } } }
  - { at: 14s, for: 1s, targets: node-7, fault: reset }
  - { at: 15s, for: 1s, targets: node-8, fault: jam }
settle: 40s
expect:
  availability: { register: 99%, resolve: 99.9%, update: 100% }
  availability_raw: { resolve: 50% }
  latency: { resolve: { p50: 20ms, p90: 100ms, p99: 1s } }
  recovery: 5s
  load: { spread: 3 }
";

/// A piece of `EVERYTHING`, and what is mistyped in its place.
const MISTAKES: &[(&str, &str)] = &[
    ("name: everything", "nmae: everything"),
    ("name: everything", "name: Every Thing"),
    ("question: Does", "# question: Does"),
    ("seed: 18446744073709551615", "seed: -1"),
    ("verdict: fail", "verdict: maybe"),
    ("registry: 1\n", "registry: 2\n"),
    ("nodes: 12", "nodes: twelve"),
    ("count: 4", "count: 0"),
    ("memory: 64MiB", "memory: 64"),
    ("cpus: 0.5", "cpus: half"),
    ("latency: 10ms, jitter", "latency: 10, jitter"),
    ("loss: 0.1%", "loss: 101%"),
    ("bandwidth: 10mbit", "bandwidth: 10mb"),
    ("update: 30/min", "update: fast"),
    ("popularity: uniform", "popularity: { zopf: 1.0 }"),
    ("duration: 1m 30s", "duration: 90"),
    ("at: 0s", "att: 0s"),
    ("fault: kill", "fault: kil"),
    ("{ one: mirrors }", "{ one: mirrors, of: nodes }"),
    ("{ count: 2, of: nodes }", "{ count: 2 }"),
    ("{ count: 2, of: nodes }", "{ cuont: 2, of: nodes }"),
    ("percent: 30%", "percent: 30"),
    ("shape: split", "shape: splits"),
    ("direction: from", "direction: up"),
    ("mean: 300ms", "meen: 300ms"),
    ("rate: 2%", "rate: 2"),
    ("p50: 20ms", "p51: 20ms"),
    ("recovery: 5s", "recovery: soon"),
    ("spread: 3", "spread: 0.5"),
    ("spread: 3", "spraed: 3"),
    ("control: recovery", "control: 3"),
    ("labels: { version: '5.0' }", "labels: [version]"),
    ("record_life: 30s", "record_life: 30"),
];

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(&plan::schema()).expect("the schema is JSON");
    assert!(jsonschema::meta::is_valid(&schema), "not a valid schema");
    jsonschema::validator_for(&schema).expect("the schema can be used")
});

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos-plans")
}

fn shipped(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).expect("it is committed")
}

fn shipped_plans() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("plans are shipped");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let plans: Vec<String> = names.filter(|name| name.ends_with(".yaml")).collect();
    assert!(plans.len() >= 3, "{plans:?}");
    plans
}

/// What the schema says against a plan.
fn complaints(yaml: &str) -> Vec<String> {
    let plan: Value = serde_yaml::from_str(yaml).expect("it is YAML");
    let say =
        |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    SCHEMA.iter_errors(&plan).map(say).collect()
}

#[test]
fn the_committed_schema_is_up_to_date() {
    assert_eq!(
        shipped("plan.schema.json"),
        plan::schema(),
        "run: cargo run --release -- schema > chaos-plans/plan.schema.json"
    );
}

#[test]
fn the_committed_list_of_plans_is_up_to_date() {
    let listed = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(["plans", "--markdown"])
        .arg(folder())
        .output()
        .expect("the harness starts");
    assert_eq!(listed.status.code(), Some(0), "{listed:?}");
    assert_eq!(
        shipped("README.md"),
        String::from_utf8(listed.stdout).expect("text"),
        "run: cargo run --release -- plans --markdown > chaos-plans/README.md"
    );
}

#[test]
fn every_shipped_plan_names_the_schema_and_fits_it() {
    for name in shipped_plans() {
        let text = shipped(&name);
        assert!(
            text.starts_with(SCHEMA_LINE),
            "{name}: begin it with {SCHEMA_LINE}"
        );
        assert_eq!(complaints(&text), [""; 0], "{name}");
    }
}

/// The plans of a folder beside the shipped ones, with their paths; each names the schema, fits it,
/// and is named after its file, with a prefix.
fn fitting(folder_name: &str, prefix: &str) -> Vec<(PathBuf, plan::LoadedPlan)> {
    let entries = std::fs::read_dir(folder().join(folder_name)).expect("plans are shipped");
    let fitting = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("readable");
        assert!(
            text.starts_with(&SCHEMA_LINE.replace('=', "=../")),
            "{path:?}"
        );
        assert_eq!(complaints(&text), [""; 0], "{path:?}");
        let loaded = plan::load(&path, &[]).expect("it has no mistakes");
        let stem = path.file_stem().expect("a name").to_string_lossy();
        assert_eq!(loaded.plan.name, format!("{prefix}-{stem}"));
        (path, loaded)
    };
    let plans: Vec<_> = entries
        .map(|entry| fitting(entry.expect("readable").path()))
        .collect();
    assert!(plans.len() >= 8, "{}", plans.len());
    plans
}

#[test]
fn every_plan_of_one_fault_fits_the_schema_and_has_no_warnings() {
    for (path, _) in fitting("faults", "fault") {
        let said = Command::new(env!("CARGO_BIN_EXE_harness"))
            .arg("check")
            .arg(&path)
            .output()
            .expect("the harness starts");
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!said.contains("warning"), "{said}");
    }
}

#[test]
fn every_control_fits_the_schema_has_no_warnings_and_is_named_after_its_file() {
    for (path, loaded) in fitting("controls", "control") {
        let warnings: Vec<_> = loaded.warnings.iter().map(|one| &one.message).collect();
        assert!(warnings.is_empty(), "{path:?}: {warnings:?}");
        assert!(loaded.plan.control.is_some(), "{path:?}: no `control`");
    }
}

#[test]
fn a_plan_with_every_key_fits_the_schema() {
    let loaded = plan::load_str("plan.yaml", EVERYTHING, &[]);
    loaded.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(complaints(EVERYTHING), [""; 0]);
    let zipf = EVERYTHING.replace("popularity: uniform", "popularity: { zipf: 1.5 }");
    assert_eq!(complaints(&zipf), [""; 0]);
}

#[test]
fn what_is_mistyped_is_refused_by_the_schema_and_by_the_harness() {
    for (right, wrong) in MISTAKES {
        assert!(EVERYTHING.contains(right), "{right}");
        let text = EVERYTHING.replacen(right, wrong, 1);
        assert!(
            !complaints(&text).is_empty(),
            "the schema accepts `{wrong}`"
        );
        assert!(
            plan::load_str("plan.yaml", &text, &[]).is_err(),
            "the harness accepts `{wrong}`"
        );
    }
}

#[test]
fn the_schema_and_the_parser_agree_on_how_durations_are_written() {
    let spans = [
        "0s",
        "0",
        "300ms",
        "1.5s",
        "1m 30s",
        "1m30s",
        "2 min",
        "90 seconds",
        "1h",
        "1day",
        "10us",
        "",
        "s",
        "10",
        "-1s",
        "1x",
        "1,5s",
        "1 s 2",
        "fast",
        "10S",
        "1ms.",
        ".5s",
    ];
    for span in spans {
        let text = EVERYTHING.replacen("settle: 40s", &format!("settle: {span:?}"), 1);
        let fits = complaints(&text).is_empty();
        let parses = span.parse::<plan::Span>().is_ok();
        assert_eq!(fits, parses, "`{span}`");
    }
}
