//! Which software announces, told by how its peer ids begin, in a table of fixed size: whatever
//! strangers call themselves, it does not grow.

use super::counter::Counter;

/// Digits, capitals and small letters.
const LETTERS: usize = 62;
/// Where those are counted whose peer ids begin like `M7-10-5--`, as of BitTorrent Mainline.
const MAINLINE: usize = LETTERS * LETTERS;
/// Where all others are counted.
const OTHER: usize = MAINLINE + 1;
/// Length of the table.
pub const CODES: usize = OTHER + 1;

/// A kind of software, as a place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(u16);

/// How its makers sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Two letters or digits between which and a hyphen stand four more: `-XX1234-`.
    Letters([u8; 2]),
    /// `M7-10-5--`.
    Mainline,
    /// In another way, or not at all.
    Other,
}

impl Code {
    /// That of the client which chose `peer_id`.
    pub fn of(peer_id: &[u8; 20]) -> Code {
        let place = match *peer_id {
            [b'-', first, second, _, _, _, _, b'-', ..] => match (digit(first), digit(second)) {
                (Some(first), Some(second)) => first * LETTERS + second,
                _ => OTHER,
            },
            [b'M', b'0'..=b'9', b'-', ..] => MAINLINE,
            _ => OTHER,
        };
        Code(place as u16)
    }

    /// The one at a place of the table; `None` behind its end.
    pub fn at(place: u16) -> Option<Code> {
        (usize::from(place) < CODES).then_some(Code(place))
    }

    /// Its place in the table.
    pub fn place(self) -> u16 {
        self.0
    }

    /// How its makers sign.
    pub fn signature(self) -> Signature {
        match usize::from(self.0) {
            OTHER => Signature::Other,
            MAINLINE => Signature::Mainline,
            place => Signature::Letters([letter(place / LETTERS), letter(place % LETTERS)]),
        }
    }
}

fn digit(letter: u8) -> Option<usize> {
    let value = match letter {
        b'0'..=b'9' => letter - b'0',
        b'A'..=b'Z' => letter - b'A' + 10,
        b'a'..=b'z' => letter - b'a' + 36,
        _ => return None,
    };
    Some(value.into())
}

fn letter(digit: usize) -> u8 {
    match digit as u8 {
        digit @ 0..10 => b'0' + digit,
        digit @ 10..36 => b'A' + digit - 10,
        digit => b'a' + digit - 36,
    }
}

/// Announces by software, while they are counted.
#[derive(Debug)]
pub struct ClientCounters(Box<[Counter]>);

impl Default for ClientCounters {
    fn default() -> ClientCounters {
        ClientCounters((0..CODES).map(|_| Counter::default()).collect())
    }
}

impl ClientCounters {
    /// Counts an announce.
    pub fn count(&self, peer_id: &[u8; 20]) {
        self.0[usize::from(Code::of(peer_id).0)].increment();
    }

    /// Begins anew.
    pub fn clear(&self) {
        self.0.iter().for_each(Counter::clear);
    }
}

/// Announces by software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients(Box<[u64]>);

impl Default for Clients {
    fn default() -> Clients {
        Clients(vec![0; CODES].into())
    }
}

impl Clients {
    /// Takes `announces` more in.
    pub fn add(&mut self, code: Code, announces: u64) {
        let number = &mut self.0[usize::from(code.0)];
        *number = number.saturating_add(announces);
    }

    /// Takes others in.
    pub fn merge(&mut self, others: &Clients) {
        others.each().for_each(|(code, announces)| self.add(code, announces));
    }

    /// Takes in what has been counted.
    pub fn merge_live(&mut self, others: &ClientCounters) {
        for (number, counter) in self.0.iter_mut().zip(&others.0) {
            *number = number.saturating_add(counter.read());
        }
    }

    /// Those that have announced, in the order of the table.
    pub fn each(&self) -> impl Iterator<Item = (Code, u64)> {
        let codes = (0..).map(Code).zip(self.0.iter().copied());
        codes.filter(|(_, announces)| *announces > 0)
    }

    /// The `most` that announced most, with the most first; and the sum of all others.
    pub fn top(&self, most: usize) -> (Vec<(Code, u64)>, u64) {
        let mut known: Vec<_> =
            self.each().filter(|(code, _)| *code != Code(OTHER as u16)).collect();
        known.sort_by_key(|(code, announces)| (std::cmp::Reverse(*announces), *code));
        let rest = known.split_off(most.min(known.len()));
        let rest = rest.iter().fold(self.0[OTHER], |sum, (_, more)| sum.saturating_add(*more));
        (known, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(peer_id: &str) -> Code {
        let mut bytes = [b'x'; 20];
        bytes[..peer_id.len()].copy_from_slice(peer_id.as_bytes());
        Code::of(&bytes)
    }

    #[test]
    fn software_is_told_by_its_signature() {
        for (peer_id, signature) in [
            ("-qB5140-", Signature::Letters(*b"qB")),
            ("-7T1234-", Signature::Letters(*b"7T")),
            ("-zz0000-", Signature::Letters(*b"zz")),
            ("-000000-", Signature::Letters(*b"00")),
            ("M7-10-5--", Signature::Mainline),
            ("-q\u{7f}1234-", Signature::Other),
            ("-qB5140x", Signature::Other),
            ("T03I----", Signature::Other),
            ("", Signature::Other),
        ] {
            let code = code(peer_id);
            assert_eq!(code.signature(), signature, "{peer_id}");
            assert_eq!(Code::at(code.place()), Some(code));
        }
        assert_eq!(Code::at(CODES as u16), None);
    }

    #[test]
    fn most_frequent_come_first_and_the_rest_is_summed() {
        let counters = ClientCounters::default();
        let mut clients = Clients::default();
        for (peer_id, announces) in [("-AA0000-", 2), ("-BB0000-", 5), ("-CC0000-", 2), ("", 3)] {
            let mut bytes = [b'x'; 20];
            bytes[..peer_id.len()].copy_from_slice(peer_id.as_bytes());
            (0..announces).for_each(|_| counters.count(&bytes));
        }
        clients.merge_live(&counters);
        let (top, rest) = clients.top(2);
        assert_eq!(top, [(code("-BB0000-"), 5), (code("-AA0000-"), 2)]);
        assert_eq!(rest, 5);
        let doubled = {
            let mut it = clients.clone();
            it.merge(&clients);
            it
        };
        assert_eq!(doubled.top(9).1, 6);
    }
}
