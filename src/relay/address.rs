//! Whose connection it is: addresses as the law sees them, and who is connected from each. Knows no peer but
//! by its token.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::protocol::Token;

/// What a ban or a limit covers: one IPv4 address or one IPv6 /64.
///
/// An IPv4-mapped address is the IPv4 one. Loopback, link-local and 64:ff9b::/96 (NAT64) are keyed whole:
/// there one /64 is many strangers.
///
/// Kept as one address, for there is a key for every peer: an IPv4 one mapped, a /64 by its last, which is never
/// keyed whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressKey(Ipv6Addr);

/// Where a connection comes from, in fewer bytes than a [`SocketAddr`]: without the flow label, which is no part of
/// an address and which no stack tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    V4(SocketAddrV4),
    V6 { ip: Ipv6Addr, port: u16, scope: u32 },
}

/// Which connections come from which address.
#[derive(Debug, Default)]
pub struct Addresses(BTreeSet<(AddressKey, Token)>);

impl AddressKey {
    /// The key of an address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) if is_keyed_whole(v6) => v6,
            IpAddr::V6(v6) => Ipv6Net::new_assert(v6, 64).broadcast(),
        })
    }

    /// From a ban file: an address, or an IPv6 /64. Nothing that [`of`](Self::of) would not make.
    pub fn parse(text: &str) -> Option<Self> {
        let net: IpNet =
            text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(|ip| Self::of(ip).net()))?;
        let key = Self::of(net.broadcast());
        (key.net() == net.trunc()).then_some(key)
    }

    /// All addresses it covers.
    fn net(self) -> IpNet {
        match self.0.to_canonical() {
            IpAddr::V4(v4) => Ipv4Net::from(v4).into(),
            IpAddr::V6(v6) if is_keyed_whole(v6) => Ipv6Net::from(v6).into(),
            IpAddr::V6(v6) => Ipv6Net::new_assert(v6, 64).trunc().into(),
        }
    }
}

fn is_keyed_whole(address: Ipv6Addr) -> bool {
    let nat64 = [0x64, 0xff9b, 0, 0, 0, 0];
    address.is_loopback() || address.is_unicast_link_local() || address.segments().starts_with(&nat64)
}

impl Ord for AddressKey {
    /// IPv4 first.
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.to_canonical().cmp(&other.0.to_canonical())
    }
}

impl PartialOrd for AddressKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for AddressKey {
    /// An address as such, a /64 with its prefix length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let net = self.net();
        if net.prefix_len() == net.max_prefix_len() { net.addr().fmt(f) } else { net.fmt(f) }
    }
}

impl From<SocketAddr> for Origin {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => Self::V4(v4),
            SocketAddr::V6(v6) => Self::V6 { ip: *v6.ip(), port: v6.port(), scope: v6.scope_id() },
        }
    }
}

impl From<Origin> for SocketAddr {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::V4(v4) => v4.into(),
            Origin::V6 { ip, port, scope } => SocketAddrV6::new(ip, port, 0, scope).into(),
        }
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
        for text in
            ["203.0.113.9", "2001:db8:1:2::/64", "::/64", "::1", "fe80::1:2", "64:ff9b::", "64:ff9b::/64"]
        {
            assert_eq!(AddressKey::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(AddressKey::parse("2001:db8:1:2::5").unwrap().to_string(), "2001:db8:1:2::/64");
        assert_eq!(AddressKey::parse("203.0.113.9/32").unwrap().to_string(), "203.0.113.9");
        for text in ["203.0.113.0/24", "2001:db8::/48", "fe80::/64", "::/0", "nonsense", ""] {
            assert_eq!(AddressKey::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_net_and_the_addresses_in_it_that_are_keyed_whole_are_different_keys() {
        let of = |address: &str| AddressKey::of(address.parse().unwrap());
        assert_eq!(key("64:ff9b::1:0:0:0"), "64:ff9b::/64");
        assert_ne!(of("64:ff9b::1:0:0:0"), of("64:ff9b::"), "NAT64 of 0.0.0.0");
        assert_ne!(of("::2"), of("::1"));
        let mut keys = ["2001:db8::", "::1", "203.0.113.9", "::2", "9.0.0.1"].map(of);
        keys.sort_unstable();
        assert_eq!(
            keys.map(|key| key.to_string()),
            ["9.0.0.1", "203.0.113.9", "::1", "::/64", "2001:db8::/64"]
        );
    }

    #[test]
    fn where_a_connection_comes_from_is_known_to_its_scope() {
        for text in ["203.0.113.9:1", "[2001:db8::1]:65535", "[fe80::1%7]:7333", "[::ffff:203.0.113.9]:7333"]
        {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(SocketAddr::from(Origin::from(address)), address);
        }
    }

    #[test]
    fn a_peer_is_found_by_its_address_in_20_bytes() {
        assert_eq!(size_of::<(AddressKey, Token)>(), 20);
        assert_eq!(size_of::<Origin>(), 24);
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
