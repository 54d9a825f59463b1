//! Negative controls on real processes: a planted bug is caught by the checker that should catch
//! it, and the same plan without the bug passes that checker.

use harness::check::Outcome;

use crate::bed::{finding, run_plan};

/// The registry alone dies under registrations: what it acknowledged must be there afterwards.
const REGISTRY_DIES: &str = "
name: registry-dies
question: Is everything that the registry acknowledged there after it died?
system: {registry: 1, nodes: 4, mirrors: 0, bugs: {BUGS}}
workload: {names: 20, contention: 0%, rates: {register: 60/s, resolve: 5/s}}
timeline:
  - {at: 4s, for: 2s, targets: registry, fault: kill}
duration: 9s
";

/// Updates go on while the registry is dead; when it is back it still has older records.
const OLD_RECORDS_COME_BACK: &str = "
name: old-records-come-back
question: Do mirrors keep the newest record when somebody pushes an older one?
system: {registry: 1, nodes: 8, mirrors: 5, replicas: 3, bugs: {BUGS}}
workload: {names: 20, contention: 0%, rates: {resolve: 60/s, update: 40/s}}
timeline:
  - {at: 3s, for: 4s, targets: registry, fault: kill}
  - {at: 12s, for: 4s, targets: registry, fault: kill}
duration: 22s
";

const LOST: &str = "no-acknowledged-write-lost";

fn outcome(plan: &str, bugs: &str) -> (Outcome, String) {
    let (_, findings) = run_plan(&plan.replace("BUGS", bugs));
    let finding = finding(&findings, LOST);
    (finding.outcome, format!("{findings:#?}"))
}

pub fn ack_before_commit() {
    let (outcome, findings) = outcome(REGISTRY_DIES, "registry: [ack-before-commit]");
    assert_eq!(outcome, Outcome::Fail, "{findings}");
}

pub fn commit_before_ack() {
    let (outcome, findings) = outcome(REGISTRY_DIES, "");
    assert_eq!(outcome, Outcome::Pass, "{findings}");
}

pub fn skip_sequence_check() {
    let (outcome, findings) = outcome(OLD_RECORDS_COME_BACK, "nodes: [skip-seq-check]");
    assert_eq!(outcome, Outcome::Fail, "{findings}");
}

pub fn check_sequence() {
    let (outcome, findings) = outcome(OLD_RECORDS_COME_BACK, "");
    assert_eq!(outcome, Outcome::Pass, "{findings}");
}
