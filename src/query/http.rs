//! One GET after the other until there is a reply that is no redirect, within bounds of time and
//! size. Connections are made here and not by an HTTP client, since the address that is used, the
//! time of each phase and a certificate that is refused are what this tool is for.

use std::io::Read;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::client::Client;
use super::connect::{self, Wire};
use super::failure::{Failure, Kind, Retry};
use super::finding::Finding;
use super::proxy::Proxy;
use super::report::{Remote, Trace};
use super::target::Target;
use super::text::shown;
use crate::limits::query as limits;
use crate::protocol::ids::hex_digit;

/// A reply that is no redirect, its body decompressed.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
    /// `Retry-After` in seconds.
    pub(super) retry_after: Option<Duration>,
}

/// What one exchange sees and is bound by.
pub(super) struct Exchange<'a> {
    pub(super) client: &'a Client,
    pub(super) target: &'a Target,
    pub(super) user_agent: &'a str,
    pub(super) trace: &'a mut Trace,
    pub(super) findings: &'a mut Vec<Finding>,
    pub(super) started: Instant,
    pub(super) deadline: Instant,
}

/// A head that has come, and the task that brings the body.
struct Answer {
    response: Response<Incoming>,
    _connection: JoinSet<()>,
}

impl Exchange<'_> {
    /// Fetches `url`, wherever it leads.
    ///
    /// # Errors
    /// Whatever keeps it from a whole reply that is no redirect.
    pub(super) async fn fetch(&mut self, url: Url) -> Result<Fetched, Failure> {
        let mut url = url;
        for hop in 0..=self.client.settings().http.redirects_max {
            let answer = self.get(&url).await?;
            let status = answer.response.status();
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return self.body(answer.response).await;
            }
            let next = self.location(&url, &answer.response)?;
            if hop == self.client.settings().http.redirects_max {
                let (last, hops) = (self.client.hide(next.as_str()), hop);
                let text = match hops {
                    0 => format!("HTTP {status}: leads to {last}"),
                    _ => format!("too many redirects ({hops}), last: {last}"),
                };
                return Err(Failure::new(Kind::Http, "headers", text));
            }
            self.note_redirect(status, &url, &next);
            url = next;
        }
        Err(Failure::new(Kind::Http, "headers", "too many redirects"))
    }

    /// Where a redirect leads, if one may go there.
    fn location(&self, url: &Url, response: &Response<Incoming>) -> Result<Url, Failure> {
        let status = response.status();
        let refused = |text: String| Err(Failure::new(Kind::Http, "headers", text));
        let Some(location) = response.headers().get(header::LOCATION) else {
            return refused(format!("HTTP {status} without a Location"));
        };
        let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
        let Ok(next) = url.join(&location) else {
            let location = self.client.hide(&shown(location.as_bytes()));
            return refused(format!("redirect to {location:?}, which is no URL"));
        };
        let is_downgrade = url.scheme() == "https" && next.scheme() == "http";
        if !["http", "https"].contains(&next.scheme()) || !next.has_host() {
            return refused(format!("redirect to {:?} refused", self.client.hide(next.as_str())));
        }
        if is_downgrade {
            let next = self.client.hide(next.as_str());
            return refused(format!("redirect from https to {next:?} refused"));
        }
        if next.as_str().len() > limits::URL_LEN_MAX {
            return refused("redirect to an URL that is too long".to_owned());
        }
        Ok(next)
    }

    fn note_redirect(&mut self, status: StatusCode, url: &Url, next: &Url) {
        let shown = self.client.hide(next.as_str());
        let text = format!("HTTP {} leads to {shown}", status.as_u16());
        self.find("redirected", text);
        if url.host_str() != next.host_str() {
            let host = next.host_str().unwrap_or_default();
            self.find("redirect-cross-host", format!("the redirect goes to another host, {host}"));
        }
        let has_hash = |url: &Url| url.query().is_some_and(|query| query.contains("info_hash="));
        if has_hash(url) && !has_hash(next) {
            self.find("redirect-params-lost", "the redirect loses the parameters".to_owned());
        }
        let http = self.trace.http.get_or_insert_default();
        http.redirects.push((status.as_u16(), next.as_str().to_owned()));
    }

    fn find(&mut self, id: &'static str, text: String) {
        if self.findings.iter().all(|known| known.id != id) {
            self.findings.push(Finding::new(id, text));
        }
    }

    /// Connects and asks; back with the head.
    async fn get(&mut self, url: &Url) -> Result<Answer, Failure> {
        let http = self.trace.http.get_or_insert_default();
        url.as_str().clone_into(&mut http.url);
        http.requests += 1;
        http.status = None;
        let host = url.host().ok_or_else(|| usage("no host"))?.to_owned();
        let port = url.port_or_known_default().ok_or_else(|| usage("no port"))?;
        let proxy = self.client.proxies().of(url);
        self.trace.http.get_or_insert_default().proxy = proxy.as_ref().map(Proxy::shown);
        let first = proxy.as_ref().map_or((&host, port), |proxy| (&proxy.host, proxy.port));
        let mut wire = self.connect(first).await?;
        if let Some(proxy) = &proxy {
            wire = self.pass(proxy, wire, url, (&host, port)).await?;
        }
        let request = self.request(url, proxy.as_ref())?;
        self.trace.http.get_or_insert_default().sent_fields = fields(request.headers());
        if url.scheme() == "https" {
            wire = self.secure(wire, &host).await?;
        }
        self.send(wire, request).await
    }

    /// Connects to a tracker, or to the proxy before it.
    async fn connect(&mut self, (host, port): (&Host<String>, u16)) -> Result<Wire, Failure> {
        let end = (host, port);
        let addresses = self.client.resolve(self.target, end, self.trace, self.deadline).await?;
        let begun = Instant::now();
        let settings = self.client.settings();
        let stream = connect::tcp(&addresses, settings.bind, self.connect_deadline()).await;
        self.trace.step("connect", stream.is_ok(), begun.elapsed());
        add(&mut self.trace.timing.connect, begun.elapsed());
        let stream = stream?;
        if let (Ok(address), Ok(local)) = (stream.peer_addr(), stream.local_addr()) {
            self.trace.remote = Some(Remote { host: host.clone(), address });
            self.trace.local = Some(local);
        }
        Ok(Box::new(stream))
    }

    fn connect_deadline(&self) -> Instant {
        self.deadline.min(Instant::now() + self.client.settings().connect_timeout)
    }

    /// Gets past a proxy, which is counted as connecting.
    async fn pass(
        &mut self,
        proxy: &Proxy,
        wire: Wire,
        url: &Url,
        (host, port): (&Host<String>, u16),
    ) -> Result<Wire, Failure> {
        let begun = Instant::now();
        let wire = if proxy.is_https() { self.secure(wire, &proxy.host).await? } else { wire };
        if proxy.fetches(url) {
            return Ok(wire);
        }
        let mut name = host.to_string();
        if proxy.wants_address() {
            let end = (host, port);
            let found = self.client.resolve(self.target, end, self.trace, self.deadline).await?;
            let host: Host<String> = match found[0].ip() {
                IpAddr::V4(ip) => Host::Ipv4(ip),
                IpAddr::V6(ip) => Host::Ipv6(ip),
            };
            name = host.to_string();
        }
        let passed = timeout_at(self.connect_deadline(), proxy.pass(wire, url, &name)).await;
        let passed = passed.unwrap_or_else(|_| {
            let text = format!("timed out while waiting for the proxy {}", proxy.shown());
            Err(Failure::new(Kind::Timeout, "proxy", text))
        });
        self.trace.step("proxy", passed.is_ok(), begun.elapsed());
        add(&mut self.trace.timing.connect, begun.elapsed());
        passed
    }

    /// TLS over what is there.
    async fn secure(&mut self, wire: Wire, host: &Host<String>) -> Result<Wire, Failure> {
        let begun = Instant::now();
        let (stream, report) = self.client.tls().handshake(wire, host, self.deadline).await;
        self.trace.step("tls", stream.is_ok(), begun.elapsed());
        add(&mut self.trace.timing.tls, begun.elapsed());
        self.trace.tls = Some(report);
        Ok(Box::new(stream?))
    }

    fn request(&self, url: &Url, proxy: Option<&Proxy>) -> Result<Request<Empty<Bytes>>, Failure> {
        let settings = &self.client.settings().http;
        let host = url.host_str().unwrap_or_default();
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let proxy = proxy.filter(|proxy| proxy.fetches(url));
        let target = if proxy.is_some() { format!("http://{host}{target}") } else { target };
        let target: Uri = target.parse().map_err(|error| usage(&format!("{error}")))?;
        let mut request = Request::get(target).header(header::HOST, host);
        let is_given =
            |name: &str| settings.headers.iter().any(|(k, _)| k.eq_ignore_ascii_case(name));
        if !is_given("user-agent") {
            request = request.header(header::USER_AGENT, self.user_agent);
        }
        if settings.compression {
            request = request.header(header::ACCEPT_ENCODING, "gzip");
        }
        request = request.header(header::CONNECTION, "close");
        if !url.username().is_empty() {
            let plain = format!("{}:{}", url.username(), url.password().unwrap_or_default());
            let plain = percent_decoded(&plain);
            let value = format!("Basic {}", BASE64_STANDARD.encode(plain));
            request = request.header(header::AUTHORIZATION, value);
        }
        if let Some(value) = proxy.and_then(Proxy::authorization) {
            request = request.header(header::PROXY_AUTHORIZATION, value);
        }
        // What lets us in at the tracker is nothing for another host that it leads to.
        let is_at_home = url.host_str() == self.target.url().host_str();
        for (name, value) in &settings.headers {
            let name: HeaderName = name.parse().map_err(|_| usage("a header's name is wrong"))?;
            let value: HeaderValue =
                value.parse().map_err(|_| usage("a header's value is wrong"))?;
            if is_at_home || !lets_in(&name) {
                request = request.header(name, value);
            }
        }
        request.body(Empty::new()).map_err(|error| usage(&format!("{error}")))
    }

    async fn send(
        &mut self,
        stream: Wire,
        request: Request<Empty<Bytes>>,
    ) -> Result<Answer, Failure> {
        let begun = Instant::now();
        let mut connection = JoinSet::new();
        let exchange = async {
            let (mut sender, driver) = http1::Builder::new()
                .title_case_headers(true)
                .max_headers(limits::HTTP_FIELDS_MAX)
                .max_buf_size(limits::HTTP_HEAD_MAX)
                .handshake(TokioIo::new(stream))
                .await?;
            connection.spawn(async move {
                // What goes wrong here is told to the sender too.
                let _ = driver.await;
            });
            sender.send_request(request).await
        };
        let answer = match timeout_at(self.deadline, exchange).await {
            Err(_) => Err(self.timed_out("headers")),
            Ok(Err(error)) => Err(headers_failure(&error)),
            Ok(Ok(response)) => Ok(response),
        };
        self.trace.step("headers", answer.is_ok(), begun.elapsed());
        self.trace.timing.first_byte = Some(begun.elapsed());
        let response = answer?;
        self.trace.timing.response = Some(self.started.elapsed());
        self.note_head(&response);
        Ok(Answer { response, _connection: connection })
    }

    fn note_head(&mut self, response: &Response<Incoming>) {
        let field = |name| response.headers().get(name).map(|v: &HeaderValue| shown(v.as_bytes()));
        let reason = response.extensions().get::<hyper::ext::ReasonPhrase>();
        let reason = reason.map(|reason| shown(reason.as_bytes()));
        let fields = fields(response.headers());
        let http = self.trace.http.get_or_insert_default();
        http.fields = fields;
        http.status = Some(response.status().as_u16());
        http.reason = reason
            .or_else(|| response.status().canonical_reason().map(str::to_owned))
            .unwrap_or_default();
        http.version = format!("{:?}", response.version());
        http.content_encoding = field(header::CONTENT_ENCODING);
        http.server = field(header::SERVER);
    }

    fn timed_out(&self, what: &'static str) -> Failure {
        let after = self.deadline.duration_since(self.started).as_secs_f64();
        let text = format!("timed out after {after} s while waiting for {what}");
        Failure::new(Kind::Timeout, what, text)
    }

    /// Reads the body and decompresses it.
    async fn body(&mut self, response: Response<Incoming>) -> Result<Fetched, Failure> {
        let begun = Instant::now();
        let status = response.status();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = self.read(response.into_body()).await;
        let body = body.and_then(|sent| self.decompress(sent));
        self.trace.step("body", body.is_ok(), begun.elapsed());
        let body = body?;
        self.trace.http.get_or_insert_default().body_len = body.len();
        Ok(Fetched { status, body, retry_after: retry_after.map(Duration::from_secs) })
    }

    async fn read(&mut self, mut incoming: Incoming) -> Result<Vec<u8>, Failure> {
        let encoding = self.trace.http.as_ref().and_then(|http| http.content_encoding.as_ref());
        let body_max = self.client.settings().http.body_max;
        let sent_max = if encoding.is_some() {
            body_max / (limits::BODY_MAX / limits::BODY_SENT_MAX)
        } else {
            body_max
        };
        let mut sent = Vec::new();
        let whole = async {
            while let Some(frame) = incoming.frame().await {
                let frame = frame.map_err(|error| body_failure(&error, sent.len()))?;
                let Ok(data) = frame.into_data() else { continue };
                if sent.len() + data.len() > sent_max {
                    return Err(too_long(sent_max));
                }
                sent.extend_from_slice(&data);
            }
            Ok(())
        };
        let ended = timeout_at(self.deadline, whole).await;
        self.trace.http.get_or_insert_default().body_sent = sent.len();
        match ended {
            Err(_) => {
                let so_far = sent.len();
                let mut failure = self.timed_out("body");
                failure.message = format!("{} ({so_far} bytes so far)", failure.message);
                Err(failure)
            }
            Ok(Err(failure)) => Err(failure),
            Ok(Ok(())) => Ok(sent),
        }
    }

    fn decompress(&mut self, sent: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let http = self.trace.http.get_or_insert_default();
        let encoding = http.content_encoding.clone().unwrap_or_default().to_ascii_lowercase();
        let is_offered = self.client.settings().http.compression;
        let looks_gzip = sent.starts_with(&[0x1f, 0x8b]);
        let body_max = self.client.settings().http.body_max;
        match encoding.trim() {
            "" | "identity" if looks_gzip => {
                let text = "the body is gzip, and no Content-Encoding says so".to_owned();
                self.find("content-encoding", text);
                gunzip(&sent, body_max)
            }
            "" | "identity" => {
                if is_offered && sent.len() > limits::GZIP_EXPECTED {
                    let text = format!("{} bytes came without gzip", sent.len());
                    self.find("gzip-not-used", text);
                }
                Ok(sent)
            }
            encoding if encoding.contains("gzip") => {
                if !is_offered {
                    let text = "gzip was used without having been offered".to_owned();
                    self.find("content-encoding", text);
                } else if !looks_gzip {
                    let text = "Content-Encoding says gzip, and the body is none".to_owned();
                    self.find("content-encoding", text);
                }
                gunzip(&sent, body_max)
            }
            other => {
                let text = format!("Content-Encoding {other:?} was not offered");
                self.find("content-encoding", text.clone());
                Err(Failure::new(Kind::Malformed, "body", text))
            }
        }
    }
}

