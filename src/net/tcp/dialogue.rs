//! The requests of one connection: which bytes are a head, which wait for more, and what is to be
//! done next. No socket and no clock: every backend drives this.

use std::net::IpAddr;

use crate::clock::Now;
use crate::limits;
use crate::net::http::{FullScrapeRequest, Next, Responder, Service};
use crate::protocol::http_head;
use crate::stats::Protocol;

/// Replies to pipelined requests are sent when they exceed this, at the latest.
const OUT_FLUSH: usize = 64 * 1024;
/// Room that is kept for what a client sends in pieces; most heads are a quarter of it.
const ROOM_KEPT: usize = 2 * 1024;

/// What a connection has said so far.
#[derive(Debug, Default)]
pub struct Dialogue {
    /// What has come and is not answered; `scanned` bytes of it hold no end of a head.
    received: Vec<u8>,
    scanned: usize,
    requests: u32,
}

/// Who asks, and what is served to them.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What the port is for.
    pub service: &'a Service,
    /// How they came.
    pub protocol: Protocol,
    /// The canonical address at the other end.
    pub peer: IpAddr,
    /// The time.
    pub now: Now,
    /// Whether each request is logged.
    pub verbose: bool,
    /// Whether the program is about to end, so that no further request is answered.
    pub ending: bool,
}

/// What a connection needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// More bytes from the client: everything whole is answered.
    Read,
    /// Its replies sent; then [`Dialogue::answer`] is to be called again, with nothing if nothing
    /// came.
    Send,
    /// The body of a full scrape, to be sent behind the replies there are.
    FullScrape(FullScrapeRequest),
    /// Its replies sent, and then its end.
    Finish,
}

impl Dialogue {
    /// Answers the whole requests in what came before and in `arrived`, and appends the replies to
    /// `out`. What is not answered is remembered.
    pub fn answer(
        &mut self,
        asked: Asked<'_>,
        responder: &mut Responder,
        arrived: &[u8],
        out: &mut Vec<u8>,
    ) -> Step {
        if self.received.is_empty() {
            let (step, answered) = self.walk(asked, responder, arrived, out);
            self.received.extend_from_slice(&arrived[answered..]);
            return step;
        }
        let mut received = std::mem::take(&mut self.received);
        received.extend_from_slice(arrived);
        let (step, answered) = self.walk(asked, responder, &received, out);
        received.drain(..answered);
        self.received = received;
        if self.received.is_empty() {
            self.received.shrink_to(ROOM_KEPT);
        }
        step
    }

    /// Whether a request was answered and nothing has come since.
    pub fn is_idle(&self) -> bool {
        self.received.is_empty() && self.requests > 0
    }

    /// Whether nothing has come that waits for more.
    pub fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// Whether the connection may serve another request, having been served this often.
    pub fn may_go_on(&self) -> bool {
        self.requests < limits::HTTP_REQUESTS_PER_CONNECTION
    }

    /// Answers what is whole at the start of `bytes`, and tells how many of them that took.
    fn walk(
        &mut self,
        asked: Asked<'_>,
        responder: &mut Responder,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> (Step, usize) {
        let mut answered = 0;
        loop {
            let rest = &bytes[answered..];
            let Some(length) = http_head::end(rest, self.scanned) else {
                self.scanned = rest.len();
                if rest.len() > limits::HTTP_HEAD_MAX || has_long_line(rest) {
                    let _closes = responder.refuse_long_head(asked.protocol, rest, out);
                    return (Step::Finish, bytes.len());
                }
                return (if out.is_empty() { Step::Read } else { Step::Send }, answered);
            };
            if length > limits::HTTP_HEAD_MAX {
                let _closes = responder.refuse_long_head(asked.protocol, rest, out);
                return (Step::Finish, bytes.len());
            }
            let head = &rest[..length];
            if asked.verbose {
                log_request(asked.protocol, asked.peer, head);
            }
            let source = (asked.service, asked.protocol, asked.peer);
            let next = responder.respond(asked.now, source, head, out);
            answered += length;
            self.scanned = 0;
            self.requests += 1;
            match next {
                Next::FullScrape(request) => return (Step::FullScrape(request), answered),
                Next::KeepAlive if self.may_go_on() && !asked.ending => {}
                Next::KeepAlive | Next::Close => return (Step::Finish, bytes.len()),
            }
            if out.len() >= OUT_FLUSH {
                return (Step::Send, answered);
            }
        }
    }
}

fn has_long_line(bytes: &[u8]) -> bool {
    bytes.len() > limits::HTTP_REQUEST_LINE_MAX && !bytes.contains(&b'\n')
}

/// Logs a request without its query, in which keys may stand, and with nothing in it that a
/// terminal would obey.
fn log_request(protocol: Protocol, peer: IpAddr, head: &[u8]) {
    let line = head.split(|byte| matches!(byte, b'?' | b'\r' | b'\n')).next().unwrap_or_default();
    tracing::debug!(?protocol, %peer, request = %line.escape_ascii(), "HTTP request");
}
