//! Property: no process ended unless the harness ended it, and no log has an alarming line.

use super::{Checker, Facts, Finding, Outcome};
use crate::history::HostState;

/// See the module.
#[derive(Debug)]
pub struct UnexpectedExits;

impl Checker for UnexpectedExits {
    fn name(&self) -> &'static str {
        "unexpected-exits"
    }

    fn property(&self) -> &'static str {
        "no process ended by itself or panicked"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let history = facts.history;
        let mut exits: Vec<(u64, String)> = history
            .hosts
            .iter()
            .flat_map(|(host, states)| states.iter().map(move |(at, state)| (host, *at, state)))
            .filter_map(|(host, at, state)| match state {
                HostState::Exited {
                    code,
                    signal,
                    wanted: false,
                } => {
                    let how = match (code, signal) {
                        (Some(code), _) => format!("with status {code}"),
                        (None, Some(signal)) => format!("by signal {signal}"),
                        (None, None) => "for an unknown reason".to_owned(),
                    };
                    Some((at, format!("{host} ended {how}")))
                }
                _ => None,
            })
            .collect();
        let count = exits.len();
        exits.extend(
            history
                .alarms
                .iter()
                .map(|(at, host, line)| (*at, format!("{host} logged: {line}"))),
        );
        exits.sort();
        let outcome = if exits.is_empty() {
            Outcome::Pass
        } else {
            Outcome::Fail
        };
        let summary = format!(
            "{count} processes ended by themselves, {} alarming log lines",
            history.alarms.len()
        );
        let evidence = exits.into_iter().map(|(_, text)| text).collect();
        Finding::new(self, outcome, summary, evidence)
    }
}
