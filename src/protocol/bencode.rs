//! Bencode (BEP 3, "bencoding"): writers for what we send, a strict reader for what others send;
//! [`lenient`] reads the replies of foreign trackers.
//!
//! [`decode`] checks the whole input once and hands out a [`Value`]: a view that borrows from the
//! input and reads on demand. Only the canonical form is accepted, so each value has exactly one
//! spelling, and a hash over the bytes is a hash over the value (BEP 52, "infohash").
//!
//! Nothing is allocated but one small frame for each container that is open at a time, at most
//! [`Limits::depth_max`] of them, and nothing recurses. To step over a value costs its size, so who
//! goes into everything by way of the views looks at each value as often as it is deep; where
//! strangers choose the depth, [`Dict::walk`] looks once.

pub mod lenient;

use std::fmt;

/// Appends a byte string.
pub fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_decimal(out, bytes.len() as u64);
    out.push(b':');
    out.extend_from_slice(bytes);
}

/// Appends an integer that is not negative.
pub fn write_int(out: &mut Vec<u8>, value: u64) {
    out.push(b'i');
    write_decimal(out, value);
    out.push(b'e');
}

fn write_decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20]; // u64::MAX has 20 digits
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// What a reader puts up with. The length of the input is the caller's to bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Lists and dictionaries inside one another. Zero allows only a string or an integer.
    pub depth_max: usize,
    /// Values altogether, containers included; keys are not counted.
    pub values_max: usize,
}

/// A value whose bytes are known to be canonical, borrowed from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A byte string, not necessarily text.
    Bytes(&'a [u8]),
    /// An integer. BEP 3 sets no bounds; what does not fit is refused.
    Int(i64),
    /// Values one after the other.
    List(List<'a>),
    /// Values by key.
    Dict(Dict<'a>),
}

/// A list, as the bytes from its `l` to its `e`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct List<'a> {
    raw: &'a [u8],
}

/// A dictionary, as the bytes from its `d` to its `e`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Dict<'a> {
    raw: &'a [u8],
}

/// Why the input is not canonical bencode, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Offset of the byte at fault, in bytes from the start.
    pub at: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a piece of bencode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The input ends before the value does.
    Ends,
    /// A byte that begins no value; also an `e` where nothing is open.
    NoValue,
    /// A number with something other than digits in it, or with none.
    NotDigit,
    /// A number with a zero too many in front.
    LeadingZero,
    /// `-0`.
    NegativeZero,
    /// An integer that needs more than 64 bits.
    IntRange,
    /// A string that claims to be longer than what is left.
    StringPastEnd,
    /// A dictionary key that is not a string.
    KeyNotString,
    /// A dictionary key that belongs before the one it follows.
    KeyOrder,
    /// A dictionary key for the second time.
    KeyTwice,
    /// A dictionary that ends behind a key.
    KeyAlone,
    /// Nested deeper than [`Limits::depth_max`].
    TooDeep,
    /// More values than [`Limits::values_max`].
    TooMany,
    /// Bytes behind the value.
    Trailing,
}

/// Reads the one value that the input consists of.
///
/// # Errors
/// The first fault found, from the left. Nothing of such an input is to be used.
pub fn decode<'a>(input: &'a [u8], limits: &Limits) -> Result<Value<'a>, DecodeError> {
    let mut reader = Reader { input, at: 0 };
    let mut open = Vec::new();
    let mut values = 0;
    loop {
        let at = reader.at;
        let refused = |fault| Err(DecodeError { at, fault });
        let token = reader.token()?;
        match (open.last_mut(), token) {
            (Some(awaited @ Awaited::Key { .. }), Token::Bytes(key)) => {
                if let Awaited::Key { above: Some(above) } = *awaited
                    && key <= above
                {
                    return refused(if key == above { Fault::KeyTwice } else { Fault::KeyOrder });
                }
                *awaited = Awaited::ValueOf { key };
                continue;
            }
            (Some(Awaited::Key { .. } | Awaited::Item), Token::End) => {
                open.pop();
            }
            (Some(Awaited::Key { .. }), _) => return refused(Fault::KeyNotString),
            (Some(Awaited::ValueOf { .. }), Token::End) => return refused(Fault::KeyAlone),
            (None, Token::End) => return refused(Fault::NoValue),
            (awaited, token) => {
                if let Some(awaited) = awaited
                    && let Awaited::ValueOf { key } = *awaited
                {
                    *awaited = Awaited::Key { above: Some(key) };
                }
                values += 1;
                if values > limits.values_max {
                    return refused(Fault::TooMany);
                }
                let inside = match token {
                    Token::List => Some(Awaited::Item),
                    Token::Dict => Some(Awaited::Key { above: None }),
                    Token::Bytes(_) | Token::Int(_) | Token::End => None,
                };
                if inside.is_some() && open.len() == limits.depth_max {
                    return refused(Fault::TooDeep);
                }
                open.extend(inside);
            }
        }
        if open.is_empty() {
            break;
        }
    }
    if reader.at < input.len() {
        return Err(DecodeError { at: reader.at, fault: Fault::Trailing });
    }
    Reader { input, at: 0 }.value().ok_or(DecodeError { at: 0, fault: Fault::NoValue })
}

