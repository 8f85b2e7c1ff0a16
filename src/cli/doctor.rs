//! `wildkat doctor`: takes the words of `serve`, looks the host over for what they ask, and tells
//! what it finds. It changes nothing.

mod document;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};

use super::serve::{self, ServeArguments};
use super::{Exit, arguments};
use crate::doctor::finding::{Finding, Severity};
use crate::doctor::host::Host;
use crate::doctor::{Scene, Wanted, examine, live, worst};
use crate::limits::doctor as limits;

/// look this host over: what would keep a tracker down or slow, and the command that cures it
#[derive(FromArgs, ArgsInfo, Debug)]
#[argh(
    example = "{command_name} --ipv6 --domain t.example --https-port 443 --cert c.pem --key k.pem",
    example = "{command_name} -o json",
    note = "Every option of serve is taken too: put doctor in place of serve. It changes nothing.
  Exit codes: 0 nothing worse than notes, 3 warnings, 4 errors; 1 and 2 as for serve."
)]
struct DoctorArguments {
    /// form of the output: table or json (default table)
    #[argh(option, short = 'o', long = "format", default = "String::from(\"table\")")]
    format: String,
    /// leave out what is as it should be
    #[argh(switch, short = 'q')]
    quiet: bool,
    /// color: auto, always or never (default auto; NO_COLOR is heeded)
    #[argh(option, default = "String::from(\"auto\")")]
    color: String,
    /// seconds for an answer from each address of --domain (default 5)
    #[argh(option, default = "limits::ANSWER_TIMEOUT.as_secs()")]
    timeout: u64,
    /// folder whose proc and sys are read, to judge another host by a copy (default /)
    #[argh(option, default = "PathBuf::from(\"/\")")]
    root: PathBuf,
}

/// Form of the output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Table,
    Json,
}

/// Carries out the verb.
///
/// # Errors
/// A usage error, what was asked to be told, or the exit code of the worst finding.
pub(super) fn run(
    typed: &[String],
    environment: impl Fn(&str) -> Option<String> + Copy,
) -> Result<(), Exit> {
    let [own, of_serve] = arguments::part::<DoctorArguments, ServeArguments>(typed);
    let own: DoctorArguments = arguments::read("doctor", &own, &[], environment)?;
    let (format, color) = own.manner()?;
    let patience = own.patience()?;
    let checked = serve::read(&of_serve, environment)?;
    let wanted = Wanted { config: checked.meant, pair: checked.pair, domain: checked.domain };
    let host = Host::at(own.root);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Exit::Failed(format!("Error: no event loop: {error}")))?;
    let live = runtime.block_on(live::ask(&wanted, &host, patience));
    let findings = examine(&Scene { wanted, host, live });
    let worst = worst(&findings);
    let shown: Vec<&Finding> = findings
        .iter()
        .filter(|finding| !own.quiet || finding.seen.severity > Severity::Ok)
        .collect();
    match format {
        Format::Json => print(&document::of(&shown, worst), anstream::ColorChoice::Never),
        Format::Table => print(&table::of(&shown, &findings), color),
    }
    match code(worst) {
        0 => Ok(()),
        code => Err(Exit::Said(code)),
    }
}

impl DoctorArguments {
    fn manner(&self) -> Result<(Format, anstream::ColorChoice), Exit> {
        let format = match self.format.as_str() {
            "table" => Format::Table,
            "json" => Format::Json,
            other => return Err(usage(&format!("--format is table or json, not {other:?}"))),
        };
        let color = match self.color.as_str() {
            "auto" => anstream::AutoStream::choice(&std::io::stdout()),
            "always" => anstream::ColorChoice::Always,
            "never" => anstream::ColorChoice::Never,
            other => {
                return Err(usage(&format!("--color is auto, always or never, not {other:?}")));
            }
        };
        Ok((format, color))
    }

    fn patience(&self) -> Result<Duration, Exit> {
        let most = limits::ANSWER_TIMEOUT_MAX.as_secs();
        if !(1..=most).contains(&self.timeout) {
            return Err(usage(&format!("--timeout is 1 to {most} seconds")));
        }
        Ok(Duration::from_secs(self.timeout))
    }
}

fn usage(text: &str) -> Exit {
    Exit::Usage(format!("Error: {text}"))
}

/// The exit code that tells of `worst`; 1 and 2 are for a run that found nothing out.
fn code(worst: Severity) -> u8 {
    match worst {
        Severity::Ok | Severity::Note => 0,
        Severity::Warning => 3,
        Severity::Error => 4,
    }
}

fn print(text: &str, color: anstream::ColorChoice) {
    let mut out = anstream::AutoStream::new(std::io::stdout().lock(), color);
    // Nobody is left to tell when standard output is gone.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(words: &str) -> [String; 2] {
        let typed: Vec<String> = words.split(' ').map(str::to_owned).collect();
        arguments::part::<DoctorArguments, ServeArguments>(&typed).map(|part| part.join(" "))
    }

    #[test]
    fn words_of_serve_are_parted_from_our_own() {
        for (words, own, of_serve) in [
            ("-o json --udp-port 7000", "-o json", "--udp-port 7000"),
            ("--udp-port=1 --format=json -q", "--format=json -q", "--udp-port=1"),
            ("--tracker-id -o --ipv6", "", "--tracker-id -o --ipv6"),
            ("--root / --nonsense", "--root /", "--nonsense"),
            ("-h", "-h", ""),
        ] {
            assert_eq!(parts(words), [own, of_serve], "{words}");
        }
    }

    #[test]
    fn worst_finding_decides_the_code() {
        assert_eq!(Severity::ALL.map(code), [0, 0, 3, 4]);
    }
}
