//! `serve`: sets the relay up, turns it, and looks after what is not the relay's own: log, ban file,
//! signals. Knows no rule.

use std::fmt;
use std::io;
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::ArgMatches;

use super::ban_file::{self, BanFile};
use super::calendar::Calendar;
use super::chain_file::ChainFile;
use super::listening::{Listen, cannot_listen, family, option_for};
use super::neighbours::{Neighbours, chance};
use super::options::ServeArgs;
use super::settings::Settings;
use super::signals::{self, Stop};
use super::units::{Size, Span, grouped};
use super::{Failure, check, logging, raise_descriptor_limit, report, version};
use crate::kernel::{Family, KernelStack, PortUse};
use crate::protocol::bunkercoin::{MAX_BLOCKS, MAX_BYTES};
use crate::protocol::{Dialect, Networks, Offence, Penalty, clarke};
use crate::relay::{AddressKey, Ban, Relay, Stats};
use crate::server::{LINGER, Server};
use crate::time::Instant;
use crate::wire::{Command, Frame, Magic, checksum};

/// Runs the relay until a signal ends it.
pub fn run(args: ServeArgs, given: &ArgMatches, warnings: Vec<String>) -> Result<(), Failure> {
    let is_check = args.check;
    keep_freed_memory();
    let descriptors = raise_descriptor_limit();
    let mut settings = args.settle(descriptors)?;
    settings.warnings.extend(warnings);
    if is_check {
        return check_only(&settings, given);
    }
    let mut stack = KernelStack::new(settings.socket)
        .map_err(|error| Failure::failed(format!("cannot poll for connections: {error}")))?;
    let calendar = Calendar::pairing(Instant::START);
    let loaded = load_bans(&settings, &calendar)?;
    let listening = listen(&mut stack, &settings)?;
    let networks = Networks::new(clarke::Setup {
        max_message: settings.limits.max_line,
        max_peers: settings.max_json_peers,
        // at the others we are no better to be added
        listening: listening.iter().map(|listener| listener.at).collect(),
        seed: chance(),
    });
    let mut relay = Relay::new(networks, settings.law.clone(), settings.limits.clone());
    for &(address, ban) in &loaded {
        relay.restore_ban(Instant::START, address, ban);
    }
    let stop = signals::install(stack.wake())?;
    logging::start(settings.log_level)?;
    let chain = relay.protocol_mut().chain_mut();
    let chain_file =
        settings.data_dir.as_ref().map(|directory| ChainFile::open(directory, chain)).transpose()?;
    introduce(&settings, &listening, relay.bans().len());
    let neighbours = Neighbours::new(stack.wake(), settings.network.port);
    let mut house = House::new(&settings, calendar, stop, neighbours, &relay, loaded.len())?;
    house.chain_file = chain_file;
    let mut server = Server::new(stack, relay);
    house.neighbours.keep_up(&settings.connect, &mut server)?;
    house.run(server)
}

/// Has glibc's allocator keep up to twice this much freed memory instead of giving it back to the kernel, which would
/// fetch it again, page by page, for the next long frame: a sixteenth of what a frame of 256 KiB to 100 peers costs.
/// It learns that from the largest block it has mapped and freed.
fn keep_freed_memory() {
    const BLOCK_BYTES: usize = 2 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BLOCK_BYTES)));
}

/// What is looked after between turns.
struct House {
    calendar: Calendar,
    stop: Stop,
    neighbours: Neighbours,
    ban_file: Option<BanFile>,
    chain_file: Option<ChainFile>,
    /// The operator was told.
    chain_is_full: bool,
    drain: Duration,
    stats_every: Option<Duration>,
    stats_due: Option<Instant>,
    stats_told: (Stats, usize),
    /// When the end is over, once it has begun.
    end: Option<Instant>,
}

impl House {
    fn new(
        settings: &Settings,
        calendar: Calendar,
        stop: Stop,
        neighbours: Neighbours,
        relay: &Relay<Networks>,
        loaded: usize,
    ) -> Result<Self, Failure> {
        let keep = |path| BanFile::keep(path, calendar, relay.bans(), loaded);
        Ok(Self {
            calendar,
            stop,
            neighbours,
            ban_file: settings.ban_file.clone().map(keep).transpose()?,
            chain_file: None,
            chain_is_full: false,
            drain: settings.limits.drain,
            stats_every: settings.stats_every,
            stats_due: settings.stats_every.map(|span| Instant::START + span),
            stats_told: Default::default(),
            end: None,
        })
    }

    /// Turn after turn, until everybody is gone. Whatever ends it, what is kept is kept.
    fn run(mut self, mut server: Server<KernelStack, Networks>) -> Result<(), Failure> {
        let ended = loop {
            match self.turn(&mut server) {
                Ok(false) => {}
                Ok(true) => break Ok(()),
                Err(error) => break Err(Failure::failed(format!("cannot wait for connections: {error}"))),
            }
        };
        self.finish(&mut server);
        ended
    }

