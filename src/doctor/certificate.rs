//! The certificate and its key: whether they belong together, are in time, come with the whole
//! chain, and are for the right name.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::Scene;
use super::clock::shown;
use super::finding::{Cure, Looked, Seen, Unseen};
use crate::config::TlsFiles;
use crate::limits::doctor as limits;
use crate::limits::query::CERT_WARN_DAYS;
use crate::net::tls;
use crate::query::certificate::Certificate;

/// Bits of a file's mode by which others than its owner and group may read it.
const READABLE_BY_ALL: u32 = 0o004;

const NONE_NAMED: &str = "no certificate is named";

/// The chain in the file that is named; `None` when none is.
fn chain_of(scene: &Scene) -> Result<Option<Vec<CertificateDer<'static>>>, Unseen> {
    let Some(TlsFiles { cert, .. }) = &scene.wanted.pair else { return Ok(None) };
    let read = CertificateDer::pem_file_iter(cert);
    let read = read.and_then(|chain| chain.take(limits::CHAIN_MAX).collect::<Result<Vec<_>, _>>());
    let chain = read.map_err(|error| Unseen(format!("{}: {error}", cert.display())))?;
    if chain.is_empty() {
        return Err(Unseen(format!("{}: there is no certificate in it", cert.display())));
    }
    Ok(Some(chain))
}

