//! Looks a host over before a tracker is put on it, or when one is slow: what would keep it from
//! starting, what drops its clients' requests, and the command that cures each. It changes nothing.
//!
//! Read [`CHECKS`] first: every check is an entry there, and a function from a [`Scene`] to what
//! was seen. What files tell is read below a root that can be a made-up one; what only a live
//! system can tell is asked beforehand ([`live`]).

mod certificate;
mod clock;
mod conntrack;
mod cores;
mod domain;
pub mod finding;
mod holders;
pub mod host;
mod ipv6;
pub mod live;
mod memory;
mod ports;
mod process;
mod queues;
mod uring;

use crate::config::{Config, TlsFiles};
use finding::{Finding, Looked, Seen, Severity, Unseen};
use host::Host;
use live::Live;

/// What the operator wants to serve.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// As `serve` would be configured.
    pub config: Config,
    /// The certificate and key that were named, whether or not a port needs them.
    pub pair: Option<TlsFiles>,
    /// The public host that was named, without port.
    pub domain: Option<String>,
}

/// All that a check may look at.
#[derive(Debug)]
pub struct Scene {
    /// What is to be served.
    pub wanted: Wanted,
    /// What the system's files tell.
    pub host: Host,
    /// What was asked beforehand.
    pub live: Live,
}

/// One check.
pub struct Check {
    /// Its stable name.
    pub id: &'static str,
    /// Why what it finds matters.
    pub why: &'static str,
    look: fn(&Scene) -> Looked,
}

/// Every check, in the order in which it is told.
pub const CHECKS: &[Check] = &[
    Check {
        id: "port",
        why: "a port that another program has, or that we may not have, keeps serve from starting",
        look: ports::free,
    },
    Check {
        id: "local-port-range",
        why: "an outgoing connection may take a port of the range just before the tracker starts",
        look: ports::local_range,
    },
    Check {
        id: "ipv6",
        why: "half of the clients have IPv6, and a tracker without it does not see them",
        look: ipv6::is_there,
    },
    Check {
        id: "bindv6only",
        why: "serve keeps IPv4 and IPv6 sockets apart by itself; sockets of a systemd unit follow \
              the unit, or this",
        look: ipv6::only,
    },
    Check {
        id: "io-uring",
        why: "without io_uring each datagram costs system calls of its own, on epoll",
        look: uring::probe,
    },
    Check {
        id: "io-uring-disabled",
        why: "this parameter refuses io_uring to all (2) or to ordinary users (1)",
        look: uring::sysctl,
    },
    Check {
        id: "seccomp",
        why: "a filter that refuses io_uring_setup is how containers forbid io_uring",
        look: uring::seccomp,
    },
    Check {
        id: "open-files",
        why: "each TCP client takes a descriptor; when they run out, clients are turned away",
        look: process::open_files,
    },
    Check {
        id: "locked-memory",
        why: "some kernels count the memory of rings as locked",
        look: process::locked_memory,
    },
    Check {
        id: "memory",
        why: "a swarm store larger than the memory ends in the kernel killing the tracker",
        look: memory::fits,
    },
    Check {
        id: "udp-receive-buffer",
        why: "the kernel drops requests that come while the buffer is full, which it is in a burst",
        look: queues::receive_buffer,
    },
    Check {
        id: "udp-send-buffer",
        why: "replies wait in it while the network card is busy",
        look: queues::send_buffer,
    },
    Check {
        id: "listen-backlog",
        why: "connections beyond it are not answered until the client tries again, seconds later",
        look: queues::backlog,
    },
    Check {
        id: "netdev-backlog",
        why: "packets that a core has no time for wait in it, and are dropped when it is full",
        look: queues::netdev_backlog,
    },
    Check {
        id: "udp-drops",
        why: "a request that is dropped is a client without peers until it tries again",
        look: queues::drops,
    },
    Check {
        id: "receive-steering",
        why: "a card with fewer queues than there are cores has the other cores idle, unless the \
              kernel steers packets to them (RPS)",
        look: cores::steering,
    },
    Check {
        id: "softirq-spread",
        why: "one core that receives for all is where packets are dropped first",
        look: cores::spread,
    },
    Check {
        id: "conntrack-table",
        why: "when the table of connections is full, packets of new clients are dropped",
        look: conntrack::table,
    },
    Check {
        id: "conntrack-untracked",
        why: "each UDP client takes an entry for minutes and a lookup a packet, for nothing",
        look: conntrack::untracked,
    },
    Check {
        id: "clock-date",
        why: "a wrong date makes good certificates look expired, and books to the wrong day",
        look: clock::date,
    },
    Check {
        id: "clock-synchronised",
        why: "a clock that nobody sets drifts until the date is wrong",
        look: clock::synchronised,
    },
    Check {
        id: "certificate-pair",
        why: "serve does not start with a key that is not the certificate's",
        look: certificate::pair,
    },
    Check {
        id: "certificate-dates",
        why: "clients turn away from an expired certificate without a word",
        look: certificate::dates,
    },
    Check {
        id: "certificate-chain",
        why: "clients cannot verify a certificate whose issuer they neither know nor are sent",
        look: certificate::chain,
    },
    Check {
        id: "certificate-names",
        why: "clients turn away from a certificate that is for another name",
        look: certificate::names,
    },
    Check {
        id: "key-permissions",
        why: "who can read the key can pretend to be this tracker",
        look: certificate::permissions,
    },
    Check { id: "domain", why: "clients find the tracker by this name", look: domain::resolves },
    Check {
        id: "domain-answers",
        why: "clients try the addresses of the name in any order, and lose time or give up on one \
              that does not answer",
        look: domain::answers,
    },
];

/// Makes every check. A check that cannot look gives a note that says why.
pub fn examine(scene: &Scene) -> Vec<Finding> {
    CHECKS.iter().flat_map(|check| carry_out(check, scene)).collect()
}

fn carry_out(check: &Check, scene: &Scene) -> Vec<Finding> {
    let finding = |seen, has_looked| Finding { id: check.id, why: check.why, seen, has_looked };
    match (check.look)(scene) {
        Ok(seen) => seen.into_iter().map(|seen| finding(seen, true)).collect(),
        Err(Unseen(why)) => vec![finding(Seen::note(format!("could not look: {why}")), false)],
    }
}

/// The worst of the findings.
pub fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|finding| finding.seen.severity).max().unwrap_or(Severity::Ok)
}

#[cfg(test)]
mod tests;
