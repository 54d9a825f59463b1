//! The page: the verdict first, then why, then what happened over time, then the figures.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::charts::{charts, heading};
use super::plot::{key, time_axis};
use super::style::{PATTERNS, STYLE};
use super::{lanes, matrix, tables};
use crate::check::Outcome;
use crate::history::OperationKind;
use crate::report::words::{self, counted, duration, percent};
use crate::report::{Axis, Report, Window};

/// Renders the page.
#[must_use]
pub fn render(report: &Report) -> String {
    let header = &report.header;
    let word = words::outcome(report.outcome);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (word) ": " (header.plan) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (PreEscaped(PATTERNS))
                main {
                    (banner(report))
                    (tiles(report))
                    section { h2 { "Findings" } (tables::findings(report)) }
                    (over_time(report))
                    (section("Operations", &tables::operations(report)))
                    (section("Faults, asked for and measured", &tables::faults(report)))
                    section { h2 { "Figures" } (tables::figures(report)) }
                    section { h2 { "Repeat it" } (tables::repeat(report)) }
                    (hosts(report))
                }
            }
        }
    };
    page.into_string()
}

/// A section whose table scrolls sideways where the page is narrow.
fn section(title: &str, table: &Markup) -> Markup {
    html! { section { h2 { (title) } div.scroll { (table) } } }
}

fn banner(report: &Report) -> Markup {
    let header = &report.header;
    let hosts = counted(u64::from(header.hosts.len()), "host");
    let sign = match report.outcome {
        Outcome::Pass => "✓",
        Outcome::Unknown => "?",
        Outcome::Fail => "✗",
    };
    let end = match report.finished {
        Some(false) => None,
        Some(true) => Some("Stopped by the user before its end."),
        None => Some("Cut short: the history has no end."),
    };
    let word = words::outcome(report.outcome);
    let documented = words::verdict(header.documented);
    html! {
        header.banner.(word) {
            p.verdict { span aria-hidden="true" { (sign) } " " (word) }
            div {
                h1 { (header.plan) }
                p.question { (header.question) }
                p.meta {
                    (hosts) " · " (header.runtime) " runtime · seed " (header.seed) " · "
                    (header.started_at)
                    @if documented != word { " · documented verdict: " (documented) }
                }
                @if let Some(end) = end { p.meta { b { (end) } } }
            }
        }
    }
}

/// The figures that answer the question at a glance.
fn tiles(report: &Report) -> Markup {
    html! {
        div.tiles {
            @for kind in report.operations.keys() { (tile(report, *kind)) }
        }
    }
}

fn tile(report: &Report, kind: OperationKind) -> Markup {
    let (calm, faults) = (
        report.figures(Window::Calm, kind),
        report.figures(Window::Faults, kind),
    );
    let whole = report.operations.get(&kind).cloned().unwrap_or_default();
    let missed = whole.owed_served < whole.owed;
    html! {
        div.tile {
            p.of { (kind) " available" }
            p.value.missed[missed] { (percent(whole.availability_owed)) }
            table {
                thead { tr { th.text {} th { "calm" } th { "faults" } } }
                tbody {
                    tr {
                        th.text { "available" }
                        td { (percent(calm.availability_owed)) }
                        td { (percent(faults.availability_owed)) }
                    }
                    tr {
                        th.text { "p50" }
                        td { (duration(calm.p50_ms)) } td { (duration(faults.p50_ms)) }
                    }
                    tr {
                        th.text { "p99" }
                        td { (duration(calm.p99_ms)) } td { (duration(faults.p99_ms)) }
                    }
                }
            }
        }
    }
}

fn over_time(report: &Report) -> Markup {
    let Some(axis) = &report.axis else {
        return html! { section { h2 { "Over time" } p { "The clock never started." } } };
    };
    html! {
        section {
            h2 { "Over time" }
            p.note {
                "Seconds since the clock started, in steps of " (axis.width_us / 1_000_000)
                " s; an operation stands where it was meant to start. Faults are shaded: "
                (key("on-process", "of processes,")) (key("on-network", "of the network."))
                "However few operations were not served, they are drawn a few pixels tall. Point "
                "at a drawing for its figures."
            }
            div.time {
                (lanes::phases(report, axis))
                (lanes::faults(report, axis))
                (time_axis(axis))
                @for kind in report.series.keys() { (one_kind(report, axis, *kind)) }
                (matrix::hosts(report, axis))
                (time_axis(axis))
            }
        }
    }
}

fn one_kind(report: &Report, axis: &Axis, kind: OperationKind) -> Markup {
    html! { (heading(report, kind)) (charts(report, axis, kind)) (time_axis(axis)) }
}

fn hosts(report: &Report) -> Markup {
    html! {
        section {
            details {
                summary { h2 { "Hosts" } }
                div.scroll { (tables::hosts(report)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Phase;
    use crate::report::sample;

    fn page(with_mirrors: bool) -> String {
        let findings = sample::findings(with_mirrors);
        render(&Report::compose(&sample::outage(with_mirrors), findings))
    }

    #[test]
    fn the_page_refers_to_nothing_outside_itself() {
        let page = page(true);
        for outside in ["http:", "https:", "src=", "@import", "<link", "<script"] {
            assert!(!page.contains(outside), "`{outside}` is in the page");
        }
        let local = page.matches("url(#").count();
        assert_eq!(
            page.matches("url(").count(),
            local,
            "only patterns of its own"
        );
    }

    #[test]
    fn what_the_system_said_cannot_become_markup() {
        let page = page(false);
        assert!(page.contains("&lt;b&gt;a line &amp; its &quot;quotes&quot;&lt;/b&gt;"));
        assert!(!page.contains("<b>a line"));
    }

    #[test]
    fn an_outage_is_drawn_and_a_calm_run_has_none() {
        let failed = r#"<rect class="failed""#;
        let columns = page(false).matches(failed).count();
        assert!(
            columns >= 60,
            "30 s of outage for each kind: {columns} columns"
        );
        assert_eq!(page(true).matches(failed).count(), 0);
    }

    #[test]
    fn the_same_history_gives_the_same_page() {
        assert_eq!(page(false), page(false));
    }

    #[test]
    fn a_run_whose_phases_are_not_in_order_has_a_page_too() {
        let mut builder = sample::HistoryBuilder::new(2);
        builder.boot(20_000_000);
        builder.phase(5_000_000, Phase::Heal);
        builder.phase(6_000_000, Phase::Stop);
        let fault = builder.schedule("kill");
        builder.start_fault(9_000_000, fault, &["node-1"]);
        builder.stop_fault(3_000_000, fault);
        let page = render(&Report::compose(&builder.finish(60_000_000), vec![]));
        assert!(page.contains("kill-1"), "{page}");
    }

    #[test]
    fn a_run_that_never_got_ready_has_a_page_too() {
        let history = sample::HistoryBuilder::new(2).finish(1);
        let page = render(&Report::compose(&history, vec![]));
        assert!(page.contains("The clock never started."));
        assert!(page.contains("Cut short"));
    }
}
