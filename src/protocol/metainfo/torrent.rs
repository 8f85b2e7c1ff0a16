//! .torrent files: BEP 3, BEP 12 (tiers of trackers), BEP 27 (private), BEP 52 (v2 and hybrid).

use std::fmt;

use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::protocol::bencode::{self, Dict, Value};
use crate::protocol::ids::InfoHash;

use super::files::{File, FileList};
use super::text::{self, NameFault};
use super::{Identity, InfoHashV2, layers};

/// Length of one entry of `pieces`, a SHA-1.
const PIECE_HASH_LEN: usize = 20;
/// The only `meta version` that there is (BEP 52).
const META_VERSION: i64 = 2;
/// Least `piece length` of a v2 torrent, in bytes (BEP 52).
const PIECE_LENGTH_V2_MIN: u64 = 16 * 1024;

/// Values allowed for each file: a v2 entry takes 5 and its piece layer 1, a v1 entry 4 and one for
/// each folder, a hybrid both and a padding file. The rest is for further keys and deep folders.
const VALUES_PER_FILE: usize = 32;
/// Values allowed beside the files, each tracker among them.
const VALUES_BESIDE: usize = 4_096;

/// What a .torrent may cost us. Memory taken is at most `path_bytes_max`, some 50 bytes for each
/// file, and about three times the trackers' share of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest .torrent, in bytes.
    pub bytes_max: usize,
    /// Deepest nesting; a tree of files takes one level for each folder and four beside.
    pub depth_max: usize,
    /// Most files, padding files not counted.
    pub files_max: usize,
    /// Longest that the paths of all files may be together, in bytes. A tree can spell a long
    /// folder once and put many files in it.
    pub path_bytes_max: usize,
    /// Most trackers in `announce-list`.
    pub trackers_max: usize,
}

impl Limits {
    /// What that allows of bencode.
    pub(super) fn of_values(&self) -> bencode::Limits {
        let values_max = self.files_max.saturating_mul(VALUES_PER_FILE) + VALUES_BESIDE;
        bencode::Limits { depth_max: self.depth_max, values_max }
    }
}

/// What a .torrent says, as far as a tracker and its site care. The hashes of the pieces are
/// counted and not kept; `piece layers`, which stand outside what is hashed, are checked and not
/// kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metainfo {
    /// By which hashes the torrent is known.
    pub identity: Identity,
    /// The name of the file or of the folder around the files: one line, fit to be shown.
    pub name: String,
    /// Bytes of each piece but the last, above zero.
    pub piece_length: u64,
    /// Pieces, above zero.
    pub piece_count: u64,
    /// In the order of the content, without padding files. Not empty.
    pub files: Vec<File>,
    /// Bytes of all these files: above zero, below 2^63.
    pub total_size: u64,
    /// Whether there is a folder around the files; otherwise it is one file, named like the
    /// torrent.
    pub is_multifile: bool,
    /// Whether peers are to be found through the trackers alone (BEP 27): `private` is 1.
    pub is_private: bool,
    /// Announce URLs in tiers, in order of preference: those of `announce-list` if it names any,
    /// otherwise the one of `announce` (BEP 12). Not checked to be URLs, never empty strings.
    pub trackers: Vec<Vec<String>>,
}

