//! The located tree: a plan as keys and values that know where they were written.
//!
//! A *place* is a stretch of one source; a source is the plan's file or one `--set` argument. The
//! tree is read by `locate`, changed by `set`, and turned into plain values to be decoded.

use serde_yaml::Value;

use super::path::{Part, Path};

/// A stretch of a source, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Number of the source.
    pub source: usize,
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Of a map or list: where it starts.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A string, number, boolean or nothing.
    Leaf(Value),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the text.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_place: Place,
    /// The value.
    pub value: Node,
}

impl Node {
    /// A single value.
    #[must_use]
    pub fn leaf(place: Place, value: Value) -> Node {
        Node {
            place,
            kind: Kind::Leaf(value),
        }
    }

    /// A tree from plain values, all at one place.
    #[must_use]
    pub fn from_value(place: Place, value: Value) -> Node {
        let kind = match value {
            Value::Sequence(items) => Kind::List(
                items
                    .into_iter()
                    .map(|item| Node::from_value(place, item))
                    .collect(),
            ),
            Value::Mapping(map) => Kind::Map(
                map.into_iter()
                    .map(|(key, value)| Entry {
                        key: key.as_str().unwrap_or_default().to_owned(),
                        key_place: place,
                        value: Node::from_value(place, value),
                    })
                    .collect(),
            ),
            single => Kind::Leaf(single),
        };
        Node { place, kind }
    }

    /// The tree without its places.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Leaf(value) => value.clone(),
            Kind::List(items) => Value::Sequence(items.iter().map(Node::to_value).collect()),
            Kind::Map(entries) => Value::Mapping(
                entries
                    .iter()
                    .map(|entry| (Value::String(entry.key.clone()), entry.value.to_value()))
                    .collect(),
            ),
        }
    }

    /// True when there is no value: an empty text, or `null`.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        matches!(self.kind, Kind::Leaf(Value::Null))
    }

    /// True when it is neither a list nor a map.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        matches!(self.kind, Kind::Leaf(_))
    }

    /// The value one step down.
    #[must_use]
    pub fn child(&self, part: &Part) -> Option<&Node> {
        match (part, &self.kind) {
            (Part::Key(key), Kind::Map(entries)) => entries
                .iter()
                .find(|entry| entry.key == *key)
                .map(|entry| &entry.value),
            (Part::Item(position), Kind::List(items)) => items.get(*position),
            _ => None,
        }
    }

    /// The value at a path.
    #[must_use]
    pub fn find(&self, path: &Path) -> Option<&Node> {
        path.0.iter().try_fold(self, |node, part| node.child(part))
    }

    /// The value at a path, to be changed.
    pub fn find_mut(&mut self, path: &Path) -> Option<&mut Node> {
        path.0
            .iter()
            .try_fold(self, |node, part| match (part, &mut node.kind) {
                (Part::Key(key), Kind::Map(entries)) => entries
                    .iter_mut()
                    .find(|entry| entry.key == *key)
                    .map(|entry| &mut entry.value),
                (Part::Item(position), Kind::List(items)) => items.get_mut(*position),
                _ => None,
            })
    }

    /// Puts a value at a path, as a new key where its map has none yet. False when there is no
    /// map or list item to put it into.
    pub fn put(&mut self, path: &Path, value: Node) -> bool {
        if let Some(node) = self.find_mut(path) {
            *node = value;
            return true;
        }
        let map = path.parent().and_then(|parent| self.find_mut(&parent));
        match (map.map(|node| &mut node.kind), path.0.last()) {
            (Some(Kind::Map(entries)), Some(Part::Key(key))) => {
                entries.push(Entry {
                    key: key.clone(),
                    key_place: value.place,
                    value,
                });
                true
            }
            _ => false,
        }
    }

    /// Takes the key at a path out of its map. False when there is no such key.
    pub fn remove(&mut self, path: &Path) -> bool {
        let map = path.parent().and_then(|parent| self.find_mut(&parent));
        match (map.map(|node| &mut node.kind), path.0.last()) {
            (Some(Kind::Map(entries)), Some(Part::Key(key))) => {
                let before = entries.len();
                entries.retain(|entry| entry.key != *key);
                entries.len() < before
            }
            _ => false,
        }
    }

    /// Gives the key at a path another name; its place stays.
    pub fn rename(&mut self, path: &Path, name: &str) {
        let map = path.parent().and_then(|parent| self.find_mut(&parent));
        if let (Some(Kind::Map(entries)), Some(Part::Key(key))) =
            (map.map(|node| &mut node.kind), path.0.last())
            && let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key)
        {
            name.clone_into(&mut entry.key);
        }
    }

    /// The keys of the map at a path.
    #[must_use]
    pub fn keys(&self, path: &Path) -> Vec<&str> {
        match self.find(path).map(|node| &node.kind) {
            Some(Kind::Map(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    /// The place of the value at a path, or of the closest thing around it that the text has.
    #[must_use]
    pub fn place_of(&self, path: &Path) -> Place {
        let mut node = self;
        for part in &path.0 {
            match node.child(part) {
                Some(child) => node = child,
                None => break,
            }
        }
        node.place
    }

    /// The place of the key at a path; as `place_of` when there is no such key.
    #[must_use]
    pub fn key_place_of(&self, path: &Path) -> Place {
        let map = path.parent().and_then(|parent| self.find(&parent));
        match (map.map(|node| &node.kind), path.0.last()) {
            (Some(Kind::Map(entries)), Some(Part::Key(key))) => entries
                .iter()
                .find(|entry| entry.key == *key)
                .map_or_else(|| self.place_of(path), |entry| entry.key_place),
            _ => self.place_of(path),
        }
    }

    /// The place of the value at a path; of its key when the text has no value there.
    #[must_use]
    pub fn value_place_of(&self, path: &Path) -> Place {
        match self.find(path) {
            Some(node) if node.is_nothing() => self.key_place_of(path),
            _ => self.place_of(path),
        }
    }

    /// The number of keys and values.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.kind {
            Kind::Leaf(_) => 1,
            Kind::List(items) => 1 + items.iter().map(Node::size).sum::<usize>(),
            Kind::Map(entries) => {
                1 + entries
                    .iter()
                    .map(|entry| 1 + entry.value.size())
                    .sum::<usize>()
            }
        }
    }
}
