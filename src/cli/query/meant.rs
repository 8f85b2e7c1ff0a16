//! What was meant by the options: everything wrong with them is found here, before a packet is
//! sent.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::super::Exit;
use super::arguments::QueryArguments;
use super::check::Script;
use super::manners;
use super::view::View;
use crate::limits::query as limits;
use crate::query::batch::{Job, Plan};
use crate::query::failure::Failure;
use crate::query::identity::{Identity, KnownClient};
use crate::query::input::{self, Torrent};
use crate::query::question::{Announce, Question, Scrape, Settings};
use crate::query::repeat::Pace;
use crate::query::report::Report;
use crate::query::target::Target;
use crate::query::{Event, InfoHash, PeerId, redact};

/// A run that can begin.
pub struct Meant {
    /// Bounds and manners.
    pub settings: Settings,
    /// One question a tracker, in the order of the list; those of no use have failed already.
    pub entries: Vec<Entry>,
    /// Whether each address of each tracker is asked.
    pub has_all_addresses: bool,
    /// What the run is.
    pub mode: Mode,
    /// How the results are shown and judged.
    pub view: View,
    /// What its author should know.
    pub notes: Vec<String>,
}

/// A tracker of the list.
pub enum Entry {
    /// To be asked.
    Job(Box<Job>),
    /// Cannot be asked.
    Failed(Box<Report>),
}

impl Entry {
    /// Whom to ask, where that can be told.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Entry::Job(job) => Some(&job.target),
            Entry::Failed(_) => None,
        }
    }
}

/// What the run is.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// One tracker, once.
    Single,
    /// Several trackers.
    Batch(Plan),
    /// One tracker, many times.
    Repeat(Pace),
    /// Trackers of one's own, step by step.
    Check(Script),
}

pub fn usage(text: impl std::fmt::Display) -> Exit {
    Exit::Usage(format!("Error: {text}\n`wildkat query --help` explains every option"))
}

fn of_failure(failure: &Failure) -> Exit {
    Exit::Usage(format!("Error: {}", failure.message))
}

