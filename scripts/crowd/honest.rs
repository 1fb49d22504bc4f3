//! The honest peers of a soak, in one poll loop: all of them speak at a steady rate, and each keeps account
//! of what it hears. Knows no fault but theirs.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use peer_relay::wire::{Decoder, Frame};

use crate::PATIENCE;
use crate::frames::{self, Label, Speech};
use crate::hostile;
use crate::ledger::{Account, Ledger};

/// How often one speaks.
const EVERY: Duration = Duration::from_millis(100);
/// How often the first does, in frames of 32 KiB: 2 MiB a second, for slow readers to fall behind.
const FIRST_EVERY: Duration = Duration::from_micros(15_625);
/// Bytes the slowest may lack before nobody speaks any more: half of what the relay lets a queue hold for as
/// long as it likes. A machine that is busy makes the soak smaller, not red.
const LAG_MAX: u64 = 768 * 1024;
/// Longest wait of a turn: as late as that is a peer in speaking, or in seeing that it is over.
const TICK: Duration = Duration::from_millis(5);

/// All honest peers.
#[derive(Debug)]
pub struct Room {
    poll: Poll,
    peers: Vec<Peer>,
    speech: Speech,
    ledger: Ledger,
    began: Instant,
    /// Bytes of all that was said.
    said_bytes: u64,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Peer {
    /// None once it is cut off.
    stream: Option<TcpStream>,
    decoder: Decoder,
    unsent: Vec<u8>,
    /// On each sender.
    accounts: Vec<Account>,
    said: u64,
    /// Bytes of honest frames it said or heard.
    known_bytes: u64,
    is_in: bool,
    speaks_at: Instant,
}

impl Room {
    /// So many peers, each of an address of its own. Returns once all are in.
    pub fn join(to: SocketAddr, count: u8) -> Result<Self, String> {
        let poll = Poll::new().map_err(|error| format!("cannot poll: {error}"))?;
        let mut room = Self {
            poll,
            peers: Vec::new(),
            speech: Speech::new(),
            ledger: Ledger::default(),
            began: Instant::now(),
            said_bytes: 0,
            scratch: vec![0; 64 * 1024],
        };
        for index in 0..count {
            room.add(to, index, count)?;
        }
        let began = Instant::now();
        while !room.peers.iter().all(|peer| peer.is_in) {
            if began.elapsed() > PATIENCE || room.ledger.cut_off > 0 {
                return Err("honest peers are not let in".into());
            }
            room.turn()?;
        }
        Ok(room)
    }

    /// Everybody speaks, until it is over or something is wrong already; then hears out the others and goes.
    pub fn run(mut self, is_over: &Arc<AtomicBool>) -> Result<Ledger, String> {
        while !is_over.load(Ordering::Relaxed) && !self.is_broken() {
            self.speak();
            self.turn()?;
        }
        let mut progress = (self.ledger.received, Instant::now());
        while self.lag() > 0 && !self.is_broken() && progress.1.elapsed() < PATIENCE {
            self.turn()?;
            if self.ledger.received != progress.0 {
                progress = (self.ledger.received, Instant::now());
            }
        }
        if self.lag() == 0 && !self.is_broken() {
            self.fence()?;
        }
        Ok(self.close())
    }

    fn add(&mut self, to: SocketAddr, index: u8, count: u8) -> Result<(), String> {
        let from = Ipv4Addr::new(127, 0, 1, index + 1);
        let stream =
            hostile::connect(to, from).map_err(|error| format!("no honest peer connects: {error}"))?;
        let mut stream = stream
            .set_nonblocking(true)
            .map(|()| TcpStream::from_std(stream))
            .map_err(|error| format!("no socket without waiting: {error}"))?;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, Token(index.into()), both)
            .map_err(|error| format!("cannot poll a peer: {error}"))?;
        let mut peer = Peer {
            stream: Some(stream),
            decoder: frames::decoder(),
            unsent: frames::encode("ping", b""),
            accounts: (0..count).map(|_| Account::default()).collect(),
            said: 0,
            known_bytes: 0,
            is_in: false,
            // not all at once
            speaks_at: Instant::now() + EVERY * u32::from(index) / u32::from(count),
        };
        peer.flush(&mut self.ledger);
        self.peers.push(peer);
        Ok(())
    }

    /// Another ping, when all has come: what the relay sends beyond it has come before its pong.
    fn fence(&mut self) -> Result<(), String> {
        for peer in &mut self.peers {
            peer.is_in = false;
            peer.unsent.extend(frames::encode("ping", b""));
            peer.flush(&mut self.ledger);
        }
        let began = Instant::now();
        while !self.is_broken() && !self.peers.iter().all(|peer| peer.is_in) {
            if began.elapsed() > PATIENCE {
                return Err("honest peers get no pong at the end".into());
            }
            self.turn()?;
        }
        Ok(())
    }

