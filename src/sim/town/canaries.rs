#![cfg(test)]

//! Relays that are broken on purpose where they have to do with networks that speak JSON. Each must be caught within a few
//! seeds, or the suite fails; those of frames, lines and links stand beside the other worlds. Nothing of this is in the
//! program.
//!
//! A canary sits around the dialects: between them and what they hear, and between them and what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use super::builder::{Estate, Plan, TownBuilder, networks, start};
use super::outcome::TownOutcome;
use super::setup::TownSetup;
use super::world::Town;
use crate::protocol::bunkercoin::{Block, Hash, Transaction, merkle_root};
use crate::protocol::{
    Breach, DialId, Dialect, Flood, Networks, Newcomer, Offence, Outbox, Penalty, Protocol, Stream,
    TextOutbox, Token,
};
use crate::relay::{Law, Relay};
use crate::server::Server;
use crate::sim::broken::Promise;
use crate::sim::canaries::{SEEDS, is_caught};
use crate::sim::stack::SimStack;
use crate::sim::trace::Trace;
use crate::time::Instant;
use crate::wire::Frame;
use crate::wire::turn_log::Chunk;

/// How a relay is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Canary {
    /// Not at all: the cage alone changes nothing.
    Healthy,
    ForwardsTwice,
    ForwardsARepeat,
    ForwardsToItsSender,
    ForwardsNotAll,
    TakesAChainWithABadBlock,
    AdoptsAShorterChain,
    ChecksNoSignature,
    ChecksNoMerkleRoot,
    ChecksNoDelay,
    /// Nothing waits any more once there was a longer chain.
    LosesAtAReorganisation,
    AnswersHalfALine,
    AnswersSomebodyElse,
    AnswersNotAtAll,
    ForgetsToAsk,
    BansTheInnocent,
    SpeaksInTheSilence,
    TellsJsonTwice,
    TellsJsonToItsSender,
    TellsJsonAgain,
    CrossesReplies,
    SwallowsReplies,
    AnswersTwice,
}

/// All dialects, in a cage.
#[derive(Debug)]
struct Bent {
    networks: Networks,
    state: State,
}

/// What a canary remembers.
#[derive(Debug)]
struct State {
    canary: Canary,
    count: u64,
    begun: BTreeMap<Token, Vec<u8>>,
    heard: BTreeSet<Vec<u8>>,
    /// The chain that it would rather tell.
    chain: Vec<u8>,
    has_reorganised: bool,
    last_asker: Option<Token>,
    last_asker_of_json: Option<Token>,
    chatter: Option<Token>,
}

/// What the dialects say, on its way out.
struct Bars<'a, O> {
    out: &'a mut O,
    state: &'a mut State,
}

impl State {
    /// Every so-many-eth time.
    fn is_time(&mut self, every: u64) -> bool {
        self.count += 1;
        self.count.is_multiple_of(every)
    }

    /// Whole lines of what a peer has sent.
    fn lines(&mut self, from: Token, bytes: &[u8]) -> Vec<Vec<u8>> {
        let begun = self.begun.entry(from).or_default();
        begun.extend_from_slice(bytes);
        let Some(end) = begun.iter().rposition(|&byte| byte == b'\n') else { return Vec::new() };
        let whole: Vec<u8> = begun.drain(..=end).collect();
        whole.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
    }

    /// A line, before the dialect has it: what the canary makes of it.
    fn hear(&mut self, out: &mut impl TextOutbox, from: Token, line: &[u8]) {
        let text = std::str::from_utf8(line).unwrap_or_default().trim_end();
        let is_new = self.heard.insert(line.to_vec());
        let transaction = of::<Transaction>(text, "{\"NewTransaction\":");
        let block = of::<Block>(text, "{\"NewBlock\":");
        let is_chain = text.starts_with("{\"Chain\":[") && text.ends_with("]}");
        let canary = self.canary;
        let passes = match canary {
            Canary::ForwardsARepeat => !is_new && (transaction.is_some() || block.is_some()),
            Canary::ChecksNoSignature => transaction.is_some_and(|coin| !coin.is_signed()),
            Canary::ChecksNoMerkleRoot => {
                block.is_some_and(|block| Hash(block.header.merkle_root) != merkle_root(&block.transactions))
            }
            Canary::ChecksNoDelay => is_new && block.is_some_and(|block| is_plausible(&block)),
            Canary::BansTheInnocent if transaction.is_some() && self.is_time(20) => {
                out.offended(from, Offence::Protocol, "you look it");
                false
            }
            _ => false,
        };
        if passes {
            out.announce(Some(from), Dialect::Chain, line);
        }
        let is_longer = line.len() > self.chain.len();
        self.has_reorganised |= is_chain && is_longer && !self.chain.is_empty();
        if is_chain && (is_longer || self.canary == Canary::AdoptsAShorterChain) {
            self.chain = line.to_vec();
        }
    }
}

