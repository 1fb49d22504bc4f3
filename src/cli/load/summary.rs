//! What came of a run, for a person.

use super::{Cost, Outcome};
use crate::cli::figures::{self, NOTHING, bytes, counted, deliveries, duration, percentiles};
use crate::cli::units::{Span, grouped, in_binary};
use crate::load::{FAULTS_MOST, Fault, GaveUp, PATIENCE, Pace, Plan, Report};
use crate::relay::Limits;

/// All of it.
pub fn text(outcome: &Outcome) -> String {
    let report = &outcome.report;
    let mut text = String::new();
    let mut row = |name: &str, what: String| figures::row(&mut text, name, &what);
    row("load", plan(&report.plan));
    row("joined", joined(report));
    row("deliveries/s", rate(report));
    row("latency", latency(report));
    row("deliveries", deliveries(&report.total()));
    row("CPU", cpu(outcome));
    match &outcome.relay {
        Some(Some(relay)) => row("relay", relay_line(report, relay)),
        Some(None) => row("relay", "its process was gone before all was measured".into()),
        None => {}
    }
    if !matches!(report.plan.pace, Pace::Window(_)) {
        row("lateness", lateness(report));
    }
    if report.never_sent > 0 {
        row("behind", behind(report));
    }
    if let Some(why) = report.gave_up {
        row("given up", gave_up(why));
    }
    faults(report, &mut text);
    text
}

/// The run in words, as in `100 peers, 1 sender, 250 B, 5s after 1s`.
pub fn plan(plan: &Plan) -> String {
    let (from, to) = (bytes(*plan.sizes.start()), bytes(*plan.sizes.end()));
    let size = if from == to { from } else { format!("{from} to {to}") };
    let pace = match plan.pace {
        Pace::Rate(rate) => format!("{} messages/s (open loop)", grouped(rate.get())),
        Pace::Every(span) => format!("a message every {} (open loop)", Span(span)),
        Pace::Window(window) => format!("at most {} messages under way (closed loop)", grouped(window.get())),
    };
    format!(
        "{} peers, {}, {size}, {pace}, {} after {} of warm-up, seed {}",
        grouped(plan.peers.into()),
        counted(plan.senders.into(), "sender"),
        Span(plan.duration),
        Span(plan.warmup),
        plan.seed
    )
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
    let relay = outcome.relay.iter().flatten().map(|cost| of("relay", cost));
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
    format!("{messages} due and never sent, as the relay did not take what came before; counted as late")
}

/// Why the run ended before its time.
pub fn gave_up(why: GaveUp) -> String {
    match why {
        GaveUp::Silence => format!("nothing came for {} while something was under way", Span(PATIENCE)),
        GaveUp::Faults => format!("more than {} things went wrong", grouped(FAULTS_MOST)),
        GaveUp::Alone => "nobody was left to receive".into(),
        GaveUp::Stopped => "stopped by a signal".into(),
    }
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
        let is_large = *report.plan.sizes.end() > Limits::new(report.plan.magic).decoder.max_payload;
        let hint = if is_large { " (--size is beyond what a relay takes by default)" } else { "" };
        text.push_str(&format!("the relay cut {peers} off; its log says why{hint}\n"));
    }
}

fn line(fault: &Fault, report: &Report) -> String {
    let from = report.plan.source_name(fault.receiver);
    let what = match fault.message {
        Some(id) if fault.count > 1 => {
            format!("messages {} to {} of sender {}", id.number, id.number + fault.count - 1, id.sender)
        }
        Some(id) => format!("message {} of sender {}", id.number, id.sender),
        None => "what came is no message of this run".into(),
    };
    format!("{:12}  receiver {} ({from}): {what}\n", fault.kind.name(), fault.receiver)
}
