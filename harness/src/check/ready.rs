//! Property: after the final heal every host is ready again and the system settles in time.

use super::{Checker, Facts, Finding, Outcome};
use crate::history::{History, HostState, Phase};
use crate::host::HostId;

/// See the module.
#[derive(Debug)]
pub struct ReadyAgain;

impl Checker for ReadyAgain {
    fn name(&self) -> &'static str {
        "ready-again"
    }

    fn property(&self) -> &'static str {
        "after the final heal every host is ready and nothing stays pending"
    }

    fn check(&self, facts: &Facts<'_>) -> Finding {
        let history = facts.history;
        let Some((settled, pending)) = &history.settled else {
            let summary = "the run ended before the system could settle";
            return Finding::new(self, Outcome::Unknown, summary, vec![]);
        };
        let stop = history.phase_start(Phase::Stop).unwrap_or(u64::MAX);
        let down: Vec<&HostId> = history
            .header
            .hosts
            .iter()
            .filter(|(_, host)| !host.joins || was_started(history, &host.id))
            .map(|(_, host)| &host.id)
            .filter(|host| !is_ready_at(history, host, stop))
            .collect();
        let mut evidence: Vec<String> = down
            .iter()
            .map(|host| format!("{host} was not ready"))
            .collect();
        evidence.extend(pending.iter().map(|(host, count)| match count {
            &u64::MAX => format!("{host} did not say what is pending"),
            count => format!("{host} had {count} pending"),
        }));
        let outcome = if down.is_empty() && *settled {
            Outcome::Pass
        } else {
            Outcome::Fail
        };
        let summary = match (down.len(), settled) {
            (0, true) => "every host is ready, nothing is pending".to_owned(),
            (count, true) => format!("{count} hosts are not ready"),
            (count, false) => format!(
                "{count} hosts are not ready, {} have something pending after the time to settle",
                pending.len()
            ),
        };
        Finding::new(self, outcome, summary, evidence)
    }
}

/// True when the host has ever run.
fn was_started(history: &History, host: &HostId) -> bool {
    let states = history.hosts.get(host).map_or(&[][..], Vec::as_slice);
    states
        .iter()
        .any(|(_, state)| matches!(state, HostState::Started { .. }))
}

/// True when the host was ready, and not frozen, right before this moment.
pub fn is_ready_at(history: &History, host: &HostId, at_us: u64) -> bool {
    let states = history.hosts.get(host).map_or(&[][..], Vec::as_slice);
    let mut ready = false;
    let mut paused = false;
    for (_, state) in states.iter().take_while(|(at, _)| *at < at_us) {
        match state {
            HostState::Ready => ready = true,
            HostState::Started { .. } | HostState::Exited { .. } => {
                (ready, paused) = (false, false);
            }
            HostState::Paused => paused = true,
            HostState::Resumed => paused = false,
            HostState::Wiped { .. } | HostState::PowerLost { .. } => {}
        }
    }
    ready && !paused
}
