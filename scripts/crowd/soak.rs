//! The soak: honest peers under everybody hostile at once, and what is left of it at the end. Knows what
//! must hold; what each peer does stands elsewhere.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::honest::Room;
use crate::hostile::{Due, Hostiles, Kind};
use crate::ledger::Ledger;
use crate::relay::Relay;
use crate::{PATIENCE, tell};

/// A first short wave, after which memory is read: the allocator has then met everything once.
pub const WARM_UP: Duration = Duration::from_secs(5);

const HONEST: u8 = 50;
/// Between two looks at the relay's memory and descriptors.
const SAMPLE: Duration = Duration::from_millis(250);
const MINUTE: Duration = Duration::from_secs(60);
/// What memory may have grown by in the end. In runs of one to seven minutes it ended 0.2 to 1.5 MiB above
/// where the first wave had left it.
const MEMORY_ALLOWED: u64 = 4 << 20;

/// Small enough for everything to happen many times a minute. Queues must hold what the honest may lag by,
/// and the kernel little, for the slow to be the relay's matter; a reader that stops is at the hard limit
/// about when its time over the soft one is up, so that now this cuts it off and now that.
const OPTIONS: &[&str] = &[
    "--max-payload=64KiB",
    "--queue-soft=1536KiB",
    "--queue-soft-time=600ms",
    "--queue-hard=3MiB",
    "--retained-max=64MiB",
    "--send-buffer=256KiB",
    "--ban-time=2s",
    "--frame-timeout=2s",
    "--drain=5s",
];

/// What was seen of the relay while a wave lasted.
#[derive(Debug, Default)]
struct Watch {
    peak_memory: u64,
    peak_descriptors: usize,
    /// Samples of each minute.
    minutes: Vec<Vec<u64>>,
}

struct Wave {
    ledger: Ledger,
    hostiles: Hostiles,
    watch: Watch,
    took: Duration,
}

/// Runs it; an error is what did not hold.
pub fn run(span: Duration) -> Result<(), String> {
    let relay = Relay::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), OPTIONS)?;
    tell(&format!("soak: {} s, {HONEST} honest peers; relay {}", span.as_secs(), OPTIONS.join(" ")))?;
    let descriptors = relay.descriptors()?;
    tell(&format!("memory of the relay before anybody comes: {} KiB", relay.memory()? >> 10))?;
    let first = wave(&relay, span.min(WARM_UP))?;
    first.ledger.fault().map_or(Ok(()), Err)?;
    leave(&relay, descriptors)?;
    let before = relay.memory()?;
    let wave = wave(&relay, span)?;
    tell(&wave.table())?;
    let left = leave(&relay, descriptors);
    let after = settled_memory(&relay, before)?;
    tell(&wave.watch.table(before, after, descriptors, relay.descriptors()?))?;
    relay.terminate()?;
    relay.finish()?;
    tell(&format!("relay's last figures: {}", relay.figures()))?;
    left?;
    judge(&wave, before, after)?;
    tell("soak: all of it holds")
}

/// Everybody comes, does what he does for so long, and goes. It lasts longer, within patience, until each
/// kind has met with what it is due: else nothing would have been tried.
fn wave(relay: &Relay, span: Duration) -> Result<Wave, String> {
    let room = Room::join(relay.address(), HONEST)?;
    let mut hostiles = Hostiles::start(relay.address());
    let is_over = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&is_over);
    let room = thread::spawn(move || room.run(&until));
    let began = Instant::now();
    let mut watch = Watch::default();
    while !room.is_finished() {
        let elapsed = began.elapsed();
        if elapsed >= span + PATIENCE || (elapsed >= span && hostiles.have_met_theirs()) {
            break;
        }
        watch.look(relay, elapsed)?;
        thread::sleep(SAMPLE);
    }
    let took = began.elapsed();
    hostiles.stop()?;
    is_over.store(true, Ordering::Relaxed);
    let ledger = room.join().map_err(|_| "the thread of honest peers panicked")??;
    Ok(Wave { ledger, hostiles, watch, took })
}

/// Waits until the relay holds no descriptor more than when it began.
fn leave(relay: &Relay, descriptors: usize) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let open = relay.descriptors()?;
        if open == descriptors {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("descriptors: {open} are open, {descriptors} were, and everybody has left"));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Memory once it is back, or once there is no more hope of it.
