//! How long the times of a plan may be: each limit is shown what it allows and what it refuses.

use super::*;

#[test]
fn no_length_of_time_is_without_a_limit() {
    let expect = |line: &str| said(&format!("{SMALL}expect:\n  {line}\n"), &[]);
    assert_eq!(
        expect("latency: { resolve: { p50: 25h } }"),
        ["13:30 expect.latency.resolve.p50: 1day 1h is too long"]
    );
    assert_eq!(
        expect("recovery: 24h 1s"),
        ["13:13 expect.recovery: 1day 1s is too long"]
    );
    assert_eq!(expect("recovery: 24h"), [""; 0]);
    // Each of the two is within the limit, and the timeline that they make is not.
    assert_eq!(
        changed("at: 5s, for: 5s", "at: 20h, for: 10h"),
        ["7:21 timeline[0].for: the step would end at 1day 6h, and the timeline after it"]
    );
    let long = SMALL.replace("at: 5s, for: 5s", "at: 20h, for: 10h");
    assert!(plan(&long, &["duration=24h"]).is_ok());
}

#[test]
fn no_latency_is_longer_than_a_link_can_make_it() {
    let most = "a link delays a packet by at most 1h";
    let mean = |to: &str| changed("mean: 20ms", &format!("mean: {to}"));
    assert_eq!(mean("1h, jitter: 1h"), [""; 0]);
    assert_eq!(
        mean("61m"),
        [format!(
            "11:31 timeline[1].fault.latency.mean: 1h 1m is too long: {most}"
        )]
    );
    assert_eq!(
        mean("20ms, jitter: 2h, distribution: normal"),
        [format!(
            "11:45 timeline[1].fault.latency.jitter: 2h is too long: {most}"
        )]
    );
    let network = |network: &str| {
        let network = format!("network: {network}\nworkload:\n");
        changed("workload:\n", &network)
    };
    assert_eq!(
        network("{ latency: 2h, jitter: 90m }"),
        [
            format!("4:21 network.latency: 2h is too long: {most}"),
            format!("4:33 network.jitter: 1h 30m is too long: {most}"),
        ]
    );
    assert_eq!(network("{ latency: 1h, jitter: 1h }"), [""; 0]);
}
