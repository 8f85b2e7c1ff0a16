//! What an account may be called.

/// Longest name.
pub const NAME_CHARS_MAX: usize = 32;
/// Names that would be taken for somebody they are not, or for a part of the program.
const RESERVED: [&str; 20] = [
    "system",
    "self",
    "cli",
    "deleted",
    "following",
    "admin",
    "administrator",
    "root",
    "unknown",
    "owner",
    "super",
    "staff",
    "moderator",
    "mod",
    "support",
    "wildkat",
    "tracker",
    "nobody",
    "everybody",
    "anonymous",
];

/// Whether a name is made of what names are made of. The owner's may be kept back from others.
pub fn is_name(name: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_fine)
}

/// Whether a name may be somebody's.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_name(name: &str) -> Result<(), String> {
    if !is_name(name) {
        return Err("A name has 1 to 32 of the characters A-Z a-z 0-9 . _ -".to_owned());
    }
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Err("A name begins with a letter or a digit.".to_owned());
    }
    let lower = name.to_ascii_lowercase();
    let bare: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    if RESERVED.contains(&&*bare) {
        return Err(format!("The name {name} is kept back."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mislead_are_kept_back() {
        for name in ["ann", "Ann.B-2_x", "a", "0day", &"a".repeat(32), "admiral"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in [
            "",
            " ann",
            "ann b",
            "änn",
            ".",
            "..",
            "-ann",
            "_x",
            "system",
            "Admin",
            "a.d.m-i_n",
            "root",
            "ann/b",
            "<b>",
            &"a".repeat(33),
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
