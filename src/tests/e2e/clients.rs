//! Real clients, aria2 and libtorrent, that bring a file from one to the other. They find each
//! other by our tracker alone: the DHT is off or has no node to begin with, and peer exchange and
//! local discovery are off.
//!
//! aria2 asks trackers over IPv6 by HTTP and HTTPS but not by UDP, for which it has an IPv4 socket
//! only. So where libtorrent uses UDP over IPv6, aria2 joins the same swarm by HTTP.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process};
use sha1::{Digest, Sha1};

use super::*;
use crate::protocol::announce::Counts;
use crate::protocol::bencode::{write_bytes, write_int};

use Client::{Aria2, Libtorrent};

/// How long a transfer may take, from the first client's start to the last one's end.
const TRANSFER_PATIENCE: Duration = Duration::from_mins(1);
/// The last of its pieces is a short one.
const FILE_LEN: usize = 1_000_003;
const PIECE_LEN: usize = 1 << 16;

const V4: &str = "127.0.0.1";
const V6: &str = "::1";

#[test]
fn aria2_and_libtorrent_find_each_other_by_udp_over_ipv4() {
    both_ways(V4, [(Aria2, "udp"), (Libtorrent, "udp")]);
}

#[test]
fn aria2_and_libtorrent_find_each_other_by_http_over_ipv4() {
    both_ways(V4, [(Aria2, "http"), (Libtorrent, "http")]);
}

#[test]
fn aria2_and_libtorrent_find_each_other_by_https_over_ipv4() {
    both_ways(V4, [(Aria2, "https"), (Libtorrent, "https")]);
}

#[test]
fn aria2_by_http_and_libtorrent_by_udp_find_each_other_over_ipv6() {
    both_ways(V6, [(Aria2, "http"), (Libtorrent, "udp")]);
}

#[test]
fn two_libtorrents_find_each_other_by_udp_over_ipv6() {
    both_ways(V6, [(Libtorrent, "udp"), (Libtorrent, "udp")]);
}

#[test]
fn aria2_and_libtorrent_find_each_other_by_http_over_ipv6() {
    both_ways(V6, [(Aria2, "http"), (Libtorrent, "http")]);
}

#[test]
fn aria2_and_libtorrent_find_each_other_by_https_over_ipv6() {
    both_ways(V6, [(Aria2, "https"), (Libtorrent, "https")]);
}

/// A client, and the scheme of the URL by which it asks the tracker.
type Role = (Client, &'static str);

/// Brings a file from `here` to `there` and, at the same time, another one back.
fn both_ways(ip: &str, [here, there]: [Role; 2]) {
    let server = &TestServer::start();
    let ip = ip.parse().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| Transfer::new(server, ip).run(here, there));
        scope.spawn(|| Transfer::new(server, ip).run(there, here));
    });
}

/// A file that goes from one client to another.
struct Transfer<'a> {
    server: &'a TestServer,
    /// Where clients and tracker listen.
    ip: IpAddr,
    folder: TempDir,
    file: Vec<u8>,
    /// The value of `info` in the .torrent.
    info: Vec<u8>,
    info_hash: InfoHash,
    deadline: Instant,
}

impl Transfer<'_> {
    fn new(server: &TestServer, ip: IpAddr) -> Transfer<'_> {
        let mut file = vec![0; FILE_LEN];
        fastrand::fill(&mut file);
        let info = info(&file);
        let info_hash = InfoHash(Sha1::digest(&info).into());
        let folder = tempfile::tempdir().unwrap();
        let deadline = Instant::now() + TRANSFER_PATIENCE;
        Transfer { server, ip, folder, file, info, info_hash, deadline }
    }

    /// The life of a swarm of two, as the tracker and the disk tell it.
    fn run(self, seeder: Role, leecher: Role) {
        let mut clients = Vec::new();
        fs::create_dir(self.folder.path().join("seeder")).unwrap();
        fs::write(self.folder.path().join("seeder/file"), &self.file).unwrap();
        clients.push(self.start("seeder", seeder));
        self.wait_until("the seeder is known", &mut clients, || self.counts().seeders == 1);

        clients.push(self.start("leecher", leecher));
        self.wait_until("the leecher has all", &mut clients, || {
            let Counts { seeders, completed, .. } = self.counts();
            (seeders, completed) == (2, 1)
        });
        let fetched = self.folder.path().join("leecher/file");
        self.wait_until("what was sent lies on disk", &mut clients, || {
            fs::read(&fetched).is_ok_and(|fetched| fetched == self.file)
        });

        clients.iter().for_each(Running::interrupt);
        self.wait_until("both have taken leave", &mut [], || {
            let Counts { seeders, leechers, .. } = self.counts();
            seeders + leechers == 0
        });
    }

    fn start(&self, name: &str, (client, scheme): Role) -> Running {
        let folder = self.folder.path().join(name);
        let torrent = folder.with_extension("torrent");
        fs::write(&torrent, self.metainfo(scheme)).unwrap();
        let command = match client {
            Aria2 => aria2,
            Libtorrent => libtorrent,
        };
        let certificate = self.server.folder.path().join("cert.pem");
        let mut command = command(&torrent, &folder, self.ip, &certificate);
        Running::start(&mut command, client.package(), folder.with_extension("log"))
    }

    fn metainfo(&self, scheme: &str) -> Vec<u8> {
        let Addresses { udp, http, https, .. } = self.server.addresses();
        let addresses = match scheme {
            "udp" => udp,
            "http" => http,
            _ => https,
        };
        let address = addresses.iter().find(|address| address.ip() == self.ip).unwrap();
        let mut metainfo = b"d8:announce".to_vec();
        write_bytes(&mut metainfo, format!("{scheme}://{address}/announce").as_bytes());
        metainfo.extend_from_slice(b"4:info");
        metainfo.extend_from_slice(&self.info);
        metainfo.push(b'e');
        metainfo
    }

    fn counts(&self) -> Counts {
        self.server.server.swarms().scrape(&self.info_hash).unwrap_or_default()
    }

    /// Waits until `is_true`, while all of `clients` run.
    fn wait_until(&self, what: &str, clients: &mut [Running], is_true: impl Fn() -> bool) {
        while !is_true() {
            let counts = self.counts();
            assert!(Instant::now() < self.deadline, "waited in vain: {what}; {counts:?}");
            for client in &mut *clients {
                let ended = client.child.try_wait().unwrap();
                assert!(ended.is_none(), "{ended:?} before {what}: {:?}", client.log);
            }
            std::thread::sleep(Duration::from_millis(20)); // leaves the machine to the clients
        }
    }
}

