use super::*;

const DAY: u64 = 20_000;
const MIDNIGHT: u64 = DAY * 24 * 3600;
const PEER_ID: &[u8; 20] = b"-qB5140-abcdefghijkl";

fn stats(epoch: u64) -> Stats {
    Stats::new(2, Ledger::new([1, 2], epoch), epoch)
}

fn address(number: u8) -> IpAddr {
    [10, 0, 0, number].into()
}

fn announce(stats: &Stats, worker: usize, secs: u32, number: u8) {
    let counters = stats.worker(worker);
    counters.turn_to(secs);
    counters.announced(Protocol::Udp, address(number), PEER_ID);
    counters.sent_datagram(20);
}

#[test]
fn announce_belongs_to_the_second_in_which_it_came() {
    let stats = stats(MIDNIGHT - 10);
    announce(&stats, 0, 9, 1); // 23:59:59
    announce(&stats, 1, 10, 2); // 00:00:00
    announce(&stats, 0, 11, 2); // 00:00:01
    let before = stats.ledger(MIDNIGHT - 1);
    assert_eq!(before.today.figures().total(), 1);
    assert_eq!(before.today.hours[23].total(), 1);
    let after = stats.ledger(MIDNIGHT + 1);
    assert_eq!(after.yesterday.hours[23].total(), 1);
    assert_eq!(after.today.hours[0].total(), 2);
    assert_eq!(after.today.hours[0].bytes_sent, 40);
    assert_eq!(after.today.addresses.estimate(), 1);
    assert_eq!(after.all_time().addresses.estimate(), 2);
    assert_eq!(after.today.clients.top(1).0[0].1, 2);
    assert_eq!(stats.snapshot().udp.v4.announces, 3);
}

#[test]
fn nothing_is_lost_or_counted_twice_however_often_one_looks() {
    let stats = stats(MIDNIGHT);
    let mut announces = 0;
    for hour in 0..24 * 9_u32 {
        for minute in [0, 59] {
            let secs = hour * 3600 + minute * 60;
            announce(&stats, (hour % 2) as usize, secs, (hour % 100) as u8);
            announces += 1;
            let ledger = stats.ledger(MIDNIGHT + u64::from(secs));
            assert_eq!(ledger.all_time().figures.total(), announces, "hour {hour}");
            assert_eq!(ledger.today.figures().total(), u64::from(hour % 24 * 2 + minute / 59 + 1));
            assert_eq!(ledger.yesterday.figures().total(), if hour < 24 { 0 } else { 48 });
        }
    }
    let ledger = stats.ledger(MIDNIGHT + 9 * 24 * 3600 - 1);
    assert!(ledger.past.iter().all(|day| day.announces == 48));
    assert_eq!(ledger.past.len(), 7);
    let (clients, others) = ledger.all_time().clients.top(5);
    assert_eq!((clients.len(), clients[0].1, others), (1, announces, 0));
}

#[test]
fn counting_goes_on_from_what_was_kept() {
    let first = stats(MIDNIGHT);
    announce(&first, 0, 5, 1);
    announce(&first, 1, 6, 2);
    let kept = first.ledger(MIDNIGHT + 10);
    for (days_later, today, yesterday) in [(0, 3, 0), (1, 1, 2), (2, 1, 0), (40, 1, 0)] {
        let epoch = MIDNIGHT + days_later * 24 * 3600 + 100;
        let second = Stats::new(1, kept.clone(), epoch);
        announce(&second, 0, 1, 1);
        let ledger = second.ledger(epoch + 2);
        assert_eq!(ledger.today.figures().total(), today, "{days_later} days later");
        assert_eq!(ledger.yesterday.figures().total(), yesterday, "{days_later} days later");
        let all = ledger.all_time();
        assert_eq!((all.figures.total(), all.addresses.estimate()), (3, 2));
        assert_eq!(ledger.since, MIDNIGHT);
    }
}

#[test]
fn clock_that_was_wrong_at_the_start_is_corrected() {
    let stats = stats(0);
    stats.set_clock(MIDNIGHT + 7, 7);
    announce(&stats, 0, 8, 1);
    assert_eq!(stats.ledger(MIDNIGHT + 8).today.figures().total(), 1);
}

#[test]
fn bodies_are_counted_before_and_after_compression() {
    let stats = stats(MIDNIGHT);
    let counters = stats.worker(0);
    counters.turn_to(0);
    counters.sent_body(Protocol::Https, 60, Some(40));
    counters.sent_body(Protocol::Http, 50, None);
    let today = stats.ledger(MIDNIGHT).today.figures();
    assert_eq!((today.bytes_sent, today.bytes_saved), (110, 40));
    assert_eq!((today.gzip_replies, today.plain_replies), (1, 1));
    let seen = stats.snapshot();
    assert_eq!((seen.https.bytes_sent, seen.http.bytes_sent, seen.gzip_saved), (60, 50, 40));
}
