//! What is done to accounts. Each action looks anew, in the transaction that does it, whether
//! whoever asks may still do it.

use axum::extract::State;
use axum::response::Response;

use super::now;
use super::users::role;
use crate::db::events::{self, Event};
use crate::db::users::{self, Role, User};
use crate::db::{self, login_failures, moderation, sessions};
use crate::site::account::verify::password_is_right;
use crate::site::form::Form;
use crate::site::page::{Flash, go_told};
use crate::site::permissions::{may_manage, may_set_role};
use crate::site::session::Member;
use crate::site::{Error, Site};

/// The page of an account, for the staff.
pub fn user_url(username: &str) -> String {
    format!("/manage/admin/user/{username}")
}

/// Writes down what somebody did.
///
/// # Errors
/// When the database cannot be written.
pub fn log(
    conn: &db::Connection,
    actor: &Member,
    action: &str,
    target: &str,
    detail: &str,
) -> db::Result<()> {
    let event = Event {
        actor_id: Some(actor.user_id()),
        actor: actor.username(),
        action,
        target,
        detail,
        ..Event::default()
    };
    events::insert(conn, now(), &event)
}

/// The account of a name, and what whoever asks may do at this moment.
///
/// # Errors
/// [`Error::NotFound`] where there is none, [`Error::Forbidden`] where it is not theirs to change:
/// nobody changes their own account here, nor one that is not below theirs.
pub fn target(
    conn: &db::Connection,
    actor: &Member,
    username: &str,
) -> Result<(User, Role), Error> {
    let user = users::by_name(conn, username)?.ok_or(Error::NotFound)?;
    let actor = users::find(conn, actor.user_id())?.filter(|actor| !actor.is_disabled);
    let actor = actor.ok_or(Error::Forbidden)?;
    if actor.user_id == user.user_id || !may_manage(actor.role, user.role) {
        return Err(Error::Forbidden);
    }
    Ok((user, actor.role))
}

/// Does something to the account that a form names, and goes back to where it came from.
async fn change<F>(site: &Site, member: Member, form: &Form, work: F) -> Result<Response, Error>
where
    F: FnOnce(&db::Transaction<'_>, &Member, &User, Role) -> Result<Flash, Error> + Send + 'static,
{
    let members = site.members()?;
    let (actor, username) = (member.clone(), form.text("username").to_owned());
    let work = move |tx: &db::Transaction<'_>| -> Result<(Flash, String), Error> {
        let (user, role) = target(tx, &actor, &username)?;
        Ok((work(tx, &actor, &user, role)?, user_url(&user.username)))
    };
    let (flash, url) = members.database.write(work).await?;
    let back = form.text("back");
    let to = if back.starts_with("/manage/admin/users") { back } else { &url };
    Ok(go_told(members, &member, to, flash).await?)
}

/// `POST /manage/admin/unlock`: wrong passwords are forgotten.
///
/// # Errors
/// As [`target`] says.
pub async fn unlock(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let work = |tx: &db::Transaction<'_>, actor: &Member, user: &User, _| {
        if !login_failures::clear(tx, &user.username, None)? {
            return Ok(Flash::info(format!("{} was not locked.", user.username)));
        }
        log(tx, actor, "unlock_user", &user.username, "")?;
        Ok(Flash::success(format!("{} may sign in again.", user.username)))
    };
    change(&site, member, &form, work).await
}

/// `POST /manage/admin/disable-user`: it is signed out everywhere, at once.
///
/// # Errors
/// As [`target`] says.
pub async fn disable(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let work = |tx: &db::Transaction<'_>, actor: &Member, user: &User, _| {
        if !moderation::set_disabled(tx, user.user_id, true)? {
            return Ok(Flash::info(format!("{} is disabled already.", user.username)));
        }
        sessions::end_all(tx, user.user_id, None)?;
        log(tx, actor, "disable_user", &user.username, "")?;
        Ok(Flash::success(format!("{} is disabled and signed out.", user.username)))
    };
    change(&site, member, &form, work).await
}

/// `POST /manage/admin/enable-user`.
///
/// # Errors
/// As [`target`] says.
pub async fn enable(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let work = |tx: &db::Transaction<'_>, actor: &Member, user: &User, _| {
        if !moderation::set_disabled(tx, user.user_id, false)? {
            return Ok(Flash::info(format!("{} is not disabled.", user.username)));
        }
        log(tx, actor, "enable_user", &user.username, "")?;
        Ok(Flash::success(format!("{} may sign in again.", user.username)))
    };
    change(&site, member, &form, work).await
}

/// `POST /manage/admin/set-role`: to the role that is named, whatever it is now. Its sessions end,
/// so that none from before has the new role. To make somebody staff takes the owner's password.
///
/// # Errors
/// As [`target`] says; [`Error::Forbidden`] also for a role that is not theirs to give.
pub async fn set_role(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let role = role(form.text("role")).ok_or(Error::BadRequest("There is no such role."))?;
    if role == Role::Admin && member.role() == Role::Super {
        let members = site.members()?;
        if !password_is_right(members, &member, form.raw("password")).await? {
            let flash = Flash::error("Nothing has changed: this is not your password.");
            let to = user_url(form.text("username"));
            return Ok(go_told(members, &member, &to, flash).await?);
        }
    }
    let work = move |tx: &db::Transaction<'_>, actor: &Member, user: &User, actors: Role| {
        if !may_set_role(actors, user.role, role) {
            return Err(Error::Forbidden);
        }
        if user.role == role {
            return Ok(Flash::info(format!("{} is {role} already.", user.username)));
        }
        moderation::set_role(tx, user.user_id, role)?;
        sessions::end_all(tx, user.user_id, None)?;
        let is_admins = role == Role::Admin || user.role == Role::Admin;
        let action = if is_admins { "set_admin" } else { "set_standard" };
        log(tx, actor, action, &user.username, &format!("{} to {role}", user.role))?;
        Ok(Flash::success(format!("{} is {role} now, and signs in anew.", user.username)))
    };
    change(&site, member, &form, work).await
}

/// `POST /manage/admin/delete-user`: its torrents stay, of nobody.
///
/// # Errors
/// As [`target`] says.
pub async fn delete(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let members = site.members()?;
    let (actor, username) = (member.clone(), form.text("username").to_owned());
    let work = move |tx: &db::Transaction<'_>| -> Result<String, Error> {
        let (user, _) = target(tx, &actor, &username)?;
        moderation::delete(tx, user.user_id)?;
        log(tx, &actor, "delete_user", &user.username, "")?;
        Ok(user.username)
    };
    let username = members.database.write(work).await?;
    let back = form.text("back");
    let to = if back.starts_with("/manage/admin/users") { back } else { "/manage/admin/users" };
    let flash = Flash::success(format!("{username} is gone. Its torrents stay."));
    Ok(go_told(members, &member, to, flash).await?)
}
