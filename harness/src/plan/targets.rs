//! Whom a fault is aimed at: names, groups, lists and shares of them.
//!
//! Written as a string (`registry`), a list (`[node-1, node-2]`) or a one-of map
//! (`{minority: mirrors}`, `{count: 3, of: nodes}`). Reading is by hand, not `untagged`, so that
//! a mistake keeps its place. Groups that depend on the system's state at that moment, such as
//! `mirrors`, are resolved when the fault fires.

use std::borrow::Cow;
use std::fmt;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::units::Share;
use fabric::HostIndex;

/// A description of hosts.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// One host or one group, by name.
    Named(String),
    /// All of several descriptions.
    List(Vec<Targets>),
    /// This many, drawn with the seed.
    Count(usize, Box<Targets>),
    /// This share, rounded to the nearest host, at least one; drawn with the seed.
    Percent(Share, Box<Targets>),
    /// One, drawn with the seed.
    One(Box<Targets>),
    /// The largest number that is less than half, drawn with the seed.
    Minority(Box<Targets>),
    /// The smallest number that is more than half, drawn with the seed.
    Majority(Box<Targets>),
    /// The hosts that hold this name, as the system says when the fault fires.
    ReplicasOf(String),
}

/// What the group of the hosts that hold a name is called, before the name.
const REPLICAS_OF: &str = "replicas of ";

/// The keys of the map form, for messages.
const KEYS: &[&str] = &[
    "count",
    "percent",
    "of",
    "one",
    "minority",
    "majority",
    "replicas-of",
];

/// The refusal of a map that makes no choice or several.
const ONE_CHOICE: &str = "it is not clear who is meant; give exactly one of `count` with `of`, \
                          `percent` with `of`, `one`, `minority`, `majority`, `replicas-of`";

impl Targets {
    /// Every host or group named anywhere in the description.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        match self {
            Targets::Named(name) => vec![name],
            Targets::List(list) => list.iter().flat_map(Targets::names).collect(),
            Targets::Count(_, of)
            | Targets::Percent(_, of)
            | Targets::One(of)
            | Targets::Minority(of)
            | Targets::Majority(of) => of.names(),
            Targets::ReplicasOf(_) => vec![],
        }
    }

    /// Every name in the description whose holders are meant.
    #[must_use]
    pub fn held_names(&self) -> Vec<&str> {
        match self {
            Targets::Named(_) => vec![],
            Targets::List(list) => list.iter().flat_map(Targets::held_names).collect(),
            Targets::Count(_, of)
            | Targets::Percent(_, of)
            | Targets::One(of)
            | Targets::Minority(of)
            | Targets::Majority(of) => of.held_names(),
            Targets::ReplicasOf(name) => vec![name],
        }
    }

    /// What the group of the hosts that hold a name is called.
    #[must_use]
    pub fn replicas_group(name: &str) -> String {
        format!("{REPLICAS_OF}{name}")
    }

    /// The hosts meant, in index order. `members` says who a name stands for right now.
    pub fn draw(
        &self,
        members: &impl Fn(&str) -> Vec<HostIndex>,
        rng: &mut ChaCha8Rng,
    ) -> Vec<HostIndex> {
        let mut hosts = match self {
            Targets::Named(name) => members(name),
            Targets::List(list) => list.iter().flat_map(|one| one.draw(members, rng)).collect(),
            Targets::Count(count, of) => pick(of.draw(members, rng), |_| *count, rng),
            Targets::Percent(share, of) => {
                pick(of.draw(members, rng), |all| rounded_share(*share, all), rng)
            }
            Targets::One(of) => pick(of.draw(members, rng), |_| 1, rng),
            Targets::Minority(of) => {
                pick(of.draw(members, rng), |all| all.saturating_sub(1) / 2, rng)
            }
            Targets::Majority(of) => pick(of.draw(members, rng), |all| all / 2 + 1, rng),
            Targets::ReplicasOf(name) => members(&Targets::replicas_group(name)),
        };
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }
}

