//! The options of `wildkat query`, as typed.

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};

/// Options that may stand without a value: `-R` alone tries again without limit.
pub const LENIENT: &[super::super::arguments::Lenient] = &[("--retry", "0")];

/// ask any tracker: announce and scrape over UDP, HTTP and HTTPS
#[derive(FromArgs, ArgsInfo, Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "a switch is a bool")]
#[argh(
    example = "{command_name} -t udp://t.example:6969\n  announce a random hash, and leave again",
    example = "{command_name} -s -H @hashes.txt -t https://t.example/announce",
    example = "{command_name} -b -f trackers.txt -j 50\n  all trackers in a file, fifty at once",
    example = "{command_name} check udp://127.0.0.1:6969 http://127.0.0.1:6969/announce",
    example = "{command_name} -c 20 -i 0.5 -t udp://t.example:6969\n  latency, like ping",
    note = "Exit codes: 0 good, 1 failed, 2 usage, 3 refused, 4 dns, 5 connect, 6 timeout, 7 tls,
  8 http, 9 malformed, 10 unsupported, 11 findings with --strict, 12 part of a batch failed.
  Every option can come from the environment too: WILDKAT_TRACKER for --tracker. Proxies are
  read from http_proxy, https_proxy, all_proxy and no_proxy, too."
)]
pub struct QueryArguments {
    /// announce URL: http, https or udp; several make a batch
    #[argh(option, short = 't')]
    pub tracker: Vec<String>,
    /// ask every tracker in the file of --file
    #[argh(switch, short = 'b')]
    pub batch: bool,
    /// list of trackers, one a line, - for standard input (default trackers_to_query.txt)
    #[argh(option, short = 'f')]
    pub file: Vec<String>,
    /// info-hash: 40 hex, 32 base32, 64 hex (v2), magnet link, @file, - for standard input
    #[argh(option, short = 'H')]
    pub hash: Vec<String>,
    /// a .torrent with the hashes, and the trackers when no -t or -b is given
    #[argh(option)]
    pub torrent: Option<PathBuf>,
    /// magnet link with the hashes, and the trackers when no -t or -b is given
    #[argh(option)]
    pub magnet: Option<String>,
    /// event: started, completed, stopped, paused or none (default started)
    #[argh(option, short = 'e', default = "String::from(\"started\")")]
    pub event: String,
    /// peers wanted, -1 for the tracker's choice (default 50)
    #[argh(option, short = 'n', default = "50")]
    pub num_want: i64,
    /// bytes left (default 1000000000; 0 with -e completed)
    #[argh(option, short = 'L')]
    pub left: Option<i64>,
    /// bytes uploaded (default 0)
    #[argh(option, default = "0")]
    pub uploaded: u64,
    /// bytes downloaded (default 0)
    #[argh(option, default = "0")]
    pub downloaded: u64,
    /// port announced (default 6881)
    #[argh(option, default = "6881")]
    pub port: u16,
    /// key, up to eight hex digits (default random, sent over UDP alone)
    #[argh(option)]
    pub key: Option<String>,
    /// ip parameter: the address to claim
    #[argh(option)]
    pub ip: Option<String>,
    /// ipv4 parameter (BEP 7)
    #[argh(option)]
    pub ipv4: Option<String>,
    /// ipv6 parameter (BEP 7)
    #[argh(option)]
    pub ipv6: Option<String>,
    /// trackerid parameter
    #[argh(option)]
    pub tracker_id: Option<String>,
    /// ask for peers as dictionaries (compact=0)
    #[argh(switch)]
    pub no_compact: bool,
    /// leave out no_peer_id=1
    #[argh(switch)]
    pub want_peer_ids: bool,
    /// send supportcrypto=1
    #[argh(switch)]
    pub supportcrypto: bool,
    /// further parameter of HTTP announces, name=value; may be repeated
    #[argh(option)]
    pub query: Vec<String>,
    /// do not take the peer out of the swarm again with stopped
    #[argh(switch)]
    pub no_cleanup: bool,
    /// take the peer out of the swarm again (as by default)
    #[argh(switch, hidden_help)]
    pub cleanup: bool,

    /// scrape instead of announce
    #[argh(switch, short = 's')]
    pub scrape: bool,
    /// scrape without info-hash: all torrents of the tracker
    #[argh(switch)]
    pub full_scrape: bool,
    /// what a full scrape should be: open or refused; anything else fails
    #[argh(option)]
    pub expect: Option<String>,
    /// hashes in one scrape over HTTP: a number, or auto (default auto, 50)
    #[argh(option)]
    pub scrape_chunk: Option<String>,

