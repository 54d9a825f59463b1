//! Property: an overlay keeps to itself. In the end no host believes the addresses of a peer that
//! belongs to another system.
//!
//! Two overlays that meet over one peer of both must not grow together: each would answer with
//! peers that know nothing of its names. A host counts as it said last. A system whose hosts do not
//! say is not judged.

use super::{Checker, Facts, Finding, Outcome};

/// See the module.
#[derive(Debug)]
pub struct OwnOverlay;

impl Checker for OwnOverlay {
    fn name(&self) -> &'static str {
        "own-overlay"
    }

    fn property(&self) -> &'static str {
        "in the end no host believes a peer of another system"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let said = &facts.history.strangers;
        let believing: Vec<String> = said
            .iter()
            .filter(|(_, peers)| **peers > 0)
            .map(|(host, peers)| format!("{host} believes {peers} peers of other systems"))
            .collect();
        let outcome = match believing.is_empty() {
            true => Outcome::Pass,
            false => Outcome::Fail,
        };
        let summary = match said.len() {
            0 => "no host said whom it believes: nothing to judge".to_owned(),
            count => format!(
                "{} of the {count} hosts that said so believe peers of other systems",
                believing.len()
            ),
        };
        Finding::new(self, outcome, summary, believing)
    }
}
