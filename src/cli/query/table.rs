//! Reports for people. The text is free to change; programs read the other formats.

use std::fmt::{Display, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, Table, presets};

use super::document::{self, rounded};
use super::view::View;
use crate::query::failure::Kind;
use crate::query::finding::Severity;
use crate::query::identity::client_of;
use crate::query::question::Question;
use crate::query::repeat::Repeated;
use crate::query::report::{Peer, Report};
use crate::query::resolve::is_public;
use crate::query::statistics::{Summary, ms};

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const FAIR: Style = AnsiColor::Yellow.on_default();
pub const BAD: Style = AnsiColor::Red.on_default();
const TITLE: Style = AnsiColor::Blue.on_default().bold();

pub fn painted(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// What is told, of whom, and a rule below.
pub fn title(what: &str, tracker: &str, view: &View) -> String {
    let rule = if view.is_ascii { "-" } else { "─" }.repeat(60);
    format!("{} {tracker}\n{rule}\n", painted(TITLE, what))
}

/// Lines of a label and a value.
struct Rows(String);

impl Rows {
    fn row(&mut self, label: &str, value: impl Display) {
        let _ = writeln!(self.0, "  {label:<18} {value}");
    }

    fn some(&mut self, label: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.row(label, value);
        }
    }

    fn known(&mut self, label: &str, value: Option<i64>, unit: &str) {
        match value {
            Some(value) => self.row(label, format!("{value}{unit}")),
            None => self.row(label, "not said"),
        }
    }
}

/// One report, whole.
pub fn of_report(report: &Report, view: &View) -> String {
    let mut rows = Rows(String::new());
    let title = match &report.question {
        Question::Announce(ask) => {
            let event = crate::query::event_name(ask.event).unwrap_or("regular announce");
            format!("ANNOUNCE ({event})")
        }
        Question::Scrape(ask) if ask.is_full() => "FULL SCRAPE".to_owned(),
        Question::Scrape(_) => "SCRAPE".to_owned(),
    };
    rows.0.push_str(&self::title(&title, &tracker(report, view), view));
    let result = match &report.failure {
        None => painted(GOOD, "answered"),
        Some(failure) if view.verdict.is_ok(report) => {
            painted(GOOD, format!("refused, as expected: {}", view.hide(report, &failure.message)))
        }
        Some(failure) => {
            let text = format!("{}: {}", failure.kind.name(), view.hide(report, &failure.message));
            painted(BAD, text)
        }
    };
    rows.row("result", result);
    if let Some(remote) = &report.trace.remote {
        rows.row("address", remote.address);
    }
    rows.some("proxy", report.trace.http.as_ref().and_then(|http| http.proxy.as_ref()));
    rows.row("time", time(report, view));
    if report.attempts > 1 {
        rows.row("attempts", report.attempts);
    }
    match &report.question {
        Question::Announce(ask) => {
            rows.row("info-hash", ask.info_hash);
            announce(report, view, &mut rows);
        }
        Question::Scrape(_) => scrape(report, view, &mut rows),
    }
    if view.shows_certificate {
        certificate(report, &mut rows);
    }
    findings(report, view, &mut rows);
    if let Some(Err(why)) = &report.cleanup {
        rows.row("cleanup", format!("`stopped` was not taken: {}", view.hide(report, why)));
    }
    rows.0
}

/// The time without name resolution, and how good that is.
fn time(report: &Report, view: &View) -> String {
    let timing = &report.trace.timing;
    let dns = timing.dns.unwrap_or_default();
    let own = ms(report.response_time().saturating_sub(dns));
    let mut text = format!("{own:.1} ms");
    if report.is_ok() {
        let (style, word) = rating(own, view);
        text = format!("{text}, {}", painted(style, word));
    }
    let mut parts = Vec::new();
    for (name, took) in crate::query::statistics::phases(timing) {
        let took = took.filter(|took| *took > Duration::from_micros(50));
        parts.extend(took.map(|took| format!("{name} {:.1}", ms(took))));
    }
    format!("{text} without dns ({})", parts.join(", "))
}

fn rating(ms: f64, view: &View) -> (Style, &'static str) {
    let [excellent, good, fair] = view.rating_ms;
    match ms {
        _ if ms < excellent => (GOOD.bold(), "excellent"),
        _ if ms < good => (GOOD, "good"),
        _ if ms < fair => (FAIR, "fair"),
        _ => (BAD, "slow"),
    }
}

