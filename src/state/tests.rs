use std::net::SocketAddr;
use std::path::PathBuf;

use proptest::prelude::*;

use super::format::{self, Fault, Header, Totals, Writer};
use super::{Loaded, StateFile};
use crate::clock::{self, Now};
use crate::config;
use crate::limits::PEER_TTL_MAX;
use crate::protocol::announce::{Peers, Role};
use crate::protocol::ids::{InfoHash, PeerId};
use crate::stats::Ledger;
use crate::swarm::store::SWEEP_STEPS;
use crate::swarm::{Arrival, Resident, Swarms, Want};

const HEADER: Header = Header { saved_at: 1_800_000_000, has_ids: true };

fn ledger() -> Ledger {
    let mut ledger = Ledger::new([1, 2], HEADER.saved_at);
    ledger.today.hours[5].announces[1][0] = 77;
    ledger
}

#[test]
fn ledger_of_a_clock_that_was_never_set_is_read_back() {
    for ledger in [Ledger::default(), Ledger::new([3, 4], 0), Ledger::new([3, 4], 86_400)] {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::open(folder.path().join("state")).unwrap();
        let (config, now) = (config::Swarm::default(), Now::from_secs(1));
        file.save(&Swarms::new(&config), &ledger, now).unwrap();
        let (_, read, loaded) = file.load(&config, now).unwrap();
        assert!(matches!(loaded, Loaded::Whole(_)), "{loaded:?}");
        assert_eq!(read, Some(ledger));
    }
}

fn any_resident() -> impl Strategy<Value = Resident> {
    let role = prop_oneof![Just(Role::Leecher), Just(Role::Seeder), Just(Role::Paused)];
    let peer = (any::<std::net::IpAddr>(), 1..=u16::MAX);
    let facts = (any::<u32>(), any::<bool>(), 0..=PEER_TTL_MAX);
    (0..4_u8, peer, role, any::<[u8; 20]>(), facts).prop_map(
        |(torrent, (ip, port), role, id, (completed, has_counted, age))| Resident {
            info_hash: InfoHash([torrent; 20]),
            completed,
            peer: SocketAddr::new(ip.to_canonical(), port),
            peer_id: Some(PeerId(id)),
            role,
            has_counted,
            age,
        },
    )
}

fn written(header: Header, residents: &[Resident]) -> (Vec<u8>, Totals) {
    let mut writer = Writer::new(Vec::new(), header);
    writer.write_figures(&ledger());
    for resident in residents {
        writer.write(resident);
    }
    writer.finish().unwrap()
}

fn read(file: &[u8]) -> Result<Vec<Resident>, Fault> {
    let mut residents = Vec::new();
    format::read(file, |_, resident| residents.push(*resident)).map(|_| residents)
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        mut residents in prop::collection::vec(any_resident(), 0..50), has_ids: bool,
    ) {
        residents.sort_by_key(|resident| resident.info_hash.0);
        for index in 1..residents.len() {
            if residents[index].info_hash == residents[index - 1].info_hash {
                residents[index].completed = residents[index - 1].completed;
            }
        }
        if !has_ids {
            for resident in &mut residents {
                resident.peer_id = None;
            }
        }
        let (file, totals) = written(Header { has_ids, ..HEADER }, &residents);
        prop_assert_eq!(read(&file).unwrap(), residents.clone());
        residents.dedup_by_key(|resident| resident.info_hash);
        prop_assert_eq!(totals.torrents, residents.len() as u64);
    }
}

/// Peers of two swarms, of which the first fills several blocks.
fn many() -> Vec<Resident> {
    let resident = |number: u32| Resident {
        info_hash: InfoHash([u8::from(number >= 8_000); 20]),
        completed: 7,
        peer: SocketAddr::from((number.to_be_bytes(), 6881)),
        peer_id: Some(PeerId([3; 20])),
        role: Role::Seeder,
        has_counted: true,
        age: 12,
    };
    (1..10_000).map(resident).collect()
}

