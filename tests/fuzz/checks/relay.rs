//! A whole relay that is told whatever a byte string says: who comes, what each sends, takes and breaks off, and when.
//! Knows how to tell; what must come of it is in `account.rs`.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU64;
use std::time::Duration;

use peer_relay::protocol::{Flood, Offence, Penalty};
use peer_relay::relay::{AddressKey, Law, Limits, Reason, Refusal};
use peer_relay::wire::Network;

use crate::account::check_peer;
use crate::tape::Tape;
use crate::world::{Name, WITNESS, World, frame};

/// Longer stories are no other stories, and take longer.
const MOST_STEPS: usize = 100;
/// Longest silence, of which the idle timeout allows two: the witness speaks before each.
const LONGEST_PASS_MS: u64 = 20_000;
/// More than twice the drain time: for what is still to be read of a peer, and for what it is still to take.
const LONGEST_DRAIN: Duration = Duration::from_secs(11);
/// Longer than anything may take.
const FOR_EVER: Duration = Duration::from_secs(300);
/// How much larger everything is where frames are large enough for a chunk of their own. Rarely: it takes longer.
const LARGE: usize = 250;

/// Two that are one to the law, one that is never banned, two of one /64, one alone.
const ADDRESSES: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
    IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xcb00, 0x7101)),
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

pub fn check(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let (law, limits) = (law(&mut tape), limits(&mut tape));
    let mut world = World::new(law.clone(), limits);
    let is_shut_down = tape.byte() % 2 == 1;
    for _ in 0..MOST_STEPS {
        if tape.is_over() {
            break;
        }
        step(&mut tape, &mut world);
    }
    world.turn();
    assert_eq!(world.peers[WITNESS].gone, None, "the witness was sent away");
    let may_lack = law.penalty(Offence::Flood) == Penalty::Drop;
    let heard = world.present().into_iter().skip(1).filter(|&name| world.read_limit(name) > 0);
    heard.for_each(|name| check_peer(&world, name, may_lack)); // the others have no more to come than at the end
    end(&mut world, is_shut_down);
    (1..world.peers.len()).for_each(|name| check_peer(&world, name, may_lack));
}

fn law(tape: &mut Tape<'_>) -> Law {
    use Penalty::{Ban, Disconnect, Drop, Pause};
    let mut law = Law::of::<Flood>();
    let choices = tape.byte();
    for (offence, bit, penalty) in
        [(Offence::Magic, 1, Disconnect), (Offence::Oversize, 2, Disconnect), (Offence::Command, 4, Drop)]
    {
        law.set(offence, if choices & bit == 0 { Ban } else { penalty }).expect("it may cost that");
    }
    law.set(Offence::Checksum, tape.one_of(&[Ban, Drop, Disconnect])).expect("it may cost that");
    law.set(Offence::Flood, tape.one_of(&[Pause, Ban, Drop, Disconnect])).expect("it may cost that");
    law
}

/// Small, so that they are reached.
fn limits(tape: &mut Tape<'_>) -> Limits {
    let choices = tape.byte();
    let is = |bit: u8| choices & bit != 0;
    let scale = if choices % 8 == 7 { LARGE } else { 1 };
    let mut limits = Limits {
        max_peers: 7,
        max_peers_per_ip: Some(2),
        ban_time: Duration::from_secs(30),
        max_bans: 2,
        never_ban: vec!["198.51.100.0/24".parse().expect("a net")],
        frame_timeout: Duration::from_secs(15),
        idle_timeout: is(128).then_some(Duration::from_millis(2 * LONGEST_PASS_MS)),
        queue_soft_bytes: 700 * scale,
        queue_hard_bytes: 1400 * scale,
        retained_max_bytes: 2000 * scale,
        rate_messages: NonZeroU64::new(50).filter(|_| is(16)),
        rate_bytes: NonZeroU64::new(4000).filter(|_| is(32)),
        drain: Duration::from_secs(if is(64) { 0 } else { 5 }),
        ..Limits::new(Network::PRIVATE.magic)
    };
    limits.decoder.max_payload = 300 * scale as u32;
    limits
}

fn step(tape: &mut Tape<'_>, world: &mut World) {
    match tape.byte() % 16 {
        0 | 1 => join(tape, world),
        2..=4 => say(tape, world, whole),
        5 => say(tape, world, pings),
        6 => say(tape, world, bent),
        7 => say(tape, world, |tape, _| some(tape).to_vec()),
        8 => say(tape, world, cut),
        9 => with_stranger(tape, world, |_, world, who| world.peers[who].has_ended = true),
        10 => with_stranger(tape, world, |_, world, who| world.hang_up(who)),
        11 => {
            world.turn(); // closing comes behind the outputs
            let lost = Reason::Lost(ErrorKind::ConnectionReset);
            with_stranger(tape, world, |_, world, who| world.close(who, lost));
        }
        12 => with_stranger(tape, world, |tape, world, who| {
            world.peers[who].takes = tape.one_of(&[0, 1, 23, 700, 5000, usize::MAX]);
        }),
        13 | 14 => world.turn(),
        _ => pass(tape, world),
    }
}

