//! What is done to torrents that are registered.

use axum::extract::State;
use axum::response::Response;

use crate::clock;
use crate::db;
use crate::db::events::{self, Event};
use crate::db::settings::PEER_QUERY_ENABLED;
use crate::db::torrents::snapshots::{self, Requested};
use crate::db::torrents::{self, Torrent};
use crate::db::users;
use crate::protocol::ids::InfoHash;
use crate::protocol::metainfo::Identity;
use crate::site::form::Form;
use crate::site::page::{Flash, go_told};
use crate::site::permissions::{may_delete_torrent, may_manage};
use crate::site::session::Member;
use crate::site::{Error, Site};
use crate::tracker::registered::Removal;

/// Why nothing was done, or that the database cannot be used.
enum Failed {
    Refused(Error),
    Database(db::Error),
}

impl From<db::Error> for Failed {
    fn from(error: db::Error) -> Failed {
        Failed::Database(error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Error {
        match failed {
            Failed::Refused(error) => error,
            Failed::Database(error) => error.into(),
        }
    }
}

fn info_hash(form: &Form) -> Result<InfoHash, Error> {
    form.text("info_hash").parse().map_err(|_| Error::BadRequest("The info hash is none."))
}

fn is_own(torrent: &Torrent, user_id: i64) -> bool {
    torrent.uploader.as_ref().is_some_and(|(uploader_id, _)| *uploader_id == user_id)
}

/// `POST /manage/delete-torrent`: takes a torrent out, and tells its clients why from now on.
///
/// # Errors
/// [`Error::NotFound`] or [`Error::Forbidden`], or the database cannot be written.
pub async fn delete(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let members = site.members()?;
    let info_hash = info_hash(&form)?;
    let chosen = form.text("removal").parse().ok().and_then(Removal::from_number);
    let actor = member.clone();
    let work = move |tx: &db::Transaction<'_>| -> Result<(Identity, Removal, String), Failed> {
        let torrent = torrents::find(tx, &info_hash)?.ok_or(Failed::Refused(Error::NotFound))?;
        let is_own = is_own(&torrent, actor.user_id());
        if !may_delete_torrent(actor.role(), is_own) {
            return Err(Failed::Refused(Error::Forbidden));
        }
        let by_staff = chosen.filter(|removal| *removal != Removal::ByUploader);
        let removal =
            if is_own { Removal::ByUploader } else { by_staff.unwrap_or(Removal::ByStaff) };
        let now = clock::unix_secs().cast_signed();
        torrents::delete(tx, &torrent, removal as u8, now)?;
        let event = Event {
            actor_id: Some(actor.user_id()),
            actor: actor.username(),
            action: "delete_torrent",
            target: &info_hash.to_string(),
            detail: &torrent.name,
            ..Event::default()
        };
        events::insert(tx, now, &event)?;
        Ok((torrent.identity, removal, torrent.name))
    };
    let tracker = members.clone();
    let after = move |(identity, removal, _): &(Identity, Removal, String)| {
        if let Some(registered) = tracker.registered() {
            registered.remove(*identity, *removal);
        }
    };
    let (_, _, name) = members.database.write_and(work, after).await?;
    // Its own page is gone.
    let to = Some(form.text("redirect")).filter(|to| !to.starts_with("/manage/torrent"));
    let flash = Flash::success(format!("“{name}” is registered no more."));
    Ok(go_told(members, &member, to.unwrap_or_default(), flash).await?)
}

/// `POST /manage/delete-all-torrents-user`: all torrents of an account, one's own or, for the
/// staff, of somebody they manage.
///
/// # Errors
/// [`Error::NotFound`] or [`Error::Forbidden`], or the database cannot be written.
pub async fn delete_all_of(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let members = site.members()?;
    let actor = member.clone();
    let username = match form.text("username") {
        "" => member.username().to_owned(),
        username => username.to_owned(),
    };
    let work = move |tx: &db::Transaction<'_>| -> Result<(Vec<Identity>, Removal), Failed> {
        let owner = users::by_name(tx, &username)?.ok_or(Failed::Refused(Error::NotFound))?;
        let is_own = owner.user_id == actor.user_id();
        if !is_own && !may_manage(actor.role(), owner.role) {
            return Err(Failed::Refused(Error::Forbidden));
        }
        let removal = if is_own { Removal::ByUploader } else { Removal::ByStaff };
        let now = clock::unix_secs().cast_signed();
        let deleted = torrents::delete_all_of(tx, owner.user_id, removal as u8, now)?;
        let event = Event {
            actor_id: Some(actor.user_id()),
            actor: actor.username(),
            action: "delete_all_torrents_user",
            target: &owner.username,
            detail: &format!("{} torrents", deleted.len()),
            ..Event::default()
        };
        events::insert(tx, now, &event)?;
        Ok((deleted, removal))
    };
    let tracker = members.clone();
    let after = move |(deleted, removal): &(Vec<Identity>, Removal)| {
        let Some(registered) = tracker.registered() else { return };
        for identity in deleted {
            registered.remove(*identity, *removal);
        }
    };
    let (deleted, _) = members.database.write_and(work, after).await?;
    let flash = Flash::success(format!("{} torrents are registered no more.", deleted.len()));
    Ok(go_told(members, &member, form.text("referer"), flash).await?)
}

/// `POST /manage/torrent/update-peers`: has another tracker asked how large a swarm is there.
///
/// # Errors
/// [`Error::NotFound`] when it is not registered or no other tracker is asked, or the database
/// cannot be written.
pub async fn ask_elsewhere(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let members = site.members()?;
    let info_hash = info_hash(&form)?;
    if !members.settings().is_on(PEER_QUERY_ENABLED) {
        return Err(Error::NotFound);
    }
    let work = move |tx: &db::Transaction<'_>| -> Result<Requested, Failed> {
        let torrent = torrents::find(tx, &info_hash)?.ok_or(Failed::Refused(Error::NotFound))?;
        Ok(snapshots::request(tx, torrent.torrent_id, clock::unix_secs().cast_signed())?)
    };
    let flash = match members.database.write(work).await? {
        Requested::Queued => Flash::success("The other tracker is being asked."),
        Requested::TooEarly(_) => Flash::info("It was asked a short while ago."),
        Requested::Busy => Flash::error("Too many torrents wait to be asked for. Try again later."),
    };
    Ok(go_told(members, &member, &format!("/manage/torrent/{info_hash}"), flash).await?)
}
