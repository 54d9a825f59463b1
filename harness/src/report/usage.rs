//! What the run used: memory and processor time of the hosts, the harness and the fabric.

use serde::{Deserialize, Serialize};

use crate::history::{History, Usage};

/// Resources used, condensed. Nodes are the hosts that serve clients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageFigures {
    /// Nodes sampled.
    pub nodes: usize,
    /// Median proportional set size of a node, MiB.
    pub node_pss_median_mib: f64,
    /// Largest proportional set size of a node, MiB.
    pub node_pss_max_mib: f64,
    /// Median processor time of a node's process, milliseconds.
    pub node_cpu_median_ms: f64,
    /// Largest processor time of a node's process, milliseconds.
    pub node_cpu_max_ms: f64,
    /// Processor time of all hosts' processes, milliseconds.
    pub hosts_cpu_ms: f64,
    /// Processor time of the harness without the fabric, milliseconds.
    pub harness_cpu_ms: f64,
    /// Processor time of the fabric, milliseconds.
    pub fabric_cpu_ms: f64,
    /// Length of the sampled time, milliseconds.
    pub wall_ms: f64,
}

impl UsageFigures {
    /// Condenses what was sampled; none when nothing was, or of no node.
    #[must_use]
    pub fn of(history: &History) -> Option<UsageFigures> {
        let usage: &Usage = history.usage.as_ref()?;
        let nodes = || {
            let serves = |id| history.host(id).is_some_and(|host| host.serves_clients);
            usage.hosts.iter().filter(move |one| serves(&one.host))
        };
        let pss = Spread::of(nodes().map(|one| mebibytes(one.pss_bytes)).collect())?;
        let cpu = Spread::of(nodes().map(|one| milliseconds(one.cpu_us)).collect())?;
        Some(UsageFigures {
            nodes: nodes().count(),
            node_pss_median_mib: pss.median,
            node_pss_max_mib: pss.max,
            node_cpu_median_ms: cpu.median,
            node_cpu_max_ms: cpu.max,
            hosts_cpu_ms: usage.hosts.iter().map(|one| milliseconds(one.cpu_us)).sum(),
            harness_cpu_ms: milliseconds(usage.harness_cpu_us),
            fabric_cpu_ms: milliseconds(usage.fabric_cpu_us),
            wall_ms: milliseconds(usage.wall_us),
        })
    }
}

/// The middle and the top of some values.
struct Spread {
    median: f64,
    max: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let median = *values.get(values.len() / 2)?;
        values.last().map(|max| Spread { median, max: *max })
    }
}

/// Bytes as MiB.
#[expect(
    clippy::cast_precision_loss,
    reason = "memory of a machine is far below 2^52 bytes"
)]
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Microseconds as milliseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "a run's microseconds stay far below 2^52"
)]
pub(super) fn milliseconds(us: u64) -> f64 {
    us as f64 / 1000.0
}
