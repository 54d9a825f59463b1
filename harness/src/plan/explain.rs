//! From a decoder's complaint to words for a person.
//!
//! Serde says what is wrong in English with Rust's names in it. Here that becomes a *trouble*: a
//! kind of mistake with its facts, and from that a message and a help. The form of serde's
//! messages is fixed by its `de::Error` trait; a message of another form is passed on as it is.

use serde_yaml::Value;

use super::nearest::{did_you_mean, nearest, quoted};
use super::path::{Part, Path};
use super::tree::{Kind, Node};

/// Values are shown up to this many characters.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// One complaint of the decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A key that its map does not know.
    UnknownKey {
        /// The keys that it knows.
        valid: Vec<String>,
    },
    /// A word that is none of a fixed set.
    UnknownWord {
        /// The word.
        word: String,
        /// The set.
        valid: Vec<String>,
    },
    /// A key that must be there.
    Missing {
        /// The key.
        key: String,
    },
    /// A value of the wrong kind or size.
    Misfit {
        /// What belongs there, in serde's words.
        expected: String,
    },
    /// A value that its type refused in its own words: "what is wrong; what to write".
    Refused {
        /// The words.
        text: String,
    },
}

/// What a complaint says.
#[must_use]
pub fn understand(complaint: &str) -> Trouble {
    let quoted_word = |text: &str| text.split_once('`').map(|(word, _)| word.to_owned());
    if complaint.starts_with("unknown field `") {
        return Trouble::UnknownKey {
            valid: words_after_expected(complaint),
        };
    }
    if let Some(rest) = complaint.strip_prefix("unknown variant `") {
        let word = before_expected(rest).to_owned();
        return Trouble::UnknownWord {
            word,
            valid: words_after_expected(complaint),
        };
    }
    if let Some(key) = complaint
        .strip_prefix("missing field `")
        .and_then(quoted_word)
    {
        return Trouble::Missing { key };
    }
    if complaint.starts_with("invalid ")
        && let Some((_, expected)) = complaint.rsplit_once(", expected ")
    {
        return Trouble::Misfit {
            expected: expected.to_owned(),
        };
    }
    Trouble::Refused {
        text: complaint.to_owned(),
    }
}

/// The words in backticks after the last "expected": serde's list of what is valid.
fn words_after_expected(complaint: &str) -> Vec<String> {
    let list = complaint
        .rsplit_once("`, expected ")
        .map_or("", |(_, list)| list);
    list.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// The quoted word that comes before the last "expected".
fn before_expected(rest: &str) -> &str {
    let cut = rest
        .rfind("`, expected ")
        .or_else(|| rest.rfind("`, there are "));
    cut.map_or(rest, |at| &rest[..at])
}

/// A message and a help.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// What is wrong.
    pub message: String,
    /// What would be valid.
    pub help: Option<String>,
}

/// Words for a trouble at a path. `expectation` says what belongs at a path.
#[must_use]
pub fn words(
    trouble: &Trouble,
    tree: &Node,
    path: &Path,
    expectation: &dyn Fn(&Path) -> Option<String>,
) -> Words {
    let name = path.last_key().unwrap_or("the plan");
    match trouble {
        Trouble::UnknownKey { valid } => Words {
            message: format!("unknown key `{}`", short(name)),
            help: Some(unknown_key_help(name, valid, tree, path)),
        },
        Trouble::UnknownWord { word, valid } => {
            let valid = valid.iter().map(String::as_str);
            let rest = format!("valid here: {}", quoted(valid.clone()));
            let owner = word_owner(tree, path, word);
            Words {
                message: format!("`{}` is not a valid `{owner}`", short(word)),
                help: Some(did_you_mean(word, valid, &rest)),
            }
        }
        Trouble::Missing { key } => Words {
            message: format!("the key `{key}` is missing here"),
            help: expectation(&path.key(key)).map(|what| format!("add `{key}`: {what}")),
        },
        Trouble::Misfit { expected } => misfit(expected, tree, path, expectation),
        Trouble::Refused { text } => match text.split_once("; ") {
            Some((message, help)) => Words {
                message: message.to_owned(),
                help: Some(help.to_owned()),
            },
            None => Words {
                message: text.clone(),
                help: None,
            },
        },
    }
}

fn unknown_key_help(key: &str, valid: &[String], tree: &Node, path: &Path) -> String {
    if valid.is_empty() {
        return "no key is valid here".to_owned();
    }
    let words = || valid.iter().map(String::as_str);
    let rest = format!("valid here: {}", quoted(words()));
    match (meant_key(key, valid, tree, path), nearest(key, words())) {
        (Some(near), _) => format!("did you mean `{near}`? {rest}"),
        (None, Some(given)) => {
            format!("did you mean `{given}`, which this map has already? {rest}")
        }
        (None, None) => rest,
    }
}

/// The key that was probably meant by an unknown one: the closest that its map does not have.
#[must_use]
pub fn meant_key<'a>(key: &str, valid: &'a [String], tree: &Node, path: &Path) -> Option<&'a str> {
    let given = path.parent().map(|map| tree.keys(&map)).unwrap_or_default();
    nearest(
        key,
        valid
            .iter()
            .map(String::as_str)
            .filter(|one| !given.contains(one)),
    )
}

