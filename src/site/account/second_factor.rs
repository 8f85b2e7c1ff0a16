//! A second factor: codes that a member's device shows (RFC 6238), and ten that are kept on paper.

use std::fmt::Write;

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use qrcodegen::{QrCode, QrCodeEcc};
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Totp};

use super::verify::{self, Checked};
use crate::clock;
use crate::db;
use crate::db::events::{self, Event};
use crate::db::second_factor::{self, SharedSecret};
use crate::site::form::Form;
use crate::site::page::{Flash, Viewer, go, go_told};
use crate::site::password::hex;
use crate::site::session::Member;
use crate::site::{Error, Site};

/// The page where it is set up.
pub const PATH: &str = "/manage/profile/second-factor";
/// Codes that stand in for the device.
const BACKUP_CODES: usize = 10;
/// What the device shows beside the name.
const ISSUER: &str = "Wildkat";

#[derive(Debug, Template)]
#[template(path = "account/second_factor.html")]
struct SecondFactorPage {
    viewer: Viewer,
    stage: Stage,
    error: Option<&'static str>,
}

/// How far it is set up.
#[derive(Debug)]
enum Stage {
    Off,
    Begun { text: String, modules: usize, drawing: String },
    Done { codes: Vec<String> },
    On { backups: u64 },
}

fn totp(secret: &[u8], username: &str) -> Option<Totp> {
    let secret: [u8; 20] = secret.try_into().ok()?;
    let builder = Builder::new().with_secret(secret).with_account_name(username);
    builder.with_issuer(Some(ISSUER)).build().ok()
}

/// The step of a code that is right, a little before or after its time too, and was not used yet.
fn step(shared: &SharedSecret, code: &str, now: i64) -> Option<i64> {
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let step = totp(&shared.secret, "")?.check(&code, now.unsigned_abs())?.cast_signed();
    (step > shared.last_step).then_some(step)
}

/// Uses a code of an account up: of its device, or one that stands in for it. `false` when it is
/// neither.
///
/// # Errors
/// When the database cannot be written.
pub fn accept(tx: &db::Transaction<'_>, user_id: i64, code: &str, now: i64) -> db::Result<bool> {
    let shared = second_factor::find(tx, user_id)?.filter(|shared| shared.is_confirmed);
    let Some(shared) = shared else { return Ok(false) };
    match step(&shared, code, now) {
        Some(step) => second_factor::use_step(tx, user_id, step),
        None => second_factor::use_backup(tx, user_id, &backup_hash(code)),
    }
}

/// What is kept of a code that stands in, which is typed with or without its dash.
fn backup_hash(code: &str) -> [u8; 32] {
    let plain = code.chars().filter(char::is_ascii_alphanumeric);
    Sha256::digest(plain.collect::<String>().to_ascii_lowercase()).into()
}

/// `GET /manage/profile/second-factor`.
///
/// # Errors
/// When the database cannot be read.
pub async fn show(State(site): State<Site>, member: Member) -> Result<Response, Error> {
    page(&site, &member, None).await
}

async fn page(
    site: &Site,
    member: &Member,
    error: Option<&'static str>,
) -> Result<Response, Error> {
    let user_id = member.user_id();
    let look = move |conn: &db::Connection| -> db::Result<_> {
        Ok((second_factor::find(conn, user_id)?, second_factor::backups(conn, user_id)?))
    };
    let stage = match site.members()?.database.read(look).await? {
        (None, _) => Stage::Off,
        (Some(shared), backups) if shared.is_confirmed => Stage::On { backups },
        (Some(shared), _) => begun(&shared.secret, member.username()).ok_or(Error::Busy)?,
    };
    let page = SecondFactorPage { viewer: Viewer::from(member), stage, error };
    Ok(Html(page.render()?).into_response())
}

/// What a device reads: a picture of squares, and the same as text.
fn begun(secret: &[u8], username: &str) -> Option<Stage> {
    let totp = totp(secret, username)?;
    let url = totp.to_url().ok()?;
    let text = url.split("secret=").nth(1)?.split('&').next()?.to_owned();
    let code = QrCode::encode_text(&url, QrCodeEcc::Medium).ok()?;
    let mut drawing = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            let _ = write!(drawing, "M{x} {y}h1v1h-1z"); // writing to a String cannot fail
        }
    }
    Some(Stage::Begun { text, modules: code.size().unsigned_abs() as usize, drawing })
}

/// `POST /manage/profile/second-factor/begin`: makes a secret.
///
/// # Errors
/// When the database cannot be written, or the system gives no randomness.
pub async fn begin(State(site): State<Site>, member: Member) -> Result<Response, Error> {
    let mut secret = [0; 20];
    getrandom::fill(&mut secret).map_err(|_| Error::Busy)?;
    let user_id = member.user_id();
    let work = move |tx: &db::Transaction<'_>| second_factor::begin(tx, user_id, &secret);
    site.members()?.database.write(work).await?;
    Ok(go(PATH))
}

