//! The one way into the members' site. Before any page: is the connection private, who is it, may
//! they, and is the form ours. What is not in the [table](super::permissions) does not get through.

use std::net::IpAddr;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SET_COOKIE,
    USER_AGENT,
};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;

use super::account::second_factor;
use super::form::{self, CSRF_FIELD, Form};
use super::members::Members;
use super::page::go;
use super::permissions::{self, Brings, Gets, Rule, Who};
use super::session::{COOKIE_NAME, GUEST_COOKIE_NAME, Member, Token, is_same};
use super::visitor::{self, Visitor};
use super::{Error, Site, redirect};
use crate::clock;
use crate::db::settings::TOTP_REQUIRED_FOR_STAFF;
use crate::db::{self, sessions};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whoever made a request that got through.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who is signed in; `None`: nobody.
    pub member: Option<Member>,
    /// What a form for them must send along.
    pub csrf: String,
    /// From where, behind proxies that are trusted.
    pub ip: IpAddr,
    /// What the browser calls itself.
    pub user_agent: String,
    /// Every token by which a form of theirs is known; for those that bring files.
    accepted: Vec<String>,
}

impl Caller {
    /// Whether a form with this in its field is ours.
    pub fn is_ours(&self, csrf: &str) -> bool {
        self.accepted.iter().any(|accepted| is_same(accepted, csrf))
    }
}

/// Lets a request through, or says why not.
///
/// # Errors
/// [`Error`], as a page.
pub async fn gate(
    State(site): State<Site>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let members = site.members.clone().ok_or(Error::NotFound)?;
    let path = request.extensions().get::<MatchedPath>().ok_or(Error::NotFound)?.as_str();
    let rule = permissions::rule(request.method(), path).ok_or(Error::NotFound)?;
    let visitor = Visitor::of(request.extensions()).ok_or(Error::NotFound)?;
    let trusted = &site.announces.trusted_proxies;
    if !is_private(visitor, request.headers(), trusted) {
        return to_https(&site, request.method(), request.uri(), request.headers());
    }
    let ip = visitor
        .client(request.headers(), trusted)
        .map_err(|_| Error::BadRequest("A proxy on the way names no address."))?;
    if rule.method == Method::POST && !is_from_here(request.uri(), request.headers()) {
        return Err(Error::Forged);
    }
    let now = clock::unix_secs().cast_signed();
    let (caller, guest) = identify(&members, rule, request.headers(), ip, now).await?;
    if !rule.who.includes(caller.member.as_ref().map(Member::role)) {
        return match caller.member {
            Some(_) => Err(Error::Forbidden),
            None => Ok(to_sign_in(request.uri(), request.method())),
        };
    }
    if lacks_second_factor(&members, rule, caller.member.as_ref()) {
        return Ok(go(second_factor::PATH));
    }
    let is_shown = rule.gets == Gets::Page && !is_behind_a_page(request.headers());
    note(&members, is_shown, caller.member.as_ref(), now).await?;
    let request = with_form(rule, request, caller).await?;
    let mut response = match rule.brings {
        // Whoever hangs up in the midst of what a form does leaves nothing half done.
        Brings::Form => tokio::spawn(next.run(request)).await.map_err(|_| Error::Busy)?,
        Brings::Nothing | Brings::Files => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Some(guest) = guest {
        headers.append(SET_COOKIE, guest.set(GUEST_COOKIE_NAME));
    }
    Ok(response)
}

/// Whether nobody on the way can read along: over TLS to us, or to a proxy that we trust to say so.
fn is_private(visitor: Visitor, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let is_proxy = trusted.iter().any(|network| network.contains(&visitor.peer.to_canonical()));
    let says_https = headers.get(FORWARDED_PROTO).is_some_and(|proto| proto == "https");
    visitor.is_tls || (is_proxy && says_https)
}

fn to_https(
    site: &Site,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let named = || visitor::host(uri, headers);
    let host = site.facts.public_host.clone().or_else(named);
    let target = host.zip(site.facts.members_port);
    let (host, port) = target.ok_or(Error::BadRequest("This page is for HTTPS alone."))?;
    let target = if port == 443 { host } else { format!("{host}:{port}") };
    Ok(redirect::answer(&target, method, uri))
}

/// Whether a browser says that a form comes from a page of ours. One that says nothing is old; its
/// form has to have the token all the same.
fn is_from_here(uri: &Uri, headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let host = || headers.get(HOST)?.to_str().ok()?.parse::<Authority>().ok();
    let host = uri.authority().cloned().or_else(host);
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    host.is_some() && origin.and_then(|origin| origin.authority().cloned()) == host
}

/// Who a request is from; with a token to hand out, where a guest has none and will need one.
async fn identify(
    members: &Members,
    rule: &Rule,
    headers: &HeaderMap,
    ip: IpAddr,
    now: i64,
) -> Result<(Caller, Option<Token>), Error> {
    let mut accepted = Vec::new();
    let mut member = None;
    for token in Token::of(headers, COOKIE_NAME) {
        let hash = token.hash();
        let work = move |conn: &db::Connection| sessions::find(conn, &hash, now);
        let session = members.database.read(work).await?;
        if let Some(session) = session.filter(|session| is_allowed(&session.allowed, ip)) {
            let csrf = token.csrf();
            accepted.push(csrf.clone());
            member = Some(Member { session, csrf, ip });
            break;
        }
    }
    let mut guest = None;
    let guests = Token::of(headers, GUEST_COOKIE_NAME);
    if rule.who == Who::Anyone {
        accepted.extend(guests.iter().map(Token::csrf));
        if accepted.is_empty() && rule.gets == Gets::Page {
            guest = Token::random();
            accepted.extend(guest.as_ref().map(Token::csrf));
        }
    }
    let csrf = accepted.first().cloned().unwrap_or_default();
    let user_agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    let user_agent = user_agent.unwrap_or_default().to_owned();
    Ok((Caller { member, csrf, ip, user_agent, accepted }, guest))
}

/// Whether an account with these networks may be used from an address. A row that is no network
/// allows nobody.
pub fn is_allowed(networks: &[String], ip: IpAddr) -> bool {
    let contains = |network: &String| network.parse::<IpNet>().is_ok_and(|net| net.contains(&ip));
    networks.is_empty() || networks.iter().any(contains)
}

/// Whether somebody of the staff has to set up a second factor before anything else.
fn lacks_second_factor(members: &Members, rule: &Rule, member: Option<&Member>) -> bool {
    let is_on_the_way = rule.path.starts_with(second_factor::PATH) || rule.path == "/manage/logout";
    let lacks = |member: &Member| member.is_staff() && !member.session.user.has_totp;
    !is_on_the_way && member.is_some_and(lacks) && members.settings().is_on(TOTP_REQUIRED_FOR_STAFF)
}

/// To sign in, and from there to the page that was asked for.
fn to_sign_in(uri: &Uri, method: &Method) -> Response {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    if *method == Method::POST || path == "/manage/dashboard" {
        return go("/manage");
    }
    let next: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    go(&format!("/manage?next={next}"))
}

/// Whether a page asks on its own, to keep itself fresh: nobody reads a message in the answer.
fn is_behind_a_page(headers: &HeaderMap) -> bool {
    headers.get(FETCH_DEST).is_some_and(|dest| dest == "empty")
}

/// Notes once in a while that a member was here, and that a message is being shown, where one is.
async fn note(
    members: &Members,
    is_shown: bool,
    member: Option<&Member>,
    now: i64,
) -> Result<(), Error> {
    let Some(Member { session, .. }) = member else { return Ok(()) };
    let is_shown = is_shown && session.flash.is_some();
    let is_due = now - session.last_seen_at >= sessions::SEEN_EVERY_SECS;
    if !is_shown && !is_due {
        return Ok(());
    }
    let (session_id, user_id) = (session.session_id, session.user.user_id);
    let work = move |tx: &db::Transaction<'_>| {
        if is_shown {
            sessions::set_flash(tx, session_id, None)?;
        }
        sessions::seen(tx, session_id, user_id, now)
    };
    members.database.write(work).await.map_err(Error::from)
}

