//! Answers to datagrams (BEP 15).

use std::net::{IpAddr, SocketAddr};

use super::admission::Refusal;
use super::{How, Worker};
use crate::clock::Now;
use crate::limits;
use crate::protocol::announce::{Announce, Counts, ipv4_mapped};
use crate::protocol::http::Route;
use crate::protocol::ids::InfoHash;
use crate::protocol::udp::{self, DecodeError, Header, Outlook, Request};
use crate::stats::Protocol;
use crate::swarm::Coming;

const BAD_CONNECTION_ID: &str = "connection ID not recognized";

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The reply buffer holds what is to be sent back.
    Reply,
    /// Nothing is sent back.
    Silent,
}

impl Worker {
    /// Has what the answers to these datagrams will read come from memory meanwhile. The addresses
    /// are those that they came from, canonical. To be called before each batch is answered: it
    /// gives the batch its chance.
    pub fn foresee_udp<'p>(&mut self, datagrams: impl Iterator<Item = (IpAddr, &'p [u8])>) {
        self.seed = self.rng.u64(..);
        let wanted = datagrams.flat_map(|(ip, packet)| {
            let Outlook { info_hashes, port } = Outlook::of(packet);
            let peer = port.map(|port| SocketAddr::new(ip, port));
            info_hashes.iter().map(move |info_hash| (InfoHash(*info_hash), peer))
        });
        self.tracker.swarms.foresee(wanted.map(|(info_hash, peer)| {
            let coming = peer.map(|peer| Coming { peer, rng: chance(self.seed, &info_hash, peer) });
            (info_hash, coming)
        }));
    }

    /// Answers one datagram from `source` into `reply`, which is emptied first. The address in
    /// `source` is canonical: an IPv4 client never comes as `::ffff:a.b.c.d`.
    pub fn answer_udp(
        &mut self,
        now: Now,
        source: SocketAddr,
        packet: &[u8],
        reply: &mut Vec<u8>,
    ) -> Verdict {
        reply.clear();
        self.counters.turn_to(now.secs());
        let client = source.ip();
        let (header, answer) = match Request::decode(packet) {
            Ok(Request::Connect { transaction_id }) => {
                let connection_id = self.tracker.connection_ids.issue(now, client);
                udp::write_connect_reply(reply, transaction_id, connection_id);
                self.counters.udp_connects.increment();
                return self.replied(reply);
            }
            Err(DecodeError::NotBep15) => return self.silent(),
            Ok(Request::Announce { header, .. } | Request::Scrape { header, .. })
            | Err(DecodeError::Refused { header, .. })
                if !self.tracker.connection_ids.is_valid(now, client, header.connection_id) =>
            {
                if udp::SCRAPE_REPLY_LEN + BAD_CONNECTION_ID.len() > packet.len() {
                    return self.silent(); // would amplify what may be forged
                }
                (header, Err(BAD_CONNECTION_ID.into()))
            }
            Ok(Request::Announce { header, announce, options }) => {
                let answer =
                    self.answer_announce(now, client, (&header, &announce, options), reply);
                (header, answer.map_err(|refusal| refusal.reason))
            }
            Ok(Request::Scrape { header, info_hashes }) => {
                let answer = self.answer_scrape((now, client), &header, info_hashes, reply);
                (header, answer.map_err(|refusal| refusal.reason))
            }
            Err(DecodeError::Refused { header, reason }) => (header, Err(reason.into())),
        };
        if let Err(reason) = answer {
            reply.clear();
            udp::write_error(reply, header.transaction_id, &reason);
            self.counters.udp.of(client).refused.increment();
        }
        self.replied(reply)
    }

    fn answer_announce(
        &mut self,
        now: Now,
        client: IpAddr,
        (header, announce, options): (&Header, &Announce, &[u8]),
        reply: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        udp::url_data(options, &mut self.url);
        if !is_announce_url(&self.url) {
            return Err(Refusal::UNKNOWN_PATH);
        }
        let mapped = client.is_ipv6() && self.tracker.config.ipv4_mapped;
        let peers_max =
            if client.is_ipv4() { limits::UDP_PEERS_V4_MAX } else { limits::UDP_PEERS_V6_MAX };
        let rng = chance(self.seed, &announce.info_hash, SocketAddr::new(client, announce.port));
        let how = How { protocol: Protocol::Udp, peers_max, other_family: mapped, rng };
        let answer = self.announce(now, client, announce, how)?;
        udp::write_announce_reply(reply, header.transaction_id, answer.interval, answer.counts);
        if client.is_ipv4() {
            reply.extend_from_slice(self.peers.v4.as_flattened());
        } else {
            reply.extend_from_slice(self.peers.v6.as_flattened());
            for peer in &self.peers.v4 {
                reply.extend_from_slice(&ipv4_mapped(*peer));
            }
        }
        Ok(())
    }

    /// Torrents that are not tracked have zeros, since an entry is known by its place; it is a
    /// refusal if all are such.
    fn answer_scrape(
        &mut self,
        (now, client): (Now, IpAddr),
        header: &Header,
        info_hashes: &[[u8; udp::INFO_HASH_LEN]],
        reply: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        self.tracker.admission.admit(now, client)?;
        let hashes_max = self.tracker.config.udp_scrape_hashes_max;
        if info_hashes.len() > hashes_max {
            return Err(Refusal::too_many_info_hashes(hashes_max));
        }
        udp::write_scrape_reply(reply, header.transaction_id);
        let (mut refused, mut tracked) = (None, 0);
        for info_hash in info_hashes {
            let info_hash = InfoHash(*info_hash);
            let counts = match self.tracker.admission.check(&info_hash) {
                Ok(info_hash) => {
                    tracked += 1;
                    self.tracker.scrape(&info_hash)
                }
                Err(refusal) => {
                    refused = Some(refusal);
                    Counts::default()
                }
            };
            udp::write_scrape_entry(reply, counts);
        }
        if let Some(refusal) = refused.filter(|_| tracked == 0) {
            return Err(refusal);
        }
        self.counters.udp.of(client).scrapes.increment();
        Ok(())
    }

    fn replied(&self, reply: &[u8]) -> Verdict {
        self.counters.sent_datagram(reply.len());
        Verdict::Reply
    }

    fn silent(&self) -> Verdict {
        self.counters.udp_silent.increment();
        Verdict::Silent
    }
}

/// The chance by which peers are chosen for one: the same when its announce is foreseen and when it
/// is answered, another in each batch, and nobody else's. `seed` is what makes it so.
fn chance(seed: u64, info_hash: &InfoHash, peer: SocketAddr) -> fastrand::Rng {
    let named = info_hash.0.first_chunk().map_or(0, |named| u64::from_ne_bytes(*named));
    let ip = match peer.ip() {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits() as u64,
    };
    fastrand::Rng::with_seed(seed ^ named ^ ip.rotate_left(16) ^ u64::from(peer.port()))
}

/// Whether an announce belongs at the URL a client sent along (BEP 41), by the same rule as over
/// HTTP. A URL without a path, `udp://host:port`, is as good as `/announce`.
fn is_announce_url(url: &[u8]) -> bool {
    let path = url.split(|byte| *byte == b'?').next().unwrap_or_default();
    matches!(path, b"" | b"/") || Route::of(path) == Some(Route::Announce)
}