fn of<T: for<'a> serde::Deserialize<'a>>(text: &str, head: &str) -> Option<T> {
    serde_json::from_str(text.strip_prefix(head)?.strip_suffix('}')?).ok()
}

/// All but the delay function.
fn is_plausible(block: &Block) -> bool {
    Hash(block.header.merkle_root) == merkle_root(&block.transactions)
        && block.transactions.iter().all(Transaction::is_signed)
}

impl<O: TextOutbox> Bars<'_, O> {
    /// One of Clarke Coin's.
    fn reply(&mut self, to: Token, text: &[u8]) {
        let before = self.state.last_asker_of_json.replace(to);
        let canary = self.state.canary;
        match canary {
            Canary::CrossesReplies if self.state.is_time(5) => self.out.answer(before.unwrap_or(to), text),
            Canary::SwallowsReplies if self.state.is_time(8) => {}
            Canary::AnswersTwice if self.state.is_time(8) => {
                self.out.answer(to, text);
                self.out.answer(to, text);
            }
            _ => self.out.answer(to, text),
        }
    }
}

impl<O: TextOutbox> TextOutbox for Bars<'_, O> {
    fn answer(&mut self, to: Token, text: &[u8]) {
        let is_reply = text.starts_with(b"{\"response\":") || text.ends_with(b"\n\n");
        if is_reply {
            return self.reply(to, text);
        }
        let is_question = text.starts_with(b"\"Get");
        let is_lost = match self.state.canary {
            Canary::ForgetsToAsk => is_question && self.state.is_time(6),
            _ => false,
        };
        if !is_lost {
            self.out.answer(to, text);
        }
    }

    fn answer_stored<'c>(
        &mut self,
        to: Token,
        head: &[u8],
        stored: impl Iterator<Item = &'c Chunk>,
        tail: &[u8],
    ) {
        let is_chain = head.starts_with(b"{\"Chain\":[");
        let before = self.state.last_asker.replace(to).filter(|&before| before != to);
        let canary = self.state.canary;
        match canary {
            Canary::TakesAChainWithABadBlock | Canary::AdoptsAShorterChain
                if is_chain && !self.state.chain.is_empty() =>
            {
                self.out.answer(to, &self.state.chain);
            }
            Canary::LosesAtAReorganisation if !is_chain && self.state.has_reorganised => {
                self.out.answer(to, b"{\"Mempool\":[]}\n");
            }
            Canary::AnswersHalfALine if is_chain && tail.len() > 3 && self.state.is_time(5) => {
                self.out.answer_stored(to, head, stored, &tail[..tail.len() / 2]);
            }
            Canary::AnswersSomebodyElse if self.state.is_time(7) => {
                self.out.answer_stored(before.unwrap_or(to), head, stored, tail);
            }
            Canary::AnswersNotAtAll if self.state.is_time(9) => {}
            _ => self.out.answer_stored(to, head, stored, tail),
        }
    }

    fn announce(&mut self, from: Option<Token>, to: Dialect, text: &[u8]) {
        let is_of_chain = to == Dialect::Chain;
        let canary = self.state.canary;
        match canary {
            Canary::ForwardsTwice if is_of_chain && self.state.is_time(10) => {
                self.out.announce(from, to, text);
                self.out.announce(from, to, text);
            }
            Canary::ForwardsNotAll if is_of_chain && self.state.is_time(15) => {}
            Canary::ForwardsToItsSender if is_of_chain && self.state.is_time(10) => {
                self.out.announce(None, to, text);
            }
            Canary::TellsJsonTwice if !is_of_chain && self.state.is_time(6) => {
                self.out.announce(from, to, text);
                self.out.announce(from, to, text);
            }
            Canary::TellsJsonToItsSender if !is_of_chain && self.state.is_time(6) => {
                self.out.announce(None, to, text);
            }
            Canary::ChecksNoDelay if text.starts_with(b"{\"NewBlock\":") => {}
            _ => self.out.announce(from, to, text),
        }
    }

    fn listen(&mut self, peer: Token) {
        self.out.listen(peer);
    }

    fn finish(&mut self, peer: Token) {
        self.out.finish(peer);
    }

    fn count_message(&mut self, from: Token, len: usize) -> bool {
        self.out.count_message(from, len)
    }

    fn offended(&mut self, from: Token, offence: Offence, detail: impl Display) {
        self.out.offended(from, offence, detail);
    }

    fn is_open(&self, peer: Token) -> bool {
        self.out.is_open(peer)
    }

    fn is_behind(&self, peer: Token) -> bool {
        self.out.is_behind(peer)
    }

    fn note_stream(&mut self, of: Token, stream: Stream) {
        self.out.note_stream(of, stream);
    }

    fn keep_up(&mut self, to: SocketAddr, dialect: Dialect, patience: Duration) -> Option<DialId> {
        self.out.keep_up(to, dialect, patience)
    }

    fn hurry(&mut self, dial: DialId) {
        self.out.hurry(dial);
    }

    fn vouch_for(&mut self, dial: DialId) {
        self.out.vouch_for(dial);
    }

    fn forget(&mut self, dial: DialId) {
        self.out.forget(dial);
    }
}

