//! Property: load is spread. No mirror handled more than the plan's multiple of the requests that
//! mirrors handled on average, over the timeline.
//!
//! A mirror is a host that said so during the timeline. What it handled is the growth of what it
//! said that it had served; a count that falls began anew with its process. What a process served
//! between its last answer and its end is not known and left out.

use std::collections::BTreeMap;

use super::{Checker, Facts, Finding, Outcome};
use crate::history::{History, Served};
use crate::host::HostId;

/// The role of the hosts that are compared.
const ROLE: &str = "mirror";

/// Requests that say something about how they are spread: so many for each mirror.
const REQUESTS_LEAST: u64 = 20;

/// See the module.
#[derive(Debug)]
pub struct BoundedLoad;

impl Checker for BoundedLoad {
    fn name(&self) -> &'static str {
        "bounded-load"
    }

    fn property(&self) -> &'static str {
        "no mirror handled more than the expected multiple of the mirrors' mean"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let Some(spread) = facts.history.header.expect.load.spread else {
            let summary = "the plan bounds no load: nothing to judge";
            return Finding::new(self, Outcome::Pass, summary, vec![]);
        };
        let mut mirrors = mirrors(facts.history);
        mirrors.sort_by(|(_, one), (_, other)| other.cmp(one));
        let total: u64 = mirrors.iter().map(|(_, handled)| handled).sum();
        let Some((most_host, most)) = mirrors.first() else {
            let summary = "no mirror said what it served";
            return Finding::new(self, Outcome::Unknown, summary, vec![]);
        };
        let count = mirrors.len() as u64;
        if total < REQUESTS_LEAST * count {
            let summary = format!("{count} mirrors handled {total} requests: too few to tell");
            return Finding::new(self, Outcome::Unknown, summary, vec![]);
        }
        let mean = number(total) / number(count);
        let times = number(*most) / mean;
        let outcome = match times <= spread {
            true => Outcome::Pass,
            false => Outcome::Fail,
        };
        let summary = format!(
            "{most_host} handled {most} requests, {times:.2} times the mean of {count} mirrors \
             ({mean:.0}; at most {spread} times expected)"
        );
        let evidence = mirrors
            .iter()
            .map(|(host, handled)| format!("{host} handled {handled} requests of other hosts"))
            .collect();
        Finding::new(self, outcome, summary, evidence)
    }
}

/// What each mirror handled over the timeline.
fn mirrors(history: &History) -> Vec<(&HostId, u64)> {
    let (start, end) = history.timeline().unwrap_or_default();
    let mut said: BTreeMap<&HostId, Vec<&Served>> = BTreeMap::new();
    for (at_us, served) in &history.served {
        if (start..=end).contains(at_us) {
            said.entry(&served.host).or_default().push(served);
        }
    }
    let is_mirror = |said: &[&Served]| said.iter().any(|one| one.roles.iter().any(|it| it == ROLE));
    said.retain(|_, said| is_mirror(said));
    said.into_iter()
        .map(|(host, said)| (host, handled(said.iter().map(|one| one.requests))))
        .collect()
}

/// By how much a count grew, over the lives of its processes.
fn handled(counts: impl Iterator<Item = u64> + Clone) -> u64 {
    let grown = |(before, after): (u64, u64)| after.checked_sub(before).unwrap_or(after);
    let pairs = counts.clone().zip(counts.skip(1));
    pairs.map(grown).fold(0, u64::saturating_add)
}

/// A number of requests, or hosts, to calculate with.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of requests are far below 2^52"
)]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_falls_began_anew() {
        let handled_of = |counts: &[u64]| handled(counts.iter().copied());
        assert_eq!(handled_of(&[]), 0);
        assert_eq!(
            handled_of(&[100]),
            0,
            "what it served before does not count"
        );
        assert_eq!(handled_of(&[100, 130, 130]), 30);
        assert_eq!(handled_of(&[100, 130, 5, 15]), 45);
    }
}
