//! Bencode as JSON, for people to look at.

use serde_json::{Map, Value};

use super::text::hex;
use crate::limits::{self, query as query_limits};
use crate::protocol::bencode::Limits;
use crate::protocol::bencode::lenient::{self, Node};

/// A reply as JSON; `string` makes what a byte string becomes. What is no bencode is one string.
pub fn decoded(body: &[u8], string: &dyn Fn(&[u8]) -> Value) -> Value {
    let limits = Limits {
        depth_max: limits::BENCODE_DEPTH_MAX,
        values_max: query_limits::BODY_MAX_MAX / query_limits::BODY_PER_VALUE,
    };
    match lenient::decode(body, &limits) {
        Ok(read) => value(&read.value, string),
        Err(_) => string(body),
    }
}

fn value(node: &Node<'_>, string: &dyn Fn(&[u8]) -> Value) -> Value {
    match node {
        Node::Bytes(bytes) => string(bytes),
        Node::Int(int) => (*int).into(),
        Node::List(items) => items.iter().map(|item| value(item, string)).collect(),
        Node::Dict(entries) => {
            let entries = entries.iter().map(|(key, node)| {
                let key = str::from_utf8(key).map_or_else(|_| hex(key), str::to_owned);
                (key, value(node, string))
            });
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}
