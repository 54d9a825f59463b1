//! What a link does to the packets that cross it: pure values, no clock, no dice.
//!
//! A *policy* describes one link, that is one direction between two hosts. Several faults may bend
//! the same link at once; their policies *compose* into one: latencies add up, losses are
//! independent of each other, the narrowest bandwidth wins, and one block is enough to block.
//! Composing gives the same policy in whatever order the faults are folded.
//!
//! The parts, in the words of tc-netem(8) where it has them, and of Jepsen and the firewalls
//! where it has not:
//!
//! | part | elsewhere |
//! |---|---|
//! | `latency` | netem `delay TIME JITTER CORRELATION distribution NAME` |
//! | `loss_ppm` | netem `loss random` |
//! | `gilbert_elliott` | netem `loss gemodel` |
//! | `duplicate_ppm` | netem `duplicate` |
//! | `reorder` | netem `reorder`, but late instead of early: see [`Reorder`] |
//! | `corrupt` | netem `corrupt`, with the checksum left or repaired |
//! | `bandwidth_bps`, `queue_bytes` | netem `rate`, with the `limit` of tc-tbf(8) |
//! | `blocked` | Jepsen's partition: iptables `DROP` |
//! | `new_connections_blocked` | iptables `-m conntrack --ctstate NEW -j DROP` |
//! | `reset` | iptables `-j REJECT --reject-with tcp-reset`; Toxiproxy's `reset_peer` |
//! | `mtu_bytes` | the black hole of RFC 2923, section 2.1 |
//! | `jam` | none: packets wait, however long it takes, and are not lost |
//! | `filtered` | tc-u32(8), iptables `-p` and `--port` |
//!
//! Left out on purpose: drawing from these distributions, which is the business of [`crate::link`],
//! and who wants which policy, which is the business of the caller.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::filter::Filtered;
use crate::impairment::{Corrupt, GilbertElliott, Reorder};
pub use crate::latency::{LATENCY_US_MAX, Latency};

/// A share of one million: losing a packet with certainty.
pub const CERTAIN_PPM: u32 = 1_000_000;

/// The shortest IPv4 packet. A link with a smaller MTU passes nothing.
const PACKET_BYTES_MIN: u16 = 20;

/// What a link does to its packets. The default is a healthy link: nothing lost, nothing added.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkPolicy {
    /// True when nothing passes, not even what is already on its way.
    pub blocked: bool,
    /// Delays, all of which are added. Sorted.
    pub latency: Vec<Latency>,
    /// Independent chances of being lost, in millionths (0 to 1,000,000). Sorted.
    pub loss_ppm: Vec<u32>,
    /// The rate of the link in bits per second, counted over IP packets; none means unlimited.
    pub bandwidth_bps: Option<u64>,
    /// How many bytes may wait for a line with a bandwidth; what does not fit is dropped. Without
    /// a bandwidth nothing waits. None means the queue that [`crate::link`] gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_bytes: Option<u64>,
    /// Losses in bursts, each with a state of its own on each link. Sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gilbert_elliott: Vec<GilbertElliott>,
    /// Independent chances of being delivered twice, in millionths; a packet is never delivered
    /// more often than that. Sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub duplicate_ppm: Vec<u32>,
    /// Packets that fall behind those sent after them. One that is chosen twice falls behind by
    /// both times. Sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reorder: Vec<Reorder>,
    /// Packets with a wrong bit. One that is chosen twice has one wrong bit, and if either can be
    /// detected, it can. Sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corrupt: Vec<Corrupt>,
    /// The longest IP packet that passes. Longer ones vanish, and no ICMP message says so: a black
    /// hole for path MTU discovery. Each piece of a large TCP segment counts by its own length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu_bytes: Option<u16>,
    /// True when each TCP segment is dropped and answered, at once, with a reset towards its
    /// sender as a closed port would (RFC 9293, section 3.10.7.1); only resets pass. The
    /// receiver learns nothing: for a connection that dies at both ends, set both directions.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reset: bool,
    /// True when packets that are due are held, in order, until the jam is over, and only then
    /// delivered: late, not lost. At most [`crate::JAMMED_ON_LINK_MAX`] packets; what does not
    /// fit is dropped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub jam: bool,
    /// True when only what belongs to something older passes: TCP segments with SYN and without
    /// ACK are dropped, and datagrams of UDP flows that no link carried, in either direction,
    /// while it was not set. The fabric remembers [`crate::UDP_FLOWS_MAX`] flows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub new_connections_blocked: bool,
    /// Policies for some packets only, each laid over this one for the packets that match. Each
    /// class of packets has its own order and its own line: those that match the same filters
    /// wait for each other, and for no others. At most [`crate::filter::FILTERS_MAX`]. Sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filtered: Vec<Filtered>,
}

