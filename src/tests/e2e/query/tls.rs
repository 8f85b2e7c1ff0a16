//! Certificates: trusted, refused and told of.

use super::super::TestServer;
use super::*;
use crate::query::failure::Kind::{Connect, Malformed, Tls};

fn trusting(server: &TestServer) -> Settings {
    let mut settings = Settings { timeout: Duration::from_secs(10), ..hasty() };
    settings.tls.ca_files = vec![server.folder.path().join("cert.pem")];
    settings
}

#[test]
fn trusted_certificate_is_told_of() {
    let server = TestServer::start();
    for address in &server.addresses().https {
        let url = format!("https://{address}/announce");
        let report = ask_with(trusting(&server), &url, &announce());
        assert_eq!(kind(&report), None, "{:?}", report.failure);
        let tls = report.trace.tls.unwrap();
        assert!(tls.is_verified && tls.verify_error.is_none());
        assert_eq!(
            (tls.protocol.as_deref(), tls.alpn.as_deref()),
            (Some("TLSv1.3"), Some("http/1.1"))
        );
        assert!(tls.certificate.unwrap().names.contains(&"localhost".to_owned()));
    }
}

#[test]
fn d2_certificates_that_are_not_trusted_are_refused_and_still_told_of() {
    let server = TestServer::start();
    let url = format!("https://{}/announce", server.addresses().https[0]);
    let patient = Settings { timeout: Duration::from_secs(10), ..hasty() };

    let self_signed = ask_with(patient.clone(), &url, &announce());
    assert_eq!(kind(&self_signed), Some(Tls));
    let tls = self_signed.trace.tls.unwrap();
    assert!(!tls.is_verified && tls.certificate.is_some());

    let mut settings = trusting(&server);
    settings.tls.server_name = Some("elsewhere.example".to_owned());
    let wrong_name = ask_with(settings, &url, &announce());
    assert_eq!(kind(&wrong_name), Some(Tls));
    assert!(wrong_name.failure.unwrap().message.contains("another name"));

    let mut settings = patient;
    settings.tls.insecure = true;
    let insecure = ask_with(settings, &url, &announce());
    assert_eq!(kind(&insecure), None, "{:?}", insecure.failure);
    assert!(finding_ids(&insecure).contains(&"https-unverified"));
    assert!(!insecure.trace.tls.unwrap().is_verified);
}

#[test]
fn d2_wrong_protocol_on_a_port_is_told() {
    let server = TestServer::start();
    let https = server.addresses().https[0];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&reply("400 Bad Request", "", "plain HTTP, please")).unwrap();
        drop(stream.read(&mut [0; 4_096]));
    });
    let plain_port = ask(&format!("https://{plain}/announce"), &announce());
    assert_eq!(kind(&plain_port), Some(Tls), "{:?}", plain_port.failure);
    let tls_port = ask(&format!("http://{https}/announce"), &announce());
    assert!([Some(Connect), Some(Malformed)].contains(&kind(&tls_port)), "{:?}", tls_port.failure);
}

#[test]
fn d2_redirect_from_https_to_http_is_refused() {
    let server = TestServer::with(|config| config.net.redirect_http = None);
    let https = server.addresses().https[0];
    // The page's port redirects nobody, so a server of our own does: TLS in front of a mock.
    let plain = Mock::saying(reply("302 Found", "Location: http://127.0.0.1:1/announce\r\n", ""));
    let front = tls_front(&server, plain.address, Front::default());
    let report = ask_with(trusting(&server), &format!("https://{front}/announce"), &announce());
    assert_eq!(kind(&report), Some(Kind::Http), "{:?} {https}", report.failure);
    assert!(report.failure.unwrap().message.contains("from https to"));
}