    /// One turn and what belongs to it. True when it was the last.
    fn turn(&mut self, server: &mut Server<KernelStack, Networks>) -> io::Result<bool> {
        let now = server.turn(self.wake_up())?;
        self.neighbours.tick(server);
        self.tell_events(server);
        self.tell_figures(now, server.relay());
        if let Some(file) = &mut self.ban_file {
            file.tick(now, server.relay().bans());
        }
        if let Some(file) = &mut self.chain_file {
            file.tick(now, server.protocol_mut().chain_mut());
        }
        self.tell_full_chain(server);
        if let Some(end) = self.end {
            return Ok(now >= end || server.relay().peers() == 0);
        }
        if self.stop.is_wanted() {
            self.begin_to_end(now, server); // the next turn does it, however short the time
        }
        Ok(false)
    }

    /// Once: a chain that has no room for more stays as it is.
    fn tell_full_chain(&mut self, server: &mut Server<KernelStack, Networks>) {
        if self.chain_is_full || server.protocol_mut().chain().counts().too_long == 0 {
            return;
        }
        self.chain_is_full = true;
        log::warn!(
            "a chain is longer than the {} blocks or {} bytes that are kept: what is here stays as it is, and what \
             comes next is told but not kept",
            grouped(MAX_BLOCKS as u64),
            grouped(MAX_BYTES as u64)
        );
    }

    fn wake_up(&self) -> Option<Instant> {
        let of_file = self.ban_file.as_ref().and_then(BanFile::wake_up);
        let of_chain = self.chain_file.as_ref().and_then(ChainFile::wake_up);
        [self.stats_due, of_file, of_chain, self.end].into_iter().flatten().min()
    }

    fn tell_events(&self, server: &mut Server<KernelStack, Networks>) {
        for event in server.events() {
            let (level, line) = report::line(&event, &self.calendar, &self.neighbours);
            log::log!(level, "{line}");
        }
    }

    /// A line of figures when it is time, silent when nothing has changed.
    fn tell_figures(&mut self, now: Instant, relay: &Relay<Networks>) {
        let (Some(every), Some(due)) = (self.stats_every, self.stats_due) else { return };
        if now < due {
            return;
        }
        self.stats_due = Some(now + every);
        let (stats, peers) = (relay.stats(), relay.peers());
        if (stats, peers) != (&self.stats_told.0, self.stats_told.1) {
            log::info!("{}{}", report::figures(stats, peers), chain_text(relay));
            self.stats_told = (stats.clone(), peers);
        }
    }

    fn begin_to_end(&mut self, now: Instant, server: &mut Server<KernelStack, Networks>) {
        let (peers, drain) = (server.relay().peers(), Span(self.drain));
        let linger = Span(LINGER);
        log::info!(
            "stopping: {peers} peers have {drain} to take what is queued, of it {linger} to close; \
             a second signal ends at once"
        );
        server.shut_down();
        self.end = Some(now + self.drain);
    }

    fn finish(self, server: &mut Server<KernelStack, Networks>) {
        if let Some(file) = self.chain_file {
            file.finish(server.protocol_mut().chain_mut());
        }
        let relay = server.relay();
        if let Some(file) = self.ban_file {
            file.finish(relay.bans());
        }
        log::info!("{}{}", report::figures(relay.stats(), relay.peers()), chain_text(relay));
        let left = relay.stats().undelivered;
        let (bytes, peers) = (grouped(left.bytes), grouped(left.peers));
        log::info!("stopped: {bytes} bytes to {peers} peers were not delivered");
        logging::finish();
    }
}

/// Where there is a chain, how long it is.
fn chain_text(relay: &Relay<Networks>) -> String {
    match relay.protocol().chain().height() {
        0 => String::new(),
        height => format!(" blocks={height}"),
    }
}

fn check_only(settings: &Settings, given: &ArgMatches) -> Result<(), Failure> {
    load_bans(settings, &Calendar::pairing(Instant::START))?;
    let mut text = String::new();
    settings.warnings.iter().for_each(|warning| text += &format!("warning: {warning}\n"));
    text += &check::report(settings, given);
    let _ = io::Write::write_all(&mut io::stdout(), text.as_bytes()); // closed: then nobody wants it
    Ok(())
}

fn load_bans(settings: &Settings, calendar: &Calendar) -> Result<Vec<(AddressKey, Ban)>, Failure> {
    settings.ban_file.as_ref().map_or(Ok(Vec::new()), |path| ban_file::load(path, calendar))
}

/// Where it is listened, and what is spoken there.
struct Listening {
    at: SocketAddr,
    dialect: Dialect,
    /// Which addresses an IPv6 wildcard takes.
    families: Option<&'static str>,
}

