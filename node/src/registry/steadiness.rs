//! How much steadier the elected mirrors are than random ones, in a simulated week.
//!
//! Sessions and gaps are drawn from the distribution measured of the servers of IPFS's DHT in 2022
//! (half of the sessions last at most about two hours, four fifths at most eight; Weibull with
//! shape 0.608 and scale 3.66 h has those quantiles). In one variant all nodes are alike, so only
//! the age of a session tells anything; in the other, nodes differ lastingly, as consecutive
//! sessions of a peer were found to (Stutzbach and Rejaie, 2006): each has a factor of its own,
//! drawn log-normally. Method: the real measurement and the real election, with a virtual clock.

use super::{
    election::{self, Rules},
    uptime::Peers,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::time::Duration;
use wire::{Epoch, Heartbeat, PublicKey, Roster, SecretKey, Signature, Signed, UnixMs};

const NODES: usize = 200;
const MIRRORS: usize = 8;
const INTERVAL: Duration = Duration::from_secs(240);
const WEEK: u64 = 7 * 24 * 3600 / 240;
/// The first day is for measuring: nobody can be chosen by what is not known yet.
const MEASURED_FROM: u64 = WEEK / 7;
const WEIBULL: (f64, f64) = (0.608, 3.66);

struct Node {
    key: PublicKey,
    /// How much longer its sessions are than the mean of all, and its gaps shorter.
    factor: f64,
    up: bool,
    turns_at: f64,
    session: u64,
}

fn weibull(rng: &mut StdRng) -> f64 {
    let (shape, scale) = WEIBULL;
    let uniform: f64 = rng.random();
    scale * 3600.0 * (-(1.0 - uniform).ln()).powf(1.0 / shape)
}

/// exp(N(0, spread)), by Box and Muller.
fn log_normal(rng: &mut StdRng, spread: f64) -> f64 {
    let (one, two): (f64, f64) = (rng.random(), rng.random());
    let normal = (-2.0 * (1.0 - one).ln()).sqrt() * (std::f64::consts::TAU * two).cos();
    (spread * normal).exp()
}

impl Node {
    fn new(number: usize, spread: f64, rng: &mut StdRng) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        let factor = log_normal(rng, spread);
        let up = rng.random_bool(factor * factor / (1.0 + factor * factor));
        let stays = if up { factor } else { 1.0 / factor };
        Self {
            key: PublicKey(key),
            factor,
            up,
            turns_at: weibull(rng) * stays,
            session: 1,
        }
    }

    fn advance(&mut self, seconds: f64, rng: &mut StdRng) {
        while self.turns_at <= seconds {
            self.up = !self.up;
            self.session += u64::from(self.up);
            let stays = if self.up {
                self.factor
            } else {
                1.0 / self.factor
            };
            self.turns_at += weibull(rng) * stays;
        }
    }

    fn beat(&self, tick: u64, epoch: Epoch, signature: &Signature) -> Signed<Heartbeat> {
        Signed {
            body: Heartbeat {
                node: self.key,
                session: UnixMs(self.session),
                counter: tick,
                sent_at: UnixMs(0),
                epoch,
                settled: epoch,
                addresses: Vec::new(),
                labels: Vec::new(),
            },
            signature: *signature,
        }
    }
}

/// The shares of time that elected and random mirrors are up after the first day, and how many
/// rosters were issued.
fn a_week(spread: f64, seed: u64) -> (f64, f64, u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let key = SecretKey::from_seed([1; 32]);
    let none = Signed::new(
        wire::Certificate {
            name: "nobody".parse().expect("a valid name"),
            owner: key.public(),
            certified_at: UnixMs(0),
        },
        &key,
    );
    let mut nodes: Vec<_> = (0..NODES)
        .map(|number| Node::new(number, spread, &mut rng))
        .collect();
    let mut peers = Peers::new(INTERVAL, []);
    let mut roster: Option<Roster> = None;
    let (mut elected, mut random, mut seats) = (0, 0, 0);
    for tick in 1..=WEEK {
        let seconds = tick * INTERVAL.as_secs();
        let now = UnixMs(seconds * 1000);
        let epoch = roster.as_ref().map_or(Epoch(0), |roster| roster.epoch);
        for node in &mut nodes {
            node.advance(seconds as f64, &mut rng);
            if node.up {
                let beat = node.beat(tick, epoch, &none.signature);
                peers
                    .hear(&beat, now, roster.is_none())
                    .expect("a newer heartbeat");
            }
        }
        peers.tick(now);
        let rules = Rules {
            mirrors: MIRRORS,
            replicas: 5,
            quiet: peers.quiet(now),
            since_change: roster
                .as_ref()
                .map_or(Duration::MAX, |roster| now.since(roster.issued_at)),
        };
        if let Some(mirrors) = election::next(roster.as_ref(), &peers.candidates(now, None), rules)
        {
            roster = Some(Roster {
                epoch: Epoch(epoch.0 + 1),
                issued_at: now,
                mirrors,
                replicas: 5,
                previous_epoch: epoch,
                previous: Vec::new(),
                registry_addresses: Vec::new(),
            });
        }
        let sitting = roster.as_ref().filter(|_| tick > MEASURED_FROM);
        for mirror in sitting.iter().flat_map(|roster| &roster.mirrors) {
            let is_up = |node: &Node| node.key == mirror.key && node.up;
            elected += u64::from(nodes.iter().any(is_up));
            random += u64::from(nodes[rng.random_range(0..NODES)].up);
            seats += 1;
        }
    }
    let share = |count: u64| count as f64 / f64::from(u32::try_from(seats).expect("few"));
    let epochs = roster.map_or(0, |roster| roster.epoch.0);
    (share(elected), share(random), epochs)
}

/// The mean of a few weeks.
fn weeks(spread: f64) -> (f64, f64) {
    let weeks: Vec<_> = (1..=3).map(|seed| a_week(spread, seed)).collect();
    let mean =
        |of: fn(&(f64, f64, u64)) -> f64| weeks.iter().map(of).sum::<f64>() / weeks.len() as f64;
    let (elected, random) = (mean(|week| week.0), mean(|week| week.1));
    println!("spread {spread}: elected {elected:.4}, random {random:.4}, weeks {weeks:?}");
    (elected, random)
}

#[test]
fn elected_mirrors_are_steadier_than_random_ones_even_if_only_the_age_of_a_session_tells() {
    let (elected, random) = weeks(0.0);
    assert!(1.0 - elected < (1.0 - random) / 4.0, "{elected} {random}");
}

#[test]
fn elected_mirrors_are_far_steadier_than_random_ones_where_nodes_differ_lastingly() {
    let (elected, random) = weeks(1.0);
    assert!(1.0 - elected < (1.0 - random) / 10.0, "{elected} {random}");
}
