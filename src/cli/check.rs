//! `--check`: what the options come to, where each is from, and the memory it can take.

use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::settings::Settings;
use super::units::{OrOff, Size, Span, roughly};
use crate::kernel::PortUse;
use crate::protocol::{Dialect, Offence, bunkercoin, clarke};
use crate::server::{LOG_ENOUGH_BYTES, READ_BYTES};
use crate::wire::{Header, lines};

/// Own memory of a connected peer that holds nothing, bytes. 176 among the peers and 4 in their roster, 16 for its
/// link and about 34 among the addresses are 230; where all of them are written to, read and behind at once there are
/// 56 for what each is due of the log and 20 for its places in line. The rest is room for how an allocator rounds.
const PEER_BYTES: u64 = 320;
/// The same for its token buckets, when a rate is set.
const RATES_BYTES: u64 = 96;
/// The same for what a dialect keeps of a peer that speaks JSON or HTTP: 270 to 640 measured.
const TEXT_BYTES: u64 = 704;
/// The same for its place among the deadlines, when there is an idle timeout.
const DEADLINE_BYTES: u64 = 48;
/// The program itself, its stacks and what its allocator keeps, bytes.
const PROGRAM_BYTES: u64 = 24 << 20;
/// One ban, in both orders it is kept in, bytes.
const BAN_BYTES: u64 = 160;

/// One frame that is known to have been relayed, in a tree whose nodes are two thirds full, bytes.
const DEDUP_BYTES: u64 = 80;

/// One option a line, and the memory.
pub fn report(settings: &Settings, given: &ArgMatches) -> String {
    let rows = rows(settings);
    let names = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let values = rows.iter().map(|(_, value)| value.len()).max().unwrap_or(0).min(24);
    let lines = rows.iter().map(|(name, value)| {
        let source = source(name, given);
        format!("--{name:names$}  {value:values$}  {source}\n")
    });
    lines.collect::<String>() + &memory(settings)
}

/// The most memory this can take, line by line.
pub fn memory(settings: &Settings) -> String {
    let limits = &settings.limits;
    let has_rate = limits.rate_messages.is_some() || limits.rate_bytes.is_some();
    let per_peer = PEER_BYTES
        + if has_rate { RATES_BYTES } else { 0 }
        + if limits.idle_timeout.is_some() { DEADLINE_BYTES } else { 0 }
        + if settings.dialects().any(Dialect::is_text) { TEXT_BYTES } else { 0 };
    let peers = (limits.max_peers as u64).saturating_mul(per_peer);
    let retained = limits.retained_max_bytes as u64;
    let largest = Header::LEN as u64 + u64::from(limits.decoder.max_payload);
    // the scratch buffer, and a turn's logs: a short one, one more read, and the largest frame in it, up to three
    // times: in segments, in one piece, and in the chunk of those who could not take it
    let (enough, read) = (LOG_ENOUGH_BYTES as u64, READ_BYTES as u64);
    let logs = if settings.listen_for(Dialect::Lines).next().is_none() {
        enough + read + largest
    } else {
        // read of lines, every byte may be a frame without a payload; as a line, every byte of one may be `\xNN`
        let of_lines = enough + lines::longest_line(read + largest);
        enough + Header::LEN as u64 * read + largest + of_lines
    };
    let turn = read + 3 * logs;
    // an operator may allow more than there is
    let bans = (limits.max_bans as u64).saturating_mul(BAN_BYTES);
    let known = if limits.dedup.is_some() { limits.dedup_max as u64 } else { 0 };
    let dedup = known.saturating_mul(DEDUP_BYTES);
    let dedup_text = if dedup > 0 {
        format!(" + dedup {known} x {DEDUP_BYTES} B ({})", roughly(dedup))
    } else {
        String::new()
    };
    let stores = stores(settings);
    let stores_text = if stores > 0 { format!(" + stores {}", roughly(stores)) } else { String::new() };
    let fixed = bans.saturating_add(PROGRAM_BYTES + turn);
    format!(
        "worst-case memory: {} = peers {} x {per_peer} B ({}) + retained {}{dedup_text}{stores_text} + fixed {}; \
         the kernel's socket buffers come on top\n",
        roughly(
            peers.saturating_add(retained).saturating_add(dedup).saturating_add(stores).saturating_add(fixed)
        ),
        limits.max_peers,
        roughly(peers),
        roughly(retained),
        roughly(fixed),
    )
}

