//! The network before any fault: figures, or a named profile, or a profile with other figures.

use std::borrow::Cow;
use std::fmt;

use fabric::LinkPolicy;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::units::{Bitrate, Share, Span};
use crate::fault::Profile;

/// The state of every link before any fault; latency is one-way. Written as a map, or as the name
/// of a profile alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Network {
    /// A named kind of network; the other keys override its figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Mean one-way delay.
    pub latency: Option<Span>,
    /// Half-width of the uniform jitter around the mean.
    pub jitter: Option<Span>,
    /// Share of packets lost, independently.
    pub loss: Option<Share>,
    /// Bit rate of each direction of each link.
    pub bandwidth: Option<Bitrate>,
}

/// The map form.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Keys {
    /// A named kind of network; the other keys override its figures.
    #[serde(default)]
    profile: Option<Profile>,
    /// Mean one-way delay.
    #[serde(default)]
    latency: Option<Span>,
    /// Half-width of the uniform jitter around the mean.
    #[serde(default)]
    jitter: Option<Span>,
    /// Share of packets lost, independently.
    #[serde(default)]
    loss: Option<Share>,
    /// Bit rate of each direction of each link.
    #[serde(default)]
    bandwidth: Option<Bitrate>,
}

impl Network {
    /// The same in the fabric's terms.
    #[must_use]
    pub fn policy(&self) -> LinkPolicy {
        let mut policy = self.profile.map(Profile::policy).unwrap_or_default();
        if self.latency.is_some() || self.jitter.is_some() {
            policy.latency = self.delays();
        }
        if let Some(loss) = self.loss {
            policy.gilbert_elliott.clear();
            policy.loss_ppm = vec![loss.parts_per_million()];
        }
        if let Some(rate) = self.bandwidth {
            policy.bandwidth_bps = Some(rate.bits_per_second());
        }
        policy
    }

    fn delays(&self) -> Vec<fabric::Latency> {
        let mean_us = self.latency.map_or(0, Span::as_micros);
        let jitter_us = self.jitter.map_or(0, Span::as_micros);
        match (mean_us, jitter_us) {
            (0, _) => vec![],
            (_, 0) => vec![fabric::Latency::Constant { mean_us }],
            _ => vec![fabric::Latency::Uniform { mean_us, jitter_us }],
        }
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NetworkVisitor)
    }
}

struct NetworkVisitor;

impl<'de> Visitor<'de> for NetworkVisitor {
    type Value = Network;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "a map with keys of `profile`, `latency`, `jitter`, `loss`, `bandwidth`, or the name \
             of a profile",
        )
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Network, E> {
        let profile = Profile::deserialize(StrDeserializer::<E>::new(word))?;
        Ok(Network {
            profile: Some(profile),
            ..Network::default()
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Network, A::Error> {
        let keys = Keys::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Network {
            profile: keys.profile,
            latency: keys.latency,
            jitter: keys.jitter,
            loss: keys.loss,
            bandwidth: keys.bandwidth,
        })
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (keys, profile) = (
            generator.subschema_for::<Keys>(),
            generator.subschema_for::<Profile>(),
        );
        json_schema!({
            "description": "The state of every link before any fault; latency is one-way.",
            "oneOf": [keys, profile],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_stands_for_its_figures_and_keys_override_them() {
        let network = |text: &str| serde_yaml::from_str::<Network>(text).expect("valid");
        assert_eq!(network("dsl").policy(), Profile::Dsl.policy());
        let slower = network("{profile: dsl, latency: 100ms}").policy();
        assert_eq!(slower.mean_latency().as_millis(), 100);
        assert_eq!(slower.bandwidth_bps, Some(10_000_000));
        assert_eq!(network("{}").policy(), LinkPolicy::default());
    }

    #[test]
    fn networks_of_old_histories_still_read() {
        let old = r#"{"latency":"10ms","jitter":null,"loss":null,"bandwidth":null}"#;
        let read: Network = serde_json::from_str(old).expect("valid");
        assert_eq!(read.latency, Some(Span::from_millis(10)));
    }
}
