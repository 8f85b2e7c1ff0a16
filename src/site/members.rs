//! What the pages of the members' site work with, beside what every page has.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::account::throttle::Throttle;
use super::account::ticket::Tickets;
use super::password::Hashing;
use crate::db::settings::Settings;
use crate::db::{self, Database};
use crate::jobs::keep_registered;
use crate::tracker::Tracker;
use crate::tracker::registered::Registered;

/// The members' site. One for the whole program.
#[derive(Debug)]
pub struct Members {
    /// All that is kept.
    pub database: Database,
    /// Who is asked for a second factor.
    pub tickets: Tickets,
    /// How often strangers may try.
    pub throttle: Throttle,
    /// What passwords are looked at with.
    pub hashing: Hashing,
    /// Whoever makes a whole copy of the database has this meanwhile.
    pub copying: Arc<Semaphore>,
    /// Asks for registered torrents alone; see [`Members::registered`].
    tracker: Arc<Tracker>,
    /// As they were last saved.
    settings: ArcSwap<Settings>,
}

impl Members {
    /// The site over a database, with the settings there.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn new(database: Database, tracker: Arc<Tracker>) -> db::Result<Members> {
        let settings = database.read_now(Settings::load)?;
        let settings = ArcSwap::from_pointee(settings);
        let copying = Arc::new(Semaphore::new(1));
        Ok(Members {
            database,
            tickets: Tickets::default(),
            throttle: Throttle::default(),
            hashing: Hashing::default(),
            copying,
            tracker,
            settings,
        })
    }

    /// The settings at the moment.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Changes settings, and has site and tracker obey them from their next answer on: before
    /// anybody else may write, so that what is in memory is what was written last.
    ///
    /// # Errors
    /// What `work` says, or that the database cannot be written; nothing has changed then.
    pub async fn change_settings<T, F>(self: &Arc<Self>, work: F) -> db::Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&db::Transaction<'_>) -> db::Result<T> + Send + 'static,
    {
        let members = self.clone();
        let work = move |tx: &db::Transaction<'_>| {
            let result = work(tx)?;
            Ok::<_, db::Error>((result, Settings::load(tx)?))
        };
        let after = move |(_, settings): &(T, Settings)| members.obey(settings.clone());
        let (result, _) = self.database.write_and(work, after).await?;
        Ok(result)
    }

    fn obey(&self, settings: Settings) {
        if let Some(registered) = self.registered() {
            registered.set_open(settings.is_on(db::settings::OPEN_TRACKER));
        }
        self.settings.store(Arc::new(settings));
    }

    /// Takes up a database that has become another one, as far as it is in memory. For a thread
    /// that may wait, while nobody writes.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn reload_all(&self, conn: &db::Connection) -> db::Result<()> {
        let settings = Settings::load(conn)?;
        if let Some(registered) = self.registered() {
            registered.become_like(&keep_registered::load(conn, false)?);
        }
        self.obey(settings);
        self.tickets.clear();
        Ok(())
    }

    /// The torrents that the tracker answers for. To be changed by `Database::write_and`, once the
    /// database has been: a change that is not kept is none.
    pub fn registered(&self) -> Option<&Registered> {
        self.tracker.admission().registered()
    }
}