/// `POST /manage/profile/second-factor/confirm`: with a first code it is asked for from now on. The
/// codes that stand in are shown once.
///
/// # Errors
/// When the database cannot be written, or the system gives no randomness.
pub async fn confirm(
    State(site): State<Site>,
    member: Member,
    form: Form,
) -> Result<Response, Error> {
    let members = site.members()?;
    let mut codes = Vec::new();
    for _ in 0..BACKUP_CODES {
        let mut bytes = [0; 6];
        getrandom::fill(&mut bytes).map_err(|_| Error::Busy)?;
        let digits = hex(&bytes);
        codes.push(format!("{}-{}", &digits[..6], &digits[6..]));
    }
    let hashes: Vec<_> = codes.iter().map(|code| backup_hash(code)).collect();
    let (user_id, username) = (member.user_id(), member.username().to_owned());
    let code = form.text("code").to_owned();
    let work = move |tx: &db::Transaction<'_>| -> db::Result<bool> {
        let now = clock::unix_secs().cast_signed();
        let shared = second_factor::find(tx, user_id)?.filter(|shared| !shared.is_confirmed);
        let Some(step) = shared.and_then(|shared| step(&shared, &code, now)) else {
            return Ok(false);
        };
        second_factor::confirm(tx, user_id, step, now, &hashes)?;
        log(tx, now, (user_id, &username), "second_factor_on")?;
        Ok(true)
    };
    if !members.database.write(work).await? {
        let error = "This is not the code that your device shows. Is its clock right?";
        return page(&site, &member, Some(error)).await;
    }
    let stage = Stage::Done { codes };
    let page = SecondFactorPage { viewer: Viewer::from(&member), stage, error: None };
    Ok(Html(page.render()?).into_response())
}

/// `POST /manage/profile/second-factor/end`: takes it away, for whoever knows the password and has
/// a code.
///
/// # Errors
/// [`Error::TooMany`] after too many wrong passwords, or the database cannot be written.
pub async fn end(State(site): State<Site>, member: Member, form: Form) -> Result<Response, Error> {
    let members = site.members()?;
    let password = form.raw("password");
    match verify::check(members, member.username(), password, member.ip).await? {
        Checked::Wait(secs) => return Err(Error::TooMany(secs)),
        Checked::Wrong => return page(&site, &member, Some("This is not your password.")).await,
        Checked::Right(_) => {} // counted as a try, until the code is right too
    }
    let (user_id, username) = (member.user_id(), member.username().to_owned());
    let from = member.ip;
    let code = form.text("code").to_owned();
    let work = move |tx: &db::Transaction<'_>| -> db::Result<bool> {
        let now = clock::unix_secs().cast_signed();
        if !accept(tx, user_id, &code, now)? {
            return Ok(false);
        }
        second_factor::remove(tx, user_id)?;
        verify::forgive(tx, &username, from)?;
        log(tx, now, (user_id, &username), "second_factor_off")?;
        Ok(true)
    };
    if !members.database.write(work).await? {
        return page(&site, &member, Some("This code is wrong, or was used before.")).await;
    }
    let flash = Flash::success("A second factor is asked for no more.");
    Ok(go_told(members, &member, "/manage/profile", flash).await?)
}

fn log(
    tx: &db::Transaction<'_>,
    now: i64,
    (user_id, username): (i64, &str),
    action: &str,
) -> db::Result<()> {
    let event = Event { actor_id: Some(user_id), actor: username, action, ..Event::default() };
    events::insert(tx, now, &event)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The code of a secret at a time.
    pub(crate) fn code(secret: &[u8], now: i64) -> String {
        totp(secret, "").unwrap().generate(now.unsigned_abs()).to_string()
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, SHA-1, the last six of the eight digits there.
        let secret = b"12345678901234567890";
        for (time, digits) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(secret, time), digits, "{time}");
            let shared = SharedSecret { secret: secret.to_vec(), is_confirmed: true, last_step: 0 };
            assert_eq!(step(&shared, digits, time), Some(time / 30));
            assert_eq!(step(&shared, digits, time + 30), Some(time / 30), "a little late");
            assert_eq!(step(&shared, digits, time + 90), None);
            let used = SharedSecret { last_step: time / 30, ..shared };
            assert_eq!(step(&used, digits, time), None, "no code counts twice");
        }
    }

    #[test]
    fn what_is_typed_may_have_spaces_and_dashes() {
        assert_eq!(backup_hash("AB12cd-345678"), backup_hash(" ab12cd 345678"));
        let Some(Stage::Begun { text, modules, drawing }) = begun(&[7; 20], "ann") else {
            panic!("it can be drawn")
        };
        assert_eq!(text.len(), 32, "base32: {text}");
        assert!(modules >= 21 && drawing.starts_with("M0 0h1v1h-1z"), "a corner is dark");
    }
}