    /// have a scripted conversation with a tracker of your own; several URLs of one tracker are
    /// held against each other. Also: {command_name} check URL…
    #[argh(switch)]
    pub check: bool,
    /// with --check: the trackers are mine, do not ask
    #[argh(switch, short = 'y')]
    pub yes: bool,

    /// show the peers
    #[argh(switch, short = 'p')]
    pub show_peers: bool,
    /// show their names by reverse DNS; needs --show-peers
    #[argh(switch, short = 'l')]
    pub lookup: bool,
    /// sort the peers by address
    #[argh(switch)]
    pub peers_sort: bool,

    /// look like a random version of qBittorrent
    #[argh(switch, short = 'r')]
    pub random_qb: bool,
    /// look like a client, as family or family/version; to test your own list of clients
    #[argh(option)]
    pub client: Option<String>,
    /// peer id: 20 characters, or 40 hex digits
    #[argh(option)]
    pub peer_id: Option<String>,
    /// the User-Agent header
    #[argh(option)]
    pub user_agent: Option<String>,
    /// list the clients of --client
    #[argh(switch)]
    pub list_clients: bool,

    /// output: table, json, ndjson, csv, short, short=FIELDS, prometheus, raw or decoded
    #[argh(option, short = 'o', default = "String::from(\"table\")")]
    pub format: String,
    /// the same as -o json
    #[argh(switch)]
    pub json: bool,
    /// one line and exit code as Nagios plugins have them
    #[argh(switch)]
    pub nagios: bool,
    /// nagios: milliseconds from which on it is a warning
    #[argh(option, short = 'w')]
    pub warning: Option<f64>,
    /// nagios: milliseconds from which on it is critical
    #[argh(option, short = 'C')]
    pub critical: Option<f64>,
    /// nagios: least seeders
    #[argh(option)]
    pub min_seeds: Option<i64>,
    /// milliseconds below which a time is excellent, good and fair (default 150,300,500)
    #[argh(option)]
    pub rating: Option<String>,
    /// show the certificate in tables
    #[argh(switch)]
    pub cert_info: bool,
    /// show passkeys
    #[argh(switch)]
    pub no_redact: bool,
    /// hide passkeys in the tracker field of JSON and CSV too
    #[argh(switch)]
    pub redact: bool,
    /// no colours
    #[argh(switch)]
    pub nocolor: bool,
    /// colours: auto, always or never (default auto)
    #[argh(option)]
    pub color: Option<String>,
    /// plain characters for rules and marks
    #[argh(switch)]
    pub ascii: bool,
    /// say nothing; the exit code tells
    #[argh(switch, short = 'q')]
    pub quiet: bool,
    /// tell of the way: addresses, request, redirects; twice: the bytes
    #[argh(switch, short = 'v')]
    pub verbose: u8,

    /// exit with 11 when there are findings of severity warn or error
    #[argh(switch)]
    pub strict: bool,
    /// leave out findings of this id; may be repeated
    #[argh(option)]
    pub ignore: Vec<String>,
    /// exit codes: full, or simple for 1 instead of 3 to 12 (default full)
    #[argh(option)]
    pub exit_status: Option<String>,

