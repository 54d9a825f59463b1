//! Whatever the text: no panic, and every place that is reported lies inside it.
//!
//! Arbitrary text hardly gets past the first line of a parser, so valid plans with a few pieces
//! cut out, doubled or replaced are tried too.

use proptest::prelude::*;

use super::*;

/// Fails unless every mistake of a plan can be drawn and lies inside its text.
fn assert_places(text: &str, sets: &[String]) {
    let Err(error) = load_str("plan.yaml", text, sets) else {
        return;
    };
    assert!(!error.mistakes().is_empty());
    assert!(error.draw(Style::Lines).ends_with("nothing was started"));
    for one in error.mistakes() {
        let source = one.file.strip_prefix("--set ").unwrap_or(text);
        let source = source
            .strip_prefix('\u{feff}')
            .unwrap_or(source)
            .replace("\r\n", "\n");
        let line = source.split(['\n', '\r']).nth(one.line - 1);
        let columns = line.map(|line| line.chars().count() + 1);
        assert!(
            columns.is_some_and(|columns| one.column <= columns),
            "{one:?}"
        );
    }
}

/// One of the valid plans, with a few pieces cut out, doubled or replaced.
fn mutated_plan() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        "[ -~]{0,3}",
        "[{}\\[\\]:,&*!|>'\"#%\n\r\t-]{1,3}",
        Just("- ".to_owned()),
        Just("é".to_owned()),
        Just("null".to_owned()),
        Just("99999999999999999999".to_owned()),
    ];
    let edit = (0.0..1.0_f64, 0_usize..12, pieces);
    let plans = prop_oneof![Just(SMALL), Just(CENTRAL_OUTAGE), Just(SPLIT_HALVES)];
    (plans, proptest::collection::vec(edit, 1..6)).prop_map(|(plan, edits)| {
        edits
            .into_iter()
            .fold(plan.to_owned(), |text, (place, cut, piece)| {
                let characters: Vec<char> = text.chars().collect();
                let at = characters.len() * (place * 1000.0) as usize / 1000;
                let rest = characters.iter().skip(at + cut);
                characters
                    .iter()
                    .take(at)
                    .copied()
                    .chain(piece.chars())
                    .chain(rest.copied())
                    .collect()
            })
    })
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "(\\PC|[\n\r\t{}\\[\\]:,&*!|>'\"#%-]){0,80}") {
        assert_places(&text, &[]);
    }

    #[test]
    fn no_mutated_plan_makes_the_parser_panic(text in mutated_plan()) {
        assert_places(&text, &[]);
    }

    #[test]
    fn no_override_makes_the_parser_panic(set in "[a-z.\\[\\]0-2=]{0,8}(=[ -~]{0,8})?") {
        let known = ["system.nodes=", "timeline.1.fault=", "timeline[0].", "workload.rates."];
        assert_places(SMALL, std::slice::from_ref(&set));
        for start in known {
            assert_places(SMALL, &[format!("{start}{set}")]);
        }
    }

    #[test]
    fn a_plan_written_with_its_overrides_reads_back_the_same(
        name in "[a-z0-9][a-z0-9._-]{0,9}",
        question in "[ -~]{0,12}[a-z]",
        nodes in 5_u16..100,
    ) {
        let quoted = question.replace('\'', "''");
        let sets = [
            format!("name='{name}'"),
            format!("question='{quoted}'"),
            format!("system.nodes={nodes}"),
        ];
        let loaded = load_str("plan.yaml", SMALL, &sets).expect("valid");
        prop_assert_eq!(&loaded.plan.question, &question);
        let again = load_str("plan.yaml", &loaded.text, &[]).expect("valid");
        prop_assert_eq!(loaded.plan, again.plan);
    }
}