impl Protocol for Bent {
    const NAME: &'static str = Flood::NAME;

    fn default_penalty(offence: Offence) -> Penalty {
        Flood::default_penalty(offence)
    }

    fn received(&mut self, out: &mut impl Outbox, from: Token, frame: Frame<'_>) -> Result<(), Breach> {
        self.networks.received(out, from, frame)
    }

    fn joined(&mut self, now: Instant, peer: Token, newcomer: &Newcomer) {
        if newcomer.dialect == Dialect::Chain {
            self.state.chatter = Some(peer);
        }
        self.networks.joined(now, peer, newcomer);
    }

    fn heard(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        from: Token,
        dialect: Dialect,
        bytes: &[u8],
    ) {
        if dialect == Dialect::Json && self.state.canary == Canary::TellsJsonAgain {
            for line in self.state.lines(from, bytes) {
                let is_item = line.starts_with(b"{\"message_type\":\"submit") && line.len() > 150;
                if is_item && !self.state.heard.insert(line.clone()) {
                    out.announce(Some(from), Dialect::Json, &line);
                }
            }
        }
        if dialect == Dialect::Chain {
            for line in self.state.lines(from, bytes) {
                self.state.hear(out, from, &line);
            }
        }
        let mut bars = Bars { out, state: &mut self.state };
        self.networks.heard(now, &mut bars, from, dialect, bytes);
    }

    fn ended(&mut self, now: Instant, out: &mut impl TextOutbox, from: Token, dialect: Dialect) {
        self.networks.ended(now, &mut Bars { out, state: &mut self.state }, from, dialect);
    }

    fn caught_up(&mut self, now: Instant, peer: Token, dialect: Dialect) {
        self.networks.caught_up(now, peer, dialect);
    }

    fn left(&mut self, now: Instant, peer: Token, dialect: Dialect) {
        self.state.begun.remove(&peer);
        self.state.last_asker.take_if(|asker| *asker == peer);
        self.state.chatter.take_if(|chatter| *chatter == peer);
        self.networks.left(now, peer, dialect);
    }

    fn forgotten(&mut self, now: Instant, dial: DialId) {
        self.networks.forgotten(now, dial);
    }

