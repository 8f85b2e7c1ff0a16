//! `/metrics`: every counter for Prometheus, as OpenMetrics text. `docs/metrics.md` explains each;
//! a test holds that page, the dashboard and the alert rules to what is written here.
//!
//! - [`process`]: memory and descriptors.

#![expect(
    clippy::cast_precision_loss,
    reason = "beyond 2^53 the last digits of a figure do not matter"
)]

mod process;

use std::fmt;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Site;
use super::error::Error;
use super::visitor::Visitor;
use crate::clock;
use crate::stats::Snapshot;
use crate::stats::latency::{BOUNDS_NS, LatencySnapshot};
use crate::stats::snapshot::ProtocolSnapshot;
use crate::swarm::Totals;
use process::Process;

const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const FORBIDDEN: &str = "Metrics are for the networks of --metrics-allow alone, of which this \
    address is none, or may not be: a proxy in between has to be a --trusted-proxy.\n";

/// Answers `/metrics`, where it is allowed.
///
/// # Errors
/// [`Error::Render`], which no figure can cause.
pub async fn show(State(site): State<Site>, request: Request) -> Result<Response, Error> {
    let visitor = Visitor::of(request.extensions());
    let trusted = &site.announces.trusted_proxies;
    let client = visitor.and_then(|visitor| visitor.certain_client(request.headers(), trusted));
    let is_allowed =
        |client: &_| site.facts.metrics_allow.iter().any(|network| network.contains(client));
    if !client.is_some_and(|client| is_allowed(&client)) {
        let fields = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
        return Ok((StatusCode::FORBIDDEN, fields, FORBIDDEN).into_response());
    }
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics::read(&site)));
    let mut text = String::with_capacity(16 << 10);
    encode(&mut text, &registry).map_err(|_| Error::Render(askama::Error::Fmt))?;
    Ok(([(CONTENT_TYPE, TYPE), (CACHE_CONTROL, "no-store")], text).into_response())
}

/// All there is to tell at one moment.
#[derive(Debug)]
struct Metrics {
    version: &'static str,
    /// Unix seconds.
    started_at: u64,
    stats: Snapshot,
    swarms: Totals,
    capacity: (u64, u64),
    process: Process,
}

type Label = (&'static str, &'static str);

impl Metrics {
    fn read(site: &Site) -> Metrics {
        Metrics {
            version: site.facts.version,
            started_at: clock::unix_secs().saturating_sub(site.clock.now().secs().into()),
            stats: site.stats.snapshot(),
            swarms: site.swarms.totals(),
            capacity: site.facts.capacity,
            process: Process::read(),
        }
    }

    fn protocols(&self) -> [(Label, &ProtocolSnapshot); 3] {
        let Snapshot { udp, http, https, .. } = &self.stats;
        [("udp", udp), ("http", http), ("https", https)].map(|(name, it)| (("protocol", name), it))
    }

    fn requests(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let mut rows = Vec::new();
        for (protocol, seen) in self.protocols() {
            for (family, seen) in [("ipv4", seen.v4), ("ipv6", seen.v6)] {
                for (outcome, number) in [
                    ("announced", seen.announces),
                    ("scraped", seen.scrapes),
                    ("refused", seen.refused),
                ] {
                    let labels = [protocol, ("family", family), ("outcome", outcome)];
                    rows.push((labels, number));
                }
            }
        }
        sheet.counters(
            "wildkat_requests",
            "Announces and scrapes, by what became of them",
            &rows,
        )?;
        let of = |field: fn(&ProtocolSnapshot) -> u64| {
            self.protocols().map(|(protocol, seen)| ([protocol], field(seen)))
        };
        sheet.counters(
            "wildkat_turned_away",
            "HTTP requests that were neither, answered by an error status or a redirect",
            &of(|seen| seen.turned_away)[1..],
        )?;
        let sent = of(|seen| seen.bytes_sent);
        sheet.counters(
            "wildkat_reply_bytes",
            "Payload of replies: UDP payloads, HTTP bodies",
            &sent,
        )
    }

    fn udp(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let seen = &self.stats;
        for (name, help, number) in [
            ("wildkat_udp_connects", "UDP connects answered", seen.udp_connects),
            ("wildkat_udp_ignored", "Datagrams that were not worth an answer", seen.udp_silent),
            ("wildkat_udp_unsent", "UDP replies the kernel would not take", seen.udp_unsent),
            (
                "wildkat_udp_dropped",
                "Datagrams the kernel lost, most of them for want of room in a receive buffer",
                seen.udp_dropped,
            ),
        ] {
            sheet.counter(name, help, number)?;
        }
        Ok(())
    }

