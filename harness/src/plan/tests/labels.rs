//! Labels, lives of records, bounds of load and controls: each check is shown a plan on which it
//! must speak, and where it points.

use super::*;

fn system(keys: &str) -> Vec<String> {
    changed("replicas: 3 }", &format!("replicas: 3, {keys} }}"))
}

#[test]
fn records_live_long_enough_to_be_renewed() {
    assert_eq!(system("record_life: 30s"), [""; 0]);
    assert_eq!(
        system("record_life: 500ms"),
        [
            "3:59 system.record_life: records that live for 500ms expire before they can be \
             renewed"
        ]
    );
    assert_eq!(
        system("record_life: 25h"),
        ["3:59 system.record_life: 1day 1h is too long"]
    );
}

#[test]
fn labels_are_such_that_a_node_can_have_them() {
    let labels = |labels: &str| {
        let cohorts = format!("cohorts: [{{ name: old, count: 2, labels: {labels} }}]");
        changed("nodes: 5", &format!("nodes: 5, {cohorts}"))
    };
    assert_eq!(labels("{ version: '5.0', cohort: elders }"), [""; 0]);
    assert_eq!(
        labels("{ a=b: x }"),
        ["3:64 system.cohorts[0].labels.a=b: `a=b` cannot be a label"]
    );
    let long = "x".repeat(65);
    assert_eq!(labels(&format!("{{ version: {long} }}")).len(), 1);
    let many: Vec<String> = (0..16).map(|number| format!("l{number}: x")).collect();
    assert_eq!(
        labels(&format!("{{ {} }}", many.join(", "))),
        ["3:62 system.cohorts[0].labels: 16 labels are too many"]
    );
}

#[test]
fn mirrors_are_spread_by_a_label_that_nodes_have() {
    let cohorts = "cohorts: [{ name: old, count: 2, labels: { version: '5.0' } }]";
    for label in ["version", "cohort"] {
        assert_eq!(system(&format!("{cohorts}, spread: {label}")), [""; 0]);
    }
    let unknown = system(&format!("{cohorts}, spread: rack"));
    assert_eq!(unknown.len(), 1);
    assert!(unknown[0].ends_with("no node has the label `rack`"));
    assert_eq!(
        system("spread: version"),
        ["3:54 system.spread: no node has the label `version`"]
    );
}

#[test]
fn a_spread_of_load_can_be_met_and_judged() {
    let spread = |spread: &str, plan: &str| {
        said(
            &format!("{plan}expect: {{ load: {{ spread: {spread} }} }}\n"),
            &[],
        )
    };
    assert_eq!(spread("3", SMALL), [""; 0]);
    assert_eq!(spread("1", SMALL), [""; 0]);
    for wrong in ["0.5", "-3", "0"] {
        let said = spread(wrong, SMALL);
        assert_eq!(said.len(), 1, "{wrong}");
        assert!(
            said[0].starts_with("12:27 expect.load.spread: no system"),
            "{said:?}"
        );
    }
    let alone = SMALL.replace("mirrors: 3, replicas: 3", "mirrors: 0");
    assert_eq!(
        spread("3", &alone),
        ["12:27 expect.load.spread: the load of mirrors is bounded, and there are none (warning)"]
    );
}

#[test]
fn a_control_names_a_checker_and_is_documented_to_fail() {
    let control = |keys: &str| changed("name: small", &format!("name: small\n{keys}"));
    assert_eq!(control("control: recovery\nverdict: fail"), [""; 0]);
    assert_eq!(
        control("control: recovery"),
        ["2:10 control: a control is made to fail, and this one is documented to pass"]
    );
    assert_eq!(
        control("control: recovry\nverdict: fail"),
        ["2:10 control: there is no checker `recovry`"]
    );
    let text = SMALL.replace(
        "name: small",
        "name: small\ncontrol: recovry\nverdict: fail",
    );
    let error = plan(&text, &[]).expect_err("no such checker");
    let help = error.mistakes()[0].help.clone().unwrap_or_default();
    assert!(
        help.starts_with("did you mean `recovery`? there are availability"),
        "{help}"
    );
}