pub fn info(file: &[u8]) -> Vec<u8> {
    let mut info = b"d6:length".to_vec();
    write_int(&mut info, file.len() as u64);
    info.extend_from_slice(b"4:name4:file12:piece length");
    write_int(&mut info, PIECE_LEN as u64);
    info.extend_from_slice(b"6:pieces");
    let pieces: Vec<[u8; 20]> =
        file.chunks(PIECE_LEN).map(|piece| Sha1::digest(piece).into()).collect();
    write_bytes(&mut info, pieces.as_flattened());
    info.push(b'e');
    info
}

#[derive(Clone, Copy)]
enum Client {
    Aria2,
    Libtorrent,
}

impl Client {
    /// The Debian package it comes in.
    fn package(self) -> &'static str {
        match self {
            Aria2 => "aria2",
            Libtorrent => "python3-libtorrent",
        }
    }
}

/// aria2, with `torrent` to seed from `folder` or to fetch into it.
fn aria2(torrent: &Path, folder: &Path, ip: IpAddr, certificate: &Path) -> Command {
    // Ports are given as ranges to choose from; these lie below those that systems hand out.
    let first = fastrand::u16(10_000..32_000);
    let ports = format!("{first}-{}", first + 99);
    let mut command = Command::new("/usr/bin/aria2c");
    command
        .args(["--no-conf", "--quiet", "--log=-", "--log-level=info"])
        .args(["--check-integrity=true", "--seed-ratio=0", "--no-proxy=127.0.0.1,::1"])
        // Without DHT it would not speak to UDP trackers.
        .args(["--enable-dht=true", "--enable-peer-exchange=false", "--bt-enable-lpd=false"])
        .arg(format!("--dht-file-path={}", torrent.with_extension("dht").display()))
        .arg(format!("--dht-listen-port={ports}"))
        .arg(format!("--listen-port={ports}"))
        .arg(format!("--interface={ip}"))
        .arg(format!("--ca-certificate={}", certificate.display()))
        .arg(format!("--dir={}", folder.display()))
        // Should this process be killed, so that it kills nobody.
        .arg(format!("--stop-with-process={}", std::process::id()))
        .arg(format!("--stop={}", TRANSFER_PATIENCE.as_secs() + 30))
        .arg(torrent);
    command
}

/// libtorrent, with `torrent` to seed from `folder` or to fetch into it.
pub fn libtorrent(torrent: &Path, folder: &Path, ip: IpAddr, certificate: &Path) -> Command {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/e2e/libtorrent_client.py");
    let mut command = Command::new("/usr/bin/python3");
    command
        .args([script])
        .args([torrent, folder])
        .arg(SocketAddr::new(ip, 0).to_string())
        .env("SSL_CERT_FILE", certificate);
    command
}

/// A client that runs; killed when dropped. What it said is shown when its test fails.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub fn start(command: &mut Command, package: &str, log: PathBuf) -> Running {
        let output = File::create(&log).unwrap();
        let child = command
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{error}: {command:?}: apt-get install {package}"));
        Running { child, log }
    }

    /// Asks it to take leave.
    pub fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read(&self.log).unwrap_or_default();
            eprintln!("{}:\n{}", self.log.display(), String::from_utf8_lossy(&log));
        }
    }
}
