//! Requests from bytes. Is told how long a body may be; knows no peer and no clock, and looks at no byte twice but to
//! parse a whole head.

use memchr::memchr3;

use super::fault::Fault;
use super::head::Head;
use super::limits::MAX_HEAD_BYTES;

/// One stream among its requests. Between two of them it holds nothing.
#[derive(Debug, Default)]
pub struct Reader {
    /// Of the part now arriving.
    held: Vec<u8>,
    part: Part,
    /// An empty line has been passed over where a request should begin.
    is_line_passed: bool,
}

/// What is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A head: its body may be still to come.
    Head(Head),
    /// A whole request.
    Whole(Request),
}

/// A request with all of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it says.
    pub head: Head,
    /// What it brings.
    pub body: Vec<u8>,
    /// Bytes of both.
    pub len: usize,
}

#[derive(Debug)]
enum Part {
    Head(Lines),
    Body { head: Head, head_len: usize },
}

/// How far into a head.
#[derive(Debug, Default)]
struct Lines {
    /// Whole lines before this one.
    whole: usize,
    /// Bytes of this one, without its end.
    len: usize,
    /// The byte before was a carriage return.
    is_returned: bool,
}

impl Reader {
    /// The next step in what has arrived, or `None` once `input` is used up. Consumes what it has seen.
    ///
    /// # Errors
    /// When it is no request, or one we do not take: then what follows it can be nothing to us.
    pub fn read(&mut self, max_body: usize, input: &mut &[u8]) -> Result<Option<Step>, Fault> {
        match &mut self.part {
            Part::Head(_) => self.read_head(max_body, input),
            Part::Body { head, head_len } => {
                let (head, head_len) = (*head, *head_len);
                Ok(self.read_body(head, head_len, input).map(Step::Whole))
            }
        }
    }

    /// Whether a part of a request is there.
    pub fn is_unfinished(&self) -> bool {
        self.begun() > 0
    }

    /// Bytes of the request now arriving that have come.
    pub fn begun(&self) -> usize {
        match self.part {
            Part::Head(_) => self.held.len(),
            Part::Body { head_len, .. } => head_len + self.held.len(),
        }
    }

    /// Bytes allocated for it.
    pub fn memory(&self) -> usize {
        self.held.capacity()
    }

    fn read_head(&mut self, max_body: usize, input: &mut &[u8]) -> Result<Option<Step>, Fault> {
        while let Some(first) = input.first() {
            if self.held.is_empty() {
                can_begin(*first)?;
            }
            let room = MAX_HEAD_BYTES - self.held.len();
            let (here, beyond) = input.split_at(room.min(input.len()));
            let Part::Head(lines) = &mut self.part else { return Ok(None) };
            let seen = lines.pass(here)?;
            self.held.extend_from_slice(&here[..seen.len]);
            *input = &input[seen.len..];
            if !seen.is_end {
                let is_full = self.held.len() == MAX_HEAD_BYTES;
                debug_assert!(is_full || beyond.is_empty());
                return if is_full { Err(self.too_long()) } else { Ok(None) };
            }
            let held = std::mem::take(&mut self.held);
            if held.len() == b"\r\n".len() {
                self.pass_line()?;
                continue;
            }
            let head = Head::parse(&held, max_body)?;
            *self = Self { part: Part::Body { head, head_len: held.len() }, ..Self::default() };
            return Ok(Some(Step::Head(head)));
        }
        Ok(None)
    }

    fn read_body(&mut self, head: Head, head_len: usize, input: &mut &[u8]) -> Option<Request> {
        let missing = head.body_len - self.held.len();
        let (here, rest) = input.split_at(missing.min(input.len()));
        *input = rest;
        let needed = self.held.len() + here.len();
        if needed > self.held.capacity() {
            // doubles as bytes arrive, never past what was announced
            let doubled = (2 * self.held.capacity()).min(head.body_len);
            self.held.reserve_exact(needed.max(doubled) - self.held.len());
        }
        self.held.extend_from_slice(here);
        if here.len() < missing {
            return None;
        }
        let body = std::mem::take(self).held;
        Some(Request { head, len: head_len + body.len(), body })
    }

