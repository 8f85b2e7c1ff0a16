//! The client's side of TLS, with a verifier that remembers what it saw, since a certificate that
//! is refused is what an operator most wants to read about.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::certificate::{Certificate, TlsReport};
use super::connect::Wire;
use super::failure::{Failure, Kind};
use super::question::Tls;

/// What all connections share: trust, and our own certificate.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
    client: Option<Arc<Pair>>,
    settings: Tls,
}

#[derive(Debug)]
struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Connector {
    /// Reads the certificates to trust, and our own.
    ///
    /// # Errors
    /// A [`Kind::Usage`] failure that names the file that is of no use.
    pub(super) fn new(settings: &Tls) -> Result<Connector, Failure> {
        let provider = Arc::new(ring::default_provider());
        let roots = Arc::new(roots(&settings.ca_files)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|error| usage(format!("there is no certificate to trust: {error}")))?;
        let client = settings.client.as_ref().map(|(cert, key)| pair(cert, key)).transpose()?;
        let settings = settings.clone();
        Ok(Connector { provider, verifier, client: client.map(Arc::new), settings })
    }

    /// Shakes hands. The report is there in either case.
    pub(super) async fn handshake(
        &self,
        stream: Wire,
        host: &Host<String>,
        deadline: Instant,
    ) -> (Result<TlsStream<Wire>, Failure>, TlsReport) {
        let recorder = Arc::new(Recorder {
            inner: self.verifier.clone(),
            insecure: self.settings.insecure,
            seen: Mutex::new(Seen::default()),
        });
        let result = self.try_handshake(stream, host, deadline, recorder.clone()).await;
        let mut report = recorder.report();
        if let Ok(stream) = &result {
            let (_, connection) = stream.get_ref();
            report.protocol = connection.protocol_version().and_then(|v| v.as_str()).map(readable);
            report.cipher = connection
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str().map(str::to_owned));
            report.alpn =
                connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        }
        (result, report)
    }

    async fn try_handshake(
        &self,
        stream: Wire,
        host: &Host<String>,
        deadline: Instant,
        recorder: Arc<Recorder>,
    ) -> Result<TlsStream<Wire>, Failure> {
        let name = match (&self.settings.server_name, host) {
            (Some(name), _) | (None, Host::Domain(name)) => ServerName::try_from(name.clone()),
            (None, Host::Ipv4(ip)) => Ok(ServerName::IpAddress((*ip).into())),
            (None, Host::Ipv6(ip)) => Ok(ServerName::IpAddress((*ip).into())),
        };
        let name = name.map_err(|_| usage(format!("\"{host}\" is no name for TLS")))?;
        let connector = TlsConnector::from(Arc::new(self.config(recorder)?));
        let shaken = timeout_at(deadline, connector.connect(name, stream)).await;
        let shaken = shaken.map_err(|_| {
            Failure::new(Kind::Timeout, "tls", "timed out during the TLS handshake")
        })?;
        shaken.map_err(|error| Failure::new(Kind::Tls, "tls", format!("TLS: {}", why(&error))))
    }

    fn config(&self, recorder: Arc<Recorder>) -> Result<ClientConfig, Failure> {
        let broken = |error: rustls::Error| usage(format!("TLS cannot be set up: {error}"));
        let builder = ClientConfig::builder_with_provider(self.provider.clone());
        let builder = if self.settings.only_1_3 {
            builder.with_protocol_versions(&[&rustls::version::TLS13])
        } else {
            builder.with_safe_default_protocol_versions()
        };
        let builder =
            builder.map_err(broken)?.dangerous().with_custom_certificate_verifier(recorder);
        let mut config = match &self.client {
            Some(pair) => builder
                .with_client_auth_cert(pair.chain.clone(), pair.key.clone_key())
                .map_err(broken)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn readable(version: &str) -> String {
    version.replace("TLSv1_", "TLSv1.")
}

fn usage(text: String) -> Failure {
    Failure::new(Kind::Usage, "none", text)
}

/// The certificates in `files`, or else the system's, or else those built in: a static binary runs
/// on hosts that have none.
///
/// # Errors
/// A [`Kind::Usage`] failure that names the file that is of no use.
pub fn roots(files: &[std::path::PathBuf]) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for file in files {
        for certificate in chain(file)? {
            roots.add(certificate).map_err(|error| {
                usage(format!("{} holds a certificate of no use: {error}", file.display()))
            })?;
        }
    }
    if files.is_empty() {
        let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(roots)
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let failed = |why: &dyn fmt::Display| {
        usage(format!("cannot read certificates (PEM) from {}: {why}", file.display()))
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| failed(&error))?;
    if chain.is_empty() { Err(failed(&"there is none in it")) } else { Ok(chain) }
}

fn pair(cert: &Path, key: &Path) -> Result<Pair, Failure> {
    let chain = chain(cert)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        usage(format!("cannot read a private key (PEM) from {}: {error}", key.display()))
    })?;
    Ok(Pair { chain, key })
}

/// The reason of a failed handshake in words an operator knows.
fn why(error: &std::io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(error)) => {
            format!("certificate is not trusted: {}", why_not_trusted(error))
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            "the server does not speak TLS on this port".to_owned()
        }
        Some(error) => error.to_string(),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the server hung up during the handshake".to_owned()
        }
        None => error.to_string(),
    }
}

fn why_not_trusted(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "self-signed, or from an authority that is not known here".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        other => other.to_string(),
    }
}

/// Verifies as usual and remembers what came.
#[derive(Debug)]
struct Recorder {
    inner: Arc<WebPkiServerVerifier>,
    insecure: bool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    own: Vec<u8>,
    chain_len: usize,
    has_ocsp: bool,
    error: Option<String>,
}

impl Recorder {
    fn report(&self) -> TlsReport {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        TlsReport {
            is_verified: seen.chain_len > 0 && seen.error.is_none(),
            verify_error: seen.error.clone(),
            has_ocsp: seen.has_ocsp,
            chain_len: seen.chain_len,
            certificate: Certificate::decode(&seen.own),
            ..TlsReport::default()
        }
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.inner.verify_server_cert(own, above, name, ocsp, now);
        let error = verdict.as_ref().err().map(|error| match error {
            rustls::Error::InvalidCertificate(error) => why_not_trusted(error),
            error => error.to_string(),
        });
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen {
            own: own.to_vec(),
            chain_len: 1 + above.len(),
            has_ocsp: !ocsp.is_empty(),
            error,
        };
        if self.insecure { Ok(ServerCertVerified::assertion()) } else { verdict }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
