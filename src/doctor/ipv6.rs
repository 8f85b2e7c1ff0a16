//! Whether there is IPv6, and what sockets of it take.

use std::net::IpAddr;

use super::Scene;
use super::finding::{Cure, Looked, Seen};

const ADDRESSES: &str = "/proc/net/if_inet6";
/// The scope of addresses that everybody can reach, in the fourth column.
const GLOBAL: &str = "00";

pub fn is_there(scene: &Scene) -> Looked {
    let is_wanted = scene.wanted.config.net.hosts.iter().any(IpAddr::is_ipv6);
    if !scene.host.has(ADDRESSES) {
        let is = "this kernel has no IPv6";
        return Ok(vec![if is_wanted {
            Seen::error(is, Cure::both("modprobe ipv6", "echo ipv6 >/etc/modules-load.d/ipv6.conf"))
        } else {
            Seen::ok(format!("{is}, and it is not asked for"))
        }]);
    }
    let disabled: u8 = scene.host.sysctl("net.ipv6.conf.all.disable_ipv6")?;
    if disabled != 0 && is_wanted {
        let cure = Cure::sysctl("net.ipv6.conf.all.disable_ipv6", 0);
        return Ok(vec![Seen::error("IPv6 is turned off", cure)]);
    }
    let text = scene.host.text(ADDRESSES)?;
    let is_global = |line: &&str| line.split_whitespace().nth(3) == Some(GLOBAL);
    let global = text.lines().filter(is_global).count();
    Ok(vec![match (is_wanted, global) {
        (true, 0) => {
            Seen::note("IPv6 is asked for, and this host has no address that others reach")
        }
        (false, 1..) => Seen {
            cure: Some(Cure::lasting("wildkat serve --ipv6")),
            ..Seen::note("this host has IPv6, and serve is not asked to listen on it")
        },
        (true, _) => Seen::ok(format!("this host has {global} IPv6 addresses that others reach")),
        (false, 0) => Seen::ok("this host has no IPv6 address that others reach"),
    }])
}

pub fn only(scene: &Scene) -> Looked {
    if !scene.host.has(ADDRESSES) {
        return Ok(vec![Seen::ok("this kernel has no IPv6")]);
    }
    let level: u8 = scene.host.sysctl("net.ipv6.bindv6only")?;
    Ok(vec![if level == 0 {
        Seen::ok(
            "sockets of IPv6 may take IPv4 too, unless a program says otherwise, as serve does",
        )
    } else {
        let cure = Cure::sysctl("net.ipv6.bindv6only", 0);
        let is =
            "net.ipv6.bindv6only is 1: a socket unit that names a bare port listens on IPv6 alone";
        Seen { cure: Some(cure), ..Seen::note(is) }
    }])
}
