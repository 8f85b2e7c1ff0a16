use proptest::prelude::*;

use super::fuzzing::LIMITS;
use super::*;
use crate::protocol::bencode::tree::Tree;
use crate::protocol::bencode::{self, Fault};

mod files;
mod magnet;

/// Made by libtorrent 2.0.8 from a file of 6 bytes.
const V1_SINGLE: &[u8] = b"d\
    8:announce25:http://t.example/announce\
    13:announce-listl\
        l25:http://t.example/announcee\
        l20:udp://u.example:6969e\
    e\
    4:infod\
        6:lengthi6e\
        4:name9:hello.txt\
        12:piece lengthi16384e\
        6:pieces20:\xf5r\xd3\x96\xfa\xe9 f(qO\xb2\xce\x00\xf7.\x94\xf2%\x8f\
    ee";

/// The same program, from a folder of three files, one of them empty: 20,003 bytes, two pieces.
const V1_MULTI: &[u8] = b"d\
    8:announce25:http://t.example/announce\
    4:infod\
        5:filesl\
            d6:lengthi20000e4:pathl5:b.txtee\
            d6:lengthi0e4:pathl5:emptyee\
            d6:lengthi3e4:pathl1:a5:c.txtee\
        e\
        4:name3:dir\
        12:piece lengthi16384e\
        6:pieces40:\
            v\x02BC\x18z\x14\xd9\xcf\xa7\xedo!,\x81Q\xb7/{\x92\
            \x9e \xd8Vp\\\xa3Q)\xc0e\xb3\xdc\xd4\x05_- ,o\
    ee";

/// The file tree of that folder as BEP 52 has it.
const TREE: &[u8] = b"d\
        1:ad\
            5:c.txtd0:d\
                6:lengthi3e\
                11:pieces root32:\
                    d\xda\xa4J\xd4\x93\xff(\xa9n\xff\xabnw\xf1s\
                    *=\x97\xd82AX\x1b7\xdb\xd7\nzI\x00\xfe\
            ee\
        e\
        5:b.txtd0:d\
            6:lengthi20000e\
            11:pieces root32:\
                \xb9\xf0~q\xa8g\xfb4\x18\xccOWr\xf9\xab\xe0\
                #\xe6fI\t\xd4\x97\xaf$0\x0f\xf9\x96\xa6\x8dp\
        ee\
        5:emptyd0:d6:lengthi0eee\
    e";

/// The hashes of the two pieces of `b.txt`, which the info dictionary leaves to this place.
const LAYERS: &[u8] = b"12:piece layersd32:\
        \xb9\xf0~q\xa8g\xfb4\x18\xccOWr\xf9\xab\xe0\
        #\xe6fI\t\xd4\x97\xaf$0\x0f\xf9\x96\xa6\x8dp\
    64:\
        \xe3?$\x14\x04\x99C\x0b\x04\x8ff\x00\xafOA\xf3\xcc\xb0\xcbvm\x9fva\x12L\xf8\xbaK\x82u#\
        K\xab\x16\xf8\xca\x12\xb9\x91?H\x8ab\x88\x14\xffb\xd9\xd7\x87xQ\
        \xbb\xac-i\xeah\xa6\n\xe8\xd70\
    e";

/// The same program and folder, v2 alone, private.
fn v2_multi() -> Vec<u8> {
    let info = b"12:meta versioni2e4:name3:dir12:piece lengthi16384e7:privatei1ee";
    [b"d4:infod9:file tree", TREE, info, LAYERS, b"e"].concat()
}

/// The same program and folder, hybrid: in the v1 list each file that another follows is padded to
/// whole pieces, so there is a third one.
fn hybrid_multi() -> Vec<u8> {
    let files = b"5:filesl\
            d6:lengthi3e4:pathl1:a5:c.txtee\
            d4:attr1:p6:lengthi16381e4:pathl4:.pad5:16381ee\
            d6:lengthi20000e4:pathl5:b.txtee\
            d4:attr1:p6:lengthi12768e4:pathl4:.pad5:12768ee\
            d6:lengthi0e4:pathl5:emptyee\
        e\
        12:meta versioni2e\
        4:name3:dir\
        12:piece lengthi16384e\
        6:pieces60:\
            H}\x8b\xce\xbc\xef\xd6Da\x87t\x83\xbf\x0f\"\x8d\xd3\x07\xe4\xad\
            v\x02BC\x18z\x14\xd9\xcf\xa7\xedo!,\x81Q\xb7/{\x92\
            >1\xa1\x8f;\xfc\x85/\xb9UW\x1d\t\xc8VyT\x8f6|\
        e";
    [b"d4:infod9:file tree", TREE, files, LAYERS, b"e"].concat()
}