    /// seconds for one attempt, everything included (default 12)
    #[argh(option, short = 'T')]
    pub timeout: Option<f64>,
    /// seconds for getting a connection (default as --timeout)
    #[argh(option)]
    pub connect_timeout: Option<f64>,
    /// use IPv4 alone
    #[argh(switch, short = '4')]
    pub only_ipv4: bool,
    /// use IPv6 alone
    #[argh(switch, short = '6')]
    pub only_ipv6: bool,
    /// address in place of what DNS says, HOST:PORT:ADDRESS; may be repeated
    #[argh(option)]
    pub resolve: Vec<String>,
    /// ask every address of each tracker, and compare
    #[argh(switch)]
    pub all_addresses: bool,
    /// name server to ask in place of the system's, ADDRESS or ADDRESS:PORT; may be repeated
    #[argh(option)]
    pub name_server: Vec<String>,
    /// hold the URL against what its host says of its tracker in DNS (BEP 34)
    #[argh(switch)]
    pub dns_pref: bool,
    /// proxy for HTTP trackers, as URL: http, https, socks5 or socks5h; empty for none
    #[argh(option, short = 'x')]
    pub proxy: Option<String>,
    /// hosts, domains and networks asked without proxy, separated by commas
    #[argh(option)]
    pub noproxy: Option<String>,
    /// address to ask from
    #[argh(option)]
    pub bind: Option<String>,
    /// seconds until a datagram is sent again; doubles each time (default 3)
    #[argh(option)]
    pub udp_wait: Option<f64>,
    /// wait as BEP 15 says: 15 seconds and longer, nine datagrams
    #[argh(switch)]
    pub udp_bep15: bool,
    /// most datagrams for one request
    #[argh(option)]
    pub tries: Option<u32>,
    /// do not tell UDP trackers path and query of the URL (BEP 41)
    #[argh(switch)]
    pub no_udp_options: bool,
    /// largest body over HTTP, in bytes (default 33554432)
    #[argh(option)]
    pub max_body: Option<usize>,
    /// do not offer gzip
    #[argh(switch)]
    pub no_compression: bool,
    /// redirects followed (default 5; 0 follows none)
    #[argh(option)]
    pub max_redirects: Option<usize>,
    /// header field of HTTP requests, 'Name: value'; may be repeated
    #[argh(option)]
    pub header: Vec<String>,

    /// accept any certificate
    #[argh(switch, short = 'k')]
    pub insecure: bool,
    /// certificates to trust, PEM, in place of the system's
    #[argh(option)]
    pub cacert: Option<PathBuf>,
    /// folder of certificates to trust, PEM, in place of the system's
    #[argh(option)]
    pub capath: Option<PathBuf>,
    /// our certificate chain, PEM; needs --key-file
    #[argh(option)]
    pub cert: Option<PathBuf>,
    /// key of our certificate, PEM; needs --cert
    #[argh(option)]
    pub key_file: Option<PathBuf>,
    /// name to ask for and verify in place of the host
    #[argh(option)]
    pub sni: Option<String>,
    /// lowest TLS version: 1.2 or 1.3 (default 1.2)
    #[argh(option)]
    pub tls_min: Option<String>,
    /// days before a certificate's end from which on it is a finding (default 14)
    #[argh(option)]
    pub cert_warn: Option<i64>,

    /// trackers asked at once in a batch (default 8)
    #[argh(option, short = 'j')]
    pub jobs: Option<usize>,
    /// seconds between two trackers with -j 1 (default 1.0), or two starts on one host (default 0)
    #[argh(option, short = 'd')]
    pub delay: Option<f64>,
    /// show results as they come, not in the order of the list
    #[argh(switch)]
    pub unordered: bool,
    /// batch: show the summary alone
    #[argh(switch)]
    pub summary_only: bool,
    /// batch: which failures fail the run: none, all, any or N% (default all)
    #[argh(option)]
    pub fail_on: Option<String>,
    /// batch: which table -p -o csv prints, summary or peers
    #[argh(option)]
    pub csv_table: Option<String>,
    /// batch: write the trackers that answered to this file, fastest first
    #[argh(option)]
    pub write_ok: Option<PathBuf>,
    /// batch: write the trackers that failed to this file
    #[argh(option)]
    pub write_failed: Option<PathBuf>,

    /// ask so many times and tell figures
    #[argh(option, short = 'c')]
    pub count: Option<u32>,
    /// seconds from one time to the next (default 1)
    #[argh(option, short = 'i')]
    pub interval: Option<f64>,
    /// ask until interrupted
    #[argh(switch)]
    pub watch: bool,

    /// try again until it works; with a number, at most so many attempts
    #[argh(option, short = 'R')]
    pub retry: Option<i64>,
    /// try again even when the tracker refuses
    #[argh(switch)]
    pub retry_refused: bool,
    /// seconds before the second attempt; doubles each time (default 2)
    #[argh(option)]
    pub retry_delay: Option<f64>,
    /// longest pause between attempts in seconds (default 60)
    #[argh(option)]
    pub retry_max_delay: Option<f64>,
    /// seconds after which no further attempt is begun
    #[argh(option)]
    pub retry_max_time: Option<f64>,

    /// show the version
    #[argh(switch, short = 'V')]
    pub version: bool,
    /// write completions for a shell: bash, zsh or fish
    #[argh(option)]
    pub completions: Option<String>,
    /// write the manual page
    #[argh(switch)]
    pub man: bool,
}
