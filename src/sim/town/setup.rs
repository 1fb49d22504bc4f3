//! What a town is to be, drawn from its seed: how relays are joined, over what ways, who comes, what is cut or killed.
//! Runs nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::roles::Citizen;
use crate::protocol::Dialect;
use crate::relay::{AddressKey, Limits};
use crate::rng::Rng;
use crate::sim::faults::Chances;
use crate::sim::mesh::Trouble;
use crate::sim::profile::Profile;
use crate::sim::ways::{LEAVES_HOST, Manner, Map};
use crate::wire::Network;

/// A town before its first moment.
#[derive(Clone, Debug)]
pub struct TownSetup {
    /// What everything else was drawn from, and what the run draws from.
    pub seed: u64,
    /// What each relay keeps up, and what is spoken there.
    pub dials: Vec<Vec<(usize, Dialect)>>,
    /// Those who come.
    pub people: Vec<PersonPart>,
    /// The ways between relays: of two the first is the lower.
    pub ways: Vec<((usize, usize), Profile)>,
    /// The relays', each of them.
    pub limits: Limits,
    /// What goes wrong at the relays' hosts.
    pub faults: Chances,
    /// What befalls them, and how long after the beginning of that act.
    pub troubles: Vec<(Duration, Trouble)>,
    /// How long everybody does what he likes.
    pub free: Duration,
    /// Blocks that are made one by one, once everybody is there.
    pub blocks: u32,
    /// How it ends.
    pub ending: TownEnding,
}

/// Somebody's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonPart {
    /// What it does.
    pub role: Citizen,
    /// Where it comes from.
    pub from: IpAddr,
    /// Its relay.
    pub relay: usize,
    /// The way there.
    pub profile: Profile,
}

/// How a town ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TownEnding {
    /// The relays are told to end when all is quiet.
    Quiet,
    /// The same, in the middle of everything.
    InTheMiddle,
}

/// Most relays.
pub const RELAYS_MOST: u64 = 4;

impl TownSetup {
    /// The town of a seed.
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x746f_776e);
        let relays = 1 + rng.below(RELAYS_MOST) as usize;
        let dials = dials(&mut rng, relays);
        let ways = ways(&mut rng, &dials);
        let troubles = if rng.below(8) < 5 { troubles(&mut rng, relays, &ways) } else { Vec::new() };
        let is_troubled = !troubles.is_empty();
        Self {
            seed,
            people: people(&mut rng, relays),
            limits: limits(&mut rng),
            faults: Chances::draw(&mut rng),
            free: Duration::from_secs(if is_troubled { 30 } else { 10 } + rng.below(20)),
            blocks: 1 + rng.below(2) as u32,
            ending: if is_troubled && rng.below(6) == 0 {
                TownEnding::InTheMiddle
            } else {
                TownEnding::Quiet
            },
            dials,
            ways,
            troubles,
        }
    }

    /// How many relays.
    pub fn relays(&self) -> usize {
        self.dials.len()
    }

    /// Where a relay listens for those who speak so.
    pub fn address(relay: usize, dialect: Dialect) -> SocketAddr {
        let port = match dialect {
            Dialect::Frames => 7333,
            Dialect::Lines => 7334,
            Dialect::Json => 8334,
            Dialect::Chain => 7000,
            Dialect::Http => 10_000,
        };
        (Ipv4Addr::new(10, 0, 0, relay as u8 + 1), port).into()
    }

    /// What a relay keeps up.
    pub fn kept_up(&self, relay: usize) -> Vec<(SocketAddr, Dialect)> {
        self.dials[relay].iter().map(|&(to, dialect)| (Self::address(to, dialect), dialect)).collect()
    }

    /// Those who may be shut out.
    pub fn suspects(&self) -> Vec<AddressKey> {
        let liars = self.people.iter().filter(|person| person.role.may_be_banned());
        liars.map(|person| AddressKey::of(person.from)).collect()
    }
}

impl Map for TownSetup {
    fn host_at(&self, ip: IpAddr) -> Option<usize> {
        let is_at = |&relay: &usize| Self::address(relay, Dialect::Frames).ip() == ip;
        let is_person = || self.people.iter().any(|person| person.from == ip);
        (0..self.relays()).find(is_at).or_else(|| is_person().then_some(LEAVES_HOST))
    }

    fn way(&self, (from, address): (usize, SocketAddr), to: usize) -> Profile {
        let person = |ip: IpAddr| self.people.iter().find(|person| person.from == ip);
        match (from, to) {
            (LEAVES_HOST, _) => person(address.ip()).map_or(Profile::Lan, |person| person.profile),
            (_, LEAVES_HOST) => Profile::Lan,
            (a, b) => {
                let pair = (a.min(b), a.max(b));
                self.ways.iter().find(|(between, _)| *between == pair).map_or(Profile::Lan, |way| way.1)
            }
        }
    }
}

/// Nothing that takes longer than a second.
fn fast(rng: &mut Rng) -> Profile {
    [Profile::Lan, Profile::Lan, Profile::Wan, Profile::Satellite][rng.below(4) as usize]
}

