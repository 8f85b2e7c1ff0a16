//! Where requests and replies wait in the kernel, and what it had no room for.

use super::Scene;
use super::finding::{Cure, Looked, Seen, Unseen, grouped};
use super::holders;
use super::host::nonsense;
use crate::limits;

/// The kernel's usual buffer for what is sent, in bytes.
const SEND_BUFFER: u64 = 212_992;
/// The kernel's usual `netdev_max_backlog`, in packets, and what cures drops.
const NETDEV_BACKLOG: u64 = 1_000;
const NETDEV_BACKLOG_BUSY: u64 = 16_384;

pub fn receive_buffer(scene: &Scene) -> Looked {
    let (name, wanted) = ("net.core.rmem_max", limits::UDP_RECEIVE_BUFFER as u64);
    let most: u64 = scene.host.sysctl(name)?;
    Ok(vec![if most >= wanted {
        Seen::ok(format!("the kernel allows receive buffers of {} bytes", grouped(most)))
    } else {
        let is = format!(
            "the kernel caps receive buffers at {} bytes; the tracker asks for {} when it starts",
            grouped(most),
            grouped(wanted)
        );
        Seen::warning(is, Cure::sysctl(name, wanted))
    }])
}

pub fn send_buffer(scene: &Scene) -> Looked {
    let name = "net.core.wmem_default";
    let usual: u64 = scene.host.sysctl(name)?;
    Ok(vec![if usual >= SEND_BUFFER {
        Seen::ok(format!("send buffers are of {} bytes", grouped(usual)))
    } else {
        let is = format!("send buffers are of {} bytes", grouped(usual));
        Seen::warning(is, Cure::sysctl(name, SEND_BUFFER))
    }])
}

pub fn backlog(scene: &Scene) -> Looked {
    let (name, wanted) = ("net.core.somaxconn", u64::from(limits::BACKLOG));
    let most: u64 = scene.host.sysctl(name)?;
    Ok(vec![if most >= wanted {
        Seen::ok(format!("{} connections may wait to be accepted", grouped(most)))
    } else {
        let is = format!(
            "{} connections may wait to be accepted; the tracker asks for {}",
            grouped(most),
            grouped(wanted)
        );
        Seen::warning(is, Cure::sysctl(name, wanted))
    }])
}

pub fn netdev_backlog(scene: &Scene) -> Looked {
    let name = "net.core.netdev_max_backlog";
    let most: u64 = scene.host.sysctl(name)?;
    let dropped = softnet_drops(scene)?;
    let is =
        format!("{} packets may wait for a core; {} were dropped", grouped(most), grouped(dropped));
    Ok(vec![if dropped == 0 && most >= NETDEV_BACKLOG {
        Seen::ok(is)
    } else if most >= NETDEV_BACKLOG_BUSY {
        // Room enough: the cores are what is short, and what `receive-steering` is about.
        Seen::note(is)
    } else {
        Seen::warning(is, Cure::sysctl(name, NETDEV_BACKLOG_BUSY))
    }])
}

/// Packets dropped since the start of the machine for want of room, over all cores: the second
/// column of hexadecimal numbers.
fn softnet_drops(scene: &Scene) -> Result<u64, Unseen> {
    let path = "/proc/net/softnet_stat";
    let text = scene.host.text(path)?;
    let of_core = |line: &str| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok();
    let sum = text.lines().try_fold(0_u64, |sum, line| sum.checked_add(of_core(line)?));
    sum.ok_or_else(|| nonsense(path, &text))
}

pub fn drops(scene: &Scene) -> Looked {
    let (received, dropped) = udp_counters(scene)?;
    let own = own_drops(scene);
    let mut is = format!(
        "{} of {} datagrams since the start of the machine found a full buffer",
        grouped(dropped),
        grouped(received.saturating_add(dropped))
    );
    if let Some(own) = own.filter(|own| *own > 0) {
        is = format!("{is}, {} of them on the tracker's port", grouped(own));
    }
    let wanted = limits::UDP_RECEIVE_BUFFER as u64;
    let most: u64 = scene.host.sysctl("net.core.rmem_max")?;
    let cure = if most < wanted {
        Cure::sysctl("net.core.rmem_max", wanted)
    } else {
        let workers = (scene.wanted.config.net.workers * 2).min(limits::WORKERS_MAX);
        Cure::lasting(format!("wildkat serve --workers {workers}"))
    };
    // One in ten thousand is what a client does not notice among the losses of its own network.
    let is_few = dropped.saturating_mul(10_000) <= received && own.unwrap_or(0) == 0;
    Ok(vec![match dropped {
        0 => Seen::ok(is),
        _ if is_few => Seen::note(is),
        _ => Seen::warning(is, cure),
    }])
}

/// Datagrams delivered, and those that found a full buffer, over both families.
fn udp_counters(scene: &Scene) -> Result<(u64, u64), Unseen> {
    let path = "/proc/net/snmp";
    let text = scene.host.text(path)?;
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("Udp:")).collect();
    let column = |name: &str| {
        let place = rows.first()?.split_whitespace().position(|word| word == name)?;
        rows.get(1)?.split_whitespace().nth(place)?.parse::<u64>().ok()
    };
    let both = column("InDatagrams").zip(column("RcvbufErrors"));
    let (received, dropped) = both.ok_or_else(|| nonsense(path, rows.first().unwrap_or(&"")))?;
    // A kernel without IPv6 has no such file.
    let six = scene.host.text("/proc/net/snmp6").unwrap_or_default();
    let column = |name: &str| {
        let line = six.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    let (received_6, dropped_6) = (column("Udp6InDatagrams"), column("Udp6RcvbufErrors"));
    Ok((received.saturating_add(received_6), dropped.saturating_add(dropped_6)))
}

/// What the tracker's own sockets had no room for; `None` when it does not run.
fn own_drops(scene: &Scene) -> Option<u64> {
    let port = scene.wanted.config.net.udp_port?;
    let sockets = holders::udp(&scene.host).ok()?;
    let drops = sockets.iter().filter(|socket| socket.address.port() == port);
    drops.map(|socket| socket.drops).reduce(u64::saturating_add)
}
