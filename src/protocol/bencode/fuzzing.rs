//! The checks behind the fuzz targets `bencode` and `bencode_differential`.

use bendy::decoding::Decoder;
use bendy::state_tracker::Token;

use super::tree::Tree;
use super::{Fault, Limits, Value, decode};

const LIMITS: Limits = Limits { depth_max: 64, values_max: 10_000 };

/// Reads `input`, writes what was read, and compares; the lenient reader must agree.
///
/// # Panics
/// When the bytes differ.
pub fn check(input: &[u8]) {
    super::lenient::fuzzing::check(input);
    if let Ok(value) = decode(input, &LIMITS) {
        assert_eq!(Tree::from(value).encode(), input);
    }
}

/// Reads `input` with the crate bendy too, which knows no bounds on integers and on the number of
/// values.
///
/// # Panics
/// When one reads what the other does not, or reads something else.
pub fn differential(input: &[u8]) {
    let theirs = their_tokens(input);
    match decode(input, &LIMITS) {
        Ok(value) => {
            let mut ours = Vec::new();
            add_tokens(value, &mut ours);
            assert_eq!(theirs, Some(ours));
        }
        Err(error) => {
            let is_ours_alone =
                matches!(error.fault, Fault::TooDeep | Fault::TooMany | Fault::IntRange);
            assert!(is_ours_alone || theirs.is_none(), "{error:?}, and they read {theirs:?}");
        }
    }
}

/// A token, with numbers as text.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    List,
    Dict,
    Bytes(Vec<u8>),
    Int(String),
    End,
}

/// The tokens of the one value that `input` consists of; `None` when it is not canonical.
fn their_tokens(input: &[u8]) -> Option<Vec<Piece>> {
    let (mut pieces, mut depth) = (Vec::new(), 0_usize);
    for token in Decoder::new(input).with_max_depth(input.len() + 1).tokens() {
        if depth == 0 && !pieces.is_empty() {
            return None; // a second value
        }
        pieces.push(match token.ok()? {
            Token::List => Piece::List,
            Token::Dict => Piece::Dict,
            Token::String(bytes) => Piece::Bytes(bytes.to_vec()),
            Token::Num(number) => Piece::Int(number.to_owned()),
            Token::End => Piece::End,
        });
        match pieces.last() {
            Some(Piece::List | Piece::Dict) => depth += 1,
            Some(Piece::End) => depth -= 1,
            _ => {}
        }
    }
    (!pieces.is_empty()).then_some(pieces)
}

fn add_tokens(value: Value<'_>, pieces: &mut Vec<Piece>) {
    match value {
        Value::Bytes(bytes) => pieces.push(Piece::Bytes(bytes.to_vec())),
        Value::Int(int) => pieces.push(Piece::Int(int.to_string())),
        Value::List(list) => {
            pieces.push(Piece::List);
            list.items().for_each(|item| add_tokens(item, pieces));
            pieces.push(Piece::End);
        }
        Value::Dict(dict) => {
            pieces.push(Piece::Dict);
            for (key, value) in dict.entries() {
                pieces.push(Piece::Bytes(key.to_vec()));
                add_tokens(value, pieces);
            }
            pieces.push(Piece::End);
        }
    }
}
