//! Reports as JSON documents. The keys are an interface: `docs/query.schema.json` describes them,
//! and within one version of it none goes away or changes its type.

use std::fmt::Write;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::view::View;
use crate::query::certificate::{Certificate, TlsReport};
use crate::query::failure::{Failure, Kind, Retry};
use crate::query::identity::client_of;
use crate::query::question::{Announce, Question};
use crate::query::repeat::Repeated;
use crate::query::report::{HttpTrace, Peer, Report, ScrapeAnswer};
use crate::query::statistics::{Summary, ms, phases};
use crate::query::target::Scheme;
use crate::query::{event_name, text};

/// The version of the documents.
pub const SCHEMA: &str = "tracker-query/1";

/// A document as text: indented, in ASCII, with a newline at its end.
pub fn pretty(document: &Value) -> String {
    ascii(&format!("{document:#}\n"))
}

/// A document as one line.
pub fn line(document: &Value) -> String {
    ascii(&format!("{document}\n"))
}

/// Escapes what is not ASCII, which in JSON stands nowhere but in strings.
fn ascii(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// A time in milliseconds, to two digits.
pub fn rounded(ms: f64) -> f64 {
    (ms * 100.0).round() / 100.0
}

/// What came of one question.
pub fn of_report(report: &Report, view: &View) -> Value {
    let mut document = match &report.question {
        Question::Announce(ask) => announce(report, ask, view),
        Question::Scrape(_) => scrape(report, view),
    };
    if let (Value::Object(entries), Value::Object(frame)) = (&mut document, frame(report, view)) {
        entries.extend(frame);
    }
    document
}

fn announce(report: &Report, ask: &Announce, view: &View) -> Value {
    let nothing = crate::query::report::AnnounceAnswer::default();
    let answer = report.announced().unwrap_or(&nothing);
    let tracker_id = answer.tracker_id.as_deref().map(text::shown);
    let mut document = json!({
        "schema": SCHEMA,
        "kind": "announce",
        "ok": report.is_ok(),
        "tracker": view.exact_tracker(report),
        "protocol": report.protocol.map(Scheme::name),
        "event": event_name(ask.event).unwrap_or("none"),
        "info_hash": ask.info_hash.to_string(),
        "interval": answer.interval,
        "min_interval": answer.min_interval,
        "seeds": answer.seeders,
        "leechers": answer.leechers,
        "downloaded": answer.completed,
        "ipv4_peers": answer.peers_v4,
        "ipv4_bytes": answer.bytes_v4,
        "ipv6_peers": answer.peers_v6,
        "ipv6_bytes": answer.bytes_v6,
        "num_want_requested": ask.numwant,
        "total_peers_returned": answer.peers_v4 + answer.peers_v6,
        "response_time_ms": rounded(ms(report.response_time())),
        "warning_message": answer.warning_message,
        "failure_reason": answer.failure_reason,
        "external_ip": answer.external_ip,
        "tracker_id": tracker_id,
    });
    if view.shows_peers
        && let Value::Object(entries) = &mut document
    {
        let list: Vec<Value> = answer.peers.iter().map(|p| peer(p, view.looks_up)).collect();
        let place = entries.keys().position(|key| key == "num_want_requested").unwrap_or_default();
        entries.shift_insert(place, "peer_list".to_owned(), list.into());
    }
    document
}

fn peer(peer: &Peer, looks_up: bool) -> Value {
    let mut document = json!({ "ip": peer.ip.to_string(), "port": peer.port, "type": peer.kind() });
    if let Some(id) = &peer.peer_id {
        document["peer_id"] = text::hex(&id.0).into();
        document["client"] = client_of(id).into();
    }
    if looks_up {
        document["hostname"] = peer.hostname.clone().into();
    }
    document["family"] = if peer.ip.to_canonical().is_ipv4() { "ipv4" } else { "ipv6" }.into();
    document
}

fn scrape(report: &Report, view: &View) -> Value {
    let nothing = ScrapeAnswer::default();
    let answer = report.scraped().unwrap_or(&nothing);
    let Question::Scrape(ask) = &report.question else { return Value::Null };
    let strings = |hashes: &[crate::query::InfoHash]| {
        hashes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let torrents: Vec<Value> = answer
        .torrents
        .iter()
        .map(|torrent| {
            json!({
                "info_hash": torrent.info_hash.to_string(),
                "complete": torrent.seeders,
                "incomplete": torrent.leechers,
                "downloaded": torrent.completed,
                "name": torrent.name,
            })
        })
        .collect();
    let scrape_url = answer.scrape_url.as_ref().map(|url| {
        if view.is_redacted_everywhere { crate::query::redact::url(url) } else { url.clone() }
    });
    json!({
        "schema": SCHEMA,
        "kind": "scrape",
        "ok": report.is_ok(),
        "tracker": view.exact_tracker(report),
        "protocol": report.protocol.map(Scheme::name),
        "scrape_url": scrape_url,
        "response_time_ms": rounded(ms(report.response_time())),
        "failure_reason": answer.failure_reason,
        "min_request_interval": answer.min_request_interval,
        "torrents": torrents,
        "torrent_count": answer.torrents.len(),
        "requested": strings(&ask.info_hashes),
        "missing": strings(&answer.missing),
        "unrequested": strings(&answer.unrequested),
    })
}

/// What both kinds have in common.
fn frame(report: &Report, view: &View) -> Value {
    let trace = &report.trace;
    let is_http = report.protocol.is_some_and(|p| p.name() != "udp");
    let steps: Vec<Value> = trace
        .steps
        .iter()
        .map(|s| json!({ "name": s.name, "ok": s.is_ok, "ms": rounded(ms(s.took)) }))
        .collect();
    let remote = trace.remote.as_ref().map(|remote| {
        json!({
            "host": remote.host.to_string(),
            "address": remote.address.ip().to_string(),
            "port": remote.address.port(),
            "family": if remote.address.is_ipv4() { "ipv4" } else { "ipv6" },
        })
    });
    let mut timing = serde_json::Map::new();
    for (name, took) in phases(&trace.timing) {
        timing.insert(name.to_owned(), took.map(|took| rounded(ms(took))).into());
    }
    let udp = trace.udp.map(|udp| {
        json!({ "sent": udp.sent, "received": udp.received, "retransmits": udp.retransmits,
                "stray": udp.strays })
    });
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|f| {
            let message = view.hide(report, &f.message);
            json!({ "id": f.id, "severity": f.severity.name(), "message": message })
        })
        .collect();
    let cleanup = report.cleanup.as_ref().map(|cleanup| match cleanup {
        Ok(()) => json!({ "ok": true, "message": null }),
        Err(text) => json!({ "ok": false, "message": view.hide(report, text) }),
    });
    json!({
        "client": {
            "user_agent": is_http.then(|| report.identity.user_agent.clone()),
            "peer_id": text::hex(&report.identity.peer_id.0),
        },
        "remote": remote,
        "pinned_address": report.pinned.map(|ip| ip.to_string()),
        "timing_ms": timing,
        "attempts": report.attempts,
        "steps": steps,
        "http": trace.http.as_ref().map(|http| self::http(http, report, view)),
        "udp": udp,
        "tls": trace.tls.as_ref().map(tls),
        "findings": findings,
        "cleanup": cleanup,
        "error": report.failure.as_ref().map(|failure| error(failure, report, view)),
    })
}

fn http(http: &HttpTrace, report: &Report, view: &View) -> Value {
    let redirects: Vec<Value> = http
        .redirects
        .iter()
        .map(|(status, url)| json!({ "status": status, "url": view.hide(report, url) }))
        .collect();
    json!({
        "url": view.hide(report, &http.url),
        "proxy": http.proxy,
        "status": http.status,
        "reason": http.reason,
        "version": http.version,
        "server": http.server,
        "content_encoding": http.content_encoding,
        "body_sent_bytes": http.body_sent,
        "body_bytes": http.body_len,
        "requests": http.requests,
        "redirects": redirects,
    })
}

fn tls(tls: &TlsReport) -> Value {
    json!({
        "protocol": tls.protocol,
        "cipher": tls.cipher,
        "alpn": tls.alpn,
        "verified": tls.is_verified,
        "verify_error": tls.verify_error,
        "ocsp_stapled": tls.has_ocsp,
        "chain_length": tls.chain_len,
        "certificate": tls.certificate.as_ref().map(certificate),
    })
}

fn certificate(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "names": certificate.names,
        "not_before": utc(certificate.not_before),
        "not_after": utc(certificate.not_after),
        "days_left": certificate.days_left(now()),
        "key_type": certificate.key_type,
        "key_bits": certificate.key_bits,
        "signature_algorithm": certificate.signature_algorithm,
        "sha256": certificate.sha256,
        "public_key_sha256": certificate.key_sha256,
    })
}

