//! What became of an upload: a line for each file, so that nobody must guess which of a thousand
//! did not make it.

use askama::Template;

use super::Viewer;

use super::reception::{Broken, Refused};
use crate::protocol::ids::InfoHash;
use crate::site::numbers;

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is registered.
    Registered {
        /// Where its page is.
        info_hash: InfoHash,
        /// What it is called there.
        name: String,
    },
    /// It is not.
    Refused(Refused),
}

/// What became of an upload.
#[derive(Debug, Default)]
pub struct Summary {
    /// File by file, in the order of the form: what it is called at home, and what became of it.
    pub files: Vec<(String, Fate)>,
    /// Why the rest was not read.
    pub broken: Option<Broken>,
}

impl Summary {
    /// Files that are registered.
    pub fn registered(&self) -> usize {
        self.files.iter().filter(|(_, fate)| matches!(fate, Fate::Registered { .. })).count()
    }

    /// The whole in a sentence: how many of each kind, and those that are zero left out.
    pub fn sentence(&self) -> String {
        let refused = |kind: fn(&Refused) -> bool| {
            let is_of_kind = |(_, fate): &&(String, Fate)| match fate {
                Fate::Refused(refused) => kind(refused),
                Fate::Registered { .. } => false,
            };
            self.files.iter().filter(is_of_kind).count()
        };
        let parts = [
            (self.registered(), "registered"),
            (refused(|why| matches!(why, Refused::Duplicate)), "already there"),
            (refused(|why| matches!(why, Refused::TooLarge(_))), "too large"),
            (refused(|why| matches!(why, Refused::NotTorrent(_) | Refused::Empty)), "not valid"),
            (refused(|why| matches!(why, Refused::TooMany(_))), "over the number of files"),
        ];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> =
            parts.map(|(count, what)| format!("{} {what}", numbers::count(count as u64))).collect();
        if parts.is_empty() { "No file was received".to_owned() } else { parts.join(", ") }
    }
}

/// The page that tells it.
#[derive(Debug, Template)]
#[template(path = "torrents/summary.html")]
pub struct SummaryPage<'a> {
    /// Who looks.
    pub viewer: &'a Viewer,
    /// What became of the upload.
    pub summary: &'a Summary,
}
