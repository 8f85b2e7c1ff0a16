//! One HTTP head in, one reply out, for the tracker ports. No socket: every backend calls this.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::full_scrape::Body;
use super::gzip::Gzip;
use super::proxy;
use crate::clock::Now;
use crate::limits;
use crate::protocol::http_head::{Head, HeadError, Method, no_fields};
use crate::stats::Protocol;
use crate::tracker::{HttpAnswer, Worker};

/// What a port does with those who come to it.
#[derive(Clone, Debug)]
pub enum Service {
    /// Announce and scrape.
    Tracker,
    /// Sends everybody to the same path and query at `https://` and this `host[:port]`.
    Redirect(Arc<str>),
}

/// What follows a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// The connection may serve another request.
    KeepAlive,
    /// The connection is to be closed when the reply is sent.
    Close,
    /// No reply was written: the body of a full scrape is to be fetched off the worker, and then
    /// [`Responder::full_scrape_head`] called.
    FullScrape(FullScrapeRequest),
}

/// What another server is to send, with status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A bencoded reply or refusal.
    Body {
        /// What is to be sent.
        bytes: Vec<u8>,
        /// Whether that is compressed.
        is_gzip: bool,
    },
    /// The body of a full scrape is to be fetched, where one may wait.
    FullScrape,
    /// Nothing is served at this path.
    NotFound,
}

/// What is to be remembered of a request while its full scrape is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullScrapeRequest {
    /// Whether the body may be compressed.
    pub accepts_gzip: bool,
    /// Whether the connection may serve another request afterwards.
    pub keep_alive: bool,
}

/// A worker that speaks HTTP.
#[derive(Debug)]
pub struct Responder {
    worker: Worker,
    trusted_proxies: Arc<[IpNet]>,
    gzip: Gzip,
    body: Vec<u8>,
    compressed: Vec<u8>,
}

impl Responder {
    /// Speaks for `worker` and believes the forwarding headers of `trusted_proxies`.
    pub fn new(worker: Worker, trusted_proxies: Arc<[IpNet]>) -> Responder {
        Responder {
            worker,
            trusted_proxies,
            gzip: Gzip::default(),
            body: Vec::new(),
            compressed: Vec::new(),
        }
    }

    /// The worker it speaks for.
    pub fn worker(&mut self) -> &mut Worker {
        &mut self.worker
    }

    /// Answers the request whose whole head is `head`, and appends the reply to `out`.
    pub fn respond(
        &mut self,
        now: Now,
        (service, protocol, peer): (&Service, Protocol, IpAddr),
        head: &[u8],
        out: &mut Vec<u8>,
    ) -> Next {
        let stopwatch = self.worker.counters().latency.start();
        let next = self.respond_untimed(now, (service, protocol, peer), head, out);
        self.worker.counters().latency.stop(stopwatch);
        next
    }

    fn respond_untimed(
        &mut self,
        now: Now,
        (service, protocol, peer): (&Service, Protocol, IpAddr),
        head: &[u8],
        out: &mut Vec<u8>,
    ) -> Next {
        let line_end = head.iter().position(|byte| *byte == b'\n').unwrap_or(head.len());
        if line_end > limits::HTTP_REQUEST_LINE_MAX {
            return self.refuse(protocol, Status::UriTooLong, out);
        }
        let mut fields = no_fields::<{ limits::HTTP_FIELDS_MAX }>();
        let head = match Head::decode(head, &mut fields) {
            Ok(head) => head,
            Err(HeadError::Malformed) => return self.refuse(protocol, Status::BadRequest, out),
            Err(HeadError::TooManyFields) => {
                return self.refuse(protocol, Status::FieldsTooLarge, out);
            }
        };
        // A body would be taken for the next request; nobody here sends one for a good reason.
        let keep_alive = head.keep_alive && !head.has_body;
        match (service, head.method) {
            (Service::Redirect(host), method) => {
                self.redirect(protocol, (host, method, head.target), keep_alive, out)
            }
            (Service::Tracker, Method::Get) => {
                self.get(now, (protocol, peer), &head, keep_alive, out)
            }
            (Service::Tracker, Method::Head) => self.head(protocol, &head, keep_alive, out),
            (Service::Tracker, Method::Other) => {
                self.refuse(protocol, Status::MethodNotAllowed, out)
            }
        }
    }

