//! The network: what it costs beside a pair of kernel interfaces, and how fast a partition of 100
//! hosts takes effect.

use std::time::{Duration, Instant};

use fabric::measure::{MeasureError, Pair};
use fabric::{Fabric, HostIndex, LinkPolicy};

use super::{BenchError, Budget, Figure, Section};
use crate::fault::{FaultSpec, Partition, Shape};
use crate::world::{ActiveFault, World, fold};

/// Round trips measured at most.
const PINGS: usize = 100_000;

/// The hosts that are partitioned.
const HOSTS: u16 = 100;

/// How often they are.
const PARTITIONS: usize = 100;

/// How to measure the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FabricBench {
    /// How long each measurement takes at most.
    pub length: Duration,
}

/// What two hosts get from their network.
struct Network {
    round_trips: Vec<Duration>,
    gigabits: f64,
}

/// Measures the network, inside the enclosure.
///
/// # Errors
/// When the network cannot be made. Kernel interfaces that cannot be made are a note.
pub fn fabric(bench: FabricBench) -> Result<Vec<Section>, BenchError> {
    let healthy = Pair::on_fabric(&LinkPolicy::default())?;
    let on_fabric = measure(&healthy, bench.length)?;
    drop(healthy);
    let on_veth = Pair::on_veth().and_then(|pair| measure(&pair, bench.length));
    Ok(vec![beside(&on_fabric, on_veth.as_ref()), partitions()?])
}

fn measure(pair: &Pair, length: Duration) -> Result<Network, MeasureError> {
    let gigabits = pair.tcp_bits_per_second(length)? / 1e9;
    let round_trips = pair.udp_round_trips(PINGS, length)?;
    if round_trips.is_empty() {
        return Err(MeasureError::NothingArrived {
            hosts: "the two hosts".into(),
        });
    }
    Ok(Network {
        round_trips,
        gigabits,
    })
}

fn beside(fabric: &Network, veth: Result<&Network, &MeasureError>) -> Section {
    let mut figures = vec![
        Figure::new(
            "fabric: UDP round trip, p50",
            fabric.round_trip_us(50),
            "µs",
        ),
        Figure::new(
            "fabric: UDP round trip, p99",
            fabric.round_trip_us(99),
            "µs",
        ),
        Figure::new("fabric: one TCP flow", fabric.gigabits, "Gbit/s").within(Budget::AtLeast(5.0)),
    ];
    let mut notes = Vec::new();
    match veth {
        Err(error) => notes.push(format!("nothing to compare with: {error}")),
        Ok(veth) => {
            let added_us = fabric.round_trip_us(50) - veth.round_trip_us(50);
            let share = 100.0 * fabric.gigabits / veth.gigabits;
            figures.extend([
                Figure::new("veth: UDP round trip, p50", veth.round_trip_us(50), "µs"),
                Figure::new("veth: UDP round trip, p99", veth.round_trip_us(99), "µs"),
                Figure::new("veth: one TCP flow", veth.gigabits, "Gbit/s"),
                Figure::new("fabric over veth: added round trip, p50", added_us, "µs")
                    .within(Budget::AtMost(25.0)),
                Figure::new("fabric of veth: TCP", share, "%").within(Budget::AtLeast(50.0)),
            ]);
            notes.push("the veth pair was made by the program `ip`".into());
        }
    }
    Section {
        title: "Two hosts, through the fabric and through a pair of kernel interfaces".into(),
        figures,
        notes,
    }
}

/// From the active faults to the moment from which on every packet meets the new world.
fn partitions() -> Result<Section, BenchError> {
    let fabric = Fabric::start(1, HOSTS)?;
    let healthy = World::healthy(HOSTS);
    let halves = ActiveFault {
        fault: FaultSpec::Partition(Partition {
            shape: Shape::Split,
            direction: None,
        }),
        targets: (0..HOSTS / 2).map(HostIndex).collect(),
    };
    let mut whole = Vec::with_capacity(PARTITIONS);
    let mut swap = Vec::with_capacity(PARTITIONS);
    for _ in 0..PARTITIONS {
        let begun = Instant::now();
        let table = fold(&healthy, [&halves]).policies();
        let built = Instant::now();
        let since = fabric.set_policies(table)?;
        whole.push(since.saturating_duration_since(begun));
        swap.push(since.saturating_duration_since(built));
        fabric.set_policies(healthy.policies())?;
    }
    whole.sort_unstable();
    swap.sort_unstable();
    let budget = Budget::AtMost(1_000.0);
    Ok(Section {
        title: format!("A partition of {HOSTS} hosts into halves, {PARTITIONS} times"),
        figures: vec![
            Figure::new("fold, build and swap, p50", quantile_us(&whole, 50), "µs").within(budget),
            Figure::new("fold, build and swap, p99", quantile_us(&whole, 99), "µs"),
            Figure::new("of that, the swap, p50", quantile_us(&swap, 50), "µs"),
        ],
        notes: Vec::new(),
    })
}

impl Network {
    fn round_trip_us(&self, percent: usize) -> f64 {
        quantile_us(&self.round_trips, percent)
    }
}

/// A quantile of sorted times; 0 when there are none.
fn quantile_us(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_veth_there_is_a_note_and_no_comparison() {
        let network = Network {
            round_trips: vec![Duration::from_micros(20); 100],
            gigabits: 6.0,
        };
        let missing = MeasureError::Ip {
            line: "link add".into(),
            said: "no such program".into(),
        };
        let section = beside(&network, Err(&missing));
        assert_eq!(section.figures.len(), 3);
        assert!(section.notes[0].contains("no such program"));
        let both = beside(&network, Ok(&network));
        let added = both.figures.iter().find(|one| one.what.contains("added"));
        assert_eq!(added.map(|one| one.value), Some(0.0));
    }

    #[test]
    fn a_quantile_is_one_of_the_times() {
        let times: Vec<_> = (1..=100).map(Duration::from_micros).collect();
        assert_eq!(quantile_us(&times, 50).round(), 51.0);
        assert_eq!(quantile_us(&times, 99).round(), 100.0);
        assert_eq!(quantile_us(&times[..1], 99).round(), 1.0);
        assert_eq!(quantile_us(&[], 50), 0.0);
    }
}
