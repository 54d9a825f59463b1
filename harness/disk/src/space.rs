//! How much more fits on a disk.
//!
//! Bytes are those of file lengths, not of blocks: what a person who sets a bound expects, and the
//! same on every file system underneath. Names are free, but a full disk takes no new ones.

/// The room that is left under the bound of a policy. The default is unbounded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Space {
    left: Option<u64>,
}

impl Space {
    /// Starts the count anew.
    pub(crate) fn set(&mut self, bound: Option<u64>) {
        self.left = bound;
    }

    /// What is left; none is no bound.
    pub(crate) fn left(&self) -> Option<u64> {
        self.left
    }

    pub(crate) fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    /// How much of a growth fits.
    pub(crate) fn fitting(&self, growth: u64) -> u64 {
        self.left.map_or(growth, |left| growth.min(left))
    }

    /// Books a file that was so long and is now so long.
    pub(crate) fn book(&mut self, before: u64, after: u64) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_add(before).saturating_sub(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_takes_room_and_shrinking_gives_it_back() {
        let mut space = Space::default();
        assert_eq!(space.fitting(u64::MAX), u64::MAX);
        space.book(0, 1_000);
        assert_eq!(space.left(), None);

        space.set(Some(100));
        assert_eq!(space.fitting(150), 100);
        space.book(500, 600);
        assert!(space.is_full());
        space.book(600, 590);
        assert_eq!(space.left(), Some(10));
        space.book(0, 50);
        assert!(space.is_full(), "what is taken anyway leaves no debt");
    }
}
