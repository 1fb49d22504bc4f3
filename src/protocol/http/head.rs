//! What a head says, once all of it is there. Knows what must not be in one; what a header looks like knows `httparse`.

use httparse::{EMPTY_HEADER, Header};

use super::fault::Fault;
use super::limits::MAX_HEADERS;
use super::route::{Method, Target};

/// What of a head is of use to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How it is asked for.
    pub method: Method,
    /// What is asked for.
    pub target: Target,
    /// Bytes of the body behind it.
    pub body_len: usize,
    /// What is to be said before the body is sent.
    pub expects: Option<GoOn>,
    /// What becomes of the connection when it is answered.
    pub after: After,
}

/// `Expect: 100-continue`: the body comes once it is said to be welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoOn;

/// What becomes of a connection after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It stays, as it does in HTTP/1.1 unless something else is said.
    Stays,
    /// It stays because an HTTP/1.0 client has asked for it: the reply must say so.
    IsKept,
    /// It ends.
    Ends,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    OneOne,
}

/// What the headers say that matters here. All others say nothing to us.
#[derive(Default)]
struct Said {
    hosts: usize,
    length: Option<usize>,
    encodings: usize,
    expects: Option<GoOn>,
    is_close: bool,
    is_keep: bool,
}

impl Head {
    /// Reads a head in which every line ends as it should, with the empty line at its end.
    ///
    /// # Errors
    /// Whatever two programs could read in two ways is refused, whoever may be right: so no proxy before us can be led to
    /// see other requests than we do.
    pub fn parse(bytes: &[u8], max_body: usize) -> Result<Self, Fault> {
        let version = version_of(bytes)?;
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(len)) if len == bytes.len() => {}
            Ok(_) => return Err(Fault::RequestLine), // it has seen another end than we
            Err(httparse::Error::TooManyHeaders) => return Err(Fault::TooManyHeaders),
            Err(httparse::Error::Token | httparse::Error::Version) => return Err(Fault::RequestLine),
            Err(error) => return Err(Fault::Header(error)),
        }
        let method = Method::of(request.method.unwrap_or_default());
        let target = request.path.unwrap_or_default();
        let said = Said::of(request.headers)?;
        Self::weigh(method, Target::of(target)?, version, &said, max_body)
    }

    fn weigh(
        method: Method,
        target: Target,
        version: Version,
        said: &Said,
        max_body: usize,
    ) -> Result<Self, Fault> {
        let is_host_missing = version == Version::OneOne && said.hosts == 0;
        if is_host_missing || said.hosts > 1 {
            return Err(Fault::Host);
        }
        match (said.encodings, said.length) {
            (0, Some(len)) if len > max_body => return Err(Fault::BodyTooLong { allowed: max_body }),
            (0, None) if method == Method::Post => return Err(Fault::LengthRequired),
            (0, _) => {}
            (_, Some(_)) => return Err(Fault::LengthAndEncoding),
            (_, None) => return Err(Fault::Encoding),
        }
        let after = match (said.is_close, version, said.is_keep) {
            (true, ..) | (false, Version::One, false) => After::Ends,
            (false, Version::One, true) => After::IsKept,
            (false, Version::OneOne, _) => After::Stays,
        };
        let expects = said.expects.filter(|_| version == Version::OneOne); // 1.0 knows nothing of it
        Ok(Self { method, target, body_len: said.length.unwrap_or(0), expects, after })
    }
}

