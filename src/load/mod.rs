//! The load tester: many peers in one loop, over any [`Stack`]. Knows what it sent, and therefore what everybody
//! must get; knows no kernel, no terminal and no file.
//!
//! ```text
//!   Joining ─ everybody's ping is answered ─→ WarmingUp ─→ Measuring ─→ Draining ─ nothing is under way ─→ Parting
//!     ─ everybody's last ping is answered ─→ Over          (a line peer hears another's line instead: probes.rs)
//!
//!   one turn:  wait → read, and compare with the tape → make what is due → write
//! ```

mod asides;
mod dialect;
mod figures;
mod joining;
mod ledger;
mod link;
mod lost;
mod maker;
mod pace;
mod plan;
mod probes;
mod reading;
mod receiver;
mod rendering;
mod report;
mod sending;
mod strays;
mod tape;
mod writing;

use std::collections::VecDeque;
use std::time::Duration;

pub use asides::Complaint;
pub use dialect::{Dialect, Role};
pub use figures::{FAULTS_TOLD, Fault, FaultKind};
pub use ledger::Counts;
pub use maker::{MessageId, SMALLEST_PAYLOAD};
pub use pace::Pace;
pub use plan::{LoadError, Plan};
pub use report::{Account, Report};

use crate::server::{Readiness, Stack};
use crate::time::Instant;
use asides::Asides;
use dialect::Occasion;
use figures::Figures;
use joining::Joining;
use link::Link;
use maker::Maker;
use probes::{Probes, Probing};
use receiver::{Parting, Run};
use sending::Sending;
use tape::Tape;

/// Bytes read from one peer at a time.
const READ_BYTES: usize = 256 * 1024;
/// Peers read before what has become due is made: about a millisecond's worth.
const READS_PER_TURN: usize = 64;
/// How long nothing may come while something is under way, in a run over a network as people know them.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Things that may go wrong before the rest is not worth measuring; what is kept of each is bounded by it.
pub const FAULTS_MOST: u64 = 1_000_000;

/// A run.
pub struct Load<S: Stack> {
    stack: S,
    plan: Plan,
    run: Run,
    links: Vec<Link<S::Stream>>,
    ready: Vec<Readiness>,
    /// Who is to be read; longest waiting first.
    readers: VecDeque<u32>,
    phase: Phase,
    gave_up: Option<GaveUp>,
    joining: Joining,
    probing: Probing,
    sending: Sending,
    /// When something came last, or the last phase began.
    last_news: Instant,
    scratch: Box<[u8]>,
    now: Instant,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Everybody connects, and waits to be in the room.
    Joining,
    /// Messages go round and are compared; nothing is measured.
    WarmingUp,
    /// The same, measured.
    Measuring,
    /// Nothing more is sent; what is under way still comes.
    Draining,
    /// Everything is there; a last ping shows whether anything else comes.
    Parting,
    /// There is a report.
    Over,
}

/// Why a run ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// Nothing came for [`Plan::patience`] although something was under way.
    Silence,
    /// More than [`FAULTS_MOST`] things went wrong.
    Faults,
    /// Nobody was left to receive.
    Alone,
    /// The server did what the report's complaint says.
    Refused,
    /// Whoever wanted it did not want it any more.
    Stopped,
}

impl<S: Stack> Load<S> {
    /// A run through this stack. It begins with the first turn.
    ///
    /// # Panics
    /// If the plan has fewer than two peers, no sender, more senders than peers, or nobody who receives; or lines beside
    /// anything but frames.
    pub fn new(stack: S, plan: Plan) -> Self {
        assert!(plan.peers >= 2 && (1..=plan.peers).contains(&plan.senders), "{plan:?}");
        assert!(plan.receivers() > 0, "{plan:?}");
        assert!(plan.lines_at.is_none() || plan.dialect == Dialect::Frames, "{plan:?}");
        let maker = Maker::new(plan.seed, plan.sizes.clone(), plan.codecs());
        let tape = Tape::new(plan.senders as usize);
        let now = stack.now();
        Self {
            stack,
            run: Run {
                maker,
                tape,
                figures: Figures::new(),
                asides: Asides::default(),
                probes: Probes::default(),
            },
            links: Vec::with_capacity(plan.peers as usize),
            ready: Vec::new(),
            readers: VecDeque::new(),
            phase: Phase::Joining,
            gave_up: None,
            joining: Joining::beginning(now, plan.peers),
            probing: Probing::beginning(now),
            sending: Sending::new(plan.senders),
            last_news: now,
            scratch: vec![0; READ_BYTES].into(),
            now,
            plan,
        }
    }