/// What an open container waits for. A dictionary remembers the key that the next one must exceed.
enum Awaited<'a> {
    Item,
    Key { above: Option<&'a [u8]> },
    ValueOf { key: &'a [u8] },
}

impl<'a> Value<'a> {
    /// The string; `None` when the value is something else.
    pub fn bytes(self) -> Option<&'a [u8]> {
        if let Value::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// The integer; `None` when the value is something else.
    pub fn int(self) -> Option<i64> {
        if let Value::Int(int) = self { Some(int) } else { None }
    }

    /// The list; `None` when the value is something else.
    pub fn list(self) -> Option<List<'a>> {
        if let Value::List(list) = self { Some(list) } else { None }
    }

    /// The dictionary; `None` when the value is something else.
    pub fn dict(self) -> Option<Dict<'a>> {
        if let Value::Dict(dict) = self { Some(dict) } else { None }
    }
}

impl<'a> List<'a> {
    /// The exact bytes, `l` and `e` included.
    pub fn raw(self) -> &'a [u8] {
        self.raw
    }

    /// The values in order.
    pub fn items(self) -> Items<'a> {
        Items { reader: Reader { input: self.raw, at: 1 } }
    }
}

impl<'a> Dict<'a> {
    /// The exact bytes, `d` and `e` included: what an info hash is taken of.
    pub fn raw(self) -> &'a [u8] {
        self.raw
    }

    /// Goes through the dictionary and those inside it, reading each byte once however deep.
    pub fn walk(self) -> Walk<'a> {
        Walk { reader: Reader { input: self.raw, at: 1 } }
    }

    /// Keys and values, keys ascending as byte strings.
    pub fn entries(self) -> Entries<'a> {
        Entries { reader: Reader { input: self.raw, at: 1 } }
    }

    /// The value of a key, by looking through those before it; `None` when there is no such key.
    pub fn get(self, key: impl AsRef<[u8]>) -> Option<Value<'a>> {
        let key = key.as_ref();
        self.entries()
            .take_while(|(found, _)| *found <= key)
            .find_map(|(found, value)| (found == key).then_some(value))
    }
}

/// The values of a list: see [`List::items`].
#[derive(Clone, Debug)]
pub struct Items<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.reader.value()
    }
}

/// The keys and values of a dictionary: see [`Dict::entries`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<(&'a [u8], Value<'a>)> {
        let key = self.reader.value()?.bytes()?;
        Some((key, self.reader.value()?))
    }
}

/// A place within nested dictionaries: see [`Dict::walk`]. It stands ahead of a key or of the end
/// of a dictionary, and after [`Walk::key`] ahead of a value, which is either taken or entered.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    reader: Reader<'a>,
}

impl<'a> Walk<'a> {
    /// Steps over the next key and gives it; `None` steps out of the dictionary.
    pub fn key(&mut self) -> Option<&'a [u8]> {
        if let Ok(Token::Bytes(key)) = self.reader.token() { Some(key) } else { None }
    }

    /// Whether the next key is this one, which stays ahead.
    pub fn is_at(&self, key: &[u8]) -> bool {
        self.clone().key() == Some(key)
    }

    /// Takes the value ahead, whole.
    pub fn value(&mut self) -> Option<Value<'a>> {
        self.reader.value()
    }

    /// Steps into the value ahead, if that is a dictionary, and tells whether it is.
    pub fn enter(&mut self) -> bool {
        let is_dict = self.reader.peek() == Ok(b'd');
        self.reader.at += usize::from(is_dict);
        is_dict
    }
}

/// A place in the input.
#[derive(Clone, Debug)]
struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

/// The smallest thing that stands by itself.
#[derive(Clone, Copy)]
enum Token<'a> {
    Bytes(&'a [u8]),
    Int(i64),
    List,
    Dict,
    End,
}

