//! Which members share a torrent, as far as that can be known and they let it be known.
//!
//! A live address is linked to a member only if in the time that counts nobody else, whoever it
//! may be, has signed in from it, or, over IPv6, from its /64. Whoever opted out or was disabled
//! still counts as somebody: otherwise opting out would pin one's own doings on a neighbour.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use crate::db::users::{SignIn, household as network};

/// The members behind `live` addresses, each with seconds since it was last seen: name, and the
/// least of these seconds, the last seen first.
pub fn members(live: &[(IpAddr, u32)], sign_ins: &[SignIn]) -> Vec<(String, u32)> {
    let mut by_network: HashMap<IpAddr, Vec<&SignIn>> = HashMap::new();
    for sign_in in sign_ins {
        by_network.entry(network(sign_in.ip)).or_default().push(sign_in);
    }
    let mut members: BTreeMap<i64, (u32, &str)> = BTreeMap::new();
    for (ip, age) in live {
        let Some(there) = by_network.get(&network(*ip)) else { continue };
        let is_alone = there.iter().all(|other| other.user_id == there[0].user_id);
        let from_here = there.iter().find(|sign_in| sign_in.ip.to_canonical() == ip.to_canonical());
        if let (true, Some(member)) = (is_alone, from_here)
            && member.is_eligible
        {
            let seen = members.entry(member.user_id).or_insert((*age, &member.username));
            seen.0 = seen.0.min(*age);
        }
    }
    let mut members: Vec<_> = members.into_values().collect();
    members.sort_unstable();
    members.into_iter().map(|(age, name)| (name.to_owned(), age)).collect()
}

/// Seconds as a while ago: `just now`, `5m ago`, `2h 3m ago`, `1d 4h ago`.
pub fn ago(secs: u32) -> String {
    let (days, hours, minutes) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => "just now".to_owned(),
        (0, 0, _) => format!("{minutes}m ago"),
        (0, ..) => format!("{hours}h {minutes}m ago"),
        _ => format!("{days}d {hours}h ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_in(ip: &str, user_id: i64, is_eligible: bool) -> SignIn {
        let username = format!("user{user_id}");
        SignIn { ip: ip.parse().unwrap(), user_id, username, is_eligible }
    }

    fn found(live: &[(&str, u32)], sign_ins: &[SignIn]) -> Vec<String> {
        let live: Vec<_> = live.iter().map(|(ip, age)| (ip.parse().unwrap(), *age)).collect();
        members(&live, sign_ins).into_iter().map(|(name, age)| format!("{name} {age}")).collect()
    }

    #[test]
    fn address_of_one_member_alone_is_linked() {
        let sign_ins = [sign_in("192.0.2.1", 1, true), sign_in("192.0.2.2", 2, true)];
        let live = [("192.0.2.1", 90), ("192.0.2.2", 5), ("192.0.2.3", 1)];
        assert_eq!(found(&live, &sign_ins), ["user2 5", "user1 90"]);
    }

    #[test]
    fn address_of_two_is_never_linked_whatever_either_chose() {
        for eligible in [(true, true), (true, false), (false, true), (false, false)] {
            let sign_ins =
                [sign_in("192.0.2.1", 1, eligible.0), sign_in("192.0.2.1", 2, eligible.1)];
            assert!(found(&[("192.0.2.1", 0)], &sign_ins).is_empty(), "{eligible:?}");
        }
        assert!(found(&[("192.0.2.1", 0)], &[sign_in("192.0.2.1", 1, false)]).is_empty());
    }

    #[test]
    fn ipv6_links_by_address_and_doubts_by_network() {
        let one = sign_in("2001:db8::1", 1, true);
        assert_eq!(found(&[("2001:db8::1", 3)], std::slice::from_ref(&one)), ["user1 3"]);
        assert!(found(&[("2001:db8::2", 3)], std::slice::from_ref(&one)).is_empty());
        let neighbour = sign_in("2001:db8::9", 2, false);
        assert!(found(&[("2001:db8::1", 3)], &[one, neighbour]).is_empty());
    }

    #[test]
    fn member_is_listed_once_with_the_last_time() {
        let sign_ins = [sign_in("192.0.2.1", 1, true), sign_in("192.0.2.2", 1, true)];
        assert_eq!(found(&[("192.0.2.1", 90), ("192.0.2.2", 5)], &sign_ins), ["user1 5"]);
    }

    #[test]
    fn while_ago_is_told_in_two_units() {
        let told = [59, 60, 3_599, 3_661, 90_000].map(ago);
        assert_eq!(told, ["just now", "1m ago", "59m ago", "1h 1m ago", "1d 1h ago"]);
    }
}
