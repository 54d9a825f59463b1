//! What each client is owed, and when: the rule is the same for every system under test.
//!
//! An operation is *owed* when, for its whole duration, its client's host was up and sat in a
//! majority of all hosts: it could exchange packets, both ways, with so many other running hosts
//! that together they are more than half. A client that the plan itself killed, froze or cut off
//! is owed nothing; a client in the healthy majority is owed an answer whatever else is down.
//!
//! *Up* is what the runtime saw of the host's own process: from ready until it pauses or ends,
//! and again at once when it is resumed. Who can reach whom is folded from the faults that were
//! active, never from what the system did: a peer that fails to come back after its fault is the
//! system's trouble and takes nothing away from what is owed.

use std::collections::BTreeMap;
use std::ops::Range;

use fabric::HostIndex;

use crate::fault::Aim;
use crate::history::{History, HostState, Operation};
use crate::host::HostId;
use crate::schedule::draw_of;
use crate::world::{ActiveFault, World, fold};

/// For each client host, the intervals in which it is owed answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    deadline_us: u64,
    intervals: BTreeMap<HostId, Vec<Range<u64>>>,
    reach: BTreeMap<HostId, Vec<Range<u64>>>,
}

impl Owed {
    /// Computes the intervals of all client hosts, from the faults and the host states alone.
    #[must_use]
    pub fn of(history: &History) -> Owed {
        let hosts = &history.header.hosts;
        let reach = central_intervals(history);
        let intervals = hosts
            .iter()
            .filter(|(_, host)| host.serves_clients)
            .map(|(index, host)| {
                let states = history.hosts.get(&host.id).map_or(&[][..], Vec::as_slice);
                let up = up_intervals(states, history.end_us);
                (host.id.clone(), intersect(&up, &reach[&index]))
            })
            .collect();
        let named = |(index, reach)| (hosts.get(index).id.clone(), reach);
        Owed {
            deadline_us: history.header.deadline_us,
            intervals,
            reach: reach.into_iter().map(named).collect(),
        }
    }

    /// True when the operation's client was owed an answer from its intended start until it
    /// completed, or until its deadline when it never did.
    #[must_use]
    pub fn is_owed(&self, operation: &Operation) -> bool {
        let start = operation.invocation.intended_us;
        let end = operation
            .completed_us
            .unwrap_or(start.saturating_add(self.deadline_us));
        let intervals = self.intervals(&operation.invocation.client);
        let after = intervals.partition_point(|interval| interval.start <= start);
        after > 0 && end <= intervals[after - 1].end
    }

    /// The intervals in which this client host is owed answers, microseconds since the start of
    /// the run, in order and apart from each other; none for a host that serves no clients.
    #[must_use]
    pub fn intervals(&self, client: &HostId) -> &[Range<u64>] {
        self.intervals.get(client).map_or(&[], Vec::as_slice)
    }

    /// The intervals in which the faults left this host in a majority, whether or not it serves
    /// clients and whatever its process did, in order and apart from each other.
    #[must_use]
    pub fn reach(&self, host: &HostId) -> &[Range<u64>] {
        self.reach.get(host).map_or(&[], Vec::as_slice)
    }
}

/// When each host sits in a majority, judged from the faults alone.
fn central_intervals(history: &History) -> BTreeMap<HostIndex, Vec<Range<u64>>> {
    let hosts = &history.header.hosts;
    let healthy = World::healthy(hosts.len()).without(hosts.joining());
    let mut intervals: BTreeMap<HostIndex, Vec<Range<u64>>> =
        hosts.iter().map(|(index, _)| (index, Vec::new())).collect();
    for span in spans_between_edges(history) {
        // One world at a time: a partition of a thousand hosts is a million links.
        let world = fold(&healthy, &active_at(history, span.start));
        for (host, known) in &mut intervals {
            if world.sits_in_majority(*host) {
                extend(known, &span);
            }
        }
    }
    intervals
}

