use super::*;

fn checked(line: &str) -> Result<Checked, Exit> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    config(&words, |_| None)
}

fn meant(line: &str) -> Config {
    checked(line).unwrap().meant
}

#[test]
fn defaults_are_the_documented_ones() {
    let config = meant("");
    assert_eq!(config.net.hosts, [IpAddr::from([0, 0, 0, 0])]);
    assert_eq!((config.net.udp_port, config.net.http_port), (Some(6969), Some(6969)));
    assert_eq!(config.net.https_port, None);
    let tracker = &config.tracker;
    assert_eq!((tracker.interval, tracker.min_interval, tracker.interval_jitter), (1800, 60, 5));
    assert_eq!((tracker.peers_max, &tracker.tracker_id[..]), (200, "Wildkat"));
    assert_eq!((tracker.scrape_hashes_max, tracker.udp_scrape_hashes_max), (5, 74));
    assert!(!tracker.full_scrape && tracker.ipv4_mapped && !tracker.trust_ip_param);
    assert_eq!(config.swarm.peer_ttl, 3600);
    assert!(config.swarm.peer_ids && config.swarm.peers_total_max > 1000);
    assert_eq!((config.web.http_port, config.web.http_port_otherwise), (Some(80), Some(8080)));
    assert_eq!(config.web.https_port, None);
}

#[test]
fn port_zero_is_off_and_a_port_that_was_named_has_no_alternative() {
    let config = meant("--udp-port 0 --http-port 0 --web-http-port 8081");
    assert_eq!((config.net.udp_port, config.net.http_port), (None, None));
    assert_eq!((config.web.http_port, config.web.http_port_otherwise), (Some(8081), None));
}

#[test]
fn page_makes_way_for_announces_on_port_80() {
    assert_eq!(meant("--http-port 80").web.http_port, Some(8080));
}

