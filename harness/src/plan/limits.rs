//! What a host may use of the machine: `system.limits`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::units::written_as_text;

/// What each host may use. Needs containers: `--runtime docker`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Memory, without swapping; a host that wants more is ended by the kernel.
    #[serde(default)]
    pub memory: Option<Bytes>,
    /// Processors, for example `0.5` for half of one.
    #[serde(default)]
    pub cpus: Option<Cpus>,
}

impl Limits {
    /// True when nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Limits::default()
    }
}

/// An amount of memory, written like `64MiB`, `1GiB`, `512KiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(u64);

impl Bytes {
    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// Units, from the largest.
const UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a size; write it like `64MiB` or `1GiB`");
        let trimmed = text.trim();
        let digits = trimmed
            .find(|c: char| c.is_ascii_alphabetic())
            .ok_or_else(wrong)?;
        let (number, unit) = trimmed.split_at(digits);
        let number: u64 = number.trim().parse().map_err(|_| wrong())?;
        let (_, factor) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        number.checked_mul(*factor).map(Bytes).ok_or_else(wrong)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, factor) = UNITS
            .iter()
            .find(|(_, factor)| self.0.is_multiple_of(*factor) && self.0 > 0)
            .unwrap_or(&("B", 1));
        write!(formatter, "{}{name}", self.0 / factor)
    }
}

written_as_text!(
    Bytes,
    "a size with its unit, like `64MiB` or `1GiB`",
    r"^\s*[0-9]+\s*(B|KiB|MiB|GiB)\s*$"
);

/// A share of the machine's processors: 1.0 is one of them.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Cpus(pub f64);

impl Cpus {
    /// In billionths of a processor, as container engines count; what is less than one counts as
    /// none.
    #[must_use]
    pub fn billionths(self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the conversion saturates, and plans are checked for what makes sense"
        )]
        let billionths = (self.0 * 1e9).round() as u64;
        billionths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_back_as_they_were_read() {
        for text in ["64MiB", "1GiB", "512KiB", "100B", "1536MiB"] {
            let size: Bytes = text.parse().expect(text);
            assert_eq!(size.to_string(), text);
        }
        let zero: Bytes = "0MiB".parse().expect("a size");
        assert_eq!(zero.to_string(), "0B");
    }

    #[test]
    fn what_is_no_size_is_refused_with_an_example() {
        for text in ["64", "64MB", "MiB", "-1MiB", "1.5GiB", "99999999999GiB"] {
            let error = text.parse::<Bytes>().expect_err(text);
            assert!(error.contains("64MiB"), "{error}");
        }
    }

    #[test]
    fn processors_are_counted_in_billionths() {
        assert_eq!(Cpus(0.5).billionths(), 500_000_000);
        assert_eq!(Cpus(2.0).billionths(), 2_000_000_000);
        assert_eq!(Cpus(-1.0).billionths(), 0);
    }
}
