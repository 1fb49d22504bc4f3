//! What happened, as a number that two runs of a seed share and, for whoever wants to read it, as lines.

use std::fmt::Write;

use super::journal::Deed;
use super::packet::Conn;
use crate::time::Instant;

/// The account of a run.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    lines: Option<String>,
    /// Whose deeds follow, where there are several relays.
    whose: Option<usize>,
}

/// FNV-1a's, 64 bits: not against anybody, only to tell runs apart.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

impl Trace {
    /// Of a run that begins; only the number.
    pub fn new() -> Self {
        Self { hash: OFFSET, lines: None, whose: None }
    }

    /// The lines too.
    pub fn in_lines() -> Self {
        Self { lines: Some(String::new()), ..Self::new() }
    }

    /// What tells this run from every other.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines since the last call.
    pub fn take_lines(&mut self) -> String {
        self.lines.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What follows was done by this one of several relays, from 0.
    pub fn is_about(&mut self, relay: usize) {
        self.whose = Some(relay);
        self.mix(relay as u64);
    }

    /// Something befell the world.
    pub fn befell(&mut self, now: Instant, what: &str) {
        what.as_bytes().chunks(8).for_each(|word| self.mix_word(word));
        self.write(now, what);
    }

    /// The server did something.
    pub fn deed(&mut self, now: Instant, deed: &Deed) {
        let (what, Conn(conn), len) = match deed {
            Deed::Waited(now) => return self.mix(now.as_micros()),
            Deed::Dialed(conn, _) => ("dials", *conn, 0),
            Deed::NoRoute(_) => ("finds no way to", Conn(0), 0),
            Deed::Accepted(conn, ..) => ("accepts", *conn, 0),
            Deed::HungUp(conn) => ("hears the end of", *conn, 0),
            Deed::Interrupted(conn) => ("is interrupted with", *conn, 0),
            Deed::Registered(conn, token) => ("lets in", *conn, token.index()),
            Deed::Read(conn, bytes) => {
                bytes.chunks(8).for_each(|word| self.mix_word(word));
                ("reads", *conn, bytes.len())
            }
            Deed::ReadEnd(conn) => ("reads the end of", *conn, 0),
            Deed::Wrote(conn, bytes) => {
                bytes.chunks(8).take(5).for_each(|word| self.mix_word(word)); // the judge compares the rest
                ("writes to", *conn, bytes.len())
            }
            Deed::Failed(conn) => ("hears the failure of", *conn, 0),
            Deed::Shut(conn) => ("ends", *conn, 0),
            Deed::Closed(conn) => ("closes", *conn, 0),
            Deed::Aborted(conn) => ("resets", *conn, 0),
        };
        self.mix_word(&what.as_bytes()[..what.len().min(8)]);
        self.mix(u64::from(conn));
        self.mix(len as u64);
        if self.lines.is_some() {
            let who = self.whose.map_or(String::new(), |relay| format!("relay {} ", relay + 1));
            let tail = if len > 0 { format!(" {len}") } else { String::new() };
            self.write(now, &format!("{who}{what} #{conn}{tail}"));
        }
    }

    fn write(&mut self, now: Instant, what: &str) {
        if let Some(lines) = &mut self.lines {
            let seconds = now.as_micros() as f64 / 1e6;
            let _ = writeln!(lines, "{seconds:14.6} {what}"); // a string takes every line
        }
    }

    fn mix_word(&mut self, word: &[u8]) {
        let mut whole = [0; 8];
        whole[..word.len()].copy_from_slice(word);
        self.mix(u64::from_le_bytes(whole));
    }

    fn mix(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(PRIME).rotate_left(23);
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}
