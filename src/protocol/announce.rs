//! The words of an announce that UDP and HTTP share. The logic never learns which of them asked.

use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};

use super::ids::{InfoHash, PeerId};

/// Length of a compact IPv4 peer: 4 bytes of address, 2 of port, network order (BEP 23).
pub const PEER_V4_LEN: usize = 6;
/// Length of a compact IPv6 peer: 16 bytes of address, 2 of port, network order (BEP 7).
pub const PEER_V6_LEN: usize = 18;

/// One announce as a client sent it (BEP 3, BEP 15 "Announce").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The swarm asked about.
    pub info_hash: InfoHash,
    /// The client's self-chosen name.
    pub peer_id: PeerId,
    /// Where the client listens. Zero only together with [`Event::Stopped`].
    pub port: u16,
    /// Bytes sent to other peers, by the client's own account.
    pub uploaded: u64,
    /// Bytes received from other peers, by the client's own account.
    pub downloaded: u64,
    /// Bytes the client still lacks; zero makes it a seeder.
    pub left: u64,
    /// What happened to the client since its last announce.
    pub event: Event,
    /// How many peers the client would like; `None` leaves it to the tracker.
    pub numwant: Option<u32>,
    /// A number that identifies the client across address changes. Decoded for completeness: the
    /// transport proves an announcer's address, and nothing lets a client speak for another one.
    pub key: Option<u32>,
    /// The address the client says it has; `None` when it says nothing. Almost never to be trusted.
    pub ip: Option<IpAddr>,
    /// Whether an HTTP client wants peers as dictionaries, and with their ids.
    pub format: PeerFormat,
}

impl Announce {
    /// What this announce makes of the peer. A partial seed (BEP 21) is not a seeder, whatever it
    /// has left.
    pub fn role(&self) -> Role {
        match self.event {
            Event::Paused => Role::Paused,
            _ if self.left == 0 => Role::Seeder,
            _ => Role::Leecher,
        }
    }
}

#[cfg(test)]
impl Announce {
    /// A first announce for the swarm `aaaaaaaaaaaaaaaaaaaa`, by a peer whose id tells its port.
    pub fn sample(port: u16, left: u64) -> Announce {
        let mut peer_id = *b"-XX0000-000000000000";
        peer_id[18..].copy_from_slice(&port.to_be_bytes());
        Announce {
            info_hash: InfoHash([b'a'; 20]),
            peer_id: PeerId(peer_id),
            port,
            uploaded: 0,
            downloaded: 0,
            left,
            event: Event::Started,
            numwant: None,
            key: None,
            ip: None,
            format: PeerFormat::Compact,
        }
    }
}

/// The `event` of an announce (BEP 3); BEP 15 numbers them 0 to 3 in this order: `Empty`,
/// `Completed`, `Started`, `Stopped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Event {
    /// A regular announce.
    #[default]
    Empty,
    /// The first announce of a session.
    Started,
    /// The download became complete.
    Completed,
    /// The client leaves the swarm.
    Stopped,
    /// The client has all it wants but not all there is: a partial seed (BEP 21).
    Paused,
}

/// How peers are written in an HTTP reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeerFormat {
    /// Byte strings of 6 or 18 bytes a peer (BEP 23, BEP 7).
    #[default]
    Compact,
    /// A list of dictionaries with `ip`, `peer id` and `port` (BEP 3).
    Dictionaries,
    /// The same without `peer id` (`no_peer_id=1`).
    DictionariesWithoutIds,
}

/// What a peer is to a swarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Has everything: `left` is zero.
    Seeder,
    /// Lacks something and wants it.
    Leecher,
    /// Lacks something and does not want it: a partial seed (BEP 21). Counted as incomplete.
    Paused,
}

/// The size of a swarm, the announcer included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Peers that have everything.
    pub seeders: u32,
    /// Peers that lack something, partial seeds among them.
    pub leechers: u32,
    /// How many of the leechers are partial seeds (BEP 21).
    pub paused: u32,
    /// How often a leecher of this swarm became a seeder.
    pub completed: u32,
}

