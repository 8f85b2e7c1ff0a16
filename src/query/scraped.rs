//! The answer to a scrape, read from either protocol and judged.

use std::collections::HashSet;

use super::failure::Failure;
use super::finding::Finding;
use super::question::Scrape;
use super::reply;
use super::report::{ScrapeAnswer, ScrapedTorrent};
use super::text::shown;
use crate::limits::query as limits;
use crate::protocol::announce::Counts;
use crate::protocol::bencode::lenient::Node;
use crate::protocol::http::client::Scraped;
use crate::protocol::ids::InfoHash;

/// Adds the reply of an HTTP tracker to one chunk of a scrape; gives the failure, if the tracker
/// refuses.
///
/// # Errors
/// When the reply contradicts itself.
pub(super) fn add_http(
    reply: &Node<'_>,
    answer: &mut ScrapeAnswer,
    findings: &mut Vec<Finding>,
) -> Result<Option<Failure>, Failure> {
    let read = Scraped::read(reply);
    let refusal = reply::refusal(&read.said, "scrape", findings)?;
    answer.min_request_interval = answer.min_request_interval.or(read.min_request_interval);
    answer.torrents.extend(read.files.iter().map(|file| ScrapedTorrent {
        info_hash: file.info_hash,
        seeders: file.seeders,
        leechers: file.leechers,
        completed: file.completed,
        name: file.name.map(shown).unwrap_or_default(),
    }));
    let (reason, failure) = refusal.unzip();
    answer.failure_reason = reason;
    Ok(failure)
}

/// Adds what a UDP tracker says.
pub(super) fn add_udp(found: Vec<(InfoHash, Counts)>, answer: &mut ScrapeAnswer) {
    answer.torrents.extend(found.into_iter().map(|(info_hash, counts)| ScrapedTorrent {
        info_hash,
        seeders: Some(counts.seeders.into()),
        leechers: Some(counts.leechers.into()),
        completed: Some(counts.completed.into()),
        name: String::new(),
    }));
}

/// Compares what was answered with what was asked, and says what is odd.
pub(super) fn judge(answer: &mut ScrapeAnswer, ask: &Scrape, findings: &mut Vec<Finding>) {
    if answer.failure_reason.is_some() {
        if ask.is_full() {
            let text = "the tracker does not list all its torrents";
            findings.push(Finding::new("full-scrape-refused", text));
        }
        return;
    }
    let counts = answer.torrents.iter().flat_map(|t| [t.seeders, t.leechers, t.completed]);
    if counts.flatten().any(|count| count < 0) {
        findings.push(Finding::new("counts-implausible", "a count is below zero"));
    }
    if ask.is_full() {
        let count = answer.torrents.len();
        findings.push(match count {
            0 => Finding::new("full-scrape-empty", "a full scrape is answered, without torrents"),
            _ => Finding::new("full-scrape-open", format!("anybody can list {count} torrents")),
        });
        return;
    }
    let asked: HashSet<InfoHash> = ask.info_hashes.iter().copied().collect();
    let answered: HashSet<InfoHash> = answer.torrents.iter().map(|t| t.info_hash).collect();
    let mut seen = HashSet::new();
    let is_missing = |hash: &&InfoHash| !answered.contains(hash) && seen.insert(**hash);
    answer.missing = ask.info_hashes.iter().filter(is_missing).copied().collect();
    let torrents = answer.torrents.iter().map(|torrent| torrent.info_hash);
    answer.unrequested = torrents.filter(|hash| !asked.contains(hash)).collect();
    let mut room = limits::UNREQUESTED_MAX;
    answer.torrents.retain(|torrent| {
        let is_asked = asked.contains(&torrent.info_hash);
        room = room.saturating_sub(usize::from(!is_asked));
        is_asked || room > 0
    });
    if !answer.missing.is_empty() {
        let text = format!("{} of the hashes asked for are not answered", answer.missing.len());
        findings.push(Finding::new("scrape-missing", text));
    }
    if !answer.unrequested.is_empty() {
        let text = format!("{} hashes came unasked", answer.unrequested.len());
        findings.push(Finding::new("scrape-unrequested", text));
        answer.unrequested.truncate(limits::UNREQUESTED_MAX);
    }
}
