//! What the options of `serve` come to. Knows every bound and what contradicts what; opens nothing.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use log::LevelFilter;

use super::Failure;
use super::connect::Connect;
use super::listening::{self, Listen};
use super::options::ServeArgs;
use super::units::{Count, Size, Span};
use crate::kernel::{PortUse, SocketOptions};
use crate::protocol::{Dialect, Networks};
use crate::relay::{Law, Limits};
use crate::wire::decoder::DecoderLimits;
use crate::wire::frame::MAX_PAYLOAD;
use crate::wire::{Header, Magic, Network, lines};

/// How long a frame is known when there are other relays: long after it has gone round, but for a way that is cut or
/// held up for as long.
const DEDUP: Duration = Duration::from_secs(60);
/// Most relays that are dialled: each that is given by name has a thread.
const CONNECT_MOST: usize = 256;
/// Descriptors kept for ourselves: listeners, the poll, files, the standard streams.
const OWN_DESCRIPTORS: u64 = 64;
/// Places by default, where descriptors allow more.
const MAX_PEERS: usize = 65_536;
/// Longest line by default, bytes.
const MAX_LINE: usize = 64_000;
/// Hard limit of a write queue by default, bytes; more when two largest messages are.
const QUEUE_HARD: u64 = 8 << 20;
/// Largest socket buffer that may be asked for, bytes.
const MAX_BUFFER: u64 = 1 << 30;
/// What a frame that is being collected is counted as, beyond its bytes.
const FRAME_OVERHEAD: u64 = 4096;
/// Longest keepalive the kernel takes, seconds.
const KEEPALIVE_MAX: u64 = 32_767;

/// What the options come to: nothing here contradicts anything else.
#[derive(Clone, Debug)]
pub struct Settings {
    /// At least one, and that for frames; in the order of dialects.
    pub listen: Vec<Listen>,
    /// How their ports are used.
    pub port_use: PortUse,
    /// Who is to be there for ever.
    pub connect: Vec<Connect>,
    /// By name; its magic may have been replaced.
    pub network: Network,
    /// Bounds of the relay.
    pub limits: Limits,
    /// Penalties.
    pub law: Law,
    /// Set on every socket.
    pub socket: SocketOptions,
    /// Nodes that peers have told of, at once.
    pub max_json_peers: usize,
    /// Where the chain is kept.
    pub data_dir: Option<PathBuf>,
    /// Where bans are kept.
    pub ban_file: Option<PathBuf>,
    /// Between two lines of figures.
    pub stats_every: Option<Duration>,
    /// Of stderr.
    pub log_level: LevelFilter,
    /// Descriptors this process may have.
    pub descriptors: u64,
    /// What was lowered to what is possible, for the log.
    pub warnings: Vec<String>,
}

impl Settings {
    /// What is spoken at our ports, and at those we dial.
    pub fn dialects(&self) -> impl Iterator<Item = Dialect> {
        let listened = self.listen.iter().map(|listen| listen.dialect);
        listened.chain(self.connect.iter().map(|connect| connect.dialect))
    }

    /// Where a dialect is listened for.
    pub fn listen_for(&self, dialect: Dialect) -> impl Iterator<Item = SocketAddr> {
        self.listen.iter().filter(move |listen| listen.dialect == dialect).map(|listen| listen.at)
    }
}

impl ServeArgs {
    /// What it all comes to, in a process that may have so many descriptors.
    pub fn settle(self, descriptors: u64) -> Result<Settings, Failure> {
        let network = self.network.settle();
        self.check_protocol(network)?;
        let mut warnings = Vec::new();
        if self.has_other_relays() && self.dedup().is_none() {
            warnings.push(
                "--connect with --dedup off: where ways close to a circle, everything goes round for ever"
                    .into(),
            );
        }
        Ok(Settings {
            listen: self.listen_at(network.port)?,
            port_use: if self.reuse_port { PortUse::Shared } else { PortUse::Alone },
            connect: self.connect_to(network.port)?,
            network,
            limits: self.limits(network.magic, descriptors, &mut warnings)?,
            law: self.law()?,
            socket: self.socket()?,
            max_json_peers: self.max_json_peers.0,
            data_dir: self.data_dir,
            ban_file: self.ban_file,
            stats_every: self.stats_every.0.map(|span| span.0),
            log_level: self.log_level.0,
            descriptors,
            warnings,
        })
    }

    fn check_protocol(&self, network: Network) -> Result<(), Failure> {
        if self.protocol.is_none() && network.is_bitcoin {
            return Err(Failure::usage(format!(
                "--network {network}: Bitcoin's own protocol is not there yet; --protocol flood relays every frame as it is"
            )));
        }
        Ok(())
    }

