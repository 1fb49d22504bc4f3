//! What goes from host to host in a town, and what befalls the ways and the relays. Knows hosts and ways; knows no turn
//! and nothing of what is said.

use std::time::Duration;

use super::builder::TownBuilder;
use super::outcome::Chance;
use super::world::{Event, Town};
use crate::protocol::Dialect;
use crate::sim::house::House;
use crate::sim::mesh::Trouble;
use crate::sim::packet::{Conn, Packet, What};
use crate::sim::ways::{Arrival, LEAVES_HOST, Manner};

/// Bytes that a connection may have under way, each direction.
const ROOM: usize = 256 * 1024;
/// Most microseconds between a readiness and the turn it brings.
const LAG: u64 = 60;
/// Longest until an end hears by itself that the other is out of reach, milliseconds.
pub(super) const KEEPALIVE: u64 = 20_000;
/// Longest until one that is reset hears of it, milliseconds.
const RESET_WITHIN: u64 = 100;

impl<B: TownBuilder> Town<B> {
    pub(super) fn arrive(&mut self, Arrival { conn, to, what }: Arrival) {
        let Some((host, conn)) = self.ways.end(conn, to) else { return };
        if self.houses.get(host).is_none_or(House::answers) {
            self.hand_over(host, Packet { conn, what });
        }
    }

    fn hand_over(&mut self, host: usize, packet: Packet) {
        let lag = Duration::from_micros(self.rng.below(LAG));
        match self.houses.get_mut(host) {
            Some(house) => house.arrive(self.now, packet, ROOM, lag),
            None => {
                self.folk.stack().arrive(packet, ROOM);
                self.folk_at = Some(self.now);
            }
        }
        self.ship_from(host);
    }

    /// Sends what has left a host on its way.
    pub(super) fn ship_from(&mut self, host: usize) {
        let mut outbox = std::mem::take(&mut self.outbox);
        match self.houses.get_mut(host) {
            Some(house) => house.stack_mut().drain_outbox(&mut outbox),
            None => self.folk.stack().drain_outbox(&mut outbox),
        }
        outbox.drain(..).for_each(|packet| self.ship(host, packet));
        self.outbox = outbox;
    }

    fn ship(&mut self, host: usize, packet: Packet) {
        let (conn, is_opening) = (packet.conn, matches!(packet.what, What::Open { .. }));
        let is_said = packet.carries() > 0 && host != LEAVES_HOST;
        if is_said && self.course.is_silent(self.now) && !self.is_of_web(conn) {
            self.course.break_silence(host, conn);
        }
        let Some(departed) = self.ways.depart(self.now, host, packet, &self.setup) else { return };
        if is_opening {
            match self.houses.get_mut(host) {
                Some(house) => house.stack_mut().set_room(conn, ROOM),
                None => self.folk.stack().set_room(conn, ROOM),
            }
        }
        self.agenda.plan(departed.at, Event::Arrival(departed.arrival));
    }

    /// Whoever reads events is told now and then that there are none.
    fn is_of_web(&self, conn: Conn) -> bool {
        let mut people = self.people.iter().enumerate();
        people.any(|(who, person)| {
            person.part.role.dialect() == Dialect::Http && self.folk.conn(who) == Some(conn)
        })
    }

    // what befalls them

    /// One of those that were planned.
    pub(super) fn trouble(&mut self, nth: usize) {
        match self.setup.troubles[nth].1 {
            Trouble::Cut { between, manner, lasts } => {
                self.befell(&format!("way {} to {} cut", between.0 + 1, between.1 + 1), Chance::Cut);
                for conn in self.ways.cut(between) {
                    self.plan_sever(conn, 0, manner);
                    self.plan_sever(conn, 1, manner);
                }
                self.agenda.plan(self.now + lasts, Event::Heal(between));
            }
            Trouble::Kill { relay, manner, lasts } if self.houses[relay].alive().is_some() => {
                self.befell(&format!("relay {} killed", relay + 1), Chance::Killed);
                self.kill(relay, manner);
                self.agenda.plan(self.now + lasts, Event::Start(relay));
            }
            Trouble::Kill { .. } => {}
        }
    }

    pub(super) fn heal(&mut self, between: (usize, usize)) {
        self.ways.heal(between);
        self.befell(&format!("way {} to {} healed", between.0 + 1, between.1 + 1), Chance::Healed);
    }

    /// An end of a connection hears that it goes nowhere.
    pub(super) fn sever(&mut self, conn: Conn, which: usize) {
        if let Some(ends) = self.ways.ends(conn) {
            let (host, conn) = ends[which];
            self.hand_over(host, Packet { conn, what: What::Reset });
        }
    }

    fn kill(&mut self, relay: usize, manner: Manner) {
        self.count_bans(relay);
        let held: Vec<Conn> = self.houses[relay].stack().conns().collect();
        let conns = self.ways.of_host(relay);
        self.houses[relay].kill(manner);
        if manner == Manner::Reset {
            held.into_iter().for_each(|conn| self.ship(relay, Packet { conn, what: What::Reset }));
        }
        for conn in conns {
            for which in [0, 1] {
                if self.ways.end(conn, which).is_some_and(|(host, _)| host != relay) {
                    self.plan_sever(conn, which, Manner::Silence);
                }
            }
        }
    }

    fn plan_sever(&mut self, conn: Conn, which: usize, manner: Manner) {
        let millis = match manner {
            Manner::Reset => self.rng.below(RESET_WITHIN),
            Manner::Silence => 1_000 + self.rng.below(KEEPALIVE - 1_000),
        };
        self.agenda.plan(self.now + Duration::from_millis(millis), Event::Sever(conn, which));
    }

    fn befell(&mut self, what: &str, chance: Chance) {
        self.trace.befell(self.now, what);
        self.happens(chance);
    }
}
