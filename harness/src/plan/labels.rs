//! Labels: what the nodes of a cohort say of themselves, and by which of them mirrors are spread.

use super::path::Path;
use super::problem::Problem;
use super::spec::{Cohort, System};
use crate::system::{COHORT_LABEL, LABEL_BYTES_MAX, LABELS_MAX};

/// The problems with the labels of all cohorts, and with what mirrors are spread by.
pub fn check(system: &System) -> Vec<Problem> {
    let cohorts = system.cohorts.iter().enumerate();
    cohorts
        .flat_map(|(position, cohort)| of_cohort(position, cohort))
        .chain(spread(system))
        .collect()
}

fn of_cohort(position: usize, cohort: &Cohort) -> Vec<Problem> {
    let path = Path::from("system.cohorts").item(position).key("labels");
    let mut problems: Vec<Problem> = cohort
        .labels
        .iter()
        .filter_map(|(label, value)| one(label, value, path.key(label)))
        .collect();
    // One of them says the cohort.
    let most = LABELS_MAX - 1;
    if cohort.labels.len() > most {
        let message = format!("{} labels are too many", cohort.labels.len());
        let help = format!("a node has at most {most}, besides its cohort");
        problems.push(Problem::error(path, message, help));
    }
    problems
}

fn one(label: &str, value: &str, path: Path) -> Option<Problem> {
    let help = format!(
        "write it like `version: \"5.0\"`: a label without `=`, and at most {LABEL_BYTES_MAX} bytes \
         each"
    );
    let plain = |text: &str| text.len() <= LABEL_BYTES_MAX && !text.contains(char::is_control);
    let good = |label: &str| !label.is_empty() && !label.contains('=') && plain(label);
    if !good(label) {
        let message = format!("`{}` cannot be a label", label.escape_debug());
        return Some(Problem::error(path, message, help).on_key());
    }
    (!plain(value)).then(|| {
        let message = format!("`{label}` cannot be `{}`", value.escape_debug());
        Problem::error(path, message, help)
    })
}

/// The problem with spreading mirrors by a label that no node has.
fn spread(system: &System) -> Option<Problem> {
    let wanted = system.spread.as_deref()?;
    let mut labels: Vec<&str> = system
        .cohorts
        .iter()
        .flat_map(|cohort| cohort.labels.keys().map(String::as_str))
        .collect();
    if !system.cohorts.is_empty() {
        labels.push(COHORT_LABEL);
    }
    labels.sort_unstable();
    labels.dedup();
    (!labels.contains(&wanted)).then(|| {
        let message = format!("no node has the label `{}`", wanted.escape_debug());
        let help = match labels.is_empty() {
            true => "only the nodes of `cohorts` have labels, and there are none".to_owned(),
            false => format!("the nodes have {}", labels.join(", ")),
        };
        let relies_on = [Path::from("system.cohorts")];
        Problem::error(Path::from("system.spread"), message, help).relying_on(relies_on)
    })
}
