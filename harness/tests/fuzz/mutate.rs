//! Mutations of plans, drawn from a seed.
//!
//! Most keep a plan close to a valid one, so that it gets past the reader of YAML and the shape of
//! plans to what is judged there; the others go for the reader of YAML.

use std::path::Path;

use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

use crate::places::{key, line, place, put, value, whole_line};
use crate::words::{self, FORMS, NUMBERS, SYNTAX, UNICODE};

/// The longest input.
pub const INPUT_BYTES_MAX: usize = 64 << 10;

/// How many mutations an input has at most.
const MUTATIONS_MAX: u32 = 6;

/// How often a piece is repeated to nest deeply.
const DEPTH_MAX: usize = 5_000;

/// What mutations need.
pub struct Mutator {
    plans: Vec<String>,
    words: Vec<String>,
}

/// Changes a text in place.
type Mutation = fn(&Mutator, &mut ChaCha8Rng, &mut Vec<u8>);

/// All mutations. Those of the language of plans stand three times, to be drawn as often.
const MUTATIONS: &[&[Mutation]] = &[
    &[spoil, insert, delete, truncate, splice],
    &[copy_lines, drop_line, repeat_key, indent, tabs],
    &[nest, anchor, explode, unicode],
    OF_PLANS,
    OF_PLANS,
    OF_PLANS,
];

const OF_PLANS: &[Mutation] = &[
    word_as_value,
    word_as_key,
    form_as_value,
    number,
    add_key,
    drop_line,
    swap_values,
];

impl Mutator {
    /// Reads the plans below a folder, and their schema.
    pub fn new(folder: &Path) -> Mutator {
        let mut plans = Vec::new();
        collect(folder, &mut plans);
        plans.sort_unstable();
        assert!(plans.len() > 10, "the plans were not found");
        let words = words::of_plans(folder, &plans);
        Mutator { plans, words }
    }

    /// The input with a number.
    pub fn input(&self, seed: u64, number: u64) -> String {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        let mut text = self.plan(&mut rng).clone().into_bytes();
        for _ in 0..rng.random_range(1..=MUTATIONS_MAX) {
            let group = MUTATIONS.choose(&mut rng).expect("not empty");
            let mutate = group.choose(&mut rng).expect("not empty");
            mutate(self, &mut rng, &mut text);
        }
        let mut text = String::from_utf8_lossy(&text).into_owned();
        text.truncate(text.floor_char_boundary(INPUT_BYTES_MAX));
        text
    }

    fn plan(&self, rng: &mut ChaCha8Rng) -> &String {
        self.plans.choose(rng).expect("not empty")
    }

    fn word(&self, rng: &mut ChaCha8Rng) -> &str {
        self.words.choose(rng).expect("not empty")
    }
}

fn collect(folder: &Path, plans: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of plans") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, plans);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            plans.push(std::fs::read_to_string(&path).expect("a plan"));
        }
    }
}

fn pick<'a>(rng: &mut ChaCha8Rng, pieces: &[&'a str]) -> &'a str {
    pieces.choose(rng).expect("not empty")
}

/// One bit, or one byte, is another one.
fn spoil(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let at = place(rng, text);
    let Some(byte) = text.get(at).copied() else {
        return;
    };
    let spoilt = if rng.random() {
        byte ^ 1 << rng.random_range(0..8)
    } else {
        rng.random_range(b' '..=b'~')
    };
    put(text, at..at + 1, &[spoilt]);
}

fn insert(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let at = place(rng, text);
    put(text, at..at, pick(rng, SYNTAX).as_bytes());
}

fn delete(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let start = place(rng, text);
    let bytes = rng.random_range(1..=20);
    text.drain(start..text.len().min(start + bytes));
}

fn truncate(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    text.truncate(place(rng, text));
}

/// The beginning of this plan and the end of another one.
fn splice(mutator: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let other = mutator.plan(rng).as_bytes();
    text.truncate(line(rng, text).start);
    text.extend_from_slice(&other[line(rng, other).start..]);
}

fn copy_lines(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let (first, second) = (whole_line(rng, text), whole_line(rng, text));
    let copied = text[first.start.min(second.start)..first.end.max(second.end)].to_vec();
    let room = INPUT_BYTES_MAX / copied.len().max(1);
    let many = rng.random_ratio(1, 10) && room > 1;
    let times = if many { rng.random_range(1..room) } else { 1 };
    let at = whole_line(rng, text).end;
    put(text, at..at, &copied.repeat(times));
}

fn drop_line(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    text.drain(whole_line(rng, text));
}

/// A line twice, with another value the second time.
fn repeat_key(mutator: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let line = whole_line(rng, text);
    let mut again = text[line.clone()].to_vec();
    form_as_value(mutator, rng, &mut again);
    put(text, line.end..line.end, &again);
}

fn indent(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let start = line(rng, text).start;
    if rng.random() && text.get(start) == Some(&b' ') {
        text.remove(start);
    } else {
        let spaces = rng.random_range(1..=4);
        put(text, start..start, &b" ".repeat(spaces));
    }
}

fn tabs(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let line = line(rng, text);
    let spaces = text[line.clone()]
        .iter()
        .take_while(|byte| **byte == b' ')
        .count();
    put(text, line.start..line.start + spaces, b"\t");
}

