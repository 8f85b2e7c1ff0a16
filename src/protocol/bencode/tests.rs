use proptest::prelude::*;

use super::tree::Tree;
use super::*;

const LIMITS: Limits = Limits { depth_max: 64, values_max: 1_000 };

fn fault(input: &[u8]) -> (usize, Fault) {
    let error = decode(input, &LIMITS).unwrap_err();
    (error.at, error.fault)
}

#[test]
fn reads_the_examples_of_bep_3() {
    let read = |input| Tree::from(decode(input, &LIMITS).unwrap());
    assert_eq!(read(b"4:spam"), "spam".into());
    assert_eq!(read(b"i3e"), 3.into());
    assert_eq!(read(b"i-3e"), (-3).into());
    assert_eq!(read(b"i0e"), 0.into());
    assert_eq!(read(b"l4:spam4:eggse"), Tree::list(["spam".into(), "eggs".into()]));
    let cow = Tree::dict([("cow", "moo".into()), ("spam", "eggs".into())]);
    assert_eq!(read(b"d3:cow3:moo4:spam4:eggse"), cow);
    let spam = Tree::dict([("spam", Tree::list(["a".into(), "b".into()]))]);
    assert_eq!(read(b"d4:spaml1:a1:bee"), spam);
    assert_eq!(read(b"0:"), "".into());
    assert_eq!(read(b"le"), Tree::list([]));
    assert_eq!(read(b"de"), Tree::dict([]));
}

#[test]
fn integers_reach_both_ends_of_64_bits_and_no_further() {
    let int = |input: &[u8]| decode(input, &LIMITS).unwrap().int();
    assert_eq!(int(b"i9223372036854775807e"), Some(i64::MAX));
    assert_eq!(int(b"i-9223372036854775808e"), Some(i64::MIN));
    assert_eq!(fault(b"i9223372036854775808e"), (1, Fault::IntRange));
    assert_eq!(fault(b"i-9223372036854775809e"), (1, Fault::IntRange));
    assert_eq!(fault(&[b"i", &[b'9'; 10_000][..], b"e"].concat()), (1, Fault::IntRange));
}

#[test]
fn numbers_have_one_spelling() {
    for (input, at, wrong) in [
        (&b"i03e"[..], 1, Fault::LeadingZero),
        (b"i00e", 1, Fault::LeadingZero),
        (b"i-03e", 2, Fault::LeadingZero),
        (b"i-0e", 1, Fault::NegativeZero),
        (b"ie", 1, Fault::NotDigit),
        (b"i-e", 2, Fault::NotDigit),
        (b"i+3e", 1, Fault::NotDigit),
        (b"i 3e", 1, Fault::NotDigit),
        (b"i3 e", 2, Fault::NotDigit),
        (b"i--3e", 2, Fault::NotDigit),
        (b"i3.0e", 2, Fault::NotDigit),
        (b"04:spam", 0, Fault::LeadingZero),
        (b"00:", 0, Fault::LeadingZero),
        (b"4spam", 1, Fault::NotDigit),
    ] {
        assert_eq!(fault(input), (at, wrong), "{}", input.escape_ascii());
    }
}

#[test]
fn what_is_cut_off_is_refused_at_every_length() {
    let whole = b"d1:ad1:bli-12eee1:c3:xyze";
    decode(whole, &LIMITS).unwrap();
    for length in 0..whole.len() {
        let wrong = fault(&whole[..length]).1;
        assert!(matches!(wrong, Fault::Ends | Fault::StringPastEnd), "{length}: {wrong:?}");
    }
}

#[test]
fn strings_stay_inside_the_input() {
    assert_eq!(fault(b"5:spam"), (0, Fault::StringPastEnd));
    assert_eq!(fault(b"l99999999999999999999999:e"), (1, Fault::StringPastEnd));
    assert_eq!(fault(b"18446744073709551615:"), (0, Fault::StringPastEnd));
    assert_eq!(fault(b"-1:"), (0, Fault::NoValue));
}

