//! Where the state lies, and how it is replaced.
//!
//! A new state is written to a temporary file beside the old one, brought to the disk, and put in
//! the old one's place by one rename. So at any moment, however the program or the machine ends,
//! the file is the last whole one.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::format::{self, Fault, Header, Totals, Writer};
use crate::clock::{self, Now};
use crate::config;
use crate::stats::Ledger;
use crate::swarm::Swarms;
use crate::swarm::store::SWEEP_STEPS;

/// The file of one tracker.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// Held while a state is written, so that there is one temporary file at a time.
    writing: Mutex<()>,
}

/// What became of the file at the start.
#[derive(Debug)]
pub enum Loaded {
    /// There is none yet.
    Absent,
    /// It was read.
    Whole(Restored),
    /// It was of no use, and lies at another path now.
    SetAside(Fault, PathBuf),
}

/// What came back from a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Seconds since the file was begun.
    pub age: u64,
    /// Peers that are here again.
    pub peers: u64,
    /// Peers whose time was over.
    pub expired: u64,
    /// Peers for which the caps left no room.
    pub refused: u64,
}

/// Why the state cannot be read or written; nothing has changed.
#[derive(Debug)]
pub struct StateError {
    path: PathBuf,
    what: What,
}

#[derive(Debug)]
enum What {
    NotAFile,
    InUse,
    Read(io::Error),
    Write(io::Error),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.what {
            What::NotAFile => write!(f, "the state {path} is not a file; name one with --state"),
            What::InUse => {
                write!(f, "another tracker is writing the state {path}; give each its own --state")
            }
            What::Read(error) => write!(f, "cannot read the state {path}: {error}"),
            What::Write(error) => write!(
                f,
                "cannot write the state {path}: {error}; its folder must exist, and let this \
                 user make and rename files"
            ),
        }
    }
}

impl std::error::Error for StateError {}

impl StateFile {
    /// The state at `path`, which need not exist yet.
    ///
    /// # Errors
    /// When `path` is something else than a file, or its folder takes no new file.
    pub fn open(path: PathBuf) -> Result<StateFile, StateError> {
        let state = StateFile { path, writing: Mutex::default() };
        match fs::metadata(&state.path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(state.error(What::NotAFile)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(state.error(What::Read(error))),
        }
        state.claim_temporary()?;
        // It is there to be found out early. Left over it does no harm.
        let _ = fs::remove_file(state.beside(".tmp"));
        Ok(state)
    }

    /// A new store with what the file holds. A file of no use is set aside, and the store is empty.
    ///
    /// # Errors
    /// When the file cannot be read at all, or not be set aside.
    pub fn load(
        &self,
        config: &config::Swarm,
        now: Now,
    ) -> Result<(Swarms, Option<Ledger>, Loaded), StateError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok((Swarms::new(config), None, Loaded::Absent));
            }
            Err(error) => return Err(self.error(What::Read(error))),
        };
        match restore(BufReader::with_capacity(1 << 18, file), config, now) {
            Ok((swarms, ledger, restored)) => Ok((swarms, ledger, Loaded::Whole(restored))),
            Err(Fault::Io(error)) => Err(self.error(What::Read(error))),
            Err(fault) => {
                let aside = self.beside(".refused");
                let renamed = fs::rename(&self.path, &aside);
                renamed.map_err(|error| self.error(What::Write(error)))?;
                Ok((Swarms::new(config), None, Loaded::SetAside(fault, aside)))
            }
        }
    }

    /// Replaces the file by what the store holds and what was counted, while traffic goes on. Of
    /// two calls at once, one waits for the other.
    ///
    /// # Errors
    /// When it cannot be written; the old file is still there then.
    pub fn save(&self, swarms: &Swarms, ledger: &Ledger, now: Now) -> Result<Totals, StateError> {
        // What a thread that panicked has left is overwritten.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.claim_temporary()?;
        let saved = file
            .set_len(0)
            .and_then(|()| write(&file, (swarms, ledger), now))
            .and_then(|totals| file.sync_all().map(|()| totals))
            .and_then(|totals| fs::rename(self.beside(".tmp"), &self.path).map(|()| totals))
            .and_then(|totals| sync_folder(&self.path).map(|()| totals));
        saved.map_err(|error| self.error(What::Write(error)))
    }

    /// The temporary file, with a lock that keeps other processes off it until it is closed.
    fn claim_temporary(&self) -> Result<File, StateError> {
        let path = self.beside(".tmp");
        let claim = || {
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(false).open(&path)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                // A file system without locks: then two trackers are the operator's care.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            // Another process may have renamed it between the two calls: then it is the state.
            let is_there = fs::metadata(&path).is_ok_and(|there| {
                file.metadata().is_ok_and(|claimed| claimed.ino() == there.ino())
            });
            Ok(is_there.then_some(file))
        };
        match claim() {
            Ok(Some(file)) => Ok(file),
            Ok(None) => Err(self.error(What::InUse)),
            Err(error) => Err(self.error(What::Write(error))),
        }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(ending);
        name.into()
    }

    fn error(&self, what: What) -> StateError {
        StateError { path: self.path.clone(), what }
    }
}

/// Brings the rename itself to the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn write(file: &File, (swarms, ledger): (&Swarms, &Ledger), now: Now) -> io::Result<Totals> {
    let header = Header { saved_at: clock::unix_secs(), has_ids: swarms.keeps_ids() };
    let mut writer = Writer::new(file, header);
    writer.write_figures(ledger);
    for step in 0..SWEEP_STEPS {
        swarms.each_resident(now, step, &mut |resident| writer.write(resident));
    }
    writer.finish().map(|(_, totals)| totals)
}

fn restore(
    from: impl io::Read,
    config: &config::Swarm,
    now: Now,
) -> Result<(Swarms, Option<Ledger>, Restored), Fault> {
    let swarms = Swarms::new(config);
    let wall = clock::unix_secs();
    let mut restored = Restored::default();
    let contents = format::read(from, |header, resident| {
        // A wall clock that was set back since makes nobody younger.
        let since = u32::try_from(wall.saturating_sub(header.saved_at)).unwrap_or(u32::MAX);
        let mut resident = *resident;
        resident.age = resident.age.saturating_add(since);
        if resident.age > config.peer_ttl {
            restored.expired += 1;
        } else if swarms.restore(now, &resident).is_ok() {
            restored.peers += 1;
        } else {
            restored.refused += 1;
        }
    })?;
    restored.age = wall.saturating_sub(contents.header.saved_at);
    Ok((swarms, contents.ledger, restored))
}
