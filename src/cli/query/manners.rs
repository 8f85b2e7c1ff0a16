//! The options about how to ask: times, sizes, addresses, TLS, and when to try again.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::super::Exit;
use super::arguments::QueryArguments;
use super::meant::usage;
use crate::limits::query as limits;
use crate::query::question::{Family, Http, Proxies, Settings, Tls, Udp};
use crate::query::retry::Rules;

/// Where name servers listen.
const DNS_PORT: u16 = 53;

/// A number of seconds as typed.
pub fn seconds(name: &str, given: Option<f64>) -> Result<Option<Duration>, Exit> {
    let Some(given) = given else { return Ok(None) };
    let duration = Duration::try_from_secs_f64(given).ok();
    let duration = duration.filter(|duration| *duration <= limits::TIMEOUT_MAX);
    let most = limits::TIMEOUT_MAX.as_secs();
    duration.map(Some).ok_or_else(|| usage(format!("{name} is 0 to {most} seconds, not {given}")))
}

fn positive(name: &str, given: Option<f64>) -> Result<Option<Duration>, Exit> {
    match seconds(name, given)? {
        Some(Duration::ZERO) => Err(usage(format!("{name} must be more than 0"))),
        other => Ok(other),
    }
}

/// When to try again.
pub fn rules(arguments: &QueryArguments) -> Result<Rules, Exit> {
    let Some(attempts) = arguments.retry else { return Ok(Rules::ONCE) };
    let default = Rules::ENDLESS;
    Ok(Rules {
        attempts_max: u32::try_from(attempts).ok().filter(|attempts| *attempts > 0),
        delay: seconds("--retry-delay", arguments.retry_delay)?.unwrap_or(default.delay),
        delay_max: seconds("--retry-max-delay", arguments.retry_max_delay)?
            .unwrap_or(default.delay_max),
        time_max: seconds("--retry-max-time", arguments.retry_max_time)?,
        is_for_refusals: arguments.retry_refused,
    })
}

