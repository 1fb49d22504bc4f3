//! The frames of one turn, once, for everybody. Knows who owns which part; knows no queue and no socket.
//!
//! Every verified frame of a turn is appended here and nowhere else. What one peer is due is the log without
//! the parts it sent itself, as a few slices: nothing is copied or encoded for a receiver.
//!
//! ```text
//!   frames      a    b    a    B (64 KiB or more)   c
//!   pieces    [ one run ······ ][ a chunk of its own ][ the run goes on ]
//!   due to a       ────      ───────────────────────────
//! ```

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::part::Part;

/// A frame this long is a chunk of its own, never copied into the run: from here on copying costs more than
/// another slice in a gathering write.
pub const OWN_CHUNK_LEN: usize = 64 * 1024;

/// Bytes that several peers' write queues may share. One handle for each queue entry, so that the last to
/// let go knows it is the last.
pub type Chunk = Arc<Bytes>;

/// The frames accepted in one turn. `O` is whoever owns a frame: its sender.
#[derive(Debug)]
pub struct TurnLog<O> {
    /// While the turn's inputs come: the frames that are not chunks of their own, back to back.
    run: BytesMut,
    /// The same once the log is closed.
    closed_run: Chunk,
    pieces: Vec<Piece>,
    /// In order of the log while it grows, in order of (owner, start) once it is closed.
    spans: Vec<Span<O>>,
    len: usize,
    frames: u64,
    /// Where the last mark stands: no span reaches across it.
    mark: usize,
}

/// How far into the log somebody's share reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    len: usize,
    frames: u64,
}

/// What somebody is due of a closed log.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// Bytes.
    pub len: usize,
    /// Frames that these are.
    pub frames: u64,
    /// How far into the log it reaches.
    end: usize,
    /// Where among the spans its own begin, and how many there are: looked up once.
    own: usize,
    count: usize,
}

/// Where a stretch of the log lies.
#[derive(Debug)]
struct Piece {
    /// Where it begins in the log.
    start: usize,
    len: usize,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// In the run, from this byte of it.
    Run(usize),
    /// A frame that is long enough, or a stretch of the run that somebody keeps.
    Own(Chunk),
}

/// A stretch of the log and who sent it.
#[derive(Clone, Copy, Debug)]
struct Span<O> {
    owner: O,
    start: usize,
    end: usize,
    frames: u64,
}

impl Mark {
    /// To the end, wherever that is.
    pub const END: Self = Self { len: usize::MAX, frames: u64::MAX };
    /// Nowhere: nothing of any log.
    pub const START: Self = Self { len: 0, frames: 0 };
}

impl<O: Copy + Ord> TurnLog<O> {
    /// A log without frames.
    pub fn new() -> Self {
        Self {
            run: BytesMut::new(),
            closed_run: Chunk::default(),
            pieces: Vec::new(),
            spans: Vec::new(),
            len: 0,
            frames: 0,
            mark: 0,
        }
    }

    /// Adds a frame of `owner`'s.
    pub fn append(&mut self, owner: O, frame: Cow<'_, [u8]>) {
        let len = frame.len();
        if len >= OWN_CHUNK_LEN {
            let chunk = Arc::new(Bytes::from(frame.into_owned()));
            self.pieces.push(Piece { start: self.len, len, place: Place::Own(chunk) });
        } else {
            self.append_to_run(&frame);
        }
        self.note_owner(owner, len);
        self.len += len;
        self.frames += 1;
    }

    /// Adds a line of `owner`'s, and the newline that ends it.
    pub fn append_line(&mut self, owner: O, line: Cow<'_, str>) {
        let len = line.len() + 1;
        if len >= OWN_CHUNK_LEN {
            let mut ended = line.into_owned();
            ended.reserve_exact(1); // in place, where the allocator can
            ended.push('\n');
            return self.append(owner, Cow::Owned(ended.into_boxed_str().into_boxed_bytes().into_vec()));
        }
        self.append_to_run(line.as_bytes());
        self.append_to_run(b"\n");
        self.note_owner(owner, len);
        self.len += len;
        self.frames += 1;
    }

    /// Bytes of all frames.
    pub fn len(&self) -> usize {
        self.len
    }

    /// No frame yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How far the log reaches by now.
    pub fn mark(&mut self) -> Mark {
        self.mark = self.len;
        Mark { len: self.len, frames: self.frames }
    }

