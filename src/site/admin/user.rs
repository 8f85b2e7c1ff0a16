//! One account, as the staff sees it, and a new password for it.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::change::{log, target, user_url};
use super::{Tab, now};
use crate::db::allowlist::{self, Entry};
use crate::db::torrents::Torrent;
use crate::db::torrents::list::{self, Part, Scope, Sort};
use crate::db::users::{self, Role, User};
use crate::db::{self, login_failures, moderation, sessions};
use crate::site::form::Form;
use crate::site::members::Members;
use crate::site::page::{Flash, Viewer, go_told};
use crate::site::permissions::{may_manage, may_set_role};
use crate::site::session::Member;
use crate::site::{Error, Site, numbers, password};

/// Torrents that are shown of an account.
const TORRENTS_SHOWN: u64 = 20;

#[derive(Debug, Template)]
#[template(path = "admin/user.html")]
struct UserPage {
    viewer: Viewer,
    tab: Tab,
    user: User,
    is_locked: bool,
    torrents: Vec<Torrent>,
    total: u64,
    /// For the owner alone.
    sign_ins: Vec<(String, i64)>,
    networks: Vec<Entry>,
}

impl UserPage {
    fn is_owner(&self) -> bool {
        self.viewer.role == Role::Super
    }

    fn may_manage(&self) -> bool {
        self.viewer.user_id != self.user.user_id && may_manage(self.viewer.role, self.user.role)
    }

    /// Roles that the viewer may give to the account.
    fn roles(&self) -> Vec<Role> {
        let may = |role: &Role| {
            *role != self.user.role && may_set_role(self.viewer.role, self.user.role, *role)
        };
        Role::ALL.into_iter().filter(may).collect()
    }

    fn total(&self) -> String {
        numbers::count(self.total)
    }

    fn how_made(&self) -> String {
        let by = self.user.created_by.as_deref();
        match (&*self.user.created_how, by) {
            ("self", _) => "signed up".to_owned(),
            ("invite", Some(by)) => format!("invited by {by}"),
            ("invite", None) => "invited by a member who is gone".to_owned(),
            ("staff", Some(by)) => format!("made by {by}"),
            ("staff", None) => "made by a member of the staff who is gone".to_owned(),
            ("cli", _) => "made at the start of the program".to_owned(),
            _ => "taken over from the earlier tracker".to_owned(),
        }
    }
}

/// A time that may be none.
pub fn moment(at: &Option<i64>) -> String {
    at.map_or("never".to_owned(), crate::site::torrents::minute)
}

/// `GET /manage/admin/user/{username}`.
///
/// # Errors
/// [`Error::NotFound`], or the database cannot be read.
pub async fn show(
    State(site): State<Site>,
    member: Member,
    Path(username): Path<String>,
) -> Result<Html<String>, Error> {
    let viewer = Viewer::from(&member);
    let look = move |conn: &db::Connection| -> Result<UserPage, Error> {
        let user = users::by_name(conn, &username)?.ok_or(Error::NotFound)?;
        let scope = Scope { uploader_id: Some(user.user_id) };
        let part = Part { page: 1, rows: TORRENTS_SHOWN };
        let listed = list::list(conn, scope, Sort::Newest, part)?;
        let (mut sign_ins, mut networks) = (Vec::new(), Vec::new());
        if viewer.role == Role::Super {
            sign_ins = moderation::recent_sign_ins(conn, user.user_id)?;
            networks = allowlist::of(conn, user.user_id)?;
        }
        Ok(UserPage {
            viewer,
            tab: Tab::Users,
            is_locked: login_failures::summary(conn, &user.username, now())?.1,
            user,
            torrents: listed.torrents,
            total: listed.total,
            sign_ins,
            networks,
        })
    };
    let page = site.members()?.database.read(look).await?;
    Ok(Html(page.render()?))
}

#[derive(Debug, Template)]
#[template(path = "admin/set_password.html")]
struct PasswordPage<'a> {
    viewer: Viewer,
    tab: Tab,
    username: &'a str,
    rules: Vec<String>,
    error: Option<&'a str>,
}

fn password_page(
    members: &Members,
    member: &Member,
    username: &str,
    error: Option<&str>,
) -> Result<Response, Error> {
    let rules = password::rules(&members.settings(), "").into_iter().map(|(rule, _)| rule);
    let page = PasswordPage {
        viewer: Viewer::from(member),
        tab: Tab::Users,
        username,
        rules: rules.collect(),
        error,
    };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, Html(page.render()?)).into_response())
}

/// The name of an account whose password is this member's to set.
async fn settable(members: &Members, member: &Member, username: String) -> Result<String, Error> {
    let actor = member.clone();
    let look = move |conn: &db::Connection| -> Result<String, Error> {
        Ok(target(conn, &actor, &username)?.0.username)
    };
    members.database.read(look).await
}

/// `GET /manage/admin/set-password/{username}`.
///
/// # Errors
/// As [`target`] says.
pub async fn password(
    State(site): State<Site>,
    member: Member,
    Path(username): Path<String>,
) -> Result<Response, Error> {
    let members = site.members()?;
    let username = settable(members, &member, username).await?;
    password_page(members, &member, &username, None)
}

/// `POST /manage/admin/set-password`: its sessions end, and wrong passwords are forgotten.
///
/// # Errors
/// As [`target`] says, or the system gives no randomness.
pub async fn set_password(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let members = site.members()?;
    let username = settable(members, &member, form.text("username").to_owned()).await?;
    let typed = form.raw("new_password");
    let check = password::check(&members.settings(), typed);
    let fault = match check {
        Err(fault) => Some(fault),
        Ok(()) if typed != form.raw("confirm_password") => {
            Some("These are two different passwords.".to_owned())
        }
        Ok(()) => None,
    };
    if fault.is_some() {
        return password_page(members, &member, &username, fault.as_deref());
    }
    let password_hash = members.hashing.hash(typed.to_owned()).await.ok_or(Error::Busy)?;
    let (actor, name) = (member.clone(), username.clone());
    let work = move |tx: &db::Transaction<'_>| -> Result<(), Error> {
        let (user, _) = target(tx, &actor, &name)?;
        users::set_password(tx, user.user_id, &password_hash, now())?;
        sessions::end_all(tx, user.user_id, None)?;
        log(tx, &actor, "change_password", &user.username, "")?;
        Ok(())
    };
    members.database.write(work).await?;
    let flash = Flash::success(format!("{username} has a new password and is signed out."));
    Ok(go_told(members, &member, &user_url(&username), flash).await?)
}
