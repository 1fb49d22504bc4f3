//! What came of a run, for a program.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::summary::{gave_up, per_cpu_second};
use super::{Cost, Outcome};
use crate::cli::Failure;
use crate::cli::figures::PERCENTILES;
use crate::load::{Account, Fault, Pace, Report};

/// The whole file.
#[derive(Serialize)]
struct Figures<'r> {
    protocol: &'static str,
    peers: u32,
    /// How many of these speak lines.
    line_peers: u32,
    senders: u32,
    /// Deliveries a message makes.
    receivers: u32,
    size_min: u32,
    size_max: u32,
    /// `open` or `closed`.
    r#loop: &'static str,
    /// Of an open loop.
    rate: Option<u64>,
    /// Of a closed loop.
    window: Option<u64>,
    seed: u64,
    warmup_s: f64,
    measured_s: f64,
    joined_s: f64,
    deliveries: u64,
    bytes: u64,
    deliveries_per_s: f64,
    bytes_per_s: f64,
    latency_us: Option<Latency>,
    /// Of an open loop: from due to sent.
    lateness_us: Option<Latency>,
    never_sent: u64,
    gave_up: Option<String>,
    total: Sums,
    /// Of receivers that did not get everything right.
    faulty: Vec<Faulty>,
    faults: Vec<FaultLine>,
    tester: Option<Process>,
    /// Or another server.
    relay: Option<Process>,
    stretch_s: f64,
    deliveries_in_stretch: &'r [u64],
}

#[derive(Serialize)]
struct Latency {
    p50: u64,
    p90: u64,
    p99: u64,
    p99_9: u64,
    max: u64,
}

#[derive(Serialize)]
struct Sums {
    due: u64,
    came: u64,
    missing: u64,
    wrong: u64,
    out_of_order: u64,
    twice: u64,
    cut_off: u64,
}

#[derive(Serialize)]
struct Faulty {
    receiver: usize,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Serialize)]
struct FaultLine {
    receiver: u32,
    kind: &'static str,
    sender: Option<u32>,
    number: Option<u64>,
    count: u64,
}

#[derive(Serialize)]
struct Process {
    cpu_s: f64,
    rss_bytes: u64,
    peak_rss_bytes: u64,
    deliveries_per_cpu_s: Option<f64>,
}

/// As one JSON object.
pub fn text(outcome: &Outcome) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(&figures(outcome))
        .map_err(|error| Failure::failed(format!("cannot write the figures as JSON: {error}")))?;
    Ok(text + "\n")
}

fn figures(outcome: &Outcome) -> Figures<'_> {
    let report = &outcome.report;
    let plan = &report.plan;
    let (kind, rate, window) = match plan.pace {
        Pace::Rate(rate) => ("open", Some(rate.get()), None),
        Pace::Every(_) => ("open", None, None),
        Pace::Window(window) => ("closed", None, Some(window.get())),
    };
    Figures {
        protocol: plan.dialect.name(),
        peers: plan.peers,
        line_peers: plan.line_peers(),
        senders: plan.senders,
        receivers: plan.receivers(),
        size_min: *plan.sizes.start(),
        size_max: *plan.sizes.end(),
        r#loop: kind,
        rate,
        window,
        seed: plan.seed,
        warmup_s: plan.warmup.as_secs_f64(),
        measured_s: report.measured.as_secs_f64(),
        joined_s: report.joined_in.as_secs_f64(),
        deliveries: report.deliveries,
        bytes: report.bytes,
        deliveries_per_s: report.rate(),
        bytes_per_s: report.byte_rate(),
        latency_us: latency(&report.latency),
        lateness_us: rate.and_then(|_| latency(&report.lateness)),
        never_sent: report.never_sent,
        gave_up: gave_up(report),
        total: sums(&report.total()),
        faulty: faulty(report),
        faults: report.faults.iter().map(fault).collect(),
        tester: outcome.own.as_ref().map(|cost| process(report, cost)),
        relay: outcome.relay.iter().flatten().next().map(|cost| process(report, cost)),
        stretch_s: report.stretch.as_secs_f64(),
        deliveries_in_stretch: &report.over_time,
    }
}

/// None where nothing was measured.
fn latency(histogram: &Histogram<u64>) -> Option<Latency> {
    let [p50, p90, p99, p99_9] = PERCENTILES.map(|(percentile, _)| histogram.value_at_percentile(percentile));
    (!histogram.is_empty()).then(|| Latency { p50, p90, p99, p99_9, max: histogram.max() })
}

fn sums(account: &Account) -> Sums {
    let counts = &account.counts;
    Sums {
        due: account.due,
        came: counts.came,
        missing: account.missing,
        wrong: counts.wrong,
        out_of_order: counts.out_of_order,
        twice: counts.twice,
        cut_off: account.cut_off,
    }
}

fn faulty(report: &Report) -> Vec<Faulty> {
    let all = report.accounts.iter().enumerate();
    let faulty = all.filter(|(_, account)| !account.is_right());
    faulty.map(|(receiver, account)| Faulty { receiver, sums: sums(account) }).collect()
}

fn fault(fault: &Fault) -> FaultLine {
    FaultLine {
        receiver: fault.receiver,
        kind: fault.kind.name(),
        sender: fault.message.map(|id| id.sender),
        number: fault.message.map(|id| id.number),
        count: fault.count,
    }
}

fn process(report: &Report, cost: &Cost) -> Process {
    Process {
        cpu_s: cost.cpu.as_secs_f64(),
        rss_bytes: cost.usage.rss,
        peak_rss_bytes: cost.usage.peak_rss,
        deliveries_per_cpu_s: per_cpu_second(report, cost),
    }
}
