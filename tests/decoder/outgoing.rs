//! The way out against a plain vector for each peer: turn log, write queues and what they say they hold. Knows
//! the order of a turn; knows no peer's rules.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use peer_relay::wire::turn_log::{Chunk, Mark, OWN_CHUNK_LEN};
use peer_relay::wire::write_queue::chunk_cost;
use peer_relay::wire::{Part, TurnLog, WriteQueue};
use proptest::collection::vec;
use proptest::prelude::*;

const PEERS: usize = 4;

/// What happens in one turn, as it was generated.
#[derive(Clone, Debug)]
struct Turn {
    /// Owner and length of each frame.
    frames: Vec<(usize, usize)>,
    /// Peer and length of each private reply.
    replies: Vec<(usize, usize)>,
    /// A peer that ends before the frame of this number: it is due what came before.
    end: Option<(usize, usize)>,
    /// How many bytes each peer takes before its turn's rest is queued, and after it.
    takes: [(usize, usize); PEERS],
}

/// One peer: the real queue and, beside it, what it should be.
#[derive(Default)]
struct Peer {
    queue: WriteQueue,
    /// Everything due and not yet sent.
    due: Vec<u8>,
    /// Of the queue's entries: which chunk, how long that is, how many bytes are left of it.
    entries: VecDeque<(Holding, usize)>,
    frames_due: u64,
    frames_sent: u64,
}

#[derive(Clone, Copy)]
enum Holding {
    Reply,
    Shared { address: usize, len: usize },
}

#[derive(Default)]
struct World {
    log: TurnLog<usize>,
    peers: [Peer; PEERS],
    /// Cost of the chunks that queues hold, by what the log and the queues report.
    retained: usize,
    serial: u8,
}

impl World {
    fn turn(&mut self, turn: &Turn) {
        self.reply(turn);
        let ends = self.append(turn);
        self.log.close();
        let mut behind = Vec::new();
        for (peer, &end) in ends.iter().enumerate() {
            let sent = self.flush(peer, end, turn.takes[peer].0);
            if sent < self.log.due(peer, end).len {
                behind.push((peer, sent, end));
            }
        }
        if !behind.is_empty() {
            self.log.shrink();
        }
        for (peer, sent, end) in behind {
            self.keep(peer, sent, end);
        }
        let retained = &mut self.retained;
        self.log.clear(|len| *retained += chunk_cost(len));
        assert!(self.log.is_empty());
        self.check();
        for (peer, take) in turn.takes.iter().enumerate() {
            self.drain(peer, take.1);
        }
        self.check();
    }

    fn reply(&mut self, turn: &Turn) {
        let mut counts = [0u64; PEERS];
        for &(to, len) in &turn.replies {
            let bytes = vec![self.next_serial(); len];
            let peer = &mut self.peers[to];
            peer.queue.reply().extend_from_slice(&bytes);
            peer.due.extend(bytes);
            counts[to] += 1;
        }
        for (peer, count) in self.peers.iter_mut().zip(counts) {
            let lens: usize = peer.entries.iter().map(|&(_, left)| left).sum();
            let new = peer.queue.unsent() - lens;
            if new > 0 {
                peer.entries.push_back((Holding::Reply, new));
            }
            peer.queue.seal_replies();
            peer.frames_due += count;
        }
    }

    /// Fills the log. Says where it ends for each peer.
    fn append(&mut self, turn: &Turn) -> [Mark; PEERS] {
        let mut ends = [Mark::END; PEERS];
        for (number, &(owner, len)) in turn.frames.iter().enumerate() {
            if let Some((peer, before)) = turn.end
                && number == before
            {
                ends[peer] = self.log.mark();
            }
            let mut frame = vec![self.next_serial(); len];
            frame[len - 1] = 0xff; // where a frame ends can be seen
            self.log.append(owner, Cow::Borrowed(&frame));
            for (peer, &end) in ends.iter().enumerate() {
                if peer != owner && end == Mark::END {
                    self.peers[peer].due.extend_from_slice(&frame);
                    self.peers[peer].frames_due += 1;
                }
            }
        }
        ends
    }

    /// The turn's one write: backlog and replies, then the log. Says how much of the log was taken.
    fn flush(&mut self, peer: usize, end: Mark, take: usize) -> usize {
        let (log, it) = (&self.log, &mut self.peers[peer]);
        let due = log.due(peer, end);
        assert_eq!(
            joined(it.queue.parts().chain(log.parts(&due, 0))),
            it.due,
            "peer {peer} before its write"
        );
        assert_eq!(it.queue.unsent() + due.len, it.due.len());
        let sent = take.min(it.due.len());
        let (freed, beyond) = it.sent(sent);
        self.retained -= freed;
        assert_eq!(joined(it.queue.parts().chain(log.parts(&due, beyond))), it.due, "peer {peer} behind it");
        if beyond == due.len {
            it.frames_sent += due.frames;
        }
        beyond
    }

