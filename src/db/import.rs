//! From a database of the earlier tracker to one of ours: [`run`]. The source is only ever copied;
//! the target appears whole, under its name, at the end.
//!
//! - [`source`]: the copy, and its rows.
//! - [`times`]: clocks without a zone.
//! - [`people`]: who a name was.
//! - [`accounts`], [`site`], [`torrents`], [`social`], [`bounties`], [`ledger`], [`topups`]: a few
//!   tables each, in this order, since later ones name rows of earlier ones.
//! - [`files`]: what is inside a torrent.
//! - [`report`]: what was done.
//!
//! Invariant: every step goes through the rows of a table one by one and keeps nothing of them in
//! memory, so that an import takes as much of it for a million rows as for a thousand.

mod accounts;
mod bounties;
mod files;
mod ledger;
mod people;
mod report;
mod site;
mod social;
mod source;
mod times;
mod topups;
mod torrents;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use self::source::Source;
use super::copies::Temporary;
use super::migrations::{self, Unfit};

pub use report::{Counted, Note, Report};
pub use times::{NotAnOffset, Offset};

/// Longest word of SQLite's that is told on, in characters.
const TOLD_CHARS_MAX: usize = 300;

/// What is to be imported, and how.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// A database of the earlier tracker, or one packed by gzip.
    pub from: &'a Path,
    /// Where ours is to be; temporary files lie beside it meanwhile.
    pub to: &'a Path,
    /// Whether all is done but the last: nothing is left at `to`.
    pub is_dry: bool,
    /// The clock of the earlier tracker.
    pub offset: Offset,
    /// Who owns the site; `None`: nobody yet.
    pub super_user: Option<&'a str>,
    /// Whether accounts get other names where names differ in case alone.
    pub renames_collisions: bool,
    /// Whether the secrets of payment providers are taken over.
    pub with_payment_secrets: bool,
    /// Seconds since 1970.
    pub now: i64,
}

/// Why there is no import. Nothing is at the target then, and the source is as it was.
#[derive(Debug)]
#[expect(missing_docs, reason = "the words are in `Display`")]
pub enum ImportError {
    TargetExists(PathBuf),
    Target(io::Error),
    Source(PathBuf, io::Error),
    Live(String),
    NotADatabase,
    Damaged(String),
    TooLarge,
    Foreign,
    Altered(&'static str),
    Ours,
    NoSuchSuper(String),
    Collisions(Vec<String>),
    Tables(Unfit),
    Dangling(String),
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for ImportError {
    fn from(error: rusqlite::Error) -> ImportError {
        ImportError::Database(error)
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::TargetExists(path) => {
                write!(f, "{} is there already: name a file that is not", path.display())
            }
            ImportError::Target(error) => write!(f, "the new database cannot be written: {error}"),
            ImportError::Source(path, error) => {
                write!(f, "{} cannot be read: {error}", path.display())
            }
            ImportError::Live(told) => write!(
                f,
                "the earlier tracker is at its database ({told}): stop it, or import the .db.gz \
                 that it makes as a backup"
            ),
            ImportError::NotADatabase => {
                f.write_str("the file is no database of SQLite, nor one packed by gzip")
            }
            ImportError::Damaged(told) => {
                // It may hold names of tables, whatever they are made of.
                let told = told.chars().map(|c| if c.is_control() { ' ' } else { c });
                let told: String = told.take(TOLD_CHARS_MAX).collect();
                write!(f, "the file is damaged: {told}; try an earlier backup")
            }
            ImportError::TooLarge => {
                f.write_str("more comes out of the packed file than can be in a database")
            }
            ImportError::Foreign => f.write_str("it is a database of another program"),
            ImportError::Altered(table) => write!(
                f,
                "its table {table} is not as the earlier tracker makes it: another program has \
                 altered it; try a backup from before"
            ),
            ImportError::Ours => f.write_str(
                "it is a database of wildkat already: start `wildkat serve` with --db and its name",
            ),
            ImportError::NoSuchSuper(name) => {
                write!(f, "there is no account {name:?} to be the owner: --super-user names one")
            }
            ImportError::Collisions(names) => {
                writeln!(f, "names of accounts are the same but for the case of letters:")?;
                names.iter().try_for_each(|names| writeln!(f, "  {names}"))?;
                f.write_str("with --rename-collisions the later ones get other names")
            }
            ImportError::Tables(unfit) => unfit.fmt(f),
            ImportError::Dangling(table) => {
                write!(f, "a row of {table} would belong to nothing; this is a fault of wildkat")
            }
            ImportError::Database(error) => write!(f, "a row cannot be taken over: {error}"),
        }
    }
}

impl std::error::Error for ImportError {}

/// An import on its way: what every step has at hand.
struct Import<'a> {
    request: &'a Request<'a>,
    from: &'a Source,
    to: &'a Connection,
    report: Report,
}

