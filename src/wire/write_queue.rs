//! What one peer could not take at once: its private replies and the shared chunks it still owes. The
//! decoder's mirror. Knows no peer and no socket.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::part::Part;
use super::turn_log::Chunk;

/// What a chunk costs beside its bytes: the handle's allocation and the allocator's own share.
const CHUNK_OVERHEAD: usize = 64;

/// One peer's bytes in the order they must go out. An empty one, which is what nearly all are, is one word.
#[derive(Debug, Default)]
pub struct WriteQueue(Option<Box<Backlog>>);

/// What is queued.
#[derive(Debug, Default)]
struct Backlog {
    entries: VecDeque<Entry>,
    /// Replies of this turn, not yet an entry.
    replies: Vec<u8>,
    /// Frames that these are.
    reply_frames: u32,
    /// Bytes still to be sent, of entries.
    unsent: usize,
    /// Bytes of these that are replies.
    private: usize,
    /// Cost of the chunks that hold them, sent in part or not, see [`chunk_cost`].
    private_cost: usize,
    /// Bytes of the shared chunks of all entries, each as a whole, but for those of a store.
    pinned: usize,
    /// Bytes of a store's chunks of all entries.
    stored: usize,
}

#[derive(Debug)]
struct Entry {
    chunk: Chunk,
    start: u32,
    end: u32,
    /// Frames that are complete once this entry is gone.
    frames: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Private,
    Shared,
    /// Of a store, which has its own bounds: whoever asked for it may take it as slowly as it likes.
    Stored,
}

/// What leaving the queue did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Frames that are now sent whole.
    pub frames: u64,
    /// Cost of the shared chunks that nobody holds any more, see [`chunk_cost`].
    pub freed: usize,
    /// Bytes that were not from this queue: it is empty and they came after it.
    pub beyond: usize,
}

/// What a chunk of `len` bytes is counted as.
pub fn chunk_cost(len: usize) -> usize {
    len + CHUNK_OVERHEAD
}

impl WriteQueue {
    /// Room for a reply of this turn, one frame: it goes out behind everything already queued.
    pub fn reply(&mut self) -> &mut Vec<u8> {
        let backlog = self.0.get_or_insert_default();
        backlog.reply_frames += 1;
        &mut backlog.replies
    }

    /// The turn is over: its replies take their place in the order.
    pub fn seal_replies(&mut self) {
        if let Some(backlog) = &mut self.0 {
            backlog.seal_replies();
        }
    }

    /// Queues a range of a shared chunk; `frames` are complete with its last byte. Ranges of one chunk come
    /// one after the other: as a whole it is counted once.
    ///
    /// # Panics
    /// If the chunk is longer than a `u32` can say: no frame is.
    pub fn push(&mut self, chunk: &Chunk, start: usize, end: usize, frames: u32) {
        let backlog = self.0.get_or_insert_default();
        if !backlog.entries.back().is_some_and(|last| Arc::ptr_eq(&last.chunk, chunk)) {
            backlog.pinned += chunk.len();
        }
        backlog.push(Entry {
            chunk: Arc::clone(chunk),
            start: offset(start),
            end: offset(end),
            frames,
            kind: Kind::Shared,
        });
    }

    /// Queues one message behind the replies so far, of which the middle lies in a store: for that nothing is counted.
    pub fn reply_stored(&mut self, head: &[u8], stored: impl Iterator<Item = Chunk>, tail: &[u8]) {
        let backlog = self.0.get_or_insert_default();
        backlog.replies.extend_from_slice(head);
        backlog.seal_replies();
        for chunk in stored {
            backlog.stored += chunk.len();
            backlog.push(Entry { start: 0, end: offset(chunk.len()), chunk, frames: 0, kind: Kind::Stored });
        }
        self.reply().extend_from_slice(tail);
    }

