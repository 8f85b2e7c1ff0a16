//! A .torrent as a site hands it out: what was uploaded, with other trackers.

use crate::protocol::bencode::{self, Value, write_bytes};

use super::torrent::{Limits, TorrentError};

/// Keys that say where peers are to be found (BEP 3, BEP 12, BEP 5). An uploader's own may hold a
/// secret of another site, and `nodes` would lead a private torrent into the DHT.
const PEER_SOURCES: [&[u8]; 3] = [b"announce", b"announce-list", b"nodes"];

/// The same .torrent with the trackers of `urls` and no others, each a tier of its own, in order;
/// without trackers where there are none. The info dictionary is copied byte for byte, so every
/// hash of the torrent stays.
///
/// # Errors
/// [`TorrentError`], when `bytes` are no dictionary within `limits`.
pub fn with_trackers(
    bytes: &[u8],
    urls: &[String],
    limits: &Limits,
) -> Result<Vec<u8>, TorrentError> {
    if bytes.len() > limits.bytes_max {
        return Err(TorrentError::TooLong(limits.bytes_max));
    }
    let root = bencode::decode(bytes, &limits.of_values()).map_err(TorrentError::Bencode)?;
    let root = root.dict().ok_or(TorrentError::NotDict)?;
    let mut entries: Vec<(&[u8], Vec<u8>)> = Vec::new();
    if let Some(first) = urls.first() {
        let mut announce = Vec::new();
        write_bytes(&mut announce, first.as_bytes());
        entries.push((b"announce", announce));
        let mut tiers = vec![b'l'];
        for url in urls {
            tiers.push(b'l');
            write_bytes(&mut tiers, url.as_bytes());
            tiers.push(b'e');
        }
        tiers.push(b'e');
        entries.push((b"announce-list", tiers));
    }
    let added: usize = entries.iter().map(|(key, value)| key.len() + value.len() + 8).sum();
    let mut out = Vec::with_capacity(bytes.len() + added);
    out.push(b'd');
    for (key, value) in root.entries().filter(|(key, _)| !PEER_SOURCES.contains(key)) {
        while entries.first().is_some_and(|(ours, _)| *ours < key) {
            write_entry(&mut out, entries.remove(0));
        }
        write_bytes(&mut out, key);
        write_value(&mut out, value);
    }
    for entry in entries {
        write_entry(&mut out, entry);
    }
    out.push(b'e');
    Ok(out)
}

fn write_entry(out: &mut Vec<u8>, (key, value): (&[u8], Vec<u8>)) {
    write_bytes(out, key);
    out.extend_from_slice(&value);
}

/// Copies a value. Each has one spelling only, so that what is written is what was read.
fn write_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Bytes(bytes) => write_bytes(out, bytes),
        Value::Int(int) => out.extend_from_slice(format!("i{int}e").as_bytes()),
        Value::List(list) => out.extend_from_slice(list.raw()),
        Value::Dict(dict) => out.extend_from_slice(dict.raw()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::metainfo::fuzzing::LIMITS;

    fn rewritten(bytes: &[u8], urls: &[&str]) -> String {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        let out = with_trackers(bytes, &urls, &LIMITS).unwrap();
        out.escape_ascii().to_string()
    }

    #[test]
    fn trackers_are_replaced_in_their_place_and_nothing_else_changes() {
        let bytes = b"d1:ai-7e8:announce3:old13:announce-listll3:oldee7:comment2:hi4:infod1:xi1ee\
            5:nodesll1:hi1eeee";
        let ours = rewritten(bytes, &["udp://t:1", "http://t:2/announce"]);
        assert_eq!(
            ours,
            "d1:ai-7e8:announce9:udp://t:113:announce-listll9:udp://t:1el19:http://t:2/announceee\
             7:comment2:hi4:infod1:xi1eee"
        );
        assert_eq!(rewritten(bytes, &[]), "d1:ai-7e7:comment2:hi4:infod1:xi1eee");
    }

    #[test]
    fn trackers_are_added_where_there_were_none() {
        assert_eq!(rewritten(b"d1:ai1ee", &["u"]), "d1:ai1e8:announce1:u13:announce-listll1:ueee");
        assert_eq!(rewritten(b"d1:zi1ee", &["u"]), "d8:announce1:u13:announce-listll1:uee1:zi1ee");
        assert_eq!(rewritten(b"de", &["u"]), "d8:announce1:u13:announce-listll1:ueee");
    }

    #[test]
    fn what_is_no_dictionary_is_refused() {
        for bytes in [&b"le"[..], b"", b"d1:ai1e", b"i1e"] {
            assert!(with_trackers(bytes, &[], &LIMITS).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(urls: Vec<String>, key in "[a-z]{0,12}", int: i64) {
            let mut bytes = vec![b'd'];
            write_bytes(&mut bytes, key.as_bytes());
            bytes.extend_from_slice(format!("i{int}ee").as_bytes());
            let out = with_trackers(&bytes, &urls, &LIMITS).unwrap();
            let again = with_trackers(&out, &urls, &LIMITS).unwrap();
            prop_assert_eq!(out, again);
        }
    }
}