/// Opens every listener: those for frames first.
fn listen(stack: &mut KernelStack, settings: &Settings) -> Result<Vec<Listening>, Failure> {
    let mut opened = Vec::new();
    for &Listen { at, dialect } in &settings.listen {
        let family = family(at, &settings.listen);
        let families = match family {
            _ if !(at.is_ipv6() && at.ip().is_unspecified()) => None,
            Family::Both => Some("dual-stack: IPv6 and IPv4"),
            Family::Own => Some("IPv6 only"),
        };
        let at = stack
            .listen(at, family, settings.port_use, dialect)
            .map_err(|error| cannot_listen(option_for(dialect), at, &error))?;
        opened.push(Listening { at, dialect, families });
    }
    Ok(opened)
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spoken = match self.dialect {
            Dialect::Frames => None,
            Dialect::Lines => Some("lines"),
            Dialect::Json => Some("json"),
            Dialect::Chain => Some("chain"),
            Dialect::Http => Some("http"),
        };
        let notes: Vec<&str> = spoken.into_iter().chain(self.families).collect();
        if notes.is_empty() { self.at.fmt(f) } else { write!(f, "{} ({})", self.at, notes.join(", ")) }
    }
}

/// What an operator wants to know first.
fn introduce(settings: &Settings, listening: &[Listening], bans: usize) {
    for listener in listening {
        logging::out(format!("listening on {listener}"));
    }
    let Settings { network, limits, .. } = settings;
    let (version, backend) = (version(), checksum::backend());
    log::info!(
        "peer-relay {version} network={network} magic={} protocol=flood sha256={backend}",
        network.magic
    );
    settings.warnings.iter().for_each(|warning| log::warn!("{warning}"));
    log::info!(
        "limits: peers={} descriptors={} payload={} queue-soft={} for {} queue-hard={} retained={}",
        limits.max_peers,
        settings.descriptors,
        Size(limits.decoder.max_payload.into()),
        Size(limits.queue_soft_bytes as u64),
        Span(limits.queue_soft_time),
        Size(limits.queue_hard_bytes as u64),
        Size(limits.retained_max_bytes as u64),
    );
    log::info!("law: {}", law_text(settings));
    if !settings.connect.is_empty() {
        let names: Vec<String> = settings.connect.iter().map(ToString::to_string).collect();
        log::info!("keeping up: {}", names.join(","));
    }
    if settings.port_use == PortUse::Shared {
        log::info!(
            "sharing its ports with whoever says --reuse-port too: without a link these are rooms apart"
        );
    }
    if let Some(window) = limits.dedup {
        log::info!(
            "relaying nothing twice within {}: {} frames known at once",
            Span(window),
            limits.dedup_max
        );
    }
    if bans > 0 {
        log::info!("bans loaded: {bans}, none longer than --ban-time");
    }
    tell_how_open(settings, listening);
    if io::stderr().is_terminal() {
        log::info!("a ping, and its pong: {}", ping_command(network.magic, listening[0].at));
        if let Some(lines) = listening.iter().find(|listener| listener.dialect == Dialect::Lines) {
            log::info!("a line is a message: nc {} {}", near(lines.at), lines.at.port());
        }
        log::info!("Ctrl-C stops in order, twice at once");
    }
}

/// What to type to be answered.
fn ping_command(magic: Magic, at: SocketAddr) -> String {
    let ping = Frame::encode(magic, Command::PING, &[]);
    let octal: String = ping.as_bytes().iter().map(|byte| format!("\\{byte:03o}")).collect();
    format!("printf '{octal}' | nc -q 1 {} {} | od -c", near(at), at.port())
}

/// Where this host reaches a listener.
fn near(at: SocketAddr) -> IpAddr {
    if at.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { at.ip() }
}

fn law_text(settings: &Settings) -> String {
    let with = |penalty: Penalty| {
        let offences = Offence::ALL.into_iter().filter(|&offence| settings.law.penalty(offence) == penalty);
        offences.map(Offence::name).collect::<Vec<_>>().join(",")
    };
    let ban_time = Span(settings.limits.ban_time);
    let mut parts = Vec::new();
    for penalty in Penalty::ALL.into_iter().rev() {
        let (name, offences) = (penalty.name(), with(penalty));
        match penalty {
            _ if offences.is_empty() => {}
            Penalty::Ban => parts.push(format!("ban={offences} for {ban_time}")),
            Penalty::Drop | Penalty::Pause | Penalty::Disconnect => parts.push(format!("{name}={offences}")),
        }
    }
    let mut never: Vec<String> = settings.limits.never_ban.iter().map(ToString::to_string).collect();
    if !settings.connect.is_empty() {
        never.push("who is kept up".into());
    }
    parts.push(format!("never banned: {}", if never.is_empty() { "none".into() } else { never.join(",") }));
    parts.join("; ")
}

/// Closed to the network, or open to it without a limit: both are worth a word.
fn tell_how_open(settings: &Settings, listening: &[Listening]) {
    let is_local = listening.iter().all(|listener| listener.at.ip().to_canonical().is_loopback());
    let limits = &settings.limits;
    if is_local {
        let port = listening[0].at.port();
        log::info!("only this host can connect; --listen 0.0.0.0:{port} opens it to the network");
    } else if limits.rate_messages.is_none() && limits.rate_bytes.is_none() {
        log::warn!("open to the network without a rate limit; --rate-messages and --rate-bytes set one");
    }
}
