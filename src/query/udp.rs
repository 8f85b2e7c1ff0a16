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
use super::report::Trace;
use super::text::shown;
use crate::limits::UDP_SCRAPE_HASHES_MAX;
use crate::limits::query as limits;
use crate::protocol::announce::Counts;
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

/// The datagrams of one request, under however many connection ids.
struct Sends {
    wait: Duration,
    left: u32,
    /// Transaction id and time of each.
    made: Vec<(u32, Instant)>,
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
        let announce = ask.on_wire(peer_id);
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

    /// One request under a good connection id, with a new one when that is too old for a further
    /// send, or the tracker does not like it.
    async fn ask<T>(
        &mut self,
        step: &'static str,
        encode: impl Fn(Header, &mut Vec<u8>),
        read: impl Fn(&Reply<'_>) -> Option<T>,
        trace: &mut Trace,
    ) -> Result<T, Failure> {
        let mut has_reconnected = false;
        let mut sends = self.sends();
        let mut begun = None;
        loop {
            let (connection_id, good_until) = self.connection_id(trace).await?;
            let encode = |transaction_id, out: &mut Vec<u8>| {
                encode(Header { connection_id, transaction_id }, out);
            };
            let begun = *begun.get_or_insert_with(Instant::now);
            let result = self.exchange(step, encode, &read, &mut sends, good_until, trace).await;
            let (answer, round_trip) = match result {
                Ok(Some(answered)) => answered,
                Ok(None) => {
                    self.connection = None;
                    continue;
                }
                Err(failure) if !has_reconnected && is_about_the_connection(&failure) => {
                    has_reconnected = true;
                    self.connection = None;
                    continue;
                }
                Err(failure) => {
                    trace.step(step, false, begun.elapsed());
                    trace.timing.response = Some(self.started.elapsed());
                    return Err(failure);
                }
            };
            trace.step(step, true, begun.elapsed());
            trace.timing.response = Some(self.started.elapsed());
            trace.timing.first_byte = Some(round_trip);
            return Ok(answer);
        }
    }

    fn sends(&self) -> Sends {
        let Udp { wait, sends_max, .. } = self.client.settings().udp;
        Sends { wait, left: sends_max.min(limits::UDP_SENDS_MAX), made: Vec::new() }
    }

    /// Sends a datagram as it stands, and tells whether something other than an error comes back
    /// to its transaction.
    ///
    /// # Errors
    /// What the network says.
    pub(super) async fn is_answered(
        &mut self,
        packet: &[u8],
        transaction_id: u32,
        trace: &mut Trace,
    ) -> Result<bool, Failure> {
        let sent = self.socket.send(packet).await;
        sent.map_err(|error| connect::failure(self.address, &error))?;
        let (sends, until) = ([(transaction_id, Instant::now())], limits::CHECK_SILENCE);
        let until = Instant::now() + until;
        match self.receive("announce", &sends, until, |_| Some(()), trace).await {
            Ok(answer) => Ok(answer.is_some()),
            Err(failure) if failure.kind == Kind::Refused => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// A connection id, and until when it is good.
    ///
    /// # Errors
    /// As [`Link::announce`].
    pub(super) async fn connection_id(
        &mut self,
        trace: &mut Trace,
    ) -> Result<(u64, Instant), Failure> {
        if let Some((id, until)) = self.connection
            && Instant::now() < until
        {
            return Ok((id, until));
        }
        let encode = |transaction_id, out: &mut Vec<u8>| {
            Request::Connect { transaction_id }.encode(out);
        };
        let read = |reply: &Reply<'_>| match reply {
            Reply::Connect { connection_id, .. } => Some(*connection_id),
            _ => None,
        };
        let begun = Instant::now();
        let (mut sends, deadline) = (self.sends(), self.deadline);
        let result = self.exchange("connect", encode, read, &mut sends, deadline, trace).await;
        trace.step("connect", matches!(result, Ok(Some(_))), begun.elapsed());
        let answered = result?.ok_or_else(|| self.no_reply("connect", &sends, 0))?;
        let (id, round_trip) = answered;
        trace.timing.connect = Some(round_trip);
        let until = Instant::now() + limits::UDP_CONNECTION_LIFE;
        self.connection = Some((id, until));
        Ok((id, until))
    }

    /// Sends until an answer comes; `None` when a further send would be later than `good_until`.
    /// Each send has a transaction id of its own, so that the time of the round trip is that of
    /// the very datagram that was answered.
    async fn exchange<T>(
        &mut self,
        step: &'static str,
        encode: impl Fn(u32, &mut Vec<u8>),
        read: impl Fn(&Reply<'_>) -> Option<T>,
        sends: &mut Sends,
        good_until: Instant,
        trace: &mut Trace,
    ) -> Result<Option<(T, Duration)>, Failure> {
        let strays_before = trace.udp.get_or_insert_default().strays;
        let mut packet = Vec::new();
        while sends.left > 0 {
            let transaction_id = transaction_id()?;
            packet.clear();
            encode(transaction_id, &mut packet);
            let sent = self.socket.send(&packet).await;
            sent.map_err(|error| connect::failure(self.address, &error))?;
            self.note(true, &packet, trace);
            let seen = trace.udp.get_or_insert_default();
            seen.sent += 1;
            seen.retransmits += u32::from(!sends.made.is_empty());
            sends.made.push((transaction_id, Instant::now()));
            sends.left -= 1;

            let until = self.deadline.min(Instant::now() + sends.wait);
            if let Some(answer) = self.receive(step, &sends.made, until, &read, trace).await? {
                return Ok(Some(answer));
            }
            let now = Instant::now();
            if now >= self.deadline {
                break;
            }
            sends.wait = sends.wait.saturating_mul(2);
            if now >= good_until && sends.left > 0 {
                return Ok(None);
            }
        }
        let strays = trace.udp.get_or_insert_default().strays - strays_before;
        Err(self.no_reply(step, sends, strays))
    }

    fn no_reply(&self, step: &'static str, sends: &Sends, strays: u32) -> Failure {
        let (after, count) = (self.started.elapsed().as_secs_f64().round(), sends.made.len());
        let useless = match strays {
            0 => String::new(),
            strays => format!(", {strays} of no use received"),
        };
        let text = format!("no reply to {step} after {after} s ({count} datagrams sent{useless})");
        Failure::new(Kind::Timeout, step, text)
    }

    /// Keeps a datagram for who wants to see the bytes.
    fn note(&self, is_ours: bool, bytes: &[u8], trace: &mut Trace) {
        if self.client.settings().keeps_body && trace.datagrams.len() < limits::DATAGRAMS_KEPT {
            trace.datagrams.push((is_ours, bytes.to_vec()));
        }
    }

    /// Waits for an answer to one of `sends`; `None` when none came before `until`.
    async fn receive<T>(
        &mut self,
        step: &'static str,
        sends: &[(u32, Instant)],
        until: Instant,
        read: impl Fn(&Reply<'_>) -> Option<T>,
        trace: &mut Trace,
    ) -> Result<Option<(T, Duration)>, Failure> {
        while trace.udp.get_or_insert_default().strays < limits::UDP_STRAYS_MAX {
            let received = timeout_at(until, self.socket.recv(&mut self.buffer)).await;
            let Ok(received) = received else { return Ok(None) };
            let length = received.map_err(|error| connect::failure(self.address, &error))?;
            let datagram = &self.buffer[..length];
            self.note(false, datagram, trace);
            let seen = trace.udp.get_or_insert_default();
            seen.received += 1;
            let Some(reply) = Reply::decode(datagram) else {
                seen.strays += 1;
                continue;
            };
            let Some((_, sent)) = sends.iter().find(|(id, _)| *id == reply.transaction_id()) else {
                seen.strays += 1;
                continue;
            };
            if self.client.settings().keeps_body {
                trace.body = datagram.to_vec();
            }
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
