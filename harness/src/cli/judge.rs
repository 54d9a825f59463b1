//! Judging a run folder and writing its reports; shared by every command that does so.

use std::fs::File;
use std::io::{BufReader, IsTerminal, Write};

use crate::check;
use crate::exit::Exit;
use crate::history::History;
use crate::report::{Report, html, summary, verdict_json};
use crate::run::{RunError, RunFolder};

/// Reads the history back, judges it, and writes every report.
pub fn judge(folder: &RunFolder) -> Result<Exit, RunError> {
    let path = folder.events();
    let file = File::open(&path).map_err(|source| RunError::Write { path, source })?;
    let history = History::read(BufReader::new(file))?;
    let findings = check::judge(&history);
    let outcome = check::verdict(&findings);
    let report = Report::compose(&history, findings);
    folder.write("verdict.json", &verdict_json::render(&report))?;
    folder.write("report.html", &html::render(&report))?;
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let page = folder.display().join("report.html");
    show(&summary::render(&report, &page, colour));
    Ok(outcome.into())
}

/// Writes to standard output; a reader that has gone away is no trouble of ours.
fn show(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
