//! One connection: what it is in the middle of, and what it wants of the ring next.
//!
//! ```text
//!     proxied  ┌──────────────┐
//! accept ────> │ Introduction │ ──> as if it had been accepted then
//!              └──────────────┘
//!            ┌───────────┐  whole   ┌──────────┐  full   ┌────────┐ made ┌──────┐
//! accept ──> │ Handshake │ ───────> │ Requests │ ──────> │ Scrape │ ───> │ Body │ ─┐
//!            └───────────┘          └──────────┘ scrape  └────────┘      └──────┘  │
//!                  │                  │      ^─────────────────────────────────────┘
//!                  │ not TLS          │ last reply                         last piece
//!                  v                  v
//!            ┌───────────┐  sent    ┌───────────┐  client gone    ┌────────┐ operations home
//!            │ Finishing │ ───────> │ Lingering │ ──────────────> │ Closed │ ──────> freed
//!            └───────────┘          └───────────┘                 └────────┘
//! ```
//!
//! An error or the end of its time leads from every state to `Closed`. Bytes that come while a
//! send is under way are held until it is done, and beyond [`HELD_MAX`] the kernel is asked to
//! receive no more.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};

use super::kernel::{Completion, Kind, Parcel, Token};
use super::session::Session;
use super::tcp::{Kit, Port};
use super::worker::Tools;
use crate::net::connections::Permit;
use crate::net::full_scrape::Body;
use crate::net::http::{FullScrapeRequest, Responder};
use crate::net::tcp::dialogue::{Asked, Dialogue, Step};
use crate::net::tcp::introduction;
use crate::net::tcp::{LINGER, LINGER_BYTES};
use crate::net::worker::FIRST_REQUEST;
use crate::protocol::proxy_head::NoHead;

/// Bytes held for a connection that does not take its replies.
const HELD_MAX: usize = 64 * 1024;
/// A full scrape is sent in pieces of this size, each of which the client must take in time.
const PIECE: usize = 256 * 1024;
/// Such a piece where it has to be encrypted into memory of the connection.
const TLS_PIECE: usize = 64 * 1024;

/// A connection.
pub struct Connection {
    stream: OwnedFd,
    /// Its number and generation.
    place: (u32, u32),
    /// The number of the port it came by.
    pub port: usize,
    peer: IpAddr,
    permit: Permit,
    dialogue: Dialogue,
    session: Option<Box<Session>>,
    /// What is to be sent next. Without memory of its own while there is nothing.
    out: Vec<u8>,
    /// How much of the parcel that is under way has gone out, while there is one.
    sending: Option<usize>,
    /// What came while a send was under way.
    held: Vec<u8>,
    phase: Phase,
    receiving: Receiving,
    /// The client has said that it sends no more.
    has_ended: bool,
    /// The time of the head that is under way runs.
    is_in_head: bool,
    /// When its whole time is up.
    dies: Duration,
}

/// Where a connection comes from.
pub struct Origin {
    /// The number of its port.
    pub port: usize,
    /// The canonical address at the other end.
    pub peer: IpAddr,
    /// The right to keep it open.
    pub permit: Permit,
    /// Whether that end is a proxy, which has to say whose connection it is.
    pub is_proxied: bool,
}

enum Phase {
    Introduction,
    Handshake,
    Requests,
    Scrape(FullScrapeRequest),
    Body { bytes: Arc<[u8]>, sent: usize, keep_alive: bool },
    Finishing,
    Lingering { heard: usize },
    Closed,
}

#[derive(PartialEq, Eq)]
enum Receiving {
    Off,
    On,
    Stopping,
}

impl Connection {
    /// One that has just been accepted.
    pub fn new(
        stream: OwnedFd,
        place: (u32, u32),
        from: Origin,
        session: Option<Box<Session>>,
        dies: Duration,
    ) -> Connection {
        Connection {
            stream,
            place,
            port: from.port,
            peer: from.peer,
            permit: from.permit,
            dialogue: Dialogue::default(),
            phase: if from.is_proxied {
                Phase::Introduction
            } else {
                first_phase(session.is_some())
            },
            session,
            out: Vec::new(),
            sending: None,
            held: Vec::new(),
            receiving: Receiving::Off,
            has_ended: false,
            is_in_head: true,
            dies,
        }
    }