/// Its certificates in words.
fn words(chain: &[CertificateDer<'_>]) -> Result<Vec<Certificate>, Unseen> {
    let read = chain.iter().map(|der| Certificate::decode(der));
    let read: Option<Vec<_>> = read.collect();
    read.ok_or_else(|| Unseen("a certificate of the chain cannot be read".to_owned()))
}

/// Has a certificate issued, and put where the tracker looks for it.
fn issue(scene: &Scene) -> Cure {
    let name = scene.wanted.domain.as_deref().unwrap_or("DOMAIN");
    let paths = scene.wanted.pair.as_ref().map_or(String::new(), |TlsFiles { cert, key }| {
        format!(" --fullchain-file {} --key-file {}", cert.display(), key.display())
    });
    Cure::both(
        format!(
            "acme.sh --issue -d {name} --standalone --force && \
             acme.sh --install-cert -d {name}{paths}"
        ),
        format!(
            "acme.sh --install-cert -d {name}{paths} --reloadcmd 'systemctl reload wildkat' && \
             acme.sh --install-cronjob"
        ),
    )
}

#[expect(clippy::unnecessary_wraps, reason = "all checks have one shape")]
pub fn pair(scene: &Scene) -> Looked {
    let Some(files) = &scene.wanted.pair else { return Ok(vec![Seen::ok(NONE_NAMED)]) };
    Ok(vec![match tls::Certificate::read(files.clone()) {
        Ok(_) => Seen::ok("the key is the one of the certificate"),
        Err(error) => Seen::error(error.to_string(), issue(scene)),
    }])
}

pub fn dates(scene: &Scene) -> Looked {
    let Some(chain) = chain_of(scene)? else { return Ok(vec![Seen::ok(NONE_NAMED)]) };
    let now = scene.live.now;
    let mut seen = Vec::new();
    for certificate in words(&chain)? {
        let (days, end) = (certificate.days_left(now), shown(certificate.not_after));
        let cure = || issue(scene);
        let found = if certificate.not_before > now {
            let is = format!(
                "it is good from {} on, which is yet to come",
                shown(certificate.not_before)
            );
            Seen::error(is, Cure::lasting("timedatectl set-ntp true"))
        } else if certificate.not_after < now {
            Seen::error(format!("it has expired on {end}"), cure())
        } else if days < CERT_WARN_DAYS {
            Seen::warning(format!("it ends in {days} days, on {end}"), cure())
        } else {
            Seen::ok(format!("it is good for {days} days, until {end}"))
        };
        seen.push(found.about(certificate.subject));
    }
    Ok(seen)
}

pub fn chain(scene: &Scene) -> Looked {
    let Some(chain) = chain_of(scene)? else { return Ok(vec![Seen::ok(NONE_NAMED)]) };
    let certificates = words(&chain)?;
    let [own, above @ ..] = &certificates[..] else { return Ok(vec![Seen::ok(NONE_NAMED)]) };
    let is_linked = certificates
        .windows(2)
        .all(|pair| matches!(pair, [one, next] if one.issuer == next.subject));
    Ok(vec![if own.issuer == own.subject {
        Seen::warning("it is self-signed: only clients that do not verify take it", issue(scene))
    } else if !is_linked {
        let is = "the certificates are not in order: each is to be followed by its issuer's";
        Seen::error(is, issue(scene))
    } else {
        match is_trusted(scene, &chain, &own.names) {
            Ok(()) => Seen::ok(format!("{} certificates lead to an authority", certificates.len())),
            Err(why) if above.is_empty() => {
                let is = format!(
                    "the file holds the server's certificate alone ({why}): the chain is not whole"
                );
                Seen::error(is, issue(scene))
            }
            Err(why) => Seen::warning(
                format!("no authority known here has issued it ({why})"),
                issue(scene),
            ),
        }
    }])
}

/// Whether a client that knows the usual authorities trusts the chain, at a moment at which the
/// certificate is in time: dates are another check's.
fn is_trusted(scene: &Scene, chain: &[CertificateDer<'_>], names: &[String]) -> Result<(), String> {
    let [own, above @ ..] = chain else { return Ok(()) };
    let words = Certificate::decode(own).ok_or("it cannot be read")?;
    let moment = scene.live.now.clamp(words.not_before, words.not_after);
    let moment = UnixTime::since_unix_epoch(Duration::from_secs(moment.try_into().unwrap_or(0)));
    let provider = Arc::new(ring::default_provider());
    let roots = Arc::new(scene.live.roots.clone());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
    let verifier = verifier.map_err(|error| error.to_string())?;
    // Names are another check's too: it is asked for by one that it has.
    let name = names.first().map_or("localhost", String::as_str).replacen('*', "any", 1);
    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
    let verdict = verifier.verify_server_cert(own, above, &name, &[], moment);
    verdict.map(drop).map_err(|error| error.to_string())
}

pub fn names(scene: &Scene) -> Looked {
    let Some(chain) = chain_of(scene)? else { return Ok(vec![Seen::ok(NONE_NAMED)]) };
    let certificates = words(&chain)?;
    let names = certificates.first().map_or(&[][..], |own| &own.names[..]);
    let Some(domain) = &scene.wanted.domain else {
        return Ok(vec![Seen::note(format!(
            "it is for {}; whether that is right shows with --domain",
            names.join(", ")
        ))]);
    };
    let bare = domain.trim_start_matches('[').trim_end_matches(']');
    let is_for = |name: &String| {
        let rest = || bare.split_once('.').map_or("", |(_, rest)| rest);
        name.eq_ignore_ascii_case(bare)
            || name.strip_prefix("*.").is_some_and(|name| name.eq_ignore_ascii_case(rest()))
    };
    Ok(vec![if names.iter().any(is_for) {
        Seen::ok(format!("it is for {domain}"))
    } else {
        Seen::error(format!("it is for {}, not for {domain}", names.join(", ")), issue(scene))
    }])
}

pub fn permissions(scene: &Scene) -> Looked {
    let Some(TlsFiles { key, .. }) = &scene.wanted.pair else {
        return Ok(vec![Seen::ok(NONE_NAMED)]);
    };
    let path = key.display();
    let found = std::fs::metadata(key).map_err(|error| Unseen(format!("{path}: {error}")))?;
    let mode = found.permissions().mode() & 0o7777;
    Ok(vec![if mode & READABLE_BY_ALL == 0 {
        Seen::ok(format!("the mode of {path} is {mode:04o}"))
    } else {
        let is = format!("every user may read {path} (mode {mode:04o})");
        Seen::warning(is, Cure::lasting(format!("chmod o-r {path}")))
    }])
}
