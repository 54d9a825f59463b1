//! The kinds of faults as text and as JSON.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::examples::GROUPS;
use crate::fault::{FaultSpec, Lasting};
use crate::plan;

/// Columns of text.
const WIDTH: usize = 100;

/// A kind of fault.
#[derive(Clone, Debug, Serialize)]
pub struct Kind {
    /// The word for it in plans.
    pub word: String,
    /// What it is about.
    pub group: String,
    /// What it does.
    pub does: String,
    /// How long it lasts.
    pub lasts: String,
    /// Whom it can be aimed at.
    pub aimed_at: String,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// A step of a timeline.
    pub example: String,
}

/// A parameter of a kind.
#[derive(Clone, Debug, Serialize)]
pub struct Parameter {
    /// Its key.
    pub key: String,
    /// What it means.
    pub means: String,
    /// How its value is written.
    pub written: String,
    /// True when it cannot be left out.
    pub required: bool,
    /// What it is when left out.
    pub default: Option<String>,
}

/// All kinds, by what they are about.
pub fn kinds() -> Vec<Kind> {
    let schema: Value = serde_json::from_str(&plan::schema()).expect("a schema is JSON");
    GROUPS
        .iter()
        .flat_map(|(group, kinds)| kinds.iter().map(move |kind| (group, kind)))
        .map(|(group, (word, example))| kind(&schema, group, word, example))
        .collect()
}

fn kind(schema: &Value, group: &str, word: &str, example: &str) -> Kind {
    let spec = spec_of(example);
    let lasts = match spec.inner().lasting() {
        Lasting::WhileActive => "as long as `for` says, else until everything heals",
        Lasting::Instant => "over as soon as it has happened; no `for`",
        Lasting::UntilDone => "until it is done; no `for`",
    };
    let aimed_at = match (&spec, spec.inner().is_about_packets()) {
        (FaultSpec::Load(_), _) => "nobody: it is about what all clients do",
        (FaultSpec::FlashCrowd(_), _) => "`targets`, hosts whose clients do it; all when absent",
        (_, true) => {
            "`targets`, every link of these hosts, or `links`, one by one; `port` and `protocol` \
             narrow it to some packets"
        }
        (_, false) => "`targets`",
    };
    let variant = variant_of(schema, word);
    let inner = variant["properties"].get(word);
    Kind {
        word: word.to_owned(),
        group: group.to_owned(),
        does: text_of(variant),
        lasts: lasts.to_owned(),
        aimed_at: aimed_at.to_owned(),
        parameters: inner
            .map(|inner| parameters(schema, word, inner))
            .unwrap_or_default(),
        example: example.to_owned(),
    }
}

/// The fault of an example.
fn spec_of(step: &str) -> FaultSpec {
    let value: serde_yaml::Value = serde_yaml::from_str(step).expect("examples are tested");
    let step: plan::Step =
        serde_yaml::with::singleton_map_recursive::deserialize(value).expect("examples are tested");
    step.fault.expect("examples have a fault")
}

/// What the schema of plans says of a kind.
fn variant_of<'a>(schema: &'a Value, word: &str) -> &'a Value {
    let variants = schema["$defs"]["FaultSpec"]["oneOf"].as_array();
    let is_it = |variant: &&Value| {
        variant["const"] == word
            || variant["properties"].get(word).is_some()
            || variant["enum"]
                .as_array()
                .is_some_and(|words| words.contains(&word.into()))
    };
    let found = variants.and_then(|variants| variants.iter().find(is_it));
    found.unwrap_or(&Value::Null)
}

/// The parameters that the schema of a kind has. One that is a word alone is shown as such.
fn parameters(schema: &Value, word: &str, inner: &Value) -> Vec<Parameter> {
    let definition = resolved(schema, inner);
    let Some(properties) = definition["properties"].as_object() else {
        return vec![Parameter {
            key: word.to_owned(),
            means: text_of(definition),
            written: written(schema, inner),
            required: true,
            default: None,
        }];
    };
    let required = definition["required"].as_array();
    let parameter = |(key, property): (&String, &Value)| Parameter {
        key: key.clone(),
        means: text_of(property),
        written: written(schema, property),
        required: required.is_some_and(|keys| keys.contains(&key.as_str().into())),
        default: property.get("default").map(plain),
    };
    properties.iter().map(parameter).collect()
}

