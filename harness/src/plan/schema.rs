//! The JSON schema of plans, made from their types, so that an editor knows every key.
//!
//! The schema knows the shape: keys, words, how quantities are written. What a plan means
//! (targets that exist, faults that overlap) only `check` can tell, so a plan that the schema
//! accepts may still have mistakes.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::Value;

use super::spec::Plan;

/// The schema as JSON, ending with a line break.
#[must_use]
pub fn schema() -> String {
    let settings = SchemaSettings::draft2020_12().with_transform(Plain);
    let mut schema = settings.into_generator().into_root_schema_for::<Plan>();
    schema.insert("title".into(), "A plan of the harness".into());
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain JSON");
    text.push('\n');
    text
}

/// Leaves out what would only be noise in an editor: defaults that say that there is none, and
/// `null` as a value. A key without a value is read as if it were not there, and is a half-written
/// line more often than not.
#[derive(Clone, Debug)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(default) = schema.remove("default").and_then(without_nothing) {
            schema.insert("default".into(), default);
        }
        let null = Value::from("null");
        if let Some(Value::Array(kinds)) = schema.get_mut("type") {
            kinds.retain(|kind| *kind != null);
            if let [kind] = kinds.as_slice() {
                let kind = kind.clone();
                schema.insert("type".into(), kind);
            }
        }
        if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
            forms.retain(|form| form.get("type") != Some(&null));
            if let [Value::Object(form)] = forms.as_slice() {
                let form = form.clone();
                schema.remove("anyOf");
                schema.ensure_object().extend(form);
            }
        }
        transform_subschemas(self, schema);
    }
}

/// The value without its parts that are null or empty; none when nothing is left.
fn without_nothing(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(list) if list.is_empty() => None,
        Value::Object(map) => {
            let kept: serde_json::Map<_, _> = map
                .into_iter()
                .filter_map(|(key, value)| Some((key, without_nothing(value)?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        other => Some(other),
    }
}
