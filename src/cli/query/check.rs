//! `--check`: a conversation with trackers of one's own, told step by step.

use std::fmt::Write;
use std::io::{BufRead, IsTerminal};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::document::{self, rounded};
use super::table::{self, BAD, FAIR, GOOD, painted};
use super::view::{Format, View};
use crate::query::check::{self, Checked, Step, Verdict};
use crate::query::redact;
use crate::query::resolve::is_public;
use crate::query::statistics::ms;
use crate::query::target::Target;
use crate::query::{Client, InfoHash};

/// What was said of the conversation.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Whether the trackers are one's own.
    pub is_agreed: bool,
    /// The swarm; `None` makes a random one.
    pub info_hash: Option<InfoHash>,
}

/// Why there is no conversation.
pub enum Refused {
    /// The trackers are somebody's, and nobody said that this is all right.
    NotAgreed,
}

/// Talks to the trackers, and gives what is to be written, and whether all went well.
///
/// # Errors
/// When one of them is not on this host or in a private network, and its owner has not agreed.
pub async fn run(
    client: &Arc<Client>,
    targets: Vec<Target>,
    script: Script,
    view: &View,
    stop: watch::Receiver<bool>,
    write: impl Fn(&str),
) -> Result<bool, Refused> {
    let each = client.each_address(targets.clone()).await;
    let strangers = each.iter().flatten().filter(|target| target.ip().is_some_and(is_public));
    let strangers = strangers.count();
    if strangers > 0 && !script.is_agreed && !has_agreed(strangers) {
        return Err(Refused::NotAgreed);
    }
    let told = |checked: &Checked| match view.format {
        Format::Ndjson => write(&document::line(&of_one(checked, view))),
        Format::Table => write(&shown(checked, view)),
        _ => {}
    };
    let all = check::run(client, targets, script.info_hash, stop, told).await;
    if view.format == Format::Json {
        write(&document::pretty(&of_all(&all, view)));
    }
    Ok(!all.is_empty() && all.iter().all(Checked::is_ok))
}

/// Asks who sits at the terminal; where nobody does, the answer is no.
fn has_agreed(strangers: usize) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    let text = "are public; each is sent some thirty requests, some of them wrong. Are they yours?";
    let mut out = String::new();
    let _ = write!(out, "{strangers} of the addresses {text} [y/N] ");
    // Who cannot be asked has not agreed.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), out.as_bytes());
    let mut answer = String::new();
    let is_read = std::io::stdin().lock().read_line(&mut answer).is_ok();
    is_read && answer.trim().eq_ignore_ascii_case("y")
}

fn exact(checked: &Checked, view: &View) -> String {
    let url = checked.target.as_str();
    if view.is_redacted_everywhere { redact::url(url) } else { url.to_owned() }
}

fn of_one(checked: &Checked, view: &View) -> Value {
    let step = |step: &Step| {
        json!({
            "name": step.name,
            "verdict": step.verdict.name(),
            "message": step.verdict.message(),
            "ms": rounded(ms(step.took)),
        })
    };
    json!({
        "tracker": exact(checked, view),
        "protocol": checked.target.scheme.name(),
        "pinned_address": checked.target.pinned.map(|ip| ip.to_string()),
        "ok": checked.is_ok(),
        "steps": checked.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

/// The document of a whole check.
pub fn of_all(all: &[Checked], view: &View) -> Value {
    json!({
        "schema": document::SCHEMA,
        "kind": "check",
        "ok": all.iter().all(Checked::is_ok),
        "results": all.iter().map(|checked| of_one(checked, view)).collect::<Vec<_>>(),
    })
}

fn shown(checked: &Checked, view: &View) -> String {
    let url = checked.target.as_str();
    let url = if view.is_redacted { redact::url(url) } else { url.to_owned() };
    let pinned = checked.target.pinned.map(|ip| format!(" at {ip}")).unwrap_or_default();
    let mut text = table::title("CHECK", &format!("{url}{pinned}"), view);
    let mut counts = [0; 4];
    for step in &checked.steps {
        let (place, style, marks) = match step.verdict {
            Verdict::Passed => (0, GOOD, ["✓", "ok"]),
            Verdict::Noted(_) => (1, FAIR, ["!", "! "]),
            Verdict::Failed(_) => (2, BAD, ["✗", "--"]),
            Verdict::Skipped(_) => (3, anstyle::Style::new(), ["·", ". "]),
        };
        counts[place] += 1;
        let mark = painted(style, marks[usize::from(view.is_ascii)]);
        let why = step.verdict.message().map(|why| format!(": {why}")).unwrap_or_default();
        let _ = writeln!(text, "  {mark} {:>7.1} ms  {}{why}", ms(step.took), step.name);
    }
    let [passed, noted, failed, skipped] = counts;
    let style = if failed == 0 { GOOD } else { BAD };
    let figures = format!("{passed} passed, {noted} noted, {failed} failed, {skipped} skipped");
    let _ = writeln!(text, "  {}\n", painted(style, figures));
    text
}
