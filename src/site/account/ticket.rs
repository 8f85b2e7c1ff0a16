//! What somebody holds whose password was right, while their second factor is asked for. Kept in
//! memory: it is worth nothing after five minutes, or a restart.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::site::session::Token;

/// How long it is worth something.
const LASTS_SECS: i64 = 300;
/// Codes that may be tried with it.
const TRIES_MAX: u32 = 5;
/// Most that are out; further ones take the place of all.
const TICKETS_MAX: usize = 10_000;

/// Those that are out, by the hash of each.
#[derive(Debug, Default)]
pub struct Tickets {
    out: Mutex<HashMap<[u8; 32], Ticket>>,
}

/// For whom one is.
#[derive(Clone, Debug)]
struct Ticket {
    user_id: i64,
    username: String,
    end: i64,
    tries: u32,
}

impl Tickets {
    /// Gives one out. `None` when the system gives no randomness.
    pub fn give(&self, user_id: i64, username: &str, now: i64) -> Option<Token> {
        let token = Token::random()?;
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if out.len() >= TICKETS_MAX {
            out.retain(|_, ticket| ticket.end > now);
            if out.len() >= TICKETS_MAX {
                out.clear();
            }
        }
        let username = username.to_owned();
        let ticket = Ticket { user_id, username, end: now + LASTS_SECS, tries: 0 };
        out.insert(token.hash(), ticket);
        Some(token)
    }

    /// For whom one is: id and name; counts a try. `None` when it is worth nothing.
    pub fn look(&self, token: &Token, now: i64) -> Option<(i64, String)> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = out.get_mut(&token.hash())?;
        ticket.tries += 1;
        let is_good = ticket.end > now && ticket.tries <= TRIES_MAX;
        is_good.then(|| (ticket.user_id, ticket.username.clone()))
    }

    /// Takes all back: the accounts they are for may be other ones now.
    pub fn clear(&self) {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Takes one back, once it has served.
    pub fn take(&self, token: &Token) {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).remove(&token.hash());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticket_is_good_for_five_tries_in_five_minutes() {
        let tickets = Tickets::default();
        let token = tickets.give(7, "ann", 100).unwrap();
        for _ in 0..5 {
            assert_eq!(tickets.look(&token, 399), Some((7, "ann".to_owned())));
        }
        assert_eq!(tickets.look(&token, 399), None);
        let late = tickets.give(7, "ann", 100).unwrap();
        assert_eq!(tickets.look(&late, 400), None);
        let served = tickets.give(7, "ann", 100).unwrap();
        tickets.take(&served);
        assert_eq!(tickets.look(&served, 101), None);
        assert_eq!(tickets.look(&Token::random().unwrap(), 101), None);
    }
}
