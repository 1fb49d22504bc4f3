//! What came of worlds, for a person.

use std::collections::BTreeMap;
use std::time::Duration;

use super::options::Plan;
use super::running::{Ending, Ran};
use super::tally::{LoadTally, Tally};
use crate::cli::figures::{bytes, counted, deliveries, list, percentiles, row};
use crate::cli::on_one_line;
use crate::cli::units::{Span, grouped, in_binary, rounded};
use crate::sim::{Chance, Citizen, Fault, Happened, Lie, LoadPart, Mixed, Role, Setup, Topology};
use crate::time::Instant;

/// All of it.
pub fn text(plan: &Plan, ran: &Ran) -> String {
    let mut text = String::new();
    row(&mut text, "sim", &what(plan, ran.tally.worlds));
    row(&mut text, "time", &time(ran.tally.lasted, ran.took));
    if ran.tally.worlds > 0 {
        match &Setup::draw(plan.first, &plan.wishes).load {
            Some(part) if plan.wishes.profile.is_some() => planned(part, &ran.tally, &mut text),
            _ => swarm(plan, &ran.tally, &mut text),
        }
    }
    ending(plan, ran, &mut text);
    text
}

/// The worlds in words.
pub fn what(plan: &Plan, ran: u64) -> String {
    let (first, last) = (plan.first, plan.first + (ran.max(1) - 1));
    let seeds = if first == last { format!("seed {first}") } else { format!("seeds {first} to {last}") };
    let setup = Setup::draw(first, &plan.wishes);
    if let (Some(profile), Some(part)) = (plan.wishes.profile, &setup.load) {
        let (peers, every) = (grouped(part.peers.into()), Span(part.every));
        let sizes = format!("{} to {}", bytes(*part.sizes.start()), bytes(*part.sizes.end()));
        let span = Span(part.duration);
        return format!("{peers} peers over {profile}, a message every {every}, {sizes}, {span}, {seeds}");
    }
    let mut parts = vec![counted(ran, "world"), seeds];
    parts.extend(plan.wishes.peers.map(|peers| format!("{} peers", grouped(peers.into()))));
    parts.extend(plan.wishes.duration.map(|span| Span(span).to_string()));
    parts.join(", ")
}

fn time(lasted: Duration, took: Duration) -> String {
    let times = lasted.as_secs_f64() / took.as_secs_f64().max(1e-3);
    let times = if times < 10.0 { format!("{times:.1}") } else { grouped(times as u64) };
    format!("{} of virtual time in {}: {times} times as fast", rounded(lasted), short(took))
}

/// A minute and more is told in seconds, less of it more exactly.
fn short(span: Duration) -> String {
    match span.as_millis() as u64 {
        millis @ ..1_000 => format!("{millis} ms"),
        ..60_000 => format!("{:.1} s", span.as_secs_f64()),
        _ => rounded(span).to_string(),
    }
}

/// What somebody wants to know who is about to set such a room up.
fn planned(part: &LoadPart, tally: &Tally, text: &mut String) {
    if let Some(load) = &tally.load {
        row(text, "messages", &messages(part, load));
        row(text, "deliveries", &deliveries(&load.total));
        row(text, "latency", &format!("{} (from the time a message was due)", percentiles(&load.latency)));
    }
    row(text, "under way", &under_way(tally));
    row(text, "connections", &connections(tally));
    let cut_off = tally.load.as_ref().map_or(0, |load| load.total.cut_off);
    row(text, "cut off", &if cut_off == 0 { "nobody".into() } else { counted(cut_off, "peer") });
    list(text, "closed", &counts(&tally.closed));
    if !tally.refused.is_empty() {
        list(text, "refused", &counts(&tally.refused));
    }
    row(text, "ways", &ways(tally));
}

fn messages(part: &LoadPart, load: &LoadTally) -> String {
    let made = grouped(load.lateness.len());
    let text = format!("{made} made, each for {}", counted(u64::from(part.peers) - 1, "other"));
    match load.never_sent {
        0 => text,
        never => format!("{text}; {} more were due and never sent: no room on the way", grouped(never)),
    }
}

/// What somebody wants to know who looks for faults: has everything been there?
fn swarm(plan: &Plan, tally: &Tally, text: &mut String) {
    row(text, "connections", &connections(tally));
    list(text, "closed", &counts(&tally.closed));
    list(text, "refused", &counts(&tally.refused));
    row(text, "bans", &grouped(tally.bans));
    row(text, "deliveries", &grouped(tally.figures.deliveries()));
    row(text, "latency", &format!("{} (from sent to come)", percentiles(tally.figures.latency())));
    row(text, "under way", &under_way(tally));
    list(text, "peers", &roles(plan, tally));
    row(text, "lines", &lines(tally));
    list(text, "faults", &all_named(plan, &tally.faults, &Fault::ALL, Fault::name));
    row(text, "ways", &ways(tally));
    if let Some(load) = &tally.load {
        row(text, "load tester", &format!("{}: {}", counted(load.runs, "run"), deliveries(&load.total)));
    }
    if !tally.meshes.is_empty() {
        list(text, "meshes", &all_named(plan, &tally.meshes, &Topology::ALL, Topology::name));
        list(text, "in them", &all_named(plan, &tally.happened, &Happened::ALL, Happened::name));
    }
    if tally.towns > 0 {
        list(text, "towns", &people(plan, tally));
        list(text, "lies", &all_named(plan, &tally.lies, &Lie::ALL, Lie::name));
        list(text, "in them", &all_named(plan, &tally.chances, Chance::ALL, Chance::name));
    }
}

