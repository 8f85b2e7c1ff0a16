//! Each check on a host that is made up: in a good state, in a bad one, and in one that cannot be
//! looked at.

mod certificate;
mod domain;

use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use rustls::RootCertStore;
use tempfile::TempDir;

use super::clock::Synchronisation;
use super::finding::{Cure, Finding, Severity, Unseen};
use super::live::Live;
use super::*;
use crate::config::Io;

/// 2026-06-01.
const NOW: i64 = 1_780_272_000;

const UDP: &str = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
    uid  timeout inode ref pointer drops\n";
const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
    uid  timeout inode\n";

/// A host where all is as it should be.
const GOOD: &[(&str, &str)] = &[
    ("/proc/sys/net/core/rmem_max", "16777216\n"),
    ("/proc/sys/net/core/wmem_default", "212992\n"),
    ("/proc/sys/net/core/somaxconn", "4096\n"),
    ("/proc/sys/net/core/netdev_max_backlog", "1000\n"),
    ("/proc/net/softnet_stat", "06d5c967 00000000 00000080\n06e09470 00000000 00000059\n"),
    (
        "/proc/net/snmp",
        "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors\n\
        Udp: 900000 1 0 900000 0\n",
    ),
    ("/proc/net/snmp6", "Udp6InDatagrams                 \t100000\nUdp6RcvbufErrors  \t0\n"),
    ("/proc/net/udp", UDP),
    ("/proc/net/udp6", UDP),
    ("/proc/net/tcp", TCP),
    ("/proc/net/tcp6", TCP),
    ("/proc/net/if_inet6", "20010db8000000000000000000000001 02 40 00 80     eth0\n"),
    ("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0\n"),
    ("/proc/sys/net/ipv6/bindv6only", "0\n"),
    ("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
    ("/proc/sys/net/ipv4/ip_local_reserved_ports", "\n"),
    ("/proc/sys/net/ipv4/ip_unprivileged_port_start", "1024\n"),
    ("/proc/sys/kernel/io_uring_disabled", "0\n"),
    ("/proc/self/status", "Name:\twildkat\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n"),
    (
        "/proc/self/limits",
        "Limit                     Soft Limit           Hard Limit           \
        Units     \nMax open files            1024                 1048576              files     \
        \nMax locked memory         8388608              8388608              bytes     \n",
    ),
    ("/proc/meminfo", "MemTotal:       16384000 kB\nMemFree:        9000000 kB\n"),
    ("/sys/fs/cgroup/memory.max", "max\n"),
    ("/sys/devices/system/cpu/online", "0-3\n"),
    ("/sys/class/net/eth0/device/vendor", "0x1af4\n"),
    ("/sys/class/net/eth0/queues/rx-0/rps_cpus", "f\n"),
    ("/sys/class/net/lo/queues/rx-0/rps_cpus", "0\n"),
    (
        "/proc/softirqs",
        "                    CPU0       CPU1       CPU2       CPU3\n\
        \x20     NET_RX:     500000     400000     500000     400000\n",
    ),
    ("/proc/sys/net/netfilter/nf_conntrack_count", "500\n"),
    ("/proc/sys/net/netfilter/nf_conntrack_max", "262144\n"),
    (
        "/proc/net/nf_conntrack",
        "ipv4     2 tcp      6 431999 ESTABLISHED src=192.0.2.1 \
        dst=192.0.2.2 sport=40000 dport=22 src=192.0.2.2 dst=192.0.2.1 sport=22 dport=40000\n",
    ),
];

/// A scene on a host that is made up.
struct Stage {
    folder: TempDir,
    scene: Scene,
}

impl Stage {
    fn good() -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::at(folder.path());
        let mut wanted = Wanted::default();
        wanted.config.net.hosts.push(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        wanted.config.net.workers = 4;
        wanted.config.web.http_port = Some(80);
        let live = Live {
            io_uring: Ok(Ok(())),
            synchronisation: Ok(Synchronisation { is_kept: true, error_max: 4_000 }),
            now: NOW,
            roots: RootCertStore::empty(),
            program: PathBuf::from("/usr/local/bin/wildkat"),
            domain: None,
        };
        let stage = Stage { folder, scene: Scene { wanted, host, live } };
        for (path, text) in GOOD {
            stage.write(path, text);
        }
        stage
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.scene.host.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.scene.host.path(path)).unwrap();
    }

    /// A process that holds a socket.
    fn process(&self, pid: u32, name: &str, group: &str, inode: u64) {
        self.write(&format!("/proc/{pid}/comm"), &format!("{name}\n"));
        self.write(&format!("/proc/{pid}/cgroup"), &format!("0::{group}\n"));
        let files = self.scene.host.path(&format!("/proc/{pid}/fd"));
        std::fs::create_dir_all(&files).unwrap();
        symlink(format!("socket:[{inode}]"), files.join("7")).unwrap();
    }

    fn all(&self, id: &str) -> Vec<Finding> {
        let found: Vec<_> = examine(&self.scene).into_iter().filter(|f| f.id == id).collect();
        assert!(!found.is_empty(), "{id} is told");
        found
    }

    /// The worst finding of a check.
    fn worst(&self, id: &str) -> Finding {
        self.all(id).into_iter().max_by_key(|finding| finding.seen.severity).unwrap()
    }

    /// Asserts how a check ends, and what it says.
    fn shows(&self, id: &str, severity: Severity, part: &str) -> Finding {
        let found = self.worst(id);
        assert_eq!(found.seen.severity, severity, "{found:?}");
        assert!(found.seen.is.contains(part), "{part}: {found:?}");
        assert!(found.has_looked, "{found:?}");
        if severity >= Severity::Warning {
            assert!(found.seen.cure.is_some(), "{id} is cured by something");
        }
        found
    }

    fn is_cured_by(&self, id: &str, now: &str) {
        let cure = self.worst(id).seen.cure.unwrap_or_else(|| panic!("{id} has a cure"));
        assert!(cure.now.contains(now), "{cure:?}");
    }
}

