//! Places in the text of a plan that are worth a mutation.

use std::ops::Range;

use rand::prelude::*;
use rand_chacha::ChaCha8Rng;

/// Puts a piece in the place of another one.
pub fn put(text: &mut Vec<u8>, range: Range<usize>, piece: &[u8]) {
    text.splice(range, piece.iter().copied());
}

/// A place in a text; also its end.
pub fn place(rng: &mut ChaCha8Rng, text: &[u8]) -> usize {
    rng.random_range(0..=text.len())
}

/// A line without its end.
pub fn line(rng: &mut ChaCha8Rng, text: &[u8]) -> Range<usize> {
    let at = place(rng, text);
    let newline = |byte: &u8| *byte == b'\n';
    let start = text[..at].iter().rposition(newline).map_or(0, |at| at + 1);
    let end = text[at..].iter().position(newline);
    start..end.map_or(text.len(), |end| at + end)
}

/// A line with its end.
pub fn whole_line(rng: &mut ChaCha8Rng, text: &[u8]) -> Range<usize> {
    let line = line(rng, text);
    line.start..text.len().min(line.end + 1)
}

/// A value that is a word or a number.
pub fn value(rng: &mut ChaCha8Rng, text: &[u8]) -> Range<usize> {
    run(rng, text, |behind| behind != Some(&b':'))
}

/// What stands before a colon.
pub fn key(rng: &mut ChaCha8Rng, text: &[u8]) -> Range<usize> {
    run(rng, text, |behind| behind == Some(&b':'))
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_./%".contains(&byte)
}

/// A run of the bytes of words; of several tries, the first where `fits` the byte behind it.
fn run(rng: &mut ChaCha8Rng, text: &[u8], fits: impl Fn(Option<&u8>) -> bool) -> Range<usize> {
    const TRIES: usize = 20;
    let mut found = 0..0;
    for _ in 0..TRIES {
        let at = place(rng, text);
        let length =
            |run: &mut dyn Iterator<Item = &u8>| run.take_while(|b| is_of_word(**b)).count();
        let start = at - length(&mut text[..at].iter().rev());
        found = start..at + length(&mut text[at..].iter());
        if !found.is_empty() && fits(text.get(found.end)) {
            break;
        }
    }
    found
}
