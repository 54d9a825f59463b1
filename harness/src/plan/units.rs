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

/// A difference from the true time, written like `+5m`, `-1h 30m`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offset {
    nanos: i64,
}

/// How much faster than it should something runs, written like `+1%`, `-200ppm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    parts_per_billion: i64,
}

impl Offset {
    /// Nanoseconds; positive is late.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.nanos
    }
}

impl Drift {
    /// Parts per billion; positive is fast.
    #[must_use]
    pub const fn parts_per_billion(self) -> i64 {
        self.parts_per_billion
    }
}

impl Span {
    /// A length of time in milliseconds.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Span {
        Span(Duration::from_millis(ms))
    }

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

/// The largest difference from the true time: ten years.
const OFFSET_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The most that a clock may drift, parts per billion: half.
const DRIFT_MAX: f64 = 5e8;

/// The text without its sign, and whether it is negative.
fn signed(text: &str) -> (&str, bool) {
    let text = text.trim();
    match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    }
}

impl FromStr for Offset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (length, negative) = signed(text);
        let length = humantime::parse_duration(length)
            .map_err(|_| format!("`{text}` is not an offset; write it like `+5m` or `-1h`"))?;
        if length > OFFSET_MAX {
            return Err(format!(
                "`{text}` is not an offset: it must be at most ten years"
            ));
        }
        let nanos = i64::try_from(length.as_nanos()).expect("ten years in nanoseconds fit");
        Ok(Offset {
            nanos: if negative { -nanos } else { nanos },
        })
    }
}

impl FromStr for Drift {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a drift; write it like `+1%` or `-200ppm`");
        let (rest, negative) = signed(text);
        let (number, factor) = match (rest.strip_suffix('%'), rest.strip_suffix("ppm")) {
            (Some(number), _) => (number, 1e7),
            (None, Some(number)) => (number, 1e3),
            (None, None) => return Err(wrong()),
        };
        let number: f64 = number.trim().parse().map_err(|_| wrong())?;
        let parts = (number * factor).round();
        if !(0.0..=DRIFT_MAX).contains(&parts) {
            return Err(format!("`{text}` is not a drift: it must be at most 50%"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked to be at most 5e8")]
        let parts = parts as i64;
        Ok(Drift {
            parts_per_billion: if negative { -parts } else { parts },
        })
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.nanos < 0 { '-' } else { '+' };
        let length = Duration::from_nanos(self.nanos.unsigned_abs());
        write!(formatter, "{sign}{}", humantime::format_duration(length))
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.parts_per_billion < 0 { '-' } else { '+' };
        let parts = self.parts_per_billion.unsigned_abs();
        match parts {
            _ if parts.is_multiple_of(10_000) => {
                let (whole, part) = (parts / 10_000_000, parts / 10_000 % 1_000);
                match part {
                    0 => write!(formatter, "{sign}{whole}%"),
                    _ => {
                        let part = format!("{part:03}");
                        write!(formatter, "{sign}{whole}.{}%", part.trim_end_matches('0'))
                    }
                }
            }
            _ if parts.is_multiple_of(1_000) => write!(formatter, "{sign}{}ppm", parts / 1_000),
            _ => {
                let part = format!("{:03}", parts % 1_000);
                let part = part.trim_end_matches('0');
                write!(formatter, "{sign}{}.{part}ppm", parts / 1_000)
            }
        }
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
written_as_text!(
    Offset,
    "a difference with its sign and unit, like `+5m` or `-1h`",
    concat!(
        r"^\s*[+-]?(0|\s*([0-9]+(\.[0-9]+)?\s*",
        r"(ns|us|µs|ms|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)\s*)+)$"
    )
);
written_as_text!(
    Drift,
    "a share with its sign, like `+1%` or `-200ppm`",
    r"^\s*[+-]?[0-9]+(\.[0-9]+)?\s*(%|ppm)\s*$"
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
        for text in ["+5m", "-1h 30m", "+0s"] {
            assert_eq!(text.parse::<Offset>().expect("valid").to_string(), text);
        }
        for text in ["+1%", "-0.5%", "+200.5ppm", "-7ppm", "+0%"] {
            assert_eq!(text.parse::<Drift>().expect("valid").to_string(), text);
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
        let error = "5x".parse::<Offset>().expect_err("no unit");
        assert!(error.contains("+5m"));
        let error = "60%".parse::<Drift>().expect_err("too much");
        assert!(error.contains("50%"));
        assert!("10".parse::<Span>().expect_err("no unit").contains("300ms"));
    }
}
