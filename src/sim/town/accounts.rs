//! Whether everybody was told what was due, and whether inspectors find the same at every relay. Knows what people were
//! told; looks into no relay.

use std::collections::BTreeSet;
use std::time::Duration;

use super::builder::TownBuilder;
use super::mint::Item;
use super::person::{Due, Person, What};
use super::roles::Citizen;
use super::world::Town;
use crate::protocol::Dialect;
use crate::sim::broken::{Broken, Promise};

/// So long after its connection is there somebody is surely told what is new.
const GREETED_WITHIN: Duration = Duration::from_secs(5);

impl<B: TownBuilder> Town<B> {
    /// What somebody should have been told, asked or answered, and was not.
    pub(super) fn missing(&self) -> Option<Broken> {
        self.people.iter().enumerate().filter(|(_, person)| person.is_there()).find_map(|(who, person)| {
            let role = person.part.role;
            let is_of_chain = role.dialect() == Dialect::Chain;
            let is_of_http = role.dialect() == Dialect::Http && role.stays();
            let is_of_json = role.dialect() == Dialect::Json && role.stays();
            let lacks = person.talk.lacks().filter(|_| is_of_chain);
            let lacks = lacks.or_else(|| person.counter.lacks().filter(|_| is_of_json));
            let lacks = lacks.or_else(|| person.web.lacks().filter(|_| is_of_http));
            if let Some(Broken { promise, how }) = lacks {
                return Some(promise.broken(format!("{role} {who}: {how}")));
            }
            let due = self.dues.iter().find(|due| self.is_owed(who, person, due))?;
            let (what, by) = (due.what, due.by);
            Some(Promise::Delivery.broken(format!("{role} {who} was never told {what:?} that {by} said")))
        })
    }

    fn is_owed(&self, who: usize, person: &Person, due: &Due) -> bool {
        let was_there = person.since.is_some_and(|since| due.at.since(since) > GREETED_WITHIN);
        let is_told = match due.what {
            What::News(Item::Word(word)) => {
                person.part.role.dialect() != Dialect::Json || person.counter.was_told(word)
            }
            What::News(item) => match person.part.role {
                // of a block that came with its chain the event is another one
                Citizen::Reader => matches!(item, Item::Block(_)) || person.web.was_told(item),
                role => role.dialect() != Dialect::Chain || person.talk.was_told(item),
            },
            What::Room(number) => {
                let by = self.people[due.by].part.relay;
                !person.part.role.is_of_room() || by != person.part.relay || person.heard.has(number)
            }
        };
        who != due.by && was_there && !is_told
    }

    /// An inspector that was not answered yet.
    pub(super) fn uninspected(&self) -> Option<Broken> {
        self.inspectors().find_map(|(who, person)| {
            let is_done = person.told_chain.is_some() && person.told_pool.is_some();
            (!is_done).then(|| {
                let relay = person.part.relay + 1;
                Promise::Answers.broken(format!("inspector {who} of relay {relay} has no answers"))
            })
        })
    }

    /// All relays were asked: they have one chain, no shorter than any honest node's, and the same transactions.
    pub(super) fn agree(&self) -> Result<(), Broken> {
        let found: Vec<(usize, &[u32], BTreeSet<u32>)> = self
            .inspectors()
            .filter_map(|(_, person)| {
                let pool = person.told_pool.iter().flatten().copied().collect();
                Some((person.part.relay, person.told_chain.as_deref()?, pool))
            })
            .collect();
        let Some((_, chain, pool)) = found.first() else { return Ok(()) };
        let disagree = |how: String| Err(Promise::Agreement.broken(how));
        for (relay, other, others) in &found {
            if other != chain {
                return disagree(format!("relay {}'s chain is {other:?}, and one's is {chain:?}", relay + 1));
            }
            if others != pool {
                return disagree(format!("relay {} has {others:?} waiting, and one has {pool:?}", relay + 1));
            }
        }
        let best = self.best();
        if (chain.len() as u32) < best {
            return disagree(format!("the relays have {} blocks, and somebody has {best}", chain.len()));
        }
        let spent = self.mint.spent(chain.last().copied());
        if let Some(twice) = pool.intersection(&spent).next() {
            return disagree(format!("transaction {twice} waits for a block, and is in one"));
        }
        let is_lost = |due: &&Due| match due.what {
            What::News(Item::Coin(coin)) => !pool.contains(&coin) && !spent.contains(&coin),
            What::News(Item::Block(block)) => !chain.contains(&block),
            What::News(Item::Word(_)) | What::Room(_) => false,
        };
        self.dues.iter().find(is_lost).map_or(Ok(()), |due| disagree(format!("{:?} is nowhere", due.what)))
    }

    fn inspectors(&self) -> impl Iterator<Item = (usize, &Person)> {
        self.people.iter().enumerate().filter(|(_, person)| person.part.role == Citizen::Inspector)
    }
}