/// What the networks that speak text may remember.
fn stores(settings: &Settings) -> u64 {
    let speaks = |dialect: Dialect| settings.dialects().any(|spoken| spoken == dialect);
    let json = if speaks(Dialect::Json) { clarke::STORE_BYTES } else { 0 };
    let has_chain = speaks(Dialect::Chain) || speaks(Dialect::Http);
    let chain = if has_chain { bunkercoin::STORE_BYTES } else { 0 };
    (json + chain) as u64
}

fn rows(settings: &Settings) -> Vec<(&'static str, String)> {
    let Settings { limits, socket, network, .. } = settings;
    let kernels = |size: Option<usize>| size.map_or("the kernel's".into(), |bytes| size_text(bytes as u64));
    let none_if_empty = |list: Vec<String>| if list.is_empty() { "none".into() } else { list.join(",") };
    let listen =
        |dialect| none_if_empty(settings.listen_for(dialect).map(|at| at.to_string()).collect::<Vec<_>>());
    let penalty = |offence: &Offence| format!("{offence}={}", settings.law.penalty(*offence));
    let off = |value: Option<String>| value.unwrap_or_else(|| "off".into());
    vec![
        ("listen", listen(Dialect::Frames)),
        ("listen-lines", listen(Dialect::Lines)),
        ("listen-json", listen(Dialect::Json)),
        ("listen-chain", listen(Dialect::Chain)),
        ("listen-http", listen(Dialect::Http)),
        ("reuse-port", (settings.port_use == PortUse::Shared).to_string()),
        ("recv-buffer", kernels(socket.recv_buffer)),
        ("send-buffer", kernels(socket.send_buffer)),
        ("network", network.name.into()),
        ("magic", network.magic.to_string()),
        ("protocol", "flood".into()),
        ("max-payload", size_text(limits.decoder.max_payload.into())),
        ("max-line", size_text(limits.max_line as u64)),
        ("max-skip", size_text(limits.decoder.max_skip)),
        ("data-dir", path_text(&settings.data_dir)),
        ("connect", none_if_empty(settings.connect.iter().map(ToString::to_string).collect())),
        ("dedup", OrOff(limits.dedup.map(Span)).to_string()),
        ("dedup-max", limits.dedup_max.to_string()),
        ("max-peers", limits.max_peers.to_string()),
        ("max-peers-per-ip", off(limits.max_peers_per_ip.map(|count| count.to_string()))),
        ("max-json-peers", settings.max_json_peers.to_string()),
        ("queue-soft", size_text(limits.queue_soft_bytes as u64)),
        ("queue-soft-time", Span(limits.queue_soft_time).to_string()),
        ("queue-hard", size_text(limits.queue_hard_bytes as u64)),
        ("retained-max", size_text(limits.retained_max_bytes as u64)),
        ("ban-time", Span(limits.ban_time).to_string()),
        ("max-bans", limits.max_bans.to_string()),
        ("never-ban", none_if_empty(limits.never_ban.iter().map(ToString::to_string).collect())),
        ("ban-file", path_text(&settings.ban_file)),
        ("penalty", Offence::ALL.iter().map(penalty).collect::<Vec<_>>().join(",")),
        ("rate-messages", off(limits.rate_messages.map(|rate| rate.to_string()))),
        ("rate-bytes", off(limits.rate_bytes.map(|rate| size_text(rate.get())))),
        ("frame-timeout", Span(limits.frame_timeout).to_string()),
        ("idle-timeout", OrOff(limits.idle_timeout.map(Span)).to_string()),
        ("keepalive", OrOff(socket.keepalive.map(Span)).to_string()),
        ("drain", Span(limits.drain).to_string()),
        ("stats-every", OrOff(settings.stats_every.map(Span)).to_string()),
        ("log-level", settings.log_level.to_string().to_lowercase()),
    ]
}

fn path_text(path: &Option<PathBuf>) -> String {
    path.as_ref().map_or("none".into(), |path| path.display().to_string())
}

fn size_text(bytes: u64) -> String {
    Size(bytes).to_string()
}

fn source(name: &str, given: &ArgMatches) -> String {
    match given.value_source(&name.replace('-', "_")) {
        Some(ValueSource::CommandLine) => "command line".into(),
        Some(ValueSource::EnvVariable) => super::variable_of(name),
        _ => "default".into(),
    }
}
