//! Every example of `docs/query.md`, run by a shell as it stands there against a tracker of ours.
//! Only the places of the world outside are replaced by such on loopback.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{arguments, free_port, start};

const HASH: &str = "0123456789abcdef0123456789abcdef01234567";

/// The commands of all shell blocks, each with its continued lines, without comments.
fn examples() -> Vec<String> {
    let text = include_str!("../../../docs/query.md");
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut commands = Vec::new();
    for block in blocks {
        let mut command = String::new();
        for line in block.lines().filter(|line| !line.starts_with('#')) {
            command.push_str(line);
            command.push('\n');
            if !line.ends_with(['\\', '&']) {
                commands.push(std::mem::take(&mut command));
            }
        }
        assert_eq!(command, "", "an example that goes on behind its block");
    }
    commands
}

/// A tracker with everything on, and a folder with the files that the examples name.
struct Stage {
    _tracker: super::Tracker,
    port: u16,
    https: u16,
    folder: tempfile::TempDir,
}

fn stage() -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let names = ["localhost", "127.0.0.1", "::1", "tracker.example.org"].map(str::to_owned);
    let issued = rcgen::generate_simple_self_signed(names).unwrap();
    for cert in ["cert.pem", "client.pem"] {
        fs::write(path(cert), issued.cert.pem()).unwrap();
    }
    for key in ["key.pem", "client.key"] {
        fs::write(path(key), issued.signing_key.serialize_pem()).unwrap();
    }
    let (port, https) = (free_port(), free_port());
    let mut words = arguments(port, free_port());
    "--host=127.0.0.1,::1".clone_into(&mut words[1]);
    let https_port = https.to_string();
    let tls = ["--https-port", &https_port, "--cert", &path("cert.pem"), "--key", &path("key.pem")];
    words.extend(tls.map(str::to_owned));
    let (tracker, _) = start(&words);

    let udp = format!("udp://127.0.0.1:{port}");
    fs::write(path("hashes.txt"), format!("{HASH} # ours\n")).unwrap();
    fs::write(path("trackers.txt"), format!("# ours\n{udp}\nudp://127.0.0.1:1\n")).unwrap();
    let info = format!("d6:lengthi1e4:name1:f12:piece lengthi16384e6:pieces20:{}e", "p".repeat(20));
    let torrent = format!("d8:announce{}:{udp}4:info{info}e", udp.len());
    fs::write(path("file.torrent"), torrent).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_wildkat"), path("wildkat")).unwrap();
    Stage { _tracker: tracker, port, https, folder }
}

impl Stage {
    /// An example with the places outside replaced.
    fn on_loopback(&self, example: &str) -> String {
        let (port, https) = (self.port, self.https);
        let folder = self.folder.path().display();
        example
            .replace("{hash}", HASH)
            .replace("{tracker}", &format!("http://127.0.0.1:{port}/announce"))
            .replace("tracker.example.org:443:192.0.2.7", &format!("localhost:{https}:127.0.0.1"))
            .replace("tracker.example.org:6969", &format!("127.0.0.1:{port}"))
            .replace("udp%3A%2F%2Ft.example%3A6969", &format!("udp%3A%2F%2F127.0.0.1%3A{port}"))
            .replace("https://tracker.example.org/", &format!("https://localhost:{https}/"))
            .replace("https://192.0.2.1/", &format!("https://127.0.0.1:{https}/"))
            .replace("192.0.2.53", "127.0.0.1:1")
            .replace("/var/lib/node_exporter", &folder.to_string())
            .replace("-c 20 -i 0.5", "-c 3 -i 0.1")
    }

    fn run(&self, command: &str) -> (Option<i32>, String) {
        let folder = self.folder.path();
        let path = format!("{}:/usr/bin:/bin", Path::display(folder));
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", command]).current_dir(folder).stdin(Stdio::null());
        shell.env("PATH", path).env("WILDKAT_CACERT", folder.join("cert.pem"));
        let output = shell.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }
}

#[test]
fn every_example_of_the_manual_does_what_it_says() {
    let stage = stage();
    let examples = examples();
    assert!(examples.len() >= 30, "{}", examples.len());
    for example in examples {
        if example.contains("socks5h://") {
            // The tests of proxies have one to go through.
            continue;
        }
        let command = stage.on_loopback(&example);
        assert!(!command.contains("192.0.2.") && !command.contains("://t."), "{command}");
        let (code, said) = stage.run(&command);
        let expected = if example.contains("--min-seeds 1") { 2 } else { 0 };
        assert_eq!(code, Some(expected), "{command}{said}");
        assert!(!said.contains("panicked"), "{command}{said}");
    }
    let folder = stage.folder.path();
    let alive = fs::read_to_string(folder.join("alive.txt")).unwrap();
    let dead = fs::read_to_string(folder.join("dead.txt")).unwrap();
    assert_eq!((alive.lines().count(), dead.as_str()), (1, "udp://127.0.0.1:1\n"));
    let metrics = fs::read_to_string(folder.join("tracker.prom")).unwrap();
    assert_eq!(metrics.matches("tracker_probe_success{").count(), 2, "{metrics}");
}
