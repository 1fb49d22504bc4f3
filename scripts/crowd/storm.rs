//! The storm: a relay is killed under its crowd and started again, and everybody comes back. Knows what must
//! hold; how a peer comes back stands elsewhere.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::relay::Relay;
use crate::returning::{Counts, Crowd};
use crate::{PATIENCE, tell};

/// Descriptors for what is no peer.
const DESCRIPTORS_BESIDE: u64 = 100;

/// An address of the relay's own: on 127.0.0.1 somebody else's connection could take its port while it is
/// down.
const AT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 77, 1)), 0);

/// Bound of anything a whole crowd does.
const CROWD_PATIENCE: Duration = PATIENCE.saturating_mul(2);

const OPTIONS: &[&str] = &["--stats-every=0"];

/// Runs it; an error is what did not hold.
pub fn run(peers: usize) -> Result<(), String> {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(256); // what the standard promises everybody
    if limit < peers as u64 + DESCRIPTORS_BESIDE {
        return Err(format!(
            "{peers} peers need {} descriptors, the limit is {limit}",
            peers as u64 + DESCRIPTORS_BESIDE
        ));
    }
    tell(&format!(
        "storm: {peers} peers, each of an address of its own, each back by itself\n\
         {:<14} {:>11} {:>9} {:>9} {:>9} {:>8} {:>8} {:>6} {:>16}",
        "",
        "whole after",
        "outage",
        "attempts",
        "refused",
        "dropped",
        "gave up",
        "inside",
        "told exactly once"
    ))?;
    let began = Instant::now();
    let relay = Relay::start(AT, OPTIONS)?;
    let at = relay.address();
    let mut crowd = Crowd::new(at, peers)?;
    gather(&mut crowd, "at first", peers, began, None)?;

    let down = Instant::now();
    relay.kill();
    scatter(&mut crowd, None)?;
    let began = Instant::now();
    let relay = Relay::start(at, OPTIONS)?;
    gather(&mut crowd, "after SIGKILL", peers, began, Some(began - down))?;

    let down = Instant::now();
    relay.terminate()?;
    scatter(&mut crowd, Some(&relay))?;
    relay.finish()?;
    let began = Instant::now();
    let relay = Relay::start(at, OPTIONS)?;
    gather(&mut crowd, "after SIGTERM", peers, began, Some(began - down))?;

    relay.terminate()?;
    crowd.turn_until(CROWD_PATIENCE, |_| relay.is_over())?;
    relay.finish()?;
    tell("storm: none lost")
}

/// Until everybody has noticed and found the port closed, so that each must come back by itself; and until
/// the relay has ended, if it does so in order.
fn scatter(crowd: &mut Crowd, relay: Option<&Relay>) -> Result<(), String> {
    let is_over = |crowd: &Crowd| crowd.was_refused() && relay.is_none_or(Relay::is_over);
    if crowd.turn_until(CROWD_PATIENCE, is_over)? {
        return Ok(());
    }
    Err(format!("{} peers are still inside of a relay that was ended", crowd.inside()))
}

/// Until the room is whole; then one frame goes to all.
fn gather(
    crowd: &mut Crowd,
    when: &str,
    peers: usize,
    began: Instant,
    outage: Option<Duration>,
) -> Result<(), String> {
    crowd.turn_until(CROWD_PATIENCE, |crowd| crowd.inside() == peers)?;
    let whole = began.elapsed();
    let inside = crowd.inside();
    let told = if inside == peers { crowd.tell_all(CROWD_PATIENCE)? } else { 0 };
    let seconds = |span: Duration| format!("{:.2} s", span.as_secs_f64());
    let Counts { attempts, refused, dropped, gave_up, wrong, failure } = std::mem::take(&mut crowd.counts);
    tell(&format!(
        "{when:<14} {:>11} {:>9} {attempts:>9} {refused:>9} {dropped:>8} {gave_up:>8} {inside:>6} {told:>16}",
        seconds(whole),
        outage.map_or("-".into(), seconds),
    ))?;
    if let Some(failure) = failure {
        return Err(format!("{when}: a peer cannot connect: {failure}"));
    }
    if inside < peers {
        return Err(format!("{when}: {} of {peers} peers did not come back", peers - inside));
    }
    if told < peers - 1 || wrong > 0 {
        let others = peers - 1;
        return Err(format!("{when}: {told} of {others} heard the frame exactly once, {wrong} heard others"));
    }
    if crowd.inside() < peers {
        return Err(format!("{when}: {} peers were lost from a whole room", peers - crowd.inside()));
    }
    Ok(())
}
