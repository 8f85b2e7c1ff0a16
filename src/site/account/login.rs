//! Signing in and out.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::second_factor;
use super::verify::{self, Checked};
use crate::clock;
use crate::db::events::{self, Event};
use crate::db::sessions::{self, NewSession};
use crate::db::{self, settings, users};
use crate::site::form::Form;
use crate::site::gate::Caller;
use crate::site::members::Members;
use crate::site::page::{go, local};
use crate::site::session::{COOKIE_NAME, Member, Token, forget};
use crate::site::{Error, Site};

/// Longest name that is written down, in characters.
const NAME_CHARS_MAX: usize = 64;

#[derive(Debug, Template)]
#[template(path = "account/login.html")]
struct LoginPage<'a> {
    csrf: &'a str,
    username: &'a str,
    next: &'a str,
    error: Option<&'a str>,
    is_signup_open: bool,
}

/// Where to, once signed in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    next: String,
}

/// `GET /manage`: the form, or the dashboard for whoever is signed in.
///
/// # Errors
/// When the page cannot be written.
pub async fn show(
    State(site): State<Site>,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Response, Error> {
    if caller.member.is_some() {
        return Ok(go(&asked.next));
    }
    page(site.members()?, &caller, ("", &asked.next), None)
}

fn page(
    members: &Members,
    caller: &Caller,
    (username, next): (&str, &str),
    error: Option<&str>,
) -> Result<Response, Error> {
    let is_signup_open = members.settings().is_on(settings::FREE_SIGNUP);
    let page = LoginPage { csrf: &caller.csrf, username, next, error, is_signup_open };
    Ok(Html(page.render()?).into_response())
}

/// `POST /manage/login`. Whatever is wrong, the answer is the same, and takes as long.
///
/// # Errors
/// When the database cannot be used.
pub async fn submit(
    State(site): State<Site>,
    caller: Caller,
    form: Form,
) -> Result<Response, Error> {
    let members = site.members()?;
    let typed: String = form.text("username").chars().take(NAME_CHARS_MAX).collect();
    let wrong = |error: String, status| {
        page(members, &caller, (&typed, form.text("next")), Some(&error))
            .map(|page| (status, page).into_response())
    };
    let user = match verify::check(members, &typed, form.raw("password"), caller.ip).await? {
        Checked::Right(user) => user,
        Checked::Wrong => {
            let error =
                "Name and password do not belong together, or this account may not be used.";
            return wrong(error.to_owned(), StatusCode::OK);
        }
        Checked::Wait(secs) => {
            let error = format!(
                "Too many wrong passwords. The next one is looked at in {} minutes.",
                secs.div_ceil(60)
            );
            return wrong(error, StatusCode::TOO_MANY_REQUESTS);
        }
    };
    let next = local(form.text("next"));
    if user.has_totp {
        let now = clock::unix_secs().cast_signed();
        let ticket = members.tickets.give(user.user_id, &user.username, now).ok_or(Error::Busy)?;
        return code_page(&caller, ticket.text(), next, None);
    }
    sign_in(members, &caller, (user.user_id, user.username), next).await
}

#[derive(Debug, Template)]
#[template(path = "account/code.html")]
struct CodePage<'a> {
    csrf: &'a str,
    ticket: &'a str,
    next: &'a str,
    error: Option<&'a str>,
}

fn code_page(
    caller: &Caller,
    ticket: &str,
    next: &str,
    error: Option<&str>,
) -> Result<Response, Error> {
    let page = CodePage { csrf: &caller.csrf, ticket, next, error };
    Ok(Html(page.render()?).into_response())
}

