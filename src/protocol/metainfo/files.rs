//! The list of files in an info dictionary: the flat one of BEP 3, the tree of BEP 52.

use crate::protocol::bencode::{Dict, Value};

use super::layers::{Hash, Roots};
use super::text;
use super::torrent::{Limits, TorrentError, field, required};

/// One file of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Folders and name, joined by `/`, below the folder that is named like the torrent; the
    /// torrent's name itself when it is a single file. Never empty, absolute, or with `..` in it.
    pub path: String,
    /// Bytes.
    pub length: u64,
}

/// The files of a torrent and what they add up to.
pub(super) struct FileList {
    /// In the order of the content. Padding files (BEP 47) are not among them.
    pub(super) files: Vec<File>,
    /// Bytes of these files, below 2^63.
    pub(super) total_size: u64,
    /// Bytes of the padding files left out; together with the rest below 2^63.
    pub(super) padding: u64,
    /// Whether there is a folder around them.
    pub(super) is_multifile: bool,
    /// Of the files of a tree.
    pub(super) roots: Roots,
    path_bytes: usize,
}

impl FileList {
    fn new() -> FileList {
        FileList {
            files: Vec::new(),
            total_size: 0,
            padding: 0,
            is_multifile: true,
            roots: Vec::new(),
            path_bytes: 0,
        }
    }

    /// Reads `length` or `files` (BEP 3, "info dictionary").
    pub(super) fn decode_v1(
        info: Dict<'_>,
        name: &str,
        limits: &Limits,
    ) -> Result<FileList, TorrentError> {
        let mut list = FileList::new();
        match (info.get("length").is_some(), field(info, "files", Value::list)?) {
            (true, None) => {
                list.is_multifile = false;
                list.add(name, info, limits)?;
            }
            (false, Some(files)) => {
                for entry in files.items() {
                    let entry = entry.dict().ok_or(TorrentError::WrongType("files"))?;
                    list.add(&path(entry)?, entry, limits)?;
                }
            }
            (true, Some(_)) => return Err(TorrentError::LengthAndFiles),
            (false, None) => return Err(TorrentError::Missing("length")),
        }
        Ok(list)
    }

    /// Flattens `file tree` (BEP 52, "File tree layout"): a dictionary by name, in which a file is
    /// a dictionary whose only key is the empty one.
    pub(super) fn decode_v2(
        info: Dict<'_>,
        name: &str,
        limits: &Limits,
    ) -> Result<FileList, TorrentError> {
        let mut list = FileList::new();
        let mut tree = required(info, "file tree", Value::dict)?.walk();
        let mut path = String::new();
        let mut folder_lens = vec![0]; // of the paths of the folders that are entered
        while let Some(folder_len) = folder_lens.last() {
            path.truncate(*folder_len);
            let Some(name) = tree.key() else {
                folder_lens.pop();
                continue;
            };
            push_name(&mut path, name)?;
            if !tree.enter() {
                return Err(TorrentError::WrongType("file tree"));
            }
            if !tree.is_at(b"") {
                folder_lens.push(path.len());
                continue;
            }
            tree.key();
            let file = tree.value().and_then(Value::dict);
            let file = file.ok_or(TorrentError::WrongType("file tree"))?;
            if tree.key().is_some() {
                return Err(TorrentError::FileWithSiblings);
            }
            list.add_v2(&path, file, limits)?;
        }
        list.is_multifile = list.files.len() != 1 || list.files[0].path != name;
        Ok(list)
    }

    /// Adds a file of the tree, which needs the root of its hashes unless it is empty.
    fn add_v2(&mut self, path: &str, file: Dict<'_>, limits: &Limits) -> Result<(), TorrentError> {
        let length = self.add(path, file, limits)?;
        let root = field(file, "pieces root", Value::bytes)?;
        let root = root.map(<Hash>::try_from).transpose().map_err(|_| TorrentError::PiecesRoot)?;
        match root {
            Some(root) => self.roots.push((root, length)),
            None if length > 0 => return Err(TorrentError::PiecesRoot),
            None => {}
        }
        Ok(())
    }

    /// Checks that all files can lie beside each other in one folder.
    pub(super) fn check_paths(&self) -> Result<(), TorrentError> {
        let mut paths: Vec<&str> = self.files.iter().map(|file| &*file.path).collect();
        // With `/` before every other character, what is in a folder comes right behind its name.
        let key = |byte: u8| if byte == b'/' { 0 } else { byte };
        paths.sort_unstable_by(|a, b| a.bytes().map(key).cmp(b.bytes().map(key)));
        let clashes = |pair: &[&str]| {
            let rest = pair[1].strip_prefix(pair[0]);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if paths.windows(2).any(clashes) { Err(TorrentError::PathTwice) } else { Ok(()) }
    }

    /// Adds the file whose properties are in `entry`, and tells its length.
    fn add(&mut self, path: &str, entry: Dict<'_>, limits: &Limits) -> Result<u64, TorrentError> {
        // One letter for each attribute (BEP 47): p padding, l symbolic link.
        let attributes = field(entry, "attr", Value::bytes)?.unwrap_or_default();
        let length = match field(entry, "length", Value::int)? {
            Some(length) => u64::try_from(length).map_err(|_| TorrentError::NegativeLength)?,
            None if attributes.contains(&b'l') => 0,
            None => return Err(TorrentError::Missing("length")),
        };
        let sum = (self.total_size + self.padding).checked_add(length);
        if sum.is_none_or(|sum| sum > i64::MAX as u64) {
            return Err(TorrentError::SizeRange);
        }
        if attributes.contains(&b'p') {
            self.padding += length;
            return Ok(length);
        }
        self.total_size += length;
        self.path_bytes += path.len();
        if self.files.len() == limits.files_max {
            return Err(TorrentError::TooManyFiles(limits.files_max));
        }
        if self.path_bytes > limits.path_bytes_max {
            return Err(TorrentError::PathsTooLong(limits.path_bytes_max));
        }
        self.files.push(File { path: path.into(), length });
        Ok(length)
    }
}

/// Reads the path of an entry of `files`, the UTF-8 spelling first that old clients put beside one
/// in another encoding.
fn path(entry: Dict<'_>) -> Result<String, TorrentError> {
    let names = match field(entry, "path.utf-8", Value::list)? {
        Some(names) => names,
        None => required(entry, "path", Value::list)?,
    };
    let mut path = String::new();
    for name in names.items() {
        push_name(&mut path, name.bytes().ok_or(TorrentError::WrongType("path"))?)?;
    }
    if path.is_empty() { Err(TorrentError::Name(text::NameFault::Empty)) } else { Ok(path) }
}

fn push_name(path: &mut String, name: &[u8]) -> Result<(), TorrentError> {
    if !path.is_empty() {
        path.push('/');
    }
    path.push_str(&text::name(name).map_err(TorrentError::Name)?);
    Ok(())
}