fn announce(report: &Report, view: &View, rows: &mut Rows) {
    let Some(answer) = report.announced() else { return };
    rows.some("warning", answer.warning_message.as_ref());
    rows.some("external ip", answer.external_ip.as_ref());
    rows.some("tracker id", answer.tracker_id.as_deref().map(crate::query::text::shown));
    if answer.failure_reason.is_some() {
        return;
    }
    rows.known("interval", answer.interval, " s");
    rows.known("min interval", answer.min_interval, " s");
    rows.known("seeds", answer.seeders, "");
    rows.known("leechers", answer.leechers, "");
    rows.known("downloaded", answer.completed, "");
    rows.row("IPv4 peers", format!("{} ({} bytes)", answer.peers_v4, answer.bytes_v4));
    rows.row("IPv6 peers", format!("{} ({} bytes)", answer.peers_v6, answer.bytes_v6));
    if view.shows_peers && !answer.peers.is_empty() {
        let _ = writeln!(rows.0, "\n{}", peers(&answer.peers, view));
    }
}

fn table(view: &View, header: &[&str]) -> Table {
    let mut table = Table::new();
    table.force_no_tty();
    table.load_style(if view.is_ascii {
        presets::ASCII_HORIZONTAL_ONLY
    } else {
        presets::UTF8_HORIZONTAL_ONLY
    });
    table.set_header(header.to_vec());
    table
}

fn peers(peers: &[Peer], view: &View) -> String {
    let mut table = table(view, &["#", "peer", "kind", "client"]);
    for (i, peer) in peers.iter().enumerate() {
        let address = std::net::SocketAddr::new(peer.ip, peer.port).to_string();
        let shown = match &peer.hostname {
            Some(name) => format!("{name}:{} ({})", peer.port, peer.ip),
            None => address,
        };
        let odd = match peer.port {
            0 => " (port 0)",
            _ if !is_public(peer.ip) => " (private or reserved)",
            _ => "",
        };
        let client = peer
            .peer_id
            .as_ref()
            .map(|id| client_of(id).unwrap_or_else(|| crate::query::text::hex(&id.0[..8])));
        let kind = format!("{}{odd}", peer.kind());
        table.add_row([(i + 1).to_string(), shown, kind, client.unwrap_or_default()]);
    }
    table.trim_fmt()
}

fn scrape(report: &Report, view: &View, rows: &mut Rows) {
    let Some(answer) = report.scraped() else { return };
    rows.some("scraped at", answer.scrape_url.as_ref().map(|url| view.hide(report, url)));
    rows.some("min interval", answer.min_request_interval.map(|interval| format!("{interval} s")));
    if !report.is_ok() {
        return;
    }
    rows.row("torrents", answer.torrents.len());
    if answer.torrents.is_empty() {
        return;
    }
    let mut table = table(view, &["info-hash", "seeds", "leechers", "downloaded", "name"]);
    let number = |value: Option<i64>| value.map_or("-".to_owned(), |value| value.to_string());
    for torrent in &answer.torrents {
        table.add_row([
            torrent.info_hash.to_string(),
            number(torrent.seeders),
            number(torrent.leechers),
            number(torrent.completed),
            torrent.name.clone(),
        ]);
    }
    align(&mut table, 1..=3);
    let _ = writeln!(rows.0, "\n{}", table.trim_fmt());
}

