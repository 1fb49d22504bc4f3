//! What people do: they come, say what they have to say, answer what they are asked, and come back when they have lost
//! their connection. Knows their parts; knows no relay but by what it says.

use std::time::Duration;

use super::builder::TownBuilder;
use super::chain::Line;
use super::folk::End;
use super::lies::{Lie, Verdict};
use super::mint::Item;
use super::node::Wish;
use super::outcome::Chance;
use super::person::{Due, What};
use super::roles::Citizen;
use super::room;
use super::setup::TownSetup;
use super::world::{Event, Town};
use crate::protocol::Dialect;
use crate::server::Stack;
use crate::sim::broken::{Broken, Promise};

/// How long somebody waits for its connection before it tries again.
const JOIN_AGAIN: Duration = Duration::from_secs(3);
/// Between two things that somebody says, at most, milliseconds.
const SPEAK_WITHIN: u64 = 6_000;
/// Most blocks that are made while everybody does what he likes: each takes its time.
const FREE_BLOCKS_MOST: u32 = 8;
/// Most transactions in a block.
const COINS_MOST: usize = 3;
/// So long after it was said everybody knows a transaction, as long as nothing befalls anybody.
const KNOWN_AFTER: Duration = Duration::from_secs(6);
/// Within this time of a lie its teller is gone: the way there and back, and the work before it.
const GONE_WITHIN: Duration = Duration::from_secs(30);
/// How long somebody whose lie is none stays.
const STAYS: Duration = Duration::from_secs(8);

impl<B: TownBuilder> Town<B> {
    /// Somebody is to connect after so long, and not before.
    pub(super) fn cue_join(&mut self, who: usize, after: Duration) {
        self.people[who].join_cue += 1;
        self.agenda.plan(self.now + after, Event::Join(who, self.people[who].join_cue));
    }

    /// Somebody is to say something soon.
    pub(super) fn cue_speak(&mut self, who: usize) {
        let soon = Duration::from_millis(self.rng.below(SPEAK_WITHIN));
        self.people[who].speak_cue += 1;
        self.agenda.plan(self.now + soon, Event::Speak(who, self.people[who].speak_cue));
    }

    pub(super) fn join(&mut self, who: usize) {
        let part = self.people[who].part;
        if self.people[who].has_left || self.course.is_leaving() || self.folk.conn(who).is_some() {
            return;
        }
        if part.role == Citizen::LateComer && self.people[who].moves == 0 && self.course.is_free() {
            self.bring(who);
        }
        self.folk.join(self.now, who, TownSetup::address(part.relay, part.role.dialect()), part.from);
        self.cue_join(who, JOIN_AGAIN);
    }

    pub(super) fn leave(&mut self, who: usize) {
        self.people[who].has_left = true;
        self.people[who].since = None;
        self.folk.leave(self.now, who, Stack::close);
    }

    /// Its connection is there. Both sides ask.
    pub(super) fn opened(&mut self, who: usize) {
        self.people[who].opened(self.now);
        if matches!(self.people[who].part.role, Citizen::Watcher | Citizen::Inspector) {
            self.people[who].moves += 1; // it asks, and that is all
        }
        match self.people[who].part.role.dialect() {
            Dialect::Chain => self.ask(who),
            Dialect::Json => self.come_in(who),
            Dialect::Http => self.visit(who),
            Dialect::Frames | Dialect::Lines => {}
        }
        self.cue_speak(who);
    }

    pub(super) fn came(&mut self, who: usize, bytes: &[u8]) -> Result<(), Broken> {
        match self.people[who].part.role.dialect() {
            Dialect::Frames | Dialect::Lines => self.heard_room(who, bytes),
            Dialect::Json => self.heard_json(who, bytes),
            Dialect::Chain => self.heard_chain(who, bytes),
            Dialect::Http => self.heard_http(who, bytes),
        }
    }

