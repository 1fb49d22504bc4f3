//! What a mesh is to be, drawn from its seed: how relays are joined, over what ways, who says what, and what is cut
//! or killed. Runs nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::topology::Topology;
use crate::relay::Limits;
use crate::rng::Rng;
use crate::sim::faults::Chances;
use crate::sim::profile::Profile;
use crate::sim::ways::{LEAVES_HOST, Manner, Map};
use crate::wire::Network;

/// A mesh before its first moment.
#[derive(Clone, Debug)]
pub struct MeshSetup {
    /// What everything else was drawn from, and what the run draws from.
    pub seed: u64,
    /// How the relays are joined.
    pub topology: Topology,
    /// Each relay.
    pub relays: Vec<RelayPart>,
    /// Those who say and hear.
    pub leaves: Vec<LeafPart>,
    /// The ways between relays: of two the first is the lower.
    pub ways: Vec<((usize, usize), Profile)>,
    /// The relays', each of them.
    pub limits: Limits,
    /// What goes wrong at the relays' hosts.
    pub faults: Chances,
    /// What befalls them: how long after the beginning of that act.
    pub troubles: Vec<(Duration, Trouble)>,
    /// How long leaves talk while nothing befalls anybody.
    pub talk: Duration,
    /// Between two things that a leaf says, at most.
    pub talk_every: Duration,
    /// How it ends.
    pub ending: MeshEnding,
}

/// A relay's part.
#[derive(Clone, Debug)]
pub struct RelayPart {
    /// When it is started first.
    pub starts: Duration,
    /// What it keeps up.
    pub dials: Vec<DialPart>,
}

/// An address that is kept up, or a name's several.
#[derive(Clone, Debug)]
pub struct DialPart {
    /// Where it may be.
    pub addresses: Vec<SocketAddr>,
    /// The relay that is there.
    pub to: Option<usize>,
}

/// A leaf's part.
#[derive(Clone, Copy, Debug)]
pub struct LeafPart {
    /// Where it comes from.
    pub from: IpAddr,
    /// Its relay.
    pub relay: usize,
    /// The way there.
    pub profile: Profile,
}

/// Something that befalls a mesh.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// The way between two relays is cut.
    Cut {
        /// Which two, the lower first.
        between: (usize, usize),
        /// How they hear of it.
        manner: Manner,
        /// Until it is healed.
        lasts: Duration,
    },
    /// A relay is killed.
    Kill {
        /// Which.
        relay: usize,
        /// How others hear of it.
        manner: Manner,
        /// Until it is started again.
        lasts: Duration,
    },
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeshEnding {
    /// The relays are told to end, when nobody says anything any more.
    Shutdown,
    /// The same, in the middle of everything.
    InTheMiddle,
}

/// Where relays listen.
const PORT: u16 = 7333;
/// A relay is down for longer than a frame is under way: nobody gets a second copy from one that has forgotten the
/// first.
const DOWN: std::ops::Range<u64> = 5_000..20_000;
/// Where nobody is: what is sent there vanishes.
const BLACK_HOLE: [u8; 4] = [10, 9, 9, 9];
/// Where no way leads.
const NOWHERE: [u8; 4] = [10, 8, 8, 8];
/// Where the leaves' host is.
const LEAVES: [u8; 4] = [10, 1, 0, 1];
/// Nobody listens there.
const CLOSED_PORT: u16 = 9;
/// Somebody listens there who answers with junk.
pub const LIAR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1)), 666);

