//! Magnet links: BEP 9 ("magnet URI format"), with the multihash of BEP 52 beside it.

use std::fmt::{self, Write};
use std::str::FromStr;

use crate::protocol::ids::{ID_LEN, InfoHash, hex_digit};

use super::{Identity, InfoHashV2, text};

/// Longest link that is read, in bytes.
pub const LINK_LEN_MAX: usize = 64 * 1024;

/// How every link begins, in any case.
const SCHEME: &str = "magnet:?";
/// The exact topic of a v1 torrent, before its hash.
const TOPIC_V1: &str = "urn:btih:";
/// The exact topic of a v2 torrent, before its multihash.
const TOPIC_V2: &str = "urn:btmh:";
/// The head of a multihash: SHA-256, of 32 bytes.
const MULTIHASH_SHA256: &str = "1220";

/// A magnet link. [`FromStr`] reads it and [`Display`](fmt::Display) writes it, and one undoes the
/// other as long as the texts are what [`text::shown`] gives, and not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magnet {
    /// `xt`: which torrent.
    pub identity: Identity,
    /// `dn`: the name to show until the metainfo is there.
    pub name: Option<String>,
    /// `xl`: bytes of the content; never zero when read.
    pub length: Option<u64>,
    /// `tr`: announce URLs, in order. Not checked to be URLs.
    pub trackers: Vec<String>,
}

/// Why a text is no magnet link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MagnetError {
    /// Longer than [`LINK_LEN_MAX`].
    TooLong,
    /// It does not begin with `magnet:?`.
    NotMagnet,
    /// No `xt` is one of ours.
    NoTopic,
    /// A `urn:btih:` without 40 hex digits or 32 of base32 behind it.
    InfoHash,
    /// A `urn:btmh:` without `1220` and 64 hex digits behind it.
    Multihash,
    /// Two different hashes of one kind.
    TwoTopics,
    /// A `%` without two hex digits behind it.
    Escape,
    /// An `xl` that is no number of bytes.
    Length,
}

impl FromStr for Magnet {
    type Err = MagnetError;

    /// Reads a link. Parameters of no concern are skipped; of several `dn` or `xl` the first
    /// counts. A parameter may be numbered, as in `tr.2`.
    fn from_str(link: &str) -> Result<Magnet, MagnetError> {
        if link.len() > LINK_LEN_MAX {
            return Err(MagnetError::TooLong);
        }
        let parameters = strip_prefix(link.trim(), SCHEME).ok_or(MagnetError::NotMagnet)?;
        let (mut v1, mut v2) = (None, None);
        let (mut name, mut length, mut trackers) = (None, None, Vec::new());
        for parameter in parameters.split('&') {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match without_number(key) {
                "xt" => match decode_topic(value)? {
                    Some(Topic::V1(info_hash)) => settle(&mut v1, info_hash)?,
                    Some(Topic::V2(info_hash)) => settle(&mut v2, info_hash)?,
                    None => {}
                },
                // Many sites write a name as forms do, with `+` for a space.
                "dn" if name.is_none() => {
                    let shown = text::shown(&unescape(&value.replace('+', "%20"))?);
                    name = Some(shown).filter(|name| !name.is_empty());
                }
                "xl" if length.is_none() => {
                    let given = value.parse().map_err(|_| MagnetError::Length)?;
                    length = Some(given).filter(|length| *length > 0);
                }
                "tr" if !value.is_empty() => trackers.push(text::shown(&unescape(value)?)),
                _ => {}
            }
        }
        let identity = match (v1, v2) {
            (Some(v1), None) => Identity::V1(v1),
            (None, Some(v2)) => Identity::V2(v2),
            (Some(v1), Some(v2)) => Identity::Hybrid { v1, v2 },
            (None, None) => return Err(MagnetError::NoTopic),
        };
        Ok(Magnet { identity, name, length, trackers })
    }
}

/// What an `xt` names.
enum Topic {
    V1(InfoHash),
    V2(InfoHashV2),
}