    /// Its connection is gone.
    pub(super) fn over(&mut self, who: usize, end: End) -> Result<(), Broken> {
        let was_idle = self.was_idle(who);
        let person = &mut self.people[who];
        let (was_there, lie) = (person.since.take().is_some(), person.lie.take());
        let role = person.part.role;
        if was_there && role.stays() && !was_idle && self.course.forbids_losses() {
            let how = format!("{role} {who}'s connection is {end:?}, and nothing befell anybody");
            return Err(Promise::Cause.broken(how));
        }
        let lacks = person.web.lacks().filter(|_| role == Citizen::Smuggler && was_there);
        if let Some(lacks) = lacks.filter(|_| !was_idle && self.course.forbids_losses()) {
            return Err(lacks);
        }
        if role == Citizen::Asker && was_there {
            self.was_answered(who, end)?;
        }
        if lie.is_some_and(|(lie, _)| lie.verdict() != Verdict::Innocent) {
            self.happens(Chance::Caught);
        }
        let after = Duration::from_millis(200 + self.rng.below(if role.stays() { 1_000 } else { 5_000 }));
        self.cue_join(who, after);
        Ok(())
    }

    /// Somebody says something, if it is the time for it.
    pub(super) fn speak(&mut self, who: usize) {
        if self.folk.conn(who).is_none() || self.people[who].has_left || !self.course.is_time_to_speak() {
            return;
        }
        self.cue_speak(who);
        let is_free = self.course.is_free();
        match self.people[who].part.role {
            Citizen::Miner if is_free && self.rng.below(2) == 0 => self.mine(who),
            Citizen::Miner | Citizen::Watcher | Citizen::LateComer | Citizen::Inspector => {}
            Citizen::Payer => self.pay(who),
            Citizen::Parrot => self.repeat(who),
            Citizen::Liar => self.lie(who),
            Citizen::Framer | Citizen::Liner => self.speak_to_room(who),
            Citizen::Browser | Citizen::Poster | Citizen::Reader | Citizen::Smuggler => self.speak_http(who),
            _ => self.speak_json(who),
        }
    }

    /// What somebody says, by its beginning, or hears, goes to the trace.
    pub(super) fn note(&mut self, who: usize, what: &str) {
        let role = self.people[who].part.role;
        self.trace.befell(self.now, &format!("{role} {who} {what}"));
    }

    pub(super) fn say(&mut self, who: usize, what: String) {
        self.folk.say(self.now, who, what);
    }

    pub(super) fn moved(&mut self, who: usize, what: Chance) {
        self.people[who].moves += 1;
        self.happens(what);
    }

    /// What everybody is to be told, where that is promised.
    pub(super) fn owe(&mut self, who: usize, what: What) {
        if self.course.is_orderly() {
            self.dues.push(Due { what, by: who, at: self.now });
        }
    }

    // what it says

    fn pay(&mut self, who: usize) {
        let coin = self.mint.pay();
        let person = &mut self.people[who];
        person.node.note(Item::Coin(coin));
        person.talk.say(Item::Coin(coin));
        let text = self.mint.pool_text([coin].into_iter());
        self.say(who, format!("{{\"NewTransaction\":{text}}}\n"));
        self.note(who, &format!("says transaction {coin}"));
        self.moved(who, Chance::Paid);
        self.owe(who, What::News(Item::Coin(coin)));
    }

