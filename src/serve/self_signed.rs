//! A certificate of our own making, for a laptop or a network of friends: browsers warn of it once.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use time::{Duration, OffsetDateTime};

use crate::config::TlsFiles;

/// How long it is good for: what some browsers take at most.
const DAYS: i64 = 825;

/// Makes the pair where either file is missing, issued to `names`. The key is its owner's alone.
///
/// # Errors
/// When it cannot be made or written.
pub fn ensure(files: &TlsFiles, names: &[String]) -> io::Result<()> {
    if files.cert.is_file() && files.key.is_file() {
        return Ok(());
    }
    let mut params = CertificateParams::new(names.to_vec()).map_err(io::Error::other)?;
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(DAYS);
    params.distinguished_name = DistinguishedName::new();
    let first = names.first().map_or("wildkat", String::as_str);
    params.distinguished_name.push(DnType::CommonName, first);
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    write(&files.key, &key.serialize_pem(), 0o600)?;
    write(&files.cert, &certificate.pem(), 0o644)?;
    tracing::info!(
        "made a certificate of our own for {}, good for {DAYS} days: {}",
        names.join(", "),
        files.cert.display()
    );
    Ok(())
}

/// Whole, or not at all.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside);
    let mut file = file.map_err(named)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(named)?;
    fs::rename(&beside, path).map_err(named)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::net::tls::Certificate;

    #[test]
    fn pair_is_made_once_and_serves() {
        let folder = tempfile::tempdir().unwrap();
        let files =
            TlsFiles { cert: folder.path().join("c.crt"), key: folder.path().join("c.key") };
        let names = ["t.example".to_owned(), "::1".to_owned()];
        ensure(&files, &names).unwrap();
        Certificate::read(files.clone()).unwrap();
        assert_eq!(fs::metadata(&files.key).unwrap().permissions().mode() & 0o777, 0o600);
        let before = fs::read(&files.cert).unwrap();
        ensure(&files, &names).unwrap();
        assert_eq!(fs::read(&files.cert).unwrap(), before);
        let files = TlsFiles { cert: "/no/such/c".into(), key: "/no/such/k".into() };
        assert!(ensure(&files, &names).unwrap_err().to_string().contains("/no/such/k"));
    }
}
