//! Where the values of a JSON text begin and end, byte by byte. Knows JSON's syntax (RFC 8259); knows no meaning, no
//! UTF-8, no peer, socket or clock, and holds none of the text.

mod tests;

use bytes::Buf;
use thiserror::Error;

/// Most arrays and objects that may be open at once. No message of anybody's has ten, and it is well below what
/// serde_json refuses.
pub const MAX_DEPTH: usize = u64::BITS as usize;

/// One stream among its JSON values: a push-down automaton whose stack is a bit for each array or object that is open.
///
/// It is fed the stream in pieces, however they are cut, and stops at each [`Mark`]. No byte is looked at twice but the
/// one behind a number: nothing else tells where a number ends. When a value of depth 0 has ended, another may begin:
/// whether anything may follow it is for the user to say.
///
/// Elements of an array are read one by one from the marks: what is consumed from [`Mark::Opened`] or [`Mark::Comma`]
/// to the next [`Mark::Value`] of the same depth is one element, with whitespace before it.
///
/// ```
/// use peer_relay::wire::json_scanner::{JsonScanner, Mark};
///
/// let mut scanner = JsonScanner::default();
/// let text = br#"{"Chain":[{"a":[]}, 2]}"#;
/// let (mut input, mut elements, mut begun) = (text.as_slice(), Vec::new(), 0);
/// while let Some(mark) = scanner.scan(2, &mut input)? {
///     let here = text.len() - input.len();
///     match mark {
///         Mark::Opened(2) | Mark::Comma(2) => begun = here,
///         Mark::Value(2) => elements.push(text[begun..here].trim_ascii()),
///         _ => {}
///     }
/// }
/// assert_eq!(elements, [br#"{"a":[]}"#.as_slice(), b"2"]);
/// # Ok::<(), peer_relay::wire::json_scanner::JsonError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonScanner {
    state: State,
    /// How many arrays and objects are open.
    depth: u8,
    /// A bit for each that is open, the innermost lowest: set where it is an object.
    objects: u64,
}

/// Where the scanner has stopped. Depths count the arrays and objects around: 0 is the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A newline between two tokens has been consumed; within a string it would be an error.
    Newline,
    /// An array or object has been opened: what comes next is of this depth.
    Opened(usize),
    /// A member's key of this depth has ended.
    Key(usize),
    /// A comma between two elements or members of this depth has been consumed.
    Comma(usize),
    /// A value of this depth has ended; 0 is the whole.
    Value(usize),
}

/// Why it goes on no further. What is left of the input begins with the byte that is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JsonError {
    /// No JSON text goes on so.
    #[error("invalid JSON")]
    Syntax,
    /// One array or object too many is opened.
    #[error("JSON nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between tokens.
    Due(Due),
    Text(Whose, Text),
    Number(Number),
    /// What is missing of `true`, `false` or `null`.
    Literal(&'static [u8]),
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Value,
    /// Behind `[`.
    ValueOrEnd,
    /// Behind a comma in an object.
    Key,
    /// Behind `{`.
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

/// What a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Key,
    Value,
}

/// Where in a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Plain,
    Escape,
    /// So many hexadecimal digits are missing.
    Hex(u8),
}

/// Which part of a number has been seen last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    E,
    ExponentSign,
    Exponent,
}

impl JsonScanner {
    /// Goes on to the next mark, or until `input` is used up. Consumes what it has seen. Tells of no mark deeper than
    /// `deepest`, but of every newline.
    ///
    /// # Errors
    /// At the first byte that no JSON text could have there, or that nests too deep; it is not consumed. Afterwards
    /// only a new scanner is of use.
    pub fn scan(&mut self, deepest: usize, input: &mut &[u8]) -> Result<Option<Mark>, JsonError> {
        while let Some(&byte) = input.first() {
            let mark = match self.state {
                State::Due(due) => self.between(due, byte, input)?,
                State::Text(whose, Text::Plain) => self.in_text(whose, input)?,
                State::Text(whose, Text::Escape) => self.in_escape(whose, byte, input)?,
                State::Text(whose, Text::Hex(missing)) => self.in_hex(whose, missing, byte, input)?,
                State::Number(part) => self.in_number(part, byte, input)?,
                State::Literal(missing) => self.in_literal(missing, byte, input)?,
            };
            if mark.is_some_and(|mark| mark.depth() <= deepest) {
                return Ok(mark);
            }
        }
        Ok(None)
    }