    /// One empty line before a request is nothing: some clients send one behind a body. (RFC 9112, 2.2.)
    fn pass_line(&mut self) -> Result<(), Fault> {
        if self.is_line_passed {
            return Err(Fault::NotHttp);
        }
        *self = Self { is_line_passed: true, ..Self::default() };
        Ok(())
    }

    /// No head as long as this is taken; was it all one line?
    fn too_long(&self) -> Fault {
        match &self.part {
            Part::Head(lines) if lines.whole > 0 => Fault::HeadTooLong,
            Part::Head(_) | Part::Body { .. } => Fault::LineTooLong,
        }
    }
}

impl Default for Part {
    fn default() -> Self {
        Self::Head(Lines::default())
    }
}

/// How much of the bytes belongs to the head.
struct Seen {
    len: usize,
    is_end: bool,
}

impl Lines {
    /// Goes on to the empty line. What ends a line for some programs and not for others ends the request.
    fn pass(&mut self, bytes: &[u8]) -> Result<Seen, Fault> {
        let mut at = 0;
        while at < bytes.len() {
            if std::mem::take(&mut self.is_returned) {
                if bytes[at] != b'\n' {
                    return Err(Fault::BareReturn);
                }
                at += 1;
                if self.len == 0 {
                    return Ok(Seen { len: at, is_end: true });
                }
                self.len = 0;
                self.whole += 1;
                continue;
            }
            let Some(plain) = memchr3(b'\r', b'\n', 0, &bytes[at..]) else {
                self.len += bytes.len() - at;
                break;
            };
            self.len += plain;
            at += plain + 1;
            match bytes[at - 1] {
                b'\r' => self.is_returned = true,
                b'\n' => return Err(Fault::BareFeed),
                _ => return Err(Fault::Nul),
            }
        }
        Ok(Seen { len: bytes.len(), is_end: false })
    }
}

