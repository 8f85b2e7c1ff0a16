//! In which order slots are looked at, and how their memory is asked for ahead of that.

/// Most lines, or units of slots, that a walk visits. It takes so many only among peers that have
/// expired and were not swept yet, or for leechers rarer than one in a segment.
const VISITS_MAX: usize = 65_536;
/// Lines, or units of slots, that are asked from memory ahead of those that are looked at.
const AHEAD: usize = 16;

/// The numbers below another in a random order, each once; the first [`VISITS_MAX`] of them.
///
/// A permutation of as many as the next power of two, of which those that are too large are passed
/// over: what goes through it is multiplied and folded twice, which can each be undone. A stride
/// would take fewer steps, but there are too few of them: a line behind crowded ones by most
/// strides would be met less often by one part in fifty.
#[derive(Clone)]
pub struct Shuffle {
    below: usize,
    mask: usize,
    fold: u32,
    factors: [usize; 2],
    offset: usize,
    next: usize,
    left: usize,
}

impl Shuffle {
    /// A random order of the numbers below `below`.
    pub fn new(below: usize, rng: &mut fastrand::Rng) -> Shuffle {
        let size = below.next_power_of_two();
        let (chance, offset) = (rng.u64(..), rng.u64(..) as usize);
        Shuffle {
            below,
            mask: size - 1,
            fold: size.ilog2().div_ceil(2),
            factors: [chance as u32 as usize | 1, (chance >> 32) as usize | 1],
            offset,
            next: 0,
            left: below.min(VISITS_MAX),
        }
    }
}

impl Iterator for Shuffle {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        loop {
            let mut number = self.next.wrapping_add(self.offset) & self.mask;
            self.next += 1;
            for factor in self.factors {
                number = number.wrapping_mul(factor) & self.mask;
                number ^= number >> self.fold;
            }
            if number < self.below {
                return Some(number);
            }
        }
    }
}

/// Slots that are asked from memory some steps before they are told, in the order they came.
pub struct Ahead<I, A> {
    slots: I,
    ask: A,
    asked: [usize; AHEAD],
    /// How many were asked for.
    count: usize,
    /// How many of those were told.
    told: usize,
}

impl<I: Iterator<Item = usize>, A: FnMut(usize)> Ahead<I, A> {
    /// Tells `slots` in their order; `ask` is called for each some steps before.
    pub fn new(slots: I, ask: A) -> Ahead<I, A> {
        let mut ahead = Ahead { slots, ask, asked: [0; AHEAD], count: 0, told: 0 };
        for _ in 0..AHEAD {
            ahead.ask_next();
        }
        ahead
    }

    fn ask_next(&mut self) {
        if let Some(slot) = self.slots.next() {
            (self.ask)(slot);
            self.asked[self.count % AHEAD] = slot;
            self.count += 1;
        }
    }
}

impl<I: Iterator<Item = usize>, A: FnMut(usize)> Iterator for Ahead<I, A> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let slot = (self.told < self.count).then(|| self.asked[self.told % AHEAD])?;
        self.told += 1;
        self.ask_next();
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn shuffle_tells_each_number_once_and_others_first_each_time() {
        for below in [1, 2, 3, 17, 64, 1_000] {
            let mut firsts = HashSet::new();
            for seed in 0..200 {
                let numbers: Vec<_> =
                    Shuffle::new(below, &mut fastrand::Rng::with_seed(seed)).collect();
                let distinct: HashSet<_> = numbers.iter().copied().collect();
                assert_eq!((numbers.len(), distinct.len()), (below, below));
                assert!(numbers.iter().all(|number| *number < below));
                firsts.insert(numbers[0]);
            }
            assert!(firsts.len() >= below.min(100) * 3 / 4, "{} of {below}", firsts.len());
        }
    }

    #[test]
    fn shuffle_ends_after_the_most_visits_there_may_be() {
        let mut rng = fastrand::Rng::with_seed(1);
        for below in [VISITS_MAX - 1, VISITS_MAX, VISITS_MAX + 1, 4 * VISITS_MAX + 1] {
            assert_eq!(Shuffle::new(below, &mut rng).count(), below.min(VISITS_MAX));
        }
    }

    #[test]
    fn slots_come_in_their_order_and_are_asked_for_ahead() {
        for count in [0, 1, AHEAD - 1, AHEAD, AHEAD + 1, 100] {
            let asked = RefCell::new(Vec::new());
            let mut told = Vec::new();
            for slot in Ahead::new(0..count, |slot| asked.borrow_mut().push(slot)) {
                told.push(slot);
                assert_eq!(asked.borrow().len(), (slot + 1 + AHEAD).min(count));
            }
            assert!(told.iter().copied().eq(0..count));
            assert_eq!(*asked.borrow(), told, "each once");
        }
    }
}
