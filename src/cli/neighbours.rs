//! The relays that are dialled: by the names they were given, and where those lead. Asks the resolver, on threads of
//! its own; knows no rule and opens nothing.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Failure;
use super::connect::Connect;
use crate::kernel::{KernelStack, Wake};
use crate::protocol::{DialId, Networks};
use crate::rng::Rng;
use crate::server::Server;

/// Everybody who is dialled, by number.
pub struct Neighbours {
    all: Vec<Neighbour>,
    answers: Receiver<Answer>,
    /// Keeps the channel open, and is what each new resolver answers through.
    answer: Sender<Answer>,
    wake: Wake,
    port: u16,
}

struct Neighbour {
    name: String,
    /// Asked for its addresses; nobody where it was given as an address.
    resolver: Option<SyncSender<()>>,
    /// It is at it.
    is_asked: bool,
    /// That it cannot be resolved was told, and it has not been since.
    is_told: bool,
}

struct Answer {
    of: usize,
    found: Result<Vec<SocketAddr>, Failure>,
}

impl Neighbours {
    /// Nobody yet. Without a port it is this one.
    pub fn new(wake: Wake, port: u16) -> Self {
        let (answer, answers) = mpsc::channel();
        Self { all: Vec::new(), answers, answer, wake, port }
    }

    /// Has them all kept up. Names are being resolved when it returns.
    pub fn keep_up(
        &mut self,
        connects: &[Connect],
        server: &mut Server<KernelStack, Networks>,
    ) -> Result<(), Failure> {
        let mut rng = Rng::new(chance());
        for connect in connects {
            let known = connect.address(self.port);
            let id = server.keep_up(known.into_iter().collect(), connect.dialect, rng.next());
            let resolver = if known.is_some() { None } else { Some(self.resolver(connect)?) };
            self.all.push(Neighbour { name: connect.to_string(), resolver, is_asked: false, is_told: false });
            self.ask(id);
        }
        Ok(())
    }

    /// What belongs to a turn: asks for what the relay wants to know, and tells it what was found out.
    pub fn tick(&mut self, server: &mut Server<KernelStack, Networks>) {
        let wanted: Vec<DialId> = server.unresolved().collect();
        wanted.into_iter().for_each(|id| self.ask(id));
        while let Ok(Answer { of, found }) = self.answers.try_recv() {
            let neighbour = &mut self.all[of];
            neighbour.is_asked = false;
            match found {
                Ok(addresses) => {
                    neighbour.is_told = false;
                    server.resolved(DialId(of as u16), addresses); // there are fewer than that
                }
                Err(_) if neighbour.is_told => {}
                Err(failure) => {
                    log::warn!("{}; trying again until it is found (told once)", failure.line);
                    neighbour.is_told = true;
                }
            }
        }
    }

    /// Whether the operator has named it; else a peer has told of it.
    pub fn is_named(&self, id: DialId) -> bool {
        usize::from(id.0) < self.all.len()
    }

    /// As it was given; one that a peer has told of is its address.
    pub fn name(&self, id: DialId, at: SocketAddr) -> String {
        self.all.get(usize::from(id.0)).map_or_else(|| at.to_string(), |neighbour| neighbour.name.clone())
    }

    /// One that is at it already is not asked twice.
    fn ask(&mut self, id: DialId) {
        let neighbour = &mut self.all[usize::from(id.0)];
        if let Some(resolver) = &neighbour.resolver
            && !std::mem::replace(&mut neighbour.is_asked, true)
        {
            let _ = resolver.try_send(()); // its thread lives as long as we do
        }
    }

    /// A thread for each name: one whose server does not answer holds up no other. It ends when nobody can ask any
    /// more, or with the program.
    fn resolver(&self, connect: &Connect) -> Result<SyncSender<()>, Failure> {
        let (ask, asked) = mpsc::sync_channel(1);
        let (of, port, target) = (self.all.len(), connect.port(self.port), connect.target.clone());
        let (answer, wake) = (self.answer.clone(), self.wake.clone());
        let resolve = move || {
            while let Ok(()) = asked.recv() {
                let found = target.resolve(port);
                if answer.send(Answer { of, found }).is_err() {
                    return;
                }
                wake.wake();
            }
        };
        thread::Builder::new().name("resolver".into()).spawn(resolve).map_err(|error| {
            Failure::failed(format!("cannot start a thread that resolves names: {error}"))
        })?;
        Ok(ask)
    }
}

/// Something that differs from start to start, and from relay to relay that starts in the same moment.
pub fn chance() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    since ^ u64::from(std::process::id()).rotate_left(40)
}
