//! The options of `load`, and the plan they come to. Opens nothing.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};

use crate::cli::Failure;
use crate::cli::network::NetworkArgs;
use crate::cli::target::Target;
use crate::cli::units::{Count, Size, Span, grouped};
use crate::load::{Dialect, PATIENCE, Pace, Plan, SMALLEST_PAYLOAD};
use crate::wire::frame::MAX_PAYLOAD;

const LOAD: &str = "Load";
const OUTPUT: &str = "Output";

/// Descriptors kept for ourselves: the poll, files, the standard streams, and some to spare.
const OWN_DESCRIPTORS: u64 = 100;
/// Messages under way by default in a closed loop.
const WINDOW: NonZeroU64 = NonZeroU64::new(64).expect("64 is not 0");
/// Most messages a second: there are no more nanoseconds.
const RATE_MOST: u64 = 1_000_000_000;
/// Most messages under way.
const WINDOW_MOST: usize = 1_000_000;
/// Most pairs of a receiver and a sender: each is accounted for with 8 bytes.
const PAIRS_MOST: u64 = 1 << 27;

/// Options of `load`.
#[derive(Args, Clone, Debug)]
pub struct LoadArgs {
    /// Where the relay is, or another server; without a port it is the network's, or the protocol's own
    #[arg(long, value_name = "HOST[:PORT]", help_heading = LOAD)]
    pub connect: Target,

    /// What is spoken: frames, with a relay; or redis, nats or mqtt (3.1.1, QoS 0): publish and subscribe with a
    /// server of that kind, for comparison
    #[arg(long, value_name = "NAME", default_value = "frames", help_heading = LOAD)]
    pub protocol: Dialect,

    /// Line peers, at a relay's --listen-lines: alone, all are, at --connect; with an address every second one is, at
    /// that, and the others speak frames at --connect. Payloads are text then
    #[arg(long, value_name = "HOST[:PORT]", num_args = 0..=1, require_equals = true, help_heading = LOAD)]
    pub lines: Option<Option<Target>>,

    /// Peers in the room; all of them receive. With another protocol than frames those that send do not
    #[arg(long, value_name = "N", default_value = "100", help_heading = LOAD)]
    pub peers: Count,

    /// How many of these send
    #[arg(long, value_name = "N", default_value = "1", help_heading = LOAD)]
    pub senders: Count,

    /// Bytes of a message's payload, from 16 on, or a range to draw from, as in 32..4k
    #[arg(long, value_name = "BYTES", default_value = "250", help_heading = LOAD)]
    pub size: Sizes,

    /// How long is measured
    #[arg(long, value_name = "DURATION", default_value = "5s", help_heading = LOAD)]
    pub duration: Span,

    /// How long the room talks before anything is measured
    #[arg(long, value_name = "DURATION", default_value = "1s", help_heading = LOAD)]
    pub warmup: Span,

    /// Messages a second, all senders together, each due at its moment (open loop); or max: as fast as they are
    /// delivered (closed loop)
    #[arg(long, value_name = "R", default_value = "max", help_heading = LOAD)]
    pub rate: Rate,

    /// With --rate max: most messages sent and not yet delivered to all [default: 64]
    #[arg(long, value_name = "N", help_heading = LOAD)]
    pub window: Option<Count>,

    /// Ends measuring early, once so many bytes were delivered [default: no bound]
    #[arg(long, value_name = "BYTES", help_heading = LOAD)]
    pub max_bytes: Option<Size>,

    /// Which network
    #[command(flatten)]
    pub network: NetworkArgs,

    /// The process of the relay, or of the other server, on this host: its CPU time and memory are told, and
    /// deliveries per second of its CPU
    #[arg(long, value_name = "PID", value_parser = process_id, help_heading = OUTPUT)]
    pub relay_pid: Option<u32>,

    /// Where the figures go as JSON
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub json: Option<PathBuf>,

    /// Where a plot of them goes, as SVG: latency by percentile, deliveries over time
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub plot: Option<PathBuf>,
}

/// How many bytes a payload may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes(RangeInclusive<u32>);

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As fast as it is delivered.
    Max,
    /// Messages a second.
    PerSecond(NonZeroU64),
}

