//! What a skewed clock shows, given the true time.

const BILLION: i64 = 1_000_000_000;

/// What a clock shows beyond the true time: the offset, and the drift times what has passed of the
/// true time since a moment. The default is the true time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew {
    /// What is added at any time, in nanoseconds.
    pub offset_ns: i64,
    /// By how much the clock is too fast, in nanoseconds a second. At -1,000,000,000 it stands
    /// still, below that it runs backwards.
    pub drift_ppb: i64,
    /// The true wall-clock time, in nanoseconds since the epoch, from which drift counts.
    pub since_ns: i64,
}

impl Skew {
    /// The time shown, in nanoseconds since the epoch, at a true time in the same unit. Times over
    /// 292 years from the epoch, which have no number, become the nearest that has one.
    #[must_use]
    pub fn shown_ns(&self, true_ns: i64) -> i64 {
        let bound = |end: i64| i128::from(end);
        let exact = self.exact_ns(true_ns);
        exact.clamp(bound(i64::MIN), bound(i64::MAX)) as i64
    }

    /// Whether the clock shows the true time.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.offset_ns == 0 && self.drift_ppb == 0
    }

    /// The time shown, also where it has no number. Seconds and the rest are multiplied apart,
    /// as the machine code does it, so that both round alike: no intermediate result of the
    /// machine code's only division is too long for any parameters.
    pub(crate) fn exact_ns(&self, true_ns: i64) -> i128 {
        let (true_s, true_rest) = seconds_and_rest(true_ns);
        let (since_s, since_rest) = seconds_and_rest(self.since_ns);
        let drift = i128::from(self.drift_ppb);
        let whole = drift * i128::from(true_s - since_s);
        let part = drift * i128::from(true_rest - since_rest) / i128::from(BILLION);
        i128::from(true_ns) + i128::from(self.offset_ns) + whole + part
    }
}

/// Seconds and nanoseconds, the latter never negative, as in a `timespec`.
pub(crate) fn seconds_and_rest(ns: i64) -> (i64, i64) {
    (ns.div_euclid(BILLION), ns.rem_euclid(BILLION))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_clock_without_skew_is_true() {
        assert!(Skew::default().is_true());
        assert_eq!(Skew::default().shown_ns(-7), -7);
        // What has no effect does not make a clock false.
        let since_ns = 5;
        assert!(
            Skew {
                since_ns,
                ..Skew::default()
            }
            .is_true()
        );
    }

    #[test]
    fn a_clock_ten_percent_fast_gains_six_minutes_an_hour() {
        let skew = Skew {
            offset_ns: -BILLION,
            drift_ppb: 100_000_000,
            since_ns: 50 * BILLION,
        };
        let hour = 3_600 * BILLION;
        let shown = skew.shown_ns(skew.since_ns + hour);
        assert_eq!(shown, skew.since_ns + hour + 360 * BILLION - BILLION);
        assert!(!skew.is_true());
    }

    #[test]
    fn times_without_number_become_the_nearest() {
        let skew = |offset_ns| Skew {
            offset_ns,
            ..Skew::default()
        };
        assert_eq!(skew(i64::MAX).shown_ns(1), i64::MAX);
        assert_eq!(skew(i64::MIN).shown_ns(-1), i64::MIN);
    }

    proptest! {
        #[test]
        fn the_shown_time_is_that_of_the_formula(
            offset_ns: i64, drift_ppb: i64, since_ns: i64, true_ns: i64,
        ) {
            let skew = Skew { offset_ns, drift_ppb, since_ns };
            let passed = i128::from(true_ns) - i128::from(since_ns);
            let drifted = i128::from(drift_ppb) * passed / i128::from(BILLION);
            let formula = i128::from(true_ns) + i128::from(offset_ns) + drifted;
            prop_assert!((skew.exact_ns(true_ns) - formula).abs() <= 1);
        }
    }
}
