//! When connections have had their time: one wheel a worker, turned by its tick.
//!
//! A connection's timer is a node of a doubly linked list, one list for each slot of the wheel.
//! Putting a deadline off, which each request does, writes one number; the node moves only when
//! its slot comes round and the deadline has not.

use std::time::Duration;

/// How exact the timers are.
pub const TICK: Duration = Duration::from_millis(100);
/// Slots of the wheel: 51 seconds. Longer deadlines go round more than once.
const SLOTS: usize = 512;
const NONE: u32 = u32::MAX;

/// The timers of as many connections as there are, by their number.
pub struct Timers {
    heads: Box<[u32; SLOTS]>,
    nodes: Vec<Node>,
    /// Ticks that have passed.
    turned: u64,
}

#[derive(Clone, Copy)]
struct Node {
    previous: u32,
    next: u32,
    /// The slot it is in; `NONE` when it is in none.
    slot: u32,
    /// The tick it is in the wheel for.
    set_for: u64,
    /// The tick at which time is up, never before `set_for`.
    due: u64,
}

const IDLE: Node = Node { previous: NONE, next: NONE, slot: NONE, set_for: 0, due: 0 };

impl Default for Timers {
    fn default() -> Timers {
        Timers { heads: Box::new([NONE; SLOTS]), nodes: Vec::new(), turned: 0 }
    }
}

impl Timers {
    /// Lets time be up for connection `index` at `moment`, instead of when it was before.
    pub fn set(&mut self, index: u32, moment: Duration) {
        if self.nodes.len() <= index as usize {
            self.nodes.resize(index as usize + 1, IDLE);
        }
        // Rounded up: never too early.
        let due = tick_of(moment) + 1;
        let node = &mut self.nodes[index as usize];
        node.due = due;
        if node.slot == NONE || due < node.set_for {
            self.unlink(index);
            self.link(index, due.max(self.turned + 1));
        }
    }

    /// Forgets the timer of connection `index`.
    pub fn clear(&mut self, index: u32) {
        if (index as usize) < self.nodes.len() {
            self.unlink(index);
        }
    }

    /// Turns the wheel to `moment`, and appends those whose time is up to `expired`.
    pub fn turn(&mut self, moment: Duration, expired: &mut Vec<u32>) {
        let until = tick_of(moment);
        // After a long sleep, once round meets every node there is.
        let first = (self.turned + 1).max((until + 1).saturating_sub(SLOTS as u64));
        self.turned = self.turned.max(until);
        for tick in first..=until {
            let mut index = std::mem::replace(&mut self.heads[slot(tick)], NONE);
            while index != NONE {
                let node = self.nodes[index as usize];
                self.nodes[index as usize].slot = NONE;
                if node.due <= until {
                    expired.push(index);
                } else {
                    self.link(index, node.due);
                }
                index = node.next;
            }
        }
    }

    fn link(&mut self, index: u32, tick: u64) {
        let slot = slot(tick);
        let next = std::mem::replace(&mut self.heads[slot], index);
        if next != NONE {
            self.nodes[next as usize].previous = index;
        }
        let due = self.nodes[index as usize].due;
        self.nodes[index as usize] =
            Node { previous: NONE, next, slot: slot as u32, set_for: tick, due };
    }

    fn unlink(&mut self, index: u32) {
        let Node { previous, next, slot, .. } = self.nodes[index as usize];
        if slot == NONE {
            return;
        }
        match previous {
            NONE => self.heads[slot as usize] = next,
            previous => self.nodes[previous as usize].next = next,
        }
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        self.nodes[index as usize].slot = NONE;
    }
}

fn tick_of(moment: Duration) -> u64 {
    (moment.as_millis() / TICK.as_millis()) as u64
}

fn slot(tick: u64) -> usize {
    tick as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn expired(timers: &mut Timers, millis: u64) -> Vec<u32> {
        let mut expired = Vec::new();
        timers.turn(Duration::from_millis(millis), &mut expired);
        expired.sort_unstable();
        expired
    }

    #[test]
    fn time_is_up_within_a_tick_after_the_moment_and_never_before() {
        let mut timers = Timers::default();
        timers.set(3, Duration::from_millis(250));
        assert!(expired(&mut timers, 250).is_empty());
        assert_eq!(expired(&mut timers, 300), [3]);
        assert!(expired(&mut timers, 60_000).is_empty(), "only once");
    }

    #[test]
    fn deadlines_move_both_ways_and_go_away() {
        let mut timers = Timers::default();
        for index in 0..4 {
            timers.set(index, Duration::from_secs(10));
        }
        timers.set(0, Duration::from_secs(20));
        timers.set(1, Duration::from_secs(5));
        timers.clear(2);
        assert_eq!(expired(&mut timers, 5_100), [1]);
        assert_eq!(expired(&mut timers, 10_100), [3]);
        assert_eq!(expired(&mut timers, 20_100), [0]);
    }

    #[test]
    fn deadlines_longer_than_the_wheel_and_long_sleeps() {
        let mut timers = Timers::default();
        timers.set(0, Duration::from_mins(10));
        timers.set(1, Duration::from_secs(1));
        assert_eq!(expired(&mut timers, 300_000), [1]);
        assert!(expired(&mut timers, 599_900).is_empty());
        assert_eq!(expired(&mut timers, 600_100), [0]);
    }

    proptest! {
        #[test]
        fn wheel_agrees_with_a_list(
            steps in proptest::collection::vec((0u8..3, 0u32..8, 0u64..100_000), 1..200),
        ) {
            let (mut timers, mut list, mut now) = (Timers::default(), BTreeMap::new(), 0);
            for (what, index, millis) in steps {
                match what {
                    0 => {
                        timers.set(index, Duration::from_millis(now + millis));
                        list.insert(index, (now + millis) / 100 + 1);
                    }
                    1 => {
                        timers.clear(index);
                        list.remove(&index);
                    }
                    _ => {
                        now += millis;
                        let up: Vec<u32> =
                            list.iter().filter(|(_, due)| **due <= now / 100).map(|(i, _)| *i)
                                .collect();
                        list.retain(|index, _| !up.contains(index));
                        prop_assert_eq!(expired(&mut timers, now), up);
                    }
                }
            }
        }
    }
}
