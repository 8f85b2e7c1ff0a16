//! Lists of files, flat and as a tree, and the names in them.

use super::*;
use crate::protocol::metainfo::text::NameFault;

fn listed<const N: usize>(names: [&str; N], length: i64) -> Tree {
    Tree::dict([("length", length.into()), ("path", Tree::list(names.map(Tree::from)))])
}

/// A v1 torrent of these files, with as many pieces as are given.
fn with_files<const N: usize>(files: [Tree; N], pieces: usize) -> Result<Metainfo, TorrentError> {
    let pieces = Tree::from(&vec![7; 20 * pieces][..]);
    let files = Some(Tree::list(files));
    decode_info(v1_info([("length", None), ("files", files), ("pieces", Some(pieces))]))
}

#[test]
fn lengths_are_not_negative_and_their_sum_stays_below_2_to_the_63rd() {
    assert_eq!(with_files([listed(["a"], -1)], 1), Err(TorrentError::NegativeLength));
    let huge = || listed(["a"], i64::MAX);
    assert_eq!(with_files([huge(), listed(["b"], 1)], 1), Err(TorrentError::SizeRange));
    assert_eq!(with_files([huge(), huge(), huge()], 1), Err(TorrentError::SizeRange));
    let padding = changed(huge(), [("attr", Some("p".into()))]);
    assert_eq!(with_files([padding, listed(["b"], 1)], 1), Err(TorrentError::SizeRange));
    let info = v2_info([("file tree", Some(Tree::dict([("n", v2_file(-1))])))]);
    assert_eq!(decode_info(info), Err(TorrentError::NegativeLength));
}

#[test]
fn a_torrent_without_content_is_refused() {
    assert_eq!(with_files([], 0), Err(TorrentError::NoContent));
    assert_eq!(with_files([listed(["a"], 0)], 0), Err(TorrentError::NoContent));
    let padding = changed(listed(["a"], 9), [("attr", Some("p".into()))]);
    assert_eq!(with_files([padding], 1), Err(TorrentError::NoContent));
    let info = v2_info([("file tree", Some(Tree::dict([])))]);
    assert_eq!(decode_info(info), Err(TorrentError::NoContent));
}

#[test]
fn names_that_lead_elsewhere_are_refused_wherever_they_stand() {
    let long = "x".repeat(256);
    for (name, fault) in [
        ("", NameFault::Empty),
        (".", NameFault::Dots),
        ("..", NameFault::Dots),
        ("/", NameFault::Slash),
        ("a/b", NameFault::Slash),
        ("a\0", NameFault::Nul),
        (&long, NameFault::TooLong),
    ] {
        let refused = Err(TorrentError::Name(fault));
        assert_eq!(decode_info(v1_info([("name", Some(name.into()))])), refused, "{name:?}");
        for file in [listed([name], 5), listed([name, "b"], 5), listed(["a", name], 5)] {
            assert_eq!(with_files([file], 1), refused, "{name:?}");
        }
        let folder = Tree::dict([("a", Tree::dict([(name, v2_file(5)), ("z", v2_file(5))]))]);
        if name.is_empty() {
            let info = v2_info([("file tree", Some(folder))]);
            assert_eq!(decode_info(info), Err(TorrentError::FileWithSiblings));
        } else {
            assert_eq!(decode_info(v2_info([("file tree", Some(folder))])), refused, "{name:?}");
        }
        let root = Tree::dict([(name, v2_file(5))]);
        assert_eq!(decode_info(v2_info([("file tree", Some(root))])), refused, "{name:?}");
    }
    assert_eq!(with_files([listed([], 5)], 1), Err(TorrentError::Name(NameFault::Empty)));
    let name = "é".repeat(255);
    assert_eq!(decode_info(v1_info([("name", Some((&name[..]).into()))])).unwrap().name, name);
    let almost = with_files([listed(["...", ".a", "a..", "\\"], 5)], 1).unwrap();
    assert_eq!(almost.files, [file(".../.a/a../\\", 5)]);
}

