//! The list of a torrent's files as the source has it: `[{"path": "a/b", "size": 1}]`. It is read
//! file by file, and what does not belong there is passed over without being kept.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::protocol::metainfo::File;
use crate::protocol::metainfo::text::shown;

/// Files of a list that are taken over.
const FILES_MAX: usize = 100_000;

/// The files of a list.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) files: Vec<File>,
    /// Whether there were more than can be.
    pub(super) is_cut: bool,
}

/// Reads a list; `None` where it is none. Nothing at all is a list of nothing.
pub(super) fn read(json: &[u8]) -> Option<Listed> {
    if json.is_empty() {
        return Some(Listed::default());
    }
    serde_json::from_slice(json).ok()
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Listed, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Listed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of files")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Listed, A::Error> {
                let mut listed = Listed::default();
                while listed.files.len() < FILES_MAX {
                    match list.next_element::<Entry>()? {
                        Some(entry) => listed.files.extend(entry.file()),
                        None => return Ok(listed),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    listed.is_cut = true;
                }
                Ok(listed)
            }
        }

        deserializer.deserialize_seq(List)
    }
}

/// A file of a list.
#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    path: String,
    #[serde(default)]
    size: Size,
}

impl Entry {
    /// `None` where nothing is left of its path.
    fn file(self) -> Option<File> {
        let steps = self.path.split('/').filter(|step| !["", ".", ".."].contains(step));
        let path = steps.map(|step| shown(step.as_bytes())).collect::<Vec<_>>().join("/");
        (!path.is_empty()).then_some(File { path, length: self.size.0 })
    }
}

/// Bytes of a file; zero where that is no number that can be.
#[derive(Default)]
struct Size(u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        struct Anything;

        impl<'de> Visitor<'de> for Anything {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_u64<E>(self, size: u64) -> Result<Size, E> {
                Ok(Size(if i64::try_from(size).is_ok() { size } else { 0 }))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Size, E> {
                Ok(Size(0))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Size, E> {
                Ok(Size(0))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Size, E> {
                Ok(Size(0))
            }

            fn visit_str<E>(self, _: &str) -> Result<Size, E> {
                Ok(Size(0))
            }

            fn visit_unit<E>(self) -> Result<Size, E> {
                Ok(Size(0))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Size, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Size(0))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Size, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Size(0))
            }
        }

        deserializer.deserialize_any(Anything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(json: &str) -> Vec<(String, u64)> {
        let listed = read(json.as_bytes()).unwrap();
        assert!(!listed.is_cut);
        listed.files.into_iter().map(|file| (file.path, file.length)).collect()
    }

    #[test]
    fn sizes_that_are_none_are_zero_and_paths_stay_inside() {
        let json = r#"[{"path":"a/b","size":7},{"path":"/../c","size":-1},{"size":1},{},
            {"path":"d","size":9223372036854775808},{"path":"e","size":"8"},{"path":"f","size":1.5},
            {"path":"g","size":[[1],{"a":[2]}],"more":[{}]},{"path":"h","size":{"x":{}}},
            {"path":"i","size":null},{"path":"j","size":true}]"#;
        let read: Vec<_> = files(json);
        let read: Vec<_> = read.iter().map(|(path, length)| (path.as_str(), *length)).collect();
        let (big, rest) = read.split_first().unwrap();
        assert_eq!(*big, ("a/b", 7));
        let named: Vec<_> = rest.iter().map(|(path, _)| *path).collect();
        assert_eq!(named, ["c", "d", "e", "f", "g", "h", "i", "j"]);
        assert!(rest.iter().all(|(_, length)| *length == 0));
        assert_eq!(files("[]"), []);
        assert_eq!(files(""), []);
    }

    #[test]
    fn what_is_no_list_is_none() {
        for json in ["{}", "[", "[1]", "[{\"path\":1}]", "null", "[]x", "\u{fffd}"] {
            assert!(read(json.as_bytes()).is_none(), "{json}");
        }
        let deep = format!("[{{\"size\":{}", "[".repeat(1 << 20));
        assert!(read(deep.as_bytes()).is_none());
    }

    #[test]
    fn long_list_is_cut_and_its_rest_is_not_kept() {
        let file = r#"{"path":"a","size":1},"#;
        let list = |files: usize| format!("[{}{{}}]", file.repeat(files));
        let whole = read(list(FILES_MAX - 1).as_bytes()).unwrap();
        assert_eq!((whole.files.len(), whole.is_cut), (FILES_MAX - 1, false));
        let cut = read(list(FILES_MAX + 1).as_bytes()).unwrap();
        assert_eq!((cut.files.len(), cut.is_cut), (FILES_MAX, true));
    }
}
