//! What goes from host to host in a mesh, and what the judges are told of it. Knows hosts and ways; knows no turn.

use std::time::Duration;

use super::builder::Builder;
use super::outcome::Happened;
use super::world::{Event, Mesh};
use crate::sim::broken::Broken;
use crate::sim::house::House;
use crate::sim::judge::Orderly;
use crate::sim::packet::{Packet, What};
use crate::sim::ways::{Arrival, LEAVES_HOST};

/// Bytes that a connection may have under way, each direction: what the buffers of fast ways hold.
const ROOM: usize = 256 * 1024;
/// Most microseconds between a readiness and the turn it brings.
const LAG: u64 = 60;

impl<B: Builder> Mesh<B> {
    pub(super) fn arrive(&mut self, Arrival { conn, to, what }: Arrival) -> Result<(), Broken> {
        let (Some((host, here)), Some((far_host, far))) =
            (self.ways.end(conn, to), self.ways.end(conn, 1 - to))
        else {
            return Ok(());
        };
        let is_there = self.houses.get(host).is_none_or(House::answers);
        if !is_there {
            return Ok(());
        }
        let has_end = self.houses.get(host).map_or_else(|| self.leaves.has(here), |house| house.has(here));
        if let Some(alive) = self.houses.get_mut(far_host).and_then(House::alive_mut) {
            match &what {
                What::Data(bytes) if has_end => alive.judge.came(far, bytes, self.now)?,
                What::End if has_end => alive.judge.is_over(far, Orderly::Yes)?,
                What::End | What::Reset => alive.judge.is_over(far, Orderly::No)?,
                What::Refused | What::Data(_) | What::Open { .. } | What::Opened | What::Taken(_) => {}
            }
        }
        if let (What::Refused, true) = (&what, host != LEAVES_HOST) {
            self.happens(Happened::Refused);
        }
        self.hand_over(host, Packet { conn: here, what })
    }

    /// A packet comes to a host that is there.
    pub(super) fn hand_over(&mut self, host: usize, packet: Packet) -> Result<(), Broken> {
        let lag = Duration::from_micros(self.rng.below(LAG));
        match self.houses.get_mut(host) {
            Some(house) => house.arrive(self.now, packet, ROOM, lag),
            None => {
                self.leaves.stack().arrive(packet, ROOM);
                self.leaves_at = Some(self.now);
            }
        }
        self.ship_from(host)
    }

    /// Sends what has left a host on its way.
    pub(super) fn ship_from(&mut self, host: usize) -> Result<(), Broken> {
        let mut outbox = std::mem::take(&mut self.outbox);
        match self.houses.get_mut(host) {
            Some(house) => house.stack_mut().drain_outbox(&mut outbox),
            None => self.leaves.stack().drain_outbox(&mut outbox),
        }
        let shipped = outbox.drain(..).try_for_each(|packet| self.ship(host, packet));
        self.outbox = outbox;
        shipped
    }

    /// Sends a packet on its way.
    pub(super) fn ship(&mut self, host: usize, packet: Packet) -> Result<(), Broken> {
        let (conn, carries) = (packet.conn, packet.carries());
        let is_opening = matches!(packet.what, What::Open { .. });
        if carries > 0 && host != LEAVES_HOST {
            self.course.broke_silence(self.now, host, conn)?;
        }
        let Some(departed) = self.ways.depart(self.now, host, packet, &self.setup) else { return Ok(()) };
        if is_opening {
            match self.houses.get_mut(host) {
                Some(house) => house.stack_mut().set_room(conn, ROOM),
                None => self.leaves.stack().set_room(conn, ROOM),
            }
        }
        if carries > 0
            && let Some((to, there)) = self.ways.end(departed.arrival.conn, departed.arrival.to)
            && let Some(alive) = self.houses.get_mut(to).and_then(House::alive_mut)
        {
            alive.judge.left_client(there, carries, self.now);
        }
        self.agenda.plan(departed.at, Event::Arrival(departed.arrival));
        Ok(())
    }
}
