//! How often a network may try what a stranger could do at will: a delay that is told, never a
//! connection that is held. Wrong passwords for one name are counted in
//! [`db::login_failures`](crate::db::login_failures).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keys that are kept; when there are more, those whose time is over go, and if that does not help
/// all: a flood from so many networks is not stopped here.
const KEYS_MAX: usize = 20_000;

/// So many in so long.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Free tries.
    pub tries: u32,
    /// Seconds after which they are there again.
    pub secs: i64,
}

/// Wrong passwords for any name, from one network.
pub const SIGN_INS: Rate = Rate { tries: 30, secs: 600 };
/// New accounts from one network.
pub const SIGN_UPS: Rate = Rate { tries: 10, secs: 3600 };

/// Counts tries.
#[derive(Debug, Default)]
pub struct Throttle {
    /// By key, tries in the present span, and its end.
    tries: Mutex<HashMap<String, (u32, i64)>>,
}

impl Throttle {
    fn add(tries: &mut HashMap<String, (u32, i64)>, key: String, rate: Rate, now: i64) {
        if tries.len() >= KEYS_MAX {
            tries.retain(|_, (_, end)| *end > now);
            if tries.len() >= KEYS_MAX {
                tries.clear();
            }
        }
        let entry = tries.entry(key).or_insert((0, now + rate.secs));
        if entry.1 <= now {
            *entry = (0, now + rate.secs);
        }
        entry.0 += 1;
        if entry.0 >= rate.tries {
            entry.1 = now + rate.secs;
        }
    }

    /// Counts a try, unless there is none left; in how many seconds there is one then.
    ///
    /// # Errors
    /// Those seconds.
    pub fn try_once(&self, key: String, rate: Rate, now: i64) -> Result<(), u64> {
        let mut tries = self.lock();
        let exhausted = tries.get(&key).filter(|(count, end)| *count >= rate.tries && *end > now);
        if let Some((_, end)) = exhausted {
            return Err(end.abs_diff(now));
        }
        Self::add(&mut tries, key, rate, now);
        Ok(())
    }

    /// Takes a try back: it was no wrong one.
    pub fn take_back(&self, key: &str) {
        if let Some((count, _)) = self.lock().get_mut(key) {
            *count = count.saturating_sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (u32, i64)>> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_run_out_and_come_back() {
        let throttle = Throttle::default();
        let rate = Rate { tries: 3, secs: 100 };
        let try_once = |key: &str, now| throttle.try_once(key.to_owned(), rate, now);
        for now in 0..3 {
            assert_eq!(try_once("a", now), Ok(()));
        }
        assert_eq!(try_once("a", 10), Err(92));
        assert_eq!(try_once("b", 10), Ok(()));
        throttle.take_back("a");
        assert_eq!((try_once("a", 11), try_once("a", 12)), (Ok(()), Err(99)));
        assert_eq!(try_once("a", 111), Ok(()), "a new span");
        throttle.take_back("nobody");
    }

    #[test]
    fn strangers_do_not_grow_it() {
        let throttle = Throttle::default();
        for number in 0..=KEYS_MAX {
            throttle.try_once(number.to_string(), SIGN_INS, 0).unwrap();
        }
        assert!(throttle.tries.lock().unwrap().len() <= KEYS_MAX);
    }
}
