//! `wildkat query` as operators and programs run it: words in, documents and exit codes out.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::{arguments, free_port, output, start, wildkat};

const HASH: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

/// A tracker of ours, and its port.
pub fn tracker() -> (super::Tracker, u16) {
    let port = free_port();
    let (tracker, _) = start(&arguments(port, free_port()));
    (tracker, port)
}

fn query(words: &[&str]) -> (Option<i32>, String, String) {
    output(&[&["query"], words].concat())
}

pub fn json(text: &str) -> Value {
    let document: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text:?}"));
    let schema = include_str!("../../../docs/query.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let faults: Vec<String> =
        schema.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}\n{text}");
    document
}

/// An HTTP server that sends the same body to everybody.
pub fn http_mock(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            drop(stream.read(&mut [0; 4_096]));
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            drop(stream.write_all(format!("{head}{body}").as_bytes()));
        }
    });
    format!("http://{address}/announce")
}

/// A port on which nobody answers.
pub fn deaf() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    (socket, url)
}

#[test]
fn d4_machine_call_gives_one_document_with_the_keys_of_old() {
    let (_tracker, port) = tracker();
    let url = format!("http://127.0.0.1:{port}/announce");
    for program in ["wildkat", "tracker_query"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wildkat"));
        command.arg0(program).args((program == "wildkat").then_some("query"));
        command.args(["-o", "json", "-s", "-r", "-H", HASH, "-t", &url]);
        let Output { status, stdout, .. } = command.stdin(Stdio::null()).output().unwrap();
        assert_eq!(status.code(), Some(0), "{program}");
        let document = json(&String::from_utf8(stdout).unwrap());
        let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
        let old = [
            "tracker",
            "scrape_url",
            "response_time_ms",
            "failure_reason",
            "min_request_interval",
            "torrents",
            "torrent_count",
        ];
        let places = old.map(|old| keys.iter().position(|key| *key == old).unwrap());
        assert!(places.is_sorted(), "{keys:?}");
        assert_eq!(document["tracker"], url.as_str());
        let torrent = &document["torrents"][0];
        let keys: Vec<&String> = torrent.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["info_hash", "complete", "incomplete", "downloaded", "name"]);
        assert_eq!(torrent["info_hash"], HASH.to_lowercase());
        assert_eq!((&torrent["complete"], &torrent["name"]), (&Value::from(0), &Value::from("")));
    }
}

#[test]
fn announce_document_has_the_keys_of_old_in_their_order() {
    let body = "d8:completei1e10:incompletei0e8:intervali1800e5:peers6:\x08\x08\x04\x04\x1a!e";
    let url = http_mock(body);
    let (code, stdout, _) = query(&["-o", "json", "-p", "-H", HASH, "-t", &url]);
    assert_eq!(code, Some(0), "{stdout}");
    let document = json(&stdout);
    let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    let old = [
        "tracker",
        "interval",
        "min_interval",
        "seeds",
        "leechers",
        "downloaded",
        "ipv4_peers",
        "ipv4_bytes",
        "ipv6_peers",
        "ipv6_bytes",
        "peer_list",
        "num_want_requested",
        "total_peers_returned",
        "response_time_ms",
        "warning_message",
        "failure_reason",
        "external_ip",
        "tracker_id",
    ];
    let places = old.map(|old| keys.iter().position(|key| *key == old).unwrap());
    assert!(places.is_sorted(), "{keys:?}");
    assert_eq!(document["peer_list"][0]["ip"], "8.8.4.4");
    let (_, csv, _) = query(&["-o", "csv", "-H", HASH, "-t", &url]);
    let old = "tracker,response_time_ms,interval,min_interval,seeds,leechers,downloaded,ipv4_peers,\
               ipv6_peers,warning_message,failure_reason,external_ip,tracker_id,ok,";
    assert!(csv.starts_with(old) && csv.lines().count() == 2, "{csv}");
}