    fn keep(&mut self, peer: usize, sent: usize, end: Mark) {
        let it = &mut self.peers[peer];
        let due = self.log.due(peer, end);
        let mut left = due.len - sent;
        for (chunk, from, to) in self.log.chunks(&due, sent) {
            left -= to - from;
            it.queue.push(chunk, from, to, if left == 0 { due.frames as u32 } else { 0 });
            it.entries.push_back((Holding::of(chunk), to - from));
        }
        assert_eq!(left, 0);
    }

    fn drain(&mut self, peer: usize, take: usize) {
        let it = &mut self.peers[peer];
        let len = take.min(it.due.len());
        let (freed, beyond) = it.sent(len);
        assert_eq!(beyond, 0);
        self.retained -= freed;
    }

    /// What holds between two turns.
    fn check(&self) {
        let mut shared = BTreeMap::new();
        for (number, peer) in self.peers.iter().enumerate() {
            assert_eq!(joined(peer.queue.parts()), peer.due, "peer {number}");
            assert_eq!(peer.queue.unsent(), peer.due.len());
            assert_eq!(peer.queue.is_empty(), peer.due.is_empty());
            let (pinned, replies) = peer.holds();
            assert_eq!(peer.queue.held(), pinned.values().sum::<usize>() + replies, "peer {number} holds");
            assert_eq!(peer.queue.replies_waiting(), replies);
            if peer.due.is_empty() {
                assert_eq!((peer.queue.held(), peer.queue.memory()), (0, 0), "peer {number} is empty");
                assert_eq!(peer.frames_sent, peer.frames_due);
            }
            shared.extend(pinned);
        }
        let cost: usize = shared.values().map(|&len| chunk_cost(len)).sum();
        assert_eq!(self.retained, cost, "each chunk is counted once in and once out");
    }

    fn next_serial(&mut self) -> u8 {
        self.serial = (self.serial + 1) % 251;
        self.serial
    }
}

impl Peer {
    /// Sends from the queue and, beyond it, from the log. Says what that freed and how much was beyond.
    fn sent(&mut self, len: usize) -> (usize, usize) {
        let queued = self.queue.unsent();
        let released = self.queue.sent(len);
        assert_eq!(released.beyond, len.saturating_sub(queued));
        self.due.drain(..len);
        self.frames_sent += released.frames;
        let mut gone = len - released.beyond;
        while let Some((_, left)) = self.entries.front_mut() {
            let here = gone.min(*left);
            *left -= here;
            gone -= here;
            if *left > 0 {
                break;
            }
            self.entries.pop_front();
        }
        (released.freed, released.beyond)
    }

    /// The chunks its queue pins, by address, with their lengths; and bytes of replies.
    fn holds(&self) -> (BTreeMap<usize, usize>, usize) {
        let (mut pinned, mut replies) = (BTreeMap::new(), 0);
        for &(holding, left) in &self.entries {
            match holding {
                Holding::Reply => replies += left,
                Holding::Shared { address, len } => drop(pinned.insert(address, len)),
            }
        }
        (pinned, replies)
    }
}

impl Holding {
    fn of(chunk: &Chunk) -> Self {
        Self::Shared { address: Arc::as_ptr(chunk).addr(), len: chunk.len() }
    }
}

fn joined<'a>(parts: impl Iterator<Item = Part<'a>>) -> Vec<u8> {
    let mut all = Vec::new();
    parts.for_each(|part| all.extend_from_slice(part.as_slice()));
    all
}

fn turn() -> impl Strategy<Value = Turn> {
    let len = prop_oneof![
        30 => 24..300usize,
        10 => 300..5000usize,
        1 => OWN_CHUNK_LEN - 1..OWN_CHUNK_LEN + 2,
        1 => Just(OWN_CHUNK_LEN + 5000),
    ];
    let take =
        || prop_oneof![2 => Just(usize::MAX), 2 => 0..500usize, 2 => 0..10_000usize, 1 => 0..140_000usize];
    let takes = [(take(), take()), (take(), take()), (take(), take()), (take(), take())];
    let frames = vec((0..PEERS, len), 0..12);
    let replies = vec((0..PEERS, 32..60usize), 0..4);
    let end = prop::option::of((0..PEERS, 0..12usize));
    (frames, replies, end, takes).prop_map(|(frames, replies, end, takes)| Turn {
        frames,
        replies,
        end,
        takes,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_peer_gets_what_it_is_due_in_order_and_each_chunk_is_counted_once(turns in vec(turn(), 1..6)) {
        let mut world = World::default();
        for turn in &turns {
            world.turn(turn);
        }
        for peer in 0..PEERS {
            world.drain(peer, usize::MAX);
        }
        world.check();
        prop_assert_eq!(world.retained, 0);
    }

    #[test]
    fn whoever_leaves_lets_go_of_all_it_held(turns in vec(turn(), 1..6)) {
        let mut world = World::default();
        for turn in &turns {
            world.turn(turn);
        }
        for peer in &mut world.peers {
            world.retained -= peer.queue.clear().freed;
            prop_assert_eq!((peer.queue.held(), peer.queue.memory(), peer.queue.unsent()), (0, 0, 0));
        }
        prop_assert_eq!(world.retained, 0);
    }
}
