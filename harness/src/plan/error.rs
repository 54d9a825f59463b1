//! Mistakes in a plan, and how they are shown.
//!
//! A mistake says what is wrong, where (file, line, column), shows the line, and says what would
//! be valid. It is drawn by miette: with colours and lines on a terminal, in plain ASCII
//! everywhere else. A *warning* is shown the same way and stops nothing.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError,
    MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};
use serde::Serialize;

use super::source::line_start;
use super::tree::Place;

/// Reading stops after this many mistakes.
pub const MISTAKES_MAX: usize = 100;
/// Text is wrapped at this many columns.
const WIDTH: usize = 100;
/// Of a longer line, this many bytes are shown on each side of the mistake.
const SHOWN_BYTES_MAX: usize = 120;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The plan cannot be run.
    Error,
    /// The plan can be run, but probably does not do what is wanted.
    Warning,
}

/// One thing wrong with a plan.
#[derive(Clone, Debug, Serialize)]
pub struct Mistake {
    /// How bad it is.
    pub severity: Severity,
    /// The file, or the `--set` argument, as given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Where in the plan, like `timeline[2].fault`; empty for the plan as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be valid.
    pub help: Option<String>,
    #[serde(skip)]
    pub(super) text: Arc<str>,
    #[serde(skip)]
    pub(super) place: Place,
}

/// Why there is no plan to run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file could not be read.
    #[error("cannot read {}: {reason}\n  help: {help}\nnothing was started", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        reason: String,
        /// What to do.
        help: String,
    },
    /// The plan has mistakes; at least one.
    #[error("{}", Style::Plain.draw_all(file, mistakes))]
    Mistakes {
        /// The file, as given.
        file: String,
        /// All mistakes, then all warnings, each in the order of the text.
        mistakes: Vec<Mistake>,
    },
}

/// How mistakes are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// ASCII without colour.
    Plain,
    /// Lines without colour.
    Lines,
    /// Lines and colour.
    Colour,
}

impl Style {
    /// What suits a stream: colour on a terminal unless `NO_COLOR` is set and not empty.
    #[must_use]
    pub fn of(stream: &impl IsTerminal) -> Style {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match (stream.is_terminal(), no_color) {
            (false, _) => Style::Plain,
            (true, true) => Style::Lines,
            (true, false) => Style::Colour,
        }
    }

    fn theme(self) -> GraphicalTheme {
        match self {
            Style::Plain => GraphicalTheme::none(),
            Style::Lines => GraphicalTheme::unicode_nocolor(),
            Style::Colour => GraphicalTheme::unicode(),
        }
    }

    fn draw_all(self, file: &str, mistakes: &[Mistake]) -> String {
        let errors = mistakes
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .count();
        let drawn: String = mistakes.iter().map(|one| one.draw(self) + "\n").collect();
        let s = if errors == 1 { "" } else { "s" };
        format!("{drawn}{errors} mistake{s} in {file}; nothing was started")
    }
}

impl PlanError {
    /// The whole error as text for a person, ready to print.
    #[must_use]
    pub fn draw(&self, style: Style) -> String {
        match self {
            PlanError::Unreadable { .. } => self.to_string(),
            PlanError::Mistakes { file, mistakes } => style.draw_all(file, mistakes),
        }
    }

    /// Prints the error to the standard error stream in the style that suits it.
    pub fn print(&self) {
        // A reader that has gone away does not want to know.
        let drawn = self.draw(Style::of(&std::io::stderr()));
        let _ = writeln!(std::io::stderr(), "{drawn}");
    }

    /// All mistakes and warnings; empty when the file could not be read.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        match self {
            PlanError::Unreadable { .. } => &[],
            PlanError::Mistakes { mistakes, .. } => mistakes,
        }
    }
}

impl Mistake {
    /// The mistake as text for a person: message, place, line, help.
    #[must_use]
    pub fn draw(&self, style: Style) -> String {
        let mut drawn = String::new();
        GraphicalReportHandler::new_themed(style.theme())
            .with_width(WIDTH)
            .with_context_lines(0)
            .without_syntax_highlighting()
            // Miette counts columns in bytes; ours stand in the name of the source.
            .without_primary_span_start()
            .render_report(&mut drawn, self)
            .expect("writing to a string succeeds, and the place lies inside the text");
        drawn
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Mistake {}

impl Diagnostic for Mistake {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, end) = self.shown();
        let length = self.place.end.min(end).saturating_sub(self.place.start);
        let label = LabeledSpan::new_primary_with_span(None, (self.place.start, length));
        Some(Box::new(std::iter::once(label)))
    }
}

/// A mistake is its own source: the line that it stands on, whatever is asked for.
impl SourceCode for Mistake {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let (start, end) = self.shown();
        Ok(Box::new(MietteSpanContents::new_named(
            format!("{}:{}:{}", self.file, self.line, self.column),
            &self.text.as_bytes()[start..end],
            (start, end - start).into(),
            self.line - 1,
            0,
            1,
        )))
    }
}

impl Mistake {
    /// The part of the text to show: the line, or what of it is near the mistake.
    fn shown(&self) -> (usize, usize) {
        let at = self.place.start;
        let line = line_start(&self.text[..at]);
        let rest = self.text[at..]
            .find(['\n', '\r'])
            .unwrap_or(self.text.len() - at);
        let near_start = self
            .text
            .ceil_char_boundary(at.saturating_sub(SHOWN_BYTES_MAX));
        let near_end = self.text.floor_char_boundary(at + SHOWN_BYTES_MAX);
        (line.max(near_start), (at + rest).min(near_end))
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Sources;
    use super::*;

    fn mistake_at(text: &str, start: usize, end: usize) -> Mistake {
        let help = Some("did you mean `mean`?".to_owned());
        let place = Place {
            source: 0,
            start,
            end,
        };
        Sources::of_plan("plan.yaml", text).mistake(place, "a", "unknown key `mea`".into(), help)
    }

    #[test]
    fn a_mistake_shows_its_line_with_a_caret_and_what_is_valid() {
        let after_wide = mistake_at("a:\n  é: {mea: 20ms}\nb:\n", 9, 12);
        insta::assert_snapshot!(after_wide.draw(Style::Plain), @r"
         x unknown key `mea`
          ,-[plan.yaml:2:6]
        2 |   é: {mea: 20ms}
          :      ^^^
          `----
         help: did you mean `mean`?
        ");
        let after_tab = mistake_at("a:\r\n\tmea: 20ms\r\n", 5, 8);
        insta::assert_snapshot!(after_tab.draw(Style::Lines), @r"
         × unknown key `mea`
          ╭─[plan.yaml:2:2]
        2 │     mea: 20ms
          ·     ───
          ╰────
         help: did you mean `mean`?
        ");
    }

    #[test]
    fn every_place_can_be_drawn() {
        let long = "é".repeat(500);
        for text in ["", "\n", "a: b", "a: b\n", &long] {
            for start in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                let drawn = mistake_at(text, start, text.len()).draw(Style::Colour);
                assert!(drawn.contains("unknown key"), "{drawn}");
                assert!(drawn.len() < 2_000, "{drawn}");
            }
        }
    }
}
