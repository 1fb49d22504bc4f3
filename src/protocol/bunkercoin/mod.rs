//! Bunkercoin's nodes: their six messages, their chain, and what it takes to believe them. Knows no socket, no file and
//! no clock.
//!
//! One JSON value a line: `"GetChain"`, `"GetMempool"`, `{"Chain":[…]}`, `{"Mempool":[…]}`, `{"NewBlock":…}` and
//! `{"NewTransaction":…}`. Nothing of it is believed before it was checked, and nothing is checked where it is heard:
//! what comes waits with its peer, who is not read meanwhile, and once a turn a slice of all that waits is worked off,
//! a step for each in turn. So a chain of ten thousand blocks holds up nobody but its sender.
//!
//! ```text
//!  bytes ─→ Reader ─Item→ what is to be done ─text→ Store: is it here? ─no→ Checks ─Checked→ Store ─→ everybody else
//!            └───────────── one Neighbour each ─────────────┘                └ shared: each block is checked once ┘
//! ```
//!
//! Every rule that breaks is an offence; what it costs says the law. A peer that tells a chain which outgrows our
//! bounds, or at a bad time, has done nothing wrong: the rest of its line is passed over.

mod adoption;
mod answering;
mod block;
mod candidate;
mod chain;
mod checks;
mod cost;
pub mod forge;
mod hash;
mod items;
mod journal;
mod json;
mod known;
mod lookup;
mod mempool;
mod neighbour;
mod news;
mod pool;
mod reader;
mod restoring;
mod rules;
mod store;
mod submitting;
mod telling;
mod text;
mod transaction;
mod vdf;
mod work;

use std::collections::{BTreeMap, VecDeque};

pub use block::{Block, Header, merkle_root};
pub use candidate::{SEAT_PATIENCE, SEATS};
pub use chain::{MAX_BLOCKS, MAX_BYTES};
pub use cost::{Cost, DEAREST, SLICE};
pub use hash::Hash;
pub use journal::Record;
pub use mempool::MAX_TRANSACTIONS;
pub use neighbour::{ANSWER_AGAIN, ASK_AGAIN};
pub use news::{NEWS_MAX, News};
pub use pool::MAX_BYTES as POOL_BYTES;
pub use restoring::Unfit;
pub use rules::{Flaw, INTERVAL, MAX_BLOCK, VERSION, nonce};
pub use submitting::{Ticket, Verdict};
pub use text::Text;
pub use transaction::Transaction;
pub use vdf::ROUNDS;

use crate::deadlines::Deadlines;
use crate::protocol::{TextOutbox, Token};
use crate::time::Instant;
use candidate::Seats;
use neighbour::Neighbour;
use restoring::Branching;
use store::Store;
use submitting::Submission;
use work::Source;

/// Bunkercoin's dialect: a store, and the peers who tell of it.
#[derive(Debug)]
pub struct Bunkercoin {
    /// Longest message, or element of one, bytes.
    max_message: usize,
    store: Store,
    neighbours: BTreeMap<Token, Neighbour>,
    /// Who may have a chain checked.
    seats: Seats,
    submissions: BTreeMap<Ticket, Submission>,
    next_ticket: u64,
    verdicts: VecDeque<(Ticket, Verdict)>,
    /// Those there is work for, each once, in turn.
    queue: VecDeque<Source>,
    /// Who told the chain that is being adopted, or was adopted last.
    adopted_from: Option<Token>,
    deadlines: Deadlines<Token>,
    /// A branch that a file tells of.
    restored: Option<Branching>,
    counts: Counts,
}

/// What happened, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Longest slice of work, in units.
    pub longest_slice: Cost,
    /// Chains and blocks not taken because ours would be too long with them.
    pub too_long: u64,
    /// Chains let go for lack of room or patience; their peers are asked again.
    pub let_go: u64,
    /// Longer chains that were adopted.
    pub adopted: u64,
}

impl Bunkercoin {
    /// Nobody there, nothing known. No message, and no element of one, may be longer than this, bytes.
    pub fn new(max_message: usize) -> Self {
        Self {
            max_message,
            store: Store::default(),
            neighbours: BTreeMap::new(),
            seats: Seats::default(),
            submissions: BTreeMap::new(),
            next_ticket: 0,
            verdicts: VecDeque::new(),
            queue: VecDeque::new(),
            adopted_from: None,
            deadlines: Deadlines::new(),
            restored: None,
            counts: Counts::default(),
        }
    }

    /// How many blocks.
    pub fn height(&self) -> usize {
        self.store.chain().height()
    }

    /// What the last block is known by.
    pub fn tip(&self) -> Option<Hash> {
        self.store.chain().tip().map(|tip| tip.hash)
    }

    /// The chain: a JSON array of blocks.
    pub fn chain_text(&mut self) -> Text {
        self.store.chain_text()
    }

    /// The transactions that wait for a block: a JSON array, in the order of their hashes.
    pub fn mempool_text(&mut self) -> Text {
        self.store.mempool_text()
    }

    /// What has changed, oldest first.
    pub fn take_news(&mut self) -> Option<News> {
        self.store.take_news()
    }

    /// What happened, in numbers.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Bytes of blocks that are no chain of ours yet.
    pub fn pool_bytes(&self) -> usize {
        self.store.pool.bytes()
    }

    /// A peer is there. It is greeted in its turn.
    pub fn joined(&mut self, now: Instant, peer: Token) {
        self.neighbours.insert(peer, Neighbour::new(now));
        self.enqueue(peer);
    }

    /// A peer has sent bytes: they wait for their turn.
    pub fn heard(&mut self, now: Instant, out: &mut impl TextOutbox, from: Token, bytes: &[u8]) {
        let Some(peer) = self.neighbours.get_mut(&from) else { return };
        peer.reader.hear(bytes);
        if let Some(candidate) = &mut peer.candidate {
            candidate.goes_on(now);
        }
        self.enqueue(from);
        self.note(out, from);
    }

    /// A peer is gone: so is what it said and was not done.
    pub fn left(&mut self, peer: Token) {
        self.forget_work(peer);
        self.adopted_from.take_if(|from| *from == peer); // its token may be another's from now on
        if let Some(mut gone) = self.neighbours.remove(&peer) {
            self.deadlines.cancel(peer, &mut gone.wake);
        }
    }

    /// Once a turn: deadlines that have come, and a slice of the work that waits.
    pub fn expired(&mut self, now: Instant, out: &mut impl TextOutbox) {
        while let Some(peer) = self.deadlines.pop(now) {
            self.woken(peer);
        }
        self.work(now, out);
    }

    /// When [`expired`](Self::expired) has something to do; long past while there is work.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.has_work() { Some(Instant::START) } else { self.deadlines.next() }
    }

    /// What a file of the chain is to be told next, if [`keep_journal`](Self::keep_journal) was called; `false` when
    /// there is nothing. It counts as written.
    pub fn next_record(&mut self, write: impl FnOnce(Record<'_>)) -> bool {
        self.store.next_record(write)
    }

    /// From now on there are records of all that changes; a file has what is here.
    pub fn keep_journal(&mut self) {
        self.restored = None;
        self.store.keep_journal();
    }

    /// All that there is, as a new file would hold it.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.store.records()
    }
}
