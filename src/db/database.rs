//! The file of the members' site: one connection that writes, and several that read beside it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Result, Transaction, TransactionBehavior};
use tokio::sync::Semaphore;

use super::migrations::{self, Unfit};

/// Connections that read at once. More would wait for the processor, not for the file.
const READERS_MAX: usize = 8;
/// How long another process (a backup, somebody's shell) may keep the file from us.
const BUSY: Duration = Duration::from_secs(10);

/// For every connection. `foreign_keys` is off by default in SQLite; what is in the file is not to
/// call functions; temporary tables stay out of the file system, which may be read-only.
const ALWAYS: &str = "pragma foreign_keys = on; pragma trusted_schema = off;
     pragma temp_store = memory; pragma cache_size = -16384;";
/// Readers go on beside a writer, and what was committed survives the loss of power.
const WRITER: &str = "pragma journal_mode = wal; pragma synchronous = full;
     pragma journal_size_limit = 67108864;";

/// A database that is open. Cloning it copies a pointer.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    /// Locks are taken on threads that may wait, never on those that answer.
    writer: Mutex<Connection>,
    writers: Semaphore,
    idle: Mutex<Vec<Connection>>,
    readers: Semaphore,
}

/// Why a database cannot be used.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    cause: Unfit,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database {} cannot be used: {}", self.path.display(), self.cause)
    }
}

