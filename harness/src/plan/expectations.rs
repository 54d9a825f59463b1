//! What a plan expects: that each expectation can be judged.

use super::path::Path;
use super::problem::Problem;
use super::spec::{Availability, Expect, Plan, Quantiles, System};
use super::units::Rate;

/// The problems with what a plan expects.
pub fn check(plan: &Plan) -> Vec<Problem> {
    let (expect, workload) = (&plan.expect, &plan.workload);
    let rates = &workload.rates;
    let bounded = |quantiles: &Quantiles| {
        quantiles.p50.is_some() || quantiles.p90.is_some() || quantiles.p99.is_some()
    };
    let shares = |availability: &Availability| {
        [
            availability.register,
            availability.resolve,
            availability.update,
        ]
        .map(|one| one.is_some())
    };
    let latency = &expect.latency;
    let sections = [
        ("availability", shares(&expect.availability)),
        ("availability_raw", shares(&expect.availability_raw)),
        (
            "latency",
            [&latency.register, &latency.resolve, &latency.update].map(bounded),
        ),
    ];
    let kinds: [(&str, Rate); 3] = [
        ("register", rates.register),
        ("resolve", rates.resolve),
        ("update", rates.update),
    ];
    let warning = |section: &str, kind: &str| {
        let rate = Path::from("workload.rates").key(kind);
        let message = format!("`{kind}` is expected to hold, but no {kind} will happen");
        let help = format!("give `{rate}` a rate, like `5/s`, or drop the expectation");
        let path = Path::from("expect").key(section).key(kind);
        Problem::warning(path, message, help)
            .on_key()
            .relying_on([rate])
    };
    let idle = |(section, expected): (&'static str, [bool; 3])| {
        kinds
            .iter()
            .zip(expected)
            .filter(|((_, rate), expected)| *expected && rate.hertz() == 0.0)
            .map(move |((kind, _), _)| warning(section, kind))
            .collect::<Vec<_>>()
    };
    sections
        .into_iter()
        .flat_map(idle)
        .chain(spread(expect, &plan.system))
        .collect()
}

/// The problem with how the load is expected to be spread.
fn spread(expect: &Expect, system: &System) -> Option<Problem> {
    let spread = expect.load.spread?;
    let path = Path::from("expect.load.spread");
    if !(spread.is_finite() && spread >= 1.0) {
        let message = format!("no system spreads its load so that the most loaded has {spread}");
        let help = "write how many times the mean a mirror may have, at least 1, like `spread: 3`";
        return Some(Problem::error(path, message, help));
    }
    (system.mirrors == 0).then(|| {
        let message = "the load of mirrors is bounded, and there are none";
        let help = "give the system `mirrors`, or drop the expectation";
        Problem::warning(path, message, help).relying_on([Path::from("system.mirrors")])
    })
}
