//! The command line: what was typed, and what was meant by it.
//!
//! [`run`] is all that `main` calls. Each verb reads its arguments, adds what the environment says,
//! checks everything, and only then does anything.

mod admin;
mod arguments;
mod doctor;
mod domain;
mod import;
mod memory;
pub(crate) mod query;
mod serve;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use crate::serve::Server;

const HELP: &str = "\
Usage: wildkat <verb> [options]

A BitTorrent tracker in one file.

Verbs:
  serve    run a tracker: UDP, HTTP and HTTPS announces and scrapes, and a page about them
  query    ask any tracker, one or many: announces, scrapes, figures, certificates
  admin    give an account of the members' site another password
  import   make a members' site of the database of the earlier tracker
  doctor   look this host over: what would keep a tracker down or slow, and what cures it

Options:
  -h, --help       show this, or with a verb, what it takes: wildkat serve --help
  -V, --version    show the version

Try it: `wildkat serve` listens for UDP and HTTP on port 6969. Torrents find it as
  udp://<your host>:6969/announce    or    http://<your host>:6969/announce
";

/// How a run ends before its work is done: what is said, where, and with which exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for, on standard output; exit code 0.
    Told(String),
    /// The command line is not understood; on standard error, exit code 2.
    Usage(String),
    /// It is understood and cannot be done; on standard error, exit code 1.
    Failed(String),
    /// All has been said; the exit code is left.
    Said(u8),
}

/// Carries out the command line of this process.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let (text, code) = match carry_out(arguments) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Exit::Told(text)) => {
            // Nobody is left to tell when standard output is gone.
            let _ = std::io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(Exit::Usage(text)) => (text, 2),
        Err(Exit::Failed(text)) => (text, 1),
        Err(Exit::Said(code)) => return ExitCode::from(code),
    };
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
    ExitCode::from(code)
}

fn carry_out(arguments: Vec<OsString>) -> Result<(), Exit> {
    let arguments = arguments
        .into_iter()
        .map(OsString::into_string)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|bad| Exit::Usage(format!("Error: {} is not UTF-8", bad.display())))?;
    let (verb, rest) = verb(&arguments);
    match verb {
        "serve" => {
            let environment = |name: &str| std::env::var(name).ok();
            let config = serve::config(rest, environment)?;
            start_log(config.meant.net.verbose);
            config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            Server::run(config.meant).map_err(|error| Exit::Failed(format!("Error: {error}")))
        }
        "-V" | "--version" => Err(Exit::Told(format!("wildkat {}\n", env!("CARGO_PKG_VERSION")))),
        "-h" | "--help" | "help" => Err(Exit::Told(HELP.to_owned())),
        "" => Err(Exit::Usage(HELP.to_owned())),
        "admin" => admin::run(rest, |name: &str| std::env::var(name).ok()),
        "doctor" => doctor::run(rest, |name: &str| std::env::var(name).ok()),
        "import" => import::run(rest, |name: &str| std::env::var(name).ok()),
        "query" => query::run(rest, |name: &str| std::env::var(name).ok()),
        unknown => Err(Exit::Usage(format!(
            "Error: there is no verb {unknown:?}; `wildkat --help` shows those there are"
        ))),
    }
}

/// The verb and what follows it. Under its old names, `tracker_server` and `tracker_query`, the
/// program is `serve` and `query`.
fn verb(arguments: &[String]) -> (&str, &[String]) {
    let (program, rest) = arguments.split_first().map_or(("", &[][..]), |(p, rest)| (p, rest));
    match Path::new(program).file_name().and_then(|name| name.to_str()) {
        Some("tracker_server") => ("serve", rest),
        Some("tracker_query") => ("query", rest),
        _ => rest.split_first().map_or(("", rest), |(verb, rest)| (verb, rest)),
    }
}

/// Logs to standard error: what happens, and with `verbose` every request.
fn start_log(verbose: bool) {
    use std::io::IsTerminal;
    let level = if verbose { tracing::Level::DEBUG } else { tracing::Level::INFO };
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_max_level(level)
        .with_target(false)
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(arguments: &[&str]) -> Exit {
        carry_out(arguments.iter().map(OsString::from).collect()).unwrap_err()
    }

    #[test]
    fn version_and_help_are_told_and_no_verb_is_a_usage_error() {
        let version = format!("wildkat {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(exit(&["wildkat", "--version"]), Exit::Told(version));
        assert_eq!(exit(&["wildkat", "--help"]), Exit::Told(HELP.to_owned()));
        assert_eq!(exit(&["wildkat"]), Exit::Usage(HELP.to_owned()));
        assert!(matches!(exit(&["wildkat", "brew"]), Exit::Usage(text) if text.contains("brew")));
    }

    #[test]
    fn old_names_of_the_program_are_its_verbs() {
        let Exit::Told(help) = exit(&["/usr/local/bin/tracker_server", "--help"]) else { panic!() };
        assert!(help.contains("--udp-port"), "{help}");
        assert!(matches!(exit(&["tracker_server", "--nonsense"]), Exit::Usage(_)));
        let Exit::Told(help) = exit(&["tracker_query", "--help"]) else { panic!() };
        assert!(help.contains("--scrape"), "{help}");
        let Exit::Usage(text) = exit(&["wildkat", "query"]) else { panic!() };
        assert!(text.contains("--tracker"), "{text}");
    }
}
