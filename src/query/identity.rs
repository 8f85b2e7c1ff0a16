//! Who asks: our own name, or that of a known client, to test one's own list of allowed clients.

use std::sync::LazyLock;

use crate::protocol::clients;
pub use crate::protocol::http::client::Style;
use crate::protocol::ids::{ID_LEN, PeerId};

/// Clients as data, so that the list can grow without code.
const TABLE: &str = include_str!("clients.txt");
/// What real clients fill a peer id up with.
const PRINTABLE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*()";
/// The beginning of our own peer ids, of the usual eight characters.
const OWN_PREFIX: &str = "-WK0100-";

/// How a client shows itself to trackers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The header field; UDP has no place for it.
    pub user_agent: String,
    /// Drawn once, and the same in all requests of a run.
    pub peer_id: PeerId,
    /// Which parameters it sends, in which order.
    pub style: Style,
}

/// A client that we can look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownClient {
    /// `qbittorrent`.
    pub family: &'static str,
    /// `5.1.4`.
    pub version: &'static str,
    /// How its peer ids begin.
    pub prefix: &'static str,
    /// Whether its queries are known, parameter by parameter.
    pub style: Style,
    /// The header field.
    pub user_agent: &'static str,
}

static KNOWN: LazyLock<Vec<KnownClient>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter_map(|line| line.strip_prefix("client "));
    lines.filter_map(KnownClient::read).collect()
});

impl KnownClient {
    /// All of them, newest last within a family.
    pub fn all() -> &'static [KnownClient] {
        &KNOWN
    }

    /// The one named `family/version`, or the newest of `family`.
    pub fn named(name: &str) -> Option<KnownClient> {
        let (family, version) = name.split_once('/').map_or((name, None), |(f, v)| (f, Some(v)));
        let is_meant = |client: &&KnownClient| {
            client.family.eq_ignore_ascii_case(family)
                && version.is_none_or(|version| client.version == version)
        };
        KNOWN.iter().rfind(is_meant).copied()
    }

    fn read(line: &'static str) -> Option<KnownClient> {
        let mut fields = line.splitn(5, ' ');
        let (family, version, prefix) = (fields.next()?, fields.next()?, fields.next()?);
        let style = if fields.next()? == "libtorrent" { Style::Libtorrent } else { Style::Plain };
        Some(KnownClient { family, version, prefix, style, user_agent: fields.next()? })
    }
}

impl Identity {
    /// Our own name.
    pub fn own() -> Identity {
        Identity {
            user_agent: concat!("Wildkat-query/", env!("CARGO_PKG_VERSION")).to_owned(),
            peer_id: peer_id(OWN_PREFIX),
            style: Style::Plain,
        }
    }

    /// That of a known client.
    pub fn of(client: &KnownClient) -> Identity {
        Identity {
            user_agent: client.user_agent.to_owned(),
            peer_id: peer_id(client.prefix),
            style: client.style,
        }
    }

    /// A version of qBittorrent, any of those known. Asks in our own words, as `-r` always did.
    pub fn random_qbittorrent() -> Identity {
        let versions: Vec<_> = KNOWN.iter().filter(|c| c.family == "qbittorrent").collect();
        let client = versions[fastrand::usize(..versions.len())];
        Identity { style: Style::Plain, ..Identity::of(client) }
    }
}

/// `prefix` and random characters up to 20 bytes.
fn peer_id(prefix: &str) -> PeerId {
    let mut id = [0; ID_LEN];
    for (i, byte) in id.iter_mut().enumerate() {
        let random = PRINTABLE[fastrand::usize(..PRINTABLE.len())];
        *byte = prefix.as_bytes().get(i).copied().unwrap_or(random);
    }
    PeerId(id)
}

/// The program behind a peer id in the style `-qB5140-…`: `qBittorrent 5.1.4.0`. `None` when the
/// id is in another style or the letters are not known.
pub fn client_of(peer_id: &PeerId) -> Option<String> {
    let [b'-', code @ .., b'-'] = peer_id.0.first_chunk::<8>()? else { return None };
    let (code, version) = code.split_first_chunk()?;
    let name = clients::name(*code)?;
    let version = str::from_utf8(version).ok().filter(|v| v.is_ascii())?;
    let digits: Vec<String> = version.chars().map(|digit| digit.to_string()).collect();
    Some(format!("{name} {}", digits.join(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_clients_is_whole() {
        let qbittorrent = KNOWN.iter().filter(|c| c.family == "qbittorrent").count();
        assert_eq!(qbittorrent, 24);
        assert_eq!(TABLE.lines().filter(|l| l.starts_with("client ")).count(), KNOWN.len());
        assert!(KNOWN.iter().all(|client| client.prefix.len() == 8));
        assert_eq!(KnownClient::named("qBittorrent").unwrap().version, "5.1.4");
        assert_eq!(KnownClient::named("qbittorrent/4.5.0").unwrap().prefix, "-qB4500-");
        assert_eq!(KnownClient::named("qbittorrent/9"), None);
    }

    #[test]
    fn identities_carry_the_prefix_and_printable_characters() {
        for identity in [Identity::own(), Identity::random_qbittorrent()] {
            let id = identity.peer_id.0;
            assert!(id.starts_with(b"-WK") || id.starts_with(b"-qB"), "{id:?}");
            assert!(id[8..].iter().all(|byte| PRINTABLE.contains(byte)), "{id:?}");
        }
        assert_eq!(client_of(&PeerId(*b"-qB5140-abcdefghijkl")).unwrap(), "qBittorrent 5.1.4.0");
        assert_eq!(client_of(&PeerId([0xff; 20])), None);
    }
}