    /// Begins to listen. The time of a proxy's head is that of what follows it.
    pub fn open(&mut self, kit: &mut Kit, tools: &mut Tools<'_>) {
        let timeouts = kit.timeouts;
        let first = if self.session.is_some() { timeouts.handshake } else { timeouts.head };
        self.set_timer(first, kit, tools);
        self.keep_receiving(tools);
    }

    fn token(&self, kind: Kind) -> Token {
        Token { kind, index: self.place.0, generation: self.place.1 }
    }

    fn set_timer(&self, patience: Duration, kit: &mut Kit, tools: &Tools<'_>) {
        kit.timers.set(self.place.0, (tools.elapsed + patience).min(self.dies));
    }

    /// The kernel received something, or receives no more.
    pub fn received(
        &mut self,
        completion: Completion,
        kit: &mut Kit,
        port: &Port,
        tools: &mut Tools<'_>,
    ) {
        if !completion.goes_on {
            self.receiving = Receiving::Off;
        }
        match (completion.result, completion.lease) {
            (Ok(1..), Some(lease)) => {
                let bytes = tools.ring.received(&lease);
                let asked = port.asked(self.peer, tools.now, tools.is_ending, kit.verbose);
                let step = self.hear(bytes, kit, asked, tools.responder);
                tools.ring.give_back(lease);
                if let Some(step) = step {
                    self.act(step, kit, tools);
                }
            }
            (Ok(_), lease) => {
                if let Some(lease) = lease {
                    tools.ring.give_back(lease);
                }
                self.end_of_stream(kit, tools);
            }
            // Out of buffers, of which this round gives some back; or stopped by us.
            (Err(error), _) if is_about_room(&error) => {}
            (Err(_), _) => self.close(kit),
        }
        self.keep_receiving(tools);
    }

    /// Receives on, or stops until what is held has been dealt with.
    fn keep_receiving(&mut self, tools: &mut Tools<'_>) {
        let is_full = self.held.len() > HELD_MAX;
        match self.receiving {
            Receiving::Off if !is_full && !self.has_ended && !self.is_closed() => {
                self.receiving = Receiving::On;
                tools.ring.receive(self.stream.as_fd(), self.token(Kind::Receive));
            }
            Receiving::On if is_full => {
                self.receiving = Receiving::Stopping;
                tools.ring.cancel(self.token(Kind::Receive));
            }
            _ => {}
        }
    }

    /// Takes in what has come; tells what to do about it, if anything.
    fn hear(
        &mut self,
        bytes: &mut [u8],
        kit: &mut Kit,
        asked: Asked<'_>,
        responder: &mut Responder,
    ) -> Option<Act> {
        match &mut self.phase {
            Phase::Introduction => Some(self.introduce(bytes, kit, asked, responder)),
            Phase::Handshake | Phase::Requests if self.sending.is_none() => {
                Some(self.advance(bytes, kit, asked, responder))
            }
            Phase::Handshake | Phase::Requests | Phase::Scrape(_) | Phase::Body { .. } => {
                self.held.extend_from_slice(bytes);
                None
            }
            Phase::Lingering { heard } => {
                *heard += bytes.len();
                (*heard >= LINGER_BYTES).then_some(Act::Close)
            }
            Phase::Finishing | Phase::Closed => None,
        }
    }

    /// Takes in what a proxy says of its client, and then what the client says.
    fn introduce(
        &mut self,
        bytes: &[u8],
        kit: &mut Kit,
        asked: Asked<'_>,
        responder: &mut Responder,
    ) -> Act {
        self.held.extend_from_slice(bytes);
        let head = match introduction::decode(&self.held) {
            Ok(head) => head,
            Err(NoHead::Incomplete) => return Act::Take(Step::Read),
            Err(NoHead::Invalid) => return Act::Mistake,
        };
        self.peer = head.client.unwrap_or(self.peer);
        if !kit.caps.pass_on(&mut self.permit, self.peer) {
            return Act::Exceed;
        }
        self.phase = first_phase(self.session.is_some());
        let mut arrived = std::mem::take(&mut self.held);
        let asked = Asked { peer: self.peer, ..asked };
        self.advance(&mut arrived[head.length..], kit, asked, responder)
    }

