//! The tables of the report: findings, operations, faults, hosts, and what the run was.

use maud::{Markup, html};

use crate::check::{FaultFigures, Finding, OperationFigures, Outcome};
use crate::report::summary::{fault_recovery, fault_times, fault_words};
use crate::report::usage::mebibytes;
use crate::report::words::{self, NONE, count, duration, percent};
use crate::report::{HostStrip, Report, UsageFigures, Window};

/// Most targets of a fault that are named.
const TARGETS_MAX: usize = 8;

/// What each checker found, the evidence of what did not pass unfolded.
#[must_use]
pub fn findings(report: &Report) -> Markup {
    html! {
        @for finding in &report.findings {
            details.finding.(words::outcome(finding.outcome))
                open[finding.outcome != Outcome::Pass && !finding.evidence.is_empty()] {
                (finding_head(finding))
                @if !finding.evidence.is_empty() {
                    ul.evidence { @for line in &finding.evidence { li { (line) } } }
                }
            }
        }
        @if report.findings.is_empty() { p { "Nothing was judged." } }
    }
}

fn finding_head(finding: &Finding) -> Markup {
    html! {
        summary {
            span.tag.(words::outcome(finding.outcome)) { (words::outcome(finding.outcome)) }
            b { (finding.checker) } " " (finding.summary)
        }
    }
}

/// The figures of each kind of operation, by part of the timeline.
#[must_use]
pub fn operations(report: &Report) -> Markup {
    let parts = [
        ("calm", Window::Calm),
        ("during faults", Window::Faults),
        ("after", Window::After),
    ];
    html! {
        table {
            thead { tr {
                th.text { "operation" } th { "started" } th { "ok" } th { "fail" }
                th { "unknown" } th { "stale" } th { "owed" } th { "available" } th { "raw" }
                th { "p50" } th { "p90" } th { "p99" } th { "max" }
            } }
            @for (kind, figures) in &report.operations {
                tbody {
                    (operation_row(kind.word(), "whole", figures))
                    @for (word, window) in parts {
                        (operation_row(word, "part", &report.figures(window, *kind)))
                    }
                }
            }
        }
    }
}

fn operation_row(word: &str, class: &str, figures: &OperationFigures) -> Markup {
    let missed = figures.owed_served < figures.owed;
    html! {
        tr.(class) {
            th.text scope="row" { (word) }
            td { (count(figures.invoked)) } td { (count(figures.ok)) }
            td { (count(figures.fail)) } td { (count(figures.unknown)) }
            td { (count(figures.stale)) } td { (count(figures.owed)) }
            td.missed[missed] { (percent(figures.availability_owed)) }
            td { (percent(figures.availability_raw)) }
            td { (duration(figures.p50_ms)) } td { (duration(figures.p90_ms)) }
            td { (duration(figures.p99_ms)) } td { (duration(figures.max_ms)) }
        }
    }
}

/// What was asked for of each fault beside what was measured, and how soon it was over for users.
#[must_use]
pub fn faults(report: &Report) -> Markup {
    html! {
        table {
            thead { tr {
                th.text { "fault" } th.text { "asked for" } th.text { "aimed at" }
                th.text { "hit" } th.text { "active" } th { "first success" } th { "stable" }
                th.text { "measured" } th.text { "proved" }
            } }
            tbody { @for fault in &report.faults { (fault_row(fault)) } }
        }
    }
}

fn fault_row(fault: &FaultFigures) -> Markup {
    let (class, word) = match fault.proved {
        Some(true) => ("pass", "yes"),
        Some(false) => ("fail", "no"),
        None => ("unknown", "not measured"),
    };
    let [first_success, stable] = fault_recovery(fault);
    html! {
        tr {
            th.text scope="row" { (fault.id) }
            td.text { (fault_words(fault)) }
            td.text { (fault.aimed_at) }
            td.text { (targets(fault)) }
            td.text.whole { (fault_times(fault)) }
            td { (first_success) } td { (stable) }
            td.text.wide { (fault.proof) }
            td.text { span.tag.(class) { (word) } }
        }
    }
}

