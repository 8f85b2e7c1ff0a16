//! Info hashes and lists of trackers as people have them.

use super::failure::{Failure, Kind};
use crate::limits::{self, query as query_limits};
use crate::protocol::ids::{ID_LEN, InfoHash};
use crate::protocol::metainfo::{InfoHashV2, Limits, Magnet, Metainfo};

/// What a torrent file or magnet link says of where to ask for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Torrent {
    /// One hash, or two of a hybrid, v1 first.
    pub info_hashes: Vec<InfoHash>,
    /// Announce URLs in tiers.
    pub trackers: Vec<Vec<String>>,
}

/// The hashes in one word: 40 hex digits (blanks between them do not count), 32 of base32, 64 hex
/// digits of a v2 hash, of which the first 20 bytes count (BEP 52), or a magnet link.
///
/// # Errors
/// A [`Kind::Usage`] failure that says what would do.
pub fn info_hashes(text: &str) -> Result<Vec<InfoHash>, Failure> {
    let trimmed = text.trim();
    if trimmed.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("magnet:")) {
        return magnet(trimmed).map(|torrent| torrent.info_hashes);
    }
    let digits: String = trimmed.split_ascii_whitespace().collect();
    let found = match digits.len() {
        40 => digits.parse().ok(),
        64 => digits.parse().ok().map(InfoHashV2::truncated),
        // A link is the one place where base32 is read.
        32 => format!("magnet:?xt=urn:btih:{digits}")
            .parse::<Magnet>()
            .ok()
            .and_then(|magnet| magnet.identity.v1()),
        _ => None,
    };
    found.map(|info_hash| vec![info_hash]).ok_or_else(|| {
        usage(format!(
            "invalid info-hash {trimmed:?}: need 40 hexadecimal digits (or 32 of base32, 64 of a \
             v2 hash, or a magnet link)"
        ))
    })
}

/// The hashes in a list, one a line; `#` begins a comment.
///
/// # Errors
/// The first line that is of no use, by its number.
pub fn info_hash_list(text: &str) -> Result<Vec<InfoHash>, Failure> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let hashes = info_hashes(line);
        found.extend(hashes.map_err(|f| usage(format!("line {}: {}", number + 1, f.message)))?);
    }
    Ok(found)
}

/// What a magnet link says.
///
/// # Errors
/// A [`Kind::Usage`] failure that names the fault.
pub fn magnet(link: &str) -> Result<Torrent, Failure> {
    let magnet: Magnet =
        link.trim().parse().map_err(|error| usage(format!("not a usable magnet link: {error}")))?;
    Ok(Torrent {
        info_hashes: magnet.identity.info_hashes().collect(),
        trackers: magnet.trackers.into_iter().map(|tracker| vec![tracker]).collect(),
    })
}

/// What a .torrent says.
///
/// # Errors
/// A [`Kind::Usage`] failure that names the fault.
pub fn torrent(bytes: &[u8]) -> Result<Torrent, Failure> {
    let limits = Limits {
        bytes_max: query_limits::FILE_LEN_MAX,
        depth_max: limits::BENCODE_DEPTH_MAX,
        files_max: query_limits::FILE_LEN_MAX / 64, // no entry of a file is shorter
        path_bytes_max: query_limits::FILE_LEN_MAX,
        trackers_max: query_limits::TRACKERS_MAX,
    };
    let metainfo = Metainfo::decode(bytes, &limits)
        .map_err(|error| usage(format!("not a usable .torrent: {error}")))?;
    Ok(Torrent {
        info_hashes: metainfo.identity.info_hashes().collect(),
        trackers: metainfo.trackers,
    })
}

/// One line of a list of trackers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// The URL, not checked.
    pub url: String,
}

/// The URLs in a list of trackers: one a line, `#` behind a blank or at the start begins a comment,
/// empty lines do not count, and neither does a byte order mark.
pub fn trackers(text: &str) -> Vec<Line> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, without_comment(line).trim()));
    lines
        .filter(|(_, url)| !url.is_empty())
        .map(|(number, url)| Line { number, url: url.to_owned() })
        .collect()
}

fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_whitespace() {
            return &line[..at];
        }
        before = c;
    }
    line
}

/// A hash that nobody else uses, to ask with when none was given.
///
/// # Errors
/// When the system gives no randomness.
pub fn random_info_hash() -> Result<InfoHash, Failure> {
    let mut bytes = [0; ID_LEN];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(Kind::Failed, "none", format!("the system gives no randomness: {error}"))
    })?;
    Ok(InfoHash(bytes))
}

fn usage(text: String) -> Failure {
    Failure::new(Kind::Usage, "none", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789ABCDEF01234567";

    #[test]
    fn d1_hashes_of_every_spelling_are_read() {
        let expected: Vec<InfoHash> = vec![HEX.parse().unwrap()];
        let spaced: Vec<String> =
            HEX.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into()).collect();
        for text in [
            HEX.to_owned(),
            HEX.to_lowercase(),
            HEX.to_uppercase(),
            spaced.join(" "),
            "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH".to_owned(),
            "aerukz4jvpg66ajdivtytk6n54asgrlh".to_owned(),
            format!("{HEX}{}", "f".repeat(24)),
            format!("magnet:?xt=urn:btih:{HEX}&tr=http://h/announce"),
        ] {
            assert_eq!(info_hashes(&text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn d1_hashes_of_no_use_are_usage_errors() {
        for text in ["", "zz", &HEX[1..], &format!("{HEX}0"), &"z".repeat(40), "magnet:?dn=x"] {
            assert_eq!(info_hashes(text).unwrap_err().kind, Kind::Usage, "{text}");
        }
        let failure = info_hash_list(&format!("# mine\n{HEX} # first\n\nzz")).unwrap_err();
        assert!(failure.message.starts_with("line 4: "), "{failure}");
    }

    #[test]
    fn d4_list_of_trackers_is_read_line_by_line() {
        let text = "\u{feff}udp://a:1\r\n\n  # note\n http://b/announce#x \nhttp://c/a # why\n";
        let urls: Vec<_> = trackers(text).into_iter().map(|line| (line.number, line.url)).collect();
        let expected = [(1, "udp://a:1"), (4, "http://b/announce#x"), (5, "http://c/a")];
        assert_eq!(urls, expected.map(|(number, url)| (number, url.to_owned())));
    }
}