#[test]
fn d1_mistakes_are_usage_errors_and_still_documents() {
    let good = ["-t", "udp://127.0.0.1:9"];
    for words in [
        &["-t", "foo"][..],
        &["-t", ""],
        &["-t", "ftp://h/"],
        &["-t", "wss://h/"],
        &["-t", "udp://h:0"],
        &["-t", "udp://h:99999"],
        &["-t", "udp://"],
        &["-t", "http://h:99999/announce"],
        &["-H", "zz"],
        &["-H", ""],
        &["-H", &HASH[1..]],
        &["-H", HASH, "-H", HASH],
        &["-l"],
        &["--nonsense"],
        &["-e", "bogus"],
        &["-o", "xml"],
        &["-n", "many"],
        &["-R", "often"],
        &["-4", "-6"],
        &["--ignore", "nothing"],
        &["-T", "0"],
        &["-j", "0", "-b"],
        &["stray"],
    ] {
        let words =
            if words.contains(&"-t") { words.to_vec() } else { [words, &good[..]].concat() };
        let retry = if words.contains(&"-R") { &[][..] } else { &["-R"] };
        let words = [&words[..], retry].concat(); // not retried either
        let (code, stdout, stderr) = query(&words);
        assert_eq!((code, &stdout[..]), (Some(2), ""), "{words:?}: {stderr}");
        assert!(!stderr.is_empty(), "{words:?}");
        if words.contains(&"xml") {
            continue;
        }
        let (code, stdout, _) = query(&[&words[..], &["-o", "json"]].concat());
        assert_eq!(
            (code, &json(&stdout)["error"]["kind"]),
            (Some(2), &"usage".into()),
            "{words:?}"
        );
        let (_, stdout, _) = query(&[&words[..], &["-o", "csv"]].concat());
        assert!(stdout.contains("false,usage,"), "{stdout}");
    }
    let (code, _, stderr) = query(&[]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("--tracker"), "{stderr}");
}

#[test]
fn exit_codes_tell_outcomes_and_every_failure_is_a_document() {
    let (_socket, deaf) = deaf();
    let refusing = http_mock("d14:failure reason4:nopee");
    let html = http_mock("<html>");
    let odd = http_mock("d8:intervali1800eetail");
    for (words, code, kind) in [
        (&["-t", &refusing][..], 3, "refused"),
        (&["-t", "udp://127.0.0.1:1"], 5, "connect"),
        (&["-t", &deaf, "-T", "0.3"], 6, "timeout"),
        (&["-t", &html], 9, "malformed"),
        (&["-s", "-t", "http://127.0.0.1:1/a"], 10, "unsupported"),
        (&["-s", "--full-scrape", "-t", &deaf], 10, "unsupported"),
        (&["-6", "-t", "udp://127.0.0.1:9"], 4, "dns"),
    ] {
        let (found, stdout, stderr) = query(&[words, &["-o", "json"]].concat());
        assert_eq!(found, Some(code), "{words:?}: {stderr}");
        let document = json(&stdout);
        assert_eq!(document["error"]["kind"], kind, "{words:?}");
        assert_eq!(document["ok"], false);
        assert!(stderr.lines().last().unwrap().starts_with("wildkat query: "), "{stderr}");
        let (_, stdout, _) = query(&[words, &["-o", "csv"]].concat());
        assert!(stdout.lines().nth(1).unwrap().contains(&format!(",false,{kind},")), "{stdout}");
        let (found, ..) = query(&[words, &["--exit-status=simple"]].concat());
        assert_eq!(found, Some(1), "{words:?}");
        let (found, stdout, stderr) = query(&[words, &["-q"]].concat());
        assert_eq!((found, &stdout[..], &stderr[..]), (Some(code), "", ""));
    }
    let strict = ["--strict", "-t", &odd];
    assert_eq!(query(&strict).0, Some(11));
    let muted = ["bencode-trailing", "field-missing"].map(|id| format!("--ignore={id}"));
    assert_eq!(query(&[&strict[..], &[&muted[0], &muted[1]]].concat()).0, Some(0));
    let (code, stdout, _) = query(&["--full-scrape", "--expect", "refused", "-t", &refusing]);
    assert_eq!(code, Some(0), "{stdout}");
    assert_eq!(query(&["--full-scrape", "--expect=refused", "-t", &odd]).0, Some(1));
}

