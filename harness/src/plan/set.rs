//! `--set a.b.c=VALUE`: overriding keys of a plan before it is decoded.
//!
//! The path is written with dots, list items by their number from 0 (`timeline.0.at=5s`, or
//! `timeline[0].at=5s`); the value is YAML. Maps on the way that the plan does not have are made.
//! An override is a source of its own, so a mistake in it is shown in the argument itself.

use serde_yaml::Value;

use super::error::Mistake;
use super::locate;
use super::path::{Part, Path};
use super::source::Sources;
use super::tree::{Entry, Kind, Node, Place};

/// Applies one argument to the tree. What is wrong with it is added to `mistakes`.
pub fn apply(root: &mut Node, sources: &mut Sources, argument: &str, mistakes: &mut Vec<Mistake>) {
    let source = sources.add(format!("--set {argument}"), argument);
    let Some((keys, _)) = argument.split_once('=') else {
        let place = Place {
            source,
            start: argument.len(),
            end: argument.len(),
        };
        let help = Some("write it like `--set system.mirrors=0`".to_owned());
        mistakes.push(sources.mistake(place, argument, "there is no `=VALUE`".into(), help));
        return;
    };
    let steps = split(keys, source);
    if let Some(empty) = steps.iter().find(|step| step.word.is_empty()) {
        let help = Some("write it like `--set system.mirrors=0`".to_owned());
        mistakes.push(sources.mistake(empty.place, keys, "a key is missing here".into(), help));
        return;
    }
    let before = mistakes.len();
    let value = locate::read(sources, source, keys.len() + 1, mistakes);
    let (Some(value), true) = (value, mistakes.len() == before) else {
        return;
    };
    if let Err(refusal) = put(root, &steps, &Path::default(), value) {
        let Refusal {
            place,
            path,
            message,
            help,
        } = refusal;
        mistakes.push(sources.mistake(place, &path.to_string(), message, Some(help)));
    }
}

/// One word of the argument's path.
struct Step<'a> {
    word: &'a str,
    place: Place,
}

/// Why a value cannot be put somewhere.
struct Refusal {
    place: Place,
    path: Path,
    message: String,
    help: String,
}

/// Splits `a.b[0].c` into its words.
fn split(keys: &str, source: usize) -> Vec<Step<'_>> {
    let mut start = 0;
    keys.split(['.', '['])
        .map(|raw| {
            let word = raw.strip_suffix(']').unwrap_or(raw);
            let place = Place {
                source,
                start,
                end: start + word.len(),
            };
            start += raw.len() + 1;
            Step { word, place }
        })
        .collect()
}

fn put(node: &mut Node, steps: &[Step<'_>], at: &Path, value: Node) -> Result<(), Refusal> {
    let Some((step, rest)) = steps.split_first() else {
        *node = value;
        return Ok(());
    };
    if matches!(node.kind, Kind::Leaf(Value::Null)) {
        *node = Node {
            place: step.place,
            kind: Kind::Map(Vec::new()),
        };
    }
    let refuse = |message: String, help: String| {
        Err(Refusal {
            place: step.place,
            path: at.and(Part::Key(step.word.into())),
            message,
            help,
        })
    };
    match &mut node.kind {
        Kind::Map(entries) => {
            let known = entries.iter().position(|entry| entry.key == step.word);
            let position = known.unwrap_or_else(|| {
                entries.push(Entry {
                    key: step.word.to_owned(),
                    key_place: step.place,
                    value: Node::leaf(step.place, Value::Null),
                });
                entries.len() - 1
            });
            put(
                &mut entries[position].value,
                rest,
                &at.key(step.word),
                value,
            )
        }
        Kind::List(items) => {
            let count = items.len();
            let number = step.word.parse().ok();
            match number.and_then(|number: usize| Some((number, items.get_mut(number)?))) {
                Some((number, item)) => put(item, rest, &at.item(number), value),
                None if count == 0 => refuse(
                    format!("`{at}` is an empty list"),
                    format!("set it as a whole: `--set '{at}=[…]'`"),
                ),
                None => refuse(
                    format!(
                        "`{at}` is a list of {count}: it has no item `{}`",
                        step.word
                    ),
                    format!("items are numbered from 0 to {}", count - 1),
                ),
            }
        }
        Kind::Leaf(_) => refuse(
            format!("`{at}` is a single value: it has no key `{}`", step.word),
            format!("set it as a whole: `--set '{at}={{{}: …}}'`", step.word),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree after the arguments, as YAML, and the mistakes as line:column message.
    fn set(text: &str, arguments: &[&str]) -> (String, Vec<String>) {
        let mut sources = Sources::of_plan("plan.yaml", text);
        let mut mistakes = Vec::new();
        let mut root = locate::read(&sources, 0, 0, &mut mistakes).expect("valid");
        for argument in arguments {
            apply(&mut root, &mut sources, argument, &mut mistakes);
        }
        let shown = mistakes
            .iter()
            .map(|one| format!("{} {}:{} {}", one.file, one.line, one.column, one.message));
        (
            serde_yaml::to_string(&root.to_value()).expect("plain values"),
            shown.collect(),
        )
    }

    #[test]
    fn keys_are_replaced_added_and_reached_through_lists() {
        let (yaml, mistakes) = set(
            "system: {nodes: 24}\ntimeline: [{at: 5s, fault: kill}]\n",
            &[
                "system.nodes=3",
                "network.latency=5ms",
                "timeline.0.at=9s",
                "timeline[0].for=1s",
            ],
        );
        assert_eq!(mistakes, [""; 0]);
        insta::assert_snapshot!(yaml, @r"
        system:
          nodes: 3
        timeline:
        - at: 9s
          fault: kill
          for: 1s
        network:
          latency: 5ms
        ");
    }

    #[test]
    fn the_value_is_yaml() {
        let (yaml, _) = set(
            "a: 1",
            &["a={minority: mirrors}", "b=[x, y]", "c='1'", "d=e=f", "g="],
        );
        insta::assert_snapshot!(yaml, @r"
        a:
          minority: mirrors
        b:
        - x
        - y
        c: '1'
        d: e=f
        g: null
        ");
    }

    #[test]
    fn a_wrong_argument_is_shown_in_itself() {
        let wrong = |argument| set("a: 1\nb: [x]\nc: []", &[argument]).1;
        assert_eq!(wrong("a"), ["--set a 1:2 there is no `=VALUE`"]);
        assert_eq!(wrong("b..c=1"), ["--set b..c=1 1:3 a key is missing here"]);
        assert_eq!(
            wrong("a.z=1"),
            ["--set a.z=1 1:3 `a` is a single value: it has no key `z`"]
        );
        assert_eq!(
            wrong("b.1=1"),
            ["--set b.1=1 1:3 `b` is a list of 1: it has no item `1`"]
        );
        assert_eq!(wrong("c.0=1"), ["--set c.0=1 1:3 `c` is an empty list"]);
        assert_eq!(wrong("a={x").len(), 1);
    }
}
