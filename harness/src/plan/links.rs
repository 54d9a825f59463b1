//! Which links a fault is aimed at, one by one: `node-1 -> registry`, `mirrors <-> registry`.
//!
//! A link is one direction between two hosts. Each side is a host or a group; with groups every
//! pair of two different hosts is meant.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The links between two sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinksBetween {
    /// A host or a group.
    pub from: String,
    /// A host or a group.
    pub to: String,
    /// True when the other direction is meant too.
    pub both: bool,
}

/// See the module: one or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links(pub Vec<LinksBetween>);

impl Links {
    /// Every host or group named anywhere.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.0
            .iter()
            .flat_map(|one| [one.from.as_str(), one.to.as_str()])
            .collect()
    }
}

impl FromStr for LinksBetween {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no link; write `node-1 -> node-2` for one direction, \
                 `node-1 <-> node-2` for both"
            )
        };
        let (from, to) = text.split_once("->").ok_or_else(wrong)?;
        let both = from.ends_with('<');
        let side = |text: &str| {
            let name = text.trim();
            let good = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '>');
            good.then(|| name.to_owned())
        };
        let from = from.strip_suffix('<').unwrap_or(from);
        Ok(LinksBetween {
            from: side(from).ok_or_else(wrong)?,
            to: side(to).ok_or_else(wrong)?,
            both,
        })
    }
}

impl fmt::Display for LinksBetween {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = if self.both { "<->" } else { "->" };
        write!(formatter, "{} {arrow} {}", self.from, self.to)
    }
}

impl fmt::Display for Links {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, one) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(formatter, "{comma}{one}")?;
        }
        Ok(())
    }
}

impl Serialize for Links {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        match texts.as_slice() {
            [one] => serializer.serialize_str(one),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Links {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LinksVisitor)
    }
}

struct LinksVisitor;

impl<'de> Visitor<'de> for LinksVisitor {
    type Value = Links;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a link like `node-1 -> registry`, or a list of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Links, E> {
        let one = text.parse().map_err(E::custom)?;
        Ok(Links(vec![one]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Links, A::Error> {
        let mut list = Vec::new();
        while let Some(text) = sequence.next_element::<String>()? {
            list.push(text.parse().map_err(de::Error::custom)?);
        }
        Ok(Links(list))
    }
}

/// The form of one link, for editors.
const PATTERN: &str = r"^\s*[a-z0-9._-]+\s*<?->\s*[a-z0-9._-]+\s*$";

impl JsonSchema for Links {
    fn schema_name() -> Cow<'static, str> {
        "Links".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Links, one by one: `node-1 -> registry` is one direction, \
                            `node-1 <-> registry` both; each side is a host or a group.",
            "oneOf": [
                { "type": "string", "pattern": PATTERN },
                { "type": "array", "items": { "type": "string", "pattern": PATTERN } },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_written_back_as_they_were_read() {
        for form in ["node-1 -> registry", "[a <-> b, mirrors -> b]"] {
            let read: Links = serde_yaml::from_str(form).expect("valid");
            let written = serde_yaml::to_string(&read).expect("plain values");
            let again: Links = serde_yaml::from_str(&written).expect("valid");
            assert_eq!(again, read, "{form}");
        }
        let both: LinksBetween = "a<->b".parse().expect("valid");
        assert!(both.both && both.from == "a" && both.to == "b");
    }

    #[test]
    fn what_is_no_link_is_refused_with_an_example() {
        for text in [
            "node-1",
            "a -> ",
            "-> b",
            "a -> b -> c",
            "a b -> c",
            "a => b",
        ] {
            let error = text.parse::<LinksBetween>().expect_err(text);
            assert!(error.contains("node-1 -> node-2"), "{error}");
        }
    }
}
