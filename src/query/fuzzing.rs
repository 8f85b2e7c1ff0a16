//! The check behind the fuzz target `query_reply`: whatever a tracker replies, it is read within
//! its bounds, and no text that is shown carries control characters to a terminal.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::StatusCode;
use serde_json::Value;
use url::Host;

use super::failure::Failure;
use super::finding::Finding;
use super::http::Fetched;
use super::question::{Announce, Scrape};
use super::report::{AnnounceAnswer, Remote, ScrapeAnswer, Trace};
use super::text::shown;
use super::{announced, decoded, reply, scraped, udp};
use crate::limits::query as limits;
use crate::protocol::ids::InfoHash;
use crate::protocol::udp::Reply;

/// Takes the first byte for how the tracker was asked, and the rest for what it replies.
///
/// # Panics
/// When more is kept than there is room for, or a text is not fit to be shown.
pub fn check(bytes: &[u8]) {
    let Some((how, body)) = bytes.split_first() else { return };
    let is_v6 = how & 1 != 0;
    let ip = if is_v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    let address = SocketAddr::new(ip, 6969);
    let remote = Remote { host: Host::Domain("t.example".to_owned()), address };
    let trace = Trace { remote: Some(remote), ..Trace::default() };
    let mut findings = Vec::new();
    let status = if how & 2 == 0 { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let fetched = Fetched { status, body: body.to_vec(), retry_after: None };
    let is_full = how & 16 != 0;
    let outcome = match how >> 2 & 3 {
        0 => announced_over_http(&fetched, &trace, &mut findings),
        1 => {
            announced_over_udp(body, address, &trace, &mut findings);
            Ok(())
        }
        _ => scraped_over_http(&fetched, is_full, &mut findings),
    };
    if let Err(failure) = outcome {
        check_text(&failure.message);
    }
    for finding in &findings {
        check_text(&finding.message);
    }
    let shown = decoded(body, &|string| Value::String(shown(string)));
    assert!(shown.to_string().len() <= body.len() * 64 + 64);
}

fn announced_over_http(
    fetched: &Fetched,
    trace: &Trace,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    let ask = Announce::of(InfoHash([0; 20]));
    let reply = reply::decode(fetched, limits::BODY_MAX, findings)?;
    let (answer, refused) = announced::of_http(&reply, &ask, trace, findings)?;
    announced::judge(&answer, &ask, trace, findings);
    check_announced(&answer, fetched.body.len());
    assert_eq!(refused.is_some(), answer.failure_reason.is_some());
    refused.map_or(Ok(()), Err)
}

fn announced_over_udp(
    packet: &[u8],
    address: SocketAddr,
    trace: &Trace,
    findings: &mut Vec<Finding>,
) {
    if let Some(Reply::Announce { interval, leechers, seeders, peers, .. }) = Reply::decode(packet)
    {
        let read = udp::Announced { interval, leechers, seeders, peers: peers.to_vec() };
        let answer = announced::of_udp(&read, address, findings);
        announced::judge(&answer, &Announce::of(InfoHash([0; 20])), trace, findings);
        check_announced(&answer, packet.len());
    }
}

fn check_announced(answer: &AnnounceAnswer, body_len: usize) {
    assert!(answer.peers.len() <= limits::PEERS_MAX.min(answer.peers_v4 + answer.peers_v6));
    assert!(answer.bytes_v4 + answer.bytes_v6 <= body_len);
    let texts = [&answer.failure_reason, &answer.warning_message, &answer.external_ip];
    for text in texts.into_iter().flatten() {
        check_text(text);
    }
    assert_ne!(answer.failure_reason.as_deref(), Some(""));
}

fn scraped_over_http(
    fetched: &Fetched,
    is_full: bool,
    findings: &mut Vec<Finding>,
) -> Result<(), Failure> {
    let asked = if is_full { vec![] } else { vec![InfoHash([b'a'; 20]), InfoHash([b'b'; 20])] };
    let ask = Scrape::of(asked);
    let reply = reply::decode(fetched, limits::BODY_MAX, findings)?;
    let mut answer = ScrapeAnswer::default();
    let refused = scraped::add_http(&reply, &mut answer, findings)?;
    scraped::judge(&mut answer, &ask, findings);
    assert!(answer.unrequested.len() <= limits::UNREQUESTED_MAX);
    let names = answer.torrents.iter().map(|torrent| &torrent.name);
    for text in names.chain(&answer.failure_reason) {
        check_text(text);
    }
    if answer.failure_reason.is_none() && !is_full {
        let torrents = &answer.torrents;
        let is_there = |hash: &InfoHash| torrents.iter().any(|torrent| torrent.info_hash == *hash);
        assert!(ask.info_hashes.iter().all(|hash| is_there(hash) != answer.missing.contains(hash)));
    }
    refused.map_or(Ok(()), Err)
}

fn check_text(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert!(text.len() <= limits::TEXT_MAX * 8, "a text of {} bytes", text.len());
}