#[test]
fn names_are_shown_without_what_misleads() {
    let shown = |bytes: &[u8]| decode_info(v1_info([("name", Some(bytes.into()))])).unwrap().name;
    assert_eq!(shown(b"caf\xc3\xa9"), "café");
    assert_eq!(shown(b"caf\xe9"), "caf\u{fffd}");
    assert_eq!(shown(b"a\r\n\x1b[31m\x7f"), "a\u{fffd}\u{fffd}\u{fffd}[31m\u{fffd}");
    assert_eq!(shown("a\u{202e}gpj.exe".as_bytes()), "a\u{fffd}gpj.exe");
    assert_eq!(shown(b"..\xc0\xafetc"), "..\u{fffd}\u{fffd}etc"); // an overlong `/`
    assert_eq!(shown("\u{200f}אב".as_bytes()), "\u{200f}אב");
}

#[test]
fn utf_8_spellings_go_before_the_others() {
    let info = v1_info([("name", Some("old".into())), ("name.utf-8", Some("new".into()))]);
    assert_eq!(decode_info(info).unwrap().name, "new");
    let info = v1_info([("name", Some("old".into())), ("name.utf-8", Some("".into()))]);
    assert_eq!(decode_info(info).unwrap().name, "old");
    let path = Tree::list(["new".into()]);
    let entry = changed(listed(["old"], 5), [("path.utf-8", Some(path))]);
    assert_eq!(with_files([entry], 1).unwrap().files, [file("new", 5)]);
}

#[test]
fn a_torrent_has_one_list_of_files_of_each_kind() {
    let both = v1_info([("files", Some(Tree::list([listed(["a"], 5)])))]);
    assert_eq!(decode_info(both), Err(TorrentError::LengthAndFiles));
    let hybrid = |path, length| {
        let tree = Tree::dict([(path, v2_file(length))]);
        decode_info(v1_info([("meta version", Some(2.into())), ("file tree", Some(tree))]))
    };
    assert!(matches!(hybrid("n", 5).unwrap().identity, Identity::Hybrid { .. }));
    assert_eq!(hybrid("n", 6), Err(TorrentError::HybridDiffers));
    assert_eq!(hybrid("m", 5), Err(TorrentError::HybridDiffers));
}

#[test]
fn a_v2_torrent_is_one_file_only_when_that_is_named_like_it() {
    assert!(!decode_info(v2_info([])).unwrap().is_multifile);
    assert!(decode_info(v2_info([("name", Some("m".into()))])).unwrap().is_multifile);
}

#[test]
fn a_v2_file_needs_a_root_of_32_bytes_unless_it_is_empty() {
    let with = |length: i64, root: Option<usize>| {
        let root = root.map(|len| Tree::from(&vec![7; len][..]));
        let file = changed(Tree::dict([("length", length.into())]), [("pieces root", root)]);
        let tree = Tree::dict([("m", v2_file(5)), ("n", Tree::dict([("", file)]))]);
        decode_info(v2_info([("file tree", Some(tree))])).map(|metainfo| metainfo.total_size)
    };
    assert_eq!(with(1, Some(32)), Ok(6));
    assert_eq!(with(0, None), Ok(5));
    for (length, root) in [(1, None), (1, Some(31)), (1, Some(20)), (0, Some(33))] {
        assert_eq!(with(length, root), Err(TorrentError::PiecesRoot));
    }
}

/// libtorrent writes a symbolic link (BEP 47) with a length of zero in `files` and without one in
/// `file tree`.
#[test]
fn symbolic_links_need_no_length() {
    let link = Tree::dict([("attr", "xl".into()), ("path", Tree::list(["l".into()]))]);
    let files = with_files([listed(["a"], 5), link], 1).unwrap().files;
    assert_eq!(files, [file("a", 5), file("l", 0)]);
    let link = Tree::dict([("", Tree::dict([("attr", "xl".into())]))]);
    let tree = Tree::dict([("l", link), ("n", v2_file(5))]);
    let files = decode_info(v2_info([("file tree", Some(tree))])).unwrap().files;
    assert_eq!(files, [file("l", 0), file("n", 5)]);
}

