//! Takes up a renewed certificate without a restart: on SIGHUP, and when its files have changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::TlsFiles;
use crate::net::tls::Certificate;

/// Time between two looks at the files. A change is taken up when two looks agree on it, so that a
/// renewal that replaces one file after the other is seen whole.
pub const PERIOD: Duration = Duration::from_secs(5);

/// Watches for ever.
pub async fn run(certificate: Arc<Certificate>, period: Duration) {
    let mut ticks = tokio::time::interval(period);
    let look = || Fingerprint::of(certificate.files());
    let (mut taken, mut before) = (look(), look());
    loop {
        ticks.tick().await;
        let now = look();
        if now == before && now != taken {
            reload(&certificate);
            taken = now;
        }
        before = now;
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

/// What changes when a file is written, or another is put or linked in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint([Option<(u64, u64, i64, i64)>; 2]);

impl Fingerprint {
    fn of(files: &TlsFiles) -> Fingerprint {
        Fingerprint([&files.cert, &files.key].map(|path| {
            let found = fs::metadata(path).ok()?; // of what a link leads to
            Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
