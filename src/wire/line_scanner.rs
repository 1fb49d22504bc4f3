//! Lines from bytes: the scanner's sibling for streams whose framing is a newline. Is told how long a line may be,
//! which many streams share; knows no text, peer, socket or clock.

use std::borrow::Cow;

use bytes::Buf;
use memchr::memchr;
use thiserror::Error;

/// One stream among its lines: all that a [`LineDecoder`](super::LineDecoder) is beside its bound. A line ends with
/// `\n` or `\r\n`, and is given without that. Between lines no memory is held but what `size_of` says; within one
/// what has arrived of it, and never more than the bound and a `\r`.
#[derive(Debug)]
pub struct LineScanner {
    /// The beginning of a line, as it came: no newline in it, perhaps a `\r` at its end. `None` while the rest of a
    /// line that is an error already passes unseen.
    held: Option<Vec<u8>>,
}

/// A line has more bytes than it may. The rest of it will be passed over if decoding goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a line of more than {allowed} bytes")]
pub struct LineTooLong {
    /// The bound.
    pub allowed: usize,
}

impl LineScanner {
    /// The next line in what has arrived, or `None` once `input` is used up. Consumes what it has seen, and
    /// looks at no byte twice, however the stream is cut.
    ///
    /// The line is a slice of the input when it lies there whole, else it owns the bytes collected. A line may have
    /// `max_line` bytes, its end not counted; the bound is the same from the stream's first byte to its last.
    ///
    /// # Errors
    /// Once for each line that is too long, at the first byte too many that has arrived.
    pub fn decode<'i>(
        &mut self,
        max_line: usize,
        input: &mut &'i [u8],
    ) -> Result<Option<Cow<'i, [u8]>>, LineTooLong> {
        while !input.is_empty() {
            let bytes: &'i [u8] = input;
            let end = memchr(b'\n', bytes);
            let here = &bytes[..end.unwrap_or(bytes.len())];
            input.advance(end.map_or(bytes.len(), |end| end + 1));
            match (&mut self.held, end) {
                (None, Some(_)) => self.held = Some(Vec::new()),
                (None, None) => {}
                (Some(held), Some(_)) => return complete(std::mem::take(held), here, max_line).map(Some),
                (Some(_), None) => self.hold(here, max_line)?,
            }
        }
        Ok(None)
    }

    /// The stream has ended: the last line, when it has no end of its own. A `\r` that no `\n` follows is a
    /// byte like others.
    ///
    /// # Errors
    /// When that `\r` is one byte too many.
    pub fn finish(&mut self, max_line: usize) -> Result<Option<Vec<u8>>, LineTooLong> {
        let last = self.held.replace(Vec::new()).unwrap_or_default();
        bounded(last.len(), max_line)?;
        Ok(Some(last).filter(|last| !last.is_empty()))
    }

    /// Whether anything has come since the last line's end.
    pub fn is_unfinished(&self) -> bool {
        self.held.as_ref().is_none_or(|held| !held.is_empty())
    }

    /// Bytes of the line now arriving that have come.
    pub fn begun(&self) -> usize {
        self.held.as_ref().map_or(0, Vec::len)
    }

    /// Bytes allocated for the unfinished line.
    pub fn memory(&self) -> usize {
        self.held.as_ref().map_or(0, Vec::capacity)
    }

    /// Forgets the unfinished line and frees what it held.
    pub fn abandon(&mut self) {
        *self = Self::default();
    }

    /// The end is not there yet: keeps what came, while it may become a line.
    fn hold(&mut self, here: &[u8], max_line: usize) -> Result<(), LineTooLong> {
        let held = self.held.get_or_insert_default();
        if let Err(error) = bounded(content_len(held, here), max_line) {
            self.held = None;
            return Err(error);
        }
        let needed = held.len() + here.len();
        if needed > held.capacity() {
            // doubles as bytes arrive, never past the longest line and its `\r`
            let doubled = (2 * held.capacity()).min(max_line.saturating_add(1));
            held.reserve_exact(needed.max(doubled) - held.len());
        }
        held.extend_from_slice(here);
        Ok(())
    }
}

impl Default for LineScanner {
    /// At the beginning of a stream.
    fn default() -> Self {
        Self { held: Some(Vec::new()) }
    }
}

/// The end of a line is there: the line, whatever was held of it.
fn complete(held: Vec<u8>, here: &[u8], max_line: usize) -> Result<Cow<'_, [u8]>, LineTooLong> {
    if held.is_empty() {
        let line = here.strip_suffix(b"\r").unwrap_or(here);
        return bounded(line.len(), max_line).map(|()| Cow::Borrowed(line));
    }
    let mut line = held;
    bounded(content_len(&line, here), max_line)?;
    line.extend_from_slice(here);
    line.truncate(line.strip_suffix(b"\r").map_or(line.len(), <[u8]>::len));
    Ok(Cow::Owned(line))
}

/// Bytes of a line in two pieces, without a `\r` at its end: that may be the end's.
fn content_len(front: &[u8], back: &[u8]) -> usize {
    let last = back.last().or(front.last());
    front.len() + back.len() - usize::from(last == Some(&b'\r'))
}

fn bounded(len: usize, allowed: usize) -> Result<(), LineTooLong> {
    if len > allowed { Err(LineTooLong { allowed }) } else { Ok(()) }
}
