//! Quantities as people write them: `300ms`, `2/s`, `99.9%`, `1mbit`.
//!
//! All are strings in a plan, with their unit, and are written back the same way.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A length of time, written like `300ms`, `2s`, `1m 30s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Events per second, written like `50/s`, `30/min`, `0.5/s`. Never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Rate {
    per_second: f64,
}

/// A share of a whole, written like `99.9%`; 0 % to 100 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Share {
    percent: f64,
}

/// Bits per second, written like `64kbit`, `1mbit`, `2gbit` (powers of 1000). Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bitrate {
    bits_per_second: u64,
}

impl Span {
    /// Whole microseconds.
    #[must_use]
    pub fn as_micros(self) -> u64 {
        u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX)
    }
}

impl Rate {
    /// A rate in events per second.
    #[must_use]
    pub const fn per_second(per_second: f64) -> Self {
        Rate { per_second }
    }

    /// Events per second.
    #[must_use]
    pub const fn hertz(self) -> f64 {
        self.per_second
    }
}

impl Share {
    /// A share given in percent, 0 to 100.
    #[must_use]
    pub const fn from_percent(percent: f64) -> Self {
        Share { percent }
    }

    /// As a fraction, 0 to 1.
    #[must_use]
    pub fn fraction(self) -> f64 {
        self.percent / 100.0
    }

    /// In parts per million, rounded.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share is between 0 and 100 %, so this is between 0 and 1,000,000"
    )]
    pub fn parts_per_million(self) -> u32 {
        (self.percent * 10_000.0).round() as u32
    }
}

impl Bitrate {
    /// Bits per second.
    #[must_use]
    pub const fn bits_per_second(self) -> u64 {
        self.bits_per_second
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text)
            .map(Span)
            .map_err(|_| format!("`{text}` is not a duration; write it like `300ms`, `10s`, `2m`"))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a rate; write it like `50/s`, `30/min`, `0.5/s`");
        let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
        let number: f64 = number.trim().parse().map_err(|_| wrong())?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        if !number.is_finite() || number < 0.0 {
            return Err(format!("`{text}` is not a rate: it must be zero or more"));
        }
        Ok(Rate {
            per_second: number / seconds,
        })
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a share; write it like `2%` or `99.9%`");
        let number = text.trim().strip_suffix('%').ok_or_else(wrong)?;
        let percent: f64 = number.trim().parse().map_err(|_| wrong())?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(format!(
                "`{text}` is not a share: it must be from 0% to 100%"
            ));
        }
        Ok(Share { percent })
    }
}

impl FromStr for Bitrate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a bit rate; write it like `64kbit`, `1mbit`, `2gbit`");
        let trimmed = text.trim();
        let digits = trimmed
            .find(|c: char| c.is_ascii_alphabetic())
            .ok_or_else(wrong)?;
        let (number, unit) = trimmed.split_at(digits);
        let number: f64 = number.trim().parse().map_err(|_| wrong())?;
        let factor = match unit {
            "bit" => 1.0,
            "kbit" => 1e3,
            "mbit" => 1e6,
            "gbit" => 1e9,
            _ => return Err(wrong()),
        };
        let bits = (number * factor).round();
        if !(1.0..=1e15).contains(&bits) {
            return Err(format!(
                "`{text}` is not a bit rate: it must be at least `1bit`"
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to lie between 1 and 1e15"
        )]
        Ok(Bitrate {
            bits_per_second: bits as u64,
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", humantime::format_duration(self.0))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/s", self.per_second)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}%", self.percent)
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.bits_per_second;
        match bits {
            _ if bits.is_multiple_of(1_000_000_000) => {
                write!(formatter, "{}gbit", bits / 1_000_000_000)
            }
            _ if bits.is_multiple_of(1_000_000) => write!(formatter, "{}mbit", bits / 1_000_000),
            _ if bits.is_multiple_of(1_000) => write!(formatter, "{}kbit", bits / 1_000),
            _ => write!(formatter, "{bits}bit"),
        }
    }
}

/// Serde and schema for a type that is written as text with a unit. The pattern is for editors: it
/// knows the form, not the limits.
macro_rules! written_as_text {
    ($kind:ident, $expecting:literal, $pattern:expr) => {
        impl JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "description": concat!("Written as ", $expecting, "."),
                    "pattern": $pattern,
                })
            }
        }

        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $kind;

                    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                        formatter.write_str($expecting)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$kind, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Text)
            }
        }
    };
}

pub(super) use written_as_text;

written_as_text!(
    Span,
    "a duration with its unit, like `300ms` or `10s`",
    // The units that make sense in a plan, of those that are understood.
    concat!(
        r"^(0|\s*([0-9]+(\.[0-9]+)?\s*",
        r"(ns|us|µs|ms|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)\s*)+)$"
    )
);
written_as_text!(
    Rate,
    "a rate with its unit, like `50/s`",
    r"^\s*[0-9]+(\.[0-9]+)?\s*/\s*(s|min|h)\s*$"
);
written_as_text!(
    Share,
    "a share with its sign, like `2%`",
    r"^\s*(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)\s*%\s*$"
);
written_as_text!(
    Bitrate,
    "a bit rate with its unit, like `1mbit`",
    r"^\s*[0-9]+(\.[0-9]+)?(bit|kbit|mbit|gbit)\s*$"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_back_as_they_were_read() {
        for text in ["300ms", "10s", "1m 30s"] {
            assert_eq!(text.parse::<Span>().expect("valid").to_string(), text);
        }
        for text in ["50/s", "0.5/s"] {
            assert_eq!(text.parse::<Rate>().expect("valid").to_string(), text);
        }
        for text in ["2%", "99.9%", "0%", "100%"] {
            assert_eq!(text.parse::<Share>().expect("valid").to_string(), text);
        }
        for text in ["64kbit", "1mbit", "2gbit", "7bit"] {
            assert_eq!(text.parse::<Bitrate>().expect("valid").to_string(), text);
        }
    }

    #[test]
    fn what_has_no_meaning_is_refused_with_an_example() {
        assert!(
            "-1/s"
                .parse::<Rate>()
                .expect_err("negative")
                .contains("zero or more")
        );
        assert!(
            "101%"
                .parse::<Share>()
                .expect_err("too much")
                .contains("0% to 100%")
        );
        assert!(
            "0.5"
                .parse::<Share>()
                .expect_err("no sign")
                .contains("99.9%")
        );
        assert!(
            "fast"
                .parse::<Bitrate>()
                .expect_err("no number")
                .contains("1mbit")
        );
        assert!("10".parse::<Span>().expect_err("no unit").contains("300ms"));
    }
}
