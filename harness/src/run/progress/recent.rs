//! What became of the operations of the last few seconds, in slots of a tenth of a second.
//!
//! The load looks back over one second, live availability over five. What is older is forgotten,
//! so the memory is bounded however long the run is.

use std::collections::{BTreeMap, VecDeque};

use crate::history::OperationKind;

/// Length of one slot, microseconds.
const SLOT_US: u64 = 100_000;

/// Slots that the load looks back over.
const SLOTS_LOAD: u64 = 10;

/// Slots that live availability looks back over.
const SLOTS_AVAILABILITY: u64 = 50;

/// See the module.
#[derive(Debug, Default)]
pub struct Recent {
    slots: VecDeque<Slot>,
}

/// The operations that completed within one slot.
#[derive(Debug)]
struct Slot {
    number: u64,
    kinds: BTreeMap<OperationKind, Served>,
}

/// How many operations completed, and how many of them were served.
#[derive(Clone, Copy, Debug, Default)]
struct Served {
    all: u64,
    served: u64,
}

impl Recent {
    /// Counts an operation that completed now. Time never goes back.
    pub fn add(&mut self, now_us: u64, kind: OperationKind, served: bool) {
        let counted = self.slot(now_us / SLOT_US).kinds.entry(kind).or_default();
        counted.all += 1;
        counted.served += u64::from(served);
    }

    /// Operations completed within the last second.
    #[must_use]
    pub fn load(&self, now_us: u64) -> u64 {
        self.within(now_us, SLOTS_LOAD)
            .map(|(_, served)| served.all)
            .sum()
    }

    /// The served share of the operations completed of late, for each kind that has any.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of five seconds are small"
    )]
    pub fn availability(&self, now_us: u64) -> BTreeMap<OperationKind, f64> {
        let mut kinds: BTreeMap<OperationKind, Served> = BTreeMap::new();
        for (kind, served) in self.within(now_us, SLOTS_AVAILABILITY) {
            let sum = kinds.entry(kind).or_default();
            sum.all += served.all;
            sum.served += served.served;
        }
        kinds
            .into_iter()
            .map(|(kind, sum)| (kind, sum.served as f64 / sum.all as f64))
            .collect()
    }

    /// The counts of the last so many slots.
    fn within(&self, now_us: u64, slots: u64) -> impl Iterator<Item = (OperationKind, Served)> {
        let now = now_us / SLOT_US;
        self.slots
            .iter()
            .filter(move |slot| slot.number + slots > now)
            .flat_map(|slot| slot.kinds.iter().map(|(kind, served)| (*kind, *served)))
    }

    /// The slot with this number, with those that are too old taken out.
    fn slot(&mut self, number: u64) -> &mut Slot {
        while self
            .slots
            .front()
            .is_some_and(|slot| slot.number + SLOTS_AVAILABILITY <= number)
        {
            self.slots.pop_front();
        }
        if self.slots.back().is_none_or(|slot| slot.number < number) {
            self.slots.push_back(Slot {
                number,
                kinds: BTreeMap::new(),
            });
        }
        self.slots
            .back_mut()
            .expect("one was added if there was none")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn what_is_remembered_is_recent_and_bounded() {
        let mut recent = Recent::default();
        for step in 0..1000 {
            recent.add(step * SECOND / 10, OperationKind::Resolve, step < 975);
        }
        let now = 999 * SECOND / 10;
        assert_eq!(recent.slots.len() as u64, SLOTS_AVAILABILITY);
        assert_eq!(recent.load(now), 10);
        assert!((recent.availability(now)[&OperationKind::Resolve] - 0.5).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_said_of_a_time_without_operations() {
        let mut recent = Recent::default();
        recent.add(0, OperationKind::Update, true);
        assert_eq!(recent.load(10 * SECOND), 0);
        assert!(recent.availability(10 * SECOND).is_empty());
    }
}
