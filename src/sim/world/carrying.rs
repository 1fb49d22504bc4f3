//! What goes from host to host: which way, how long it takes, and what happens when it arrives. Knows packets and
//! links; knows no turn.

use std::time::Duration;

use super::{Event, HOSTS, Host, LAG, World};
use crate::sim::broken::Broken;
use crate::sim::judge::Orderly;
use crate::sim::link::{Link, Troubles};
use crate::sim::packet::{Conn, Packet, What};
use crate::sim::profile::Profile;
use crate::sim::subject::Subject;

/// The way of a connection, there and back.
#[derive(Debug)]
pub(super) struct Way {
    to_server: Link,
    to_client: Link,
}

impl<S: Subject> World<S> {
    pub(super) fn arrive_at_server(&mut self, packet: Packet) {
        let room = self.ways.get(&packet.conn).map_or(0, |way| way.to_client.buffer());
        self.subject.stack_mut().arrive(packet, room);
        self.ship_from_server();
        if self.subject.stack().has_news() {
            let lag = Duration::from_micros(self.rng.below(LAG));
            self.turn_server_by(self.now + lag);
        }
    }

    pub(super) fn arrive_at_client(&mut self, host: Host, packet: Packet) -> Result<(), Broken> {
        match &packet.what {
            What::Data(bytes) => {
                self.judge.came(packet.conn, bytes, self.now)?;
                self.judge.deliveries().for_each(|delivery| self.figures.delivered(delivery));
            }
            What::End => self.judge.is_over(packet.conn, Orderly::Yes)?,
            What::Reset => self.judge.is_over(packet.conn, Orderly::No)?,
            What::Refused => self.knocks += 1,
            What::Open { .. } | What::Opened | What::Taken(_) => {}
        }
        match host {
            Host::Crowd => {
                self.crowd.stack().arrive(packet, 0);
                self.crowd_at = Some(self.now);
            }
            Host::Load => {
                if let Some(load) = &mut self.load {
                    load.stack_mut().arrive(packet, 0);
                    self.load_at = Some(self.now);
                }
            }
            Host::Server => unreachable!("the server is nobody's client"),
        }
        Ok(())
    }

    pub(super) fn ship_from_crowd(&mut self) {
        let mut outbox = std::mem::take(&mut self.outbox);
        self.crowd.stack().drain_outbox(&mut outbox);
        outbox.drain(..).for_each(|packet| self.ship(Host::Crowd, packet));
        self.outbox = outbox;
    }

    pub(super) fn ship_from_load(&mut self) {
        let mut outbox = std::mem::take(&mut self.outbox);
        self.load.iter_mut().for_each(|load| load.stack_mut().drain_outbox(&mut outbox));
        outbox.drain(..).for_each(|packet| self.ship(Host::Load, packet));
        self.outbox = outbox;
    }

    pub(super) fn ship_from_server(&mut self) {
        let mut outbox = std::mem::take(&mut self.outbox);
        self.subject.stack_mut().drain_outbox(&mut outbox);
        outbox.drain(..).for_each(|packet| self.ship(Host::Server, packet));
        self.outbox = outbox;
    }

    /// Sends a packet on its way.
    fn ship(&mut self, from: Host, packet: Packet) {
        let conn = packet.conn;
        if let What::Open { .. } = packet.what {
            self.open_way(from, conn);
        }
        let Some(way) = self.ways.get_mut(&conn) else { return };
        let (link, to) = match from {
            Host::Server => (&mut way.to_client, Host::of(conn)),
            Host::Crowd | Host::Load => (&mut way.to_server, Host::Server),
        };
        if from != Host::Server && packet.carries() > 0 {
            self.judge.left_client(conn, packet.carries(), self.now);
        }
        let What::Data(mut bytes) = packet.what else {
            return self.agenda.plan(link.carry(self.now, 0), Event::Arrival(to, packet));
        };
        while !bytes.is_empty() {
            let segment = bytes.split_to(bytes.len().min(link.segment()));
            let at = link.carry(self.now, segment.len());
            self.agenda.plan(at, Event::Arrival(to, Packet { conn, what: What::Data(segment) }));
        }
    }

    /// A connection begins: over which way?
    fn open_way(&mut self, from: Host, conn: Conn) {
        let profile = match from {
            Host::Load => self.setup.load.as_ref().map_or(Profile::Lan, |part| part.profile),
            Host::Crowd | Host::Server => {
                self.crowd.whose(conn).map_or(Profile::Lan, |actor| self.crowd.profile_of(actor))
            }
        };
        let mut way = Way {
            to_server: Link::new(profile, self.rng.next()),
            to_client: Link::new(profile, self.rng.next()),
        };
        if self.course.is_calm() {
            way.calm();
        }
        let room = way.to_server.buffer();
        match from {
            Host::Load => self.load.iter_mut().for_each(|load| load.stack_mut().set_room(conn, room)),
            Host::Crowd | Host::Server => self.crowd.stack().set_room(conn, room),
        }
        self.ways.insert(conn, way);
    }

    /// Nobody has an end of such a connection, and nothing is under way.
    pub(super) fn forget_ways(&mut self) {
        let (now, server, crowd) = (self.now, self.subject.stack(), &mut self.crowd);
        let (troubles, judge) = (&mut self.troubles, &mut self.judge);
        self.ways.retain(|&conn, way| {
            let is_held = server.has(conn) || crowd.stack().has(conn) || Host::of(conn) == Host::Load;
            let stays = is_held || !way.to_server.is_idle(now) || !way.to_client.is_idle(now);
            if !stays {
                judge.forget_departures(conn);
                troubles.add(way.troubles());
            }
            stays
        });
    }
}

impl Host {
    /// Whose connection it is.
    fn of(conn: Conn) -> Self {
        match conn.0 % HOSTS {
            0 => Self::Server,
            1 => Self::Crowd,
            _ => Self::Load,
        }
    }
}

impl Way {
    pub(super) fn calm(&mut self) {
        self.to_server.calm();
        self.to_client.calm();
    }

    pub(super) fn troubles(&self) -> Troubles {
        let mut troubles = self.to_server.troubles();
        troubles.add(self.to_client.troubles());
        troubles
    }
}