#[test]
fn d4_batch_reads_lists_as_people_write_them() {
    let (_tracker, port) = tracker();
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list");
    let text = format!(
        "# ours\r\n\r\nhttp://127.0.0.1:{port}/announce\r\n  # indented\r\n\
         udp://127.0.0.1:{port} # by UDP\r\n\
         nonsense\r\nudp://127.0.0.1:1\r\nhttp://127.0.0.1:{port}/announce\r\n"
    );
    fs::write(&list, text).unwrap();
    let list = list.to_str().unwrap();
    let (ok, failed) = (folder.path().join("ok"), folder.path().join("failed"));
    let words = [
        "-b",
        "-f",
        list,
        "-R",
        "1",
        "--write-ok",
        ok.to_str().unwrap(),
        "--write-failed",
        failed.to_str().unwrap(),
    ];
    let (code, stdout, stderr) = query(&[&words[..], &["-o", "json"]].concat());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("twice"), "{stderr}");
    let document = json(&stdout);
    let totals = ["total", "succeeded", "failed"].map(|key| document[key].as_u64().unwrap());
    assert_eq!(totals, [4, 2, 2]);
    let kinds: Vec<&Value> =
        document["results"].as_array().unwrap().iter().map(|r| &r["error"]["kind"]).collect();
    assert_eq!(kinds, [&Value::Null, &Value::Null, &"usage".into(), &"connect".into()]);
    assert!(document["results"][2]["error"]["message"].as_str().unwrap().starts_with("line 6: "));
    let written: HashSet<String> =
        fs::read_to_string(ok).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(written.len(), 2);
    assert_eq!(fs::read_to_string(failed).unwrap().lines().count(), 2);

    let (_, stdout, _) = query(&["-b", "-f", list, "-o", "csv"]);
    assert_eq!(stdout.lines().count(), 5, "{stdout}");
    let (_, stdout, _) = query(&["-b", "-f", list, "-o", "ndjson"]);
    assert_eq!(stdout.lines().map(json).count(), 4);
    for (fail_on, code) in [("any", 12), ("none", 0), ("all", 0), ("50%", 12), ("51%", 0)] {
        assert_eq!(query(&["-b", "-f", list, "--fail-on", fail_on]).0, Some(code), "{fail_on}");
    }
    let words = ["-t", "udp://127.0.0.1:1", "-t", "udp://127.0.0.1:2"];
    assert_eq!(query(&words).0, Some(1));
}

#[test]
fn d4_batch_files_of_no_use_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("empty"), "# nothing\n").unwrap();
    fs::write(path("latin"), b"http://h/\xe9\n").unwrap();
    for (file, why) in [
        (path("missing"), "cannot read"),
        (path("."), "cannot read"),
        (path("empty"), "holds no tracker"),
        (path("latin"), "not UTF-8"),
    ] {
        let (code, _, stderr) = query(&["-b", "-f", &file]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(why), "{stderr}");
    }
}

#[test]
fn d4_no_escapes_without_a_terminal_and_passkeys_stay_hidden() {
    let refusing = http_mock("d14:failure reason12:no swordfishe");
    let url = format!("{refusing}?passkey=swordfish");
    for words in [&[][..], &["--nocolor"], &["-v"], &["-o", "short"], &["-o", "prometheus"]] {
        let mut command = wildkat(&[&["query", "-t", &url], words].concat());
        let Output { stdout, stderr, .. } = command.env("NO_COLOR", "1").output().unwrap();
        let text = String::from_utf8([stdout, stderr].concat()).unwrap();
        assert!(!text.contains('\x1b') && !text.contains("swordfish"), "{text}");
    }
    let (_, stdout, _) = query(&["-t", &url, "-o", "json"]);
    let document = json(&stdout);
    assert_eq!(document["tracker"], url.as_str());
    assert_eq!(document["error"]["message"], "no ***");
    assert!(!document["http"].to_string().contains("swordfish"));
    let (_, stdout, _) = query(&["-t", &url, "-o", "json", "--redact"]);
    assert!(!json(&stdout)["tracker"].to_string().contains("swordfish"), "{stdout}");
    let (_, stdout, _) = query(&["-t", &url, "--no-redact"]);
    assert!(stdout.contains("swordfish"), "{stdout}");
    let (_, stdout, _) = query(&["-t", &refusing, "--color=always"]);
    assert!(stdout.contains("\x1b["), "{stdout}");
}

#[test]
fn monitors_get_their_line_and_their_code() {
    let url = http_mock("d8:completei3e10:incompletei7e8:intervali1800ee");
    let nagios = ["--nagios", "-t", &url, "-w", "5000", "-C", "9000"];
    let (code, stdout, _) = query(&nagios);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(
        stdout.starts_with("TRACKER OK - announce ") && stdout.lines().count() == 1,
        "{stdout}"
    );
    assert!(stdout.contains("s;5;9;0; seeds=3;;;0; leechers=7;;;0;"), "{stdout}");
    assert_eq!(query(&["--nagios", "-t", &url, "-w", "0"]).0, Some(1));
    assert_eq!(query(&["--nagios", "-t", &url, "--min-seeds", "4"]).0, Some(2));
    assert_eq!(query(&["--nagios", "-t", "udp://127.0.0.1:1"]).0, Some(2));
    let (code, stdout, _) = query(&["--nagios", "-t", "foo"]);
    assert_eq!(code, Some(3));
    assert!(stdout.starts_with("TRACKER UNKNOWN - "), "{stdout}");

    let (_, stdout, _) = query(&["-o", "prometheus", "-t", &url]);
    for line in ["tracker_probe_success{", "tracker_probe_seeds{", "phase=\"first_byte\"} "] {
        assert!(stdout.contains(line), "{line}: {stdout}");
    }
    let (_, stdout, _) = query(&["-o", "short=seeds,leechers", "-t", &url]);
    assert_eq!(stdout, "3 7\n");
    let (_, stdout, _) = query(&["-o", "raw", "-t", &url]);
    assert_eq!(stdout, "d8:completei3e10:incompletei7e8:intervali1800ee");
    let (_, stdout, _) = query(&["-o", "decoded", "-t", &url]);
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["interval"], 1800);
    let (_, stdout, _) = query(&["-c", "3", "-i", "0", "-o", "json", "-t", &url]);
    assert_eq!(json(&stdout)["answered"], 3);
}