/// A row of a table of sockets.
fn row(address: &str, state: &str, inode: u64, drops: u64) -> String {
    format!(
        "  1: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        \
         0 {inode} 2 0000000000000000 {drops}\n"
    )
}

#[test]
fn good_host_has_nothing_worse_than_notes() {
    let stage = Stage::good();
    let findings = examine(&stage.scene);
    for finding in &findings {
        assert!(finding.seen.severity <= Severity::Note && finding.has_looked, "{finding:?}");
    }
    let is_told = |check: &&Check| findings.iter().any(|finding| finding.id == check.id);
    let untold: Vec<_> = CHECKS.iter().filter(|c| !is_told(c)).map(|check| check.id).collect();
    assert_eq!(untold, ["domain-answers"], "there is no name to ask");
}

#[test]
fn host_that_tells_nothing_gives_notes_that_say_why() {
    let mut stage = Stage::good();
    let bare = tempfile::tempdir().unwrap();
    stage.scene.host = Host::at(bare.path());
    stage.scene.live.io_uring = Err(Unseen("another host".to_owned()));
    stage.scene.live.synchronisation = Err(Unseen("another host".to_owned()));
    stage.scene.wanted.config.net.hosts.pop(); // IPv6, which cannot be had where it is not
    let findings = examine(&stage.scene);
    assert_eq!(worst(&findings), Severity::Note);
    let blind = findings.iter().filter(|finding| !finding.has_looked);
    let blind: Vec<_> = blind.map(|finding| (finding.id, finding.seen.is.as_str())).collect();
    assert!(blind.len() > 12, "{blind:?}");
    assert!(blind.iter().all(|(_, is)| is.starts_with("could not look: ")), "{blind:?}");
    let of = |id| blind.iter().find(|(other, _)| *other == id).map_or("", |(_, is)| *is);
    assert!(of("udp-receive-buffer").contains("/proc/sys/net/core/rmem_max: No such file"));
}

#[test]
fn nonsense_in_any_file_is_a_note_and_no_panic() {
    for (path, _) in GOOD {
        for text in
            ["", "\n", "-1", "99999999999999999999999", "a b c\nUdp:\nUdp:\n", "\u{0}\u{ffff}:"]
        {
            let stage = Stage::good();
            stage.write(path, text);
            assert!(!examine(&stage.scene).is_empty(), "{path}");
        }
    }
}

#[test]
fn ids_are_unique_and_documented_on_a_line_each() {
    let text = std::fs::read_to_string("docs/doctor.md").unwrap();
    let documented = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: Vec<&str> = documented.collect();
    let ids: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
    assert_eq!(documented, ids);
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
}

#[test]
fn port_of_another_program_is_an_error_with_its_name() {
    let stage = Stage::good();
    stage.write("/proc/net/udp", &format!("{UDP}{}", row("00000000:1B39", "07", 4242, 0)));
    stage.shows("port", Severity::Error, "a program that this user may not see");
    stage.process(812, "opentracker", "/system.slice/opentracker.service", 4242);
    let found = stage.shows("port", Severity::Error, "opentracker (process 812)");
    assert_eq!(found.seen.about, "udp 6969");
    let cure =
        Cure::both("systemctl stop opentracker.service", "systemctl disable opentracker.service");
    assert_eq!(found.seen.cure, Some(cure));
}