/// Draws as many of `hosts` as `how_many` says of their number.
fn pick(
    mut hosts: Vec<HostIndex>,
    how_many: impl Fn(usize) -> usize,
    rng: &mut ChaCha8Rng,
) -> Vec<HostIndex> {
    let wanted = how_many(hosts.len()).min(hosts.len());
    hosts.shuffle(rng);
    hosts.truncate(wanted);
    hosts
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of at most 65,535 hosts"
)]
pub(super) fn rounded_share(share: Share, all: usize) -> usize {
    ((share.fraction() * all as f64).round() as usize).max(1)
}

impl fmt::Display for Targets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Targets::Named(name) => formatter.write_str(name),
            Targets::List(list) => {
                for (position, one) in list.iter().enumerate() {
                    let comma = if position == 0 { "" } else { ", " };
                    write!(formatter, "{comma}{one}")?;
                }
                Ok(())
            }
            Targets::Count(count, of) => write!(formatter, "{count} of {of}"),
            Targets::Percent(share, of) => write!(formatter, "{share} of {of}"),
            Targets::One(of) => write!(formatter, "one of {of}"),
            Targets::Minority(of) => write!(formatter, "a minority of {of}"),
            Targets::Majority(of) => write!(formatter, "a majority of {of}"),
            Targets::ReplicasOf(name) => formatter.write_str(&Targets::replicas_group(name)),
        }
    }
}

impl Serialize for Targets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let single = |serializer: S, key: &str, of: &Targets| {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(key, of)?;
            map.end()
        };
        match self {
            Targets::Named(name) => serializer.serialize_str(name),
            Targets::List(list) => list.serialize(serializer),
            Targets::Count(count, of) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("count", count)?;
                map.serialize_entry("of", of)?;
                map.end()
            }
            Targets::Percent(share, of) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("percent", share)?;
                map.serialize_entry("of", of)?;
                map.end()
            }
            Targets::One(of) => single(serializer, "one", of),
            Targets::Minority(of) => single(serializer, "minority", of),
            Targets::Majority(of) => single(serializer, "majority", of),
            Targets::ReplicasOf(name) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("replicas-of", name)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Targets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TargetsVisitor)
    }
}

struct TargetsVisitor;

