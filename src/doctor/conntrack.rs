//! The kernel's table of connections: whether it may run full, and whether the tracker's datagrams
//! are kept out of it.

use std::io::{BufRead, BufReader, Read};

use super::Scene;
use super::finding::{Cure, Looked, Seen, Unseen, grouped};
use crate::limits::doctor as limits;

const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
const MAX: &str = "net.netfilter.nf_conntrack_max";
const TABLE: &str = "/proc/net/nf_conntrack";
/// Entries below which a busy host should not be: 64 bits of memory cost 320 bytes an entry, so
/// these take 80 MB.
const USUAL_MAX: u64 = 262_144;

pub fn table(scene: &Scene) -> Looked {
    if !scene.host.has(COUNT) {
        return Ok(vec![Seen::ok("this kernel tracks no connections")]);
    }
    let (count, most): (u64, u64) = (scene.host.value(COUNT)?, scene.host.sysctl(MAX)?);
    let share = count.saturating_mul(100) / most.max(1);
    let is = format!("{} of {} entries are taken ({share} %)", grouped(count), grouped(most));
    let cure = Cure::sysctl(MAX, most.saturating_mul(4).max(USUAL_MAX));
    Ok(vec![match share {
        90.. => Seen::error(is, cure),
        70..90 => Seen::warning(is, cure),
        _ => Seen::ok(is),
    }])
}

pub fn untracked(scene: &Scene) -> Looked {
    let Some(port) = scene.wanted.config.net.udp_port else {
        return Ok(vec![Seen::ok("UDP is off")]);
    };
    if !scene.host.has(COUNT) {
        return Ok(vec![Seen::ok("this kernel tracks no connections")]);
    }
    if scene.host.value::<u64>(COUNT)? == 0 {
        return Ok(vec![Seen::ok("no connection is tracked at present")]);
    }
    // Rules cannot be read from files; what they do can be.
    let table = scene.host.open(TABLE).map_err(|Unseen(why)| {
        Unseen(format!("{why}; the table of connections is for root's eyes"))
    })?;
    let tracked = entries_of(table, port)?;
    Ok(vec![if tracked == 0 {
        Seen::ok(format!("no entry in the table is of UDP port {port}"))
    } else {
        let is = format!("{} entries in the table are of UDP port {port}", grouped(tracked));
        Seen::warning(is, untrack(port))
    }])
}

/// How many entries lead to a UDP port, within bounds.
fn entries_of(table: impl Read, port: u16) -> Result<u64, Unseen> {
    let wanted = format!("dport={port}");
    let mut found = 0;
    let bound = limits::FILE_LEN_MAX * 8;
    for line in BufReader::new(table.take(bound)).lines().take(limits::CONNTRACK_LINES_MAX) {
        let line = line.map_err(|error| Unseen(format!("{TABLE}: {error}")))?;
        let is_udp = line.split_ascii_whitespace().any(|word| word == "udp");
        // The first one is of the direction in which the connection began.
        let leads_to = line.split_ascii_whitespace().find(|word| word.starts_with("dport="));
        found += u64::from(is_udp && leads_to == Some(wanted.as_str()));
    }
    Ok(found)
}

/// Keeps a UDP port out of the table, in a table of rules of its own.
fn untrack(port: u16) -> Cure {
    let rules = format!(
        "table inet wildkat {{ \
         chain prerouting {{ type filter hook prerouting priority raw; \
         udp dport {port} notrack; }} \
         chain output {{ type filter hook output priority raw; udp sport {port} notrack; }} }}"
    );
    Cure::both(
        format!("echo '{rules}' | nft -f -"),
        "nft list table inet wildkat >>/etc/nftables.conf && systemctl enable nftables",
    )
}
