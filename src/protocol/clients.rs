//! Which program is behind a peer id that begins like `-qB5140-`, told by the two letters its
//! makers took. There is no registry; these are in use.

/// The letters and whose they are, in their order.
const NAMES: [([u8; 2], &str); 44] = [
    (*b"7T", "aTorrent"),
    (*b"A2", "aria2"),
    (*b"AG", "Ares"),
    (*b"AZ", "Vuze"),
    (*b"BC", "BitComet"),
    (*b"BI", "BiglyBT"),
    (*b"BT", "BitTorrent"),
    (*b"BW", "BitTorrent Web"),
    (*b"DE", "Deluge"),
    (*b"FD", "Free Download Manager"),
    (*b"FL", "Flud"),
    (*b"FW", "FrostWire"),
    (*b"GT", "go.torrent"),
    (*b"HL", "Halite"),
    (*b"JS", "Shareaza"),
    (*b"KG", "KGet"),
    (*b"KT", "KTorrent"),
    (*b"LP", "Lphant"),
    (*b"LT", "libtorrent"),
    (*b"LW", "LimeWire"),
    (*b"MG", "MediaGet"),
    (*b"PI", "PicoTorrent"),
    (*b"SD", "Thunder"),
    (*b"ST", "SymTorrent"),
    (*b"TB", "Torch"),
    (*b"TL", "Tribler"),
    (*b"TR", "Transmission"),
    (*b"TT", "TuoTu"),
    (*b"TX", "Tixati"),
    (*b"UE", "µTorrent Embedded"),
    (*b"UM", "µTorrent Mac"),
    (*b"UT", "µTorrent"),
    (*b"UW", "µTorrent Web"),
    (*b"WK", "Wildkat query"),
    (*b"WT", "BitLet"),
    (*b"WW", "WebTorrent"),
    (*b"XL", "Xunlei"),
    (*b"XT", "XanTorrent"),
    (*b"XX", "Xtorrent"),
    (*b"lt", "rTorrent"),
    (*b"qB", "qBittorrent"),
    (*b"rT", "RetriX"),
    (*b"st", "sharktorrent"),
    (*b"tT", "tTorrent"),
];

/// The program with these two letters; `None` when they are not known.
pub fn name(letters: [u8; 2]) -> Option<&'static str> {
    let place = NAMES.binary_search_by_key(&letters, |(letters, _)| *letters).ok()?;
    Some(NAMES[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_in_their_order() {
        assert!(NAMES.is_sorted_by(|(one, _), (next, _)| one < next));
        assert_eq!((name(*b"qB"), name(*b"zz")), (Some("qBittorrent"), None));
    }
}