/// Reads an `xt`; `None` when it is of another network, as a link may name the same content in
/// several.
fn decode_topic(value: &str) -> Result<Option<Topic>, MagnetError> {
    let topic = unescape(value)?;
    let topic = str::from_utf8(&topic).unwrap_or_default();
    if let Some(hash) = strip_prefix(topic, TOPIC_V1) {
        let info_hash = hash.parse().ok().or_else(|| base32(hash.as_bytes()));
        return info_hash.map(Topic::V1).map(Some).ok_or(MagnetError::InfoHash);
    }
    if let Some(multihash) = strip_prefix(topic, TOPIC_V2) {
        let info_hash = multihash.strip_prefix(MULTIHASH_SHA256).and_then(|hash| hash.parse().ok());
        return info_hash.map(Topic::V2).map(Some).ok_or(MagnetError::Multihash);
    }
    Ok(None)
}

fn settle<T: Copy + PartialEq>(place: &mut Option<T>, found: T) -> Result<(), MagnetError> {
    if *place.get_or_insert(found) == found { Ok(()) } else { Err(MagnetError::TwoTopics) }
}

/// `tr` of `tr.2`.
fn without_number(key: &str) -> &str {
    match key.split_once('.') {
        Some((word, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => word,
        _ => key,
    }
}

/// As the method of `str`, in any case.
fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Reads 32 digits of base32 (RFC 4648) in either case: 5 bits each, the first the highest.
fn base32(digits: &[u8]) -> Option<InfoHash> {
    let (groups, rest) = digits.as_chunks::<8>(); // 8 digits make 5 bytes
    if groups.len() != ID_LEN / 5 || !rest.is_empty() {
        return None;
    }
    let mut info_hash = InfoHash([0; ID_LEN]);
    for (group, bytes) in groups.iter().zip(info_hash.0.as_chunks_mut::<5>().0) {
        let mut bits = 0_u64;
        for digit in group {
            let value = match digit.to_ascii_uppercase() {
                letter @ b'A'..=b'Z' => letter - b'A',
                number @ b'2'..=b'7' => number - b'2' + 26,
                _ => return None,
            };
            bits = bits << 5 | u64::from(value);
        }
        bytes.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(info_hash)
}

/// Undoes percent-encoding (RFC 3986, section 2.1).
fn unescape(value: &str) -> Result<Vec<u8>, MagnetError> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, behind @ ..] = rest {
        let (byte, behind) = match behind {
            _ if *first != b'%' => (*first, behind),
            [high, low, behind @ ..] => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, behind),
                _ => return Err(MagnetError::Escape),
            },
            _ => return Err(MagnetError::Escape),
        };
        bytes.push(byte);
        rest = behind;
    }
    Ok(bytes)
}

impl fmt::Display for Magnet {
    /// Writes the topics plain, since some clients know them only so, and of the texts everything
    /// but unreserved characters as escapes. A length of zero is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        match self.identity {
            Identity::V1(v1) => write!(f, "xt={TOPIC_V1}{v1}")?,
            Identity::V2(v2) => write!(f, "xt={TOPIC_V2}{MULTIHASH_SHA256}{v2}")?,
            Identity::Hybrid { v1, v2 } => {
                write!(f, "xt={TOPIC_V1}{v1}&xt={TOPIC_V2}{MULTIHASH_SHA256}{v2}")?;
            }
        }
        if let Some(name) = &self.name {
            write!(f, "&dn={}", Escaped(name))?;
        }
        if let Some(length) = self.length.filter(|length| *length > 0) {
            write!(f, "&xl={length}")?;
        }
        self.trackers.iter().try_for_each(|url| write!(f, "&tr={}", Escaped(url)))
    }
}

/// Text in percent-encoding: all but the unreserved characters of RFC 3986, section 2.3.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                f.write_char(byte.into())
            }
            _ => write!(f, "%{byte:02X}"),
        })
    }
}

impl fmt::Display for MagnetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MagnetError::TooLong => "the link is longer than 64 KiB",
            MagnetError::NotMagnet => "a magnet link begins with `magnet:?`",
            MagnetError::NoTopic => "no `xt` names a BitTorrent info hash",
            MagnetError::InfoHash => "`urn:btih:` needs 40 hexadecimal or 32 base32 digits",
            MagnetError::Multihash => "`urn:btmh:` needs `1220` and 64 hexadecimal digits",
            MagnetError::TwoTopics => "the link names two different torrents",
            MagnetError::Escape => "a `%` needs two hexadecimal digits behind it",
            MagnetError::Length => "`xl` is not a number of bytes",
        })
    }
}

impl std::error::Error for MagnetError {}
