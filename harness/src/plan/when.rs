//! `when`: a step that starts when something was observed, not at a time.
//!
//! Two things are observed: how available an operation was just now, from the outcomes of the
//! workload, and what a host's process is doing. All that a condition names must hold at once.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::units::{Share, Span, written_as_text};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The share of operations of the last moments that succeeded within their deadline.
    #[serde(default)]
    pub availability: AvailabilityWhen,
    /// How long these last moments are; operations that ended within them count.
    #[serde(default = "default_over")]
    pub over: Span,
    /// A host by its name.
    #[serde(default)]
    pub host: Option<String>,
    /// What the host's process is doing.
    #[serde(default)]
    pub state: Option<StateWhen>,
}

/// A comparison for each kind of operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AvailabilityWhen {
    /// Registrations.
    #[serde(default)]
    pub register: Option<Compared>,
    /// Look-ups.
    #[serde(default)]
    pub resolve: Option<Compared>,
    /// Updates.
    #[serde(default)]
    pub update: Option<Compared>,
}

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StateWhen {
    /// It says that it serves.
    Ready,
    /// It does not exist.
    Down,
    /// It is frozen.
    Paused,
}

/// A share and the side of it that is meant, written like `< 95%`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Compared {
    /// True when less than the share is meant, false when more or as much.
    pub below: bool,
    /// The share.
    pub share: Share,
}

fn default_over() -> Span {
    Span::from_millis(3_000)
}

impl Compared {
    /// True when a share from 0 to 1 is on the side that is meant.
    #[must_use]
    pub fn holds(self, share: f64) -> bool {
        (share < self.share.fraction()) == self.below
    }
}

impl FromStr for Compared {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no comparison; write it like `< 95%` or `>= 99%`");
        let trimmed = text.trim();
        let (below, share) = match (trimmed.strip_prefix(">="), trimmed.strip_prefix('<')) {
            (Some(share), _) => (false, share),
            (None, Some(share)) => (true, share),
            (None, None) => return Err(wrong()),
        };
        let share = share.trim().parse().map_err(|_| wrong())?;
        Ok(Compared { below, share })
    }
}

impl fmt::Display for Compared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.below { "<" } else { ">=" };
        write!(formatter, "{sign} {}", self.share)
    }
}

written_as_text!(
    Compared,
    "a comparison with a share, like `< 95%` or `>= 99%`",
    r"^\s*(<|>=)\s*(100(\.0+)?|[0-9]{1,2}(\.[0-9]+)?)\s*%\s*$"
);

impl AvailabilityWhen {
    /// The comparisons that there are, with the words for their operations.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, Compared)> {
        [
            ("register", self.register),
            ("resolve", self.resolve),
            ("update", self.update),
        ]
        .into_iter()
        .filter_map(|(kind, compared)| Some((kind, compared?)))
    }
}

impl fmt::Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = self.over;
        let available = self
            .availability
            .given()
            .map(|(kind, compared)| format!("availability of {kind} {compared} over {over}"));
        let state = self.host.iter().zip(self.state).map(|(host, state)| {
            let state = match state {
                StateWhen::Ready => "ready",
                StateWhen::Down => "down",
                StateWhen::Paused => "paused",
            };
            format!("{host} is {state}")
        });
        let all: Vec<String> = available.chain(state).collect();
        formatter.write_str(&all.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_written_as_a_person_says_it() {
        let when: When =
            serde_yaml::from_str("{availability: {resolve: '< 95%'}, host: node-3, state: ready}")
                .expect("valid");
        assert_eq!(
            when.to_string(),
            "availability of resolve < 95% over 3s and node-3 is ready"
        );
    }

    #[test]
    fn comparisons_know_their_side() {
        let compared = |text: &str| text.parse::<Compared>().expect("valid");
        assert!(compared("< 95%").holds(0.94) && !compared("< 95%").holds(0.95));
        assert!(compared(">=95%").holds(0.95) && !compared(">= 95%").holds(0.94));
        for text in ["95%", "> 95%", "< 95", "<= 3%", ""] {
            let error = text.parse::<Compared>().expect_err(text);
            assert!(error.contains(">= 99%"), "{error}");
        }
    }
}