impl MeshSetup {
    /// The mesh of a seed.
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x6d65_7368);
        let topology = Topology::ALL[rng.below(Topology::ALL.len() as u64) as usize];
        let joins = topology.dials(&mut rng);
        let ways = ways(&mut rng, &joins);
        let has_troubles = rng.below(8) < 5;
        let troubles = if has_troubles { troubles(&mut rng, topology, &ways) } else { Vec::new() };
        let relays = relays(&mut rng, topology, &joins);
        let leaves = leaves(&mut rng, topology);
        let (talk, talk_every) = talk(&mut rng, &troubles);
        Self {
            seed,
            topology,
            limits: limits(&mut rng, most_places(&relays, &leaves)),
            relays,
            leaves,
            ways,
            faults: Chances::draw(&mut rng),
            ending: if has_troubles && rng.below(6) == 0 {
                MeshEnding::InTheMiddle
            } else {
                MeshEnding::Shutdown
            },
            talk,
            talk_every,
            troubles,
        }
    }

    /// Whether something may be cut or killed.
    pub fn has_troubles(&self) -> bool {
        !self.troubles.is_empty()
    }

    /// Whether there is one connection between any two, over however many others, and no second one.
    pub fn is_tree(&self) -> bool {
        let joins = self.relays.iter().flat_map(|part| &part.dials).filter(|dial| dial.to.is_some());
        joins.count() + 1 == self.relays.len()
    }

    /// The way between two relays.
    fn between(&self, a: usize, b: usize) -> Profile {
        let pair = (a.min(b), a.max(b));
        self.ways.iter().find(|(between, _)| *between == pair).map_or(Profile::Lan, |&(_, profile)| profile)
    }

    /// The way from a leaf to its relay.
    fn way_of_leaf(&self, from: IpAddr) -> Profile {
        self.leaves.iter().find(|leaf| leaf.from == from).map_or(Profile::Lan, |leaf| leaf.profile)
    }

    /// Where a relay listens.
    pub fn address(relay: usize) -> SocketAddr {
        (Ipv4Addr::new(10, 0, 0, relay as u8 + 1), PORT).into()
    }

    /// Where no way leads.
    pub fn no_route() -> SocketAddr {
        (NOWHERE, PORT).into()
    }
}

impl Map for MeshSetup {
    fn host_at(&self, ip: IpAddr) -> Option<usize> {
        let relay = (0..self.relays.len()).find(|&relay| Self::address(relay).ip() == ip);
        relay.or_else(|| (ip == IpAddr::from(LEAVES)).then_some(LEAVES_HOST))
    }

    fn way(&self, (from, address): (usize, SocketAddr), to: usize) -> Profile {
        match (from, to) {
            (LEAVES_HOST, _) => self.way_of_leaf(address.ip()),
            (_, LEAVES_HOST) => Profile::Lan,
            (from, to) => self.between(from, to),
        }
    }
}

/// Nothing that takes longer than a second: far less than a window, and than a relay is down.
fn fast(rng: &mut Rng) -> Profile {
    [Profile::Lan, Profile::Lan, Profile::Wan, Profile::Satellite][rng.below(4) as usize]
}

fn ways(rng: &mut Rng, joins: &[(usize, usize)]) -> Vec<((usize, usize), Profile)> {
    let mut pairs: Vec<(usize, usize)> = joins.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.into_iter().map(|pair| (pair, fast(rng))).collect()
}

fn relays(rng: &mut Rng, topology: Topology, joins: &[(usize, usize)]) -> Vec<RelayPart> {
    let part = |relay: usize| {
        let mut dials = Vec::new();
        for &(_, to) in joins.iter().filter(|&&(from, _)| from == relay) {
            let at = MeshSetup::address(to);
            // a name may have an address where nobody is any more
            let before = match rng.below(12) {
                0 => Some((LEAVES, CLOSED_PORT + 1 + to as u16).into()),
                1 => Some(([10, 9, 9, to as u8], PORT).into()),
                _ => None,
            };
            dials.push(DialPart { addresses: before.into_iter().chain([at]).collect(), to: Some(to) });
        }
        for at in [(BLACK_HOLE, PORT).into(), (LEAVES, CLOSED_PORT).into(), MeshSetup::no_route(), LIAR] {
            if rng.below(6) == 0 {
                let place = rng.below(dials.len() as u64 + 1) as usize;
                dials.insert(place, DialPart { addresses: vec![at], to: None });
            }
        }
        RelayPart { starts: Duration::from_millis(rng.below(3) * rng.below(1_500)), dials }
    };
    (0..topology.relays()).map(part).collect()
}

fn leaves(rng: &mut Rng, topology: Topology) -> Vec<LeafPart> {
    let mut leaves = Vec::new();
    for relay in 0..topology.relays() {
        let least = if topology == Topology::Selfish { 2 } else { 1 };
        for _ in 0..least + rng.below(3) {
            let from = Ipv4Addr::new(10, 1, 1, leaves.len() as u8 + 1).into();
            leaves.push(LeafPart { from, relay, profile: fast(rng) });
        }
    }
    leaves
}

