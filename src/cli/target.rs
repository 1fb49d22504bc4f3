//! Where to, as a person writes it: a host or an address, with a port or without. Asks the resolver, opens nothing.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use thiserror::Error;

use crate::cli::Failure;
use crate::cli::units::ListenAddress;

/// What a refused connection is told to whoever wanted a relay.
pub const NO_RELAY: &str = "refused. Is a relay there? Start one: peer-relay serve";

/// Whom to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(SocketAddr),
    Name(String),
}

/// Where to wait for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenTarget(ListenAddress);

/// Neither a host nor an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("need HOST:PORT or a host alone, as in 127.0.0.1:7333 or [::1]:7333")]
pub struct BadTarget;

/// Neither a port nor an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("need a port, or an IPv4 or IPv6 address with one, as in 7333 or 0.0.0.0:7333")]
pub struct BadListenTarget;

impl Target {
    /// `HOST`, `HOST:PORT` or `HOST PORT`.
    pub fn parse(words: &[String]) -> Result<Self, Failure> {
        let parsed = match words {
            [one] => Self::of_one_word(one),
            [host, port] => Self::of(host, Some(port)),
            _ => None,
        };
        parsed.ok_or_else(|| {
            let given = words.join(" ");
            let need = "need HOST PORT or HOST:PORT, as in 127.0.0.1 7333 or [::1]:7333";
            Failure::usage(format!("--connect {given}: {need}"))
        })
    }

    /// Every address it has, with the port given or else this one.
    pub fn resolve(&self, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        if let Some(at) = self.address(port) {
            return Ok(vec![at]);
        }
        let port = self.port.unwrap_or(port);
        let Host::Name(name) = &self.host else { unreachable!("an address is known") };
        let failed = |why: String| Failure::failed(format!("cannot connect to {name}:{port}: {why}"));
        match (name.as_str(), port).to_socket_addrs() {
            Ok(found) => {
                let found: Vec<SocketAddr> = found.collect();
                if found.is_empty() { Err(failed("no such host".into())) } else { Ok(found) }
            }
            Err(error) => {
                let text = error.to_string();
                let why = text.rsplit(": ").next().unwrap_or(&text);
                Err(failed(format!("no such host ({why})")))
            }
        }
    }

    /// Where it is, if nobody has to be asked: with the port given or else this one.
    pub fn address(&self, port: u16) -> Option<SocketAddr> {
        match self.host {
            Host::Address(mut at) => {
                at.set_port(self.port.unwrap_or(port));
                Some(at)
            }
            Host::Name(_) => None,
        }
    }

    /// An IPv6 address is full of colons: with a port it stands in brackets.
    fn of_one_word(word: &str) -> Option<Self> {
        if let Ok(at) = word.parse::<SocketAddr>() {
            return Self::at(at);
        }
        match word.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => Self::of(host, Some(port)),
            _ => Self::of(word, None),
        }
    }

    fn of(host: &str, port: Option<&str>) -> Option<Self> {
        let port = match port {
            Some(text) => Some(port_of(text)?),
            None => None,
        };
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        // a socket address knows of interfaces, as in fe80::1%2, and an address does not
        let as_v6 = format!("[{}]:0", bare.unwrap_or(host)).parse::<SocketAddr>();
        let address = match (bare, as_v6) {
            (_, Ok(at)) => Some(at),
            (Some(_), Err(_)) => return None,
            (None, Err(_)) => host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 0)),
        };
        let host = match address {
            Some(at) => Host::Address(at),
            None if is_name(host) => Host::Name(host.into()),
            None => return None,
        };
        Some(Self { host, port })
    }

    /// However it was written, the port stands beside the address.
    fn at(mut at: SocketAddr) -> Option<Self> {
        let port = at.port();
        at.set_port(0);
        (port > 0).then_some(Self { host: Host::Address(at), port: Some(port) })
    }
}

/// Digits alone, as in a socket address: no sign.
fn port_of(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| is_number && port > 0)
}

/// What a resolver may be asked; what looks like an address and is none, it would only wonder about.
fn is_name(host: &str) -> bool {
    let is_fine = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_number = host.bytes().all(|byte| byte.is_ascii_digit()); // a port that lacks its host
    !is_number && !host.starts_with('-') && host.chars().all(is_fine)
}

impl fmt::Display for Target {
    /// As it can be given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, self.port) {
            (Host::Address(at), Some(port)) => {
                let mut at = *at;
                at.set_port(port);
                at.fmt(f)
            }
            (Host::Address(SocketAddr::V6(at)), None) if at.scope_id() != 0 => {
                write!(f, "{}%{}", at.ip(), at.scope_id())
            }
            (Host::Address(at), None) => at.ip().fmt(f),
            (Host::Name(name), Some(port)) => write!(f, "{name}:{port}"),
            (Host::Name(name), None) => name.fmt(f),
        }
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        Self::of_one_word(text).ok_or(BadTarget)
    }
}