impl<'de> Visitor<'de> for TargetsVisitor {
    type Value = Targets;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "a host, a group, a list of them, or one of `{count: 3, of: nodes}`, \
             `{percent: 30%, of: nodes}`, `{one: mirrors}`, `{minority: mirrors}`, \
             `{majority: mirrors}`, `{replicas-of: NAME}`",
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Targets, E> {
        Ok(Targets::Named(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Targets, A::Error> {
        let mut list = Vec::new();
        while let Some(one) = sequence.next_element()? {
            list.push(one);
        }
        Ok(Targets::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Targets, A::Error> {
        let mut choices: Vec<Targets> = Vec::new();
        let mut of: Option<Targets> = None;
        // Who a count or a share is drawn from may come later in the map.
        let later = || Box::new(Targets::List(Vec::new()));
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "count" => choices.push(Targets::Count(map.next_value()?, later())),
                "percent" => choices.push(Targets::Percent(map.next_value()?, later())),
                "of" => of = Some(map.next_value()?),
                "one" => choices.push(Targets::One(map.next_value()?)),
                "minority" => choices.push(Targets::Minority(map.next_value()?)),
                "majority" => choices.push(Targets::Majority(map.next_value()?)),
                "replicas-of" => choices.push(Targets::ReplicasOf(map.next_value()?)),
                other => return Err(de::Error::unknown_field(other, KEYS)),
            }
        }
        let one_choice: Result<[Targets; 1], _> = choices.try_into();
        match (one_choice, of) {
            (Ok([Targets::Count(count, _)]), Some(of)) => Ok(Targets::Count(count, Box::new(of))),
            (Ok([Targets::Percent(share, _)]), Some(of)) => {
                Ok(Targets::Percent(share, Box::new(of)))
            }
            (Ok([Targets::Count(..) | Targets::Percent(..)]), None) => {
                Err(de::Error::missing_field("of"))
            }
            (Ok([whole]), None) => Ok(whole),
            _ => Err(de::Error::custom(ONE_CHOICE)),
        }
    }
}

impl JsonSchema for Targets {
    fn schema_name() -> Cow<'static, str> {
        "Targets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let targets = generator.subschema_for::<Targets>();
        let share = generator.subschema_for::<Share>();
        let number = json_schema!({ "type": "integer", "minimum": 1 });
        let name = json_schema!({ "type": "string" });
        let choice = |key: &str, value: &Schema, what: &str| {
            json_schema!({
                "description": what,
                "type": "object",
                "properties": { key: value },
                "required": [key],
                "additionalProperties": false,
            })
        };
        let choice_of = |key: &str, value: &Schema, what: &str| {
            json_schema!({
                "description": what,
                "type": "object",
                "properties": { key: value, "of": targets },
                "required": [key, "of"],
                "additionalProperties": false,
            })
        };
        json_schema!({
            "description": "The hosts that a fault is aimed at.",
            "oneOf": [
                {
                    "description": "A host (`node-3`), a group (`registry`, `nodes`, `mirrors`, \
                                    `all`) or a cohort.",
                    "type": "string",
                },
                {
                    "description": "All of several.",
                    "type": "array",
                    "items": targets,
                },
                choice_of("count", &number, "This many, drawn with the seed."),
                choice_of("percent", &share, "This share, at least one, drawn with the seed."),
                choice("one", &targets, "One, drawn with the seed."),
                choice("minority", &targets, "The largest number that is less than half."),
                choice("majority", &targets, "The smallest number that is more than half."),
                choice("replicas-of", &name, "The hosts that hold this name, when it fires."),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Stream, generator};

    fn ten(_: &str) -> Vec<HostIndex> {
        (0..10).map(HostIndex).collect()
    }

    #[test]
    fn minority_is_less_than_half_and_majority_more() {
        let mut rng = generator(1, Stream::Targets);
        let of = || Box::new(Targets::Named("all".into()));
        assert_eq!(Targets::Minority(of()).draw(&ten, &mut rng).len(), 4);
        assert_eq!(Targets::Majority(of()).draw(&ten, &mut rng).len(), 6);
        assert_eq!(Targets::Count(3, of()).draw(&ten, &mut rng).len(), 3);
        let half = Share::from_percent(50.0);
        assert_eq!(Targets::Percent(half, of()).draw(&ten, &mut rng).len(), 5);
    }

    #[test]
    fn each_form_is_written_back_as_it_was_read() {
        for form in [
            "registry",
            "[node-1, [mirrors]]",
            "{count: 3, of: nodes}",
            "{of: {majority: all}, percent: 30%}",
            "{one: mirrors}",
            "{minority: [node-1, old]}",
            "{one: {replicas-of: name-00001}}",
        ] {
            let read: Targets = serde_yaml::from_str(form).expect("valid");
            let written = serde_yaml::to_string(&read).expect("plain values");
            assert_eq!(
                serde_yaml::from_str::<Targets>(&written).expect("valid"),
                read,
                "{form}"
            );
        }
    }

    #[test]
    fn a_map_makes_exactly_one_choice() {
        for unclear in [
            "{}",
            "{of: nodes}",
            "{count: 1, percent: 2%, of: nodes}",
            "{one: a, of: b}",
        ] {
            let error = serde_yaml::from_str::<Targets>(unclear)
                .expect_err(unclear)
                .to_string();
            assert!(error.contains("not clear who is meant"), "{error}");
        }
        let error = serde_yaml::from_str::<Targets>("{count: 1}").expect_err("of whom");
        assert!(error.to_string().contains("missing field `of`"), "{error}");
    }

    #[test]
    fn the_same_seed_draws_the_same_hosts() {
        let targets = Targets::Count(4, Box::new(Targets::Named("all".into())));
        let draw = |seed| targets.draw(&ten, &mut generator(seed, Stream::Targets));
        assert_eq!(draw(7), draw(7));
        assert_ne!((1..20).map(draw).collect::<Vec<_>>(), vec![draw(7); 19]);
    }
}
