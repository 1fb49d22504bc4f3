//! What came of a run: for each receiver what it was due and what it got, and the figures of all.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::GaveUp;
use super::asides::Complaint;
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
    /// What the server did that no server of its kind does to whom it serves.
    pub complaint: Option<Complaint>,
    /// How long was measured; shorter than planned when it was ended early.
    pub measured: Duration,
    /// Deliveries within that time.
    pub deliveries: u64,
    /// Bytes of these, headers included.
    pub bytes: u64,
    /// Microseconds from due to delivered, of all that was due within that time. What was under way when the run
    /// was given up counts with the time it had waited.
    pub latency: Histogram<u64>,
    /// Microseconds from due to made, of all that was due within that time: the tester's own share of the latency.
    pub lateness: Histogram<u64>,
    /// Deliveries in each stretch of that time.
    pub over_time: Vec<u64>,
    /// How long a stretch is.
    pub stretch: Duration,
    /// Messages that were due and never sent, since the server did not take what came before. They are in
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

    /// Another one too.
    pub fn add(&mut self, other: &Self) {
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
        let accounts = (0..).zip(links).map(|(me, link)| account(me, link)).collect();
        let lateness = run.figures.lateness().clone();
        let latency = run.figures.latency().clone();
        let (over_time, stretch) = run.figures.over_time();
        Self {
            joined_in,
            gave_up,
            complaint: run.asides.take_complaint(),
            measured: run.figures.measured(),
            deliveries: run.figures.deliveries(),
            bytes: run.figures.bytes(),
            latency,
            over_time: over_time.to_vec(),
            stretch,
            never_sent: sending.never_sent(),
            lateness,
            accounts,
            faults: faults(run, links),
            plan,
        }
    }

    /// Whether it ran to its end, and everything came once, in order and as it was sent.
    pub fn is_right(&self) -> bool {
        let total = self.total();
        self.gave_up.is_none() && total.is_right() && total.due > 0
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

/// What one receiver was due and got. When the run is over, or the receiver has left, what had not come is a gap.
fn account<T>(me: u32, link: &Link<T>) -> Account {
    let ledger = link.receiver.ledger();
    let others = (0..ledger.senders()).filter(|&sender| sender != me);
    let due = others.map(|sender| ledger.seen(sender)).sum();
    let missing = ledger.gaps().map(|(_, gap)| gap.end - gap.start).sum();
    let cut_off = u64::from(matches!(link.stage, Stage::Gone));
    Account { due, counts: *ledger.counts(), missing, cut_off }
}

/// The first that came, and then the first that did not come.
fn faults<T>(run: &Run, links: &[Link<T>]) -> Vec<Fault> {
    let missing = (0..).zip(links).flat_map(|(receiver, link)| {
        link.receiver.ledger().gaps().map(move |(sender, gap)| Fault {
            receiver,
            kind: FaultKind::Missing,
            message: Some(MessageId { sender, number: gap.start }),
            count: gap.end - gap.start,
        })
    });
    run.figures.faults().iter().cloned().chain(missing).take(FAULTS_TOLD).collect()
}
