//! What a world is to be, drawn from its seed: who comes, over what ways, what goes wrong, and by which law. Knows
//! every name in this layer; runs nothing.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;
use std::time::Duration;

use super::faults::{Chances, Fault};
use super::profile::Profile;
use super::roles::Role;
use crate::protocol::{Flood, Offence, Penalty};
use crate::relay::{Law, Limits};
use crate::rng::Rng;
use crate::wire::{Framing, Network, lines};

/// A world before its first moment.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What everything else was drawn from, and what the run draws from.
    pub seed: u64,
    /// The relay's.
    pub limits: Limits,
    /// What each offence costs there.
    pub penalties: Penalties,
    /// Who comes.
    pub cast: Vec<Part>,
    /// The load tester, where it is there.
    pub load: Option<LoadPart>,
    /// What goes wrong at the relay's host.
    pub faults: Chances,
    /// How long everybody does what he likes.
    pub open: Duration,
    /// How long the honest then go on alone.
    pub calm: Duration,
    /// How often a chatter says something.
    pub talk_every: Duration,
    /// How it ends.
    pub ending: Ending,
}

/// What each offence costs, in the order of [`Offence::ALL`]: the judge's own table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Penalties([Penalty; Offence::ALL.len()]);

/// Somebody's part.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// What he is up to.
    pub role: Role,
    /// Where he comes from.
    pub from: IpAddr,
    /// The way from there.
    pub profile: Profile,
    /// What he speaks.
    pub framing: Framing,
}

/// The load tester's part.
#[derive(Clone, Debug)]
pub struct LoadPart {
    /// Its peers.
    pub peers: u32,
    /// How many of these send.
    pub senders: u32,
    /// The ways they have.
    pub profile: Profile,
    /// Between two messages of all senders together.
    pub every: Duration,
    /// Bytes of a payload.
    pub sizes: std::ops::RangeInclusive<u32>,
    /// How long it measures.
    pub duration: Duration,
}

/// How a world ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everybody leaves.
    EverybodyLeaves,
    /// The relay is told to end, when everybody has everything.
    Shutdown,
    /// The same, in the middle of everything.
    InTheMiddle,
}

/// What of a world is not left to its seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Honest peers over such ways, the load tester's, and nobody else.
    pub profile: Option<Profile>,
    /// How many come.
    pub peers: Option<u32>,
    /// How long it lasts.
    pub duration: Option<Duration>,
}

/// Peers of a planned world that were not counted.
const PEERS: u32 = 20;
/// How long a planned world is measured that was given no time: an hour over short wave, where little happens in
/// less.
const PLANNED: Duration = Duration::from_secs(60);
const PLANNED_OVER_RADIO: Duration = Duration::from_secs(3600);
/// Longer than any world that is drawn.
const NEVER: Duration = Duration::from_secs(86_400);
/// Payloads of a planned world, bytes: what people type, and what programs tell each other.
const SIZES: std::ops::RangeInclusive<u32> = 32..=250;

impl Setup {
    /// The world of a seed, as far as nobody wishes otherwise.
    pub fn draw(seed: u64, wishes: &Wishes) -> Self {
        match wishes.profile {
            Some(profile) => Self::planned(seed, profile, wishes),
            None => Self::swarm(seed, wishes),
        }
    }

    /// Honest peers over ways of one kind: what would become of them?
    fn planned(seed: u64, profile: Profile, wishes: &Wishes) -> Self {
        let peers = wishes.peers.unwrap_or(PEERS);
        let usual = if profile == Profile::HfRadio { PLANNED_OVER_RADIO } else { PLANNED };
        let duration = wishes.duration.unwrap_or(usual);
        let every = profile.talk_every();
        let load = LoadPart { peers, senders: peers, profile, every, sizes: SIZES, duration };
        Self {
            seed,
            limits: Limits::new(Network::PRIVATE.magic),
            penalties: Penalties::USUAL,
            cast: Vec::new(),
            load: Some(load),
            faults: Chances::default(),
            open: Duration::ZERO,
            calm: Duration::ZERO,
            talk_every: every,
            ending: Ending::EverybodyLeaves,
        }
    }

