//! Between the words typed and argh: `--option=value`, joined letters, and what the environment
//! adds.

use argh::{ArgsInfo, EarlyExit, FlagInfoKind, FromArgs, Optionality};

use super::Exit;

/// An option that may stand without a value, and the value it then has: `("--retry", "0")`.
pub type Lenient = (&'static str, &'static str);

/// Reads `typed` into the arguments of `verb`. What was not typed may come from the environment:
/// `--http-port` from `WILDKAT_HTTP_PORT`, a switch by `1` or `true`.
///
/// # Errors
/// The help that was asked for, or a usage error that names the word that is wrong.
pub fn read<Arguments: FromArgs + ArgsInfo>(
    verb: &str,
    typed: &[String],
    lenient: &[Lenient],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Arguments, Exit> {
    let flags = Flag::list::<Arguments>();
    let mut words = split(&flags, typed, lenient)?;
    let added = from_environment(&flags, &words, environment)?;
    words.extend(added);
    let words = last_of_each(&flags, &words);
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

/// Parts `typed` into what is for a verb with these `Own` options, help among them, and what is for
/// another verb, whose options it takes too.
pub fn part<Own: ArgsInfo, Other: ArgsInfo>(typed: &[String]) -> [Vec<String>; 2] {
    let (own, other) = (Flag::list::<Own>(), Flag::list::<Other>());
    let mut parts = [Vec::new(), Vec::new()];
    let mut typed = typed.iter();
    while let Some(word) = typed.next() {
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        let of =
            |flags: &[Flag]| flags.iter().find(|flag| flag.is(name)).map(|flag| flag.is_switch);
        let is_help = ["-h", "--help"].contains(&name);
        let (part, is_switch) = match (of(&own), of(&other)) {
            (Some(is_switch), _) => (0, is_switch),
            (None, found) => (usize::from(!is_help), found.unwrap_or(true)),
        };
        parts[part].push(word.clone());
        if !is_switch && name == word {
            parts[part].extend(typed.next().cloned());
        }
    }
    parts
}

/// The variable of the environment that an option may come from: `WILDKAT_HTTP_PORT` of
/// `--http-port`.
pub fn variable(long: &str) -> String {
    let name = long.trim_start_matches('-').replace('-', "_").to_uppercase();
    format!("WILDKAT_{name}")
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
    /// Whether it may be given several times.
    is_repeated: bool,
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
                is_repeated: matches!(flag.optionality, Optionality::Repeating),
            })
            .collect()
    }

    fn is(&self, word: &str) -> bool {
        self.long == word || self.short.as_deref() == Some(word)
    }
}

/// Makes words as argh wants them: two of each `--option=value` and `-oVALUE`, one of each letter
/// in `-ab`, and a value behind each option of `lenient` that has none.
fn split(flags: &[Flag], typed: &[String], lenient: &[Lenient]) -> Result<Vec<String>, Exit> {
    let mut words = Vec::with_capacity(typed.len());
    let mut typed = typed.iter().peekable();
    while let Some(word) = typed.next() {
        if word == "-h" {
            words.push("--help".to_owned());
            continue;
        }
        let (split, wanting) = split_word(flags, word)?;
        words.extend(split);
        let Some(flag) = wanting else { continue };
        let without = lenient.iter().find(|(long, _)| *long == flag.long);
        match without {
            Some((_, value)) if typed.peek().is_none_or(|next| looks_like_an_option(next)) => {
                words.push((*value).to_owned());
            }
            _ => words.extend(typed.next().cloned()),
        }
    }
    Ok(words)
}

fn looks_like_an_option(word: &str) -> bool {
    word.starts_with('-') && word.len() > 1 && word.parse::<f64>().is_err()
}

/// The words that one word stands for, when it is not the value of another, and the option whose
/// value is yet to come.
fn split_word<'f>(flags: &'f [Flag], word: &str) -> Result<(Vec<String>, Option<&'f Flag>), Exit> {
    let known = |name: &str| flags.iter().find(|flag| flag.is(name));
    let whole = || vec![word.to_owned()];
    if word.starts_with("--") {
        let Some((name, value)) = word.split_once('=') else {
            return Ok((whole(), known(word).filter(|flag| !flag.is_switch)));
        };
        if known(name).is_some_and(|flag| flag.is_switch) {
            return Err(Exit::Usage(format!("Error: {name} takes no value")));
        }
        return Ok((vec![name.to_owned(), value.to_owned()], None));
    }
    let mut words = Vec::new();
    let mut letters = word.strip_prefix('-').unwrap_or_default().chars();
    while let Some(letter) = letters.next() {
        let name = format!("-{letter}");
        let Some(flag) = known(&name) else { return Ok((whole(), None)) };
        words.push(name);
        if !flag.is_switch {
            let value = letters.as_str();
            words.extend((!value.is_empty()).then(|| value.to_owned()));
            return Ok((words, Some(flag).filter(|_| value.is_empty())));
        }
    }
    Ok((if words.is_empty() { whole() } else { words }, None))
}

/// Of an option that counts once and was given several times, the last; argh would refuse it.
fn last_of_each(flags: &[Flag], words: &[String]) -> Vec<String> {
    let mut kept: Vec<(Option<&str>, &[String])> = Vec::new();
    let mut rest = words;
    while let Some(word) = rest.first() {
        let flag = flags.iter().find(|flag| flag.is(word)).filter(|flag| !flag.is_switch);
        let (group, behind) = rest.split_at(rest.len().min(1 + usize::from(flag.is_some())));
        let once = flag.filter(|flag| !flag.is_repeated).map(|flag| flag.long.as_str());
        kept.retain(|(name, _)| once.is_none() || *name != once);
        kept.push((once, group));
        rest = behind;
    }
    kept.into_iter().flat_map(|(_, group)| group.iter().cloned()).collect()
}

fn from_environment(
    flags: &[Flag],
    words: &[String],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Vec<String>, Exit> {
    let mut added = Vec::new();
    for flag in flags {
        let Some(value) = environment(&variable(&flag.long)) else { continue };
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
                let name = variable(&flag.long);
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
        #[argh(option, short = 's', default = "7")]
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
        read("test", &typed, &[("--some-port", "99")], |name| {
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
    fn short_options_may_be_joined_and_values_be_left_out_where_that_means_something() {
        assert_eq!(sample(&["-vs"], &[]).unwrap(), of(99, "", true));
        assert_eq!(sample(&["-s8", "-v"], &[]).unwrap(), of(8, "", true));
        assert_eq!(sample(&["-vs", "8"], &[]).unwrap(), of(8, "", true));
        assert_eq!(sample(&["-s", "7", "-s8"], &[]).unwrap(), of(8, "", false));
        assert_eq!(sample(&["--some-port", "--verbose"], &[]).unwrap(), of(99, "", true));
        assert!(sample(&["-s=8"], &[]).is_err());
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
            (&["--text"], &[], "--text"),
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
