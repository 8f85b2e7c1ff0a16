//! Many trackers at once, attempts, repetitions, and the peers they leave: none.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Instant;

use tokio::sync::watch;

use super::super::TestServer;
use super::*;
use crate::protocol::announce::Counts;
use crate::protocol::udp::{self, Request};
use crate::query::batch::{self, Job, Note, Plan};
use crate::query::repeat::{self, Pace};
use crate::query::retry::{self, Rules};

fn job(url: &str) -> Job {
    Job {
        target: Target::parse(url).unwrap(),
        question: announce(),
        identity: Identity::own(),
        rules: Rules::ONCE,
        cleans_up: true,
    }
}

fn silent() -> Note {
    Arc::new(|_, _| ())
}

fn run(settings: Settings, jobs: Vec<Job>, plan: Plan) -> (Vec<Report>, Duration) {
    let client = Arc::new(Client::new(settings).unwrap());
    let (_stop, stopped) = watch::channel(false);
    let begun = Instant::now();
    let done = runtime().block_on(batch::run(client, jobs, plan, stopped, silent(), |_, _| ()));
    (done.into_iter().map(Option::unwrap).collect(), begun.elapsed())
}

/// A tracker over UDP that answers `delay` late; without a delay in `answers`, it is deaf.
fn udp_tracker(ip: Ipv4Addr, answers: bool) -> String {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut packet = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let mut out = Vec::new();
            match Request::decode(&packet[..length]) {
                _ if !answers => continue,
                Ok(Request::Connect { transaction_id }) => {
                    udp::write_connect_reply(&mut out, transaction_id, 1);
                }
                Ok(Request::Announce { header, .. }) => {
                    udp::write_announce_reply(
                        &mut out,
                        header.transaction_id,
                        60,
                        Counts::default(),
                    );
                }
                _ => continue,
            }
            drop(socket.send_to(&out, from));
        }
    });
    format!("udp://{address}")
}

#[test]
fn batch_of_200_trackers_a_third_of_them_dead_takes_about_one_timeout() {
    let urls = (0..200_u8).map(|i| udp_tracker(Ipv4Addr::new(127, 0, 7, i), i % 3 != 0));
    let jobs: Vec<Job> = urls.map(|url| job(&url)).collect();
    let settings = Settings { timeout: Duration::from_secs(2), ..hasty() };
    let plan = Plan { jobs_max: 100, delay: Duration::ZERO };
    let (reports, took) = run(settings, jobs, plan);
    let failed = reports.iter().filter(|report| kind(report) == Some(Kind::Timeout)).count();
    assert_eq!((failed, reports.iter().filter(|report| report.is_ok()).count()), (67, 133));
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(4), "{took:?}");
}

/// A tracker over HTTP that takes 200 ms for an answer.
fn slow() -> Mock {
    Mock::with([127, 0, 0, 1].into(), |_, _, stream| {
        std::thread::sleep(Duration::from_millis(200));
        drop(stream.write_all(&ok(b"d8:intervali1800ee")));
    })
}

#[test]
fn d4_twenty_slow_trackers_at_once_and_one_by_one() {
    let mocks: Vec<Mock> = (0..20).map(|_| slow()).collect();
    let jobs: Vec<Job> =
        mocks.iter().map(|mock| Job { cleans_up: false, ..job(&mock.announce_url()) }).collect();
    let settings = || Settings { timeout: Duration::from_secs(10), ..hasty() };
    let at_once = Plan { jobs_max: 20, delay: Duration::ZERO };
    let (reports, took) = run(settings(), jobs.clone(), at_once);
    assert!(reports.iter().all(Report::is_ok) && took < Duration::from_secs(1), "{took:?}");
    let one_by_one = Plan { jobs_max: 1, delay: Duration::from_millis(100) };
    let (reports, took) = run(settings(), jobs, one_by_one);
    assert!(reports.iter().all(Report::is_ok) && took >= Duration::from_millis(5_900), "{took:?}");
}

#[test]
fn one_host_is_asked_one_question_at_a_time() {
    use std::sync::atomic::AtomicBool;
    let (busy, clash) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (is_busy, has_clashed) = (busy.clone(), clash.clone());
    let mock = Mock::with([127, 0, 0, 1].into(), move |_, _, stream| {
        has_clashed.fetch_or(is_busy.swap(true, Ordering::SeqCst), Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(50));
        is_busy.store(false, Ordering::SeqCst);
        drop(stream.write_all(&ok(b"d8:intervali1800ee")));
    });
    let url = |i: u8| format!("http://localhost:{}/{i}/announce", mock.address.port());
    let jobs = (0..5).map(|i| Job { cleans_up: false, ..job(&url(i)) }).collect();
    let plan = Plan { jobs_max: 5, delay: Duration::ZERO };
    let (reports, _) = run(Settings { timeout: Duration::from_secs(5), ..hasty() }, jobs, plan);
    assert!(reports.iter().all(Report::is_ok), "{:?}", reports[0].failure);
    assert!(!clash.load(Ordering::SeqCst) && !busy.load(Ordering::SeqCst));
}

