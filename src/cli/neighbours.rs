//! The relays that are dialled: by the names they were given, and where those lead. Asks the resolver, on threads of
//! its own; knows no rule and opens nothing.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Failure;
use super::target::Target;
use crate::kernel::{KernelStack, Wake};
use crate::protocol::Flood;
use crate::relay::DialId;
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
        targets: &[Target],
        server: &mut Server<KernelStack, Flood>,
    ) -> Result<(), Failure> {
        let mut rng = Rng::new(chance());
        for target in targets {
            let known = target.address(self.port);
            let id = server.keep_up(known.into_iter().collect(), rng.next());
            let resolver = if known.is_some() { None } else { Some(self.resolver(target)?) };
            self.all.push(Neighbour { name: target.to_string(), resolver, is_told: false });
            self.ask(id);
        }
        Ok(())
    }

    /// What belongs to a turn: asks for what the relay wants to know, and tells it what was found out.
    pub fn tick(&mut self, server: &mut Server<KernelStack, Flood>) {
        let wanted: Vec<DialId> = server.unresolved().collect();
        wanted.into_iter().for_each(|id| self.ask(id));
        while let Ok(Answer { of, found }) = self.answers.try_recv() {
            let neighbour = &mut self.all[of];
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

    /// As it was given.
    pub fn name(&self, id: DialId) -> &str {
        &self.all[usize::from(id.0)].name
    }

    /// One that is at it already is not asked twice.
    fn ask(&self, id: DialId) {
        if let Some(resolver) = &self.all[usize::from(id.0)].resolver {
            let _ = resolver.try_send(());
        }
    }

    /// A thread for each name: one whose server does not answer holds up no other. It ends when nobody can ask any
    /// more, or with the program.
    fn resolver(&self, target: &Target) -> Result<SyncSender<()>, Failure> {
        let (ask, asked) = mpsc::sync_channel(1);
        let (of, port, target) = (self.all.len(), self.port, target.clone());
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
fn chance() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    since ^ u64::from(std::process::id()).rotate_left(40)
}
