//! The pure core: what becomes of one packet on one link.
//!
//! A [`LinkState`] is what a link remembers between two packets: its generator, when its line is
//! free again, and when its latest packet is due. It does no I/O and reads no clock; the same
//! seed and the same sequence of policies, times and packets give the same verdicts.
//!
//! A packet meets the parts of a policy in this order, as on a real line: the block, the MTU, the
//! block of new connections, the reset (so what vanishes in silence is not answered), the line
//! with its bandwidth and queue, the random losses (a lost packet has used the line), the
//! latencies, and what may happen to a packet that arrives: falling behind, arriving twice, a
//! wrong bit.
//!
//! **Order is kept.** A packet is never due before the one sent before it on the same link, so
//! jitter does not reorder. The price: a packet behind a slow one waits for it. With packets far
//! apart the mean delay is the mean of the latencies; with packets closer together than the
//! jitter it lies above (for a dense stream, near the largest draw of the last jitter's worth of
//! time), and after a latency is lifted the first packets still wait for those in flight. There
//! are two exceptions. A packet chosen for reordering falls behind, and holds up nobody. And each
//! class of packets that filters set apart has a *lane* of its own: an order, and a line. When a
//! filter goes, its last packets may be overtaken.
//!
//! Left out on purpose: what takes the policy of the moment of delivery (the block once more, and
//! the jam), and the change of bytes. Both are the router's part.

use crate::dice::Dice;
use crate::facts::Facts;
use crate::impairment::Corruption;
use crate::policy::LinkPolicy;
use crate::table::HostIndex;

/// How long a packet may wait for a line with a bandwidth, unless [`LINE_QUEUE_BYTES_MIN`] allows
/// more: the size of the queue is this time at the line's rate.
pub const LINE_QUEUE_MS: u64 = 200;

/// The size of the queue of a slow line: sixteen full packets, so that a TCP window fits. The
/// queue of a line is the larger of the two, unless the policy says `queue_bytes`; a packet that
/// does not fit is dropped.
pub const LINE_QUEUE_BYTES_MIN: u64 = 24_000;

/// How many lanes a link has for classes of packets, besides the one for all others. When there
/// are more, the lane that is free the longest starts anew.
const LANES_MAX: usize = 16;

/// Why a packet was dropped on its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropCause {
    /// The link is blocked.
    Blocked,
    /// Lost at random.
    Loss,
    /// The queue of the line is full.
    Queue,
    /// Longer than the link's MTU.
    Mtu,
    /// It would have opened a connection while only old ones pass.
    New,
    /// Answered with a TCP reset instead.
    Reset,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is due at the receiver at this time; at once if that is now.
    Deliver {
        /// On the clock of the caller, in microseconds.
        at_us: u64,
        /// What else happens to it.
        marks: Marks,
    },
    /// It is gone.
    Drop(DropCause),
}

/// What happens to a packet that arrives, besides its delay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marks {
    /// It falls behind those sent after it.
    pub reordered: bool,
    /// It arrives twice.
    pub twice: bool,
    /// A bit of it is wrong.
    pub flip: Option<Flip>,
}

/// A bit to be flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flip {
    /// Whether the receiver can notice.
    pub how: Corruption,
    /// Where, as a share of all bits that may be flipped, in units of 2^-32.
    pub place: u32,
}

/// What a link remembers between two packets.
#[derive(Clone, Debug)]
pub struct LinkState {
    dice: Dice,
    lane: Lane,
    /// The lanes of classes of packets, by class.
    lanes: Vec<(u64, Lane)>,
}

/// What must not overtake each other.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    line_free_at_ns: u64,
    latest_due_us: u64,
}

impl LinkState {
    /// A link that no packet has crossed, with a generator of its own for this seed.
    #[must_use]
    pub fn new(seed: u64, from: HostIndex, to: HostIndex) -> Self {
        LinkState {
            dice: Dice::new(seed, from, to),
            lane: Lane::default(),
            lanes: Vec::new(),
        }
    }

    /// Decides about the next packet. `now_us` may be on any clock that does not run backwards.
    /// Filters are not looked at: whoever calls has chosen the policy for the packet.
    #[inline]
    pub fn decide(
        &mut self,
        policy: &LinkPolicy,
        now_us: u64,
        packet: impl Into<Facts>,
    ) -> Verdict {
        self.decide_in_class(0, policy, now_us, packet.into())
    }

