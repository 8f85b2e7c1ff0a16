//! What a tracker must refuse, or leave without an answer, and must survive.

use tokio::time::Instant;
use url::Url;

use super::super::failure::{Failure, Kind};
use super::super::question::{Question, Scrape};
use super::super::report::Trace;
use super::super::target::{Scheme, with_query};
use super::super::udp::Link;
use super::{MadeUp, Talk, Verdict, told};
use crate::limits::query as limits;
use crate::protocol::announce::Event;
use crate::protocol::http::client::write_info_hash;
use crate::protocol::ids::InfoHash;
use crate::protocol::udp::{Header, Request};

/// Bytes of an announce that are sent to see what a tracker makes of half of one.
const HALF_ANNOUNCE: usize = 60;
/// Where action and event stand in an announce (BEP 15).
const ACTION: std::ops::Range<usize> = 8..12;
const EVENT: std::ops::Range<usize> = 80..84;
/// An action and an event that BEP 15 does not have.
const UNKNOWN: u32 = 99;

impl Talk<'_> {
    /// Asks what must be refused, and at last something ordinary.
    pub(super) async fn provoke(&mut self) {
        let Some(info_hash) = self.swarm() else { return };
        let peer = MadeUp::new(info_hash, limits::CHECK_PORTS[0]);
        if self.target.scheme == Scheme::Udp {
            self.provoke_udp(&peer).await;
        } else {
            self.provoke_http(&peer).await;
        }
        let begun = Instant::now();
        let mut answer = self.announce(&peer, Event::Started).await.map(|_| ());
        answer = answer.and(self.announce(&peer, Event::Stopped).await.map(|_| ()));
        self.note("after all that, an announce is answered", begun, answer);
    }

    async fn provoke_http(&mut self, peer: &MadeUp) {
        let mut hash = Vec::new();
        write_info_hash(&peer.announce.info_hash, &mut hash);
        let hash = String::from_utf8_lossy(&hash).into_owned();
        // The last byte is an escape of three characters.
        let short = &hash[..hash.len() - 3];
        let id: String = peer.identity.peer_id.0.iter().map(|byte| char::from(*byte)).collect();
        let url = self.target.url();
        let mut nowhere = url.clone();
        nowhere.set_path("/there/is/nothing/here");
        for (name, url) in [
            (
                "an info_hash of 19 bytes is refused",
                with_query(url, &format!("{short}&peer_id={id}&port=6881&left=0")),
            ),
            ("a missing peer_id is refused", with_query(url, &format!("{hash}&port=6881&left=0"))),
            (
                "a port above 65535 is refused",
                with_query(url, &format!("{hash}&peer_id={id}&port=99999&left=0")),
            ),
            ("an unknown path is refused", with_query(&nowhere, &hash)),
        ] {
            self.refused(name, url).await;
        }
        let Ok(scrape_url) = self.target.scrape_url() else { return };
        let mut many = Vec::new();
        for number in 0..limits::CHECK_HASHES {
            write_info_hash(&InfoHash([number; 20]), &mut many);
        }
        let begun = Instant::now();
        let url = with_query(&scrape_url, &String::from_utf8_lossy(&many));
        let verdict = match self.client.probe(self.target, url).await {
            Some(failure) if failure.kind == Kind::Timeout => Verdict::Failed(told(&failure)),
            Some(_) => Verdict::Passed,
            None => Verdict::Noted(format!("it answers {} at once", limits::CHECK_HASHES)),
        };
        self.note("a scrape of too many hashes is refused", begun, verdict);

        let begun = Instant::now();
        let full = Question::Scrape(Scrape::of(Vec::new()));
        let report = self.client.ask(self.target, &full, &peer.identity).await;
        let verdict = match (&report.failure, report.scraped()) {
            (Some(failure), _) if failure.kind == Kind::Timeout => Verdict::Failed(told(failure)),
            (Some(_), _) => Verdict::Passed,
            (None, answer) => {
                let count = answer.map_or(0, |answer| answer.torrents.len());
                Verdict::Noted(format!("anybody can list its {count} torrents"))
            }
        };
        self.note("a scrape of all torrents is refused", begun, verdict);
    }

    async fn refused(&mut self, name: &str, url: Url) {
        let begun = Instant::now();
        let verdict = match self.client.probe(self.target, url).await {
            Some(failure) if [Kind::Timeout, Kind::Connect].contains(&failure.kind) => {
                Verdict::Failed(told(&failure))
            }
            Some(_) => Verdict::Passed,
            None => Verdict::Failed("it is answered".to_owned()),
        };
        self.note(name, begun, verdict);
    }

    async fn provoke_udp(&mut self, peer: &MadeUp) {
        let mut trace = Trace::default();
        let begun = Instant::now();
        let deadline = begun + self.client.settings().timeout;
        let addresses = self.client.addresses(self.target).await;
        let address = addresses.ok().and_then(|found| found.first().copied());
        let Some(address) = address else { return };
        let link = Link::open(self.client, address, begun, deadline, &mut trace).await;
        let Ok(mut link) = link else { return };
        let Ok((good, _)) = link.connection_id(&mut trace).await else { return };
        let announce = peer.announce.on_wire(peer.identity.peer_id);
        let packet = |connection_id, transaction_id| {
            let mut packet = Vec::new();
            let header = Header { connection_id, transaction_id };
            Request::Announce { header, announce, options: &[] }.encode(&mut packet);
            packet
        };
        let invented = packet(good ^ 0x5555_5555_5555_5555, 1);
        let half = packet(good, 2)[..HALF_ANNOUNCE].to_vec();
        let mut action = packet(good, 3);
        action[ACTION].copy_from_slice(&UNKNOWN.to_be_bytes());
        let mut event = packet(good, 4);
        event[EVENT].copy_from_slice(&UNKNOWN.to_be_bytes());
        for (name, packet, transaction_id, must_be) in [
            ("an invented connection id gets no answer", invented, 1, true),
            ("half an announce gets no answer", half, 2, true),
            ("an unknown action gets no answer", action, 3, true),
            ("an unknown event gets no answer", event, 4, false),
        ] {
            let begun = Instant::now();
            let answered = link.is_answered(&packet, transaction_id, &mut trace).await;
            self.note(name, begun, unanswered(answered, must_be));
        }
    }
}

/// An error or silence is what it should be.
fn unanswered(answered: Result<bool, Failure>, must_be: bool) -> Verdict {
    match answered {
        Ok(false) => Verdict::Passed,
        Ok(true) if must_be => Verdict::Failed("it is answered".to_owned()),
        Ok(true) => Verdict::Noted("it is answered".to_owned()),
        Err(failure) => Verdict::Failed(told(&failure)),
    }
}
