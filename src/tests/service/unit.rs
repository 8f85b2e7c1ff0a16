//! The unit files, read by systemd's own tool.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Most exposure that systemd may find, of 10.
const EXPOSURE_MAX: f64 = 2.0;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder with the units as they are installed, with a program that is there.
fn installed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in
        [("tracker.service", "wildkat.service"), ("docs/wildkat.socket", "wildkat.socket")]
    {
        let text = std::fs::read_to_string(root().join(from)).unwrap();
        let text = text.replace("/usr/local/bin/wildkat", env!("CARGO_BIN_EXE_wildkat"));
        std::fs::write(folder.path().join(to), text).unwrap();
    }
    folder
}

/// What `systemd-analyze` says; `None`, and a line about it, where there is none.
fn analyze(words: &[&str], units: &[PathBuf]) -> Option<String> {
    let run = Command::new("systemd-analyze").args(words).args(units).output();
    let Ok(Output { status, stdout, stderr }) = run else {
        println!("skipped: there is no systemd-analyze here; CI installs it (package systemd)");
        return None;
    };
    let said = [stdout, stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(status.success(), "systemd-analyze {words:?}: {said}");
    Some(said)
}

#[test]
fn units_are_without_fault() {
    let folder = installed();
    let units = ["wildkat.service", "wildkat.socket"].map(|name| folder.path().join(name));
    let Some(said) = analyze(&["verify", "--man=no"], &units) else { return };
    let ours: Vec<_> = said.lines().filter(|line| line.contains("wildkat")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

#[test]
fn service_is_exposed_less_than_2_of_10() {
    let folder = installed();
    let unit = folder.path().join("wildkat.service");
    let Some(said) = analyze(&["security", "--offline=true", "--no-pager"], &[unit]) else {
        return;
    };
    let level = said.lines().find_map(|line| line.split_once("Overall exposure level for "));
    let level =
        level.and_then(|(_, rest)| rest.split_once(": ")?.1.split(' ').next()?.parse().ok());
    let level: f64 = level.unwrap_or_else(|| panic!("no level in {said}"));
    assert!(level < EXPOSURE_MAX, "{level}: {said}");
}
