//! The simulator's TCP between two hosts that are next to each other: what one sends is with the other before
//! anything else happens. Knows the trait `Stack` and the simulator's packets.

use std::io;
use std::net::{IpAddr, SocketAddr};

use peer_relay::protocol::{Dialect, Token};
use peer_relay::server::{Readiness, Stack};
use peer_relay::sim::{Chances, Faults, SimStack, SimStream};
use peer_relay::time::Instant;
use peer_relay::wire::Part;

/// Bytes between two ends.
const ROOM: usize = 64 * 1024;

/// Two hosts as one: the first connects, the second accepts.
pub struct Simulated {
    near: SimStack,
    far: SimStack,
    now: Instant,
    listeners: Vec<SocketAddr>,
    last_port: u16,
}

/// Whose end it is.
pub enum End {
    Near(SimStream),
    Far(SimStream),
}

impl Simulated {
    pub fn new() -> Self {
        let host = |nth| SimStack::new(nth, 2, Faults::new(0, Chances::default()));
        Self { near: host(0), far: host(1), now: Instant::START, listeners: Vec::new(), last_port: 1000 }
    }

    /// Opens a listener, on a port of its own if none is given.
    pub fn listen(&mut self, at: SocketAddr, dialect: Dialect) -> io::Result<SocketAddr> {
        self.last_port += 1;
        let port = if at.port() == 0 { self.last_port } else { at.port() };
        let at = SocketAddr::new(at.ip(), port);
        if self.listeners.contains(&at) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        self.listeners.push(at);
        self.far.listen(at, dialect);
        Ok(at)
    }

    /// Carries packets until nobody has any to send.
    fn carry(&mut self) {
        let mut under_way = Vec::new();
        loop {
            self.near.drain_outbox(&mut under_way);
            let there = under_way.len();
            self.far.drain_outbox(&mut under_way);
            if under_way.is_empty() {
                return;
            }
            for (nth, packet) in under_way.drain(..).enumerate() {
                let host = if nth < there { &mut self.far } else { &mut self.near };
                host.arrive(packet, ROOM);
            }
        }
    }
}

impl Stack for Simulated {
    type Stream = End;

    fn wait(&mut self, ready: &mut Vec<Readiness>, until: Option<Instant>) -> io::Result<Instant> {
        self.carry();
        let before = ready.len();
        for host in [&mut self.near, &mut self.far] {
            host.begin_turn(self.now);
            host.wait(ready, until)?;
        }
        if ready.len() == before {
            self.now = self.now.max(until.expect("nothing is ready and nobody wants to be woken"));
        }
        Ok(self.now)
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn accept(&mut self) -> io::Result<(End, SocketAddr, Dialect)> {
        self.carry();
        self.far.accept().map(|(stream, from, dialect)| (End::Far(stream), from, dialect))
    }

    fn stop_listening(&mut self) {
        self.listeners.clear();
        self.far.stop_listening();
    }

    fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<End> {
        self.near.connect(to, from).map(End::Near)
    }

    fn connected(&mut self, stream: &mut End) -> io::Result<()> {
        self.carry();
        match stream {
            End::Near(stream) => self.near.connected(stream),
            End::Far(stream) => self.far.connected(stream),
        }
    }

    fn register(&mut self, stream: &mut End, token: Token) -> io::Result<()> {
        match stream {
            End::Near(stream) => self.near.register(stream, token),
            End::Far(stream) => self.far.register(stream, token),
        }
    }

    fn read(&mut self, stream: &mut End, into: &mut [u8]) -> io::Result<usize> {
        self.carry();
        match stream {
            End::Near(stream) => self.near.read(stream, into),
            End::Far(stream) => self.far.read(stream, into),
        }
    }

    fn write(&mut self, stream: &mut End, parts: &[Part<'_>]) -> io::Result<usize> {
        self.carry();
        match stream {
            End::Near(stream) => self.near.write(stream, parts),
            End::Far(stream) => self.far.write(stream, parts),
        }
    }

    fn shutdown(&mut self, stream: &mut End) -> io::Result<()> {
        match stream {
            End::Near(stream) => self.near.shutdown(stream),
            End::Far(stream) => self.far.shutdown(stream),
        }
    }

    fn close(&mut self, stream: End) {
        match stream {
            End::Near(stream) => self.near.close(stream),
            End::Far(stream) => self.far.close(stream),
        }
    }

    fn abort(&mut self, stream: End) {
        match stream {
            End::Near(stream) => self.near.abort(stream),
            End::Far(stream) => self.far.abort(stream),
        }
    }
}