/// The peers of one reply, in wire form. A worker keeps one and uses it for every reply, so that
/// filling it never allocates.
///
/// Invariant: `v4_ids` is empty or as long as `v4`, and `v6_ids` likewise; whoever fills the list
/// upholds it by adding peers with ids always or never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// IPv4 peers, 6 bytes each.
    pub v4: Vec<[u8; PEER_V4_LEN]>,
    /// IPv6 peers, 18 bytes each.
    pub v6: Vec<[u8; PEER_V6_LEN]>,
    /// The ids of `v4`, when they were asked for.
    pub v4_ids: Vec<PeerId>,
    /// The ids of `v6`, when they were asked for.
    pub v6_ids: Vec<PeerId>,
}

impl Peers {
    /// An empty list with room for `peers_max` peers of either family.
    pub fn with_capacity(peers_max: usize) -> Peers {
        Peers {
            v4: Vec::with_capacity(peers_max),
            v6: Vec::with_capacity(peers_max),
            v4_ids: Vec::with_capacity(peers_max),
            v6_ids: Vec::with_capacity(peers_max),
        }
    }

    /// Forgets all peers and keeps the room.
    pub fn clear(&mut self) {
        self.v4.clear();
        self.v6.clear();
        self.v4_ids.clear();
        self.v6_ids.clear();
    }

    /// Peers of both families.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether there is no peer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an IPv4 peer in compact form.
    pub fn push_v4(&mut self, peer: [u8; PEER_V4_LEN], peer_id: Option<PeerId>) {
        self.v4.push(peer);
        if let Some(peer_id) = peer_id {
            self.v4_ids.push(peer_id);
        }
    }

    /// Adds an IPv6 peer in compact form.
    pub fn push_v6(&mut self, peer: [u8; PEER_V6_LEN], peer_id: Option<PeerId>) {
        self.v6.push(peer);
        if let Some(peer_id) = peer_id {
            self.v6_ids.push(peer_id);
        }
    }
}

/// The compact form of an IPv6 peer: address and port in network order (BEP 7).
pub fn compact_v6(peer: SocketAddrV6) -> [u8; PEER_V6_LEN] {
    let mut compact = [0; PEER_V6_LEN];
    compact[..16].copy_from_slice(&peer.ip().octets());
    compact[16..].copy_from_slice(&peer.port().to_be_bytes());
    compact
}

/// The address and port in the compact form of an IPv4 peer.
pub fn expand_v4(peer: [u8; PEER_V4_LEN]) -> SocketAddrV4 {
    let [a, b, c, d, port @ ..] = peer;
    SocketAddrV4::new([a, b, c, d].into(), u16::from_be_bytes(port))
}

/// The address and port in the compact form of an IPv6 peer.
pub fn expand_v6(peer: [u8; PEER_V6_LEN]) -> SocketAddrV6 {
    let mut ip = [0; 16];
    ip.copy_from_slice(&peer[..16]);
    SocketAddrV6::new(ip.into(), u16::from_be_bytes([peer[16], peer[17]]), 0, 0)
}

/// An IPv4 peer as an IPv6 client may be given it: `::ffff:a.b.c.d` and the port.
pub fn ipv4_mapped(peer: [u8; PEER_V4_LEN]) -> [u8; PEER_V6_LEN] {
    let mut mapped = [0; PEER_V6_LEN];
    mapped[10..12].fill(0xff);
    mapped[12..].copy_from_slice(&peer);
    mapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_peer_is_the_ipv4_address_behind_the_well_known_prefix() {
        let mapped = ipv4_mapped([192, 0, 2, 7, 0x1a, 0xe1]);
        assert_eq!(expand_v6(mapped).to_string(), "[::ffff:192.0.2.7]:6881");
    }

    #[test]
    fn compact_peers_expand_to_what_they_were() {
        let v4 = "192.0.2.7:6881".parse().unwrap();
        assert_eq!(expand_v4([192, 0, 2, 7, 0x1a, 0xe1]), v4);
        let v6 = "[2001:db8::7]:1".parse().unwrap();
        assert_eq!(expand_v6(compact_v6(v6)), v6);
    }
}
