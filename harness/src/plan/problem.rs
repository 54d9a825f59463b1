//! A problem: a mistake in what a plan means, before it has a line and a column.
//!
//! Checking is pure: it takes a plan and gives problems, each with its path. The tree turns paths
//! into places afterwards.

use super::error::{Mistake, Severity};
use super::path::Path;
use super::source::Sources;
use super::tree::Node;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    severity: Severity,
    path: Path,
    on_key: bool,
    message: String,
    help: String,
    relies_on: Vec<Path>,
}

impl Problem {
    /// Something that forbids to run the plan. It is shown at the value at `path`.
    #[must_use]
    pub fn error(path: Path, message: impl Into<String>, help: impl Into<String>) -> Problem {
        Problem {
            severity: Severity::Error,
            path,
            on_key: false,
            message: message.into(),
            help: help.into(),
            relies_on: Vec::new(),
        }
    }

    /// Something that is allowed and probably not meant.
    #[must_use]
    pub fn warning(path: Path, message: impl Into<String>, help: impl Into<String>) -> Problem {
        Problem {
            severity: Severity::Warning,
            ..Problem::error(path, message, help)
        }
    }

    /// The same problem, shown at the key instead of the value.
    #[must_use]
    pub fn on_key(self) -> Problem {
        Problem {
            on_key: true,
            ..self
        }
    }

    /// The same problem, which also relies on what stands at other paths.
    #[must_use]
    pub fn relying_on(mut self, paths: impl IntoIterator<Item = Path>) -> Problem {
        self.relies_on.extend(paths);
        self
    }

    /// True when the problem does not come from a part that was mended while decoding.
    #[must_use]
    pub fn stands_without(&self, mended: &[Path]) -> bool {
        let mut parts = self.relies_on.iter().chain([&self.path]);
        parts.all(|part| !mended.iter().any(|one| one.touches(part)))
    }

    /// The problem as a mistake with line and column.
    #[must_use]
    pub fn locate(self, tree: &Node, sources: &Sources) -> Mistake {
        let place = match self.on_key {
            true => tree.key_place_of(&self.path),
            false => tree.value_place_of(&self.path),
        };
        let help = match tree.find(&self.path) {
            Some(_) => self.help,
            None => format!(
                "{} (`{}` is not written: this is its default)",
                self.help, self.path
            ),
        };
        let path = self.path.to_string();
        let mistake = sources.mistake(place, &path, self.message, Some(help));
        Mistake {
            severity: self.severity,
            ..mistake
        }
    }
}
