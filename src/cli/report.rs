//! What is said of what happens: events and figures as lines for a person. Knows the calendar, decides
//! nothing.

use std::collections::BTreeMap;
use std::fmt::Write;

use log::Level;

use super::calendar::Calendar;
use super::neighbours::Neighbours;
use super::units::{grouped, in_binary, roughly, rounded};
use crate::relay::{AddressKey, Event, RETRY_MOST, Reason, Refusal, Stats, Traffic, Who};

/// An event as a line, and how loud it is. What strangers do is never our error.
pub fn line(event: &Event, calendar: &Calendar, neighbours: &Neighbours) -> (Level, String) {
    let text = match event {
        Event::Connected { who, peers } => format!("{} connected peers={peers}", name(who)),
        Event::Closed { .. } => return closed(event),
        Event::Banned { who, address, until, offence, detail } => {
            let until = calendar.text(*until);
            let net = net_of(address, who);
            format!("{} banned until={until}{net} offence={offence} detail={detail:?}", name(who))
        }
        Event::Disconnected { who, offence, detail } => {
            format!("{} disconnected offence={offence} detail={detail:?} (not banned)", name(who))
        }
        Event::Dropped { who, offence, detail } => {
            format!("{} dropped a frame offence={offence} detail={detail:?}", name(who))
        }
        Event::Paused { who } => format!("{} paused offence=flood (told once)", name(who)),
        Event::Skipped { who, bytes } => {
            format!("{} skipped={bytes} bytes in search of a frame (told once)", name(who))
        }
        Event::Refused { address, refusal, busiest } => {
            let mut text = format!("refused addr={address} reason={}", refusal.name());
            add_why(&mut text, refusal);
            if let Some((address, count)) = busiest {
                let _ = write!(text, " (--max-peers reached) most={address} holds={count}"); // a String takes it
            }
            text
        }
        Event::Opener { address, opener } => {
            format!("closed before a frame: addr={address} looks like {opener}")
        }
        Event::Dialed { dial, who, peers } => {
            format!("{} connected to={} peers={peers}", name(who), neighbours.name(*dial, who.address))
        }
        Event::Lost { dial, who, reason, retry_in } => {
            let (to, again) = (neighbours.name(*dial, who.address), rounded(*retry_in));
            return (
                Level::Warn,
                format!("{} lost to={to} reason={reason}; trying again in {again}", name(who)),
            );
        }
        Event::Undialed { dial, at, why } => {
            let (to, most) = (neighbours.name(*dial, *at), rounded(RETRY_MOST));
            let or_not = if neighbours.is_named(*dial) { "" } else { " or has stayed away too long" };
            let text = format!(
                "cannot connect to={to} addr={at}: {why}; trying again until it is there{or_not}, at least every \
                 {most} (told once)"
            );
            return (Level::Warn, text);
        }
        Event::LetGo { dial, at } => {
            format!("to={} is not dialled any more (away too long, or banned)", neighbours.name(*dial, *at))
        }
        Event::Forgot { after, most } => {
            let (after, most) = (rounded(*after), grouped(*most as u64));
            let text = format!(
                "more than --dedup-max, {most}, was relayed within --dedup: some of it is forgotten after {after} already, and goes round again where ways close to a circle (told once in that time)"
            );
            return (Level::Warn, text);
        }
        Event::More { kind, count } => format!("… and {} more {}", grouped(*count), kind.name()),
    };
    (Level::Info, text)
}

/// The relay's figures, in one line.
pub fn figures(stats: &Stats, peers: usize) -> String {
    let Stats { accepted, incoming, outgoing, skipped_bytes, dropped_frames, bans, pauses, .. } = stats;
    let Stats { dialed, duplicates, .. } = stats;
    let mut text = format!(
        "peers={peers} accepted={accepted} in={} out={} skipped={skipped_bytes} dropped={dropped_frames} \
         pauses={pauses} bans={bans}",
        traffic(incoming),
        traffic(outgoing),
    );
    for (name, count) in [("dialed", dialed), ("duplicates", duplicates)] {
        if *count > 0 {
            let _ = write!(text, " {name}={count}"); // a String takes it
        }
    }
    add_counts(&mut text, "closed", &stats.closed);
    add_counts(&mut text, "refused", &stats.refused);
    text
}

fn closed(event: &Event) -> (Level, String) {
    let Event::Closed { who, reason, after, incoming, outgoing, skipped, queued } = event else {
        unreachable!("the caller looked")
    };
    let after = rounded(*after);
    let mut text = format!(
        "{} closed reason={reason} after={after} in={} out={} skipped={skipped}",
        name(who),
        traffic(incoming),
        traffic(outgoing),
    );
    let size = in_binary(*queued as u64);
    let (level, why) = match reason {
        _ if reason.is_too_slow() => (Level::Warn, format!(" queued={size} (too slow, not banned)")),
        Reason::Memory => (Level::Warn, format!(" held={size} (most of --retained-max, not banned)")),
        Reason::FrameTimeout => (Level::Info, " (no whole frame within --frame-timeout, not banned)".into()),
        Reason::IdleTimeout => (Level::Info, " (silent for --idle-timeout, not banned)".into()),
        Reason::Lost(_) if *queued > 0 => (Level::Info, format!(" queued={size}")),
        _ => (Level::Info, String::new()),
    };
    text += &why;
    (level, text)
}

fn name(who: &Who) -> String {
    format!("peer={} addr={}", who.peer, who.address)
}

/// What is shut out, when it is more than one address.
fn net_of(banned: &AddressKey, who: &Who) -> String {
    let banned = banned.to_string();
    if banned == who.address.ip().to_canonical().to_string() {
        String::new()
    } else {
        format!(" net={banned}")
    }
}

fn traffic(traffic: &Traffic) -> String {
    format!("{}/{}", traffic.frames, roughly(traffic.bytes))
}

fn add_why(text: &mut String, refusal: &Refusal) {
    let _ = match refusal {
        Refusal::Banned { left, offence } => write!(text, " left={} offence={offence}", rounded(*left)),
        Refusal::TooManyFromAddress(address) => write!(text, " from={address}"),
        Refusal::Full => Ok(()),
    };
}

fn add_counts(text: &mut String, what: &str, counts: &BTreeMap<&'static str, u64>) {
    for (name, count) in counts {
        let _ = write!(text, " {what}-{name}={count}");
    }
}