impl<'a> Reader<'a> {
    /// The next value of checked input; `None` at the end of the container, where it stays.
    fn value(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        Some(match self.token().ok()? {
            Token::Bytes(bytes) => Value::Bytes(bytes),
            Token::Int(int) => Value::Int(int),
            Token::List => Value::List(List { raw: self.container(start)? }),
            Token::Dict => Value::Dict(Dict { raw: self.container(start)? }),
            Token::End => {
                self.at = start;
                return None;
            }
        })
    }

    /// Steps over the rest of a container of checked input whose first byte is at `start`, and
    /// gives all its bytes.
    fn container(&mut self, start: usize) -> Option<&'a [u8]> {
        let mut open = 1_usize;
        while open > 0 {
            match self.token().ok()? {
                Token::List | Token::Dict => open += 1,
                Token::End => open -= 1,
                Token::Bytes(_) | Token::Int(_) => {}
            }
        }
        self.input.get(start..self.at)
    }

    fn token(&mut self) -> Result<Token<'a>, DecodeError> {
        let start = self.at;
        let token = match self.peek()? {
            b'0'..=b'9' => return self.bytes().map(Token::Bytes),
            b'i' => return self.int().map(Token::Int),
            b'l' => Token::List,
            b'd' => Token::Dict,
            b'e' => Token::End,
            _ => return Err(DecodeError { at: start, fault: Fault::NoValue }),
        };
        self.at += 1;
        Ok(token)
    }

    /// Reads an integer: `i`, perhaps `-`, decimal digits, `e`.
    fn int(&mut self) -> Result<i64, DecodeError> {
        self.at += 1;
        let start = self.at;
        let refused = |fault| DecodeError { at: start, fault };
        let is_negative = self.peek()? == b'-';
        self.at += usize::from(is_negative);
        let int = match self.number()? {
            Some(0) if is_negative => return Err(refused(Fault::NegativeZero)),
            Some(number) if is_negative => 0_i64.checked_sub_unsigned(number),
            number => number.and_then(|number| number.try_into().ok()),
        };
        self.expect(b'e')?;
        int.ok_or(refused(Fault::IntRange))
    }

    /// Reads a string: its length as decimal digits, `:`, as many bytes.
    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let past_end = DecodeError { at: self.at, fault: Fault::StringPastEnd };
        let length = self.number()?.and_then(|number| usize::try_from(number).ok());
        self.expect(b':')?;
        let end = length.and_then(|length| self.at.checked_add(length)).ok_or(past_end)?;
        let bytes = self.input.get(self.at..end).ok_or(past_end)?;
        self.at = end;
        Ok(bytes)
    }

    /// Reads decimal digits, at least one and without a zero too many in front. `None` when the
    /// number needs more than 64 bits.
    fn number(&mut self) -> Result<Option<u64>, DecodeError> {
        let start = self.at;
        let digit = self.peek()?;
        if !digit.is_ascii_digit() {
            return Err(DecodeError { at: start, fault: Fault::NotDigit });
        }
        let mut number = Some(0_u64);
        while let Some(digit @ b'0'..=b'9') = self.input.get(self.at) {
            number = number
                .and_then(|number| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
            self.at += 1;
        }
        if digit == b'0' && self.at > start + 1 {
            return Err(DecodeError { at: start, fault: Fault::LeadingZero });
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
        let ends = DecodeError { at: self.at, fault: Fault::Ends };
        self.input.get(self.at).copied().ok_or(ends)
    }
}

impl fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.items()).finish()
    }
}

impl fmt::Debug for Dict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries().map(|(key, value)| (key.escape_ascii().to_string(), value));
        f.debug_map().entries(entries).finish()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not valid bencode at byte {}: {}", self.at, self.fault)
    }
}

impl std::error::Error for DecodeError {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Ends => "the input ends within a value",
            Fault::NoValue => "no value begins with this byte",
            Fault::NotDigit => "a digit or the end of a number is missing",
            Fault::LeadingZero => "a number has a leading zero",
            Fault::NegativeZero => "an integer is minus zero",
            Fault::IntRange => "an integer needs more than 64 bits",
            Fault::StringPastEnd => "a string is longer than what is left of the input",
            Fault::KeyNotString => "a dictionary key is not a string",
            Fault::KeyOrder => "dictionary keys are not sorted",
            Fault::KeyTwice => "a dictionary key occurs twice",
            Fault::KeyAlone => "a dictionary key has no value",
            Fault::TooDeep => "lists and dictionaries are nested too deep",
            Fault::TooMany => "there are too many values",
            Fault::Trailing => "there is something behind the value",
        })
    }
}

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(any(test, fuzzing))]
pub mod tree;

#[cfg(test)]
mod tests;
