//! Names to addresses and back. Numbers are taken as they are, `/etc/hosts` stands above DNS.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tokio::time::{Instant, timeout, timeout_at};
use url::Host;

use super::failure::{Failure, Kind, Retry};
use super::question::{Family, Reach, Settings};
use super::text::shown;
use crate::limits::query as limits;

/// Resolves names as the system is set up to.
#[derive(Debug)]
pub(super) struct Resolver {
    /// `None` where the system has no resolver of its own that can be read; the C library's is
    /// asked instead.
    dns: Option<TokioResolver>,
}

impl Resolver {
    pub(super) fn new(settings: &Settings) -> Resolver {
        let builder = match &settings.name_servers[..] {
            [] => TokioResolver::builder_tokio().ok(),
            given => {
                let servers = given.iter().map(name_server).collect();
                let config = ResolverConfig::from_parts(None, Vec::new(), servers);
                Some(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
            }
        };
        let dns = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            options.ip_strategy = match settings.family {
                Family::Any => LookupIpStrategy::Ipv6AndIpv4,
                Family::V4 => LookupIpStrategy::Ipv4Only,
                Family::V6 => LookupIpStrategy::Ipv6Only,
            };
            options.use_hosts_file = ResolveHosts::Always;
            builder.build().ok()
        });
        Resolver { dns }
    }

    /// The addresses of a host that may be asked, at least one; `pinned` alone, if there is such.
    ///
    /// # Errors
    /// When there is none before `deadline`, or none within the settings.
    pub(super) async fn addresses(
        &self,
        (host, port): (&Host<String>, u16),
        pinned: Option<IpAddr>,
        settings: &Settings,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, Failure> {
        let given = settings.resolve.iter().filter(|(h, p, _)| h == host && *p == port);
        let given: Vec<IpAddr> = given.map(|(_, _, ip)| *ip).collect();
        let found = match host {
            _ if pinned.is_some() => pinned.into_iter().collect(),
            _ if !given.is_empty() => given,
            Host::Ipv4(ip) => vec![IpAddr::V4(*ip)],
            Host::Ipv6(ip) => vec![IpAddr::V6(*ip)],
            Host::Domain(name) => {
                timeout_at(deadline, self.lookup(name)).await.map_err(|_| {
                    let text = format!("timed out while resolving \"{host}\"");
                    Failure::new(Kind::Timeout, "resolve", text)
                })??
            }
        };
        let failed = |why: &str| {
            let text = format!("cannot resolve \"{host}\": {why}");
            Err(Failure::new(Kind::Dns, "resolve", text).with_retry(Retry::Never))
        };
        let is_usable = |ip: &IpAddr| {
            settings.family.has(*ip)
                && settings.bind.is_none_or(|from| from.is_ipv4() == ip.is_ipv4())
        };
        let found: Vec<IpAddr> = found.into_iter().filter(is_usable).collect();
        if found.is_empty() {
            return failed("it has no address of the family asked for");
        }
        let is_allowed = |ip: &IpAddr| settings.reach == Reach::Anywhere || is_public(*ip);
        let allowed: Vec<IpAddr> = found.iter().copied().filter(is_allowed).collect();
        if allowed.is_empty() {
            let text = format!("{} is not a public address, which is not allowed here", found[0]);
            return Err(Failure::new(Kind::Failed, "resolve", text));
        }
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for ip in allowed.into_iter().take(limits::ADDRESSES_MAX) {
            let address = SocketAddr::new(ip, port);
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(addresses)
    }

    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let failed = |why: String, retry| {
            let text = format!("cannot resolve \"{name}\": {}", shown(why.as_bytes()));
            Failure::new(Kind::Dns, "resolve", text).with_retry(retry)
        };
        let Some(dns) = &self.dns else {
            let found = tokio::net::lookup_host((name, 0)).await;
            let found = found.map_err(|error| failed(error.to_string(), Retry::Anytime))?;
            return Ok(found.map(|address| address.ip()).collect());
        };
        let found = dns.lookup_ip(name).await.map_err(|error| {
            if error.is_nx_domain() {
                failed("there is no such name".to_owned(), Retry::Never)
            } else if error.is_no_records_found() {
                failed("it has no address".to_owned(), Retry::Never)
            } else {
                failed(error.to_string(), Retry::Anytime)
            }
        })?;
        Ok(found.iter().collect())
    }

    /// The texts that a host has in DNS; none when that takes longer than a reverse lookup may.
    pub(super) async fn texts(&self, name: &str) -> Vec<String> {
        let Some(dns) = &self.dns else { return Vec::new() };
        let found = timeout(limits::REVERSE_TIMEOUT, dns.txt_lookup(name)).await;
        let Ok(Ok(found)) = found else { return Vec::new() };
        let texts = found.answers().iter().filter_map(|record| match &record.data {
            RData::TXT(text) => Some(shown(&text.txt_data.concat())),
            _ => None,
        });
        texts.collect()
    }

    /// The name of an address, if it has one and that comes in time.
    pub(super) async fn name(&self, ip: IpAddr) -> Option<String> {
        let dns = self.dns.as_ref()?;
        let ip = ip.to_canonical();
        let found = timeout(limits::REVERSE_TIMEOUT, dns.reverse_lookup(ip)).await.ok()?.ok()?;
        let name = found.answers().iter().find_map(|record| match &record.data {
            RData::PTR(name) => Some(name.to_string()),
            _ => None,
        })?;
        Some(shown(name.trim_end_matches('.').as_bytes()))
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    server.connections.iter_mut().for_each(|way| way.port = address.port());
    server
}

/// Whether an address is one that everybody can reach: not loopback, private, link-local, shared,
/// documentation, multicast or reserved, also in IPv4-mapped, NAT64 or 6to4 form.
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            let is_special = ip.is_unspecified()
                || a == 0
                || ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_documentation()
                || a >= 224
                || (a == 100 && (64..128).contains(&b))
                || (a, b, c) == (192, 0, 0)
                || (a == 198 && (18..20).contains(&b));
            !is_special
        }
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            let is_global = first & 0xe000 == 0x2000;
            let is_documentation = (first, second) == (0x2001, 0xdb8) || first & 0xfff0 == 0x3ff0;
            let is_6to4 = first == 0x2002;
            is_global && !is_documentation && !is_6to4
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_all_can_reach_are_public() {
        for (ip, expected) in [
            ("8.8.8.8", true),
            ("2600::1", true),
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("169.254.1.1", false),
            ("100.64.0.1", false),
            ("198.18.0.1", false),
            ("192.0.2.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("0.1.2.3", false),
            ("::1", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("::ffff:10.0.0.1", false),
            ("2001:db8::1", false),
            ("ff02::1", false),
            ("2002:a00:1::1", false),
            ("64:ff9b::a00:1", false),
            ("::", false),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
