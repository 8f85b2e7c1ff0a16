//! Proxies between us and HTTP trackers: which one a URL goes through, and how to get past it.
//! The rules of exception and the handshakes are hyper-util's; the connection is ours.

use std::io;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tower_service::Service;
use url::{Host, Url};

use super::connect::Wire;
use super::failure::{Failure, Kind};
use super::question;

/// What proxies there are.
#[derive(Debug)]
pub(super) struct Proxies {
    matcher: Option<Matcher>,
}

/// The proxy for one URL.
pub(super) struct Proxy {
    intercept: Intercept,
    pub(super) host: Host<String>,
    pub(super) port: u16,
}

impl Proxies {
    /// Reads the proxies' URLs.
    ///
    /// # Errors
    /// A [`Kind::Usage`] failure that names the one that is of no use.
    pub(super) fn new(settings: &question::Proxies) -> Result<Proxies, Failure> {
        for url in [&settings.http, &settings.https] {
            if !url.is_empty() {
                check(url)?;
            }
        }
        let is_off = settings.http.is_empty() && settings.https.is_empty();
        // The matcher knows `*` for names alone.
        let matcher = (!is_off && settings.except.trim() != "*").then(|| {
            let builder = Matcher::builder().http(&settings.http).https(&settings.https);
            builder.no(&settings.except).build()
        });
        Ok(Proxies { matcher })
    }

    /// The proxy that `url` goes through, if it does.
    pub(super) fn of(&self, url: &Url) -> Option<Proxy> {
        let intercept = self.matcher.as_ref()?.intercept(&uri_of(url, url.host_str()?)?)?;
        let host = Host::parse(intercept.uri().host()?).ok()?;
        let default = match intercept.uri().scheme_str()? {
            "http" => 80,
            "https" => 443,
            _ => 1080,
        };
        let port = intercept.uri().port_u16().unwrap_or(default);
        Some(Proxy { intercept, host, port })
    }
}

/// Whether `url` can be a proxy's; one without scheme is an HTTP proxy, as everywhere.
fn check(url: &str) -> Result<(), Failure> {
    let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let read = Url::parse(&with_scheme).ok().filter(Url::has_host);
    let is_known = |url: &Url| ["http", "https", "socks5", "socks5h"].contains(&url.scheme());
    if read.as_ref().is_some_and(is_known) {
        return Ok(());
    }
    let shown = url.rsplit_once('@').map_or(url, |(_, behind)| behind);
    let text = format!("proxy {shown:?} is no URL of an http, https, socks5 or socks5h proxy");
    Err(Failure::new(Kind::Usage, "none", text))
}

fn uri_of(url: &Url, host: &str) -> Option<Uri> {
    let port = url.port_or_known_default()?;
    format!("{}://{host}:{port}/", url.scheme()).parse().ok()
}

impl Proxy {
    /// As it may be shown: without user and password.
    pub(super) fn shown(&self) -> String {
        let scheme = self.intercept.uri().scheme_str().unwrap_or_default();
        format!("{scheme}://{}:{}", self.host, self.port)
    }

    /// Whether the way to the proxy itself is under TLS.
    pub(super) fn is_https(&self) -> bool {
        self.intercept.uri().scheme_str() == Some("https")
    }

    /// Whether the name of the tracker is resolved here and not by the proxy.
    pub(super) fn wants_address(&self) -> bool {
        self.intercept.uri().scheme_str() == Some("socks5")
    }

    fn is_socks(&self) -> bool {
        self.intercept.uri().scheme_str().is_some_and(|scheme| scheme.starts_with("socks"))
    }

    /// Whether it is asked to fetch `url` and not to connect us to its host.
    pub(super) fn fetches(&self, url: &Url) -> bool {
        !self.is_socks() && url.scheme() == "http"
    }

    /// What an HTTP proxy is told of who we are.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.intercept.basic_auth()
    }

    /// Makes the proxy behind `wire` connect us to `host`, at the port of `url`.
    ///
    /// # Errors
    /// When it does not.
    pub(super) async fn pass(&self, wire: Wire, url: &Url, host: &str) -> Result<Wire, Failure> {
        let failed = |why: String| {
            let text = format!("the proxy {} does not connect us: {why}", self.shown());
            Failure::new(Kind::Connect, "proxy", text)
        };
        let target = uri_of(url, host).ok_or_else(|| failed("the URL has no host".to_owned()))?;
        let ready = Ready(Some(TokioIo::new(wire)));
        let passed = if self.is_socks() {
            let mut socks = SocksV5::new(self.intercept.uri().clone(), ready);
            if let Some((user, password)) = self.intercept.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            socks.call(target).await.map_err(|error| failed(error.to_string()))
        } else {
            let mut tunnel = Tunnel::new(self.intercept.uri().clone(), ready);
            if let Some(value) = self.authorization() {
                tunnel = tunnel.with_auth(value.clone());
            }
            tunnel.call(target).await.map_err(|error| failed(error.to_string()))
        };
        passed.map(TokioIo::into_inner)
    }
}

/// A connection that is there already, as hyper-util wants to be given one.
struct Ready(Option<TokioIo<Wire>>);

impl Service<Uri> for Ready {
    type Response = TokioIo<Wire>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<TokioIo<Wire>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        std::future::ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(http: &str, except: &str) -> Result<Proxies, Failure> {
        let text = str::to_owned;
        let settings = question::Proxies {
            http: text(http),
            https: text(http),
            except: text(except),
            is_for_all: false,
        };
        Proxies::new(&settings)
    }

    #[test]
    fn proxies_are_found_by_url_and_its_exceptions() {
        for (proxy, except, url, expected) in [
            ("http://p:3128", "", "http://t.example/a", Some("http://p:3128")),
            ("p", "", "https://t.example/a", Some("http://p:80")),
            ("socks5h://u:p@p", "", "https://t.example/a", Some("socks5h://p:1080")),
            ("http://p:3128", "example", "http://t.example/a", None),
            ("http://p:3128", "10.0.0.0/8", "http://10.1.2.3/a", None),
            ("http://p:3128", "10.0.0.0/8", "http://[::1]/a", Some("http://p:3128")),
            ("http://p:3128", "*", "http://10.1.2.3/a", None),
            ("", "", "http://t.example/a", None),
        ] {
            let found = proxies(proxy, except).unwrap().of(&Url::parse(url).unwrap());
            assert_eq!(found.map(|proxy| proxy.shown()).as_deref(), expected, "{url} by {proxy}");
        }
    }

    #[test]
    fn proxies_of_no_use_are_usage_errors_that_hide_the_password() {
        for url in ["ftp://p", "socks4://p", "http://", "socks5://", "http://u:swordfish@"] {
            let failure = proxies(url, "").unwrap_err();
            assert_eq!(failure.kind, Kind::Usage, "{url}");
            assert!(!failure.message.contains("swordfish"), "{failure}");
        }
    }
}