fn settled_memory(relay: &Relay, before: u64) -> Result<u64, String> {
    let began = Instant::now();
    loop {
        let memory = relay.memory()?;
        if memory <= before + MEMORY_ALLOWED || began.elapsed() > PATIENCE {
            return Ok(memory);
        }
        thread::sleep(SAMPLE);
    }
}

fn judge(wave: &Wave, before: u64, after: u64) -> Result<(), String> {
    wave.ledger.fault().map_or(Ok(()), Err)?;
    for kind in Kind::ALL {
        let tally = wave.hostiles.tally(kind);
        let unpunished = tally.unpunished.load(Ordering::Relaxed);
        if unpunished > 0 {
            return Err(format!("{}: {unpunished} were let be for {} s", kind.name(), PATIENCE.as_secs()));
        }
        if !tally.has_met(kind.due()) {
            let due = match kind.due() {
                Due::Nothing => "let in",
                Due::CutOff => "cut off",
                Due::Ban => "banned",
            };
            return Err(format!("{}: none was {due}", kind.name()));
        }
        if let Some(let_in) = tally.let_in_again(kind) {
            return Err(format!("{}: {let_in} were let in again although banned", kind.name()));
        }
    }
    let allowed = MEMORY_ALLOWED >> 10;
    if after > before + MEMORY_ALLOWED {
        let grown = (after - before) >> 10;
        return Err(format!("memory: {grown} KiB more than before, {allowed} are allowed"));
    }
    match wave.watch.medians()[..] {
        [first, .., last] if last > first + MEMORY_ALLOWED => {
            let grown = (last - first) >> 10;
            Err(format!(
                "memory: the last minute held {grown} KiB more than the first, {allowed} are allowed"
            ))
        }
        _ => Ok(()),
    }
}

impl Watch {
    fn look(&mut self, relay: &Relay, elapsed: Duration) -> Result<(), String> {
        let memory = relay.memory()?;
        self.peak_memory = self.peak_memory.max(memory);
        self.peak_descriptors = self.peak_descriptors.max(relay.descriptors()?);
        let minute = (elapsed.as_secs() / MINUTE.as_secs()) as usize;
        self.minutes.resize_with(self.minutes.len().max(minute + 1), Vec::new);
        self.minutes[minute].push(memory);
        Ok(())
    }

    fn table(&self, before: u64, after: u64, began_with: usize, ended_with: usize) -> String {
        let mut text = format!(
            "relay        before the wave      peak   after it\n\
             memory, KiB  {:>15} {:>9} {:>10}\n\
             descriptors  {began_with:>15} {:>9} {ended_with:>10}",
            before >> 10,
            self.peak_memory >> 10,
            after >> 10,
            self.peak_descriptors,
        );
        let medians: Vec<String> = self.medians().iter().map(|median| (median >> 10).to_string()).collect();
        if !medians.is_empty() {
            text += &format!("\nmemory, KiB, median of each minute: {}", medians.join(" "));
        }
        text
    }

    /// Of each minute that was watched at least half.
    fn medians(&self) -> Vec<u64> {
        let half = (MINUTE.as_millis() / SAMPLE.as_millis() / 2) as usize;
        let median = |samples: &Vec<u64>| {
            let mut sorted = samples.clone();
            sorted.sort_unstable();
            sorted[sorted.len() / 2]
        };
        self.minutes.iter().filter(|samples| samples.len() >= half).map(median).collect()
    }
}

impl Wave {
    fn table(&self) -> String {
        let Ledger { due, received, missing, twice, wrong, out_of_order, cut_off, noise, worst } =
            &self.ledger;
        let mut text = format!(
            "honest peers, {:.1} s: {due} frames due, {received} received, {missing} missing, {twice} twice, \
             {wrong} wrong, {out_of_order} out of order; {cut_off} peers cut off\n\
             worst latency of an honest frame {:.1} ms; {noise} valid frames of flappers beside them\n\
             hostile          connections   cut off  bans seen",
            self.took.as_secs_f64(),
            worst.as_secs_f64() * 1e3,
        );
        for kind in Kind::ALL {
            let tally = self.hostiles.tally(kind);
            let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            text += &format!(
                "\n{:<16} {:>11} {:>9} {:>10}",
                kind.name(),
                count(&tally.connections),
                count(&tally.cut_off),
                count(&tally.bans_seen),
            );
        }
        text
    }
}