    /// How many arrays and objects are open.
    pub fn depth(&self) -> usize {
        usize::from(self.depth)
    }

    /// A value has begun and has not ended.
    pub fn is_within(&self) -> bool {
        self.depth > 0 || self.state != State::default()
    }

    /// Whether the end of the stream ends a value: a number of depth 0, which nothing else has ended.
    pub fn ends_here(&self) -> bool {
        let is_whole = matches!(self.state, State::Number(part) if part.is_whole());
        is_whole && self.depth == 0
    }

    fn between(&mut self, due: Due, byte: u8, input: &mut &[u8]) -> Result<Option<Mark>, JsonError> {
        let mark = match (byte, due) {
            (b'\n', _) => Some(Mark::Newline),
            (b' ' | b'\t' | b'\r', _) => None,
            (b'"', Due::Key | Due::KeyOrEnd) => self.goes_on(State::Text(Whose::Key, Text::Plain)),
            (b':', Due::Colon) => self.goes_on(State::Due(Due::Value)),
            (b',', Due::CommaOrEnd) => Some(self.comma()),
            (b']', Due::ValueOrEnd) => Some(self.close()),
            (b']', Due::CommaOrEnd) if !self.is_in_object() => Some(self.close()),
            (b'}', Due::KeyOrEnd) => Some(self.close()),
            (b'}', Due::CommaOrEnd) if self.is_in_object() => Some(self.close()),
            (_, Due::Value | Due::ValueOrEnd) => self.begin(byte)?,
            _ => return Err(JsonError::Syntax),
        };
        input.advance(1);
        Ok(mark)
    }

    /// A value begins with this byte, or none does.
    fn begin(&mut self, byte: u8) -> Result<Option<Mark>, JsonError> {
        let state = match byte {
            b'{' => return self.open(Due::KeyOrEnd).map(Some),
            b'[' => return self.open(Due::ValueOrEnd).map(Some),
            b'"' => State::Text(Whose::Value, Text::Plain),
            b'-' => State::Number(Number::Minus),
            b'0' => State::Number(Number::Zero),
            b'1'..=b'9' => State::Number(Number::Integer),
            b't' => State::Literal(b"rue"),
            b'f' => State::Literal(b"alse"),
            b'n' => State::Literal(b"ull"),
            _ => return Err(JsonError::Syntax),
        };
        Ok(self.goes_on(state))
    }

    /// Plain characters go by at once.
    fn in_text(&mut self, whose: Whose, input: &mut &[u8]) -> Result<Option<Mark>, JsonError> {
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let plain = input.iter().position(is_special).unwrap_or(input.len());
        input.advance(plain);
        let mark = match input.first() {
            None => return Ok(None),
            Some(b'"') => self.end_text(whose),
            Some(b'\\') => self.goes_on(State::Text(whose, Text::Escape)),
            Some(_) => return Err(JsonError::Syntax),
        };
        input.advance(1);
        Ok(mark)
    }

