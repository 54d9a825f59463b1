//! Reading a YAML text into the located tree.
//!
//! The tree is built from parser events, so everything that the text itself can have wrong is
//! found here: syntax, a key given twice, tags, more than one document, a text that is too deep
//! or grows too much by its aliases. What the values mean is found later.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_yaml::{Number, Value};

use super::error::Mistake;
use super::source::Sources;
use super::tree::{Entry, Kind, Node, Place};

/// The most text that a plan may have.
pub const TEXT_BYTES_MAX: usize = 1 << 20;
/// How deep lists and maps may lie in each other; plans need eight levels.
const DEPTH_MAX: usize = 32;
/// The most keys and values of a plan, counted after aliases are replaced by what they name.
const NODES_MAX: usize = 20_000;

/// Reads a source, from byte `from` on, as one YAML document. Adds what is wrong with it to
/// `mistakes`; the answer is none when the text has no tree at all.
pub fn read(
    sources: &Sources,
    source: usize,
    from: usize,
    mistakes: &mut Vec<Mistake>,
) -> Option<Node> {
    let text = &sources.text(source)[from..];
    let mut builder = Builder {
        sources,
        source,
        bytes: text.char_indices().map(|(byte, _)| from + byte).collect(),
        end: from + text.len(),
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
        mistakes,
    };
    let complete = builder.build(text);
    let nothing = Node::leaf(
        Place {
            source,
            start: from,
            end: from,
        },
        Value::Null,
    );
    builder.root.or_else(|| complete.then_some(nothing))
}

/// A list or map whose end has not come yet.
struct Open {
    node: Node,
    anchor: usize,
    /// Of a map: the key whose value comes next, and whether it is to be kept.
    key: Option<(String, Place, bool)>,
}

struct Builder<'a> {
    sources: &'a Sources,
    source: usize,
    /// The byte at which each character stands.
    bytes: Vec<usize>,
    end: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Builder<'_> {
    /// True when the whole text was read.
    fn build(&mut self, text: &str) -> bool {
        let mut parser = Parser::new_from_str(text);
        let mut documents = 0;
        while let Some(next) = parser.next_event() {
            let (event, span) = match next {
                Ok(next) => next,
                Err(error) => {
                    let at = self.byte(error.marker().index());
                    let place = Place {
                        source: self.source,
                        start: at,
                        end: at,
                    };
                    return self.halt(place, &format!("not valid YAML: {}", error.info()), None);
                }
            };
            if matches!(event, Event::DocumentStart(_)) {
                documents += 1;
                if documents > 1 {
                    let place = self.place(span);
                    let help = "put each plan into a file of its own";
                    return self.halt(place, "a second document starts here", Some(help));
                }
            }
            if !self.take(event, span) {
                return false;
            }
        }
        true
    }

    /// Takes one event; false when reading cannot go on.
    fn take(&mut self, event: Event<'_>, span: Span) -> bool {
        let place = self.place(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(place, tag.is_some());
                self.count(1, place) && self.scalar(&text, style, place, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(place, tag.is_some());
                self.count(1, place) && self.begin(place, Kind::List(Vec::new()), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(place, tag.is_some());
                self.count(1, place) && self.begin(place, Kind::Map(Vec::new()), anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop().expect("the parser pairs starts and ends");
                self.close(open.node, open.anchor);
                true
            }
            Event::Alias(anchor) => self.alias(anchor, place),
            _ => true,
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, place: Place, anchor: usize) -> bool {
        if self.expects_key() {
            self.add_key(text.to_owned(), place);
            return true;
        }
        let value = match style {
            ScalarStyle::Plain => plain(text),
            _ => Value::String(text.to_owned()),
        };
        self.close(Node::leaf(place, value), anchor);
        true
    }

    fn alias(&mut self, anchor: usize, place: Place) -> bool {
        if self.expects_key() {
            return self.halt(place, "an alias cannot be a key", None);
        }
        let Some(node) = self.anchors.get(&anchor) else {
            return self.halt(
                place,
                "this alias stands inside the value that it names",
                None,
            );
        };
        let node = node.clone();
        if !self.count(node.size(), place) {
            return false;
        }
        self.close(node, 0);
        true
    }

    fn expects_key(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| open.key.is_none() && matches!(open.node.kind, Kind::Map(_)))
    }

    fn add_key(&mut self, key: String, place: Place) {
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let Kind::Map(entries) = &open.node.kind else {
            return;
        };
        let first = entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| entry.key_place);
        if let Some(first) = first {
            let (line, _) = self.sources.position(first);
            let message = format!("the key `{key}` is given twice in this map");
            let help = format!("the first one is on line {line}; keep one of them");
            self.mistakes
                .push(self.sources.mistake(place, &key, message, Some(help)));
        }
        open.key = Some((key, place, first.is_none()));
    }

    /// Opens a list or map.
    fn begin(&mut self, place: Place, kind: Kind, anchor: usize) -> bool {
        if self.expects_key() {
            return self.halt(place, "a key must be a plain word", None);
        }
        if self.open.len() >= DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} levels of lists and maps");
            return self.halt(place, &message, None);
        }
        self.open.push(Open {
            node: Node { place, kind },
            anchor,
            key: None,
        });
        true
    }

    /// Puts a finished value where it belongs.
    fn close(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match (&mut open.node.kind, open.key.take()) {
            (Kind::Map(entries), Some((key, key_place, true))) => {
                entries.push(Entry {
                    key,
                    key_place,
                    value: node,
                });
            }
            (Kind::List(items), _) => items.push(node),
            // The second value of a key that is given twice.
            _ => {}
        }
    }

    /// Counts keys and values; false when there are too many.
    fn count(&mut self, more: usize, place: Place) -> bool {
        self.nodes += more;
        let message = format!("more than {NODES_MAX} keys and values");
        self.nodes <= NODES_MAX || self.halt(place, &message, None)
    }

    fn refuse_tag(&mut self, place: Place, tagged: bool) {
        if tagged {
            let message = "plans use no YAML tags";
            let help = "write the word as a key instead, like `fault: {latency: {mean: 20ms}}`";
            self.halt(place, message, Some(help));
        }
    }

    /// Reports what is wrong with the text; always false.
    fn halt(&mut self, place: Place, message: &str, help: Option<&str>) -> bool {
        let help = help.map(str::to_owned);
        self.mistakes
            .push(self.sources.mistake(place, "", message.to_owned(), help));
        false
    }

    /// The place of a span, cut to its first line.
    fn place(&self, span: Span) -> Place {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        let text = self.sources.text(self.source);
        let line = text[start..end.max(start)]
            .split(['\n', '\r'])
            .next()
            .unwrap_or_default();
        Place {
            source: self.source,
            start,
            end: start + line.trim_end().len(),
        }
    }

    /// The byte at which a character stands.
    fn byte(&self, character: usize) -> usize {
        self.bytes.get(character).copied().unwrap_or(self.end)
    }
}

