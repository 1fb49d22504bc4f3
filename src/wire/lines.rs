//! Lines from bytes: the decoder's sibling for streams whose framing is a newline. Knows how long a line may be;
//! knows no text, peer, socket or clock.

use std::borrow::Cow;

use bytes::Buf;
use memchr::memchr;
use thiserror::Error;

/// One stream's lines. A line ends with `\n` or `\r\n`, and is given without that. Between lines no memory is
/// held but what `size_of` says; within one what has arrived of it, and never more than the bound and a `\r`.
#[derive(Debug)]
pub struct LineDecoder {
    max_line: usize,
    /// The beginning of a line, as it came: no newline in it, perhaps a `\r` at its end.
    held: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Collecting,
    /// The rest of a line that is an error already: it passes unseen.
    PassingOver,
}

/// A line has more bytes than it may. The rest of it will be passed over if decoding goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a line of more than {allowed} bytes")]
pub struct LineTooLong {
    /// As given to [`LineDecoder::new`].
    pub allowed: usize,
}

impl LineDecoder {
    /// A decoder at the beginning of a stream. A line may have `max_line` bytes, its end not counted.
    pub fn new(max_line: usize) -> Self {
        Self { max_line, held: Vec::new(), state: State::Collecting }
    }

    /// The next line in what has arrived, or `None` once `input` is used up. Consumes what it has seen, and
    /// looks at no byte twice, however the stream is cut.
    ///
    /// The line is a slice of the input when it lies there whole, else it owns the bytes collected.
    ///
    /// # Errors
    /// Once for each line that is too long.
    pub fn decode<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Cow<'i, [u8]>>, LineTooLong> {
        while !input.is_empty() {
            let bytes: &'i [u8] = input;
            let end = memchr(b'\n', bytes);
            let here = &bytes[..end.unwrap_or(bytes.len())];
            input.advance(end.map_or(bytes.len(), |end| end + 1));
            match (self.state, end) {
                (State::PassingOver, Some(_)) => self.state = State::Collecting,
                (State::PassingOver, None) => {}
                (State::Collecting, Some(_)) => return self.complete(here).map(Some),
                (State::Collecting, None) => self.hold(here)?,
            }
        }
        Ok(None)
    }

    /// The stream has ended: the last line, when it has no end of its own. A `\r` that no `\n` follows is a
    /// byte like others.
    ///
    /// # Errors
    /// When that `\r` is one byte too many.
    pub fn finish(&mut self) -> Result<Option<Vec<u8>>, LineTooLong> {
        self.state = State::Collecting;
        let last = std::mem::take(&mut self.held);
        if last.len() > self.max_line {
            return Err(LineTooLong { allowed: self.max_line });
        }
        Ok(Some(last).filter(|last| !last.is_empty()))
    }

    /// Whether anything has come since the last line's end.
    pub fn is_unfinished(&self) -> bool {
        !self.held.is_empty() || self.state == State::PassingOver
    }

    /// Bytes allocated for the unfinished line.
    pub fn memory(&self) -> usize {
        self.held.capacity()
    }

    /// The end of a line is there: the line, whatever was held of it.
    fn complete<'i>(&mut self, here: &'i [u8]) -> Result<Cow<'i, [u8]>, LineTooLong> {
        if self.held.is_empty() {
            let line = here.strip_suffix(b"\r").unwrap_or(here);
            return self.bounded(line.len()).map(|()| Cow::Borrowed(line));
        }
        let mut line = std::mem::take(&mut self.held);
        self.bounded(content_len(&line, here))?;
        line.extend_from_slice(here);
        line.truncate(line.strip_suffix(b"\r").map_or(line.len(), <[u8]>::len));
        Ok(Cow::Owned(line))
    }

    /// The end is not there yet: keeps what came, while it may become a line.
    fn hold(&mut self, here: &[u8]) -> Result<(), LineTooLong> {
        if let Err(error) = self.bounded(content_len(&self.held, here)) {
            self.held = Vec::new();
            self.state = State::PassingOver;
            return Err(error);
        }
        let needed = self.held.len() + here.len();
        if needed > self.held.capacity() {
            // doubles as bytes arrive, never past the longest line and its `\r`
            let doubled = (2 * self.held.capacity()).min(self.max_line.saturating_add(1));
            self.held.reserve_exact(needed.max(doubled) - self.held.len());
        }
        self.held.extend_from_slice(here);
        Ok(())
    }

    fn bounded(&self, len: usize) -> Result<(), LineTooLong> {
        if len > self.max_line { Err(LineTooLong { allowed: self.max_line }) } else { Ok(()) }
    }
}

