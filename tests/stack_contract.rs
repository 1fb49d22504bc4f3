//! What every stack promises, asked of the kernel's, of the simulator's and of the one in memory. Knows the trait `Stack` and no
//! server.
//!
//! A stack connects to its own listener, so one thread has both ends in its hands. Waiting for an event is
//! bounded by the stack's own clock; nothing sleeps.

mod common {
    pub mod memory;
    pub mod simulated;
}

use std::io;
#[cfg(target_os = "linux")]
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use common::memory::{MemoryNet, MemoryStack};
use common::simulated::Simulated;
use peer_relay::kernel::{Family, KernelStack, PortUse, SocketOptions};
use peer_relay::protocol::{Dialect, Token};
use peer_relay::server::{Readiness, Stack, WRITE_PARTS};
use peer_relay::time::Instant;
use peer_relay::wire::Part;

/// Far longer than anything here takes: whatever has not happened by then never will.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than any kernel keeps for a reader that does not read.
const FLOOD_BYTES: usize = 256 << 20;

/// A stack and how to have it listen.
trait World: Sized {
    type Stack: Stack;

    /// None where this machine has no such world.
    fn new() -> Option<Self>;
    fn stack(&mut self) -> &mut Self::Stack;
    /// Another listener; with port 0 anywhere.
    fn listen(&mut self, port: u16, dialect: Dialect) -> io::Result<SocketAddr>;
    fn at(&self) -> SocketAddr;
}

struct KernelV4(KernelStack, SocketAddr);
struct KernelV6(KernelStack, SocketAddr);
struct Memory(MemoryStack, MemoryNet, SocketAddr);
struct Sim(Simulated, SocketAddr);

/// Two ends of one connection, both in our hands.
struct Pair<S: Stack> {
    near: End<S>,
    far: End<S>,
}

struct End<S: Stack> {
    stream: S::Stream,
    token: Token,
}

/// A world in use: its stack, and what it has said that nobody has asked for yet.
struct Rig<W: World> {
    world: W,
    said: Vec<Readiness>,
    last_token: u32,
}

impl World for KernelV4 {
    type Stack = KernelStack;

    fn new() -> Option<Self> {
        let mut stack = KernelStack::new(SocketOptions::default()).unwrap();
        let at = stack.listen(local("127.0.0.1", 0), Family::Own, PortUse::Alone, Dialect::Frames).unwrap();
        Some(Self(stack, at))
    }

    fn stack(&mut self) -> &mut KernelStack {
        &mut self.0
    }

    fn listen(&mut self, port: u16, dialect: Dialect) -> io::Result<SocketAddr> {
        self.0.listen(local("127.0.0.1", port), Family::Own, PortUse::Alone, dialect)
    }

    fn at(&self) -> SocketAddr {
        self.1
    }
}

impl World for KernelV6 {
    type Stack = KernelStack;

    fn new() -> Option<Self> {
        let mut stack = KernelStack::new(SocketOptions::default()).unwrap();
        match stack.listen(local("::1", 0), Family::Own, PortUse::Alone, Dialect::Frames) {
            Ok(at) => Some(Self(stack, at)),
            Err(error) => {
                eprintln!("no IPv6 on this machine: {error}");
                None
            }
        }
    }

    fn stack(&mut self) -> &mut KernelStack {
        &mut self.0
    }

    fn listen(&mut self, port: u16, dialect: Dialect) -> io::Result<SocketAddr> {
        self.0.listen(local("::1", port), Family::Own, PortUse::Alone, dialect)
    }

    fn at(&self) -> SocketAddr {
        self.1
    }
}

impl World for Memory {
    type Stack = MemoryStack;

    fn new() -> Option<Self> {
        let net = MemoryNet::new();
        let at = net.listen(local("127.0.0.1", 0)).unwrap();
        Some(Self(net.stack(), net, at))
    }

    fn stack(&mut self) -> &mut MemoryStack {
        &mut self.0
    }

    fn listen(&mut self, port: u16, dialect: Dialect) -> io::Result<SocketAddr> {
        self.1.listen_for(local("127.0.0.1", port), dialect)
    }

    fn at(&self) -> SocketAddr {
        self.2
    }
}

impl World for Sim {
    type Stack = Simulated;

    fn new() -> Option<Self> {
        let mut stack = Simulated::new();
        let at = stack.listen(local("127.0.0.1", 0), Dialect::Frames).unwrap();
        Some(Self(stack, at))
    }

    fn stack(&mut self) -> &mut Simulated {
        &mut self.0
    }

    fn listen(&mut self, port: u16, dialect: Dialect) -> io::Result<SocketAddr> {
        self.0.listen(local("127.0.0.1", port), dialect)
    }

    fn at(&self) -> SocketAddr {
        self.1
    }
}

impl<W: World> Rig<W> {
    fn new() -> Option<Self> {
        Some(Self { world: W::new()?, said: Vec::new(), last_token: 0 })
    }

    fn stack(&mut self) -> &mut W::Stack {
        self.world.stack()
    }

    fn now(&mut self) -> Instant {
        self.wait(Instant::START)
    }

    fn wait(&mut self, until: Instant) -> Instant {
        let mut said = std::mem::take(&mut self.said);
        let now = self.stack().wait(&mut said, Some(until)).unwrap();
        self.said = said;
        now
    }

