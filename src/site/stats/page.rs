//! `/`: what the tracker does at the moment and has done, for whoever looks by.

use askama::Template;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, Uri};
use axum::response::{Html, IntoResponse, Response};

use super::announce_urls::{self, AnnounceUrl};
use super::chart::Chart;
use super::figures::Figures;
use super::periods::PeriodFigures;
use crate::clock;
use crate::site::error::Error;
use crate::site::numbers;
use crate::site::{Facts, Site};

/// Answers `/`.
///
/// # Errors
/// [`Error::Render`], which nothing in the figures can cause.
pub async fn show(
    State(site): State<Site>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let page = StatsPage {
        hour: (clock::unix_secs() / 3600 % 24) as usize,
        figures: Figures::read(&site),
        urls: announce_urls::all(&site.facts, &uri, &headers),
        facts: &site.facts,
    };
    Ok(([(CACHE_CONTROL, "no-cache")], Html(page.render()?)).into_response())
}

#[derive(Template)]
#[template(path = "stats/show.html")]
struct StatsPage<'a> {
    /// The hour of the day, in UTC.
    hour: usize,
    figures: Figures,
    urls: Vec<AnnounceUrl>,
    facts: &'a Facts,
}

/// A figure in large type.
struct Tile {
    name: &'static str,
    number: String,
}

/// What is shown of one span of time.
struct Panel<'a> {
    /// `today`, `yesterday`, `all-time`.
    id: &'static str,
    /// Which days it is about.
    title: String,
    /// `None` when counting has begun since.
    content: Option<Content<'a>>,
}

struct Content<'a> {
    figures: &'a PeriodFigures,
    chart_title: &'static str,
    chart: Chart,
}

/// One bar of a group. The bars of a group add up to the whole that each is a share of.
struct Bar<'a> {
    name: &'a str,
    number: String,
    share: String,
}

impl StatsPage<'_> {
    fn tiles(&self) -> [Tile; 5] {
        let swarms = &self.figures.swarms;
        [
            ("Active torrents", swarms.torrents),
            ("Live peers", swarms.peers),
            ("Seeders", swarms.seeders),
            ("Leechers", swarms.leechers),
            ("Announces, all time", self.figures.periods.all_time.figures.announces),
        ]
        .map(|(name, number)| Tile { name, number: numbers::count(number) })
    }

    fn panels(&self) -> [Panel<'_>; 3] {
        let periods = &self.figures.periods;
        let of_hours = |hours, now| ("Announces by hour", Chart::of_hours(hours, now));
        let content = |figures, (chart_title, chart)| Content { figures, chart_title, chart };
        let today = &periods.today;
        let all = &periods.all_time;
        [
            Panel {
                id: "today",
                title: format!("{}, so far", today.date),
                content: Some(content(&today.figures, of_hours(&today.hours, Some(self.hour)))),
            },
            Panel {
                id: "yesterday",
                title: periods.yesterday.as_ref().map_or(String::new(), |day| day.date.clone()),
                content: periods
                    .yesterday
                    .as_ref()
                    .map(|day| content(&day.figures, of_hours(&day.hours, None))),
            },
            Panel {
                id: "all-time",
                title: format!("since {}", all.since),
                content: Some(content(
                    &all.figures,
                    ("Announces by day", Chart::of_days(&all.days)),
                )),
            },
        ]
    }

    fn uptime(&self) -> String {
        numbers::uptime(self.figures.uptime_seconds)
    }

    fn peer_families(&self) -> Vec<Bar<'static>> {
        let swarms = &self.figures.swarms;
        bars(&[("IPv4", swarms.ipv4.peers), ("IPv6", swarms.ipv6.peers)])
    }

    fn facts_since_start(&self) -> [Tile; 4] {
        let Figures { requests, connections, udp, .. } = &self.figures;
        [
            ("Scrapes", requests.total.scrapes),
            ("Requests refused", requests.total.refused),
            ("TCP connections", connections.accepted),
            ("Datagrams lost", udp.dropped),
        ]
        .map(|(name, number)| Tile { name, number: numbers::count(number) })
    }
}

impl Content<'_> {
    fn announces(&self) -> String {
        numbers::count(self.figures.announces)
    }

    /// Small numbers of a sketch are exact; others are not, and say so.
    fn addresses(&self) -> String {
        let number = numbers::count(self.figures.addresses);
        if self.figures.addresses < 100 { number } else { format!("≈ {number}") }
    }

    fn bytes_sent(&self) -> String {
        numbers::bytes(self.figures.bytes_sent)
    }

    fn bytes_saved(&self) -> String {
        numbers::bytes(self.figures.bytes_saved)
    }

    fn has_saved(&self) -> bool {
        self.figures.bytes_saved > 0
    }

    fn share_saved(&self) -> String {
        let PeriodFigures { bytes_saved, bytes_sent, .. } = self.figures;
        numbers::share(*bytes_saved, bytes_saved + bytes_sent)
    }

    fn share_compressed(&self) -> String {
        let PeriodFigures { gzip_replies, plain_replies, .. } = self.figures;
        numbers::share(*gzip_replies, gzip_replies + plain_replies)
    }

    fn protocols(&self) -> Vec<Bar<'static>> {
        let PeriodFigures { udp, https, http, .. } = *self.figures;
        bars(&[("UDP", udp), ("HTTPS", https), ("HTTP", http)])
    }

    fn families(&self) -> Vec<Bar<'static>> {
        bars(&[("IPv4", self.figures.ipv4), ("IPv6", self.figures.ipv6)])
    }

    fn clients(&self) -> Vec<Bar<'_>> {
        let clients = self.figures.clients.iter();
        bars(&clients.map(|client| (&*client.name, client.announces)).collect::<Vec<_>>())
    }
}

fn bars<'a>(numbers: &[(&'a str, u64)]) -> Vec<Bar<'a>> {
    let whole = numbers.iter().map(|(_, number)| number).sum();
    let bar = |&(name, number): &(&'a str, u64)| Bar {
        name,
        number: numbers::count(number),
        share: numbers::share(number, whole),
    };
    numbers.iter().map(bar).collect()
}
