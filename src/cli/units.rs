//! Sizes, durations and addresses as people write them. Knows no option.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use thiserror::Error;

/// A number of bytes: `65536`, `64KiB`, `8M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A span of time: `500ms`, `10s`, `5m`, `24h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Something that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrOff<T>(pub Option<T>);

/// How many there may be: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub usize);

/// Where to listen: an address, with or without a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    at: SocketAddr,
    has_port: bool,
}

/// A net, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(pub IpNet);

/// What was meant is not clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnitError {
    /// Not a size.
    #[error("need a number of bytes, alone or with k, M, G, KiB, MiB or GiB, as in 8M")]
    Size,
    /// A size beyond 2^64.
    #[error("so many bytes cannot be counted")]
    TooLarge,
    /// Not a span.
    #[error("need a number with ms, s, m or h, as in 10s")]
    Span,
    /// A span beyond a hundred years.
    #[error("so long cannot be waited; at most 876000h")]
    TooLong,
    /// Not a listening address.
    #[error("need an IPv4 or IPv6 address, no name, with a port or without, as in 0.0.0.0:7333 or [::]:7333")]
    Address,
    /// Not a net.
    #[error("need an address or a CIDR, as in 192.0.2.0/24")]
    Cidr,
    /// Not a number, or none.
    #[error("need a whole number from 1 on")]
    Count,
    /// Not a number and not `off`.
    #[error("need a whole number from 1 on, or off")]
    CountOrOff,
}

const UNITS: [(&str, u64); 6] = [
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Units of time, in milliseconds.
const SPANS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
/// A hundred years, in milliseconds.
const LONGEST_SPAN: u64 = 876_000 * 3_600_000;

fn number_and_unit(text: &str) -> (&str, &str) {
    text.split_at(text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len())
}

impl FromStr for Size {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = number_and_unit(text);
        let factor = match unit {
            "" => 1,
            _ => UNITS.iter().find(|(name, _)| *name == unit).ok_or(UnitError::Size)?.1,
        };
        if number.is_empty() {
            return Err(UnitError::Size);
        }
        let number: u64 = number.parse().map_err(|_| UnitError::TooLarge)?;
        number.checked_mul(factor).map(Self).ok_or(UnitError::TooLarge)
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text == "0" {
            return Ok(Self(Duration::ZERO)); // whatever the unit
        }
        let (number, unit) = number_and_unit(text);
        let factor = SPANS.iter().find(|(name, _)| *name == unit).ok_or(UnitError::Span)?.1;
        let number: u64 = number.parse().map_err(|_| UnitError::Span)?;
        let millis = number.checked_mul(factor).filter(|&millis| millis <= LONGEST_SPAN);
        millis.map(|millis| Self(Duration::from_millis(millis))).ok_or(UnitError::TooLong)
    }
}

impl FromStr for Count {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        text.parse().ok().filter(|&count| count > 0).map(Self).ok_or(UnitError::Count)
    }
}

impl FromStr for OrOff<Span> {
    type Err = UnitError;

    /// `off`, and no time at all, are off.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse().map(|span: Span| Self(Some(span).filter(|span| !span.0.is_zero())))
    }
}

impl FromStr for OrOff<u64> {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match text {
            "off" => Ok(Self(None)),
            _ => match text.parse() {
                Ok(count @ 1..) => Ok(Self(Some(count))),
                _ => Err(UnitError::CountOrOff),
            },
        }
    }
}

impl FromStr for OrOff<Size> {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        match text {
            "off" => Ok(Self(None)),
            _ => match text.parse()? {
                Size(0) => Err(UnitError::CountOrOff),
                size => Ok(Self(Some(size))),
            },
        }
    }
}

