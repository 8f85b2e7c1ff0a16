//! How results are shown and judged.

use std::io::IsTerminal;

use super::super::Exit;
use super::arguments::QueryArguments;
use super::meant::usage;
use crate::limits::query as limits;
use crate::query::failure::Kind;
use crate::query::finding::IDS;
use crate::query::redact::Redactor;
use crate::query::report::Report;

/// The form of the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// One document, indented.
    Json,
    /// One document a line, as it comes.
    Ndjson,
    /// Tables for programs.
    Csv,
    /// `key=value` in one line, or the values of these keys alone.
    Short(Vec<String>),
    /// Text exposition for a collector.
    Prometheus,
    /// The reply as it came.
    Raw,
    /// The reply as JSON.
    Decoded,
    /// One line for a monitor.
    Nagios,
}

/// Which failures of a batch fail the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FailOn {
    /// None.
    None,
    /// Only when all fail.
    All,
    /// Any.
    Any,
    /// So many percent.
    Share(f64),
}

/// How results are shown and judged.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches")]
pub struct View {
    pub format: Format,
    pub shows_peers: bool,
    pub looks_up: bool,
    pub sorts_peers: bool,
    pub shows_certificate: bool,
    pub is_redacted: bool,
    pub is_redacted_everywhere: bool,
    pub is_quiet: bool,
    pub verbosity: u8,
    pub is_ascii: bool,
    pub color: anstream::ColorChoice,
    pub rating_ms: [f64; 3],
    pub is_unordered: bool,
    pub is_summary_only: bool,
    pub is_peers_table: bool,
    pub write_ok: Option<std::path::PathBuf>,
    pub write_failed: Option<std::path::PathBuf>,
    pub verdict: Verdict,
}

/// How results are judged.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub is_strict: bool,
    pub is_simple: bool,
    pub ignored: Vec<String>,
    pub fail_on: FailOn,
    pub expects_open: Option<bool>,
    pub warning_ms: Option<f64>,
    pub critical_ms: Option<f64>,
    pub seeders_min: Option<i64>,
}

impl View {
    /// The view that `arguments` ask for.
    pub fn of(arguments: &QueryArguments, is_batch: bool) -> Result<View, Exit> {
        let format = format(arguments)?;
        let is_peers_table = match arguments.csv_table.as_deref() {
            Some("peers") => true,
            None if is_batch && format == Format::Csv && arguments.show_peers => {
                return Err(usage("--show-peers with -o csv needs --csv-table peers or summary"));
            }
            None | Some("summary") => false,
            Some(other) => {
                return Err(usage(format!("--csv-table is summary or peers, not {other:?}")));
            }
        };
        if arguments.check && ![Format::Table, Format::Json, Format::Ndjson].contains(&format) {
            return Err(usage("--check goes with -o table, json or ndjson"));
        }
        if is_batch && [Format::Raw, Format::Decoded, Format::Nagios].contains(&format) {
            return Err(usage("-o raw, -o decoded and --nagios are for one tracker"));
        }
        Ok(View {
            format,
            shows_peers: arguments.show_peers,
            looks_up: arguments.lookup,
            sorts_peers: arguments.peers_sort,
            shows_certificate: arguments.cert_info,
            is_redacted: !arguments.no_redact,
            is_redacted_everywhere: arguments.redact,
            is_quiet: arguments.quiet,
            verbosity: arguments.verbose,
            is_ascii: arguments.ascii || !is_locale_utf8(|name| std::env::var(name).ok()),
            color: color(arguments)?,
            rating_ms: rating(arguments.rating.as_deref())?,
            is_unordered: arguments.unordered,
            is_summary_only: arguments.summary_only,
            is_peers_table,
            write_ok: arguments.write_ok.clone(),
            write_failed: arguments.write_failed.clone(),
            verdict: Verdict::of(arguments)?,
        })
    }

    /// A text that may hold secrets of this report's URLs, as it may be shown.
    pub fn hide(&self, report: &Report, text: &str) -> String {
        if self.is_redacted { redactor(report).hide(text) } else { text.to_owned() }
    }

    /// The tracker for people.
    pub fn tracker(&self, report: &Report) -> String {
        self.hide(report, &report.tracker)
    }

    /// The tracker for programs, which want it as it was given.
    pub fn exact_tracker(&self, report: &Report) -> String {
        let is_hidden = self.is_redacted_everywhere;
        if is_hidden { redactor(report).hide(&report.tracker) } else { report.tracker.clone() }
    }
}

fn redactor(report: &Report) -> Redactor {
    let mut redactor = Redactor::of(&report.tracker);
    for (_, url) in report.trace.http.iter().flat_map(|http| &http.redirects) {
        redactor.add(url);
    }
    redactor
}

fn format(arguments: &QueryArguments) -> Result<Format, Exit> {
    if arguments.nagios {
        return Ok(Format::Nagios);
    }
    if arguments.json {
        return Ok(Format::Json);
    }
    Ok(match arguments.format.as_str() {
        "table" => Format::Table,
        "json" => Format::Json,
        "ndjson" => Format::Ndjson,
        "csv" => Format::Csv,
        "short" => Format::Short(Vec::new()),
        "prometheus" => Format::Prometheus,
        "raw" => Format::Raw,
        "decoded" => Format::Decoded,
        other => {
            let choices = "table, json, ndjson, csv, short, prometheus, raw or decoded";
            let keys = other
                .strip_prefix("short=")
                .ok_or_else(|| usage(format!("--format is {choices}, not {other:?}")))?;
            Format::Short(keys.split(',').map(str::to_owned).collect())
        }
    })
}