    /// No more frames this turn: from here on parts can be asked for.
    pub fn close(&mut self) {
        self.closed_run = Arc::new(std::mem::take(&mut self.run).freeze());
        self.spans.sort_unstable_by_key(|span| (span.owner, span.start));
    }

    /// What lies before the mark and is not `owner`'s own. Only once the log is closed.
    pub fn due(&self, owner: O, upto: Mark) -> Due {
        let own = self.spans.partition_point(|span| span.owner < owner);
        let spans = self.spans[own..].iter().take_while(|span| span.owner == owner);
        let end = upto.len.min(self.len);
        let mut due = Due { len: end, frames: upto.frames.min(self.frames), end, own, count: 0 };
        for span in spans.take_while(|span| span.end <= end) {
            due.len -= span.end - span.start;
            due.frames -= span.frames;
            due.count += 1;
        }
        due
    }

    /// What is due without the first `sent` bytes of it. Only as long as the log is closed.
    pub fn parts(&self, due: &Due, sent: usize) -> impl Iterator<Item = Part<'_>> {
        self.chunks(due, sent).map(|(chunk, start, end)| Part::new(chunk, start, end))
    }

    /// The same as [`parts`](Self::parts), with the chunks to keep them by.
    pub fn chunks(&self, due: &Due, sent: usize) -> impl Iterator<Item = (&Chunk, usize, usize)> {
        let own = &self.spans[due.own..due.own + due.count];
        Stretches { run: &self.closed_run, pieces: &self.pieces, own, at: 0, end: due.end, sent }
    }

    /// Moves each stretch of the run into a chunk of its own and of exact size: somebody is going to keep it.
    /// Only once the log is closed; parts asked for before and after are the same bytes.
    pub fn shrink(&mut self) {
        for Piece { len, place, .. } in &mut self.pieces {
            if let Place::Run(from) = *place {
                let exact = Bytes::copy_from_slice(&self.closed_run[from..from + *len]);
                *place = Place::Own(Arc::new(exact));
            }
        }
        self.reclaim_run();
    }

    /// Forgets the frames, closed or not, and says of each chunk how many bytes it has if somebody still
    /// holds it. A run that nobody holds is reused in place.
    pub fn clear(&mut self, mut held: impl FnMut(usize)) {
        for piece in self.pieces.drain(..) {
            if let Place::Own(chunk) = piece.place
                && Arc::strong_count(&chunk) > 1
            {
                held(chunk.len());
            }
        }
        self.reclaim_run();
        self.spans.clear();
        self.len = 0;
        self.frames = 0;
        self.mark = 0;
    }

    fn append_to_run(&mut self, frame: &[u8]) {
        match self.pieces.last_mut() {
            Some(Piece { len, place: Place::Run(_), .. }) => *len += frame.len(),
            _ => self.pieces.push(Piece {
                start: self.len,
                len: frame.len(),
                place: Place::Run(self.run.len()),
            }),
        }
        self.run.extend_from_slice(frame);
    }

    fn note_owner(&mut self, owner: O, len: usize) {
        match self.spans.last_mut() {
            Some(span) if span.owner == owner && self.mark < self.len => {
                span.end += len;
                span.frames += 1;
            }
            _ => self.spans.push(Span { owner, start: self.len, end: self.len + len, frames: 1 }),
        }
    }

    /// The run's buffer is used again, unless a stack still sends from it.
    fn reclaim_run(&mut self) {
        let run = std::mem::take(&mut self.closed_run);
        if let Ok(Ok(buffer)) = Arc::try_unwrap(run).map(Bytes::try_into_mut)
            && buffer.capacity() > self.run.capacity()
        {
            self.run = buffer;
        }
        self.run.clear();
    }
}

impl<O: Copy + Ord> Default for TurnLog<O> {
    fn default() -> Self {
        Self::new()
    }
}

/// Walks the log around one owner's spans.
struct Stretches<'a, O> {
    run: &'a Chunk,
    pieces: &'a [Piece],
    own: &'a [Span<O>],
    at: usize,
    end: usize,
    /// Bytes still to be left out at the front of what is due.
    sent: usize,
}

