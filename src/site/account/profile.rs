//! One's own page, with what one has chosen and where one is signed in; and what others see.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{Html, Response};

use crate::clock;
use crate::db::invites::{self, Invite};
use crate::db::sessions::{self, Open};
use crate::db::torrents::list::{self, Listed, Scope};
use crate::db::users::{self, Choices, User};
use crate::db::{self, login_failures, magnet_trackers, settings};
use crate::site::form::Form;
use crate::site::page::{Flash, Viewer, go_told};
use crate::site::session::Member;
use crate::site::torrents::list::{Asked, Row};
use crate::site::torrents::pager::Pager;
use crate::site::torrents::{browse, minute};
use crate::site::{Error, Site, numbers};

/// Seconds since somebody was last seen, within which they are here, and within which they were.
const ONLINE_SECS: i64 = 300;
const RECENT_SECS: i64 = 1_800;
/// Invitations that one's own page shows.
const INVITES_SHOWN: u64 = 50;

#[derive(Debug, Template)]
#[template(path = "account/profile.html")]
struct ProfilePage {
    viewer: Viewer,
    user: User,
    torrents: u64,
    failures: i64,
    sessions: Vec<Open>,
    session_id: i64,
    invites: Vec<Invite>,
    now: i64,
}

impl ProfilePage {
    /// What is known of the account: name and value.
    fn facts(&self) -> Vec<(&'static str, String)> {
        let time = |at: Option<i64>| at.map_or("never".to_owned(), |at| minute(at) + " UTC");
        vec![
            ("Member since", time(Some(self.user.created_at))),
            ("Came", origin(&self.user)),
            ("Last signed in", time(self.user.last_login_at)),
            ("Sign-ins", numbers::count(self.user.login_count.unsigned_abs())),
            ("Password changed", time(self.user.password_changed_at)),
            ("Wrong passwords", numbers::count(self.failures.unsigned_abs())),
            ("Torrents", numbers::count(self.torrents)),
        ]
    }

    /// What can be chosen: field, whether it is, what it means.
    fn choices(&self) -> [(&'static str, bool, &'static str); 2] {
        let user = &self.user;
        [
            ("show_online", user.show_online, "Others see when I am here"),
            (
                "link_torrent_activity",
                user.link_torrent_activity,
                "Others see which torrents I share, by the addresses I sign in from",
            ),
        ]
    }
}

/// The letter that stands for a member.
pub fn initial(username: &str) -> String {
    username.chars().take(1).flat_map(char::to_uppercase).collect()
}

/// How an account came to be.
fn origin(user: &User) -> String {
    let by = user.created_by.as_deref().unwrap_or("somebody who is gone");
    match &*user.created_how {
        "invite" => format!("invited by {by}"),
        "staff" => format!("made by {by}"),
        "cli" => "made at the first start".to_owned(),
        "import" => "from the earlier tracker".to_owned(),
        _ => "by signing up".to_owned(),
    }
}

/// `GET /manage/profile`.
///
/// # Errors
/// When the database cannot be read.
pub async fn show(State(site): State<Site>, member: Member) -> Result<Html<String>, Error> {
    let now = clock::unix_secs().cast_signed();
    let viewer = Viewer::from(&member);
    let (user, session_id) = (member.session.user.clone(), member.session.session_id);
    let look = move |conn: &db::Connection| -> db::Result<_> {
        let user_id = user.user_id;
        Ok(ProfilePage {
            viewer,
            torrents: list::count(conn, Scope { uploader_id: Some(user_id) })?,
            failures: login_failures::summary(conn, &user.username, now)?.0,
            sessions: sessions::open(conn, user_id, now)?,
            session_id,
            invites: invites::list(conn, Some(user_id), 0, INVITES_SHOWN)?,
            now,
            user,
        })
    };
    let page = site.members()?.database.read(look).await?;
    Ok(Html(page.render()?))
}

/// `POST /manage/profile/settings`: keeps what was chosen; a box that is not ticked is not sent.
///
/// # Errors
/// When the database cannot be written.
pub async fn choose(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let members = site.members()?;
    let choices = Choices {
        show_online: form.is_on("show_online"),
        link_torrent_activity: form.is_on("link_torrent_activity"),
    };
    let user_id = member.user_id();
    let work = move |tx: &db::Transaction<'_>| users::choose(tx, user_id, &choices);
    members.database.write(work).await?;
    let flash = Flash::success("What you chose is kept.");
    Ok(go_told(members, &member, "/manage/profile", flash).await?)
}

/// `POST /manage/profile/end-session`: signs one browser out, or with `all` every other one.
///
/// # Errors
/// When the database cannot be written.
pub async fn end_session(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let members = site.members()?;
    let (user_id, kept) = (member.user_id(), member.session.session_id);
    let one = if form.is_on("all") { None } else { Some(form.number("session_id")?) };
    let work = move |tx: &db::Transaction<'_>| match one {
        Some(session_id) => sessions::end(tx, session_id, user_id).map(usize::from),
        None => sessions::end_all(tx, user_id, Some(kept)),
    };
    let ended = members.database.write(work).await?;
    let flash = match ended {
        0 => Flash::info("That session was over already."),
        1 => Flash::success("One session has ended."),
        _ => Flash::success(format!("{ended} sessions have ended.")),
    };
    Ok(go_told(members, &member, "/manage/profile", flash).await?)
}

/// What others see of a member.
#[derive(Debug, Template)]
#[template(path = "account/public.html")]
struct PublicPage {
    viewer: Viewer,
    user: User,
    rows: Vec<Row>,
    listed: Listed,
    now: i64,
}

impl PublicPage {
    /// Whether they are here: a word, and whether it is good news.
    fn presence(&self) -> (&'static str, bool) {
        let away = self.user.last_seen_at.map_or(i64::MAX, |seen| self.now - seen);
        match away {
            _ if !self.user.show_online => ("not shown", false),
            away if away <= ONLINE_SECS => ("here", true),
            away if away <= RECENT_SECS => ("here a short while ago", false),
            _ => ("away", false),
        }
    }

    fn total(&self) -> String {
        numbers::count(self.listed.total)
    }

    fn pager(&self) -> Pager {
        let path = format!("/manage/user/{}", self.user.username);
        Pager::new(&path, &[], (self.listed.page, self.listed.pages))
    }
}

/// `GET /manage/user/{username}`.
///
/// # Errors
/// [`Error::NotFound`] when nobody is called so, or the database cannot be read.
pub async fn show_other(
    State(site): State<Site>,
    member: Member,
    Path(username): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Error> {
    let members = site.members()?;
    let part = asked.part(members.settings().number(settings::TORRENTS_PER_PAGE).unsigned_abs());
    let look = move |conn: &db::Connection| -> db::Result<_> {
        let Some(user) = users::by_name(conn, &username)? else { return Ok(None) };
        let scope = Scope { uploader_id: Some(user.user_id) };
        let listed = list::list(conn, scope, list::Sort::Newest, part)?;
        Ok(Some((user, listed, magnet_trackers::enabled(conn)?)))
    };
    let (user, mut listed, trackers) = members.database.read(look).await?.ok_or(Error::NotFound)?;
    let rows = std::mem::take(&mut listed.torrents).into_iter();
    let rows = rows.map(|torrent| {
        let counts = browse::counts(&site, &torrent);
        Row::new(torrent, counts, &trackers)
    });
    let rows = rows.collect();
    let now = clock::unix_secs().cast_signed();
    let page = PublicPage { viewer: Viewer::from(&member), user, rows, listed, now };
    Ok(Html(page.render()?))
}
