//! Links: the forms of BEP 9 and BEP 52, read and written.

use super::*;

const V1: &str = "5cb6c44712d494a87e8554839fb0541046b157af";
const V2: &str = "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e";

fn decode(link: &str) -> Result<Magnet, MagnetError> {
    link.parse()
}

fn v1() -> Identity {
    Identity::V1(V1.parse().unwrap())
}

fn bare(identity: Identity) -> Magnet {
    Magnet { identity, name: None, length: None, trackers: vec![] }
}

#[test]
fn reads_the_forms_of_the_topic() {
    let v2 = V2.parse().unwrap();
    for (topics, identity) in [
        (format!("xt=urn:btih:{V1}"), v1()),
        (format!("xt=urn:btih:{}", V1.to_uppercase()), v1()),
        (format!("xt=URN:BTIH:{V1}"), v1()),
        (format!("xt=urn%3Abtih%3a{V1}"), v1()),
        // Python's base64.b32encode of the same 20 bytes.
        ("xt=urn:btih:LS3MIRYS2SKKQ7UFKSBZ7MCUCBDLCV5P".into(), v1()),
        ("xt=urn:btih:ls3mirys2skkq7ufksbz7mcucbdlcv5p".into(), v1()),
        (format!("xt=urn:btmh:1220{V2}"), Identity::V2(v2)),
        (
            format!("xt=urn:btih:{V1}&xt=urn:btmh:1220{V2}"),
            Identity::Hybrid { v1: V1.parse().unwrap(), v2 },
        ),
        (
            format!("xt.1=urn:btmh:1220{V2}&xt.2=urn:btih:{V1}"),
            Identity::Hybrid { v1: V1.parse().unwrap(), v2 },
        ),
        (format!("xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C&xt=urn:btih:{V1}"), v1()),
        (format!("xt=urn:btih:{V1}&xt=urn:btih:{V1}"), v1()),
    ] {
        assert_eq!(decode(&format!("magnet:?{topics}")), Ok(bare(identity)), "{topics}");
    }
    assert_eq!(decode(&format!(" MAGNET:?xt=urn:btih:{V1}\n")), Ok(bare(v1())));
}

#[test]
fn refuses_what_names_no_torrent() {
    for (link, error) in [
        ("", MagnetError::NotMagnet),
        ("magnet:", MagnetError::NotMagnet),
        ("http://a/?xt=urn:btih:", MagnetError::NotMagnet),
        ("magnet:é?xt", MagnetError::NotMagnet),
        ("magnet:?", MagnetError::NoTopic),
        ("magnet:?dn=a", MagnetError::NoTopic),
        ("magnet:?xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C", MagnetError::NoTopic),
        ("magnet:?xt=%ff", MagnetError::NoTopic),
        ("magnet:?xt=urn:btih:", MagnetError::InfoHash),
        (&format!("magnet:?xt=urn:btih:{}", &V1[1..]), MagnetError::InfoHash),
        (&format!("magnet:?xt=urn:btih:{V1}0"), MagnetError::InfoHash),
        (&format!("magnet:?xt=urn:btih:{}", "1".repeat(32)), MagnetError::InfoHash),
        (&format!("magnet:?xt=urn:btih:{}", "é".repeat(16)), MagnetError::InfoHash),
        (&format!("magnet:?xt=urn:btmh:{V2}"), MagnetError::Multihash),
        (&format!("magnet:?xt=urn:btmh:1114{V1}"), MagnetError::Multihash),
        (&format!("magnet:?xt=urn:btmh:1220{}", &V2[1..]), MagnetError::Multihash),
        (
            &format!("magnet:?xt=urn:btih:{V1}&xt=urn:btih:{}", "0".repeat(40)),
            MagnetError::TwoTopics,
        ),
    ] {
        assert_eq!(decode(link), Err(error), "{link}");
    }
}

#[test]
fn reads_name_length_and_trackers() {
    let link = format!(
        "magnet:?xt=urn:btih:{V1}&dn=caf%C3%A9+au%20lait&xl=1234\
         &tr=udp%3A%2F%2Fa%3A1%2Fannounce&tr.2=http://b/?x=1+2&tr=&x.pe=192.0.2.1:6881&so=0&&=&dn=b"
    );
    let expected = Magnet {
        identity: v1(),
        name: Some("café au lait".into()),
        length: Some(1234),
        trackers: vec!["udp://a:1/announce".into(), "http://b/?x=1+2".into()],
    };
    assert_eq!(decode(&link), Ok(expected));
}

