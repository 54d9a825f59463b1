//! Slow start: whoever comes back takes up its work step by step, because everybody who missed it
//! comes back at once.

use std::time::Duration;
use tokio::{sync::Semaphore, time::sleep};

/// Between two steps.
const STEP: Duration = Duration::from_secs(1);

/// Takes permits away until `first` of `all` are left, and gives them back in steps of the sizes
/// given. Tells how many there are after each change.
pub async fn slow_start(
    permits: &Semaphore,
    (first, all): (usize, usize),
    steps: impl IntoIterator<Item = usize>,
    tell: impl Fn(usize),
) {
    // Permits in use cannot be taken away.
    let mut missing = permits.forget_permits(all - first);
    tell(all - missing);
    for step in steps {
        if missing == 0 {
            return;
        }
        sleep(STEP).await;
        let more = missing.min(step);
        permits.add_permits(more);
        missing -= more;
        tell(all - missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::RefCell, iter};

    #[tokio::test(start_paused = true)]
    async fn work_is_taken_up_in_steps_until_all_of_it_is() {
        let (permits, told) = (Semaphore::new(64), RefCell::default());
        let tell = |open| Vec::push(&mut told.borrow_mut(), open);
        let doubling = iter::successors(Some(8), |step| Some(step * 2));
        slow_start(&permits, (8, 64), doubling, tell).await;
        assert_eq!(*told.borrow(), [8, 16, 32, 64]);
        assert_eq!(permits.available_permits(), 64);
    }
}