#[test]
fn dictionary_keys_are_strings_and_strictly_ascend() {
    assert_eq!(fault(b"d1:bi1e1:ai2ee"), (7, Fault::KeyOrder));
    assert_eq!(fault(b"d1:ai1e1:ai2ee"), (7, Fault::KeyTwice));
    assert_eq!(fault(b"d2:aai1e1:ai2ee"), (8, Fault::KeyOrder));
    assert_eq!(fault(b"di1ei2ee"), (1, Fault::KeyNotString));
    assert_eq!(fault(b"dlei2ee"), (1, Fault::KeyNotString));
    assert_eq!(fault(b"d1:ae"), (4, Fault::KeyAlone));
    // Sorted as raw bytes: the capital before the small letter, and 0xff last.
    decode(b"d0:i0e1:Bi1e1:ai2e1:\xffi3ee", &LIMITS).unwrap();
    // A nested dictionary starts afresh, and its keys do not count for the one around it.
    decode(b"d1:bd1:ai1e1:zi1ee1:cd1:ai1eee", &LIMITS).unwrap();
    assert_eq!(fault(b"d1:bd1:zi1ee1:ai1ee"), (12, Fault::KeyOrder));
}

#[test]
fn nothing_may_follow_the_value() {
    assert_eq!(fault(b"i1ei2e"), (3, Fault::Trailing));
    assert_eq!(fault(b"4:spam\n"), (6, Fault::Trailing));
    assert_eq!(fault(b"lee"), (2, Fault::Trailing));
    assert_eq!(fault(b"e"), (0, Fault::NoValue));
    assert_eq!(fault(b""), (0, Fault::Ends));
    assert_eq!(fault(b"x"), (0, Fault::NoValue));
}

#[test]
fn nesting_is_followed_up_to_the_limit() {
    let nested = |depth| [vec![b'l'; depth], vec![b'e'; depth]].concat();
    decode(&nested(LIMITS.depth_max), &LIMITS).unwrap();
    assert_eq!(fault(&nested(LIMITS.depth_max + 1)), (LIMITS.depth_max, Fault::TooDeep));
    let dictionaries = "d0:".repeat(65);
    assert_eq!(fault(dictionaries.as_bytes()), (64 * 3, Fault::TooDeep));
    let flat = Limits { depth_max: 0, ..LIMITS };
    decode(b"i1e", &flat).unwrap();
    assert_eq!(decode(b"le", &flat).unwrap_err().fault, Fault::TooDeep);
}

#[test]
fn values_are_counted_up_to_the_limit() {
    let limits = Limits { values_max: 4, ..LIMITS };
    decode(b"ld1:ai1eelee", &limits).unwrap();
    let error = decode(b"ld1:ai1eelelee", &limits).unwrap_err();
    assert_eq!(error, DecodeError { at: 11, fault: Fault::TooMany });
}

/// With no limit worth the name, nesting costs memory in proportion to the input, and no stack.
#[test]
fn ten_megabytes_of_opened_lists_do_no_harm() {
    let limits = Limits { depth_max: usize::MAX, values_max: usize::MAX };
    let half = 5_000_000;
    for unit in [&b"l"[..], b"d0:"] {
        assert_eq!(decode(&unit.repeat(half), &limits).unwrap_err().fault, Fault::Ends);
    }
    let closed = [vec![b'l'; half], vec![b'e'; half]].concat();
    let outer = decode(&closed, &limits).unwrap().list().unwrap();
    assert_eq!(outer.items().next().unwrap().list().unwrap().raw(), &closed[1..2 * half - 1]);
    let flat = [b"l", &b"le".repeat(half)[..], b"e"].concat();
    assert_eq!(decode(&flat, &limits).unwrap().list().unwrap().items().count(), half);
}

#[test]
fn containers_give_their_exact_bytes() {
    let input = b"d4:infod4:name1:xe4:listli1eee";
    let root = decode(input, &LIMITS).unwrap().dict().unwrap();
    assert_eq!(root.raw(), input);
    assert_eq!(root.get("info").unwrap().dict().unwrap().raw(), b"d4:name1:xe");
    assert_eq!(root.get("list").unwrap().list().unwrap().raw(), b"li1ee");
}

