//! The dice of one link: its seeded generator, and the draws that need one.
//!
//! Parts of a policy that have a *memory* (a Gilbert-Elliott chain, a correlated latency) find it
//! here again for as long as a policy has them: each is known by its own value, and equal ones
//! by their order, so that other parts may come and go without disturbing it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::impairment::{Corrupt, GilbertElliott, Reorder};
use crate::latency::{Distribution, LATENCY_US_MAX, Latency, correlated};
use crate::link::Flip;
use crate::policy::CERTAIN_PPM;
use crate::table::HostIndex;

/// How many memories of each kind a link keeps. When there are more, the oldest starts anew.
const MEMORIES_MAX: usize = 64;

/// The seeded generator of one link, with the memories of its draws.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    seed: u64,
    from: HostIndex,
    to: HostIndex,
    /// Made at the first draw: most links never roll dice, and a thousand hosts have a million.
    rolled: Option<Box<Rolled>>,
}

/// Dice in use.
#[derive(Clone, Debug)]
struct Rolled {
    rng: ChaCha8Rng,
    /// Whether each Gilbert-Elliott chain is in its bad state.
    chains: Memories<GilbertElliott, bool>,
    /// The last variate of each correlated latency.
    variates: Memories<Latency, f64>,
}

/// One value for each part of a kind that needs one.
#[derive(Clone, Debug)]
struct Memories<K, V>(Vec<(K, usize, V)>);

impl Dice {
    /// Dice that nobody has rolled.
    pub fn new(seed: u64, from: HostIndex, to: HostIndex) -> Dice {
        Dice {
            seed,
            from,
            to,
            rolled: None,
        }
    }

    /// True in so many of a million cases.
    pub fn chance(&mut self, ppm: u32) -> bool {
        match ppm {
            0 => false,
            CERTAIN_PPM.. => true,
            _ => self.rng().random_range(0..CERTAIN_PPM) < ppm,
        }
    }

    /// True when one of these chains loses the next packet. Every chain moves on, so that each
    /// counts its states in packets of the link, whatever the others do.
    pub fn chains_lose(&mut self, sorted: &[GilbertElliott]) -> bool {
        let mut lost = false;
        for (index, chain) in sorted.iter().enumerate() {
            lost |= self.chain_loses(chain, ordinal(sorted, index));
        }
        lost
    }

    /// The sum of one draw from each of these latencies.
    pub fn latency_us(&mut self, sorted: &[Latency]) -> u64 {
        (0..sorted.len())
            .map(|index| self.draw_us(sorted, index))
            .sum()
    }

    /// How much a packet falls behind, and whether it is chosen to.
    pub fn late_us(&mut self, reorder: &[Reorder]) -> u64 {
        let late = |one: &Reorder| {
            let chosen = self.chance(one.share_ppm);
            if chosen {
                one.late_us.min(LATENCY_US_MAX)
            } else {
                0
            }
        };
        reorder.iter().map(late).sum()
    }

    /// Which bit of a packet is wrong, if any.
    pub fn flip(&mut self, corrupt: &[Corrupt]) -> Option<Flip> {
        let chosen = corrupt.iter().filter(|one| self.chance(one.share_ppm));
        let how = chosen.map(|one| one.how).max()?;
        Some(Flip {
            how,
            place: self.rng().random(),
        })
    }

    fn chain_loses(&mut self, chain: &GilbertElliott, ordinal: usize) -> bool {
        // The order of netem's `loss_gilb_ell`, where the old state decides about the packet.
        let bad = self.rolled().chains.get(chain, ordinal).unwrap_or(false);
        let (turn_ppm, loss_ppm) = match bad {
            false => (chain.to_bad_ppm, chain.loss_good_ppm),
            true => (chain.to_good_ppm, chain.loss_bad_ppm),
        };
        let turns = self.chance(turn_ppm);
        self.rolled().chains.set(*chain, ordinal, bad ^ turns);
        self.chance(loss_ppm)
    }

    fn draw_us(&mut self, sorted: &[Latency], index: usize) -> u64 {
        let drawn_us = match sorted[index] {
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
            Latency::Pareto { mean_us, jitter_us } => {
                let variate = self.rng().random();
                quantile_us(Distribution::Pareto, mean_us, jitter_us, variate)
            }
            latency @ Latency::Correlated {
                distribution,
                mean_us,
                jitter_us,
                correlation_ppm,
            } => {
                let fresh = self.rng().random();
                let ordinal = ordinal(sorted, index);
                let last = self
                    .rolled()
                    .variates
                    .get(&latency, ordinal)
                    .unwrap_or(fresh);
                let variate = correlated(last, fresh, correlation_ppm);
                self.rolled().variates.set(latency, ordinal, variate);
                quantile_us(distribution, mean_us, jitter_us, variate)
            }
        };
        drawn_us.min(LATENCY_US_MAX)
    }

    fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.rolled().rng
    }

    fn rolled(&mut self) -> &mut Rolled {
        self.rolled.get_or_insert_with(|| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&self.seed.to_le_bytes());
            key[8..10].copy_from_slice(&self.from.0.to_le_bytes());
            key[10..12].copy_from_slice(&self.to.0.to_le_bytes());
            Box::new(Rolled {
                rng: ChaCha8Rng::from_seed(key),
                chains: Memories(Vec::new()),
                variates: Memories(Vec::new()),
            })
        })
    }
}

impl<K: PartialEq, V: Copy> Memories<K, V> {
    fn get(&self, part: &K, ordinal: usize) -> Option<V> {
        let found = self.0.iter().find(|one| (&one.0, one.1) == (part, ordinal));
        found.map(|one| one.2)
    }

    fn set(&mut self, part: K, ordinal: usize, value: V) {
        let found = self
            .0
            .iter_mut()
            .find(|one| (&one.0, one.1) == (&part, ordinal));
        if let Some(one) = found {
            one.2 = value;
            return;
        }
        if self.0.len() == MEMORIES_MAX {
            self.0.remove(0);
        }
        self.0.push((part, ordinal, value));
    }
}

/// A quantile in whole microseconds. The cast saturates: what is below zero becomes zero.
fn quantile_us(distribution: Distribution, mean_us: u64, jitter_us: u64, variate: f64) -> u64 {
    let quantile_us = distribution.quantile_us(mean_us, jitter_us, variate);
    quantile_us.round() as u64
}

/// How many equal parts stand before this one in a sorted list.
fn ordinal<T: PartialEq>(sorted: &[T], index: usize) -> usize {
    let before = sorted[..index].iter().rev();
    before.take_while(|part| **part == sorted[index]).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_is_found_again_among_equal_parts_and_is_bounded() {
        let mut memories = Memories(Vec::new());
        memories.set('a', 0, 1);
        memories.set('a', 1, 2);
        memories.set('a', 0, 3);
        assert_eq!(
            (memories.get(&'a', 0), memories.get(&'a', 1)),
            (Some(3), Some(2))
        );
        assert_eq!(memories.get(&'b', 0), None);
        for number in 0..MEMORIES_MAX {
            memories.set('c', number, 4);
        }
        assert_eq!(memories.0.len(), MEMORIES_MAX);
        assert_eq!(memories.get(&'a', 0), None);
        let ordinals: Vec<usize> = (0..4).map(|index| ordinal(&[1, 1, 2, 2], index)).collect();
        assert_eq!(ordinals, [0, 1, 0, 1]);
    }
}