/// Seconds since 1970.
pub fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

/// A time in seconds since 1970, as RFC 3339 writes it; `None` beyond the year 9999.
pub fn utc(seconds: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

fn error(failure: &Failure, report: &Report, view: &View) -> Value {
    json!({
        "kind": failure.kind.name(),
        "step": failure.step,
        "message": view.hide(report, &failure.message),
        "retryable": failure.retry != Retry::Never,
    })
}

/// A command line that is wrong.
pub fn of_usage(text: &str) -> Value {
    let error = json!({ "kind": "usage", "step": "none", "message": text, "retryable": false });
    json!({ "schema": SCHEMA, "kind": "usage", "ok": false, "error": error })
}

/// What came of a batch.
pub fn of_batch(reports: &[Report], started_at: i64, duration_ms: f64, view: &View) -> Value {
    let results: Vec<Value> = reports.iter().map(|report| of_report(report, view)).collect();
    let mut document = batch_summary(reports, started_at, duration_ms);
    document["results"] = results.into();
    document
}

/// The same without the results.
pub fn batch_summary(reports: &[Report], started_at: i64, duration_ms: f64) -> Value {
    let good = reports.iter().filter(|report| report.is_ok());
    let times: Vec<f64> = good.map(|report| ms(report.response_time())).collect();
    let succeeded = times.len();
    let response_time = Summary::of(times).map(|summary| {
        let Summary { min, avg, max, p50, p95, .. } = summary;
        json!({ "min": rounded(min), "avg": rounded(avg), "max": rounded(max),
                "p50": rounded(p50), "p95": rounded(p95) })
    });
    let mut failures = serde_json::Map::new();
    for kind in Kind::ALL {
        let of_kind = |report: &&Report| report.failure.as_ref().is_some_and(|f| f.kind == kind);
        let count = reports.iter().filter(of_kind).count();
        if count > 0 {
            failures.insert(kind.name().to_owned(), count.into());
        }
    }
    json!({
        "schema": SCHEMA,
        "kind": "batch",
        "started_at": utc(started_at),
        "duration_ms": rounded(duration_ms),
        "total": reports.len(),
        "succeeded": succeeded,
        "failed": reports.len() - succeeded,
        "failures": failures,
        "response_time_ms": response_time,
    })
}

/// What came of asking many times.
pub fn of_repeated(repeated: &Repeated, tracker: &str, view: &View) -> Value {
    let mut timing = serde_json::Map::new();
    for (name, summary) in &repeated.phases {
        let Summary { min, avg, max, stddev, p50, p95, p99 } = *summary;
        let figures = [min, avg, max, stddev, p50, p95, p99].map(rounded);
        let [min, avg, max, stddev, p50, p95, p99] = figures;
        timing.insert(
            (*name).to_owned(),
            json!({ "min": min, "avg": avg, "max": max, "stddev": stddev, "p50": p50, "p95": p95,
                    "p99": p99 }),
        );
    }
    let results: Vec<Value> = repeated.reports.iter().map(|r| of_report(r, view)).collect();
    json!({
        "schema": SCHEMA,
        "kind": "repeat",
        "tracker": tracker,
        "sent": repeated.sent,
        "answered": repeated.answered,
        "loss_percent": rounded(repeated.loss_percent()),
        "timing_ms": timing,
        "results": results,
    })
}
