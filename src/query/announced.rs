//! The answer to an announce, read from either protocol and judged.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::failure::Failure;
use super::finding::Finding;
use super::question::Announce;
use super::reply;
use super::report::{AnnounceAnswer, Peer, PeerSource, Trace};
use super::resolve::is_public;
use super::text::shown;
use super::udp;
use crate::limits::query as limits;
use crate::protocol::announce::{Event, PEER_V4_LEN, PEER_V6_LEN, expand_v4, expand_v6};
use crate::protocol::bencode::lenient::Node;
use crate::protocol::http::client::{Announced, PeerField};

/// An answer, and the failure that the tracker makes of it by refusing.
pub(super) type Answered = (AnnounceAnswer, Option<Failure>);

/// Reads the reply of an HTTP tracker.
///
/// # Errors
/// When the reply contradicts itself.
pub(super) fn of_http(
    reply: &Node<'_>,
    ask: &Announce,
    trace: &Trace,
    findings: &mut Vec<Finding>,
) -> Result<Answered, Failure> {
    let read = Announced::read(reply);
    let refusal = reply::refusal(&read.said, "announce", findings)?;
    let mut answer = AnnounceAnswer {
        interval: read.interval,
        min_interval: read.min_interval,
        seeders: read.seeders,
        leechers: read.leechers,
        completed: read.completed,
        warning_message: read.said.warning_message.map(shown).filter(|text| !text.is_empty()),
        external_ip: read.external_ip.and_then(|bytes| external_ip(bytes, findings)),
        tracker_id: read.tracker_id,
        ..AnnounceAnswer::default()
    };
    if read.said.wrong_types.contains(&"external ip") {
        let text = "the external ip is not a string";
        findings.push(Finding::new("external-ip-format", text));
    }
    add_peers(&mut answer, &read.peers, "peers", ask, findings);
    add_peers(&mut answer, &read.peers6, "peers6", ask, findings);
    if let Some((reason, failure)) = refusal {
        answer.failure_reason = Some(reason);
        return Ok((answer, Some(failure)));
    }
    if answer.interval.is_none() {
        findings.push(Finding::new("interval-missing", "the reply has no interval"));
    }
    let missing: Vec<&str> = [("complete", answer.seeders), ("incomplete", answer.leechers)]
        .into_iter()
        .filter_map(|(key, value)| value.is_none().then_some(key))
        .collect();
    if !missing.is_empty() {
        let text = format!("the reply has no {}", missing.join(" and no "));
        findings.push(Finding::new("field-missing", text));
    }
    let is_over_v6 = trace.remote.as_ref().is_some_and(|remote| remote.address.is_ipv6());
    let has_peers = matches!(&read.peers, PeerField::Compact(bytes) if !bytes.is_empty());
    if is_over_v6 && has_peers && read.peers6 == PeerField::Absent {
        let text = "asked over IPv6, and the reply has peers and no peers6";
        findings.push(Finding::new("ipv6-no-peers6", text));
    }
    Ok((answer, None))
}

/// Reads the reply of a UDP tracker.
pub(super) fn of_udp(
    reply: &udp::Announced,
    remote: SocketAddr,
    findings: &mut Vec<Finding>,
) -> AnnounceAnswer {
    let mut answer = AnnounceAnswer {
        interval: Some(reply.interval.into()),
        seeders: Some(reply.seeders.into()),
        leechers: Some(reply.leechers.into()),
        ..AnnounceAnswer::default()
    };
    let bytes = &reply.peers;
    let fits = |len: usize| bytes.len().is_multiple_of(len);
    let is_v6 = remote.is_ipv6();
    if is_v6 && !fits(PEER_V6_LEN) && fits(PEER_V4_LEN) {
        let text = format!("{} bytes of peers over IPv6 fit IPv4 peers alone", bytes.len());
        findings.push(Finding::new("udp-family-mismatch", text));
        add_compact_v4(&mut answer, bytes);
        return answer;
    }
    if is_v6 {
        check_length(bytes, PEER_V6_LEN, "the peers", findings);
        add_compact_v6(&mut answer, bytes);
        let odd = |peer: &Peer| matches!(peer.ip, IpAddr::V6(ip) if !is_plausible(ip));
        if answer.peers.len() >= 2 && answer.peers.iter().all(odd) {
            let text = "the IPv6 peers look like IPv4 peers in a row";
            findings.push(Finding::new("udp-family-mismatch", text));
        }
    } else {
        check_length(bytes, PEER_V4_LEN, "the peers", findings);
        add_compact_v4(&mut answer, bytes);
    }
    answer
}

