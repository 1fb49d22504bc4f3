//! A stream of lines and the bound it is held to, for whoever has one stream and not many thousands; and a payload as
//! a line. Knows where the work is done: `line_scanner.rs`.

use std::borrow::Cow;

use super::line_scanner::{LineScanner, LineTooLong};

/// Largest payload that may have to be given as a line, bytes: spelt out it may be four times as long, and offsets
/// into it are kept in 32 bits.
pub const MAX_PAYLOAD: u32 = 1 << 28;

/// Bytes that a payload of so many may come to as a line, its end included: each as `\xNN`.
pub const fn longest_line(payload: u64) -> u64 {
    4 * payload + 1
}

/// One stream's decoder: a [`LineScanner`] with a bound of its own.
#[derive(Debug)]
pub struct LineDecoder {
    max_line: usize,
    scanner: LineScanner,
}

impl LineDecoder {
    /// A decoder at the beginning of a stream. A line may have `max_line` bytes, its end not counted.
    pub fn new(max_line: usize) -> Self {
        Self { max_line, scanner: LineScanner::default() }
    }

    /// The next line in what has arrived, see [`LineScanner::decode`].
    ///
    /// # Errors
    /// Once for each line that is too long.
    pub fn decode<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Cow<'i, [u8]>>, LineTooLong> {
        self.scanner.decode(self.max_line, input)
    }

    /// The last line, see [`LineScanner::finish`].
    ///
    /// # Errors
    /// When a `\r` at the stream's end is one byte too many.
    pub fn finish(&mut self) -> Result<Option<Vec<u8>>, LineTooLong> {
        self.scanner.finish(self.max_line)
    }

    /// See [`LineScanner::is_unfinished`].
    pub fn is_unfinished(&self) -> bool {
        self.scanner.is_unfinished()
    }

    /// See [`LineScanner::memory`].
    pub fn memory(&self) -> usize {
        self.scanner.memory()
    }
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