#[test]
fn d4_closed_pipe_is_no_error() {
    let url = http_mock("d8:intervali1800ee");
    let words = ["query", "-o", "json", "-H", HASH, "-c", "50", "-i", "0", "-t", &url];
    let mut child = wildkat(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::with_capacity(16, child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    child.wait().unwrap();
    assert!(!stderr.contains("output") && !stderr.contains("panic"), "{stderr}");
}

#[test]
fn torrents_and_magnets_bring_hashes_and_trackers() {
    let (_tracker, port) = tracker();
    let magnet = format!(
        "magnet:?xt=urn:btih:{HASH}&tr=udp%3A%2F%2F127.0.0.1%3A{port}&tr=udp%3A%2F%2F127.0.0.1%3A1"
    );
    let (code, stdout, _) = query(&["--magnet", &magnet, "-s", "-o", "json"]);
    assert_eq!(code, Some(0));
    let document = json(&stdout);
    assert_eq!((&document["total"], &document["succeeded"]), (&2.into(), &1.into()));
    assert_eq!(document["results"][0]["requested"][0], HASH.to_lowercase());

    let folder = tempfile::tempdir().unwrap();
    let torrent = folder.path().join("file.torrent");
    let announce = format!("udp://127.0.0.1:{port}");
    let info = format!("d6:lengthi1e4:name1:f12:piece lengthi16384e6:pieces20:{}e", "p".repeat(20));
    fs::write(&torrent, format!("d8:announce{}:{announce}4:info{info}e", announce.len())).unwrap();
    let (code, stdout, stderr) = query(&["--torrent", torrent.to_str().unwrap(), "-o", "json"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(json(&stdout)["results"][0]["tracker"], announce.as_str());
}

#[test]
fn what_needs_no_tracker_is_told() {
    for (words, text) in [
        (&["--version"][..], "wildkat "),
        (&["--help"], "Usage: wildkat query"),
        (&["--list-clients"], "qbittorrent/5.1.4"),
        (&["--completions", "bash"], "--scrape"),
        (&["--completions=zsh"], "scrape"),
        (&["--completions=fish"], "scrape"),
        (&["--man"], ".TH WILDKAT-QUERY"),
    ] {
        let (code, stdout, stderr) = query(words);
        assert_eq!(code, Some(0), "{words:?}: {stderr}");
        assert!(stdout.contains(text), "{words:?}: {stdout}");
    }
}

#[test]
fn folder_of_certificates_is_trusted_in_place_of_the_systems() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(path("cert.pem"), issued.cert.pem()).unwrap();
    fs::write(path("key"), issued.signing_key.serialize_pem()).unwrap();
    for (name, cert) in [("own", &issued), ("other", &other)] {
        fs::create_dir(path(name)).unwrap();
        fs::write(path(&format!("{name}/a.crt")), cert.cert.pem()).unwrap();
        fs::write(path(&format!("{name}/README")), "no certificate").unwrap();
    }
    fs::create_dir(path("empty")).unwrap();
    let (port, https) = (free_port(), free_port());
    let mut words = arguments(port, free_port());
    let https_port = https.to_string();
    let tls = ["--https-port", &https_port, "--cert", &path("cert.pem"), "--key", &path("key")];
    words.extend(tls.map(str::to_owned));
    let (_tracker, _) = start(&words);
    let url = format!("https://127.0.0.1:{https}/announce");
    for (name, code) in [("own", 0), ("other", 7), ("empty", 2), ("missing", 2)] {
        let (found, _, stderr) = query(&["--capath", &path(name), "-t", &url]);
        assert_eq!(found, Some(code), "{name}: {stderr}");
    }
}

#[test]
fn proxies_are_named_by_option_or_environment() {
    let url = http_mock("d8:intervali1800ee");
    // As a proxy it answers whatever it is asked, and so stands for a tracker that is nowhere.
    let proxy = url.trim_end_matches("/announce");
    let nowhere = "http://tracker.invalid/announce";
    let (code, stdout, _) = query(&["-x", proxy, "-o", "json", "-t", nowhere]);
    assert_eq!((code, json(&stdout)["http"]["proxy"].as_str()), (Some(0), Some(proxy)));
    for variable in ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "WILDKAT_PROXY"] {
        let mut command = wildkat(&["query", "-q", "-t", nowhere]);
        let status = command.env(variable, proxy).status().unwrap();
        assert_eq!(status.code(), Some(0), "{variable}");
    }
    let mut command = wildkat(&["query", "-o", "json", "--noproxy", "127.0.0.0/8", "-t", &url]);
    let output = command.env("http_proxy", "http://127.0.0.1:1").output().unwrap();
    let document = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!((&document["ok"], &document["http"]["proxy"]), (&true.into(), &Value::Null));
    assert_eq!(query(&["-x", proxy, "-t", "udp://127.0.0.1:1"]).0, Some(10));
    assert_eq!(query(&["-x", "ftp://h", "-t", &url]).0, Some(2));
}

#[test]
fn check_tells_step_by_step_and_its_code_tells_the_verdict() {
    let (_tracker, port) = tracker();
    let (udp, http) =
        (format!("udp://127.0.0.1:{port}"), format!("http://127.0.0.1:{port}/announce"));
    let (code, stdout, stderr) = query(&["check", &udp, &http, "-o", "json"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert_eq!(json(&stdout)["results"].as_array().unwrap().len(), 2);
    let (_, stdout, _) = query(&["--check", "-t", &udp, "-o", "ndjson"]);
    assert_eq!(json(&stdout)["ok"], true);
    let (code, stdout, _) = query(&["check", &http, "--ascii"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("ok ") && stdout.contains(" 0 failed"), "{stdout}");
    let same = http_mock("d8:completei1e10:incompletei0e8:intervali1800e5:peers0:e");
    assert_eq!(query(&["check", &same]).0, Some(1));
    for (words, why) in [
        (&["check", "udp://8.8.8.8:1"][..], "--yes"),
        (&["check"], "which tracker"),
        (&["check", &udp, "-o", "csv"], "ndjson"),
        (&["check", &udp, "-s"], "script"),
    ] {
        let (code, _, stderr) = query(words);
        assert_eq!(code, Some(2), "{words:?}: {stderr}");
        assert!(stderr.contains(why), "{words:?}: {stderr}");
    }
}

#[test]
fn way_is_told_when_asked_for_and_over_udp_too() {
    let (_tracker, port) = tracker();
    let url = format!("http://user:swordfish@127.0.0.1:{port}/announce");
    let (_, _, stderr) = query(&["-v", "-t", &url]);
    assert!(stderr.contains("> user-agent: ") && stderr.contains("< content-"), "{stderr}");
    assert!(!stderr.contains("swordfish"), "{stderr}");
    let udp = format!("udp://127.0.0.1:{port}");
    let (_, _, stderr) = query(&["-vv", "-t", &udp]);
    assert!(stderr.contains("> 00 00 04 17 27 10 19 80"), "{stderr}");
    let output = wildkat(&["query", "-o", "raw", "-t", &udp]).output().unwrap();
    assert_eq!(output.stdout[..4], [0, 0, 0, 1]);
    let html = http_mock("<html>");
    let (_, _, stderr) = query(&["-v", "-t", &html]);
    assert!(stderr.contains("3c 68 74 6d 6c 3e"), "{stderr}");
}

#[test]
fn every_address_of_a_name_is_a_result() {
    let (_tracker, port) = tracker(); // at 127.0.0.1 alone
    let url = format!("http://localhost:{port}/announce");
    let (code, stdout, _) = query(&["--all-addresses", "-o", "json", "-t", &url]);
    assert_eq!(code, Some(0));
    let document = json(&stdout);
    let pinned: HashSet<&str> = document["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["pinned_address"].as_str().unwrap())
        .collect();
    assert!(pinned.contains("127.0.0.1"), "{pinned:?}");
    let (_, stdout, _) = query(&["--all-addresses", "-o", "prometheus", "-t", &url]);
    let series = stdout.lines().filter(|line| !line.starts_with('#'));
    let series: Vec<&str> = series.map(|line| line.split(' ').next().unwrap()).collect();
    let names: HashSet<&str> = series.iter().copied().collect();
    assert_eq!(names.len(), series.len(), "{stdout}");
    assert_eq!(document["succeeded"], 1);
}
