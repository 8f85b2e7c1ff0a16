//! Between the words typed and argh: `--option=value`, and what the environment adds.

use argh::{ArgsInfo, EarlyExit, FlagInfoKind, FromArgs};

use super::Exit;

/// Reads `typed` into the arguments of `verb`. What was not typed may come from the environment:
/// `--http-port` from `WILDKAT_HTTP_PORT`, a switch by `1` or `true`.
///
/// # Errors
/// The help that was asked for, or a usage error that names the word that is wrong.
pub fn read<Arguments: FromArgs + ArgsInfo>(
    verb: &str,
    typed: &[String],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Arguments, Exit> {
    let flags = Flag::list::<Arguments>();
    let mut words = split_at_equals(&flags, typed)?;
    let added = from_environment(&flags, &words, environment)?;
    words.extend(added);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Arguments::from_args(&["wildkat", verb], &words).map_err(|EarlyExit { output, status }| {
        match status {
            Ok(()) => Exit::Told(with_short_usage(verb, &output)),
            Err(()) => Exit::Usage(format!(
                "Error: {}\n`wildkat {verb} --help` explains every option",
                output.trim_end()
            )),
        }
    })
}

/// argh begins its help with one line that names every option before any is explained.
fn with_short_usage(verb: &str, help: &str) -> String {
    let explained = help.split_once('\n').map_or("", |(_usage, explained)| explained);
    format!("Usage: wildkat {verb} [options]\n{explained}")
}

/// An option of a verb.
struct Flag {
    /// As typed: `--http-port`.
    long: String,
    /// As typed: `-v`.
    short: Option<String>,
    is_switch: bool,
}

impl Flag {
    fn list<Arguments: ArgsInfo>() -> Vec<Flag> {
        let info = Arguments::get_args_info();
        let flags = info.flags.iter().filter(|flag| flag.long != "--help");
        flags
            .map(|flag| Flag {
                long: flag.long.to_owned(),
                short: flag.short.map(|short| format!("-{short}")),
                is_switch: matches!(flag.kind, FlagInfoKind::Switch),
            })
            .collect()
    }

    fn is(&self, word: &str) -> bool {
        self.long == word || self.short.as_deref() == Some(word)
    }

    fn variable(&self) -> String {
        let name = self.long.trim_start_matches('-').replace('-', "_").to_uppercase();
        format!("WILDKAT_{name}")
    }
}

/// Makes two words of each `--option=value`, as argh wants them.
fn split_at_equals(flags: &[Flag], typed: &[String]) -> Result<Vec<String>, Exit> {
    let mut words = Vec::with_capacity(typed.len());
    let mut is_value = false;
    for word in typed {
        let known = |name: &str| flags.iter().find(|flag| flag.is(name));
        match word.split_once('=') {
            Some((name, value)) if !is_value && name.starts_with("--") => {
                if known(name).is_some_and(|flag| flag.is_switch) {
                    return Err(Exit::Usage(format!("Error: {name} takes no value")));
                }
                words.extend([name.to_owned(), value.to_owned()]);
            }
            _ if !is_value && word == "-h" => words.push("--help".to_owned()),
            _ => {
                is_value = !is_value && known(word).is_some_and(|flag| !flag.is_switch);
                words.push(word.clone());
            }
        }
    }
    Ok(words)
}

fn from_environment(
    flags: &[Flag],
    words: &[String],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Vec<String>, Exit> {
    let mut added = Vec::new();
    for flag in flags {
        let Some(value) = environment(&flag.variable()) else { continue };
        if words.iter().any(|word| flag.is(word)) {
            continue; // what was typed stands
        }
        if !flag.is_switch {
            added.extend([flag.long.clone(), value]);
            continue;
        }
        match value.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => added.push(flag.long.clone()),
            "" | "0" | "false" | "no" | "off" => {}
            _ => {
                let name = flag.variable();
                return Err(Exit::Usage(format!("Error: {name} is 1 or 0, not {value:?}")));
            }
        }
    }
    Ok(added)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// options of a test
    #[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
    struct Sample {
        /// a number
        #[argh(option, default = "7")]
        some_port: u16,
        /// a text
        #[argh(option, default = "String::new()")]
        text: String,
        /// a switch
        #[argh(switch, short = 'v')]
        verbose: bool,
    }

    fn sample(typed: &[&str], set: &[(&str, &str)]) -> Result<Sample, Exit> {
        let typed: Vec<String> = typed.iter().map(|word| (*word).to_owned()).collect();
        read("test", &typed, |name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn of(some_port: u16, text: &str, verbose: bool) -> Sample {
        Sample { some_port, text: text.to_owned(), verbose }
    }

    #[test]
    fn values_come_behind_a_space_or_an_equals_sign() {
        assert_eq!(sample(&[], &[]).unwrap(), of(7, "", false));
        assert_eq!(sample(&["--some-port", "8", "-v"], &[]).unwrap(), of(8, "", true));
        assert_eq!(sample(&["--some-port=8", "--text=a=b"], &[]).unwrap(), of(8, "a=b", false));
        assert_eq!(sample(&["--text="], &[]).unwrap(), of(7, "", false));
        assert_eq!(sample(&["--text", "--x=y", "--verbose"], &[]).unwrap(), of(7, "--x=y", true));
    }

    #[test]
    fn environment_fills_in_what_was_not_typed() {
        let set = [("WILDKAT_SOME_PORT", "9"), ("WILDKAT_VERBOSE", "true")];
        assert_eq!(sample(&[], &set).unwrap(), of(9, "", true));
        assert_eq!(sample(&["--some-port", "8"], &set).unwrap(), of(8, "", true));
        assert_eq!(sample(&[], &[("WILDKAT_VERBOSE", "0")]).unwrap(), of(7, "", false));
    }

    #[test]
    fn wrong_words_are_usage_errors_that_name_them() {
        for (typed, set, named) in [
            (&["--nonsense"][..], &[][..], "--nonsense"),
            (&["--some-port"], &[], "--some-port"),
            (&["--some-port", "x"], &[], "--some-port"),
            (&["--some-port=70000"], &[], "--some-port"),
            (&["--verbose=1"], &[], "--verbose takes no value"),
            (&["stray"], &[], "stray"),
            (&[], &[("WILDKAT_SOME_PORT", "x")], "--some-port"),
            (&[], &[("WILDKAT_VERBOSE", "maybe")], "WILDKAT_VERBOSE"),
        ] {
            match sample(typed, set) {
                Err(Exit::Usage(text)) => assert!(text.contains(named), "{text}"),
                other => panic!("{typed:?}: {other:?}"),
            }
        }
    }
}
