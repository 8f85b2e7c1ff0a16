//! Request line and header fields of HTTP/1 (RFC 9112), as far as a tracker has use for them.
//!
//! [`end`] finds where a head ends, [`Head::decode`] reads one that has arrived whole. Bodies are
//! not read: no request of ours has one.

use httparse::{EMPTY_HEADER, Header, Request, Status};

/// What to do with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Answer.
    Get,
    /// Answer without a body.
    Head,
    /// Refuse.
    Other,
}

/// The head of one request, borrowed from the bytes received.
#[derive(Debug)]
pub struct Head<'a, 'f> {
    /// The method.
    pub method: Method,
    /// Path and query as they were sent, without scheme and authority.
    pub target: &'a [u8],
    /// Whether the connection may serve another request afterwards.
    pub keep_alive: bool,
    /// Whether a body follows, which nobody here reads.
    pub has_body: bool,
    fields: &'f [Header<'a>],
}

/// Room for the fields of one head.
pub type Fields<'a, const MAX: usize> = [Header<'a>; MAX];

/// An empty [`Fields`].
pub const fn no_fields<'a, const MAX: usize>() -> Fields<'a, MAX> {
    [EMPTY_HEADER; MAX]
}

/// Why a head cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// Not HTTP/1: status 400.
    Malformed,
    /// More fields than there is room for: status 431.
    TooManyFields,
}

/// Where the head at the start of `received` ends, its empty line included; `None` while it is not
/// whole. `scanned` bytes were looked through before, so that a head that drips in byte by byte
/// costs no more than one that comes at once.
pub fn end(received: &[u8], scanned: usize) -> Option<usize> {
    // An empty line may have begun up to three bytes before: CR LF CR.
    let start = scanned.saturating_sub(3);
    let newlines = received.iter().enumerate().skip(start).filter(|(_, byte)| **byte == b'\n');
    for (at, _) in newlines {
        match &received[at + 1..] {
            [b'\n', ..] => return Some(at + 2),
            [b'\r', b'\n', ..] => return Some(at + 3),
            _ => {}
        }
    }
    None
}

impl<'a, 'f> Head<'a, 'f> {
    /// Reads a head that is whole, as [`end`] tells.
    ///
    /// # Errors
    /// [`HeadError`], which names the status to answer with.
    pub fn decode(head: &'a [u8], fields: &'f mut [Header<'a>]) -> Result<Head<'a, 'f>, HeadError> {
        let mut request = Request::new(fields);
        match request.parse(head) {
            Ok(Status::Complete(length)) if length == head.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyFields),
            Ok(_) | Err(_) => return Err(HeadError::Malformed),
        }
        let method = match request.method {
            Some("GET") => Method::Get,
            Some("HEAD") => Method::Head,
            _ => Method::Other,
        };
        let is_http_11 = request.version == Some(1);
        let target = origin_form(request.path.unwrap_or_default().as_bytes());
        let mut head = Head {
            method,
            target: target.ok_or(HeadError::Malformed)?,
            keep_alive: is_http_11,
            has_body: false,
            fields: request.headers,
        };
        let connection = |wanted| head.tokens("connection").any(|token| is(token, wanted));
        head.keep_alive = !connection("close") && (is_http_11 || connection("keep-alive"));
        head.has_body = head.values("transfer-encoding").next().is_some()
            || head.values("content-length").any(|length| length.trim_ascii() != b"0");
        Ok(head)
    }

    /// The path, without query.
    pub fn path(&self) -> &'a [u8] {
        self.target.split(|byte| *byte == b'?').next().unwrap_or_default()
    }

    /// The query, without its `?`; empty when there is none.
    pub fn query(&self) -> &'a [u8] {
        self.target.get(self.path().len() + 1..).unwrap_or_default()
    }

    /// The values of every field called `name`, in their order.
    pub fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value)
    }

    /// The elements of the comma-separated lists in every field called `name`, in their order.
    pub fn tokens(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.values(name)
            .flat_map(|value| value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii))
    }

    /// Whether the client would rather have gzip than the plain body.
    pub fn accepts_gzip(&self) -> bool {
        prefers_gzip(self.tokens("accept-encoding"))
    }
}

/// Whether who sends these elements of `Accept-Encoding` would rather have gzip than the plain body
/// (RFC 9110, 12.5.3): gzip has a weight above zero, and `identity`, where it is named, none that
/// is greater.
pub fn prefers_gzip<'a>(elements: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for element in elements {
        let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let coding = parts.next().unwrap_or_default();
        let weight = parts.find_map(weight).unwrap_or(1000);
        if is(coding, "gzip") || is(coding, "x-gzip") {
            gzip = Some(weight);
        } else if coding == b"*" {
            any = Some(weight);
        } else if is(coding, "identity") {
            identity = Some(weight);
        }
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

fn is(token: &[u8], word: &str) -> bool {
    token.eq_ignore_ascii_case(word.as_bytes())
}

/// A weight `q=0.5` in thousandths; `None` for another parameter. What is no number is zero: a
/// client that cannot say what it wants gets the plain body.
fn weight(parameter: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(parameter).ok()?;
    let (name, value) = text.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let weight: f32 = value.trim().parse().unwrap_or(0.0);
    #[expect(clippy::cast_sign_loss, reason = "clamped to 0 to 1 before")]
    Some((weight.clamp(0.0, 1.0) * 1000.0) as u32)
}