/// A file tree of as many folders as the depth allows: root, info, file tree and the file itself
/// take four levels.
#[test]
fn folders_nest_up_to_the_depth_limit() {
    let with = |folders: usize| {
        let tree = (0..folders).fold(v2_file(5), |inner, _| Tree::dict([("f", inner)]));
        let tree = Tree::dict([("n", tree)]);
        decode_info(v2_info([("file tree", Some(tree))]))
    };
    assert_eq!(with(59).unwrap().files, [file(&format!("n{}", "/f".repeat(59)), 5)]);
    assert!(matches!(with(60), Err(TorrentError::Bencode(error)) if error.fault == Fault::TooDeep));
}

fn names() -> impl Strategy<Value = String> {
    "[a-zé .]{1,8}".prop_filter("a name", |name| name != "." && name != "..")
}

/// Paths, each in a folder of its own, and lengths.
fn files() -> impl Strategy<Value = Vec<(Vec<String>, i64)>> {
    let path = prop::collection::vec(names(), 1..4);
    prop::collection::vec((path, 1..1_i64 << 40), 1..9).prop_map(|mut files| {
        for (number, (path, _)) in files.iter_mut().enumerate() {
            path.insert(0, number.to_string());
        }
        files
    })
}

proptest! {
    #[test]
    fn v1_files_round_trip(name in names(), files in files(), private: bool) {
        let total: i64 = files.iter().map(|(_, length)| length).sum();
        let entries = files.iter().map(|(path, length)| {
            let path = path.iter().map(|name| Tree::from(&name[..])).collect();
            Tree::dict([("length", (*length).into()), ("path", Tree::List(path))])
        });
        let metainfo = decode_info(v1_info([
            ("name", Some((&name[..]).into())),
            ("length", None),
            ("files", Some(Tree::List(entries.collect()))),
            ("piece length", Some(total.into())),
            ("private", private.then(|| 1.into())),
        ])).unwrap();
        let expected: Vec<_> =
            files.iter().map(|(path, n)| file(&path.join("/"), n.cast_unsigned())).collect();
        prop_assert_eq!(metainfo.files, expected);
        prop_assert_eq!(metainfo.name, name);
        prop_assert_eq!(metainfo.total_size, total.cast_unsigned());
        prop_assert_eq!(metainfo.is_private, private);
    }
}

#[test]
fn two_files_cannot_lie_in_one_place() {
    for (one, other) in [
        (listed(["a"], 5), listed(["a"], 5)),
        (listed(["a"], 5), listed(["a", "b"], 5)),
        (listed(["a", "b", "c"], 5), listed(["a", "b"], 5)),
    ] {
        // A name that sorts between a folder and what is in it, as bytes go.
        let files = [one, listed(["a-"], 5), other];
        assert_eq!(with_files(files, 1), Err(TorrentError::PathTwice));
    }
    let apart = [listed(["a", "b"], 5), listed(["a", "c"], 5), listed(["ab"], 5)];
    assert!(with_files(apart, 1).is_ok());
}

#[test]
fn piece_layers_belong_to_the_roots_of_the_files() {
    let good = v2_multi();
    assert!(Metainfo::decode(&good, &LIMITS).is_ok());
    let layer = good.len() - 3; // the last byte of the last hash
    let mut wrong = good.clone();
    wrong[layer] ^= 1;
    assert_eq!(Metainfo::decode(&wrong, &LIMITS), Err(TorrentError::PieceLayer));
    let without = [&good[..good.len() - 1 - LAYERS.len()], b"e"].concat();
    assert_eq!(Metainfo::decode(&without, &LIMITS), Err(TorrentError::PieceLayer));
    let none = [&without[..without.len() - 1], b"12:piece layersdee"].concat();
    assert_eq!(Metainfo::decode(&none, &LIMITS), Err(TorrentError::PieceLayer));
}
