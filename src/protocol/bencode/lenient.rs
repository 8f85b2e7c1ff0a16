//! A reader for replies of foreign programs: takes what can only be meant one way, and tells what
//! is not as BEP 3 has it. Who hashes or trusts what it reads uses the strict reader instead.

use super::{DecodeError, Fault, Limits};

/// A value that borrows its strings from the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node<'a> {
    /// A byte string, not necessarily text.
    Bytes(&'a [u8]),
    /// An integer.
    Int(i64),
    /// Values one after the other.
    List(Vec<Node<'a>>),
    /// Keys and values in the order of the input; a key may come twice.
    Dict(Vec<(&'a [u8], Node<'a>)>),
}

/// A value, and how it was misspelt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lenient<'a> {
    /// The value at the start of the input.
    pub value: Node<'a>,
    /// The first of each kind of [`Fault`] that was overlooked: keys out of order or given twice,
    /// zeros too many, `-0`, bytes behind the value. Empty for canonical bencode.
    pub overlooked: Vec<DecodeError>,
}

/// Reads the value that the input begins with. Recurses as deep as `limits` let it.
///
/// # Errors
/// The first fault, from the left, that leaves the meaning open.
pub fn decode<'a>(input: &'a [u8], limits: &Limits) -> Result<Lenient<'a>, DecodeError> {
    let mut reader = Reader { input, at: 0, values_left: limits.values_max, overlooked: vec![] };
    let value = reader.value(limits.depth_max)?;
    if reader.at < input.len() {
        reader.overlook(reader.at, Fault::Trailing);
    }
    Ok(Lenient { value, overlooked: reader.overlooked })
}

impl<'a> Node<'a> {
    /// The value of a key, the last one if it comes twice; `None` when there is no such key, or
    /// this is no dictionary.
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        let Node::Dict(entries) = self else { return None };
        entries.iter().rev().find(|(found, _)| *found == key.as_bytes()).map(|(_, value)| value)
    }

    /// What it is, in a word with its article.
    pub fn kind(&self) -> &'static str {
        match self {
            Node::Bytes(_) => "a string",
            Node::Int(_) => "an integer",
            Node::List(_) => "a list",
            Node::Dict(_) => "a dictionary",
        }
    }
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    values_left: usize,
    overlooked: Vec<DecodeError>,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth_left: usize) -> Result<Node<'a>, DecodeError> {
        let start = self.at;
        let first = self.peek()?;
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or(DecodeError { at: start, fault: Fault::TooMany })?;
        if matches!(first, b'l' | b'd') && depth_left == 0 {
            return Err(DecodeError { at: start, fault: Fault::TooDeep });
        }
        match first {
            b'0'..=b'9' => self.bytes().map(Node::Bytes),
            b'i' => self.int().map(Node::Int),
            b'l' => self.list(depth_left - 1),
            b'd' => self.dict(depth_left - 1),
            _ => Err(DecodeError { at: start, fault: Fault::NoValue }),
        }
    }

    fn list(&mut self, depth_left: usize) -> Result<Node<'a>, DecodeError> {
        self.at += 1;
        let mut items = Vec::new();
        while self.peek()? != b'e' {
            items.push(self.value(depth_left)?);
        }
        self.at += 1;
        Ok(Node::List(items))
    }

    fn dict(&mut self, depth_left: usize) -> Result<Node<'a>, DecodeError> {
        self.at += 1;
        let mut entries: Vec<(&[u8], Node)> = Vec::new();
        let mut unordered_at = None;
        while self.peek()? != b'e' {
            let at = self.at;
            if !self.peek()?.is_ascii_digit() {
                return Err(DecodeError { at, fault: Fault::KeyNotString });
            }
            let key = self.bytes()?;
            match entries.last() {
                Some((above, _)) if key == *above => self.overlook(at, Fault::KeyTwice),
                Some((above, _)) if key < *above => unordered_at = unordered_at.or(Some(at)),
                _ => {}
            }
            if self.peek()? == b'e' {
                return Err(DecodeError { at: self.at, fault: Fault::KeyAlone });
            }
            entries.push((key, self.value(depth_left)?));
        }
        self.at += 1;
        if let Some(at) = unordered_at {
            self.overlook(at, Fault::KeyOrder);
            let mut keys: Vec<&[u8]> = entries.iter().map(|(key, _)| *key).collect();
            keys.sort_unstable();
            if keys.array_windows().any(|[one, next]| one == next) {
                self.overlook(at, Fault::KeyTwice);
            }
        }
        Ok(Node::Dict(entries))
    }

    fn int(&mut self) -> Result<i64, DecodeError> {
        self.at += 1;
        let start = self.at;
        let is_negative = self.peek()? == b'-';
        self.at += usize::from(is_negative);
        let number = self.number()?;
        if is_negative && number == Some(0) {
            self.overlook(start, Fault::NegativeZero);
        }
        self.expect(b'e')?;
        let int = if is_negative {
            number.and_then(|number| 0_i64.checked_sub_unsigned(number))
        } else {
            number.and_then(|number| i64::try_from(number).ok())
        };
        int.ok_or(DecodeError { at: start, fault: Fault::IntRange })
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let past_end = DecodeError { at: self.at, fault: Fault::StringPastEnd };
        let length = self.number()?.and_then(|number| usize::try_from(number).ok());
        self.expect(b':')?;
        let end = length.and_then(|length| self.at.checked_add(length)).ok_or(past_end)?;
        let bytes = self.input.get(self.at..end).ok_or(past_end)?;
        self.at = end;
        Ok(bytes)
    }

    /// Decimal digits, at least one; `None` when they need more than 64 bits.
    fn number(&mut self) -> Result<Option<u64>, DecodeError> {
        let start = self.at;
        let first = self.peek()?;
        let mut number = Some(0_u64);
        while let Some(digit @ b'0'..=b'9') = self.input.get(self.at) {
            number = number
                .and_then(|number| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
            self.at += 1;
        }
        if self.at == start {
            return Err(DecodeError { at: start, fault: Fault::NotDigit });
        }
        if first == b'0' && self.at > start + 1 {
            self.overlook(start, Fault::LeadingZero);
        }
        Ok(number)
    }

    fn expect(&mut self, end: u8) -> Result<(), DecodeError> {
        if self.peek()? != end {
            return Err(DecodeError { at: self.at, fault: Fault::NotDigit });
        }
        self.at += 1;
        Ok(())
    }

    fn peek(&self) -> Result<u8, DecodeError> {
        self.input.get(self.at).copied().ok_or(DecodeError { at: self.at, fault: Fault::Ends })
    }

    fn overlook(&mut self, at: usize, fault: Fault) {
        if self.overlooked.iter().all(|known| known.fault != fault) {
            self.overlooked.push(DecodeError { at, fault });
        }
    }
}

