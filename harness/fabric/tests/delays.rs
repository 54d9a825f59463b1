//! Goal: delays with a heavy tail or a memory follow their stated distribution.
//! Method: fixed seeds and many draws, of packets so far apart that none waits for another; a
//! figure is compared with its expectation within four standard deviations.

use fabric::link::{LinkState, Verdict};
use fabric::{Distribution, HostIndex, Latency, LinkPolicy};

const A: HostIndex = HostIndex(0);
const B: HostIndex = HostIndex(1);
const PACKETS: u64 = 100_000;

fn lone_delays_us(latency: Latency, packets: u64) -> Vec<f64> {
    let policy = LinkPolicy {
        latency: vec![latency],
        ..LinkPolicy::default()
    };
    let gap_us = 10_000_000_000;
    let delay = |(index, verdict): (usize, &Verdict)| match verdict {
        Verdict::Deliver { at_us, .. } => (at_us - (index as u64 + 1) * gap_us) as f64,
        Verdict::Drop(cause) => panic!("dropped: {cause:?}"),
    };
    let mut link = LinkState::new(9, A, B);
    let decide = |number: u64| link.decide(&policy, number * gap_us, 100usize);
    let all: Vec<Verdict> = (1..=packets).map(decide).collect();
    all.iter().enumerate().map(delay).collect()
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// The correlation of each number with the next.
fn correlation(numbers: &[f64]) -> f64 {
    let middle = mean(numbers);
    let product = |pair: &[f64]| (pair[0] - middle) * (pair[1] - middle);
    let covariance: f64 = numbers.windows(2).map(product).sum();
    let variance: f64 = numbers.iter().map(|number| (number - middle).powi(2)).sum();
    covariance / variance
}

#[test]
fn a_pareto_delay_has_a_floor_a_tail_and_the_stated_mean() {
    let latency = Latency::Pareto {
        mean_us: 10_000,
        jitter_us: 5_000,
    };
    let delays = lone_delays_us(latency, PACKETS);
    // The standard deviation is that of the jitter, so that of the mean follows.
    let tolerance = 4.0 * 5_000.0 / (PACKETS as f64).sqrt();
    assert!(
        (mean(&delays) - 10_000.0).abs() < tolerance,
        "{}",
        mean(&delays)
    );
    let shape = 1.0 + 5f64.sqrt();
    let floor = 10_000.0 * (shape - 1.0) / shape;
    assert!(delays.iter().all(|&delay| delay >= floor.floor()));
    // The share above four times the floor is 4^-shape: 1 %, where a normal distribution of this
    // mean and deviation has 0.002 %.
    let beyond = delays.iter().filter(|&&delay| delay > 4.0 * floor).count();
    let expected = 4f64.powf(-shape) * PACKETS as f64;
    assert!(
        (beyond as f64 - expected).abs() < 4.0 * expected.sqrt(),
        "{beyond}"
    );
}

#[test]
fn a_correlation_makes_neighbours_alike_and_keeps_the_middle() {
    for distribution in [Distribution::Uniform, Distribution::Normal] {
        let with = |correlation_ppm| {
            let latency = Latency::Correlated {
                distribution,
                mean_us: 50_000,
                jitter_us: 10_000,
                correlation_ppm,
            };
            lone_delays_us(latency, PACKETS)
        };
        for (correlation_ppm, expected) in [(0, 0.0), (500_000, 0.5), (900_000, 0.9)] {
            let delays = with(correlation_ppm);
            // Bartlett's formula: the deviation of a measured correlation of such a sequence is
            // sqrt((1 - correlation^2) / n), and the quantile of a normal distribution bends a
            // little, so a hundredth is allowed on top.
            let measured = correlation(&delays);
            assert!(
                (measured - expected).abs() < 0.023,
                "{distribution:?}: {measured}"
            );
            let effective = PACKETS as f64 * (1.0 - expected) / (1.0 + expected);
            let tolerance = 4.0 * 10_000.0 / effective.sqrt();
            assert!(
                (mean(&delays) - 50_000.0).abs() < tolerance,
                "{}",
                mean(&delays)
            );
        }
        // netem's formula also narrows: the variance is (1 - c) / (1 + c) of that without.
        let spread = |delays: &[f64]| {
            let middle = mean(delays);
            mean(
                &delays
                    .iter()
                    .map(|delay| (delay - middle).powi(2))
                    .collect::<Vec<_>>(),
            )
        };
        if distribution == Distribution::Uniform {
            let ratio = spread(&with(500_000)) / spread(&with(0));
            assert!((ratio - 1.0 / 3.0).abs() < 0.02, "{ratio}");
        }
    }
}
