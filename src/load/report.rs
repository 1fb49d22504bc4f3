//! What came of a run: for each receiver what it was due and what it got, and the figures of all.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::GaveUp;
use super::figures::{FAULTS_TOLD, Fault, FaultKind};
use super::ledger::Counts;
use super::link::{Link, Stage};
use super::maker::MessageId;
use super::plan::Plan;
use super::receiver::Run;
use super::sending::Sending;

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it was to be.
    pub plan: Plan,
    /// How long it took until all peers were in the room.
    pub joined_in: Duration,
    /// Why it ended before its time, if it did.
    pub gave_up: Option<GaveUp>,
    /// How long was measured; shorter than planned when it was ended early.
    pub measured: Duration,
    /// Deliveries within that time.
    pub deliveries: u64,
    /// Bytes of these, headers included.
    pub bytes: u64,
    /// Microseconds from due to delivered, of all that was due within that time. What was under way when the run
    /// was given up counts with the time it had waited.
    pub latency: Histogram<u64>,
    /// Deliveries in each stretch of that time.
    pub over_time: Vec<u64>,
    /// How long a stretch is.
    pub stretch: Duration,
    /// Messages that were due and never sent, since the relay did not take what came before. They are in
    /// `latency` with the time they had waited at the end.
    pub never_sent: u64,
    /// Each receiver's.
    pub accounts: Vec<Account>,
    /// The first faults, at most [`FAULTS_TOLD`].
    pub faults: Vec<Fault>,
}

/// What one receiver, or all together, were due and got, over the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Deliveries that were due.
    pub due: u64,
    /// What came.
    pub counts: Counts,
    /// Of those due, what did not come, not even spoilt.
    pub missing: u64,
    /// Receivers, of those this account is about, whose connection ended before the run did.
    pub cut_off: u64,
}

impl Account {
    /// Whether everything came once, in order and as it was sent.
    pub fn is_right(&self) -> bool {
        let Counts { wrong, out_of_order, twice, .. } = self.counts;
        (self.missing, wrong, out_of_order, twice, self.cut_off) == (0, 0, 0, 0, 0)
    }

    fn add(&mut self, other: &Self) {
        self.due += other.due;
        self.missing += other.missing;
        self.cut_off += other.cut_off;
        self.counts.came += other.counts.came;
        self.counts.wrong += other.counts.wrong;
        self.counts.spoilt += other.counts.spoilt;
        self.counts.out_of_order += other.counts.out_of_order;
        self.counts.twice += other.counts.twice;
    }
}

impl Report {
    pub(super) fn of<T>(
        plan: Plan,
        run: &mut Run,
        links: &[Link<T>],
        sending: &Sending,
        joined_in: Duration,
        gave_up: Option<GaveUp>,
    ) -> Self {
        let sent = sent_by_each(&plan, run, links);
        let sent_by_all: u64 = sent.iter().sum();
        let account = |(me, link): (usize, &Link<T>)| {
            let due = match link.stage {
                Stage::Gone(made) => made,
                Stage::Connecting | Stage::Greeting(_) | Stage::Talking => {
                    sent_by_all - sent.get(me).copied().unwrap_or(0)
                }
            };
            let counts = *link.receiver.ledger().counts();
            let cut_off = u64::from(matches!(link.stage, Stage::Gone(_)));
            Account { due, counts, missing: due.saturating_sub(counts.came + counts.spoilt), cut_off }
        };
        let latency = run.figures.latency().clone();
        let (over_time, stretch) = run.figures.over_time();
        Self {
            joined_in,
            gave_up,
            measured: run.figures.measured(),
            deliveries: run.figures.deliveries(),
            bytes: run.figures.bytes(),
            latency,
            over_time: over_time.to_vec(),
            stretch,
            never_sent: sending.never_sent(),
            accounts: links.iter().enumerate().map(account).collect(),
            faults: faults(&plan, run, links, &sent),
            plan,
        }
    }

    /// All receivers' accounts in one.
    pub fn total(&self) -> Account {
        let mut total = Account::default();
        self.accounts.iter().for_each(|account| total.add(account));
        total
    }

    /// Deliveries a second.
    pub fn rate(&self) -> f64 {
        per_second(self.deliveries, self.measured)
    }

    /// Bytes a second, headers included.
    pub fn byte_rate(&self) -> f64 {
        per_second(self.bytes, self.measured)
    }
}

fn per_second(count: u64, span: Duration) -> f64 {
    if span.is_zero() { 0.0 } else { count as f64 / span.as_secs_f64() }
}

/// What each sender made, without what its socket never took whole.
fn sent_by_each<T>(plan: &Plan, run: &Run, links: &[Link<T>]) -> Vec<u64> {
    let sent = |(sender, link): (u32, &Link<T>)| {
        run.tape.made(sender) - run.tape.newest_within(sender, link.unsent())
    };
    (0..plan.senders).zip(links).map(sent).collect()
}

/// The first that came, and then the first that did not come.
fn faults<T>(plan: &Plan, run: &Run, links: &[Link<T>], sent: &[u64]) -> Vec<Fault> {
    let missing = (0..plan.peers).zip(links).flat_map(|(receiver, link)| {
        let ledger = link.receiver.ledger();
        let others = (0..plan.senders).filter(move |&sender| sender != receiver);
        let behind = others.map(|sender| (sender, ledger.outstanding(sender, sent[sender as usize])));
        let gaps = ledger.gaps().chain(behind).filter(|(_, gap)| !gap.is_empty());
        gaps.map(move |(sender, gap)| Fault {
            receiver,
            kind: FaultKind::Missing,
            message: Some(MessageId { sender, number: gap.start }),
            count: gap.end - gap.start,
        })
    });
    run.figures.faults().iter().cloned().chain(missing).take(FAULTS_TOLD).collect()
}