fn connections(tally: &Tally) -> String {
    let knocks = match tally.knocks {
        0 => String::new(),
        knocks => format!(", {} that nobody took up", grouped(knocks)),
    };
    format!("{} let in{knocks}", grouped(tally.accepted))
}

fn under_way(tally: &Tally) -> String {
    let (most, queued) = (volume(tally.under_way), volume(tally.queued));
    format!("at most {most} to all receivers together, at most {queued} queued in the relay")
}

fn volume(bytes: u64) -> String {
    if bytes < 10_000 { format!("{} B", grouped(bytes)) } else { in_binary(bytes) }
}

/// Between those who speak frames and those who speak lines.
fn lines(tally: &Tally) -> String {
    let Mixed { lines, line_to_line, line_to_frame, frame_to_line, lines_banned } = tally.mixed;
    let [to_lines, to_frames, from_frames] = [line_to_line, line_to_frame, frame_to_line].map(grouped);
    format!(
        "{} by who speaks lines: {to_lines} lines came as lines, {to_frames} as frames, {from_frames} frames as lines; {}",
        counted(lines, "connection"),
        counted(lines_banned, "ban"),
    )
}

fn ways(tally: &Tally) -> String {
    format!("{}, {}", counted(tally.troubles.stalls, "stall"), counted(tally.troubles.fades, "fade"))
}

fn counts(counts: &BTreeMap<&'static str, u64>) -> Vec<String> {
    counts.iter().map(|(name, count)| format!("{name} {}", grouped(*count))).collect()
}

/// Every one where several worlds were run: who has never been there has tried nothing.
fn roles(plan: &Plan, tally: &Tally) -> Vec<String> {
    all_moved(plan, &tally.roles, &Role::ALL, Role::name)
}

/// The same, how many towns there were before it.
fn people(plan: &Plan, tally: &Tally) -> Vec<String> {
    let people = all_moved(plan, &tally.people, &Citizen::ALL, Citizen::name);
    std::iter::once(counted(tally.towns, "town")).chain(people).collect()
}

fn all_moved<K: Copy + Ord>(
    plan: &Plan,
    pairs: &BTreeMap<K, (u64, u64)>,
    all: &[K],
    name: fn(K) -> &'static str,
) -> Vec<String> {
    let told = |&one: &K| {
        let (came, moves) = pairs.get(&one).copied().unwrap_or_default();
        let moved = counted(moves, "move");
        (came > 0 || plan.count > 1).then(|| format!("{} {} ({moved})", name(one), grouped(came)))
    };
    all.iter().filter_map(told).collect()
}

/// The same of anything that has a name.
fn all_named<K: Copy + Ord>(
    plan: &Plan,
    counts: &BTreeMap<K, u64>,
    all: &[K],
    name: fn(K) -> &'static str,
) -> Vec<String> {
    let told = |&one: &K| {
        let count = counts.get(&one).copied().unwrap_or(0);
        (count > 0 || plan.count > 1).then(|| format!("{} {}", name(one), grouped(count)))
    };
    all.iter().filter_map(told).collect()
}

fn ending(plan: &Plan, ran: &Ran, text: &mut String) {
    match &ran.ending {
        Ending::Whole => {
            let hash = ran.tally.hash;
            row(text, "promises", "all kept, at every step");
            row(text, "trace", &format!("{hash:016x} (every run of the same worlds has the same)"));
        }
        Ending::Stopped { seed, at } => {
            let what = "what was under way counts as missing";
            row(text, "stopped", &format!("by a signal, seed {seed} at {}; {what}", moment(*at)));
        }
        Ending::Broken { seed, at, promise, how } => {
            row(text, "broken", &format!("{promise} (seed {seed} at {})", moment(*at)));
            row(text, "", &on_one_line(how));
            row(text, "replay", &plan.replay(*seed));
            row(text, "", "(with --trace it shows each step; another version may go another way)");
        }
    }
}

/// As in the trace.
fn moment(at: Instant) -> String {
    format!("{:.6} s", at.since(Instant::START).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use super::super::exit_code;
    use super::super::running::tests::broken;
    use super::*;
    use crate::sim::Wishes;

    #[test]
    fn a_broken_promise_is_told_with_its_world_and_the_line_that_replays_it() {
        let wishes = Wishes { profile: None, peers: Some(9), duration: Some(Duration::from_millis(100_500)) };
        let plan = Plan { first: 4710, count: 50, wishes, trace: false, plot: None };
        let ran = broken();
        let text = text(&plan, &ran);
        let rest = text.split("\nbroken ").nth(1).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(
            rest,
            "       nobody gets its own frame (seed 4711 at 12.345678 s)\n              \
             #7 got its own\nreplay        peer-relay sim --seed 4711 --peers 9 --duration 100500ms\n              \
             (with --trace it shows each step; another version may go another way)\n"
        );
        assert!(text.starts_with("sim           2 worlds, seeds 4710 to 4711, 9 peers, "), "{text}");
        assert!(text.contains("\nfaults        short read 0, short write 0, "), "{text}");
        assert_eq!(format!("{:?}", exit_code(&ran)), format!("{:?}", ExitCode::FAILURE));
    }
}