/// Why a .torrent is refused. A key in it is that of the dictionary at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TorrentError {
    /// Longer than [`Limits::bytes_max`], which it carries.
    TooLong(usize),
    /// Not canonical bencode, or beyond the limits on it.
    Bencode(bencode::DecodeError),
    /// The file is no dictionary.
    NotDict,
    /// A key that must be there is not.
    Missing(&'static str),
    /// The value of a key is, for example, a string instead of a list.
    WrongType(&'static str),
    /// A `meta version` of the future.
    MetaVersion(i64),
    /// A `piece length` that is not positive, or for v2 no power of two from 16 KiB on.
    PieceLength(i64),
    /// `pieces` of this many bytes, which is not a multiple of 20.
    PiecesLen(usize),
    /// The size of the content does not go with the number of pieces.
    PieceCount {
        /// Pieces that the files need.
        needed: u64,
        /// Pieces that there are hashes of.
        found: u64,
    },
    /// A file with a size and no `pieces root` of 32 bytes.
    PiecesRoot,
    /// A file of more than one piece without its hashes in `piece layers`, or with others.
    PieceLayer,
    /// Two files of one path, or a file where there is a folder.
    PathTwice,
    /// Both `length` and `files`.
    LengthAndFiles,
    /// An entry of `file tree` that is a file and a folder at once.
    FileWithSiblings,
    /// A `length` below zero.
    NegativeLength,
    /// Files of 2^63 bytes or more together.
    SizeRange,
    /// No file with anything in it.
    NoContent,
    /// The name of the torrent, a file or a folder is not one.
    Name(NameFault),
    /// More files than [`Limits::files_max`], which it carries.
    TooManyFiles(usize),
    /// Longer paths than [`Limits::path_bytes_max`], which it carries.
    PathsTooLong(usize),
    /// More trackers than [`Limits::trackers_max`], which it carries.
    TooManyTrackers(usize),
    /// A hybrid whose two lists of files differ (BEP 52, "Upgrade Path").
    HybridDiffers,
}

impl Metainfo {
    /// Reads a .torrent.
    ///
    /// # Errors
    /// [`TorrentError`], whose text is meant for the one who made the file.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Metainfo, TorrentError> {
        if bytes.len() > limits.bytes_max {
            return Err(TorrentError::TooLong(limits.bytes_max));
        }
        let root = bencode::decode(bytes, &limits.of_values()).map_err(TorrentError::Bencode)?;
        let root = root.dict().ok_or(TorrentError::NotDict)?;
        let info = required(root, "info", Value::dict)?;

        // First of all, so that a version of the future is called that (BEP 52, "meta version").
        let meta_version = field(info, "meta version", Value::int)?;
        if let Some(other) = meta_version.filter(|version| *version != META_VERSION) {
            return Err(TorrentError::MetaVersion(other));
        }
        let name = name(info)?;
        let piece_length = piece_length(info, meta_version.is_some())?;
        let pieces = field(info, "pieces", Value::bytes)?;
        let (identity, list) = match (pieces, meta_version) {
            (Some(_), None) => {
                (Identity::V1(info_hash(info)), FileList::decode_v1(info, &name, limits)?)
            }
            (None, Some(_)) => {
                (Identity::V2(info_hash_v2(info)), FileList::decode_v2(info, &name, limits)?)
            }
            (Some(_), Some(_)) => {
                let mut list = FileList::decode_v1(info, &name, limits)?;
                let tree = FileList::decode_v2(info, &name, limits)?;
                if list.files != tree.files {
                    return Err(TorrentError::HybridDiffers);
                }
                list.roots = tree.roots;
                (Identity::Hybrid { v1: info_hash(info), v2: info_hash_v2(info) }, list)
            }
            (None, None) => return Err(TorrentError::Missing("pieces")),
        };
        if list.total_size == 0 {
            return Err(TorrentError::NoContent);
        }
        list.check_paths()?;
        layers::check(root, &list.roots, piece_length)?;
        Ok(Metainfo {
            identity,
            name,
            piece_length,
            piece_count: piece_count(&list, piece_length, pieces)?,
            files: list.files,
            total_size: list.total_size,
            is_multifile: list.is_multifile,
            is_private: info.get("private") == Some(Value::Int(1)),
            trackers: trackers(root, limits.trackers_max)?,
        })
    }
}

/// The SHA-1 of the dictionary's exact bytes (BEP 3).
fn info_hash(info: Dict<'_>) -> InfoHash {
    InfoHash(Sha1::digest(info.raw()).into())
}

/// The SHA-256 of the dictionary's exact bytes (BEP 52).
fn info_hash_v2(info: Dict<'_>) -> InfoHashV2 {
    InfoHashV2(Sha256::digest(info.raw()).into())
}

fn name(info: Dict<'_>) -> Result<String, TorrentError> {
    let name = match field(info, "name.utf-8", Value::bytes)? {
        Some(name) if !name.is_empty() => name,
        _ => required(info, "name", Value::bytes)?,
    };
    text::name(name).map_err(TorrentError::Name)
}

fn piece_length(info: Dict<'_>, is_v2: bool) -> Result<u64, TorrentError> {
    let given = required(info, "piece length", Value::int)?;
    let fits_v2 = |length: u64| length.is_power_of_two() && length >= PIECE_LENGTH_V2_MIN;
    u64::try_from(given)
        .ok()
        .filter(|length| *length > 0 && (!is_v2 || fits_v2(*length)))
        .ok_or(TorrentError::PieceLength(given))
}

