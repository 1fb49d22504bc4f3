//! What came of a run, for a person.

use super::{Cost, Outcome};
use crate::cli::figures::{self, NOTHING, bytes, counted, deliveries, duration, percentiles};
use crate::cli::units::{Size, Span, grouped, in_binary};
use crate::load::{Complaint, Dialect, FAULTS_MOST, Fault, GaveUp, PATIENCE, Pace, Plan, Report};
use crate::relay::Limits;

/// All of it.
pub fn text(outcome: &Outcome) -> String {
    let report = &outcome.report;
    let server = report.plan.dialect.server();
    let mut text = String::new();
    let mut row = |name: &str, what: String| figures::row(&mut text, name, &what);
    row("load", plan(&report.plan));
    row("joined", joined(report));
    row("deliveries/s", rate(report));
    row("latency", latency(report));
    row("deliveries", deliveries(&report.total()));
    row("CPU", cpu(outcome));
    match &outcome.relay {
        Some(Some(relay)) => row(server, relay_line(report, relay)),
        Some(None) => row(server, "its process was gone before all was measured".into()),
        None => {}
    }
    if !matches!(report.plan.pace, Pace::Window(_)) {
        row("lateness", lateness(report));
    }
    if report.never_sent > 0 {
        row("behind", behind(report));
    }
    if let Some(why) = gave_up(report) {
        row("given up", why);
    }
    faults(report, &mut text);
    text
}

/// The run in words, as in `100 peers, 1 sender, 250 B, 5s after 1s`, or `redis, 1 sender to 100 receivers, …`.
pub fn plan(plan: &Plan) -> String {
    let (from, to) = (bytes(*plan.sizes.start()), bytes(*plan.sizes.end()));
    let size = if from == to { from } else { format!("{from} to {to}") };
    let pace = match plan.pace {
        Pace::Rate(rate) => format!("{} messages/s (open loop)", grouped(rate.get())),
        Pace::Every(span) => format!("a message every {} (open loop)", Span(span)),
        Pace::Window(window) => format!("at most {} messages under way (closed loop)", grouped(window.get())),
    };
    let senders = counted(plan.senders.into(), "sender");
    let who = match plan.dialect {
        Dialect::Frames => format!("{} peers{}, {senders}", grouped(plan.peers.into()), line_peers(plan)),
        Dialect::Lines => format!("{} line peers, {senders}", grouped(plan.peers.into())),
        Dialect::Redis | Dialect::Nats | Dialect::Mqtt => {
            format!("{}, {senders} to {}", plan.dialect, counted(plan.receivers().into(), "receiver"))
        }
    };
    format!(
        "{who}, {size}, {pace}, {} after {} of warm-up, seed {}",
        Span(plan.duration),
        Span(plan.warmup),
        plan.seed
    )
}

/// How many of those there are beside others.
fn line_peers(plan: &Plan) -> String {
    match plan.line_peers() {
        0 => String::new(),
        1 => " (1 a line peer)".into(),
        count => format!(" ({} of them line peers)", grouped(count.into())),
    }
}

fn joined(report: &Report) -> String {
    let took = duration(report.joined_in.as_micros() as u64);
    format!("{} peers in {took}", grouped(report.plan.peers.into()))
}

fn rate(report: &Report) -> String {
    if report.measured.is_zero() {
        return NOTHING.into();
    }
    let mib = report.byte_rate() / f64::from(1 << 20);
    let (deliveries, span) = (grouped(report.deliveries), report.measured.as_secs_f64());
    format!("{} ({mib:.1} MiB/s), {deliveries} in {span:.2} s", per_second(report.rate()))
}

/// Whole, unless that would say nothing.
fn per_second(rate: f64) -> String {
    if rate < 100.0 { format!("{rate:.1}") } else { grouped(rate as u64) }
}

fn latency(report: &Report) -> String {
    let kind = match report.plan.pace {
        Pace::Rate(_) | Pace::Every(_) => "from the time a message was due",
        Pace::Window(_) => "closed loop: from its sending; a stall is not charged",
    };
    format!("{} ({kind})", percentiles(&report.latency))
}

fn lateness(report: &Report) -> String {
    format!("{} (from due to sent: the tester's part of the latency)", percentiles(&report.lateness))
}

