//! Where randomness comes from: one seed, one independent stream a purpose.
//!
//! Separate streams keep choices apart: one more draw for a fault's targets does not move a
//! single arrival of the workload. ChaCha8 is used because its output is fixed across platforms
//! and versions.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What the numbers of a stream are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    /// Choices made while compiling a plan.
    Compile = 1,
    /// When operations arrive, and of which kind.
    Arrivals = 2,
    /// Which client and which name an operation uses.
    Choices = 3,
    /// Targets that can be drawn only when the fault fires.
    Targets = 4,
    /// Which host reads which name in the end.
    FinalReads = 5,
    /// What a fault itself draws: who is on which side of a shape.
    Shapes = 6,
    /// The moments at which a fault comes and goes.
    Beats = 7,
    /// By how much starts are moved.
    Jitter = 8,
}

/// The generator for one purpose, made from the run's seed.
#[must_use]
pub fn generator(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream as u64);
    rng
}

/// One of several generators for the same purpose, for example one a fault.
#[must_use]
pub fn numbered(seed: u64, stream: Stream, number: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((stream as u64) << 32 | (number as u64 + 1));
    rng
}
