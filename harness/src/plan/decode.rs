//! Decoding the tree into a plan, and going on after a mistake.
//!
//! Serde stops at the first thing that it cannot use. To report everything at once, that thing is
//! *mended* in the tree and decoding starts again: a mistyped key or word becomes the one that
//! was probably meant; a bad value goes, or a valid one stands in for it where the plan cannot do
//! without. What was mended is remembered, so that a mistake which only follows from it is not
//! reported, and is not judged later.

use serde_yaml::{Mapping, Value};

use super::error::{MISTAKES_MAX, Mistake};
use super::explain::{self, Trouble, is_key, meant_key, plainly, understand};
use super::nearest::{nearest, quoted};
use super::path::{Part, Path};
use super::source::Sources;
use super::spec::Plan;
use super::tree::Node;

/// A plan that was decoded, perhaps after mending.
#[derive(Debug)]
pub struct Decoded {
    /// The plan.
    pub plan: Plan,
    /// The paths at which it does not say what its author wrote.
    pub mended: Vec<Path>,
}

/// Decodes a tree, and mends the tree on the way. Mistakes are added to `mistakes`; there is no
/// plan when the tree cannot be mended, or when the mistakes reach the limit.
pub fn decode(tree: &mut Node, sources: &Sources, mistakes: &mut Vec<Mistake>) -> Option<Decoded> {
    let mut mender = Mender {
        tree,
        mended: Vec::new(),
        silent: Vec::new(),
    };
    // Each round but the last mends one thing, and nothing is mended twice.
    while mistakes.len() < MISTAKES_MAX {
        let (path, trouble) = match attempt(mender.tree.to_value()) {
            Ok(plan) => {
                return Some(Decoded {
                    plan,
                    mended: mender.mended,
                });
            }
            Err(complaint) => complaint,
        };
        if !mender.follows_from_mending(&path, &trouble) {
            mistakes.push(mistake(mender.tree, sources, &path, &trouble));
        }
        if !mender.mend(&path, &trouble) {
            return None;
        }
    }
    None
}

/// One try: the plan, or the first complaint with its path.
fn attempt(value: Value) -> Result<Plan, (Path, Trouble)> {
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(value, &mut track);
    let result = serde_yaml::with::singleton_map_recursive::deserialize(deserializer);
    result.map_err(|error: serde_yaml::Error| {
        (Path::from(&track.path()), understand(&error.to_string()))
    })
}

fn mistake(tree: &Node, sources: &Sources, path: &Path, trouble: &Trouble) -> Mistake {
    let words = explain::words(trouble, tree, path, &|at| expectation(tree, at));
    let (place, shown) = match trouble {
        Trouble::UnknownKey { .. } => (tree.key_place_of(path), path.clone()),
        Trouble::UnknownWord { word, .. } if is_key(tree, path, word) => {
            (tree.key_place_of(path), path.clone())
        }
        Trouble::Missing { key } => (tree.place_of(path), path.key(key)),
        _ => (tree.value_place_of(path), path.clone()),
    };
    sources.mistake(place, &shown.to_string(), words.message, words.help)
}

/// What belongs at a path, found out by putting something there that never fits: the complaint
/// about it says what is expected. None when the complaint is about something else.
fn expectation(tree: &Node, path: &Path) -> Option<String> {
    let complaint_about = |probe: Value, at: &Path| {
        let mut tree = tree.clone();
        let map = path
            .parent()
            .filter(|map| tree.find(map).is_some_and(Node::is_leaf));
        if let Some(map) = map {
            tree.put(
                &map,
                Node::from_value(tree.place, Value::Mapping(Mapping::new())),
            );
        }
        let probe = Node::from_value(tree.place, probe);
        let (complained, trouble) = tree
            .put(path, probe)
            .then(|| attempt(tree.to_value()).err())??;
        (complained == *at).then_some(trouble)
    };
    let Trouble::Misfit { expected } = complaint_about(Value::Bool(true), path)? else {
        return None;
    };
    let unknown = "?".to_owned();
    if expected.starts_with("enum ") {
        let trouble = complaint_about(Value::String(unknown), path)?;
        let Trouble::UnknownWord { valid, .. } = trouble else {
            return None;
        };
        return Some(format!(
            "one of {}",
            quoted(valid.iter().map(String::as_str))
        ));
    }
    if expected.starts_with("struct ") {
        let within = path.key(&unknown);
        let map = Mapping::from_iter([(Value::String(unknown), Value::Null)]);
        let trouble = complaint_about(Value::Mapping(map), &within)?;
        let Trouble::UnknownKey { valid } = trouble else {
            return None;
        };
        return Some(format!(
            "a map with keys of {}",
            quoted(valid.iter().map(String::as_str))
        ));
    }
    Some(plainly(&expected))
}

