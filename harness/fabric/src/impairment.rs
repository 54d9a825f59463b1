//! The ways in which a link spoils some of its packets, each a small value of a policy.
//!
//! Shares are in millionths. The words are those of tc-netem(8), with two differences that this
//! crate's rules ask for: a link keeps its order unless a packet is chosen for reordering, and a
//! corruption says whether the receiver can notice it.
//!
//! Left out on purpose: the dice, see [`crate::link`], and the change of bytes, see
//! `corrupt`.

use serde::{Deserialize, Serialize};

use crate::policy::{CERTAIN_PPM, share};

/// Losses that come in bursts: the Gilbert-Elliott model, `loss gemodel p r 1-h 1-k` in netem.
///
/// The link is in a good or a bad state, at first in the good one. Each packet is lost with the
/// chance of the state that it finds, and then the state may change. (E. N. Gilbert, Capacity of a
/// burst-noise channel, 1960; E. O. Elliott, Estimates of error rates for codes on burst-noise
/// channels, 1963.) The mean length of a bad stretch is `1 / r` packets.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct GilbertElliott {
    /// `p`: the chance, at each packet in the good state, to turn bad.
    pub to_bad_ppm: u32,
    /// `r`: the chance, at each packet in the bad state, to turn good.
    pub to_good_ppm: u32,
    /// `1-k`: the chance of a packet to be lost in the good state; often 0.
    #[serde(default)]
    pub loss_good_ppm: u32,
    /// `1-h`: the chance of a packet to be lost in the bad state.
    pub loss_bad_ppm: u32,
}

/// Packets that arrive later than those sent after them.
///
/// netem's `reorder` lets a share of packets overtake, because they skip the delay; here a share
/// falls behind, because it is held back longer, which needs no other delay. Where nothing
/// follows within `late_us`, nothing is overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reorder {
    /// The share of packets that are chosen.
    pub share_ppm: u32,
    /// How much longer these are held back, in microseconds, at most
    /// [`crate::latency::LATENCY_US_MAX`]. A chosen packet does not hold up those behind it.
    pub late_us: u64,
}

/// Packets with one bit flipped at random, `corrupt` in netem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corrupt {
    /// The share of packets that are chosen.
    pub share_ppm: u32,
    /// Whether the receiver can notice.
    pub how: Corruption,
}

/// Whether a receiver can notice that a packet was corrupted. The checksums are those of TCP, UDP
/// and ICMP; a packet of another protocol has none that we know, so its receiver never notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corruption {
    /// The checksum is repaired, as by a broken switch that computes it anew: the program gets
    /// wrong bytes. A packet without payload is left alone.
    Silent,
    /// The checksum stays as it was and is wrong now, so the receiver's kernel drops the packet.
    /// Of a packet without payload the checksum itself is spoiled.
    Detected,
}

impl GilbertElliott {
    /// The share of packets lost in the long run: each state's loss, weighted by the share of
    /// packets that find it, which is `p / (p + r)` for the bad one (the stationary distribution
    /// of the two-state chain). A link that never changes its state stays in the good one.
    #[must_use]
    pub fn loss_share(&self) -> f64 {
        let (to_bad, to_good) = (share(self.to_bad_ppm), share(self.to_good_ppm));
        let bad = if to_bad > 0.0 {
            to_bad / (to_bad + to_good)
        } else {
            0.0
        };
        bad * share(self.loss_bad_ppm) + (1.0 - bad) * share(self.loss_good_ppm)
    }

    /// True when it loses every packet in every state that it can be in.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.loss_good_ppm >= CERTAIN_PPM
            && (self.to_bad_ppm == 0 || self.loss_bad_ppm >= CERTAIN_PPM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_run_loss_weighs_the_states() {
        let bursts = GilbertElliott {
            to_bad_ppm: 10_000,
            to_good_ppm: 90_000,
            loss_good_ppm: 0,
            loss_bad_ppm: 500_000,
        };
        assert!((bursts.loss_share() - 0.05).abs() < 1e-12);
        let stuck = GilbertElliott {
            to_bad_ppm: 0,
            to_good_ppm: 0,
            ..bursts
        };
        assert_eq!(stuck.loss_share(), 0.0);
    }

    #[test]
    fn only_a_chain_that_cannot_pass_anything_is_a_cut() {
        let certain = GilbertElliott {
            to_bad_ppm: 1,
            to_good_ppm: 1,
            loss_good_ppm: CERTAIN_PPM,
            loss_bad_ppm: CERTAIN_PPM,
        };
        assert!(certain.is_cut());
        let sometimes = GilbertElliott {
            loss_bad_ppm: 0,
            ..certain
        };
        assert!(!sometimes.is_cut());
        let never_bad = GilbertElliott {
            to_bad_ppm: 0,
            ..sometimes
        };
        assert!(never_bad.is_cut());
    }
}
