//! Judging a run folder and writing its reports; shared by every command that does so.
//!
//! Everything is computed from the history alone, by the checkers and renderers of today, so a
//! run is judged the same way right after it and years later.

use std::fs::File;
use std::io::{BufReader, ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::output::{plainly, say, show};
use crate::check;
use crate::exit::Exit;
use crate::history::{History, HistoryError};
use crate::report::{Report, html, junit, markdown, summary, verdict_json};
use crate::run::{RunError, RunFolder};

/// A run folder that cannot be judged.
#[derive(Debug, Error)]
pub enum JudgeError {
    /// There is no such folder.
    #[error(
        "{path} is no run folder: {}\n  help: a run leaves a folder below reports/, or where \
         --out said",
        plainly(source)
    )]
    NoFolder {
        /// As given.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The folder has no history.
    #[error("{path} has no events.jsonl: it is not the folder of a run, or the run never began")]
    NoHistory {
        /// The folder.
        path: PathBuf,
    },
    /// The history cannot be opened.
    #[error("could not read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is there and is not a history.
    #[error("{path}: {source}")]
    NotAHistory {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: HistoryError,
    },
    /// A report cannot be written.
    #[error(transparent)]
    Write(#[from] RunError),
}

impl JudgeError {
    /// Says what is wrong, and tells a wrong argument from trouble of the harness.
    pub fn report(&self) -> Exit {
        say(format_args!("harness: {self}"));
        match self {
            JudgeError::NoFolder { .. }
            | JudgeError::NoHistory { .. }
            | JudgeError::NotAHistory { .. } => Exit::Usage,
            JudgeError::Unreadable { .. } | JudgeError::Write(_) => Exit::Trouble,
        }
    }
}

/// Opens the folder of a run that is over.
pub fn open(path: &Path) -> Result<RunFolder, JudgeError> {
    RunFolder::open(path).map_err(|source| JudgeError::NoFolder {
        path: path.to_owned(),
        source,
    })
}

/// Reads the history back and judges it.
pub fn judge(folder: &RunFolder) -> Result<Report, JudgeError> {
    let path = folder.display().join("events.jsonl");
    let file = File::open(folder.events()).map_err(|source| match source.kind() {
        ErrorKind::NotFound => JudgeError::NoHistory {
            path: folder.display(),
        },
        _ => JudgeError::Unreadable {
            path: path.clone(),
            source,
        },
    })?;
    let history = History::read(BufReader::new(file)).map_err(|source| match source {
        HistoryError::Io(source) if source.kind() != ErrorKind::InvalidData => {
            JudgeError::Unreadable {
                path: path.clone(),
                source,
            }
        }
        source => JudgeError::NotAHistory {
            path: path.clone(),
            source,
        },
    })?;
    let findings = check::judge(&history);
    Ok(Report::compose(&history, findings))
}

/// Writes every report into the folder.
pub fn write_reports(folder: &RunFolder, report: &Report) -> Result<(), JudgeError> {
    folder.write("verdict.json", &verdict_json::render(report))?;
    folder.write("report.html", &html::render(report))?;
    folder.write("report.md", &markdown::render(report))?;
    folder.write("junit.xml", &junit::render(report))?;
    Ok(())
}

/// Judges, writes every report, and shows the summary; the verdict is the exit code.
pub fn judge_and_show(folder: &RunFolder) -> Result<Exit, JudgeError> {
    let report = judge(folder)?;
    write_reports(folder, &report)?;
    show_summary(folder, &report);
    Ok(report.outcome.into())
}

/// The summary on the terminal.
pub fn show_summary(folder: &RunFolder, report: &Report) {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = std::io::stdout().is_terminal() && !no_color;
    let page = folder.display().join("report.html");
    show(&summary::render(report, &page, colour));
}
