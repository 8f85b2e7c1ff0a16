//! Whole copies of the database: made beside those who read and write, looked at before they are
//! trusted, and put in place of what there is.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Result, Transaction, TransactionBehavior, ffi};

use super::Database;
use super::migrations::{self, Unfit};

/// What a file of SQLite begins with.
pub const HEADER: &[u8; 16] = b"SQLite format 3\0";
/// Pages that are copied at once.
const PAGES: i32 = 1_000;
/// How often, and how long each time, another process may keep us from copying on.
const WAITS_MAX: u32 = 500;
const WAIT: Duration = Duration::from_millis(20);
/// Bytes of a page of ours, SQLite's default; a copy has to have the same.
const PAGE_BYTES: u32 = 4_096;

/// Why a copy is not put in place of the database.
#[derive(Debug)]
pub enum Bad {
    /// It is damaged; with what SQLite says.
    Damaged(String),
    /// It is no database of ours, or cannot be read.
    Unfit(Unfit),
    /// Its tables are not those of its version.
    Altered,
    /// Nobody owns it.
    NoOwner,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bad::Damaged(told) => write!(f, "the file is damaged: {told}"),
            Bad::Unfit(unfit) => unfit.fmt(f),
            Bad::Altered => f.write_str("its tables have been altered by another program"),
            Bad::NoOwner => f.write_str("it has no account of an owner, so nobody could sign in"),
        }
    }
}

impl From<Unfit> for Bad {
    fn from(unfit: Unfit) -> Bad {
        Bad::Unfit(unfit)
    }
}

impl From<rusqlite::Error> for Bad {
    fn from(error: rusqlite::Error) -> Bad {
        Bad::Unfit(error.into())
    }
}

/// A path beside another: `site.db` and `before-wipe` give `site-before-wipe.db`.
pub fn beside(path: &Path, what: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{what}.db"))
}

/// What SQLite may leave beside a file, and last the file itself, by which the others are found.
const ENDS: [&str; 4] = ["-wal", "-shm", "-journal", ""];

/// A file that goes away with this, and what SQLite may have left beside it too. While it is there
/// it is locked, by which others know that it is in use; a program that was killed locks nothing.
#[derive(Debug)]
pub struct Temporary {
    path: PathBuf,
    _lock: File,
}

