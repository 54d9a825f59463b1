//! What each host's process did over time, as strips that stand above the same time axis.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::axis::Axis;
use crate::check::Owed;
use crate::history::{History, HostState};
use crate::host::HostId;

/// Parts of an axis that are told apart when strips are compared: about two pixels each.
const RESOLUTION: f64 = 500.0;

/// A host over the whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostStrip {
    /// Which host.
    pub host: HostId,
    /// What it did, in order and without gaps from its first start on.
    pub segments: Vec<Segment>,
    /// The processes that it had, in order.
    pub pids: Vec<u32>,
}

/// A stretch of time in which a host's state was the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Start, microseconds since the start of the run.
    pub start_us: u64,
    /// End, microseconds since the start of the run.
    pub end_us: u64,
    /// The state.
    pub state: StripState,
}

/// What a host did, as far as its users care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StripState {
    /// Ready, and it can reach a majority.
    Up,
    /// Ready, but a fault keeps it from a majority of the hosts.
    CutOff,
    /// It runs and is not ready yet.
    Starting,
    /// It is frozen.
    Paused,
    /// It has no process.
    Down,
}

/// The strips of all hosts, in the order of the inventory.
#[must_use]
pub fn strips(history: &History, owed: &Owed) -> Vec<HostStrip> {
    let hosts = &history.header.hosts;
    hosts
        .iter()
        .map(|(_, host)| strip(history, owed, &host.id))
        .collect()
}

/// Strips that look the same on an axis, drawn as one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripRow<'a> {
    /// The first of them.
    pub first: &'a HostStrip,
    /// The hosts whose strips look the same.
    pub same: Vec<&'a HostId>,
}

/// The rows of a matrix of these strips: one for each while there are at most `single_max`, and
/// one for all that look the same where there are more. Two strips look the same when their
/// changes lie within the same of `RESOLUTION` parts of the axis.
#[must_use]
pub fn rows<'a>(strips: &'a [HostStrip], axis: &Axis, single_max: usize) -> Vec<StripRow<'a>> {
    let row = |first| StripRow {
        first,
        same: Vec::new(),
    };
    if strips.len() <= single_max {
        return strips.iter().map(row).collect();
    }
    let mut rows: Vec<StripRow<'a>> = Vec::new();
    let mut seen: BTreeMap<Vec<(u32, StripState)>, usize> = BTreeMap::new();
    for strip in strips {
        match seen.entry(course(strip, axis)) {
            Entry::Occupied(known) => rows[*known.get()].same.push(&strip.host),
            Entry::Vacant(new) => {
                new.insert(rows.len());
                rows.push(row(strip));
            }
        }
    }
    rows
}

/// The states of a host with the part of the axis in which each ends.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of the axis is from 0 to 1"
)]
fn course(strip: &HostStrip, axis: &Axis) -> Vec<(u32, StripState)> {
    let drawn = |segment: &&Segment| segment.end_us > axis.start_us;
    let part = |segment: &Segment| {
        let end = axis.position(segment.end_us) * RESOLUTION;
        (end.round() as u32, segment.state)
    };
    strip.segments.iter().filter(drawn).map(part).collect()
}

fn strip(history: &History, owed: &Owed, host: &HostId) -> HostStrip {
    let states = history.hosts.get(host).map_or(&[][..], Vec::as_slice);
    let ends = states
        .iter()
        .map(|(at, _)| *at)
        .skip(1)
        .chain([history.end_us]);
    let (mut ready, mut segments) = (false, Vec::new());
    for ((start_us, state), end_us) in states.iter().zip(ends) {
        ready = match state {
            HostState::Ready => true,
            HostState::Started { .. }
            | HostState::Exited { .. }
            | HostState::Wiped { .. }
            | HostState::PowerLost { .. } => false,
            HostState::Paused | HostState::Resumed => ready,
        };
        let segment = Segment {
            start_us: *start_us,
            // A history whose times are not in order has segments without a length.
            end_us: end_us.max(*start_us),
            state: process_state(state, ready),
        };
        if segment.state == StripState::Up {
            segments.extend(split_by_reach(segment, owed, host));
        } else {
            segments.push(segment);
        }
    }
    segments.retain(|segment| segment.start_us < segment.end_us);
    let pid = |state: &HostState| match state {
        HostState::Started { pid } => Some(*pid),
        _ => None,
    };
    let pids = states.iter().filter_map(|(_, state)| pid(state)).collect();
    HostStrip {
        host: host.clone(),
        segments,
        pids,
    }
}