/// Lists or maps in each other, closed or not.
fn nest(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let closed = [
        ("[", "]"),
        ("{a: ", "}"),
        ("- ", ""),
        ("? ", ""),
        ("[[{k: [", "]}]]"),
    ];
    let (open, close) = *closed.choose(rng).expect("not empty");
    let deep = rng.random_ratio(1, 4);
    let depth = rng.random_range(1..=if deep { DEPTH_MAX } else { 40 });
    let mut nested = open.repeat(depth);
    if rng.random() {
        nested.push('1');
        nested.push_str(&close.repeat(depth));
    }
    let place = if rng.random() {
        value(rng, text)
    } else {
        line(rng, text)
    };
    put(text, place, nested.as_bytes());
}

/// A value gets a name, and another one becomes the same.
fn anchor(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let alias = value(rng, text);
    put(text, alias, b"*a");
    let named = value(rng, text).start;
    put(text, named..named, b"&a ");
}

/// Few lines that are many values once aliases are replaced: each list has the one before it
/// several times.
fn explode(mutator: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let (levels, width) = (rng.random_range(2..40), rng.random_range(1..20));
    let mut lists = format!("&x0 [{}]", mutator.word(rng));
    for level in 1..levels {
        let alias = format!("*x{}, ", level - 1);
        lists.push_str(&format!(", &x{level} [{}]", alias.repeat(width)));
    }
    let place = if rng.random() {
        value(rng, text)
    } else {
        text.len()..text.len()
    };
    put(text, place, format!("[{lists}]").as_bytes());
}

fn unicode(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let piece = pick(rng, UNICODE);
    let (times, at) = (rng.random_range(1..=3), place(rng, text));
    put(text, at..at, piece.repeat(times).as_bytes());
}

fn word_as_value(mutator: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let value = value(rng, text);
    put(text, value, mutator.word(rng).as_bytes());
}

fn word_as_key(mutator: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let key = key(rng, text);
    put(text, key, mutator.word(rng).as_bytes());
}

fn form_as_value(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let value = value(rng, text);
    put(text, value, form(rng).as_bytes());
}

/// A form with a number in it that is mostly small.
fn form(rng: &mut ChaCha8Rng) -> String {
    let number = match rng.random_range(0..10) {
        0..7 => rng.random_range(0..10_u64),
        7..9 => rng.random_range(0..2_000),
        _ => rng.random(),
    };
    pick(rng, FORMS).replace('#', &number.to_string())
}

/// Another number for one that is there.
fn number(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let at = place(rng, text);
    let digits = |bytes: &[u8]| {
        bytes
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let ahead = text[at..].iter().position(u8::is_ascii_digit);
    let start = ahead.map_or(text.len(), |ahead| at + ahead);
    let range = start..start + digits(&text[start..]);
    if rng.random() {
        put(text, range, pick(rng, NUMBERS).as_bytes());
    } else {
        let small = rng.random_range(0..200_u32).to_string();
        put(text, range, small.as_bytes());
    }
}

/// A new key beside others.
fn add_key(mutator: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let value = match rng.random_range(0..3) {
        0 => mutator.word(rng).to_owned(),
        1 => form(rng),
        _ => format!("{{ {}: {} }}", mutator.word(rng), form(rng)),
    };
    let entry = format!("{}: {value}", mutator.word(rng));
    let beside = line(rng, text);
    if let Some(brace) = text[beside.clone()].iter().position(|byte| *byte == b'{') {
        let at = beside.start + brace + 1;
        put(text, at..at, format!(" {entry}, ").as_bytes());
    } else {
        let line = &text[beside.clone()];
        let spaces = line.iter().take_while(|byte| b" -".contains(byte)).count();
        let entry = format!("{}{entry}\n", " ".repeat(spaces));
        put(text, beside.start..beside.start, entry.as_bytes());
    }
}

/// A value of the plan in place of another one.
fn swap_values(_: &Mutator, rng: &mut ChaCha8Rng, text: &mut Vec<u8>) {
    let (from, to) = (value(rng, text), value(rng, text));
    let copied = text[from].to_vec();
    put(text, to, &copied);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutator() -> Mutator {
        Mutator::new(&crate::plans_folder())
    }

    #[test]
    fn an_input_depends_on_seed_and_number_alone() {
        let (one, other) = (mutator(), mutator());
        let inputs: Vec<String> = (0..100).map(|number| one.input(1, number)).collect();
        for (number, input) in inputs.iter().enumerate().rev() {
            assert_eq!(other.input(1, number as u64), *input);
            assert!(input.len() <= INPUT_BYTES_MAX);
        }
        assert_ne!(one.input(2, 0), inputs[0]);
    }

    #[test]
    fn every_mutation_changes_plans_and_bears_any_text() {
        let mutator = mutator();
        for (number, mutate) in MUTATIONS.concat().iter().enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let mut changed = 0;
            for plan in &mutator.plans {
                let mut text = plan.clone().into_bytes();
                mutate(&mutator, &mut rng, &mut text);
                changed += usize::from(text != plan.as_bytes());
            }
            assert!(changed * 2 > mutator.plans.len(), "mutation {number}");
            for odd in ["", "\n", "a", "\u{feff}:", "::::", "1 1 1"] {
                mutate(&mutator, &mut rng, &mut odd.into());
            }
        }
    }

    #[test]
    fn the_words_are_those_of_the_schema_and_of_the_plans() {
        let words = mutator().words;
        for word in [
            "availability_raw",
            "one-way",
            "pareto",
            "registry",
            "minority",
        ] {
            assert!(words.iter().any(|one| one == word), "{word}");
        }
    }
}
