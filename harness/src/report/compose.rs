//! Composing a report: everything that any renderer shows, computed once from the history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::axis::Axis;
use super::phases::{FaultLane, PhaseSpan, Window, lanes, phases, window};
use super::strips::{HostStrip, strips};
use super::usage::{UsageFigures, milliseconds};
use crate::check::{
    FaultFigures, Finding, OperationFigures, Outcome, Owed, fault_figures, operation_figures,
    verdict,
};
use crate::history::{History, HostState, HostUsage, OperationKind, Phase, RunHeader};
use crate::host::HostId;

/// Figures for each kind of operation that was used.
pub type FiguresByKind = BTreeMap<OperationKind, OperationFigures>;

/// A run and its verdict, ready for any renderer.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What the run was.
    pub header: RunHeader,
    /// The verdict: the worst finding.
    pub outcome: Outcome,
    /// What each checker found.
    pub findings: Vec<Finding>,
    /// Whether the user stopped the run; absent when its history was cut short.
    pub finished: Option<bool>,
    /// The whole workload.
    pub operations: FiguresByKind,
    /// The workload by window.
    pub windows: BTreeMap<Window, FiguresByKind>,
    /// The faults of the schedule, in its order.
    pub faults: Vec<FaultFigures>,
    /// How long things took.
    pub timings: Timings,
    /// Resources used, condensed.
    pub usage: Option<UsageFigures>,
    /// Resources used by each host's last process.
    pub host_usage: BTreeMap<HostId, HostUsage>,
    /// The phases, in order.
    pub phases: Vec<PhaseSpan>,
    /// The faults that started, with the time during which they were active.
    pub lanes: Vec<FaultLane>,
    /// The time axis; absent when the clock never started.
    pub axis: Option<Axis>,
    /// The workload by stretches of `Axis::width_us`.
    pub series: BTreeMap<OperationKind, Vec<OperationFigures>>,
    /// What each host's process did over time.
    pub strips: Vec<HostStrip>,
}

/// How long things took, milliseconds; absent when they never ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// From the start of the boot until every host was ready.
    pub boot_ms: Option<f64>,
    /// From the start of the clock to the end of the timeline.
    pub timeline_ms: Option<f64>,
    /// The final heal, until every host was ready again.
    pub heal_ms: Option<f64>,
    /// From then until nothing was pending, or the wait was given up.
    pub settle_ms: Option<f64>,
    /// The slowest change of the network to its effect on all links.
    pub links_changed_max_ms: Option<f64>,
    /// The whole run, from its start to its last event.
    pub run_ms: f64,
}

impl Report {
    /// Computes a report from a history and what the checkers found in it.
    #[must_use]
    pub fn compose(history: &History, findings: Vec<Finding>) -> Report {
        let owed = Owed::of(history);
        let axis = Axis::of(history);
        let lanes = lanes(history);
        let usage = history.usage.iter().flat_map(|usage| &usage.hosts);
        Report {
            header: history.header.clone(),
            outcome: verdict(&findings),
            findings,
            finished: history.finished,
            operations: operation_figures(history, &owed),
            windows: windows(history, &owed, axis.as_ref(), &lanes),
            faults: fault_figures(history, &owed),
            timings: Timings::of(history),
            usage: UsageFigures::of(history),
            host_usage: usage.map(|one| (one.host.clone(), one.clone())).collect(),
            phases: phases(history),
            series: axis.map_or_else(BTreeMap::new, |axis| {
                OperationFigures::series(history, &owed, &axis.timeline(), axis.width_us)
            }),
            strips: strips(history, &owed),
            lanes,
            axis,
        }
    }

    /// The figures of a kind of operation in a window; all zero when there was none.
    #[must_use]
    pub fn figures(&self, window: Window, kind: OperationKind) -> OperationFigures {
        self.windows
            .get(&window)
            .and_then(|kinds| kinds.get(&kind))
            .cloned()
            .unwrap_or_default()
    }
}

impl Timings {
    fn of(history: &History) -> Timings {
        let between = |start: Option<u64>, end: Option<u64>| {
            start
                .zip(end)
                .map(|(start, end)| milliseconds(end.saturating_sub(start)))
        };
        let phase = |phase| history.phase_start(phase);
        let links = history
            .applied
            .iter()
            .filter_map(|(_, links_us, _)| *links_us);
        Timings {
            boot_ms: between(phase(Phase::Boot), all_ready(history)),
            timeline_ms: between(phase(Phase::Timeline), phase(Phase::Heal)),
            heal_ms: between(phase(Phase::Heal), phase(Phase::Settle)),
            settle_ms: between(phase(Phase::Settle), phase(Phase::FinalReads)),
            links_changed_max_ms: links.max().map(milliseconds),
            run_ms: milliseconds(history.end_us),
        }
    }
}

/// When the last host was ready for the first time; none when one never was.
fn all_ready(history: &History) -> Option<u64> {
    let first_ready = |host: &HostId| {
        let states = history.hosts.get(host)?;
        states
            .iter()
            .find(|(_, state)| *state == HostState::Ready)
            .map(|(at, _)| *at)
    };
    let ready: Option<Vec<u64>> = history
        .header
        .hosts
        .iter()
        .map(|(_, host)| first_ready(&host.id))
        .collect();
    ready?.into_iter().max()
}

fn windows(
    history: &History,
    owed: &Owed,
    axis: Option<&Axis>,
    lanes: &[FaultLane],
) -> BTreeMap<Window, FiguresByKind> {
    let Some(axis) = axis else {
        return BTreeMap::new();
    };
    [Window::Calm, Window::Faults, Window::After]
        .into_iter()
        .map(|one| (one, window(one, axis, lanes)))
        .map(|(one, spans)| (one, OperationFigures::within(history, owed, &spans)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn composing_twice_gives_the_same() {
        let history = sample::outage(true);
        assert_eq!(
            Report::compose(&history, vec![]),
            Report::compose(&history, vec![])
        );
    }

    #[test]
    fn the_windows_and_the_series_add_up_to_the_whole() {
        let report = Report::compose(&sample::outage(false), vec![]);
        for (kind, whole) in &report.operations {
            let windows: u64 = report
                .windows
                .values()
                .map(|window| window[kind].invoked)
                .sum();
            let series: u64 = report.series[kind]
                .iter()
                .map(|stretch| stretch.invoked)
                .sum();
            assert_eq!(
                (windows, series),
                (whole.invoked, whole.invoked),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn a_run_that_never_got_ready_has_a_report_without_an_axis() {
        let builder = sample::HistoryBuilder::new(3);
        let report = Report::compose(&builder.finish(1_000_000), vec![]);
        assert_eq!(report.axis, None);
        assert_eq!(report.timings.boot_ms, None);
        assert_eq!(
            report.outcome,
            Outcome::Unknown,
            "without a finding nothing is known"
        );
    }
}