impl std::error::Error for OpenError {}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens a file, or makes it, readable to its owner alone, and brings its tables to the present
    /// version.
    ///
    /// # Errors
    /// [`OpenError`], which names the file.
    pub fn open(path: &Path) -> std::result::Result<Database, OpenError> {
        let failed = |cause: Unfit| OpenError { path: path.to_owned(), cause };
        let mut writer = writer(path).map_err(|error| failed(error.into()))?;
        migrations::run(&mut writer).map_err(failed)?;
        let inner = Inner {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            writers: Semaphore::new(1),
            idle: Mutex::new(Vec::new()),
            readers: Semaphore::new(READERS_MAX),
        };
        Ok(Database { inner: Arc::new(inner) })
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Reads: everything in `work` sees the same state.
    ///
    /// # Errors
    /// What `work` says, or that the file cannot be opened.
    pub async fn read<T, E, F>(&self, work: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
        F: FnOnce(&Connection) -> std::result::Result<T, E> + Send + 'static,
    {
        // It is closed never.
        let _turn = self.inner.readers.acquire().await;
        let this = self.clone();
        off_the_answering_threads(move || this.read_now(work)).await
    }

    /// Writes: all that `work` does is kept if it returns `Ok`, and nothing otherwise.
    ///
    /// # Errors
    /// What `work` says, or that the file cannot be written.
    pub async fn write<T, E, F>(&self, work: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
        F: FnOnce(&Transaction<'_>) -> std::result::Result<T, E> + Send + 'static,
    {
        let _turn = self.inner.writers.acquire().await;
        let this = self.clone();
        off_the_answering_threads(move || this.write_now(work)).await
    }

    /// As [`Database::write`], and once it is kept `after` is called, before anybody else may
    /// write: what is in memory changes in the order of what is in the file. It is called also if
    /// whoever waits for this goes away.
    ///
    /// # Errors
    /// What `work` says, or that the file cannot be written.
    pub async fn write_and<T, E, F, G>(&self, work: F, after: G) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
        F: FnOnce(&Transaction<'_>) -> std::result::Result<T, E> + Send + 'static,
        G: FnOnce(&T) + Send + 'static,
    {
        let _turn = self.inner.writers.acquire().await;
        let this = self.clone();
        off_the_answering_threads(move || {
            let mut writer = unpoisoned(&this.inner.writer);
            let result = in_transaction(&mut writer, work)?;
            after(&result);
            Ok(result)
        })
        .await
    }

    /// As [`Database::read`], on a thread that may wait.
    ///
    /// # Errors
    /// As there.
    pub fn read_now<T, E: From<rusqlite::Error>>(
        &self,
        work: impl FnOnce(&Connection) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let idle = unpoisoned(&self.inner.idle).pop();
        let mut reader = idle.map_or_else(|| reader(&self.inner.path), Ok)?;
        let tx = reader.transaction()?;
        let result = work(&tx);
        drop(tx);
        let mut idle = unpoisoned(&self.inner.idle);
        if idle.len() < READERS_MAX {
            idle.push(reader);
        }
        result
    }

    /// As [`Database::write`], on a thread that may wait.
    ///
    /// # Errors
    /// As there.
    pub fn write_now<T, E: From<rusqlite::Error>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        in_transaction(&mut unpoisoned(&self.inner.writer), work)
    }

    /// Lends out the connection that writes, for what is no transaction: to fill the file with
    /// another one's content. Nobody else writes meanwhile.
    pub fn with_writer<T>(&self, work: impl FnOnce(&mut Connection) -> T) -> T {
        work(&mut unpoisoned(&self.inner.writer))
    }
}

fn in_transaction<T, E: From<rusqlite::Error>>(
    writer: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    // Dropped without a commit, also by a panic, it is undone.
    let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = work(&tx)?;
    tx.commit()?;
    Ok(result)
}

/// What a panic has left of a transaction is undone by then, so the connection is as good as ever.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn off_the_answering_threads<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

fn writer(path: &Path) -> Result<Connection> {
    make_private(path);
    let conn = Connection::open(path)?;
    conn.busy_timeout(BUSY)?;
    conn.execute_batch(ALWAYS)?;
    conn.execute_batch(WRITER)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// Makes the file, so that it is never readable to others, not for a moment. SQLite tells better
/// what is wrong where this fails; the files beside it get the same permissions from SQLite.
fn make_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
}

fn reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    conn.execute_batch(ALWAYS)?;
    conn.execute_batch("pragma query_only = on")?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::db::events;

    fn temporary() -> (tempfile::TempDir, Database) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("site.db")).unwrap();
        (folder, database)
    }

    fn count(database: &Database) -> i64 {
        let sql = "select count(*) from events";
        database.read_now(|conn| conn.query_row(sql, [], |row| row.get(0))).unwrap()
    }

    fn log(conn: &Connection, action: &str) -> Result<()> {
        events::insert(conn, 1, &events::Event { actor: "ann", action, ..Default::default() })
    }

    #[test]
    fn file_is_its_owners_alone() {
        let (folder, _database) = temporary();
        for name in ["site.db", "site.db-wal", "site.db-shm"] {
            let mode = folder.path().join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn what_fails_or_panics_half_way_is_undone_and_blocks_nobody() {
        let (_folder, database) = temporary();
        let failed: Result<()> = database.write_now(|tx| {
            log(tx, "one")?;
            Err(rusqlite::Error::InvalidQuery)
        });
        assert!(failed.is_err());
        let other = database.clone();
        let panicked = std::thread::spawn(move || {
            other.write_now(|tx| -> Result<()> {
                log(tx, "two")?;
                panic!("on purpose")
            })
        });
        assert!(panicked.join().is_err());
        assert_eq!(count(&database), 0);
        database.write_now(|tx| log(tx, "three")).unwrap();
        assert_eq!(count(&database), 1);
    }

    #[test]
    fn reader_sees_one_state_beside_a_writer_and_cannot_write() {
        let (_folder, database) = temporary();
        database
            .read_now(|conn| -> Result<()> {
                let count = || conn.query_row("select count(*) from events", [], |r| r.get(0));
                let before: i64 = count()?;
                database.write_now(|tx| log(tx, "beside"))?;
                assert_eq!(count()?, before);
                assert!(log(conn, "by a reader").is_err());
                Ok(())
            })
            .unwrap();
        assert_eq!(count(&database), 1);
    }

    #[test]
    fn what_cannot_be_opened_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, "no database at all, but long enough to look at").unwrap();
        let told = Database::open(&path).unwrap_err().to_string();
        assert!(told.contains("text cannot be used"), "{told}");
        assert!(Database::open(&folder.path().join("no/such/folder.db")).is_err());
    }
}
