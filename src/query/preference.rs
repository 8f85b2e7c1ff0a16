//! Where a host itself says that its tracker is: a text in DNS (BEP 34, "DNS Tracker
//! Preferences"), by which it can also say that it has none and wants to be left alone.

use super::finding::Finding;
use super::target::{Scheme, Target};

/// Holds a tracker's URL against the texts of its host; `None` when they say nothing against it.
pub(super) fn judge(texts: &[String], target: &Target) -> Option<Finding> {
    let mut words = texts.iter().find_map(|text| {
        let mut words = text.split_ascii_whitespace();
        (words.next() == Some("BITTORRENT")).then_some(words)
    })?;
    let protocol = if target.scheme == Scheme::Udp { "UDP" } else { "TCP" };
    // Words that are not known are skipped, `DENY ALL` among them: it leaves no port.
    let ends = words.by_ref().filter_map(|word| {
        let (protocol, port) = word.split_once(':')?;
        Some((protocol, port.parse::<u16>().ok()?))
    });
    let ends: Vec<(&str, u16)> = ends.filter(|(p, _)| ["UDP", "TCP"].contains(p)).collect();
    if ends.contains(&(protocol, target.port)) {
        return None;
    }
    let named: Vec<String> = ends.iter().map(|(p, port)| format!("{p}:{port}")).collect();
    let text = match named.len() {
        0 => "the host says in DNS (BEP 34) that it has no tracker".to_owned(),
        _ => format!(
            "the host names {} in DNS (BEP 34), not {protocol}:{}",
            named.join(", "),
            target.port
        ),
    };
    Some(Finding::new("dns-tracker-pref", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_host_are_held_against_the_url() {
        for (text, url, is_against) in [
            ("BITTORRENT UDP:1337 TCP:80", "udp://t.example:1337", false),
            ("BITTORRENT UDP:1337 TCP:80", "http://t.example/announce", false),
            ("BITTORRENT UDP:1337 TCP:80", "https://t.example/announce", true),
            ("BITTORRENT UDP:1337 TCP:80", "udp://t.example:80", true),
            ("BITTORRENT DENY ALL", "udp://t.example:80", true),
            ("BITTORRENT", "udp://t.example:80", true),
            ("BITTORRENT NEW:1 UDP:80", "udp://t.example:80", false),
            ("v=spf1 -all", "udp://t.example:80", false),
        ] {
            let found = judge(&[text.to_owned()], &Target::parse(url).unwrap());
            assert_eq!(found.is_some(), is_against, "{text} and {url}: {found:?}");
        }
    }
}