fn with_stranger(tape: &mut Tape<'_>, world: &mut World, act: impl FnOnce(&mut Tape<'_>, &mut World, Name)) {
    let strangers = &world.present()[1..];
    let choice = usize::from(tape.byte());
    if !strangers.is_empty() {
        let who = strangers[choice % strangers.len()];
        act(tape, world, who);
    }
}

fn join(tape: &mut Tape<'_>, world: &mut World) {
    world.turn(); // accept comes last
    let address = tape.one_of(&ADDRESSES);
    let key = AddressKey::of(address);
    let is_same = |&&name: &&Name| AddressKey::of(world.peers[name].address) == key;
    let from_there = world.present().iter().filter(is_same).count();
    let is_banned = world.is_banned(address);
    let is_full = world.present().len() == world.limits.max_peers;
    match world.join(address) {
        Ok(()) => assert!(!is_banned && !is_full && from_there < 2),
        Err(Refusal::Banned { left, .. }) => assert!(is_banned && left <= world.limits.ban_time),
        Err(Refusal::TooManyFromAddress(whose)) => assert!(whose == key && from_there == 2),
        Err(Refusal::Full) => assert!(is_full),
    }
}

/// Puts bytes on their way from a stranger. A turn's end, if it has one, is the next step's business.
fn say(tape: &mut Tape<'_>, world: &mut World, what: impl FnOnce(&mut Tape<'_>, &Limits) -> Vec<u8>) {
    with_stranger(tape, world, |tape, world, who| {
        let said = what(tape, &world.limits);
        let peer = &mut world.peers[who];
        if !peer.has_ended {
            peer.unread.extend(said);
        }
    });
}

fn pass(tape: &mut Tape<'_>, world: &mut World) {
    speak(world);
    world.lateness = Duration::from_millis((tape.byte() % 8).into());
    let millis = u64::from(tape.word()) % LONGEST_PASS_MS;
    world.pass(Duration::from_millis(millis.max(100)));
}

/// The witness says what is nobody's business, and is not silent.
fn speak(world: &mut World) {
    world.peers[WITNESS].unread = frame("pong", b"");
    world.turn();
}

/// A frame, mostly small; where large ones are allowed, sometimes one that is a chunk of its own.
fn whole(tape: &mut Tape<'_>, limits: &Limits) -> Vec<u8> {
    let (command, choice) = (tape.one_of(&["tx", "", "pong", "strange"]), tape.byte());
    let most = limits.decoder.max_payload as usize;
    let len = match choice {
        0..=200 => choice.into(),
        201..=250 => most.min(3000) - usize::from(choice - 201),
        _ => most,
    };
    frame(command, &vec![choice; len])
}

/// As many as a queue holds, or a few more.
fn pings(tape: &mut Tape<'_>, limits: &Limits) -> Vec<u8> {
    let len = limits.decoder.max_payload.min(5 * u32::from(tape.byte())) as usize;
    let most = limits.queue_hard_bytes / (24 + len) + 3;
    let count = 1 + usize::from(tape.byte()) % most.min(80);
    frame("ping", &vec![1; len]).repeat(count)
}

fn bent(tape: &mut Tape<'_>, limits: &Limits) -> Vec<u8> {
    let (mut bytes, at) = (whole(tape, limits), tape.word());
    let at = usize::from(at) % bytes.len();
    bytes[at] ^= tape.byte();
    bytes
}

fn cut(tape: &mut Tape<'_>, limits: &Limits) -> Vec<u8> {
    let (bytes, at) = (whole(tape, limits), tape.word());
    bytes[..usize::from(at) % bytes.len()].to_vec()
}

fn some<'a>(tape: &mut Tape<'a>) -> &'a [u8] {
    let len = tape.byte();
    tape.bytes(len.into())
}

/// Everybody goes, by himself or because the relay does, and nothing is left.
fn end(world: &mut World, is_shut_down: bool) {
    if is_shut_down {
        world.relay.shut_down(world.now);
        world.turn();
    } else {
        // the witness last: it is to see what is read of the others until then
        world.present().into_iter().skip(1).for_each(|name| world.hang_up(name));
        speak(world);
        world.pass(LONGEST_DRAIN);
        assert_eq!(world.present(), [WITNESS], "nobody stays longer than he may");
        world.hang_up(WITNESS);
    }
    world.pass(FOR_EVER);
    let relay = &world.relay;
    assert_eq!((relay.peers(), relay.retained_bytes(), relay.next_deadline()), (0, 0, None));
    let said: usize = world.peers.iter().map(|peer| peer.said.len()).sum();
    let got: usize = world.peers.iter().map(|peer| peer.inbox.len()).sum();
    let stats = relay.stats();
    assert_eq!((stats.incoming.bytes, stats.outgoing.bytes), (said as u64, (got + world.log.len()) as u64));
}
