//! Replies as bytes. Knows how a reply begins; knows nothing of what is asked.

use super::fault::{Fault, Status};
use super::head::After;

/// What is said before a body that waits for it.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// JSON.
    Json,
    /// A few plain words.
    Text,
    /// Server-sent events, to the connection's end.
    Events,
}

const OK: Status = (200, "OK");

/// The head of a reply whose body has so many bytes. There is no `Date` in it: the rules know no calendar. What is held
/// changes with every block, so nobody should keep it.
pub fn head(kind: Kind, len: usize, after: After) -> String {
    with_length(OK, kind, len, after, None)
}

/// The head of a reply that lasts.
pub fn events() -> String {
    begin(OK, Kind::Events, After::Ends) + "\r\n"
}

/// The head of the reply to a fault, and its body.
pub fn fault(fault: &Fault, after: After) -> (String, String) {
    let body = fault.body();
    (with_length(fault.status(), Kind::Json, body.len(), after, fault.allow()), body)
}

fn with_length(status: Status, kind: Kind, len: usize, after: After, allow: Option<&str>) -> String {
    let allow = allow.map(|methods| format!("Allow: {methods}\r\n")).unwrap_or_default();
    format!("{}Content-Length: {len}\r\n{allow}\r\n", begin(status, kind, after))
}

fn begin((number, words): Status, kind: Kind, after: After) -> String {
    let kind = match kind {
        Kind::Json => "application/json",
        Kind::Text => "text/plain",
        Kind::Events => "text/event-stream",
    };
    let connection = match after {
        After::Stays => "",
        After::IsKept => "Connection: keep-alive\r\n",
        After::Ends => "Connection: close\r\n",
    };
    format!("HTTP/1.1 {number} {words}\r\nContent-Type: {kind}\r\nCache-Control: no-cache\r\n{connection}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_says_what_it_is_how_long_and_what_follows() {
        let shown = |after| head(Kind::Json, 42, after);
        let front = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-cache\r\n";
        assert_eq!(shown(After::Stays), format!("{front}Content-Length: 42\r\n\r\n"));
        let kept = format!("{front}Connection: keep-alive\r\nContent-Length: 42\r\n\r\n");
        assert_eq!(shown(After::IsKept), kept);
        assert_eq!(shown(After::Ends), format!("{front}Connection: close\r\nContent-Length: 42\r\n\r\n"));
    }

    #[test]
    fn events_have_no_length_and_end_with_the_connection() {
        let front = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n";
        assert_eq!(events(), format!("{front}Connection: close\r\n\r\n"));
    }

    #[test]
    fn a_fault_says_which_methods_there_are() {
        let (head, body) = fault(&Fault::Method { allow: "GET, HEAD" }, After::Stays);
        assert!(head.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{head}");
        assert!(head.contains("\r\nAllow: GET, HEAD\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        assert!(head.ends_with("\r\n\r\n"), "{head}");
    }
}