/// The definition that a schema points to, or itself.
fn resolved<'a>(schema: &'a Value, one: &'a Value) -> &'a Value {
    let name = one["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix("#/$defs/"));
    name.map_or(one, |name| &schema["$defs"][name])
}

/// How a value is written.
fn written(schema: &Value, property: &Value) -> String {
    let definition = resolved(schema, property);
    let words = |variants: &Vec<Value>| {
        let word = |variant: &Value| {
            let list = variant["enum"].as_array().cloned();
            let keys = variant["properties"].as_object();
            match (variant["const"].as_str(), list, keys) {
                (Some(word), ..) => vec![word.to_owned()],
                (None, Some(list), _) => list.iter().map(plain).collect(),
                (None, None, Some(keys)) => {
                    keys.keys().map(|key| format!("{{{key}: …}}")).collect()
                }
                (None, None, None) => vec![],
            }
        };
        let all: Vec<String> = variants.iter().flat_map(word).collect();
        format!("one of {}", all.join(", "))
    };
    if let Some(variants) = definition["oneOf"].as_array() {
        return words(variants);
    }
    if let Some(list) = definition["enum"].as_array() {
        let all: Vec<String> = list.iter().map(plain).collect();
        return format!("one of {}", all.join(", "));
    }
    let text = text_of(definition);
    if let Some((_, how)) = text.split_once("Written as ") {
        return how.trim_end_matches('.').to_owned();
    }
    let range = match (definition.get("minimum"), definition.get("maximum")) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        _ => String::new(),
    };
    match definition["type"].as_str() {
        Some("integer" | "number") => format!("a number{range}"),
        Some("boolean") => "true or false".to_owned(),
        Some(other) => format!("a {other}"),
        None => "a value".to_owned(),
    }
}

/// The description of a schema, on one line.
fn text_of(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A value as it stands in a plan.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// All kinds on one page.
pub fn list(kinds: &[Kind]) -> String {
    let mut text = String::new();
    for group in kinds.chunk_by(|one, other| one.group == other.group) {
        let _ = writeln!(text, "{}", group[0].group);
        for kind in group {
            let lines = wrapped(&kind.does, WIDTH - 20);
            let _ = writeln!(
                text,
                "  {:<16}  {}",
                kind.word,
                lines.join("\n                    ")
            );
        }
        text.push('\n');
    }
    text.push_str("`harness faults KIND` shows the parameters of one, and an example.\n");
    text
}

/// One kind.
pub fn one(kind: &Kind) -> String {
    let mut text = format!("{}\n", kind.word);
    let mut section = |title: &str, body: &str| {
        let lines = wrapped(body, WIDTH - 14);
        let _ = writeln!(text, "  {title:<10}  {}", lines.join("\n              "));
    };
    section("does", &kind.does);
    section("lasts", &kind.lasts);
    section("aimed at", &kind.aimed_at);
    if kind.parameters.is_empty() {
        section("parameters", "none");
    } else {
        text.push_str("  parameters\n");
    }
    for one in &kind.parameters {
        let need = match (&one.default, one.required) {
            (_, true) => ", needed".to_owned(),
            (Some(default), false) => format!(", {default} when absent"),
            (None, false) => String::new(),
        };
        let _ = writeln!(text, "    {}: {}{need}", one.key, one.written);
        for line in wrapped(&one.means, WIDTH - 8) {
            let _ = writeln!(text, "        {line}");
        }
    }
    let _ = writeln!(text, "  example\n    timeline:\n      - {}", kind.example);
    text
}

/// The kinds as JSON.
pub fn json(kinds: &[Kind]) -> String {
    let mut text = serde_json::to_string_pretty(kinds).expect("texts are JSON");
    text.push('\n');
    text
}

/// The text in lines of at most so many columns.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("it is never empty");
        let length = last.chars().count() + 1 + word.chars().count();
        if last.is_empty() {
            last.push_str(word);
        } else if length <= columns {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_the_schema_is_shown_and_no_other() {
        let schema: Value = serde_json::from_str(&plan::schema()).expect("JSON");
        let variants = schema["$defs"]["FaultSpec"]["oneOf"]
            .as_array()
            .expect("kinds");
        let words = |variant: &Value| -> Vec<String> {
            match (variant["const"].as_str(), variant["enum"].as_array()) {
                (Some(word), _) => vec![word.to_owned()],
                (None, Some(list)) => list.iter().map(plain).collect(),
                (None, None) => {
                    let keys = variant["properties"].as_object().expect("one key");
                    keys.keys().cloned().collect()
                }
            }
        };
        let mut all: Vec<String> = variants.iter().flat_map(words).collect();
        let mut shown: Vec<String> = kinds().into_iter().map(|kind| kind.word).collect();
        all.sort_unstable();
        shown.sort_unstable();
        assert_eq!(shown, all);
        for kind in kinds() {
            assert!(!kind.does.is_empty(), "{} is not described", kind.word);
            let silent = kind.parameters.iter().find(|one| one.means.is_empty());
            assert!(silent.is_none(), "{}: {silent:?}", kind.word);
        }
    }

    #[test]
    fn the_list_and_one_kind_as_a_person_reads_them() {
        insta::assert_snapshot!("all_kinds", list(&kinds()));
        let latency = kinds().into_iter().find(|kind| kind.word == "latency");
        insta::assert_snapshot!("latency", one(&latency.expect("it is a kind")));
    }
}