/// The names of those hit, cut short when they are many.
fn targets(fault: &FaultFigures) -> String {
    let names: Vec<&str> = fault
        .targets
        .iter()
        .take(TARGETS_MAX)
        .map(|host| host.0.as_str())
        .collect();
    match fault.targets.len() {
        0 => NONE.to_owned(),
        all if all > TARGETS_MAX => format!("{} and {} more", names.join(", "), all - TARGETS_MAX),
        _ => names.join(", "),
    }
}

/// Every host with its processes and what the last of them used.
#[must_use]
pub fn hosts(report: &Report) -> Markup {
    html! {
        table {
            thead { tr {
                th.text { "host" } th.text { "address" } th.text { "processes" }
                th { "memory (PSS)" } th { "CPU" }
            } }
            tbody { @for strip in &report.strips { (host_row(report, strip)) } }
        }
    }
}

fn host_row(report: &Report, strip: &HostStrip) -> Markup {
    let usage = report.host_usage.get(&strip.host);
    let memory = usage.map(|one| format!("{:.1} MiB", mebibytes(one.pss_bytes)));
    let cpu = usage.map(|one| crate::report::usage::milliseconds(one.cpu_us));
    let hosts = &report.header.hosts;
    let address = hosts
        .find(&strip.host)
        .map(|index| hosts.get(index).address.to_string());
    let pids: Vec<String> = strip.pids.iter().map(u32::to_string).collect();
    html! {
        tr {
            th.text scope="row" { (strip.host) }
            td.text { (address.unwrap_or_default()) }
            td.text { (pids.join(" → ")) }
            td { (memory.unwrap_or_else(|| NONE.to_owned())) }
            td { (duration(cpu)) }
        }
    }
}

/// How long things took and what they used, as a list of terms.
#[must_use]
pub fn figures(report: &Report) -> Markup {
    let timings = &report.timings;
    let terms = [
        ("boot to all ready", timings.boot_ms),
        ("timeline", timings.timeline_ms),
        ("heal", timings.heal_ms),
        ("settle", timings.settle_ms),
        ("slowest change of all links", timings.links_changed_max_ms),
        ("whole run", Some(timings.run_ms)),
    ];
    html! {
        dl {
            @for (term, ms) in terms {
                div { dt { (term) } dd { (duration(ms)) } }
            }
            @if let Some(usage) = &report.usage { (used(usage)) }
        }
    }
}

fn used(usage: &UsageFigures) -> Markup {
    let median = format!("{:.1} MiB", usage.node_pss_median_mib);
    let max = format!("{:.1} MiB", usage.node_pss_max_mib);
    html! {
        div { dt { "memory of a node (PSS)" } dd { (median) ", at most " (max) } }
        div {
            dt { "CPU of a node" }
            dd {
                (duration(Some(usage.node_cpu_median_ms))) ", at most "
                (duration(Some(usage.node_cpu_max_ms)))
            }
        }
        div { dt { "CPU of all hosts" } dd { (duration(Some(usage.hosts_cpu_ms))) } }
        div { dt { "CPU of the harness" } dd { (duration(Some(usage.harness_cpu_ms))) } }
        div { dt { "CPU of the fabric" } dd { (duration(Some(usage.fabric_cpu_ms))) } }
    }
}

/// What the run was and how to repeat it.
#[must_use]
pub fn repeat(report: &Report) -> Markup {
    let header = &report.header;
    let terms = [
        ("seed", header.seed.to_string()),
        ("runtime", header.runtime.clone()),
        ("harness", header.version.clone()),
        ("kernel", header.kernel.clone()),
        ("processors", header.processors.to_string()),
        ("started", header.started_at.clone()),
    ];
    html! {
        pre { code { (header.command) } }
        dl { @for (term, text) in terms { div { dt { (term) } dd { (text) } } } }
        p.note {
            "The same plan and seed give the same schedule and the same random choices; the "
            "processes are real, so their timing is not repeated exactly."
        }
    }
}
