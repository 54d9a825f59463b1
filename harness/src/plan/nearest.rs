//! "Did you mean …?": the valid word closest to a mistyped one.

/// The closest of the valid words, when it is close enough to be what was meant: at most one
/// edit in three characters, where an edit inserts, drops, replaces or swaps.
pub fn nearest<'a>(word: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = word.to_lowercase();
    let edits_max = (wanted.chars().count() / 3).max(1);
    valid
        .into_iter()
        .map(|one| {
            (
                strsim::damerau_levenshtein(&wanted, &one.to_lowercase()),
                one,
            )
        })
        .filter(|(edits, _)| *edits <= edits_max)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, one)| one)
}

/// Help for a mistyped word: the closest valid one, then `rest`, which says what all is valid.
pub fn did_you_mean<'a>(
    word: &str,
    valid: impl IntoIterator<Item = &'a str>,
    rest: &str,
) -> String {
    match nearest(word, valid) {
        Some(near) => format!("did you mean `{near}`? {rest}"),
        None => rest.to_owned(),
    }
}

/// Words as a list for people: `a`, `b`, `c`.
pub fn quoted<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 5] = ["latency", "loss", "at", "mirrors", "minority"];

    #[test]
    fn a_typing_mistake_finds_its_word_and_another_word_finds_none() {
        assert_eq!(nearest("latencyy", WORDS), Some("latency"));
        assert_eq!(nearest("Mirors", WORDS), Some("mirrors"));
        assert_eq!(nearest("ta", WORDS), Some("at"));
        assert_eq!(nearest("banana", WORDS), None);
        assert_eq!(nearest("", []), None);
    }
}