/// Whether an address is of a range that is in use at all.
fn is_plausible(ip: Ipv6Addr) -> bool {
    let first = ip.segments()[0];
    let is_in_use =
        first & 0xe000 == 0x2000 || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80;
    is_in_use || ip.to_ipv4_mapped().is_some() || ip.is_loopback()
}

fn external_ip(bytes: &[u8], findings: &mut Vec<Finding>) -> Option<String> {
    if let Ok(ip) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(ip).to_string());
    }
    if let Ok(ip) = <[u8; 16]>::try_from(bytes) {
        return Some(Ipv6Addr::from(ip).to_string());
    }
    let text = format!("the external ip has {} bytes and not 4 or 16", bytes.len());
    findings.push(Finding::new("external-ip-format", text));
    Some(shown(bytes)).filter(|text| !text.is_empty())
}

fn add_peers(
    answer: &mut AnnounceAnswer,
    field: &PeerField<'_>,
    key: &str,
    ask: &Announce,
    findings: &mut Vec<Finding>,
) {
    match field {
        PeerField::Absent => {}
        PeerField::Compact(bytes) if key == "peers" => {
            check_length(bytes, PEER_V4_LEN, key, findings);
            add_compact_v4(answer, bytes);
        }
        PeerField::Compact(bytes) => {
            check_length(bytes, PEER_V6_LEN, key, findings);
            add_compact_v6(answer, bytes);
        }
        PeerField::Dictionaries { peers, unreadable } => {
            if ask.compact {
                let text = format!("{key} is a list of dictionaries although compact=1 was asked");
                find_once("compact-ignored", text, findings);
            }
            if *unreadable > 0 {
                let text = format!("{unreadable} of {key} cannot be read");
                findings.push(Finding::new("peer-unreadable", text));
            }
            if ask.no_peer_id && peers.iter().any(|peer| peer.peer_id.is_some()) {
                let text = "peer ids came although no_peer_id=1 was asked".to_owned();
                find_once("peer-id-sent", text, findings);
            }
            for peer in peers {
                if peer.ip.is_ipv4() {
                    answer.peers_v4 += 1;
                } else {
                    answer.peers_v6 += 1;
                }
                let (ip, port) = (peer.ip, peer.port);
                keep(answer, ip, port, PeerSource::Dictionary);
                if let (Some(kept), Some(id)) = (answer.peers.last_mut(), peer.peer_id)
                    && (kept.ip, kept.port) == (ip, port)
                {
                    kept.peer_id = Some(id);
                }
            }
        }
    }
}

fn check_length(bytes: &[u8], len: usize, key: &str, findings: &mut Vec<Finding>) {
    if !bytes.len().is_multiple_of(len) {
        let text = format!("{key}: {} bytes are no multiple of {len}", bytes.len());
        findings.push(Finding::new("peers-length", text));
    }
}

fn add_compact_v4(answer: &mut AnnounceAnswer, bytes: &[u8]) {
    let peers = bytes.as_chunks::<PEER_V4_LEN>().0;
    answer.peers_v4 += peers.len();
    answer.bytes_v4 += bytes.len();
    for peer in peers {
        let peer = expand_v4(*peer);
        keep(answer, (*peer.ip()).into(), peer.port(), PeerSource::Compact);
    }
}

fn add_compact_v6(answer: &mut AnnounceAnswer, bytes: &[u8]) {
    let peers = bytes.as_chunks::<PEER_V6_LEN>().0;
    answer.peers_v6 += peers.len();
    answer.bytes_v6 += bytes.len();
    for peer in peers {
        let peer = expand_v6(*peer);
        keep(answer, (*peer.ip()).into(), peer.port(), PeerSource::Compact);
    }
}

fn keep(answer: &mut AnnounceAnswer, ip: IpAddr, port: u16, source: PeerSource) {
    if answer.peers.len() < limits::PEERS_MAX {
        answer.peers.push(Peer { ip, port, source, peer_id: None, hostname: None });
    }
}

fn find_once(id: &'static str, text: String, findings: &mut Vec<Finding>) {
    if findings.iter().all(|known| known.id != id) {
        findings.push(Finding::new(id, text));
    }
}