/// How long leaves talk while nothing befalls anybody, and how often. Where nothing ever does, some talk so long that
/// what they said is forgotten: then it can be said again.
fn talk(rng: &mut Rng, troubles: &[(Duration, Trouble)]) -> (Duration, Duration) {
    let every = Duration::from_millis(200 + rng.below(1_000));
    let is_long = troubles.is_empty() && rng.below(4) == 0;
    if is_long { (Duration::from_secs(30), every * 5) } else { (every * (3 + rng.below(5) as u32), every) }
}

/// Places that a relay needs for everybody, at most: its leaves, those who dial it, and those whom it dials.
fn most_places(relays: &[RelayPart], leaves: &[LeafPart]) -> usize {
    let of = |relay: usize| {
        let joins = relays.iter().flat_map(|part| &part.dials).filter(|dial| dial.to == Some(relay)).count();
        leaves.iter().filter(|leaf| leaf.relay == relay).count() + joins + relays[relay].dials.len()
    };
    (0..relays.len()).map(of).max().unwrap_or(0)
}

fn limits(rng: &mut Rng, most_places: usize) -> Limits {
    let mut limits = Limits::new(Network::PRIVATE.magic);
    limits.decoder.max_payload = 100_000;
    limits.dedup = Some(Duration::from_secs([10, 10, 60][rng.below(3) as usize]));
    limits.dedup_max = 100_000;
    // no more than must be: whoever is kept up has a place that nobody else gets, and counts for no address
    if rng.below(4) == 0 {
        limits.max_peers = most_places;
    }
    limits.max_peers_per_ip = (rng.below(4) == 0).then_some(1);
    limits.drain = Duration::from_millis([0, 500, 5_000][rng.below(3) as usize]);
    limits
}

fn troubles(
    rng: &mut Rng,
    topology: Topology,
    ways: &[((usize, usize), Profile)],
) -> Vec<(Duration, Trouble)> {
    let ways: Vec<(usize, usize)> = ways.iter().map(|&(pair, _)| pair).filter(|(a, b)| a != b).collect();
    let count = 1 + rng.below(4);
    let trouble = |_| {
        let manner = [Manner::Reset, Manner::Silence][rng.below(2) as usize];
        let at = Duration::from_millis(rng.below(20_000));
        let trouble = if ways.is_empty() || rng.below(3) == 0 {
            let relay = rng.below(topology.relays() as u64) as usize;
            let lasts = Duration::from_millis(DOWN.start + rng.below(DOWN.end - DOWN.start));
            Trouble::Kill { relay, manner, lasts }
        } else {
            let between = ways[rng.below(ways.len() as u64) as usize];
            Trouble::Cut { between, manner, lasts: Duration::from_millis(100 + rng.below(15_000)) }
        };
        (at, trouble)
    };
    (0..count).map(trouble).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_can_be_drawn_is() {
        let setups: Vec<MeshSetup> = (0..300).map(MeshSetup::draw).collect();
        let some = |what: fn(&MeshSetup) -> bool| setups.iter().filter(|setup| what(setup)).count();
        for topology in Topology::ALL {
            assert!(setups.iter().any(|setup| setup.topology == topology), "{topology}");
        }
        assert!(some(|setup| setup.is_tree() && setup.topology == Topology::Line) > 0);
        assert!(some(|setup| setup.is_tree() && setup.topology != Topology::Line) == 0);
        assert!(some(|setup| setup.has_troubles()) > 100 && some(|setup| !setup.has_troubles()) > 50);
        assert!(some(|setup| setup.ending == MeshEnding::InTheMiddle) > 10);
        for at in [(BLACK_HOLE, PORT).into(), (LEAVES, CLOSED_PORT).into(), MeshSetup::no_route(), LIAR] {
            let is_dialed = |part: &RelayPart| part.dials.iter().any(|dial| dial.addresses == [at]);
            assert!(setups.iter().any(|setup| setup.relays.iter().any(is_dialed)), "{at}");
        }
    }

    #[test]
    fn nothing_is_kept_up_twice_by_one_relay() {
        for setup in (0..300).map(MeshSetup::draw) {
            for part in &setup.relays {
                let mut addresses: Vec<_> = part.dials.iter().flat_map(|dial| &dial.addresses).collect();
                let count = addresses.len();
                addresses.sort();
                addresses.dedup();
                assert_eq!(addresses.len(), count, "seed {}", setup.seed);
            }
        }
    }
}
