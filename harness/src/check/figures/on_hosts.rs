//! Proofs of faults on hosts: disks, limits, clocks, bugs and load.

use super::super::figures::{milliseconds, ratio};
use crate::fault::{Count, FaultSpec};
use crate::history::Evidence;

/// How far the number of operations may be from what the load asked for.
const LOAD_TOLERANCE: f64 = 0.25;

/// How many standard deviations of a Poisson count are chance.
const LOAD_DEVIATIONS: f64 = 5.0;

/// It was counted at least once.
pub fn counted(evidence: &Evidence, fault: &FaultSpec, count: Count) -> (bool, String) {
    let get = |count| evidence.counted.get(&count).copied().unwrap_or_default();
    let number = get(count);
    let mut proof = format!("{number} {}", count.words());
    match fault {
        FaultSpec::DiskSlow(slow) if number > 0 => {
            let mean_ms = ratio(get(Count::DiskDelayMs), number);
            let asked = slow.latency;
            proof = format!("{proof}, {mean_ms:.1} ms each, {asked} asked for");
        }
        FaultSpec::Cpu(cpu) => {
            let used = get(Count::CpuUsedMs);
            proof = format!(
                "{proof}, {used} {}, {} asked for",
                Count::CpuUsedMs.words(),
                cpu.share
            );
        }
        FaultSpec::Bug(_) => {
            let exits = get(Count::BugExits);
            let words = Count::BugExits.words();
            return (number + exits > 0, format!("{proof}, {exits} {words}"));
        }
        _ => {}
    }
    (number > 0, proof)
}

/// The limit was read back from each target.
pub fn limited(evidence: &Evidence, targets: usize, count: Count) -> (bool, String) {
    let number = evidence.counted.get(&count).copied().unwrap_or_default();
    let all = usize::try_from(number).is_ok_and(|number| number == targets);
    (all, format!("{number} of {targets} {}", count.words()))
}

/// Each clock was read and was wrong by at least half of what was asked for, and not by more than
/// half too much.
pub fn clock_read(evidence: &Evidence, targets: usize) -> (bool, String) {
    let Some(clock) = evidence.clock.filter(|clock| clock.hosts > 0) else {
        return (false, "no wall clock could be read".to_owned());
    };
    let off = clock.asked_us.abs_diff(clock.read_us);
    let all = usize::try_from(clock.hosts).is_ok_and(|hosts| hosts == targets);
    let good = clock.asked_us != 0 && off <= clock.asked_us.unsigned_abs() / 2;
    let proof = format!(
        "{} of {targets} wall clocks read: {} on average, {} asked for",
        clock.hosts,
        seconds(clock.read_us),
        seconds(clock.asked_us),
    );
    (all && good, proof)
}

/// As many operations were started as the load asked for, and that is not what there would have
/// been anyway.
pub fn load(evidence: &Evidence) -> (bool, String) {
    let Some(load) = evidence.load else {
        return (false, "no operations were counted".to_owned());
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers of operations are far below 2^53"
    )]
    let (done, asked, calm) = (load.operations as f64, load.asked as f64, load.calm as f64);
    let chance = (LOAD_DEVIATIONS * asked.max(1.0).sqrt()).max(LOAD_TOLERANCE * asked);
    let as_asked = (done - asked).abs() <= chance;
    let nearer = (done - asked).abs() < (done - calm).abs();
    let proof = format!(
        "{} operations started, {} asked for, {} without it",
        load.operations, load.asked, load.calm
    );
    (as_asked && nearer, proof)
}

/// A difference of time with its sign, in seconds.
fn seconds(us: i64) -> String {
    let sign = if us < 0 { '-' } else { '+' };
    format!("{sign}{:.3} s", milliseconds(us.unsigned_abs()) / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{ClockEvidence, LoadEvidence};

    #[test]
    fn a_clock_is_proved_when_it_was_read_to_be_as_wrong_as_asked_for() {
        let read = |hosts, asked_us, read_us| Evidence {
            clock: Some(ClockEvidence {
                hosts,
                asked_us,
                read_us,
            }),
            ..Evidence::default()
        };
        assert!(clock_read(&read(2, 60_000_000, 59_990_000), 2).0);
        assert!(clock_read(&read(2, -60_000_000, -60_100_000), 2).0);
        assert!(!clock_read(&read(2, 60_000_000, 0), 2).0, "it is true");
        assert!(
            !clock_read(&read(1, 60_000_000, 60_000_000), 2).0,
            "one is missing"
        );
        assert!(
            !clock_read(&read(2, 60_000_000, -60_000_000), 2).0,
            "the wrong way"
        );
        assert!(!clock_read(&read(2, 0, 0), 2).0, "nothing asked for");
        assert!(!clock_read(&Evidence::default(), 2).0);
    }

    #[test]
    fn load_is_proved_by_as_many_operations_as_asked_for() {
        let started = |operations, asked, calm| Evidence {
            load: Some(LoadEvidence {
                operations,
                asked,
                calm,
            }),
            ..Evidence::default()
        };
        assert!(load(&started(510, 500, 100)).0);
        assert!(!load(&started(110, 500, 100)).0, "as in calm");
        assert!(!load(&started(300, 500, 100)).0, "too few");
        assert!(load(&started(12, 10, 100)).0, "less load");
        assert!(!load(&Evidence::default()).0);
    }

    #[test]
    fn a_limit_must_be_read_back_from_every_target() {
        let read = |number| Evidence {
            counted: [(Count::FilesLimited, number)].into(),
            ..Evidence::default()
        };
        assert!(limited(&read(2), 2, Count::FilesLimited).0);
        assert!(!limited(&read(1), 2, Count::FilesLimited).0);
        assert!(!limited(&Evidence::default(), 2, Count::FilesLimited).0);
    }

    #[test]
    fn a_bug_is_proved_by_biting_or_by_ending_its_host() {
        let bug: FaultSpec = serde_json::from_str(r#"{"bug": {"name": "x"}}"#).expect("valid");
        let with = |count, number| Evidence {
            counted: [(count, number)].into(),
            ..Evidence::default()
        };
        assert!(counted(&with(Count::BugBites, 3), &bug, Count::BugBites).0);
        assert!(counted(&with(Count::BugExits, 1), &bug, Count::BugBites).0);
        assert!(!counted(&Evidence::default(), &bug, Count::BugBites).0);
    }
}
