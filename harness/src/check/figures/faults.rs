//! Figures of faults: what was asked for beside what was measured.
//!
//! Whether a fault is proved is decided here, once, by the measurement that its kind names. The
//! checker of fault evidence and the reports only repeat it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::on_hosts;
use super::recovery::{Recoveries, RecoveryFigures};
use super::{milliseconds, ratio};
use crate::check::owed::Owed;
use crate::fault::{Count, FaultSpec, Proof};
use crate::history::{Evidence, FaultRun, History};
use crate::host::HostId;

/// A fault: what was asked for beside what was measured. Times are milliseconds since the start
/// of the clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultFigures {
    /// Its name.
    pub id: String,
    /// The word for it in plans.
    pub kind: String,
    /// Its parameters as a person would say them; empty when there are none.
    pub parameters: String,
    /// The targets as the plan says them.
    pub aimed_at: String,
    /// Whom it hit.
    pub targets: Vec<HostId>,
    /// When it became active; absent when the run ended first.
    pub started_ms: Option<f64>,
    /// When it ended; absent when it was still active at the end of the run.
    pub stopped_ms: Option<f64>,
    /// What was measured while it was active; absent when nothing was.
    pub evidence: Option<Evidence>,
    /// Whether the measurement shows that it happened; absent when there was none.
    pub proved: Option<bool>,
    /// What was asked for and what was measured, in one sentence.
    pub proof: String,
    /// How soon after its end the service was back; absent when it did not end within the
    /// timeline, or another fault was still active then.
    #[serde(default)]
    pub recovery: Option<RecoveryFigures>,
}

/// The figures of every fault of the schedule, in its order.
#[must_use]
pub fn fault_figures(history: &History, owed: &Owed) -> Vec<FaultFigures> {
    let recoveries = Recoveries::of(history, owed);
    let clock_us = history.timeline().map_or(0, |(start, _)| start);
    let since_clock = |at_us: u64| milliseconds(at_us) - milliseconds(clock_us);
    history
        .header
        .faults
        .iter()
        .zip(&history.faults)
        .enumerate()
        .map(|(number, (scheduled, run))| {
            let (proved, proof) = prove(&scheduled.fault, run);
            let fault = scheduled.fault.inner();
            FaultFigures {
                id: scheduled.id.clone(),
                kind: fault.kind().to_owned(),
                parameters: fault.describe(),
                aimed_at: scheduled.aimed_at.clone(),
                targets: run.targets.clone(),
                started_ms: run.started_us.map(since_clock),
                stopped_ms: run.stopped_us.map(since_clock),
                evidence: run.evidence.clone(),
                proved,
                proof,
                recovery: recoveries.as_ref().and_then(|all| all.figures(number)),
            }
        })
        .collect()
}

/// Whether the measurements show that a fault happened, and the sentence that says why.
fn prove(fault: &FaultSpec, run: &FaultRun) -> (Option<bool>, String) {
    let Some(evidence) = &run.evidence else {
        let why = match run.started_us {
            Some(_) => "nothing was measured while it was active",
            None => "it never started",
        };
        return (None, why.to_owned());
    };
    if run.targets.is_empty() {
        return (Some(false), "it hit no host".to_owned());
    }
    let (proved, proof) = match fault.inner().proof() {
        Proof::ProcessExited => processes(evidence, run.targets.len(), "seen to end"),
        Proof::SomeProcessExited => some_processes(evidence, run),
        Proof::ProcessStarted => processes(evidence, run.targets.len(), "seen to start"),
        Proof::ProcessStopped => processes(evidence, run.targets.len(), "seen stopped"),
        Proof::DiskWiped => processes(evidence, run.targets.len(), "seen dead, with an empty disk"),
        Proof::PowerLost => power_lost(evidence, run.targets.len()),
        Proof::PacketsBlocked => packets_blocked(evidence),
        Proof::PacketsDelayed => packets_delayed(evidence, fault),
        Proof::PacketsLost => packets_lost(evidence, fault),
        Proof::LineBusy => line_busy(evidence, fault),
        Proof::Packets(count) => packets_counted(evidence, fault, count),
        Proof::Counted(count) => on_hosts::counted(evidence, fault, count),
        Proof::Limited(count) => on_hosts::limited(evidence, run.targets.len(), count),
        Proof::ClockRead => on_hosts::clock_read(evidence, run.targets.len()),
        Proof::Load => on_hosts::load(evidence),
    };
    (Some(proved), proof)
}

fn processes(evidence: &Evidence, targets: usize, seen: &str) -> (bool, String) {
    let all =
        targets > 0 && usize::try_from(evidence.hosts_seen).is_ok_and(|hosts| hosts == targets);
    (
        all,
        format!("{} of {targets} processes {seen}", evidence.hosts_seen),
    )
}

