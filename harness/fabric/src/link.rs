//! The pure core: what becomes of one packet on one link.
//!
//! A [`LinkState`] is what a link remembers between two packets: its generator, when its line is
//! free again, and when its latest packet is due. It does no I/O and reads no clock; the same
//! seed and the same sequence of policies, times and lengths give the same verdicts.
//!
//! A packet meets the parts of a policy in this order, as on a real line: the block, the line with
//! its bandwidth and queue, the random losses (a lost packet has used the line), the latencies.
//!
//! **Order is kept.** A packet is never due before the one sent before it on the same link, so
//! jitter does not reorder; reordering is a fault of its own and not part of this policy. The
//! price: a packet behind a slow one waits for it. With packets far apart the mean delay is the
//! mean of the latencies; with packets closer together than the jitter it lies above (for a
//! dense stream, near the largest draw of the last jitter's worth of time), and after a latency
//! is lifted the first packets still wait for those in flight.
//!
//! Left out on purpose: dropping at the time of delivery, which takes the policy of that moment
//! and is the router's part.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::policy::{CERTAIN_PPM, LATENCY_US_MAX, Latency, LinkPolicy};
use crate::table::HostIndex;

/// How long a packet may wait for a line with a bandwidth, unless [`LINE_QUEUE_BYTES_MIN`] allows
/// more: the size of the queue is this time at the line's rate.
pub const LINE_QUEUE_MS: u64 = 200;

/// The size of the queue of a slow line: sixteen full packets, so that a TCP window fits. The
/// queue of a line is the larger of the two; a packet that does not fit is dropped.
pub const LINE_QUEUE_BYTES_MIN: u64 = 24_000;

/// Why a packet was dropped on its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropCause {
    /// The link is blocked.
    Blocked,
    /// Lost at random.
    Loss,
    /// The queue of the line is full.
    Queue,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is due at the receiver at this time; at once if that is now.
    Deliver {
        /// On the clock of the caller, in microseconds.
        at_us: u64,
    },
    /// It is gone.
    Drop(DropCause),
}

/// What a link remembers between two packets.
#[derive(Clone, Debug)]
pub struct LinkState {
    seed: u64,
    from: HostIndex,
    to: HostIndex,
    /// Made at the first draw: most links never roll dice, and a thousand hosts have a million.
    rng: Option<Box<ChaCha8Rng>>,
    line_free_at_ns: u64,
    latest_due_us: u64,
}

impl LinkState {
    /// A link that no packet has crossed, with a generator of its own for this seed.
    #[must_use]
    pub fn new(seed: u64, from: HostIndex, to: HostIndex) -> Self {
        LinkState {
            seed,
            from,
            to,
            rng: None,
            line_free_at_ns: 0,
            latest_due_us: 0,
        }
    }

    /// Decides about the next packet. `now_us` may be on any clock that does not run backwards;
    /// `bytes` is the length of the IP packet.
    pub fn decide(&mut self, policy: &LinkPolicy, now_us: u64, bytes: usize) -> Verdict {
        if policy.blocked {
            return Verdict::Drop(DropCause::Blocked);
        }
        let sent_us = match policy.bandwidth_bps {
            None => now_us,
            Some(rate_bps) => match self.occupy_line(rate_bps, now_us, bytes as u64) {
                None => return Verdict::Drop(DropCause::Queue),
                Some(sent_us) => sent_us,
            },
        };
        if policy.loss_ppm.iter().any(|&ppm| self.loses(ppm)) {
            return Verdict::Drop(DropCause::Loss);
        }
        let latency_us: u64 = policy
            .latency
            .iter()
            .map(|&latency| self.draw_us(latency))
            .sum();
        let at_us = (sent_us + latency_us).max(self.latest_due_us);
        self.latest_due_us = at_us;
        Verdict::Deliver { at_us }
    }

    /// Puts a packet on the line behind those that wait there. Returns when its last bit has
    /// left, or none when the queue has no room for it. A line that is free takes any packet.
    fn occupy_line(&mut self, rate_bps: u64, now_us: u64, bytes: u64) -> Option<u64> {
        const NS_PER_S: u128 = 1_000_000_000;
        if rate_bps == 0 {
            return None;
        }
        let now_ns = now_us * 1_000;
        let backlog_ns = self.line_free_at_ns.saturating_sub(now_ns);
        let backlog_bytes = u128::from(backlog_ns) * u128::from(rate_bps) / (8 * NS_PER_S);
        let room_bytes = (rate_bps / 8 * LINE_QUEUE_MS / 1_000).max(LINE_QUEUE_BYTES_MIN);
        if backlog_ns > 0 && backlog_bytes + u128::from(bytes) > u128::from(room_bytes) {
            return None;
        }
        let sending_ns = u128::from(bytes) * 8 * NS_PER_S / u128::from(rate_bps);
        let sending_ns = u64::try_from(sending_ns).unwrap_or(u64::MAX);
        self.line_free_at_ns = now_ns.saturating_add(backlog_ns).saturating_add(sending_ns);
        Some(self.line_free_at_ns.div_ceil(1_000))
    }

    fn loses(&mut self, ppm: u32) -> bool {
        match ppm {
            0 => false,
            CERTAIN_PPM.. => true,
            _ => self.rng().random_range(0..CERTAIN_PPM) < ppm,
        }
    }

    fn draw_us(&mut self, latency: Latency) -> u64 {
        let drawn_us = match latency {
            Latency::Constant { mean_us } => mean_us,
            Latency::Uniform { mean_us, jitter_us } => {
                let (mean_us, jitter_us) =
                    (mean_us.min(LATENCY_US_MAX), jitter_us.min(LATENCY_US_MAX));
                // Drawn shifted up by the jitter, so that unsigned numbers do.
                self.rng()
                    .random_range(mean_us..=mean_us + 2 * jitter_us)
                    .saturating_sub(jitter_us)
            }
            Latency::Normal { mean_us, jitter_us } => {
                let deviations: f64 = self.rng().sample(StandardNormal);
                // A cast from a float saturates: what is below zero becomes zero.
                (mean_us as f64 + deviations * jitter_us as f64).round() as u64
            }
        };
        drawn_us.min(LATENCY_US_MAX)
    }

    fn rng(&mut self) -> &mut ChaCha8Rng {
        self.rng.get_or_insert_with(|| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&self.seed.to_le_bytes());
            key[8..10].copy_from_slice(&self.from.0.to_le_bytes());
            key[10..12].copy_from_slice(&self.to.0.to_le_bytes());
            Box::new(ChaCha8Rng::from_seed(key))
        })
    }
}
