//! Connection ids of BEP 15 that need no table.
//!
//! **Threat.** Without an id, anybody could announce with somebody else's source address: put a
//! victim into swarms, or make the tracker send it large replies. The id proves that its sender
//! receives what is sent to its address.
//!
//! **Layout.** 8 bytes, network order:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | when it was handed out, in seconds of this process's clock |
//! | 4 | 4 | SipHash-2-4 of that time and the address, under a 128-bit secret, truncated |
//!
//! **Attacker's odds.** A forged id is right with a chance of 2⁻³². At 100,000 guesses a second,
//! one is right every 12 hours, for one address and two minutes.
//!
//! **Duty of the caller.** The address is the canonical one, so that `::ffff:1.2.3.4` and 1.2.3.4
//! are one client. A refusal must not be longer than what it answers.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::clock::Now;

/// Seconds for which an id is good: BEP 15 has trackers accept it until two minutes after it was
/// sent.
const VALID_SECS: u32 = 120;

/// Makes connection ids and knows its own again.
#[derive(Clone)]
pub struct ConnectionIds {
    keyed: SipHasher24,
}

impl std::fmt::Debug for ConnectionIds {
    /// Keeps the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConnectionIds")
    }
}

impl ConnectionIds {
    /// With a secret from the operating system, another one in each process.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn random() -> Result<ConnectionIds, getrandom::Error> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)?;
        Ok(ConnectionIds { keyed: SipHasher24::new_with_key(&secret) })
    }

    /// An id for `source`.
    pub fn issue(&self, now: Now, source: IpAddr) -> u64 {
        u64::from(now.secs()) << 32 | u64::from(self.hash(now.secs(), source))
    }

    /// Whether `id` was issued to `source` within the last two minutes.
    pub fn is_valid(&self, now: Now, source: IpAddr, id: u64) -> bool {
        let (issued, hash) = ((id >> 32) as u32, id as u32);
        // An id from the future wraps to a very great age.
        now.secs().wrapping_sub(issued) <= VALID_SECS && self.hash(issued, source) == hash
    }

    fn hash(&self, issued: u32, source: IpAddr) -> u32 {
        let mut hasher = self.keyed;
        hasher.write_u32(issued);
        match source {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            IpAddr::V6(ip) => hasher.write(&ip.octets()),
        }
        hasher.finish() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUED: Now = Now::from_secs(1_000);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn id_is_good_for_two_minutes_and_not_before_its_time() {
        let ids = ConnectionIds::random().unwrap();
        let id = ids.issue(ISSUED, ip("192.0.2.1"));
        for (secs, is_valid) in [(999, false), (1_000, true), (1_120, true), (1_121, false)] {
            assert_eq!(ids.is_valid(Now::from_secs(secs), ip("192.0.2.1"), id), is_valid, "{secs}");
        }
    }

    #[test]
    fn id_is_good_for_its_address_alone() {
        let ids = ConnectionIds::random().unwrap();
        for (issued_to, used_from) in
            [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2"), ("192.0.2.1", "::1")]
        {
            let id = ids.issue(ISSUED, ip(issued_to));
            assert!(ids.is_valid(ISSUED, ip(issued_to), id));
            assert!(!ids.is_valid(ISSUED, ip(used_from), id), "{issued_to} {used_from}");
        }
    }

    #[test]
    fn id_of_another_process_is_worth_nothing() {
        let [ours, theirs] = [ConnectionIds::random().unwrap(), ConnectionIds::random().unwrap()];
        let source = ip("192.0.2.1");
        assert!(!ours.is_valid(ISSUED, source, theirs.issue(ISSUED, source)));
    }

    #[test]
    fn one_wrong_bit_spoils_an_id() {
        let ids = ConnectionIds::random().unwrap();
        let source = ip("192.0.2.1");
        let id = ids.issue(ISSUED, source);
        for bit in 0..64 {
            assert!(!ids.is_valid(ISSUED, source, id ^ 1 << bit), "bit {bit}");
        }
    }
}
