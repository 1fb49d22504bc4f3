//! Every bound, at it and one beyond.

use std::time::Duration;

use peer_relay::protocol::http::{IDLE_TIME, MAX_HEAD_BYTES, MAX_HEADERS, REQUEST_TIME};

use crate::world::{MAX_BODY, World, codes, get, post, replies, request};

const TICK: Duration = Duration::from_micros(1);

fn head_of(len: usize) -> String {
    let empty = request("GET /sync", &["X: "]).len();
    request("GET /sync", &[&format!("X: {}", "x".repeat(len - empty))])
}

#[test]
fn a_head_has_a_longest_length() {
    let mut world = World::new();
    assert_eq!(codes(&world.ask(head_of(MAX_HEAD_BYTES))), [200]);
    let who = world.join();
    world.say(who, head_of(MAX_HEAD_BYTES + 1));
    assert_eq!(codes(&world.got(who)), [431]);
    assert!(world.is_finished(who));
    let got = replies(&world.ask(get(&format!("/{}", "x".repeat(MAX_HEAD_BYTES)))));
    assert_eq!(got[0].status, "414 URI Too Long");
    assert_eq!(
        got[0].body,
        r#"{"error":"the target is too long","code":"TARGET_TOO_LONG","details":{"allowed":16384}}"#
    );
}

