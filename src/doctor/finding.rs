//! What is found, how much it matters, and what cures it.

use std::fmt;

/// How much it matters; the worst of all decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Good to know, or not to be seen from here.
    Note,
    /// The tracker works, and worse than it could.
    Warning,
    /// The tracker does not start, or clients are turned away.
    Error,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Severity; 4] =
        [Severity::Ok, Severity::Note, Severity::Warning, Severity::Error];

    /// The name, as people and programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// Commands that cure it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cure {
    /// At once, until the next start of the machine.
    pub now: String,
    /// For good; `None` where the first one lasts.
    pub lasting: Option<String>,
}

impl Cure {
    /// A command whose effect lasts.
    pub fn lasting(command: impl Into<String>) -> Cure {
        Cure { now: command.into(), lasting: None }
    }

    /// A command for this moment, and one for good.
    pub fn both(now: impl Into<String>, lasting: impl Into<String>) -> Cure {
        Cure { now: now.into(), lasting: Some(lasting.into()) }
    }

    /// Sets a kernel parameter, now and at every start.
    pub fn sysctl(name: &str, value: impl fmt::Display) -> Cure {
        Cure::both(
            format!("sysctl -w {name}='{value}'"),
            format!("echo '{name} = {value}' >>/etc/sysctl.d/90-wildkat.conf"),
        )
    }
}

/// What one look has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about, where a check looks at several: `eth0`, `udp 6969`. Else empty.
    pub about: String,
    /// What is, in a sentence.
    pub is: String,
    /// What cures it.
    pub cure: Option<Cure>,
}

impl Seen {
    /// As it should be.
    pub fn ok(is: impl Into<String>) -> Seen {
        Seen { severity: Severity::Ok, about: String::new(), is: is.into(), cure: None }
    }

    /// Good to know.
    pub fn note(is: impl Into<String>) -> Seen {
        Seen { severity: Severity::Note, ..Seen::ok(is) }
    }

    /// Worse than it could be.
    pub fn warning(is: impl Into<String>, cure: Cure) -> Seen {
        Seen { severity: Severity::Warning, cure: Some(cure), ..Seen::ok(is) }
    }

    /// Not to be left so.
    pub fn error(is: impl Into<String>, cure: Cure) -> Seen {
        Seen { severity: Severity::Error, cure: Some(cure), ..Seen::ok(is) }
    }

    /// The same, about one of several things.
    #[must_use]
    pub fn about(self, about: impl Into<String>) -> Seen {
        Seen { about: about.into(), ..self }
    }

    /// The same, mattering no more than `most`.
    #[must_use]
    pub fn at_most(self, most: Severity) -> Seen {
        Seen { severity: self.severity.min(most), ..self }
    }
}

/// Why something could not be looked at, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen(pub String);

/// What a check comes to: several findings where it looks at several things.
pub type Looked = Result<Vec<Seen>, Unseen>;

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The check, a stable name of [`CHECKS`](super::CHECKS).
    pub id: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// What was seen; a note when it could not be looked at.
    pub seen: Seen,
    /// Whether it could be looked at.
    pub has_looked: bool,
}

/// A number with its thousands set apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (8_388_608, "8,388,608")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn severities_are_told_from_the_least_to_the_worst() {
        assert!(Severity::ALL.is_sorted());
        assert_eq!(
            Seen::error("", Cure::lasting("x")).at_most(Severity::Note).severity.name(),
            "note"
        );
    }
}
