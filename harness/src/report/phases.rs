//! When what was going on: the phases of the run, the faults as lanes, and the three windows by
//! which operations are compared.

use std::ops::Range;

use super::axis::Axis;
use crate::history::{FaultRun, History, HostState, Phase};
use crate::host::HostId;

/// The windows by which operations are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Window {
    /// Before the first fault.
    Calm,
    /// While at least one fault was active.
    Faults,
    /// After the first fault, while none was active.
    After,
}

/// A phase of the run from its start to its end, microseconds since the start of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseSpan {
    /// Which phase.
    pub phase: Phase,
    /// From when until when.
    pub span: Range<u64>,
}

/// A fault that started, with the time during which it was active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultLane {
    /// Its number in the schedule.
    pub fault: usize,
    /// From when until when, microseconds since the start of the run. A fault that is over as
    /// soon as it has happened lasts until its targets are ready again.
    pub span: Range<u64>,
}

/// The phases in order; each ends where the next begins, and none before its start.
#[must_use]
pub fn phases(history: &History) -> Vec<PhaseSpan> {
    let starts = history.phases.iter().map(|(at, _)| *at);
    let ends = starts.skip(1).chain([history.end_us]);
    history
        .phases
        .iter()
        .zip(ends)
        .map(|((start, phase), end)| PhaseSpan {
            phase: *phase,
            span: *start..end.max(*start),
        })
        .collect()
}

/// The faults that started, in the order of the schedule.
#[must_use]
pub fn lanes(history: &History) -> Vec<FaultLane> {
    let last = history.timeline().map_or(history.end_us, |(_, end)| end);
    history
        .faults
        .iter()
        .zip(&history.header.faults)
        .enumerate()
        .filter_map(|(fault, (run, scheduled))| {
            let start = run.started_us?;
            let end = match run.stopped_us {
                _ if scheduled.fault.is_instant() => ready_again(history, run, start),
                Some(stop) => stop,
                None => last,
            };
            Some(FaultLane {
                fault,
                span: start..end.max(start),
            })
        })
        .collect()
}

/// The spans of a window within the timeline.
#[must_use]
pub fn window(window: Window, axis: &Axis, lanes: &[FaultLane]) -> Vec<Range<u64>> {
    let timeline = axis.timeline();
    let first = lanes
        .iter()
        .map(|lane| lane.span.start)
        .min()
        .unwrap_or(timeline.end);
    let first = first.clamp(timeline.start, timeline.end);
    let faults = join(
        lanes.iter().map(|lane| lane.span.clone()).collect(),
        &timeline,
    );
    match window {
        Window::Calm => std::iter::once(timeline.start..first).collect(),
        Window::Faults => faults,
        Window::After => {
            let starts = std::iter::once(first).chain(faults.iter().map(|span| span.end));
            let ends = faults.iter().map(|span| span.start).chain([timeline.end]);
            starts
                .zip(ends)
                .map(|(start, end)| start..end)
                .filter(|gap| !gap.is_empty())
                .collect()
        }
    }
}

/// When every target that ended after a moment was ready again, at the latest.
fn ready_again(history: &History, run: &FaultRun, start: u64) -> u64 {
    let ready = |target: &HostId| {
        let states = history.hosts.get(target)?;
        let exited =
            |at: &u64, state: &HostState| *at >= start && matches!(state, HostState::Exited { .. });
        let exit = states.iter().position(|(at, state)| exited(at, state))?;
        let ready = states[exit..]
            .iter()
            .find(|(_, state)| *state == HostState::Ready);
        Some(ready.map_or(history.end_us, |(at, _)| *at))
    };
    run.targets.iter().filter_map(ready).max().unwrap_or(start)
}

/// The spans, cut to the bounds, in order and apart from each other.
fn join(mut spans: Vec<Range<u64>>, bounds: &Range<u64>) -> Vec<Range<u64>> {
    spans.sort_by_key(|span| span.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for span in spans {
        let span = span.start.max(bounds.start)..span.end.min(bounds.end);
        match joined.last_mut() {
            _ if span.is_empty() => {}
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => joined.push(span),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn windows_cover_the_timeline_once() {
        let history = sample::outage(true);
        let axis = Axis::of(&history).expect("the clock started");
        let lanes = lanes(&history);
        let mut spans: Vec<Range<u64>> = [Window::Calm, Window::Faults, Window::After]
            .into_iter()
            .flat_map(|one| window(one, &axis, &lanes))
            .collect();
        spans.sort_by_key(|span| span.start);
        let seconds: Vec<(f64, f64)> = spans
            .iter()
            .map(|span| (axis.seconds(span.start), axis.seconds(span.end)))
            .collect();
        assert_eq!(
            seconds,
            [
                (0.0, 10.0),
                (10.0, 40.0),
                (40.0, 45.0),
                (45.0, 46.0),
                (46.0, 60.0)
            ]
        );
    }

    #[test]
    fn a_run_without_faults_is_calm_throughout() {
        let mut builder = sample::HistoryBuilder::new(3);
        builder.boot(1_000_000);
        let history = builder.finish(9_000_000);
        let axis = Axis::of(&history).expect("the clock started");
        let calm = window(Window::Calm, &axis, &[]);
        assert_eq!(calm.first(), Some(&(1_000_000..9_000_000)));
        assert!(window(Window::Faults, &axis, &[]).is_empty());
        assert!(window(Window::After, &axis, &[]).is_empty());
    }
}
