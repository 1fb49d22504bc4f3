//! `peer`: one symmetric peer at a terminal. Its options, and who takes part: a connection, a keyboard, a
//! screen, and the conversation between them. Knows no byte of it.

mod connecting;
mod conversation;
mod framing;
mod keyboard;
mod losing;
mod screen;
mod talk;
mod typing;

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use clap::{ArgAction, Args};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::Failure;
use super::network::NetworkArgs;
use super::target::{ListenTarget, Target};
use super::units::Size;
use crate::kernel::{KernelStack, SocketOptions};
use crate::wire::{Command, Network};
use connecting::{connect, listen};
use conversation::{AtEnd, Conversation, Rules};
use framing::{Framing, MAX_PAYLOAD};
use keyboard::Keyboard;
use screen::Screen;
use talk::Talk;

/// How long the other side may be silent before it is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Longest line that may be asked for, bytes, where no frame bounds it.
const LONGEST_LINE: u64 = 1 << 30;

const FRAMING: &str = "Framing";

pub(super) const HELP_TEMPLATE: &str = "\
{about}

Examples:
  peer-relay peer --connect localhost                 one of the peers of a relay on this host
  peer-relay peer --lines --listen 7000               waits for one peer, or for nc 127.0.0.1 7000
  peer-relay peer --connect 192.0.2.1 7333 <messages  sends a file, a message a line

{usage-heading} {usage}

{all-args}

Once connected either side may speak. A message received is printed as [peer] LINE, one whose frame
has another command than --command as [peer COMMAND] LINE. Status goes to stderr. Ctrl-D ends.
";

pub(super) const USAGE: &str =
    "peer-relay peer (--listen [ADDR:]PORT | --connect HOST[:PORT] [PORT]) [OPTIONS]";

/// Options of `peer`.
#[derive(Args, Clone, Debug)]
pub struct PeerArgs {
    /// Wait for one peer at this port of 127.0.0.1, or of another address of this host; port 0 takes a free one
    #[arg(long, value_name = "[ADDR:]PORT")]
    listen: Option<ListenTarget>,

    /// Connect to a relay, or to a peer that listens; without a port it is the network's
    #[arg(long, value_names = ["HOST[:PORT]", "PORT"], num_args = 1..=2, action = ArgAction::Set)]
    connect: Option<Vec<String>>,

    /// Do not end when stdin does, but when the other side does: for whoever only listens
    #[arg(long)]
    stay: bool,

    /// Which network
    #[command(flatten)]
    network: NetworkArgs,

    /// What our frames are called
    #[arg(long, value_name = "NAME", default_value = "msg", help_heading = FRAMING)]
    command: Command,

    /// A message is a line, not a frame: at a relay's --listen-lines, or for two of these, or one and nc, without a relay
    #[arg(long, help_heading = FRAMING)]
    lines: bool,

    /// Longest line of stdin and, with --lines, of the other side, bytes without its end
    #[arg(long, value_name = "BYTES", default_value = "64k", help_heading = FRAMING)]
    max_line: Size,
}

/// Whom to talk to.
enum With {
    WhoeverComes(ListenTarget),
    Somebody(Target),
}

/// Waits until a descriptor that does not wait by itself has something, or room.
fn wait_for(descriptor: &impl AsFd, what: PollFlags) -> io::Result<()> {
    let mut polled = [PollFd::new(descriptor, what)];
    match poll(&mut polled, None) {
        Err(Errno::INTR) | Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Talks until it is over.
pub fn run(args: PeerArgs) -> Result<(), Failure> {
    let rules = args.rules()?;
    let with = args.with()?;
    let socket = SocketOptions { keepalive: Some(KEEPALIVE), ..SocketOptions::default() };
    let stack = KernelStack::new(socket)
        .map_err(|error| Failure::failed(format!("cannot poll for connections: {error}")))?;
    let mut screen = Screen::open(stack.wake())?;
    let done = converse(stack, &mut screen, &with, &rules, args.network.settle());
    let shown = screen.finish();
    done.and(shown)
}

fn converse(
    mut stack: KernelStack,
    screen: &mut Screen,
    with: &With,
    rules: &Rules,
    network: Network,
) -> Result<(), Failure> {
    let met = match with {
        With::WhoeverComes(at) => listen(&mut stack, at.or_port(network.port), screen)?,
        With::Somebody(target) => connect(&mut stack, target, network.port, rules.framing)?,
    };
    stack
        .allow_slowness(&met.stream)
        .map_err(|error| Failure::failed(format!("cannot set up the connection to {}: {error}", met.with)))?;
    let keyboard = Keyboard::open(stack.wake())?;
    let conversation = Conversation::begun(met.with, met.side, rules, met.now);
    Talk::new(stack, met, conversation, keyboard).run(screen)
}

impl PeerArgs {
    fn with(&self) -> Result<With, Failure> {
        match (self.listen, &self.connect) {
            (Some(at), None) => Ok(With::WhoeverComes(at)),
            (None, Some(words)) => Target::parse(words).map(With::Somebody),
            (Some(_), Some(_)) => {
                Err(Failure::usage("--listen and --connect: only one of them can be given".into()))
            }
            (None, None) => Err(Failure::usage(
                "--listen or --connect is needed, as in --connect 127.0.0.1 (--help shows all)".into(),
            )),
        }
    }

    fn rules(&self) -> Result<Rules, Failure> {
        let command = self.command;
        if !self.lines && [Command::PING, Command::PONG].contains(&command) {
            return Err(Failure::usage(format!(
                "--command {command}: a relay answers ping and passes neither ping nor pong on: nobody would \
                 receive it"
            )));
        }
        let framing = match self.lines {
            true => Framing::Lines,
            false => Framing::Frames { magic: self.network.settle().magic, command },
        };
        let end = if self.stay { AtEnd::Stay } else { AtEnd::HalfClose };
        Ok(Rules { framing, max_line: self.longest_line()?, end })
    }

    fn longest_line(&self) -> Result<usize, Failure> {
        let refused = |why: String| Failure::usage(format!("--max-line {}: {why}", self.max_line));
        match self.max_line.0 {
            0 => Err(refused("need at least one byte".into())),
            bytes if bytes > LONGEST_LINE => Err(refused(format!("at most {}", Size(LONGEST_LINE)))),
            bytes if bytes > u64::from(MAX_PAYLOAD) && !self.lines => {
                Err(refused(format!("at most {MAX_PAYLOAD}, a largest frame (--lines sets no such bound)")))
            }
            bytes => Ok(bytes as usize), // at most 1 GiB
        }
    }
}
