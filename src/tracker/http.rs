//! Answers to HTTP announces and scrapes.

use std::net::IpAddr;

use super::admission::Refusal;
use super::{How, Worker};
use crate::clock::Now;
use crate::protocol::http::{self, AnnounceReply, Route};
use crate::stats::Protocol;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum HttpAnswer {
    /// The body buffer holds a bencoded reply or refusal, to be sent with status 200.
    Body,
    /// The body is that of [`Tracker::full_scrape`](super::Tracker::full_scrape), to be had off
    /// the answer path.
    FullScrape,
    /// Nothing is served at this path.
    NotFound,
}

impl Worker {
    /// Whether anything is served at `path`.
    pub fn serves(path: &[u8]) -> bool {
        Route::of(path).is_some()
    }

    /// Answers a GET of `path` with `query`, which came by `protocol` from `client`, a canonical
    /// address, into `body`, which is emptied first.
    pub fn answer_http(
        &mut self,
        now: Now,
        (protocol, client): (Protocol, IpAddr),
        (path, query): (&[u8], &[u8]),
        body: &mut Vec<u8>,
    ) -> HttpAnswer {
        body.clear();
        self.counters.turn_to(now.secs());
        let answer = match Route::of(path) {
            None => {
                self.counters.of(protocol).turned_away.increment();
                return HttpAnswer::NotFound;
            }
            Some(Route::Announce) => {
                self.answer_http_announce(now, (protocol, client), query, body)
            }
            Some(Route::Scrape) => {
                match self.answer_http_scrape(now, (protocol, client), query, body) {
                    Ok(HttpAnswer::FullScrape) => return HttpAnswer::FullScrape,
                    answer => answer.map(|_| ()),
                }
            }
        };
        if let Err(refusal) = answer {
            body.clear();
            http::write_failure(body, &refusal.reason, refusal.retry_in);
            self.counters.of(protocol).of(client).refused.increment();
        }
        HttpAnswer::Body
    }

    fn answer_http_announce(
        &mut self,
        now: Now,
        (protocol, client): (Protocol, IpAddr),
        query: &[u8],
        body: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let announce = http::decode_announce(query)?;
        let peers_max = self.tracker.config.peers_max;
        let rng = self.rng.fork();
        let how = How { protocol, peers_max, other_family: true, rng };
        let answer = self.announce(now, client, &announce, how)?;
        let reply = AnnounceReply {
            counts: answer.counts,
            interval: answer.interval,
            min_interval: self.tracker.config.min_interval,
            external_ip: client,
            tracker_id: &self.tracker.config.tracker_id,
            warning: None,
            peers: &self.peers,
            format: announce.format,
            ipv4_mapped: client.is_ipv6() && self.tracker.config.ipv4_mapped,
        };
        reply.encode(body);
        Ok(())
    }

    /// The limit is checked before any work is done. Values that are not 20 bytes count towards it
    /// and are then passed over. Torrents that are not tracked are left out; it is a refusal if
    /// none is left then.
    fn answer_http_scrape(
        &mut self,
        now: Now,
        (protocol, client): (Protocol, IpAddr),
        query: &[u8],
        body: &mut Vec<u8>,
    ) -> Result<HttpAnswer, Refusal> {
        self.tracker.admission.admit(now, client)?;
        let config = &self.tracker.config;
        match http::scrape_info_hashes(query).take(config.scrape_hashes_max + 1).count() {
            0 if config.full_scrape => {
                self.counters.of(protocol).of(client).scrapes.increment();
                return Ok(HttpAnswer::FullScrape);
            }
            0 => return Err(Refusal::FULL_SCRAPE),
            count if count > config.scrape_hashes_max => {
                return Err(Refusal::too_many_info_hashes(config.scrape_hashes_max));
            }
            _ => {}
        }
        self.files.clear();
        let mut refused = None;
        for info_hash in http::scrape_info_hashes(query).flatten() {
            match self.tracker.admission.check(&info_hash) {
                Ok(kept_under) => self.files.push((info_hash, self.tracker.scrape(&kept_under))),
                Err(refusal) => refused = Some(refusal),
            }
        }
        if let Some(refusal) = refused.filter(|_| self.files.is_empty()) {
            return Err(refusal);
        }
        self.files.sort_unstable_by_key(|(info_hash, _)| *info_hash);
        self.files.dedup_by_key(|(info_hash, _)| *info_hash);
        http::write_scrape_reply(body, &self.files, config.min_interval);
        self.counters.of(protocol).of(client).scrapes.increment();
        Ok(HttpAnswer::Body)
    }
}