    /// Appends the error reply for a head that grew too long before it was whole.
    pub fn refuse_long_head(&mut self, protocol: Protocol, head: &[u8], out: &mut Vec<u8>) -> Next {
        let is_one_line = !head.contains(&b'\n');
        let status = if is_one_line { Status::UriTooLong } else { Status::FieldsTooLarge };
        self.refuse(protocol, status, out)
    }

    /// Appends the head of the reply to a full scrape, whose `body` is to be sent behind it.
    pub fn full_scrape_head(
        &mut self,
        protocol: Protocol,
        request: FullScrapeRequest,
        body: &Body,
        out: &mut Vec<u8>,
    ) {
        self.write_head(protocol, (body.bytes.len(), body.saved), request.keep_alive, out);
    }

    /// Answers a GET that another server has read, of a client whose address is known.
    pub fn answer(
        &mut self,
        now: Now,
        (protocol, client): (Protocol, IpAddr),
        request: (&[u8], &[u8]),
        accepts_gzip: bool,
    ) -> Answer {
        let stopwatch = self.worker.counters().latency.start();
        let mut body = std::mem::take(&mut self.body);
        let answer = match self.worker.answer_http(now, (protocol, client), request, &mut body) {
            HttpAnswer::NotFound => Answer::NotFound,
            HttpAnswer::FullScrape => Answer::FullScrape,
            HttpAnswer::Body => {
                let is_gzip = accepts_gzip && self.gzip.compress(&body, &mut self.compressed);
                let bytes = if is_gzip { &self.compressed } else { &body };
                let saved = is_gzip.then(|| body.len() - bytes.len());
                self.worker.counters().sent_body(protocol, bytes.len(), saved);
                Answer::Body { bytes: bytes.clone(), is_gzip }
            }
        };
        self.body = body;
        self.worker.counters().latency.stop(stopwatch);
        answer
    }

    fn get(
        &mut self,
        now: Now,
        (protocol, peer): (Protocol, IpAddr),
        head: &Head<'_, '_>,
        keep_alive: bool,
        out: &mut Vec<u8>,
    ) -> Next {
        let Ok(client) = proxy::client_ip(peer, head, &self.trusted_proxies) else {
            return self.refuse(protocol, Status::BadForwardedFor, out);
        };
        let mut body = std::mem::take(&mut self.body);
        let request = (head.path(), head.query());
        let accepts_gzip = head.accepts_gzip();
        let next = match self.worker.answer_http(now, (protocol, client), request, &mut body) {
            HttpAnswer::Body => self.write_body(protocol, (accepts_gzip, keep_alive), &body, out),
            HttpAnswer::FullScrape => {
                Next::FullScrape(FullScrapeRequest { accepts_gzip, keep_alive })
            }
            HttpAnswer::NotFound => write_error(Status::NotFound, keep_alive, out),
        };
        self.body = body;
        next
    }

    /// Mirrors a GET without its body, and without doing anything: a HEAD registers no peer. The
    /// length is left out, as it is not known without an answer (RFC 9110, 9.3.2).
    fn head(
        &mut self,
        protocol: Protocol,
        head: &Head<'_, '_>,
        keep_alive: bool,
        out: &mut Vec<u8>,
    ) -> Next {
        if !Worker::serves(head.path()) {
            self.worker.counters().of(protocol).turned_away.increment();
            let next = write_error(Status::NotFound, keep_alive, out);
            out.truncate(out.len() - Status::NotFound.text().len());
            return next;
        }
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n");
        out.extend_from_slice(connection_field(keep_alive));
        out.extend_from_slice(b"\r\n");
        next(keep_alive)
    }