/// Those that were to go away at least once did.
fn some_processes(evidence: &Evidence, run: &FaultRun) -> (bool, String) {
    let hit: BTreeSet<&HostId> = run.turns.iter().flat_map(|(_, hits)| hits).collect();
    let (seen, all) = (evidence.hosts_seen, run.targets.len());
    let enough = usize::try_from(seen).is_ok_and(|seen| seen >= hit.len());
    let proof = format!(
        "{seen} of {all} processes seen to end, {} were to",
        hit.len()
    );
    (enough && !hit.is_empty(), proof)
}

fn power_lost(evidence: &Evidence, targets: usize) -> (bool, String) {
    let (all, seen) = processes(evidence, targets, "seen dead, back to what was synced");
    let count = |count| evidence.counted.get(&count).copied().unwrap_or_default();
    (
        all,
        format!(
            "{seen}; {} {}",
            count(Count::BytesLost),
            Count::BytesLost.words()
        ),
    )
}

fn packets_blocked(evidence: &Evidence) -> (bool, String) {
    let proof = format!(
        "{} packets dropped on the cut links",
        evidence.packets_blocked
    );
    (evidence.packets_blocked > 0, proof)
}

fn packets_delayed(evidence: &Evidence, fault: &FaultSpec) -> (bool, String) {
    let asked_us = evidence.requested_delay_us.or(match fault {
        FaultSpec::Latency(latency) => Some(latency.mean.as_micros()),
        FaultSpec::Profile(profile) => {
            u64::try_from(profile.policy().mean_latency().as_micros()).ok()
        }
        _ => None,
    });
    let (Some(measured_us), Some(asked_us)) = (evidence.mean_delay_us, asked_us) else {
        return (
            false,
            "no packet passed the links, so no delay was measured".to_owned(),
        );
    };
    let enough = evidence.packets_passed > 0 && measured_us >= asked_us / 2;
    let proof = format!(
        "mean one-way delay {:.1} ms measured over {} packets, {:.1} ms asked for",
        milliseconds(measured_us),
        evidence.packets_passed,
        milliseconds(asked_us),
    );
    (enough, proof)
}

/// A line was busy when something did not fit into its queue, or when packets were late by at
/// least half of the time that the line takes for one of them.
fn line_busy(evidence: &Evidence, fault: &FaultSpec) -> (bool, String) {
    let dropped = evidence
        .counted
        .get(&Count::QueueFull)
        .copied()
        .unwrap_or_default();
    let late_us = evidence
        .mean_delay_us
        .unwrap_or_default()
        .saturating_sub(evidence.requested_delay_us.unwrap_or_default());
    let line_us = match fault {
        FaultSpec::Bandwidth(line) if evidence.packets_passed > 0 => {
            let bits = u128::from(evidence.bytes_passed) * 8_000_000;
            let rate = u128::from(line.rate.bits_per_second().max(1));
            u64::try_from(bits / u128::from(evidence.packets_passed) / rate).unwrap_or(u64::MAX)
        }
        _ => u64::MAX,
    };
    let waited = line_us < u64::MAX && late_us > 0 && late_us >= line_us / 2;
    let proof = format!(
        "packets were {:.1} ms late on the line beside the latency, {dropped} dropped from its \
         queue, {} passed",
        milliseconds(late_us),
        evidence.packets_passed,
    );
    (waited || dropped > 0, proof)
}

/// The fabric did it to at least one packet.
fn packets_counted(evidence: &Evidence, fault: &FaultSpec, count: Count) -> (bool, String) {
    let number = evidence.counted.get(&count).copied().unwrap_or_default();
    let asked = match fault {
        FaultSpec::Duplicate(one) => Some(one.rate),
        FaultSpec::Reorder(one) => Some(one.rate),
        FaultSpec::Corrupt(one) => Some(one.rate),
        _ => None,
    };
    let passed = evidence.packets_passed;
    let beside = match asked {
        Some(rate) if passed > 0 => {
            let measured = 100.0 * ratio(number, passed.max(number));
            format!(" of {passed} ({measured:.1}%), {rate} asked for")
        }
        _ => String::new(),
    };
    (number > 0, format!("{number} {}{beside}", count.words()))
}