#[test]
fn get_finds_whole_keys_at_any_place() {
    let dict = decode(b"d1:ai1e2:bbi2e1:ci3ee", &LIMITS).unwrap().dict().unwrap();
    for (key, value) in [
        ("", None),
        ("a", Some(1)),
        ("aa", None),
        ("b", None),
        ("bb", Some(2)),
        ("c", Some(3)),
        ("d", None),
    ] {
        assert_eq!(dict.get(key).and_then(Value::int), value, "{key}");
    }
}

#[test]
fn a_value_is_only_what_it_is() {
    let [bytes, int, list, dict] =
        [&b"1:x"[..], b"i1e", b"le", b"de"].map(|input| decode(input, &LIMITS).unwrap());
    assert!(bytes.int().is_none() && bytes.list().is_none() && bytes.dict().is_none());
    assert!(int.bytes().is_none() && list.dict().is_none() && dict.list().is_none());
    assert_eq!((bytes.bytes(), int.int()), (Some(&b"x"[..]), Some(1)));
    assert!(list.list().is_some() && dict.dict().is_some());
}

#[test]
fn a_walk_enters_or_takes_each_value_in_turn() {
    let dict = decode(b"d1:ad1:bi1ee1:cd1:di2ee1:ei3ee", &LIMITS).unwrap().dict().unwrap();
    let mut walk = dict.walk();
    assert!(walk.is_at(b"a") && !walk.is_at(b"b"));
    assert_eq!(walk.key(), Some(&b"a"[..]));
    assert!(walk.enter());
    assert_eq!(walk.key(), Some(&b"b"[..]));
    assert!(!walk.enter());
    assert_eq!(walk.value(), Some(Value::Int(1)));
    assert_eq!(walk.key(), None); // out of "a"
    assert_eq!(walk.key(), Some(&b"c"[..]));
    assert_eq!(walk.value().unwrap().dict().unwrap().raw(), b"d1:di2ee");
    assert_eq!(walk.key(), Some(&b"e"[..]));
    assert_eq!(walk.value(), Some(Value::Int(3)));
    assert_eq!((walk.key(), walk.key(), walk.value()), (None, None, None)); // out of all
}

#[test]
fn iterators_stay_at_their_end() {
    let mut items = decode(b"li1ee", &LIMITS).unwrap().list().unwrap().items();
    assert!(items.next().is_some());
    assert!(items.next().is_none() && items.next().is_none());
}

#[test]
fn errors_name_the_fault_and_its_place() {
    let error = decode(b"d1:bi1e1:ai2ee", &LIMITS).unwrap_err();
    assert_eq!(error.to_string(), "not valid bencode at byte 7: dictionary keys are not sorted");
}

#[test]
fn writers_write_what_bep_3_says() {
    let mut out = Vec::new();
    write_bytes(&mut out, b"");
    write_bytes(&mut out, b"elevenbytes");
    write_int(&mut out, 0);
    write_int(&mut out, u64::MAX);
    assert_eq!(out, b"0:11:elevenbytesi0ei18446744073709551615e");
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        any::<Vec<u8>>().prop_map(Tree::Bytes),
        any::<i64>().prop_map(Tree::Int),
        (-2..3_i64).prop_map(Tree::Int),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Tree::List),
            prop::collection::btree_map(any::<Vec<u8>>(), inner, 0..8).prop_map(Tree::Dict),
        ]
    })
}

proptest! {
    #[test]
    fn trees_round_trip(tree in trees()) {
        let bytes = tree.encode();
        prop_assert_eq!(Tree::from(decode(&bytes, &LIMITS).unwrap()), tree);
    }

    #[test]
    fn arbitrary_input_never_panics(input: Vec<u8>) {
        fuzzing::check(&input);
    }

    /// Bytes that mean something to the reader, in any order.
    #[test]
    fn arbitrary_tokens_never_panic(input in "[idle0-2:-]{0,24}") {
        fuzzing::check(input.as_bytes());
    }

    #[test]
    fn damaged_trees_never_panic(tree in trees(), at: prop::sample::Index, byte: u8) {
        let mut bytes = tree.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        fuzzing::check(&bytes);
        fuzzing::check(&bytes[..at]);
    }
}
