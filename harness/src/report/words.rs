//! How figures and names are written in reports, the same in every renderer.

use crate::check::Outcome;
use crate::history::Phase;
use crate::plan::Verdict;

/// The word for a value that does not exist.
pub const NONE: &str = "–";

/// A share from 0 to 1 in percent with two decimals, rounded down: what is not all is never 100%.
#[must_use]
pub fn percent(share: Option<f64>) -> String {
    match share {
        None => NONE.to_owned(),
        Some(share) if share >= 1.0 => "100%".to_owned(),
        // The addend undoes binary rounding, as in 0.9995 * 10,000 = 9994.999….
        Some(share) => format!("{:.2}%", (share * 10_000.0 + 1e-6).floor() / 100.0),
    }
}

/// A length of time given in milliseconds, with about three digits.
#[must_use]
pub fn duration(ms: Option<f64>) -> String {
    match ms {
        None => NONE.to_owned(),
        Some(ms) if ms < 9.995 => format!("{ms:.2} ms"),
        Some(ms) if ms < 99.95 => format!("{ms:.1} ms"),
        Some(ms) if ms < 999.5 => format!("{ms:.0} ms"),
        Some(ms) if ms < 99_950.0 => format!("{:.2} s", ms / 1000.0),
        Some(ms) => format!("{:.0} s", ms / 1000.0),
    }
}

/// A count with its thousands apart.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 host`, `2 hosts`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// The word for an outcome.
#[must_use]
pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Unknown => "unknown",
        Outcome::Fail => "fail",
    }
}

/// The word for a documented verdict.
#[must_use]
pub const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
    }
}

/// The words for a phase.
#[must_use]
pub const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Boot => "boot",
        Phase::Preload => "preload",
        Phase::Timeline => "timeline",
        Phase::Heal => "heal",
        Phase::Settle => "settle",
        Phase::FinalReads => "final reads",
        Phase::Stop => "stop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_all_is_never_called_all() {
        assert_eq!(percent(Some(1.0)), "100%");
        assert_eq!(percent(Some(0.999_999)), "99.99%");
        assert_eq!(percent(Some(0.9995)), "99.95%");
        assert_eq!(percent(Some(0.0)), "0.00%");
        assert_eq!(percent(None), "–");
    }

    #[test]
    fn durations_have_about_three_digits() {
        let cases = [
            (0.0, "0.00 ms"),
            (9.999, "10.0 ms"),
            (45.25, "45.2 ms"),
            (999.7, "1.00 s"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration(Some(ms)), text);
        }
        assert_eq!(duration(Some(2000.0)), "2.00 s");
        assert_eq!(duration(Some(123_456.0)), "123 s");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "host"), "1 host");
        assert_eq!(counted(1_000, "host"), "1,000 hosts");
    }
}