#[test]
fn swarm_goes_on_over_several_blocks() {
    let residents = many();
    let (file, totals) = written(HEADER, &residents);
    assert!(file.len() > 4 * 64 * 1024);
    assert_eq!(totals, Totals { peers: 9_999, torrents: 2 });
    assert!(read(&file).unwrap() == residents);
}

#[test]
fn file_that_is_cut_short_anywhere_is_refused() {
    let (file, _) = written(HEADER, &many()[7_990..8_010]);
    assert!(matches!(read(&[]), Err(Fault::Empty)));
    for length in 1..file.len() {
        assert!(matches!(read(&file[..length]), Err(Fault::CutShort)), "{length}");
    }
    assert!(matches!(read(&[&file[..], b"\n"].concat()), Err(Fault::TooLong)));
}

#[test]
fn file_with_any_bit_turned_is_refused() {
    let (mut file, _) = written(HEADER, &many()[7_990..8_010]);
    for bit in 0..file.len() * 8 {
        file[bit / 8] ^= 1 << (bit % 8);
        let fault = read(&file).expect_err("one bit is wrong");
        match bit / 8 {
            0..8 => assert!(matches!(fault, Fault::Foreign), "{bit}: {fault:?}"),
            8..12 => assert!(matches!(fault, Fault::Newer(_) | Fault::Foreign), "{bit}"),
            _ => assert!(matches!(fault, Fault::Damaged(_) | Fault::CutShort), "{bit}: {fault:?}"),
        }
        file[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn blocks_in_another_order_or_of_no_sense_are_refused() {
    let header = [1, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let empty_end = [&[3, 16][..], &[0; 16]].concat();
    assert!(read(&format::with_checksums(&[&header[..], &empty_end].concat())).is_ok());
    let mut figures = vec![4, 0];
    super::figures::encode(&Ledger::new([1, 2], HEADER.saved_at), &mut figures);
    figures[1] = figures.len() as u8 - 2;
    assert!(read(&format::with_checksums(&[&header[..], &figures, &empty_end].concat())).is_ok());
    let swarm = |peers: &[u8]| [&[2, 26 + peers.len() as u8][..], &[9; 25], &[1], peers].concat();
    let peer =
        |flags: u8, age: u8, port: u8| [flags, 200 * u8::from(age > 0), age, 0, port, 1, 2, 3, 4];
    for (blocks, what) in [
        (vec![], "nothing"),
        (empty_end.clone(), "no header"),
        ([&header[..], &header].concat(), "two headers"),
        ([&header[..], &[5, 0]].concat(), "unknown kind"),
        ([&header[..], &[4, 0], &empty_end].concat(), "no figures"),
        ([&header[..], &figures, &figures, &empty_end].concat(), "figures twice"),
        ([&header[..], &swarm(&peer(0, 0, 1)), &figures].concat(), "figures behind swarms"),
        ([&header[..], &[3, 0]].concat(), "end without totals"),
        ([&header[..], &swarm(&[]), &empty_end].concat(), "swarm without peers"),
        ([&header[..], &swarm(&peer(0, 0, 0)), &empty_end].concat(), "port 0"),
        ([&header[..], &swarm(&peer(12, 0, 1)), &empty_end].concat(), "no such role"),
        ([&header[..], &swarm(&peer(0, 0, 1)), &empty_end].concat(), "wrong totals"),
    ] {
        assert!(read(&format::with_checksums(&blocks)).is_err(), "{what}");
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("swarms.state")
    }

    fn state(&self) -> StateFile {
        StateFile::open(self.path()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.0.path()).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = names.map(|entry| name(entry).into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn config() -> config::Swarm {
    config::Swarm::default()
}

/// A store with both families, all roles, and swarms of 1 to 3,000 peers.
fn filled(config: &config::Swarm) -> Swarms {
    let swarms = Swarms::new(config);
    let mut rng = fastrand::Rng::with_seed(7);
    for number in 0..9_000_u32 {
        let torrent = if number < 3_000 { 0 } else { (number / 3) as u16 };
        let ip = if number % 3 == 0 {
            std::net::Ipv6Addr::from((0x2001_0db8 << 96) | u128::from(number)).into()
        } else {
            std::net::IpAddr::from(number.to_be_bytes())
        };
        let mut info_hash = [5; 20];
        info_hash[..2].copy_from_slice(&torrent.to_be_bytes());
        let role = [Role::Leecher, Role::Seeder, Role::Paused][number as usize / 2 % 3];
        let mut arrival = Arrival {
            info_hash: InfoHash(info_hash),
            peer: SocketAddr::new(ip, 1 + (number % 7) as u16),
            peer_id: PeerId([number as u8; 20]),
            role,
            completed: false,
        };
        let mut announce = |arrival: &Arrival| {
            let now = Now::from_secs(10_000 + number % 100);
            swarms
                .announce(now, arrival, Want::default(), &mut rng, &mut Peers::default())
                .unwrap();
        };
        announce(&arrival);
        if role == Role::Leecher && number % 5 == 0 {
            arrival = Arrival { role: Role::Seeder, completed: true, ..arrival };
            announce(&arrival);
        }
    }
    swarms
}

/// Everything that is in a store, in order.
fn residents(swarms: &Swarms, now: Now) -> Vec<Resident> {
    let mut all = Vec::new();
    for step in 0..SWEEP_STEPS {
        swarms.each_resident(now, step, &mut |resident| all.push(*resident));
    }
    all.sort_by_key(|resident| (resident.info_hash.0, resident.peer));
    all
}

#[test]
fn store_comes_back_as_it_was() {
    for peer_ids in [true, false] {
        let (folder, config) = (Folder::new(), config::Swarm { peer_ids, ..config() });
        let (swarms, now) = (filled(&config), Now::from_secs(10_200));
        let totals = folder.state().save(&swarms, &ledger(), now).unwrap();
        assert_eq!((totals.peers, totals.torrents), (9_000, swarms.totals().torrents));
        let (again, kept, loaded) = folder.state().load(&config, Now::from_secs(0)).unwrap();
        let Loaded::Whole(restored) = loaded else { panic!("{loaded:?}") };
        assert_eq!((restored.peers, restored.expired, restored.refused), (9_000, 0, 0));
        assert_eq!(again.totals(), swarms.totals());
        assert_eq!(kept, Some(ledger()));
        let (before, after) = (residents(&swarms, now), residents(&again, Now::from_secs(0)));
        for (before, after) in before.into_iter().zip(after) {
            let slack = before.age.abs_diff(after.age);
            assert!(slack <= swarms.age_slack() + restored.age as u32, "{before:?} {after:?}");
            assert_eq!(after, Resident { age: after.age, ..before });
            assert_eq!(again.scrape(&after.info_hash), swarms.scrape(&after.info_hash));
        }
        assert_eq!(folder.names(), ["swarms.state"], "nothing else is left");
    }
}

#[test]
fn completion_that_was_counted_is_not_counted_again() {
    let (folder, config) = (Folder::new(), config());
    let mut resident = Resident { has_counted: true, role: Role::Leecher, ..many()[0] };
    resident.age = 0;
    let header = Header { saved_at: clock::unix_secs(), has_ids: true };
    std::fs::write(folder.path(), written(header, &[resident]).0).unwrap();
    let (swarms, ..) = folder.state().load(&config, Now::from_secs(0)).unwrap();
    let arrival = Arrival {
        info_hash: resident.info_hash,
        peer: resident.peer,
        peer_id: resident.peer_id.unwrap(),
        role: Role::Seeder,
        completed: true,
    };
    let (want, mut rng) = (Want::default(), fastrand::Rng::new());
    let now = Now::from_secs(1);
    swarms.announce(now, &arrival, want, &mut rng, &mut Peers::default()).unwrap();
    assert_eq!(swarms.scrape(&resident.info_hash).unwrap().completed, 7);
}

#[test]
fn time_between_two_runs_counts() {
    let (folder, config) = (Folder::new(), config::Swarm { peer_ttl: 1_000, ..config() });
    let aged = |number: usize, age: u32| Resident { age, ..many()[number] };
    let header = Header { saved_at: clock::unix_secs() - 400, has_ids: true };
    let file = written(header, &[aged(1, 0), aged(2, 500), aged(3, 700), aged(4, 1_000)]).0;
    std::fs::write(folder.path(), file).unwrap();
    let (swarms, _, loaded) = folder.state().load(&config, Now::from_secs(0)).unwrap();
    let Loaded::Whole(restored) = loaded else { panic!("{loaded:?}") };
    assert_eq!((restored.peers, restored.expired), (2, 2));
    assert!((400..410).contains(&restored.age));
    for (secs, left) in [(0, 2), (80, 2), (150, 1), (580, 1), (650, 0)] {
        for step in 0..SWEEP_STEPS {
            swarms.sweep_step(Now::from_secs(secs), step);
        }
        assert_eq!(swarms.totals().peers(), left, "after {secs} s");
    }
}

#[test]
fn caps_hold_for_what_comes_back() {
    let folder = Folder::new();
    folder.state().save(&filled(&config()), &ledger(), Now::from_secs(10_100)).unwrap();
    let config = config::Swarm { peers_total_max: 100, ..config() };
    let (swarms, _, loaded) = folder.state().load(&config, Now::from_secs(0)).unwrap();
    let Loaded::Whole(restored) = loaded else { panic!("{loaded:?}") };
    assert_eq!((restored.peers, restored.refused), (100, 8_900));
    assert_eq!(swarms.totals().peers(), 100);
}

#[test]
fn file_of_no_use_is_set_aside_whole() {
    let (whole, _) = written(HEADER, &many());
    let mut flipped = whole.clone();
    flipped[100_000] ^= 1;
    for (bytes, says) in [
        (&b""[..], "empty"),
        (b"PK\x03\x04 some other program's", "not a state file"),
        (&whole[..whole.len() / 2], "cut short"),
        (&flipped, "damaged"),
    ] {
        let folder = Folder::new();
        std::fs::write(folder.path(), bytes).unwrap();
        let (swarms, _, loaded) = folder.state().load(&config(), Now::from_secs(0)).unwrap();
        let Loaded::SetAside(fault, aside) = loaded else { panic!("{loaded:?}") };
        assert!(fault.to_string().contains(says), "{fault}");
        assert_eq!(swarms.totals().peers(), 0);
        assert_eq!(std::fs::read(aside).unwrap(), bytes);
        assert_eq!(folder.names(), ["swarms.state.refused"]);
        folder.state().save(&swarms, &ledger(), Now::from_secs(0)).unwrap();
        assert_eq!(folder.names(), ["swarms.state", "swarms.state.refused"]);
    }
}

#[test]
fn place_where_no_state_can_lie_is_told_at_once() {
    let folder = Folder::new();
    let missing = StateFile::open(folder.path().join("deeper")).unwrap_err();
    assert!(missing.to_string().contains("folder must exist"), "{missing}");
    let folder_itself = StateFile::open(folder.0.path().to_owned()).unwrap_err();
    assert!(folder_itself.to_string().contains("is not a file"), "{folder_itself}");
    let device = StateFile::open("/dev/zero".into()).unwrap_err();
    assert!(device.to_string().contains("is not a file"), "{device}");
}

#[test]
fn two_writers_do_not_mix() {
    let folder = Folder::new();
    let other = std::fs::File::create(folder.0.path().join("swarms.state.tmp")).unwrap();
    other.lock().unwrap();
    let error = StateFile::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("another tracker"), "{error}");
    drop(other);
    folder.state();
}
