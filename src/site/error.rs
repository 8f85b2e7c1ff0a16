//! Whatever went wrong, as a page. The one place that chooses a status for a failure, and the one
//! that logs its cause.

use askama::Template;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Response};

use super::page;
use crate::db;

/// Why there is no page.
#[derive(Debug)]
pub enum Error {
    /// There is nothing at this path.
    NotFound,
    /// There is something at this path, but this method does nothing to it.
    MethodNotAllowed,
    /// Whoever is signed in may not do this.
    Forbidden,
    /// A form does not come from a page that we gave to whoever sends it.
    Forged,
    /// What was sent makes no sense; no page of ours sends such.
    BadRequest(&'static str),
    /// More was sent than such a form may hold.
    TooLarge,
    /// Too often; in so many seconds again.
    TooMany(u64),
    /// Not at the moment.
    Busy,
    /// The database cannot be used. A fault of ours.
    Database(db::Error),
    /// A page could not be written. A fault of ours.
    Render(askama::Error),
}

/// Answers what no route matches. Within the members' site a slash at the end means nothing.
///
/// # Errors
/// [`Error::NotFound`], but for such a slash.
pub async fn not_found(method: Method, uri: Uri) -> Result<Response, Error> {
    let path = uri.path();
    let without = path.trim_end_matches('/');
    if method != Method::GET || without == path || !path.starts_with("/manage/") {
        return Err(Error::NotFound);
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(page::go(&format!("{without}{query}")))
}

/// Answers a method that a route does not have. The router adds `Allow`.
pub async fn method_not_allowed() -> Error {
    Error::MethodNotAllowed
}

impl From<askama::Error> for Error {
    fn from(error: askama::Error) -> Error {
        Error::Render(error)
    }
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Error {
        if db::is_busy(&error) { Error::Busy } else { Error::Database(error) }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    status: u16,
    title: &'static str,
    explanation: String,
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Error::NotFound => StatusCode::NOT_FOUND,
            Error::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Error::Forbidden | Error::Forged => StatusCode::FORBIDDEN,
            Error::BadRequest(_) => StatusCode::BAD_REQUEST,
            Error::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Error::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Error::Database(_) | Error::Render(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Error::NotFound => "Nothing lives here",
            Error::MethodNotAllowed => "This page can only be read",
            Error::Forbidden => "This is not for your role",
            Error::Forged => "This form was not taken",
            Error::BadRequest(_) => "This makes no sense to us",
            Error::TooLarge => "That was too much",
            Error::TooMany(_) => "Not so fast",
            Error::Busy => "Busy at the moment",
            Error::Database(_) | Error::Render(_) => "Something broke on our side",
        }
    }

    fn explanation(&self) -> String {
        let text = match self {
            Error::NotFound => {
                "The address may be mistyped, or the page has moved. BitTorrent clients announce \
                 to the addresses listed on the front page."
            }
            Error::MethodNotAllowed => {
                "It takes GET and HEAD requests, and nothing that sends data to it."
            }
            Error::Forbidden => {
                "Your account may not see or do this. If it should, ask the staff of this site."
            }
            Error::Forged => {
                "It was too old, came from another site, or your browser keeps no cookies. Nothing \
                 has changed. Go back, load the page anew, and send the form again."
            }
            Error::BadRequest(fault) => fault,
            Error::TooLarge => "A form holds less than that. Nothing has changed.",
            Error::TooMany(secs) => {
                return format!("Nothing has changed. It can be tried again in {secs} seconds.");
            }
            Error::Busy => "Nothing has changed. Trying again in a moment will help.",
            Error::Database(_) | Error::Render(_) => {
                "The page could not be put together. Nothing has changed. Trying again may help."
            }
        };
        text.to_owned()
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match &self {
            Error::Render(cause) => tracing::error!(%cause, "a page could not be written"),
            Error::Database(cause) => tracing::error!(%cause, "the database cannot be used"),
            _ => {}
        }
        let page = ErrorPage {
            status: self.status().as_u16(),
            title: self.title(),
            explanation: self.explanation(),
        };
        // A failing error page leaves its title: there is no other page to fall back on.
        let body = page.render().unwrap_or_else(|_| self.title().to_owned());
        let mut response =
            (self.status(), [(CACHE_CONTROL, "no-cache")], Html(body)).into_response();
        if let Error::TooMany(secs) = self {
            response.headers_mut().insert(RETRY_AFTER, secs.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_that_cannot_be_written_is_our_fault() {
        let response = Error::from(askama::Error::Fmt).into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