impl LoadArgs {
    /// The plan, in a process that may have so many descriptors, with messages drawn from this seed.
    pub fn settle(&self, given: &ArgMatches, descriptors: u64, seed: u64) -> Result<Plan, Failure> {
        if self.json.is_some() && self.json == self.plot {
            return Err(Failure::usage("--plot: cannot go to the same file as --json".into()));
        }
        self.check_protocol(given)?;
        let network = self.network.settle();
        let (peers, senders) = self.peers_and_senders(descriptors)?;
        if self.duration.0.is_zero() {
            return Err(Failure::usage(format!("--duration {}: need at least 1ms", self.duration)));
        }
        let to = address(&self.connect, self.protocol.port().unwrap_or(network.port))?;
        Ok(Plan {
            to,
            dialect: if self.lines == Some(None) { Dialect::Lines } else { self.protocol },
            lines_at: self.lines_at(to, network.port)?,
            magic: network.magic,
            command: "msg".parse().expect("a command"),
            peers,
            senders,
            sizes: self.size.0.clone(),
            pace: self.pace()?,
            warmup: self.warmup.0,
            duration: self.duration.0,
            max_bytes: self.max_bytes()?,
            patience: PATIENCE,
            seed,
        })
    }

    /// What goes with frames alone, and what is too large for the others.
    fn check_protocol(&self, given: &ArgMatches) -> Result<(), Failure> {
        let protocol = self.protocol;
        let is_given = |name: &str| given.value_source(name) == Some(ValueSource::CommandLine);
        let network = is_given("network").then(|| format!("--network {}", self.network.network));
        let magic = self.network.magic.map(|magic| format!("--magic {magic}"));
        let lines = self.lines.is_some().then(|| "--lines".to_string());
        if let Some(option) = network.or(magic).or(lines)
            && protocol != Dialect::Frames
        {
            return Err(Failure::usage(format!(
                "{option}: goes with --protocol frames, not with {protocol}"
            )));
        }
        let most = protocol.largest_payload();
        if *self.size.0.end() > most {
            let most = grouped(most.into());
            return Err(Failure::usage(format!("--size: a message of {protocol} has at most {most} bytes")));
        }
        Ok(())
    }

    fn max_bytes(&self) -> Result<u64, Failure> {
        match self.max_bytes {
            None => Ok(u64::MAX),
            Some(Size(0)) => Err(Failure::usage("--max-bytes 0: need at least one byte".into())),
            Some(size) => Ok(size.0),
        }
    }

    /// Where every second peer goes, the others going there.
    fn lines_at(&self, to: SocketAddr, port: u16) -> Result<Option<SocketAddr>, Failure> {
        let Some(Some(target)) = &self.lines else { return Ok(None) };
        let at = address(target, port)?;
        if at == to {
            return Err(Failure::usage(format!(
                "--lines {at}: is where --connect goes; for line peers alone leave the address out"
            )));
        }
        Ok(Some(at))
    }

    fn peers_and_senders(&self, descriptors: u64) -> Result<(u32, u32), Failure> {
        let (Count(peers), Count(senders)) = (self.peers, self.senders);
        let allowed = descriptors.saturating_sub(OWN_DESCRIPTORS);
        if peers as u64 > allowed {
            let (descriptors, allowed) = (grouped(descriptors), grouped(allowed));
            let asked = grouped(peers as u64);
            return Err(Failure::usage(format!(
                "{descriptors} descriptors allow {allowed} peers, {asked} asked"
            )));
        }
        if peers < 2 {
            return Err(Failure::usage(format!(
                "--peers {peers}: need 2, one that sends and one that gets it"
            )));
        }
        if senders > peers {
            return Err(Failure::usage(format!("--senders {senders}: there are only {peers} peers")));
        }
        if self.protocol.receivers(peers as u32, senders as u32) == 0 {
            let protocol = self.protocol;
            return Err(Failure::usage(format!(
                "--senders {senders}: of {peers} peers one must receive, and with {protocol} a sender does not"
            )));
        }
        if peers as u64 * senders as u64 > PAIRS_MOST {
            let most = grouped(PAIRS_MOST);
            return Err(Failure::usage(format!(
                "--senders {senders}: times {peers} peers is more than the {most} pairs that are accounted for"
            )));
        }
        Ok((peers as u32, senders as u32)) // no more than there are descriptors
    }