#[test]
fn refuses_broken_escapes_and_lengths() {
    for (parameter, error) in [
        ("dn=%", MagnetError::Escape),
        ("dn=%4", MagnetError::Escape),
        ("tr=%zz", MagnetError::Escape),
        ("tr=%é", MagnetError::Escape),
        ("dn=%+1", MagnetError::Escape),
        ("xl=", MagnetError::Length),
        ("xl=-1", MagnetError::Length),
        ("xl=1k", MagnetError::Length),
        ("xl=18446744073709551616", MagnetError::Length),
    ] {
        let link = format!("magnet:?xt=urn:btih:{V1}&{parameter}");
        assert_eq!(decode(&link), Err(error), "{parameter}");
    }
}

#[test]
fn empty_name_and_zero_length_count_as_absent() {
    assert_eq!(decode(&format!("magnet:?xt=urn:btih:{V1}&dn=&xl=0")), Ok(bare(v1())));
}

#[test]
fn a_name_is_shown_without_what_misleads() {
    let magnet = decode(&format!("magnet:?xt=urn:btih:{V1}&dn=a%0D%0Ab%FF")).unwrap();
    assert_eq!(magnet.name.as_deref(), Some("a\u{fffd}\u{fffd}b\u{fffd}"));
}

#[test]
fn links_are_read_up_to_their_limit() {
    let head = format!("magnet:?xt=urn:btih:{V1}&dn=");
    let link = head.clone() + &"a".repeat(LINK_LEN_MAX - head.len());
    decode(&link).unwrap();
    assert_eq!(decode(&(link + "a")), Err(MagnetError::TooLong));
}

#[test]
fn writes_the_topic_plain_and_the_rest_escaped() {
    let magnet = Magnet {
        identity: Identity::Hybrid { v1: V1.parse().unwrap(), v2: V2.parse().unwrap() },
        name: Some("a b&c=é~".into()),
        length: Some(20_003),
        trackers: vec!["udp://a:1/announce".into(), "http://b/?k=1".into()],
    };
    assert_eq!(
        magnet.to_string(),
        format!(
            "magnet:?xt=urn:btih:{V1}&xt=urn:btmh:1220{V2}&dn=a%20b%26c%3D%C3%A9~&xl=20003\
             &tr=udp%3A%2F%2Fa%3A1%2Fannounce&tr=http%3A%2F%2Fb%2F%3Fk%3D1"
        )
    );
    let nothing = Magnet { length: Some(0), ..bare(v1()) };
    assert_eq!(nothing.to_string(), format!("magnet:?xt=urn:btih:{V1}"));
}

fn identities() -> impl Strategy<Value = Identity> {
    let v1 = any::<[u8; 20]>().prop_map(InfoHash);
    let v2 = any::<[u8; 32]>().prop_map(InfoHashV2);
    prop_oneof![
        v1.clone().prop_map(Identity::V1),
        v2.clone().prop_map(Identity::V2),
        (v1, v2).prop_map(|(v1, v2)| Identity::Hybrid { v1, v2 }),
    ]
}

proptest! {
    #[test]
    fn links_round_trip(
        identity in identities(),
        name in prop::option::of("\\PC{1,40}"),
        length in prop::option::of(1_u64..),
        trackers in prop::collection::vec("\\PC{1,40}", 0..4),
    ) {
        let magnet = Magnet { identity, name, length, trackers };
        let shown = |text: &String| text::shown(text.as_bytes()) == *text;
        prop_assume!(magnet.name.iter().chain(&magnet.trackers).all(shown));
        prop_assert_eq!(magnet.to_string().parse(), Ok(magnet));
    }

    #[test]
    fn arbitrary_links_never_panic(text in "(xt=urn:bt[im]h:[0-9a-f]{40}|[ -~é]{0,20}|&){0,6}") {
        fuzzing::link(format!("magnet:?{text}").as_bytes());
    }
}
