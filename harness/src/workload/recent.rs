//! How the last operations ended, for conditions on what was observed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::history::OperationKind;

/// The longest time that is remembered.
const REMEMBERED: Duration = Duration::from_secs(120);

/// The most operations that are remembered.
const OPERATIONS_MAX: usize = 200_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Recent {
    ended: Mutex<VecDeque<(Instant, OperationKind, bool)>>,
}

impl Recent {
    /// An operation has just ended, well or not.
    pub fn note(&self, kind: OperationKind, served: bool) {
        let now = Instant::now();
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.push_back((now, kind, served));
        let old = |at: Instant| now.saturating_duration_since(at) > REMEMBERED;
        while ended.len() > OPERATIONS_MAX || ended.front().is_some_and(|one| old(one.0)) {
            ended.pop_front();
        }
    }

    /// The share of operations of a kind that were served, of those that ended within the last
    /// `over`; none when none did.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "at most OPERATIONS_MAX operations"
    )]
    pub fn availability(&self, kind: OperationKind, over: Duration) -> Option<f64> {
        let now = Instant::now();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut all, mut served) = (0u64, 0u64);
        for (at, one, well) in ended.iter().rev() {
            if now.saturating_duration_since(*at) > over {
                break;
            }
            if *one == kind {
                all += 1;
                served += u64::from(*well);
            }
        }
        (all > 0).then(|| served as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_ended_just_now_counts() {
        let recent = Recent::default();
        let over = Duration::from_secs(3);
        assert_eq!(recent.availability(OperationKind::Resolve, over), None);
        recent.note(OperationKind::Resolve, false);
        tokio::time::advance(Duration::from_secs(10)).await;
        recent.note(OperationKind::Resolve, true);
        recent.note(OperationKind::Resolve, true);
        recent.note(OperationKind::Register, false);
        recent.note(OperationKind::Resolve, false);
        let share = recent.availability(OperationKind::Resolve, over);
        assert!(share.is_some_and(|share| (share - 2.0 / 3.0).abs() < 1e-9));
    }
}
