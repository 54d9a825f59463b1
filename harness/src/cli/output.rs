//! Writing to the terminal, or to whoever reads instead. A reader that has gone away (`| head`) is
//! no trouble of ours: what it did not read is dropped, and the exit code says how things went.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes a whole text to standard output.
pub fn show(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// What is wrong with a folder that was asked for, without the number that the system has for it.
pub fn plainly(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such folder".to_owned(),
        io::ErrorKind::NotADirectory => "it is not a folder".to_owned(),
        _ => error.to_string(),
    }
}

/// Writes a line to standard error.
pub fn say(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
