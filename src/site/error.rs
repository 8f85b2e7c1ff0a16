//! Whatever went wrong, as a page. The one place that chooses a status for a failure, and the one
//! that logs its cause.

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{Html, IntoResponse, Response};

/// Why there is no page.
#[derive(Debug)]
pub enum Error {
    /// There is nothing at this path.
    NotFound,
    /// There is something at this path, but this method does nothing to it.
    MethodNotAllowed,
    /// A page could not be written. A fault of ours.
    Render(askama::Error),
}

/// Answers what no route matches.
pub async fn not_found() -> Error {
    Error::NotFound
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

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    status: u16,
    title: &'static str,
    explanation: &'static str,
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Error::NotFound => StatusCode::NOT_FOUND,
            Error::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Error::Render(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Error::NotFound => "Nothing lives here",
            Error::MethodNotAllowed => "This page can only be read",
            Error::Render(_) => "Something broke on our side",
        }
    }

    fn explanation(&self) -> &'static str {
        match self {
            Error::NotFound => {
                "The address may be mistyped, or the page has moved. BitTorrent clients announce \
                 to the addresses listed on the front page."
            }
            Error::MethodNotAllowed => {
                "It takes GET and HEAD requests, and nothing that sends data to it."
            }
            Error::Render(_) => "The page could not be put together. Trying again may help.",
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Error::Render(cause) = &self {
            tracing::error!(%cause, "a page could not be written");
        }
        let page = ErrorPage {
            status: self.status().as_u16(),
            title: self.title(),
            explanation: self.explanation(),
        };
        // A failing error page leaves its title: there is no other page to fall back on.
        let body = page.render().unwrap_or_else(|_| self.title().to_owned());
        (self.status(), [(CACHE_CONTROL, "no-cache")], Html(body)).into_response()
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
