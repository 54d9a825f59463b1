//! Whole plans from text to mistakes: what a person sees who wrote something wrong.

mod labels;
mod meaning;
mod robust;
mod spans;

use super::*;

const CENTRAL_OUTAGE: &str = include_str!("../../../chaos-plans/central-outage.yaml");
const REGISTRY_ONLY: &str = include_str!("../../../chaos-plans/registry-only.yaml");
const SPLIT_HALVES: &str = include_str!("../../../chaos-plans/split-halves.yaml");

/// A small valid plan; tests change a line of it.
const SMALL: &str = "\
name: small
question: Does it work?
system: { nodes: 5, mirrors: 3, replicas: 3 }
workload:
  rates: { resolve: 10/s, register: 1/s }
timeline:
  - { at: 5s, for: 5s, targets: registry, fault: kill }
  - at: 6s
    for: 2s
    targets: { count: 2, of: nodes }
    fault: { latency: { mean: 20ms } }
";

fn plan(text: &str, sets: &[&str]) -> Result<LoadedPlan, PlanError> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    load_str("plan.yaml", text, &sets)
}

/// The mistakes and warnings as `line:column path: message`.
fn said(text: &str, sets: &[&str]) -> Vec<String> {
    let mistakes = match plan(text, sets) {
        Ok(loaded) => loaded.warnings,
        Err(error) => error.mistakes().to_vec(),
    };
    let line = |one: &Mistake| {
        let warning = if one.severity == Severity::Warning {
            " (warning)"
        } else {
            ""
        };
        format!(
            "{}:{} {}: {}{warning}",
            one.line, one.column, one.path, one.message
        )
    };
    mistakes.iter().map(line).collect()
}

/// What is said about the small plan with one piece replaced.
fn changed(from: &str, to: &str) -> Vec<String> {
    assert!(SMALL.contains(from), "{from}");
    said(&SMALL.replacen(from, to, 1), &[])
}

#[test]
fn the_plans_of_the_project_are_valid_and_have_no_warnings() {
    for text in [CENTRAL_OUTAGE, REGISTRY_ONLY, SPLIT_HALVES, SMALL] {
        assert_eq!(said(text, &[]), [""; 0]);
        let loaded = plan(text, &[]).expect("valid");
        assert_eq!(loaded.text, text);
    }
    let verdict = |text| plan(text, &[]).expect("valid").plan.verdict;
    assert_eq!(verdict(REGISTRY_ONLY), Verdict::Fail);
    assert_eq!(verdict(CENTRAL_OUTAGE), Verdict::Pass);
}