    fn redirect(
        &mut self,
        protocol: Protocol,
        (host, method, target): (&str, Method, &[u8]),
        keep_alive: bool,
        out: &mut Vec<u8>,
    ) -> Next {
        self.worker.counters().of(protocol).turned_away.increment();
        out.extend_from_slice(match method {
            Method::Get | Method::Head => b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://",
            Method::Other => b"HTTP/1.1 308 Permanent Redirect\r\nLocation: https://",
        });
        out.extend_from_slice(host.as_bytes());
        out.extend_from_slice(target);
        out.extend_from_slice(b"\r\nContent-Length: 0\r\n");
        out.extend_from_slice(connection_field(keep_alive));
        out.extend_from_slice(b"\r\n");
        next(keep_alive)
    }

    fn write_body(
        &mut self,
        protocol: Protocol,
        (accepts_gzip, keep_alive): (bool, bool),
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Next {
        if accepts_gzip && self.gzip.compress(body, &mut self.compressed) {
            let length = self.compressed.len();
            self.write_head(protocol, (length, Some(body.len() - length)), keep_alive, out);
            out.extend_from_slice(&self.compressed);
        } else {
            self.write_head(protocol, (body.len(), None), keep_alive, out);
            out.extend_from_slice(body);
        }
        next(keep_alive)
    }

    /// Appends the head of a good reply, and counts it. Compression saved `saved` bytes, or there
    /// was none.
    fn write_head(
        &self,
        protocol: Protocol,
        (length, saved): (usize, Option<usize>),
        keep_alive: bool,
        out: &mut Vec<u8>,
    ) {
        self.worker.counters().sent_body(protocol, length, saved);
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ");
        write_decimal(length, out);
        out.extend_from_slice(b"\r\nVary: Accept-Encoding\r\n");
        if saved.is_some() {
            out.extend_from_slice(b"Content-Encoding: gzip\r\n");
        }
        out.extend_from_slice(connection_field(keep_alive));
        out.extend_from_slice(b"\r\n");
    }

    /// Refuses what is not our HTTP, and closes: where the next request begins is not known.
    fn refuse(&mut self, protocol: Protocol, status: Status, out: &mut Vec<u8>) -> Next {
        self.worker.counters().of(protocol).turned_away.increment();
        write_error(status, false, out)
    }
}

/// The statuses of what is not our HTTP.
#[derive(Clone, Copy, Debug)]
enum Status {
    BadRequest,
    BadForwardedFor,
    NotFound,
    MethodNotAllowed,
    UriTooLong,
    FieldsTooLarge,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Status::BadRequest | Status::BadForwardedFor => "400 Bad Request",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::UriTooLong => "414 URI Too Long",
            Status::FieldsTooLarge => "431 Request Header Fields Too Large",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Status::BadRequest => "Bad Request",
            Status::BadForwardedFor => "X-Forwarded-For names no address",
            Status::NotFound => "Not Found",
            Status::MethodNotAllowed => "Method Not Allowed",
            Status::UriTooLong => "URI Too Long",
            Status::FieldsTooLarge => "Request Header Fields Too Large",
        }
    }
}

fn write_error(status: Status, keep_alive: bool, out: &mut Vec<u8>) -> Next {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.line().as_bytes());
    out.extend_from_slice(b"\r\nContent-Type: text/plain\r\nContent-Length: ");
    write_decimal(status.text().len(), out);
    out.extend_from_slice(b"\r\n");
    if matches!(status, Status::MethodNotAllowed) {
        out.extend_from_slice(b"Allow: GET, HEAD\r\n");
    }
    out.extend_from_slice(connection_field(keep_alive));
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(status.text().as_bytes());
    next(keep_alive)
}

/// Said both ways, since HTTP/1.0 clients need the one and HTTP/1.1 clients the other.
fn connection_field(keep_alive: bool) -> &'static [u8] {
    if keep_alive { b"Connection: keep-alive\r\n" } else { b"Connection: close\r\n" }
}

fn next(keep_alive: bool) -> Next {
    if keep_alive { Next::KeepAlive } else { Next::Close }
}

fn write_decimal(value: usize, out: &mut Vec<u8>) {
    use std::io::Write;
    let _ = write!(out, "{value}"); // a Vec takes all that is written to it
}