fn file(path: &str, length: u64) -> File {
    File { path: path.into(), length }
}

fn decode(bytes: &[u8]) -> Result<Metainfo, TorrentError> {
    Metainfo::decode(bytes, &LIMITS)
}

#[test]
fn reads_a_v1_torrent_of_one_file() {
    let expected = Metainfo {
        // Both libtorrent's answer and that of Python's hashlib over the bytes.
        identity: Identity::V1("1b25c654df6064bca5fb2b5fa1f87dfffea5fa21".parse().unwrap()),
        name: "hello.txt".into(),
        piece_length: 16_384,
        piece_count: 1,
        files: vec![file("hello.txt", 6)],
        total_size: 6,
        is_multifile: false,
        is_private: false,
        trackers: vec![
            vec!["http://t.example/announce".into()],
            vec!["udp://u.example:6969".into()],
        ],
    };
    assert_eq!(decode(V1_SINGLE), Ok(expected));
}

#[test]
fn reads_a_v1_torrent_of_several_files() {
    let expected = Metainfo {
        identity: Identity::V1("fc589713662342fbd98443d8655a4343afc76e9e".parse().unwrap()),
        name: "dir".into(),
        piece_length: 16_384,
        piece_count: 2,
        files: vec![file("b.txt", 20_000), file("empty", 0), file("a/c.txt", 3)],
        total_size: 20_003,
        is_multifile: true,
        is_private: false,
        trackers: vec![vec!["http://t.example/announce".into()]],
    };
    assert_eq!(decode(V1_MULTI), Ok(expected));
}

#[test]
fn reads_a_v2_torrent_and_registers_its_truncated_hash() {
    let v2 = "3536d8babe548b9bd07848f5a41caaad307aff01ecb32ab7eccd4926efdb3387".parse().unwrap();
    let metainfo = decode(&v2_multi()).unwrap();
    let expected = Metainfo {
        identity: Identity::V2(v2),
        name: "dir".into(),
        piece_length: 16_384,
        piece_count: 3, // one for a/c.txt, two for b.txt
        files: vec![file("a/c.txt", 3), file("b.txt", 20_000), file("empty", 0)],
        total_size: 20_003,
        is_multifile: true,
        is_private: true,
        trackers: vec![],
    };
    assert_eq!(metainfo, expected);
    let info_hashes: Vec<_> = metainfo.identity.info_hashes().collect();
    assert_eq!(info_hashes, ["3536d8babe548b9bd07848f5a41caaad307aff01".parse().unwrap()]);
}

#[test]
fn reads_a_hybrid_torrent_and_registers_both_hashes() {
    let v1 = "ec78c881943699c8de3fe787f42164d43be501cd".parse().unwrap();
    let v2 = "982459f7e6f6de5283d398580543ee42b4885ec2135b89d0edb80962f2e752fe".parse().unwrap();
    let metainfo = decode(&hybrid_multi()).unwrap();
    let expected = Metainfo {
        identity: Identity::Hybrid { v1, v2 },
        is_private: false,
        ..decode(&v2_multi()).unwrap()
    };
    assert_eq!(metainfo, expected);
    let info_hashes: Vec<_> = metainfo.identity.info_hashes().collect();
    assert_eq!(info_hashes, [v1, "982459f7e6f6de5283d398580543ee42b4885ec2".parse().unwrap()]);
}

/// The simplest v1 info dictionary: one file of 5 bytes in one piece.
fn v1_info<const N: usize>(changes: [(&str, Option<Tree>); N]) -> Tree {
    let pieces = Tree::from(&[7; 20][..]);
    let info = Tree::dict([
        ("length", 5.into()),
        ("name", "n".into()),
        ("piece length", 16_384.into()),
        ("pieces", pieces),
    ]);
    changed(info, changes)
}

fn v2_info<const N: usize>(changes: [(&str, Option<Tree>); N]) -> Tree {
    let info = Tree::dict([
        ("file tree", Tree::dict([("n", v2_file(5))])),
        ("meta version", 2.into()),
        ("name", "n".into()),
        ("piece length", 16_384.into()),
    ]);
    changed(info, changes)
}

fn v2_file(length: i64) -> Tree {
    let root = Tree::from(&[7; 32][..]);
    Tree::dict([("", Tree::dict([("length", length.into()), ("pieces root", root)]))])
}

