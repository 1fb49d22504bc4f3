//! What befalls a mesh: ways cut and healed, relays killed and started again, and how the ends of connections hear of
//! it. Knows hosts and ways; judges nothing.

use std::time::Duration;

use super::builder::Builder;
use super::outcome::Happened;
use super::setup::Trouble;
use super::world::{Event, Mesh};
use crate::sim::broken::Broken;
use crate::sim::judge::Orderly;
use crate::sim::packet::{Conn, Packet, What};
use crate::sim::ways::Manner;

/// Longest until an end hears by itself that the other is out of reach: the kernel's keepalive, in a hurry.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(20);
/// Longest until one that is reset hears of it, microseconds.
const RESET_WITHIN: u64 = 100_000;

impl<B: Builder> Mesh<B> {
    /// One of those that were planned.
    pub(super) fn trouble(&mut self, nth: usize) -> Result<(), Broken> {
        match self.setup.troubles[nth].1 {
            Trouble::Cut { between, manner, lasts } => self.cut(between, manner, lasts),
            Trouble::Kill { relay, manner, lasts } => self.kill(relay, manner, lasts),
        }
    }

    pub(super) fn heal(&mut self, between: (usize, usize)) {
        self.ways.heal(between);
        self.happens(Happened::Healed);
        self.trace.befell(self.now, &format!("way {} to {} healed", between.0 + 1, between.1 + 1));
    }

    /// An end of a connection hears that it goes nowhere.
    pub(super) fn sever(&mut self, conn: Conn, which: usize) -> Result<(), Broken> {
        let Some(ends) = self.ways.ends(conn) else { return Ok(()) };
        let (host, here) = ends[which];
        self.hand_over(host, Packet { conn: here, what: What::Reset })
    }

    fn cut(&mut self, between: (usize, usize), manner: Manner, lasts: Duration) -> Result<(), Broken> {
        self.trace.befell(self.now, &format!("way {} to {} cut", between.0 + 1, between.1 + 1));
        for conn in self.ways.cut(between) {
            for which in [0, 1] {
                self.lose_sight(conn, which)?;
                let soon = Duration::from_micros(self.rng.below(RESET_WITHIN));
                let after = if manner == Manner::Reset { soon } else { self.keepalive() };
                self.agenda.plan(self.now + after, Event::Sever(conn, which));
            }
        }
        self.happens(Happened::Cut);
        self.agenda.plan(self.now + lasts, Event::Heal(between));
        Ok(())
    }

    fn kill(&mut self, relay: usize, manner: Manner, lasts: Duration) -> Result<(), Broken> {
        if self.houses[relay].alive().is_none() {
            return Ok(());
        }
        self.trace.befell(self.now, &format!("relay {} killed", relay + 1));
        self.count_judged(relay);
        let held: Vec<Conn> = self.houses[relay].stack().conns().collect();
        let conns = self.ways.of_host(relay);
        self.houses[relay].kill(manner);
        if manner == Manner::Reset {
            held.into_iter().try_for_each(|conn| self.ship(relay, Packet { conn, what: What::Reset }))?;
        }
        for conn in conns {
            for which in [0, 1] {
                let is_far = self.ways.end(conn, which).is_some_and(|(host, _)| host != relay);
                if is_far {
                    self.lose_sight(conn, which)?;
                    let after = self.keepalive();
                    self.agenda.plan(self.now + after, Event::Sever(conn, which));
                }
            }
        }
        self.happens(Happened::Killed);
        self.agenda.plan(self.now + lasts, Event::Start(relay));
        Ok(())
    }

    /// What an end sends from now on comes nowhere: its judge waits for nothing there.
    fn lose_sight(&mut self, conn: Conn, which: usize) -> Result<(), Broken> {
        let Some(ends) = self.ways.ends(conn) else { return Ok(()) };
        let (host, here) = ends[which];
        let alive = self.houses.get_mut(host).and_then(|house| house.alive_mut());
        alive.map_or(Ok(()), |alive| alive.judge.is_over(here, Orderly::No))
    }

    fn keepalive(&mut self) -> Duration {
        Duration::from_millis(1_000 + self.rng.below(KEEPALIVE.as_millis() as u64 - 1_000))
    }
}