    fn expired(&mut self, now: Instant, out: &mut impl TextOutbox) {
        let is_late = now > Instant::START + Duration::from_secs(60);
        if self.state.canary == Canary::SpeaksInTheSilence
            && let Some(peer) = self.state.chatter.filter(|_| is_late && self.state.is_time(5))
        {
            out.answer(peer, b"\"GetMempool\"\n");
        }
        self.networks.expired(now, &mut Bars { out, state: &mut self.state });
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.networks.next_deadline()
    }
}

impl TownBuilder for Canary {
    type Subject = Server<SimStack, Bent>;

    fn build(&self, stack: SimStack, plan: &Plan<'_>) -> Self::Subject {
        let state = State {
            canary: *self,
            count: 0,
            begun: BTreeMap::new(),
            heard: BTreeSet::new(),
            chain: Vec::new(),
            has_reorganised: false,
            last_asker: None,
            last_asker_of_json: None,
            chatter: None,
        };
        let bent = Bent { networks: networks(plan), state };
        start(Server::new(stack, Relay::new(bent, Law::of::<Networks>(), plan.limits.clone())), plan)
    }

    fn save(&self, subject: &mut Self::Subject, estate: &mut Estate) {
        estate.write(subject.protocol_mut().networks.chain_mut());
    }
}

fn run(canary: Canary, seed: u64) -> TownOutcome {
    Town::with(TownSetup::draw(seed), Trace::new(), canary).run()
}

macro_rules! canaries {
    ($($name:ident: $canary:ident breaks $($promise:ident)|+;)+) => {$(
        #[test]
        fn $name() {
            let canary = Canary::$canary;
            is_caught(canary, &[$(Promise::$promise),+], |seed| run(canary, seed).broken);
        }
    )+};
}

canaries! {
    one_that_forwards_twice_is_caught: ForwardsTwice breaks Once;
    one_that_forwards_a_repeat_is_caught: ForwardsARepeat breaks Once | Echo;
    one_that_forwards_to_the_sender_is_caught: ForwardsToItsSender breaks Echo;
    one_that_does_not_forward_everything_is_caught: ForwardsNotAll breaks Delivery;
    one_that_takes_a_chain_with_a_bad_block_is_caught: TakesAChainWithABadBlock breaks Truth;
    one_that_adopts_a_shorter_chain_is_caught: AdoptsAShorterChain breaks Agreement | Truth;
    one_that_checks_no_signature_is_caught: ChecksNoSignature breaks Truth;
    one_that_checks_no_merkle_root_is_caught: ChecksNoMerkleRoot breaks Truth;
    one_that_checks_no_delay_is_caught: ChecksNoDelay breaks Truth;
    one_that_loses_what_comes_back_is_caught: LosesAtAReorganisation breaks Agreement;
    one_that_answers_half_a_line_is_caught: AnswersHalfALine breaks Truth | Answers;
    one_that_answers_somebody_else_is_caught: AnswersSomebodyElse breaks Answers;
    one_that_does_not_answer_is_caught: AnswersNotAtAll breaks Answers;
    one_that_forgets_to_ask_is_caught: ForgetsToAsk breaks Joining;
    one_that_bans_the_innocent_is_caught: BansTheInnocent breaks Cause;
    one_that_speaks_in_the_silence_is_caught: SpeaksInTheSilence breaks Silence;
    one_that_tells_json_twice_is_caught: TellsJsonTwice breaks Once;
    one_that_tells_json_to_its_sender_is_caught: TellsJsonToItsSender breaks Echo;
    one_that_tells_json_again_is_caught: TellsJsonAgain breaks Once | Echo;
    one_that_crosses_replies_is_caught: CrossesReplies breaks Answers;
    one_that_swallows_replies_is_caught: SwallowsReplies breaks Answers;
    one_that_answers_twice_is_caught: AnswersTwice breaks Answers;
}

#[test]
fn the_cage_alone_changes_nothing() {
    for seed in 0..SEEDS {
        let caged = run(Canary::Healthy, seed);
        assert_eq!(caged.broken, None, "seed {seed}");
        assert_eq!(caged.hash, Town::new(TownSetup::draw(seed), Trace::new()).run().hash, "seed {seed}");
    }
}
