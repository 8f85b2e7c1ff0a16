//! `/`: what the tracker does at the moment, for whoever looks by.

use askama::Template;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse, Response};

use super::figures::Figures;
use crate::site::Site;
use crate::site::error::Error;
use crate::site::numbers;

/// Answers `/`.
///
/// # Errors
/// [`Error::Render`], which nothing in the figures can cause.
pub async fn show(State(site): State<Site>) -> Result<Response, Error> {
    let page = StatsPage { figures: Figures::read(&site), urls: &site.announce_urls };
    Ok(([(CACHE_CONTROL, "no-cache")], Html(page.render()?)).into_response())
}

#[derive(Template)]
#[template(path = "stats/show.html")]
struct StatsPage<'a> {
    figures: Figures,
    urls: &'a [String],
}

/// An announce URL in two parts, between which a narrow screen may break it, and with the protocol
/// for its badge.
struct AnnounceUrl<'a> {
    protocol: String,
    origin: &'a str,
    path: &'a str,
}

impl<'a> From<&'a str> for AnnounceUrl<'a> {
    fn from(url: &'a str) -> AnnounceUrl<'a> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let path = rest.find('/').map_or("", |slash| &rest[slash..]);
        let origin = &url[..url.len() - path.len()];
        AnnounceUrl { protocol: scheme.to_ascii_uppercase(), origin, path }
    }
}

/// A figure in large type. `path` is where the script finds it in `/stats.json`, dot by dot.
struct Tile {
    name: &'static str,
    path: &'static str,
    number: String,
}

/// One bar of a group. The bars of a group add up to the whole that each is a share of.
struct Bar {
    name: &'static str,
    path: &'static str,
    number: String,
    share: String,
}

impl StatsPage<'_> {
    fn announce_urls(&self) -> Vec<AnnounceUrl<'_>> {
        self.urls.iter().map(|url| AnnounceUrl::from(url.as_str())).collect()
    }

    fn tiles(&self) -> Vec<Tile> {
        let swarms = &self.figures.swarms;
        [
            ("Active torrents", "swarms.torrents", swarms.torrents),
            ("Peers", "swarms.peers", swarms.peers),
            ("Seeders", "swarms.seeders", swarms.seeders),
            ("Leechers", "swarms.leechers", swarms.leechers),
            (
                "Announces since start",
                "requests.total.announces",
                self.figures.requests.total.announces,
            ),
        ]
        .map(|(name, path, number)| Tile { name, path, number: numbers::count(number) })
        .into()
    }

    fn requests(&self) -> Vec<Bar> {
        let requests = &self.figures.requests;
        bars(&[
            ("UDP announces", "requests.udp.announces", requests.udp.announces),
            ("HTTPS announces", "requests.https.announces", requests.https.announces),
            ("HTTP announces", "requests.http.announces", requests.http.announces),
            ("Scrapes", "requests.total.scrapes", requests.total.scrapes),
        ])
    }

    fn announce_families(&self) -> Vec<Bar> {
        let total = &self.figures.requests.total;
        bars(&[
            ("IPv4", "requests.total.announces_ipv4", total.announces_ipv4),
            ("IPv6", "requests.total.announces_ipv6", total.announces_ipv6),
        ])
    }

    fn peer_families(&self) -> Vec<Bar> {
        let swarms = &self.figures.swarms;
        bars(&[
            ("IPv4", "swarms.ipv4.peers", swarms.ipv4.peers),
            ("IPv6", "swarms.ipv6.peers", swarms.ipv6.peers),
        ])
    }

    fn uptime(&self) -> String {
        numbers::uptime(self.figures.uptime_seconds)
    }

    fn bytes_sent(&self) -> String {
        numbers::bytes(self.figures.requests.total.bytes_sent)
    }

    fn bytes_saved(&self) -> String {
        numbers::bytes(self.figures.compression.bytes_saved)
    }

    fn share_saved(&self) -> String {
        let Figures { requests, compression, .. } = &self.figures;
        let sent = requests.http.bytes_sent + requests.https.bytes_sent;
        numbers::share(compression.bytes_saved, compression.bytes_saved + sent)
    }

    fn share_compressed(&self) -> String {
        let compression = &self.figures.compression;
        let replies = compression.gzip_replies + compression.plain_replies;
        numbers::share(compression.gzip_replies, replies)
    }

    fn refused(&self) -> String {
        numbers::count(self.figures.requests.total.refused)
    }

    fn connections(&self) -> String {
        numbers::count(self.figures.connections.accepted)
    }
}

fn bars(numbers: &[(&'static str, &'static str, u64)]) -> Vec<Bar> {
    let whole = numbers.iter().map(|(.., number)| number).sum();
    let bar = |&(name, path, number): &(&'static str, &'static str, u64)| Bar {
        name,
        path,
        number: numbers::count(number),
        share: numbers::share(number, whole),
    };
    numbers.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announce_url_breaks_before_its_path() {
        for (url, protocol, origin, path) in [
            ("udp://a:1/announce", "UDP", "udp://a:1", "/announce"),
            ("https://[2001:db8::1]/x/y", "HTTPS", "https://[2001:db8::1]", "/x/y"),
            ("udp://a", "UDP", "udp://a", ""),
            ("a/b", "", "a", "/b"),
            ("", "", "", ""),
        ] {
            let parts = AnnounceUrl::from(url);
            assert_eq!((&*parts.protocol, parts.origin, parts.path), (protocol, origin, path));
        }
    }
}
