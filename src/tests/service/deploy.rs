//! `scripts/deploy.sh`, with a `systemctl` that keeps one real tracker: what it leaves behind when
//! the new program is good, when it does not run, and when it does not answer.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Ends the tracker that runs and starts the program that is installed, which has five seconds to
/// be ready.
const SYSTEMCTL: &str = r#"#!/bin/bash
[[ $* == "restart wildkat" ]] || exit 64
cd "$(dirname "$0")"
echo restart >>restarts
if [[ -e pid ]]; then kill "$(cat pid)"; tail --pid="$(cat pid)" -s 0.05 -f /dev/null; rm pid; fi
: >log
options=(--host=127.0.0.1 --udp-port=PORT --http-port=0 --web-http-port=0)
./wildkat serve "${options[@]}" >/dev/null 2>log 9>&- &
echo $! >pid
for ((i = 0; i < 50; i++)); do
  grep -q ready log && exit
  kill -0 "$(cat pid)" || { rm pid; exit 1; }
  sleep 0.1
done
exit 1
"#;

/// A host with the service installed, ended when dropped.
struct Host {
    folder: TempDir,
    url: String,
}

impl Drop for Host {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.path("pid")).ok().and_then(|pid| pid.trim().parse().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Host {
    fn new() -> Host {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host =
            Host { folder: tempfile::tempdir().unwrap(), url: format!("udp://127.0.0.1:{port}") };
        host.program("systemctl", SYSTEMCTL.replace("PORT", &port.to_string()).as_bytes());
        // An older build: the same program with another end.
        let program = fs::read(env!("CARGO_BIN_EXE_wildkat")).unwrap();
        host.program("wildkat", &[&program[..], b"old"].concat());
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn deploy(&self, new: &Path) -> Output {
        let path = format!("{}:{}", self.folder.path().display(), std::env::var("PATH").unwrap());
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/deploy.sh"))
            .arg(format!("--program={}", self.path("wildkat").display()))
            .args([new.as_os_str(), self.url.as_ref()])
            .env("PATH", path)
            .output()
            .unwrap()
    }

    fn restarts(&self) -> usize {
        fs::read_to_string(self.path("restarts")).unwrap_or_default().lines().count()
    }

    fn is_old(&self) -> bool {
        fs::read(self.path("wildkat")).unwrap().ends_with(b"old")
    }

    fn answers(&self) -> bool {
        let query = ["query", "--quiet", "--timeout=5", "--tracker", &self.url];
        let program = env!("CARGO_BIN_EXE_wildkat");
        Command::new(program).args(query).output().unwrap().status.success()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn deployed_program_takes_the_place_of_the_old_one() {
    let host = Host::new();
    let output = host.deploy(Path::new(env!("CARGO_BIN_EXE_wildkat")));
    assert!(output.status.success(), "{}", text(&output));
    assert!(!host.is_old() && host.answers());
    assert!(fs::read(host.path("wildkat.old")).unwrap().ends_with(b"old"), "kept");
    assert_eq!(host.restarts(), 1);
}

#[test]
fn deployment_of_what_is_no_good_program_changes_nothing() {
    let host = Host::new();
    let broken = host.program("broken", b"#!/bin/sh\nexit 3\n");
    let tampered = host.program("tampered", &fs::read(env!("CARGO_BIN_EXE_wildkat")).unwrap());
    fs::write(host.path("tampered.sha256"), format!("{}  tampered\n", "0".repeat(64))).unwrap();
    for (new, says) in [
        (broken, "does not run here"),
        (tampered, "is not what"),
        (host.path("nowhere"), "is no program"),
    ] {
        let output = host.deploy(&new);
        assert!(!output.status.success());
        assert!(text(&output).contains(says), "{}", text(&output));
        assert!(host.is_old() && host.restarts() == 0);
    }
}

#[test]
fn deployment_goes_back_when_the_new_program_ends_or_is_silent() {
    let host = Host::new();
    let says = |then: &str| {
        format!("#!/bin/sh\n[ \"$1\" = --version ] && echo 'wildkat 9' && exit\n{then}\n")
    };
    let ends = host.program("ends", says("exit 1").as_bytes());
    // It says that it is ready, and is deaf.
    let silent = host.program("silent", says("echo ready >&2; exec sleep 60").as_bytes());
    for new in [ends, silent] {
        let before = host.restarts();
        let output = host.deploy(&new);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("going back"), "{}", text(&output));
        assert!(host.is_old() && host.answers(), "{}", text(&output));
        assert_eq!(host.restarts() - before, 2);
    }
}
