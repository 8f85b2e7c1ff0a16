//! What two peers of one swarm may expect of their tracker (BEP 3, 15, 23 and 48).

use tokio::time::Instant;

use super::super::failure::Kind;
use super::super::question::{Question, Scrape};
use super::super::report::{AnnounceAnswer, PeerSource};
use super::super::target::Scheme;
use super::{MadeUp, Talk, Verdict, number, told};
use crate::limits::query as limits;
use crate::protocol::announce::Event;
use crate::protocol::ids::InfoHash;

/// Seeders, leechers and downloads as a scrape tells them.
type Counts = [Option<i64>; 3];

impl Talk<'_> {
    /// The whole conversation; false when the tracker does not even take the first announce.
    pub(super) async fn converse(&mut self) -> bool {
        let Some(info_hash) = self.swarm() else { return false };
        let [mut one, mut two] = limits::CHECK_PORTS.map(|port| MadeUp::new(info_hash, port));

        let begun = Instant::now();
        let first = self.announce(&one, Event::Started).await;
        let is_there = first.is_ok();
        let verdict = first.and_then(|answer| counted(&answer, 0, 1));
        self.note("a leecher that has started is counted", begun, verdict);
        if !is_there {
            return false;
        }
        self.meet(&one, &mut two).await;
        self.scraped("a scrape counts both", info_hash, |counts| {
            expect([Some(0), Some(2)], counts)
        })
        .await;

        let begun = Instant::now();
        let before = self.scrape(info_hash).await.ok().flatten().and_then(|counts| counts[2]);
        one.announce.left = 0;
        let completed = self.announce(&one, Event::Completed).await;
        let verdict = completed.and_then(|answer| counted(&answer, 1, 1));
        self.note("a leecher that has completed is counted as seeder", begun, verdict);
        self.scraped("a scrape counts the seeder and the download", info_hash, |counts| {
            expect([Some(1), Some(1)], counts)?;
            match (before, counts[2]) {
                (Some(before), Some(after)) if after != before + 1 => {
                    Err(format!("downloads were {before} and are {after}"))
                }
                _ => Ok(()),
            }
        })
        .await;

        let begun = Instant::now();
        let mut gone = Ok(());
        for peer in [&one, &two] {
            gone = gone.and(self.announce(peer, Event::Stopped).await.map(|_| ()));
        }
        self.note("peers that stop are taken leave of", begun, gone);
        self.scraped("a scrape counts nobody any more", info_hash, |counts| {
            expect([Some(0), Some(0)], counts)
        })
        .await;
        true
    }

    /// The second peer comes, and is given the first.
    async fn meet(&mut self, one: &MadeUp, two: &mut MadeUp) {
        let begun = Instant::now();
        let answer = self.announce(two, Event::Started).await;
        let verdict = answer.and_then(|answer| {
            let ports: Vec<u16> = answer.peers.iter().map(|peer| peer.port).collect();
            match () {
                () if ports.contains(&two.announce.port) => {
                    Err("it is given its own address".to_owned())
                }
                () if !ports.contains(&one.announce.port) => {
                    Err(format!("among {} peers the first is not", ports.len()))
                }
                () => counted(&answer, 0, 2),
            }
        });
        self.note("a second peer is given the first, and not itself", begun, verdict);

        let begun = Instant::now();
        let usual = two.announce.numwant;
        two.announce.numwant = 0;
        let answer = self.announce(two, Event::Empty).await;
        two.announce.numwant = usual;
        let verdict = answer.and_then(|answer| match answer.peers_v4 + answer.peers_v6 {
            0 => Ok(()),
            count => Err(format!("{count} peers came")),
        });
        self.note("who wants no peers is given none", begun, verdict);

        let begun = Instant::now();
        let name = "compact=0 brings dictionaries";
        if self.target.scheme == Scheme::Udp {
            let why = "UDP has no other form".to_owned();
            return self.note(name, begun, Verdict::Skipped(why));
        }
        two.announce.compact = false;
        let answer = self.announce(two, Event::Empty).await;
        two.announce.compact = true;
        let verdict = match answer {
            Err(why) => Verdict::Failed(why),
            Ok(answer) if answer.peers.iter().all(|p| p.source == PeerSource::Dictionary) => {
                Verdict::Passed
            }
            // BEP 23 leaves that to the tracker.
            Ok(_) => Verdict::Noted("the peers are compact all the same".to_owned()),
        };
        self.note(name, begun, verdict);
    }

    /// A step that looks at the counts of a scrape, where the tracker has scrapes.
    async fn scraped(
        &mut self,
        name: &str,
        info_hash: InfoHash,
        judge: impl Fn(Counts) -> Result<(), String>,
    ) {
        let begun = Instant::now();
        let verdict = match self.scrape(info_hash).await {
            Ok(Some(counts)) => judge(counts).into(),
            Ok(None) => Verdict::Skipped("no scrape URL follows from this one".to_owned()),
            Err(why) => Verdict::Failed(why),
        };
        self.note(name, begun, verdict);
    }

    /// The counts of the swarm; `None` when the tracker's URL tells of no scrape. A swarm that is
    /// not in the reply has nobody in it.
    async fn scrape(&self, info_hash: InfoHash) -> Result<Option<Counts>, String> {
        let question = Question::Scrape(Scrape::of(vec![info_hash]));
        let report = self.client.ask(self.target, &question, &super::Identity::own()).await;
        match &report.failure {
            Some(failure) if failure.kind == Kind::Unsupported => return Ok(None),
            Some(failure) => return Err(told(failure)),
            None => {}
        }
        let torrents = report.scraped().map_or(&[][..], |answer| &answer.torrents);
        let torrent = torrents.iter().find(|torrent| torrent.info_hash == info_hash);
        Ok(Some(torrent.map_or([Some(0), Some(0), None], |torrent| {
            [torrent.seeders, torrent.leechers, torrent.completed]
        })))
    }
}

fn counted(answer: &AnnounceAnswer, seeders: i64, leechers: i64) -> Result<(), String> {
    expect([Some(seeders), Some(leechers)], [answer.seeders, answer.leechers, None])
}

fn expect(expected: [Option<i64>; 2], [seeders, leechers, _]: Counts) -> Result<(), String> {
    if [seeders, leechers] == expected {
        return Ok(());
    }
    let [expected_seeders, expected_leechers] = expected.map(number);
    Err(format!(
        "counted are {} seeders and {} leechers, and not {expected_seeders} and \
         {expected_leechers}",
        number(seeders),
        number(leechers)
    ))
}