impl LinkPolicy {
    /// Lays another policy over this one: blocked (jammed, resetting) if either is, all latencies,
    /// losses and other random parts of both, the smaller bandwidth, queue and MTU, the filtered
    /// policies of both. Commutative and associative. Switches and limits are also idempotent; a
    /// latency or loss composed twice acts twice.
    pub fn compose(&mut self, other: &LinkPolicy) {
        self.blocked |= other.blocked;
        self.latency.extend_from_slice(&other.latency);
        self.loss_ppm.extend_from_slice(&other.loss_ppm);
        self.bandwidth_bps = smaller(self.bandwidth_bps, other.bandwidth_bps);
        self.queue_bytes = smaller(self.queue_bytes, other.queue_bytes);
        self.gilbert_elliott
            .extend_from_slice(&other.gilbert_elliott);
        self.duplicate_ppm.extend_from_slice(&other.duplicate_ppm);
        self.reorder.extend_from_slice(&other.reorder);
        self.corrupt.extend_from_slice(&other.corrupt);
        self.mtu_bytes = smaller(self.mtu_bytes, other.mtu_bytes);
        self.reset |= other.reset;
        self.jam |= other.jam;
        self.new_connections_blocked |= other.new_connections_blocked;
        self.filtered.extend_from_slice(&other.filtered);
        self.sort();
    }

    /// True when no packet can ever pass: blocked, a loss of 100 %, or an MTU below every packet;
    /// by this policy itself or by a filtered one that means every packet.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.blocked
            || self.loss_ppm.iter().any(|&ppm| ppm >= CERTAIN_PPM)
            || self.gilbert_elliott.iter().any(GilbertElliott::is_cut)
            || self.mtu_bytes.is_some_and(|bytes| bytes < PACKET_BYTES_MIN)
            || self
                .filtered
                .iter()
                .any(|one| one.filter.matches_all() && one.policy.is_cut())
    }

    /// True when a packet passes at once and for certain, unchanged and once.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let unlimited = self.bandwidth_bps.is_none() & self.mtu_bytes.is_none();
        let switched = self.blocked | self.reset | self.jam | self.new_connections_blocked;
        // One sum instead of eight branches, because every packet comes through here.
        let parts = self.latency.len()
            + self.loss_ppm.len()
            + self.gilbert_elliott.len()
            + self.duplicate_ppm.len()
            + self.reorder.len()
            + self.corrupt.len();
        unlimited
            && !switched
            && parts == 0
            && self.filtered.iter().all(|one| one.policy.is_healthy())
    }

    /// The expected one-way delay that the latencies add together, for packets that match no
    /// filter and are not chosen for reordering. Jitter can raise the measured mean above it,
    /// because a link keeps its packets in order: see [`crate::link`].
    #[must_use]
    pub fn mean_latency(&self) -> Duration {
        self.latency.iter().map(Latency::mean).sum()
    }

    /// The share of packets that the losses take together, those in bursts by their long-run
    /// share, from 0.0 to 1.0; for packets that match no filter.
    #[must_use]
    pub fn loss_share(&self) -> f64 {
        let independent = self.loss_ppm.iter().map(|&ppm| share(ppm));
        let in_bursts = self.gilbert_elliott.iter().map(GilbertElliott::loss_share);
        let kept: f64 = independent
            .chain(in_bursts)
            .map(|lost| 1.0 - lost)
            .product();
        1.0 - kept
    }

    /// Restores the order of the lists, for policies that were written by hand.
    pub(crate) fn sort(&mut self) {
        self.latency.sort_unstable();
        self.loss_ppm.sort_unstable();
        self.gilbert_elliott.sort_unstable();
        self.duplicate_ppm.sort_unstable();
        self.reorder.sort_unstable();
        self.corrupt.sort_unstable();
        for one in &mut self.filtered {
            one.policy.sort();
        }
        self.filtered.sort_unstable();
    }
}

