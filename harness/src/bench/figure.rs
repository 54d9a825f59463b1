//! Measured numbers beside their budgets, written down for people and for programs. Pure.

use serde::{Deserialize, Serialize};

/// What a number should not be above or below.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// It should be this or less.
    AtMost(f64),
    /// It should be this or more.
    AtLeast(f64),
}

/// One measured number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: String,
    /// What it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// The number divided by its budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

/// Figures that belong together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// What they are of.
    pub title: String,
    /// One after another.
    pub figures: Vec<Figure>,
    /// What else a reader should know, for example what was not measured.
    pub notes: Vec<String>,
}

impl Figure {
    /// A number without a budget.
    #[must_use]
    pub fn new(what: &str, value: f64, unit: &str) -> Figure {
        Figure {
            what: what.to_owned(),
            value,
            unit: unit.to_owned(),
            budget: None,
            ratio: None,
        }
    }

    /// The same number with a budget.
    #[must_use]
    pub fn within(mut self, budget: Budget) -> Figure {
        let (Budget::AtMost(limit) | Budget::AtLeast(limit)) = budget;
        self.ratio = Some(self.value / limit);
        self.budget = Some(budget);
        self
    }

    fn keeps_budget(&self) -> Option<bool> {
        Some(match self.budget? {
            Budget::AtMost(limit) => self.value <= limit,
            Budget::AtLeast(limit) => self.value >= limit,
        })
    }
}

/// Aligned lines, one section below the other.
#[must_use]
pub fn human(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        text.push_str(&format!("{}\n", section.title));
        for figure in &section.figures {
            let measured = format!("{} {}", digits(figure.value), figure.unit);
            let line = format!("  {:<44} {measured:>14}  {}", figure.what, verdict(figure));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for note in &section.notes {
            text.push_str(&format!("  note: {note}\n"));
        }
        text.push('\n');
    }
    text
}

/// The same for programs.
#[must_use]
pub fn json(sections: &[Section]) -> String {
    let mut text =
        serde_json::to_string_pretty(sections).expect("these types have string keys and no cycles");
    text.push('\n');
    text
}

fn verdict(figure: &Figure) -> String {
    let (Some(budget), Some(ratio), Some(kept)) =
        (figure.budget, figure.ratio, figure.keeps_budget())
    else {
        return String::new();
    };
    let budget = match budget {
        Budget::AtMost(limit) => format!("≤ {}", digits(limit)),
        Budget::AtLeast(limit) => format!("≥ {}", digits(limit)),
    };
    let word = if kept { "within" } else { "MISSED" };
    format!(
        "budget {budget:<8} {:>5} of it  {word}",
        format!("{ratio:.2}")
    )
}

/// Three digits that matter.
fn digits(value: f64) -> String {
    let whole = value.abs();
    if whole >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else if whole >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_beside_their_budgets() {
        let section = Section {
            title: "Fabric".into(),
            figures: vec![
                Figure::new("UDP round trip, p50", 31.27, "µs"),
                Figure::new("one TCP flow", 4.5, "Gbit/s").within(Budget::AtLeast(5.0)),
                Figure::new("partition to effect", 250.0, "µs").within(Budget::AtMost(1000.0)),
            ],
            notes: vec!["no veth pair: there is no `ip` program".into()],
        };
        insta::assert_snapshot!(human(&[section]));
    }

    #[test]
    fn a_figure_on_its_budget_keeps_it() {
        let on = |budget| Figure::new("x", 5.0, "s").within(budget).keeps_budget();
        assert_eq!(on(Budget::AtMost(5.0)), Some(true));
        assert_eq!(on(Budget::AtLeast(5.0)), Some(true));
        assert_eq!(on(Budget::AtMost(4.9)), Some(false));
        assert_eq!(on(Budget::AtLeast(5.1)), Some(false));
    }
}
