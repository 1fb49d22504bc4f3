//! Connections between hosts: which way each goes, how long that takes, and whether it still goes anywhere. Knows
//! packets and links; knows neither what runs on a host nor what is said.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::link::Link;
use super::packet::{Conn, Packet, What};
use super::profile::Profile;
use crate::rng::Rng;
use crate::time::Instant;

/// The host of those who are no relays; those before it are the relays'.
pub const LEAVES_HOST: usize = 5;
/// Whoever connects to itself has two ends of one connection: the far one goes by a number of nobody's.
const MIRROR: u32 = 6;
/// Who has a stack, or numbers of connections.
pub const HOSTS: u32 = 7;

/// Where hosts are, and what lies between them.
pub trait Map {
    /// The host that has this address; `None` where nobody is, and what is sent there vanishes.
    fn host_at(&self, ip: IpAddr) -> Option<usize>;

    /// The way that a connection from there to that host takes.
    fn way(&self, from: (usize, SocketAddr), to: usize) -> Profile;
}

/// Every connection.
#[derive(Debug)]
pub struct Ways {
    rng: Rng,
    ways: BTreeMap<Conn, Way>,
    /// Far ends that go by another number, and by which.
    mirrored: BTreeMap<Conn, Conn>,
    next_mirrored: u32,
    /// Ways that nothing passes, as often as they were cut.
    cuts: Vec<(usize, usize)>,
}

/// One of them: the end that began it first.
#[derive(Debug)]
struct Way {
    ends: [(usize, Conn); 2],
    links: [Link; 2],
    /// It goes nowhere any more.
    is_dead: bool,
}

/// How a connection's end hears that the other is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It is reset.
    Reset,
    /// Not at all: what is sent vanishes, until a keepalive says so.
    Silence,
}

/// Something that has left and comes then.
#[derive(Debug)]
pub struct Departed {
    /// When.
    pub at: Instant,
    /// Where, and what.
    pub arrival: Arrival,
}

/// Something that comes to an end of a connection.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The connection, by the number of the end that began it.
    pub conn: Conn,
    /// To which end: 0 began it.
    pub to: usize,
    /// What comes.
    pub what: What,
}

impl Ways {
    /// None yet.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            ways: BTreeMap::new(),
            mirrored: BTreeMap::new(),
            next_mirrored: MIRROR,
            cuts: Vec::new(),
        }
    }

    /// A packet leaves a host. `None` when it will come nowhere.
    pub fn depart(&mut self, now: Instant, from: usize, packet: Packet, map: &impl Map) -> Option<Departed> {
        if let What::Open { from: address, to } = packet.what {
            self.open((from, address), packet.conn, to, map);
        }
        let conn = self.mirrored.get(&packet.conn).copied().unwrap_or(packet.conn);
        let way = self.ways.get_mut(&conn).filter(|way| !way.is_dead)?;
        let to = usize::from(way.ends[0] == (from, packet.conn));
        let at = way.links[to].carry(now, packet.carries());
        Some(Departed { at, arrival: Arrival { conn, to, what: packet.what } })
    }

    /// The host and the number of an end; `None` when the connection is gone, or goes nowhere.
    pub fn end(&self, conn: Conn, which: usize) -> Option<(usize, Conn)> {
        self.ways.get(&conn).filter(|way| !way.is_dead).map(|way| way.ends[which])
    }

    /// The way between two hosts is cut: connections that went over it go nowhere from now on, and new ones neither.
    /// Says which they were.
    pub fn cut(&mut self, between: (usize, usize)) -> Vec<Conn> {
        self.cuts.push(between);
        let is_on_it = |way: &Way| {
            let [(a, _), (b, _)] = way.ends;
            (a.min(b), a.max(b)) == between
        };
        let dead = self.ways.iter_mut().filter(|(_, way)| is_on_it(way) && !way.is_dead);
        let cut = dead.map(|(&conn, way)| {
            way.is_dead = true;
            conn
        });
        cut.collect()
    }

    /// The way is healed, as far as this cut goes: whoever connects from now on comes there.
    pub fn heal(&mut self, between: (usize, usize)) {
        if let Some(at) = self.cuts.iter().position(|&cut| cut == between) {
            self.cuts.swap_remove(at);
        }
    }

    /// Both ends of a connection, whether it goes anywhere or not.
    pub fn ends(&self, conn: Conn) -> Option<[(usize, Conn); 2]> {
        self.ways.get(&conn).map(|way| way.ends)
    }

    /// The connections of a host that go somewhere.
    pub fn of_host(&self, host: usize) -> Vec<Conn> {
        let has_end = |way: &Way| !way.is_dead && way.ends.iter().any(|&(at, _)| at == host);
        self.ways.iter().filter(|(_, way)| has_end(way)).map(|(&conn, _)| conn).collect()
    }

    /// Forgets connections that nobody has an end of, once nothing is under way.
    pub fn forget(&mut self, now: Instant, is_held: impl Fn(usize, Conn) -> bool) {
        self.ways.retain(|_, way| {
            way.ends.iter().any(|&(host, conn)| is_held(host, conn))
                || way.links.iter().any(|link| !link.is_idle(now))
        });
        let ways = &self.ways;
        self.mirrored.retain(|_, conn| ways.contains_key(conn));
    }

    fn open(&mut self, (from, address): (usize, SocketAddr), conn: Conn, to: SocketAddr, map: &impl Map) {
        let Some(host) = map.host_at(to.ip()) else { return };
        if self.cuts.contains(&(from.min(host), from.max(host))) {
            return;
        }
        let profile = map.way((from, address), host);
        let links = [0, 1].map(|_| Link::new(profile, self.rng.next()));
        let far = if from == host { self.mirror(conn) } else { conn };
        self.ways.insert(conn, Way { ends: [(from, conn), (host, far)], links, is_dead: false });
    }

    fn mirror(&mut self, conn: Conn) -> Conn {
        let far = Conn(self.next_mirrored);
        self.next_mirrored += HOSTS;
        self.mirrored.insert(far, conn);
        far
    }
}