/// What an unquoted word means: the core schema of YAML 1.2, but a number with leading zeros is
/// text, because people disagree about its base.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn number(text: &str) -> Option<Number> {
    let digits = text.trim_start_matches(['-', '+']);
    let starts_like_one = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let leading_zero = digits.len() > 1
        && digits.starts_with('0')
        && digits[1..].starts_with(|c: char| c.is_ascii_digit());
    if !starts_like_one || leading_zero {
        return None;
    }
    let unsigned = text.parse::<u64>().map(Number::from);
    let signed = || text.parse::<i64>().map(Number::from);
    let float = || text.parse::<f64>().map(Number::from);
    unsigned.or_else(|_| signed()).or_else(|_| float()).ok()
}

#[cfg(test)]
mod tests {
    use super::super::path::Path;
    use super::*;

    fn tree(text: &str) -> (Option<Node>, Vec<(String, usize, usize)>) {
        let sources = Sources::of_plan("plan.yaml", text);
        let mut mistakes = Vec::new();
        let root = read(&sources, 0, 0, &mut mistakes);
        let short = |one: Mistake| (one.message, one.line, one.column);
        (root, mistakes.into_iter().map(short).collect())
    }

    #[test]
    fn keys_and_values_know_their_place_also_after_wide_characters() {
        let text = "# Zürich 🚀\nname: é\nsteps:\n  - {at: 5s, ü: [1, x]}\n";
        let root = tree(text).0.expect("valid");
        let shown = |place: Place| &text[place.start..place.end];
        let step = Path::from("steps").item(0);
        assert_eq!(shown(root.place_of(&Path::from("name"))), "é");
        assert_eq!(shown(root.key_place_of(&step.key("ü"))), "ü");
        assert_eq!(shown(root.place_of(&step.key("ü").item(1))), "x");
        assert_eq!(shown(root.place_of(&step.key("at"))), "5s");
        assert_eq!(shown(root.place_of(&step.key("absent"))), "{");
    }

    #[test]
    fn what_is_wrong_with_the_text_has_a_place() {
        let wrong = |text: &str| tree(text).1;
        let of = |message: &str, line, column| vec![(message.to_owned(), line, column)];
        assert_eq!(
            wrong("a: 1\nb: 2\na: 3"),
            of("the key `a` is given twice in this map", 3, 1)
        );
        assert_eq!(
            wrong("a: 1\n---\nb: 2"),
            of("a second document starts here", 2, 1)
        );
        assert_eq!(wrong("a: !x 1"), of("plans use no YAML tags", 1, 4));
        assert_eq!(wrong("{[1]: 2}"), of("a key must be a plain word", 1, 2));
        assert_eq!(wrong("a: &x [*x]").len(), 1);
        assert_eq!(wrong("a: [1, 2")[0].1, 1);
        assert_eq!(wrong("a: {b: c\nd: e: f").len(), 1);
    }

    #[test]
    fn depth_and_size_are_bounded_also_through_aliases() {
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        assert_eq!(tree(&deep).1[0].0, "more than 32 levels of lists and maps");
        let wide = format!("[{}]", "1, ".repeat(30_000));
        assert_eq!(tree(&wide).1[0].0, "more than 20000 keys and values");
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}", level - 1);
            laughs += &format!(
                "a{level}: &a{level} [{}]\n",
                [before.as_str(); 8].join(", ")
            );
        }
        assert_eq!(tree(&laughs).1[0].0, "more than 20000 keys and values");
    }

    #[test]
    fn plain_words_mean_what_yaml_1_2_says() {
        assert_eq!(plain("12"), Value::Number(12.into()));
        assert_eq!(plain("-3"), Value::Number((-3).into()));
        assert_eq!(plain("1.5"), Value::Number(1.5.into()));
        assert_eq!(plain("~"), Value::Null);
        assert_eq!(plain("on"), Value::String("on".into()));
        for text in ["010", "10s", "inf", "nan", "1e", "-", "1_000"] {
            assert_eq!(plain(text), Value::String(text.into()), "{text}");
        }
    }
}