impl Said {
    fn of(headers: &[Header<'_>]) -> Result<Self, Fault> {
        let mut said = Self::default();
        for header in headers {
            said.hear(header)?;
        }
        Ok(said)
    }

    fn hear(&mut self, header: &Header<'_>) -> Result<(), Fault> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("host") {
            self.hosts += 1;
            return if is_host(header.value) { Ok(()) } else { Err(Fault::Host) };
        }
        if is("content-length") {
            let length = length_of(header.value)?;
            return if self.length.replace(length).is_some() { Err(Fault::Lengths) } else { Ok(()) };
        }
        if is("transfer-encoding") {
            self.encodings += 1;
        }
        if is("connection") {
            self.is_close |= has_word(header.value, "close");
            self.is_keep |= has_word(header.value, "keep-alive");
        }
        if is("expect") {
            if !header.value.eq_ignore_ascii_case(b"100-continue") {
                return Err(Fault::Expectation);
            }
            self.expects = Some(GoOn);
        }
        Ok(())
    }
}

/// Which of the two versions the first line ends with. Another is told apart from a line that is none at all.
fn version_of(bytes: &[u8]) -> Result<Version, Fault> {
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(_), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Fault::RequestLine);
    };
    match version {
        _ if target.is_empty() => Err(Fault::RequestLine),
        b"HTTP/1.1" => Ok(Version::OneOne),
        b"HTTP/1.0" => Ok(Version::One),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Fault::Version),
        _ => Err(Fault::RequestLine),
    }
}

/// A length is digits and nothing else: no sign, no list, no `0x`; and no more than we can count.
fn length_of(value: &[u8]) -> Result<usize, Fault> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let digits = str::from_utf8(value).ok().filter(|_| is_number).ok_or(Fault::Length)?;
    let length: u64 = digits.parse().map_err(|_| Fault::Length)?;
    Ok(usize::try_from(length).unwrap_or(usize::MAX)) // too long either way
}

/// Whether it can be a host and a port. Which one is nothing to us; what cannot be one is somebody's trick.
fn is_host(value: &[u8]) -> bool {
    value.iter().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\,".contains(byte))
}