/// What `arguments` mean.
///
/// # Errors
/// A usage error that names the fault.
pub fn check(
    arguments: &QueryArguments,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Meant, Exit> {
    check_combinations(arguments)?;
    let settings = manners::settings(arguments, environment)?;
    let mut notes = Vec::new();
    let torrent = torrent(arguments)?;
    let info_hashes = info_hashes(arguments, torrent.as_ref(), &mut notes)?;
    let first = info_hashes.first().copied().unwrap_or(InfoHash([0; 20]));
    let question = question(arguments, info_hashes, &mut notes)?;
    let urls = urls(arguments, torrent.as_ref())?;
    let is_batch = arguments.batch
        || arguments.tracker.len() > 1
        || arguments.tracker.is_empty()
        || arguments.all_addresses
        || arguments.check;
    let entries = entries(arguments, &question, urls, is_batch, &mut notes)?;
    warn_of_falsehood(&question, &entries, &mut notes);
    if arguments.insecure {
        notes.push("--insecure: whoever answers over HTTPS may be anybody".to_owned());
    }
    let mode = mode(arguments, first, is_batch)?;
    let view = View::of(arguments, is_batch)?;
    let has_all_addresses = arguments.all_addresses;
    Ok(Meant { settings, entries, has_all_addresses, mode, view, notes })
}

fn check_combinations(arguments: &QueryArguments) -> Result<(), Exit> {
    let is_scrape = arguments.scrape || arguments.full_scrape;
    let is_repeat = arguments.count.is_some() || arguments.watch;
    let has_source = arguments.torrent.is_some() || arguments.magnet.is_some();
    for (is_wrong, cure) in [
        (arguments.lookup && !arguments.show_peers, "--lookup needs --show-peers"),
        (
            arguments.hash.len() > 1 && !is_scrape,
            "announce takes one --hash (several are for --scrape)",
        ),
        (
            arguments.tracker.is_empty() && !arguments.batch && !has_source,
            "which tracker? Give --tracker URL, or --batch with --file",
        ),
        (
            arguments.check
                && (arguments.batch || is_scrape || is_repeat || arguments.retry.is_some()),
            "--check has a script of its own: it goes with --tracker, and not with --batch, \
             --scrape, --count, --watch or --retry",
        ),
        (arguments.only_ipv4 && arguments.only_ipv6, "-4 and -6 exclude each other"),
        (
            is_repeat
                && (arguments.batch || arguments.tracker.len() > 1 || arguments.all_addresses),
            "--count and --watch ask one tracker",
        ),
        (
            is_repeat && arguments.retry.is_some(),
            "--retry does not go with --count and --watch, which count failures",
        ),
        (
            arguments.cleanup && arguments.no_cleanup,
            "--cleanup and --no-cleanup exclude each other",
        ),
        (
            arguments.torrent.is_some() && arguments.magnet.is_some(),
            "--torrent and --magnet exclude each other",
        ),
        (
            arguments.cert.is_some() != arguments.key_file.is_some(),
            "--cert and --key-file go together",
        ),
        (arguments.expect.is_some() && !arguments.full_scrape, "--expect is for --full-scrape"),
        (
            arguments.client.is_some() && arguments.random_qb,
            "--client and --random-qb exclude each other",
        ),
    ] {
        if is_wrong {
            return Err(usage(cure));
        }
    }
    Ok(())
}

fn torrent(arguments: &QueryArguments) -> Result<Option<Torrent>, Exit> {
    if let Some(path) = &arguments.torrent {
        let bytes = read_bytes(&path.display().to_string())?;
        return input::torrent(&bytes).map(Some).map_err(|failure| of_failure(&failure));
    }
    let link = arguments.magnet.as_deref();
    link.map(input::magnet).transpose().map_err(|failure| of_failure(&failure))
}

fn info_hashes(
    arguments: &QueryArguments,
    torrent: Option<&Torrent>,
    notes: &mut Vec<String>,
) -> Result<Vec<InfoHash>, Exit> {
    if arguments.full_scrape {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for given in &arguments.hash {
        let path = if given == "-" { Some("-") } else { given.strip_prefix('@') };
        let hashes = match path {
            Some(path) => input::info_hash_list(&read_text(path)?),
            None => input::info_hashes(given),
        };
        found.extend(hashes.map_err(|failure| of_failure(&failure))?);
    }
    found.extend(torrent.iter().flat_map(|torrent| &torrent.info_hashes).copied());
    if found.len() > limits::HASHES_MAX {
        return Err(usage(format!("at most {} info-hashes", limits::HASHES_MAX)));
    }
    if found.is_empty() && !arguments.hash.is_empty() {
        return Err(usage("there is no info-hash in what --hash names"));
    }
    if found.is_empty() && arguments.check {
        // The script makes its own.
        return Ok(vec![InfoHash([0; 20])]);
    }
    if found.is_empty() {
        let random = input::random_info_hash().map_err(|f| Exit::Failed(f.message))?;
        notes.push(format!("no --hash given, so a random one is asked for: {random}"));
        found.push(random);
    }
    Ok(found)
}

fn question(
    arguments: &QueryArguments,
    info_hashes: Vec<InfoHash>,
    notes: &mut Vec<String>,
) -> Result<Question, Exit> {
    let event = match arguments.event.as_str() {
        "started" => Event::Started,
        "completed" => Event::Completed,
        "stopped" => Event::Stopped,
        "paused" => Event::Paused,
        "none" => Event::Empty,
        other => {
            let choices = "started, completed, stopped, paused or none";
            return Err(usage(format!("--event is {choices}, not {other:?}")));
        }
    };
    if arguments.scrape || arguments.full_scrape {
        let mut scrape = Scrape::of(info_hashes);
        match arguments.scrape_chunk.as_deref() {
            None | Some("auto") => {}
            Some(chunk) => {
                scrape.chunk = chunk.parse().ok().filter(|chunk| *chunk > 0).ok_or_else(|| {
                    usage(format!("--scrape-chunk is auto or a number, not {chunk:?}"))
                })?;
                scrape.is_chunk_auto = false;
            }
        }
        return Ok(Question::Scrape(scrape));
    }
    if info_hashes.len() > 1 {
        notes.push(format!("of {} hashes, the first one is announced", info_hashes.len()));
    }
    announce(arguments, info_hashes[0], event).map(Question::Announce)
}

fn announce(
    arguments: &QueryArguments,
    info_hash: InfoHash,
    event: Event,
) -> Result<Announce, Exit> {
    let default_left = if event == Event::Completed { 0 } else { Announce::LEFT };
    let left = arguments.left.map_or(Ok(default_left), |left| {
        u64::try_from(left).map_err(|_| usage(format!("--left is 0 or more, not {left}")))
    })?;
    let numwant = i32::try_from(arguments.num_want)
        .map_err(|_| usage(format!("--num-want {} is out of range", arguments.num_want)))?;
    let key = arguments.key.as_deref().map(|key| {
        u32::from_str_radix(key, 16)
            .map_err(|_| usage(format!("--key is up to eight hex digits, not {key:?}")))
    });
    let ip = arguments
        .ip
        .as_deref()
        .map(|ip| ip.parse().map_err(|_| usage(format!("--ip {ip:?} is no IPv4 or IPv6 address"))));
    let default = Announce::of(info_hash);
    Ok(Announce {
        event,
        numwant,
        left,
        uploaded: arguments.uploaded,
        downloaded: arguments.downloaded,
        port: arguments.port,
        sends_key: key.is_some(),
        key: key.transpose()?.unwrap_or(default.key),
        ip: ip.transpose()?,
        ipv4: arguments.ipv4.clone(),
        ipv6: arguments.ipv6.clone(),
        tracker_id: arguments.tracker_id.clone().map(String::into_bytes),
        compact: !arguments.no_compact,
        no_peer_id: !arguments.want_peer_ids,
        supportcrypto: arguments.supportcrypto,
        ..default
    })
}

/// The trackers to ask, each with the line it stands on, if it stands on one.
fn urls(
    arguments: &QueryArguments,
    torrent: Option<&Torrent>,
) -> Result<Vec<(Option<usize>, String)>, Exit> {
    let mut urls: Vec<_> = Vec::new();
    if arguments.batch {
        let default = ["trackers_to_query.txt".to_owned()];
        let files = if arguments.file.is_empty() { &default[..] } else { &arguments.file[..] };
        for path in files {
            let lines = input::trackers(&read_text(path)?);
            if lines.is_empty() {
                return Err(Exit::Usage(format!("Error: {path:?} holds no tracker")));
            }
            urls.extend(lines.into_iter().map(|line| (Some(line.number), line.url)));
        }
    } else if arguments.tracker.is_empty() {
        let tiers = torrent.iter().flat_map(|torrent| &torrent.trackers);
        urls.extend(tiers.flatten().map(|url| (None, url.clone())));
        if urls.is_empty() {
            return Err(usage("it names no tracker; give --tracker"));
        }
    } else {
        urls.extend(arguments.tracker.iter().map(|url| (None, url.clone())));
    }
    if urls.len() > limits::TRACKERS_MAX {
        return Err(usage(format!("at most {} trackers", limits::TRACKERS_MAX)));
    }
    Ok(urls)
}

fn entries(
    arguments: &QueryArguments,
    question: &Question,
    urls: Vec<(Option<usize>, String)>,
    is_batch: bool,
    notes: &mut Vec<String>,
) -> Result<Vec<Entry>, Exit> {
    let rules = manners::rules(arguments)?;
    let identity = identity(arguments)?;
    let mut entries = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (line, url) in urls {
        // Of a batch, each tracker sees a client of its own.
        let identity = if arguments.random_qb && is_batch {
            self::identity(arguments)?
        } else {
            identity.clone()
        };
        match Target::parse(&url) {
            Ok(target) if !seen.insert(target.identity()) => {
                notes.push(format!("{} is in the list twice", redact::url(&url)));
            }
            Ok(target) => entries.push(Entry::Job(Box::new(Job {
                target,
                question: question.clone(),
                identity,
                rules,
                cleans_up: !arguments.no_cleanup && arguments.event != "stopped",
            }))),
            Err(failure) if !is_batch => return Err(of_failure(&failure)),
            Err(mut failure) => {
                if let Some(line) = line {
                    failure.message = format!("line {line}: {}", failure.message);
                }
                let report = Report::of_failure(&url, question, &identity, Some(failure));
                entries.push(Entry::Failed(Box::new(report)));
            }
        }
    }
    Ok(entries)
}

fn identity(arguments: &QueryArguments) -> Result<Identity, Exit> {
    let mut identity = match &arguments.client {
        Some(name) => Identity::of(&KnownClient::named(name).ok_or_else(|| {
            usage(format!("--client {name:?} is not known; --list-clients shows those that are"))
        })?),
        None if arguments.random_qb => Identity::random_qbittorrent(),
        None => Identity::own(),
    };
    if let Some(text) = &arguments.peer_id {
        let hex = text.parse().ok().map(|InfoHash(bytes)| bytes);
        let plain = <[u8; 20]>::try_from(text.as_bytes()).ok();
        let bytes = hex.or(plain).ok_or_else(|| {
            usage("--peer-id is 20 characters, or 40 hexadecimal digits".to_owned())
        })?;
        identity.peer_id = PeerId(bytes);
    }
    if let Some(user_agent) = &arguments.user_agent {
        identity.user_agent.clone_from(user_agent);
    }
    Ok(identity)
}

fn mode(arguments: &QueryArguments, info_hash: InfoHash, is_batch: bool) -> Result<Mode, Exit> {
    if arguments.check {
        let source = arguments.torrent.is_some() || arguments.magnet.is_some();
        let given = source || !arguments.hash.is_empty();
        let info_hash = Some(info_hash).filter(|_| given);
        return Ok(Mode::Check(Script { is_agreed: arguments.yes, info_hash }));
    }
    if arguments.count.is_some() || arguments.watch {
        let count = arguments.count.filter(|_| !arguments.watch);
        if count.is_some_and(|count| !(1..=limits::COUNT_MAX).contains(&count)) {
            return Err(usage(format!("--count is 1 to {}", limits::COUNT_MAX)));
        }
        let interval = manners::seconds("--interval", arguments.interval)?;
        return Ok(Mode::Repeat(Pace {
            count,
            interval: interval.unwrap_or(Duration::from_secs(1)),
        }));
    }
    if !is_batch {
        return Ok(Mode::Single);
    }
    let jobs_max = arguments.jobs.unwrap_or(limits::JOBS);
    if !(1..=limits::JOBS_MAX).contains(&jobs_max) {
        return Err(usage(format!("--jobs is 1 to {}", limits::JOBS_MAX)));
    }
    let default = if jobs_max == 1 { 1.0 } else { 0.0 };
    // Zero and less mean no pause.
    let delay = arguments.delay.unwrap_or(default).max(0.0);
    let delay = manners::seconds("--delay", Some(delay))?.unwrap_or_default();
    Ok(Mode::Batch(Plan { jobs_max, delay }))
}

/// Statistics of others that this would falsify.
fn warn_of_falsehood(question: &Question, entries: &[Entry], notes: &mut Vec<String>) {
    let Question::Announce(ask) = question else { return };
    let is_elsewhere = entries.iter().any(|entry| match entry {
        Entry::Job(job) => job.target.ip().is_none_or(crate::query::resolve::is_public),
        Entry::Failed(_) => false,
    });
    if is_elsewhere && (ask.event == Event::Completed || ask.uploaded > 0) {
        notes.push("this counts in the statistics of the tracker, as if it were true".to_owned());
    }
}

fn read_text(path: &str) -> Result<String, Exit> {
    String::from_utf8(read_bytes(path)?)
        .map_err(|_| Exit::Usage(format!("Error: cannot read {path:?}: it is not UTF-8")))
}

/// The content of a file, or of standard input for `-`.
fn read_bytes(path: &str) -> Result<Vec<u8>, Exit> {
    let failed = |why: String| Exit::Usage(format!("Error: cannot read {path:?}: {why}"));
    let mut bytes = Vec::new();
    let most = limits::FILE_LEN_MAX as u64 + 1;
    let read = if path == "-" {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(Path::new(path))
            .and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|error| failed(error.to_string()))?;
    if bytes.len() > limits::FILE_LEN_MAX {
        return Err(failed(format!("it is longer than {} bytes", limits::FILE_LEN_MAX)));
    }
    Ok(bytes)
}