    /// Anybody, anything.
    fn swarm(seed: u64, wishes: &Wishes) -> Self {
        let mut rng = Rng::new(seed);
        let penalties = Penalties::draw(&mut rng);
        let mut limits = limits(&mut rng);
        let has_load = rng.below(4) == 0;
        if has_load {
            make_room(&mut limits);
        }
        let peers = wishes.peers.unwrap_or(4 + rng.below(28) as u32);
        // what others say is nothing that the load tester expects
        let roles: Vec<Role> = Role::ALL.into_iter().filter(|role| !has_load || !role.is_heard()).collect();
        let mut cast = cast(&mut rng, peers, &roles, &limits);
        let is_slow = cast.iter().any(|part| part.profile == Profile::HfRadio);
        if is_slow {
            have_patience(&mut limits);
        }
        teach_lines(seed, &mut cast, &mut limits);
        if has_load {
            // when they hang up, a line without its end is one all the same, and heard
            let is_such = |part: &&mut Part| matches!(part.role, Role::Withholder | Role::Resetter);
            cast.iter_mut().filter(is_such).for_each(|part| part.framing = Framing::Frames);
        }
        // a fade of short wave comes every half an hour or so
        let usual = 5 + rng.below(30) + if is_slow { 1800 } else { 0 };
        let open = wishes.duration.unwrap_or(Duration::from_secs(usual));
        let load = has_load.then(|| load(&mut rng, open));
        let mut faults = Chances::draw(&mut rng);
        if has_load {
            faults.spare(Fault::AcceptAborted); // its peers try once
        }
        Self {
            seed,
            limits,
            penalties,
            cast,
            load,
            faults,
            open,
            calm: Duration::from_secs(3),
            talk_every: Duration::from_millis(if is_slow { 20_000 } else { 100 + rng.below(1500) }),
            ending: match rng.below(8) {
                0 => Ending::Shutdown,
                1 if !has_load => Ending::InTheMiddle,
                _ => Ending::EverybodyLeaves,
            },
        }
    }

    /// How long it may take until everybody honest has everything, once nobody says anything any more: what is
    /// under way on the slowest way there is, and what its buffers hold.
    pub fn convergence(&self) -> Duration {
        let ways =
            self.cast.iter().map(|part| part.profile).chain(self.load.as_ref().map(|load| load.profile));
        let slowest = ways.max().unwrap_or(Profile::Lan);
        self.limits.ban_time
            + Duration::from_secs(match slowest {
                Profile::Lan | Profile::Wan | Profile::Satellite => 10,
                Profile::Lossy => 60,
                Profile::Congested => 120,
                Profile::HfRadio => 3600,
            })
    }
}

impl Penalties {
    /// As the README has them.
    pub const USUAL: Self =
        Self([Penalty::Ban, Penalty::Ban, Penalty::Ban, Penalty::Ban, Penalty::Pause, Penalty::Ban]);

    /// What one costs.
    pub const fn of(self, offence: Offence) -> Penalty {
        self.0[offence as usize]
    }

    /// The law as the relay is told it.
    pub fn law(self) -> Law {
        let mut law = Law::of::<Flood>();
        for offence in Offence::ALL {
            law.set(offence, self.of(offence)).expect("only what is allowed is drawn");
        }
        law
    }

    /// Some other than the usual. Whoever is over its rate is paused: what it lost else, only the relay would know.
    fn draw(rng: &mut Rng) -> Self {
        let mut penalties = Self::USUAL;
        for offence in [Offence::Magic, Offence::Oversize, Offence::Command, Offence::Checksum] {
            let allowed = crate::relay::allowed(offence);
            let penalty = allowed[rng.below(allowed.len() as u64) as usize];
            if rng.below(3) > 0 && penalty != Penalty::Pause {
                penalties.0[offence as usize] = penalty;
            }
        }
        penalties
    }
}

/// Limits that are met within a world's short life.
fn limits(rng: &mut Rng) -> Limits {
    let mut limits = Limits::new(Network::PRIVATE.magic);
    let mut any = |choices: &[u64]| choices[rng.below(choices.len() as u64) as usize];
    limits.decoder.max_payload = any(&[1000, 20_000, 100_000, 100_000]) as u32;
    limits.decoder.max_skip = any(&[0, 23, 23, 100]);
    let largest = u64::from(limits.decoder.max_payload) + 24;
    limits.max_peers = any(&[8, 20, 1000, 1000]) as usize;
    limits.max_peers_per_ip = Some(any(&[1, 3, 8, 1000])).map(|most| most as usize);
    limits.ban_time = Duration::from_millis(any(&[500, 3000, 10_000]));
    limits.max_bans = any(&[2, 100, 100]) as usize;
    limits.frame_timeout = Duration::from_millis(any(&[1000, 5000, 60_000]));
    limits.idle_timeout =
        Some(any(&[3000, 20_000, 0, 0])).filter(|&millis| millis > 0).map(Duration::from_millis);
    limits.queue_hard_bytes = any(&[2 * largest, 300_000, 2_000_000]).max(2 * largest) as usize;
    limits.queue_soft_bytes = limits.queue_hard_bytes / 2;
    limits.queue_soft_time = Duration::from_millis(any(&[200, 2000, 10_000]));
    limits.retained_max_bytes = any(&[2 * largest, 600_000, 50_000_000]).max(2 * largest + 10_000) as usize;
    limits.drain = Duration::from_millis(any(&[0, 500, 5000]));
    if any(&[0, 0, 0, 1]) > 0 {
        limits.rate_messages = NonZeroU64::new(any(&[20, 200]));
        limits.rate_bytes = NonZeroU64::new(any(&[0, 200_000]));
        limits.idle_timeout = None;
        limits.frame_timeout = NEVER; // reading stops and goes on: how long a frame took is hard to say
    }
    limits.never_ban = vec!["10.9.0.0/16".parse().expect("a net")];
    limits
}

