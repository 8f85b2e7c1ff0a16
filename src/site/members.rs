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

    /// Takes up settings that were saved, and has the tracker obey them from its next answer on.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn reload_settings(&self) -> db::Result<()> {
        let settings = self.database.read(Settings::load).await?;
        self.obey(settings);
        Ok(())
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
        Ok(())
    }

    /// The torrents that the tracker answers for. To be changed by `Database::write_and`, once the
    /// database has been: a change that is not kept is none.
    pub fn registered(&self) -> Option<&Registered> {
        self.tracker.admission().registered()
    }
}
