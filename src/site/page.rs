//! What every page of the members' site shows around its own: who looks at it, the ways to other
//! pages, and how the action before went.

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::members::Members;
use super::permissions::sees_all_torrents;
use super::session::Member;
use crate::db::users::Role;
use crate::db::{self, sessions};

/// How an action went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    /// `success`, `info` or `error`.
    pub kind: String,
    /// For whoever did it.
    pub text: String,
}

impl Flash {
    /// It is done.
    pub fn success(text: impl Into<String>) -> Flash {
        Flash { kind: "success".to_owned(), text: text.into() }
    }

    /// Something is to be known.
    pub fn info(text: impl Into<String>) -> Flash {
        Flash { kind: "info".to_owned(), text: text.into() }
    }

    /// It is not done.
    pub fn error(text: impl Into<String>) -> Flash {
        Flash { kind: "error".to_owned(), text: text.into() }
    }
}

/// Who looks at a page.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The account.
    pub user_id: i64,
    /// What it is called.
    pub username: String,
    /// What it may do.
    pub role: Role,
    /// What a form must send along.
    pub csrf: String,
    /// How the action before went.
    pub flash: Option<Flash>,
}

impl From<&Member> for Viewer {
    fn from(member: &Member) -> Viewer {
        let flash = member.session.flash.clone();
        Viewer {
            user_id: member.user_id(),
            username: member.username().to_owned(),
            role: member.role(),
            csrf: member.csrf.clone(),
            flash: flash.map(|(kind, text)| Flash { kind, text }),
        }
    }
}

impl Viewer {
    /// Whether torrents of others are listed.
    pub fn sees_all(&self) -> bool {
        sees_all_torrents(self.role)
    }

    /// Whether the site is kept in order by them.
    pub fn is_staff(&self) -> bool {
        self.role >= Role::Admin
    }
}

/// To another page of ours, by GET.
pub fn go(to: &str) -> Response {
    // What is no text for a header is no path of ours either.
    let to = HeaderValue::from_str(local(to)).unwrap_or(HeaderValue::from_static("/manage"));
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

/// To another page of ours, which says how this went.
///
/// # Errors
/// When the database cannot be written.
pub async fn go_told(
    members: &Members,
    member: &Member,
    to: &str,
    flash: Flash,
) -> Result<Response, db::Error> {
    let session_id = member.session.session_id;
    let work = move |tx: &db::Transaction<'_>| {
        sessions::set_flash(tx, session_id, Some((&flash.kind, &flash.text)))
    };
    members.database.write(work).await?;
    Ok(go(to))
}

/// A path within the members' site, and the dashboard for anything else: neither another host nor
/// another header can be named by it.
pub fn local(path: &str) -> &str {
    let is_within =
        path == "/manage" || path.starts_with("/manage/") || path.starts_with("/manage?");
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_within && is_plain && path.len() < 2_000 { path } else { "/manage/dashboard" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_paths_are_gone_to() {
        for path in
            ["/manage", "/manage?next=%2F", "/manage/search?q=a%20b&page=2", "/manage/user/a.b#top"]
        {
            assert_eq!(local(path), path);
        }
        for path in
            ["", "/", "//evil.example/manage/", "https://evil", "/manage/\r\nX: y", "/managed"]
        {
            assert_eq!(local(path), "/manage/dashboard", "{path}");
        }
        assert_eq!(go("/manage/\n").headers()[LOCATION], "/manage/dashboard");
    }
}