/// Sets keys of a dictionary, or takes them out.
fn changed<const N: usize>(dict: Tree, changes: [(&str, Option<Tree>); N]) -> Tree {
    let Tree::Dict(mut entries) = dict else { return dict };
    for (key, value) in changes {
        entries.remove(key.as_bytes());
        entries.extend(value.map(|value| (key.into(), value)));
    }
    Tree::Dict(entries)
}

fn decode_info(info: Tree) -> Result<Metainfo, TorrentError> {
    decode(&Tree::dict([("info", info)]).encode())
}

#[test]
fn a_missing_or_mistaken_key_is_named() {
    decode_info(v1_info([])).unwrap();
    decode_info(v2_info([])).unwrap();
    assert_eq!(decode(b"de"), Err(TorrentError::Missing("info")));
    assert_eq!(decode(b"le"), Err(TorrentError::NotDict));
    assert_eq!(decode(b"d4:infolee"), Err(TorrentError::WrongType("info")));
    for key in ["length", "name", "piece length", "pieces"] {
        assert_eq!(decode_info(v1_info([(key, None)])), Err(TorrentError::Missing(key)));
        let mistaken = decode_info(v1_info([(key, Some(Tree::list([])))]));
        assert_eq!(mistaken, Err(TorrentError::WrongType(key)));
    }
    for key in ["file tree", "name", "piece length"] {
        assert_eq!(decode_info(v2_info([(key, None)])), Err(TorrentError::Missing(key)));
        let mistaken = decode_info(v2_info([(key, Some(Tree::list([])))]));
        assert_eq!(mistaken, Err(TorrentError::WrongType(key)));
    }
    // Without its version a v2 dictionary is a v1 one that lacks everything.
    let unversioned = decode_info(v2_info([("meta version", None)]));
    assert_eq!(unversioned, Err(TorrentError::Missing("pieces")));
}

#[test]
fn only_meta_version_2_is_known_and_said_before_all_else() {
    for version in [1, 3, -2] {
        let info = Tree::dict([("meta version", version.into())]);
        assert_eq!(decode_info(info), Err(TorrentError::MetaVersion(version)));
    }
}

#[test]
fn bytes_that_are_not_canonical_are_refused_where_they_differ() {
    let cut = decode(&V1_SINGLE[..100]);
    assert!(
        matches!(cut, Err(TorrentError::Bencode(error)) if error.fault == Fault::StringPastEnd)
    );
    let trailing = [V1_SINGLE, b"\n"].concat();
    let error = bencode::DecodeError { at: V1_SINGLE.len(), fault: Fault::Trailing };
    assert_eq!(decode(&trailing), Err(TorrentError::Bencode(error)));
    assert!(matches!(decode(b""), Err(TorrentError::Bencode(_))));
}

/// The bytes `4:info` in a comment ahead of the dictionary must not be taken for it.
#[test]
fn info_is_found_by_reading_not_by_searching() {
    let info = v1_info([]);
    let plain = Tree::dict([("info", info.clone())]);
    let decoy = Tree::dict([("comment", "4:infod1:ai1ee".into()), ("info", info)]);
    assert_eq!(decode(&decoy.encode()), decode(&plain.encode()));
}

#[test]
fn piece_length_is_positive_and_for_v2_a_power_of_two_from_16_kib() {
    for given in [0, -1, i64::MIN] {
        let info = v1_info([("piece length", Some(given.into()))]);
        assert_eq!(decode_info(info), Err(TorrentError::PieceLength(given)));
    }
    decode_info(v1_info([("piece length", Some(5.into()))])).unwrap();
    for given in [0, -16_384, 8_192, 16_383, 16_385, i64::MAX] {
        let info = v2_info([("piece length", Some(given.into()))]);
        assert_eq!(decode_info(info), Err(TorrentError::PieceLength(given)));
    }
    decode_info(v2_info([("piece length", Some(32_768.into()))])).unwrap();
}

#[test]
fn pieces_are_whole_hashes_and_as_many_as_the_files_need() {
    let with = |len: usize, length: i64| {
        let pieces = Tree::from(&vec![7; len][..]);
        decode_info(v1_info([("pieces", Some(pieces)), ("length", Some(length.into()))]))
    };
    assert_eq!(with(19, 5), Err(TorrentError::PiecesLen(19)));
    assert_eq!(with(41, 5), Err(TorrentError::PiecesLen(41)));
    assert_eq!(with(20, 16_384).unwrap().piece_count, 1);
    assert_eq!(with(20, 16_385), Err(TorrentError::PieceCount { needed: 2, found: 1 }));
    assert_eq!(with(40, 16_384), Err(TorrentError::PieceCount { needed: 1, found: 2 }));
    assert_eq!(with(0, 1), Err(TorrentError::PieceCount { needed: 1, found: 0 }));
    let needed = (i64::MAX as u64).div_ceil(16_384);
    assert_eq!(with(20, i64::MAX), Err(TorrentError::PieceCount { needed, found: 1 }));
}

