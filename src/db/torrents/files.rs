//! How the list of a torrent's files is kept: a line for each, `length path`, deflated. A path has
//! no control character in it, so no line break.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::protocol::metainfo::File;

/// Longest list that is read back, in bytes: paths of 4 MB and lengths for 100,000 files, and more.
const LIST_BYTES_MAX: u64 = 16 << 20;

/// The list as it is kept.
pub fn encode(files: &[File]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    for file in files {
        let _ = writeln!(encoder, "{} {}", file.length, file.path); // into memory
    }
    encoder.finish().unwrap_or_default()
}

/// The list that was kept; `None` when these bytes are none.
pub fn decode(kept: &[u8]) -> Option<Vec<File>> {
    let mut text = String::new();
    DeflateDecoder::new(kept).take(LIST_BYTES_MAX).read_to_string(&mut text).ok()?;
    let file = |line: &str| {
        let (length, path) = line.split_once(' ')?;
        Some(File { path: path.to_owned(), length: length.parse().ok()? })
    };
    text.lines().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_round_trips() {
        let file = |path: &str, length| File { path: path.to_owned(), length };
        let files = [file("a b/c  d", 0), file(" é\u{2028}", u64::MAX), file("z", 7)];
        assert_eq!(decode(&encode(&files)), Some(files.to_vec()));
        assert_eq!(decode(&encode(&[])), Some(Vec::new()));
        assert_eq!(decode(b"nonsense"), None);
    }
}