    /// One turn. Waits until there is something to do, or until `until` at the latest.
    ///
    /// # Errors
    /// When there can be no run. What goes wrong within one is in its report.
    pub fn turn(&mut self, until: Option<Instant>) -> Result<Phase, LoadError> {
        self.wait(until)?;
        self.read()?;
        if self.phase == Phase::Joining {
            self.join()?;
        }
        self.proceed();
        self.send();
        Ok(self.phase)
    }

    /// Ends the run before its time, with a report of what there is.
    pub fn stop(&mut self) {
        self.gave_up.get_or_insert(GaveUp::Stopped);
    }

    /// When it wants a turn even if nothing happens: never, or at once if that is past.
    pub fn wake_up(&self) -> Option<Instant> {
        if self.readers.is_empty() { self.wakes_for_phase() } else { Some(Instant::START) }
    }

    /// The connections' provider.
    pub fn stack_mut(&mut self) -> &mut S {
        &mut self.stack
    }

    /// Everybody hangs up. What a process does when it ends.
    pub fn hang_up(&mut self) {
        let streams = self.links.iter_mut().filter_map(|link| link.stream.take());
        streams.for_each(|stream| self.stack.close(stream));
    }

    /// How far it has come.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What time it is, as far as the run has looked.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How long messages have been going round.
    pub fn elapsed(&self) -> Duration {
        self.now.since(self.sending.start())
    }

    /// How many peers are in the room, or have been.
    pub fn joined(&self) -> u32 {
        self.joining.joined()
    }

    /// Deliveries measured so far.
    pub fn deliveries(&self) -> u64 {
        self.run.figures.deliveries()
    }

    /// What came of it.
    pub fn report(mut self) -> Report {
        let joined_in = self.joining.took().unwrap_or_default();
        Report::of(self.plan, &mut self.run, &self.links, &self.sending, joined_in, self.gave_up)
    }

    // wait

    fn wait(&mut self, until: Option<Instant>) -> Result<(), LoadError> {
        let wake_up = [until, self.wake_up()].into_iter().flatten().min();
        let mut ready = std::mem::take(&mut self.ready);
        self.now = self.stack.wait(&mut ready, wake_up).map_err(LoadError::Wait)?;
        for readiness in ready.drain(..) {
            self.note(readiness);
        }
        self.ready = ready;
        Ok(())
    }

    fn wakes_for_phase(&self) -> Option<Instant> {
        let of_phase = match self.phase {
            Phase::Joining if self.joining.can_begin_another() => Some(Instant::START),
            Phase::Draining if self.run.tape.under_way() == 0 => Some(Instant::START),
            Phase::Joining => self.probing.due(),
            Phase::Draining | Phase::Parting | Phase::Over => None,
            Phase::WarmingUp | Phase::Measuring => self.sending.wake_up(&self.plan, self.phase),
        };
        let patience = self.is_waiting().then(|| self.last_news + self.plan.patience);
        [of_phase, patience].into_iter().flatten().min()
    }

    // proceed