    fn in_escape(&mut self, whose: Whose, byte: u8, input: &mut &[u8]) -> Result<Option<Mark>, JsonError> {
        let text = match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Text::Plain,
            b'u' => Text::Hex(4),
            _ => return Err(JsonError::Syntax),
        };
        input.advance(1);
        Ok(self.goes_on(State::Text(whose, text)))
    }

    fn in_hex(
        &mut self,
        whose: Whose,
        missing: u8,
        byte: u8,
        input: &mut &[u8],
    ) -> Result<Option<Mark>, JsonError> {
        if !byte.is_ascii_hexdigit() {
            return Err(JsonError::Syntax);
        }
        input.advance(1);
        let text = if missing == 1 { Text::Plain } else { Text::Hex(missing - 1) };
        Ok(self.goes_on(State::Text(whose, text)))
    }

    /// The byte behind a number is not the number's, and is left where it is.
    fn in_number(&mut self, part: Number, byte: u8, input: &mut &[u8]) -> Result<Option<Mark>, JsonError> {
        match part.next(byte)? {
            Some(part) => {
                input.advance(1);
                Ok(self.goes_on(State::Number(part)))
            }
            None => Ok(Some(self.end_value())),
        }
    }

    fn in_literal(
        &mut self,
        missing: &'static [u8],
        byte: u8,
        input: &mut &[u8],
    ) -> Result<Option<Mark>, JsonError> {
        let (first, rest) = missing.split_first().ok_or(JsonError::Syntax)?;
        if byte != *first {
            return Err(JsonError::Syntax);
        }
        input.advance(1);
        if rest.is_empty() { Ok(Some(self.end_value())) } else { Ok(self.goes_on(State::Literal(rest))) }
    }

    fn goes_on(&mut self, state: State) -> Option<Mark> {
        self.state = state;
        None
    }

    fn open(&mut self, due: Due) -> Result<Mark, JsonError> {
        if self.depth() == MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u64::from(due == Due::KeyOrEnd);
        self.state = State::Due(due);
        Ok(Mark::Opened(self.depth()))
    }

    fn close(&mut self) -> Mark {
        self.depth -= 1;
        self.objects >>= 1;
        self.end_value()
    }

    fn comma(&mut self) -> Mark {
        self.state = State::Due(if self.is_in_object() { Due::Key } else { Due::Value });
        Mark::Comma(self.depth())
    }

    fn end_text(&mut self, whose: Whose) -> Option<Mark> {
        match whose {
            Whose::Value => Some(self.end_value()),
            Whose::Key => {
                self.state = State::Due(Due::Colon);
                Some(Mark::Key(self.depth()))
            }
        }
    }

    fn end_value(&mut self) -> Mark {
        self.state = State::Due(if self.depth == 0 { Due::Value } else { Due::CommaOrEnd });
        Mark::Value(self.depth())
    }

    fn is_in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

impl Mark {
    /// Newlines are told of wherever they are.
    fn depth(self) -> usize {
        match self {
            Self::Newline => 0,
            Self::Opened(depth) | Self::Key(depth) | Self::Comma(depth) | Self::Value(depth) => depth,
        }
    }
}

impl Number {
    /// What the number is behind this byte, or `None` when it has ended before it.
    fn next(self, byte: u8) -> Result<Option<Self>, JsonError> {
        let next = match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus, b'1'..=b'9') | (Self::Integer, b'0'..=b'9') => Self::Integer,
            (Self::Zero, b'0'..=b'9') => return Err(JsonError::Syntax),
            (Self::Zero | Self::Integer, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Integer | Self::Fraction, b'e' | b'E') => Self::E,
            (Self::E, b'+' | b'-') => Self::ExponentSign,
            (Self::E | Self::ExponentSign | Self::Exponent, b'0'..=b'9') => Self::Exponent,
            _ if self.is_whole() => return Ok(None),
            _ => return Err(JsonError::Syntax),
        };
        Ok(Some(next))
    }

    /// It may end here.
    fn is_whole(self) -> bool {
        matches!(self, Self::Zero | Self::Integer | Self::Fraction | Self::Exponent)
    }
}

impl Default for State {
    /// A value may begin.
    fn default() -> Self {
        Self::Due(Due::Value)
    }
}