    /// Has memory for what is to be sent.
    fn have_buffer(&mut self, kit: &mut Kit) {
        if self.out.capacity() == 0 {
            self.out = kit.buffers.pop().unwrap_or_default();
        }
    }

    /// Decrypts and answers what there is.
    fn advance(
        &mut self,
        bytes: &mut [u8],
        kit: &mut Kit,
        asked: Asked<'_>,
        responder: &mut Responder,
    ) -> Act {
        self.have_buffer(kit);
        let Some(session) = &mut self.session else {
            return Act::Take(self.dialogue.answer(asked, responder, bytes, &mut self.out));
        };
        let Kit { heard, said, .. } = kit;
        heard.clear();
        said.clear();
        match session.hear(bytes, heard, &mut self.out) {
            Ok(has_ended) => self.has_ended |= has_ended,
            Err(_) => return Act::Refuse,
        }
        if !session.has_shaken_hands() {
            return Act::Take(if self.out.is_empty() { Step::Read } else { Step::Send });
        }
        let step = self.dialogue.answer(asked, responder, heard, said);
        match session.encrypt(said, &mut self.out) {
            Ok(()) => Act::Take(step),
            Err(_) => Act::Refuse,
        }
    }

    fn act(&mut self, act: Act, kit: &mut Kit, tools: &mut Tools<'_>) {
        if matches!(self.phase, Phase::Handshake)
            && self.session.as_ref().is_some_and(|session| session.has_shaken_hands())
        {
            self.phase = Phase::Requests;
            self.set_timer(kit.timeouts.head, kit, tools);
        }
        match act {
            Act::Take(Step::Read | Step::Send) if !self.out.is_empty() => self.send(kit, tools),
            Act::Take(Step::Read | Step::Send) => self.wait(kit, tools),
            Act::Take(Step::Finish) => self.finish(kit, tools),
            Act::Take(Step::FullScrape(request)) => {
                self.phase = Phase::Scrape(request);
                kit.timers.set(self.place.0, self.dies);
                if !kit.want_body(self.token(Kind::Send), request, tools) {
                    self.close(kit);
                }
            }
            Act::Refuse => {
                if matches!(self.phase, Phase::Handshake) {
                    tools.counters().handshakes_failed.increment();
                }
                self.phase = Phase::Finishing;
                self.go_on_finishing(kit, tools);
            }
            Act::Mistake => {
                tools.counters().handshakes_failed.increment();
                self.close(kit);
            }
            Act::Exceed => {
                tools.counters().connections_refused.increment();
                self.close(kit);
            }
            Act::Close => self.close(kit),
        }
    }

    /// Everything whole is answered and sent: waits for more, and not for ever.
    fn wait(&mut self, kit: &mut Kit, tools: &mut Tools<'_>) {
        if self.out.capacity() > 0 {
            kit.keep(std::mem::take(&mut self.out));
        }
        if self.has_ended {
            return self.close(kit);
        }
        let is_amid = !matches!(self.phase, Phase::Requests) || !self.is_at_rest();
        if is_amid && self.is_cut_off() {
            return self.end_of_stream(kit, tools);
        }
        if matches!(self.phase, Phase::Introduction | Phase::Handshake) {
            return;
        }
        if tools.is_ending && self.is_at_rest() {
            return self.end(kit, tools);
        }
        if self.dialogue.is_idle() && !self.is_amid_record() {
            self.is_in_head = false;
            self.set_timer(kit.timeouts.idle, kit, tools);
        } else if !self.is_in_head {
            self.is_in_head = true;
            self.set_timer(kit.timeouts.head, kit, tools);
        }
    }

