//! What an import has done, table by table, and everything that it has changed or left out.

use std::fmt;

use super::source::Rows;

/// Examples of each kind of thing that are told; of the others only how many.
const EXAMPLES_MAX: usize = 100;
/// Longest example, in characters.
const EXAMPLE_CHARS_MAX: usize = 200;

/// Rows of a table of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Counted {
    pub table: &'static str,
    pub read: u64,
    pub kept: u64,
}

/// Something that was changed or left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The table of the source.
    pub table: &'static str,
    /// What it is about.
    pub what: &'static str,
    /// How often.
    pub times: u64,
    /// Some of them, in words; empty where there is nothing to add.
    pub examples: Vec<String>,
}

/// An import, as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order in which the tables were read.
    pub tables: Vec<Counted>,
    /// In the order in which they were first met.
    pub notes: Vec<Note>,
}

impl Report {
    fn counted(&mut self, table: &'static str) -> &mut Counted {
        let place = self.tables.iter().position(|counted| counted.table == table);
        let place = place.unwrap_or_else(|| {
            self.tables.push(Counted { table, read: 0, kept: 0 });
            self.tables.len() - 1
        });
        &mut self.tables[place]
    }

    /// So many rows of a table were there.
    pub(super) fn read(&mut self, table: &'static str, rows: u64) {
        self.counted(table).read += rows;
    }

    /// All rows of a table were read, now or by parts.
    pub(super) fn rows(&mut self, table: &'static str, Rows { read, cut }: Rows) {
        self.read(table, read);
        if cut > 0 {
            self.note(table, "cut: longer than any text can be", format!("{cut} rows"));
        }
    }

    /// A row of a table has its place in the target.
    pub(super) fn kept(&mut self, table: &'static str) {
        self.counted(table).kept += 1;
    }

    /// Something was changed or left out.
    pub(super) fn note(
        &mut self,
        table: &'static str,
        what: &'static str,
        example: impl fmt::Display,
    ) {
        let same = |note: &Note| note.table == table && note.what == what;
        let place = self.notes.iter().position(same).unwrap_or_else(|| {
            self.notes.push(Note { table, what, times: 0, examples: Vec::new() });
            self.notes.len() - 1
        });
        let note = &mut self.notes[place];
        note.times += 1;
        if note.examples.len() < EXAMPLES_MAX {
            let example = example.to_string();
            let shown = example.chars().map(|c| if c.is_control() { ' ' } else { c });
            let shown: String = shown.take(EXAMPLE_CHARS_MAX).collect();
            note.examples.extend(Some(shown).filter(|shown| !shown.is_empty()));
        }
    }

    /// How often something was changed or left out.
    pub fn times(&self, table: &str, what: &str) -> u64 {
        let found = self.notes.iter().find(|note| note.table == table && note.what == what);
        found.map_or(0, |note| note.times)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28} {:>10} {:>10} {:>10}", "table", "rows", "kept", "left out")?;
        for Counted { table, read, kept } in &self.tables {
            let left_out = read.saturating_sub(*kept);
            writeln!(f, "{table:<28} {read:>10} {kept:>10} {left_out:>10}")?;
        }
        if !self.notes.is_empty() {
            writeln!(f, "\nChanged, left out, or to be known:")?;
        }
        for Note { table, what, times, examples } in &self.notes {
            writeln!(f, "  {table}: {what} ({times})")?;
            for example in examples {
                writeln!(f, "    {example}")?;
            }
            let untold = times.saturating_sub(examples.len() as u64);
            if untold > 0 && !examples.is_empty() {
                writeln!(f, "    and {untold} more")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_bounded_and_counted_whole() {
        let mut report = Report::default();
        report.read("users", 3);
        report.kept("users");
        for number in 0..1_000 {
            report.note("users", "renamed", format!("\u{1b}{number}{}", "x".repeat(1_000)));
        }
        report.note("users", "locked", "");
        let text = report.to_string();
        assert!(text.contains("and 900 more") && text.contains("renamed (1000)"), "{text}");
        assert!(text.len() < 30_000 && !text.contains('\u{1b}'));
        assert_eq!(report.times("users", "renamed"), 1_000);
        let line = text.lines().find(|line| line.starts_with("users")).unwrap();
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["users", "3", "1", "2"]);
    }
}