/// What is odd about an answer, by whichever protocol it came.
pub(super) fn judge(
    answer: &AnnounceAnswer,
    ask: &Announce,
    trace: &Trace,
    findings: &mut Vec<Finding>,
) {
    if answer.failure_reason.is_some() {
        return;
    }
    judge_intervals(answer, findings);
    judge_counts(answer, ask, findings);
    judge_peers(answer, ask, trace, findings);
}

fn judge_intervals(answer: &AnnounceAnswer, findings: &mut Vec<Finding>) {
    match answer.interval {
        Some(interval) if interval <= 0 => {
            let text = format!("the interval is {interval}");
            findings.push(Finding::new("interval-zero", text));
        }
        Some(interval) if !limits::INTERVAL_USUAL.contains(&interval) => {
            let text = format!("an interval of {interval} s is unusual");
            findings.push(Finding::new("interval-extreme", text));
        }
        _ => {}
    }
    if let (Some(interval), Some(min)) = (answer.interval, answer.min_interval)
        && min > interval
    {
        let text = format!("the min interval {min} s is above the interval {interval} s");
        findings.push(Finding::new("min-over-interval", text));
    }
}

fn judge_counts(answer: &AnnounceAnswer, ask: &Announce, findings: &mut Vec<Finding>) {
    let peers = answer.peers_v4 + answer.peers_v6;
    let counts = [answer.seeders, answer.leechers, answer.completed];
    if counts.iter().flatten().any(|count| *count < 0) {
        findings.push(Finding::new("counts-implausible", "a count is below zero"));
    } else if let (Some(seeders), Some(leechers)) = (answer.seeders, answer.leechers)
        && i64::try_from(peers).is_ok_and(|peers| peers > seeders.saturating_add(leechers))
    {
        let text = format!("{peers} peers, and counts of {seeders} + {leechers}");
        findings.push(Finding::new("counts-implausible", text));
    }
    let wants_none = ask.numwant == 0 || ask.event == Event::Stopped;
    if wants_none && peers > 0 {
        let text = format!("{peers} peers came and none was asked for");
        findings.push(Finding::new("numwant-zero", text));
    } else if usize::try_from(ask.numwant).is_ok_and(|numwant| peers > numwant) {
        let text = format!("{peers} peers came and {} were asked for", ask.numwant);
        findings.push(Finding::new("numwant-exceeded", text));
    }
}

fn judge_peers(
    answer: &AnnounceAnswer,
    ask: &Announce,
    trace: &Trace,
    findings: &mut Vec<Finding>,
) {
    let is_mapped = |peer: &&Peer| peer.kind() == "ipv4-mapped";
    let mapped = answer.peers.iter().filter(is_mapped).count();
    if mapped > 0 {
        let text = format!("{mapped} of the IPv6 peers are mapped IPv4 addresses");
        findings.push(Finding::new("ipv4-mapped", text));
    }
    let mut seen = HashSet::new();
    let twice = answer.peers.iter().filter(|peer| !seen.insert((peer.ip, peer.port))).count();
    if twice > 0 {
        findings.push(Finding::new("peer-duplicate", format!("{twice} peers came twice")));
    }
    let external = answer.external_ip.as_ref().and_then(|ip| ip.parse().ok());
    let own = [trace.local.map(|local| local.ip()), external, ask.ip];
    let own: Vec<IpAddr> = own.into_iter().flatten().map(|ip| ip.to_canonical()).collect();
    let is_own = |peer: &Peer| peer.port == ask.port && own.contains(&peer.ip.to_canonical());
    if answer.peers.iter().any(is_own) {
        let text = "our own address and port are among the peers";
        findings.push(Finding::new("self-returned", text));
    }
    let is_from_public = trace.remote.as_ref().is_some_and(|remote| is_public(remote.address.ip()));
    let bogus = answer.peers.iter().filter(|peer| is_bogus(peer, is_from_public)).count();
    if bogus > 0 {
        let text = format!("{bogus} peers cannot be reached: port 0, or no address of a host");
        findings.push(Finding::new("peer-bogus", text));
    }
}

/// Whether nobody who asked this tracker can reach the peer.
pub(super) fn is_bogus(peer: &Peer, is_from_public: bool) -> bool {
    let ip = peer.ip.to_canonical();
    peer.port == 0
        || ip.is_unspecified()
        || ip.is_multicast()
        || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
        || (is_from_public && !is_public(ip))
}
