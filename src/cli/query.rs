//! `wildkat query`: what was typed to [`meant`], what was meant through the query library, and
//! what came of it to standard output. Documents alone go there; notes and progress go to standard
//! error.

mod arguments;
mod check;
mod csv;
mod document;
mod manners;
mod manual;
mod meant;
mod monitor;
mod table;
mod view;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Exit;
use arguments::QueryArguments;
use meant::{Entry, Meant, Mode};
use view::{Format, View};

use crate::query::Client;
use crate::query::batch::{self, Job, Note, Plan};
use crate::query::failure::Kind;
use crate::query::identity::{KnownClient, Style};
use crate::query::repeat::{self, Pace, Repeated};
use crate::query::report::{Report, UdpTrace};
use crate::query::statistics::ms;
use crate::query::target::Target;
use crate::query::{redact, text};

/// What a Nagios plugin ends with when it could not check.
const NAGIOS_UNKNOWN: u8 = 3;

/// Carries out the verb.
///
/// # Errors
/// What was asked to be told, a usage error, or the exit code of a run that has said all.
pub(super) fn run(
    typed: &[String],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(), Exit> {
    let typed = &with_check(typed)[..];
    let is_nagios = typed.iter().any(|word| word == "--nagios");
    let read = || {
        let read = super::arguments::read::<QueryArguments>;
        let arguments = read("query", typed, arguments::LENIENT, &environment)?;
        tell(&arguments)?;
        let meant = meant::check(&arguments, &environment)?;
        let client = Client::new(meant.settings.clone());
        let client = client.map_err(|failure| Exit::Usage(format!("Error: {failure}")))?;
        Ok((client, meant))
    };
    let (client, meant) = read().map_err(|exit| match exit {
        Exit::Usage(text) if is_nagios => {
            write_stdout(&format!("TRACKER UNKNOWN - {}\n", text.replace('\n', "; ")));
            Exit::Said(NAGIOS_UNKNOWN)
        }
        Exit::Usage(text) => {
            write_stdout(&usage_document(typed, &text));
            Exit::Usage(text)
        }
        exit => exit,
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Exit::Failed(format!("Error: no event loop: {error}")))?;
    match runtime.block_on(carry_out(client, meant)) {
        0 => Ok(()),
        code => Err(Exit::Said(code)),
    }
}

/// `check URL…` in options.
fn with_check(typed: &[String]) -> Vec<String> {
    let Some(("check", rest)) = typed.split_first().map(|(word, rest)| (word.as_str(), rest))
    else {
        return typed.to_vec();
    };
    let urls = rest.iter().take_while(|word| word.contains("://")).count();
    let (urls, rest) = rest.split_at(urls);
    let trackers = urls.iter().flat_map(|url| ["--tracker".to_owned(), url.clone()]);
    ["--check".to_owned()].into_iter().chain(trackers).chain(rest.iter().cloned()).collect()
}

/// What programs read that wanted a document and made a mistake in asking; nothing for people.
fn usage_document(typed: &[String], text: &str) -> String {
    let is_asked = |format: &str| {
        let joined = [format!("-o{format}"), format!("--format={format}"), format!("--{format}")];
        let is_pair =
            |pair: &[String]| ["-o", "--format"].contains(&&*pair[0]) && pair[1] == format;
        typed.iter().any(|word| joined.contains(word)) || typed.windows(2).any(is_pair)
    };
    let text = text.lines().next().unwrap_or_default().trim_start_matches("Error: ");
    if is_asked("json") {
        document::pretty(&document::of_usage(text))
    } else if is_asked("ndjson") {
        document::line(&document::of_usage(text))
    } else if is_asked("csv") {
        csv::of_usage(text)
    } else {
        String::new()
    }
}

/// What is told without asking any tracker.
fn tell(arguments: &QueryArguments) -> Result<(), Exit> {
    if arguments.version {
        return Err(Exit::Told(format!("wildkat {}\n", env!("CARGO_PKG_VERSION"))));
    }
    if arguments.list_clients {
        let lines = KnownClient::all().iter().map(|client| {
            let KnownClient { family, version, prefix, user_agent, .. } = client;
            let style = match client.style {
                Style::Plain => "name only",
                Style::Libtorrent => "name and parameters",
            };
            format!("{family}/{version:<8} {prefix}  {style:<20} {user_agent}\n")
        });
        return Err(Exit::Told(lines.collect()));
    }
    if let Some(shell) = &arguments.completions {
        return manual::completions(shell).map_or_else(
            || Err(meant::usage(format!("--completions is bash, zsh or fish, not {shell:?}"))),
            |text| Err(Exit::Told(text)),
        );
    }
    if arguments.man {
        return Err(Exit::Told(manual::page()));
    }
    Ok(())
}

async fn carry_out(client: Client, meant: Meant) -> u8 {
    let Meant { mut entries, has_all_addresses, mode, view, notes, .. } = meant;
    for text in notes {
        note(&view, &text);
    }
    let (stop, stopped) = watch::channel(false);
    let interrupted = Arc::new(AtomicU8::new(0));
    let watcher = tokio::spawn(watch_signals(stop, interrupted.clone()));
    let client = Arc::new(client);
    if has_all_addresses {
        entries = each_address(&client, entries).await;
    }
    let run = Run { client, view, stopped, interrupted };
    let code = match mode {
        Mode::Batch(plan) => run.batch(entries, plan).await,
        Mode::Single => run.single(entries).await,
        Mode::Repeat(pace) => run.repeat(entries, pace).await,
        Mode::Check(script) => run.check(&entries, script).await,
    };
    watcher.abort();
    match run.interrupted.load(Ordering::Relaxed) {
        0 => code,
        signal => signal,
    }
}

/// The same with a job for each address of a tracker.
async fn each_address(client: &Arc<Client>, entries: Vec<Entry>) -> Vec<Entry> {
    let targets: Vec<_> = entries.iter().filter_map(Entry::target).cloned().collect();
    let mut found = client.each_address(targets).await.into_iter();
    let mut all = Vec::new();
    for entry in entries {
        match entry {
            Entry::Failed(_) => all.push(entry),
            Entry::Job(job) => all.extend(
                found
                    .next()
                    .into_iter()
                    .flatten()
                    .map(|target| Entry::Job(Box::new(Job { target, ..(*job).clone() }))),
            ),
        }
    }
    all
}

/// The first signal ends what is under way in good order, the second one at once.
async fn watch_signals(stop: watch::Sender<bool>, interrupted: Arc<AtomicU8>) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    loop {
        let code = tokio::select! {
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
        };
        if interrupted.swap(code, Ordering::Relaxed) != 0 {
            std::process::exit(code.into());
        }
        // Nobody listens when all is over already.
        let _ = stop.send(true);
    }
}

/// A run under way.
struct Run {
    client: Arc<Client>,
    view: View,
    stopped: watch::Receiver<bool>,
    /// The exit code of the signal that ended it; 0 without one.
    interrupted: Arc<AtomicU8>,
}

impl Run {
    async fn single(&self, entries: Vec<Entry>) -> u8 {
        let mut reports = Vec::new();
        for entry in entries {
            let mut report = match entry {
                Entry::Failed(report) => *report,
                Entry::Job(job) => job.run(&self.client, self.stopped.clone(), self.note()).await,
            };
            self.finish(&mut report).await;
            reports.push(report);
        }
        let Some(report) = reports.first() else { return 1 };
        if self.view.format == Format::Nagios {
            let (line, code) = monitor::nagios(report, &self.view);
            self.print(&line);
            return code;
        }
        self.tell_of_way(report);
        if let Some(failure) = report.failure.as_ref().filter(|_| !self.view.verdict.is_ok(report))
        {
            let refused = if failure.kind == Kind::Refused { "tracker refused: " } else { "" };
            let message = self.view.hide(report, &failure.message);
            complain(&self.view, &format!("{refused}{message}"));
        }
        self.print_bytes(&self.rendered(report));
        self.view.verdict.code_of(report)
    }

    /// One report in the format asked for.
    fn rendered(&self, report: &Report) -> Vec<u8> {
        let view = &self.view;
        let document = || document::of_report(report, view);
        match &view.format {
            Format::Raw => report.trace.body.clone(),
            Format::Decoded => document::pretty(&manual::decoded(&report.trace.body)).into_bytes(),
            Format::Table | Format::Nagios => table::of_report(report, view).into_bytes(),
            Format::Json => document::pretty(&document()).into_bytes(),
            Format::Ndjson => document::line(&document()).into_bytes(),
            Format::Csv => csv::of(std::slice::from_ref(report), view, false).into_bytes(),
            Format::Short(keys) => monitor::short(&document(), keys).into_bytes(),
            Format::Prometheus => monitor::prometheus(std::slice::from_ref(report)).into_bytes(),
        }
    }

    async fn finish(&self, report: &mut Report) {
        self.view.verdict.settle(report);
        if let Some(crate::query::report::Answer::Announce(answer)) = &mut report.answer {
            if self.view.sorts_peers {
                answer.peers.sort_by_key(|peer| (peer.ip, peer.port));
            }
            if self.view.looks_up {
                self.client.find_names(&mut answer.peers).await;
            }
        }
    }

    async fn batch(&self, entries: Vec<Entry>, plan: Plan) -> u8 {
        let (started_at, begun) = (document::now(), Instant::now());
        let mut reports: Vec<Option<Report>> = Vec::new();
        let mut jobs: Vec<Job> = Vec::new();
        let mut places = Vec::new();
        for (place, entry) in entries.into_iter().enumerate() {
            match entry {
                Entry::Failed(report) => reports.push(Some(*report)),
                Entry::Job(job) => {
                    places.push(place);
                    jobs.push(*job);
                    reports.push(None);
                }
            }
        }
        let bar = progress(&self.view, jobs.len());
        let is_streamed = self.view.is_unordered && self.is_line_by_line();
        let asked = batch::run(
            self.client.clone(),
            jobs,
            plan,
            self.stopped.clone(),
            self.note(),
            |_, report| {
                bar.inc(1);
                if is_streamed {
                    bar.suspend(|| self.print_line(report));
                }
            },
        );
        for (place, report) in places.into_iter().zip(asked.await) {
            reports[place] = report;
        }
        bar.finish_and_clear();
        let mut reports: Vec<Report> = reports.into_iter().flatten().collect();
        batch::compare(&mut reports);
        for report in &mut reports {
            self.finish(report).await;
            self.tell_of_way(report);
        }
        if self.is_line_by_line() && !is_streamed && !self.view.is_summary_only {
            for report in &reports {
                self.print_line(report);
            }
        }
        self.end_of_batch(&reports, started_at, begun.elapsed());
        let is_interrupted = self.interrupted.load(Ordering::Relaxed) != 0;
        match self.write_lists(&reports) {
            Ok(()) => self.view.verdict.code_of_all(&reports, is_interrupted),
            Err(text) => {
                complain(&self.view, &text);
                1
            }
        }
    }

    async fn check(&self, entries: &[Entry], script: check::Script) -> u8 {
        let targets: Vec<Target> = entries.iter().filter_map(Entry::target).cloned().collect();
        if targets.len() < entries.len() {
            complain(&self.view, "one of the URLs is of no use; `--tracker` alone says why");
            return Kind::Usage.exit_code();
        }
        let (client, stop) = (&self.client, self.stopped.clone());
        let write = |text: &str| self.print(text);
        match check::run(client, targets, script, &self.view, stop, write).await {
            Ok(is_ok) => u8::from(!is_ok),
            Err(check::Refused::NotAgreed) => {
                let text = "a public tracker is checked only when it is yours; --yes says so";
                complain(&self.view, text);
                Kind::Usage.exit_code()
            }
        }
    }

    /// Whether each result is a line or block of its own.
    fn is_line_by_line(&self) -> bool {
        matches!(self.view.format, Format::Table | Format::Ndjson | Format::Short(_))
    }

    fn print_line(&self, report: &Report) {
        let text = match &self.view.format {
            Format::Ndjson => document::line(&document::of_report(report, &self.view)),
            Format::Short(keys) => {
                let line = monitor::short(&document::of_report(report, &self.view), keys);
                format!("{} {line}", self.view.tracker(report))
            }
            _ if self.view.shows_peers => table::of_report(report, &self.view) + "\n",
            _ => table::line(report, &self.view),
        };
        self.print(&text);
    }

    fn end_of_batch(&self, reports: &[Report], started_at: i64, took: Duration) {
        let view = &self.view;
        let duration_ms = ms(took);
        self.print(&match &view.format {
            Format::Json if view.is_summary_only => {
                document::pretty(&document::batch_summary(reports, started_at, duration_ms))
            }
            Format::Json => {
                document::pretty(&document::of_batch(reports, started_at, duration_ms, view))
            }
            Format::Csv => csv::of(reports, view, true),
            Format::Prometheus => monitor::prometheus(reports),
            Format::Table => table::summary(reports, took, view),
            Format::Ndjson if view.is_summary_only => {
                document::line(&document::batch_summary(reports, started_at, duration_ms))
            }
            _ => String::new(),
        });
    }

    fn write_lists(&self, reports: &[Report]) -> Result<(), String> {
        let mut sorted: Vec<&Report> = reports.iter().collect();
        sorted.sort_by_key(|report| report.response_time());
        let files = [(&self.view.write_ok, true), (&self.view.write_failed, false)];
        for (path, is_ok) in files {
            let Some(path) = path else { continue };
            let lines = sorted.iter().filter(|report| report.is_ok() == is_ok);
            let mut lines: Vec<&str> = lines.map(|report| report.tracker.as_str()).collect();
            let mut seen = std::collections::HashSet::new();
            lines.retain(|line| seen.insert(*line));
            let text: String = lines.into_iter().flat_map(|line| [line, "\n"]).collect();
            std::fs::write(path, text)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        Ok(())
    }

    async fn repeat(&self, entries: Vec<Entry>, pace: Pace) -> u8 {
        let Some(Entry::Job(job)) = entries.into_iter().next() else { return 1 };
        let tracker = job.target.as_str().to_owned();
        let mut has_warned = false;
        let told = |count: u32, report: &Report| {
            let least = report.announced().and_then(|a| a.min_interval.or(a.interval));
            let least = least.or(report.scraped().and_then(|s| s.min_request_interval));
            let is_fast = least
                .is_some_and(|least| u64::try_from(least).unwrap_or(0) > pace.interval.as_secs());
            if is_fast && !has_warned && pace.count != Some(1) {
                has_warned = true;
                let least = least.unwrap_or_default();
                note(&self.view, &format!("the tracker asks for {least} s between requests"));
            }
            match self.view.format {
                Format::Ndjson => self.print_line(report),
                Format::Table => {
                    self.print(&format!("{count:>4} {}", table::line(report, &self.view)));
                }
                _ => {}
            }
        };
        let mut repeated = repeat::run(&self.client, *job, pace, self.stopped.clone(), told).await;
        for report in &mut repeated.reports {
            self.finish(report).await;
        }
        self.end_of_repeat(&repeated, &tracker);
        let good = repeated.reports.iter().rfind(|report| report.is_ok());
        let last = good.or(repeated.reports.last());
        last.map_or(1, |report| self.view.verdict.code_of(report))
    }

    fn end_of_repeat(&self, repeated: &Repeated, tracker: &str) {
        let view = &self.view;
        let hidden = if view.is_redacted { redact::url(tracker) } else { tracker.to_owned() };
        let exact = if view.is_redacted_everywhere { &hidden } else { tracker };
        self.print(&match &view.format {
            Format::Json => document::pretty(&document::of_repeated(repeated, exact, view)),
            Format::Ndjson => document::line(&document::of_repeated(repeated, exact, view)),
            Format::Csv => csv::of(&repeated.reports, view, false),
            Format::Prometheus => {
                let last = repeated.reports.last();
                monitor::prometheus(last.map_or(&[], std::slice::from_ref))
            }
            Format::Short(_) => format!(
                "sent={} answered={} loss_percent={:.1}\n",
                repeated.sent,
                repeated.answered,
                repeated.loss_percent()
            ),
            _ => table::repeated(repeated, &hidden),
        });
    }

    /// What is told of an attempt that is followed by another one.
    fn note(&self) -> Note {
        let view = self.view.clone();
        Arc::new(move |report, pause| {
            let why = report.failure.as_ref().map_or("", |failure| &failure.message);
            let (attempt, pause) = (report.attempts, pause.as_secs_f64());
            let tracker = view.tracker(report);
            let why = view.hide(report, why);
            note(&view, &format!("{tracker}: attempt {attempt}: {why}; again in {pause:.1} s"));
        })
    }

    /// With `-v`, how the answer was come by; with `-vv`, its bytes.
    fn tell_of_way(&self, report: &Report) {
        let view = &self.view;
        if view.verbosity == 0 {
            return;
        }
        let say = |text: &str| note(view, &view.hide(report, text));
        say(&format!(
            "{} as {} {}",
            report.tracker,
            report.identity.user_agent,
            text::hex(&report.identity.peer_id.0)
        ));
        report.trace.notes.iter().for_each(|text| say(text));
        if let Some(http) = &report.trace.http {
            for (status, url) in &http.redirects {
                say(&format!("HTTP {status} to {url}"));
            }
            http.proxy.iter().for_each(|proxy| say(&format!("through {proxy}")));
            say(&format!("GET {}", http.url));
            http.sent_fields.iter().for_each(|field| say(&format!("> {field}")));
            if let Some(status) = http.status {
                say(&format!("{} {status} {}, {} bytes", http.version, http.reason, http.body_len));
            }
            http.fields.iter().for_each(|field| say(&format!("< {field}")));
        }
        if let Some(UdpTrace { sent, received, retransmits, strays }) = report.trace.udp {
            say(&format!(
                "{sent} datagrams sent, {retransmits} of them again; {received} received, \
                 {strays} of no use"
            ));
        }
        for (is_ours, bytes) in &report.trace.datagrams {
            say(&format!("{} {}", if *is_ours { ">" } else { "<" }, text::dump(bytes)));
        }
        let is_malformed = report.failure.as_ref().is_some_and(|f| f.kind == Kind::Malformed);
        if report.trace.http.is_some() && (view.verbosity > 1 || is_malformed) {
            say(&text::dump(&report.trace.body));
        }
    }

    fn print(&self, text: &str) {
        self.print_bytes(text.as_bytes());
    }

    fn print_bytes(&self, bytes: &[u8]) {
        if !self.view.is_quiet {
            write_bytes(bytes, &self.view);
        }
    }
}

/// Writes to standard output; who has closed it wants no more.
fn write_bytes(bytes: &[u8], view: &View) {
    let stdout = std::io::stdout().lock();
    let is_text = view.format == Format::Table;
    let written = if is_text {
        let mut out = anstream::AutoStream::new(stdout, view.color);
        out.write_all(bytes).and_then(|()| out.flush())
    } else {
        let mut out = stdout;
        out.write_all(bytes).and_then(|()| out.flush())
    };
    if let Err(error) = written {
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            complain(view, &format!("cannot write the output: {error}"));
        }
        std::process::exit(1);
    }
}

fn write_stdout(text: &str) {
    // Nobody is left to tell when standard output is gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Says something beside the result.
fn note(view: &View, text: &str) {
    if !view.is_quiet && view.format != Format::Nagios {
        complain(view, text);
    }
}

/// Says on standard error what is wrong.
fn complain(view: &View, text: &str) {
    if !view.is_quiet {
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(std::io::stderr(), "wildkat query: {text}");
    }
}

fn progress(view: &View, total: usize) -> ProgressBar {
    let is_shown = view::is_stderr_a_terminal() && !view.is_quiet;
    let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(total as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} trackers {wide_bar} {elapsed}") {
        bar.set_style(if view.is_ascii { style.progress_chars("#> ") } else { style });
    }
    bar
}

/// The document of a report, for tests that hold it against the schema.
#[cfg(test)]
pub fn document_of(report: &Report, view: &View) -> serde_json::Value {
    document::of_report(report, view)
}

/// The view that `typed` asks for.
#[cfg(test)]
pub fn view_of(typed: &[&str]) -> View {
    let typed: Vec<String> = typed.iter().map(|word| (*word).to_owned()).collect();
    let arguments: Result<QueryArguments, Exit> =
        super::arguments::read("query", &typed, arguments::LENIENT, |_: &str| None);
    let arguments = arguments.unwrap_or_else(|exit| panic!("{exit:?}"));
    View::of(&arguments, false).unwrap_or_else(|exit| panic!("{exit:?}"))
}