#[test]
fn port_of_a_process_by_hand_is_cured_by_its_end() {
    let stage = Stage::good();
    stage.write("/proc/net/tcp6", &format!("{TCP}{}", row(&format!("{:032}:1B39", 0), "0A", 9, 0)));
    stage.process(900, "python3", "/user.slice/session-1.scope", 9);
    stage.shows("port", Severity::Error, "[::]:6969 is in use by python3");
    stage.is_cured_by("port", "kill 900");
    // A connection that is open takes nothing from us.
    stage.write("/proc/net/tcp6", &format!("{TCP}{}", row(&format!("{:032}:1B39", 0), "01", 9, 0)));
    stage.shows("port", Severity::Ok, "free");
}

#[test]
fn port_of_a_tracker_or_of_systemd_is_as_it_should_be() {
    for (pid, name, part) in [(50, "wildkat", "a tracker runs"), (1, "systemd", "to hand it")] {
        let stage = Stage::good();
        stage.write("/proc/net/udp", &format!("{UDP}{}", row("0100007F:1B39", "07", 77, 0)));
        stage.process(pid, name, "/init.scope", 77);
        let told = stage.all("port");
        assert!(told.iter().any(|f| f.seen.is.contains(part)), "{told:?}");
        assert!(told.iter().all(|f| f.seen.severity == Severity::Ok), "{told:?}");
    }
}

#[test]
fn low_port_is_an_error_for_ordinary_users() {
    let mut stage = Stage::good();
    let status = "CapEff:\t0000000000000000\nSeccomp:\t0\n";
    stage.write("/proc/self/status", status);
    stage.shows("port", Severity::Error, "ports below 1024");
    stage.is_cured_by("port", "setcap cap_net_bind_service=+ep /usr/local/bin/wildkat");
    stage.scene.wanted.config.web.http_port_otherwise = Some(8080);
    stage.shows("port", Severity::Note, "8080 will be taken");
    stage.write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "80\n");
    stage.shows("port", Severity::Ok, "free");
}

#[test]
fn port_among_those_of_outgoing_connections_is_reserved() {
    let mut stage = Stage::good();
    stage.scene.wanted.config.net.udp_port = Some(40_000);
    stage.shows("local-port-range", Severity::Warning, "may take 40000");
    stage.write("/proc/sys/net/ipv4/ip_local_reserved_ports", "8080,9000-9100\n");
    stage.is_cured_by("local-port-range", "ip_local_reserved_ports='8080,9000-9100,40000'");
    stage.write("/proc/sys/net/ipv4/ip_local_reserved_ports", "8080,39000-41000\n");
    stage.shows("local-port-range", Severity::Ok, "from 32768 to 60999");
}

#[test]
fn ipv6_that_is_wanted_and_off_is_an_error_and_one_that_is_unused_a_note() {
    let mut stage = Stage::good();
    stage.shows("ipv6", Severity::Ok, "1 IPv6 addresses");
    stage.write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1\n");
    stage.shows("ipv6", Severity::Error, "turned off");
    stage.is_cured_by("ipv6", "net.ipv6.conf.all.disable_ipv6='0'");
    stage.remove("/proc/net/if_inet6");
    stage.shows("ipv6", Severity::Error, "no IPv6");
    stage.scene.wanted.config.net.hosts.pop();
    stage.shows("ipv6", Severity::Ok, "not asked for");
    stage.write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0\n");
    stage.write("/proc/net/if_inet6", GOOD.iter().find(|(p, _)| p.ends_with("inet6")).unwrap().1);
    stage.shows("ipv6", Severity::Note, "not asked to listen");
    stage.is_cured_by("ipv6", "--ipv6");
}

#[test]
fn bindv6only_is_a_note_for_socket_units() {
    let stage = Stage::good();
    stage.shows("bindv6only", Severity::Ok, "may take IPv4 too");
    stage.write("/proc/sys/net/ipv6/bindv6only", "1\n");
    stage.shows("bindv6only", Severity::Note, "IPv6 alone");
}