/// Bytes of a line in two pieces, without a `\r` at its end: that may be the end's.
fn content_len(front: &[u8], back: &[u8]) -> usize {
    let last = back.last().or(front.last());
    front.len() + back.len() - usize::from(last == Some(&b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOO_LONG: LineTooLong = LineTooLong { allowed: 5 };

    /// What a stream in these pieces is, its end included.
    fn read(pieces: &[&str]) -> Vec<Result<String, LineTooLong>> {
        let mut decoder = LineDecoder::new(5);
        let mut lines = Vec::new();
        let text = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
        for piece in pieces {
            let mut input = piece.as_bytes();
            while let Some(line) = decoder.decode(&mut input).transpose() {
                lines.push(line.map(|line| text(&line)));
                assert!(decoder.memory() <= 6);
            }
            assert!(input.is_empty());
        }
        lines.extend(decoder.finish().transpose().map(|line| line.map(|line| text(&line))));
        assert!(!decoder.is_unfinished() && decoder.memory() == 0);
        lines
    }

    fn lines(of: &[&str]) -> Vec<Result<String, LineTooLong>> {
        of.iter().map(|line| Ok(line.to_string())).collect()
    }

    #[test]
    fn a_line_may_come_in_pieces_and_the_last_one_without_its_end() {
        assert_eq!(read(&["HELLO\nWOR", "LD\n"]), lines(&["HELLO", "WORLD"]));
        assert_eq!(read(&["\n\na\n\n"]), lines(&["", "", "a", ""]));
        assert_eq!(read(&["a\nb", "c"]), lines(&["a", "bc"]));
        assert_eq!(read(&[]), []);
    }

    #[test]
    fn carriage_return_and_newline_end_a_line_wherever_it_is_cut() {
        assert_eq!(read(&["a\r\nb\n"]), lines(&["a", "b"]));
        assert_eq!(read(&["a\r", "\nb"]), lines(&["a", "b"]));
        assert_eq!(read(&["\r", "\n", "\r\n"]), lines(&["", ""]));
        assert_eq!(read(&["a\rb\r\r\n"]), lines(&["a\rb\r"]), "only the one before the newline");
        assert_eq!(read(&["a\r"]), lines(&["a\r"]), "only before a newline");
    }

    #[test]
    fn a_lines_end_is_not_counted() {
        for end in ["\n", "\r\n"] {
            assert_eq!(read(&[&format!("12345{end}")]), lines(&["12345"]));
            assert_eq!(read(&["123", "45", end]), lines(&["12345"]));
            assert_eq!(read(&[&format!("123456{end}")]), [Err(TOO_LONG)]);
        }
        assert_eq!(read(&["12345\r", "\n"]), lines(&["12345"]));
        assert_eq!(read(&["12345\r", "x\n"]), [Err(TOO_LONG)]);
        assert_eq!(read(&["12345\r"]), [Err(TOO_LONG)]);
    }

    #[test]
    fn a_line_too_long_is_one_error_and_the_next_is_read() {
        let ok = |line: &str| Ok(line.to_string());
        assert_eq!(read(&["a\n1234567\nb\n"]), [ok("a"), Err(TOO_LONG), ok("b")]);
        assert_eq!(read(&["123456", "789", "0\r", "\nb\n"]), [Err(TOO_LONG), ok("b")]);
        assert_eq!(read(&["1234567"]), [Err(TOO_LONG)]);
        assert_eq!(read(&["1234567", "8"]), [Err(TOO_LONG)]);
    }

    #[test]
    fn a_line_that_lies_whole_in_the_input_is_a_slice_of_it() {
        let mut decoder = LineDecoder::new(100);
        let mut input = b"hello\r\nwor".as_slice();
        assert!(matches!(decoder.decode(&mut input), Ok(Some(Cow::Borrowed(b"hello")))));
        assert_eq!((decoder.memory(), decoder.is_unfinished()), (0, false));
        assert_eq!(decoder.decode(&mut input), Ok(None));
        assert!(decoder.memory() > 0 && decoder.is_unfinished());
        assert_eq!(decoder.finish(), Ok(Some(b"wor".to_vec())));
        assert_eq!((decoder.memory(), decoder.is_unfinished()), (0, false));
    }

    #[test]
    fn a_buffer_never_grows_past_the_bound() {
        let mut decoder = LineDecoder::new(1000);
        for byte in [b'x'; 1000] {
            assert_eq!(decoder.decode(&mut [byte].as_slice()), Ok(None));
            assert!(decoder.memory() <= 1001, "{}", decoder.memory());
        }
        assert!(decoder.decode(&mut b"x".as_slice()).is_err());
        assert_eq!(decoder.memory(), 0);
        assert!(decoder.is_unfinished());
    }

    #[test]
    fn a_buffer_doubles_when_it_is_full_and_not_a_byte_before() {
        let mut decoder = LineDecoder::new(4000);
        let (mut capacity, mut growths) = (0, 0);
        for came in 1..=4000 {
            assert_eq!(decoder.decode(&mut b"x".as_slice()), Ok(None));
            growths += usize::from(decoder.memory() != capacity);
            capacity = decoder.memory();
            assert!(capacity < 2 * came, "{capacity} for {came}");
        }
        assert_eq!((growths, capacity), (13, 4001), "1, 2, 4 … 2048, and the bound");
    }
}