impl<'a, O> Iterator for Stretches<'a, O> {
    type Item = (&'a Chunk, usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        while self.at < self.end {
            let stop = match self.own.split_first() {
                Some((span, rest)) if span.start <= self.at => {
                    self.at = span.end;
                    self.own = rest;
                    continue;
                }
                Some((span, _)) => span.start.min(self.end),
                None => self.end,
            };
            let (piece, rest) = self.pieces.split_first().expect("pieces cover the log");
            let piece_end = piece.start + piece.len;
            if piece_end <= self.at {
                self.pieces = rest;
                continue;
            }
            let stop = stop.min(piece_end);
            let from = self.at + self.sent.min(stop - self.at);
            self.sent -= from - self.at;
            self.at = stop;
            if from < stop {
                let (chunk, offset) = match &piece.place {
                    Place::Run(offset) => (self.run, *offset),
                    Place::Own(chunk) => (chunk, 0),
                };
                return Some((chunk, offset + from - piece.start, offset + stop - piece.start));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of frames (owner, fill, length), and what each owner is due by the plain definition.
    fn log_of(frames: &[(u32, u8, usize)]) -> TurnLog<u32> {
        let mut log = TurnLog::new();
        for &(owner, fill, len) in frames {
            log.append(owner, Cow::Owned(vec![fill; len]));
        }
        log.close();
        log
    }

    fn plain(frames: &[(u32, u8, usize)], receiver: u32) -> Vec<u8> {
        let due = frames.iter().filter(|(owner, ..)| *owner != receiver);
        due.flat_map(|&(_, fill, len)| vec![fill; len]).collect()
    }

    fn joined<'a>(parts: impl Iterator<Item = Part<'a>>) -> Vec<u8> {
        parts.flat_map(|part| part.as_slice().to_vec()).collect()
    }

    const MIXED: &[(u32, u8, usize)] = &[
        (1, 1, 30),
        (2, 2, 40),
        (1, 3, 24),
        (3, 4, OWN_CHUNK_LEN),
        (3, 5, 50),
        (2, 6, OWN_CHUNK_LEN + 9),
        (1, 7, 31),
    ];

    #[test]
    fn each_is_due_the_log_without_its_own() {
        let log = log_of(MIXED);
        for receiver in 0..5 {
            let due = plain(MIXED, receiver);
            assert_eq!(joined(log.parts(&log.due(receiver, Mark::END), 0)), due);
            let frames = MIXED.iter().filter(|(owner, ..)| *owner != receiver).count() as u64;
            let told = log.due(receiver, Mark::END);
            assert_eq!((told.len, told.frames), (due.len(), frames));
        }
    }

    #[test]
    fn a_log_says_how_much_is_in_it() {
        let mut log = log_of(MIXED);
        let bytes = MIXED.iter().map(|&(.., len)| len).sum();
        assert_eq!((log.len(), log.is_empty()), (bytes, false));
        log.clear(|_| panic!("nobody holds it"));
        assert_eq!((log.len(), log.is_empty()), (0, true));
    }

    #[test]
    fn a_frame_of_64_kib_is_a_chunk_of_its_own_and_not_copied() {
        let mut log = TurnLog::new();
        let long = vec![3; 64 * 1024];
        let place = long.as_ptr();
        log.append(1, Cow::Owned(vec![1; 64 * 1024 - 1]));
        log.append(1, Cow::Owned(vec![2; 10]));
        log.append(1, Cow::Owned(long));
        log.close();
        let parts: Vec<Part<'_>> = log.parts(&log.due(2, Mark::END), 0).collect();
        let lens: Vec<usize> = parts.iter().map(Part::len).collect();
        assert_eq!((lens, parts[1].as_slice().as_ptr()), (vec![64 * 1024 + 9, 64 * 1024], place));
    }

    #[test]
    fn what_an_owner_sends_in_a_row_is_one_span_but_for_a_mark_in_it() {
        let mut log = TurnLog::new();
        for (owner, mark) in
            [(1, false), (1, false), (2, false), (2, true), (2, false), (1, true), (1, false)]
        {
            log.append(owner, Cow::Owned(vec![0; 30]));
            if mark {
                log.mark();
            }
        }
        let spans: Vec<_> =
            log.spans.iter().map(|span| (span.owner, span.start, span.end, span.frames)).collect();
        assert_eq!(
            spans,
            [(1, 0, 60, 2), (2, 60, 120, 2), (2, 120, 150, 1), (1, 150, 180, 1), (1, 180, 210, 1)]
        );
    }

    #[test]
    fn a_line_is_a_stretch_of_the_log_like_any_frame_and_a_long_one_a_chunk_of_exact_size() {
        let mut log = TurnLog::new();
        let mut grown = String::with_capacity(4 * OWN_CHUNK_LEN);
        grown.push_str(&"y".repeat(OWN_CHUNK_LEN - 1));
        let (short, long) = (["", "one"], ["x".repeat(OWN_CHUNK_LEN - 1), grown]);
        for line in short {
            log.append_line(1, Cow::Borrowed(line));
        }
        log.append_line(2, Cow::Borrowed(long[0].as_str()));
        log.append_line(2, Cow::Owned(long[1].clone()));
        log.append_line(1, Cow::Borrowed(""));
        assert_eq!(log.len(), "\none\n\n".len() + 2 * OWN_CHUNK_LEN);
        log.close();
        log.shrink();
        let due = log.due(2, Mark::END);
        assert_eq!((joined(log.parts(&due, 0)), due.frames), (b"\none\n\n".to_vec(), 3));
        let due = log.due(1, Mark::END);
        assert_eq!(joined(log.parts(&due, 0)), format!("{}\n{}\n", long[0], long[1]).into_bytes());
        let kept: Vec<Chunk> = log.chunks(&due, 0).map(|(chunk, ..)| Arc::clone(chunk)).collect();
        drop(log);
        for chunk in kept {
            let bytes =
                Arc::try_unwrap(chunk).expect("nobody else has it").try_into_mut().expect("nor its bytes");
            assert_eq!(bytes.capacity(), OWN_CHUNK_LEN);
        }
    }

    #[test]
    fn what_was_sent_is_left_out_wherever_it_ended() {
        let log = log_of(MIXED);
        for receiver in 0..4 {
            let due = plain(MIXED, receiver);
            for sent in (0..due.len()).step_by(997).chain([due.len()]) {
                assert_eq!(joined(log.parts(&log.due(receiver, Mark::END), sent)), due[sent..]);
                assert!(log.parts(&log.due(receiver, Mark::END), sent).all(|part| !part.is_empty()));
            }
        }
    }

    #[test]
    fn a_peer_that_ended_within_the_turn_is_due_what_came_before() {
        let mut log = TurnLog::new();
        for &(owner, fill, len) in &MIXED[..4] {
            log.append(owner, Cow::Owned(vec![fill; len]));
        }
        let end = log.mark();
        for &(owner, fill, len) in &MIXED[4..] {
            log.append(owner, Cow::Owned(vec![fill; len]));
        }
        log.close();
        for receiver in 0..4 {
            let due = plain(&MIXED[..4], receiver);
            assert_eq!(joined(log.parts(&log.due(receiver, end), 0)), due);
            let frames = MIXED[..4].iter().filter(|(owner, ..)| *owner != receiver).count() as u64;
            let told = log.due(receiver, end);
            assert_eq!((told.len, told.frames), (due.len(), frames));
        }
    }

    #[test]
    fn a_run_nobody_holds_is_reused_in_place() {
        let mut log = log_of(&[(1, 1, 5000)]);
        let before = log.closed_run.as_ptr();
        log.clear(|_| panic!("nobody holds it"));
        assert!(log.run.capacity() >= 5000, "an allocator that gives the same place again is no witness");
        log.append(1, Cow::Owned(vec![9; 4000]));
        log.close();
        assert_eq!(log.closed_run.as_ptr(), before);
    }

    #[test]
    fn a_log_forgotten_before_it_was_closed_leaves_nothing_in_the_next() {
        let mut log = TurnLog::new();
        log.append(1, Cow::Owned(vec![1; 1000]));
        log.clear(|_| panic!("nobody holds it"));
        log.append(1, Cow::Owned(vec![2; 10]));
        log.close();
        log.shrink();
        let lens: Vec<usize> = log.chunks(&log.due(2, Mark::END), 0).map(|(chunk, ..)| chunk.len()).collect();
        assert_eq!(lens, [10]);
    }

    #[test]
    fn what_somebody_keeps_of_the_run_is_of_exact_size() {
        let mut log = log_of(&[(1, 1, 100), (2, 2, OWN_CHUNK_LEN), (1, 3, 10)]);
        log.shrink();
        let kept: Vec<Chunk> =
            log.chunks(&log.due(9, Mark::END), 0).map(|(chunk, ..)| Arc::clone(chunk)).collect();
        let mut held = Vec::new();
        log.clear(|len| held.push(len));
        held.sort_unstable();
        assert_eq!(held, [10, 100, OWN_CHUNK_LEN]);
        drop(kept);
    }
}
