//! What the mutations put in: the words of plans, and texts that parsers have fallen over.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// Values that have the form of one, with a number in place of `#`.
pub const FORMS: &[&str] = &[
    "#",
    "#s",
    "#ms",
    "#us",
    "#m",
    "#h",
    "#h #m",
    "#/s",
    "#/min",
    "0.#/s",
    "#%",
    "0.#%",
    "#kbit",
    "#mbit",
    "#gbit",
    "#KiB",
    "#MiB",
    "node-#",
    "0.#",
    "-#",
    "{ count: #, of: nodes }",
    "{ percent: #%, of: nodes }",
    "{ one: nodes }",
    "{ minority: { count: #, of: nodes } }",
    "[node-#, registry]",
    "{ zipf: 1.# }",
    "{ mean: #ms, jitter: #ms, distribution: normal }",
    "{ rate: #%, burst: # }",
];

/// Numbers at the edges of types, and beyond.
pub const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1e-400",
    "1e309",
    "-1e309",
    "1e308",
    "5e-324",
    "0.1",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "0x7fffffff",
    "0o17",
    "0b1",
    "1_000",
    ".inf",
    "-.inf",
    ".nan",
    "1e",
    "00012",
    "+5",
    "1.7976931348623157e308",
    "3.0000000000000004",
    "١٢",
];

/// Pieces with a meaning in YAML.
pub const SYNTAX: &[&str] = &[
    ": ",
    "- ",
    "? ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "#",
    " #",
    "&a ",
    "*a",
    "!!str ",
    "!!binary ",
    "!x ",
    "|",
    ">",
    "|-\n",
    ">+2\n",
    "'",
    "\"",
    "%YAML 1.2\n",
    "---\n",
    "...\n",
    "<<: *a",
    "\"\\x00\"",
    "\"\\uD800\"",
    "\"\\N\"",
    "@",
    "`",
    "~",
    "null",
    "yes",
    "off",
    "{}",
    "[]",
    "''",
    "key: {a: [",
    "\n\n",
    "\r",
    "\r\n",
    "\t",
    " ",
    "  ",
    "\\",
];

/// Characters that are not what they seem, or not one.
pub const UNICODE: &[&str] = &[
    "\u{feff}",
    "\u{0}",
    "\u{7}",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "é",
    "e\u{301}",
    "\u{200b}",
    "\u{200d}",
    "\u{2028}",
    "\u{2029}",
    "\u{202e}",
    "\u{fffd}",
    "\u{ffff}",
    "世界",
    "🧪",
    "👩\u{200d}🔬",
    "\u{10ffff}",
    "ﷺ",
    "\u{e000}",
];

/// All words of the language of plans: those of its schema, and those that the plans use.
pub fn of_plans(folder: &Path, plans: &[String]) -> Vec<String> {
    let mut words = BTreeSet::new();
    let schema = std::fs::read(folder.join("plan.schema.json")).expect("the schema of plans");
    let schema = serde_json::from_slice(&schema).expect("JSON");
    collect(&schema, &mut words);
    for plan in plans {
        let part = |c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.' | '%' | '/');
        let used = plan.split(part).filter(|word| !word.is_empty());
        words.extend(used.map(str::to_owned));
    }
    words.into_iter().collect()
}

/// Keys and words that a schema allows.
fn collect(schema: &Value, words: &mut BTreeSet<String>) {
    match schema {
        Value::Object(parts) => {
            for (name, part) in parts {
                match (name.as_str(), part) {
                    ("properties", Value::Object(keys)) => words.extend(keys.keys().cloned()),
                    ("const" | "default", Value::String(word)) => {
                        words.insert(word.clone());
                    }
                    ("enum", Value::Array(all)) => {
                        let all = all.iter().filter_map(Value::as_str);
                        words.extend(all.map(str::to_owned));
                    }
                    _ => {}
                }
                collect(part, words);
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| collect(part, words)),
        _ => {}
    }
}
