//! A conversation whose every delivery is known: each member hears all the others, in their order, bit for bit.
//! Knows peers; what strangers say meanwhile is passed over.

use std::slice::Iter;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Peer, frame, noise};

/// What the members' frames are called, and nobody else's.
const TALK: &str = "talk";

/// Some peers and what they have said so far.
pub struct Conversation {
    members: Vec<Peer>,
    rounds: u64,
}

/// What one member says in a round, frame by frame.
type Batch = Vec<Vec<u8>>;

impl Conversation {
    /// Of peers that are admitted.
    pub fn among(members: Vec<Peer>) -> Self {
        Self { members, rounds: 0 }
    }

    /// All say frames of these lengths at the same time, and hear what the others say. How long it took.
    pub fn round(&mut self, lengths: &[usize]) -> Duration {
        self.rounds += 1;
        let (round, members) = (self.rounds, 0..self.members.len());
        let batches: Vec<Batch> = members.map(|sender| batch(sender, round, lengths)).collect();
        let began = Instant::now();
        thread::scope(|scope| {
            for (place, member) in self.members.iter_mut().enumerate() {
                let batches = &batches;
                scope.spawn(move || {
                    batches[place].iter().for_each(|bytes| member.send(bytes));
                    hear(member, place, batches);
                });
            }
        });
        began.elapsed()
    }

    /// Rounds so far.
    pub fn rounds(&self) -> u64 {
        self.rounds
    }

    /// Nobody has anything more to hear: what was said came once.
    pub fn end(mut self) {
        for (place, member) in self.members.iter_mut().enumerate() {
            let pong = member.send_ping();
            loop {
                let bytes = member.read_frame();
                if bytes == pong {
                    break;
                }
                assert!(!is_talk(&bytes), "member {place} heard something that was not due to it");
            }
        }
    }
}

/// Unlike what any other says, or the same one at another time. The first byte of each payload is the sender's place.
fn batch(sender: usize, round: u64, lengths: &[usize]) -> Batch {
    let say = |(number, &length): (usize, &usize)| {
        let seed = (round * 100 + number as u64) * 100 + sender as u64;
        frame(TALK, &[&[sender as u8], &noise(seed, length)[..]].concat())
    };
    lengths.iter().enumerate().map(say).collect()
}

/// Everything the others say in a round, each of them in its own order.
fn hear(member: &mut Peer, place: usize, batches: &[Batch]) {
    let mut due: Vec<Iter<'_, Vec<u8>>> = batches.iter().map(|batch| batch.iter()).collect();
    due[place] = [].iter(); // nobody hears itself
    while due.iter().any(|batch| batch.len() > 0) {
        let bytes = member.read_frame();
        if is_talk(&bytes) {
            let sender = usize::from(bytes[24]);
            let next = due[sender].next();
            assert!(next == Some(&bytes), "member {place} heard of {sender} what was not next, or not so");
        }
    }
}

fn is_talk(bytes: &[u8]) -> bool {
    bytes[4..].starts_with(TALK.as_bytes())
}