/// `POST /manage/login/code`: the second factor, for whoever holds a ticket.
///
/// # Errors
/// When the database cannot be used.
pub async fn submit_code(
    State(site): State<Site>,
    caller: Caller,
    form: Form,
) -> Result<Response, Error> {
    let members = site.members()?;
    let now = clock::unix_secs().cast_signed();
    let next = local(form.text("next"));
    let ticket = Token::from_text(form.text("ticket"));
    let whose = ticket.as_ref().and_then(|ticket| members.tickets.look(ticket, now));
    let Some((ticket, (user_id, username))) = ticket.zip(whose) else {
        let error = "That took too long, or too many codes were wrong. Begin again.";
        return page(members, &caller, ("", next), Some(error));
    };
    let (code, name, ip) = (form.text("code").to_owned(), username.clone(), caller.ip.to_string());
    let from = caller.ip;
    let work = move |tx: &db::Transaction<'_>| -> db::Result<Result<bool, u64>> {
        if let Some(secs) = verify::count(tx, &name, from, now)? {
            return Ok(Err(secs));
        }
        let is_usable = users::find(tx, user_id)?.is_some_and(|user| !user.is_disabled);
        let is_right = is_usable && second_factor::accept(tx, user_id, &code, now)?;
        if is_right {
            verify::forgive(tx, &name, from)?;
        } else {
            let event = Event {
                actor_id: Some(user_id),
                actor: &name,
                action: "login_failed",
                detail: "second factor",
                ip: &ip,
                ..Event::default()
            };
            events::insert(tx, now, &event)?;
        }
        Ok(Ok(is_right))
    };
    match members.database.write(work).await? {
        Ok(true) => {}
        Ok(false) => {
            let error = "This code is wrong, or was used before.";
            return code_page(&caller, ticket.text(), next, Some(error));
        }
        Err(secs) => return Err(Error::TooMany(secs)),
    }
    members.tickets.take(&ticket);
    sign_in(members, &caller, (user_id, username), next).await
}

/// Begins a session for an account, whose id and name these are, and leads to a page. A session
/// that was open in this browser ends: its token is worth nothing from now on.
///
/// # Errors
/// When the database cannot be written, or the system gives no randomness.
pub async fn sign_in(
    members: &Members,
    caller: &Caller,
    (user_id, username): (i64, String),
    to: &str,
) -> Result<Response, Error> {
    let token = Token::random().ok_or(Error::Busy)?;
    let token_hash = token.hash();
    let before = caller.member.as_ref().map(|member| (member.session.session_id, member.user_id()));
    let (from, user_agent) = (caller.ip, caller.user_agent.clone());
    let ip = from.to_string();
    let begin = move |tx: &db::Transaction<'_>| -> db::Result<()> {
        let now = clock::unix_secs().cast_signed();
        if let Some((session_id, user_id)) = before {
            sessions::end(tx, session_id, user_id)?;
        }
        let new = NewSession { user_id, token_hash, ip: &ip, user_agent: &user_agent, now };
        sessions::insert(tx, &new)?;
        users::signed_in(tx, user_id, from, now)?;
        let event = Event {
            actor_id: Some(user_id),
            actor: &username,
            action: "login",
            ip: &ip,
            ..Event::default()
        };
        events::insert(tx, now, &event)
    };
    members.database.write(begin).await?;
    let mut response = go(to);
    response.headers_mut().append(SET_COOKIE, token.set(COOKIE_NAME));
    Ok(response)
}

/// `POST /manage/logout`.
///
/// # Errors
/// When the database cannot be written.
pub async fn leave(State(site): State<Site>, member: Member) -> Result<Response, Error> {
    let end = move |tx: &db::Transaction<'_>| -> db::Result<()> {
        let event = Event {
            actor_id: Some(member.user_id()),
            actor: member.username(),
            action: "logout",
            ..Event::default()
        };
        sessions::end(tx, member.session.session_id, member.user_id())?;
        events::insert(tx, clock::unix_secs().cast_signed(), &event)
    };
    site.members()?.database.write(end).await?;
    let mut response = go("/manage");
    response.headers_mut().append(SET_COOKIE, forget());
    Ok(response)
}
