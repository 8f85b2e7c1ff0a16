//! Values that own their parts: what tests build and checks write. The map keeps the keys of a
//! dictionary sorted, so nothing can be built that is not canonical.

use std::collections::BTreeMap;

use super::{Value, write_bytes, write_int};

/// A value to be written. As deep as it is made: writing recurses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// A byte string.
    Bytes(Vec<u8>),
    /// An integer.
    Int(i64),
    /// A list.
    List(Vec<Tree>),
    /// A dictionary.
    Dict(BTreeMap<Vec<u8>, Tree>),
}

impl Tree {
    /// A dictionary of these keys, in any order.
    pub fn dict<const N: usize>(entries: [(&str, Tree); N]) -> Tree {
        Tree::Dict(entries.map(|(key, value)| (key.into(), value)).into())
    }

    /// A list of these items.
    pub fn list<const N: usize>(items: [Tree; N]) -> Tree {
        Tree::List(items.into())
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Tree::Bytes(bytes) => write_bytes(out, bytes),
            Tree::Int(int) => match u64::try_from(*int) {
                Ok(int) => write_int(out, int),
                Err(_) => out.extend_from_slice(format!("i{int}e").as_bytes()),
            },
            Tree::List(items) => {
                out.push(b'l');
                for item in items {
                    item.write(out);
                }
                out.push(b'e');
            }
            Tree::Dict(entries) => {
                out.push(b'd');
                for (key, value) in entries {
                    write_bytes(out, key);
                    value.write(out);
                }
                out.push(b'e');
            }
        }
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Tree {
        Tree::Bytes(text.into())
    }
}

impl From<&[u8]> for Tree {
    fn from(bytes: &[u8]) -> Tree {
        Tree::Bytes(bytes.into())
    }
}

impl From<i64> for Tree {
    fn from(int: i64) -> Tree {
        Tree::Int(int)
    }
}

impl From<Value<'_>> for Tree {
    fn from(value: Value<'_>) -> Tree {
        match value {
            Value::Bytes(bytes) => bytes.into(),
            Value::Int(int) => int.into(),
            Value::List(list) => Tree::List(list.items().map(Tree::from).collect()),
            Value::Dict(dict) => Tree::Dict(
                dict.entries().map(|(key, value)| (key.to_vec(), value.into())).collect(),
            ),
        }
    }
}
