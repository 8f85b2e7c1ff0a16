//! How the work of receiving is spread over the cores.

use super::Scene;
use super::finding::{Cure, Looked, Seen, Unseen, grouped};
use super::host::nonsense;

const CARDS: &str = "/sys/class/net";
/// Packets below which the spread means nothing.
const PACKETS_MIN: u64 = 1_000_000;
/// Percent of all packets that one core may receive when there are others.
const SHARE_MAX: u64 = 75;

pub fn steering(scene: &Scene) -> Looked {
    let (host, cores) = (&scene.host, scene.host.cores()?);
    if cores == 1 {
        return Ok(vec![Seen::ok("there is one core")]);
    }
    let mut seen = Vec::new();
    for card in host.names(CARDS)? {
        // Cards that are none, such as bridges, have no device behind them.
        if !host.has(&format!("{CARDS}/{card}/device")) {
            continue;
        }
        let queues = host.names(&format!("{CARDS}/{card}/queues"))?;
        let queues: Vec<_> = queues.into_iter().filter(|name| name.starts_with("rx-")).collect();
        seen.push(steering_of(scene, &card, &queues, cores)?.about(card));
    }
    if seen.is_empty() {
        seen.push(Seen::ok("there is no network card of its own here, as in a container"));
    }
    Ok(seen)
}

fn steering_of(scene: &Scene, card: &str, queues: &[String], cores: usize) -> Result<Seen, Unseen> {
    let mut unsteered = Vec::new();
    for queue in queues {
        let path = format!("queues/{queue}/rps_cpus");
        let mask = scene.host.text(&format!("{CARDS}/{card}/{path}"))?;
        if !mask.bytes().any(|byte| byte.is_ascii_hexdigit() && byte != b'0') {
            unsteered.push(path);
        }
    }
    let count = queues.len();
    if count >= cores {
        return Ok(Seen::ok(format!("it has {count} queues for {cores} cores")));
    }
    if unsteered.is_empty() {
        return Ok(Seen::ok(format!("its {count} queues are steered to other cores")));
    }
    let is = format!("it has {count} receive queues for {cores} cores, and steering is off");
    let mask = mask(cores);
    let now = unsteered.iter().map(|path| format!("echo {mask} >{CARDS}/{card}/{path}"));
    let rule = unsteered.iter().map(|path| format!("ATTR{{{path}}}=\"{mask}\""));
    let lasting = format!(
        "echo 'ACTION==\"add\", SUBSYSTEM==\"net\", KERNEL==\"{card}\", {}' \
         >>/etc/udev/rules.d/90-wildkat.rules",
        rule.collect::<Vec<_>>().join(", ")
    );
    let cure = Cure::both(now.collect::<Vec<_>>().join(" && "), lasting);
    // With two cores, the one that does not receive has the workers to run.
    Ok(if cores > 2 {
        Seen::warning(is, cure)
    } else {
        Seen { cure: Some(cure), ..Seen::note(is) }
    })
}

/// All of `cores`, as the kernel reads it: hexadecimal, 32 cores a group.
fn mask(cores: usize) -> String {
    let groups = (0..cores.div_ceil(32)).rev().map(|group| {
        let bits = (cores - group * 32).min(32);
        format!("{:x}", u32::MAX >> (32 - bits))
    });
    groups.collect::<Vec<_>>().join(",")
}

pub fn spread(scene: &Scene) -> Looked {
    let path = "/proc/softirqs";
    let text = scene.host.text(path)?;
    let row = text.lines().find_map(|line| line.trim_start().strip_prefix("NET_RX:"));
    let counts = row.map(|row| row.split_whitespace().map_while(|word| word.parse::<u64>().ok()));
    let counts: Vec<u64> = counts.ok_or_else(|| nonsense(path, &text))?.collect();
    let (total, most) = (
        counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count)),
        counts.iter().max().copied().unwrap_or(0),
    );
    let cores = scene.host.cores()?;
    let share = most.saturating_mul(100) / total.max(1);
    let is = format!("the busiest of {cores} cores received {share} % of {} times", grouped(total));
    Ok(vec![if cores < 2 || total < PACKETS_MIN || share <= SHARE_MAX {
        Seen::ok(is)
    } else {
        Seen::warning(
            is,
            Cure::lasting("apt-get install irqbalance && systemctl enable --now irqbalance"),
        )
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_name_all_cores_in_groups_of_32() {
        for (cores, text) in [
            (1, "1"),
            (2, "3"),
            (8, "ff"),
            (32, "ffffffff"),
            (33, "1,ffffffff"),
            (64, "ffffffff,ffffffff"),
        ] {
            assert_eq!(mask(cores), text);
        }
    }
}