    fn listen_at(&self, port: u16) -> Result<Vec<Listen>, Failure> {
        let given = [
            (Dialect::Frames, self.listen.as_slice()),
            (Dialect::Lines, &self.listen_lines),
            (Dialect::Json, &self.listen_json),
            (Dialect::Chain, &self.listen_chain),
            (Dialect::Http, &self.listen_http),
        ];
        listening::everywhere(&given, port)
    }

    fn connect_to(&self, port: u16) -> Result<Vec<Connect>, Failure> {
        for (nth, target) in self.connect.iter().enumerate() {
            let is_same = |other: &Connect| {
                other == target || other.address(port).is_some_and(|at| target.address(port) == Some(at))
            };
            if self.connect[..nth].iter().any(is_same) {
                return Err(Failure::usage(format!("--connect {target}: is given twice")));
            }
            if target.address(port).is_some_and(listening::lacks_interface) {
                return Err(Failure::usage(format!("--connect {target}: {}", listening::NEEDS_INTERFACE)));
            }
        }
        if self.connect.len() > CONNECT_MOST {
            return Err(Failure::usage(format!("--connect: at most {CONNECT_MOST} relays")));
        }
        Ok(self.connect.clone())
    }

    /// Who is dialled has a place of its own, and somebody else must find one too.
    fn check_places(&self, max_peers: usize) -> Result<(), Failure> {
        let neighbours = self.connect.len();
        if neighbours > 0 && max_peers <= neighbours {
            return Err(Failure::usage(format!(
                "--max-peers {max_peers}: need at least {}, a place for each --connect and one more",
                neighbours + 1
            )));
        }
        Ok(())
    }

    fn has_other_relays(&self) -> bool {
        self.connect.iter().any(|connect| connect.dialect == Dialect::Frames)
    }

    fn dedup(&self) -> Option<Duration> {
        let usual = self.has_other_relays().then_some(DEDUP);
        self.dedup.as_ref().map_or(usual, |given| given.0.map(|span| span.0))
    }

    fn dedup_max(&self) -> Result<usize, Failure> {
        match self.dedup_max {
            Count(max) if max < 2 => Err(Failure::usage(format!("--dedup-max {max}: need at least 2"))),
            Count(max) => Ok(max),
        }
    }

    fn limits(&self, magic: Magic, descriptors: u64, warnings: &mut Vec<String>) -> Result<Limits, Failure> {
        let max_payload = self.max_payload()?;
        let (largest, name) = self.largest_message(max_payload);
        let queue_hard = self.queue_hard(2 * largest, name)?;
        let queue_soft = self.queue_soft.map_or(queue_hard / 2, |size| size.0);
        if queue_soft > queue_hard {
            let given = Size(queue_soft);
            return Err(Failure::usage(format!(
                "--queue-soft {given}: must not be above --queue-hard, {}",
                Size(queue_hard)
            )));
        }
        let retained_least = largest + largest / 1024 + FRAME_OVERHEAD;
        if self.retained_max.0 < retained_least {
            let given = self.retained_max;
            return Err(Failure::usage(format!(
                "--retained-max {given}: must hold a largest {name}, at least {retained_least}, or --max-payload be smaller"
            )));
        }
        let max_peers = self.max_peers(descriptors, warnings);
        self.check_places(max_peers)?;
        Ok(Limits {
            decoder: DecoderLimits {
                magic,
                max_payload: max_payload as u32, // at most MAX_PAYLOAD
                max_skip: self.max_skip.0,
            },
            max_line: self.max_line(max_payload)?,
            max_peers,
            max_peers_per_ip: self.max_peers_per_ip.0.map(to_usize),
            ban_time: not_zero(
                "--ban-time",
                self.ban_time,
                "; --penalty checksum=disconnect bans nobody for it",
            )?,
            max_bans: self.max_bans.0,
            never_ban: self.never_ban.iter().map(|cidr| cidr.0).collect::<Vec<IpNet>>(),
            frame_timeout: not_zero("--frame-timeout", self.frame_timeout, "")?,
            idle_timeout: self.idle_timeout.0.map(|span| span.0),
            queue_soft_bytes: to_usize(queue_soft),
            queue_soft_time: self.queue_soft_time.0,
            queue_hard_bytes: to_usize(queue_hard),
            retained_max_bytes: to_usize(self.retained_max.0),
            rate_messages: self.rate_messages.0.and_then(NonZeroU64::new),
            rate_bytes: self.rate_bytes.0.and_then(|size| NonZeroU64::new(size.0)),
            dedup: self.dedup(),
            dedup_max: self.dedup_max()?,
            drain: self.drain.0,
        })
    }

