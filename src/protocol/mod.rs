//! Bytes to types and back, in both directions, without I/O and without policy: how many hashes or
//! peers are allowed comes in as an argument. Shared by the server and the query tool.
//!
//! - [`ids`]: info hash and peer id.
//! - [`clients`]: which program is behind a peer id.
//! - [`announce`]: the words of an announce, and the peers of a reply.
//! - [`bencode`]: BEP 3's encoding.
//! - [`udp`]: BEP 15 with the options of BEP 41.
//! - [`http`]: query strings and bencoded replies of BEP 3, 7, 21, 23, 24, 31 and 48.
//! - [`http_head`]: request line and header fields.
//! - [`proxy_head`]: what a proxy says before its client does.
//! - [`metainfo`]: .torrent files and magnet links.

pub mod announce;
pub mod bencode;
pub mod clients;
pub mod http;
pub mod http_head;
pub mod ids;
pub mod metainfo;
pub mod proxy_head;
pub mod udp;
