//! The certificate in every state, issued by an authority of the test's own.

use std::os::unix::fs::PermissionsExt;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use time::OffsetDateTime;

use super::*;

type Authority = Issuer<'static, KeyPair>;

/// A certificate for an authority, issued by itself or by `above`.
fn authority(name: &str, above: Option<&Authority>) -> (rcgen::Certificate, Authority) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let issued = match above {
        Some(above) => params.signed_by(&key, above),
        None => params.self_signed(&key),
    };
    (issued.unwrap(), Issuer::new(params, key))
}

/// A certificate for a server, good for `days` before and after now, and its key.
fn server(name: &str, days: (i64, i64), above: &Authority) -> (String, String) {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let moment = |days: i64| OffsetDateTime::from_unix_timestamp(NOW + days * 86_400).unwrap();
    (params.not_before, params.not_after) = (moment(days.0), moment(days.1));
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, above).unwrap().pem(), key.serialize_pem())
}

/// A stage with a root that is trusted, and an authority below it.
struct Issued {
    stage: Stage,
    below: Authority,
    below_pem: String,
}

impl Issued {
    fn new() -> Issued {
        let mut stage = Stage::good();
        let (root, root_issuer) = authority("Test Root", None);
        let (below, below_issuer) = authority("Test Below", Some(&root_issuer));
        stage.scene.live.roots.add(root.der().clone()).unwrap();
        stage.scene.wanted.domain = Some("t.example".to_owned());
        Issued { stage, below: below_issuer, below_pem: below.pem() }
    }

    fn put(&mut self, chain: &str, key: &str) {
        let [cert_path, key_path] =
            ["cert.pem", "key.pem"].map(|name| self.stage.folder.path().join(name));
        std::fs::write(&cert_path, chain).unwrap();
        std::fs::write(&key_path, key).unwrap();
        std::fs::set_permissions(&key_path, PermissionsExt::from_mode(0o640)).unwrap();
        self.stage.scene.wanted.pair = Some(TlsFiles { cert: cert_path, key: key_path });
    }

    /// Puts a certificate with all that belongs to it.
    fn put_whole(&mut self, name: &str, days: (i64, i64)) {
        let (own, key) = server(name, days, &self.below);
        self.put(&format!("{own}{}", self.below_pem), &key);
    }
}

#[test]
fn certificate_that_is_whole_and_in_time_is_as_it_should_be() {
    for name in ["t.example", "T.Example"] {
        let mut issued = Issued::new();
        issued.put_whole(name, (-10, 80));
        let stage = &issued.stage;
        for (id, part) in [
            ("certificate-pair", "the key is the one"),
            ("certificate-dates", "good for"),
            ("certificate-chain", "2 certificates lead to an authority"),
            ("certificate-names", "t.example"),
            ("key-permissions", "0640"),
        ] {
            assert_eq!(
                stage.worst(id).seen.severity,
                Severity::Ok,
                "{name}: {:?}",
                stage.worst(id)
            );
            assert!(stage.all(id).iter().any(|found| found.seen.is.contains(part)), "{id}: {part}");
        }
    }
}

#[test]
fn dates_are_judged_on_both_sides_of_each_bound() {
    for (days, severity, part) in [
        ((-80, -1), Severity::Error, "it has expired"),
        ((-80, 13), Severity::Warning, "it ends in 13 days"),
        ((-80, 14), Severity::Ok, "good for"),
        ((1, 80), Severity::Error, "yet to come"),
    ] {
        let mut issued = Issued::new();
        issued.put_whole("t.example", days);
        issued.stage.shows("certificate-dates", severity, part);
        // The chain is whole, whatever the dates.
        issued.stage.shows("certificate-chain", Severity::Ok, "2 certificates");
    }
}

#[test]
fn chain_that_is_cut_short_or_out_of_order_is_an_error() {
    let mut issued = Issued::new();
    let (own, key) = server("t.example", (-1, 80), &issued.below);
    issued.put(&own, &key);
    issued.stage.shows("certificate-chain", Severity::Error, "the server's certificate alone");
    issued.stage.is_cured_by("certificate-chain", "--fullchain-file");
    let (other, _) = server("o.example", (-1, 80), &issued.below);
    let below = issued.below_pem.clone();
    issued.put(&format!("{own}{other}{below}"), &key);
    issued.stage.shows("certificate-chain", Severity::Error, "not in order");
}

#[test]
fn certificate_of_an_unknown_authority_or_of_its_own_is_a_warning() {
    let mut issued = Issued::new();
    issued.put_whole("t.example", (-1, 80));
    issued.stage.scene.live.roots = RootCertStore::empty();
    let (root, _) = authority("Another Root", None);
    issued.stage.scene.live.roots.add(root.der().clone()).unwrap();
    issued.stage.shows("certificate-chain", Severity::Warning, "no authority known here");
    let own = rcgen::generate_simple_self_signed(["t.example".to_owned()]).unwrap();
    issued.put(&own.cert.pem(), &own.signing_key.serialize_pem());
    issued.stage.shows("certificate-chain", Severity::Warning, "self-signed");
}

#[test]
fn certificate_for_another_name_is_an_error() {
    let mut issued = Issued::new();
    issued.put_whole("other.example", (-1, 80));
    issued.stage.shows("certificate-names", Severity::Error, "not for t.example");
    issued.stage.scene.wanted.domain = None;
    issued.stage.shows("certificate-names", Severity::Note, "--domain");
}

#[test]
fn key_of_another_certificate_and_files_of_no_use_are_told() {
    let mut issued = Issued::new();
    let (own, _) = server("t.example", (-1, 80), &issued.below);
    let (_, other) = server("t.example", (-1, 80), &issued.below);
    issued.put(&own, &other);
    issued.stage.shows("certificate-pair", Severity::Error, "is not the one of the certificate");
    issued.put("no PEM", &other);
    issued.stage.shows("certificate-pair", Severity::Error, "no CERTIFICATE block");
    let found = issued.stage.worst("certificate-dates");
    assert!(!found.has_looked && found.seen.is.contains("no certificate in it"), "{found:?}");
    let pair = issued.stage.scene.wanted.pair.as_mut().unwrap();
    pair.key = PathBuf::from("/nowhere/key.pem");
    assert!(!issued.stage.worst("key-permissions").has_looked);
}

#[test]
fn key_that_all_may_read_is_a_warning() {
    let mut issued = Issued::new();
    issued.put_whole("t.example", (-1, 80));
    let key = issued.stage.folder.path().join("key.pem");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    issued.stage.shows("key-permissions", Severity::Warning, "every user may read");
    issued.stage.is_cured_by("key-permissions", "chmod o-r");
}
