//! What a page may look at. Built once by whoever starts the site, and cloned for each request.

use std::sync::Arc;

use ipnet::IpNet;

use super::Error;
use super::announce::Announces;
use super::members::Members;
use crate::clock::Clock;
use crate::stats::Stats;
use crate::swarm::Swarms;

/// All that the site is handed. Cloning it copies a few pointers.
#[derive(Clone, Debug)]
pub struct Site {
    /// The swarms, of which the site reads the sizes.
    pub swarms: Arc<Swarms>,
    /// The counters of every worker.
    pub stats: Stats,
    /// The clock that was started with the tracker: its time is the uptime.
    pub clock: Clock,
    /// What answers announces that come to a web port.
    pub announces: Arc<Announces>,
    /// What is told and to whom.
    pub facts: Arc<Facts>,
    /// The members' site, where there is one.
    pub members: Option<Arc<Members>>,
}

impl Site {
    /// The members' site, for a page of it.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none.
    pub fn members(&self) -> Result<&Arc<Members>, Error> {
        self.members.as_ref().ok_or(Error::NotFound)
    }
}

/// What does not change while the tracker runs.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The version to show.
    pub version: &'static str,
    /// The host that clients reach the tracker by; where there is none, the one a visitor came to.
    pub public_host: Option<String>,
    /// How it may be announced to, in the order to show: scheme and port.
    pub announce_ports: Vec<(&'static str, u16)>,
    /// Whether swarms and figures outlive a restart.
    pub has_state: bool,
    /// Most peers and most torrents.
    pub capacity: (u64, u64),
    /// The port of HTTPS that the members' site is on.
    pub members_port: Option<u16>,
    /// Networks that may read the metrics.
    pub metrics_allow: Vec<IpNet>,
}
