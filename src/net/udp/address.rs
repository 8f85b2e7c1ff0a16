//! Who sent a datagram and to which of our addresses, as the kernel writes it down: socket
//! addresses (ip(7), ipv6(7)) and control messages (cmsg(3)).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Room for a socket address of either family: `sockaddr_in6` is 28 bytes, `sockaddr_in` 16.
pub const NAME_LEN: usize = 28;
/// Room for one control message with `in6_pktinfo`: 16 of header and 20, in steps of 8. One with
/// `in_pktinfo` takes 32.
pub const CONTROL_LEN: usize = 40;

/// Length (a word), level and type (4 bytes each, in the machine's order).
const HEADER_LEN: usize = size_of::<usize>() + 8;
const IN_PKTINFO_LEN: usize = 12;
const IN6_PKTINFO_LEN: usize = 20;

/// The sender of a datagram; `None` for a family that is neither of ours.
///
/// | offset | IPv4 | IPv6 |
/// |---|---|---|
/// | 0 | family | family |
/// | 2 | port, network order | port, network order |
/// | 4 | address, 4 bytes | flow label |
/// | 8 | | address, 16 bytes |
pub fn decode(name: &[u8]) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes(*name.first_chunk()?));
    let port = u16::from_be_bytes(*name.get(2..)?.first_chunk()?);
    let ip = match family {
        libc::AF_INET => IpAddr::from(*name.get(4..)?.first_chunk::<4>()?),
        libc::AF_INET6 => IpAddr::from(*name.get(8..)?.first_chunk::<16>()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Writes into `out` the control message that sends a reply out from the address to which the
/// request came, as `received`, the request's control messages, tells. Returns its length; zero
/// when they do not tell, and then the kernel chooses.
///
/// `in_pktinfo` is interface (4), local address (4), destination (4); `in6_pktinfo` is address
/// (16), interface (4). The interface is left to the routing table, except for link-local
/// addresses, which mean nothing without.
pub fn answer_from(received: &[u8], out: &mut [u8; CONTROL_LEN]) -> usize {
    for (level, kind, data) in messages(received) {
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let Some(info) = data.first_chunk::<IN_PKTINFO_LEN>() else { continue };
                let mut answer = [0; IN_PKTINFO_LEN];
                answer[4..8].copy_from_slice(&info[4..8]);
                return write(level, kind, &answer, out);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let Some(info) = data.first_chunk::<IN6_PKTINFO_LEN>() else { continue };
                let mut answer = *info;
                let local = info.first_chunk::<16>().map(|ip| Ipv6Addr::from(*ip));
                if !local.is_some_and(|ip| ip.is_unicast_link_local()) {
                    answer[16..].fill(0);
                }
                return write(level, kind, &answer, out);
            }
            _ => {}
        }
    }
    0
}

/// Level, type and data of each control message.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (i32, i32, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from_ne_bytes(*bytes.first_chunk()?);
        let number = |at: usize| Some(i32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
        let level = number(size_of::<usize>())?;
        let kind = number(size_of::<usize>() + 4)?;
        let data = bytes.get(HEADER_LEN..length)?;
        bytes = bytes.get(length.next_multiple_of(size_of::<usize>())..).unwrap_or_default();
        Some((level, kind, data))
    })
}

fn write(level: i32, kind: i32, data: &[u8], out: &mut [u8; CONTROL_LEN]) -> usize {
    let length = HEADER_LEN + data.len();
    out[..size_of::<usize>()].copy_from_slice(&length.to_ne_bytes());
    out[size_of::<usize>()..][..4].copy_from_slice(&level.to_ne_bytes());
    out[size_of::<usize>() + 4..][..4].copy_from_slice(&kind.to_ne_bytes());
    out[HEADER_LEN..length].copy_from_slice(data);
    length.next_multiple_of(size_of::<usize>())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn senders_of_both_families_are_read() {
        let mut name = [0; 28];
        name[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        name[2..8].copy_from_slice(&[0x1a, 0xe1, 192, 0, 2, 1]);
        assert_eq!(decode(&name[..16]), Some("192.0.2.1:6881".parse().unwrap()));
        name[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
        name[8..].fill(0);
        name[23] = 1;
        assert_eq!(decode(&name), Some("[::1]:6881".parse().unwrap()));
        assert_eq!(decode(&name[..16]), None, "cut off");
        assert_eq!(decode(&[0; 28]), None, "no family");
    }

    #[test]
    fn destination_becomes_the_source_of_the_reply() {
        let mut info = [0; CONTROL_LEN];
        let v4 = [9, 0, 0, 0, 127, 0, 0, 2, 127, 0, 0, 3];
        let length = write(libc::IPPROTO_IP, libc::IP_PKTINFO, &v4, &mut info);
        let mut answer = [0xff; CONTROL_LEN];
        let answered = answer_from(&info[..length], &mut answer);
        let (level, kind, data) = messages(&answer[..answered]).next().unwrap();
        assert_eq!((level, kind), (libc::IPPROTO_IP, libc::IP_PKTINFO));
        assert_eq!(data, [0, 0, 0, 0, 127, 0, 0, 2, 0, 0, 0, 0], "no interface");

        for (ip, interface) in [("2001:db8::1", 0), ("fe80::1", 7)] {
            let ip: Ipv6Addr = ip.parse().unwrap();
            let v6 = [&ip.octets()[..], &[7, 0, 0, 0]].concat();
            let length = write(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &v6, &mut info);
            let answered = answer_from(&info[..length], &mut answer);
            let (_, _, data) = messages(&answer[..answered]).next().unwrap();
            assert_eq!((&data[..16], data[16]), (&ip.octets()[..], interface), "{ip}");
        }
        assert_eq!(answer_from(&[], &mut answer), 0, "nothing is known");
    }

    #[test]
    fn drops_of_a_socket_that_nobody_reads_are_told() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        assert_eq!(crate::net::udp::options::drops(&socket), 0);
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..5_000 {
            sender.send_to(&[0; 100], to).unwrap();
        }
        assert!(crate::net::udp::options::drops(&socket) > 0);
    }

    proptest! {
        #[test]
        fn arbitrary_names_and_control_messages_never_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
            prop_assert!(answer_from(&bytes, &mut [0; CONTROL_LEN]) <= CONTROL_LEN);
            prop_assert!(messages(&bytes).count() <= bytes.len());
        }
    }
}