    /// Whether the client has reset the connection. Linux may tell a multishot receive of the last
    /// bytes alone where a reset comes right behind them, and who sent half a request would then be
    /// waited for until its time is up.
    fn is_cut_off(&self) -> bool {
        let ahead = recv(&self.stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        ahead.is_err_and(|error| error != Errno::AGAIN)
    }

    /// Whether it is in no request's midst.
    fn is_at_rest(&self) -> bool {
        self.sending.is_none()
            && self.held.is_empty()
            && self.dialogue.is_empty()
            && !self.is_amid_record()
    }

    fn is_amid_record(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_amid_record())
    }

    fn send(&mut self, kit: &mut Kit, tools: &mut Tools<'_>) {
        self.is_in_head = false;
        let out = std::mem::take(&mut self.out);
        self.send_parcel(Parcel::Owned(out), kit, tools);
    }

    fn send_parcel(&mut self, parcel: Parcel, kit: &mut Kit, tools: &mut Tools<'_>) {
        // A handshake has one time for all of it.
        if !matches!(self.phase, Phase::Handshake) {
            self.set_timer(kit.timeouts.write, kit, tools);
        }
        self.sending = Some(0);
        tools.ring.send(self.stream.as_fd(), self.token(Kind::Send), parcel, 0);
    }

    /// The kernel has done with what it was given to send.
    pub fn sent(
        &mut self,
        completion: &Completion,
        kit: &mut Kit,
        port: &Port,
        tools: &mut Tools<'_>,
    ) {
        let Some(parcel) = tools.ring.take_parcel(self.place.0) else { return };
        let before = self.sending.take().unwrap_or(0);
        let length = parcel.bytes().len();
        match completion.result {
            Ok(0) | Err(_) if !self.is_closed() => self.close(kit),
            Ok(sent) if !self.is_closed() && before + (sent as usize) < length => {
                let sent = before + sent as usize;
                self.sending = Some(sent);
                tools.ring.send(self.stream.as_fd(), self.token(Kind::Send), parcel, sent);
                return;
            }
            _ => {}
        }
        if let Parcel::Owned(buffer) = parcel {
            kit.keep(buffer);
        }
        match self.phase {
            Phase::Handshake | Phase::Requests => self.resume(kit, port, tools),
            Phase::Body { .. } => self.send_piece(kit, port, tools),
            Phase::Finishing => self.go_on_finishing(kit, tools),
            Phase::Introduction | Phase::Scrape(_) | Phase::Lingering { .. } | Phase::Closed => {}
        }
        self.keep_receiving(tools);
    }

    /// Answers what came meanwhile.
    fn resume(&mut self, kit: &mut Kit, port: &Port, tools: &mut Tools<'_>) {
        let mut held = std::mem::take(&mut self.held);
        let asked = port.asked(self.peer, tools.now, tools.is_ending, kit.verbose);
        let act = self.advance(&mut held, kit, asked, tools.responder);
        self.act(act, kit, tools);
    }

    /// The body of the full scrape it waits for.
    pub fn body(&mut self, body: Body, kit: &mut Kit, port: &Port, tools: &mut Tools<'_>) {
        let Phase::Scrape(request) = self.phase else { return };
        self.have_buffer(kit);
        let protocol = port.protocol();
        match &mut self.session {
            None => {
                tools.responder.full_scrape_head(protocol, request, &body, &mut self.out);
            }
            Some(session) => {
                kit.said.clear();
                tools.responder.full_scrape_head(protocol, request, &body, &mut kit.said);
                if session.encrypt(&kit.said, &mut self.out).is_err() {
                    return self.close(kit);
                }
            }
        }
        self.phase = Phase::Body { bytes: body.bytes, sent: 0, keep_alive: request.keep_alive };
        self.send(kit, tools);
    }