impl Temporary {
    /// An empty file beside `path`, its owner's alone.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn beside(path: &Path) -> io::Result<Temporary> {
        loop {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).map_err(|_| io::Error::other("there is no randomness"))?;
            let path = beside(path, &format!("{:016x}.tmp", u64::from_ne_bytes(bytes)));
            let file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
            let _ = file.try_lock(); // some file systems know no locks
            // Before it was locked, a start of the program may have taken it for a leftover.
            if path.try_exists()? {
                return Ok(Temporary { path, _lock: file });
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the file, under this name, which nothing has yet.
    ///
    /// # Errors
    /// When something has it, or it cannot be given.
    pub fn keep(&self, path: &Path) -> io::Result<()> {
        std::fs::hard_link(&self.path, path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn remove(path: &Path) {
    for end in ENDS {
        let mut path = path.to_owned().into_os_string();
        path.push(end);
        let _ = std::fs::remove_file(path); // most are not there
    }
}

/// Takes away what a program that was killed has left beside a database of files that were to go
/// away. Known by their exact names, and by nobody having them. Tells how many there were.
///
/// # Errors
/// When the folder cannot be read.
pub fn clear_leftovers(database: &Path) -> io::Result<usize> {
    let stem = database.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let folder = match database.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut cleared = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_ours = entry.file_name().to_str().is_some_and(|name| is_temporary(&stem, name));
        if !is_ours || !entry.file_type()?.is_file() {
            continue;
        }
        let path = entry.path();
        let Ok(file) = File::options().write(true).open(&path) else { continue };
        if file.try_lock().is_ok() {
            remove(&path);
            cleared += 1;
        }
    }
    Ok(cleared)
}

/// Whether a file is called as [`Temporary`] calls its own: `site-0123456789abcdef.tmp.db`.
fn is_temporary(stem: &str, name: &str) -> bool {
    let rest = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('-'));
    let digits = rest.and_then(|rest| rest.strip_suffix(".tmp.db")).unwrap_or_default();
    digits.len() == 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Copies the database into a file. Others read and write meanwhile: the copy is of the moment at
/// which it began.
///
/// # Errors
/// When the file cannot be written.
pub fn copy(conn: &Connection, to: &Path) -> Result<()> {
    // Within a transaction this holds the moment fast; else every write would begin it anew.
    conn.query_row("select count(*) from sqlite_schema", [], |_| Ok(()))?;
    let mut to = Connection::open(to)?;
    fill(conn, &mut to)?;
    // A file of its own, without others beside it.
    to.execute_batch("pragma journal_mode = delete")
}

/// As [`copy`], without what must not leave the house: who is signed in, and who failed to.
///
/// # Errors
/// When the file cannot be written.
pub fn copy_for_away(conn: &Connection, to: &Path) -> Result<()> {
    copy(conn, to)?;
    Connection::open(to)?.execute_batch(
        "pragma secure_delete = on; delete from sessions; delete from login_failures",
    )
}

/// Puts all of one database in place of another. Whoever reads the other sees its old state until
/// all is there; so does whoever opens it after a crash.
///
/// # Errors
/// When the other cannot be written. It is unchanged then.
pub fn fill(from: &Connection, to: &mut Connection) -> Result<()> {
    let backup = Backup::new(from, to)?;
    let mut waits = 0;
    loop {
        match backup.step(PAGES)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            // Another process is at the file.
            _ if waits < WAITS_MAX => {
                waits += 1;
                std::thread::sleep(WAIT);
            }
            _ => {
                let busy = ffi::Error::new(ffi::SQLITE_BUSY);
                return Err(rusqlite::Error::SqliteFailure(busy, None));
            }
        }
    }
}

/// Why a copy could not be kept, or what was to be done could not.
#[derive(Debug)]
pub enum Failed {
    /// The copy cannot be written.
    Copy(io::Error),
    /// The database cannot be.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Failed {
        Failed::Database(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Copy(error)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Copy(error) => write!(f, "a copy of the database cannot be kept: {error}"),
            Failed::Database(error) => write!(f, "the database cannot be written: {error}"),
        }
    }
}

/// Copies that are kept of one second, at most.
const COPIES_A_SECOND: u32 = 100;

/// Keeps a copy of the database beside it, under a name that says before what; gives its path.
fn keep(conn: &Connection, path: &Path, what: &str) -> std::result::Result<PathBuf, Failed> {
    let copied = Temporary::beside(path)?;
    copy(conn, copied.path())?;
    // Of those within one second, the later ones have a number.
    for number in 1.. {
        let kept = match number {
            1 => beside(path, what),
            _ => beside(path, &format!("{what}-{number}")),
        };
        match copied.keep(&kept) {
            Err(error) if is_taken(&error) && number < COPIES_A_SECOND => {}
            done => return Ok(done.map(|()| kept)?),
        }
    }
    unreachable!("the last one is the end of it")
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AlreadyExists
}

/// Keeps a copy, then does `work` in one transaction, then `after`. Nobody else writes from the
/// first to the last. Gives the path of the copy.
///
/// # Errors
/// [`Failed`]; nothing has changed then.
pub fn write_after_copy<T>(
    database: &Database,
    what: &str,
    work: impl FnOnce(&Transaction<'_>) -> Result<T>,
    after: impl FnOnce(&Connection),
) -> std::result::Result<(T, PathBuf), Failed> {
    database.with_writer(|writer| {
        let kept = keep(writer, database.path(), what)?;
        let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&tx)?;
        tx.commit()?;
        after(writer);
        Ok((result, kept))
    })
}

/// Keeps a copy, puts all of another database in place of what there is, then does `after`. Nobody
/// else writes from the first to the last. Gives the path of the copy.
///
/// # Errors
/// [`Failed`]; nothing has changed then.
pub fn replace(
    database: &Database,
    what: &str,
    by: &Connection,
    after: impl FnOnce(&Connection),
) -> std::result::Result<PathBuf, Failed> {
    database.with_writer(|writer| {
        let kept = keep(writer, database.path(), what)?;
        fill(by, writer)?;
        after(writer);
        Ok(kept)
    })
}

/// Opens a file that came from outside, if it is whole, ours and has an owner; brings it to the
/// present tables, and signs everybody out.
///
/// # Errors
/// [`Bad`]; the file is of no use then.
pub fn open(path: &Path) -> std::result::Result<Connection, Bad> {
    let mut conn = Connection::open(path)?;
    conn.execute_batch("pragma trusted_schema = off; pragma cell_size_check = on")?;
    let told: String = conn
        .query_row("pragma integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| Bad::Damaged(error.to_string()))?;
    if told != "ok" {
        return Err(Bad::Damaged(told));
    }
    if migrations::version(&conn)? == 0 {
        return Err(Unfit::Foreign.into());
    }
    conn.execute_batch("pragma journal_mode = delete; pragma foreign_keys = on")?;
    // What a trigger of somebody else does meanwhile, it does to this file alone.
    migrations::run(&mut conn)?;
    let page_bytes: u32 = conn.query_row("pragma page_size", [], |row| row.get(0))?;
    if schema(&conn)? != present_schema()? || page_bytes != PAGE_BYTES {
        return Err(Bad::Altered);
    }
    let is_dangling: bool =
        conn.query_row("select exists (select 1 from pragma_foreign_key_check)", [], |row| {
            row.get(0)
        })?;
    if is_dangling {
        return Err(Bad::Damaged("rows that belong to nothing".to_owned()));
    }
    if super::users::owner(&conn)?.is_none() {
        return Err(Bad::NoOwner);
    }
    conn.execute_batch("delete from sessions; delete from login_failures")?;
    Ok(conn)
}

/// Everything that a database declares.
fn schema(conn: &Connection) -> Result<Vec<(String, String)>> {
    conn.prepare(
        "select name, sql from sqlite_schema
         where sql is not null and name not like 'sqlite\\_%' escape '\\' order by name",
    )?
    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

fn present_schema() -> std::result::Result<Vec<(String, String)>, Unfit> {
    let mut conn = Connection::open_in_memory()?;
    migrations::run(&mut conn)?;
    Ok(schema(&conn)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::users::Role;
    use crate::db::users::tests::add;

    fn database(folder: &tempfile::TempDir, name: &str) -> Database {
        Database::open(&folder.path().join(name)).unwrap()
    }

    fn names(conn: &Connection) -> Vec<String> {
        let mut rows = conn.prepare("select username from users order by username").unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().collect::<Result<_>>().unwrap()
    }

    #[test]
    fn leftovers_go_and_what_is_used_or_kept_or_anothers_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.db");
        let used = Temporary::beside(&path).unwrap();
        let left = "site-00112233445566aa.tmp.db";
        let others = [
            "site.db",
            "site-before-restore-20260101-000000.db",
            "site-00112233445566a.tmp.db",
            "site-00112233445566AA.tmp.db",
            "site-00112233445566aa.db",
            "other-00112233445566aa.tmp.db",
            "site-00112233445566aa.tmp.db.gz",
        ];
        for name in others.iter().chain([&left, &"site-00112233445566aa.tmp.db-journal"]) {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(clear_leftovers(&path).unwrap(), 1);
        assert!(used.path().exists());
        drop(used);
        let there = std::fs::read_dir(folder.path()).unwrap();
        let mut there: Vec<_> =
            there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let mut others = others.map(str::to_owned);
        there.sort();
        others.sort();
        assert_eq!(there, others);
    }

    #[test]
    fn copy_is_of_one_moment_while_others_write() {
        let folder = tempfile::tempdir().unwrap();
        let live = database(&folder, "live.db");
        live.write_now(|tx| -> Result<()> {
            for number in 0..2_000 {
                add(tx, &format!("before{number}"), Role::Basic);
            }
            add(tx, "owner", Role::Super);
            Ok(())
        })
        .unwrap();
        let to = folder.path().join("copy.db");
        live.read_now(|conn| -> Result<()> {
            assert_eq!(names(conn).len(), 2_001);
            live.write_now(|tx| -> Result<()> {
                add(tx, "beside", Role::Basic);
                Ok(())
            })?;
            copy_for_away(conn, &to)
        })
        .unwrap();
        let copy = open(&to).unwrap();
        assert_eq!(names(&copy).len(), 2_001);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "one file each, and WAL");
    }

    #[test]
    fn readers_see_the_old_state_or_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let (live, other) = (database(&folder, "live.db"), database(&folder, "other.db"));
        let insert = |database: &Database, name: &'static str| {
            let work = |tx: &rusqlite::Transaction<'_>| -> Result<()> {
                add(tx, name, Role::Super);
                Ok(())
            };
            database.write_now(work).unwrap();
        };
        insert(&live, "old");
        insert(&other, "new");
        live.read_now(|conn| -> Result<()> {
            assert_eq!(names(conn), ["old"]);
            other.read_now(|other| live.with_writer(|writer| fill(other, writer)))?;
            assert_eq!(names(conn), ["old"]);
            Ok(())
        })
        .unwrap();
        live.read_now(|conn| -> Result<()> {
            assert_eq!(names(conn), ["new"]);
            Ok(())
        })
        .unwrap();
        live.write_now(|tx| -> Result<()> {
            add(tx, "written", Role::Basic);
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn what_was_not_put_in_place_whole_was_not_put_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let (live, other) = (database(&folder, "live.db"), database(&folder, "other.db"));
        live.write_now(|tx| -> Result<()> {
            add(tx, "old", Role::Super);
            Ok(())
        })
        .unwrap();
        live.with_writer(|writer| {
            other.read_now(|other| -> Result<()> {
                let backup = Backup::new(other, writer)?;
                assert!(matches!(backup.step(1)?, StepResult::More));
                Ok(())
            })
        })
        .unwrap();
        let all = |conn: &Connection| -> Result<Vec<String>> { Ok(names(conn)) };
        assert_eq!(live.read_now(all).unwrap(), ["old"]);
        live.write_now(|tx| -> Result<()> {
            add(tx, "next", Role::Basic);
            Ok(())
        })
        .unwrap();
        assert_eq!(live.read_now(all).unwrap(), ["next", "old"]);
    }

    #[test]
    fn what_is_not_whole_not_ours_or_nobodys_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let whole = path("whole.db");
        {
            let database = Database::open(&whole).unwrap();
            database.read_now(|conn| copy(conn, &path("nobodys.db"))).unwrap();
            assert!(matches!(open(&path("nobodys.db")).unwrap_err(), Bad::NoOwner));
            let work = |tx: &rusqlite::Transaction<'_>| -> Result<()> {
                add(tx, "owner", Role::Super);
                Ok(())
            };
            database.write_now(work).unwrap();
            database.read_now(|conn| copy(conn, &path("copy.db"))).unwrap();
        }
        open(&path("copy.db")).unwrap();
        let bytes = std::fs::read(path("copy.db")).unwrap();
        std::fs::write(path("cut.db"), &bytes[..bytes.len() / 2]).unwrap();
        let told = open(&path("cut.db")).unwrap_err().to_string();
        assert!(told.contains("damaged"), "{told}");
        let mut spoilt = bytes.clone();
        let middle = spoilt.len() / 2;
        spoilt[middle..middle + 9_000].fill(0xff);
        std::fs::write(path("spoilt.db"), spoilt).unwrap();
        assert!(open(&path("spoilt.db")).is_err());
        std::fs::write(path("empty.db"), "").unwrap();
        assert!(matches!(open(&path("empty.db")).unwrap_err(), Bad::Unfit(Unfit::Foreign)));
        Connection::open(path("other.db")).unwrap().execute_batch("create table x (y)").unwrap();
        let told = open(&path("other.db")).unwrap_err().to_string();
        assert!(told.contains("another program"), "{told}");
        let altered = Connection::open(path("copy.db")).unwrap();
        altered
            .execute_batch(
                "create trigger evil after delete on sessions begin delete from users; end",
            )
            .unwrap();
        drop(altered);
        assert!(matches!(open(&path("copy.db")).unwrap_err(), Bad::Altered));
    }
}
