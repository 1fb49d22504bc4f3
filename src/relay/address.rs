//! Whose connection it is: addresses as the law sees them, and who is connected from each. Knows no peer but
//! by its token.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::protocol::Token;

/// What a ban or a limit covers: one IPv4 address or one IPv6 /64.
///
/// An IPv4-mapped address is the IPv4 one. Loopback, link-local and 64:ff9b::/96 (NAT64) are keyed whole:
/// there one /64 is many strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey(IpNet);

/// Which connections come from which address.
#[derive(Debug, Default)]
pub struct Addresses(BTreeSet<(AddressKey, Token)>);

impl AddressKey {
    /// The key of an address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => Ipv4Net::from(v4).into(),
            IpAddr::V6(v6) if is_keyed_whole(v6) => Ipv6Net::from(v6).into(),
            IpAddr::V6(v6) => Ipv6Net::new_assert(v6, 64).trunc().into(),
        })
    }

    /// From a ban file: an address, or an IPv6 /64. Nothing that [`of`](Self::of) would not make.
    pub fn parse(text: &str) -> Option<Self> {
        let net: IpNet =
            text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(|ip| Self::of(ip).0))?;
        let key = Self::of(net.addr());
        (key.0 == net.trunc()).then_some(key)
    }
}

fn is_keyed_whole(address: Ipv6Addr) -> bool {
    let nat64 = [0x64, 0xff9b, 0, 0, 0, 0];
    address.is_loopback() || address.is_unicast_link_local() || address.segments().starts_with(&nat64)
}

impl fmt::Display for AddressKey {
    /// An address as such, a /64 with its prefix length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

impl Addresses {
    /// A connection has come.
    pub fn insert(&mut self, key: AddressKey, token: Token) {
        self.0.insert((key, token));
    }

    /// A connection has gone.
    pub fn remove(&mut self, key: AddressKey, token: Token) {
        let was_there = self.0.remove(&(key, token));
        assert!(was_there, "{token:?} goes from {key} once");
    }

    /// The connections from an address, without a look at any other.
    pub fn tokens(&self, key: AddressKey) -> impl Iterator<Item = Token> {
        self.0.range((key, Token(0))..=(key, Token(u32::MAX))).map(|&(_, token)| token)
    }

    /// Whether so many connections, or more, come from an address. Looks at no more than those.
    pub fn has(&self, key: AddressKey, count: usize) -> bool {
        self.tokens(key).take(count).count() == count
    }

    /// The address with the most connections, and how many. Looks at all of them.
    pub fn busiest(&self) -> Option<(AddressKey, usize)> {
        let mut busiest: Option<(AddressKey, usize)> = None;
        let mut current: Option<(AddressKey, usize)> = None;
        for &(key, _) in &self.0 {
            let count = current.filter(|&(same, _)| same == key).map_or(0, |(_, count)| count);
            current = Some((key, count + 1));
            busiest = if busiest.is_none_or(|(_, most)| most < count + 1) { current } else { busiest };
        }
        busiest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> String {
        AddressKey::of(address.parse().unwrap()).to_string()
    }

    #[test]
    fn an_address_is_keyed_as_the_law_says() {
        assert_eq!(key("203.0.113.9"), "203.0.113.9");
        assert_eq!(key("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(key("::1"), "::1");
        assert_eq!(key("fe80::1:2"), "fe80::1:2");
        assert_eq!(key("64:ff9b::203.0.113.9"), "64:ff9b::cb00:7109");
        assert_eq!(key("64:ff9b:1::1"), "64:ff9b:1::/64", "only the well-known prefix");
    }

    #[test]
    fn a_key_reads_back_as_itself_and_a_wider_net_is_no_key() {
        for text in ["203.0.113.9", "2001:db8:1:2::/64", "::1", "fe80::1:2"] {
            assert_eq!(AddressKey::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(AddressKey::parse("2001:db8:1:2::5").unwrap().to_string(), "2001:db8:1:2::/64");
        assert_eq!(AddressKey::parse("203.0.113.9/32").unwrap().to_string(), "203.0.113.9");
        for text in ["203.0.113.0/24", "2001:db8::/48", "fe80::/64", "::/0", "nonsense", ""] {
            assert_eq!(AddressKey::parse(text), None, "{text}");
        }
    }

    #[test]
    fn who_comes_from_an_address_is_found_and_counted() {
        let (one, two) = (AddressKey::of([192, 0, 2, 1].into()), AddressKey::of([192, 0, 2, 2].into()));
        let mut addresses = Addresses::default();
        for token in 0..3 {
            addresses.insert(one, Token(token));
        }
        addresses.insert(two, Token(3));
        addresses.remove(one, Token(1));
        assert_eq!(addresses.tokens(one).collect::<Vec<_>>(), [Token(0), Token(2)]);
        assert!(addresses.has(one, 2) && !addresses.has(one, 3));
        assert_eq!(addresses.busiest(), Some((one, 2)));
        addresses.remove(two, Token(3));
        assert!(!addresses.has(two, 1));
    }
}
