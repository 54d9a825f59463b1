//! Progress on the terminal, fed with every event by the history writer's thread.
//!
//! On a terminal: one bar that counts the ready hosts, then the timeline with the load, the live
//! availability and the active faults; what happens is printed above it. Elsewhere: plain lines,
//! one an occurrence and one a few seconds. Times are those of the events.

mod recent;
mod status;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::history::Event;
use status::{Extent, Status};

/// Time between two plain status lines, microseconds.
const LINE_EVERY_US: u64 = 5_000_000;

/// Least time between two updates of the bar, microseconds.
const BAR_EVERY_US: u64 = 100_000;

/// How often the bar shows that it is alive while there are no events.
const TICK: Duration = Duration::from_millis(120);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressMode {
    /// A bar that is drawn over and over.
    Bars,
    /// Plain lines.
    Lines,
    /// Not at all.
    Quiet,
}

/// See the module. Dropping it clears the bar.
#[derive(Debug)]
pub struct Progress {
    status: Status,
    display: Display,
}

#[derive(Debug)]
enum Display {
    Bar {
        bar: ProgressBar,
        drawn_us: u64,
        extent: Option<Extent>,
    },
    Lines {
        written_us: u64,
    },
    Quiet,
}

impl ProgressMode {
    /// A bar where standard error is a terminal, plain lines elsewhere, nothing when quiet.
    #[must_use]
    pub fn detect(quiet: bool) -> ProgressMode {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => ProgressMode::Quiet,
            (false, true) => ProgressMode::Bars,
            (false, false) => ProgressMode::Lines,
        }
    }
}

impl Progress {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(mode: ProgressMode) -> Progress {
        let display = match mode {
            ProgressMode::Bars => {
                let bar = ProgressBar::new_spinner();
                bar.enable_steady_tick(TICK);
                Display::Bar {
                    bar,
                    drawn_us: 0,
                    extent: None,
                }
            }
            ProgressMode::Lines => Display::Lines { written_us: 0 },
            ProgressMode::Quiet => Display::Quiet,
        };
        Progress {
            status: Status::default(),
            display,
        }
    }

    /// Shows what an event means. Events come in the order of the history.
    pub fn observe(&mut self, event: &Event) {
        if matches!(self.display, Display::Quiet) {
            return;
        }
        let notes = self.status.observe(event);
        match &mut self.display {
            Display::Quiet => {}
            Display::Lines { written_us } => {
                notes.iter().for_each(|note| write_line(note));
                if self.status.now_us().saturating_sub(*written_us) >= LINE_EVERY_US {
                    *written_us = self.status.now_us();
                    self.status.line().iter().for_each(|line| write_line(line));
                }
            }
            Display::Bar {
                bar,
                drawn_us,
                extent,
            } => {
                notes.iter().for_each(|note| bar.println(note));
                let due = self.status.now_us().saturating_sub(*drawn_us) >= BAR_EVERY_US;
                if due || !notes.is_empty() {
                    *drawn_us = self.status.now_us();
                    draw(bar, extent, &self.status);
                }
            }
        }
    }

    /// Ends the display; the terminal is left as it was.
    pub fn finish(&mut self) {
        if let Display::Bar { bar, .. } = &self.display {
            bar.finish_and_clear();
        }
        self.display = Display::Quiet;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Writes a plain line; a reader that has gone away is no reason to end a run.
fn write_line(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Brings the bar to what is known.
fn draw(bar: &ProgressBar, shown: &mut Option<Extent>, status: &Status) {
    let extent = status.extent();
    let same_kind = shown.is_some_and(|shown| shown.template() == extent.template());
    if !same_kind {
        let style = ProgressStyle::with_template(extent.template());
        bar.set_style(
            style
                .expect("the templates are fixed and tested")
                .progress_chars("━╸ "),
        );
    }
    *shown = Some(extent);
    if let Extent::Known { length, .. } = extent {
        bar.set_length(length);
    }
    bar.set_position(extent.done());
    bar.set_prefix(status.phase_words());
    bar.set_message(status.message());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_sound() {
        let extents = [
            Extent::Known { done: 1, length: 2 },
            Extent::Open { done: 1 },
        ];
        for extent in extents {
            ProgressStyle::with_template(extent.template()).expect("a sound template");
        }
    }

    #[test]
    fn every_mode_survives_a_whole_run() {
        for mode in [ProgressMode::Bars, ProgressMode::Lines, ProgressMode::Quiet] {
            let mut progress = Progress::new(mode);
            for event in status::tests::short_run() {
                progress.observe(&event);
            }
            progress.finish();
        }
    }

    #[test]
    fn quiet_is_quiet_on_any_terminal() {
        assert_eq!(ProgressMode::detect(true), ProgressMode::Quiet);
    }
}
