//! One step of a timeline for each kind of fault, as a plan writes it.

/// The kinds by what they are about, each with an example.
pub const GROUPS: &[(&str, &[(&str, &str)])] = &[
    (
        "Processes",
        &[
            (
                "kill",
                "{ at: 10s, for: 30s, targets: registry, fault: kill }",
            ),
            (
                "restart",
                "{ at: 10s, targets: { one: mirrors }, fault: restart }",
            ),
            ("crash", "{ at: 10s, targets: node-3, fault: crash }"),
            (
                "crash-loop",
                "{ at: 10s, for: 60s, targets: node-3, fault: { crash-loop: { uptime: 2s, first: 1s, \
                 max: 10s } } }",
            ),
            (
                "rolling-restart",
                "{ at: 10s, targets: nodes, fault: { rolling-restart: { gap: 2s } } }",
            ),
            (
                "mass-restart",
                "{ at: 10s, targets: nodes, fault: { mass-restart: { within: 30s } } }",
            ),
            (
                "pause",
                "{ at: 10s, for: 5s, targets: { minority: mirrors }, fault: pause }",
            ),
            (
                "churn",
                "{ at: 10s, for: 2m, targets: nodes, fault: { churn: { session: { weibull: { shape: \
                 0.6, scale: 40s } }, gap: { exponential: { mean: 10s } } } } }",
            ),
            ("join", "{ at: 10s, targets: late, fault: join }"),
            (
                "leave",
                "{ at: 10s, for: 30s, targets: node-3, fault: leave }",
            ),
        ],
    ),
    (
        "Disks",
        &[
            (
                "wipe",
                "{ at: 10s, for: 5s, targets: { one: mirrors }, fault: wipe }",
            ),
            (
                "power-loss",
                "{ at: 10s, for: 5s, targets: registry, fault: power-loss }",
            ),
            (
                "disk-full",
                "{ at: 10s, for: 20s, targets: registry, fault: { disk-full: { free: 64KiB } } }",
            ),
            (
                "disk-slow",
                "{ at: 10s, for: 20s, targets: mirrors, fault: { disk-slow: { latency: 50ms } } }",
            ),
            (
                "disk-read-only",
                "{ at: 10s, for: 20s, targets: node-3, fault: disk-read-only }",
            ),
        ],
    ),
    (
        "Resources and clocks",
        &[
            (
                "cpu",
                "{ at: 10s, for: 20s, targets: mirrors, fault: { cpu: { share: 5% } } }",
            ),
            (
                "memory",
                "{ at: 10s, for: 20s, targets: node-3, fault: { memory: { limit: 64MiB } } }",
            ),
            (
                "files",
                "{ at: 10s, for: 20s, targets: node-3, fault: { files: { limit: 20 } } }",
            ),
            (
                "clock",
                "{ at: 10s, for: 20s, targets: node-3, fault: { clock: { offset: '+5m', drift: \
                 '+1%' } } }",
            ),
        ],
    ),
    (
        "Programs",
        &[(
            "bug",
            "{ at: 10s, for: 20s, targets: { percent: 30%, of: nodes }, fault: { bug: { name: \
             drop-replies, probability: 20% } } }",
        )],
    ),
    (
        "Packets",
        &[
            (
                "partition",
                "{ at: 10s, for: 20s, targets: { minority: mirrors }, fault: { partition: { shape: \
                 split } } }",
            ),
            (
                "flap",
                "{ at: 10s, for: 20s, links: node-1 <-> registry, fault: { flap: { down: 1s, up: 3s } } }",
            ),
            (
                "latency",
                "{ at: 10s, for: 20s, targets: mirrors, fault: { latency: { mean: 100ms, jitter: 30ms, \
                 distribution: pareto } } }",
            ),
            (
                "loss",
                "{ at: 10s, for: 20s, links: node-1 -> registry, protocol: tcp, fault: { loss: { rate: \
                 2%, burst: 5 } } }",
            ),
            (
                "bandwidth",
                "{ at: 10s, for: 20s, targets: node-3, fault: { bandwidth: { rate: 1mbit } } }",
            ),
            (
                "duplicate",
                "{ at: 10s, for: 20s, targets: nodes, fault: { duplicate: { rate: 5% } } }",
            ),
            (
                "reorder",
                "{ at: 10s, for: 20s, targets: nodes, fault: { reorder: { rate: 5%, late: 20ms } } }",
            ),
            (
                "corrupt",
                "{ at: 10s, for: 20s, targets: node-3, fault: { corrupt: { rate: 1%, silent: true } } }",
            ),
            (
                "reset",
                "{ at: 10s, for: 2s, targets: mirrors, port: 7001, fault: reset }",
            ),
            (
                "mtu",
                "{ at: 10s, for: 20s, targets: node-3, fault: { mtu: { bytes: 576 } } }",
            ),
            (
                "jam",
                "{ at: 10s, for: 5s, targets: { one: mirrors }, fault: jam }",
            ),
            (
                "profile",
                "{ at: 10s, for: 20s, targets: node-3, fault: { profile: satellite } }",
            ),
        ],
    ),
    (
        "Clients",
        &[
            (
                "load",
                "{ at: 10s, for: 20s, fault: { load: { factor: 5, ramp: 5s } } }",
            ),
            (
                "flash-crowd",
                "{ at: 10s, fault: { flash-crowd: { operation: update, within: 1s } } }",
            ),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::load_str;

    #[test]
    fn every_example_is_a_step_without_mistakes_of_its_own_kind() {
        for (kind, step) in GROUPS.iter().flat_map(|(_, kinds)| *kinds) {
            let text = format!(
                "name: example\nquestion: Does it parse?\nduration: 3m\n\
                 system: {{ nodes: 9, cohorts: [{{ name: late, count: 2, starts: later }}] }}\n\
                 workload: {{ rates: {{ register: 1/s, resolve: 9/s, update: 1/s }} }}\n\
                 timeline:\n  - {step}\n"
            );
            let plan = load_str("example.yaml", &text, &[]).expect(kind).plan;
            let fault = plan.timeline[0].fault.as_ref().expect("it has a fault");
            assert_eq!(fault.inner().kind(), *kind);
        }
    }
}
