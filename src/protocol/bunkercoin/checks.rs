//! Blocks being checked, each once, whoever waits for it: every step of one of them is a step for all. Knows no peer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cost::{self, Cost};
use super::hash::Hash;
use super::rules::{Check, Checked, Flaw, Link};
use super::vdf::Outputs;

/// Checks under way, by the hash of the block's text. As many as there are peers who wait for one, at most.
#[derive(Debug, Default)]
pub struct Checks {
    blocks: BTreeMap<Hash, Underway>,
    outputs: Outputs,
}

/// A place among those who wait for a block. To be handed back.
#[derive(Debug, PartialEq, Eq)]
pub struct Wait(Hash);

/// What came of a check.
pub type Outcome = Result<Arc<Checked>, Flaw>;

#[derive(Debug)]
struct Underway {
    waiting: usize,
    link: Link,
    prev_hash: Hash,
    state: State,
}

#[derive(Debug)]
enum State {
    Running(Box<Check>),
    Over(Outcome),
}

impl Checks {
    /// Waits for the block with this text, if it is being checked.
    pub fn join(&mut self, text: Hash) -> Option<Wait> {
        let found = self.blocks.get_mut(&text)?;
        found.waiting += 1;
        Some(Wait(text))
    }

    /// Begins with a block that nobody waits for yet.
    pub fn begin(&mut self, text: Hash, check: Check) -> Wait {
        let (link, prev_hash) = (check.link(), check.prev_hash());
        let state = State::Running(Box::new(check));
        let before = self.blocks.insert(text, Underway { waiting: 1, link, prev_hash, state });
        assert!(before.is_none(), "the same block is checked twice");
        Wait(text)
    }

    /// What the block will be known by, and what it says of the one before it.
    pub fn link(&self, wait: &Wait) -> (Link, Hash) {
        let found = &self.blocks[&wait.0];
        (found.link, found.prev_hash)
    }

    /// Bytes that the block under check has us hold, divided among those who wait for it.
    pub fn share(&self, wait: &Wait) -> usize {
        let Some(found) = self.blocks.get(&wait.0) else { return 0 };
        let bytes = match &found.state {
            State::Running(check) => check.memory(),
            State::Over(Ok(block)) => block.memory(),
            State::Over(Err(_)) => 0,
        };
        bytes / found.waiting
    }

    /// One step on: what it cost, and what came of the check once it is over.
    pub fn step(&mut self, wait: &Wait) -> (Cost, Option<Outcome>) {
        let Some(found) = self.blocks.get_mut(&wait.0) else { return (cost::STEP, None) };
        let check = match &mut found.state {
            State::Over(outcome) => return (cost::STEP, Some(outcome.clone())),
            State::Running(check) => check,
        };
        let (cost, outcome) = check.step(&mut self.outputs);
        if let Some(outcome) = &outcome {
            found.state = State::Over(outcome.clone());
        }
        (cost, outcome)
    }

    /// Waits no longer.
    pub fn leave(&mut self, wait: Wait) {
        let Some(found) = self.blocks.get_mut(&wait.0) else { return };
        found.waiting -= 1;
        if found.waiting == 0 {
            self.blocks.remove(&wait.0);
        }
    }
}