    fn send_piece(&mut self, kit: &mut Kit, port: &Port, tools: &mut Tools<'_>) {
        let Phase::Body { bytes, sent, keep_alive } = &mut self.phase else { return };
        let (start, whole) = (*sent, bytes.len());
        if start == whole {
            let goes_on = *keep_alive && self.dialogue.may_go_on() && !tools.is_ending;
            if !goes_on {
                return self.finish(kit, tools);
            }
            self.phase = Phase::Requests;
            return self.resume(kit, port, tools);
        }
        let piece = if self.session.is_some() { TLS_PIECE } else { PIECE };
        let end = whole.min(start + piece);
        *sent = end;
        let bytes = bytes.clone();
        self.have_buffer(kit);
        match &mut self.session {
            None => self.send_parcel(Parcel::Shared(bytes, start, end), kit, tools),
            Some(session) => match session.encrypt(&bytes[start..end], &mut self.out) {
                Ok(()) => self.send(kit, tools),
                Err(_) => self.close(kit),
            },
        }
    }

    /// Sends what is left, says that no more comes, and hears the client out for a moment.
    fn finish(&mut self, kit: &mut Kit, tools: &mut Tools<'_>) {
        if let Some(session) = &mut self.session {
            session.close(&mut self.out);
        }
        self.phase = Phase::Finishing;
        self.go_on_finishing(kit, tools);
    }

    fn go_on_finishing(&mut self, kit: &mut Kit, tools: &mut Tools<'_>) {
        if !self.out.is_empty() {
            return self.send(kit, tools);
        }
        if self.has_ended || shutdown(&self.stream, Shutdown::Write).is_err() {
            return self.close(kit);
        }
        self.phase = Phase::Lingering { heard: 0 };
        self.set_timer(LINGER, kit, tools);
    }

    /// The client sends no more.
    fn end_of_stream(&mut self, kit: &mut Kit, tools: &mut Tools<'_>) {
        self.has_ended = true;
        match self.phase {
            Phase::Introduction | Phase::Handshake => {
                tools.counters().handshakes_failed.increment();
                self.close(kit);
            }
            Phase::Lingering { .. } => self.close(kit),
            Phase::Requests if self.sending.is_none() => self.close(kit),
            // What it asked before is answered first.
            _ => {}
        }
    }

    /// The program is about to end: a connection between two requests is finished, and one before
    /// its first has a moment for it.
    pub fn end(&mut self, kit: &mut Kit, tools: &mut Tools<'_>) {
        match self.phase {
            Phase::Requests if !self.is_at_rest() => {}
            Phase::Requests if self.dialogue.is_idle() => self.finish(kit, tools),
            Phase::Requests | Phase::Introduction => self.set_timer(FIRST_REQUEST, kit, tools),
            _ => {}
        }
    }

    /// Its time is up.
    pub fn expire(&mut self, kit: &mut Kit, tools: &mut Tools<'_>) {
        if !matches!(self.phase, Phase::Lingering { .. } | Phase::Closed) {
            tools.counters().connections_timed_out.increment();
        }
        self.close(kit);
    }

    /// Lets go of the client. The operations that are under way end by that.
    pub fn close(&mut self, kit: &mut Kit) {
        self.phase = Phase::Closed;
        kit.timers.clear(self.place.0);
        if !self.is_freeable() {
            let _ = shutdown(&self.stream, Shutdown::Both); // fails when the client did it
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether it is closed and the kernel has nothing of it in hand.
    pub fn is_freeable(&self) -> bool {
        self.is_closed() && self.receiving == Receiving::Off && self.sending.is_none()
    }

    /// Gives its buffers back.
    pub fn free(self, kit: &mut Kit) {
        if self.out.capacity() > 0 {
            kit.keep(self.out);
        }
    }
}

/// What follows what was heard.
#[derive(Clone, Copy)]
enum Act {
    Take(Step),
    /// Not TLS, or not that of this session: an alert, and the end.
    Refuse,
    /// A proxy that does not say whose connection it is.
    Mistake,
    /// One connection too many of the client behind a proxy.
    Exceed,
    Close,
}

/// What a client's first bytes are.
fn first_phase(is_tls: bool) -> Phase {
    if is_tls { Phase::Handshake } else { Phase::Requests }
}

fn is_about_room(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ECANCELED))
}
