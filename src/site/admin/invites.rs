//! Invitations, everybody's.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{Html, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::change::log;
use super::{Tab, now};
use crate::db;
use crate::db::invites::{self, Invite};
use crate::db::settings::INVITE_EXPIRY_DAYS;
use crate::site::form::Form;
use crate::site::page::{Flash, Viewer, go_told};
use crate::site::session::Member;
use crate::site::torrents::pager::Pager;
use crate::site::{Error, Site, numbers};

/// Invitations on a page.
const ROWS: u64 = 50;
/// Bytes of a code, which has 43 signs then.
const CODE_BYTES: usize = 32;

/// What a URL asks of the invitations.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    page: String,
}

#[derive(Debug, Template)]
#[template(path = "admin/invites.html")]
struct InvitesPage {
    viewer: Viewer,
    tab: Tab,
    now: i64,
    invites: Vec<Invite>,
    total: u64,
    page: u64,
}

impl InvitesPage {
    fn total(&self) -> String {
        numbers::count(self.total)
    }

    fn pager(&self) -> Pager {
        Pager::new(Tab::Invites.path(), &[], (self.page, pages(self.total)))
    }

    /// Whether the viewer made it: to others a code is not told, since whoever has it may use it.
    fn is_own(&self, invite: &Invite) -> bool {
        let creator = invite.created_by.as_ref().map(|(user_id, _)| *user_id);
        creator == Some(self.viewer.user_id)
    }
}

fn pages(total: u64) -> u64 {
    total.div_ceil(ROWS).max(1)
}

/// The start of a code, by which it is told from others and of no use.
fn start(code: &str) -> String {
    format!("{}…", code.chars().take(12).collect::<String>())
}

/// `GET /manage/admin/invites`.
///
/// # Errors
/// When the database cannot be read.
pub async fn show(
    State(site): State<Site>,
    member: Member,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Error> {
    let wanted: u64 = asked.page.trim().parse().unwrap_or(1);
    let look = move |conn: &db::Connection| -> db::Result<_> {
        let total = invites::count(conn, None)?;
        let page = wanted.clamp(1, pages(total));
        Ok((invites::list(conn, None, (page - 1) * ROWS, ROWS)?, total, page))
    };
    let (invites, total, page) = site.members()?.database.read(look).await?;
    let viewer = Viewer::from(&member);
    let page = InvitesPage { viewer, tab: Tab::Invites, now: now(), invites, total, page };
    Ok(Html(page.render()?))
}

/// `POST /manage/admin/generate-invite`.
///
/// # Errors
/// When the database cannot be written, or the system gives no randomness.
pub async fn generate(State(site): State<Site>, member: Member) -> Result<Response, Error> {
    let members = site.members()?;
    let mut bytes = [0; CODE_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| Error::Busy)?;
    let code = URL_SAFE_NO_PAD.encode(bytes);
    let days = members.settings().number(INVITE_EXPIRY_DAYS);
    let actor = member.clone();
    let flash = format!("The invitation is /manage/invite/{code} on this site.");
    let work = move |tx: &db::Transaction<'_>| -> db::Result<()> {
        let expires_at = (days > 0).then(|| now() + days * 86_400);
        invites::insert(tx, &code, actor.user_id(), now(), expires_at)?;
        log(tx, &actor, "create_invite", &start(&code), "")
    };
    members.database.write(work).await?;
    Ok(go_told(members, &member, Tab::Invites.path(), Flash::success(flash)).await?)
}

/// `POST /manage/admin/delete-invite`: one that nobody has used.
///
/// # Errors
/// When the database cannot be written.
pub async fn delete(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let members = site.members()?;
    let invite_id = form.number("invite_id")?;
    let actor = member.clone();
    let work = move |tx: &db::Transaction<'_>| -> db::Result<bool> {
        let Some(code) = invites::delete(tx, invite_id)? else { return Ok(false) };
        log(tx, &actor, "delete_invite", &start(&code), "")?;
        Ok(true)
    };
    let flash = if members.database.write(work).await? {
        Flash::success("Nobody comes by this invitation any more.")
    } else {
        Flash::info("It was used or deleted already.")
    };
    Ok(go_told(members, &member, Tab::Invites.path(), flash).await?)
}