/// The load tester's peers come once and stay: they need places, may be silent, and may have much queued.
fn make_room(limits: &mut Limits) {
    (limits.max_peers, limits.max_peers_per_ip, limits.idle_timeout) = (100_000, None, None);
    (limits.rate_messages, limits.rate_bytes) = (None, None);
    limits.queue_soft_bytes = limits.queue_soft_bytes.max(1_000_000);
    limits.queue_hard_bytes = limits.queue_hard_bytes.max(2_000_000);
    limits.retained_max_bytes = limits.retained_max_bytes.max(50_000_000);
}

/// Over short wave a frame takes minutes, and so does silence; a long queue would take days.
fn have_patience(limits: &mut Limits) {
    (limits.frame_timeout, limits.idle_timeout) = (limits.frame_timeout.max(Duration::from_secs(600)), None);
    limits.decoder.max_payload = limits.decoder.max_payload.min(1000);
    limits.queue_hard_bytes = limits.queue_hard_bytes.min(50_000);
    limits.queue_soft_bytes = limits.queue_hard_bytes / 2;
}

/// In every other world some speak lines. Drawn apart, so that the others are what they were without.
fn teach_lines(seed: u64, cast: &mut [Part], limits: &mut Limits) {
    let mut rng = Rng::new(seed ^ 0x11e5);
    let max_line = [60, 900, 20_000][rng.below(3) as usize];
    limits.max_line = max_line.min(limits.decoder.max_payload as usize);
    if rng.below(2) == 0 {
        return;
    }
    for part in cast.iter_mut().filter(|part| part.role.may_speak_lines()) {
        part.framing = if rng.below(2) == 0 { Framing::Lines } else { Framing::Frames };
    }
    // a payload spelt out is four times as long
    let two_largest = 2 * lines::longest_line(limits.decoder.max_payload.into()) as usize;
    limits.queue_hard_bytes = limits.queue_hard_bytes.max(two_largest);
    limits.queue_soft_bytes = limits.queue_hard_bytes / 2;
    limits.retained_max_bytes = limits.retained_max_bytes.max(two_largest + 10_000);
}

/// Who comes: some kinds of people more often than others, another choice for every seed.
fn cast(rng: &mut Rng, peers: u32, roles: &[Role], limits: &Limits) -> Vec<Part> {
    let others = roles.iter().copied().filter(|role| !role.is_honest());
    let mut present: Vec<Role> = others.filter(|_| rng.below(3) == 0).collect();
    // the load tester's pace would be too much for short wave
    let honest_ways: &[Profile] = match rng.below(16) {
        0 if roles.contains(&Role::Chatter) => &[Profile::HfRadio],
        1..=4 => &[Profile::Lan],
        _ => &[Profile::Lan, Profile::Wan, Profile::Satellite, Profile::Lossy, Profile::Congested],
    };
    let mut pick = |ways: &[Profile]| ways[rng.below(ways.len() as u64) as usize];
    let mut parts = Vec::new();
    if honest_ways.contains(&Profile::HfRadio) {
        present.retain(|role| !role.is_busy()); // such a world lasts long
    }
    // somebody honest is always there, and has a place
    let honest = (peers / 3).clamp(2, limits.max_peers as u32 / 4 + 1);
    for nth in 0..honest {
        let talks = nth % 3 < 2 && roles.contains(&Role::Chatter);
        let role = if talks { Role::Chatter } else { Role::Subscriber };
        let (from, profile) = (address(0, nth), pick(honest_ways));
        parts.push(Part { role, from, profile, framing: Framing::Frames });
    }
    for nth in honest..peers.max(honest) {
        let Some(&role) = present.get(rng.below(present.len().max(1) as u64) as usize) else { break };
        let from = match (role, rng.below(8)) {
            (Role::Twin, _) => address(1, 1),
            (_, 0) => address(1, 2),
            (_, 1) => address(9, nth),
            _ => address(2, nth),
        };
        let ways = [Profile::Lan, Profile::Lan, Profile::Wan, Profile::Congested];
        parts.push(Part { role, from, profile: ways[rng.below(4) as usize], framing: Framing::Frames });
    }
    parts
}

/// An address of the group: 0 the honest, 1 those that many share, 2 everybody's own, 9 those never banned.
fn address(group: u8, nth: u32) -> IpAddr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, group, 0, 1)) + nth).into()
}

fn load(rng: &mut Rng, open: Duration) -> LoadPart {
    let peers = 2 + rng.below(8) as u32;
    let ways = [Profile::Lan, Profile::Wan, Profile::Satellite, Profile::Lossy, Profile::Congested];
    LoadPart {
        peers,
        senders: 1 + rng.below(u64::from(peers)) as u32,
        profile: ways[rng.below(5) as usize],
        every: Duration::from_millis(5 + rng.below(200)),
        sizes: 16..=[16, 250, 900][rng.below(3) as usize],
        duration: open,
    }
}