/// Everybody is joined to everybody, over however many others, in each of the two networks; some twice, or in a circle.
fn dials(rng: &mut Rng, relays: usize) -> Vec<Vec<(usize, Dialect)>> {
    let mut dials = vec![Vec::new(); relays];
    for dialect in [Dialect::Chain, Dialect::Json] {
        for relay in 1..relays {
            let other = rng.below(relay as u64) as usize;
            let (from, to) = if rng.below(2) == 0 { (relay, other) } else { (other, relay) };
            dials[from].push((to, dialect));
            if rng.below(3) == 0 {
                dials[to].push((from, dialect));
            }
        }
        if relays > 2 && rng.below(2) == 0 && !dials[0].contains(&(relays - 1, dialect)) {
            dials[0].push((relays - 1, dialect));
        }
    }
    know_repeats(&mut dials);
    dials
}

/// Where words may come back to a relay by another way, each relay must dial somebody: only who does remembers them.
fn know_repeats(dials: &mut [Vec<(usize, Dialect)>]) {
    let links = dials.iter().flatten().filter(|(_, dialect)| *dialect == Dialect::Json).count();
    if links < dials.len() {
        return;
    }
    for relay in 0..dials.len() {
        let is_json = |&(_, dialect): &(usize, Dialect)| dialect == Dialect::Json;
        let by = (0..dials.len()).find(|&by| dials[by].contains(&(relay, Dialect::Json)));
        if let Some(by) = by.filter(|_| !dials[relay].iter().any(is_json)) {
            dials[relay].push((by, Dialect::Json));
        }
    }
}

fn ways(rng: &mut Rng, dials: &[Vec<(usize, Dialect)>]) -> Vec<((usize, usize), Profile)> {
    let joins = (0..).zip(dials).flat_map(|(from, to)| to.iter().map(move |&(to, _)| (from, to)));
    let mut pairs: Vec<(usize, usize)> = joins.map(|(a, b): (usize, usize)| (a.min(b), a.max(b))).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.into_iter().map(|pair| (pair, fast(rng))).collect()
}

fn people(rng: &mut Rng, relays: usize) -> Vec<PersonPart> {
    let mut roles: Vec<(Citizen, usize)> = Vec::new();
    for &(role, least, more) in Citizen::PRESENCE {
        for _ in 0..least + rng.below(more + 1) {
            roles.push((role, rng.below(relays as u64) as usize));
        }
    }
    roles.extend((0..relays).map(|relay| (Citizen::Inspector, relay)));
    let mut people = Vec::new();
    for (nth, (role, relay)) in (1..).zip(roles) {
        let from = Ipv4Addr::new(10, 2, 0, nth).into(); // a few dozen
        people.push(PersonPart { role, from, relay, profile: fast(rng) });
    }
    people
}

fn limits(rng: &mut Rng) -> Limits {
    let mut limits = Limits::new(Network::PRIVATE.magic);
    let mut any = |choices: &[u64]| choices[rng.below(choices.len() as u64) as usize];
    limits.decoder.max_payload = 100_000;
    limits.ban_time = Duration::from_secs(any(&[3, 10]));
    limits.frame_timeout = Duration::from_secs(any(&[10, 60]));
    limits.max_line = any(&[20_000, 64_000]) as usize;
    limits.drain = Duration::from_millis(any(&[0, 500, 5_000]));
    limits
}

fn troubles(rng: &mut Rng, relays: usize, ways: &[((usize, usize), Profile)]) -> Vec<(Duration, Trouble)> {
    let count = 1 + rng.below(3);
    let trouble = |_| {
        let manner = [Manner::Reset, Manner::Silence][rng.below(2) as usize];
        let at = Duration::from_millis(rng.below(20_000));
        let lasts = Duration::from_millis(2_000 + rng.below(15_000));
        let trouble = if ways.is_empty() || rng.below(2) == 0 {
            Trouble::Kill { relay: rng.below(relays as u64) as usize, manner, lasts }
        } else {
            Trouble::Cut { between: ways[rng.below(ways.len() as u64) as usize].0, manner, lasts }
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
        let setups: Vec<TownSetup> = (0..300).map(TownSetup::draw).collect();
        for relays in 1..=RELAYS_MOST as usize {
            assert!(setups.iter().filter(|setup| setup.relays() == relays).count() > 30, "{relays}");
        }
        for role in Citizen::ALL {
            let is_there = |setup: &&TownSetup| setup.people.iter().any(|person| person.role == role);
            assert!(setups.iter().filter(is_there).count() > 50, "{role}");
        }
        assert!(setups.iter().any(|setup| setup.ending == TownEnding::InTheMiddle));
    }

    #[test]
    fn every_relay_reaches_every_other() {
        for setup in (0..300).map(TownSetup::draw) {
            for dialect in [Dialect::Chain, Dialect::Json] {
                let mut reached = vec![0];
                let mut next = 0;
                while let Some(&here) = reached.get(next) {
                    for there in 0..setup.relays() {
                        let is_joined = setup.dials[here].contains(&(there, dialect))
                            || setup.dials[there].contains(&(here, dialect));
                        if is_joined && !reached.contains(&there) {
                            reached.push(there);
                        }
                    }
                    next += 1;
                }
                assert_eq!(reached.len(), setup.relays(), "seed {}", setup.seed);
            }
        }
    }
}
