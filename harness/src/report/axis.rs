//! The one time axis that everything in a report shares.
//!
//! It begins when the clock starts and ends when the processes are stopped, so that the faults,
//! the operations and the way back to health stand above each other. Positions are seconds since
//! the start of the clock; the boot and the preload lie before it and are not drawn.

use std::ops::Range;

use crate::history::{History, Phase};

/// Most stretches of a series; longer runs get wider ones.
const STRETCHES_MAX: u64 = 600;

/// Widths of a stretch to choose from, seconds.
const WIDTHS_S: [u64; 9] = [1, 2, 5, 10, 30, 60, 300, 600, 3600];

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Start of the clock, microseconds since the start of the run.
    pub start_us: u64,
    /// End of what is drawn, microseconds since the start of the run.
    pub end_us: u64,
    /// End of the timeline, microseconds since the start of the run.
    pub timeline_end_us: u64,
    /// Width of one stretch of a series, microseconds.
    pub width_us: u64,
}

impl Axis {
    /// The axis of a run; none when its clock never started.
    #[must_use]
    pub fn of(history: &History) -> Option<Axis> {
        let (start_us, timeline_end_us) = history.timeline()?;
        let end_us = history.phase_start(Phase::Stop).unwrap_or(history.end_us);
        // A run that was interrupted goes from its timeline straight to its stop.
        let timeline_end_us = timeline_end_us.min(end_us);
        let timeline_us = timeline_end_us.saturating_sub(start_us);
        let width_s = WIDTHS_S
            .into_iter()
            .find(|width_s| timeline_us / (width_s * 1_000_000) <= STRETCHES_MAX)
            .unwrap_or(WIDTHS_S[WIDTHS_S.len() - 1]);
        Some(Axis {
            start_us,
            end_us: end_us.max(start_us + 1),
            timeline_end_us,
            width_us: width_s * 1_000_000,
        })
    }

    /// The timeline, microseconds since the start of the run.
    #[must_use]
    pub fn timeline(&self) -> Range<u64> {
        self.start_us..self.timeline_end_us.max(self.start_us)
    }

    /// A moment in seconds since the start of the clock; negative before it.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a run's microseconds stay far below 2^52"
    )]
    pub fn seconds(&self, at_us: u64) -> f64 {
        (at_us as f64 - self.start_us as f64) / 1e6
    }

    /// A moment as a share of the axis, 0 at its start and 1 at its end; never outside.
    #[must_use]
    pub fn position(&self, at_us: u64) -> f64 {
        (self.seconds(at_us) / self.seconds(self.end_us)).clamp(0.0, 1.0)
    }
}
