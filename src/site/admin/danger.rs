//! What cannot be undone: each with words to type, the password, and a copy of the database that is
//! kept before.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::change::log;
use super::{Tab, now, stamp};
use crate::db::{self, copies, moderation};
use crate::site::account::verify::password_is_right;
use crate::site::form::Form;
use crate::site::page::{Flash, Viewer, go_told};
use crate::site::session::Member;
use crate::site::{Error, Site};
use crate::tracker::registered::Removal;

/// Something that cannot be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// All accounts but the owner's.
    Users,
    /// All torrents.
    Torrents,
    /// Everything but the owner, the settings and the events.
    Wipe,
}

impl Operation {
    /// All of them, as they are shown.
    pub const ALL: [Operation; 3] = [Operation::Users, Operation::Torrents, Operation::Wipe];

    /// Where its form goes.
    pub const fn path(self) -> &'static str {
        match self {
            Operation::Users => "/manage/admin/delete-all-users",
            Operation::Torrents => "/manage/admin/delete-all-torrents",
            Operation::Wipe => "/manage/admin/system-wipe",
        }
    }

    /// What is to be typed.
    pub const fn token(self) -> &'static str {
        match self {
            Operation::Users => "DELETE USERS",
            Operation::Torrents => "DELETE TORRENTS",
            Operation::Wipe => "SYSTEMWIPE",
        }
    }

    /// What it is called.
    pub const fn title(self) -> &'static str {
        match self {
            Operation::Users => "Delete all users",
            Operation::Torrents => "Delete all torrents",
            Operation::Wipe => "Wipe the system",
        }
    }

    /// What it does.
    pub const fn explanation(self) -> &'static str {
        match self {
            Operation::Users => {
                "Every account but yours goes, with its sessions and invitations. The torrents \
                 stay; those of others belong to nobody."
            }
            Operation::Torrents => {
                "Every torrent goes, and clients are refused from now on. The accounts stay."
            }
            Operation::Wipe => {
                "Accounts, torrents, invitations, networks and sign-ins go. Your account, this \
                 session, the settings, the trackers of magnet links and the events stay."
            }
        }
    }

    const fn action(self) -> &'static str {
        match self {
            Operation::Users => "delete_all_users",
            Operation::Torrents => "delete_all_torrents",
            Operation::Wipe => "SYSTEM_WIPE",
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Operation::Users => "before-deleting-users",
            Operation::Torrents => "before-deleting-torrents",
            Operation::Wipe => "before-wipe",
        }
    }

    /// Does it; tells how many are gone.
    fn run(self, tx: &db::Transaction<'_>, session_id: i64) -> db::Result<usize> {
        match self {
            Operation::Users => moderation::delete_all(tx),
            Operation::Torrents => {
                moderation::delete_all_torrents(tx, Removal::ByStaff as u8, now())
            }
            Operation::Wipe => moderation::wipe(tx, session_id).map(|()| 0),
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "admin/danger.html")]
struct DangerPage {
    viewer: Viewer,
    tab: Tab,
    /// What was wrong with the form of an operation.
    refused: Option<(Operation, &'static str)>,
}

impl DangerPage {
    fn error(&self, operation: Operation) -> Option<&'static str> {
        self.refused.filter(|(refused, _)| *refused == operation).map(|(_, error)| error)
    }
}

/// `GET /manage/admin/danger`.
///
/// # Errors
/// When the page cannot be written.
pub async fn show(member: Member) -> Result<Response, Error> {
    page(&member, None)
}

fn page(member: &Member, refused: Option<(Operation, &'static str)>) -> Result<Response, Error> {
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = DangerPage { viewer: Viewer::from(member), tab: Tab::Danger, refused };
    Ok((status, Html(page.render()?)).into_response())
}

/// `POST /manage/admin/delete-all-users`.
///
/// # Errors
/// As [`run`] says.
pub async fn users(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    run(&site, member, &form, Operation::Users).await
}

/// `POST /manage/admin/delete-all-torrents`.
///
/// # Errors
/// As [`run`] says.
pub async fn torrents(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    run(&site, member, &form, Operation::Torrents).await
}

/// `POST /manage/admin/system-wipe`.
///
/// # Errors
/// As [`run`] says.
pub async fn wipe(State(site): State<Site>, member: Member, form: Form) -> Result<Response, Error> {
    run(&site, member, &form, Operation::Wipe).await
}

/// Does it, once the words and the password are right.
///
/// # Errors
/// [`Error::TooMany`] after too many wrong passwords, or the database cannot be used.
async fn run(
    site: &Site,
    member: Member,
    form: &Form,
    operation: Operation,
) -> Result<Response, Error> {
    let members = site.members()?;
    if form.text("confirm_token") != operation.token() {
        return page(&member, Some((operation, "Type the words exactly as they stand above.")));
    }
    if !password_is_right(members, &member, form.raw("password")).await? {
        return page(&member, Some((operation, "This is not your password.")));
    }
    let (whole, actor) = (members.clone(), member.clone());
    let work = move || {
        let what = format!("{}-{}", operation.file(), stamp(now()));
        let work = |tx: &db::Transaction<'_>| -> db::Result<usize> {
            let gone = operation.run(tx, actor.session.session_id)?;
            log(tx, &actor, operation.action(), "ALL", &format!("{gone}"))?;
            Ok(gone)
        };
        let after = |conn: &db::Connection| {
            if let Err(error) = whole.reload_all(conn) {
                tracing::error!(%error, "what is gone is not obeyed until the next start");
            }
        };
        copies::write_after_copy(&whole.database, &what, work, after)
    };
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| Error::Busy)?;
    let flash = match done {
        Ok((_, kept)) => Flash::success(format!(
            "{}: done. The database as it was before is {}.",
            operation.title(),
            kept.display()
        )),
        Err(failed) => {
            tracing::error!(cause = %failed, "nothing was deleted");
            Flash::error(format!("Nothing has changed: {failed}."))
        }
    };
    Ok(go_told(members, &member, Tab::Danger.path(), flash).await?)
}