/// Goes through the rows of a table.
macro_rules! each {
    ($import:expr, $table:literal, $columns:expr, $show:expr) => {{
        let from = $import.from;
        let rows = from.each($table, $columns, $show)?;
        $import.report.rows($table, rows);
    }};
}
use each;

/// Imports. Gives what was done.
///
/// # Errors
/// [`ImportError`]; nothing is at the target then.
pub fn run(request: &Request<'_>) -> Result<Report, ImportError> {
    if request.to.symlink_metadata().is_ok() {
        return Err(ImportError::TargetExists(request.to.to_owned()));
    }
    let source = Source::open(request.from, request.to, request.offset)?;
    let file = Temporary::beside(request.to).map_err(ImportError::Target)?;
    let mut target = Connection::open(file.path())?;
    // Whatever goes wrong, the file is thrown away: it needs no journal.
    target.execute_batch(
        "pragma journal_mode = off; pragma synchronous = off; pragma foreign_keys = off;
         pragma temp_store = memory; pragma cache_size = -131072",
    )?;
    target.set_prepared_statement_cache_capacity(128);
    migrations::run(&mut target).map_err(ImportError::Tables)?;
    let report = fill(request, &source, &target)?;
    target.close().map_err(|(_, error)| error)?;
    if !request.is_dry {
        put_in_place(&file, request.to)?;
    }
    Ok(report)
}

fn fill(request: &Request<'_>, from: &Source, to: &Connection) -> Result<Report, ImportError> {
    to.execute_batch("begin")?;
    let mut import = Import { request, from, to, report: Report::default() };
    import.learn_names()?;
    accounts::import(&mut import)?;
    site::import(&mut import)?;
    torrents::import(&mut import)?;
    bounties::import(&mut import)?;
    topups::import(&mut import)?;
    social::import(&mut import)?;
    ledger::import(&mut import)?;
    import.forget_names()?;
    // Some were kept back before who has them came.
    to.execute_batch(
        "delete from retired_names
             where exists (select 1 from users where users.username = retired_names.username);
         commit; pragma optimize",
    )?;
    let dangling = to
        .prepare("select \"table\" from pragma_foreign_key_check limit 1")?
        .query_map([], |row| row.get::<_, String>(0))?
        .next();
    match dangling.transpose()? {
        Some(table) => Err(ImportError::Dangling(table)),
        None => Ok(import.report),
    }
}

/// Gives the file its name, once all of it is on the disk. Of two imports at once, one is told that
/// the other was first.
fn put_in_place(file: &Temporary, path: &Path) -> Result<(), ImportError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => ImportError::TargetExists(path.to_owned()),
        _ => ImportError::Target(error),
    };
    std::fs::File::open(file.path()).and_then(|file| file.sync_all()).map_err(failed)?;
    file.keep(path).map_err(failed)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = std::fs::File::open(folder.unwrap_or_else(|| Path::new("."))).map_err(failed)?;
    folder.sync_all().map_err(failed)
}

#[cfg(test)]
mod tests;
