//! Who watches one relay of a town: every connection that came has gone, nobody is shut out who did nothing wrong, and no
//! limit is exceeded. Knows the server's deeds; knows no dialect.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::protocol::Protocol;
use crate::relay::{AddressKey, Relay};
use crate::server::FIRST_DIAL;
use crate::sim::broken::{Broken, Promise};
use crate::sim::house::Watch;
use crate::sim::journal::{Deed, Journal};
use crate::sim::packet::Conn;
use crate::sim::stack::SimStack;

/// Bytes by which all that strangers make the relay hold may exceed the limit within a turn.
const RETAINED_SPARE: usize = 1 << 20;

/// Of one relay.
#[derive(Debug)]
pub struct Warden {
    /// Those who may be shut out.
    suspects: Vec<AddressKey>,
    retained_max: usize,
    here: BTreeSet<Conn>,
    dialed: BTreeMap<Conn, SocketAddr>,
    bans: u64,
}

impl Warden {
    /// Of a relay that may shut these out, and may be made to hold so many bytes.
    pub fn new(suspects: Vec<AddressKey>, retained_max: usize) -> Self {
        Self { suspects, retained_max, here: BTreeSet::new(), dialed: BTreeMap::new(), bans: 0 }
    }

    /// Whether a connection that the relay made to there is there.
    pub fn is_up(&self, to: SocketAddr) -> bool {
        self.dialed.iter().any(|(conn, &at)| at == to && self.here.contains(conn))
    }

    /// How many times somebody was shut out.
    pub fn bans(&self) -> u64 {
        self.bans
    }

    fn deed(&mut self, deed: &Deed) -> Result<(), Broken> {
        match *deed {
            Deed::Dialed(conn, to) => drop(self.dialed.insert(conn, to)),
            Deed::Registered(conn, token) if token.0 < FIRST_DIAL && !self.here.insert(conn) => {
                return Err(Promise::Places.broken(format!("{conn:?} is let in twice")));
            }
            Deed::Closed(conn) | Deed::Aborted(conn) => {
                self.here.remove(&conn);
                self.dialed.remove(&conn);
            }
            _ => {} // how bytes went is their readers' business
        }
        Ok(())
    }
}

impl Watch for Warden {
    fn turn<P: Protocol>(&mut self, journal: &Journal, relay: &Relay<P>, _: &SimStack) -> Result<(), Broken> {
        journal.deeds().iter().try_for_each(|deed| self.deed(deed))?;
        if let Some((address, ban)) = relay.bans().iter().find(|(at, _)| !self.suspects.contains(at)) {
            return Err(Promise::Cause.broken(format!("{address} is shut out for {}", ban.offence)));
        }
        self.bans = relay.bans().changes();
        let retained = relay.retained_bytes();
        if retained > self.retained_max + RETAINED_SPARE {
            return Err(Promise::Limits.broken(format!("{retained} bytes are retained")));
        }
        Ok(())
    }

    fn asleep(&self, _: &SimStack) -> Result<(), Broken> {
        Ok(()) // a busy stream of text is left unread: whoever waits for an answer tells
    }

    fn shuts_down(&mut self) {}

    fn all_gone<P: Protocol>(&self, relay: &Relay<P>, stack: &SimStack) -> Result<(), Broken> {
        let zero = |what: &str, count: usize| match count {
            0 => Ok(()),
            _ => Err(Promise::Zero.broken(format!("everybody has left, and {what}: {count}"))),
        };
        zero("there are connections", self.here.len())?;
        zero("attempts are under way", self.dialed.len())?;
        zero("there are peers", relay.peers())?;
        zero("bytes are retained", relay.retained_bytes())?;
        zero("the stack has ends", stack.alive())?;
        zero("bytes lie in the log", relay.log_len())
    }
}
