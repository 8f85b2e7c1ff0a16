//! Reports as CSV (RFC 4180, but with plain newlines): the columns of old first, the others behind
//! them, an empty field where nothing is known.

use super::document::rounded;
use super::view::View;
use crate::query::question::Question;
use crate::query::report::{Peer, Report};
use crate::query::statistics::ms;

const ANNOUNCE: &[&str] = &[
    "tracker",
    "response_time_ms",
    "interval",
    "min_interval",
    "seeds",
    "leechers",
    "downloaded",
    "ipv4_peers",
    "ipv6_peers",
    "warning_message",
    "failure_reason",
    "external_ip",
    "tracker_id",
    "ok",
    "error_kind",
    "error_message",
    "protocol",
    "event",
    "info_hash",
    "address",
    "attempts",
];
const SCRAPE: &[&str] = &[
    "info_hash",
    "complete",
    "incomplete",
    "downloaded",
    "name",
    "tracker",
    "ok",
    "error_kind",
    "error_message",
];

/// All reports, under one header; with `peers` those alone.
pub fn of(reports: &[Report], view: &View, is_batch: bool) -> String {
    let mut rows = Rows::default();
    if is_batch && view.is_peers_table {
        rows.write(["tracker"].into_iter().chain(peer_header(view)));
        for report in reports {
            for peer in peers(report) {
                let tracker = [view.exact_tracker(report)];
                rows.write(tracker.into_iter().chain(peer_row(peer, view)));
            }
        }
        return rows.text;
    }
    let is_scrape = reports.iter().any(|report| matches!(report.question, Question::Scrape(_)));
    rows.write(if is_scrape { SCRAPE } else { ANNOUNCE });
    for report in reports {
        if is_scrape {
            scrape_rows(report, view, &mut rows);
        } else {
            rows.write(announce_row(report, view));
        }
    }
    if !is_batch && view.shows_peers && reports.iter().any(|report| !peers(report).is_empty()) {
        rows.text.push('\n');
        rows.write(peer_header(view));
        for peer in reports.iter().flat_map(peers) {
            rows.write(peer_row(peer, view));
        }
    }
    rows.text
}

/// A command line that is wrong.
pub fn of_usage(text: &str) -> String {
    let mut rows = Rows::default();
    rows.write(["ok", "error_kind", "error_message"]);
    rows.write(["false", "usage", text]);
    rows.text
}

#[derive(Default)]
struct Rows {
    text: String,
}

impl Rows {
    fn write<Fields: IntoIterator<Item = Field>, Field: AsRef<[u8]>>(&mut self, fields: Fields) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        // A vector takes all that is written to it.
        let _ = writer.write_record(fields);
        let bytes = writer.into_inner().unwrap_or_default();
        self.text.push_str(&String::from_utf8_lossy(&bytes));
    }
}

fn peers(report: &Report) -> &[Peer] {
    report.announced().map_or(&[], |answer| &answer.peers)
}

fn peer_header(view: &View) -> impl Iterator<Item = &'static str> {
    let hostname = view.looks_up.then_some("hostname");
    hostname.into_iter().chain(["ip", "port", "type", "peer_id"])
}

fn peer_row(peer: &Peer, view: &View) -> impl Iterator<Item = String> {
    let hostname = view.looks_up.then(|| peer.hostname.clone().unwrap_or_default());
    let id = peer.peer_id.map(|id| crate::query::text::hex(&id.0)).unwrap_or_default();
    let rest = [peer.ip.to_string(), peer.port.to_string(), peer.kind().to_owned(), id];
    hostname.into_iter().chain(rest)
}

fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn error(report: &Report, view: &View) -> [String; 3] {
    let failure = report.failure.as_ref();
    [
        report.is_ok().to_string(),
        text(failure.map(|failure| failure.kind.name())),
        text(failure.map(|failure| view.hide(report, &failure.message))),
    ]
}

fn announce_row(report: &Report, view: &View) -> Vec<String> {
    let nothing = crate::query::report::AnnounceAnswer::default();
    let answer = report.announced().unwrap_or(&nothing);
    let Question::Announce(ask) = &report.question else { return Vec::new() };
    let tracker_id = answer.tracker_id.as_deref().map(crate::query::text::shown);
    let mut row = vec![
        view.exact_tracker(report),
        rounded(ms(report.response_time())).to_string(),
        text(answer.interval),
        text(answer.min_interval),
        text(answer.seeders),
        text(answer.leechers),
        text(answer.completed),
        answer.peers_v4.to_string(),
        answer.peers_v6.to_string(),
        text(answer.warning_message.as_ref()),
        text(answer.failure_reason.as_ref()),
        text(answer.external_ip.as_ref()),
        text(tracker_id),
    ];
    row.extend(error(report, view));
    row.extend([
        text(report.protocol),
        crate::query::event_name(ask.event).unwrap_or("none").to_owned(),
        ask.info_hash.to_string(),
        report
            .trace
            .remote
            .as_ref()
            .map_or_else(|| text(report.pinned), |remote| remote.address.to_string()),
        report.attempts.to_string(),
    ]);
    row
}

/// One row a swarm, and one for a tracker that gave none.
fn scrape_rows(report: &Report, view: &View, rows: &mut Rows) {
    let [ok, kind, message] = error(report, view);
    let frame = [view.exact_tracker(report), ok, kind, message];
    let torrents = report.scraped().map_or(&[][..], |answer| &answer.torrents);
    for torrent in torrents {
        let fields = [
            torrent.info_hash.to_string(),
            text(torrent.seeders),
            text(torrent.leechers),
            text(torrent.completed),
            torrent.name.clone(),
        ];
        rows.write(fields.iter().chain(&frame));
    }
    if torrents.is_empty() {
        let fields = std::array::from_fn::<String, 5, _>(|_| String::new());
        rows.write(fields.iter().chain(&frame));
    }
}
