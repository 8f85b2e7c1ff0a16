//! Another password for oneself.

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};

use super::verify::password_is_right;
use crate::clock;
use crate::db::events::{self, Event};
use crate::db::{self, sessions, users};
use crate::site::form::Form;
use crate::site::members::Members;
use crate::site::page::{Flash, Viewer, go_told};
use crate::site::session::Member;
use crate::site::{Error, Site, password};

#[derive(Debug, Template)]
#[template(path = "account/password.html")]
struct PasswordPage {
    viewer: Viewer,
    rules: Vec<String>,
    current_error: Option<&'static str>,
    new_error: Option<String>,
    again_error: Option<&'static str>,
}

fn page(
    members: &Members,
    member: &Member,
    (current_error, new_error, again_error): (
        Option<&'static str>,
        Option<String>,
        Option<&'static str>,
    ),
) -> Result<Response, Error> {
    let rules =
        password::rules(&members.settings(), "").into_iter().map(|(rule, _)| rule).collect();
    let viewer = Viewer::from(member);
    let page = PasswordPage { viewer, rules, current_error, new_error, again_error };
    Ok(Html(page.render()?).into_response())
}

/// `GET /manage/password`.
///
/// # Errors
/// When the page cannot be written.
pub async fn show(State(site): State<Site>, member: Member) -> Result<Response, Error> {
    page(site.members()?, &member, (None, None, None))
}

/// `POST /manage/password`. This session goes on, all others end.
///
/// # Errors
/// [`Error::TooMany`] after too many wrong present ones, or the database cannot be used.
pub async fn submit(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let members = site.members()?;
    let new = form.raw("new_password");
    let is_same = new == form.raw("confirm_password");
    let again_error = (!is_same).then_some("This is not the same as above.");
    let new_error = password::check(&members.settings(), new).err();
    if new_error.is_some() || !is_same {
        return page(members, &member, (None, new_error, again_error));
    }
    if !password_is_right(members, &member, form.raw("current_password")).await? {
        return page(members, &member, (Some("This is not your present password."), None, None));
    }
    let hash = members.hashing.hash(new.to_owned()).await.ok_or(Error::Busy)?;
    let (user_id, session_id) = (member.user_id(), member.session.session_id);
    let username = member.username().to_owned();
    let work = move |tx: &db::Transaction<'_>| -> db::Result<usize> {
        let now = clock::unix_secs().cast_signed();
        users::set_password(tx, user_id, &hash, now)?;
        let event = Event {
            actor_id: Some(user_id),
            actor: &username,
            action: "change_password",
            target: &username,
            ..Event::default()
        };
        events::insert(tx, now, &event)?;
        sessions::end_all(tx, user_id, Some(session_id))
    };
    let ended = members.database.write(work).await?;
    let flash = Flash::success(format!(
        "Your password is another one now. Sessions elsewhere that have ended: {ended}."
    ));
    Ok(go_told(members, &member, "/manage/profile", flash).await?)
}