fn color(arguments: &QueryArguments) -> Result<anstream::ColorChoice, Exit> {
    Ok(match arguments.color.as_deref() {
        _ if arguments.nocolor => anstream::ColorChoice::Never,
        None | Some("auto") => anstream::AutoStream::choice(&std::io::stdout()),
        Some("always") => anstream::ColorChoice::Always,
        Some("never") => anstream::ColorChoice::Never,
        Some(other) => {
            return Err(usage(format!("--color is auto, always or never, not {other:?}")));
        }
    })
}

fn rating(given: Option<&str>) -> Result<[f64; 3], Exit> {
    let Some(given) = given else { return Ok(limits::RATING_MS) };
    let numbers: Vec<f64> = given.split(',').filter_map(|number| number.parse().ok()).collect();
    let numbers: [f64; 3] = numbers.try_into().map_err(|_| {
        usage(format!("--rating is three numbers of milliseconds like 150,300,500, not {given:?}"))
    })?;
    Ok(numbers)
}

/// Whether what is written may hold more than ASCII, by the variables that say so, in their order.
fn is_locale_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let named = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable);
    let locale = named.into_iter().find(|value| !value.is_empty());
    // Where nothing is said, as in containers, terminals of today read UTF-8.
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

impl Verdict {
    fn of(arguments: &QueryArguments) -> Result<Verdict, Exit> {
        for id in &arguments.ignore {
            if IDS.iter().all(|(known, _)| known != id) {
                let ids: Vec<&str> = IDS.iter().map(|(id, _)| *id).collect();
                return Err(usage(format!("--ignore {id:?} is none of {}", ids.join(", "))));
            }
        }
        let is_simple = match arguments.exit_status.as_deref() {
            None | Some("full") => false,
            Some("simple") => true,
            Some(other) => {
                return Err(usage(format!("--exit-status is full or simple, not {other:?}")));
            }
        };
        let expects_open = match arguments.expect.as_deref() {
            None => None,
            Some("open") => Some(true),
            Some("refused") => Some(false),
            Some(other) => {
                return Err(usage(format!("--expect is open or refused, not {other:?}")));
            }
        };
        Ok(Verdict {
            is_strict: arguments.strict,
            is_simple,
            ignored: arguments.ignore.clone(),
            fail_on: fail_on(arguments.fail_on.as_deref())?,
            expects_open,
            warning_ms: arguments.warning,
            critical_ms: arguments.critical,
            seeders_min: arguments.min_seeds,
        })
    }

    /// Leaves out what is muted, and turns a full scrape into what was expected of it.
    pub fn settle(&self, report: &mut Report) {
        report.findings.retain(|finding| !self.ignored.iter().any(|id| id == finding.id));
        let Some(expects_open) = self.expects_open else { return };
        let is_refusal = |kind| matches!(kind, Kind::Refused | Kind::Http | Kind::Unsupported);
        let is_open = report.is_ok();
        let is_refused = report.failure.as_ref().is_some_and(|failure| is_refusal(failure.kind));
        if expects_open == is_open || !(is_open || is_refused) {
            return;
        }
        if !expects_open && is_open {
            let text = "a full scrape is answered, which was expected to be refused";
            report.failure =
                Some(crate::query::failure::Failure::new(Kind::Failed, "scrape", text));
        }
    }

    /// Whether a report is good, by what was expected.
    pub fn is_ok(&self, report: &Report) -> bool {
        let is_refused = report
            .failure
            .as_ref()
            .is_some_and(|failure| matches!(failure.kind, Kind::Refused | Kind::Http));
        report.is_ok() || (self.expects_open == Some(false) && is_refused)
    }

    /// The exit code for one report.
    pub fn code_of(&self, report: &Report) -> u8 {
        let code = match &report.failure {
            _ if self.is_ok(report) && self.is_strict && report.has_faults() => 11,
            _ if self.is_ok(report) => 0,
            Some(failure) => failure.kind.exit_code(),
            None => 0,
        };
        self.folded(code)
    }

    /// The exit code for a batch.
    pub fn code_of_all(&self, reports: &[Report], is_interrupted: bool) -> u8 {
        let total = reports.len();
        let failed = reports.iter().filter(|report| !self.is_ok(report)).count();
        // At most so many as `limits` has trackers in a batch.
        let share_of =
            |part: usize| f64::from(part as u32) * 100.0 / f64::from(total.max(1) as u32);
        let percent = share_of(failed);
        let code = match self.fail_on {
            _ if is_interrupted => 1,
            FailOn::None => 0,
            _ if failed == total => 1,
            FailOn::Any if failed > 0 => 12,
            FailOn::Share(share) if failed > 0 && percent >= share => 12,
            _ if self.is_strict && reports.iter().any(Report::has_faults) => 11,
            _ => 0,
        };
        self.folded(code)
    }

    fn folded(&self, code: u8) -> u8 {
        if self.is_simple && code >= 3 { 1 } else { code }
    }
}

fn fail_on(given: Option<&str>) -> Result<FailOn, Exit> {
    Ok(match given {
        None | Some("all") => FailOn::All,
        Some("none") => FailOn::None,
        Some("any") => FailOn::Any,
        Some(other) => {
            let share = other.strip_suffix('%').and_then(|share| share.parse().ok());
            let share = share.filter(|share: &f64| (0.0..=100.0).contains(share));
            FailOn::Share(share.ok_or_else(|| {
                usage(format!("--fail-on is none, all, any or a share like 25%, not {other:?}"))
            })?)
        }
    })
}

/// Whether notes on standard error may be coloured and redrawn.
pub fn is_stderr_a_terminal() -> bool {
    std::io::stderr().is_terminal()
}
