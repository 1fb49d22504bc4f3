//! How two meet: one connects, or waits for one to come. Knows nothing of what they say then, but what to tell when
//! they do not meet.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::conversation::{Piece, Side};
use super::framing::Framing;
use super::losing::closed_at_once;
use super::screen::Screen;
use crate::cli::Failure;
use crate::cli::listening::{NEEDS_INTERFACE, cannot_listen, family, lacks_interface};
use crate::cli::target::{NO_RELAY, Target};
use crate::kernel::{KernelStack, PortUse};
use crate::protocol::Dialect;
use crate::protocol::Token;
use crate::server::{Readiness, Stack};
use crate::time::Instant;

/// How long an address may take to answer.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Bytes that a connection may have brought before it is known to be one.
const EARLY_BYTES: usize = 4096;

/// A connection, just made.
pub struct Met<T> {
    pub stream: T,
    pub token: Token,
    pub with: SocketAddr,
    pub side: Side,
    /// What was read from it to see whether it is one.
    pub early: Vec<u8>,
    /// It was said to have ended: a short read says nothing.
    pub has_ended: bool,
    pub now: Instant,
}

/// Tries every address that the target has, in order.
pub fn connect<S: Stack>(
    stack: &mut S,
    target: &Target,
    port: u16,
    framing: Framing,
) -> Result<Met<S::Stream>, Failure> {
    let mut last = Failure::failed("no address to connect to".into());
    for (token, at) in (0..).map(Token).zip(target.resolve(port)?) {
        match attempt(stack, at, token) {
            Ok(met) => return Ok(met),
            // somebody is there, and does not want us: whoever is at another address is somebody else
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(closed_at_once(at, framing));
            }
            Err(error) => last = cannot_connect(at, framing, &error),
        }
    }
    Err(last)
}

fn attempt<S: Stack>(stack: &mut S, with: SocketAddr, token: Token) -> io::Result<Met<S::Stream>> {
    let mut stream = stack.connect(with, None)?;
    stack.register(&mut stream, token)?;
    let until = stack.now() + CONNECT_TIME;
    let mut ready = Vec::new(); // an event is said once: what is said of this stream adds up
    loop {
        let now = stack.wait(&mut ready, Some(until))?;
        let has_ended = ready.contains(&Readiness::Ended(token));
        let mut early = Vec::new();
        if has_ended {
            early = first_bytes(stack, &mut stream)?;
        }
        if has_ended || ready.contains(&Readiness::Writable(token)) {
            return Ok(Met { stream, token, with, side: Side::Connected, early, has_ended, now });
        }
        if now >= until {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// How the connection ended, when it did; or what it brought before that, perhaps nothing.
fn first_bytes<S: Stack>(stack: &mut S, stream: &mut S::Stream) -> io::Result<Vec<u8>> {
    let mut early = vec![0; EARLY_BYTES];
    match stack.read(stream, &mut early) {
        Ok(len) => {
            early.truncate(len);
            Ok(early)
        }
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(Vec::new()),
            _ => Err(error),
        },
    }
}

/// What the stack is told is spoken where we listen: it has no use for that, and we know better.
const SPOKEN: Dialect = Dialect::Frames;

/// Waits for whoever comes first, and for nobody after him.
pub fn listen(
    stack: &mut KernelStack,
    at: SocketAddr,
    screen: &mut Screen,
) -> Result<Met<<KernelStack as Stack>::Stream>, Failure> {
    let family = family(at, &[]);
    let opened = stack
        .listen(at, family, PortUse::Alone, SPOKEN)
        .map_err(|error| cannot_listen("--listen", at, &error))?;
    screen.show(vec![Piece::Status(format!("listening on {opened}, for one peer"))]);
    let failed = |what: &str, error: io::Error| Failure::failed(format!("cannot {what}: {error}"));
    let (mut stream, with, now) = loop {
        let now = stack.wait(&mut Vec::new(), None).map_err(|error| failed("wait for a peer", error))?;
        if let Some((stream, with)) = accepted(stack).map_err(|error| failed("accept a peer", error))? {
            break (stream, with, now);
        }
    };
    stack.stop_listening();
    let token = Token(0);
    stack.register(&mut stream, token).map_err(|error| failed("wait for the peer", error))?;
    Ok(Met { stream, token, with, side: Side::Listened, early: Vec::new(), has_ended: false, now })
}

/// One connection, if there is one. That one of them failed before it was taken is nobody's business.
fn accepted<S: Stack>(stack: &mut S) -> io::Result<Option<(S::Stream, SocketAddr)>> {
    loop {
        match stack.accept() {
            Ok((stream, from, _)) => return Ok(Some((stream, from))),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => return Ok(None),
                io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted => {}
                _ => return Err(error),
            },
        }
    }
}

fn cannot_connect(to: SocketAddr, framing: Framing, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused if framing == Framing::Lines => {
            format!("refused. Is anybody there? Start one: peer-relay peer --lines --listen {to}")
        }
        io::ErrorKind::ConnectionRefused => NO_RELAY.into(),
        io::ErrorKind::TimedOut => format!("no answer within {} s", CONNECT_TIME.as_secs()),
        io::ErrorKind::InvalidInput if lacks_interface(to) => NEEDS_INTERFACE.into(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "unreachable".into(),
        _ => error.to_string(),
    };
    Failure::failed(format!("cannot connect to {to}: {why}"))
}
