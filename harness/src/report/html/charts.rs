//! The three drawings of each kind of operation: availability, latency and rate over time.
//!
//! Availability stacks what became of the owed operations of each stretch of time: served at the
//! bottom, then unknown, then failed; what is not zero is at least a few pixels tall, so that one
//! failure among thousands is seen. Latency is logarithmic and ends at the deadline, where the
//! operations that were not served count.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::plot::{Mark, Plot, WIDTH, key, number, x};
use crate::check::OperationFigures;
use crate::history::OperationKind;
use crate::report::words::{count, duration, percent};
use crate::report::{Axis, Report};

const AVAILABILITY_HEIGHT: f64 = 90.0;
const LATENCY_HEIGHT: f64 = 130.0;
const RATE_HEIGHT: f64 = 56.0;

/// The least height of a share that is not zero, in pixels.
const SHARE_HEIGHT_MIN: f64 = 4.0;

/// How far a column reaches under its neighbour, so that no rounding leaves a gap between them.
const OVERLAP: f64 = 0.4;

/// Free space above the highest value, in pixels.
const HEADROOM: f64 = 8.0;

/// The drawings of one kind of operation.
#[must_use]
pub fn charts(report: &Report, axis: &Axis, kind: OperationKind) -> Markup {
    let Some(series) = report.series.get(&kind) else {
        return html! {};
    };
    let stretches = Stretches { axis, series };
    html! {
        (availability(&stretches).render(report, axis))
        (latency(&stretches, report.header.deadline_us).render(report, axis))
        (rate(&stretches).render(report, axis))
    }
}

/// The figures of one kind of operation with their places on the axis.
struct Stretches<'a> {
    axis: &'a Axis,
    series: &'a [OperationFigures],
}

/// One stretch: its left and right edge in units of a plot, and its figures.
type Stretch<'a> = (f64, f64, &'a OperationFigures);

impl<'a> Stretches<'a> {
    fn iter(&self) -> impl Iterator<Item = Stretch<'a>> + use<'_, 'a> {
        let edge = |number: u64| {
            let at_us = self.axis.start_us + number * self.axis.width_us;
            x(self.axis, at_us.min(self.axis.timeline_end_us))
        };
        (0..)
            .zip(self.series)
            .map(move |(at, figures)| (edge(at), edge(at + 1), figures))
    }

    /// A line that is level within each stretch and broken where there is no value.
    fn line(&self, y: impl Fn(&OperationFigures) -> Option<f64>) -> String {
        let mut path = String::new();
        let mut pen = 'M';
        for (left, right, figures) in self.iter() {
            let Some(y) = y(figures) else {
                pen = 'M';
                continue;
            };
            let _ = write!(
                path,
                "{pen}{} {}H{}",
                number(left),
                number(y),
                number(right)
            );
            pen = 'L';
        }
        path
    }

    /// Invisible areas that say the figures of each stretch when pointed at.
    fn hints(&self, height: f64) -> Markup {
        let seconds = |number: u64| number * self.axis.width_us / 1_000_000;
        html! {
            @for (number_of, (left, right, figures)) in (0..).zip(self.iter()) {
                @if figures.invoked > 0 {
                    rect.hint x=(number(left)) y="0" width=(number(right - left)) height=(height) {
                        title {
                            (seconds(number_of)) "–" (seconds(number_of + 1)) " s: "
                            (hint(figures))
                        }
                    }
                }
            }
        }
    }
}

fn hint(figures: &OperationFigures) -> String {
    let failed = figures.owed - figures.owed_served - figures.owed_unknown;
    format!(
        "{} started, {} owed, of these {} served ({}), {failed} failed, {} unknown; p50 {}, p99 {}",
        count(figures.invoked),
        count(figures.owed),
        count(figures.owed_served),
        percent(figures.availability_owed),
        figures.owed_unknown,
        duration(figures.p50_ms),
        duration(figures.p99_ms),
    )
}

