//! Announces and scrapes that come to a web port, so that one port 443 can serve a whole small
//! tracker. They are answered by the same room as on the tracker ports; here they are only passed
//! on.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;

use super::Site;
use super::visitor::{Visitor, prefers_gzip};
use crate::clock::Now;
use crate::net::full_scrape::FullScrapes;
use crate::net::http::{Answer, Responder};
use crate::stats::Protocol;
use crate::tracker::{Tracker, Worker};

/// What answers them.
#[derive(Debug)]
pub struct Announces {
    /// One for all web ports. Held for the microseconds of an answer, by threads that serve pages
    /// and nothing else; the workers of the tracker ports have theirs each.
    responder: Mutex<Responder>,
    tracker: Arc<Tracker>,
    full_scrapes: FullScrapes,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<[IpNet]>,
}

impl Announces {
    /// Has `worker` answer, which nobody else may hold.
    pub fn new(mut worker: Responder, trusted_proxies: Arc<[IpNet]>) -> Announces {
        Announces {
            tracker: worker.worker().tracker().clone(),
            responder: Mutex::new(worker),
            full_scrapes: FullScrapes::default(),
            trusted_proxies,
        }
    }

    fn answer(
        &self,
        now: Now,
        from: (Protocol, IpAddr),
        request: (&[u8], &[u8]),
        accepts_gzip: bool,
    ) -> Answer {
        self.responder().answer(now, from, request, accepts_gzip)
    }

    fn responder(&self) -> MutexGuard<'_, Responder> {
        // The buffers are emptied at the start of an answer, whatever a panic has left in them.
        self.responder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers what a tracker answers, and passes everything else on to the pages.
pub async fn or_page(State(site): State<Site>, request: Request<Body>, next: Next) -> Response {
    let visitor = Visitor::of(request.extensions());
    match visitor.filter(|_| Worker::serves(request.uri().path().as_bytes())) {
        // Without the body, which nobody reads.
        Some(visitor) => answer(&site, visitor, &request.into_parts().0).await,
        None => next.run(request).await,
    }
}

async fn answer(site: &Site, visitor: Visitor, request: &Parts) -> Response {
    match request.method {
        Method::GET => {}
        // Mirrors a GET without doing anything: a HEAD registers no peer.
        Method::HEAD => return ([(CONTENT_TYPE, "text/plain")], ()).into_response(),
        _ => return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")], ()).into_response(),
    }
    let Parts { headers, uri, .. } = request;
    let Ok(client) = visitor.client(headers, &site.announces.trusted_proxies) else {
        let told = "X-Forwarded-For names no address";
        return (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, "text/plain")], told).into_response();
    };
    let (from, now) = ((visitor.protocol(), client), site.clock.now());
    let asked = (uri.path().as_bytes(), uri.query().unwrap_or_default().as_bytes());
    let accepts_gzip = prefers_gzip(headers);
    match site.announces.answer(now, from, asked, accepts_gzip) {
        Answer::Body { bytes, is_gzip } => reply(Body::from(bytes), is_gzip),
        Answer::FullScrape => full_scrape(site, from.0, now, accepts_gzip).await,
        Answer::NotFound => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Has the body made on a thread that may wait.
async fn full_scrape(site: &Site, protocol: Protocol, now: Now, accepts_gzip: bool) -> Response {
    let announces = site.announces.clone();
    let make = move || announces.full_scrapes.body(&announces.tracker, now, accepts_gzip);
    let Ok(body) = tokio::task::spawn_blocking(make).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let length = body.bytes.len();
    site.announces.responder().worker().counters().sent_body(protocol, length, body.saved);
    reply(Body::from(axum::body::Bytes::from_owner(body.bytes)), body.saved.is_some())
}

fn reply(body: Body, is_gzip: bool) -> Response {
    let fields = [(CONTENT_TYPE, "text/plain"), (VARY, "Accept-Encoding")];
    let mut response = (fields, body).into_response();
    if is_gzip {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