#[test]
fn io_uring_that_is_refused_is_as_bad_as_it_is_wanted() {
    let mut stage = Stage::good();
    stage.scene.live.io_uring = Ok(Err("this system refuses a ring of io_uring".to_owned()));
    for (io, severity) in
        [(Io::Auto, Severity::Warning), (Io::Uring, Severity::Error), (Io::Epoll, Severity::Ok)]
    {
        stage.scene.wanted.config.net.io = io;
        stage.shows("io-uring", severity, if io == Io::Epoll { "does without" } else { "refuses" });
    }
    stage.scene.wanted.config.net.io = Io::Auto;
    stage.write("/proc/sys/kernel/io_uring_disabled", "2\n");
    stage.is_cured_by("io-uring", "kernel.io_uring_disabled='0'");
    stage.shows("io-uring-disabled", Severity::Warning, "is 2");
    stage.scene.wanted.config.net.io = Io::Epoll;
    stage.shows("io-uring-disabled", Severity::Note, "is 2");
    stage.remove("/proc/sys/kernel/io_uring_disabled");
    stage.shows("io-uring-disabled", Severity::Ok, "no such parameter");
}

#[test]
fn seccomp_matters_where_io_uring_is_refused() {
    let mut stage = Stage::good();
    stage.write("/proc/self/status", "CapEff:\t000001ffffffffff\nSeccomp:\t2\n");
    stage.shows("seccomp", Severity::Ok, "a filter of system calls is set");
    stage.scene.live.io_uring = Ok(Err("no".to_owned()));
    stage.shows("seccomp", Severity::Note, "io_uring is refused");
    stage.is_cured_by("seccomp", "--security-opt");
}

#[test]
fn limits_of_the_process_are_held_against_what_serve_takes() {
    let mut stage = Stage::good();
    let rows = |files: &str, locked: &str| {
        format!(
            "Max open files            1024                 {files}              files     \n\
             Max locked memory         65536                {locked}             bytes     \n"
        )
    };
    stage.write("/proc/self/limits", &rows("4096", "65536"));
    stage.shows("open-files", Severity::Warning, "4,096 files");
    stage.is_cured_by("open-files", "ulimit -Hn 16640");
    stage.shows("locked-memory", Severity::Ok, "65,536 bytes");
    stage.scene.live.io_uring = Ok(Err("no memory may be locked".to_owned()));
    stage.shows("locked-memory", Severity::Warning, "io_uring is refused");
    stage.is_cured_by("locked-memory", "ulimit -Hl 24576");
    stage.write("/proc/self/limits", &rows("unlimited", "unlimited"));
    stage.shows("open-files", Severity::Ok, "files may be open");
    stage.shows("locked-memory", Severity::Ok, "any amount");
}

#[test]
fn store_that_does_not_fit_the_memory_is_named_with_one_that_does() {
    let mut stage = Stage::good();
    stage.scene.wanted.config.swarm.peers_total_max = 60_000_000;
    stage.scene.wanted.config.swarm.torrents_max = 5_000_000;
    stage.shows("memory", Severity::Warning, "60,000,000 peers");
    stage.write("/sys/fs/cgroup/memory.max", "1073741824\n");
    stage.shows("memory", Severity::Error, "of the memory");
    stage.is_cured_by("memory", "--max-peers-total 2097152 --max-torrents 262144");
    stage.scene.wanted.config.swarm.peers_total_max = 2_097_152;
    stage.scene.wanted.config.swarm.torrents_max = 262_144;
    stage.shows("memory", Severity::Ok, "50 %");
}

#[test]
fn queues_that_are_too_short_are_warnings_with_their_sysctl() {
    let stage = Stage::good();
    for (id, name, value, cure) in [
        ("udp-receive-buffer", "rmem_max", "212992\n", "net.core.rmem_max='8388608'"),
        ("udp-send-buffer", "wmem_default", "4096\n", "net.core.wmem_default='212992'"),
        ("listen-backlog", "somaxconn", "128\n", "net.core.somaxconn='4096'"),
        ("netdev-backlog", "netdev_max_backlog", "300\n", "net.core.netdev_max_backlog='16384'"),
    ] {
        assert_eq!(stage.worst(id).seen.severity, Severity::Ok, "{id}");
        stage.write(&format!("/proc/sys/net/core/{name}"), value);
        let found = stage.shows(id, Severity::Warning, "");
        let Cure { now, lasting } = found.seen.cure.unwrap();
        assert_eq!(now, format!("sysctl -w {cure}"));
        assert!(lasting.unwrap().ends_with(">>/etc/sysctl.d/90-wildkat.conf"));
    }
}