fn availability(stretches: &Stretches<'_>) -> Plot {
    let top = HEADROOM;
    let y = |share: f64| top + (1.0 - share) * (AVAILABILITY_HEIGHT - top);
    let mark = |share: f64, label: &str| Mark {
        y: y(share),
        label: label.to_owned(),
    };
    Plot {
        title: "Availability".to_owned(),
        legend: html! {
            "of owed operations: " (key("served", "served")) (key("unknown", "unknown"))
            (key("failed", "failed")) (key("dashed", "raw: served of all"))
        },
        height: AVAILABILITY_HEIGHT,
        marks: vec![mark(1.0, "100%"), mark(0.5, "50%"), mark(0.0, "0%")],
        shapes: html! {
            g shape-rendering="crispEdges" {
                @for (left, right, figures) in stretches.iter() {
                    (stack(left, right, figures, &y))
                }
            }
            path.raw d=(stretches.line(|figures| figures.availability_raw.map(&y))) {}
            (stretches.hints(AVAILABILITY_HEIGHT))
        },
    }
}

/// What became of the owed operations of one stretch, as a column.
fn stack(left: f64, right: f64, figures: &OperationFigures, y: &impl Fn(f64) -> f64) -> Markup {
    let Some(shares) = shares(figures) else {
        return html! {};
    };
    let full = y(0.0) - y(1.0);
    let least = |share: f64| {
        if share > 0.0 {
            (share * full).max(SHARE_HEIGHT_MIN)
        } else {
            0.0
        }
    };
    let (failed, unknown) = (least(shares.failed), least(shares.unknown));
    let bad = (failed + unknown).min(full);
    let failed = failed.min(bad);
    let top = y(1.0);
    let column = |class: &'static str, y: f64, height: f64| {
        html! {
            @if height > 0.0 {
                rect.(class) x=(number(left)) width=(number(right - left + OVERLAP)) y=(number(y))
                    height=(number(height)) {}
            }
        }
    };
    html! {
        (column("failed", top, failed))
        (column("unknown", top + failed, bad - failed))
        (column("served", top + bad, if shares.served > 0.0 { full - bad } else { 0.0 }))
    }
}

/// Shares of the owed operations of a stretch.
struct Shares {
    served: f64,
    unknown: f64,
    failed: f64,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one stretch are small"
)]
fn shares(figures: &OperationFigures) -> Option<Shares> {
    let owed = figures.owed as f64;
    let unknown = figures.owed_unknown as f64 / owed;
    let served = figures.owed_served as f64 / owed;
    (figures.owed > 0).then_some(Shares {
        served,
        unknown,
        failed: 1.0 - served - unknown,
    })
}

fn latency(stretches: &Stretches<'_>, deadline_us: u64) -> Plot {
    let deadline_ms = crate::report::usage::milliseconds(deadline_us);
    let scale = LogScale::of(stretches.series, deadline_ms);
    let line = |quantile: fn(&OperationFigures) -> Option<f64>| {
        stretches.line(|figures| quantile(figures).map(|ms| scale.y(ms)))
    };
    let deadline = number(scale.y(deadline_ms));
    Plot {
        title: "Latency".to_owned(),
        legend: html! {
            (key("p50", "p50")) (key("p99", "p99")) (key("longest", "max"))
            (key("deadline", "deadline, where what was not served counts"))
        },
        height: LATENCY_HEIGHT,
        marks: scale.marks(),
        shapes: html! {
            line.deadline x1="0" x2=(WIDTH) y1=(deadline) y2=(deadline) {}
            path.longest d=(line(|figures| figures.max_ms)) {}
            path.p99 d=(line(|figures| figures.p99_ms)) {}
            path.p50 d=(line(|figures| figures.p50_ms)) {}
            (stretches.hints(LATENCY_HEIGHT))
        },
    }
}

/// A logarithmic scale of milliseconds, from a power of ten below every value to the top.
struct LogScale {
    low: i32,
    high_log: f64,
}