    /// What is queued, in order. Without the replies not yet sealed.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let entries = self.0.iter().flat_map(|backlog| &backlog.entries);
        entries.map(|entry| Part::new(&entry.chunk, entry.start as usize, entry.end as usize))
    }

    /// The first `len` bytes of the queue, and of what comes after it, are sent.
    pub fn sent(&mut self, len: usize) -> Released {
        let Some(backlog) = &mut self.0 else { return Released { beyond: len, ..Released::default() } };
        let released = backlog.sent(len);
        if self.is_empty() {
            self.0 = None; // an idle peer holds nothing
        }
        released
    }

    /// Forgets everything. Says what that freed.
    pub fn clear(&mut self) -> Released {
        let mut released = Released::default();
        if let Some(mut backlog) = self.0.take() {
            while !backlog.entries.is_empty() {
                released.freed += backlog.pop();
            }
        }
        released
    }

    /// Nothing queued, nothing to seal.
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|backlog| backlog.entries.is_empty() && backlog.replies.is_empty())
    }

    /// Whether there are replies of this turn.
    pub fn has_unsealed(&self) -> bool {
        self.0.as_ref().is_some_and(|backlog| !backlog.replies.is_empty())
    }

    /// Bytes still to be sent.
    pub fn unsent(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.unsent + backlog.replies.len())
    }

    /// Bytes of replies waiting, sealed or not.
    pub fn replies_waiting(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.private + backlog.replies.len())
    }

    /// What counts against the queue's limits: shared chunks as a whole, whatever range of them is owed, and
    /// replies.
    pub fn held(&self) -> usize {
        self.pinned() + self.replies_waiting()
    }

    /// Bytes of shared chunks, each as a whole and once.
    pub fn pinned(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.pinned)
    }

    /// Bytes of a store's chunks, each as a whole.
    pub fn stored(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.stored)
    }

    /// Bytes allocated for this queue alone: entries and replies.
    pub fn memory(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.memory())
    }
}

impl Backlog {
    fn push(&mut self, entry: Entry) {
        self.unsent += entry.len();
        self.entries.push_back(entry);
    }

    fn seal_replies(&mut self) {
        if self.replies.is_empty() {
            return;
        }
        let exact = std::mem::take(&mut self.replies).into_boxed_slice(); // it may wait for long
        let frames = std::mem::take(&mut self.reply_frames);
        let chunk = Arc::new(Bytes::from(exact));
        let end = offset(chunk.len());
        self.private += chunk.len();
        self.private_cost += chunk_cost(chunk.len());
        self.push(Entry { chunk, start: 0, end, frames, kind: Kind::Private });
    }

    fn sent(&mut self, mut len: usize) -> Released {
        let mut released = Released::default();
        while len > 0
            && let Some(first) = self.entries.front_mut()
        {
            let here = len.min(first.len());
            first.start += here as u32; // no more than was left of it
            len -= here;
            self.unsent -= here;
            if first.kind == Kind::Private {
                self.private -= here;
            }
            if first.len() == 0 {
                released.frames += u64::from(first.frames);
                released.freed += self.pop();
            }
        }
        released.beyond = len;
        released
    }

    fn memory(&self) -> usize {
        let entries = self.entries.capacity() * size_of::<Entry>();
        size_of::<Self>() + entries + self.replies.capacity() + self.private_cost
    }

    /// Drops the first entry. Says how many bytes of a shared chunk went with it.
    fn pop(&mut self) -> usize {
        let Entry { chunk, kind, .. } = self.entries.pop_front().expect("the caller looked");
        match kind {
            Kind::Private => {
                self.private_cost -= chunk_cost(chunk.len());
                return 0;
            }
            Kind::Stored => {
                self.stored -= chunk.len();
                return 0;
            }
            Kind::Shared => {}
        }
        if self.entries.front().is_some_and(|next| Arc::ptr_eq(&next.chunk, &chunk)) {
            return 0; // the next entry pins it still
        }
        self.pinned -= chunk.len();
        if Arc::strong_count(&chunk) == 1 { chunk_cost(chunk.len()) } else { 0 }
    }
}

