//! Findings for people. The text is free to change; programs read the JSON document.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use crate::doctor::finding::{Cure, Finding, Severity};

/// Columns that the name of a finding takes.
const ID_WIDTH: usize = 20;
/// Columns before what stands below a finding.
const INDENT: usize = 9;

/// The findings `shown`, and the count of `all`.
pub fn of(shown: &[&Finding], all: &[Finding]) -> String {
    let mut text = String::new();
    for finding in shown {
        one(&mut text, finding);
    }
    if !shown.is_empty() {
        text.push('\n');
    }
    let counts = Severity::ALL.iter().rev().map(|severity| {
        let count = all.iter().filter(|finding| finding.seen.severity == *severity).count();
        painted(*severity, &format!("{count} {}", severity.name()))
    });
    let _ = writeln!(text, "{}", counts.collect::<Vec<_>>().join(", "));
    text
}

fn one(text: &mut String, finding: &Finding) {
    let Finding { id, why, seen, .. } = finding;
    let word = painted(seen.severity, &format!("{:<7}", seen.severity.name()));
    let about = if seen.about.is_empty() { String::new() } else { format!("{}: ", seen.about) };
    let _ = writeln!(text, "{word}  {id:<ID_WIDTH$} {about}{}", seen.is);
    let mut below = |label: &str, line: &str| {
        let _ = writeln!(text, "{:INDENT$}{label:<ID_WIDTH$} {line}", "");
    };
    if seen.severity >= Severity::Warning {
        below("  why", why);
    }
    if let Some(Cure { now, lasting }) = &seen.cure {
        below("  cure", now);
        if let Some(lasting) = lasting {
            below("  for good", lasting);
        }
    }
}

fn painted(severity: Severity, text: &str) -> String {
    let style = match severity {
        Severity::Ok => AnsiColor::Green.on_default(),
        Severity::Note => Style::new(),
        Severity::Warning => AnsiColor::Yellow.on_default(),
        Severity::Error => AnsiColor::Red.on_default().bold(),
    };
    format!("{style}{text}{style:#}")
}
