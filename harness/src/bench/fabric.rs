//! The network: what it costs beside a pair of kernel interfaces, and how fast a partition takes
//! effect.

use std::time::Duration;

use fabric::LinkPolicy;
use fabric::measure::{MeasureError, Pair};

use super::partition::{self, quantile_us};
use super::{BenchError, Budget, Figure, Section};

/// Round trips measured at most.
const PINGS: usize = 100_000;

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
    Ok(vec![
        beside(&on_fabric, on_veth.as_ref()),
        partition::in_the_fabric()?,
        partition::on_packets()?,
    ])
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

impl Network {
    fn round_trip_us(&self, percent: usize) -> f64 {
        quantile_us(&self.round_trips, percent)
    }
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
}
