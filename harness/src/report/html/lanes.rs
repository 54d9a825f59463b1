//! Bars above the time axis: the phases of the run, and one lane a fault.

use maud::{Markup, html};

use super::plot::{hue, number, place};
use crate::history::Phase;
use crate::report::summary::{fault_times, fault_words};
use crate::report::{Axis, FaultLane, Report, words};

/// The least share of the axis that has room for a phase's name.
const PHASE_LABEL_MIN: f64 = 0.05;

/// The phases as bars; the timeline before its first fault is called calm.
#[must_use]
pub fn phases(report: &Report, axis: &Axis) -> Markup {
    let drawn = report
        .phases
        .iter()
        .filter(|phase| phase.phase >= Phase::Timeline);
    html! {
        div.row {
            div.gutter { "phase" }
            div.lane {
                @for phase in drawn.filter(|phase| phase.phase != Phase::Stop) {
                    @let (start, end) = (phase.span.start, phase.span.end);
                    @match (phase.phase, first_fault(report, axis)) {
                        (Phase::Timeline, Some(fault)) => {
                            (phase_bar(axis, "calm", start, fault))
                            (phase_bar(axis, "timeline", fault, end))
                        }
                        (Phase::Timeline, None) => (phase_bar(axis, "calm", start, end)),
                        (other, _) => (phase_bar(axis, words::phase(other), start, end)),
                    }
                }
            }
        }
    }
}

/// When the first fault of the timeline started.
fn first_fault(report: &Report, axis: &Axis) -> Option<u64> {
    let start = report.lanes.iter().map(|lane| lane.span.start).min()?;
    // Of the axis's timeline: its end is never before its start, whatever the history says.
    let timeline = axis.timeline();
    Some(start.clamp(timeline.start, timeline.end))
}

fn phase_bar(axis: &Axis, word: &str, start_us: u64, end_us: u64) -> Markup {
    let times = format!(
        "{word}: {:.1} to {:.1} s",
        axis.seconds(start_us),
        axis.seconds(end_us)
    );
    let has_room = axis.position(end_us) - axis.position(start_us) > PHASE_LABEL_MIN;
    html! {
        span.phase.(word.replace(' ', "-")) style=(place(axis, start_us, end_us)) title=(times) {
            @if has_room { (word) }
        }
    }
}

/// One lane for each fault that started.
#[must_use]
pub fn faults(report: &Report, axis: &Axis) -> Markup {
    html! {
        @for (number, lane) in report.lanes.iter().enumerate() {
            div.row {
                div.gutter { @if number == 0 { "faults" } }
                (fault(report, axis, lane))
            }
        }
    }
}

fn fault(report: &Report, axis: &Axis, lane: &FaultLane) -> Markup {
    let figures = &report.faults[lane.fault];
    let words = fault_words(figures);
    let label = if words == figures.kind && figures.id.starts_with(&words) {
        figures.id.clone()
    } else {
        format!("{}: {words}", figures.id)
    };
    let target = format!("{label} → {}", figures.aimed_at);
    let (start, end) = (axis.position(lane.span.start), axis.position(lane.span.end));
    // The label begins with its bar, or ends with it where there is more room on that side.
    let side = if start <= 1.0 - end || start < 0.4 {
        format!("left:{}%;right:0", number(start * 100.0))
    } else {
        format!(
            "left:0;right:{}%;text-align:right",
            number((1.0 - end) * 100.0)
        )
    };
    html! {
        div.lane {
            span.bar.(hue(report, lane.fault)) title=(fault_times(figures))
                style=(place(axis, lane.span.start, lane.span.end)) {}
            span.label style=(side) title=(target) { (target) }
        }
    }
}