    fn max_payload(&self) -> Result<u64, Failure> {
        let max_payload = at_most("--max-payload", self.max_payload, MAX_PAYLOAD.into())?;
        if !self.listen_lines.is_empty() && max_payload > lines::MAX_PAYLOAD.into() {
            let (given, most) = (self.max_payload, Size(lines::MAX_PAYLOAD.into()));
            return Err(Failure::usage(format!(
                "--max-payload {given}: at most {most} with --listen-lines, where it may be sent as a line, spelt out"
            )));
        }
        Ok(max_payload)
    }

    fn max_line(&self, max_payload: u64) -> Result<usize, Failure> {
        match self.max_line {
            None => Ok(to_usize(max_payload).min(MAX_LINE)),
            Some(Size(0)) => Err(Failure::usage("--max-line 0: need at least one byte".into())),
            Some(size) if size.0 > max_payload => Err(Failure::usage(format!(
                "--max-line {size}: at most --max-payload, {}: a line is a frame's payload to others",
                Size(max_payload)
            ))),
            Some(size) => Ok(to_usize(size.0)),
        }
    }

    /// The most bytes of one message that a peer may be sent, and as what.
    fn largest_message(&self, max_payload: u64) -> (u64, &'static str) {
        let frame = Header::LEN as u64 + max_payload;
        match self.listen_lines.is_empty() {
            true => (frame, "frame"),
            false => (frame.max(lines::longest_line(max_payload)), "line"),
        }
    }

    fn max_peers(&self, descriptors: u64, warnings: &mut Vec<String>) -> usize {
        let possible = to_usize(descriptors.saturating_sub(OWN_DESCRIPTORS)).max(1);
        match self.max_peers {
            None => possible.min(MAX_PEERS),
            Some(Count(asked)) if asked > possible => {
                warnings.push(format!(
                    "--max-peers {asked}: lowered to {possible}, the descriptor limit is {descriptors}"
                ));
                possible
            }
            Some(Count(asked)) => asked,
        }
    }

    fn queue_hard(&self, two: u64, name: &str) -> Result<u64, Failure> {
        match self.queue_hard {
            None => Ok(QUEUE_HARD.max(two)),
            Some(size) if size.0 < two => Err(Failure::usage(format!(
                "--queue-hard {size}: must hold two largest {name}s, at least {two}"
            ))),
            Some(size) => Ok(size.0),
        }
    }

    fn law(&self) -> Result<Law, Failure> {
        let mut law = Law::of::<Networks>();
        for rule in &self.penalty {
            law.set(rule.offence, rule.penalty)
                .map_err(|error| Failure::usage(format!("--penalty {rule}: {error}")))?;
        }
        Ok(law)
    }

    fn socket(&self) -> Result<SocketOptions, Failure> {
        let keepalive = self.keepalive.0.map(|span| span.0);
        if let Some(span) = keepalive
            && !(1..=KEEPALIVE_MAX).contains(&span.as_secs())
        {
            let given = Span(span);
            return Err(Failure::usage(format!("--keepalive {given}: must be 0, or from 1s to 9h")));
        }
        let buffer = |option, size: Option<Size>| match size {
            Some(Size(0)) => Err(Failure::usage(format!("{option} 0: need at least one byte"))),
            Some(size) => at_most(option, size, MAX_BUFFER).map(|bytes| Some(to_usize(bytes))),
            None => Ok(None),
        };
        Ok(SocketOptions {
            keepalive,
            recv_buffer: buffer("--recv-buffer", self.recv_buffer)?,
            send_buffer: buffer("--send-buffer", self.send_buffer)?,
        })
    }
}

/// A size an option may have, or what it may have at most.
pub(super) fn at_most(option: &str, size: Size, most: u64) -> Result<u64, Failure> {
    if size.0 > most {
        return Err(Failure::usage(format!("{option} {size}: at most {}", Size(most))));
    }
    Ok(size.0)
}

fn not_zero(option: &str, span: Span, instead: &str) -> Result<Duration, Failure> {
    if span.0.is_zero() {
        return Err(Failure::usage(format!("{option} {span}: need at least 1ms{instead}")));
    }
    Ok(span.0)
}

/// A size beyond what this machine can address is as good as all it can.
fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    #[test]
    fn without_options_the_limits_are_the_librarys() {
        let command = ServeArgs::augment_args(clap::Command::new("serve")).mut_args(|arg| arg.env(None));
        let matches = command.try_get_matches_from(["serve"]).unwrap();
        let settings = ServeArgs::from_arg_matches(&matches).unwrap().settle(1_000_000).unwrap();
        assert_eq!(settings.limits, Limits::new(Network::PRIVATE.magic));
        let at = "127.0.0.1:7333".parse().unwrap();
        assert_eq!(settings.listen, [Listen { at, dialect: Dialect::Frames }]);
    }
}
