//! How long a quiet peer waits while another sends as fast as it can: against the same without it, in turns. Knows
//! time; the figures are printed (--nocapture), and only a generous bound is asserted.

use std::thread;
use std::time::Duration;

use crate::support::{Over, Peer, Relay, alone, frame, noise, stranger};

/// Of each kind, one after the other: a machine that is busy for a while is so for both.
const REPETITIONS: usize = 5;
/// In each repetition, each sent when the one before has returned.
const PINGS: usize = 60;
/// Pings that are not counted while a firehose comes to its full strength.
const FIRST: usize = 5;
/// What any ping may take.
const PROMPT: Duration = Duration::from_secs(2);

/// What the pings of some repetitions took.
#[derive(Default)]
struct Waits {
    /// The median of each repetition.
    medians: Vec<Duration>,
    all: Vec<Duration>,
}

impl Waits {
    fn add(&mut self, mut of_one: Vec<Duration>) {
        self.medians.push(quantile(&mut of_one, 0.5));
        self.all.append(&mut of_one);
    }

    fn median(&mut self) -> Duration {
        quantile(&mut self.medians, 0.5)
    }

    fn p99(&mut self) -> Duration {
        quantile(&mut self.all, 0.99)
    }
}

fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share).round() as usize]
}

/// A peer that may send as fast as it can, and one that only pings.
struct Pair {
    firehose: Peer,
    quiet: Peer,
    burst: Vec<u8>,
}

impl Pair {
    fn alone(&mut self) -> Vec<Duration> {
        self.firehose.ping(); // all that it sent is dealt with
        self.quiet.ping_amid_others(); // and has been heard
        (0..PINGS).map(|_| self.quiet.ping()).collect()
    }

    fn beside_the_firehose(&mut self) -> Vec<Duration> {
        let over = Over::default();
        let Self { firehose, quiet, burst } = self;
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.is_it() {
                    firehose.send(burst);
                }
            });
            let _end = over.at_last();
            for _ in 0..FIRST {
                quiet.ping_amid_others();
            }
            (0..PINGS).map(|_| quiet.ping_amid_others()).collect()
        })
    }
}

fn measure(what: &str, command: &str, payload: usize) {
    let _alone = alone();
    // the quiet peer is not the one under test for slowness: it may lag as far as it likes
    let relay = Relay::start(&["--queue-hard=512M", "--queue-soft=512M", "--retained-max=1G"]);
    let burst = frame(command, &noise(1, payload)).repeat(1 + 65_536 / (24 + payload));
    let mut pair = Pair { firehose: relay.join(stranger(2)), quiet: relay.join(stranger(3)), burst };
    let (mut without, mut with) = (Waits::default(), Waits::default());
    for _ in 0..REPETITIONS {
        without.add(pair.alone());
        with.add(pair.beside_the_firehose());
    }
    let worst = *with.all.iter().max().unwrap();
    let ratio = |with: Duration, without: Duration| with.as_secs_f64() / without.as_secs_f64();
    let (median, p99) = ((with.median(), without.median()), (with.p99(), without.p99()));
    println!(
        "pings beside a firehose of {what}: median {:.1?} ({:.1} x {:.1?} without), p99 {:.1?} ({:.1} x {:.1?}), worst {worst:.1?}",
        median.0,
        ratio(median.0, median.1),
        median.1,
        p99.0,
        ratio(p99.0, p99.1),
        p99.1,
    );
    assert!(worst < PROMPT, "{worst:?}");
}

#[test]
fn a_firehose_of_large_frames_does_not_keep_a_quiet_peer_waiting() {
    measure("frames of 16 KiB for all", "tx", 16 * 1024);
}

#[test]
fn a_firehose_of_small_frames_does_not_keep_a_quiet_peer_waiting() {
    measure("frames of 250 B for all", "tx", 226);
}

#[test]
fn a_firehose_of_empty_frames_does_not_keep_a_quiet_peer_waiting() {
    measure("empty frames for all", "tx", 0);
}

#[test]
fn a_firehose_nobody_hears_does_not_keep_others_waiting() {
    // pongs are read, verified and forgotten: all it costs is the loop's time
    measure("small frames nobody hears", "pong", 8);
}