    fn http(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let seen = &self.stats;
        sheet.counters(
            "wildkat_http_replies",
            "Bencoded HTTP replies, by how their bodies were sent",
            &[
                ([("encoding", "gzip")], seen.gzip_replies),
                ([("encoding", "identity")], seen.plain_replies),
            ],
        )?;
        sheet.counter("wildkat_gzip_saved_bytes", "Bytes that gzip saved", seen.gzip_saved)?;
        sheet.counter("wildkat_connections", "TCP connections accepted", seen.connections)?;
        sheet.counters(
            "wildkat_connections_closed",
            "TCP connections that were closed for a reason of ours",
            &[
                ([("reason", "cap")], seen.connections_refused),
                ([("reason", "timeout")], seen.connections_timed_out),
                ([("reason", "handshake")], seen.handshakes_failed),
            ],
        )
    }

    fn swarms(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let (Totals { torrents, v4, v6 }, (peers_max, torrents_max)) = (self.swarms, self.capacity);
        sheet.gauge("wildkat_torrents", "Torrents with at least one peer", torrents as f64)?;
        let peers = [
            ([("family", "ipv4"), ("role", "seeder")], v4.seeders as f64),
            ([("family", "ipv4"), ("role", "leecher")], v4.leechers as f64),
            ([("family", "ipv6"), ("role", "seeder")], v6.seeders as f64),
            ([("family", "ipv6"), ("role", "leecher")], v6.leechers as f64),
        ];
        sheet.gauges("wildkat_peers", "Peers in all swarms", &peers)?;
        sheet.gauge("wildkat_torrents_max", "Most torrents", torrents_max as f64)?;
        sheet.gauge("wildkat_peers_max", "Most peers", peers_max as f64)
    }

    fn process(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let version = [([("version", self.version)], 1.0)];
        sheet.gauges("wildkat_build_info", "The version that runs", &version)?;
        let started_at = self.started_at as f64;
        sheet.gauge("process_start_time_seconds", "When it was started, Unix time", started_at)?;
        let process = &self.process;
        if let Some(seconds) = process.cpu_seconds {
            let help = "Processor time, of all threads";
            sheet.write("process_cpu_seconds", help, &ConstCounter::new(seconds))?;
        }
        for (name, help, number) in [
            ("process_resident_memory_bytes", "Memory in use", process.resident_bytes),
            ("process_virtual_memory_bytes", "Address space", process.virtual_bytes),
            ("process_threads", "Threads", process.threads),
            ("process_open_fds", "Open descriptors", process.descriptors),
            ("process_max_fds", "Most open descriptors", process.descriptors_max),
        ] {
            if let Some(number) = number {
                sheet.gauge(name, help, number as f64)?;
            }
        }
        Ok(())
    }
}

impl Collector for Metrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        self.requests(&mut sheet)?;
        self.udp(&mut sheet)?;
        self.http(&mut sheet)?;
        self.swarms(&mut sheet)?;
        sheet.latency(&self.stats.latency)?;
        self.process(&mut sheet)
    }
}

/// What is being written.
struct Sheet<'a>(DescriptorEncoder<'a>);

impl Sheet<'_> {
    fn write(&mut self, name: &str, help: &str, metric: &impl EncodeMetric) -> fmt::Result {
        metric.encode(self.0.encode_descriptor(name, help, None, metric.metric_type())?)
    }

    fn counter(&mut self, name: &str, help: &str, number: u64) -> fmt::Result {
        self.write(name, help, &ConstCounter::new(number))
    }

    fn gauge(&mut self, name: &str, help: &str, number: f64) -> fmt::Result {
        self.write(name, help, &ConstGauge::new(number))
    }

    fn counters<const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: &[([Label; LABELS], u64)],
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        rows.iter().try_for_each(|(labels, number)| {
            ConstCounter::new(*number).encode(family.encode_family(labels)?)
        })
    }

    fn gauges<const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: &[([Label; LABELS], f64)],
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        rows.iter().try_for_each(|(labels, number)| {
            ConstGauge::new(*number).encode(family.encode_family(labels)?)
        })
    }

    fn latency(&mut self, latency: &LatencySnapshot) -> fmt::Result {
        let help = "Time to make an answer, without the kernel's part; of a sample of all requests";
        let kind = MetricType::Histogram;
        let mut histogram = self.0.encode_descriptor("wildkat_answer_seconds", help, None, kind)?;
        let seconds = |ns: u64| ns as f64 / 1e9;
        let bounds = BOUNDS_NS.map(seconds).into_iter().chain([f64::INFINITY]);
        let classes: Vec<_> = bounds.zip(latency.classes).collect();
        let count = latency.classes.iter().sum();
        histogram.encode_histogram::<[Label; 0]>(seconds(latency.sum_ns), count, &classes, None)
    }
}
