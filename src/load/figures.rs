//! What a run measures: deliveries and their latency, and the first faults by name. Knows moments and numbers;
//! knows no peer and no socket.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::maker::MessageId;
use crate::time::Instant;

/// Faults that are told one by one. All are counted.
pub const FAULTS_TOLD: usize = 20;
/// Longest latency that is told from longer ones, microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;
/// Stretches of time that deliveries are counted in, over the whole measured time.
const STRETCHES: u32 = 100;
/// Shortest of these: below it there would be no deliveries in most.
const SHORTEST_STRETCH: Duration = Duration::from_millis(10);

/// Counts what comes within the measured time.
#[derive(Debug)]
pub struct Figures {
    /// From when to when is measured; empty until that is known.
    from: Instant,
    to: Instant,
    stretch: Duration,
    /// Which stretch the current read belongs to.
    current: Option<usize>,
    now: Instant,
    deliveries: u64,
    bytes: u64,
    over_time: Vec<u64>,
    latency: Histogram<u64>,
    /// A latency, and how often it was the last one taken: what comes in one read has often waited equally long.
    taken: (u64, u64),
    lateness: Histogram<u64>,
    right_bytes: u64,
    faults: Vec<Fault>,
    fault_count: u64,
}

/// One thing that went wrong with one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which receiver's.
    pub receiver: u32,
    /// What.
    pub kind: FaultKind,
    /// Which message, when that can be told.
    pub message: Option<MessageId>,
    /// How many messages of that sender's in a row, from this one on.
    pub count: u64,
}

/// What can go wrong with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It never came.
    Missing,
    /// What came is not what was sent.
    Wrong,
    /// A later one of the same sender came before it.
    OutOfOrder,
    /// It came again.
    Twice,
}

impl FaultKind {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Wrong => "wrong",
            Self::OutOfOrder => "out of order",
            Self::Twice => "twice",
        }
    }
}

impl Figures {
    /// Nothing is measured yet.
    pub fn new() -> Self {
        Self {
            from: Instant::START,
            to: Instant::START,
            stretch: SHORTEST_STRETCH,
            current: None,
            now: Instant::START,
            deliveries: 0,
            bytes: 0,
            over_time: Vec::new(),
            latency: histogram(),
            taken: (0, 0),
            lateness: histogram(),
            right_bytes: 0,
            faults: Vec::new(),
            fault_count: 0,
        }
    }

    /// What comes, or is due, from here for so long is measured.
    pub fn measure(&mut self, from: Instant, span: Duration) {
        (self.from, self.to) = (from, from + span);
        self.stretch = (span / STRETCHES).max(SHORTEST_STRETCH);
    }

    /// Nothing that comes from here on is measured.
    pub fn stop(&mut self, now: Instant) {
        self.to = self.to.min(now).max(self.from);
        self.current = None;
    }

    /// A read: what is delivered next was delivered now.
    pub fn at(&mut self, now: Instant) {
        self.now = now;
        self.current = self.is_measured(now).then(|| self.stretch_at(now));
        if let Some(current) = self.current
            && self.over_time.len() <= current
        {
            self.over_time.resize(current + 1, 0);
        }
    }

    /// A message came that was due then.
    pub fn delivered(&mut self, due: Instant, bytes: usize) {
        if let Some(current) = self.current {
            self.deliveries += 1;
            self.bytes += bytes as u64;
            self.over_time[current] += 1;
        }
        self.waited(due, self.now, 1);
    }

    /// A message that was due then has not come to so many receivers until now, or has just come to them.
    pub fn waited(&mut self, due: Instant, now: Instant, receivers: u64) {
        if !self.is_measured(due) {
            return;
        }
        let waited = now.since(due).as_micros() as u64; // no run takes half a million years
        if waited != self.taken.0 {
            self.record_taken();
            self.taken.0 = waited;
        }
        self.taken.1 = self.taken.1.saturating_add(receivers);
    }

    fn record_taken(&mut self) {
        let (latency, count) = std::mem::take(&mut self.taken);
        if count > 0 {
            self.latency.saturating_record_n(latency, count); // longer than an hour is an hour
        }
    }

