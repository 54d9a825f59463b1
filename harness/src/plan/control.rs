//! Negative controls: a plan that is made so that a checker must fail says which, and is documented
//! to fail.

use super::nearest::did_you_mean;
use super::path::Path;
use super::problem::Problem;
use super::spec::{Plan, Verdict};
use crate::check;

/// The problems with a plan that calls itself a control.
pub fn check(plan: &Plan) -> Vec<Problem> {
    let Some(control) = plan.control.as_deref() else {
        return vec![];
    };
    let mut problems = Vec::new();
    let checkers: Vec<&str> = check::all().iter().map(|one| one.name()).collect();
    if !checkers.contains(&control) {
        let rest = format!("there are {}", checkers.join(", "));
        let help = did_you_mean(control, checkers.iter().copied(), &rest);
        let message = format!("there is no checker `{}`", control.escape_debug());
        problems.push(Problem::error(Path::from("control"), message, help));
    }
    if plan.verdict != Verdict::Fail {
        let message = "a control is made to fail, and this one is documented to pass";
        let help = "write `verdict: fail` beside it, or remove `control`";
        problems.push(
            Problem::error(Path::from("control"), message, help)
                .relying_on([Path::from("verdict")]),
        );
    }
    problems
}