#[test]
fn drops_are_judged_by_their_share_and_by_the_tracker_s_own_port() {
    let stage = Stage::good();
    let counters = |dropped: u32| format!("Udp: InDatagrams RcvbufErrors\nUdp: 900000 {dropped}\n");
    stage.shows("udp-drops", Severity::Ok, "0 of 1,000,000 datagrams");
    stage.write("/proc/net/snmp", &counters(50));
    stage.shows("udp-drops", Severity::Note, "50 of 1,000,050");
    stage.write("/proc/net/udp", &format!("{UDP}{}", row("00000000:1B39", "07", 1, 50)));
    stage.shows("udp-drops", Severity::Warning, "50 of them on the tracker's port");
    stage.is_cured_by("udp-drops", "--workers 8");
    stage.write("/proc/net/udp", UDP);
    stage.write("/proc/net/snmp", &counters(5_000));
    stage.write("/proc/sys/net/core/rmem_max", "212992\n");
    stage.shows("udp-drops", Severity::Warning, "5,000 of");
    stage.is_cured_by("udp-drops", "net.core.rmem_max");
    stage.write("/proc/net/softnet_stat", "06d5c967 0000000a 00000080\n");
    stage.shows("netdev-backlog", Severity::Warning, "10 were dropped");
}

#[test]
fn receiving_on_one_core_of_many_is_told_with_the_mask_of_all() {
    let stage = Stage::good();
    stage.write("/sys/class/net/eth0/queues/rx-0/rps_cpus", "0\n");
    let found = stage.shows("receive-steering", Severity::Warning, "1 receive queues for 4 cores");
    let Cure { now, lasting } = found.seen.cure.unwrap();
    assert_eq!(now, "echo f >/sys/class/net/eth0/queues/rx-0/rps_cpus");
    assert!(lasting.unwrap().contains(r#"KERNEL=="eth0", ATTR{queues/rx-0/rps_cpus}="f""#));
    assert_eq!(found.seen.about, "eth0");
    let one_core = "  CPU0 CPU1 CPU2 CPU3\n NET_RX: 9000000 1 1 1\n";
    stage.write("/proc/softirqs", one_core);
    stage.shows("softirq-spread", Severity::Warning, "99 % of");
    stage.is_cured_by("softirq-spread", "irqbalance");
    stage.write("/sys/devices/system/cpu/online", "0\n");
    stage.shows("receive-steering", Severity::Ok, "one core");
    stage.shows("softirq-spread", Severity::Ok, "busiest of 1");
}

#[test]
fn table_of_connections_that_fills_is_told_before_it_is_full() {
    let stage = Stage::good();
    let count = "/proc/sys/net/netfilter/nf_conntrack_count";
    for (taken, severity) in
        [("500", Severity::Ok), ("190000", Severity::Warning), ("262000", Severity::Error)]
    {
        stage.write(count, taken);
        stage.shows("conntrack-table", severity, "of 262,144 entries");
    }
    stage.is_cured_by("conntrack-table", "net.netfilter.nf_conntrack_max='1048576'");
    stage.remove(count);
    stage.shows("conntrack-table", Severity::Ok, "tracks no connections");
}

#[test]
fn udp_clients_in_the_table_of_connections_are_kept_out_of_it() {
    let stage = Stage::good();
    stage.shows("conntrack-untracked", Severity::Ok, "no entry");
    let entry = "ipv4     2 udp      17 29 src=198.51.100.7 dst=192.0.2.2 sport=6881 dport=6969 \
        [UNREPLIED] src=192.0.2.2 dst=198.51.100.7 sport=6969 dport=6881 mark=0 use=2\n";
    // What we ask of others from that port is another matter.
    let asked = entry.replace("sport=6881 dport=6969", "sport=6969 dport=53");
    stage.write("/proc/net/nf_conntrack", &format!("{entry}{entry}{asked}"));
    stage.shows("conntrack-untracked", Severity::Warning, "2 entries");
    stage.is_cured_by("conntrack-untracked", "udp dport 6969 notrack");
    stage.remove("/proc/net/nf_conntrack");
    let found = stage.worst("conntrack-untracked");
    assert!(!found.has_looked && found.seen.is.contains("for root's eyes"), "{found:?}");
}

#[test]
fn clock_that_nobody_keeps_or_that_cannot_be_right_is_told() {
    let mut stage = Stage::good();
    stage.shows("clock-synchronised", Severity::Ok, "within 4 ms");
    stage.scene.live.synchronisation =
        Ok(Synchronisation { is_kept: false, error_max: 16_000_000 });
    stage.shows("clock-synchronised", Severity::Warning, "nothing synchronises");
    stage.shows("clock-date", Severity::Ok, "2026-06-01");
    stage.scene.live.now = 86_400;
    stage.shows("clock-date", Severity::Error, "1970-01-02");
    stage.is_cured_by("clock-date", "timedatectl set-ntp true");
}
