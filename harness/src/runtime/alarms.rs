//! Alarming lines of a host's log: what a process writes when it breaks in a way that no program
//! plans for. An error that a program logs and goes on from is not alarming.
//!
//! Memory, time and the number of lines are bounded. A log that is too long to be read whole is
//! itself reported, because what was not read cannot be called sound.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// What an alarming line contains: Rust's runtime writes these.
const SIGNS: [&str; 5] = [
    "panicked at",
    "fatal runtime error",
    "has overflowed its stack",
    "stack overflow",
    "memory allocation of",
];

/// Most lines that are reported of one log.
const LINES_MAX: usize = 10;

/// The most bytes of a line that are reported.
const LINE_BYTES_MAX: usize = 300;

/// The most bytes of a line that are looked at in one piece.
const PIECE_BYTES_MAX: u64 = 64 * 1024;

/// The most bytes of a log that are read.
const LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The alarming lines of a log. A log that is not there has none: its host never started.
pub fn of_file(path: &Path) -> Vec<String> {
    let read = match File::open(path) {
        Ok(file) => scan(BufReader::new(file), LOG_BYTES_MAX),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    read.unwrap_or_else(|error| vec![format!("(the log could not be read: {error})")])
}

/// The alarming lines of the first `bytes_max` bytes.
fn scan(log: impl BufRead, bytes_max: u64) -> io::Result<Vec<String>> {
    let mut log = log.take(bytes_max);
    let mut alarms = Vec::new();
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let read = (&mut log)
            .take(PIECE_BYTES_MAX)
            .read_until(b'\n', &mut piece)?;
        if read == 0 {
            break;
        }
        if !is_alarming(&piece) {
            continue;
        }
        if alarms.len() == LINES_MAX {
            alarms.push("(more such lines are in the log)".to_owned());
            return Ok(alarms);
        }
        alarms.push(shown(&piece));
    }
    let mut log = log.into_inner();
    if !log.fill_buf()?.is_empty() {
        alarms.push(format!(
            "(the log is longer than the {bytes_max} bytes that were read)"
        ));
    }
    Ok(alarms)
}

fn is_alarming(line: &[u8]) -> bool {
    let contains = |sign: &str| line.windows(sign.len()).any(|part| part == sign.as_bytes());
    SIGNS.iter().any(|sign| contains(sign))
}

/// A line as it is reported: short, and without anything that a terminal would obey.
fn shown(line: &[u8]) -> String {
    let line = &line[..line.len().min(LINE_BYTES_MAX)];
    let text = String::from_utf8_lossy(line);
    let visible = text.trim_end().chars();
    visible
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarms(log: &str) -> Vec<String> {
        scan(log.as_bytes(), LOG_BYTES_MAX).expect("memory can be read")
    }

    #[test]
    fn a_panic_is_alarming_and_an_error_is_not() {
        let log = "12 INFO ready\n13 ERROR the registry cannot be reached\n\
                   thread 'main' panicked at src/lib.rs:1:2:\nindex out of bounds\n";
        assert_eq!(alarms(log), ["thread 'main' panicked at src/lib.rs:1:2:"]);
        assert_eq!(alarms("13 ERROR the registry cannot be reached\n"), [""; 0]);
    }

    #[test]
    fn an_overflowed_stack_is_alarming() {
        let log = "\nthread 'main' (7) has overflowed its stack\nfatal runtime error: stack \
                   overflow, aborting";
        assert_eq!(alarms(log).len(), 2);
    }

    #[test]
    fn a_storm_of_panics_is_reported_in_bounded_length() {
        let line = format!("panicked at {}\u{1b}[31m\n", "x".repeat(2 * LINE_BYTES_MAX));
        let all = alarms(&line.repeat(1000));
        assert_eq!(all.len(), LINES_MAX + 1);
        assert!(
            all.iter().all(|line| line.len() <= LINE_BYTES_MAX),
            "{all:?}"
        );
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_shown() {
        assert_eq!(alarms("\u{1b}[31mpanicked at a\n"), [" [31mpanicked at a"]);
    }

    #[test]
    fn a_log_that_is_not_read_whole_is_itself_an_alarm() {
        let all = scan("sound\nsound\n".as_bytes(), 6).expect("memory can be read");
        assert_eq!(all, ["(the log is longer than the 6 bytes that were read)"]);
        let exact = scan("sound\n".as_bytes(), 6).expect("memory can be read");
        assert!(exact.is_empty());
    }

    #[test]
    fn a_host_that_never_started_has_no_alarms() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(of_file(&folder.path().join("log")).is_empty());
    }
}