/// A request begins with a method, or with an empty line. Whoever speaks something else should hear so at once.
fn can_begin(first: u8) -> Result<(), Fault> {
    const TLS_HANDSHAKE: u8 = 0x16;
    match first {
        b'A'..=b'Z' | b'a'..=b'z' | b'\r' => Ok(()),
        TLS_HANDSHAKE => Err(Fault::Tls),
        _ => Err(Fault::NotHttp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BODY: usize = 100;

    /// What a stream in pieces of so many bytes is.
    fn read(stream: &[u8], piece: usize) -> (Vec<Request>, Option<Fault>) {
        let mut reader = Reader::default();
        let mut requests = Vec::new();
        for mut input in stream.chunks(piece) {
            loop {
                match reader.read(MAX_BODY, &mut input) {
                    Ok(Some(Step::Whole(request))) => requests.push(request),
                    Ok(Some(Step::Head(_))) => {}
                    Ok(None) => break,
                    Err(fault) => return (requests, Some(fault)),
                }
                assert!(reader.memory() <= 2 * MAX_HEAD_BYTES);
            }
            assert!(input.is_empty());
        }
        (requests, None)
    }

    fn bodies(stream: &str) -> (Vec<String>, Option<Fault>) {
        let whole = read(stream.as_bytes(), usize::MAX);
        for piece in [1, 2, 3, 7, 50] {
            assert_eq!(read(stream.as_bytes(), piece), whole, "in pieces of {piece}");
        }
        let text = |request: Request| String::from_utf8(request.body).unwrap();
        (whole.0.into_iter().map(text).collect(), whole.1)
    }

    const GET: &str = "GET /sync HTTP/1.1\r\nHost: node\r\n\r\n";

    fn post(body: &str) -> String {
        format!("POST /tx HTTP/1.1\r\nHost: node\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn requests_follow_each_other_however_they_are_cut() {
        let stream = [GET, &post("one"), &post(""), GET, &post("\r\n\r\nGET")].concat();
        assert_eq!(bodies(&stream), (["", "one", "", "", "\r\n\r\nGET"].map(String::from).to_vec(), None));
    }

    #[test]
    fn one_empty_line_before_a_request_is_nothing_and_two_are_an_end() {
        let stream = format!("\r\n{GET}\r\n{GET}");
        assert_eq!(bodies(&stream), (vec![String::new(); 2], None));
        assert_eq!(bodies(&format!("{GET}\r\n\r\n{GET}")), (vec![String::new()], Some(Fault::NotHttp)));
        let mut reader = Reader::default();
        assert_eq!(reader.read(MAX_BODY, &mut b"\r\n".as_slice()), Ok(None));
        assert!(!reader.is_unfinished() && reader.memory() == 0, "nothing has begun");
    }

    #[test]
    fn a_line_ends_with_both_and_nothing_else() {
        for (stream, fault) in [
            ("GET /sync HTTP/1.1\nHost: node\n\n", Fault::BareFeed),
            ("GET /sync HTTP/1.1\r\nHost: node\n\r\n", Fault::BareFeed),
            ("GET /sync HTTP/1.1\r\nHost: node\r\n\n", Fault::BareFeed),
            ("GET /sync HTTP/1.1\r\nHost: node\rX: y\r\n\r\n", Fault::BareReturn),
            ("GET /sync HTTP/1.1\r\nHost: node\r\r\n\r\n", Fault::BareReturn),
            ("GET /sync HTTP/1.1\r\nHost: no\0de\r\n\r\n", Fault::Nul),
            ("\rGET /sync HTTP/1.1\r\n", Fault::BareReturn),
        ] {
            assert_eq!(bodies(stream), (vec![], Some(fault)), "{stream:?}");
        }
    }

    #[test]
    fn what_is_no_request_is_known_by_its_first_byte() {
        assert_eq!(bodies("\x16"), (vec![], Some(Fault::Tls)));
        for first in [" ", "\t", "\n", "\0", "{", "\u{7f}", "\u{e9}", "1"] {
            assert_eq!(bodies(first), (vec![], Some(Fault::NotHttp)), "{first:?}");
        }
        assert_eq!(bodies(&format!("{}{{", post("one"))), (vec!["one".into()], Some(Fault::NotHttp)));
    }

    #[test]
    fn a_head_may_be_as_long_as_the_bound_and_not_a_byte_longer() {
        let of_len = |len: usize| {
            let front = "GET /sync HTTP/1.1\r\nHost: node\r\nX: ";
            format!("{front}{}\r\n\r\n", "x".repeat(len - front.len() - 4))
        };
        assert_eq!(bodies(&of_len(MAX_HEAD_BYTES)), (vec![String::new()], None));
        assert_eq!(bodies(&of_len(MAX_HEAD_BYTES + 1)), (vec![], Some(Fault::HeadTooLong)));
        assert_eq!(bodies(&"GET /sync".repeat(MAX_HEAD_BYTES)), (vec![], Some(Fault::LineTooLong)));
    }

    #[test]
    fn a_body_may_be_as_long_as_the_bound_and_nothing_is_held_for_a_claim() {
        let longest = "x".repeat(MAX_BODY);
        assert_eq!(bodies(&post(&longest)), (vec![longest.clone()], None));
        let fault = Fault::BodyTooLong { allowed: MAX_BODY };
        assert_eq!(bodies(&post(&format!("{longest}x"))), (vec![], Some(fault)));
        let mut reader = Reader::default();
        let head = post(&longest);
        let mut input = &head.as_bytes()[..head.len() - MAX_BODY];
        assert!(matches!(reader.read(MAX_BODY, &mut input), Ok(Some(Step::Head(_)))));
        assert_eq!(reader.read(MAX_BODY, &mut input), Ok(None));
        assert_eq!((reader.memory(), reader.begun()), (0, head.len() - MAX_BODY));
        assert_eq!(reader.read(MAX_BODY, &mut b"x".as_slice()), Ok(None));
        assert!(reader.memory() <= 8);
    }
}
