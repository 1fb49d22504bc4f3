//! What came of a world, in numbers. Knows moments and counts; knows no relay.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::judge::Delivery;
use crate::time::Instant;

/// Longest latency that is told from longer ones, microseconds: a day.
const LONGEST: u64 = 86_400_000_000;
/// Stretches of virtual time at most: when there are more, two become one.
const STRETCHES: usize = 256;
/// The first stretches' length.
const SHORTEST: Duration = Duration::from_millis(100);

/// Deliveries and queues, over all and over virtual time.
#[derive(Clone, Debug)]
pub struct Figures {
    latency: Histogram<u64>,
    stretch: Duration,
    over_time: Vec<Stretch>,
}

/// What happened in a stretch of virtual time.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// Latencies of what came, microseconds.
    pub latency: Histogram<u64>,
    /// Most bytes that waited for all receivers together, as far as was looked.
    pub queued: u64,
    /// Most bytes that had come from their senders and not yet to all receivers: those that waited, and those that
    /// were in buffers and on ways.
    pub under_way: u64,
}

impl Figures {
    /// Nothing has come.
    pub fn new() -> Self {
        Self { latency: histogram(3), stretch: SHORTEST, over_time: Vec::new() }
    }

    /// A frame has come to a receiver.
    pub fn delivered(&mut self, delivery: Delivery) {
        let micros = delivery.came.since(delivery.sent).as_micros() as u64; // no world lasts that long
        self.latency.saturating_record(micros);
        self.at(delivery.came).latency.saturating_record(micros);
    }

    /// So many bytes wait.
    pub fn queued(&mut self, now: Instant, bytes: u64) {
        let stretch = self.at(now);
        stretch.queued = stretch.queued.max(bytes);
    }

    /// So many bytes wait, or are on their way.
    pub fn under_way(&mut self, now: Instant, bytes: u64) {
        let stretch = self.at(now);
        stretch.under_way = stretch.under_way.max(bytes);
    }

    /// How many frames have come.
    pub fn deliveries(&self) -> u64 {
        self.latency.len()
    }

    /// How long they were under way, microseconds.
    pub fn latency(&self) -> &Histogram<u64> {
        &self.latency
    }

    /// The same over virtual time, and how long a stretch of it is.
    pub fn over_time(&self) -> (&[Stretch], Duration) {
        (&self.over_time, self.stretch)
    }

    /// Another world's too.
    pub fn add(&mut self, other: &Self) {
        // both count up to the same longest with the same digits
        let _ = self.latency.add(&other.latency);
    }

    fn at(&mut self, now: Instant) -> &mut Stretch {
        let since = now.since(Instant::START).as_micros();
        while (since / self.stretch.as_micros()) as usize >= STRETCHES {
            self.halve();
        }
        let place = (since / self.stretch.as_micros()) as usize;
        if self.over_time.len() <= place {
            self.over_time.resize_with(place + 1, Stretch::new);
        }
        &mut self.over_time[place]
    }

    fn halve(&mut self) {
        self.stretch *= 2;
        let pairs = std::mem::take(&mut self.over_time);
        let mut pairs = pairs.into_iter();
        while let Some(mut first) = pairs.next() {
            if let Some(second) = pairs.next() {
                first.add(&second);
            }
            self.over_time.push(first);
        }
    }
}

impl Stretch {
    fn new() -> Self {
        Self { latency: histogram(1), queued: 0, under_way: 0 }
    }

    fn add(&mut self, other: &Self) {
        let _ = self.latency.add(&other.latency); // the same longest, the same digits
        self.queued = self.queued.max(other.queued);
        self.under_way = self.under_way.max(other.under_way);
    }
}

fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new_with_max(LONGEST, digits).expect("a day in few digits can be counted")
}

impl Default for Figures {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_world_has_as_many_stretches_as_a_short_one_and_loses_nothing() {
        let mut figures = Figures::new();
        for second in 0..3600 {
            let came = Instant::from_micros(second * 1_000_000 + 1000);
            figures.delivered(Delivery { sent: Instant::from_micros(second * 1_000_000), came });
            figures.queued(came, second);
        }
        let (over_time, stretch) = figures.over_time();
        assert!(
            over_time.len() <= STRETCHES && over_time.len() * 2 > STRETCHES,
            "{} of {stretch:?}",
            over_time.len()
        );
        assert_eq!(over_time.iter().map(|stretch| stretch.latency.len()).sum::<u64>(), 3600);
        assert_eq!(over_time.last().unwrap().queued, 3599);
        assert_eq!((figures.deliveries(), figures.latency().value_at_quantile(0.5)), (3600, 1000));
    }
}