fn ask_again(url: &str, rules: Rules) -> Report {
    let client = Client::new(hasty()).unwrap();
    let target = Target::parse(url).unwrap();
    let (question, identity) = (announce(), Identity::own());
    let rules = Rules { delay: Duration::from_millis(20), ..rules };
    let asked = retry::ask(&client, &target, &question, &identity, &rules, |_, _| ());
    runtime().block_on(asked)
}

#[test]
fn d4_retry_goes_on_until_it_works_or_cannot() {
    let third_time = || {
        Mock::with([127, 0, 0, 1].into(), |_, count, stream| {
            let bytes = match count {
                0 | 1 => reply("503 Busy", "", ""),
                _ => ok(b"d8:intervali1800ee"),
            };
            drop(stream.write_all(&bytes));
        })
    };
    let report = ask_again(&third_time().announce_url(), Rules::ENDLESS);
    assert_eq!((kind(&report), report.attempts), (None, 3));
    let twice = Rules { attempts_max: Some(2), ..Rules::ENDLESS };
    let report = ask_again(&third_time().announce_url(), twice);
    assert_eq!((kind(&report), report.attempts), (Some(Kind::Http), 2));

    let never = Mock::saying(ok(b"d14:failure reason2:no8:retry in5:nevere"));
    let stubborn = Rules { is_for_refusals: true, ..Rules::ENDLESS };
    let report = ask_again(&never.announce_url(), stubborn);
    assert_eq!((kind(&report), report.attempts), (Some(Kind::Refused), 1));
}

#[test]
fn d4_swarm_is_empty_again_after_a_plain_announce_and_after_a_repetition() {
    let server = TestServer::start();
    let (http, udp) = (server.http(), server.addresses().udp[0]);
    for url in [format!("http://{http}/announce"), format!("udp://{udp}")] {
        let jobs = vec![job(&url)];
        let (reports, _) = run(hasty(), jobs, Plan { jobs_max: 1, delay: Duration::ZERO });
        assert!(reports[0].is_ok() && reports[0].cleanup == Some(Ok(())), "{:?}", reports[0]);
        assert_eq!(server.peers(), 0, "{url}");

        let staying = Job { cleans_up: false, ..job(&url) };
        run(hasty(), vec![staying.clone()], Plan { jobs_max: 1, delay: Duration::ZERO });
        assert_eq!(server.peers(), 1, "{url}");
        let client = Client::new(hasty()).unwrap();
        let (_stop, stopped) = watch::channel(false);
        let pace = Pace { count: Some(3), interval: Duration::ZERO };
        let repeated = repeat::run(&client, job(&url), pace, stopped, |_, _| ());
        let repeated = runtime().block_on(repeated);
        assert_eq!((repeated.sent, repeated.answered), (3, 3));
        assert!(repeated.phases.iter().any(|(name, _)| *name == "total"));
        run(hasty(), vec![job(&url)], Plan { jobs_max: 1, delay: Duration::ZERO });
        assert_eq!(server.peers(), 0, "{url}");
    }
}

#[test]
fn interrupted_announce_takes_leave() {
    let server = TestServer::start();
    let slow = Settings { timeout: Duration::from_secs(5), ..hasty() };
    let client = Client::new(slow).unwrap();
    let (stop, stopped) = watch::channel(false);
    let forwarding = {
        let http = server.http();
        // The announce goes through, and its answer never comes: only the farewell's does.
        Mock::with([127, 0, 0, 1].into(), move |target, count, stream| {
            let mut there = TcpStream::connect(http).unwrap();
            let text = format!("GET {target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
            there.write_all(text.as_bytes()).unwrap();
            let mut bytes = Vec::new();
            there.read_to_end(&mut bytes).unwrap();
            if count == 0 {
                std::thread::sleep(Duration::from_secs(5));
            }
            drop(stream.write_all(&bytes));
        })
    };
    let report = runtime().block_on(async {
        let running = job(&forwarding.announce_url()).run(&client, stopped, silent());
        let interrupt = async {
            while server.peers() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.send(true).unwrap();
        };
        tokio::join!(running, interrupt).0
    });
    assert_eq!(report.failure.unwrap().message, "interrupted");
    assert_eq!((report.cleanup, server.peers()), (Some(Ok(())), 0));
}