impl Entry {
    fn len(&self) -> usize {
        (self.end - self.start) as usize
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a chunk is shorter than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(len: usize) -> Chunk {
        Arc::new(Bytes::from(vec![1; len]))
    }

    #[test]
    fn a_chunk_is_pinned_as_a_whole_and_once() {
        let (mut queue, big) = (WriteQueue::default(), chunk(1000));
        queue.push(&big, 0, 10, 1);
        queue.push(&big, 500, 510, 1);
        assert_eq!(queue.held(), 1000);
        assert_eq!(queue.sent(10), Released { frames: 1, ..Released::default() });
        assert_eq!(queue.held(), 1000);
        assert_eq!(queue.sent(10), Released { frames: 1, ..Released::default() }, "the test holds it too");
        assert_eq!(queue.held(), 0);
    }

    #[test]
    fn the_last_to_let_go_frees() {
        let (mut one, mut two) = (WriteQueue::default(), WriteQueue::default());
        let shared = chunk(100);
        one.push(&shared, 0, 100, 1);
        two.push(&shared, 50, 100, 1);
        drop(shared);
        assert_eq!(one.clear().freed, 0);
        assert_eq!(two.sent(50), Released { frames: 1, freed: chunk_cost(100), beyond: 0 });
    }

    #[test]
    fn what_a_store_holds_counts_for_nothing_and_keeps_its_place_among_replies() {
        let mut queue = WriteQueue::default();
        queue.reply_stored(b"[", [chunk(600), chunk(400)].into_iter(), b"]");
        queue.seal_replies();
        assert_eq!(queue.parts().map(|part| part.len()).collect::<Vec<_>>(), [1, 600, 400, 1]);
        assert_eq!(
            (queue.held(), queue.replies_waiting(), queue.unsent(), queue.stored()),
            (2, 2, 1002, 1000)
        );
        assert_eq!(queue.sent(1001), Released::default());
        assert_eq!(queue.stored(), 0);
        assert_eq!(queue.sent(1), Released { frames: 1, ..Released::default() });
    }

    #[test]
    fn replies_keep_their_place_between_chunks() {
        let mut queue = WriteQueue::default();
        queue.push(&chunk(4), 0, 4, 1);
        queue.reply().extend_from_slice(b"pong");
        assert_eq!(queue.replies_waiting(), 4);
        queue.seal_replies();
        queue.push(&chunk(3), 0, 3, 1);
        let lens: Vec<usize> = queue.parts().map(|part| part.len()).collect();
        assert_eq!(lens, [4, 4, 3]);
        assert_eq!(queue.sent(5).frames, 1);
        assert_eq!(queue.replies_waiting(), 3);
        assert_eq!(queue.sent(6).frames, 2);
        assert!(queue.is_empty());
        assert_eq!((queue.held(), queue.memory()), (0, 0));
    }

    #[test]
    fn what_is_sent_beyond_the_queue_is_handed_back() {
        let mut queue = WriteQueue::default();
        queue.push(&chunk(4), 0, 4, 1);
        assert_eq!(queue.sent(5), Released { frames: 1, freed: chunk_cost(4), beyond: 1 });
    }

    #[test]
    fn what_is_allocated_for_a_queue_alone_is_counted_to_the_byte() {
        let mut queue = WriteQueue::default();
        assert_eq!(queue.memory(), 0);
        queue.push(&chunk(1000), 0, 1000, 1);
        queue.reply().extend_from_slice(&[1; 100]);
        let own = |queue: &WriteQueue| {
            let backlog = queue.0.as_ref().unwrap();
            let entries = backlog.entries.capacity() * size_of::<Entry>();
            size_of::<Backlog>() + entries + backlog.replies.capacity()
        };
        assert_eq!(queue.memory(), own(&queue), "the chunk is everybody's");
        queue.seal_replies();
        assert_eq!(queue.memory(), own(&queue) + chunk_cost(100));
        queue.reply().extend_from_slice(&[2; 50]);
        queue.seal_replies();
        queue.sent(1099);
        assert_eq!(
            queue.memory(),
            own(&queue) + chunk_cost(100) + chunk_cost(50),
            "one byte keeps all of it"
        );
        queue.sent(1);
        assert_eq!(queue.memory(), own(&queue) + chunk_cost(50));
        queue.sent(50);
        assert_eq!(queue.memory(), 0);
    }

    #[test]
    fn a_chunk_costs_its_bytes_and_what_holds_them() {
        assert_eq!(chunk_cost(1000), 1000 + chunk_cost(0));
        assert_eq!(chunk_cost(0), CHUNK_OVERHEAD);
    }
}