    /// Decides about the next packet of a class; class 0 are those that no filter sets apart.
    pub(crate) fn decide_in_class(
        &mut self,
        class: u64,
        policy: &LinkPolicy,
        now_us: u64,
        packet: Facts,
    ) -> Verdict {
        if let Some(cause) = refusal(policy, &packet) {
            return Verdict::Drop(cause);
        }
        let dice = &mut self.dice;
        let lane = match class {
            0 => &mut self.lane,
            _ => lane_of(&mut self.lanes, class),
        };
        let sent_us = match policy.bandwidth_bps {
            None => now_us,
            Some(rate_bps) => {
                let room_bytes = policy
                    .queue_bytes
                    .unwrap_or_else(|| usual_queue_bytes(rate_bps));
                match lane.occupy_line(rate_bps, room_bytes, now_us, packet.bytes as u64) {
                    None => return Verdict::Drop(DropCause::Queue),
                    Some(sent_us) => sent_us,
                }
            }
        };
        let lost = policy.loss_ppm.iter().any(|&ppm| dice.chance(ppm));
        let chains = &policy.gilbert_elliott;
        if (!chains.is_empty() && dice.chains_lose(chains)) || lost {
            return Verdict::Drop(DropCause::Loss);
        }
        let latency_us = dice.latency_us(&policy.latency);
        let in_order_us = (sent_us + latency_us).max(lane.latest_due_us);
        if policy.reorder.len() + policy.duplicate_ppm.len() + policy.corrupt.len() == 0 {
            lane.latest_due_us = in_order_us;
            return Verdict::Deliver {
                at_us: in_order_us,
                marks: Marks::default(),
            };
        }
        let late_us = dice.late_us(&policy.reorder);
        if late_us == 0 {
            lane.latest_due_us = in_order_us;
        }
        Verdict::Deliver {
            at_us: in_order_us + late_us,
            marks: Marks {
                reordered: late_us > 0,
                twice: policy.duplicate_ppm.iter().any(|&ppm| dice.chance(ppm)),
                flip: dice.flip(&policy.corrupt),
            },
        }
    }
}

impl Lane {
    /// Puts a packet on the line behind those that wait there. Returns when its last bit has
    /// left, or none when the queue has no room for it. A line that is free takes any packet.
    fn occupy_line(
        &mut self,
        rate_bps: u64,
        room_bytes: u64,
        now_us: u64,
        bytes: u64,
    ) -> Option<u64> {
        const NS_PER_S: u128 = 1_000_000_000;
        if rate_bps == 0 {
            return None;
        }
        let now_ns = now_us * 1_000;
        let backlog_ns = self.line_free_at_ns.saturating_sub(now_ns);
        let backlog_bytes = u128::from(backlog_ns) * u128::from(rate_bps) / (8 * NS_PER_S);
        if backlog_ns > 0 && backlog_bytes + u128::from(bytes) > u128::from(room_bytes) {
            return None;
        }
        let sending_ns = u128::from(bytes) * 8 * NS_PER_S / u128::from(rate_bps);
        let sending_ns = u64::try_from(sending_ns).unwrap_or(u64::MAX);
        self.line_free_at_ns = now_ns.saturating_add(backlog_ns).saturating_add(sending_ns);
        Some(self.line_free_at_ns.div_ceil(1_000))
    }
}

/// Why a packet does not even come to the line.
fn refusal(policy: &LinkPolicy, packet: &Facts) -> Option<DropCause> {
    let too_long = |mtu: u16| packet.bytes > usize::from(mtu);
    let switched = policy.blocked | policy.new_connections_blocked | policy.reset;
    if !switched && policy.mtu_bytes.is_none() {
        return None;
    }
    if policy.blocked {
        Some(DropCause::Blocked)
    } else if policy.mtu_bytes.is_some_and(too_long) {
        Some(DropCause::Mtu)
    } else if policy.new_connections_blocked && packet.opens {
        Some(DropCause::New)
    } else if policy.reset && packet.resettable {
        Some(DropCause::Reset)
    } else {
        None
    }
}

/// The queue of a line whose policy does not say one.
fn usual_queue_bytes(rate_bps: u64) -> u64 {
    (rate_bps / 8 * LINE_QUEUE_MS / 1_000).max(LINE_QUEUE_BYTES_MIN)
}

/// The lane of a class, made at its first packet.
fn lane_of(lanes: &mut Vec<(u64, Lane)>, class: u64) -> &mut Lane {
    let index = lanes
        .iter()
        .position(|(of, _)| *of == class)
        .unwrap_or_else(|| {
            if lanes.len() == LANES_MAX {
                let oldest = (0..LANES_MAX).min_by_key(|&index| lanes[index].1.latest_due_us);
                lanes.swap_remove(oldest.unwrap_or(0));
            }
            lanes.push((class, Lane::default()));
            lanes.len() - 1
        });
    &mut lanes[index].1
}