/// Reads the form of a request, and puts it and the caller with it.
async fn with_form(rule: &Rule, mut request: Request, caller: Caller) -> Result<Request, Error> {
    if rule.brings == Brings::Form {
        let length =
            request.headers().get(CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > form::BYTES_MAX) {
            return Err(Error::TooLarge);
        }
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, form::BYTES_MAX).await.map_err(|_| Error::TooLarge)?;
        let form = Form::decode(&body);
        if !caller.is_ours(form.raw(CSRF_FIELD)) {
            return Err(Error::Forged);
        }
        request = Request::from_parts(parts, Body::empty());
        request.extensions_mut().insert(form);
    }
    request.extensions_mut().insert(caller);
    Ok(request)
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Error> {
        parts.extensions.get::<Caller>().cloned().ok_or(Error::NotFound)
    }
}

impl<S: Sync> FromRequestParts<S> for Member {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Member, Response> {
        let caller = parts.extensions.get::<Caller>();
        let member = caller.and_then(|caller| caller.member.clone());
        member.ok_or_else(|| go("/manage").into_response())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn forms_from_elsewhere_are_told_by_what_browsers_say() {
        let uri = Uri::from_static("/manage/login");
        for (fields, is_fine) in [
            (&[][..], true),
            (&[(FETCH_SITE, "same-origin")], true),
            (&[(FETCH_SITE, "none")], true),
            (&[(FETCH_SITE, "same-site")], false),
            (&[(FETCH_SITE, "cross-site")], false),
            (&[(ORIGIN, "https://t.example:8443"), (HOST, "t.example:8443")], true),
            (&[(ORIGIN, "https://t.example"), (HOST, "t.example:8443")], false),
            (&[(ORIGIN, "https://evil.example"), (HOST, "t.example")], false),
            (&[(ORIGIN, "null"), (HOST, "t.example")], false),
        ] {
            assert_eq!(is_from_here(&uri, &headers(fields)), is_fine, "{fields:?}");
        }
    }

    #[test]
    fn account_is_used_from_its_networks_alone() {
        let is_fine = |networks: &[&str], ip: &str| {
            let networks: Vec<_> = networks.iter().map(|n| (*n).to_owned()).collect();
            is_allowed(&networks, ip.parse().unwrap())
        };
        assert!(is_fine(&[], "192.0.2.1"));
        assert!(is_fine(&["198.51.100.0/24", "192.0.2.1/32"], "192.0.2.1"));
        assert!(!is_fine(&["192.0.2.1/32"], "192.0.2.2"));
        assert!(is_fine(&["2001:db8::/56"], "2001:db8::77"));
        assert!(!is_fine(&["nonsense"], "192.0.2.1"));
    }

    #[test]
    fn proxy_says_that_it_spoke_tls_only_where_it_is_trusted() {
        let visitor = Visitor { peer: "10.0.0.1".parse().unwrap(), is_tls: false };
        let says = headers(&[(FORWARDED_PROTO, "https")]);
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        assert!(is_private(visitor, &says, &trusted));
        assert!(!is_private(visitor, &says, &[]));
        assert!(!is_private(visitor, &headers(&[(FORWARDED_PROTO, "http")]), &trusted));
        assert!(is_private(Visitor { is_tls: true, ..visitor }, &HeaderMap::new(), &[]));
    }
}
