//! A new account: for anybody where the owner wants that, or by an invitation.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::login::sign_in;
use super::throttle::SIGN_UPS;
use crate::clock;
use crate::db;
use crate::db::events::{self, Event};
use crate::db::invites::{self, Invite};
use crate::db::names::check_name;
use crate::db::settings::FREE_SIGNUP;
use crate::db::users::{self, NewUser, Role};
use crate::site::form::Form;
use crate::site::gate::Caller;
use crate::site::members::Members;
use crate::site::{Error, Site, password};

/// The form, with what is wrong with it.
#[derive(Debug, Default, Template)]
#[template(path = "account/signup.html")]
struct SignupPage {
    csrf: String,
    action: String,
    inviter: Option<String>,
    username: String,
    rules: Vec<String>,
    name_error: Option<String>,
    password_error: Option<String>,
    again_error: Option<&'static str>,
}

#[derive(Debug, Template)]
#[template(path = "account/invite.html")]
struct NoInvitePage;

/// `GET /manage/signup`.
///
/// # Errors
/// [`Error::NotFound`] unless anybody may sign up.
pub async fn show(State(site): State<Site>, caller: Caller) -> Result<Response, Error> {
    let members = open(&site)?;
    page(members, &caller, SignupPage { action: "/manage/signup".into(), ..SignupPage::default() })
}

fn open(site: &Site) -> Result<&Members, Error> {
    let members = site.members()?;
    members.settings().is_on(FREE_SIGNUP).then_some(&**members).ok_or(Error::NotFound)
}

fn page(members: &Members, caller: &Caller, page: SignupPage) -> Result<Response, Error> {
    let rules = password::rules(&members.settings(), "").into_iter().map(|(rule, _)| rule);
    let page = SignupPage { csrf: caller.csrf.clone(), rules: rules.collect(), ..page };
    Ok(Html(page.render()?).into_response())
}

/// `POST /manage/signup`.
///
/// # Errors
/// As [`show`], [`Error::TooMany`], or the database cannot be used.
pub async fn submit(
    State(site): State<Site>,
    caller: Caller,
    form: Form,
) -> Result<Response, Error> {
    let members = open(&site)?;
    let blank = SignupPage { action: "/manage/signup".into(), ..SignupPage::default() };
    join(members, &caller, &form, None, blank).await
}

/// `GET /manage/invite/{code}`.
///
/// # Errors
/// When the database cannot be read.
pub async fn show_invited(
    State(site): State<Site>,
    caller: Caller,
    Path(code): Path<String>,
) -> Result<Response, Error> {
    let members = site.members()?;
    match invite(members, &code).await? {
        Some(invite) => page(members, &caller, invited(&invite)),
        None => no_invite(),
    }
}

/// `POST /manage/invite/{code}`.
///
/// # Errors
/// [`Error::TooMany`], or the database cannot be used.
pub async fn submit_invited(
    State(site): State<Site>,
    caller: Caller,
    Path(code): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    let members = site.members()?;
    match invite(members, &code).await? {
        Some(invite) => {
            let blank = invited(&invite);
            join(members, &caller, &form, Some(invite), blank).await
        }
        None => no_invite(),
    }
}

async fn invite(members: &Members, code: &str) -> Result<Option<Invite>, Error> {
    let code = code.to_owned();
    let find = move |conn: &db::Connection| invites::find(conn, &code);
    let now = clock::unix_secs().cast_signed();
    Ok(members.database.read(find).await?.filter(|invite| invite.is_open(now)))
}

fn invited(invite: &Invite) -> SignupPage {
    let inviter = invite.created_by.as_ref().map_or("a member", |(_, name)| name);
    SignupPage {
        action: format!("/manage/invite/{}", invite.code),
        inviter: Some(inviter.to_owned()),
        ..SignupPage::default()
    }
}

fn no_invite() -> Result<Response, Error> {
    Ok((StatusCode::NOT_FOUND, Html(NoInvitePage.render()?)).into_response())
}

/// Why there is no account.
enum Failed {
    NameTaken,
    InviteGone,
    Database(db::Error),
}

impl From<db::Error> for Failed {
    fn from(error: db::Error) -> Failed {
        Failed::Database(error)
    }
}

/// Makes the account and signs it in, or shows the form again with all that is wrong with it.
async fn join(
    members: &Members,
    caller: &Caller,
    form: &Form,
    invite: Option<Invite>,
    blank: SignupPage,
) -> Result<Response, Error> {
    let now = clock::unix_secs().cast_signed();
    let (username, typed) = (form.text("username").to_owned(), form.raw("password"));
    let is_same = typed == form.raw("confirm_password");
    let filled = SignupPage {
        username: username.clone(),
        name_error: check_name(&username).err(),
        password_error: password::check(&members.settings(), typed).err(),
        again_error: (!is_same).then_some("This is not the same as above."),
        ..blank
    };
    if filled.name_error.is_some() || filled.password_error.is_some() || !is_same {
        return page(members, caller, filled);
    }
    let key = format!("sign-up {}", users::network(caller.ip));
    members.throttle.try_once(key, SIGN_UPS, now).map_err(Error::TooMany)?;
    let hash = members.hashing.hash(typed.to_owned()).await.ok_or(Error::Busy)?;
    let (name, ip) = (username.clone(), caller.ip.to_string());
    let work = move |tx: &db::Transaction<'_>| insert(tx, &name, &hash, invite.as_ref(), &ip);
    match members.database.write(work).await {
        Ok(user_id) => sign_in(members, caller, (user_id, username), "/manage/dashboard").await,
        Err(Failed::NameTaken) => {
            let taken = Some(format!("The name {username} is taken."));
            page(members, caller, SignupPage { name_error: taken, ..filled })
        }
        Err(Failed::InviteGone) => no_invite(),
        Err(Failed::Database(error)) => Err(error.into()),
    }
}

fn insert(
    tx: &db::Transaction<'_>,
    username: &str,
    password_hash: &str,
    invite: Option<&Invite>,
    ip: &str,
) -> Result<i64, Failed> {
    let now = clock::unix_secs().cast_signed();
    let inviter = invite.and_then(|invite| invite.created_by.as_ref());
    let new = NewUser {
        username,
        password_hash,
        role: Role::Basic,
        created_how: if invite.is_some() { "invite" } else { "self" },
        created_by: inviter.map(|(user_id, _)| *user_id),
        now,
    };
    let user_id = users::insert(tx, &new)?.ok_or(Failed::NameTaken)?;
    if let Some(invite) = invite
        && !invites::consume(tx, invite.invite_id, user_id, now)?
    {
        return Err(Failed::InviteGone);
    }
    let actor = match (invite, inviter) {
        (None, _) => "self".to_owned(),
        (Some(_), inviter) => format!("invite:{}", inviter.map_or("", |(_, name)| name)),
    };
    let event = Event {
        actor_id: Some(user_id),
        actor: &actor,
        action: "create_user",
        target: username,
        ip,
        ..Event::default()
    };
    events::insert(tx, now, &event)?;
    Ok(user_id)
}
