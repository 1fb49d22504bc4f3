//! How long a quiet peer waits while another sends as fast as it can: against the same without it, in turns. Knows
//! time; the figures are printed (--nocapture), and only a generous bound is asserted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Over, Peer, Relay, alone, eventually, frame, noise, stranger};

/// Of each kind, one after the other: a machine that is busy for a while is so for both.
const REPETITIONS: usize = 5;
/// In each repetition, each sent when the one before has returned.
const PINGS: usize = 50;
/// Bursts, 64 KB and a little each, after which a firehose is at its full strength: it waits for the relay by then.
const FIRST_BURSTS: usize = 128;
/// Pings that are not counted: the first finds all of that before it.
const FIRST_PINGS: usize = 5;
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

    fn worst(&mut self) -> Duration {
        quantile(&mut self.all, 1.0)
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
        let (over, bursts) = (Over::default(), AtomicUsize::new(0));
        let Self { firehose, quiet, burst } = self;
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.is_it() {
                    firehose.send(burst);
                    bursts.fetch_add(1, Ordering::Relaxed);
                }
            });
            let _end = over.at_last();
            eventually("its full strength", || {
                (bursts.load(Ordering::Relaxed) >= FIRST_BURSTS).then_some(())
            });
            for _ in 0..FIRST_PINGS {
                quiet.ping_amid_others();
            }
            (0..PINGS).map(|_| prompt(quiet.ping_amid_others())).collect()
        })
    }
}

fn prompt(ping: Duration) -> Duration {
    assert!(ping < PROMPT, "{ping:?}");
    ping
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
    println!("pings beside a firehose of {what}, and without it:");
    print_row("median", with.median(), without.median());
    print_row("p99", with.p99(), without.p99());
    print_row("worst", with.worst(), without.worst());
}

fn print_row(name: &str, with: Duration, without: Duration) {
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    println!("    {name:6} {with:>8.1?}, {without:>8.1?}: {ratio:.1} x");
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
