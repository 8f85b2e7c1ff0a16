//! Gzip (RFC 1952) of replies, with one deflate state a worker that is used again and again:
//! making one anew takes longer than compressing an announce.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Magic, deflate, no flags, no time, no hint, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
const TRAILER_LEN: usize = 8;

/// A compressor that is kept.
#[derive(Debug)]
pub struct Gzip {
    deflate: Compress,
}

impl Default for Gzip {
    /// The default level: a few per cent larger than the best one, at a fraction of the time.
    fn default() -> Gzip {
        Gzip { deflate: Compress::new(Compression::default(), false) }
    }
}

impl Gzip {
    /// Compresses `body` into `out`, which is emptied first. Tells whether that made it smaller;
    /// `out` holds nothing of use otherwise, and never grows beyond `body`.
    pub fn compress(&mut self, body: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        let Some(deflated_max) = body.len().checked_sub(HEADER.len() + TRAILER_LEN + 1) else {
            return false;
        };
        out.extend_from_slice(&HEADER);
        out.reserve_exact(deflated_max);
        self.deflate.reset();
        // `compress_vec` writes no further than the capacity, which is not grown.
        match self.deflate.compress_vec(body, out, FlushCompress::Finish) {
            Ok(Status::StreamEnd) if out.len() <= HEADER.len() + deflated_max => {}
            _ => return false,
        }
        let mut crc = Crc::new();
        crc.update(body);
        out.extend_from_slice(&crc.sum().to_le_bytes());
        out.extend_from_slice(&crc.amount().to_le_bytes());
        out.len() < body.len()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    fn gunzip(bytes: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut body).unwrap();
        body
    }

    #[test]
    fn compressible_body_comes_back_and_is_smaller() {
        let body = b"d8:completei0e10:incompletei0e".repeat(20);
        let (mut gzip, mut out) = (Gzip::default(), Vec::new());
        for _ in 0..3 {
            assert!(gzip.compress(&body, &mut out));
            assert!(out.len() < body.len());
            assert_eq!(gunzip(&out), body);
        }
    }

    #[test]
    fn body_that_would_not_shrink_is_left_alone() {
        let mut rng = fastrand::Rng::with_seed(1);
        let (mut gzip, mut out) = (Gzip::default(), Vec::new());
        for length in [0, 1, 18, 19, 20, 100, 10_000] {
            let body: Vec<u8> = (0..length).map(|_| rng.u8(..)).collect();
            assert!(!gzip.compress(&body, &mut out), "{length}");
        }
    }

    proptest! {
        #[test]
        fn whatever_shrinks_comes_back(body in proptest::collection::vec(0u8..4, 0..4_000)) {
            let mut out = Vec::new();
            if Gzip::default().compress(&body, &mut out) {
                prop_assert!(out.len() < body.len());
                prop_assert_eq!(gunzip(&out), body);
            }
        }
    }
}