/// Counts the pieces: for v1 those in `pieces`, which must be what the files with their padding
/// need, and for v2 alone those of each file by itself.
fn piece_count(
    list: &FileList,
    piece_length: u64,
    pieces: Option<&[u8]>,
) -> Result<u64, TorrentError> {
    let Some(pieces) = pieces else {
        return Ok(list.files.iter().map(|file| file.length.div_ceil(piece_length)).sum());
    };
    if !pieces.len().is_multiple_of(PIECE_HASH_LEN) {
        return Err(TorrentError::PiecesLen(pieces.len()));
    }
    let found = (pieces.len() / PIECE_HASH_LEN) as u64;
    let needed = (list.total_size + list.padding).div_ceil(piece_length);
    if found == needed { Ok(found) } else { Err(TorrentError::PieceCount { needed, found }) }
}

fn trackers(root: Dict<'_>, trackers_max: usize) -> Result<Vec<Vec<String>>, TorrentError> {
    let mut tiers = Vec::new();
    let mut left = trackers_max;
    for tier in field(root, "announce-list", Value::list)?.iter().flat_map(|list| list.items()) {
        let mut urls = Vec::new();
        for url in tier.list().ok_or(TorrentError::WrongType("announce-list"))?.items() {
            let url = url.bytes().ok_or(TorrentError::WrongType("announce-list"))?;
            if !url.is_empty() {
                left = left.checked_sub(1).ok_or(TorrentError::TooManyTrackers(trackers_max))?;
                urls.push(text::shown(url));
            }
        }
        if !urls.is_empty() {
            tiers.push(urls);
        }
    }
    let announce = field(root, "announce", Value::bytes)?.unwrap_or_default();
    if tiers.is_empty() && !announce.is_empty() {
        tiers.push(vec![text::shown(announce)]);
    }
    Ok(tiers)
}

/// The value of a key, if the key is there.
pub(super) fn field<'a, T>(
    dict: Dict<'a>,
    key: &'static str,
    read: fn(Value<'a>) -> Option<T>,
) -> Result<Option<T>, TorrentError> {
    dict.get(key).map(|value| read(value).ok_or(TorrentError::WrongType(key))).transpose()
}

/// The value of a key that must be there.
pub(super) fn required<'a, T>(
    dict: Dict<'a>,
    key: &'static str,
    read: fn(Value<'a>) -> Option<T>,
) -> Result<T, TorrentError> {
    field(dict, key, read)?.ok_or(TorrentError::Missing(key))
}

impl fmt::Display for TorrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TorrentError::TooLong(max) => write!(f, "the file is longer than {max} bytes"),
            TorrentError::Bencode(error) => error.fmt(f),
            TorrentError::NotDict => f.write_str("the file is not a dictionary"),
            TorrentError::Missing(key) => write!(f, "`{key}` is missing"),
            TorrentError::WrongType(key) => write!(f, "`{key}` is of the wrong type"),
            TorrentError::MetaVersion(other) => write!(f, "`meta version` {other} is not known"),
            TorrentError::PieceLength(given) => write!(f, "`piece length` can't be {given}"),
            TorrentError::PiecesLen(len) => {
                write!(f, "`pieces` has {len} bytes, which is not a multiple of 20")
            }
            TorrentError::PieceCount { needed, found } => {
                write!(f, "the files make {needed} pieces, but `pieces` has hashes for {found}")
            }
            TorrentError::PiecesRoot => f.write_str("a file lacks a `pieces root` of 32 bytes"),
            TorrentError::PieceLayer => {
                f.write_str("`piece layers` lacks a file, or does not match its `pieces root`")
            }
            TorrentError::PathTwice => {
                f.write_str("two files have the same path, or one has that of a folder")
            }
            TorrentError::LengthAndFiles => f.write_str("there are both `length` and `files`"),
            TorrentError::FileWithSiblings => {
                f.write_str("an entry of `file tree` is both a file and a folder")
            }
            TorrentError::NegativeLength => f.write_str("a file's `length` is negative"),
            TorrentError::SizeRange => f.write_str("the files are too large together"),
            TorrentError::NoContent => f.write_str("the files have no content"),
            TorrentError::Name(fault) => write!(f, "the name of a file or folder {fault}"),
            TorrentError::TooManyFiles(max) => write!(f, "there are more than {max} files"),
            TorrentError::PathsTooLong(max) => {
                write!(f, "the paths of the files take more than {max} bytes")
            }
            TorrentError::TooManyTrackers(max) => write!(f, "there are more than {max} trackers"),
            TorrentError::HybridDiffers => {
                f.write_str("`files` and `file tree` do not list the same files")
            }
        }
    }
}

impl std::error::Error for TorrentError {}
