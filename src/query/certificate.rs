//! What a server shows of itself in TLS's handshake, told also when it is not trusted.

use sha2::{Digest, Sha256};
use x509_parser::prelude::*;
use x509_parser::public_key::PublicKey;

use super::finding::Finding;
use super::text::{hex, shown};
use crate::limits::query as limits;

/// The outcome of a handshake, as far as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsReport {
    /// `TLSv1.3`; `None` when the handshake ended before.
    pub protocol: Option<String>,
    /// The cipher suite.
    pub cipher: Option<String>,
    /// The protocol agreed on by ALPN.
    pub alpn: Option<String>,
    /// Whether the certificate is trusted and the server's.
    pub is_verified: bool,
    /// Why not.
    pub verify_error: Option<String>,
    /// Whether the server staples an OCSP answer.
    pub has_ocsp: bool,
    /// Certificates that the server sent.
    pub chain_len: usize,
    /// The server's own; `None` when it sent none that can be read.
    pub certificate: Option<Certificate>,
}

/// A certificate in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Whose.
    pub subject: String,
    /// By whom.
    pub issuer: String,
    /// Names and addresses that it is good for.
    pub names: Vec<String>,
    /// Seconds since 1970 from which on it is good.
    pub not_before: i64,
    /// Seconds since 1970 until which it is good.
    pub not_after: i64,
    /// `RSA`, `EC`, `Ed25519` or the number of something else.
    pub key_type: String,
    /// Its size, where that means something.
    pub key_bits: Option<usize>,
    /// How it is signed, by name or number.
    pub signature_algorithm: String,
    /// SHA-256 of the whole, in hex.
    pub sha256: String,
    /// SHA-256 of its public key's encoding, in hex.
    pub key_sha256: String,
}

impl Certificate {
    /// Reads a certificate in DER; `None` when it is none.
    pub fn decode(der: &[u8]) -> Option<Certificate> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let key = certificate.public_key();
        let (key_type, key_bits) = describe_key(key);
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.map(|names| names.value.general_names.iter().filter_map(name).collect());
        Some(Certificate {
            subject: shown(certificate.subject().to_string().as_bytes()),
            issuer: shown(certificate.issuer().to_string().as_bytes()),
            names: names.unwrap_or_default(),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            key_type,
            key_bits,
            signature_algorithm: describe_signature(&certificate),
            sha256: hex(&Sha256::digest(der)),
            key_sha256: hex(&Sha256::digest(key.raw)),
        })
    }

    /// Whole days until its end at `now`, in seconds since 1970; negative when it has ended.
    pub fn days_left(&self, now: i64) -> i64 {
        (self.not_after - now).div_euclid(86_400)
    }

    /// What is odd about it at `now`.
    pub(super) fn findings(&self, now: i64, warn_days: i64, found: &mut Vec<Finding>) {
        let days = self.days_left(now);
        if days < warn_days {
            let text = format!("the certificate ends in {days} days");
            found.push(Finding::new("cert-expiring", text));
        }
        let bits_min =
            if self.key_type == "RSA" { limits::RSA_BITS_MIN } else { limits::EC_BITS_MIN };
        if let Some(bits) = self.key_bits.filter(|bits| *bits < bits_min) {
            let text = format!("the certificate has a {} key of {bits} bits", self.key_type);
            found.push(Finding::new("cert-weak", text));
        }
        if self.signature_algorithm.contains("sha1") || self.signature_algorithm.contains("md5") {
            let text = format!("the certificate is signed with {}", self.signature_algorithm);
            found.push(Finding::new("cert-weak", text));
        }
    }
}

fn describe_key(key: &SubjectPublicKeyInfo<'_>) -> (String, Option<usize>) {
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => ("RSA".to_owned(), Some(rsa.key_size())),
        Ok(PublicKey::EC(point)) => ("EC".to_owned(), Some(point.key_size())),
        _ => match key.algorithm.algorithm.to_id_string().as_str() {
            "1.3.101.112" => ("Ed25519".to_owned(), Some(256)),
            "1.3.101.113" => ("Ed448".to_owned(), Some(456)),
            other => (other.to_owned(), None),
        },
    }
}

fn describe_signature(certificate: &X509Certificate<'_>) -> String {
    let oid = certificate.signature_algorithm.algorithm.to_id_string();
    let name = match oid.as_str() {
        "1.2.840.113549.1.1.4" => "md5WithRSA",
        "1.2.840.113549.1.1.5" => "sha1WithRSA",
        "1.2.840.113549.1.1.10" => "RSASSA-PSS",
        "1.2.840.113549.1.1.11" => "sha256WithRSA",
        "1.2.840.113549.1.1.12" => "sha384WithRSA",
        "1.2.840.113549.1.1.13" => "sha512WithRSA",
        "1.2.840.10045.4.1" => "ecdsa-with-sha1",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.3.101.112" => "Ed25519",
        other => other,
    };
    name.to_owned()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(shown(name.as_bytes())),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => {
                <[u8; 4]>::try_from(*bytes).ok().map(|ip| std::net::Ipv4Addr::from(ip).to_string())
            }
            16 => {
                <[u8; 16]>::try_from(*bytes).ok().map(|ip| std::net::Ipv6Addr::from(ip).to_string())
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_is_told_in_words() {
        let names = ["t.example".to_owned(), "127.0.0.1".to_owned()];
        let issued = rcgen::generate_simple_self_signed(names).unwrap();
        let read = Certificate::decode(issued.cert.der()).unwrap();
        assert_eq!(read.names, ["t.example", "127.0.0.1"]);
        assert_eq!((read.key_type.as_str(), read.key_bits), ("EC", Some(256)));
        assert_eq!(read.signature_algorithm, "ecdsa-with-SHA256");
        assert_eq!(read.sha256.len(), 64);
        let mut found = Vec::new();
        read.findings(read.not_after - 3 * 86_400, 14, &mut found);
        assert_eq!(found[0].id, "cert-expiring");
        assert_eq!(Certificate::decode(b"nonsense"), None);
    }
}
