//! BEP 15 as a client speaks it: every request is repeated with growing waits, and what is no
//! answer to it is counted and not believed.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::client::Client;
use super::connect;
use super::failure::{Failure, Kind};
use super::question::{Announce, Udp};
use super::report::{Trace, UdpTrace};
use super::text::shown;
use crate::limits::UDP_SCRAPE_HASHES_MAX;
use crate::limits::query as limits;
use crate::protocol::announce::{self, Counts, PeerFormat};
use crate::protocol::ids::{InfoHash, PeerId};
use crate::protocol::udp::{Header, Reply, Request, decode_scrape_entry, write_url_data};

/// What an announce brings.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) interval: u32,
    pub(super) leechers: u32,
    pub(super) seeders: u32,
    /// 6 or 18 bytes each.
    pub(super) peers: Vec<u8>,
}

/// A socket that speaks to one address of one tracker.
pub(super) struct Link<'a> {
    client: &'a Client,
    socket: UdpSocket,
    address: SocketAddr,
    started: Instant,
    deadline: Instant,
    /// What the tracker gave us, and until when it is good.
    connection: Option<(u64, Instant)>,
    buffer: Vec<u8>,
}

impl<'a> Link<'a> {
    /// A socket for `address`.
    ///
    /// # Errors
    /// When the system has no way there.
    pub(super) async fn open(
        client: &'a Client,
        address: SocketAddr,
        started: Instant,
        deadline: Instant,
        trace: &mut Trace,
    ) -> Result<Link<'a>, Failure> {
        let any: SocketAddr =
            if address.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let from = client.settings().bind.map_or(any, |ip| SocketAddr::new(ip, 0));
        let socket = match UdpSocket::bind(from).await {
            Ok(socket) => socket.connect(address).await.map(|()| socket),
            Err(error) => Err(error),
        };
        let socket = socket.map_err(|error| connect::failure(address, &error))?;
        trace.local = socket.local_addr().ok();
        let buffer = vec![0; limits::UDP_REPLY_MAX];
        Ok(Link { client, socket, address, started, deadline, connection: None, buffer })
    }

    /// Announces, with a connection id fetched first.
    ///
    /// # Errors
    /// A refusal, a time-out, or what the network says.
    pub(super) async fn announce(
        &mut self,
        ask: &Announce,
        peer_id: PeerId,
        url_data: Option<&str>,
        trace: &mut Trace,
    ) -> Result<Announced, Failure> {
        let announce = announce::Announce {
            info_hash: ask.info_hash,
            peer_id,
            port: ask.port,
            uploaded: ask.uploaded,
            downloaded: ask.downloaded,
            left: ask.left,
            event: ask.event,
            numwant: u32::try_from(ask.numwant).ok(),
            key: Some(ask.key),
            ip: ask.ip,
            format: PeerFormat::Compact,
        };
        let mut options = Vec::new();
        if let Some(data) = url_data.filter(|_| self.client.settings().udp.options) {
            let data = &data.as_bytes()[..data.len().min(limits::UDP_URL_MAX)];
            write_url_data(&mut options, data);
        }
        let encode = |header, out: &mut Vec<u8>| {
            Request::Announce { header, announce, options: &options }.encode(out);
        };
        let read = |reply: &Reply<'_>| match reply {
            Reply::Announce { interval, leechers, seeders, peers, .. } => Some(Announced {
                interval: *interval,
                leechers: *leechers,
                seeders: *seeders,
                peers: peers.to_vec(),
            }),
            _ => None,
        };
        self.ask("announce", encode, read, trace).await
    }

    /// Scrapes, as many hashes to a packet as BEP 15 allows; fewer counts than hashes may come.
    ///
    /// # Errors
    /// As [`Link::announce`].
    pub(super) async fn scrape(
        &mut self,
        info_hashes: &[InfoHash],
        trace: &mut Trace,
    ) -> Result<Vec<(InfoHash, Counts)>, Failure> {
        let mut found = Vec::with_capacity(info_hashes.len());
        for chunk in info_hashes.chunks(UDP_SCRAPE_HASHES_MAX) {
            let bytes: Vec<[u8; 20]> = chunk.iter().map(|info_hash| info_hash.0).collect();
            let encode = |header, out: &mut Vec<u8>| {
                Request::Scrape { header, info_hashes: &bytes }.encode(out);
            };
            let read = |reply: &Reply<'_>| match reply {
                Reply::Scrape { entries, .. } => {
                    Some(entries.iter().map(decode_scrape_entry).collect::<Vec<_>>())
                }
                _ => None,
            };
            let counts = self.ask("scrape", encode, read, trace).await?;
            found.extend(chunk.iter().copied().zip(counts));
        }
        Ok(found)
    }

    /// One request under a good connection id, with a new one if the tracker does not like it.
    async fn ask<T>(
        &mut self,
        step: &'static str,
        encode: impl Fn(Header, &mut Vec<u8>),
        read: impl Fn(&Reply<'_>) -> Option<T>,
        trace: &mut Trace,
    ) -> Result<T, Failure> {
        let mut has_reconnected = false;
        loop {
            let connection_id = self.connection_id(trace).await?;
            let encode = |transaction_id, out: &mut Vec<u8>| {
                encode(Header { connection_id, transaction_id }, out);
            };
            let begun = Instant::now();
            let result = self.exchange(step, encode, &read, trace).await;
            match result {
                Err(failure) if !has_reconnected && is_about_the_connection(&failure) => {
                    has_reconnected = true;
                    self.connection = None;
                }
                result => {
                    trace.step(step, result.is_ok(), begun.elapsed());
                    trace.timing.response = Some(self.started.elapsed());
                    let (answer, round_trip) = result?;
                    trace.timing.first_byte = Some(round_trip);
                    return Ok(answer);
                }
            }
        }
    }

    async fn connection_id(&mut self, trace: &mut Trace) -> Result<u64, Failure> {
        if let Some((id, until)) = self.connection
            && Instant::now() < until
        {
            return Ok(id);
        }
        let encode = |transaction_id, out: &mut Vec<u8>| {
            Request::Connect { transaction_id }.encode(out);
        };
        let read = |reply: &Reply<'_>| match reply {
            Reply::Connect { connection_id, .. } => Some(*connection_id),
            _ => None,
        };
        let begun = Instant::now();
        let result = self.exchange("connect", encode, read, trace).await;
        trace.step("connect", result.is_ok(), begun.elapsed());
        let (id, round_trip) = result?;
        trace.timing.connect = Some(round_trip);
        self.connection = Some((id, Instant::now() + limits::UDP_CONNECTION_LIFE));
        Ok(id)
    }

    /// Sends until an answer comes. Each send has a transaction id of its own, so that the time of
    /// the round trip is that of the very datagram that was answered.
    async fn exchange<T>(
        &mut self,
        step: &'static str,
        encode: impl Fn(u32, &mut Vec<u8>),
        read: impl Fn(&Reply<'_>) -> Option<T>,
        trace: &mut Trace,
    ) -> Result<(T, Duration), Failure> {
        let Udp { mut wait, sends_max, .. } = self.client.settings().udp;
        let seen = trace.udp.get_or_insert_default();
        let strays_before = seen.strays;
        let mut sends: Vec<(u32, Instant)> = Vec::new();
        let mut packet = Vec::new();
        for _ in 0..sends_max.min(limits::UDP_SENDS_MAX) {
            let transaction_id = transaction_id()?;
            packet.clear();
            encode(transaction_id, &mut packet);
            let sent = self.socket.send(&packet).await;
            sent.map_err(|error| connect::failure(self.address, &error))?;
            seen.sent += 1;
            seen.retransmits += u32::from(!sends.is_empty());
            sends.push((transaction_id, Instant::now()));

            let until = self.deadline.min(Instant::now() + wait);
            if let Some(answer) = self.receive(step, &sends, until, &read, seen).await? {
                return Ok(answer);
            }
            if Instant::now() >= self.deadline {
                break;
            }
            wait = wait.saturating_mul(2);
        }
        let (after, count) = (self.started.elapsed().as_secs_f64().round(), sends.len());
        let useless = match seen.strays - strays_before {
            0 => String::new(),
            strays => format!(", {strays} of no use received"),
        };
        let text = format!("no reply to {step} after {after} s ({count} datagrams sent{useless})");
        Err(Failure::new(Kind::Timeout, step, text))
    }

    /// Waits for an answer to one of `sends`; `None` when none came before `until`.
    async fn receive<T>(
        &mut self,
        step: &'static str,
        sends: &[(u32, Instant)],
        until: Instant,
        read: impl Fn(&Reply<'_>) -> Option<T>,
        seen: &mut UdpTrace,
    ) -> Result<Option<(T, Duration)>, Failure> {
        while seen.strays < limits::UDP_STRAYS_MAX {
            let received = timeout_at(until, self.socket.recv(&mut self.buffer)).await;
            let Ok(received) = received else { return Ok(None) };
            let length = received.map_err(|error| connect::failure(self.address, &error))?;
            seen.received += 1;
            let Some(reply) = Reply::decode(&self.buffer[..length]) else {
                seen.strays += 1;
                continue;
            };
            let Some((_, sent)) = sends.iter().find(|(id, _)| *id == reply.transaction_id()) else {
                seen.strays += 1;
                continue;
            };
            if let Reply::Error { reason, .. } = reply {
                let reason = reason.trim_ascii_end();
                let end = reason.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                return Err(Failure::new(Kind::Refused, step, shown(&reason[..end])));
            }
            match read(&reply) {
                Some(answer) => return Ok(Some((answer, sent.elapsed()))),
                None => seen.strays += 1,
            }
        }
        let text = "the tracker's address floods us with datagrams of no use";
        Err(Failure::new(Kind::Malformed, step, text))
    }
}

/// Whether a refusal is of the connection id and not of the request.
fn is_about_the_connection(failure: &Failure) -> bool {
    let text = failure.message.to_ascii_lowercase();
    failure.kind == Kind::Refused && text.contains("connection") && text.contains("id")
}

/// From the system's generator, so that nobody off the path can guess it.
fn transaction_id() -> Result<u32, Failure> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(Kind::Failed, "connect", format!("the system gives no randomness: {error}"))
    })?;
    Ok(u32::from_ne_bytes(bytes))
}
