//! The members' site: its database, its owner, and the tracker that obeys it.

use std::sync::Arc;

use super::StartError;
use super::owner;
use crate::config::{self, Config};
use crate::db::settings::{self, Settings};
use crate::db::{self, Database, copies};
use crate::jobs;
use crate::site::members::Members;
use crate::tracker::Tracker;

/// The database of the members' site, with an owner.
pub fn open(config: &config::Members) -> Result<Database, StartError> {
    let database =
        Database::open(&config.db).map_err(|error| StartError::Database(error.to_string()))?;
    match copies::clear_leftovers(&config.db) {
        Ok(0) => {}
        Ok(number) => tracing::info!("{number} files of a copy that broke off are taken away"),
        Err(error) => tracing::warn!(%error, "what is left of copies cannot be looked for"),
    }
    owner::ensure(&database, config).map_err(StartError::Owner)?;
    tracing::info!("members' site: database {}", config.db.display());
    Ok(database)
}

/// The tracker, for registered torrents alone where there is a members' site.
pub fn registering(tracker: Tracker, database: Option<&Database>) -> Result<Tracker, StartError> {
    let Some(database) = database else { return Ok(tracker) };
    let load = |conn: &db::Connection| {
        let is_open = Settings::load(conn)?.is_on(settings::OPEN_TRACKER);
        jobs::keep_registered::load(conn, is_open)
    };
    let registered = database.read_now(load).map_err(|error| unread(database, &error))?;
    Ok(tracker.registering(registered))
}

/// Has magnet links name this tracker, where they name none yet.
pub fn seed_trackers(
    database: &Database,
    config: &Config,
    ports: &[(&str, u16)],
) -> Result<(), StartError> {
    let host = config.web.public_host.as_deref().unwrap_or("localhost");
    let url = |(scheme, port): &(&str, u16)| format!("{scheme}://{host}:{port}/announce");
    let urls: Vec<_> = ports.iter().map(url).collect();
    let seed = |tx: &db::Transaction<'_>| db::magnet_trackers::seed(tx, &urls);
    database.write_now(seed).map_err(|error| unread(database, &error))
}

/// The site over its database.
pub fn site(database: Database, tracker: &Arc<Tracker>) -> Result<Arc<Members>, StartError> {
    let failed = database.clone();
    let members = Members::new(database, tracker.clone());
    members.map(Arc::new).map_err(|error| unread(&failed, &error))
}

fn unread(database: &Database, error: &db::Error) -> StartError {
    let path = database.path().display();
    StartError::Database(format!("the database {path} cannot be read: {error}"))
}