impl ListenAddress {
    /// The loopback address, at the network's port.
    pub const LOOPBACK: Self = Self::without_port(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    /// With the port given, or else this one.
    pub fn or_port(mut self, port: u16) -> SocketAddr {
        if !self.has_port {
            self.at.set_port(port);
        }
        self.at
    }

    /// With the port given, if one was.
    pub fn with_port(self) -> Option<SocketAddr> {
        self.has_port.then_some(self.at)
    }

    const fn without_port(ip: IpAddr) -> Self {
        Self { at: SocketAddr::new(ip, 0), has_port: false }
    }
}

impl FromStr for ListenAddress {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let address = Self::parse(text.trim())?;
        let ip = address.at.ip().to_canonical();
        // nobody can ever connect to these
        let is_nobodys = ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
        if is_nobodys { Err(UnitError::Address) } else { Ok(address) }
    }
}

impl ListenAddress {
    fn parse(text: &str) -> Result<Self, UnitError> {
        if let Ok(at) = text.parse::<SocketAddr>() {
            return Ok(Self { at: unmapped_address(at), has_port: true });
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let ip = match bare {
            Some(v6) => v6.parse().map(IpAddr::V6).map_err(|_| UnitError::Address)?,
            None => text.parse().map_err(|_| UnitError::Address)?,
        };
        Ok(Self::without_port(ip.to_canonical()))
    }
}

/// An IPv4-mapped address is the IPv4 one.
fn unmapped_address(at: SocketAddr) -> SocketAddr {
    match at.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, at.port()),
        IpAddr::V6(_) => at,
    }
}

impl FromStr for Cidr {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map(|net| Self(unmapped(net))).map_err(|_| UnitError::Cidr)
    }
}

/// A net of IPv4-mapped addresses is the IPv4 net: that is how clients are known.
fn unmapped(net: IpNet) -> IpNet {
    match (net.addr().to_canonical(), net.prefix_len().checked_sub(96)) {
        (IpAddr::V4(v4), Some(len)) if net.addr().is_ipv6() => Ipv4Net::new_assert(v4, len).into(),
        _ => net,
    }
}

impl fmt::Display for Size {
    /// Exactly, with a unit where one divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let divides = |&&(_, factor): &&(&str, u64)| self.0 >= factor && self.0.is_multiple_of(factor);
        match UNITS.iter().filter(divides).max_by_key(|&&(_, factor)| factor) {
            Some((name, factor)) => write!(f, "{}{name}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Span {
    /// As it would be given, as far as that is whole; else in parts, as in `4m12s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis() as u64; // never beyond the longest span
        let whole =
            SPANS.iter().rev().find(|(_, factor)| millis >= *factor && millis.is_multiple_of(*factor));
        match whole {
            Some((name, factor)) if millis / factor < 100 => write!(f, "{}{name}", millis / factor),
            _ => f.write_str(&humantime::format_duration(self.0).to_string().replace(' ', "")),
        }
    }
}

impl<T: fmt::Display> fmt::Display for OrOff<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("off"),
        }
    }
}

impl Span {
    /// As it can be given to an option, however long: a number and one unit.
    pub fn as_given(self) -> String {
        let millis = self.0.as_millis() as u64; // never beyond the longest span
        let mut units = SPANS.iter().rev();
        let whole = units.find(|(_, factor)| millis >= *factor && millis.is_multiple_of(*factor));
        whole.map_or("0".into(), |(name, factor)| format!("{}{name}", millis / factor))
    }
}

/// A number of bytes, roughly, in decimal units: `312kB`.
pub fn roughly(bytes: u64) -> String {
    scaled(bytes, 1000.0, ["B", "kB", "MB", "GB", "TB"])
}

/// A number of bytes, roughly, in binary units: `16.0MiB`.
pub fn in_binary(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib >= 0.1 { format!("{mib:.1}MiB") } else { format!("{:.1}KiB", bytes as f64 / 1024.0) }
}

/// A span of time as far as a person cares: whole seconds from one second on, else milliseconds.
pub fn rounded(span: Duration) -> Span {
    if span >= Duration::from_secs(1) {
        Span(Duration::from_secs(span.as_secs()))
    } else {
        Span(Duration::from_millis(span.as_millis() as u64)) // less than a thousand
    }
}