#[test]
fn hosts_may_be_of_both_families() {
    let hosts = |line: &str| {
        let hosts = meant(line).net.hosts;
        hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(hosts("--ipv6"), "0.0.0.0 ::");
    assert_eq!(hosts("--host 127.0.0.1 --ipv6"), "127.0.0.1 ::");
    assert_eq!(hosts("--host 127.0.0.1,[::1],127.0.0.2 --ipv6"), "127.0.0.1 ::1 127.0.0.2");
    assert_eq!(hosts("--host ::1"), "::1");
    assert!(matches!(checked("--host example.org"), Err(Exit::Usage(_))));
}

#[test]
fn proxy_protocol_needs_networks_that_speak_it() {
    let net = meant("--proxy-protocol --trusted-proxy 10.0.0.0/8").net;
    assert_eq!(net.introducers(), ["10.0.0.0/8".parse::<IpNet>().unwrap()]);
    assert!(meant("--trusted-proxy 10.0.0.0/8").net.introducers().is_empty());
    match checked("--proxy-protocol") {
        Err(Exit::Failed(text)) => assert!(text.contains("--trusted-proxy"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn scrape_limit_counts_for_both_protocols_within_a_packet() {
    let limits = |line: &str| {
        let tracker = meant(line).tracker;
        (tracker.scrape_hashes_max, tracker.udp_scrape_hashes_max)
    };
    assert_eq!(limits("--max-scrape-hashes 3"), (3, 3));
    assert_eq!(limits("--max-scrape-hashes 100"), (100, 74));
}

#[test]
fn contradictions_fail_with_the_words_known_from_before() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("there.pem");
    std::fs::write(&file, "").unwrap();
    let there = file.display();
    for (line, text) in [
        ("--registration", "--registration requires --super-user"),
        (
            "--registration --super-user a",
            "--registration requires --web-https-port or --manage-port (HTTPS required)",
        ),
        ("--super-user-password x", "--super-user-password requires --super-user"),
        ("--https-port 1", "--https-port requires --cert and --key"),
        ("--https-port 1 --cert x", "--https-port requires --cert and --key"),
        ("--web-https-port 1", "--web-https-port requires --cert and --key"),
        ("--https-port 1 --cert /no/c --key /no/k", "cert file not found: /no/c"),
        (&format!("--https-port 1 --cert {there} --key /no/k"), "key file not found: /no/k"),
        ("--udp-port 0 --http-port 0 --web-http-port 0", "all listeners disabled."),
    ] {
        assert_eq!(checked(line).unwrap_err(), Exit::Failed(format!("Error: {text}")), "{line}");
    }
}

#[test]
fn other_contradictions_fail_with_their_cure() {
    for (line, named) in [
        ("--redirect-http", "--https-port"),
        ("--web-redirect-http", "--web-https-port"),
        ("--http-port 7000 --web-http-port 7000", "--http-port and --web-http-port are both 7000"),
        ("--registration --super-user a --manage-port 1", "--tls-self-signed"),
        ("--super-user a --super-user-password x", "wildkat admin set-password"),
        ("--registration --super-user a/b --tls-self-signed --manage-port 1", "1 to 32"),
        (
            "--registration --super-user a --tls-self-signed --manage-port 1 \
             --super-user-password-file /no/p",
            "/no/p",
        ),
    ] {
        match checked(line) {
            Err(Exit::Failed(text)) => assert!(text.contains(named), "{line}: {text}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn ranges_are_kept_on_both_sides() {
    for (good, bad) in [
        ("--interval-jitter 50", "--interval-jitter 51"),
        ("--min-interval 1800", "--min-interval 1801"),
        ("--interval-jitter 0 --peer-ttl 1801", "--interval-jitter 0 --peer-ttl 1800"),
        ("--peer-ttl 1891", "--peer-ttl 1890"),
        ("--peer-ttl 64799", "--peer-ttl 64800"),
        ("--interval 1 --min-interval 1", "--interval 0 --min-interval 0"),
        ("--max-peers 1", "--max-peers 0"),
        ("--max-peers 1000", "--max-peers 1001"),
        ("--max-scrape-hashes 1", "--max-scrape-hashes 0"),
        ("--workers 256", "--workers 257"),
        ("--workers 1", "--workers 0"),
        ("--max-torrents 1", "--max-torrents 0"),
        ("--max-connections 1", "--max-connections 0"),
        ("--http-port 65535", "--http-port 65536"),
        ("--rate-limit 1", "--rate-limit 0"),
        ("--rate-limit 104857", "--rate-limit 104858"),
        ("--trusted-proxy 10.0.0.0/8", "--trusted-proxy 10.0.0.0/33"),
        ("--trusted-proxy ::1 --trusted-proxy 10.1.2.3", "--trusted-proxy localhost"),
        ("--domain t.example", "--domain https://t.example"),
    ] {
        assert!(checked(good).is_ok(), "{good}");
        assert!(matches!(checked(bad), Err(Exit::Usage(_))), "{bad}");
    }
}

#[test]
fn negative_numbers_and_unknown_options_are_usage_errors() {
    for line in ["--udp-port -1", "--interval -5", "--peer-ttl x", "--state x y", "stray"] {
        assert!(matches!(checked(line), Err(Exit::Usage(_))), "{line}");
    }
}

#[test]
fn what_has_no_effect_is_said() {
    let warnings = |line: &str| checked(line).unwrap().warnings.join("; ");
    assert_eq!(warnings(""), "");
    assert!(warnings("--cert a --key b").contains("--cert and --key have no effect"));
    assert!(warnings("--super-user a --manage-http-port 1").contains("--manage-port"));
}

#[test]
fn help_names_every_option_with_its_default() {
    let Err(Exit::Told(help)) = checked("--help") else { panic!("no help") };
    for text in ["--udp-port", "6969", "--interval", "1800", "--ipv6", "WILDKAT_HTTP_PORT"] {
        assert!(help.contains(text), "{text}: {help}");
    }
    assert!(help.lines().all(|line| line.len() <= 90), "{help}");
}

#[test]
fn members_site_has_its_database_owner_and_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "from a file\nand no more").unwrap();
    let line = format!(
        "--registration --super-user Ann --db /x/site.db --tls-self-signed --web-https-port 8443 \
         --domain t.example:8443 --super-user-password-file {}",
        password.display()
    );
    let config = meant(&line);
    let members = config.members.unwrap();
    assert_eq!((members.owner.as_str(), members.db.to_str()), ("Ann", Some("/x/site.db")));
    assert_eq!(members.owner_password.as_deref(), Some("from a file"));
    assert!(!format!("{:?}", meant(&line)).contains("from a file"));
    let files = config.net.tls.unwrap();
    assert_eq!(files.cert.to_str(), Some("/x/self-signed.crt"));
    assert_eq!(config.net.self_signed.unwrap(), ["t.example", "localhost", "127.0.0.1", "::1"]);
    assert!(meant("").members.is_none() && meant("").net.self_signed.is_none());
}