#[test]
fn certificate_of_ours_lets_us_in_where_one_is_wanted() {
    let server = TestServer::start();
    let plain = Mock::saying(ok(b"d8:intervali1800ee"));
    let front = tls_front(&server, plain.address, Front { wants_client: true, ocsp: vec![] });
    let url = format!("https://{front}/announce");
    let stranger = ask_with(trusting(&server), &url, &announce());
    let failure = stranger.failure.unwrap();
    assert!([Tls, Connect].contains(&failure.kind), "{failure}");

    let mut settings = trusting(&server);
    let file = |name| server.folder.path().join(name);
    settings.tls.client = Some((file("cert.pem"), file("key.pem")));
    let known = ask_with(settings.clone(), &url, &announce());
    assert_eq!(kind(&known), None, "{:?}", known.failure);

    settings.tls.client = Some((file("key.pem"), file("key.pem")));
    let failure = Client::new(settings).unwrap_err();
    assert_eq!(failure.kind, Kind::Usage);
    assert!(failure.message.contains("key.pem"), "{failure}");
}

#[test]
fn stapled_ocsp_is_told_of() {
    let server = TestServer::start();
    let plain = Mock::saying(ok(b"d8:intervali1800ee"));
    for ocsp in [vec![], vec![48, 3, 10, 1, 6]] {
        let has_ocsp = !ocsp.is_empty();
        let front = tls_front(&server, plain.address, Front { wants_client: false, ocsp });
        let report = ask_with(trusting(&server), &format!("https://{front}/announce"), &announce());
        assert_eq!(kind(&report), None, "{:?}", report.failure);
        assert_eq!(report.trace.tls.unwrap().has_ocsp, has_ocsp);
    }
}

#[test]
fn tls_below_the_lowest_wanted_is_refused() {
    let server = TestServer::start();
    let plain = Mock::saying(ok(b"d8:intervali1800ee"));
    let front =
        tls_front_with(&server, plain.address, Front::default(), &[&rustls::version::TLS12]);
    let url = format!("https://{front}/announce");
    let report = ask_with(trusting(&server), &url, &announce());
    assert_eq!(report.trace.tls.unwrap().protocol.as_deref(), Some("TLSv1.2"));
    let mut settings = trusting(&server);
    settings.tls.only_1_3 = true;
    assert_eq!(kind(&ask_with(settings, &url, &announce())), Some(Tls));
}

/// What a TLS front does beside TLS.
#[derive(Default)]
struct Front {
    wants_client: bool,
    ocsp: Vec<u8>,
}

/// A TLS server that hands connections on to `plain`, until its test ends.
fn tls_front(server: &TestServer, plain: SocketAddr, front: Front) -> SocketAddr {
    tls_front_with(server, plain, front, rustls::DEFAULT_VERSIONS)
}

fn tls_front_with(
    server: &TestServer,
    plain: SocketAddr,
    front: Front,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> SocketAddr {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::server::WebPkiClientVerifier;
    let certificate = CertificateDer::from_pem_file(server.folder.path().join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(server.folder.path().join("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let verifier = if front.wants_client {
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        builder.build().unwrap()
    } else {
        WebPkiClientVerifier::no_client_auth()
    };
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert_with_ocsp(vec![certificate], key, front.ocsp)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = rustls::ServerConnection::new(config.clone()).unwrap();
            // Whom it does not let in hangs up, or is hung up on.
            let _ = hand_on(rustls::StreamOwned::new(connection, stream), plain);
        }
    });
    address
}

fn hand_on(
    mut tls: rustls::StreamOwned<rustls::ServerConnection, TcpStream>,
    plain: SocketAddr,
) -> std::io::Result<()> {
    let mut head = [0; 4_096];
    let length = tls.read(&mut head)?;
    let mut plain = TcpStream::connect(plain)?;
    plain.write_all(&head[..length])?;
    let mut bytes = Vec::new();
    plain.read_to_end(&mut bytes)?;
    tls.write_all(&bytes)?;
    tls.conn.send_close_notify();
    tls.flush()
}