/// A target without scheme and authority (RFC 9112, 3.2); `None` when there is no path.
fn origin_form(target: &[u8]) -> Option<&[u8]> {
    if target.starts_with(b"/") {
        return Some(target);
    }
    let scheme_end = target.windows(3).position(|bytes| bytes == b"://")?;
    let (scheme, rest) = (&target[..scheme_end], &target[scheme_end + 3..]);
    if !is(scheme, "http") && !is(scheme, "https") {
        return None;
    }
    let path = rest.iter().position(|byte| *byte == b'/')?;
    Some(&rest[path..])
}

/// The check behind the fuzz target: no head makes the decoder panic, whatever comes in pieces.
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    use super::{Head, end, no_fields};

    /// Reads `bytes` as a head, once whole and once byte by byte.
    ///
    /// # Panics
    /// When the two disagree about where the head ends.
    pub fn check(bytes: &[u8]) {
        let whole = end(bytes, 0);
        let piecemeal = (0..bytes.len()).find_map(|n| end(&bytes[..=n], n));
        assert_eq!(whole, piecemeal);
        let mut fields = no_fields::<16>();
        if let Some(length) = whole
            && let Ok(head) = Head::decode(&bytes[..length], &mut fields)
        {
            let _ = (head.path(), head.query(), head.accepts_gzip());
            let _ = head.tokens("x-forwarded-for").rev().count();
            assert_eq!(head.has_body, announces_body(&bytes[..length]));
        }
    }

    /// A second reading of what says that a body follows: line by line.
    fn announces_body(head: &[u8]) -> bool {
        let fields = head.split(|byte| *byte == b'\n').filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii()))
        });
        fields.into_iter().any(|(name, value)| {
            name == b"transfer-encoding" || (name == b"content-length" && value != b"0")
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_head<T>(text: &str, read: impl FnOnce(Result<Head<'_, '_>, HeadError>) -> T) -> T {
        let mut fields = no_fields::<4>();
        read(Head::decode(text.as_bytes(), &mut fields))
    }

    #[test]
    fn decodes_the_head_that_curl_sends() {
        let text = "GET /announce?a=b?c HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/8\r\n\r\n";
        with_head(text, |head| {
            let head = head.unwrap();
            assert_eq!(head.method, Method::Get);
            assert_eq!((head.path(), head.query()), (&b"/announce"[..], &b"a=b?c"[..]));
            assert!(head.keep_alive && !head.has_body && !head.accepts_gzip());
        });
    }

    #[test]
    fn absolute_targets_lose_scheme_and_authority() {
        for (target, path) in [
            ("http://host:80/x/announce?q", Some(&b"/x/announce"[..])),
            ("HTTPS://host/", Some(b"/")),
            ("ftp://host/x", None),
            ("http://host", None),
            ("*", None),
            ("announce", None),
        ] {
            let text = format!("GET {target} HTTP/1.1\r\n\r\n");
            with_head(&text, |head| assert_eq!(head.ok().map(|h| h.path()), path, "{target}"));
        }
    }

    #[test]
    fn keeps_alive_by_version_unless_the_client_says_otherwise() {
        for (version, connection, keep_alive) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: TE, Close\r\n", false),
            ("1.0", "", false),
            ("1.0", "connection: Keep-Alive\r\n", true),
        ] {
            let text = format!("GET / HTTP/{version}\r\n{connection}\r\n");
            with_head(&text, |head| assert_eq!(head.unwrap().keep_alive, keep_alive, "{text}"));
        }
    }

    #[test]
    fn bodies_are_noticed() {
        for (field, has_body) in [
            ("Content-Length: 0", false),
            ("Content-Length: 5", true),
            ("Transfer-Encoding: chunked", true),
        ] {
            let text = format!("POST / HTTP/1.1\r\n{field}\r\n\r\n");
            with_head(&text, |head| assert_eq!(head.unwrap().has_body, has_body, "{field}"));
        }
    }

    #[test]
    fn gzip_is_weighed() {
        for (accepted, gzip) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("gzip;q=0, *", false),
            ("*", true),
            ("*;q=0", false),
            ("identity, gzip;q=0.5", false),
            ("identity;q=0.5, gzip", true),
            ("gzip;q=x", false),
            ("gzipped", false),
            ("", false),
        ] {
            let text = format!("GET / HTTP/1.1\r\nAccept-Encoding: {accepted}\r\n\r\n");
            with_head(&text, |head| assert_eq!(head.unwrap().accepts_gzip(), gzip, "{accepted}"));
        }
    }

    #[test]
    fn what_is_not_http_1_is_malformed_and_too_many_fields_are_told_apart() {
        for text in ["\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "\x16\x03\x01\n\n"] {
            with_head(text, |head| assert_eq!(head.err(), Some(HeadError::Malformed), "{text:?}"));
        }
        for (fields, error) in [(4, None), (5, Some(HeadError::TooManyFields))] {
            let text = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(fields));
            with_head(&text, |head| assert_eq!(head.err(), error));
        }
    }

    #[test]
    fn end_is_behind_the_first_empty_line() {
        assert_eq!(end(b"GET / HTTP/1.1\r\n\r\nGET", 0), Some(18));
        assert_eq!(end(b"GET / HTTP/1.1\n\nGET", 0), Some(16));
        assert_eq!(end(b"GET / HTTP/1.1\r\n\r", 0), None);
        assert_eq!(end(b"", 0), None);
    }

    proptest! {
        #[test]
        fn arbitrary_heads_never_panic(bytes: Vec<u8>) {
            fuzzing::check(&bytes);
        }

        #[test]
        fn pieces_of_heads_end_where_the_whole_does(text in "[aG:\r\n ]{0,40}") {
            fuzzing::check(text.as_bytes());
        }
    }
}