impl ListenTarget {
    /// With the port given, or else this one.
    pub fn or_port(self, port: u16) -> SocketAddr {
        self.0.or_port(port)
    }
}

impl FromStr for ListenTarget {
    type Err = BadListenTarget;

    fn from_str(text: &str) -> Result<Self, BadListenTarget> {
        let is_port = text.parse::<u16>().is_ok();
        let text = if is_port { format!("127.0.0.1:{text}") } else { text.into() };
        text.parse().map(Self).map_err(|_| BadListenTarget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(words: &[&str]) -> Result<Vec<String>, Failure> {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        let found = Target::parse(&words)?.resolve(7333)?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_address_may_be_written_in_every_usual_way() {
        for (words, at) in [
            (["127.0.0.1"].as_slice(), "127.0.0.1:7333"),
            (&["127.0.0.1:80"], "127.0.0.1:80"),
            (&["127.0.0.1", "80"], "127.0.0.1:80"),
            (&["::1"], "[::1]:7333"),
            (&["[::1]"], "[::1]:7333"),
            (&["[::1]:80"], "[::1]:80"),
            (&["::1", "80"], "[::1]:80"),
            (&["[::1]", "80"], "[::1]:80"),
            (&["[fe80::1%2]:80"], "[fe80::1%2]:80"),
            (&["fe80::1%2", "80"], "[fe80::1%2]:80"),
        ] {
            assert_eq!(addresses(words), Ok(vec![at.into()]), "{words:?}");
        }
    }

    #[test]
    fn a_target_is_shown_as_it_can_be_given() {
        for text in
            ["127.0.0.1", "127.0.0.1:80", "::1", "[::1]:80", "fe80::1%2", "[fe80::1%2]:80", "a.b", "a.b:80"]
        {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.to_string().as_str(), target.to_string().parse()), (text, Ok(target)));
        }
    }

    #[test]
    fn one_word_and_two_are_the_same_target() {
        for (one, two) in [("127.0.0.1:80", ["127.0.0.1", "80"]), ("[fe80::1%2]:80", ["fe80::1%2", "80"])] {
            assert_eq!(one.parse(), Ok(Target::parse(&two.map(Into::into)).unwrap()));
        }
    }

    #[test]
    fn a_name_may_have_a_port() {
        let name = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
            Target::parse(&words).unwrap()
        };
        let host = Host::Name("relay.example".into());
        assert_eq!(name(&["relay.example"]), Target { host: host.clone(), port: None });
        assert_eq!(name(&["relay.example:80"]), Target { host: host.clone(), port: Some(80) });
        assert_eq!(name(&["relay.example", "80"]), Target { host, port: Some(80) });
    }

    #[test]
    fn what_is_neither_is_told_what_is_needed() {
        for words in [
            [""].as_slice(),
            &[":80"],
            &["a:"],
            &["a:0"],
            &["a:65536"],
            &["a:b"],
            &["127.0.0.1:0"],
            &["[::1"],
            &["[a]:80"],
            &["a b"],
            &["a:1", "2"],
            &["a", ""],
            &["a", "0"],
            &["a", "x"],
            &["a", "+80"],
            &["a:+80"],
            &["::1", "+80"],
            &["127.0.0.1:1", "2"],
            &["-x"],
            &["7333"],
        ] {
            let Failure { line, code } = addresses(words).unwrap_err();
            assert_eq!(code, 2);
            let given = words.join(" ");
            assert!(line.starts_with(&format!("--connect {given}: need HOST PORT or HOST:PORT")), "{line}");
        }
    }

    #[test]
    fn a_port_alone_is_this_hosts() {
        let at = |text: &str| text.parse().map(|at: ListenTarget| at.or_port(7333).to_string());
        assert_eq!(at("0"), Ok("127.0.0.1:0".into()));
        assert_eq!(at("80"), Ok("127.0.0.1:80".into()));
        assert_eq!(at("0.0.0.0:80"), Ok("0.0.0.0:80".into()));
        assert_eq!(at("[::1]:80"), Ok("[::1]:80".into()));
        assert_eq!(at("127.0.0.2"), Ok("127.0.0.2:7333".into()));
        for text in ["", "65536", "-1", "localhost:80", ":80", "x"] {
            assert_eq!(at(text), Err(BadListenTarget), "{text}");
        }
    }
}
