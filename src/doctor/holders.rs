//! The sockets of this host, and the programs that hold them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::finding::Unseen;
use super::host::Host;
use crate::limits::doctor as limits;

/// How the kernel writes that a TCP socket listens.
const LISTENING: &str = "0A";

/// A socket that takes clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Where.
    pub address: SocketAddr,
    /// Its number, by which it is found among the open files of a process.
    pub inode: u64,
    /// Datagrams that found its buffer full.
    pub drops: u64,
}

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its name, up to 15 bytes.
    pub name: String,
    /// The systemd service it belongs to.
    pub service: Option<String>,
}

/// The UDP sockets of both families.
///
/// # Errors
/// Why they cannot be read.
pub fn udp(host: &Host) -> Result<Vec<Socket>, Unseen> {
    table(host, ["/proc/net/udp", "/proc/net/udp6"], |_| true)
}

/// The TCP sockets that listen, of both families.
///
/// # Errors
/// As [`udp`].
pub fn tcp(host: &Host) -> Result<Vec<Socket>, Unseen> {
    table(host, ["/proc/net/tcp", "/proc/net/tcp6"], |state| state == LISTENING)
}

fn table(
    host: &Host,
    [four, six]: [&str; 2],
    counts: impl Fn(&str) -> bool,
) -> Result<Vec<Socket>, Unseen> {
    let mut text = host.text(four)?;
    // A kernel without IPv6 has no such file.
    if host.has(six) {
        text.push_str(&host.text(six)?);
    }
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let counted = lines.filter(|row| row.get(3).is_some_and(|state| counts(state)));
    Ok(counted.filter_map(|row| socket(&row)).collect())
}

/// A row: `sl local_address rem_address st queues timer retrnsmt uid timeout inode ref pointer
/// drops`, where the last one is UDP's.
fn socket(row: &[&str]) -> Option<Socket> {
    let (ip, port) = row.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Socket {
        address: SocketAddr::new(address(ip)?, port),
        inode: row.get(9)?.parse().ok()?,
        drops: row.get(12).and_then(|drops| drops.parse().ok()).unwrap_or(0),
    })
}

/// Words of 32 bits in the machine's order, in hexadecimal.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes[at * 4..][..4].copy_from_slice(&word(at)?);
            }
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
}

/// Which process holds each of `inodes`, as far as this user may see.
pub fn find(host: &Host, inodes: &[u64]) -> HashMap<u64, Holder> {
    let mut found = HashMap::new();
    let mut looked_at = 0;
    let processes = host.names("/proc").unwrap_or_default();
    for pid in processes.iter().filter_map(|name| name.parse::<u32>().ok()) {
        let served = found.values().filter(|holder: &&Holder| holder.pid != 1).count();
        if looked_at >= limits::OPEN_FILES_MAX || served == inodes.len() {
            break;
        }
        let folder = format!("/proc/{pid}/fd");
        for file in host.names(&folder).unwrap_or_default() {
            looked_at += 1;
            let Ok(target) = std::fs::read_link(host.path(&format!("{folder}/{file}"))) else {
                continue;
            };
            let number = target.to_str().and_then(|target| {
                target.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
            });
            if let Some(inode) = number.filter(|inode| inodes.contains(inode)) {
                // systemd keeps the sockets it hands out; who serves them is the one to name.
                let keeps_other = found.get(&inode).is_some_and(|other: &Holder| other.pid != 1);
                if !keeps_other {
                    found.insert(inode, holder(host, pid));
                }
            }
        }
    }
    found
}

fn holder(host: &Host, pid: u32) -> Holder {
    let name = host.text(&format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    let group = host.text(&format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let service = group.trim().rsplit('/').next().filter(|unit| unit.ends_with(".service"));
    Holder { pid, name, service: service.map(str::to_owned) }
}
