//! Filters: a policy for some packets of a link only.
//!
//! A *filter* names a protocol, a port, or both. The policy behind it is laid over the policy of
//! the link for the packets that match; a packet may match several. The packets that match the
//! same filters are a *class*.
//!
//! Left out on purpose: addresses, which are what links are for.

use serde::{Deserialize, Serialize};

use crate::facts::Facts;
use crate::policy::LinkPolicy;

/// How many filters of one policy are looked at; those beyond, in the order of the list, match
/// nothing.
pub const FILTERS_MAX: usize = 64;

/// How many composed policies a link keeps, before it makes them anew.
const CLASSES_MAX: usize = 64;

/// The protocols that a filter can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, so also the echo requests of `ping`.
    Icmp,
}

/// Which packets. One that names nothing matches every packet.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Those of this protocol; none means any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Those from or to this TCP or UDP port; none means any. Of a datagram that IP has cut up,
    /// only the first fragment shows its ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// A filter and what it does to the packets that match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filtered {
    /// Which packets.
    pub filter: Filter,
    /// What is laid over the policy of the link for them. Filters of its own have no effect.
    pub policy: LinkPolicy,
}

impl Filter {
    /// True when a packet is meant.
    #[must_use]
    pub fn matches(&self, packet: &Facts) -> bool {
        let protocol = self.protocol.is_none() || self.protocol == packet.protocol;
        let port = self.port.is_none_or(|port| {
            let ports = packet.ports;
            ports.is_some_and(|(from, to)| from == port || to == port)
        });
        protocol && port
    }

    /// True when every packet is meant.
    #[must_use]
    pub fn matches_all(&self) -> bool {
        *self == Filter::default()
    }
}

/// The composed policies of one link's classes, each made at the first packet that needs it, so
/// that a packet costs no allocation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Classes {
    /// Of the table that they were made from.
    generation: u64,
    composed: Vec<(u64, LinkPolicy)>,
}

impl Classes {
    /// The class of a packet, and the policy that it meets. The generation is another one each
    /// time that the policies are swapped.
    pub fn find<'a>(
        &'a mut self,
        base: &'a LinkPolicy,
        generation: u64,
        packet: &Facts,
    ) -> (u64, &'a LinkPolicy) {
        let class = class_of(&base.filtered, packet);
        if class == 0 {
            return (class, base);
        }
        if self.generation != generation || self.composed.len() == CLASSES_MAX {
            self.composed.clear();
            self.generation = generation;
        }
        let index = self.composed.iter().position(|(of, _)| *of == class);
        let index = index.unwrap_or_else(|| {
            self.composed.push((class, policy_of(base, class)));
            self.composed.len() - 1
        });
        (class, &self.composed[index].1)
    }
}

/// The class of a packet: a bit for each filter that it matches, so 0 for none.
fn class_of(filtered: &[Filtered], packet: &Facts) -> u64 {
    filtered
        .iter()
        .take(FILTERS_MAX)
        .enumerate()
        .filter(|(_, one)| one.filter.matches(packet))
        .fold(0, |class, (index, _)| class | 1 << index)
}

/// What the packets of a class meet: the policy of the link with those of their filters laid over.
fn policy_of(base: &LinkPolicy, class: u64) -> LinkPolicy {
    let mut policy = LinkPolicy {
        filtered: Vec::new(),
        ..base.clone()
    };
    for (index, one) in base.filtered.iter().take(FILTERS_MAX).enumerate() {
        if class & (1 << index) != 0 {
            policy.compose(&one.policy);
        }
    }
    policy.filtered.clear();
    policy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(from: u16, to: u16) -> Facts {
        Facts {
            protocol: Some(Protocol::Tcp),
            ports: Some((from, to)),
            ..Facts::from(100)
        }
    }

    #[test]
    fn a_port_matches_at_either_end_and_a_protocol_alone() {
        let port = Filter {
            protocol: Some(Protocol::Tcp),
            port: Some(80),
        };
        assert!(port.matches(&tcp(80, 4_000)) && port.matches(&tcp(4_000, 80)));
        assert!(!port.matches(&tcp(4_000, 4_001)));
        let udp = Facts {
            protocol: Some(Protocol::Udp),
            ..tcp(80, 80)
        };
        assert!(!port.matches(&udp));
        let ping = Facts {
            protocol: Some(Protocol::Icmp),
            ..Facts::from(100)
        };
        assert!(!port.matches(&ping));
        assert!(Filter::default().matches(&ping));
    }

    #[test]
    fn a_class_meets_the_base_and_its_filters_only() {
        let one = |port, loss| Filtered {
            filter: Filter {
                protocol: None,
                port: Some(port),
            },
            policy: LinkPolicy {
                loss_ppm: vec![loss],
                ..LinkPolicy::default()
            },
        };
        let base = LinkPolicy {
            loss_ppm: vec![5],
            filtered: vec![one(80, 1), one(90, 2), one(4_000, 3)],
            ..LinkPolicy::default()
        };
        let class = class_of(&base.filtered, &tcp(4_000, 80));
        assert_eq!(class, 0b101);
        assert_eq!(policy_of(&base, class).loss_ppm, [1, 3, 5]);
        assert_eq!(class_of(&base.filtered, &tcp(1, 2)), 0);
    }

    #[test]
    fn a_swap_of_policies_makes_the_classes_anew() {
        let behind_80 = |blocked| LinkPolicy {
            filtered: vec![Filtered {
                filter: Filter {
                    protocol: None,
                    port: Some(80),
                },
                policy: LinkPolicy {
                    blocked,
                    ..LinkPolicy::default()
                },
            }],
            ..LinkPolicy::default()
        };
        let mut classes = Classes::default();
        for (generation, blocked) in [(1, true), (2, false), (3, true)] {
            let base = behind_80(blocked);
            for _ in 0..2 {
                let (class, policy) = classes.find(&base, generation, &tcp(80, 9));
                assert_eq!((class, policy.blocked), (1, blocked));
            }
            assert_eq!(classes.find(&base, generation, &tcp(9, 9)).0, 0);
            assert_eq!(classes.composed.len(), 1);
        }
    }
}
