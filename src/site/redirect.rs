//! From plain HTTP to HTTPS. The host comes from the configuration, never from the request.

use std::fmt::Write as _;

use axum::Router;
use axum::http::header::{CONTENT_LENGTH, HeaderValue, LOCATION};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};

use super::headers;

/// Sends every request to the same path on `https://<target_host>`, a `host[:port]`: GET and HEAD
/// with 301, which every client knows, all others with 308, which keeps method and body.
pub fn router(target_host: String) -> Router {
    let redirect = async move |method: Method, uri: Uri| answer(&target_host, &method, &uri);
    Router::new().fallback(redirect).layer(map_response(headers::add))
}

/// The redirect to the same path on `https://<target_host>`.
pub fn answer(target_host: &str, method: &Method, uri: &Uri) -> Response {
    let Ok(location) = HeaderValue::from_str(&location(target_host, uri)) else {
        // Only a host that is no host gets here: the path is plain ASCII by now.
        return StatusCode::BAD_REQUEST.into_response();
    };
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let status =
        if is_read { StatusCode::MOVED_PERMANENTLY } else { StatusCode::PERMANENT_REDIRECT };
    let nothing = HeaderValue::from_static("0");
    (status, [(LOCATION, location), (CONTENT_LENGTH, nothing)]).into_response()
}

/// The path always begins with a slash, and the host stands before it, so nothing in a path can
/// name another host: `//elsewhere` is a path on our own.
fn location(target_host: &str, uri: &Uri) -> String {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut location = format!("https://{target_host}");
    if !path.starts_with('/') {
        location.push('/'); // `OPTIONS *`, `CONNECT host:port`
    }
    for byte in path.bytes().filter(|_| path != "*") {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?%[]".contains(&byte) {
            location.push(char::from(byte));
        } else {
            let _ = write!(location, "%{byte:02X}"); // writing to a String cannot fail
        }
    }
    location
}