    fn mine(&mut self, who: usize) {
        let is_orderly = self.course.is_orderly();
        if !is_orderly && self.mint.count_blocks() >= FREE_BLOCKS_MOST {
            return;
        }
        let node = &self.people[who].node;
        let (tip, mut coins) = (node.tip, node.pool(&self.mint));
        if is_orderly {
            let is_fresh = |due: &&Due| self.now.since(due.at) < KNOWN_AFTER;
            for due in self.dues.iter().filter(is_fresh) {
                if let What::News(Item::Coin(coin)) = due.what {
                    coins.remove(&coin);
                }
            }
        }
        let chosen = coins.into_iter().filter(|_| self.rng.below(4) > 0).take(COINS_MOST).collect();
        let made = self.mint.count_blocks();
        let block = self.mint.mine(tip, chosen);
        if block < made {
            return self.people[who].node.note(Item::Block(block)); // another has made and said the same
        }
        let person = &mut self.people[who];
        person.node.note(Item::Block(block));
        person.talk.say(Item::Block(block));
        let text = self.mint.block_text(block).to_string();
        self.say(who, format!("{{\"NewBlock\":{text}}}\n"));
        if self.mint.has_rival(block) {
            self.happens(Chance::Forked);
        }
        self.note(who, &format!("says block {block} behind {tip:?}"));
        self.moved(who, Chance::Mined);
        self.owe(who, What::News(Item::Block(block)));
    }

    /// One of those that are made one by one, by whoever has the longest chain.
    pub(super) fn mine_in_turn(&mut self) {
        if !self.course.is_orderly() {
            return;
        }
        let best = self.best();
        let miners: Vec<usize> = (0..self.people.len())
            .filter(|&who| self.people[who].part.role == Citizen::Miner)
            .filter(|&who| self.mint.height(self.people[who].node.tip) == best)
            .collect();
        if !miners.is_empty() {
            let who = miners[self.rng.below(miners.len() as u64) as usize];
            self.mine(who);
        }
    }

    /// The most blocks that an honest node has.
    pub(super) fn best(&self) -> u32 {
        let honest = self.people.iter().filter(|person| person.part.role.is_node() && person.since.is_some());
        honest.map(|person| self.mint.height(person.node.tip)).max().unwrap_or(0)
    }

    /// Somebody has worked alone, for long: its chain is longer than all others.
    fn bring(&mut self, who: usize) {
        self.people[who].moves += 1;
        let height = self.mint.highest() + 1;
        if self.mint.count_blocks() + height > FREE_BLOCKS_MOST || self.rng.below(2) == 0 {
            return;
        }
        let tip = (0..height).fold(None, |tip, _| Some(self.mint.mine(tip, Vec::new())));
        self.people[who].node.tip = tip;
        self.happens(Chance::Brought);
    }

    fn repeat(&mut self, who: usize) {
        let Some(item) = self.people[who].repeats else { return };
        let text = match item {
            Item::Coin(coin) => {
                format!("{{\"NewTransaction\":{}}}\n", self.mint.pool_text([coin].into_iter()))
            }
            Item::Block(block) => format!("{{\"NewBlock\":{}}}\n", self.mint.block_text(block)),
            Item::Word(_) => return,
        };
        self.say(who, text);
        self.note(who, &format!("says {item:?} again"));
        self.moved(who, Chance::SaidAgain);
    }

    fn lie(&mut self, who: usize) {
        let Some(chain) = &self.people[who].told_chain else { return };
        if self.people[who].lie.is_some() {
            return;
        }
        let tip = chain.last().copied();
        let lie = Lie::ALL[self.rng.below(Lie::ALL.len() as u64) as usize];
        let words = lie.words(&mut self.mint, tip, self.setup.limits.max_line, &mut self.rng);
        self.people[who].lie = Some((lie, self.now));
        self.people[who].moves += 1;
        *self.lies.entry(lie).or_default() += 1;
        self.note(who, &format!("lies to a relay with {tip:?}: {}", lie.name()));
        self.folk.say(self.now, who, words);
        if lie == Lie::CutOff {
            self.go_away(who);
        }
    }

    fn speak_to_room(&mut self, who: usize) {
        let person = &mut self.people[who];
        person.moves += 1;
        let number = person.moves as usize * self.setup.people.len() + who;
        let message = room::message(number, who, person.part.relay);
        let said = person.ear.say(self.setup.limits.decoder, &message);
        self.folk.say(self.now, who, said);
        self.owe(who, What::Room(number as u32));
    }

