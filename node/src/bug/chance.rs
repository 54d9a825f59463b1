//! How often a bug bites, and how that is written on a command line.

use super::{Bug, BugError};
use std::str::FromStr;

/// All parts of a [`Chance`].
const MILLION: u32 = 1_000_000;

/// A probability, in parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance(u32);

/// A bug with its chance, as `--bug` takes it: `NAME`, `NAME=0.3` or `NAME=30%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planted {
    /// Which.
    pub bug: Bug,
    /// How often it bites.
    pub chance: Chance,
}

impl Chance {
    /// Off.
    pub const NEVER: Self = Self(0);
    /// Each time.
    pub const ALWAYS: Self = Self(MILLION);

    /// The chance of so many parts per million.
    pub(super) fn of_millionths(millionths: u32) -> Self {
        Self(millionths.min(MILLION))
    }

    /// The parts per million.
    pub(super) fn millionths(self) -> u32 {
        self.0
    }

    /// True if a number that was drawn from all numbers hits.
    pub(super) fn hits(self, drawn: u64) -> bool {
        drawn % u64::from(MILLION) < u64::from(self.0)
    }
}

impl TryFrom<f64> for Chance {
    type Error = BugError;

    /// Rounds up, so that no chance above 0 is off.
    fn try_from(probability: f64) -> Result<Self, BugError> {
        if !(0.0..=1.0).contains(&probability) {
            return Err(BugError::Chance(probability.to_string()));
        }
        // A hair less, so that 0.3 is 300000 parts although it has no exact binary form.
        let millionths = (probability * f64::from(MILLION) - 1e-6).ceil().max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and a million"
        )]
        let millionths = millionths as u32;
        Ok(Self(millionths))
    }
}

impl From<Chance> for f64 {
    fn from(chance: Chance) -> Self {
        Self::from(chance.0) / Self::from(MILLION)
    }
}

impl FromStr for Planted {
    type Err = BugError;

    fn from_str(text: &str) -> Result<Self, BugError> {
        let Some((name, chance)) = text.split_once('=') else {
            let chance = Chance::ALWAYS;
            return text.parse().map(|bug| Self { bug, chance });
        };
        let (number, whole) = match chance.strip_suffix('%') {
            Some(percent) => (percent, 100.0),
            None => (chance, 1.0),
        };
        let number: f64 = number
            .parse()
            .map_err(|_| BugError::Chance(chance.to_owned()))?;
        Ok(Self {
            bug: name.parse()?,
            chance: Chance::try_from(number / whole)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chance_is_a_number_or_a_percentage_and_certain_if_nothing_is_said() {
        let wrong = |chance: &str| Err(BugError::Chance(chance.into()));
        for (text, expected) in [
            ("drop-replies", Ok(1_000_000)),
            ("drop-replies=0.3", Ok(300_000)),
            ("drop-replies=30%", Ok(300_000)),
            ("drop-replies=0", Ok(0)),
            ("drop-replies=0.0000001", Ok(1)),
            ("drop-replies=1.5", wrong("1.5")),
            ("drop-replies=-1%", wrong("-0.01")),
            ("drop-replies=NaN", wrong("NaN")),
            ("drop-replies=often", wrong("often")),
            ("drop-reply", Err(BugError::Unknown("drop-reply".into()))),
        ] {
            let planted = text.parse::<Planted>();
            assert_eq!(
                planted.map(|one| one.chance.millionths()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_chance_reads_as_it_was_written() {
        for hundredths in 0..=100 {
            let written = f64::from(hundredths) / 100.0;
            let chance = Chance::try_from(written).expect("between 0 and 1");
            assert_eq!(f64::from(chance).to_string(), written.to_string());
        }
    }
}
