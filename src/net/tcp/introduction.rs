//! What a proxy says of its client before the client says anything, read off a tokio stream. What
//! comes behind is left in it, for TLS or HTTP.

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::limits::PROXY_HEAD_MAX;
use crate::protocol::proxy_head::{self, NoHead, ProxyHead, V1_LEN_MAX};

const _: () = assert!(V1_LEN_MAX <= PROXY_HEAD_MAX);

/// Whether a connection from `peer` has to begin with a head, since it is one of `introducers`.
pub fn is_due(peer: IpAddr, introducers: &[IpNet]) -> bool {
    introducers.iter().any(|network| network.contains(&peer))
}

/// The head at the start of `bytes`, within our limit.
///
/// # Errors
/// As [`proxy_head::decode`].
pub fn decode(bytes: &[u8]) -> Result<ProxyHead, NoHead> {
    proxy_head::decode(bytes, PROXY_HEAD_MAX)
}

/// The canonical address of who is behind the proxy `peer`, which may be `peer` itself.
///
/// # Errors
/// When the stream does not begin with a head, or ends in one. There is no limit on time here.
pub async fn read(stream: &mut TcpStream, peer: IpAddr) -> io::Result<IpAddr> {
    let mut head = Vec::new();
    let mut arrived = [0; PROXY_HEAD_MAX];
    loop {
        // Looked at before it is taken, so that nothing behind the head is.
        let length = stream.peek(&mut arrived).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let taken = head.len();
        head.extend_from_slice(&arrived[..length]);
        let found = decode(&head);
        let ours = match found {
            Ok(found) => found.length - taken,
            Err(NoHead::Incomplete) => length,
            Err(NoHead::Invalid) => return Err(io::ErrorKind::InvalidData.into()),
        };
        stream.read_exact(&mut arrived[..ours]).await?;
        if let Ok(found) = found {
            return Ok(found.client.unwrap_or(peer));
        }
    }
}
