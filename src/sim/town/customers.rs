//! What people do at a relay's JSON port: they ask, hand in, chat, mumble, type slowly and have it dial others. Knows their
//! parts; knows no relay but by what it says.

use std::time::Duration;

use super::builder::TownBuilder;
use super::clarke::{self, Heard, Newness, Reply};
use super::folk::End;
use super::mint::Item;
use super::outcome::Chance;
use super::person::What;
use super::roles::Citizen;
use super::setup::TownSetup;
use super::world::{Event, Town};
use crate::protocol::Dialect;
use crate::sim::broken::{Broken, Promise};

/// Between two bytes of somebody who types, at most, milliseconds.
const TYPES_WITHIN: u64 = 100;
/// Questions asked at once, at most.
const AT_ONCE: u64 = 3;

impl<B: TownBuilder> Town<B> {
    /// Its connection is there. Who stays says first what shows that it does.
    pub(super) fn come_in(&mut self, who: usize) {
        let (text, reply) = clarke::question(&mut self.rng);
        self.people[who].counter.expect(reply);
        let end = if self.people[who].part.role == Citizen::Asker { "\n\n" } else { "\n" };
        self.people[who].moves += 1;
        self.say(who, text + end);
    }

    pub(super) fn speak_json(&mut self, who: usize) {
        match self.people[who].part.role {
            Citizen::Regular => self.ask_some(who),
            Citizen::Chatter => {
                let word = self.gossip.chat(who);
                self.pass_on(who, word);
            }
            Citizen::Submitter => self.submit(who),
            Citizen::Gossip => self.submit_again(who),
            Citizen::Mumbler => {
                let text = clarke::mumble(&mut self.rng);
                self.hand_in(who, text, Reply::Of(&["error"]));
                self.ask_some(who);
            }
            Citizen::Typist if self.people[who].typing.is_empty() => {
                let (text, reply) = clarke::question(&mut self.rng);
                self.people[who].counter.expect(reply);
                self.people[who].typing.extend((text + "\n").bytes());
                self.people[who].moves += 1;
                self.type_on(who);
            }
            Citizen::Introducer => self.introduce(who),
            _ => {}
        }
    }

    /// The next byte, and soon the one after it.
    pub(super) fn type_on(&mut self, who: usize) {
        let Some(byte) = self.people[who].typing.pop_front() else { return };
        self.folk.say(self.now, who, vec![byte]);
        let soon = Duration::from_millis(self.rng.below(TYPES_WITHIN));
        self.agenda.plan(self.now + soon, Event::Type(who));
    }

    fn ask_some(&mut self, who: usize) {
        for _ in 0..=self.rng.below(AT_ONCE) {
            let (text, reply) = clarke::question(&mut self.rng);
            self.hand_in(who, &text, reply);
        }
    }

    fn hand_in(&mut self, who: usize, text: &str, reply: Reply) {
        self.people[who].moves += 1;
        self.people[who].counter.expect(reply);
        self.say(who, format!("{text}\n"));
    }

    /// Something new, which everybody who listens is to be told.
    fn pass_on(&mut self, who: usize, word: u32) {
        self.people[who].counter.say(word);
        let text = self.gossip.text(word).to_string();
        if self.gossip.is_item(word) {
            self.hand_in(who, &text, Reply::to_item(&text, Newness::New));
        } else {
            self.say(who, format!("{text}\n"));
        }
        self.note(who, &format!("says word {word}"));
        self.moved(who, Chance::Submitted);
        self.owe(who, What::News(Item::Word(word)));
    }

    fn submit(&mut self, who: usize) {
        match self.rng.below(4) {
            0 => {
                let text = clarke::wrong_item(&mut self.rng);
                self.hand_in(who, &text, Reply::to_item(&text, Newness::Wrong));
            }
            1 => {
                let word = self.gossip.block(&mut self.rng);
                self.pass_on(who, word);
            }
            _ => {
                let word = self.gossip.transaction(&mut self.rng);
                self.pass_on(who, word);
            }
        }
    }

    /// What it was told is known, unless the relay has come back since.
    fn submit_again(&mut self, who: usize) {
        let Some(Item::Word(word)) = self.people[who].repeats else { return };
        let text = self.gossip.text(word).to_string();
        if self.gossip.is_item(word) {
            self.hand_in(who, &text, Reply::to_item(&text, Newness::Perhaps));
            self.moved(who, Chance::SaidAgain);
        }
    }

    fn introduce(&mut self, who: usize) {
        let own = TownSetup::address(self.people[who].part.relay, Dialect::Json);
        let add = |payload: &str| format!(r#"{{"message_type":"add_peer","payload":{payload}}}"#);
        let (text, kinds): (String, &'static [&'static str]) = match self.rng.below(5) {
            0 => (add("9"), &["peers"]),
            1 => (add(r#""10.9.9.9:8334""#), &["peers"]),
            2 => (add(r#"{"host":"10.8.8.8","port":1}"#), &["peers"]),
            3 => (add(&format!(r#""{own}""#)), &["error"]),
            _ => (add(r#""10.9.9.9:8334""#).replace("add_peer", "remove_peer"), &["peers"]),
        };
        self.people[who].moves += 1;
        self.people[who].counter.expect(Reply::Of(kinds));
        self.say(who, text + "\n");
    }

    pub(super) fn heard_json(&mut self, who: usize, bytes: &[u8]) -> Result<(), Broken> {
        self.people[who].counter.hear(bytes);
        if self.people[who].part.role == Citizen::Asker {
            return Ok(()); // the end says that it is all
        }
        while let Some(heard) = self.people[who].counter.next(&self.gossip)? {
            match heard {
                Heard::Reply => self.happens(Chance::Replied),
                Heard::Told(word) => {
                    self.people[who].repeats = Some(Item::Word(word));
                    self.happens(Chance::Told);
                }
            }
        }
        Ok(())
    }

    /// Who asks one thing is answered, and then its connection is ended; unless something befalls the relay.
    pub(super) fn was_answered(&mut self, who: usize, end: End) -> Result<(), Broken> {
        let is_answered = end == End::Closed && self.people[who].counter.ended()?;
        if is_answered {
            self.happens(Chance::Replied);
        }
        if !is_answered && self.course.forbids_losses() {
            let how = format!("asker {who}'s connection is {end:?}, answered: {is_answered}");
            return Err(Promise::Answers.broken(how));
        }
        Ok(())
    }
}