    // what it hears

    fn heard_room(&mut self, who: usize, bytes: &[u8]) -> Result<(), Broken> {
        let person = &mut self.people[who];
        let messages = person.ear.hear(bytes)?;
        messages.iter().try_for_each(|message| person.heard.note(who, person.part.relay, message))?;
        self.happens_often(Chance::Heard, messages.len() as u64);
        Ok(())
    }

    fn heard_chain(&mut self, who: usize, bytes: &[u8]) -> Result<(), Broken> {
        self.people[who].talk.hear(bytes);
        while let Some(line) = self.people[who].talk.next(&self.mint)? {
            self.heard_line(who, &line);
        }
        Ok(())
    }

    fn heard_line(&mut self, who: usize, line: &Line) {
        self.note(who, &format!("hears {line:?}"));
        let person = &mut self.people[who];
        match line {
            Line::Chain(blocks) => person.told_chain = Some(blocks.clone()),
            Line::Mempool(coins) => person.told_pool = Some(coins.clone()),
            &Line::New(item) => person.repeats = Some(item),
            Line::GetChain | Line::GetMempool => {}
        }
        let before = person.node.tip;
        let wish = person.node.learn(line, &self.mint);
        let has_reorganised = before.is_some_and(|before| !self.mint.has(person.node.tip, before));
        let is_node = person.part.role.is_node();
        match line {
            Line::Chain(_) | Line::Mempool(_) => self.happens(Chance::Answered),
            Line::New(_) => self.happens(Chance::Told),
            Line::GetChain | Line::GetMempool => {}
        }
        if has_reorganised {
            self.happens(Chance::Reorganised);
        }
        if is_node {
            self.fulfil(who, wish);
        }
    }

    fn fulfil(&mut self, who: usize, wish: Wish) {
        let node = &self.people[who].node;
        match wish {
            Wish::Nothing => {}
            Wish::TellChain => {
                let (text, tip) = (self.mint.chain_text(node.tip), node.tip);
                self.note(who, &format!("tells its chain up to {tip:?}"));
                self.people[who].talk.has_told_chain = true;
                self.say(who, format!("{{\"Chain\":[{text}]}}\n"));
            }
            Wish::TellPool => {
                let text = self.mint.pool_text(node.pool(&self.mint).into_iter());
                self.say(who, format!("{{\"Mempool\":[{text}]}}\n"));
            }
            Wish::Ask if self.people[who].talk.is_answered() => self.ask(who),
            Wish::Ask => {}
        }
    }

    fn ask(&mut self, who: usize) {
        self.people[who].talk.ask(0);
        self.people[who].talk.ask(1);
        self.say(who, "\"GetChain\"\n\"GetMempool\"\n".into());
    }

    // liars

    /// Whoever has lied is gone soon; whoever has only been a nuisance goes by itself.
    pub(super) fn look_at_liars(&mut self) -> Result<(), Broken> {
        for who in 0..self.people.len() {
            let person = &self.people[who];
            let Some((lie, at)) = person.lie.filter(|_| person.since.is_some()) else { continue };
            let age = self.now.since(at);
            let is_to_go = match lie.verdict() {
                Verdict::Guilty => false,
                Verdict::GuiltyIfItFits | Verdict::Innocent => age > STAYS && lie != Lie::Unfinished,
            };
            if is_to_go {
                self.go_away(who);
            } else if lie.verdict() == Verdict::Guilty && age > GONE_WITHIN {
                let how = format!("{who} has told a lie ({}) and is still there", lie.name());
                return Err(Promise::Law.broken(how));
            }
        }
        Ok(())
    }

    fn go_away(&mut self, who: usize) {
        self.people[who].since = None;
        self.people[who].lie = None;
        self.folk.leave(self.now, who, Stack::close);
        let after = Duration::from_millis(self.rng.below(4_000));
        self.cue_join(who, after);
    }
}