/// The state that begins with this event.
fn process_state(state: &HostState, ready: bool) -> StripState {
    match state {
        HostState::Exited { .. } | HostState::Wiped { .. } | HostState::PowerLost { .. } => {
            StripState::Down
        }
        HostState::Paused => StripState::Paused,
        _ if ready => StripState::Up,
        _ => StripState::Starting,
    }
}

/// A segment in which the process was up, cut where the host lost or regained a majority.
fn split_by_reach(up: Segment, owed: &Owed, host: &HostId) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut from = up.start_us;
    let mut push = |from: &mut u64, until: u64, state| {
        segments.push(Segment {
            start_us: *from,
            end_us: until,
            state,
        });
        *from = until;
    };
    for interval in owed.reach(host) {
        let start = interval.start.clamp(up.start_us, up.end_us);
        let end = interval.end.clamp(start, up.end_us);
        if start < end {
            push(&mut from, start, StripState::CutOff);
            push(&mut from, end, StripState::Up);
        }
    }
    push(&mut from, up.end_us, StripState::CutOff);
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::HistoryBuilder;

    #[test]
    fn a_strip_shows_death_start_and_loss_of_the_majority() {
        let mut builder = HistoryBuilder::new(3);
        builder.boot(0);
        builder.exit(10, "node-1");
        builder.start(20, "node-1");
        builder.ready(30, "node-1");
        let fault = builder.schedule("split");
        builder.start_fault(40, fault, &["node-1"]);
        builder.stop_fault(50, fault);
        let history = builder.finish(60);
        let strips = strips(&history, &Owed::of(&history));
        let states: Vec<(u64, u64, StripState)> = strips[1]
            .segments
            .iter()
            .map(|one| (one.start_us, one.end_us, one.state))
            .collect();
        assert_eq!(
            states,
            [
                (0, 10, StripState::Up),
                (10, 20, StripState::Down),
                (20, 30, StripState::Starting),
                (30, 40, StripState::Up),
                (40, 50, StripState::CutOff),
                (50, 60, StripState::Up),
            ]
        );
        assert_eq!(strips[1].pids.len(), 2);
        assert_eq!(strips[2].segments.len(), 1, "nothing happened to it");
    }

    #[test]
    fn a_host_that_serves_no_clients_can_be_cut_off_too() {
        let mut builder = HistoryBuilder::new(3);
        builder.boot(0);
        let fault = builder.schedule("split");
        builder.start_fault(40, fault, &["registry"]);
        builder.stop_fault(50, fault);
        let history = builder.finish(60);
        let strips = strips(&history, &Owed::of(&history));
        assert_eq!(strips[0].segments[1].state, StripState::CutOff);
    }

    #[test]
    fn times_that_are_not_in_order_have_a_strip() {
        let mut history = HistoryBuilder::new(3).finish(60);
        let states = vec![(50, HostState::Ready), (20, HostState::Ready)];
        history.hosts.insert(HostId("node-1".into()), states);
        let strips = strips(&history, &Owed::of(&history));
        let spans: Vec<(u64, u64)> = strips[1]
            .segments
            .iter()
            .map(|one| (one.start_us, one.end_us))
            .collect();
        assert_eq!(spans, [(20, 60)]);
    }

    #[test]
    fn many_hosts_with_the_same_course_share_a_row() {
        let mut builder = HistoryBuilder::new(100);
        builder.boot(0);
        for (number, at) in [(7, 0), (8, 1), (9, 9_000_000)] {
            let host = format!("node-{number}");
            builder.exit(10_000_000 + at, &host);
            builder.start(20_000_000 + at, &host);
            builder.ready(21_000_000 + at, &host);
        }
        let history = builder.finish(60_000_000);
        let strips = strips(&history, &Owed::of(&history));
        let axis = Axis::of(&history).expect("its clock started");
        let rows = rows(&strips, &axis, 30);
        let shown: Vec<(&str, usize)> = rows
            .iter()
            .map(|row| (row.first.host.0.as_str(), row.same.len()))
            .collect();
        assert_eq!(shown, [("registry", 96), ("node-7", 1), ("node-9", 0)]);
        assert_eq!(super::rows(&strips, &axis, 100).len(), 100, "few enough");
    }
}