    /// Whoever it is time for says a frame, unless somebody is too far behind.
    fn speak(&mut self) {
        let now = Instant::now();
        for sender in 0..self.peers.len() {
            if self.peers[sender].speaks_at > now || self.lag() > LAG_MAX {
                continue;
            }
            let peer = &mut self.peers[sender];
            let micros = self.began.elapsed().as_micros() as u64; // some hundred thousand years
            let bytes = self.speech.encode(&Label { sender: sender as u32, number: peer.said, micros });
            let every = if sender == 0 { FIRST_EVERY } else { EVERY };
            peer.speaks_at = (peer.speaks_at + every).max(now - EVERY); // what was not said in time is left unsaid
            peer.said += 1;
            peer.known_bytes += bytes.len() as u64;
            self.said_bytes += bytes.len() as u64;
            peer.unsent.extend(bytes);
            peer.flush(&mut self.ledger);
        }
    }

    fn turn(&mut self) -> Result<(), String> {
        let mut events = Events::with_capacity(1024);
        match self.poll.poll(&mut events, Some(TICK)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return Err(format!("cannot poll: {error}"));
            }
            _ => {}
        }
        for event in &events {
            let index = event.token().0;
            if event.is_writable() {
                self.peers[index].flush(&mut self.ledger);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.read(index);
            }
        }
        Ok(())
    }

    fn read(&mut self, index: usize) {
        let mut scratch = std::mem::take(&mut self.scratch);
        while let Some(stream) = &mut self.peers[index].stream {
            match stream.read(&mut scratch) {
                Ok(len) if len > 0 => self.hear(index, &scratch[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => self.peers[index].lose(&mut self.ledger),
            }
        }
        self.scratch = scratch;
    }

    fn hear(&mut self, index: usize, mut bytes: &[u8]) {
        loop {
            match self.peers[index].decoder.decode(&mut bytes) {
                Ok(None) => break,
                Ok(Some(frame)) => self.enter(index, &frame),
                Err(_) => {
                    self.ledger.wrong += 1;
                    self.peers[index].lose(&mut self.ledger);
                    break;
                }
            }
        }
    }

    fn enter(&mut self, index: usize, frame: &Frame<'_>) {
        match frame.command().as_str() {
            "pong" => self.peers[index].is_in = true,
            "noise" => self.ledger.noise += 1,
            _ => {
                let label = self.speech.label(frame).filter(|label| label.sender as usize != index);
                let said = label.and_then(|label| Some((label, self.peers.get(label.sender as usize)?.said)));
                let Some((label, said)) = said else {
                    self.ledger.wrong += 1;
                    return;
                };
                let peer = &mut self.peers[index];
                peer.accounts[label.sender as usize].enter(label.number, said, &mut self.ledger);
                peer.known_bytes += frame.as_bytes().len() as u64;
                let took = self.began.elapsed().saturating_sub(Duration::from_micros(label.micros));
                self.ledger.worst = self.ledger.worst.max(took);
            }
        }
    }

    /// Bytes the slowest lacks.
    fn lag(&self) -> u64 {
        let lacks = |peer: &Peer| self.said_bytes.saturating_sub(peer.known_bytes);
        self.peers.iter().map(lacks).max().unwrap_or(0)
    }

    /// Nothing that comes can mend it: no need to wait for the end.
    fn is_broken(&self) -> bool {
        let Ledger { twice, wrong, out_of_order, cut_off, .. } = self.ledger;
        twice + wrong + out_of_order + cut_off > 0
    }

    fn close(self) -> Ledger {
        let mut ledger = self.ledger;
        for (index, peer) in self.peers.iter().enumerate() {
            for (sender, account) in peer.accounts.iter().enumerate().filter(|(sender, _)| *sender != index) {
                account.close(self.peers[sender].said, &mut ledger);
            }
        }
        ledger
    }
}

impl Peer {
    fn flush(&mut self, ledger: &mut Ledger) {
        while let Some(stream) = self.stream.as_mut().filter(|_| !self.unsent.is_empty()) {
            match stream.write(&self.unsent) {
                Ok(len) => drop(self.unsent.drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.lose(ledger),
            }
        }
    }

    fn lose(&mut self, ledger: &mut Ledger) {
        self.stream = None;
        ledger.cut_off += 1;
    }
}