/// The check behind the fuzz target: whatever the strict reader takes, this one takes without a
/// word, and what this one refuses, the strict one refuses too.
#[cfg(any(test, fuzzing))]
pub mod fuzzing {
    use super::super::{self as bencode, Limits};
    use super::decode;

    /// Feeds `input` to both readers.
    ///
    /// # Panics
    /// When they disagree.
    pub fn check(input: &[u8]) {
        let limits = Limits { depth_max: 64, values_max: 10_000 };
        let is_canonical = bencode::decode(input, &limits).is_ok();
        let lenient = decode(input, &limits);
        let is_without_a_word = lenient.is_ok_and(|lenient| lenient.overlooked.is_empty());
        assert_eq!(is_canonical, is_without_a_word);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { depth_max: 4, values_max: 10 };

    #[test]
    fn sloppy_spelling_is_read_and_told() {
        for (input, faults) in [
            (&b"d1:ai1e1:bi2ee"[..], &[][..]),
            (b"d1:bi2e1:ai1ee", &[Fault::KeyOrder]),
            (b"d1:ai0e1:ai1e1:bi2ee", &[Fault::KeyTwice]),
            (b"d1:ai0e1:bi2e1:ai1ee", &[Fault::KeyOrder, Fault::KeyTwice]),
            (b"d01:ai1e1:bi02ee", &[Fault::LeadingZero]),
            (b"d1:ai1e1:bi2eegarbage", &[Fault::Trailing]),
        ] {
            let read = decode(input, &LIMITS).unwrap();
            let found: Vec<Fault> = read.overlooked.iter().map(|error| error.fault).collect();
            assert_eq!(found, faults, "{}", input.escape_ascii());
            assert_eq!(read.value.get("a"), Some(&Node::Int(1)));
            assert_eq!(read.value.get("b"), Some(&Node::Int(2)));
        }
        assert_eq!(decode(b"i-0e", &LIMITS).unwrap().overlooked[0].fault, Fault::NegativeZero);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (input, fault) in [
            (&b""[..], Fault::Ends),
            (b"<html>", Fault::NoValue),
            (b"999:abc", Fault::StringPastEnd),
            (b"i+1e", Fault::NotDigit),
            (b"i99999999999999999999e", Fault::IntRange),
            (b"di1ei2ee", Fault::KeyNotString),
            (b"d1:ae", Fault::KeyAlone),
            (b"lllllleeeeee", Fault::TooDeep),
            (b"li1ei1ei1ei1ei1ei1ei1ei1ei1ei1ee", Fault::TooMany),
            (b"d1:ai1e", Fault::Ends),
        ] {
            assert_eq!(
                decode(input, &LIMITS).unwrap_err().fault,
                fault,
                "{}",
                input.escape_ascii()
            );
        }
    }

    proptest! {
        #[test]
        fn lenient_and_strict_reader_agree_and_neither_panics(
            input in "[0-3:ilde ax-]{0,40}".prop_map(String::into_bytes),
        ) {
            fuzzing::check(&input);
        }
    }
}
