//! `/metrics` of a running tracker, and what is written about it: the page that explains it, the
//! dashboard and the alert rules name nothing that is not there.
#![expect(clippy::cast_sign_loss, reason = "no metric is below zero")]

use std::collections::BTreeSet;

use super::*;

fn with_metrics(allowed: &str) -> TestServer {
    TestServer::with(|config| {
        config.web.http_port = Some(0);
        config.web.metrics_allow = vec![allowed.parse().unwrap()];
    })
}

fn metrics(server: &TestServer, fields: &str) -> Response {
    ask(&mut connect(server.addresses().web_http[0]), "/metrics", fields)
}

/// The number behind a name with its labels.
fn number(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
}

fn body(response: &Response) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

#[test]
fn metrics_count_by_protocol_family_and_outcome() {
    let server = with_metrics("127.0.0.0/8");
    server.get(&target(7000, "left=0"));
    server.get("/announce");
    server.get("/elsewhere");
    let client = server.udp_client();
    for port in 0..200 {
        client.announce(&Announce::sample(8000 + port, 1));
    }
    client.scrape(&[HASH.0]);
    let answer = metrics(&server, "");
    assert_eq!(answer.status, 200);
    assert!(answer.field("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = body(&answer);
    assert!(text.ends_with("# EOF\n"));
    let of = |protocol: &str, outcome: &str| {
        let labels = format!(r#"protocol="{protocol}",family="ipv4",outcome="{outcome}""#);
        number(&text, &format!("wildkat_requests_total{{{labels}}}")) as u64
    };
    assert_eq!((of("http", "announced"), of("http", "refused")), (1, 1));
    assert_eq!((of("udp", "announced"), of("udp", "scraped"), of("udp", "refused")), (200, 1, 0));
    assert_eq!(number(&text, r#"wildkat_turned_away_total{protocol="http"}"#) as u64, 1);
    assert_eq!(number(&text, r#"wildkat_peers{family="ipv4",role="leecher"}"#) as u64, 200);
    assert_eq!(number(&text, "wildkat_udp_dropped_total") as u64, 0);
    assert!(number(&text, "process_resident_memory_bytes") > 1e6);
    assert!(number(&text, "process_open_fds") > 3.0);

    let timed = number(&text, "wildkat_answer_seconds_count");
    let requests = 200.0 + 3.0 + 2.0;
    assert!(timed >= 1.0 && timed <= requests / 61.0 + 2.0, "{timed} of {requests} are timed");
    assert!(number(&text, "wildkat_answer_seconds_sum") > 0.0);
    let all = number(&text, r#"wildkat_answer_seconds_bucket{le="+Inf"}"#);
    assert_eq!(all as u64, timed as u64);
}

#[test]
fn metrics_are_for_the_networks_named_alone() {
    let server = with_metrics("127.0.0.1/32");
    assert_eq!(metrics(&server, "").status, 200);
    // Whoever stands behind a proxy that nobody has named may be anybody.
    for trace in ["X-Forwarded-For: 198.51.100.1", "Via: 1.1 proxy", "Forwarded: for=x"] {
        let answer = metrics(&server, &format!("{trace}\r\n"));
        assert_eq!(answer.status, 403, "{trace}");
        assert!(body(&answer).contains("--metrics-allow"));
    }
    let elsewhere = with_metrics("192.0.2.0/24");
    assert_eq!(metrics(&elsewhere, "").status, 403);
    let behind_proxy = TestServer::with(|config| {
        config.web.http_port = Some(0);
        config.net.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.web.metrics_allow = vec!["192.0.2.0/24".parse().unwrap()];
    });
    assert_eq!(metrics(&behind_proxy, "X-Forwarded-For: 192.0.2.7\r\n").status, 200);
    assert_eq!(metrics(&behind_proxy, "X-Forwarded-For: 192.0.3.7\r\n").status, 403);
    assert_eq!(metrics(&behind_proxy, "").status, 403);
}

/// The names of metrics in a text: of ours, and of a process as every exporter calls them.
fn names_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("wildkat_") || word.starts_with("process_")).collect()
}

#[test]
fn documents_name_the_metrics_there_are() {
    let server = with_metrics("127.0.0.1/32");
    let text = body(&metrics(&server, ""));
    let there: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect();
    assert!(there.len() > 25, "{there:?}");
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let read = |name: &str| std::fs::read_to_string(docs.join(name)).unwrap();

    let dashboard = read("grafana.json");
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let mut queries = Vec::new();
    collect("expr", &dashboard, &mut queries);
    assert!(queries.len() > 12, "{queries:?}");
    let rules = read("alerts.yml");
    let alerts: Vec<&str> = rules.lines().filter(|line| line.contains("expr:")).collect();
    assert!(alerts.len() > 6, "{alerts:?}");
    for query in queries.iter().map(String::as_str).chain(alerts) {
        let named = names_in(query);
        assert!(!named.is_empty() || query.contains("up{"), "{query}");
        for name in named {
            assert!(there.contains(name), "{name} is not in /metrics: {query}");
        }
    }

    let explained = read("metrics.md");
    let explained = names_in(&explained);
    let bare = |name: &&str| {
        let ends = ["_bucket", "_sum", "_count"];
        let histogram = ends.iter().find_map(|end| name.strip_suffix(end));
        histogram.filter(|name| name.ends_with("_seconds")).unwrap_or(name).to_owned()
    };
    let there: BTreeSet<String> = there.iter().map(bare).collect();
    assert_eq!(explained, there.iter().map(String::as_str).collect());
}

/// All texts under `key`, however deep.
fn collect(key: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            found.extend(fields.get(key).and_then(|text| text.as_str()).map(str::to_owned));
            fields.values().for_each(|value| collect(key, value, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(key, item, found)),
        _ => {}
    }
}
