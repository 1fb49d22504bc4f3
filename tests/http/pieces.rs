//! Any requests in any pieces, with verdicts that come at any time, are answered as they are when they come whole.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::world::{World, get, post, request};

/// What came of a stream, and whether the connection was ended.
type Outcome = (String, bool);

/// The stream in these pieces, with so many decisions after each.
fn outcome<'a>(pieces: impl IntoIterator<Item = (&'a [u8], usize)>) -> Outcome {
    let mut world = World::new();
    let who = world.join();
    for (piece, decisions) in pieces {
        world.send(who, piece);
        for _ in 0..decisions {
            world.store.decide();
            world.turn();
        }
    }
    world.say(who, "");
    let is_finished = world.is_finished(who);
    let stream = world.peer(who).stream;
    assert!(!is_finished || stream.memory == 0, "{stream:?}");
    (world.got(who), is_finished)
}

fn whole(stream: &[u8]) -> Outcome {
    outcome([(stream, 0)])
}

/// Requests of every kind, some of them the last that is read.
fn samples() -> Vec<String> {
    let expects = request("POST /tx", &["Content-Length: 4", "Expect: 100-continue"]) + "good";
    vec![
        get("/sync"),
        get("/chain?x"),
        get("/nothing"),
        get("/tx"),
        post("/tx", "good"),
        post("/broadcast", "bad"),
        post("/tx", ""),
        post("/nothing", "\r\n\r\nGET / HTTP/1.1"),
        request("HEAD /mempool", &["Connection: keep-alive"]),
        format!("\r\n{}", get("/sync")),
        expects,
        "GET /sync HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".into(),
        "GET /sync HTTP/1.0\r\n\r\n".into(),
        request("GET /sync", &["Connection: close"]),
        get("/events"),
        request("POST /tx", &["Transfer-Encoding: chunked"]),
        request("POST /tx", &["Content-Length: 4", "Content-Length: 4"]),
        "GET /sync HTTP/1.1\nHost: node\r\n\r\n".into(),
        "GET /sync\r\n\r\n".into(),
        "\r\n\r\n".into(),
        "\x16\x03\x01".into(),
        get(&format!("/{}", "x".repeat(20_000))),
    ]
}

#[test]
fn a_request_cut_anywhere_is_answered_the_same() {
    let followed = |sample: &String| format!("{sample}{}{}", post("/tx", "good"), get("/sync"));
    for stream in samples().iter().filter(|sample| sample.len() < 1000).map(followed) {
        let expected = whole(stream.as_bytes());
        for cut in 0..=stream.len() {
            let (front, back) = stream.as_bytes().split_at(cut);
            assert_eq!(outcome([(front, 0), (back, 0)]), expected, "{stream:?} cut at {cut}");
        }
        let bytes = stream.as_bytes().chunks(1).map(|byte| (byte, 1));
        assert_eq!(outcome(bytes), expected, "{stream:?} byte by byte");
    }
}

/// Streams that are nearly right: whole requests, and now and then a byte too many, too few or another.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let good = vec(select(samples()), 1..8).prop_map(|requests| requests.concat().into_bytes());
    let spoilt = (good.clone(), any::<prop::sample::Index>(), select(b"\r\n\0 :,4\tG\xff".to_vec()), 0..3)
        .prop_map(|(mut stream, at, byte, how)| {
            let at = at.index(stream.len());
            match how {
                0 => stream[at] = byte,
                1 => stream.insert(at, byte),
                _ => drop(stream.remove(at)),
            }
            stream
        });
    prop_oneof![1 => good, 2 => spoilt]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_and_verdicts_in_between_change_nothing(
        stream in stream(),
        cuts in vec((1_usize..200, 0_usize..3), 1..40),
    ) {
        let mut rest = stream.as_slice();
        let mut pieces = Vec::new();
        for (len, decisions) in cuts {
            let (piece, behind) = rest.split_at(len.min(rest.len()));
            pieces.push((piece, decisions));
            rest = behind;
        }
        pieces.push((rest, 0));
        prop_assert_eq!(outcome(pieces), whole(&stream), "{}", stream.escape_ascii());
    }
}
