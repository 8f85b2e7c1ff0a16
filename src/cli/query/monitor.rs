//! Reports for monitors: Nagios plugins, and Prometheus' textfile collector.

use std::fmt::Write;

use super::view::View;
use crate::query::question::Question;
use crate::query::report::Report;
use crate::query::statistics::{ms, phases};

/// The line and exit code of a Nagios plugin: 0 OK, 1 WARNING, 2 CRITICAL.
pub fn nagios(report: &Report, view: &View) -> (String, u8) {
    let verdict = &view.verdict;
    let time = ms(report.response_time());
    let (seeders, leechers) = counts(report);
    let kind = match report.question {
        Question::Announce(_) => "announce",
        Question::Scrape(_) => "scrape",
    };
    let is_above = |limit: Option<f64>| limit.is_some_and(|limit| time >= limit);
    let lacks_seeders =
        verdict.seeders_min.is_some_and(|least| seeders.is_none_or(|seeders| seeders < least));
    let notable = report.findings.iter().find(|finding| finding.id.starts_with("cert-"));
    let (word, code, what) = match &report.failure {
        Some(failure) => ("CRITICAL", 2, view.hide(report, &failure.message)),
        None if is_above(verdict.critical_ms) => ("CRITICAL", 2, "slow".to_owned()),
        None if lacks_seeders => ("CRITICAL", 2, "too few seeds".to_owned()),
        None if is_above(verdict.warning_ms) => ("WARNING", 1, "slow".to_owned()),
        None => match notable {
            Some(finding) => ("WARNING", 1, finding.message.clone()),
            None if verdict.is_strict && report.has_faults() => {
                ("WARNING", 1, "there are findings".to_owned())
            }
            None => ("OK", 0, String::new()),
        },
    };
    let mut line = format!("TRACKER {word} - ");
    if !what.is_empty() {
        // The bar begins the figures, so it cannot stand in a text.
        let _ = write!(line, "{}; ", what.replace('|', "/"));
    }
    let _ = write!(line, "{kind} {time:.1} ms");
    if let Some(seeders) = seeders {
        let _ = write!(line, ", {seeders} seeds");
    }
    if let Some(leechers) = leechers {
        let _ = write!(line, ", {leechers} leechers");
    }
    let limit = |limit: Option<f64>| limit.map(|ms| (ms / 1000.0).to_string()).unwrap_or_default();
    let (warning, critical) = (limit(verdict.warning_ms), limit(verdict.critical_ms));
    let _ = write!(line, " | time={:.4}s;{warning};{critical};0;", time / 1000.0);
    for (name, count) in [("seeds", seeders), ("leechers", leechers)] {
        if let Some(count) = count {
            let _ = write!(line, " {name}={count};;;0;");
        }
    }
    line.push('\n');
    (line, code)
}

/// Seeders and leechers of an announce, or of the first swarm of a scrape.
fn counts(report: &Report) -> (Option<i64>, Option<i64>) {
    if let Some(answer) = report.announced() {
        return (answer.seeders, answer.leechers);
    }
    let first = report.scraped().and_then(|answer| answer.torrents.first());
    first.map_or((None, None), |torrent| (torrent.seeders, torrent.leechers))
}

/// Each metric with its help and the lines it has for the reports.
pub fn prometheus(reports: &[Report]) -> String {
    let mut text = String::new();
    let mut metric = |name: &str, help: &str, lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for line in lines {
            let _ = writeln!(text, "{name}{line}");
        }
    };
    let each = |value: &dyn Fn(&Report) -> Option<i64>| {
        let line = |report| Some(format!("{{{}}} {}", labels(report), value(report)?));
        reports.iter().filter_map(line).collect::<Vec<String>>()
    };
    metric(
        "tracker_probe_success",
        "Whether the tracker gave a good answer.",
        each(&|report| Some(i64::from(report.is_ok()))),
    );
    let mut durations = Vec::new();
    for report in reports {
        let labels = labels(report);
        for (phase, took) in phases(&report.trace.timing) {
            let Some(took) = took else { continue };
            let seconds = took.as_secs_f64();
            durations.push(format!("{{{labels},phase=\"{phase}\"}} {seconds}"));
        }
    }
    metric("tracker_probe_duration_seconds", "Time of each phase of the question.", durations);
    metric("tracker_probe_seeds", "Seeders of the swarm.", each(&|report| counts(report).0));
    metric("tracker_probe_leechers", "Leechers of the swarm.", each(&|report| counts(report).1));
    metric(
        "tracker_probe_interval_seconds",
        "Announce interval that the tracker asks for.",
        each(&|report| report.announced()?.interval),
    );
    metric(
        "tracker_probe_findings",
        "Oddities of the answer, of all severities.",
        each(&|report| i64::try_from(report.findings.len()).ok()),
    );
    metric(
        "tracker_probe_tls_not_after_timestamp_seconds",
        "End of the tracker's certificate.",
        each(&|report| Some(report.trace.tls.as_ref()?.certificate.as_ref()?.not_after)),
    );
    text
}

fn labels(report: &Report) -> String {
    // Metrics are kept for long and seen by many, so secrets never get into them.
    let tracker = crate::query::redact::url(&report.tracker);
    let tracker = tracker.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let protocol = report.protocol.map_or("", |protocol| protocol.name());
    let family = match &report.trace.remote {
        Some(remote) if remote.address.is_ipv4() => "ipv4",
        Some(_) => "ipv6",
        None => "",
    };
    // Where each address is asked, the series would have one name without it.
    let address = report.pinned.map(|ip| format!(",address=\"{ip}\"")).unwrap_or_default();
    format!("tracker=\"{tracker}\",protocol=\"{protocol}\",family=\"{family}\"{address}")
}

/// `key=value` of each figure in one line, or the values of `keys` alone.
pub fn short(document: &serde_json::Value, keys: &[String]) -> String {
    let shown = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let of = |key: &str| {
        let mut value = document;
        for step in key.split('.') {
            value = value.get(step).unwrap_or(&serde_json::Value::Null);
        }
        shown(value)
    };
    let usual: &[&str] = if document["kind"] == "scrape" {
        &["ok", "torrent_count", "failure_reason", "response_time_ms"]
    } else {
        &["ok", "seeds", "leechers", "total_peers_returned", "interval", "response_time_ms"]
    };
    let mut line = if keys.is_empty() {
        usual.iter().map(|key| format!("{key}={}", of(key))).collect::<Vec<_>>().join(" ")
    } else {
        keys.iter().map(|key| of(key)).collect::<Vec<_>>().join(" ")
    };
    if keys.is_empty() && document["kind"] == "scrape" {
        for torrent in document["torrents"].as_array().into_iter().flatten() {
            let figure = |key: &str| shown(&torrent[key]);
            let _ = write!(
                line,
                " {}={}/{}/{}",
                figure("info_hash"),
                figure("complete"),
                figure("incomplete"),
                figure("downloaded")
            );
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_line_has_what_was_asked_for() {
        let document = serde_json::json!({ "kind": "announce", "seeds": 3, "leechers": null,
                                           "remote": { "family": "ipv4" } });
        let keys = ["seeds", "leechers", "remote.family", "none.such"].map(str::to_owned);
        assert_eq!(short(&document, &keys), "3 - ipv4 -\n");
        assert!(short(&document, &[]).contains("seeds=3 leechers=- "));
    }
}