#[test]
fn a_plan_with_five_mistakes_prints_five_errors_each_with_its_place() {
    let text = "\
name: Central Outage
question: Does anyone notice?
system: { nodes: 24, mirrors: 8, replicas: 5 }
workload:
  rates: { resolve: 50/s, update: fast }
timeline:
  - { at: 10s, for: 30s, targets: registri, fault: kill }
  - { for: 10s, targets: { minority: mirrors }, fault: { latency: { meen: 300ms } } }
";
    insta::assert_snapshot!(plan(text, &[]).expect_err("five mistakes"), @r"
      x `Central Outage` cannot be the name of a folder
       ,-[plan.yaml:1:7]
     1 | name: Central Outage
       :       ^^^^^^^^^^^^^^
       `----
      help: use 1 to 64 of `a-z`, `0-9`, `.`, `_`, `-`, starting with a letter or a digit

      x `fast` is not a rate
       ,-[plan.yaml:5:35]
     5 |   rates: { resolve: 50/s, update: fast }
       :                                   ^^^^
       `----
      help: write it like `50/s`, `30/min`, `0.5/s`

      x there is no host or group `registri`
       ,-[plan.yaml:7:35]
     7 |   - { at: 10s, for: 30s, targets: registri, fault: kill }
       :                                   ^^^^^^^^
       `----
      help: did you mean `registry`? groups: `registry`, `nodes`, `mirrors`, `all`; hosts: `node-1` to
            `node-24`

      x the key `at` is missing here
       ,-[plan.yaml:8:5]
     8 |   - { for: 10s, targets: { minority: mirrors }, fault: { latency: { meen: 300ms } } }
       :     ^
       `----
      help: add `at`: a duration with its unit, like `300ms` or `10s`

      x unknown key `meen`
       ,-[plan.yaml:8:69]
     8 |   - { for: 10s, targets: { minority: mirrors }, fault: { latency: { meen: 300ms } } }
       :                                                                     ^^^^
       `----
      help: did you mean `mean`? valid here: `mean`, `jitter`, `distribution`, `correlation`

    5 mistakes in plan.yaml; nothing was started
    ");
}

#[test]
fn a_mistyped_key_or_word_is_shown_with_the_nearest_one() {
    let text = "\
name: typos
question: Which one was meant?
system: { nodes: 5, mirors: 3, replicas: 3 }
worklod:
  rates: { resolve: 10/s, mirrors: 1/s }
verdict: faill
timeline:
  - { at: 5s, targets: nods, fault: { latencyy: { mean: 20ms, distribution: unifrom } } }
expect:
  availability: { resolve: 99%, resolved: 98% }
";
    let error = plan(text, &[]).expect_err("typos");
    let help = |one: &Mistake| {
        let first = one.help.as_deref().unwrap_or_default();
        let short = first.split(['?', ';']).next().unwrap_or_default();
        format!("{}:{} {} / {short}", one.line, one.column, one.message)
    };
    let shown: Vec<String> = error.mistakes().iter().map(help).collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    3:21 unknown key `mirors` / did you mean `mirrors`
    4:1 unknown key `worklod` / did you mean `workload`
    5:27 unknown key `mirrors` / valid here: `register`, `resolve`, `update`
    6:10 `faill` is not a valid `verdict` / did you mean `fail`
    8:24 there is no host or group `nods` / did you mean `nodes`
    8:39 `latencyy` is not a valid `fault` / did you mean `latency`
    8:77 `unifrom` is not a valid `distribution` / did you mean `uniform`
    10:33 unknown key `resolved` / did you mean `resolve`, which this map has already
    ");
}

#[test]
fn values_of_the_wrong_kind_are_shown_where_they_stand() {
    let cases = [
        ("fault: kill", "fault: latency"),
        ("fault: kill", "fault: { kill: {} }"),
        ("fault: kill", "fault: 5"),
        ("fault: kill", "fault:"),
        ("fault: kill", "fault: {}"),
        ("fault: kill", "fault: { loss: {} }"),
        ("fault: kill", "fault: { loss: { rate: 3 } }"),
        ("fault: kill", "fault: { kill: , pause: }"),
        ("at: 5s", "at: 5"),
        ("targets: registry", "targets: { count: x, of: 5 }"),
        ("targets: registry", "targets: { count: 3 }"),
        ("targets: registry", "targets: { count: 3, one: nodes }"),
        ("targets: registry", "targets: [registry, 7]"),
        ("  - at: 6s\n    for: 2s\n", "  - 7\n  - for: 2s\n"),
        ("nodes: 5", "nodes: 70000"),
        ("nodes: 5", "nodes:"),
        ("question:", "tags: [a, 1]\nquestion:"),
    ];
    let shown = cases.map(|(from, to)| {
        let help = |one: &Mistake| one.help.clone().unwrap_or_default();
        let error = plan(&SMALL.replacen(from, to, 1), &[]).expect_err(to);
        let lines = changed(from, to)
            .into_iter()
            .zip(error.mistakes().iter().map(help));
        let lines: Vec<String> = lines
            .map(|(line, help)| format!("  {line} / {help}\n"))
            .collect();
        format!("{}\n{}", to.replace('\n', "\\n"), lines.concat())
    });
    insta::assert_snapshot!(shown.concat(), @r"
    fault: latency
      7:50 timeline[0].fault: `latency` needs parameters / write `fault: {latency: …}`, where `…` is a map with keys of `mean`, `jitter`, `distribution`, `correlation`
    fault: { kill: {} }
      7:50 timeline[0].fault: `kill` takes no parameters / write `fault: kill`
    fault: 5
      7:50 timeline[0].fault: `fault` cannot be `5` / write one of `kill`, `restart`, `crash`, `crash-loop`, `rolling-restart`, `mass-restart`, `pause`, `churn`, `join`, `leave`, `wipe`, `power-loss`, `disk-full`, `disk-slow`, `disk-read-only`, `cpu`, `memory`, `files`, `clock`, `bug`, `partition`, `flap`, `latency`, `loss`, `bandwidth`, `duplicate`, `reorder`, `corrupt`, `reset`, `mtu`, `jam`, `profile`, `load`, `flash-crowd`
    fault:
      7:5 timeline[0]: the key `fault` is missing here / add `fault`: what happens, like `kill` or `{latency: {mean: 20ms}}`, or give `sequence` or `parallel` with steps
    fault: {}
      7:50 timeline[0].fault: `fault` cannot be an empty map / write one of `kill`, `restart`, `crash`, `crash-loop`, `rolling-restart`, `mass-restart`, `pause`, `churn`, `join`, `leave`, `wipe`, `power-loss`, `disk-full`, `disk-slow`, `disk-read-only`, `cpu`, `memory`, `files`, `clock`, `bug`, `partition`, `flap`, `latency`, `loss`, `bandwidth`, `duplicate`, `reorder`, `corrupt`, `reset`, `mtu`, `jam`, `profile`, `load`, `flash-crowd`
    fault: { loss: {} }
      7:58 timeline[0].fault.loss.rate: the key `rate` is missing here / add `rate`: a share with its sign, like `2%`
    fault: { loss: { rate: 3 } }
      7:66 timeline[0].fault.loss.rate: `rate` cannot be `3` / write a share with its sign, like `2%`
    fault: { kill: , pause: }
      7:50 timeline[0].fault: `kill` takes no parameters / write `fault: kill`
    at: 5
      7:11 timeline[0].at: `at` cannot be `5` / write a duration with its unit, like `300ms` or `10s`
    targets: { count: x, of: 5 }
      7:42 timeline[0].targets.count: `count` cannot be `x` / write a whole number, 0 or more
      7:49 timeline[0].targets.of: `of` cannot be `5` / write a host, a group, a list of them, or one of `{count: 3, of: nodes}`, `{percent: 30%, of: nodes}`, `{one: mirrors}`, `{minority: mirrors}`, `{majority: mirrors}`, `{replicas-of: NAME}`
    targets: { count: 3 }
      7:33 timeline[0].targets.of: the key `of` is missing here / add `of`: a host, a group, a list of them, or one of `{count: 3, of: nodes}`, `{percent: 30%, of: nodes}`, `{one: mirrors}`, `{minority: mirrors}`, `{majority: mirrors}`, `{replicas-of: NAME}`
    targets: { count: 3, one: nodes }
      7:33 timeline[0].targets: it is not clear who is meant / give exactly one of `count` with `of`, `percent` with `of`, `one`, `minority`, `majority`, `replicas-of`
    targets: [registry, 7]
      7:44 timeline[0].targets[1]: an item of `targets` cannot be `7` / write a host, a group, a list of them, or one of `{count: 3, of: nodes}`, `{percent: 30%, of: nodes}`, `{one: mirrors}`, `{minority: mirrors}`, `{majority: mirrors}`, `{replicas-of: NAME}`
      - 7\n  - for: 2s\n
      8:5 timeline[1]: an item of `timeline` cannot be `7` / write a map with keys of `id`, `at`, `when`, `for`, `every`, `times`, `jitter`, `phase`, `targets`, `links`, `port`, `protocol`, `fault`, `sequence`, `parallel`
      9:5 timeline[2]: the key `at` is missing here / add `at`: a duration with its unit, like `300ms` or `10s`
    nodes: 70000
      3:18 system.nodes: `nodes` cannot be `70000` / write a whole number from 0 to 65535
    nodes:
      3:11 system.nodes: `nodes` has no value / write a whole number from 0 to 65535
    tags: [a, 1]\nquestion:
      2:11 tags[1]: an item of `tags` cannot be `1` / write text (a number needs quotes to be text)
    ");
}

#[test]
fn what_only_follows_from_a_mistake_is_not_reported() {
    // Without its nodes known, a system has neither too few mirrors nor unknown hosts.
    assert_eq!(changed("nodes: 5", "nodes: many").len(), 1);
    assert_eq!(changed("targets: registry", "targets: node-4").len(), 0);
    let unknown_nodes = SMALL
        .replace("nodes: 5", "nodes: x")
        .replace("registry,", "node-4,");
    assert_eq!(said(&unknown_nodes, &[]).len(), 1);
    assert_eq!(changed("system: {", "sistem: {").len(), 1);
    assert_eq!(changed("rates: {", "rate: {").len(), 1);
    assert_eq!(changed("fault: kill", "fault: latncy").len(), 1);
}

#[test]
fn an_override_is_applied_before_decoding_and_its_mistakes_are_shown_in_it() {
    let loaded = plan(CENTRAL_OUTAGE, &["system.mirrors=0", "timeline.0.at=5s"]).expect("valid");
    assert_eq!(loaded.plan.system.mirrors, 0);
    let at = loaded.plan.timeline[0].at.expect("written");
    assert_eq!(at.to_string(), "5s");
    assert!(
        loaded
            .text
            .starts_with("# The plan with these overrides in it:\n#   --set system")
    );
    assert_eq!(plan(&loaded.text, &[]).expect("valid").plan, loaded.plan);
    let warnings: Vec<&str> = loaded
        .warnings
        .iter()
        .map(|one| one.message.as_str())
        .collect();
    assert_eq!(
        warnings,
        ["the fault aims at `mirrors`, and there are none"]
    );

    let error = plan(SMALL, &["system.mirors=2", "timeline.7.at=1s"]).expect_err("mistakes");
    insta::assert_snapshot!(error, @r"
      x unknown key `mirors`
       ,-[--set system.mirors=2:1:8]
     1 | system.mirors=2
       :        ^^^^^^
       `----
      help: did you mean `mirrors`, which this map has already? valid here: `registry`, `nodes`,
            `cohorts`, `mirrors`, `replicas`, `bugs`, `record_life`, `spread`, `limits`

      x `timeline` is a list of 2: it has no item `7`
       ,-[--set timeline.7.at=1s:1:10]
     1 | timeline.7.at=1s
       :          ^
       `----
      help: items are numbered from 0 to 1

    2 mistakes in plan.yaml; nothing was started
    ");
}

#[test]
fn every_plan_of_the_project_can_run_without_mirrors() {
    for text in [CENTRAL_OUTAGE, REGISTRY_ONLY, SPLIT_HALVES] {
        let loaded = plan(text, &["system.mirrors=0"]).expect("valid");
        assert_eq!(loaded.plan.system.mirrors, 0);
    }
}

#[test]
fn syntax_mistakes_and_empty_plans_have_a_place() {
    assert_eq!(said("", &[]), ["1:1 : the plan is empty"]);
    assert_eq!(said("# nothing\n", &[]), ["1:1 : the plan is empty"]);
    assert_eq!(said("- a\n", &[]), ["1:1 : the plan cannot be a list"]);
    let twice = changed("at: 6s\n", "at: 6s\n    at: 7s\n");
    assert_eq!(twice, ["9:5 at: the key `at` is given twice in this map"]);
    let open = changed("registry, fault: kill }", "registry, fault: kill");
    assert!(
        open.len() == 1 && open[0].contains(" : not valid YAML: "),
        "{open:?}"
    );
    let long = format!("# {}\n{SMALL}", "x".repeat(1 << 20));
    assert_eq!(said(&long, &[]).len(), 1);
    // A byte order mark is not a column.
    assert_eq!(
        said(&format!("\u{feff}{}", SMALL.replace("name:", "nam:")), &[])[0][..4],
        *"1:1 "
    );
}

#[test]
fn an_alias_means_its_value_and_repeats_no_mistake() {
    let text = |fault: &str| {
        SMALL
            .replace("fault: { latency: { mean: 20ms } }", "fault: *slow")
            .replace("fault: kill", &format!("fault: &slow {fault}"))
    };
    let loaded = plan(&text("{ latency: { mean: 20ms } }"), &[]).expect("valid");
    assert_eq!(loaded.plan.timeline[0].fault, loaded.plan.timeline[1].fault);
    assert_eq!(said(&text("{ latency: { mean: soon } }"), &[]).len(), 1);
}

#[test]
fn a_missing_file_names_the_plans_beside_it() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    for name in ["central-outage.yaml", "split.yaml", "notes.txt"] {
        std::fs::write(folder.path().join(name), SMALL).expect("written");
    }
    let shown = |name: &str| {
        let error = load(&folder.path().join(name), &[]).expect_err("no such plan");
        error
            .to_string()
            .replace(&folder.path().display().to_string(), "plans")
    };
    insta::assert_snapshot!(shown("central-outtage.yaml"), @r"
    cannot read plans/central-outtage.yaml: there is no such file
      help: did you mean plans/central-outage.yaml? plans in plans: central-outage.yaml, split.yaml
    nothing was started
    ");
    insta::assert_snapshot!(shown(""), @r"
    cannot read plans/: it is a directory
      help: plans in plans/: central-outage.yaml, split.yaml
    nothing was started
    ");
    std::fs::write(
        folder.path().join("latin.yaml"),
        b"name: x\nquestion: \xe9\n",
    )
    .expect("written");
    insta::assert_snapshot!(shown("latin.yaml"), @r"
    cannot read plans/latin.yaml: line 2 is not UTF-8 text
      help: a plan is a YAML file in UTF-8
    nothing was started
    ");
    assert!(load(&folder.path().join("split.yaml"), &[]).is_ok());
}

#[test]
fn a_hundred_mistakes_are_enough() {
    let text = format!("{SMALL}tags: [{}]\n", "1, ".repeat(300));
    assert_eq!(said(&text, &[]).len(), error::MISTAKES_MAX);
}