/// The spans between neighbouring fault edges, without gaps, from 0 to the end of the run.
fn spans_between_edges(history: &History) -> Vec<Range<u64>> {
    let mut edges: Vec<u64> = history
        .faults
        .iter()
        .flat_map(|run| {
            let turns = run.turns.iter().map(|(at, _)| Some(*at));
            [run.started_us, run.stopped_us].into_iter().chain(turns)
        })
        .flatten()
        .collect();
    edges.extend([0, history.end_us.saturating_add(1)]);
    edges.sort_unstable();
    edges.dedup();
    edges.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

/// Adds a span behind the last interval, joined to it where they touch.
fn extend(intervals: &mut Vec<Range<u64>>, span: &Range<u64>) {
    match intervals.last_mut() {
        Some(last) if last.end == span.start => last.end = span.end,
        _ => intervals.push(span.clone()),
    }
}

/// The faults that are active at a moment. What an instant fault did stays, for example that a
/// host has joined.
fn active_at(history: &History, at_us: u64) -> Vec<ActiveFault> {
    let hosts = &history.header.hosts;
    let find = |id: &HostId| hosts.find(id);
    history
        .faults
        .iter()
        .zip(&history.header.faults)
        .enumerate()
        .filter(|(_, (run, _))| run.started_us.is_some_and(|start| start <= at_us))
        .filter(|(_, (run, scheduled))| {
            scheduled.fault.ends_by_itself() || run.stopped_us.is_none_or(|stop| at_us < stop)
        })
        .map(|(number, (run, scheduled))| {
            let links = run.links.as_ref().map(|links| {
                links
                    .iter()
                    .filter_map(|(from, to)| Some((find(from)?, find(to)?)))
                    .collect()
            });
            ActiveFault {
                fault: scheduled.fault.clone(),
                aim: Aim {
                    hosts: run.hits_at(at_us).iter().filter_map(find).collect(),
                    links,
                    filter: scheduled.filter,
                    draw: draw_of(history.header.seed, number),
                    began_us: run.started_us.unwrap_or_default(),
                },
            }
        })
        .collect()
}

/// When a host's process was up.
fn up_intervals(states: &[(u64, HostState)], end_us: u64) -> Vec<Range<u64>> {
    let (mut ready, mut paused) = (false, false);
    let mut up_since = None;
    let mut intervals = Vec::new();
    for (at, state) in states {
        match state {
            HostState::Started { .. } | HostState::Exited { .. } => {
                (ready, paused) = (false, false);
            }
            HostState::Ready => ready = true,
            HostState::Paused => paused = true,
            HostState::Resumed => paused = false,
            HostState::Wiped { .. } | HostState::PowerLost { .. } => {}
        }
        match (up_since, ready && !paused) {
            (None, true) => up_since = Some(*at),
            (Some(since), false) => {
                intervals.push(since..*at);
                up_since = None;
            }
            _ => {}
        }
    }
    intervals.extend(up_since.map(|since| since..end_us.saturating_add(1)));
    intervals
}

/// The moments that are in both lists of intervals; each list is in order.
fn intersect(one: &[Range<u64>], other: &[Range<u64>]) -> Vec<Range<u64>> {
    let (mut left, mut right) = (one.iter().peekable(), other.iter().peekable());
    let mut both = Vec::new();
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let common = a.start.max(b.start)..a.end.min(b.end);
        let a_ends_first = a.end <= b.end;
        if !common.is_empty() {
            both.push(common);
        }
        if a_ends_first {
            left.next();
        } else {
            right.next();
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{HistoryBuilder, operation};

    const SECOND: u64 = 1_000_000;

    /// Five hosts that get ready at once; the fault lasts from second 10 to second 20.
    fn with_fault(fault: &str, targets: &[&str]) -> HistoryBuilder {
        let mut history = HistoryBuilder::new(5);
        history.boot(0);
        let number = history.schedule(fault);
        history.start_fault(10 * SECOND, number, targets);
        history
    }

    fn is_owed(history: &History, client: &str, start_s: u64, end_s: u64) -> bool {
        let operation = operation(client, start_s * SECOND, Some(end_s * SECOND));
        Owed::of(history).is_owed(&operation)
    }

    #[test]
    fn a_killed_client_is_owed_nothing_until_it_is_ready_again() {
        let mut builder = with_fault("kill", &["node-1"]);
        builder.exit(10 * SECOND, "node-1");
        builder.stop_fault(20 * SECOND, 0);
        builder.start(20 * SECOND, "node-1");
        builder.ready(22 * SECOND, "node-1");
        let history = builder.finish(60 * SECOND);
        assert!(is_owed(&history, "node-1", 8, 9));
        assert!(!is_owed(&history, "node-1", 12, 13), "dead");
        assert!(
            !is_owed(&history, "node-1", 21, 23),
            "started but not ready"
        );
        assert!(is_owed(&history, "node-1", 22, 23));
        assert!(
            is_owed(&history, "node-2", 12, 13),
            "nothing happened to this one"
        );
    }

    #[test]
    fn the_healthy_majority_is_owed_answers_while_the_registry_is_dead() {
        let mut builder = with_fault("kill", &["registry"]);
        builder.exit(10 * SECOND, "registry");
        let history = builder.finish(60 * SECOND);
        assert!(is_owed(&history, "node-1", 12, 14));
        assert!(!is_owed(&history, "registry", 5, 6), "it serves no clients");
    }

    #[test]
    fn the_minority_side_of_a_split_is_owed_nothing() {
        let mut builder = with_fault("split", &["node-1", "node-2"]);
        builder.stop_fault(20 * SECOND, 0);
        let history = builder.finish(60 * SECOND);
        assert!(!is_owed(&history, "node-1", 12, 13));
        assert!(is_owed(&history, "node-3", 12, 13));
        assert!(is_owed(&history, "node-1", 20, 21), "healed");
    }

    #[test]
    fn an_operation_across_an_edge_is_not_owed() {
        let mut builder = with_fault("split", &["node-1", "node-2"]);
        builder.stop_fault(20 * SECOND, 0);
        let history = builder.finish(60 * SECOND);
        assert!(
            !is_owed(&history, "node-1", 9, 11),
            "began before the split"
        );
        assert!(!is_owed(&history, "node-1", 19, 21), "ended after it");
        assert!(
            !is_owed(&history, "node-1", 9, 21),
            "the whole split lies within"
        );
        assert!(
            is_owed(&history, "node-3", 9, 21),
            "the majority side has no edge"
        );
    }

    #[test]
    fn a_resumed_client_is_owed_at_once() {
        let mut builder = with_fault("pause", &["node-1"]);
        builder.pause(10 * SECOND, "node-1");
        builder.stop_fault(20 * SECOND, 0);
        builder.resume(20 * SECOND, "node-1");
        let history = builder.finish(60 * SECOND);
        assert!(!is_owed(&history, "node-1", 12, 13));
        assert!(is_owed(&history, "node-1", 20, 21));
    }

    #[test]
    fn without_a_completion_the_deadline_counts() {
        let history = with_fault("split", &["node-1", "node-2"]).finish(60 * SECOND);
        let owed = Owed::of(&history);
        let begun = |at| operation("node-1", at, None);
        assert!(
            owed.is_owed(&begun(8 * SECOND)),
            "its two seconds end with the calm"
        );
        assert!(!owed.is_owed(&begun(8 * SECOND + 1)));
        let cut_short = operation("node-3", 59 * SECOND, None);
        assert!(
            !owed.is_owed(&cut_short),
            "the run ended before its deadline"
        );
    }
}
