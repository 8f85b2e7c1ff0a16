//! Info hashes from an operator's file: which torrents are allowed, or which are denied.
//!
//! **Layout.** All hashes in one sorted array of 20 bytes each, and an index by their first bits
//! that leads to some eight of them. Ten million take 204 MB, and a look for one touches two
//! places.
//!
//! **File.** One hash a line, in hex: 40 digits, or 64 for a v2 torrent, of which the first 40
//! count (BEP 52, "Tracker changes"). Empty lines and everything behind `#` mean nothing.

use std::fmt;
use std::io::{self, BufRead, Read};

use crate::limits::{LISTED_HASHES_MAX, LISTED_LINE_MAX};
use crate::protocol::ids::{ID_LEN, InfoHash};

/// Hashes that an entry of the index leads to, on average.
const BUCKET: usize = 8;
/// Digits of a v1 and of a v2 info hash.
const DIGITS: [usize; 2] = [2 * ID_LEN, 64];

/// A set of info hashes that does not change.
pub struct HashList {
    sorted: Box<[InfoHash]>,
    /// Where the hashes with each beginning of `bits` bits start, and the end behind the last.
    index: Box<[u32]>,
    bits: u32,
}

/// Why a text is no list of hashes.
#[derive(Debug)]
pub enum ListError {
    /// It cannot be read.
    Unreadable(io::Error),
    /// A line is no info hash; they are counted from 1.
    NoHash {
        /// Which line.
        line: usize,
        /// How it begins.
        text: String,
    },
    /// It holds more than [`LISTED_HASHES_MAX`].
    TooMany,
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListError::Unreadable(error) => error.fmt(f),
            ListError::NoHash { line, text } => write!(
                f,
                "line {line} is no info hash: {text:?}; wanted are 40 or 64 hexadecimal digits"
            ),
            ListError::TooMany => write!(f, "it has more than {LISTED_HASHES_MAX} info hashes"),
        }
    }
}

impl std::error::Error for ListError {}

impl fmt::Debug for HashList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} info hashes", self.len())
    }
}

impl HashList {
    /// Reads a list of some `size` bytes.
    ///
    /// # Errors
    /// [`ListError`], at the first line that is not right.
    pub fn read(mut lines: impl BufRead, size: u64) -> Result<HashList, ListError> {
        let expected = (size / (DIGITS[0] as u64 + 1)).min(LISTED_HASHES_MAX as u64);
        let mut hashes = Vec::with_capacity(expected as usize);
        let mut text = Vec::with_capacity(LISTED_LINE_MAX);
        for line in 1.. {
            text.clear();
            // A line that is cut off here is too long to be right.
            let mut limited = lines.by_ref().take(LISTED_LINE_MAX as u64);
            let length = limited.read_until(b'\n', &mut text).map_err(ListError::Unreadable)?;
            if length == 0 {
                break;
            }
            let content = text.split(|byte| *byte == b'#').next().unwrap_or_default();
            let content = content.trim_ascii();
            if content.is_empty() && length < LISTED_LINE_MAX {
                continue;
            }
            let Some(hash) = decode(content).filter(|_| length < LISTED_LINE_MAX) else {
                let text = String::from_utf8_lossy(&content[..content.len().min(DIGITS[1] + 1)]);
                return Err(ListError::NoHash { line, text: text.into_owned() });
            };
            if hashes.len() == LISTED_HASHES_MAX {
                return Err(ListError::TooMany);
            }
            hashes.push(hash);
        }
        Ok(HashList::new(hashes))
    }

    fn new(mut hashes: Vec<InfoHash>) -> HashList {
        hashes.sort_unstable();
        hashes.dedup();
        let sorted = hashes.into_boxed_slice();
        let bits = (sorted.len() / BUCKET).max(2).ilog2();
        let mut index = vec![0; (1 << bits) + 1];
        for hash in &sorted {
            index[beginning(hash, bits) + 1] += 1;
        }
        for at in 1..index.len() {
            index[at] += index[at - 1];
        }
        HashList { sorted, index: index.into_boxed_slice(), bits }
    }

    /// Whether `hash` is in it.
    pub fn contains(&self, hash: &InfoHash) -> bool {
        let at = beginning(hash, self.bits);
        let bucket = self.index[at] as usize..self.index[at + 1] as usize;
        self.sorted[bucket].binary_search(hash).is_ok()
    }

    /// How many are in it.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }
}

/// The first `bits` bits, 1 to 32 of them.
fn beginning(hash: &InfoHash, bits: u32) -> usize {
    let [a, b, c, d, ..] = hash.0;
    (u32::from_be_bytes([a, b, c, d]) >> (u32::BITS - bits)) as usize
}

/// The hash that a line names, if it is nothing else.
fn decode(line: &[u8]) -> Option<InfoHash> {
    let is_hex = DIGITS.contains(&line.len()) && line.iter().all(u8::is_ascii_hexdigit);
    let digits = line.get(..DIGITS[0]).filter(|_| is_hex)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<HashList, String> {
        HashList::read(text.as_bytes(), text.len() as u64).map_err(|error| error.to_string())
    }

    #[test]
    fn hashes_of_both_versions_are_read_and_remarks_passed_over() {
        let (v1, v2) = ("0123456789abcdef0123456789ABCDEF01234567", "ab".repeat(32));
        let list = read(&format!("# all of them\n\n  {v1}  # the first\r\n{v2}\n{v1}")).unwrap();
        assert_eq!(list.len(), 2);
        assert!(list.contains(&InfoHash([0xab; 20])));
        assert!(!list.contains(&InfoHash([0xac; 20])));
        let empty = read("").unwrap();
        assert!(empty.is_empty() && !empty.contains(&InfoHash([0; 20])));
    }

    #[test]
    fn wrong_line_is_named() {
        let good = "00".repeat(20);
        for wrong in ["x", &"0".repeat(39), &"0".repeat(41), &"g".repeat(40), &"0".repeat(9_999)] {
            let error = read(&format!("{good}\n#\n{wrong}\n")).unwrap_err();
            assert!(error.starts_with("line 3 is no info hash: "), "{error}");
            assert!(error.len() < 200, "{error}");
        }
    }

    proptest! {
        #[test]
        fn list_holds_what_was_in_the_file_and_nothing_else(
            inside: BTreeSet<[u8; 20]>, outside: Vec<[u8; 20]>, alike: Vec<[u8; 2]>,
        ) {
            let alike = alike.iter().map(|[a, b]| {
                let mut hash = [*a % 2; 20];
                hash[19] = *b;
                hash
            });
            let inside: BTreeSet<_> = inside.into_iter().chain(alike).collect();
            let lines: Vec<_> = inside.iter().map(|hash| InfoHash(*hash).to_string()).collect();
            let text = lines.join("\n");
            let list = read(&text).unwrap();
            prop_assert_eq!(list.len(), inside.len());
            for hash in inside.iter().chain(&outside) {
                prop_assert_eq!(list.contains(&InfoHash(*hash)), inside.contains(hash));
            }
        }
    }
}