struct Mender<'a> {
    tree: &'a mut Node,
    /// Where the plan does not say what was written.
    mended: Vec<Path>,
    /// Where something was changed: a second trouble there is not the author's.
    silent: Vec<Path>,
}

impl Mender<'_> {
    fn follows_from_mending(&self, path: &Path, trouble: &Trouble) -> bool {
        let about = match trouble {
            Trouble::Missing { key } => path.key(key),
            _ => path.clone(),
        };
        self.silent.iter().any(|one| one.0.starts_with(&about.0))
    }

    /// Changes the tree so that this trouble does not come again; false when that is impossible.
    fn mend(&mut self, path: &Path, trouble: &Trouble) -> bool {
        match trouble {
            Trouble::UnknownKey { valid } => {
                let key = path.last_key().unwrap_or_default();
                match meant_key(key, valid, self.tree, path) {
                    Some(meant) => self.tree.rename(path, meant),
                    None => return self.tree.remove(path),
                }
                true
            }
            Trouble::UnknownWord { word, valid } => self.mend_word(path, word, valid),
            Trouble::Missing { key } => self.replace(&path.key(key)),
            Trouble::Misfit { .. } | Trouble::Refused { .. } => self.replace(path),
        }
    }

    fn mend_word(&mut self, path: &Path, word: &str, valid: &[String]) -> bool {
        let as_key = is_key(self.tree, path, word);
        let owner = if as_key {
            path.parent().unwrap_or_default()
        } else {
            path.clone()
        };
        let Some(meant) = nearest(word, valid.iter().map(String::as_str)) else {
            return self.replace(&owner);
        };
        if self.silent.contains(&owner) {
            return self.replace(&owner);
        }
        self.silent.push(owner);
        if as_key {
            self.tree.rename(path, meant);
            return true;
        }
        let place = self.tree.place_of(path);
        self.tree
            .put(path, Node::leaf(place, Value::String(meant.to_owned())))
    }

    /// Replaces a bad or missing value by one that fits, or removes it, or does the same with
    /// what contains it.
    fn replace(&mut self, path: &Path) -> bool {
        let Some(parent) = path.parent() else {
            return false;
        };
        if self.mended.contains(path) {
            return self.replace(&parent);
        }
        self.mended.push(path.clone());
        self.silent.push(path.clone());
        let place = self.tree.place_of(path);
        let stands_in =
            stand_in(path).is_some_and(|value| self.tree.put(path, Node::from_value(place, value)));
        stands_in || self.tree.remove(path) || self.replace(&parent)
    }
}

/// A valid value for a place that cannot be left empty.
fn stand_in(path: &Path) -> Option<Value> {
    let yaml = match (path.last_key()?, path.0.last()?) {
        ("timeline", Part::Item(_)) => "{at: 0s, targets: all, fault: {loss: {rate: 1%}}}",
        ("cohorts", Part::Item(_)) => "{name: stand-in, count: 1}",
        (_, Part::Item(_)) | ("name" | "question", _) => "stand-in",
        ("system", _) => "{}",
        ("workload", _) => "{rates: {}}",
        ("rates", _) => "{}",
        ("at", _) => "0s",
        ("targets" | "of" | "one" | "minority" | "majority", _) => "all",
        ("fault", _) => "kill",
        ("count", _) => "1",
        ("percent", _) => "50%",
        _ => return None,
    };
    Some(serde_yaml::from_str(yaml).expect("written above as valid YAML"))
}
