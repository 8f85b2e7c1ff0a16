//! Takes up a renewed certificate without a restart: on SIGHUP, and when its files have changed.

use std::sync::Arc;
use std::time::Duration;

use super::watch::Watch;
use crate::net::tls::Certificate;

/// Watches for ever.
pub async fn run(certificate: Arc<Certificate>, period: Duration) {
    let files = certificate.files();
    let mut watch = Watch::new(vec![files.cert.clone(), files.key.clone()], period);
    loop {
        watch.changed().await;
        reload(&certificate);
    }
}

/// Reads the files again, and says what became of it.
pub fn reload(certificate: &Certificate) {
    let path = certificate.files().cert.display();
    match certificate.reload() {
        Ok(()) => tracing::info!("new connections get the certificate that is in {path} now"),
        Err(error) => tracing::warn!("the certificate stays the one it was, since {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::TlsFiles;

    fn write_pair(files: &TlsFiles) {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&files.cert, issued.cert.pem()).unwrap();
        fs::write(&files.key, issued.signing_key.serialize_pem()).unwrap();
    }

    #[tokio::test]
    async fn change_of_the_files_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
        let files = TlsFiles { cert, key };
        write_pair(&files);
        let certificate = Arc::new(Certificate::read(files.clone()).unwrap());
        let first = certificate.chain();
        let watch = tokio::spawn(run(certificate.clone(), Duration::from_millis(5)));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(certificate.chain(), first);
        write_pair(&files);
        for _ in 0..1_000 {
            if certificate.chain() != first {
                return watch.abort();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the new certificate is not taken up");
    }
}
