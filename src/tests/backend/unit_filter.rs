//! The program under the filter of system calls that `tracker.service` asks for, in force.

use std::collections::BTreeSet;
use std::path::Path;

use seccompiler::compile_from_json;

use super::*;

/// The sets of systemd, each with what stands in it; `None`, and a line about it, where there is no
/// systemd to ask.
fn sets() -> Option<Vec<(String, Vec<String>)>> {
    let Ok(told) = Command::new("systemd-analyze").arg("syscall-filter").output() else {
        println!("skipped: there is no systemd-analyze here; CI installs it (package systemd)");
        return None;
    };
    let mut sets: Vec<(String, Vec<String>)> = Vec::new();
    for line in String::from_utf8(told.stdout).unwrap().lines() {
        let is_member = line.starts_with(' ');
        match (line.trim(), sets.last_mut()) {
            (text, _) if text.is_empty() || text.starts_with('#') => {}
            (text, Some((_, members))) if is_member => members.push(text.to_owned()),
            (text, _) => sets.push((text.to_owned(), Vec::new())),
        }
    }
    Some(sets)
}

/// The calls that a word stands for.
fn calls(word: &str, sets: &[(String, Vec<String>)]) -> BTreeSet<String> {
    if !word.starts_with('@') {
        return [word.to_owned()].into();
    }
    let (_, members) = sets.iter().find(|(name, _)| name == word).expect("a set of systemd");
    members.iter().flat_map(|member| calls(member, sets)).collect()
}

/// Those that the unit allows, as systemd reads its lines: each adds to those before it or takes
/// away, and some are allowed whatever stands there.
fn allowed(sets: &[(String, Vec<String>)]) -> BTreeSet<String> {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("tracker.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let mut allowed = calls("@default", sets);
    let lines: Vec<_> =
        unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")).collect();
    assert!(lines.len() >= 3 && !lines[0].starts_with('~'), "{lines:?}");
    for line in lines {
        let (takes_away, words) = match line.strip_prefix('~') {
            Some(words) => (true, words),
            None => (false, line),
        };
        for call in words.split_whitespace().flat_map(|word| calls(word, sets)) {
            if takes_away {
                allowed.remove(&call);
            } else {
                allowed.insert(call);
            }
        }
    }
    allowed
}

/// A filter that refuses every other call with EPERM, as `SystemCallErrorNumber=` has it. Names of
/// calls that this machine does not have are left out.
fn program(allowed: &BTreeSet<String>) -> BpfProgram {
    let compile = |calls: &[&String]| {
        let filter: Vec<_> =
            calls.iter().map(|call| serde_json::json!({ "syscall": call })).collect();
        let filter = serde_json::json!({ "unit": {
            "mismatch_action": { "errno": libc::EPERM }, "match_action": "allow", "filter": filter,
        } });
        let machine = std::env::consts::ARCH.try_into().unwrap();
        compile_from_json(filter.to_string().as_bytes(), machine)
    };
    let known: Vec<_> = allowed.iter().filter(|call| compile(&[call]).is_ok()).collect();
    assert!(known.len() > 150, "{}", known.len());
    compile(&known).unwrap().remove("unit").unwrap()
}

#[test]
fn service_starts_and_answers_under_the_filter_of_its_unit() {
    let Some(sets) = sets() else { return };
    let allowed = allowed(&sets);
    for call in ["io_uring_setup", "io_uring_enter", "io_uring_register", "prlimit64"] {
        assert!(allowed.contains(call), "{call}");
    }
    for call in ["mount", "bpf", "chroot", "setuid", "ptrace", "init_module", "reboot"] {
        assert!(!allowed.contains(call), "{call}");
    }
    let filter = program(&allowed);
    for io in ["uring", "epoll"] {
        let folder = tempfile::tempdir().unwrap();
        let ports = (free_port(), free_port());
        let mut command = command(io, ports, None);
        command.arg("--state").arg(folder.path().join("state"));
        let filter = filter.clone();
        // SAFETY: between fork and exec it makes two system calls and allocates nothing.
        unsafe { command.pre_exec(move || apply_filter(&filter).map_err(io::Error::other)) };
        let (mut tracker, line) = start_command(command, ports);
        assert!(line.contains("ready"), "{line}");
        tracker.assert_serves();
        assert_eq!(tracker.figures()["udp"]["dropped"], 0);
        kill_process(tracker.pid(), Signal::HUP).unwrap();
        tracker.assert_serves();
        kill_process(tracker.pid(), Signal::TERM).unwrap();
        assert_eq!(tracker.child.wait().unwrap().code(), Some(0), "{io}");
        assert!(folder.path().join("state").is_file(), "the state was saved");
    }
}