    /// So many bytes came that are as they should be.
    pub fn right(&mut self, bytes: usize) {
        self.right_bytes += bytes as u64;
    }

    /// How many that were so far: as long as this grows, the run goes on.
    pub fn right_bytes(&self) -> u64 {
        self.right_bytes
    }

    /// A message was made that was due then.
    pub fn made(&mut self, due: Instant, now: Instant) {
        if self.is_measured(due) {
            self.lateness.saturating_record(now.since(due).as_micros() as u64);
        }
    }

    /// Something went wrong: told, if few things did.
    pub fn fault(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS_TOLD {
            self.faults.push(fault);
        }
    }

    /// Deliveries within the measured time, so far.
    pub fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Bytes of these, headers included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How long was measured.
    pub fn measured(&self) -> Duration {
        self.to.since(self.from)
    }

    /// Microseconds from due to delivered, of every delivery that was due within the measured time.
    pub fn latency(&mut self) -> &Histogram<u64> {
        self.record_taken();
        &self.latency
    }

    /// Microseconds from due to made, of every message that was due within the measured time: the tester's own.
    pub fn lateness(&self) -> &Histogram<u64> {
        &self.lateness
    }

    /// Deliveries in each stretch of the measured time, and how long a stretch is. The last one may be shorter.
    pub fn over_time(&self) -> (&[u64], Duration) {
        (&self.over_time, self.stretch)
    }

    /// How much went wrong so far.
    pub fn fault_count(&self) -> u64 {
        self.fault_count
    }

    /// Messages were overtaken: missing, unless they come late.
    pub fn overtaken(&mut self) {
        self.fault_count += 1;
    }

    /// The first faults.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    fn is_measured(&self, moment: Instant) -> bool {
        self.from <= moment && moment < self.to
    }

    fn stretch_at(&self, now: Instant) -> usize {
        (now.since(self.from).as_micros() / self.stretch.as_micros()) as usize // a run has few stretches
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST, 3).expect("an hour in three digits can be counted")
}

impl Default for Figures {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn measuring_from_100_to_300() -> Figures {
        let mut figures = Figures::new();
        figures.measure(at(100), Duration::from_millis(200));
        figures
    }

    #[test]
    fn only_what_comes_within_the_time_is_counted() {
        let mut figures = measuring_from_100_to_300();
        for millis in [50, 99, 100, 299, 300] {
            figures.at(at(millis));
            figures.delivered(at(millis), 10);
        }
        assert_eq!((figures.deliveries(), figures.bytes()), (2, 20));
        assert_eq!(figures.latency().len(), 2);
        let (over_time, stretch) = figures.over_time();
        assert_eq!((over_time[0], over_time[19], stretch), (1, 1, SHORTEST_STRETCH));
    }

    #[test]
    fn what_was_due_within_the_time_has_its_latency_taken_whenever_it_comes() {
        let mut figures = measuring_from_100_to_300();
        figures.at(at(5000));
        figures.delivered(at(200), 10);
        figures.delivered(at(99), 10);
        assert_eq!(figures.deliveries(), 0);
        assert_eq!(figures.latency().len(), 1);
        assert!(figures.latency().max().abs_diff(4_800_000) < 10_000);
    }

    #[test]
    fn a_time_that_is_cut_short_counts_as_long_as_it_was() {
        let mut figures = measuring_from_100_to_300();
        figures.stop(at(150));
        figures.at(at(160));
        figures.delivered(at(140), 10);
        assert_eq!((figures.measured(), figures.deliveries()), (Duration::from_millis(50), 0));
        assert_eq!(figures.latency().len(), 1);
    }

    #[test]
    fn the_first_faults_are_told() {
        let mut figures = Figures::new();
        for receiver in 0..100 {
            figures.fault(Fault { receiver, kind: FaultKind::Wrong, message: None, count: 1 });
        }
        assert_eq!(figures.faults().len(), FAULTS_TOLD);
        assert_eq!(figures.faults()[3].receiver, 3);
    }
}
