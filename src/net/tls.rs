//! Certificates and keys, read from PEM files and checked before any socket is bound; and read
//! again while connections are open, since certificates are renewed every few weeks.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, ServerConfig};

use crate::config::TlsFiles;

/// Why TLS cannot be offered. The text names the file and the cure.
#[derive(Debug)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// The certificate and key in use: those of new handshakes. Connections keep what they began with.
#[derive(Debug)]
pub struct Certificate {
    files: TlsFiles,
    current: ArcSwap<CertifiedKey>,
}

impl Certificate {
    /// The pair in `files`.
    ///
    /// # Errors
    /// When a file cannot be read, holds nothing of use, or the key is not the certificate's.
    pub fn read(files: TlsFiles) -> Result<Certificate, TlsError> {
        let current = ArcSwap::from_pointee(read_pair(&files)?);
        Ok(Certificate { files, current })
    }

    /// Reads the files again. From now on new handshakes get what is in them.
    ///
    /// # Errors
    /// As [`Certificate::read`]; the pair that is in use stays in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(read_pair(&self.files)?));
        Ok(())
    }

    /// The chain in use, the server's own certificate first.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.current.load().cert.clone()
    }

    /// Where it lies.
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read_pair(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let chain = read_chain(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| {
        TlsError(format!("cannot read a private key (PEM) from {}: {error}", files.key.display()))
    })?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| pair_error(files, &error))
}

/// TLS 1.2 and 1.3 with a certificate and session tickets, speaking `protocols` (ALPN), the
/// preferred one first.
///
/// # Errors
/// When the system has no randomness for the tickets.
pub fn server_config(
    certificate: Arc<Certificate>,
    protocols: &[&str],
) -> Result<ServerConfig, TlsError> {
    let mut provider = ring::default_provider();
    // First what processors have instructions for, its hash included: a tracker's connections end
    // after one reply, and a handshake hashes more than it encrypts.
    let aes_128 = CipherSuite::TLS13_AES_128_GCM_SHA256;
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != aes_128);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(format!("TLS is not to be had: {error}")))?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config.ignore_client_order = true;
    // One announce, one connection, one ticket for the next.
    config.send_tls13_tickets = 1;
    config.ticketer = ring::Ticketer::new()
        .map_err(|error| TlsError(format!("no secret for session tickets: {error}")))?;
    Ok(config)
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |error: &dyn fmt::Display| {
        TlsError(format!("cannot read a certificate chain (PEM) from {}: {error}", path.display()))
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| failed(&error))?;
    if chain.is_empty() {
        return Err(failed(&"there is no CERTIFICATE block in it"));
    }
    Ok(chain)
}

fn pair_error(files: &TlsFiles, error: &rustls::Error) -> TlsError {
    let (cert, key) = (files.cert.display(), files.key.display());
    TlsError(match error {
        rustls::Error::InconsistentKeys(_) => format!(
            "the key in {key} is not the one of the certificate in {cert}: give the pair that was \
             issued together, the server's own certificate first"
        ),
        error => format!("the certificate in {cert} with the key in {key} is of no use: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(folder: &Path, name: &str) -> TlsFiles {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = TlsFiles {
            cert: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        std::fs::write(&files.cert, issued.cert.pem()).unwrap();
        std::fs::write(&files.key, issued.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn pair_that_belongs_together_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let certificate = Certificate::read(pair(folder.path(), "a")).unwrap();
        let config = server_config(Arc::new(certificate), &["http/1.1"]).unwrap();
        assert_eq!(config.alpn_protocols, [b"http/1.1"]);
    }

    #[test]
    fn new_pair_replaces_the_old_one_and_a_bad_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let [used, new] = ["used", "new"].map(|name| pair(folder.path(), name));
        let certificate = Certificate::read(used.clone()).unwrap();
        let first = certificate.chain();
        std::fs::copy(&new.cert, &used.cert).unwrap();
        let error = certificate.reload().unwrap_err().to_string();
        assert!(error.contains("is not the one of the certificate"), "{error}");
        assert_eq!(certificate.chain(), first, "half a renewal");
        std::fs::copy(&new.key, &used.key).unwrap();
        certificate.reload().unwrap();
        assert_ne!(certificate.chain(), first);
    }

    #[test]
    fn each_fault_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| pair(folder.path(), name));
        let error = |cert: &Path, key: &Path| {
            let files = TlsFiles { cert: cert.to_owned(), key: key.to_owned() };
            Certificate::read(files).unwrap_err().to_string()
        };
        let absent = folder.path().join("absent.pem");
        let garbage = folder.path().join("garbage.pem");
        std::fs::write(&garbage, "not PEM at all").unwrap();

        assert!(error(&a.cert, &b.key).contains("is not the one of the certificate"));
        assert!(error(&absent, &a.key).contains("absent.pem"));
        assert!(error(&a.cert, &absent).contains("cannot read a private key"));
        assert!(error(&garbage, &a.key).contains("no CERTIFICATE block"));
        assert!(error(&a.cert, &garbage).contains("garbage.pem"));
        assert!(error(&a.key, &a.cert).contains("no CERTIFICATE block"), "swapped");
    }
}