/// Decompresses gzip up to `body_max` bytes.
fn gunzip(sent: &[u8], body_max: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let mut decoder = MultiGzDecoder::new(sent).take(body_max as u64 + 1);
    decoder.read_to_end(&mut body).map_err(|error| {
        Failure::new(Kind::Malformed, "body", format!("broken gzip body: {error}"))
    })?;
    if body.len() > body_max { Err(too_long(body_max)) } else { Ok(body) }
}

/// Header fields as they may be shown, without what would let others in.
fn fields(headers: &header::HeaderMap) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = if lets_in(name) { "***".to_owned() } else { shown(value.as_bytes()) };
        format!("{name}: {value}")
    };
    headers.iter().map(line).collect()
}

/// Whether the value of a field is what lets somebody in.
fn lets_in(name: &HeaderName) -> bool {
    [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE, header::SET_COOKIE]
        .contains(name)
}

fn too_long(bytes_max: usize) -> Failure {
    let text = format!("the body is longer than {bytes_max} bytes; --max-body raises the limit");
    Failure::new(Kind::Malformed, "body", text)
}

fn usage(why: &str) -> Failure {
    Failure::new(Kind::Usage, "none", format!("cannot be asked over HTTP: {why}"))
}

fn headers_failure(error: &hyper::Error) -> Failure {
    let (kind, text) = if error.is_parse() {
        (Kind::Malformed, format!("reply is not HTTP: {}", cause(error)))
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        (Kind::Connect, "the server hung up before it replied".to_owned())
    } else {
        (Kind::Connect, format!("the connection broke before a reply: {}", cause(error)))
    };
    Failure::new(kind, "headers", text)
}

fn body_failure(error: &hyper::Error, so_far: usize) -> Failure {
    let text = if error.is_incomplete_message() || error.is_closed() {
        format!("body ended early, after {so_far} bytes")
    } else {
        format!("body broke off after {so_far} bytes: {}", cause(error))
    };
    Failure::new(Kind::Malformed, "body", text).with_retry(Retry::Anytime)
}

fn cause(error: &hyper::Error) -> String {
    use std::error::Error;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn add(sum: &mut Option<Duration>, took: Duration) {
    *sum = Some(sum.unwrap_or_default() + took);
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if let (b'%', [high, low, behind @ ..]) = (first, after)
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            bytes.push(high << 4 | low);
            rest = behind;
        } else {
            bytes.push(*first);
        }
    }
    bytes
}
