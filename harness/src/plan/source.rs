//! Sources: the texts that a plan is made of, and positions in them.
//!
//! Source 0 is the plan's file; each `--set` argument is one more. A position is a line and a
//! column, both counted from 1, the column in characters, as editors show them.

use std::sync::Arc;

use super::error::{Mistake, Severity};
use super::tree::Place;

/// A text and what to call it.
#[derive(Clone, Debug)]
struct Source {
    label: String,
    text: Arc<str>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// The sources of a plan without any `--set`.
    #[must_use]
    pub fn of_plan(label: &str, text: &str) -> Sources {
        Sources(vec![Source {
            label: label.to_owned(),
            text: text.into(),
        }])
    }

    /// Adds a source and gives its number.
    pub fn add(&mut self, label: String, text: &str) -> usize {
        self.0.push(Source {
            label,
            text: text.into(),
        });
        self.0.len() - 1
    }

    /// The text of a source.
    #[must_use]
    pub fn text(&self, source: usize) -> &str {
        &self.0[source].text
    }

    /// The start of the plan's file.
    #[must_use]
    pub fn start(&self) -> Place {
        Place {
            source: 0,
            start: 0,
            end: 0,
        }
    }

    /// Line and column of the start of a place.
    #[must_use]
    pub fn position(&self, place: Place) -> (usize, usize) {
        let before = &self.text(place.source)[..place.start];
        let line_start = line_start(before);
        let breaks = before.matches(['\n', '\r']).count() - before.matches("\r\n").count();
        (breaks + 1, before[line_start..].chars().count() + 1)
    }

    /// A mistake at a place. `path` says where in the plan it is, as a person would write it.
    #[must_use]
    pub fn mistake(
        &self,
        place: Place,
        path: &str,
        message: String,
        help: Option<String>,
    ) -> Mistake {
        let (line, column) = self.position(place);
        let source = &self.0[place.source];
        Mistake {
            severity: Severity::Error,
            file: source.label.clone(),
            line,
            column,
            path: path.to_owned(),
            message,
            help,
            text: Arc::clone(&source.text),
            place,
        }
    }
}

/// The byte at which the last line of a text starts.
pub fn line_start(before: &str) -> usize {
    before.rfind(['\n', '\r']).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_columns_count_characters() {
        let position = |text: &str, start| {
            let place = Place {
                source: 0,
                start,
                end: start,
            };
            Sources::of_plan("plan.yaml", text).position(place)
        };
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("ab\ncd", 4), (2, 2));
        assert_eq!(position("ab\r\ncd", 4), (2, 1));
        assert_eq!(position("ab\rcd", 3), (2, 1));
        assert_eq!(position("é: x", 4), (1, 4));
    }
}
