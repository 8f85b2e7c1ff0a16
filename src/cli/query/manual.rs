//! What the verb tells of itself, and replies as JSON.

use std::fmt::Write;

use argh::{ArgsInfo, FlagInfoKind};
use argh_complete::Generator;
use serde_json::{Value, json};

use super::arguments::QueryArguments;
use crate::query::text::hex;

/// A completion script; `None` for a shell that is not known.
pub fn completions(shell: &str) -> Option<String> {
    let info = QueryArguments::get_args_info();
    Some(match shell {
        "bash" => argh_complete::bash::Bash::generate("tracker_query", &info),
        "zsh" => argh_complete::zsh::Zsh::generate("tracker_query", &info),
        "fish" => argh_complete::fish::Fish::generate("tracker_query", &info),
        _ => return None,
    })
}

/// The manual page, for `man -l`.
pub fn page() -> String {
    let info = QueryArguments::get_args_info();
    let mut page = format!(
        ".TH WILDKAT-QUERY 1 \"\" \"wildkat {}\"\n.SH NAME\nwildkat-query \\- {}\n.SH SYNOPSIS\n\
         .B wildkat query\n[options]\n.SH OPTIONS\n",
        env!("CARGO_PKG_VERSION"),
        escaped(info.description.trim())
    );
    for flag in info.flags.iter().filter(|flag| !flag.hidden) {
        let short = flag.short.map(|short| format!("\\fB\\-{short}\\fR, ")).unwrap_or_default();
        let value = match flag.kind {
            FlagInfoKind::Switch => String::new(),
            FlagInfoKind::Option { arg_name } => format!(" \\fI{}\\fR", escaped(arg_name)),
        };
        let (long, text) = (escaped(flag.long), escaped(flag.description));
        let _ = writeln!(page, ".TP\n{short}\\fB{long}\\fR{value}\n{text}");
    }
    page.push_str(".SH NOTES\n");
    for text in info.notes {
        let _ = writeln!(page, "{}\n.PP", escaped(text));
    }
    page
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('-', "\\-")
}

/// A bencoded reply as JSON: strings as text if they are UTF-8, and else as `{"hex": "…"}`. What is
/// no bencode comes as one such string.
pub fn decoded(body: &[u8]) -> Value {
    crate::query::decoded(body, &|bytes| {
        str::from_utf8(bytes).map_or_else(|_| json!({ "hex": hex(bytes) }), Value::from)
    })
}