    fn pace(&self) -> Result<Pace, Failure> {
        match (self.rate, self.window) {
            (_, Some(Count(window))) if window > WINDOW_MOST => {
                let most = grouped(WINDOW_MOST as u64);
                Err(Failure::usage(format!("--window {window}: at most {most} messages")))
            }
            (Rate::Max, None) => Ok(Pace::Window(WINDOW)),
            (Rate::Max, Some(Count(window))) => {
                Ok(Pace::Window(NonZeroU64::new(window as u64).unwrap_or(WINDOW))) // a count is never zero
            }
            (Rate::PerSecond(rate), None) => Ok(Pace::Rate(rate)),
            (Rate::PerSecond(rate), Some(Count(window))) => Err(Failure::usage(format!(
                "--window {window}: goes with --rate max, not with --rate {rate}"
            ))),
        }
    }
}

/// All peers go to one address; of a name's, the one a relay listens at by default.
fn address(target: &Target, port: u16) -> Result<SocketAddr, Failure> {
    let all = target.resolve(port)?;
    let to = all.iter().find(|to| to.is_ipv4()).or(all.first()).copied();
    to.ok_or_else(|| Failure::failed("--connect: no address".into()))
}

fn process_id(text: &str) -> Result<u32, &'static str> {
    text.parse().map_err(|_| "need the number of one process")
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let bytes = |text: &str| text.parse::<Size>().map(|size| size.0).map_err(|error| error.to_string());
        let (from, to) = (bytes(from)?, bytes(to)?);
        let most = u64::from(MAX_PAYLOAD);
        if from < u64::from(SMALLEST_PAYLOAD) {
            return Err(format!("need at least {SMALLEST_PAYLOAD} bytes, or messages could not all differ"));
        }
        if to > most || from > to {
            return Err(format!("need a size, or a range from small to large, up to {}", Size(most)));
        }
        Ok(Self(from as u32..=to as u32)) // at most MAX_PAYLOAD
    }
}

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "max" => Ok(Self::Max),
            _ => match text.parse::<NonZeroU64>() {
                Ok(rate) if rate.get() <= RATE_MOST => Ok(Self::PerSecond(rate)),
                Ok(_) => Err("at most 1,000,000,000 messages a second"),
                Err(_) => Err("need messages a second, from 1 on, or max"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    fn plan(words: &[&str]) -> Plan {
        let command = LoadArgs::augment_args(clap::Command::new("load")).mut_args(|arg| arg.env(None));
        let matches = command.try_get_matches_from([&["load"], words].concat()).unwrap();
        LoadArgs::from_arg_matches(&matches).unwrap().settle(&matches, 1000, 0).unwrap()
    }

    #[test]
    fn without_a_port_it_is_the_protocols_own() {
        for (protocol, port) in [("frames", 7333), ("redis", 6379), ("nats", 4222), ("mqtt", 1883)] {
            let plan = plan(&["--connect", "127.0.0.1", "--protocol", protocol]);
            assert_eq!((plan.to.port(), plan.dialect.name()), (port, protocol));
        }
        assert_eq!(plan(&["--connect", "127.0.0.1:5", "--protocol", "mqtt"]).to.port(), 5);
        assert_eq!(plan(&["--connect", "127.0.0.1", "--network", "mainnet"]).to.port(), 8333);
    }

    #[test]
    fn lines_are_for_all_or_with_an_address_for_every_second() {
        let connect = ["--connect", "127.0.0.1:5"];
        let of = |lines: &[&str]| plan(&[&connect, lines].concat());
        assert_eq!((of(&[]).dialect, of(&[]).line_peers()), (Dialect::Frames, 0));
        let all = of(&["--lines", "--peers", "7"]);
        assert_eq!((all.dialect, all.lines_at, all.line_peers()), (Dialect::Lines, None, 7));
        let some = of(&["--lines=127.0.0.1:6", "--peers", "7"]);
        let at = Some("127.0.0.1:6".parse().unwrap());
        assert_eq!((some.dialect, some.lines_at, some.line_peers()), (Dialect::Frames, at, 3));
    }
}
