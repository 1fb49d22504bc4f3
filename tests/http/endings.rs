//! When a connection stays and when it ends, and what becomes of what was under way.

use peer_relay::protocol::http::{MAX_LENT_PIECES, MIN_LENT_BYTES};

use crate::paper::chunk;
use crate::world::{World, codes, get, post, replies, request};

fn old(path: &str, headers: &[&str]) -> String {
    let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("GET {path} HTTP/1.0\r\n{lines}\r\n")
}

#[test]
fn a_connection_stays_unless_somebody_says_otherwise() {
    for (asked, connection, is_finished) in [
        (get("/sync"), None, false),
        (request("GET /sync", &["Connection: close"]), Some("close"), true),
        (old("/sync", &[]), Some("close"), true),
        (old("/sync", &["Connection: keep-alive"]), Some("keep-alive"), false),
        (request("GET /nothing", &["Connection: close"]), Some("close"), true),
    ] {
        let mut world = World::new();
        let who = world.join();
        world.say(who, [asked.clone(), get("/sync")].concat());
        let got = replies(&world.got(who));
        let said = got[0].head.lines().find_map(|line| line.strip_prefix("Connection: "));
        assert_eq!((said, world.is_finished(who)), (connection, is_finished), "{asked}");
        assert_eq!(got.len(), if is_finished { 1 } else { 2 }, "nothing is answered behind the last");
    }
}

#[test]
fn a_verdict_that_was_to_be_the_last_word_is() {
    let mut world = World::new();
    let who = world.join();
    let last = request("POST /tx", &["Content-Length: 4", "Connection: close"]) + "good";
    world.say(who, last + &get("/sync"));
    assert_eq!(codes(&world.got(who)), [200]);
    assert!(world.is_finished(who));
}

#[test]
fn whoever_stops_in_the_middle_is_told_so() {
    let mut world = World::new();
    for (sent, expected) in [("", vec![]), ("GET /sync HT", vec![400]), ("\r\n", vec![])] {
        let who = world.join();
        world.send(who, sent);
        world.end(who);
        assert_eq!(codes(&world.got(who)), expected, "{sent:?}");
    }
    let who = world.join();
    world.send(who, &post("/tx", "good")[..55]);
    world.end(who);
    assert_eq!(
        replies(&world.got(who))[0].body,
        r#"{"error":"the request is not complete","code":"UNFINISHED","details":{}}"#
    );
}

#[test]
fn nobody_gets_the_verdict_of_one_who_has_gone() {
    let mut world = World::new();
    let gone = world.join();
    world.send(gone, post("/tx", "good"));
    let (ticket, ..) = world.store.pending[0];
    world.leave(gone);
    assert_eq!(world.store.withdrawn, [ticket]);
    let next = world.join();
    assert_eq!(next, gone, "its place is somebody else's");
    world.send(next, post("/tx", "bad"));
    world.store.pending.push_front((ticket, "/tx", "good".into()));
    world.store.decide();
    world.turn();
    assert_eq!(world.got(next), "");
    world.store.decide();
    world.turn();
    assert_eq!(codes(&world.got(next)), [400]);
}

#[test]
fn whoever_has_had_so_many_pieces_of_the_chain_comes_again() {
    let mut world = World::new();
    let each = MAX_LENT_PIECES / 4;
    let long = chunk(&"x".repeat(MIN_LENT_BYTES));
    world.store.chain = [vec![chunk("[")], vec![long; each], vec![chunk("]")]].concat();
    let who = world.join();
    world.say(who, [get("/sync"), request("HEAD /chain", &[]), get("/mempool")].concat());
    world.peer(who).got.clear();
    for nth in 1..=4 {
        assert!(!world.is_finished(who), "{nth}");
        world.say(who, [get("/chain"), get("/sync")].concat());
        let got = world.got(who);
        let (head, _) = got.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.contains("\r\nConnection: close"), nth == 4, "{head}");
    }
    assert!(world.is_finished(who));
    assert_eq!(world.peer(who).stored.len(), MAX_LENT_PIECES);
}

#[test]
fn nothing_that_was_said_before_an_end_is_acted_on_after_it() {
    let mut world = World::new();
    let who = world.join();
    world.http.heard(world.now, &mut world.room, who, post("/tx", "good").as_bytes());
    world.peer(who).is_finished = true; // by somebody else, for something else
    world.turn();
    assert!(world.store.pending.is_empty() && world.room.counted.is_empty());
    assert!(world.http.next_deadline().is_none_or(|next| next > world.now));
}

#[test]
fn what_comes_behind_an_end_is_nothing() {
    let mut world = World::new();
    let who = world.join();
    world.say(who, [get("http:/oops"), get("/sync"), post("/tx", "good")].concat());
    assert_eq!(codes(&world.got(who)), [400]);
    assert_eq!((world.peer(who).stream.memory, world.store.pending.len()), (0, 0));
    world.leave(who);
    assert_eq!((world.http.connections(), world.http.next_deadline()), (0, None));
}
