//! Hosts by time: a row a host, its state in colour, on the same axis as everything else.
//!
//! Every host of the run is there. Where they are many, those that did the same at the same times
//! share a row, so that a thousand hosts of which three were killed are a few rows.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::plot::{WIDTH, key, number, x};
use crate::report::strips::rows;
use crate::report::{Axis, Report, StripRow, StripState, words};

/// Height of a row, in pixels.
const STRIP_HEIGHT: f64 = 9.0;

/// Most hosts that have a row each; where there are more, equal ones share theirs.
const SINGLE_MAX: usize = 30;

/// Most rows.
const ROWS_MAX: usize = 80;

/// Most further hosts of a shared row that are named.
const NAMES_MAX: usize = 12;

/// Most shared rows that are spelled out below the matrix; all of them tell when pointed at.
const NOTES_MAX: usize = 6;

/// The matrix of all hosts.
#[must_use]
pub fn hosts(report: &Report, axis: &Axis) -> Markup {
    let rows = rows(&report.strips, axis, SINGLE_MAX);
    let left_out: usize = rows
        .iter()
        .skip(ROWS_MAX)
        .map(|row| 1 + row.same.len())
        .sum();
    html! {
        h3 {
            "hosts "
            small {
                (key("up", "up")) (key("cut-off", "up, cut off from the majority"))
                (key("starting", "starting")) (key("paused", "paused")) (key("down", "down"))
            }
        }
        @for row in rows.iter().take(ROWS_MAX) { (host(axis, row)) }
        @for row in rows.iter().take(ROWS_MAX).filter(|row| !row.same.is_empty()).take(NOTES_MAX) {
            p.note {
                (words::counted(1 + row.same.len() as u64, "host")) " share a row, being the same: "
                (everybody(row)) "."
            }
        }
        @if left_out > 0 {
            p.note { "+" (words::counted(left_out as u64, "more host")) ", not drawn." }
        }
    }
}

fn host(axis: &Axis, row: &StripRow<'_>) -> Markup {
    let strip = row.first;
    let drawn = strip
        .segments
        .iter()
        .filter(|segment| segment.end_us > axis.start_us);
    html! {
        div.row {
            div.gutter.name title=(everybody(row)) {
                @match row.same.len() {
                    0 => (strip.host),
                    more => (words::counted(1 + more as u64, "host")),
                }
            }
            svg.strip viewBox=(format!("0 0 {WIDTH} {STRIP_HEIGHT}")) preserveAspectRatio="none"
                role="img" shape-rendering="crispEdges" {
                title { (everybody(row)) }
                @for segment in drawn {
                    @let (start, end) = (x(axis, segment.start_us), x(axis, segment.end_us));
                    rect.(state_class(segment.state)) x=(number(start)) y="0"
                        width=(number((end - start).max(1.0))) height=(STRIP_HEIGHT) {
                        title {
                            (strip.host) " " (state_words(segment.state)) ", "
                            (format!("{:.1}", axis.seconds(segment.start_us))) " to "
                            (format!("{:.1} s", axis.seconds(segment.end_us)))
                        }
                    }
                }
            }
        }
    }
}

/// The names of all hosts of a row, cut short when they are many.
fn everybody(row: &StripRow<'_>) -> String {
    let mut names = row.first.host.0.clone();
    for host in row.same.iter().take(NAMES_MAX) {
        names.push_str(", ");
        names.push_str(&host.0);
    }
    if row.same.len() > NAMES_MAX {
        let _ = write!(names, " and {} more", row.same.len() - NAMES_MAX);
    }
    names
}

const fn state_class(state: StripState) -> &'static str {
    match state {
        StripState::Up => "up",
        StripState::CutOff => "cut-off",
        StripState::Starting => "starting",
        StripState::Paused => "paused",
        StripState::Down => "down",
    }
}

const fn state_words(state: StripState) -> &'static str {
    match state {
        StripState::CutOff => "up, cut off from the majority",
        other => state_class(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn matrix(history: &crate::history::History) -> String {
        let report = Report::compose(history, vec![]);
        let axis = report.axis.expect("its clock started");
        hosts(&report, &axis).into_string()
    }

    #[test]
    fn every_host_of_a_small_run_has_a_row() {
        let page = matrix(&sample::outage(true));
        assert_eq!(page.matches(r#"class="row""#).count(), 25);
        assert!(page.contains("registry down, 10.0 to 40.0 s"), "{page}");
        assert!(!page.contains("share a row"));
    }

    #[test]
    fn a_large_run_folds_equal_rows_and_says_so() {
        let mut builder = sample::HistoryBuilder::new(200);
        builder.boot(1_000_000);
        builder.pause(5_000_000, "node-9");
        builder.resume(9_000_000, "node-9");
        let page = matrix(&builder.finish(60_000_000));
        assert_eq!(page.matches(r#"class="row""#).count(), 2);
        assert!(
            page.contains("199 hosts share a row, being the same: registry, node-1"),
            "{page}"
        );
        assert!(page.contains("and 186 more"), "the hint has an end");
    }

    #[test]
    fn a_large_run_in_which_all_differ_is_bounded() {
        let mut builder = sample::HistoryBuilder::new(200);
        builder.boot(1_000_000);
        for number in 1..200_u64 {
            let host = format!("node-{number}");
            builder.pause(number * 200_000 + 1_000_000, &host);
            builder.resume(number * 200_000 + 2_000_000, &host);
        }
        let page = matrix(&builder.finish(60_000_000));
        assert_eq!(page.matches(r#"class="row""#).count(), ROWS_MAX);
        assert!(page.contains("+120 more hosts, not drawn."), "{page}");
    }
}
