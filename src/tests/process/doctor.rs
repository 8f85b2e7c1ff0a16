//! `wildkat doctor` as an operator runs it, on this host and on a copy of another.

use serde_json::Value;

use super::*;

fn doctor(words: &[&str]) -> (i32, Value) {
    let (code, stdout, stderr) = output(&[&["doctor", "-o", "json"], words].concat());
    let document = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    (code.unwrap(), document)
}

fn of<'d>(document: &'d Value, id: &str) -> Vec<&'d Value> {
    let findings = document["findings"].as_array().unwrap();
    findings.iter().filter(|finding| finding["id"] == id).collect()
}

#[test]
fn port_that_is_taken_is_an_error_that_names_the_program() {
    let (port, web) = (free_port(), free_port());
    let taken = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    let words = arguments(port, web);
    let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let (code, document) = doctor(&words);
    assert_eq!((code, &document["worst"]), (4, &Value::from("error")), "{document:#}");
    let ports = of(&document, "port");
    assert_eq!(ports.len(), 3, "{ports:?}");
    let bad: Vec<_> = ports.iter().filter(|port| port["severity"] == "error").collect();
    assert_eq!(bad.len(), 1, "{ports:?}");
    assert_eq!(bad[0]["about"], format!("udp {port}"));
    let own = format!("process {}", std::process::id());
    assert!(bad[0]["is"].as_str().unwrap().contains(&own), "{bad:?}");
    drop(taken);
    let (_, document) = doctor(&words);
    assert!(of(&document, "port").iter().all(|port| port["severity"] == "ok"), "{document:#}");
}

#[test]
fn tracker_that_runs_is_as_it_should_be() {
    let words = arguments(free_port(), free_port());
    let (_tracker, _) = start(&words);
    let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let (_, document) = doctor(&words);
    for port in of(&document, "port") {
        assert_eq!(port["severity"], "ok", "{port}");
        assert!(port["is"].as_str().unwrap().contains("a tracker runs here"), "{port}");
    }
}

#[test]
fn host_that_tells_nothing_ends_with_0_and_notes() {
    let root = tempfile::tempdir().unwrap();
    let (code, document) = doctor(&["--root", root.path().to_str().unwrap()]);
    assert_eq!(code, 0, "{document:#}");
    let probe = of(&document, "io-uring")[0];
    assert_eq!((&probe["looked"], &probe["severity"]), (&false.into(), &"note".into()));
    assert!(probe["is"].as_str().unwrap().contains("--root is another host"), "{probe}");
}

#[test]
fn certificate_file_that_is_missing_is_a_finding_and_no_usage_error() {
    let words = ["--https-port", "1", "--cert", "/nowhere.pem", "--key", "/nowhere.pem"];
    let (code, document) = doctor(&words);
    assert_eq!(code, 4, "{document:#}");
    assert_eq!(of(&document, "certificate-pair")[0]["severity"], "error");
}

#[test]
fn table_has_colors_only_where_they_are_wanted() {
    let root = tempfile::tempdir().unwrap();
    let words = ["doctor", "--root", root.path().to_str().unwrap(), "--color"];
    for (color, has_any) in [("always", true), ("never", false), ("auto", false)] {
        let (code, stdout, _) = output(&[&words[..], &[color]].concat());
        assert_eq!((code, stdout.contains('\x1b')), (Some(0), has_any), "{color}: {stdout}");
        assert!(stdout.contains("could not look"), "{stdout}");
    }
}

#[test]
fn words_that_are_wrong_are_named_as_by_serve() {
    for (words, code, named) in [
        (&["doctor", "--nonsense"][..], 2, "--nonsense"),
        (&["doctor", "-o", "xml"], 2, "--format"),
        (&["doctor", "--timeout", "0"], 2, "--timeout"),
        (&["doctor", "--https-port", "1"], 1, "requires --cert and --key"),
    ] {
        let (ended, stdout, stderr) = output(words);
        assert_eq!((ended, &stdout[..]), (Some(code), ""), "{stderr}");
        assert!(stderr.contains(named), "{stderr}");
    }
}
