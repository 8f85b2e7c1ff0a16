//! Strangers' bytes as text that is safe to show.

/// Longest name of a file or folder, in characters. File systems stop at 255 bytes or UTF-16 units.
pub const NAME_CHARS_MAX: usize = 255;

/// Why bytes are no name of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// Nothing.
    Empty,
    /// `.` or `..`, which lead elsewhere.
    Dots,
    /// A `/` within.
    Slash,
    /// A NUL within.
    Nul,
    /// More than [`NAME_CHARS_MAX`].
    TooLong,
}

/// Reads text as UTF-8. What is not UTF-8, control characters, and characters that turn the
/// direction of what follows them, each become U+FFFD: the result fits one line, and nothing in it
/// shows a name other than it is. Overlong forms are not UTF-8, so no `/` comes out of this that
/// did not go in as one.
pub fn shown(bytes: &[u8]) -> String {
    let replaced = |c| if is_misleading(c) { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(bytes).chars().map(replaced).collect()
}

/// Control characters, the two line separators of Unicode, and its embeddings, overrides and
/// isolates. The plain direction marks stay: names in Arabic and Hebrew use them.
pub fn is_misleading(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Reads the name of one file or folder, as [`shown`] has it.
///
/// # Errors
/// What makes it unfit to be a step of a path.
pub fn name(bytes: &[u8]) -> Result<String, NameFault> {
    match bytes {
        b"" => return Err(NameFault::Empty),
        b"." | b".." => return Err(NameFault::Dots),
        _ if bytes.contains(&b'/') => return Err(NameFault::Slash),
        _ if bytes.contains(&0) => return Err(NameFault::Nul),
        // A character takes at most four bytes: what is longer is not even looked at.
        _ if bytes.len() > 4 * NAME_CHARS_MAX => return Err(NameFault::TooLong),
        _ => {}
    }
    Some(shown(bytes))
        .filter(|name| name.chars().count() <= NAME_CHARS_MAX)
        .ok_or(NameFault::TooLong)
}

impl std::fmt::Display for NameFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NameFault::Empty => "is empty",
            NameFault::Dots => "is `.` or `..`",
            NameFault::Slash => "has a `/` in it",
            NameFault::Nul => "has a NUL in it",
            NameFault::TooLong => "has more than 255 characters",
        })
    }
}