/// Numbers stand under each other.
fn align(table: &mut Table, columns: std::ops::RangeInclusive<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn certificate(report: &Report, rows: &mut Rows) {
    let Some(tls) = &report.trace.tls else { return };
    let verdict = match &tls.verify_error {
        None if tls.is_verified => painted(GOOD, "trusted"),
        None => "not seen".to_owned(),
        Some(why) => painted(BAD, format!("not trusted: {why}")),
    };
    rows.row("certificate", verdict);
    rows.some("tls", tls.protocol.as_ref());
    rows.some("cipher", tls.cipher.as_ref());
    rows.row("chain", format!("{} certificates", tls.chain_len));
    rows.row("ocsp stapled", if tls.has_ocsp { "yes" } else { "no" });
    let Some(certificate) = &tls.certificate else { return };
    rows.row("subject", &certificate.subject);
    rows.row("names", certificate.names.join(", "));
    rows.row("issuer", &certificate.issuer);
    rows.some("good from", document::utc(certificate.not_before));
    let days = certificate.days_left(document::now());
    rows.some(
        "good until",
        document::utc(certificate.not_after).map(|t| format!("{t} ({days} days)")),
    );
    let bits = certificate.key_bits.map(|bits| format!(", {bits} bits")).unwrap_or_default();
    rows.row("key", format!("{}{bits}", certificate.key_type));
    rows.row("signed with", &certificate.signature_algorithm);
    rows.row("sha256", &certificate.sha256);
    rows.row("key sha256", &certificate.key_sha256);
}

fn findings(report: &Report, view: &View, rows: &mut Rows) {
    for finding in &report.findings {
        let style = match finding.severity {
            Severity::Info => Style::new(),
            Severity::Warn => FAIR,
            Severity::Error => BAD,
        };
        let message = view.hide(report, &finding.message);
        rows.row(finding.severity.name(), painted(style, format!("{message} [{}]", finding.id)));
    }
}

/// The tracker, and the one address of it that was asked.
fn tracker(report: &Report, view: &View) -> String {
    let pinned = report.pinned.map(|ip| format!(" at {ip}")).unwrap_or_default();
    format!("{}{pinned}", view.tracker(report))
}

/// One report of a batch in one line.
pub fn line(report: &Report, view: &View) -> String {
    let tracker = tracker(report, view);
    match &report.failure {
        None => {
            let (ok, time) = (if view.is_ascii { "ok" } else { "✓" }, ms(report.response_time()));
            let (style, _) = rating(time, view);
            let time = painted(style, format_args!("{time:>9.1}"));
            format!("{} {time} ms  {tracker}\n", painted(GOOD, ok))
        }
        Some(failure) => {
            let mark = painted(BAD, if view.is_ascii { "--" } else { "✗" });
            let why = view.hide(report, &failure.message);
            format!("{mark} {:>12}  {tracker}: {why}\n", failure.kind.name())
        }
    }
}

/// The end of a batch: totals, failures by kind with their reasons, and who was fastest.
pub fn summary(reports: &[Report], took: Duration, view: &View) -> String {
    let mut good: Vec<&Report> = reports.iter().filter(|report| report.is_ok()).collect();
    good.sort_by_key(|report| report.response_time());
    let failed: Vec<&Report> = reports.iter().filter(|report| !report.is_ok()).collect();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\n{} {} trackers in {:.1} s: {}, {}",
        painted(TITLE, "BATCH"),
        reports.len(),
        took.as_secs_f64(),
        painted(GOOD, format!("{} answered", good.len())),
        painted(if failed.is_empty() { GOOD } else { BAD }, format!("{} failed", failed.len())),
    );
    if let Some(times) = Summary::of(good.iter().map(|report| ms(report.response_time()))) {
        let Summary { min, avg, max, p50, p95, .. } = times;
        let _ = writeln!(
            text,
            "  time: min {min:.1}, avg {avg:.1}, median {p50:.1}, p95 {p95:.1}, max {max:.1} ms"
        );
    }
    if !good.is_empty() {
        let mut table = table(view, &["ms", "tracker", "seeds", "leechers", "findings"]);
        for report in &good {
            let answer = report.announced();
            let number = |value: Option<i64>| value.map_or(String::new(), |v| v.to_string());
            table.add_row([
                painted(
                    rating(ms(report.response_time()), view).0,
                    rounded(ms(report.response_time())),
                ),
                tracker(report, view),
                number(answer.and_then(|answer| answer.seeders)),
                number(answer.and_then(|answer| answer.leechers)),
                report.findings.len().to_string(),
            ]);
        }
        align(&mut table, 0..=0);
        align(&mut table, 2..=4);
        let _ = writeln!(text, "{}", table.trim_fmt());
    }
    for kind in Kind::ALL {
        let of_kind = |report: &&&Report| report.failure.as_ref().is_some_and(|f| f.kind == kind);
        let of_kind: Vec<&&Report> = failed.iter().filter(of_kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        let _ = writeln!(text, "  {}: {}", painted(BAD, kind.name()), of_kind.len());
        for report in of_kind {
            let why = report.failure.as_ref().map(|failure| failure.message.as_str());
            let why = view.hide(report, why.unwrap_or_default());
            let _ = writeln!(text, "    {}: {why}", tracker(report, view));
        }
    }
    text
}

/// The end of a repetition, like that of ping.
pub fn repeated(repeated: &Repeated, tracker: &str) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\n{} {tracker}\n  {} sent, {} answered, {:.1} % lost",
        painted(TITLE, "REPEATED"),
        repeated.sent,
        repeated.answered,
        repeated.loss_percent()
    );
    for (name, summary) in &repeated.phases {
        let Summary { min, avg, max, stddev, p50, p95, p99 } = summary;
        let _ = writeln!(
            text,
            "  {name:<11} min/avg/max/stddev {min:.1}/{avg:.1}/{max:.1}/{stddev:.1} ms, \
             p50/p95/p99 {p50:.1}/{p95:.1}/{p99:.1} ms"
        );
    }
    text
}