fn cpu(outcome: &Outcome) -> String {
    let span = outcome.report.measured.as_secs_f64();
    let of = |name: &str, cost: &Cost| {
        let seconds = cost.cpu.as_secs_f64();
        format!("{name} {seconds:.2} s ({:.0} %)", 100.0 * seconds / span)
    };
    let server = outcome.report.plan.dialect.server();
    let relay = outcome.relay.iter().flatten().map(|cost| of(server, cost));
    let tester = outcome.own.iter().map(|cost| of("tester", cost));
    let all: Vec<String> = relay.chain(tester).filter(|_| span > 0.0).collect();
    if all.is_empty() { NOTHING.into() } else { all.join(", ") }
}

fn relay_line(report: &Report, relay: &Cost) -> String {
    let per_cpu = per_cpu_second(report, relay)
        .map_or("no CPU time".into(), |rate| format!("{} deliveries per CPU second", per_second(rate)));
    format!("{per_cpu}, {} resident, {} at most", in_binary(relay.usage.rss), in_binary(relay.usage.peak_rss))
}

/// Deliveries for each second of CPU the relay used.
pub fn per_cpu_second(report: &Report, relay: &Cost) -> Option<f64> {
    let seconds = relay.cpu.as_secs_f64();
    (seconds > 0.0).then(|| report.deliveries as f64 / seconds)
}

fn behind(report: &Report) -> String {
    let messages = counted(report.never_sent, "message");
    let server = report.plan.dialect.server();
    format!("{messages} due and never sent, as the {server} did not take what came before; counted as late")
}

/// Why the run ended before its time, if it did.
pub fn gave_up(report: &Report) -> Option<String> {
    Some(match report.gave_up? {
        GaveUp::Silence => format!("nothing came for {} while something was under way", Span(PATIENCE)),
        GaveUp::Faults => format!("more than {} things went wrong", grouped(FAULTS_MOST)),
        GaveUp::Alone => "nobody was left to receive".into(),
        GaveUp::Stopped => "stopped by a signal".into(),
        GaveUp::Refused => refused(report),
    })
}

fn refused(report: &Report) -> String {
    let said = report.complaint.as_ref();
    said.map_or("the server went wrong".into(), |Complaint { peer, what }| {
        format!("the server {what} (to peer {peer}, {})", report.plan.source_name(*peer))
    })
}

/// What went wrong, one line a fault.
fn faults(report: &Report, text: &mut String) {
    for fault in &report.faults {
        text.push_str(&line(fault, report));
    }
    let total = report.total();
    let all = total.missing + total.counts.wrong + total.counts.out_of_order + total.counts.twice;
    let told: u64 = report.faults.iter().map(|fault| fault.count).sum();
    if all > told {
        let receivers = report.accounts.iter().filter(|account| !account.is_right()).count() as u64;
        text.push_str(&format!(
            "… and {} more, at {} in all\n",
            grouped(all - told),
            counted(receivers, "receiver")
        ));
    }
    if total.cut_off > 0 {
        let peers = counted(total.cut_off, "peer");
        let (server, hint) = (report.plan.dialect.server(), size_hint(&report.plan));
        text.push_str(&format!("the {server} cut {peers} off; its log says why{hint}\n"));
    }
}

/// Whether a relay that was given no options cuts off whoever sends what was asked for.
fn size_hint(plan: &Plan) -> String {
    let (limits, size) = (Limits::new(plan.magic), *plan.sizes.end());
    match plan.dialect {
        Dialect::Frames | Dialect::Lines if plan.line_peers() > 0 && size as usize > limits.max_line => {
            let most = Size(limits.max_line as u64);
            format!(" (--size is beyond the {most} that a relay takes in a line by default)")
        }
        Dialect::Frames if size > limits.decoder.max_payload => {
            " (--size is beyond what a relay takes by default)".into()
        }
        Dialect::Frames | Dialect::Lines | Dialect::Redis | Dialect::Nats | Dialect::Mqtt => String::new(),
    }
}

fn line(fault: &Fault, report: &Report) -> String {
    let mut from = report.plan.source_name(fault.receiver);
    if report.plan.lines_at.is_some() {
        from = format!("{from}, {}", report.plan.spoken(fault.receiver));
    }
    let what = match fault.message {
        Some(id) if fault.count > 1 => {
            format!("messages {} to {} of sender {}", id.number, id.number + fault.count - 1, id.sender)
        }
        Some(id) => format!("message {} of sender {}", id.number, id.sender),
        None => "what came is no message of this run".into(),
    };
    format!("{:12}  receiver {} ({from}): {what}\n", fault.kind.name(), fault.receiver)
}
