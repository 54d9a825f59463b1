//! Measures what the fabric costs: one TCP flow for three seconds, and the round trip of a UDP
//! ping-pong, between two hosts on a healthy link and on links with faults.
//!
//! `cargo run --release -p fabric --example throughput`, as root. With the argument `veth` it also
//! measures a pair of kernel interfaces, which it makes with the `ip` program. `harness bench
//! fabric` compares the two with the budget, without root.

use std::time::Duration;

use fabric::measure::{MeasureError, Pair};
use fabric::{Latency, LinkPolicy};

const LENGTH: Duration = Duration::from_secs(3);
const PINGS: usize = 20_000;

fn main() -> Result<(), MeasureError> {
    let one_way = |latency, loss_ppm| LinkPolicy {
        latency,
        loss_ppm,
        ..LinkPolicy::default()
    };
    let millisecond = Latency::Constant { mean_us: 1_000 };
    let links = [
        ("fabric, healthy", LinkPolicy::default()),
        ("fabric, loss 0.0001 %", one_way(vec![], vec![1])),
        ("fabric, latency 1 ms", one_way(vec![millisecond], vec![])),
    ];
    for (name, policy) in links {
        measure(name, &Pair::on_fabric(&policy)?)?;
    }
    if std::env::args().any(|argument| argument == "veth") {
        measure("veth pair", &Pair::on_veth()?)?;
    }
    Ok(())
}

fn measure(name: &str, pair: &Pair) -> Result<(), MeasureError> {
    let rate = pair.tcp_bits_per_second(LENGTH)?;
    let times = pair.udp_round_trips(PINGS, LENGTH)?;
    let quantile = |percent| times.get(times.len() * percent / 100);
    println!(
        "{name}: {:.2} Gbit/s, round trip {:?} (p99 {:?})",
        rate / 1e9,
        quantile(50).copied().unwrap_or_default(),
        quantile(99).copied().unwrap_or_default()
    );
    let Some(fabric) = pair.fabric() else {
        return Ok(());
    };
    println!(
        "    router: {:.2} s of processor time",
        fabric.cpu_time().as_secs_f64()
    );
    for report in fabric.counters()? {
        println!(
            "    {} -> {}: {:?}",
            report.from.0, report.to.0, report.counters
        );
    }
    Ok(())
}
