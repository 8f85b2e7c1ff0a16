//! The public name of the tracker.

use std::net::Ipv6Addr;

use super::Exit;

/// The public name of the tracker: a host name, an IPv4 address or an IPv6 address in brackets,
/// and a port or none. Empty when none was given; it is `localhost` then.
#[derive(Debug)]
pub struct Domain {
    text: String,
    host_len: usize,
}

impl Domain {
    /// Reads `--domain`.
    ///
    /// # Errors
    /// A usage error when it is no host, with or without a port.
    pub fn parse(text: &str) -> Result<Domain, Exit> {
        let wrong = || {
            Exit::Usage(format!(
                "Error: --domain {text:?} is no host or host:port, like tracker.example.org:8443 \
                 or [2001:db8::1]"
            ))
        };
        let after_brackets = if text.starts_with('[') {
            text.find(']')
                .filter(|end| text[1..*end].parse::<Ipv6Addr>().is_ok())
                .ok_or_else(wrong)?
                + 1
        } else {
            0
        };
        let host_len =
            text[after_brackets..].find(':').map_or(text.len(), |colon| after_brackets + colon);
        let (host, port) = text.split_at(host_len);
        let is_named = after_brackets == host_len && host_len > 0
            || host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        let has_port = port.is_empty() || port[1..].parse().is_ok_and(|port: u16| port != 0);
        if !is_named || !has_port || (host.is_empty() && !port.is_empty()) {
            return Err(wrong());
        }
        Ok(Domain { text: text.to_owned(), host_len })
    }

    /// The host without its port, where one was given.
    pub fn named_host(&self) -> Option<&str> {
        Some(&self.text[..self.host_len]).filter(|host| !host.is_empty())
    }

    /// The host without its port.
    pub fn host(&self) -> &str {
        self.named_host().unwrap_or("localhost")
    }

    /// Where the tracker's HTTP port sends people: what the operator wrote, to the letter.
    pub fn tracker_redirect(&self, https_port: u16) -> String {
        if self.text.is_empty() { format!("localhost:{https_port}") } else { self.text.clone() }
    }

    /// Where the page's HTTP port sends people.
    pub fn web_redirect(&self, https_port: u16) -> String {
        match https_port {
            443 => self.host().to_owned(),
            port => format!("{}:{port}", self.host()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_told_apart() {
        for (text, host, tracker, web) in [
            ("", "localhost", "localhost:8443", "localhost:9443"),
            ("t.example", "t.example", "t.example", "t.example:9443"),
            ("t.example:8443", "t.example", "t.example:8443", "t.example:9443"),
            ("[2001:db8::1]", "[2001:db8::1]", "[2001:db8::1]", "[2001:db8::1]:9443"),
            ("[2001:db8::1]:1", "[2001:db8::1]", "[2001:db8::1]:1", "[2001:db8::1]:9443"),
        ] {
            let domain = Domain::parse(text).unwrap();
            assert_eq!(domain.host(), host);
            assert_eq!(domain.tracker_redirect(8443), tracker);
            assert_eq!(domain.web_redirect(9443), web);
        }
        assert_eq!(Domain::parse("t.example").unwrap().web_redirect(443), "t.example");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "https://t.example",
            "t.example/x",
            "a b",
            ":80",
            "t.example:",
            "t.example:0",
            "t.example:65536",
            "2001:db8::1",
            "[2001:db8::1",
            "[x]",
            "[::1]x",
            "t\r\n",
        ] {
            assert!(Domain::parse(text).is_err(), "{text}");
        }
    }
}