    /// Nothing said so far counts.
    fn forget(&mut self) {
        self.now();
        self.said.clear();
    }

    /// Waits until one of these is said, which is then used up.
    fn expect(&mut self, wanted: &[Readiness]) -> Readiness {
        let deadline = self.now() + PATIENCE;
        loop {
            if let Some(place) = self.said.iter().position(|readiness| wanted.contains(readiness)) {
                return self.said.swap_remove(place);
            }
            let now = self.wait(deadline);
            assert!(now < deadline, "none of {wanted:?} within {PATIENCE:?}; said: {:?}", self.said);
        }
    }

    fn expect_input(&mut self, token: Token) {
        self.expect(&[Readiness::Readable(token), Readiness::Ended(token)]);
    }

    fn next_token(&mut self) -> Token {
        self.last_token += 1;
        Token(self.last_token)
    }

    fn accept(&mut self) -> (<W::Stack as Stack>::Stream, SocketAddr) {
        let (stream, from, _) = self.accept_framed();
        (stream, from)
    }

    /// With what is spoken where it came to.
    fn accept_framed(&mut self) -> (<W::Stack as Stack>::Stream, SocketAddr, Dialect) {
        loop {
            match self.stack().accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.expect(&[Readiness::Acceptable]);
                }
                accepted => return accepted.unwrap(),
            }
        }
    }

    fn pair(&mut self) -> Pair<W::Stack> {
        let at = self.world.at();
        let near = self.stack().connect(at, None).unwrap();
        let near = self.registered(near);
        let (far, _) = self.accept();
        let far = self.registered(far);
        self.expect(&[Readiness::Writable(near.token)]);
        self.expect(&[Readiness::Writable(far.token)]);
        Pair { near, far }
    }

    fn registered(&mut self, mut stream: <W::Stack as Stack>::Stream) -> End<W::Stack> {
        let token = self.next_token();
        self.stack().register(&mut stream, token).unwrap();
        End { stream, token }
    }

    fn write(&mut self, end: &mut End<W::Stack>, bytes: &[u8]) -> io::Result<usize> {
        let bytes = Bytes::copy_from_slice(bytes);
        self.stack().write(&mut end.stream, &[Part::new(&bytes, 0, bytes.len())])
    }

    fn write_all(&mut self, end: &mut End<W::Stack>, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.write(end, bytes) {
                Ok(len) => bytes = &bytes[len..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.expect(&[Readiness::Writable(end.token)]);
                }
                Err(error) => panic!("{} bytes before the end: {error}", bytes.len()),
            }
        }
    }

    fn read(&mut self, end: &mut End<W::Stack>, at_most: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; at_most];
        let len = self.stack().read(&mut end.stream, &mut buffer)?;
        buffer.truncate(len);
        Ok(buffer)
    }

    /// Reads on, waiting where there is nothing yet, until so much has come or the end has.
    fn read_up_to(&mut self, end: &mut End<W::Stack>, len: usize) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while all.len() < len {
            match self.read(end, (len - all.len()).min(64 * 1024)) {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => all.extend(bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.expect_input(end.token),
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn read_to_end(&mut self, end: &mut End<W::Stack>) -> io::Result<Vec<u8>> {
        self.read_up_to(end, usize::MAX)
    }

    /// Writes until no more is taken, with the reader standing still. Says what was taken.
    fn fill(&mut self, end: &mut End<W::Stack>) -> Vec<u8> {
        let mut taken = Vec::new();
        while taken.len() < FLOOD_BYTES {
            let bytes = pattern(taken.len(), 1 << 20);
            match self.write(end, &bytes) {
                Ok(len) => taken.extend(&bytes[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return taken,
                Err(error) => panic!("after {} bytes: {error}", taken.len()),
            }
        }
        panic!("{FLOOD_BYTES} bytes written and nobody reads");
    }

    /// A free port can be taken by some other program at any moment, but not by one after the other.
    fn expect_refusal(&mut self, at: SocketAddr) {
        let found: Vec<_> = (0..3).map(|_| self.refusal(at)).collect();
        assert!(found.contains(&Some(io::ErrorKind::ConnectionRefused)), "connecting to {at}: {found:?}");
    }

    /// How connecting fails, if it does.
    fn refusal(&mut self, at: SocketAddr) -> Option<io::ErrorKind> {
        let mut end = match self.stack().connect(at, None) {
            Err(error) => return Some(error.kind()),
            Ok(stream) => self.registered(stream),
        };
        self.expect(&[Readiness::Ended(end.token), Readiness::Writable(end.token)]);
        let written = self.write(&mut end, b"anybody?");
        self.close(end);
        written.err().map(|error| error.kind())
    }

    fn close(&mut self, end: End<W::Stack>) {
        self.stack().close(end.stream);
    }
}

fn local(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

/// Bytes that tell where in the stream they belong.
fn pattern(from: usize, len: usize) -> Vec<u8> {
    (from..from + len).map(|place| (place ^ place >> 8 ^ place >> 16) as u8).collect()
}

fn is_would_block<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Each promise, asked of each world.
macro_rules! contract {
    (@ $module:ident $world:ident $($name:ident)+) => {
        mod $module {
            use super::{Rig, $world};

            $(
                #[test]
                fn $name() {
                    let Some(rig) = Rig::<$world>::new() else { return };
                    super::$name(rig);
                }
            )+
        }
    };
    ($($name:ident)+) => {
        contract!(@ kernel_v4 KernelV4 $($name)+);
        contract!(@ kernel_v6 KernelV6 $($name)+);
        contract!(@ memory Memory $($name)+);
        contract!(@ sim Sim $($name)+);
    };
}

contract! {
    data_arrives_in_order_both_ways
    a_gathering_write_sends_its_parts_in_order
    more_parts_than_one_write_takes_are_sent_by_several
    a_writer_whose_reader_stands_still_is_stopped_and_told_when_there_is_room
    reading_nothing_would_block_and_is_said_when_something_comes
    what_a_small_buffer_left_can_be_read_on
    data_that_came_before_registering_is_said
    the_end_comes_after_the_data
    the_end_is_said_once_and_read_as_often_as_asked
    after_a_shutdown_the_other_direction_still_works
    nothing_can_be_written_after_a_shutdown
    a_close_with_nothing_unread_delivers_what_was_written
    an_abort_is_an_error_on_the_other_side
    an_abort_keeps_nothing_of_a_full_pipe
    a_reset_while_data_waits_ends_in_an_error_both_ways
    writing_to_who_has_closed_fails_in_the_end
    where_nobody_listens_a_connection_fails
    a_connection_that_was_begun_is_there_when_it_is_said_to_be_writable
    a_connection_that_nobody_takes_says_how_it_failed
    registered_anew_a_stream_speaks_under_the_new_token_alone
    accepting_would_block_when_nobody_is_there
    everybody_who_waits_is_accepted_after_one_word
    who_came_is_known_by_its_address
    who_connects_from_an_address_comes_from_it
    who_came_speaks_as_its_listener_does
    after_stop_listening_connections_are_refused
    a_port_cannot_be_taken_twice
    a_time_that_is_past_does_not_wait
    a_time_to_come_is_waited_for
    time_never_goes_back
}

fn data_arrives_in_order_both_ways<W: World>(mut rig: Rig<W>) {
    let Pair { mut near, mut far } = rig.pair();
    for round in 0..20 {
        let (there, back) = (pattern(round, 3000), pattern(round + 77, 2000));
        rig.write_all(&mut near, &there);
        rig.write_all(&mut far, &back);
        assert!(rig.read_up_to(&mut far, 3000).unwrap() == there, "round {round}, there");
        assert!(rig.read_up_to(&mut near, 2000).unwrap() == back, "round {round}, back");
    }
    rig.close(near);
    rig.close(far);
}

fn a_gathering_write_sends_its_parts_in_order<W: World>(mut rig: Rig<W>) {
    let Pair { mut near, mut far } = rig.pair();
    let (one, other) = (Bytes::from_static(b"abcdefgh"), Bytes::from_static(b"ijklmnop"));
    let parts =
        [Part::new(&one, 0, 3), Part::new(&other, 1, 1), Part::new(&other, 2, 8), Part::new(&one, 5, 8)];
    assert_eq!(rig.stack().write(&mut near.stream, &parts).unwrap(), 12);
    assert_eq!(rig.read_up_to(&mut far, 12).unwrap(), b"abcklmnopfgh");
    rig.close(near);
    rig.close(far);
}

fn more_parts_than_one_write_takes_are_sent_by_several<W: World>(mut rig: Rig<W>) {
    let Pair { mut near, mut far } = rig.pair();
    let bytes = Bytes::from(pattern(0, WRITE_PARTS * 5));
    let parts: Vec<Part<'_>> = (0..bytes.len())
        .step_by(2)
        .map(|from| Part::new(&bytes, from, (from + 2).min(bytes.len())))
        .collect();
    let mut sent = 0;
    while sent < bytes.len() {
        assert_eq!(sent % 2, 0, "small parts are taken whole");
        sent += rig.stack().write(&mut near.stream, &parts[sent / 2..]).unwrap();
    }
    assert_eq!(rig.read_up_to(&mut far, bytes.len()).unwrap(), bytes);
    rig.close(near);
    rig.close(far);
}

fn a_writer_whose_reader_stands_still_is_stopped_and_told_when_there_is_room<W: World>(mut rig: Rig<W>) {
    let Pair { mut near, mut far } = rig.pair();
    let taken = rig.fill(&mut near);
    rig.forget();
    // a kernel may find a little more room by itself: only a refusal makes the next word news
    while rig.write(&mut near, b"and a little more").is_ok() {}
    let mut read = Vec::new();
    while !rig.said.contains(&Readiness::Writable(near.token)) {
        let more = rig.read_up_to(&mut far, 64 * 1024).unwrap();
        assert!(!more.is_empty(), "all is read and the writer was never told");
        read.extend(more);
        rig.now();
    }
    let both = read.len().min(taken.len());
    assert!(read[..both] == taken[..both], "what was written, in order");
    assert!(rig.write(&mut near, b"more").unwrap() > 0, "it was told that there is room");
    rig.stack().abort(near.stream);
    rig.stack().abort(far.stream);
}

fn reading_nothing_would_block_and_is_said_when_something_comes<W: World>(mut rig: Rig<W>) {
    let Pair { mut near, mut far } = rig.pair();
    for round in 0..3 {
        assert!(is_would_block(&rig.read(&mut far, 100)), "round {round}");
        rig.forget();
        rig.write_all(&mut near, b"here");
        rig.expect(&[Readiness::Readable(far.token)]);
        assert_eq!(rig.read(&mut far, 100).unwrap(), b"here", "round {round}");
    }
    rig.close(near);
    rig.close(far);
}

fn what_a_small_buffer_left_can_be_read_on<W: World>(mut rig: Rig<W>) {
    let Pair { mut near, mut far } = rig.pair();
    rig.write_all(&mut near, &pattern(0, 1000));
    rig.expect(&[Readiness::Readable(far.token)]);
    let mut all = rig.read(&mut far, 7).unwrap();
    // a full buffer is no reason to say anything again, and none to stop
    while all.len() < 1000 {
        all.extend(rig.read_up_to(&mut far, 1).unwrap());
    }
    assert_eq!(all, pattern(0, 1000));
    assert!(is_would_block(&rig.read(&mut far, 7)));
    rig.forget();
    rig.write_all(&mut near, b"again");
    rig.expect(&[Readiness::Readable(far.token)]);
    assert_eq!(rig.read(&mut far, 7).unwrap(), b"again", "shorter than it could have been");
    rig.forget();
    rig.write_all(&mut near, b"and again");
    rig.expect(&[Readiness::Readable(far.token)]);
    rig.close(near);
    rig.stack().abort(far.stream);
}

fn data_that_came_before_registering_is_said<W: World>(mut rig: Rig<W>) {
    let at = rig.world.at();
    let near = rig.stack().connect(at, None).unwrap();
    let mut near = rig.registered(near);
    rig.expect(&[Readiness::Writable(near.token)]);
    rig.write_all(&mut near, b"early");
    rig.stack().shutdown(&mut near.stream).unwrap();
    let (far, _) = rig.accept();
    let mut far = rig.registered(far);
    rig.expect_input(far.token);
    assert_eq!(rig.read_to_end(&mut far).unwrap(), b"early");
    rig.close(near);
    rig.close(far);
}

fn the_end_comes_after_the_data<W: World>(mut rig: Rig<W>) {
    let Pair { mut near, mut far } = rig.pair();
    rig.write_all(&mut near, &pattern(0, 5000));
    rig.stack().shutdown(&mut near.stream).unwrap();
    rig.expect(&[Readiness::Ended(far.token)]);
    assert_eq!(rig.read_up_to(&mut far, 5000).unwrap(), pattern(0, 5000));
    assert_eq!(rig.read(&mut far, 100).unwrap(), b"");
    rig.close(near);
    rig.close(far);
}

fn the_end_is_said_once_and_read_as_often_as_asked<W: World>(mut rig: Rig<W>) {
    let Pair { mut near, mut far } = rig.pair();
    rig.stack().shutdown(&mut near.stream).unwrap();
    rig.expect(&[Readiness::Ended(far.token)]);
    for _ in 0..3 {
        assert_eq!(rig.read(&mut far, 100).unwrap(), b"");
    }
    rig.forget();
    let soon = rig.now() + Duration::from_millis(5);
    rig.wait(soon);
    assert!(!rig.said.contains(&Readiness::Ended(far.token)), "an edge, not a level");
    rig.close(near);
    rig.close(far);
}

fn after_a_shutdown_the_other_direction_still_works<W: World>(mut rig: Rig<W>) {
    let Pair { mut near, mut far } = rig.pair();
    rig.write_all(&mut near, b"last words");
    rig.stack().shutdown(&mut near.stream).unwrap();
    assert_eq!(rig.read_to_end(&mut far).unwrap(), b"last words");
    let long = pattern(0, 300_000);
    let mut read = Vec::new();
    let mut left = &long[..];
    while read.len() < long.len() {
        match rig.write(&mut far, left) {
            Ok(len) => left = &left[len..],
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        let len = (long.len() - read.len()).min(40_000);
        read.extend(rig.read_up_to(&mut near, len.min(long.len() - left.len() - read.len())).unwrap());
    }
    assert!(read == long, "all of it, in order");
    rig.close(far);
    assert_eq!(rig.read_to_end(&mut near).unwrap(), b"");
    rig.close(near);
}

fn nothing_can_be_written_after_a_shutdown<W: World>(mut rig: Rig<W>) {
    let Pair { mut near, far } = rig.pair();
    rig.stack().shutdown(&mut near.stream).unwrap();
    assert_eq!(rig.write(&mut near, b"too late").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    rig.close(near);
    rig.close(far);
}

fn a_close_with_nothing_unread_delivers_what_was_written<W: World>(mut rig: Rig<W>) {
    let Pair { mut near, mut far } = rig.pair();
    let taken = rig.fill(&mut near);
    rig.close(near);
    assert!(rig.read_to_end(&mut far).unwrap() == taken, "{} bytes in order, then the end", taken.len());
    rig.close(far);
}

fn an_abort_is_an_error_on_the_other_side<W: World>(mut rig: Rig<W>) {
    let Pair { near, mut far } = rig.pair();
    rig.forget();
    rig.stack().abort(near.stream);
    rig.expect(&[Readiness::Ended(far.token)]);
    assert_eq!(rig.read(&mut far, 100).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    rig.close(far);
}

fn an_abort_keeps_nothing_of_a_full_pipe<W: World>(mut rig: Rig<W>) {
    let Pair { mut near, mut far } = rig.pair();
    rig.fill(&mut near);
    rig.stack().abort(near.stream);
    rig.expect(&[Readiness::Ended(far.token)]);
    assert_eq!(rig.read_to_end(&mut far).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    rig.close(far);
}

fn a_reset_while_data_waits_ends_in_an_error_both_ways<W: World>(mut rig: Rig<W>) {
    let Pair { mut near, mut far } = rig.pair();
    rig.write_all(&mut near, b"never read");
    rig.expect(&[Readiness::Readable(far.token)]);
    rig.forget();
    rig.stack().abort(near.stream);
    rig.expect(&[Readiness::Ended(far.token)]);
    rig.expect(&[Readiness::Writable(far.token)]);
    assert_eq!(rig.read_to_end(&mut far).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let error = rig.write(&mut far, b"to nobody").unwrap_err().kind();
    assert!(matches!(error, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{error}");
    rig.close(far);
}

fn writing_to_who_has_closed_fails_in_the_end<W: World>(mut rig: Rig<W>) {
    let Pair { near, mut far } = rig.pair();
    rig.close(near);
    rig.expect(&[Readiness::Ended(far.token)]);
    rig.forget();
    rig.write(&mut far, b"is anybody there?").unwrap();
    rig.expect(&[Readiness::Ended(far.token)]);
    let error = rig.write(&mut far, b"hello?").unwrap_err().kind();
    assert!(matches!(error, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{error}");
    rig.close(far);
}

fn where_nobody_listens_a_connection_fails<W: World>(mut rig: Rig<W>) {
    let at = rig.world.at();
    rig.stack().stop_listening();
    rig.expect_refusal(at);
}

fn a_connection_that_was_begun_is_there_when_it_is_said_to_be_writable<W: World>(mut rig: Rig<W>) {
    let at = rig.world.at();
    let near = rig.stack().connect(at, None).unwrap();
    let mut near = rig.registered(near);
    let mut is_there = false;
    while !is_there {
        rig.expect(&[Readiness::Writable(near.token)]); // may be said too often
        is_there = match rig.stack().connected(&mut near.stream) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                false
            }
        };
    }
    let (far, _) = rig.accept();
    let mut far = rig.registered(far);
    rig.write_all(&mut near, b"here");
    assert_eq!(rig.read_up_to(&mut far, 4).unwrap(), b"here");
    rig.stack().connected(&mut near.stream).unwrap();
    rig.close(near);
    rig.close(far);
}

fn a_connection_that_nobody_takes_says_how_it_failed<W: World>(mut rig: Rig<W>) {
    let at = rig.world.at();
    rig.stack().stop_listening();
    let failure = |rig: &mut Rig<W>| {
        let mut end = match rig.stack().connect(at, None) {
            Err(error) => return Some(error.kind()),
            Ok(stream) => rig.registered(stream),
        };
        rig.expect(&[Readiness::Ended(end.token), Readiness::Writable(end.token)]);
        let connected = rig.stack().connected(&mut end.stream);
        rig.close(end);
        connected.err().map(|error| error.kind())
    };
    // some other program may take the port, but not every time
    let found = [0; 3].map(|_| failure(&mut rig));
    assert!(found.contains(&Some(io::ErrorKind::ConnectionRefused)), "{found:?}");
}

fn registered_anew_a_stream_speaks_under_the_new_token_alone<W: World>(mut rig: Rig<W>) {
    let Pair { near: End { mut stream, token: before }, mut far } = rig.pair();
    rig.write_all(&mut far, b"before");
    rig.expect(&[Readiness::Readable(before)]);
    let token = rig.next_token();
    rig.stack().register(&mut stream, token).unwrap();
    let mut near = End { stream, token };
    rig.forget();
    rig.write_all(&mut far, b" and after");
    assert_eq!(rig.read_up_to(&mut near, 16).unwrap(), b"before and after");
    assert!(!rig.said.contains(&Readiness::Readable(before)), "{:?}", rig.said);
    rig.close(near);
    rig.expect(&[Readiness::Ended(far.token)]);
    rig.close(far);
}

fn accepting_would_block_when_nobody_is_there<W: World>(mut rig: Rig<W>) {
    assert!(is_would_block(&rig.stack().accept()));
    let Pair { near, far } = rig.pair();
    assert!(is_would_block(&rig.stack().accept()));
    rig.close(near);
    rig.close(far);
    let Pair { near, far } = rig.pair();
    rig.close(near);
    rig.close(far);
}

fn everybody_who_waits_is_accepted_after_one_word<W: World>(mut rig: Rig<W>) {
    let at = rig.world.at();
    let near: Vec<_> = (0..50).map(|_| rig.stack().connect(at, None).unwrap()).collect();
    let near: Vec<_> = near.into_iter().map(|stream| rig.registered(stream)).collect();
    for end in &near {
        rig.expect(&[Readiness::Writable(end.token)]); // it is there, so it waits to be accepted
    }
    let far: Vec<_> = (0..50).map(|_| rig.accept().0).collect();
    assert!(is_would_block(&rig.stack().accept()));
    near.into_iter().for_each(|end| rig.close(end));
    far.into_iter().for_each(|stream| rig.stack().close(stream));
}

fn who_came_is_known_by_its_address<W: World>(mut rig: Rig<W>) {
    let at = rig.world.at();
    let (one, other) = (rig.stack().connect(at, None).unwrap(), rig.stack().connect(at, None).unwrap());
    let ((one_far, one_at), (other_far, other_at)) = (rig.accept(), rig.accept());
    assert_eq!((one_at.ip(), other_at.ip()), (at.ip(), at.ip()));
    assert!(one_at.port() != other_at.port() && one_at.port() != 0, "{one_at} and {other_at}");
    for stream in [one, other, one_far, other_far] {
        rig.stack().close(stream);
    }
}

fn who_connects_from_an_address_comes_from_it<W: World>(mut rig: Rig<W>) {
    let at = rig.world.at();
    let other = IpAddr::from([127, 77, 0, 9]);
    let from = if at.is_ipv4() { other } else { at.ip() };
    let near = rig.stack().connect(at, Some(from)).unwrap();
    let (far, came_from) = rig.accept();
    assert_eq!(came_from.ip(), from);
    rig.stack().close(near);
    rig.stack().close(far);
}

fn who_came_speaks_as_its_listener_does<W: World>(mut rig: Rig<W>) {
    let frames = rig.world.at();
    let lines = rig.world.listen(0, Dialect::Lines).unwrap();
    for (at, dialect) in [(lines, Dialect::Lines), (frames, Dialect::Frames), (lines, Dialect::Lines)] {
        let near = rig.stack().connect(at, None).unwrap();
        let (far, _, spoken) = rig.accept_framed();
        assert_eq!(spoken, dialect, "at {at}");
        rig.stack().close(near);
        rig.stack().close(far);
    }
}

fn after_stop_listening_connections_are_refused<W: World>(mut rig: Rig<W>) {
    let at = rig.world.at();
    let other = rig.world.listen(0, Dialect::Frames).unwrap();
    let Pair { mut near, mut far } = rig.pair();
    rig.stack().stop_listening();
    rig.forget();
    rig.expect_refusal(at);
    rig.expect_refusal(other);
    assert!(is_would_block(&rig.stack().accept()));
    rig.write_all(&mut near, b"still here");
    assert_eq!(rig.read_up_to(&mut far, 10).unwrap(), b"still here");
    rig.close(near);
    rig.close(far);
}

fn a_port_cannot_be_taken_twice<W: World>(mut rig: Rig<W>) {
    let port = rig.world.at().port();
    assert_eq!(rig.world.listen(port, Dialect::Frames).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    let Pair { near, far } = rig.pair(); // and whoever had it first has it still
    rig.close(near);
    rig.close(far);
}

fn a_time_that_is_past_does_not_wait<W: World>(mut rig: Rig<W>) {
    let before = rig.now();
    for past in [Instant::START, before] {
        let after = rig.wait(past);
        assert!(after.since(before) < PATIENCE, "{:?}", after.since(before));
    }
}

fn a_time_to_come_is_waited_for<W: World>(mut rig: Rig<W>) {
    rig.forget();
    for micros in [1, 700, 1_000, 20_001] {
        let until = rig.now() + Duration::from_micros(micros);
        let now = rig.wait(until);
        assert!(now >= until, "{micros} µs: {now:?} is before {until:?}");
        assert!(now.since(until) < PATIENCE, "{micros} µs: {now:?} is long after {until:?}");
    }
}

fn time_never_goes_back<W: World>(mut rig: Rig<W>) {
    let began = rig.stack().now();
    let waited = rig.now();
    assert!(waited >= began && rig.stack().now() >= waited, "one clock tells both");
    let mut last = rig.now();
    for round in 0..1000 {
        let now = rig.wait(if round % 100 == 0 { last + Duration::from_micros(1) } else { Instant::START });
        assert!(now >= last, "{now:?} after {last:?}");
        last = now;
    }
}

// the kernel alone

/// A kernel's stack with these options, and a listener there.
fn kernel(options: SocketOptions, at: &str, family: Family) -> io::Result<(KernelStack, SocketAddr)> {
    let mut stack = KernelStack::new(options)?;
    let at = stack.listen(local(at, 0), family, PortUse::Alone, Dialect::Frames)?;
    Ok((stack, at))
}

/// Accepts, however long it takes within reason.
fn accepted(stack: &mut KernelStack) -> (<KernelStack as Stack>::Stream, SocketAddr) {
    let deadline = stack.wait(&mut Vec::new(), Some(Instant::START)).unwrap() + PATIENCE;
    loop {
        if let Ok((stream, from, _)) = stack.accept() {
            return (stream, from);
        }
        let now = stack.wait(&mut Vec::new(), Some(deadline)).unwrap();
        assert!(now < deadline, "nobody came");
    }
}

/// As long as those who wait to be accepted are as many as may wait, whoever comes hears nothing.
#[test]
fn a_connection_that_takes_its_time_is_not_there_before_it_is() {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&local("127.0.0.1", 0).into()).unwrap();
    listener.listen(0).unwrap();
    let at = listener.local_addr().unwrap().as_socket().unwrap();
    let mut stack = KernelStack::new(SocketOptions::default()).unwrap();
    let mut streams: Vec<_> = (0..8).map(|_| stack.connect(at, None).unwrap()).collect();
    for (token, stream) in (0..).map(Token).zip(&mut streams) {
        stack.register(stream, token).unwrap();
    }
    let connected = |stack: &mut KernelStack, streams: &mut [<KernelStack as Stack>::Stream]| -> Vec<bool> {
        let mut is_there = |stream| match stack.connected(stream) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        };
        streams.iter_mut().map(&mut is_there).collect()
    };
    let there = connected(&mut stack, &mut streams);
    assert!(there.contains(&false), "{there:?}");
    let last = there.iter().position(|is_there| !is_there).unwrap();
    assert_eq!(stack.read(&mut streams[last], &mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    // now there is room for all of them; a SYN that was passed over is sent again after a second
    listener.set_nonblocking(true).unwrap();
    let (mut taken, deadline) = (Vec::new(), stack.now() + 2 * PATIENCE);
    while connected(&mut stack, &mut streams).contains(&false) {
        taken.extend(listener.accept().ok());
        let soon = stack.now() + Duration::from_millis(20);
        let now = stack.wait(&mut Vec::new(), Some(soon)).unwrap();
        assert!(now < deadline, "still not there: {:?}", connected(&mut stack, &mut streams));
    }
    assert!(!taken.is_empty());
}

/// An address that cannot be reached from where one stands: no packet leaves.
#[test]
fn where_no_way_leads_a_connection_fails_at_once_or_says_so() {
    let mut stack = KernelStack::new(SocketOptions::default()).unwrap();
    let from = Some(IpAddr::from([127, 0, 0, 1]));
    let mut stream = match stack.connect("192.0.2.1:9".parse().unwrap(), from) {
        Err(error) => return assert_ne!(error.kind(), io::ErrorKind::WouldBlock),
        Ok(stream) => stream,
    };
    stack.register(&mut stream, Token(1)).unwrap();
    let deadline = stack.now() + PATIENCE;
    while let Err(error) = stack.connected(&mut stream) {
        if error.kind() != io::ErrorKind::WouldBlock {
            return;
        }
        let now = stack.wait(&mut Vec::new(), Some(deadline)).unwrap();
        assert!(now < deadline, "neither there nor failed");
    }
    panic!("there is somebody at an address for documentation");
}

#[test]
fn a_wake_from_another_thread_ends_the_wait() {
    let mut stack = KernelStack::new(SocketOptions::default()).unwrap();
    let wake = stack.wake();
    let waker = std::thread::spawn(move || wake.wake());
    let mut ready = Vec::new();
    let deadline = Instant::START + PATIENCE;
    while ready.is_empty() {
        let now = stack.wait(&mut ready, Some(deadline)).unwrap();
        assert!(now < deadline, "never woken");
    }
    assert_eq!(ready, [Readiness::Woken]);
    waker.join().unwrap();
}

#[test]
fn accepted_sockets_have_the_options_given() {
    let silence = Duration::from_secs(90);
    let options =
        SocketOptions { keepalive: Some(silence), recv_buffer: Some(100_000), send_buffer: Some(50_000) };
    let (mut stack, at) = kernel(options, "127.0.0.1", Family::Own).unwrap();
    let ours = stack.connect(at, None).unwrap();
    let (accepted, _) = accepted(&mut stack);
    for (name, stream) in [("accepted", &accepted), ("connected", &ours)] {
        let socket = socket2::SockRef::from(stream);
        assert!(socket.tcp_nodelay().unwrap(), "{name}");
        assert!(socket.keepalive().unwrap(), "{name}");
        assert_eq!(socket.tcp_keepalive_time().unwrap(), silence, "{name}");
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), silence / 3, "{name}");
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3, "{name}");
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(silence * 2), "{name}");
        // Linux doubles what it is given, for its own bookkeeping
        let (recv, send) = (socket.recv_buffer_size().unwrap(), socket.send_buffer_size().unwrap());
        assert!((100_000..=200_000).contains(&recv), "{name}: {recv}");
        assert!((50_000..=100_000).contains(&send), "{name}: {send}");
    }
}

#[test]
fn where_slowness_is_allowed_only_silence_ends_a_connection() {
    let options = SocketOptions { keepalive: Some(Duration::from_secs(90)), ..SocketOptions::default() };
    let (mut stack, at) = kernel(options, "127.0.0.1", Family::Own).unwrap();
    let ours = stack.connect(at, None).unwrap();
    stack.allow_slowness(&ours).unwrap();
    let socket = socket2::SockRef::from(&ours);
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_user_timeout().unwrap().unwrap_or_default(), Duration::ZERO);
}

#[test]
fn without_options_only_nagle_is_off() {
    let (mut stack, at) = kernel(SocketOptions::default(), "127.0.0.1", Family::Own).unwrap();
    let _ours = stack.connect(at, None).unwrap();
    let (accepted, _) = accepted(&mut stack);
    let socket = socket2::SockRef::from(&accepted);
    assert!(socket.tcp_nodelay().unwrap());
    assert!(!socket.keepalive().unwrap());
}

#[test]
fn an_ipv4_client_of_a_dual_stack_wildcard_is_an_ipv4_client() {
    let Ok((mut stack, at)) = kernel(SocketOptions::default(), "::", Family::Both) else {
        return eprintln!("no IPv6 on this machine");
    };
    let ours = stack.connect(local("127.0.0.1", at.port()), None).unwrap();
    let (_accepted, from) = accepted(&mut stack);
    assert_eq!(from, ours.local_addr().unwrap());
    assert!(from.is_ipv4(), "{from}");
}

/// The same number may be somebody else's in IPv4: another is tried then.
#[test]
fn an_ipv6_wildcard_of_its_own_leaves_ipv4_to_others() {
    let (mut errors, mut held) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        let Ok((mut stack, at)) = kernel(SocketOptions::default(), "::", Family::Own) else {
            return eprintln!("no IPv6 on this machine");
        };
        match stack.listen(local("0.0.0.0", at.port()), Family::Own, PortUse::Alone, Dialect::Frames) {
            Ok(_) => return,
            Err(error) => errors.push(error),
        }
        held.push(stack); // or the next would be given the same number
    }
    panic!("not once in two hundred times: {errors:?}");
}

/// With the first listener's backlog never empty, the second's is not left waiting.
#[test]
fn no_listener_waits_for_another_to_run_dry() {
    let (mut stack, first) = kernel(SocketOptions::default(), "127.0.0.1", Family::Own).unwrap();
    let second = stack.listen(local("127.0.0.1", 0), Family::Own, PortUse::Alone, Dialect::Frames).unwrap();
    let _clients: Vec<_> =
        [first, first, first, first, second].map(|at| std::net::TcpStream::connect(at).unwrap()).into();
    // a blocking connect is in the backlog when it returns, and both listeners say so
    let mut ready = Vec::new();
    let deadline = Instant::START + PATIENCE;
    while ready.len() < 2 {
        let now = stack.wait(&mut ready, Some(deadline)).unwrap();
        assert!(now < deadline, "only {ready:?}");
    }
    let came_to: Vec<_> = (0..2).map(|_| accepted(&mut stack).0.local_addr().unwrap()).collect();
    assert!(came_to.contains(&second), "the first two of five came to {came_to:?}");
}

/// The poll counts in milliseconds. The best of many waits says how long one takes: a busy machine adds to it.
#[test]
fn a_stack_that_keeps_exact_time_waits_no_whole_millisecond_for_a_part_of_one() {
    let mut stack = KernelStack::new(SocketOptions::default()).unwrap();
    stack.keep_exact_time().unwrap();
    let mut lateness = |span| {
        let until = stack.now() + span;
        let mut now = stack.now();
        while now < until {
            now = stack.wait(&mut Vec::new(), Some(until)).unwrap();
        }
        now.since(until)
    };
    let best = (0..200).map(|_| lateness(Duration::from_micros(300))).min().unwrap();
    assert!(best < Duration::from_micros(500), "{best:?} too late at best");
    assert!(lateness(Duration::from_millis(20)) < PATIENCE);
    assert!(lateness(Duration::ZERO) < PATIENCE);
}

/// A read ends at the place of urgent data and no edge follows: the word for it is `Urgent`, and after that a
/// short read is no reason to stop.
#[cfg(target_os = "linux")]
#[test]
fn around_urgent_data_everything_is_read_though_reads_are_cut_short() {
    let (mut stack, at) = kernel(SocketOptions::default(), "127.0.0.1", Family::Own).unwrap();
    let mut client = std::net::TcpStream::connect(at).unwrap();
    let (mut ours, _) = accepted(&mut stack);
    let token = Token(7);
    stack.register(&mut ours, token).unwrap();
    let (mut sent, mut read) = (Vec::new(), Vec::<u8>::new());
    let (mut is_readable, mut is_read_to_the_end) = (false, false);
    let mut buffer = [0; 4096];
    let mut ready = Vec::new();
    for round in 0..3 {
        let (before, after) = (pattern(round, 1000), pattern(round + 77, 500));
        client.write_all(&before).unwrap();
        assert_eq!(socket2::SockRef::from(&client).send_out_of_band(b"!").unwrap(), 1);
        client.write_all(&after).unwrap();
        sent.extend([before, after].concat());
        let deadline = stack.wait(&mut ready, Some(Instant::START)).unwrap() + PATIENCE;
        while read.len() < sent.len() {
            for said in ready.drain(..) {
                is_readable |= said != Readiness::Writable(token);
                is_read_to_the_end |= said == Readiness::Urgent(token);
            }
            while is_readable {
                match stack.read(&mut ours, &mut buffer) {
                    Ok(len) => {
                        is_readable = len == buffer.len() || is_read_to_the_end;
                        read.extend(&buffer[..len]);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => is_readable = false,
                    Err(error) => panic!("{error}"),
                }
            }
            if read.len() < sent.len() {
                let now = stack.wait(&mut ready, Some(deadline)).unwrap();
                assert!(now < deadline, "round {round}: {} bytes of {} and no word", read.len(), sent.len());
            }
        }
        assert!(read == sent, "round {round}: what is in band, in order");
    }
}
