//! The run folder: where everything of one run lands. File names live here and nowhere else.
//!
//! `reports/README.md` says what each file is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::RunError;

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder: the given one, or a new one below `reports/`.
    ///
    /// # Errors
    /// When it cannot be made, or is there already with something in it.
    pub fn create(out: Option<&Path>, plan: &str, seed: u64) -> Result<RunFolder, RunError> {
        let path = out.map_or_else(|| default_path(plan, seed), Path::to_owned);
        let write = |source| RunError::Write {
            path: path.clone(),
            source,
        };
        let in_use = fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some());
        if in_use {
            return Err(RunError::FolderInUse { path });
        }
        fs::create_dir_all(path.join("hosts")).map_err(write)?;
        let path = path.canonicalize().map_err(write)?;
        Ok(RunFolder { path })
    }

    /// The folder of a run that is over.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn open(path: &Path) -> io::Result<RunFolder> {
        let path = path.canonicalize()?;
        if path.is_dir() {
            Ok(RunFolder { path })
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder as a person in the current directory would write it.
    #[must_use]
    pub fn display(&self) -> PathBuf {
        let here = std::env::current_dir().unwrap_or_default();
        self.path
            .strip_prefix(&here)
            .map_or_else(|_| self.path.clone(), Path::to_owned)
    }

    /// The folders of all hosts.
    #[must_use]
    pub fn hosts(&self) -> PathBuf {
        self.path.join("hosts")
    }

    /// The history.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// The packets, when they are captured.
    #[must_use]
    pub fn packets(&self) -> PathBuf {
        self.path.join("fabric.pcapng")
    }

    /// The page.
    #[must_use]
    pub fn page(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// Writes one of the run's files whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), RunError> {
        let path = self.path.join(name);
        fs::write(&path, text).map_err(|source| RunError::Write { path, source })
    }
}

fn default_path(plan: &str, seed: u64) -> PathBuf {
    let stamp: String = humantime::format_rfc3339_millis(SystemTime::now())
        .to_string()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    PathBuf::from("reports").join(format!("{stamp}-{plan}-{seed}"))
}
