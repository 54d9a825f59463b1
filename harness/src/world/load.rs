//! The wanted load: how much the clients do, compared with the plan's rates.

use fabric::HostIndex;

use crate::history::OperationKind;

/// One change of the load: the rates are multiplied, evenly growing from `since_us` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LoadBend {
    /// What the rates are multiplied by in the end, in millionths.
    pub factor_ppm: u64,
    /// How long it takes to get there, microseconds.
    pub ramp_us: u64,
    /// From when, microseconds since the start of the run.
    pub since_us: u64,
}

impl LoadBend {
    /// The factor at a moment.
    #[expect(
        clippy::cast_precision_loss,
        reason = "millionths and microseconds of a run are far below 2^53"
    )]
    fn factor_at(&self, at_us: u64) -> f64 {
        let factor = self.factor_ppm as f64 / 1e6;
        let passed_us = at_us.saturating_sub(self.since_us);
        if passed_us >= self.ramp_us {
            return factor;
        }
        1.0 + (factor - 1.0) * passed_us as f64 / self.ramp_us as f64
    }
}

/// All changes of the load; the default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadWorld(Vec<LoadBend>);

impl LoadWorld {
    /// One change more.
    pub fn add(&mut self, bend: LoadBend) {
        self.0.push(bend);
        self.0.sort_unstable();
    }

    /// What the rates are multiplied by at a moment, microseconds since the start of the run.
    #[must_use]
    pub fn factor_at(&self, at_us: u64) -> f64 {
        self.0.iter().map(|bend| bend.factor_at(at_us)).product()
    }

    /// True when the factor still grows or shrinks at a moment.
    #[must_use]
    pub fn changes_at(&self, at_us: u64) -> bool {
        self.0
            .iter()
            .any(|bend| at_us < bend.since_us.saturating_add(bend.ramp_us))
    }
}

/// Clients that do something at the same time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Crowd {
    /// From when, microseconds since the start of the run.
    pub since_us: u64,
    /// Seed of the moments.
    pub draw: u64,
    /// What they do.
    pub operation: OperationKind,
    /// How many operations each.
    pub each: u32,
    /// Within which time, microseconds.
    pub within_us: u64,
    /// Who.
    pub hosts: Vec<HostIndex>,
}