/// Bounds and manners of each question.
pub fn settings(
    arguments: &QueryArguments,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Exit> {
    let default = Settings::default();
    let udp = udp(arguments, default.udp)?;
    let bep_15_total = udp.wait.saturating_mul((1 << limits::UDP_SENDS_BEP_15) - 1);
    let usual = if arguments.udp_bep15 { bep_15_total } else { default.timeout };
    let timeout = positive("--timeout", arguments.timeout)?.unwrap_or(usual);
    let connect_timeout = positive("--connect-timeout", arguments.connect_timeout)?;
    let bind = arguments.bind.as_deref().map(|ip| {
        ip.parse().map_err(|_| usage(format!("--bind {ip:?} is no IPv4 or IPv6 address")))
    });
    Ok(Settings {
        timeout,
        connect_timeout: connect_timeout.unwrap_or(timeout),
        family: match (arguments.only_ipv4, arguments.only_ipv6) {
            (true, _) => Family::V4,
            (_, true) => Family::V6,
            _ => Family::Any,
        },
        resolve: arguments.resolve.iter().map(|text| resolve(text)).collect::<Result<_, _>>()?,
        name_servers: arguments
            .name_server
            .iter()
            .map(|text| name_server(text))
            .collect::<Result<_, _>>()?,
        asks_preference: arguments.dns_pref,
        bind: bind.transpose()?,
        proxies: proxies(arguments, environment),
        http: http(arguments, &default.http)?,
        tls: tls(arguments)?,
        udp,
        redact: !arguments.no_redact,
        keeps_body: arguments.verbose > 1 || ["raw", "decoded"].contains(&&*arguments.format),
        ..default
    })
}

/// The proxies named by the options, or else by the variables that all programs read.
fn proxies(arguments: &QueryArguments, environment: &dyn Fn(&str) -> Option<String>) -> Proxies {
    let variable = |name: &str| environment(name).or_else(|| environment(&name.to_uppercase()));
    let of = |name: &str| match &arguments.proxy {
        Some(url) => url.clone(),
        None => variable(name).or_else(|| variable("all_proxy")).unwrap_or_default(),
    };
    let except = arguments.noproxy.clone().or_else(|| variable("no_proxy"));
    Proxies {
        http: of("http_proxy"),
        https: of("https_proxy"),
        except: except.unwrap_or_default(),
        is_for_all: arguments.proxy.as_ref().is_some_and(|url| !url.is_empty()),
    }
}

fn name_server(text: &str) -> Result<SocketAddr, Exit> {
    let address = || {
        let ip: IpAddr = text.trim_matches(['[', ']']).parse().ok()?;
        Some(SocketAddr::new(ip, DNS_PORT))
    };
    text.parse().ok().or_else(address).ok_or_else(|| {
        usage(format!("--name-server is an address like 192.0.2.53 or [::1]:5353, not {text:?}"))
    })
}

fn udp(arguments: &QueryArguments, default: Udp) -> Result<Udp, Exit> {
    let usual = if arguments.udp_bep15 { limits::UDP_WAIT_BEP_15 } else { default.wait };
    let sends = if arguments.udp_bep15 { limits::UDP_SENDS_BEP_15 } else { default.sends_max };
    if arguments.tries.is_some_and(|tries| !(1..=limits::UDP_SENDS_MAX).contains(&tries)) {
        return Err(usage(format!("--tries is 1 to {}", limits::UDP_SENDS_MAX)));
    }
    Ok(Udp {
        wait: positive("--udp-wait", arguments.udp_wait)?.unwrap_or(usual),
        sends_max: arguments.tries.unwrap_or(sends),
        options: !arguments.no_udp_options,
    })
}

fn http(arguments: &QueryArguments, default: &Http) -> Result<Http, Exit> {
    let body_max = arguments.max_body.unwrap_or(default.body_max);
    if !(1..=limits::BODY_MAX_MAX).contains(&body_max) {
        return Err(usage(format!("--max-body is 1 to {}", limits::BODY_MAX_MAX)));
    }
    let redirects_max = arguments.max_redirects.unwrap_or(default.redirects_max);
    if redirects_max > limits::REDIRECTS_MAX {
        return Err(usage(format!("--max-redirects is 0 to {}", limits::REDIRECTS_MAX)));
    }
    let pairs = |name: &str, given: &[String], by: char| {
        let pair = |text: &String| {
            let (key, value) = text.split_once(by)?;
            Some((key.trim().to_owned(), value.trim().to_owned()))
        };
        let read = |text: &String| {
            pair(text).ok_or_else(|| usage(format!("{name} {text:?} has no `{by}` in it")))
        };
        given.iter().map(read).collect::<Result<Vec<_>, _>>()
    };
    Ok(Http {
        body_max,
        redirects_max,
        compression: !arguments.no_compression,
        headers: pairs("--header", &arguments.header, ':')?,
        parameters: pairs("--query", &arguments.query, '=')?,
    })
}

fn tls(arguments: &QueryArguments) -> Result<Tls, Exit> {
    let mut ca_files: Vec<PathBuf> = arguments.cacert.iter().cloned().collect();
    if let Some(folder) = &arguments.capath {
        let failed = |error: &dyn std::fmt::Display| {
            Exit::Usage(format!("Error: cannot read --capath {}: {error}", folder.display()))
        };
        for entry in std::fs::read_dir(folder).map_err(|error| failed(&error))? {
            let path = entry.map_err(|error| failed(&error))?.path();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if ["pem", "crt", "cer"].contains(&ending) {
                ca_files.push(path);
            }
        }
        if ca_files.is_empty() {
            return Err(failed(&"there is no .pem, .crt or .cer in it"));
        }
    }
    let only_1_3 = match arguments.tls_min.as_deref() {
        None | Some("1.2") => false,
        Some("1.3") => true,
        Some(other) => return Err(usage(format!("--tls-min is 1.2 or 1.3, not {other:?}"))),
    };
    Ok(Tls {
        insecure: arguments.insecure,
        ca_files,
        client: arguments.cert.clone().zip(arguments.key_file.clone()),
        server_name: arguments.sni.clone(),
        only_1_3,
        warn_days: arguments.cert_warn.unwrap_or(limits::CERT_WARN_DAYS),
    })
}

/// `HOST:PORT:ADDRESS`, where either end may be an IPv6 address in brackets.
fn resolve(text: &str) -> Result<(url::Host<String>, u16, IpAddr), Exit> {
    let read = || {
        let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':')? };
        let (host, rest) = text.split_at(end);
        let (port, ip) = rest.strip_prefix(':')?.split_once(':')?;
        let ip = ip.trim_start_matches('[').trim_end_matches(']');
        Some((url::Host::parse(host).ok()?, port.parse().ok()?, ip.parse().ok()?))
    };
    read().ok_or_else(|| usage(format!("--resolve is HOST:PORT:ADDRESS, not {text:?}")))
}
