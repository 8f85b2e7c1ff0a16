//! The two 20-byte names of the protocol: which swarm, and which peer.

use std::fmt;
use std::str::FromStr;

/// Length of an info hash and of a peer id on the wire, in bytes (BEP 3).
pub const ID_LEN: usize = 20;

/// The 20 bytes that name a swarm: SHA-1 of the info dictionary (BEP 3), or the first 20 bytes of
/// its SHA-256 for a v2 torrent (BEP 52). Shown as 40 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; ID_LEN]);

/// The 20 bytes a client chose to name itself (BEP 3). Nothing in them can be relied on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; ID_LEN]);

/// The text is not 40 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotHex;

impl FromStr for InfoHash {
    type Err = NotHex;

    /// Reads 40 hex digits of either case.
    fn from_str(text: &str) -> Result<InfoHash, NotHex> {
        hex_decode(text.as_bytes()).map(InfoHash).ok_or(NotHex)
    }
}

/// Reads `2 * N` hex digits of either case; `None` for any other length or character.
pub fn hex_decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = hex_digit(pair[0])? << 4 | hex_digit(pair[1])?;
    }
    Some(bytes)
}

/// The value of one hex digit of either case.
pub fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_hash_reads_its_own_hex_in_either_case() {
        let info_hash = InfoHash(*b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09ABCDEFGHI\xff");
        let hex = info_hash.to_string();
        assert_eq!(hex.parse(), Ok(info_hash));
        assert_eq!(hex.to_uppercase().parse(), Ok(info_hash));
    }

    #[test]
    fn info_hash_refuses_what_is_not_forty_hex_digits() {
        for text in ["", "00", &"0".repeat(39), &"0".repeat(41), &"g".repeat(40), &"é".repeat(20)]
        {
            assert_eq!(text.parse::<InfoHash>(), Err(NotHex), "{text:?}");
        }
    }
}
