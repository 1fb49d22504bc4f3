//! Readers of `/events`: what they get, and when there is nothing to get.

use std::time::Duration;

use peer_relay::protocol::http::{IDLE_TIME, KEEPALIVE_TIME, News};

use crate::world::{World, codes, get, request};

/// What a reader is told at once: a comment behind it has the reply seen before there is any news.
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n:\n\n";

fn block(text: &'static str) -> News {
    News::Block(text.into())
}

#[test]
fn a_reader_gets_what_is_new_from_then_on() {
    let mut world = World::new();
    let (early, other) = (world.join(), world.join());
    world.send(early, get("/events"));
    world.send(other, get("/sync"));
    assert_eq!(world.got(early), HEAD);
    world.store.news.push_back(block("{\"one\":1}"));
    world.turn();
    let late = world.join();
    world.send(late, get("/events"));
    world.store.news.extend([News::Transaction("{}".into()), News::Replaced { height: 2, hash: [0x11; 32] }]);
    world.turn();
    let first = "event: block\ndata: {\"one\":1}\n\n";
    let hex = "11".repeat(32);
    let then = format!(
        "event: transaction\ndata: {{}}\n\nevent: chain\ndata: {{\"height\":2,\"latest_hash\":\"{hex}\"}}\n\n"
    );
    assert_eq!(world.got(early), format!("{first}{then}"));
    assert_eq!(world.got(late), format!("{HEAD}{then}"));
    assert_eq!(codes(&world.got(other)), [200], "whoever did not ask for it gets none of it");
}

#[test]
fn news_that_nobody_reads_do_not_wait_for_a_reader() {
    let mut world = World::new();
    world.store.news.push_back(block("{}"));
    world.turn();
    let who = world.join();
    world.send(who, get("/events"));
    assert_eq!(world.got(who), HEAD);
    assert!(world.store.news.is_empty());
}

#[test]
fn a_silent_stream_has_a_comment_now_and_then_and_is_never_idle() {
    let mut world = World::new();
    let who = world.join();
    world.send(who, get("/events"));
    world.got(who);
    world.pass(KEEPALIVE_TIME - Duration::from_micros(1));
    assert_eq!(world.got(who), "");
    world.pass(Duration::from_micros(1));
    assert_eq!(world.got(who), ":\n\n");
    world.pass(KEEPALIVE_TIME / 2);
    world.store.news.push_back(block("{}"));
    world.turn();
    world.got(who);
    world.pass(KEEPALIVE_TIME - Duration::from_micros(1));
    assert_eq!(world.got(who), "", "it has just heard something");
    world.pass(2 * IDLE_TIME);
    assert_eq!(world.got(who), ":\n\n".repeat(8));
    assert!(!world.is_finished(who));
}

#[test]
fn without_readers_nobody_is_woken() {
    let mut world = World::new();
    let who = world.join();
    world.send(who, get("/events"));
    assert_eq!(world.http.next_deadline(), Some(world.now + KEEPALIVE_TIME));
    world.leave(who);
    assert_eq!(world.http.next_deadline(), None);
}

#[test]
fn whoever_speaks_while_it_is_to_listen_is_done() {
    for behind in [get("/sync"), "x".into(), "\r\n".into()] {
        let mut world = World::new();
        let who = world.join();
        world.send(who, get("/events"));
        assert!(!world.is_finished(who));
        world.send(who, &behind);
        assert!(world.is_finished(who), "{behind:?}");
        assert_eq!(world.got(who), HEAD);
        let who = world.join();
        world.send(who, get("/events") + &behind);
        assert!(world.is_finished(who), "{behind:?}, at once");
        assert_eq!(world.got(who), HEAD);
        assert_eq!(world.http.next_deadline().filter(|due| *due <= world.now + KEEPALIVE_TIME), None);
    }
}

#[test]
fn behind_other_replies_events_can_be_asked_for_too() {
    let mut world = World::new();
    let who = world.join();
    world.say(who, [get("/sync"), "GET /events HTTP/1.0\r\n\r\n".into()].concat());
    let got = world.got(who);
    assert!(got.ends_with(HEAD), "{got}");
    assert_eq!(codes(got.strip_suffix(":\n\n").unwrap()), [200, 200]);
    assert!(!world.is_finished(who));
}

#[test]
fn to_head_there_are_no_events() {
    let mut world = World::new();
    let who = world.join();
    world.send(who, request("HEAD /events", &[]));
    assert_eq!(Some(world.got(who).as_str()), HEAD.strip_suffix(":\n\n"));
    assert!(world.is_finished(who));
    world.store.news.push_back(block("{}"));
    world.turn();
    assert_eq!(world.got(who), "");
}