impl LogScale {
    fn of(series: &[OperationFigures], deadline_ms: f64) -> LogScale {
        let p50 = series.iter().filter_map(|figures| figures.p50_ms);
        let fastest = p50.fold(deadline_ms, f64::min).max(0.01);
        let slowest = series
            .iter()
            .filter_map(|one| one.max_ms)
            .fold(deadline_ms, f64::max);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "logarithms of times are small"
        )]
        let low = fastest.log10().floor() as i32;
        LogScale {
            low,
            high_log: slowest.log10().max(f64::from(low) + 1.0),
        }
    }

    fn y(&self, ms: f64) -> f64 {
        let low = f64::from(self.low);
        let share = (ms.max(1e-6).log10() - low) / (self.high_log - low);
        HEADROOM + (1.0 - share.clamp(0.0, 1.0)) * (LATENCY_HEIGHT - HEADROOM - 2.0)
    }

    fn marks(&self) -> Vec<Mark> {
        (self.low..)
            .take_while(|power| f64::from(*power) <= self.high_log)
            .map(|power| Mark {
                y: self.y(10f64.powi(power)),
                label: power_of_ten(power),
            })
            .collect()
    }
}

/// A power of ten of milliseconds in words.
fn power_of_ten(power: i32) -> String {
    match power {
        ..=-1 => format!("{} µs", number(10f64.powi(power + 3))),
        0..=2 => format!("{} ms", number(10f64.powi(power))),
        3.. => format!("{} s", number(10f64.powi(power - 3))),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of one stretch are small"
)]
fn rate(stretches: &Stretches<'_>) -> Plot {
    let width_s = stretches.axis.width_us as f64 / 1e6;
    let per_second = |number: u64| number as f64 / width_s;
    let highest = stretches
        .series
        .iter()
        .map(|figures| figures.invoked)
        .max()
        .unwrap_or(0);
    let top = round_up(per_second(highest).max(1.0));
    let y = |rate: f64| RATE_HEIGHT - rate / top * (RATE_HEIGHT - HEADROOM);
    let mark = |rate: f64| Mark {
        y: y(rate),
        label: format!("{}/s", number(rate)),
    };
    Plot {
        title: "Rate".to_owned(),
        legend: html! { (key("dashed", "offered")) (key("served", "served")) },
        height: RATE_HEIGHT,
        marks: vec![mark(top), mark(0.0)],
        shapes: html! {
            g shape-rendering="crispEdges" {
                @for (left, right, figures) in stretches.iter() {
                    @let level = y(per_second(figures.served));
                    rect.served x=(number(left)) y=(number(level))
                        width=(number(right - left + OVERLAP))
                        height=(number(RATE_HEIGHT - level)) {}
                }
            }
            path.raw d=(stretches.line(|figures| Some(y(per_second(figures.invoked))))) {}
        },
    }
}

/// The next of 1, 2, 5, 10, 20, 50, … that is not less.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| factor * power >= value);
    factor.unwrap_or(10.0) * power
}

/// The heading of one kind of operation: its name and its availability.
#[must_use]
pub fn heading(report: &Report, kind: OperationKind) -> Markup {
    let figures = report.operations.get(&kind).cloned().unwrap_or_default();
    html! {
        h3 {
            (kind) " "
            small {
                (percent(figures.availability_owed)) " of " (count(figures.owed))
                " owed served, p50 " (duration(figures.p50_ms))
                ", p99 " (duration(figures.p99_ms))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_among_many_is_seen() {
        let figures = OperationFigures {
            owed: 100_000,
            owed_served: 99_999,
            ..OperationFigures::default()
        };
        let column = stack(0.0, 10.0, &figures, &|share| (1.0 - share) * 100.0).into_string();
        assert!(
            column.contains(r#"class="failed" x="0" width="10.4" y="0" height="4""#),
            "{column}"
        );
    }

    #[test]
    fn a_stretch_without_owed_operations_is_blank() {
        let column = stack(0.0, 10.0, &OperationFigures::default(), &|share| share);
        assert_eq!(column.into_string(), "");
    }

    #[test]
    fn scales_end_on_round_numbers() {
        assert_eq!(round_up(57.0).to_string(), "100");
        assert_eq!(round_up(50.0).to_string(), "50");
        assert_eq!(round_up(1.2).to_string(), "2");
        assert_eq!(power_of_ten(-1), "100 µs");
        assert_eq!(power_of_ten(1), "10 ms");
        assert_eq!(power_of_ten(3), "1 s");
    }
}