    /// Goes on to the next phase when it is time.
    fn proceed(&mut self) {
        if self.gave_up.is_none() && self.phase > Phase::Joining {
            self.gave_up = self.reason_to_give_up();
        }
        let has_given_up = self.gave_up.is_some();
        match self.phase {
            Phase::WarmingUp | Phase::Measuring if has_given_up => self.drain(),
            Phase::WarmingUp if self.now >= self.sending.start() + self.plan.warmup => {
                self.phase = Phase::Measuring;
            }
            Phase::Measuring if self.is_measured() => self.drain(),
            Phase::Draining if has_given_up => self.end(),
            Phase::Draining if self.run.tape.under_way() == 0 => self.take_leave(),
            Phase::Parting if has_given_up || self.have_all_parted() => self.end(),
            Phase::Joining | Phase::WarmingUp | Phase::Measuring => {}
            Phase::Draining | Phase::Parting | Phase::Over => {}
        }
    }

    fn reason_to_give_up(&self) -> Option<GaveUp> {
        if self.run.figures.fault_count() > FAULTS_MOST {
            Some(GaveUp::Faults)
        } else if self.run.asides.has_complaint() {
            Some(GaveUp::Refused)
        } else if self.sending.gone() >= self.plan.receivers() {
            Some(GaveUp::Alone)
        } else if self.is_waiting() && self.now >= self.last_news + self.plan.patience {
            Some(GaveUp::Silence)
        } else {
            None
        }
    }

    fn is_measured(&self) -> bool {
        let end = self.sending.start() + self.plan.warmup + self.plan.duration;
        self.now >= end || self.run.figures.bytes() >= self.plan.max_bytes
    }

    /// Everybody is in: messages go out from now on.
    fn begin(&mut self) {
        self.phase = Phase::WarmingUp;
        self.last_news = self.now;
        self.sending.begin(self.now);
        self.run.figures.measure(self.now + self.plan.warmup, self.plan.duration);
    }

    /// Whether something is to come, whatever is sent.
    fn is_waiting(&self) -> bool {
        self.run.tape.under_way() > 0 || matches!(self.phase, Phase::Joining | Phase::Parting)
    }

    /// Nothing more becomes due.
    fn drain(&mut self) {
        self.phase = Phase::Draining;
        self.run.figures.stop(self.now);
        let end = self.sending.start() + self.plan.warmup + self.plan.duration;
        self.end_schedule(end.min(self.now));
    }

    /// Everything has come. Whether anything else comes is known once a last ping is answered: whatever the server
    /// sent before that comes before it.
    fn take_leave(&mut self) {
        self.phase = Phase::Parting;
        self.last_news = self.now;
        let probers = self.last_probers();
        probers.iter().for_each(|&prober| self.probe(Occasion::Farewell, prober));
        for peer in 0..self.plan.peers {
            if self.links[peer as usize].is_talking() {
                let codec = self.run.maker.codec(self.plan.track(peer));
                let link = &mut self.links[peer as usize];
                let question = codec.question(Occasion::Farewell, self.plan.role(peer), peer);
                let parting = if question.is_some() { Parting::Asked } else { Parting::Parted };
                question.into_iter().for_each(|question| link.queue(question));
                link.receiver.takes_leave(parting, &probers);
                self.flush(peer);
            }
        }
    }

    fn have_all_parted(&self) -> bool {
        self.links.iter().all(|link| !link.is_talking() || link.receiver.has_parted())
    }

    /// What has not come until now will not: it has waited so long at least.
    fn end(&mut self) {
        self.phase = Phase::Over;
        for (due, lacking) in self.run.tape.lacking() {
            self.run.figures.waited(due, self.now, lacking.into());
        }
        for sender in 0..self.plan.senders {
            let unsent = self.links[sender as usize].drop_unsent();
            let track = self.plan.track(sender);
            let count = self.run.tape.retract(sender, track, unsent, self.run.maker.codec(track).shorter());
            self.sending.were_never_sent(count);
        }
        let made: Vec<u64> = (0..self.plan.senders).map(|sender| self.run.tape.made(sender)).collect();
        for link in self.links.iter_mut().filter(|link| link.is_talking()) {
            link.receiver.finish(&mut self.run);
            link.receiver.leave((0..).zip(made.iter().copied()), &mut self.run);
        }
    }
}
