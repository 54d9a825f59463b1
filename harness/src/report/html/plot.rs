//! The frame of every drawing: a gutter with the scale, and a plot above the common time axis.
//!
//! A plot is an SVG of 1,000 units by its height in pixels, stretched to the width of the page.

use maud::{Markup, html};

use crate::fault::Proof;
use crate::report::{Axis, Report};

/// Width of every plot in its own units.
pub const WIDTH: f64 = 1000.0;

/// Steps between the marks of the time axis to choose from, seconds.
const STEPS_S: [u32; 14] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200,
];

/// Most marks of the time axis.
const MARKS_MAX: f64 = 14.0;

/// A mark of a vertical scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Distance from the top, in pixels.
    pub y: f64,
    /// What it says.
    pub label: String,
}

/// One drawing: its title line, its scale and its shapes.
#[derive(Debug)]
pub struct Plot {
    /// What it shows, for people who cannot see it.
    pub title: String,
    /// The key to its shapes.
    pub legend: Markup,
    /// Height in pixels.
    pub height: f64,
    /// The vertical scale.
    pub marks: Vec<Mark>,
    /// The shapes.
    pub shapes: Markup,
}

impl Plot {
    /// The drawing with the faults shaded behind it.
    #[must_use]
    pub fn render(&self, report: &Report, axis: &Axis) -> Markup {
        html! {
            div.row {
                div.legend { b { (self.title) } " " (self.legend) }
                div.gutter style=(format!("height:{}px", self.height)) {
                    @for mark in &self.marks {
                        span.mark style=(format!("top:{}px", number(mark.y))) { (mark.label) }
                    }
                }
                svg.plot viewBox=(format!("0 0 {WIDTH} {}", self.height)) role="img"
                    preserveAspectRatio="none" style=(format!("height:{}px", self.height)) {
                    title { (self.title) }
                    (bands(report, axis, self.height))
                    @for mark in &self.marks {
                        line.grid x1="0" x2=(WIDTH) y1=(number(mark.y)) y2=(number(mark.y)) {}
                    }
                    (self.shapes)
                    (edges(report, axis, self.height))
                }
            }
        }
    }
}

/// A word with the sign that stands for it in a drawing.
#[must_use]
pub fn key(class: &str, word: &str) -> Markup {
    html! { span.of { i.key.(class) {} (word) } " " }
}

/// The horizontal place of a moment, in units of a plot.
#[must_use]
pub fn x(axis: &Axis, at_us: u64) -> f64 {
    axis.position(at_us) * WIDTH
}

/// A coordinate as it is written: short, and the same on every machine.
#[must_use]
pub fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `left` and `width` of a span, in percent of the axis.
#[must_use]
pub fn place(axis: &Axis, start_us: u64, end_us: u64) -> String {
    let (left, right) = (
        axis.position(start_us) * 100.0,
        axis.position(end_us) * 100.0,
    );
    format!("left:{}%;width:{}%", number(left), number(right - left))
}

/// The faults as shades over the whole height of a plot.
fn bands(report: &Report, axis: &Axis, height: f64) -> Markup {
    html! {
        @for lane in &report.lanes {
            @let (start, end) = (x(axis, lane.span.start), x(axis, lane.span.end));
            rect.band.(hue(report, lane.fault)) x=(number(start)) y="0" height=(height)
                width=(number((end - start).max(1.5))) {}
        }
    }
}

/// The starts and ends of the faults, in front of the shapes.
fn edges(report: &Report, axis: &Axis, height: f64) -> Markup {
    html! {
        @for lane in &report.lanes {
            @for at_us in [lane.span.start, lane.span.end] {
                @let x = number(x(axis, at_us));
                line.edge.(hue(report, lane.fault)) x1=(x) x2=(x) y1="0" y2=(height) {}
            }
        }
    }
}

/// The colour class of a fault: of processes or of the network.
#[must_use]
pub fn hue(report: &Report, fault: usize) -> &'static str {
    match report.header.faults[fault].fault.inner().proof() {
        Proof::ProcessExited
        | Proof::SomeProcessExited
        | Proof::ProcessStarted
        | Proof::ProcessStopped
        | Proof::DiskWiped
        | Proof::PowerLost
        | Proof::Counted(_)
        | Proof::Limited(_)
        | Proof::ClockRead
        | Proof::Load => "on-process",
        Proof::PacketsBlocked
        | Proof::PacketsDelayed
        | Proof::PacketsLost
        | Proof::LineBusy
        | Proof::Packets(_) => "on-network",
    }
}

/// The time axis: its marks and its unit.
#[must_use]
pub fn time_axis(axis: &Axis) -> Markup {
    let length_s = axis.seconds(axis.end_us);
    html! {
        div.row {
            div.gutter.unit { "seconds" }
            div.axis aria-hidden="true" {
                @for (index, at_s) in time_marks(length_s).into_iter().enumerate() {
                    @let left = f64::from(at_s) / length_s * 100.0;
                    span.odd[index % 2 == 1] style=(format!("left:{}%", number(left))) { (at_s) }
                }
            }
        }
    }
}

/// The marks of an axis of this length, seconds.
fn time_marks(length_s: f64) -> Vec<u32> {
    let fits = |step: &u32| length_s / f64::from(*step) <= MARKS_MAX;
    let step = STEPS_S
        .into_iter()
        .find(fits)
        .unwrap_or(STEPS_S[STEPS_S.len() - 1]);
    (0..)
        .map(|mark| mark * step)
        .take_while(|at_s| f64::from(*at_s) <= length_s)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_of_any_length_has_a_readable_number_of_marks() {
        for length_s in [0.5, 3.0, 14.0, 60.0, 75.0, 600.0, 3600.0, 40_000.0] {
            let marks = time_marks(length_s).len();
            assert!((1..=15).contains(&marks), "{marks} marks for {length_s} s");
        }
    }

    #[test]
    fn coordinates_are_written_short() {
        assert_eq!(number(1.0), "1");
        assert_eq!(number(0.125), "0.12");
        assert_eq!(number(100.0), "100");
        assert_eq!(number(0.0), "0");
    }
}
