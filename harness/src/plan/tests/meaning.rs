//! What a plan means: each check is shown a plan on which it must speak, and where it points.

use super::*;

/// The small plan with one piece replaced, and what is said about it.
#[track_caller]
fn says(from: &str, to: &str, expected: &[&str]) {
    assert_eq!(changed(from, to), expected, "{to}");
}

#[test]
fn names_become_folders() {
    says("name: small", "name: ''", &["1:7 name: the name is empty"]);
    says(
        "name: small",
        "name: ../x",
        &["1:7 name: `../x` cannot be the name of a folder"],
    );
    let long = format!("name: {}", "x".repeat(65));
    assert_eq!(changed("name: small", &long).len(), 1);
    says(
        "Does it work?",
        "' '",
        &["2:11 question: the question is empty"],
    );
}

#[test]
fn the_system_is_of_a_size_that_can_run() {
    let nodes = |to: &str| changed("nodes: 5", to);
    assert_eq!(
        nodes("registry: 2, nodes: 5"),
        ["3:21 system.registry: 2 registries are not supported"]
    );
    assert_eq!(
        nodes("nodes: 0")[0],
        "3:18 system.nodes: the system has no nodes"
    );
    assert_eq!(
        nodes("nodes: 1001"),
        ["3:18 system.nodes: 1001 nodes are too many"]
    );
    assert_eq!(
        nodes("nodes: 500, cohorts: [{ name: old, count: 501 }]"),
        ["3:18 system.nodes: 1001 nodes are too many"]
    );
    assert_eq!(nodes("nodes: 1000"), [""; 0]);
}

#[test]
fn limits_leave_enough_to_run() {
    let limits = |limits: &str| changed("nodes: 5", &format!("nodes: 5, limits: {limits}"));
    assert_eq!(limits("{ memory: 64MiB, cpus: 0.5 }"), [""; 0]);
    assert_eq!(
        limits("{ memory: 1MiB, cpus: 0 }"),
        [
            "3:39 system.limits.memory: 1MiB of memory are too little for a process to start",
            "3:51 system.limits.cpus: a host cannot have 0 processors",
        ]
    );
}

#[test]
fn mirrors_and_replicas_fit_into_each_other() {
    says(
        "mirrors: 3",
        "mirrors: 6",
        &["3:30 system.mirrors: `mirrors` is 6, but there are only 5 nodes"],
    );
    says(
        "replicas: 3",
        "replicas: 4",
        &["3:43 system.replicas: `replicas` is 4, but there are only 3 mirrors"],
    );
    says(
        "replicas: 3",
        "replicas: 0",
        &["3:43 system.replicas: no mirror would hold a name"],
    );
    says("mirrors: 3, replicas: 3", "mirrors: 0, replicas: 0", &[]);
    // What is not written is shown at its map, and said to be the default.
    let error = plan(SMALL.replace(", replicas: 3", "").as_str(), &[]).expect_err("5 of 3");
    let help = error.mistakes()[0].help.clone().unwrap_or_default();
    assert!(
        help.ends_with("(`system.replicas` is not written: this is its default)"),
        "{help}"
    );
}

#[test]
fn cohorts_have_names_and_nodes_of_their_own() {
    let cohorts = |list: &str| changed("nodes: 5", &format!("nodes: 5, cohorts: [{list}]"));
    let clash = |name: &str, with: &str| {
        let path = "system.cohorts[0].name";
        format!("3:39 {path}: a cohort cannot be named `{name}`: {with}")
    };
    let built_in = "it is the name of a built-in group or of its hosts";
    for name in ["registry", "nodes", "mirrors", "all", "node"] {
        assert_eq!(
            cohorts(&format!("{{ name: {name}, count: 2 }}")),
            [clash(name, built_in)]
        );
    }
    assert_eq!(
        cohorts("{ name: node-3, count: 2 }"),
        [clash("node-3", "a host has that name")]
    );
    assert_eq!(cohorts("{ name: node-6, count: 2 }"), [""; 0]);
    assert_eq!(
        cohorts("{ name: old, count: 2 }, { name: old, count: 1 }").len(),
        1
    );
    assert_eq!(
        cohorts("{ name: old, count: 2 }, { name: old-2, count: 1 }").len(),
        1
    );
    assert_eq!(cohorts("{ name: Old, count: 2 }").len(), 1);
    assert_eq!(
        cohorts("{ name: old, count: 0 }"),
        ["3:51 system.cohorts[0].count: the cohort has no nodes"]
    );
}

