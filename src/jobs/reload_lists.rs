//! Reads the lists of allowed and denied torrents: at the start, on SIGHUP, and when they have
//! changed.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::watch::Watch;
use crate::config;
use crate::tracker::Tracker;
use crate::tracker::admission::Lists;
use crate::tracker::hash_list::{HashList, ListError};

/// Bytes read at once.
const READ_SIZE: usize = 256 * 1024;

/// A file is no list. The text names the file, the line and the cure.
#[derive(Debug)]
pub struct BadList {
    path: PathBuf,
    error: ListError,
}

impl fmt::Display for BadList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot use the list of torrents {}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for BadList {}

/// The lists of a tracker, and where they come from.
#[derive(Debug)]
pub struct ListFiles {
    files: config::Lists,
    tracker: Arc<Tracker>,
    /// Held while the files are read, so that two readings do not overtake each other.
    turn: Mutex<()>,
}

/// What stands in `files`; `None` where none is named.
///
/// # Errors
/// [`BadList`], for the first file that cannot be read or has a line that is no info hash.
pub fn read(files: &config::Lists) -> Result<Option<Lists>, BadList> {
    if *files == config::Lists::default() {
        return Ok(None);
    }
    let list = |path: &Option<PathBuf>| path.as_deref().map(read_one).transpose();
    Ok(Some(Lists { allowed: list(&files.allowed)?, denied: list(&files.denied)? }))
}

fn read_one(path: &Path) -> Result<HashList, BadList> {
    let bad = |error| BadList { path: path.to_owned(), error };
    let file = File::open(path).map_err(|error| bad(ListError::Unreadable(error)))?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    HashList::read(BufReader::with_capacity(READ_SIZE, file), size).map_err(bad)
}

impl ListFiles {
    /// Those of `tracker`, which was made with what they held.
    pub fn new(files: config::Lists, tracker: Arc<Tracker>) -> ListFiles {
        ListFiles { files, tracker, turn: Mutex::new(()) }
    }

    /// Reads them again, and says what became of it. Takes seconds for millions of torrents.
    pub fn reload(&self) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match read(&self.files) {
            Ok(None) => {}
            Ok(Some(lists)) => {
                let length = |list: &Option<HashList>| list.as_ref().map_or(0, HashList::len);
                let (allowed, denied) = (length(&lists.allowed), length(&lists.denied));
                self.tracker.admission().replace(lists);
                tracing::info!("lists of torrents: {allowed} allowed, {denied} denied");
            }
            Err(error) => tracing::warn!("the lists of torrents stay as they were: {error}"),
        }
    }
}

/// Watches for ever. Without files it returns at once.
pub async fn run(lists: Arc<ListFiles>, period: Duration) {
    let files: Vec<_> = [&lists.files.allowed, &lists.files.denied].into_iter().flatten().collect();
    if files.is_empty() {
        return;
    }
    let mut watch = Watch::new(files.into_iter().cloned().collect(), period);
    loop {
        watch.changed().await;
        let lists = lists.clone();
        if tokio::task::spawn_blocking(move || lists.reload()).await.is_err() {
            tracing::error!("reading the lists of torrents did not end well");
        }
    }
}
