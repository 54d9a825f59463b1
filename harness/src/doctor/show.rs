//! The judgement, written down for people and for programs.

use super::examine::{Level, Report};

/// Aligned lines, remedies below what they are for.
#[must_use]
pub fn human(report: &Report, colour: bool) -> String {
    let width = report.checks.iter().map(|check| check.name.len()).max();
    let width = width.unwrap_or_default();
    let mut text = String::new();
    for check in &report.checks {
        let word = paint(check.level, colour);
        let lines = check
            .found
            .replace('\n', &format!("\n{:1$}", "", width + 8));
        text.push_str(&format!("{word}  {:width$}  {lines}\n", check.name));
        if let Some(remedy) = &check.remedy {
            text.push_str(&format!("{:1$}fix: {remedy}\n", "", width + 8));
        }
    }
    text.push_str(&match report.works {
        true => format!("\nPlans can be run here: {}.\n", report.runtimes.join(", ")),
        false => "\nNo plan can be run here: mend what says FAIL.\n".to_owned(),
    });
    text
}

/// The same for programs.
#[must_use]
pub fn json(report: &Report) -> String {
    let mut text =
        serde_json::to_string_pretty(report).expect("these types have string keys and no cycles");
    text.push('\n');
    text
}

/// Four characters wide, without what the terminal does not show.
fn paint(level: Level, colour: bool) -> String {
    let (word, code) = match level {
        Level::Note => ("note", 2),
        Level::Ok => ("ok  ", 32),
        Level::Warn => ("warn", 33),
        Level::Fail => ("FAIL", 31),
    };
    if colour {
        format!("\x1b[{code}m{word}\x1b[0m")
    } else {
        word.to_owned()
    }
}
