//! Paths: where in a plan something stands, like `timeline[2].fault.latency.mean`.
//!
//! A path counts keys and list positions from the top of the plan. It says nothing about lines
//! and columns; `locate` knows those.

use std::fmt;

/// One step down: into a map by key, or into a list by position from zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The value of a key.
    Key(String),
    /// An item of a list.
    Item(usize),
}

/// See the module. The empty path is the plan itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path(pub Vec<Part>);

impl Path {
    /// This path and one key more.
    #[must_use]
    pub fn key(&self, key: &str) -> Path {
        self.and(Part::Key(key.to_owned()))
    }

    /// This path and one list position more.
    #[must_use]
    pub fn item(&self, position: usize) -> Path {
        self.and(Part::Item(position))
    }

    /// This path and one part more.
    #[must_use]
    pub fn and(&self, part: Part) -> Path {
        Path(self.0.iter().cloned().chain([part]).collect())
    }

    /// The path without its last part; none for the plan itself.
    #[must_use]
    pub fn parent(&self) -> Option<Path> {
        self.0.split_last().map(|(_, parent)| Path(parent.to_vec()))
    }

    /// The last key in the path: what a person would call the value there.
    #[must_use]
    pub fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|part| match part {
            Part::Key(key) => Some(key.as_str()),
            Part::Item(_) => None,
        })
    }

    /// True when one of the two lies inside the other, or they are the same.
    #[must_use]
    pub fn touches(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0) || other.0.starts_with(&self.0)
    }
}

/// A path of keys, written with dots: `"workload.rates"`.
impl From<&str> for Path {
    fn from(keys: &str) -> Path {
        Path(
            keys.split('.')
                .map(|key| Part::Key(key.to_owned()))
                .collect(),
        )
    }
}

impl From<&serde_path_to_error::Path> for Path {
    fn from(path: &serde_path_to_error::Path) -> Path {
        use serde_path_to_error::Segment;
        let part = |segment: &Segment| match segment {
            Segment::Seq { index } => Some(Part::Item(*index)),
            Segment::Map { key } | Segment::Enum { variant: key } => Some(Part::Key(key.clone())),
            Segment::Unknown => None,
        };
        Path(path.iter().filter_map(part).collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, part) in self.0.iter().enumerate() {
            let dot = if depth == 0 { "" } else { "." };
            match part {
                Part::Key(key) => write!(formatter, "{dot}{key}")?,
                Part::Item(position) => write!(formatter, "[{position}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_like_people_write_it() {
        let path = Path::from("timeline").item(2).key("fault").key("latency");
        assert_eq!(path.to_string(), "timeline[2].fault.latency");
        assert_eq!(Path::default().to_string(), "");
    }

    #[test]
    fn a_path_touches_what_contains_it_and_what_it_contains() {
        let step = Path::from("timeline").item(2);
        assert!(step.touches(&Path::from("timeline")));
        assert!(step.touches(&step.key("fault")));
        assert!(!step.touches(&Path::from("timeline").item(1)));
    }
}