fn packets_lost(evidence: &Evidence, fault: &FaultSpec) -> (bool, String) {
    let all = evidence
        .packets_passed
        .saturating_add(evidence.packets_lost);
    let measured = if all == 0 {
        0.0
    } else {
        100.0 * ratio(evidence.packets_lost, all)
    };
    let asked = match fault {
        FaultSpec::Loss(loss) => format!(", {} asked for", loss.rate),
        _ => String::new(),
    };
    let lost = evidence.packets_lost;
    (
        lost > 0,
        format!("{lost} of {all} packets lost ({measured:.1}%){asked}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::HistoryBuilder;

    const SECOND: u64 = 1_000_000;

    fn figures(builder: HistoryBuilder) -> Vec<FaultFigures> {
        let history = builder.finish(3 * SECOND);
        fault_figures(&history, &Owed::of(&history))
    }

    /// A fault with these measurements on one target: whether it is proved, and why.
    fn proof(fault: &str, evidence: Evidence) -> (Option<bool>, String) {
        let mut builder = HistoryBuilder::new(3);
        builder.boot(0);
        let number = builder.schedule(fault);
        builder.start_fault(SECOND, number, &["node-1"]);
        builder.measured(2 * SECOND, number, evidence);
        let figures = figures(builder).remove(0);
        (figures.proved, figures.proof)
    }

    #[test]
    fn each_fault_is_proved_by_its_own_measurement_only() {
        let seen = |hosts_seen| Evidence {
            hosts_seen,
            ..Evidence::default()
        };
        assert_eq!(
            proof("kill", seen(1)),
            (Some(true), "1 of 1 processes seen to end".into())
        );
        assert_eq!(proof("pause", seen(0)).0, Some(false));
        assert_eq!(
            proof("split", seen(1)).0,
            Some(false),
            "processes prove no partition"
        );
        let blocked = Evidence {
            packets_blocked: 3,
            ..Evidence::default()
        };
        assert_eq!(proof("split", blocked).0, Some(true));
        let lost = Evidence {
            packets_lost: 2,
            packets_passed: 98,
            ..Evidence::default()
        };
        let sentence = "2 of 100 packets lost (2.0%), 2% asked for";
        assert_eq!(proof("loss", lost), (Some(true), sentence.into()));
        let endless = Evidence {
            packets_lost: u64::MAX,
            packets_passed: u64::MAX,
            ..Evidence::default()
        };
        assert_eq!(proof("loss", endless).0, Some(true), "no sum overflows");
    }

    #[test]
    fn what_the_fabric_did_to_packets_proves_its_own_fault_only() {
        let counted = |count, number| Evidence {
            counted: [(count, number)].into(),
            packets_passed: 100,
            ..Evidence::default()
        };
        let sentence = "3 packets delivered twice of 100 (3.0%), 3% asked for";
        let twice = counted(Count::Duplicated, 3);
        assert_eq!(
            proof("duplicate", twice.clone()),
            (Some(true), sentence.into())
        );
        assert_eq!(proof("jam", twice).0, Some(false));
        assert_eq!(proof("jam", counted(Count::Jammed, 1)).0, Some(true));
        assert_eq!(proof("jam", Evidence::default()).0, Some(false));
    }

    #[test]
    fn a_line_is_proved_by_waiting_or_by_a_full_queue() {
        // 1 mbit takes 8 ms for 1000 bytes.
        let line = |mean_delay_us, full| Evidence {
            packets_passed: 10,
            bytes_passed: 10_000,
            mean_delay_us: Some(mean_delay_us),
            requested_delay_us: Some(10_000),
            counted: (full > 0)
                .then_some((Count::QueueFull, full))
                .into_iter()
                .collect(),
            ..Evidence::default()
        };
        assert_eq!(proof("bandwidth", line(14_000, 0)).0, Some(true));
        assert_eq!(proof("bandwidth", line(13_999, 0)).0, Some(false));
        assert_eq!(proof("bandwidth", line(10_000, 1)).0, Some(true));
        assert_eq!(proof("bandwidth", Evidence::default()).0, Some(false));
    }

    #[test]
    fn a_delay_is_proved_from_half_of_what_was_asked_for() {
        let delayed = |mean_delay_us, packets_passed| Evidence {
            mean_delay_us,
            packets_passed,
            requested_delay_us: Some(300_000),
            ..Evidence::default()
        };
        assert_eq!(proof("latency", delayed(Some(150_000), 9)).0, Some(true));
        assert_eq!(proof("latency", delayed(Some(149_999), 9)).0, Some(false));
        assert_eq!(proof("latency", delayed(None, 0)).0, Some(false));
    }

    #[test]
    fn a_fault_that_hit_nobody_is_not_proved() {
        let mut builder = HistoryBuilder::new(3);
        builder.boot(0);
        let number = builder.schedule("kill");
        builder.start_fault(SECOND, number, &[]);
        builder.measured(2 * SECOND, number, Evidence::default());
        let figures = figures(builder).remove(0);
        assert_eq!(
            (figures.proved, figures.proof.as_str()),
            (Some(false), "it hit no host")
        );
    }

    #[test]
    fn without_a_measurement_nothing_is_said_to_be_proved() {
        let mut builder = HistoryBuilder::new(3);
        builder.boot(0);
        let started = builder.schedule("kill");
        builder.schedule("pause");
        builder.start_fault(SECOND, started, &["node-1"]);
        let figures = figures(builder);
        assert_eq!(figures[0].proved, None);
        assert_eq!(figures[0].started_ms, Some(1000.0));
        assert_eq!(figures[1].proof, "it never started");
    }
}