/// Millionths as a number from 0.0 to 1.0.
pub(crate) fn share(ppm: u32) -> f64 {
    f64::from(ppm.min(CERTAIN_PPM)) / f64::from(CERTAIN_PPM)
}

fn smaller<T: Ord>(mine: Option<T>, theirs: Option<T>) -> Option<T> {
    match (mine, theirs) {
        (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
        (mine, theirs) => mine.or(theirs),
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, MapDeserializer};

    use super::*;
    use crate::filter::Filter;

    #[test]
    fn the_default_policy_is_healthy() {
        let policy = LinkPolicy::default();
        assert!(policy.is_healthy() && !policy.is_cut());
        assert_eq!(
            (policy.mean_latency(), policy.loss_share()),
            (Duration::ZERO, 0.0)
        );
    }

    #[test]
    fn losses_combine_as_independent_chances() {
        let policy = LinkPolicy {
            loss_ppm: vec![500_000, 500_000],
            ..LinkPolicy::default()
        };
        assert!((policy.loss_share() - 0.75).abs() < 1e-12);
        assert!(!policy.is_cut());
    }

    #[test]
    fn a_certain_loss_is_a_cut() {
        let policy = LinkPolicy {
            loss_ppm: vec![10, CERTAIN_PPM],
            ..LinkPolicy::default()
        };
        assert!(policy.is_cut());
        assert_eq!(policy.loss_share(), 1.0);
    }

    #[test]
    fn a_filtered_cut_is_one_only_when_it_means_every_packet() {
        let behind = |port| LinkPolicy {
            filtered: vec![Filtered {
                filter: Filter {
                    protocol: None,
                    port,
                },
                policy: LinkPolicy {
                    blocked: true,
                    ..LinkPolicy::default()
                },
            }],
            ..LinkPolicy::default()
        };
        assert!(behind(None).is_cut() && !behind(Some(80)).is_cut());
        assert!(!behind(Some(80)).is_healthy());
    }

    #[test]
    fn each_new_part_alone_is_unhealthy_and_a_queue_without_a_line_is_not() {
        let healthy = LinkPolicy::default;
        let parts = [
            LinkPolicy {
                gilbert_elliott: vec![GilbertElliott::default()],
                ..healthy()
            },
            LinkPolicy {
                duplicate_ppm: vec![1],
                ..healthy()
            },
            LinkPolicy {
                reorder: vec![Reorder {
                    share_ppm: 1,
                    late_us: 1,
                }],
                ..healthy()
            },
            LinkPolicy {
                mtu_bytes: Some(1_400),
                ..healthy()
            },
            LinkPolicy {
                reset: true,
                ..healthy()
            },
            LinkPolicy {
                jam: true,
                ..healthy()
            },
            LinkPolicy {
                new_connections_blocked: true,
                ..healthy()
            },
        ];
        assert!(
            parts
                .iter()
                .all(|policy| !policy.is_healthy() && !policy.is_cut())
        );
        assert!(
            LinkPolicy {
                queue_bytes: Some(1),
                ..healthy()
            }
            .is_healthy()
        );
        assert!(
            LinkPolicy {
                mtu_bytes: Some(19),
                ..healthy()
            }
            .is_cut()
        );
    }

    /// A policy written before the newer parts existed has none of them.
    #[test]
    fn old_policies_still_read() {
        let fields = [("blocked", true)].into_iter();
        let old: MapDeserializer<'_, _, Error> = MapDeserializer::new(fields);
        let read = LinkPolicy::deserialize(old.into_deserializer()).expect("read");
        let expected = LinkPolicy {
            blocked: true,
            ..LinkPolicy::default()
        };
        assert_eq!(read, expected);
    }
}
