//! `docs/configuration.md`: every option of the verb, as the program itself knows it.

use std::fmt::Write;
use std::path::Path;

use argh::{ArgsInfo, FlagInfo, FlagInfoKind, FromArgs};

use super::ServeArguments;
use crate::cli::arguments::variable;

const HEAD: &str = "\
# Configuration

Every option of `wildkat serve`, as the program knows it: a test fails when this page does not say
what it does. `wildkat serve --help` tells the same.

An option may be typed (`--http-port 80` or `--http-port=80`), or come from the environment, as in
`/etc/wildkat.env` ([`operating.md`](operating.md)). What is typed stands above the environment. A
switch is set there by `1` and left by `0`; of an option that may be repeated the environment gives
one value. Port 0 is off. What is wrong or contradicts itself ends the program before it listens
anywhere, with a line that names the option.

| option | in the environment | what it does | range |
|---|---|---|---|
";
/// Set, the test writes the page in place of reading it.
const RENEW: &str = "WILDKAT_RENEW_PAGES";

fn page() -> String {
    let info = ServeArguments::get_args_info();
    let defaults = ServeArguments::from_args(&["serve"], &[]).expect("no option is required");
    let ranges = defaults.ranges();
    let mut page = HEAD.to_owned();
    for flag in info.flags.iter().filter(|flag| !flag.hidden && flag.long != "--help") {
        let range = ranges.iter().find(|range| range.option == flag.long);
        let range = range.map(super::ranges::Range::text).unwrap_or_default();
        let (typed, named, text) = (typed(flag), variable(flag.long), flag.description);
        let _ = writeln!(page, "| `{typed}` | `{named}` | {text} | {range} |");
    }
    page
}

fn typed(flag: &FlagInfo<'_>) -> String {
    let short = flag.short.map(|short| format!("-{short}, ")).unwrap_or_default();
    match flag.kind {
        FlagInfoKind::Switch => format!("{short}{}", flag.long),
        FlagInfoKind::Option { .. } => format!("{short}{} …", flag.long),
    }
}

#[test]
fn configuration_page_is_what_the_program_knows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    if std::env::var_os(RENEW).is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page(), "{} is old: run this test with {RENEW}=1", path.display());
}

#[test]
fn every_range_is_that_of_an_option() {
    let page = page();
    let defaults = ServeArguments::from_args(&["serve"], &[]).unwrap();
    for range in defaults.ranges() {
        assert!(page.contains(&format!("| `{} …` |", range.option)), "{}", range.option);
    }
}