/// True when an unknown word stands as a key (`fault: {laten: …}`), not as a value.
#[must_use]
pub fn is_key(tree: &Node, path: &Path, word: &str) -> bool {
    let value = tree.find(path).map(|node| &node.kind);
    let is_value = matches!(value, Some(Kind::Leaf(Value::String(text))) if text == word);
    path.last_key() == Some(word) && !is_value
}

/// The key whose value an unknown word should be.
fn word_owner(tree: &Node, path: &Path, word: &str) -> String {
    let owner = if is_key(tree, path, word) {
        path.parent()
    } else {
        Some(path.clone())
    };
    owner
        .as_ref()
        .and_then(Path::last_key)
        .unwrap_or("word")
        .to_owned()
}

fn misfit(
    expected: &str,
    tree: &Node,
    path: &Path,
    expectation: &dyn Fn(&Path) -> Option<String>,
) -> Words {
    let name = path.last_key().unwrap_or("the plan");
    let what = match path.0.last() {
        Some(Part::Item(_)) => format!("an item of `{name}`"),
        Some(Part::Key(_)) => format!("`{name}`"),
        None => name.to_owned(),
    };
    let keys = tree.keys(path);
    let found = tree.find(path).map(|node| &node.kind);
    let (message, help) = match (expected, found, keys.as_slice()) {
        ("unit variant", _, [key, ..]) => (
            format!("`{}` takes no parameters", short(key)),
            Some(format!("write `{name}: {}`", short(key))),
        ),
        ("newtype variant", Some(Kind::Leaf(Value::String(word))), _) => (
            format!("`{word}` needs parameters"),
            expectation(&path.key(word))
                .map(|what| format!("write `{name}: {{{word}: …}}`, where `…` is {what}")),
        ),
        ("map with a single key", _, [_, _, ..]) => (
            format!("`{name}` has more than one key"),
            Some(format!("keep one of {}", quoted(keys.iter().copied()))),
        ),
        _ => (
            match found {
                None | Some(Kind::Leaf(Value::Null)) => format!("{what} has no value"),
                Some(kind) => format!("{what} cannot be {}", shown(kind)),
            },
            Some(expectation(path).unwrap_or_else(|| plainly(expected)))
                .map(|what| format!("write {what}")),
        ),
    };
    Words { message, help }
}

/// A value as a person would say it.
fn shown(kind: &Kind) -> String {
    match kind {
        Kind::Leaf(Value::String(text)) => format!("`{}`", short(text)),
        Kind::Leaf(Value::Number(number)) => format!("`{number}`"),
        Kind::Leaf(Value::Bool(truth)) => format!("`{truth}`"),
        Kind::Leaf(_) => "nothing".to_owned(),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(entries) if entries.is_empty() => "an empty map".to_owned(),
        Kind::Map(_) => "a map".to_owned(),
    }
}

/// The start of a text, on one line.
fn short(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

/// What serde expects, without Rust's names.
#[must_use]
pub fn plainly(expected: &str) -> String {
    let whole = |max: u64| format!("a whole number from 0 to {max}");
    match expected {
        "u16" => whole(u16::MAX.into()),
        "u32" => whole(u32::MAX.into()),
        "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "f64" => "a number".to_owned(),
        "a string" => "text (a number needs quotes to be text)".to_owned(),
        "a sequence" => "a list, like `[a, b]`".to_owned(),
        "a map" => "a map, like `{key: value}`".to_owned(),
        _ if expected.starts_with("struct ") => "a map of keys and values".to_owned(),
        _ if expected.starts_with("enum ") => "one of its words".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_serdes_messages_are_understood() {
        use serde::de::{Error, Unexpected, value};
        let said = |error: value::Error| understand(&error.to_string());
        let words = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            said(Error::unknown_field("a`, expected `b", &["x", "y", "z"])),
            Trouble::UnknownKey {
                valid: words(&["x", "y", "z"])
            }
        );
        assert_eq!(
            said(Error::unknown_field("a", &["x"])),
            Trouble::UnknownKey {
                valid: words(&["x"])
            }
        );
        assert_eq!(
            said(Error::unknown_field("a", &[])),
            Trouble::UnknownKey { valid: vec![] }
        );
        assert_eq!(
            said(Error::unknown_variant("a`, expected `b", &["x", "y"])),
            Trouble::UnknownWord {
                word: "a`, expected `b".into(),
                valid: words(&["x", "y"])
            }
        );
        assert_eq!(
            said(Error::missing_field("at")),
            Trouble::Missing { key: "at".into() }
        );
        assert_eq!(
            said(Error::invalid_type(
                Unexpected::Str("z, expected b"),
                &"u16"
            )),
            Trouble::Misfit {
                expected: "u16".into()
            }
        );
        assert_eq!(
            said(Error::custom("no")),
            Trouble::Refused { text: "no".into() }
        );
    }

    #[test]
    fn long_values_are_shortened_and_stay_on_one_line() {
        assert_eq!(short("a\nb"), "a b");
        assert_eq!(
            short(&"é".repeat(80)).chars().count(),
            SHOWN_CHARACTERS_MAX + 1
        );
    }
}