fn has_word(list: &[u8], word: &str) -> bool {
    list.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_BODY: usize = 1000;

    fn head(lines: &[&str]) -> Result<Head, Fault> {
        Head::parse(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes(), MAX_BODY)
    }

    fn after(lines: &[&str]) -> After {
        head(lines).unwrap().after
    }

    fn fault(lines: &[&str]) -> Fault {
        head(lines).expect_err("it should be refused")
    }

    #[test]
    fn a_head_is_what_it_asks_for() {
        let asked =
            head(&["POST /tx HTTP/1.1", "Host: node", "content-LENGTH: 0012", "expect: 100-Continue"]);
        let expected = Head {
            method: Method::Post,
            target: Target::Transaction,
            body_len: 12,
            expects: Some(GoOn),
            after: After::Stays,
        };
        assert_eq!(asked, Ok(expected));
        let old = head(&["POST /tx HTTP/1.0", "Content-Length: 12", "Expect: 100-continue"]).unwrap();
        assert_eq!((old.expects, old.after), (None, After::Ends));
    }

    #[test]
    fn a_connection_stays_as_its_version_has_it_and_ends_when_anybody_says_so() {
        let (new, old, host) = ("GET /sync HTTP/1.1", "GET /sync HTTP/1.0", "Host: node");
        assert_eq!(after(&[new, host]), After::Stays);
        assert_eq!(after(&[new, host, "Connection: Upgrade, CLOSE"]), After::Ends);
        assert_eq!(after(&[new, host, "Connection: keep-alive"]), After::Stays);
        assert_eq!(after(&[old]), After::Ends);
        assert_eq!(after(&[old, "Connection: Keep-Alive"]), After::IsKept);
        assert_eq!(after(&[old, "Connection: keep-alive", "Connection: close"]), After::Ends);
        assert_eq!(after(&[old, "Connection: keep-alives"]), After::Ends);
    }

    #[test]
    fn a_length_is_digits_and_nothing_else() {
        let of = |value: &str| {
            head(&["POST /tx HTTP/1.1", "Host: node", &format!("Content-Length: {value}")])
                .map(|head| head.body_len)
        };
        assert_eq!((of("0"), of("1000"), of("007"), of("5 ")), (Ok(0), Ok(1000), Ok(7), Ok(5)));
        for length in ["", "+5", "-5", "5,5", "5, 5", "1 0", "0x5", "5.0", "5e1", "٥", "18446744073709551616"]
        {
            assert_eq!(of(length), Err(Fault::Length), "{length}");
        }
        for length in ["1001", "18446744073709551615"] {
            assert_eq!(of(length), Err(Fault::BodyTooLong { allowed: MAX_BODY }), "{length}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let (post, host, length) = ("POST /tx HTTP/1.1", "Host: node", "Content-Length: 5");
        assert_eq!(fault(&[post, host, length, length]), Fault::Lengths);
        assert_eq!(fault(&[post, host, length, "Content-Length: 6"]), Fault::Lengths);
        assert_eq!(fault(&[post, host, length, "Transfer-Encoding: chunked"]), Fault::LengthAndEncoding);
        assert_eq!(fault(&[post, host, "Transfer-Encoding: chunked", length]), Fault::LengthAndEncoding);
        assert_eq!(fault(&[post, host, "Transfer-Encoding: identity"]), Fault::Encoding);
        assert_eq!(fault(&["GET /sync HTTP/1.1", host, "Transfer-Encoding:"]), Fault::Encoding);
        assert_eq!(fault(&[post, host]), Fault::LengthRequired);
        assert_eq!(fault(&[post, length]), Fault::Host);
        assert_eq!(fault(&[post, host, "Host: node", length]), Fault::Host);
        assert_eq!(fault(&["POST /tx HTTP/1.0", host, host, length]), Fault::Host);
        assert_eq!(fault(&[post, "Host: a b", length]), Fault::Host);
        assert_eq!(fault(&[post, "Host: a@b", length]), Fault::Host);
        assert_eq!(fault(&[post, host, "Expect: 200-ok", length]), Fault::Expectation);
    }

    #[test]
    fn a_header_has_a_name_and_its_colon_at_once() {
        let get = "GET /sync HTTP/1.1";
        for header in ["Host : node", " Host: node", "Host", ": node", "Ho st: node", "Host:\x01"] {
            assert!(matches!(fault(&[get, header]), Fault::Header(_)), "{header:?}");
        }
        assert!(matches!(fault(&[get, "Host: node", " folded"]), Fault::Header(_)), "obsolete folding");
        assert!(matches!(fault(&[get, "Host: node", "\tfolded"]), Fault::Header(_)), "obsolete folding");
        assert!(head(&[get, "Host:\tnode \t", "X: caf\u{e9}"]).is_ok());
    }

    #[test]
    fn a_request_line_is_three_words() {
        let host = "Host: node";
        for line in [
            "GET /sync",
            "GET",
            "GET /sync HTTP/1.1 x",
            "GET  /sync HTTP/1.1",
            "GET /sync  HTTP/1.1",
            "GET\t/sync\tHTTP/1.1",
            " GET /sync HTTP/1.1",
            "GET /sync HTTP/1.1 ",
            "GET /sync http/1.1",
            "GET /sync HTTP/1",
            "GET  HTTP/1.1",
            "G(T /sync HTTP/1.1",
            "GET /sy\x7fnc HTTP/1.1",
        ] {
            assert_eq!(fault(&[line, host]), Fault::RequestLine, "{line:?}");
        }
        for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0"] {
            assert_eq!(fault(&[&format!("GET /sync {version}"), host]), Fault::Version, "{version}");
        }
        assert_eq!(fault(&["GET sync HTTP/1.1", host]), Fault::Target);
    }

    #[test]
    fn there_are_as_many_headers_as_there_may_be_and_not_one_more() {
        let others = vec!["X: y"; MAX_HEADERS - 1];
        let lines = [vec!["GET /sync HTTP/1.1", "Host: node"], others].concat();
        assert!(head(&lines).is_ok());
        assert_eq!(fault(&[lines, vec!["X: y"]].concat()), Fault::TooManyHeaders);
    }
}
