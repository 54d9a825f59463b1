//! The names that the clients know to be registered, and who owns each.
//!
//! A name enters when its registration was acknowledged, so a look-up never asks for a name that
//! nobody was promised. Names are kept in order of acknowledgement, which is their rank in
//! popularity.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Zipf};

use crate::plan::Popularity;
use fabric::HostIndex;

/// A name whose registration was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedName {
    /// The name.
    pub name: String,
    /// The host through which it was registered: the only one that may update it.
    pub owner: HostIndex,
}

/// All acknowledged names.
#[derive(Clone, Debug, Default)]
pub struct NameBook {
    names: Vec<OwnedName>,
    next: u64,
}

impl NameBook {
    /// A name that was never used in this run.
    pub fn fresh(&mut self) -> String {
        let number = self.next;
        self.next += 1;
        format!("name-{number:05}")
    }

    /// Notes an acknowledged registration.
    pub fn acknowledge(&mut self, name: String, owner: HostIndex) {
        self.names.push(OwnedName { name, owner });
    }

    /// All acknowledged names, oldest first.
    #[must_use]
    pub fn names(&self) -> &[OwnedName] {
        &self.names
    }

    /// One name, by popularity; none before the first acknowledgement.
    pub fn pick(&self, popularity: Popularity, rng: &mut ChaCha8Rng) -> Option<&OwnedName> {
        let rank = match popularity {
            _ if self.names.is_empty() => return None,
            Popularity::Uniform => rng.random_range(0..self.names.len()),
            Popularity::Zipf(exponent) => zipf_rank(self.names.len(), exponent, rng),
        };
        self.names.get(rank)
    }
}

/// A rank from 0, the k-th with probability proportional to (k + 1)^-exponent.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "ranks are small positive whole numbers"
)]
fn zipf_rank(count: usize, exponent: f64, rng: &mut ChaCha8Rng) -> usize {
    match Zipf::new(count as f64, exponent) {
        Ok(zipf) => (zipf.sample(rng) as usize).clamp(1, count) - 1,
        // Only a count below one or a negative exponent is refused, and plans are checked.
        Err(_) => rng.random_range(0..count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Stream, generator};

    #[test]
    fn the_oldest_name_is_the_most_popular() {
        let mut book = NameBook::default();
        for _ in 0..50 {
            let name = book.fresh();
            book.acknowledge(name, HostIndex(1));
        }
        let mut rng = generator(7, Stream::Choices);
        let mut hits = [0u32; 50];
        for _ in 0..5000 {
            let name = book
                .pick(Popularity::Zipf(1.0), &mut rng)
                .expect("there are names");
            let rank = book
                .names()
                .iter()
                .position(|one| one == name)
                .expect("it is in the book");
            hits[rank] += 1;
        }
        assert!(hits[0] > hits[9] && hits[9] > hits[49], "{hits:?}");
        assert!(hits.iter().all(|count| *count > 0), "{hits:?}");
    }

    #[test]
    fn nothing_is_picked_from_an_empty_book() {
        let mut rng = generator(7, Stream::Choices);
        assert_eq!(
            NameBook::default().pick(Popularity::Uniform, &mut rng),
            None
        );
    }
}
