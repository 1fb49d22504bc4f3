//! Requests that two programs could read in two ways, and what is no request at all. None of them is served, and
//! nothing behind them is.

use crate::world::{World, codes, get};

const HOST: &str = "Host: node\r\n";

/// The reply to what begins so and is followed by a request of its own, and that it is the only one.
fn refused(shape: &str) -> u16 {
    let mut world = World::new();
    let who = world.join();
    world.say(who, format!("{shape}{}", get("/sync")));
    let got = world.got(who);
    assert_eq!(codes(&got).len(), 1, "{shape:?}: {got}");
    assert!(got.contains("\r\nConnection: close\r\n"), "{shape:?}: {got}");
    assert!(world.is_finished(who), "{shape:?}");
    assert!(world.store.pending.is_empty(), "{shape:?}");
    assert_eq!(world.peer(who).stream.memory, 0, "{shape:?}");
    codes(&got)[0]
}

fn post(headers: &str) -> String {
    format!("POST /tx HTTP/1.1\r\n{HOST}{headers}\r\n\r\ngood")
}

#[test]
fn a_body_has_one_length() {
    for headers in [
        "Content-Length: 4\r\nContent-Length: 4",
        "Content-Length: 4\r\nContent-Length: 0",
        "Content-Length: 4\r\ncontent-length: 5",
        "Content-Length: 4, 4",
        "Content-Length: +4",
        "Content-Length: -4",
        "Content-Length: 4 4",
        "Content-Length: 0x4",
        "Content-Length: 4;",
        "Content-Length: four",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999999999",
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Transfer-Encoding: identity\r\nContent-Length: 4",
    ] {
        assert_eq!(refused(&post(headers)), 400, "{headers}");
    }
    for headers in ["Content-Length: 18446744073709551615", "Content-Length: 1001"] {
        assert_eq!(refused(&post(headers)), 413, "{headers}");
    }
    assert_eq!(refused(&post("X: y")), 411);
}

#[test]
fn no_encoding_is_taken() {
    for encoding in ["chunked", "Chunked", "gzip, chunked", "identity", "xchunked", ""] {
        assert_eq!(refused(&post(&format!("Transfer-Encoding: {encoding}"))), 501, "{encoding}");
        assert_eq!(
            refused(&format!("GET /sync HTTP/1.1\r\n{HOST}Transfer-Encoding: {encoding}\r\n\r\n")),
            501
        );
    }
}

#[test]
fn a_line_ends_in_one_way() {
    for shape in [
        "GET /sync HTTP/1.1\nHost: node\n\n",
        "GET /sync HTTP/1.1\r\nHost: node\n\r\n",
        "GET /sync HTTP/1.1\nHost: node\r\n\r\n",
        "GET /sync HTTP/1.1\r\nHost: node\r\n\n",
        "GET /sync HTTP/1.1\r\nHost: node\rX: y\r\n\r\n",
        "GET /sync HTTP/1.1\r\nHost: node\r\r\n\r\n",
        "GET /sync HTTP/1.1\rHost: node\r\r",
        "GET /sync HTTP/1.1\r\nHost: no\0de\r\n\r\n",
        "GET /sy\0nc HTTP/1.1\r\nHost: node\r\n\r\n",
        "\r\n\r\nGET /sync HTTP/1.1\r\nHost: node\r\n\r\n",
        "\nGET /sync HTTP/1.1\r\nHost: node\r\n\r\n",
        "\rGET /sync HTTP/1.1\r\nHost: node\r\n\r\n",
    ] {
        assert_eq!(refused(shape), 400, "{shape:?}");
    }
}

#[test]
fn a_header_is_on_one_line_and_its_colon_at_its_name() {
    for header in [
        "Content-Length : 4",
        "Content-Length\t: 4",
        " Content-Length: 4",
        "X: y\r\n Content-Length: 4",
        "X: y\r\n\tfolded",
        "Content-Length",
        ": 4",
        "Content Length: 4",
        "Content-Length: 4\u{b}",
        "X\u{e9}: y",
        "X: \u{7f}",
    ] {
        assert_eq!(refused(&post(header)), 400, "{header:?}");
        assert_eq!(
            refused(&format!("GET /sync HTTP/1.1\r\n{header}\r\n{HOST}\r\n")),
            400,
            "{header:?} first"
        );
    }
}

#[test]
fn a_request_line_is_three_words_and_one_of_two_versions() {
    for line in [
        "GET /sync",
        "GET",
        "GET /sync HTTP/1.1 GET",
        "GET  /sync HTTP/1.1",
        "GET /sync  HTTP/1.1",
        "GET\t/sync\tHTTP/1.1",
        " GET /sync HTTP/1.1",
        "GET /sync HTTP/1.1 ",
        "GET /sync HTTP/11",
        "GET /sync http/1.1",
        "GET /sync HTTP/1.1x",
        "GET sync HTTP/1.1",
        "GET https://node/sync HTTP/1.1",
        "CONNECT node:443 HTTP/1.1",
        "G@T /sync HTTP/1.1",
    ] {
        assert_eq!(refused(&format!("{line}\r\n{HOST}\r\n")), 400, "{line:?}");
    }
    for version in ["0.9", "1.2", "2.0", "9.9"] {
        assert_eq!(refused(&format!("GET /sync HTTP/{version}\r\n{HOST}\r\n")), 505, "{version}");
    }
    assert_eq!(refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, "HTTP/2 without being asked");
}

#[test]
fn there_is_one_host() {
    for headers in [
        "X: y",
        "Host: node\r\nHost: node",
        "Host: node\r\nhost: other",
        "Host: a b",
        "Host: a@b",
        "Host: a/b",
        "Host: a, b",
    ] {
        assert_eq!(refused(&format!("GET /sync HTTP/1.1\r\n{headers}\r\n\r\n")), 400, "{headers}");
    }
    let mut world = World::new();
    for headers in ["Host: [::1]:80", "Host:", "HOST: node:10000"] {
        assert_eq!(codes(&world.ask(format!("GET /sync HTTP/1.1\r\n{headers}\r\n\r\n"))), [200], "{headers}");
    }
}

#[test]
fn only_a_body_can_be_expected() {
    for expected in ["200-ok", "100-continue, x", ""] {
        assert_eq!(refused(&post(&format!("Content-Length: 4\r\nExpect: {expected}"))), 417, "{expected}");
    }
}

#[test]
fn another_protocol_hears_at_once_that_this_is_http() {
    let mut world = World::new();
    for first in [
        &b"\x16\x03\x01\x02\0\x01\0"[..],
        b"\xf7\xe3\xc9\xda",
        b"\"GetChain\"\n",
        b"{\"message_type\":",
        b"\0",
    ] {
        let who = world.join();
        world.send(who, &first[..1]);
        assert_eq!(codes(&world.got(who)), [400], "{first:?}");
        assert!(world.is_finished(who));
    }
}
