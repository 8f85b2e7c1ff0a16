//! How often somebody may try: wrong passwords by name and network, and everything else that a
//! stranger could do at will by network. It is a delay that is told, never a connection that is
//! held.

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

/// Wrong passwords for one name, from one network. As for accounts that there are, see
/// [`db::login_failures`](crate::db::login_failures): a name that nobody has is no different.
pub const PASSWORDS: Rate = Rate { tries: 5, secs: 900 };
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
    /// Seconds until `key` may try again; `None` when it may.
    pub fn wait(&self, key: &str, rate: Rate, now: i64) -> Option<u64> {
        let tries = self.lock();
        let (count, end) = tries.get(key)?;
        (*count >= rate.tries && *end > now).then(|| end.abs_diff(now))
    }

    /// Counts a try.
    pub fn count(&self, key: String, rate: Rate, now: i64) {
        Self::add(&mut self.lock(), key, rate, now);
    }

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
        for now in 0..3 {
            assert_eq!(throttle.wait("a", rate, now), None);
            throttle.count("a".to_owned(), rate, now);
        }
        assert_eq!(throttle.wait("a", rate, 10), Some(92));
        assert_eq!(throttle.wait("b", rate, 10), None);
        assert_eq!(throttle.wait("a", rate, 102), None);
        throttle.count("a".to_owned(), rate, 102);
        assert_eq!(throttle.wait("a", rate, 103), None, "a new span");
        let once = Rate { tries: 1, secs: 9 };
        assert_eq!(throttle.try_once("c".to_owned(), once, 0), Ok(()));
        assert_eq!(throttle.try_once("c".to_owned(), once, 1), Err(8));
    }

    #[test]
    fn strangers_do_not_grow_it() {
        let throttle = Throttle::default();
        for number in 0..=KEYS_MAX {
            throttle.count(number.to_string(), SIGN_INS, 0);
        }
        assert!(throttle.tries.lock().unwrap().len() <= KEYS_MAX);
    }
}