#[test]
fn private_is_the_integer_one() {
    for (value, is_private) in
        [(None, false), (Some(1.into()), true), (Some(0.into()), false), (Some("1".into()), false)]
    {
        assert_eq!(decode_info(v1_info([("private", value)])).unwrap().is_private, is_private);
    }
}

#[test]
fn trackers_come_from_the_list_or_else_from_announce() {
    let with = |changes: [(&str, Option<Tree>); 2]| {
        let torrent = changed(Tree::dict([("info", v1_info([]))]), changes);
        decode(&torrent.encode()).map(|metainfo| metainfo.trackers)
    };
    let announce = || ("announce", Some(Tree::from("http://a")));
    let list = |tiers| ("announce-list", Some(tiers));
    assert_eq!(with([announce(), ("announce-list", None)]), Ok(vec![vec!["http://a".into()]]));
    let empty = Tree::list([Tree::list([]), Tree::list(["".into()])]);
    assert_eq!(with([announce(), list(empty)]), Ok(vec![vec!["http://a".into()]]));
    let tiers = Tree::list([Tree::list(["b".into(), "c".into()]), Tree::list(["d".into()])]);
    let expected = vec![vec!["b".into(), "c".into()], vec!["d".into()]];
    assert_eq!(with([announce(), list(tiers)]), Ok(expected));
    assert_eq!(with([("announce", None), ("announce-list", None)]), Ok(vec![]));
    let flat = Tree::list(["b".into()]);
    assert_eq!(with([announce(), list(flat)]), Err(TorrentError::WrongType("announce-list")));
}

#[test]
fn limits_allow_the_last_and_refuse_the_next() {
    let torrent = Tree::dict([("info", v1_info([]))]).encode();
    let within = Limits { bytes_max: torrent.len(), ..LIMITS };
    Metainfo::decode(&torrent, &within).unwrap();
    let beyond = Limits { bytes_max: torrent.len() - 1, ..LIMITS };
    let refused = Err(TorrentError::TooLong(torrent.len() - 1));
    assert_eq!(Metainfo::decode(&torrent, &beyond), refused);

    let files = |limits: Limits| Metainfo::decode(V1_MULTI, &limits).map(|found| found.files.len());
    assert_eq!(files(Limits { files_max: 3, ..LIMITS }), Ok(3));
    assert_eq!(files(Limits { files_max: 2, ..LIMITS }), Err(TorrentError::TooManyFiles(2)));
    let path_bytes = "b.txt".len() + "empty".len() + "a/c.txt".len();
    assert_eq!(files(Limits { path_bytes_max: path_bytes, ..LIMITS }), Ok(3));
    let refused = Err(TorrentError::PathsTooLong(path_bytes - 1));
    assert_eq!(files(Limits { path_bytes_max: path_bytes - 1, ..LIMITS }), refused);

    let trackers = |trackers_max| {
        Metainfo::decode(V1_SINGLE, &Limits { trackers_max, ..LIMITS }).map(|found| found.name)
    };
    trackers(2).unwrap();
    assert_eq!(trackers(1), Err(TorrentError::TooManyTrackers(1)));
}

#[test]
fn errors_say_what_is_wrong() {
    let said = |result: Result<Metainfo, TorrentError>| result.unwrap_err().to_string();
    assert_eq!(said(decode(b"de")), "`info` is missing");
    assert_eq!(
        said(decode(b"d4:infod3:ai")),
        "not valid bencode at byte 8: a string is longer than what is left of the input"
    );
    assert_eq!(
        said(decode_info(v1_info([("name", Some("..".into()))]))),
        "the name of a file or folder is `.` or `..`"
    );
    assert_eq!(
        said(decode_info(v1_info([("length", Some(16_385.into()))]))),
        "the files make 2 pieces, but `pieces` has hashes for 1"
    );
}

proptest! {
    #[test]
    fn damaged_torrents_never_panic(at: prop::sample::Index, byte: u8) {
        for mut torrent in [V1_SINGLE.to_vec(), V1_MULTI.to_vec(), v2_multi(), hybrid_multi()] {
            let at = at.index(torrent.len());
            torrent[at] = byte;
            fuzzing::check(&torrent);
            fuzzing::check(&torrent[..at]);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        fuzzing::check(&bytes);
    }
}