#[test]
fn bugs_are_planted_in_hosts_that_there_are() {
    let bugs = |name: &str| {
        changed(
            "nodes: 5",
            &format!("nodes: 5, bugs: {{ {name}: [skip-seq-check] }}"),
        )
    };
    assert_eq!(bugs("nodes"), [""; 0]);
    assert_eq!(bugs("node-5"), [""; 0]);
    assert_eq!(
        bugs("nods"),
        ["3:29 system.bugs.nods: there is no host or group `nods`"]
    );
    assert_eq!(
        bugs("node-6"),
        ["3:29 system.bugs.node-6: there is no host or group `node-6`"]
    );
    assert_eq!(bugs("mirrors").len(), 1);
    assert_eq!(
        changed("nodes: 5", "nodes: 5, bugs: { nodes: [skip-sek-check] }"),
        ["3:37 system.bugs.nodes[0]: the system has no bug `skip-sek-check`"]
    );
}

#[test]
fn the_network_and_the_workload_are_possible() {
    says(
        "workload:\n",
        "network: { latency: 5ms, jitter: 6ms }\nworkload:\n",
        &["4:34 network.jitter: `jitter` is 6ms, more than the `latency` of 5ms"],
    );
    says(
        "resolve: 10/s, register: 1/s",
        "resolve: 0/s",
        &["5:10 workload.rates: all rates are zero: nothing would happen"],
    );
    let workload = |line: &str| changed("workload:\n", &format!("workload:\n  {line}\n"));
    assert_eq!(
        workload("popularity: { zipf: -1.0 }"),
        ["5:23 workload.popularity.zipf: -1 is not a Zipf exponent"]
    );
    assert_eq!(workload("popularity: { zipf: .5 }"), [""; 0]);
    assert_eq!(
        workload("deadline: 0s"),
        ["5:13 workload.deadline: no answer can come within 0s"]
    );
    assert_eq!(
        workload("deadline: 30h"),
        ["5:13 workload.deadline: 1day 6h is too long"]
    );
    let alone = "nodes: 1, mirrors: 1, replicas: 1";
    let one_node = SMALL.replace("nodes: 5, mirrors: 3, replicas: 3", alone);
    let one_node = one_node.replace("count: 2", "count: 1");
    assert_eq!(
        said(&one_node, &[]),
        ["5:3 workload.contention: two clients cannot register at once: there is one node"]
    );
    assert_eq!(said(&one_node, &["workload.contention=0%"]), [""; 0]);
}

#[test]
fn an_expectation_without_operations_is_a_warning() {
    let text = format!(
        "{SMALL}expect:\n  availability: {{ update: 99%, resolve: 99% }}\n  \
         latency: {{ update: {{ p99: 1s }} }}\n"
    );
    assert_eq!(
        said(&text, &[]),
        [
            "13:19 expect.availability.update: `update` is expected to hold, \
             but no update will happen (warning)",
            "14:14 expect.latency.update: `update` is expected to hold, \
             but no update will happen (warning)",
        ]
    );
    assert!(plan(&text, &[]).is_ok());
}

#[test]
fn targets_are_hosts_that_there_are() {
    let targets = |to: &str| changed("targets: registry", &format!("targets: {to}"));
    let at = |place: &str, message: &str| vec![format!("7:{place}: {message}")];
    for valid in [
        "all",
        "[node-5, registry]",
        "{ minority: mirrors }",
        "{ percent: 1%, of: all }",
    ] {
        assert_eq!(targets(valid), [""; 0], "{valid}");
    }
    assert_eq!(
        targets("[]"),
        at("33 timeline[0].targets", "nobody is aimed at")
    );
    assert_eq!(
        targets("[nodes, [registri]]"),
        at(
            "42 timeline[0].targets[1][0]",
            "there is no host or group `registri`"
        )
    );
    assert_eq!(
        targets("{ one: node-9 }"),
        at(
            "40 timeline[0].targets.one",
            "there is no host or group `node-9`"
        )
    );
    assert_eq!(
        targets("{ count: 0, of: nodes }"),
        at("42 timeline[0].targets.count", "a count of 0 is nobody")
    );
    assert_eq!(
        targets("{ count: 6, of: nodes }"),
        at(
            "42 timeline[0].targets.count",
            "`count` is 6, but `nodes` has only 5 hosts"
        )
    );
    assert_eq!(
        targets("{ count: 4, of: { minority: nodes } }"),
        at(
            "42 timeline[0].targets.count",
            "`count` is 4, but `a minority of nodes` has only 2 hosts"
        )
    );
    assert_eq!(
        targets("{ percent: 0%, of: nodes }"),
        at("44 timeline[0].targets.percent", "0% of a group is nobody")
    );
    assert_eq!(
        targets("{ minority: [node-1, node-2] }"),
        at(
            "45 timeline[0].targets.minority",
            "a minority of 2 is nobody"
        )
    );
}

