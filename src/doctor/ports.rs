//! Whether the ports that are to be served can be had.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::Scene;
use super::finding::{Cure, Looked, Seen, Severity, Unseen};
use super::holders::{self, Holder, Socket};
use super::host::nonsense;

/// The right to have ports of the system, as a bit of `CapEff`: CAP_NET_BIND_SERVICE.
const MAY_BIND_LOW: u64 = 1 << 10;

/// A port that is to be served.
pub struct Port {
    /// `udp` or `tcp`.
    pub protocol: &'static str,
    /// Its number.
    pub number: u16,
    /// The flag that moves it.
    pub flag: &'static str,
    /// Taken when this one cannot be had.
    otherwise: Option<u16>,
}

/// The ports that are to be served.
pub fn wanted(scene: &Scene) -> Vec<Port> {
    let (net, web) = (&scene.wanted.config.net, &scene.wanted.config.web);
    [
        ("udp", net.udp_port, "--udp-port", None),
        ("tcp", net.http_port, "--http-port", None),
        ("tcp", net.https_port, "--https-port", None),
        ("tcp", web.http_port, "--web-http-port", web.http_port_otherwise),
        ("tcp", web.https_port, "--web-https-port", None),
    ]
    .into_iter()
    .filter_map(|(protocol, number, flag, otherwise)| {
        let number = number.filter(|number| *number != 0)?;
        Some(Port { protocol, number, flag, otherwise })
    })
    .collect()
}

pub fn free(scene: &Scene) -> Looked {
    let tables = [holders::udp(&scene.host)?, holders::tcp(&scene.host)?];
    let hosts = &scene.wanted.config.net.hosts;
    let ports = wanted(scene);
    let takers: Vec<Option<&Socket>> = ports
        .iter()
        .map(|port| {
            let table = &tables[usize::from(port.protocol == "tcp")];
            table.iter().find(|socket| is_in_the_way(socket.address, hosts, port.number))
        })
        .collect();
    let inodes: Vec<u64> = takers.iter().flatten().map(|socket| socket.inode).collect();
    let holders = holders::find(&scene.host, &inodes);
    let mut seen = Vec::new();
    for (port, taker) in ports.iter().zip(takers) {
        let found = match taker {
            Some(socket) => taken(port, socket, &holders),
            None => privilege(scene, port)?,
        };
        seen.push(found.about(format!("{} {}", port.protocol, port.number)));
    }
    Ok(seen)
}

/// Whether a socket at `address` keeps us from `port` at one of `hosts`. One for all of IPv6 may
/// take IPv4 too; files do not tell.
fn is_in_the_way(address: SocketAddr, hosts: &[IpAddr], port: u16) -> bool {
    let ip = address.ip();
    address.port() == port
        && hosts.iter().any(|host| {
            let is_same_family = ip.is_ipv4() == host.is_ipv4();
            let overlaps = ip == *host || ip.is_unspecified() || host.is_unspecified();
            (is_same_family && overlaps) || (ip.is_ipv6() && ip.is_unspecified())
        })
}

fn taken(port: &Port, socket: &Socket, holders: &HashMap<u64, Holder>) -> Seen {
    let Port { number, flag, otherwise, .. } = port;
    let most = if otherwise.is_some() { Severity::Note } else { Severity::Error };
    let other = otherwise.map(|port| format!("; {port} will be taken instead")).unwrap_or_default();
    let address = socket.address;
    let Some(Holder { pid, name, service }) = holders.get(&socket.inode) else {
        let is = format!("{address} is in use by a program that this user may not see{other}");
        let cure = Cure::lasting(format!("sudo ss -lnp 'sport = :{number}'"));
        return Seen::error(is, cure).at_most(most);
    };
    if ["wildkat", "tracker_server"].contains(&name.as_str()) {
        return Seen::ok(format!(
            "{address} is held by {name} (process {pid}): a tracker runs here"
        ));
    }
    if *pid == 1 {
        return Seen::ok(format!("{address} is held by {name}, to hand it to the service"));
    }
    let cure = match service {
        Some(service) => {
            Cure::both(format!("systemctl stop {service}"), format!("systemctl disable {service}"))
        }
        None => Cure::both(format!("kill {pid}"), format!("wildkat serve {flag} PORT")),
    };
    let is = format!("{address} is in use by {name} (process {pid}){other}");
    Seen::error(is, cure).at_most(most)
}

/// Whether this process may have a port that is free.
fn privilege(scene: &Scene, port: &Port) -> Result<Seen, Unseen> {
    let first: u16 = scene.host.sysctl("net.ipv4.ip_unprivileged_port_start").unwrap_or(1024);
    if port.number >= first {
        return Ok(Seen::ok("it is free"));
    }
    let path = "/proc/self/status";
    let text = scene.host.text(path)?;
    let rights = text.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let rights = rights.and_then(|rights| u64::from_str_radix(rights.trim(), 16).ok());
    if rights.ok_or_else(|| nonsense(path, "no line CapEff:"))? & MAY_BIND_LOW != 0 {
        return Ok(Seen::ok("it is free, and this user may have it"));
    }
    let program = scene.live.program.display();
    let cure = Cure::lasting(format!("setcap cap_net_bind_service=+ep {program}"));
    Ok(match port.otherwise {
        Some(other) => {
            let is = format!("it is free, and not for ordinary users; {other} will be taken");
            Seen { cure: Some(cure), ..Seen::note(is) }
        }
        None => Seen::error(format!("ports below {first} are not for ordinary users"), cure),
    })
}

pub fn local_range(scene: &Scene) -> Looked {
    let path = "net.ipv4.ip_local_port_range";
    let text: String = scene.host.text(&format!("/proc/sys/{}", path.replace('.', "/")))?;
    let numbers: Vec<u16> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [low, high] = numbers[..] else { return Err(nonsense(path, &text)) };
    let reserved = "net.ipv4.ip_local_reserved_ports";
    let kept = scene.host.sysctl::<String>(reserved).unwrap_or_default();
    let in_range: Vec<u16> = wanted(scene)
        .iter()
        .map(|port| port.number)
        .filter(|port| (low..=high).contains(port) && !is_listed(&kept, *port))
        .collect();
    if in_range.is_empty() {
        return Ok(vec![Seen::ok(format!("outgoing connections are from {low} to {high}"))]);
    }
    let mut list: Vec<String> = in_range.iter().map(u16::to_string).collect();
    list.dedup();
    let is = format!("outgoing connections may take {} ({low} to {high})", list.join(" and "));
    let all: Vec<String> =
        Some(kept).filter(|kept| !kept.is_empty()).into_iter().chain(list).collect();
    Ok(vec![Seen::warning(is, Cure::sysctl(reserved, all.join(",")))])
}

/// Whether `port` is in a list like `80,6000-7000`.
fn is_listed(list: &str, port: u16) -> bool {
    list.split(',').any(|range| {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let bounds = low.parse::<u16>().ok().zip(high.parse::<u16>().ok());
        bounds.is_some_and(|(low, high)| (low..=high).contains(&port))
    })
}
