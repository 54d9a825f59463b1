//! What each host's process did over time, as strips that stand above the same time axis.

use crate::check::Owed;
use crate::history::{History, HostState};
use crate::host::HostId;

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
    /// Ready, and it can reach a majority where that matters (a host that serves clients).
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
        .map(|(_, host)| strip(history, owed, &host.id, host.serves_clients))
        .collect()
}

impl HostStrip {
    /// True when the host did anything but stay up within a span of time.
    #[must_use]
    pub fn is_eventful(&self, start_us: u64, end_us: u64) -> bool {
        let within = |segment: &&Segment| segment.end_us > start_us && segment.start_us < end_us;
        self.segments
            .iter()
            .filter(within)
            .any(|segment| segment.state != StripState::Up)
    }
}

fn strip(history: &History, owed: &Owed, host: &HostId, serves_clients: bool) -> HostStrip {
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
            HostState::Started { .. } | HostState::Exited { .. } => false,
            HostState::Paused | HostState::Resumed => ready,
        };
        let segment = Segment {
            start_us: *start_us,
            end_us,
            state: process_state(state, ready),
        };
        if segment.state == StripState::Up && serves_clients {
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
        HostState::Exited { .. } => StripState::Down,
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
    for interval in owed.intervals(host) {
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
        assert!(strips[1].is_eventful(0, 60) && !strips[2].is_eventful(0, 60));
    }
}