#[test]
fn a_megabyte_of_header_is_refused_at_the_bound_and_never_held() {
    let mut world = World::new();
    let who = world.join();
    world.send(who, "GET /sync HTTP/1.1\r\nHost: node\r\n");
    let mut sent = 0;
    while !world.is_finished(who) {
        world.send(who, format!("X: {}\r\n", "x".repeat(95)));
        sent += 100;
        assert!(world.peer(who).stream.memory <= 2 * MAX_HEAD_BYTES, "{:?}", world.peer(who).stream);
        assert!(sent < MAX_HEAD_BYTES + 100, "not refused");
    }
    assert_eq!(codes(&world.got(who)), [431]);
    assert_eq!(world.peer(who).stream.memory, 0);
    let at_once = world.join();
    world.send(at_once, format!("GET /sync HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)));
    assert_eq!((codes(&world.got(at_once)), world.peer(at_once).stream.memory), (vec![431], 0));
}

#[test]
fn there_are_only_so_many_headers() {
    let mut world = World::new();
    let most = vec!["X: y"; MAX_HEADERS - 1]; // and the host
    assert_eq!(codes(&world.ask(request("GET /sync", &most))), [200]);
    let more = vec!["X: y"; MAX_HEADERS];
    assert_eq!(codes(&world.ask(request("GET /sync", &more))), [431]);
}

#[test]
fn a_body_has_a_longest_length() {
    let mut world = World::new();
    assert_eq!(
        codes(&world.ask(post("/tx", &"x".repeat(MAX_BODY)))),
        [400],
        "nothing that we know, but read"
    );
    assert_eq!(codes(&world.ask(post("/nothing", &"x".repeat(MAX_BODY)))), [404]);
    let who = world.join();
    let longer = format!("Content-Length: {}", MAX_BODY + 1);
    world.send(who, request("POST /tx", &[&longer]));
    let got = replies(&world.got(who));
    assert_eq!(got[0].status, "413 Content Too Large");
    assert_eq!(
        got[0].body,
        r#"{"error":"the body is too long","code":"BODY_TOO_LONG","details":{"allowed":1000}}"#
    );
    assert!(world.is_finished(who));
    assert_eq!(codes(&world.ask(request("GET /sync", &[&longer]))), [413]);
}

#[test]
fn what_is_announced_and_does_not_come_is_not_held() {
    let mut world = World::new();
    let who = world.join();
    world.send(who, request("POST /tx", &[&format!("Content-Length: {MAX_BODY}")]));
    assert_eq!(world.peer(who).stream.memory, 0);
    for _ in 1..MAX_BODY {
        world.send(who, "x");
        assert!(world.peer(who).stream.memory <= MAX_BODY);
    }
    world.send(who, "x");
    assert!(world.peer(who).stream.is_busy);
}

#[test]
fn a_request_that_does_not_come_to_its_end_is_given_up() {
    let begun =
        [get("/sync")[..1].to_string(), get("/sync")[..30].to_string(), post("/tx", "good")[..55].into()];
    for sent in begun {
        let mut world = World::new();
        let who = world.join();
        world.pass(IDLE_TIME / 2);
        world.send(who, &sent);
        world.pass(REQUEST_TIME - TICK);
        assert_eq!((world.got(who).as_str(), world.is_finished(who)), ("", false), "{sent}");
        world.pass(TICK);
        let got = replies(&world.got(who));
        assert_eq!(got[0].status, "408 Request Timeout", "{sent}");
        assert!(got[0].head.contains("\r\nConnection: close"));
        assert!(world.is_finished(who));
    }
}

#[test]
fn the_time_of_a_request_begins_with_its_first_byte_and_not_with_the_connection_or_the_last_one() {
    let mut world = World::new();
    let who = world.join();
    for _ in 0..5 {
        world.pass(REQUEST_TIME - TICK);
        let asked = get("/sync");
        world.send(who, &asked[..10]);
        world.pass(REQUEST_TIME - TICK);
        world.send(who, &asked[10..]);
        assert_eq!(codes(&world.got(who)), [200]);
    }
    let asked = get("/sync");
    world.send(who, &asked[..10]);
    world.pass(REQUEST_TIME - TICK);
    world.send(who, [&asked[10..], &asked[..10]].concat());
    world.pass(REQUEST_TIME - TICK);
    assert_eq!(codes(&world.got(who)), [200], "the next one has begun when it has");
    world.pass(TICK);
    assert_eq!(codes(&world.got(who)), [408]);
}

#[test]
fn one_byte_now_and_then_gains_no_time() {
    let mut world = World::new();
    let who = world.join();
    for byte in get("/sync").bytes().cycle().take(9) {
        world.send(who, [byte]);
        world.pass(Duration::from_secs(1));
    }
    assert!(!world.is_finished(who));
    world.send(who, "x");
    world.pass(Duration::from_secs(1));
    assert_eq!(codes(&world.got(who)), [408]);
}

#[test]
fn a_connection_may_rest_for_so_long() {
    let mut world = World::new();
    let (silent, asking, blank) = (world.join(), world.join(), world.join());
    world.pass(IDLE_TIME / 2);
    world.send(asking, get("/sync"));
    world.send(blank, "\r\n");
    world.got(asking);
    world.pass(IDLE_TIME / 2 - TICK);
    for who in [silent, asking, blank] {
        assert!(!world.is_finished(who));
    }
    world.pass(TICK);
    assert!(world.is_finished(silent) && world.is_finished(blank) && !world.is_finished(asking));
    world.pass(IDLE_TIME / 2);
    assert!(world.is_finished(asking));
    for who in [silent, asking, blank] {
        assert_eq!(world.got(who), "", "it is not told");
    }
}

#[test]
fn while_it_waits_for_us_no_time_passes_for_it() {
    let mut world = World::new();
    let who = world.join();
    world.send(who, post("/tx", "good") + &get("/sync")[..10]);
    world.pass(2 * IDLE_TIME);
    assert_eq!((world.got(who).as_str(), world.is_finished(who)), ("", false));
    world.store.decide();
    world.turn();
    assert_eq!(codes(&world.got(who)), [200]);
    world.pass(REQUEST_TIME - TICK);
    assert!(!world.is_finished(who), "it could not know that it was not read");
    world.pass(TICK);
    assert_eq!(codes(&world.got(who)), [408]);
}

#[test]
fn a_connection_rests_from_its_last_reply() {
    let mut world = World::new();
    let who = world.join();
    world.send(who, post("/tx", "good"));
    world.pass(2 * IDLE_TIME);
    world.store.decide();
    world.turn();
    world.pass(IDLE_TIME - TICK);
    assert_eq!((codes(&world.got(who)), world.is_finished(who)), (vec![200], false));
    world.pass(TICK);
    assert!(world.is_finished(who));
}

#[test]
fn what_waits_behind_a_check_is_counted_and_freed() {
    let mut world = World::new();
    let who = world.join();
    let many = post("/tx", "good").repeat(100);
    world.send(who, &many);
    let mut memory = world.peer(who).stream.memory;
    assert!(memory >= many.len() - post("/tx", "good").len(), "{memory}");
    for nth in 1..=100 {
        world.store.decide();
        world.turn();
        assert!(world.peer(who).stream.memory <= memory, "{nth}");
        memory = world.peer(who).stream.memory;
    }
    assert_eq!((codes(&world.got(who)), memory), (vec![200; 100], 0));
}