/// Thousands set apart: `4,312`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn scaled(bytes: u64, step: f64, units: [&str; 5]) -> String {
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= step && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    if unit > 0 && value < 10.0 {
        format!("{value:.1}{}", units[unit])
    } else {
        format!("{value:.0}{}", units[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_with_or_without_a_unit() {
        for (text, bytes) in
            [("0", 0), ("4000000", 4_000_000), ("1k", 1000), ("8MiB", 8 << 20), ("2G", 2_000_000_000)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)));
        }
        for text in ["", "M", "1m", "1 M", "1.5M", "-1", "0x10", "1MB", "ten"] {
            assert_eq!(text.parse::<Size>(), Err(UnitError::Size), "{text}");
        }
        for text in ["18446744073709551616", "99999999999G"] {
            assert_eq!(text.parse::<Size>(), Err(UnitError::TooLarge));
        }
    }

    #[test]
    fn a_size_is_written_as_it_would_be_given() {
        for text in ["0", "23", "4M", "8MiB", "256M", "64KiB", "8000048", "65536"] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        assert_eq!(Size(8 << 20).to_string(), "8MiB");
        assert_eq!(Size(256_000_000).to_string(), "256M");
    }

    #[test]
    fn a_span_has_a_unit_and_off_is_off() {
        for (text, millis) in [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("24h", 86_400_000)] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(millis))));
            assert_eq!(text.parse(), Ok(OrOff(Some(Span(Duration::from_millis(millis))))));
        }
        for text in ["", "10", "s", "-1s", "1h30m", "10M", "1d", "1ns", "1us", "99999999999999999999h"] {
            assert_eq!(text.parse::<Span>(), Err(UnitError::Span), "{text}");
        }
        for text in ["9999999h", "99999999999999h"] {
            assert_eq!(text.parse::<Span>(), Err(UnitError::TooLong), "{text}");
        }
        for text in ["off", "0", "0s"] {
            assert_eq!(text.parse::<OrOff<Span>>(), Ok(OrOff(None)), "{text}");
        }
        assert_eq!("0".parse::<OrOff<u64>>(), Err(UnitError::CountOrOff));
        assert_eq!("0".parse::<OrOff<Size>>(), Err(UnitError::CountOrOff));
    }

    #[test]
    fn a_span_can_be_given_again() {
        for (millis, text) in [(0, "0"), (1500, "1500ms"), (100_000, "100s"), (5_400_000, "90m")] {
            let span = Span(Duration::from_millis(millis));
            assert_eq!((span.as_given().as_str(), span.as_given().parse()), (text, Ok(span)));
        }
    }

    #[test]
    fn an_address_needs_no_port() {
        let at = |text: &str| text.parse::<ListenAddress>().map(|address| address.or_port(7333).to_string());
        assert_eq!(at("127.0.0.1"), Ok("127.0.0.1:7333".into()));
        assert_eq!(at("127.0.0.1:0"), Ok("127.0.0.1:0".into()));
        assert_eq!(at("::"), Ok("[::]:7333".into()));
        assert_eq!(at("[::1]"), Ok("[::1]:7333".into()));
        assert_eq!(at("[::1]:80"), Ok("[::1]:80".into()));
        assert_eq!(at("[fe80::1%2]:80"), Ok("[fe80::1%2]:80".into()), "with its interface");
        for text in ["", "localhost", "127.0.0.1:", "127.0.0.1:65536", "[127.0.0.1]", "::1:80x", ":7333"] {
            assert_eq!(at(text), Err(UnitError::Address), "{text}");
        }
    }

    #[test]
    fn figures_are_written_for_a_person() {
        let rough: Vec<String> = [0, 999, 1000, 312_400, 22_000_000].into_iter().map(roughly).collect();
        assert_eq!(rough, ["0B", "999B", "1.0kB", "312kB", "22MB"]);
        assert_eq!(in_binary(16 << 20), "16.0MiB");
        assert_eq!(in_binary(2048), "2.0KiB");
        assert_eq!(rounded(Duration::from_millis(252_900)).to_string(), "4m12s");
        assert_eq!(rounded(Duration::from_micros(350_999)).to_string(), "350ms");
        assert_eq!([grouped(7), grouped(4312), grouped(1_234_567)], ["7", "4,312", "1,234,567"]);
    }
}
