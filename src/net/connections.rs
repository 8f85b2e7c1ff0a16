//! How many TCP connections may be open: in all, and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

/// Counts the open connections of all workers. Asked once a connection, never per request.
#[derive(Debug)]
pub struct Connections {
    total_max: usize,
    per_source_max: usize,
    exempt: Vec<IpNet>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// The right to keep one connection open; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    connections: Arc<Connections>,
    source: IpAddr,
}

impl Connections {
    /// Allows `total_max` connections, and `per_source_max` from one source, but for the networks
    /// in `exempt`: proxies, behind which many clients are.
    pub fn new(total_max: usize, per_source_max: usize, exempt: Vec<IpNet>) -> Connections {
        Connections { total_max, per_source_max, exempt, open: Mutex::default() }
    }

    /// Asks to open one from `ip`; `None` when a cap is reached.
    pub fn open(self: &Arc<Connections>, ip: IpAddr) -> Option<Permit> {
        let source = source(ip);
        // A poisoned count is off by one at most.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let from_source = open.by_source.get(&source).copied().unwrap_or(0);
        let is_over = from_source >= self.per_source_max && !self.is_exempt(ip);
        if open.total >= self.total_max || is_over {
            return None;
        }
        open.total += 1;
        open.by_source.insert(source, from_source + 1);
        Some(Permit { connections: self.clone(), source })
    }

    /// Asks whether one that a proxy opened may go on as that of the client `ip`, who `permit` is
    /// for from then on. The proxy opened it, so the total stays as it is.
    pub fn pass_on(self: &Arc<Connections>, permit: &mut Permit, ip: IpAddr) -> bool {
        let source = source(ip);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let from_source = open.by_source.get(&source).copied().unwrap_or(0);
        if source != permit.source && from_source >= self.per_source_max && !self.is_exempt(ip) {
            return false;
        }
        *open.by_source.entry(source).or_default() += 1;
        open.forget(permit.source);
        permit.source = source;
        true
    }

    fn is_exempt(&self, ip: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(&ip))
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        open.forget(self.source);
    }
}

impl Open {
    /// One less from `source`.
    fn forget(&mut self, source: IpAddr) {
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

/// One customer's share of the address space: an IPv4 address, or an IPv6 /64.
fn source(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn caps_let_the_last_one_in_and_not_the_next() {
        let connections = Arc::new(Connections::new(3, 2, Vec::new()));
        let first = connections.open(ip("192.0.2.1"));
        let second = connections.open(ip("192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(connections.open(ip("192.0.2.1")).is_none(), "third from one address");
        let third = connections.open(ip("192.0.2.2"));
        assert!(third.is_some());
        assert!(connections.open(ip("192.0.2.3")).is_none(), "fourth in all");
        drop(first);
        assert!(connections.open(ip("192.0.2.1")).is_some(), "after one was closed");
    }

    #[test]
    fn ipv6_neighbours_share_a_cap() {
        let connections = Arc::new(Connections::new(10, 1, Vec::new()));
        let _first = connections.open(ip("2001:db8::1"));
        assert!(connections.open(ip("2001:db8::ffff:2")).is_none());
        assert!(connections.open(ip("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn proxies_are_bound_by_the_whole_alone() {
        let exempt = vec!["10.0.0.0/8".parse().unwrap()];
        let connections = Arc::new(Connections::new(2, 1, exempt));
        let first = connections.open(ip("10.0.0.1"));
        let second = connections.open(ip("10.0.0.1"));
        assert!(first.is_some() && second.is_some());
        assert!(connections.open(ip("10.0.0.1")).is_none());
    }

    #[test]
    fn clients_that_a_proxy_names_are_bound_each_by_its_own_cap() {
        let exempt = vec!["10.0.0.0/8".parse().unwrap()];
        let connections = Arc::new(Connections::new(3, 1, exempt));
        let [mut first, mut second, mut third] =
            [(); 3].map(|()| connections.open(ip("10.0.0.1")).unwrap());
        assert!(connections.pass_on(&mut first, ip("192.0.2.1")));
        assert!(connections.pass_on(&mut first, ip("192.0.2.1")), "who it is already");
        assert!(!connections.pass_on(&mut second, ip("192.0.2.1")));
        assert!(connections.pass_on(&mut third, ip("10.0.0.2")), "a proxy behind the proxy");
        drop(first);
        assert!(connections.pass_on(&mut second, ip("192.0.2.1")));
        assert_eq!(connections.count(), 2);
        drop((second, third));
        assert!(connections.open.lock().unwrap().by_source.is_empty());
    }

    #[test]
    fn nothing_is_remembered_of_closed_connections() {
        let connections = Arc::new(Connections::new(10, 10, Vec::new()));
        drop((connections.open(ip("192.0.2.1")), connections.open(ip("::1"))));
        assert_eq!(connections.count(), 0);
        assert!(connections.open.lock().unwrap().by_source.is_empty());
    }
}