#[test]
fn aiming_at_mirrors_that_there_are_not_is_a_warning() {
    let without = |targets: &str| {
        let text = SMALL.replace("targets: registry", &format!("targets: {targets}"));
        said(&text, &["system.mirrors=0"])
    };
    let warning =
        ["7:33 timeline[0].targets: the fault aims at `mirrors`, and there are none (warning)"];
    assert_eq!(without("mirrors"), warning);
    assert_eq!(without("{ minority: mirrors }"), warning);
    assert_eq!(without("{ count: 9, of: mirrors }"), warning);
}

#[test]
fn a_fault_happens_while_the_timeline_lasts() {
    says(
        "fault: kill",
        "fault: restart",
        &["7:15 timeline[0].for: `restart` is over as soon as it has happened: it cannot last"],
    );
    says(
        "for: 5s",
        "for: 0s",
        &["7:20 timeline[0].for: a fault of 0s does not happen"],
    );
    says(
        "for: 5s",
        "for: 90h",
        &["7:20 timeline[0].for: 3days 18h is too long"],
    );
    let lasting = |duration: &str| said(SMALL, &[&format!("duration={duration}")]);
    assert_eq!(lasting("10s"), [""; 0]);
    assert_eq!(
        lasting("9s"),
        [
            "7:20 timeline[0].for: the step would end after the timeline, \
          which is over at 9s (warning)"
        ]
    );
    assert_eq!(
        lasting("6s"),
        [
            "8:9 timeline[1].at: the step starts at 6s, when the timeline is over",
            "7:20 timeline[0].for: the step would end after the timeline, \
             which is over at 6s (warning)",
        ]
    );
    assert_eq!(lasting("0s").len(), 3);
}

#[test]
fn a_fault_has_parameters_that_mean_something() {
    says(
        "mean: 20ms",
        "mean: 20ms, jitter: 30ms",
        &["11:12 timeline[1].fault: `jitter` is larger than `mean`: delays cannot be negative"],
    );
    let partition = |shape: &str, targets: &str| {
        let text = SMALL
            .replace(
                "fault: kill",
                &format!("fault: {{ partition: {{ shape: {shape} }} }}"),
            )
            .replace("targets: registry", &format!("targets: {targets}"));
        said(&text, &[])
    };
    let one_sided =
        ["7:33 timeline[0].targets: the partition cuts nothing: all hosts are on one side"];
    for all in [
        "all",
        "[registry, nodes]",
        "{ count: 6, of: all }",
        "{ percent: 100%, of: all }",
    ] {
        assert_eq!(partition("split", all), one_sided, "{all}");
        assert_eq!(partition("isolate", all), [""; 0], "{all}");
    }
    assert_eq!(partition("one-way, direction: to", "all"), one_sided);
    assert_eq!(partition("one-way", "nodes").len(), 1);
    for some in ["nodes", "{ count: 5, of: all }", "[registry, mirrors]"] {
        assert_eq!(partition("split", some), [""; 0], "{some}");
    }
}

#[test]
fn steps_are_told_apart_by_their_names() {
    says("{ at: 5s", "{ id: first, at: 5s", &[]);
    says(
        "{ at: 5s",
        "{ id: latency-2, at: 5s",
        &["7:11 timeline[0].id: step 2 is called `latency-2` too"],
    );
    says(
        "{ at: 5s",
        "{ id: a b, at: 5s",
        &["7:11 timeline[0].id: `a b` cannot be the name of a folder"],
    );
    let both = SMALL
        .replace("- { at", "- { id: x, at")
        .replace("- at", "- id: x\n    at");
    assert_eq!(
        said(&both, &[]),
        ["8:9 timeline[1].id: step 1 is called `x` too"]
    );
}

#[test]
fn doing_the_same_twice_at_once_is_a_warning() {
    let with = |step: &str| said(&format!("{SMALL}  - {step}\n"), &[]);
    assert_eq!(
        with("{ at: 9s, for: 5s, targets: registry, fault: kill }"),
        ["12:11 timeline[2].at: this `kill` overlaps with the same one of step 1 (warning)"]
    );
    assert_eq!(
        with("{ at: 10s, for: 5s, targets: registry, fault: kill }"),
        [""; 0]
    );
    assert_eq!(with("{ at: 9s, targets: node-1, fault: kill }"), [""; 0]);
    assert_eq!(with("{ at: 9s, targets: registry, fault: pause }"), [""; 0]);
}
