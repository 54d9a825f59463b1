//! The two bugs that make a process answer nobody for a while: `stay-closed-after-restart` and
//! `stop-serving-when-loaded`.

use super::{Bug, Bugs};
use std::{sync::Mutex, time::Duration};
use tokio::time::Instant;

/// How long a restarted process stays closed.
const CLOSED_AFTER_RESTART: Duration = Duration::from_secs(60);
/// With more requests under way than this a mirror is loaded. A sound one handles 64 at once, and a
/// burst of look-ups on one name reaches this number.
const LOADED: usize = 8;
/// How long a loaded mirror stops serving.
const STOPPED: Duration = Duration::from_secs(10);

/// Whether a process takes requests.
#[derive(Debug)]
pub struct Door {
    bugs: Bugs,
    started: Instant,
    restarted: bool,
    stopped_until: Mutex<Option<Instant>>,
}

impl Door {
    /// The door of a process that starts now; `restarted` if it found its store.
    #[must_use]
    pub fn new(bugs: Bugs, restarted: bool) -> Self {
        Self {
            bugs,
            started: Instant::now(),
            restarted,
            stopped_until: Mutex::new(None),
        }
    }

    /// True if the process found its store at its start.
    #[must_use]
    pub fn was_restarted(&self) -> bool {
        self.restarted
    }

    /// True if a request is not taken because the process was restarted a moment ago.
    #[must_use]
    pub fn is_closed(&self, now: Instant) -> bool {
        self.restarted
            && self.bugs.on(Bug::StayClosedAfterRestart)
            && now < self.started + CLOSED_AFTER_RESTART
            && self.bugs.bites(Bug::StayClosedAfterRestart)
    }

    /// True if a request is not taken, with so many under way, itself included: the door is closed,
    /// or the load has made the mirror stop.
    #[must_use]
    pub fn turns_away(&self, under_way: usize, now: Instant) -> bool {
        self.is_closed(now) || self.is_stopped(under_way, now)
    }

    fn is_stopped(&self, under_way: usize, now: Instant) -> bool {
        // Switching the bug off heals it at once.
        if !self.bugs.on(Bug::StopServingWhenLoaded) {
            return false;
        }
        let mut until = self
            .stopped_until
            .lock()
            .expect("no one panics while holding the door");
        if until.is_some_and(|until| now < until) {
            return true;
        }
        let stops = under_way > LOADED && self.bugs.bites(Bug::StopServingWhenLoaded);
        *until = stops.then(|| now + STOPPED);
        stops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::PublicKey;

    fn door(bug: Option<&str>, restarted: bool) -> (Door, Instant) {
        let planted: Vec<_> = bug.iter().map(|bug| bug.parse().expect("a bug")).collect();
        let door = Door::new(Bugs::new(true, &planted, PublicKey([1; 32])), restarted);
        let started = door.started;
        (door, started)
    }

    #[test]
    fn only_a_restarted_process_with_the_bug_stays_closed_and_only_for_a_minute() {
        for (bug, restarted, closed) in [
            (Some("stay-closed-after-restart"), true, true),
            (Some("stay-closed-after-restart"), false, false),
            (None, true, false),
        ] {
            let (door, started) = door(bug, restarted);
            assert_eq!(door.turns_away(1, started), closed);
            assert_eq!(
                door.turns_away(1, started + CLOSED_AFTER_RESTART / 2),
                closed
            );
            assert!(!door.turns_away(1, started + CLOSED_AFTER_RESTART));
            let bitten = door.bugs.bitten(Bug::StayClosedAfterRestart);
            assert_eq!(bitten, if closed { 2 } else { 0 });
        }
    }

    #[test]
    fn only_a_loaded_mirror_with_the_bug_stops_and_only_for_ten_seconds() {
        for (bug, under_way, stops) in [
            (Some("stop-serving-when-loaded"), LOADED + 1, true),
            (Some("stop-serving-when-loaded"), LOADED, false),
            (None, LOADED + 1, false),
        ] {
            let (door, now) = door(bug, false);
            assert_eq!(door.turns_away(under_way, now), stops);
            assert_eq!(door.turns_away(1, now + STOPPED / 2), stops);
            assert!(!door.turns_away(1, now + STOPPED));
            let bitten = door.bugs.bitten(Bug::StopServingWhenLoaded);
            assert_eq!(bitten, u64::from(stops));
        }
    }
}
