//! What each path is answered, and in which order.

use std::sync::Arc;

use peer_relay::protocol::Token;
use peer_relay::protocol::http::{MAX_LENT_BYTES, MAX_SAID_BYTES, MIN_LENT_BYTES, REQUEST_TIME, SLICE};
use peer_relay::time::Instant;

use crate::paper::chunk;
use crate::world::{World, codes, get, post, replies, request};

#[test]
fn a_chain_is_its_pieces_and_a_long_one_is_not_copied() {
    let mut world = World::new();
    let long = "x".repeat(MIN_LENT_BYTES);
    world.store.chain =
        vec![chunk("["), chunk(&long), chunk(","), chunk(&long), chunk("{\"b\":7}"), chunk("]")];
    let who = world.join();
    world.say(who, get("/chain"));
    let got = replies(&world.got(who));
    assert_eq!((got.len(), got[0].status.as_str()), (1, "200 OK"));
    assert!(got[0].body == format!("[{long},{long}{{\"b\":7}}]"));
    assert!(got[0].head.contains("\r\nContent-Type: application/json"), "{}", got[0].head);
    let lent = std::mem::take(&mut world.peer(who).stored);
    assert!(lent.iter().zip(&world.store.chain[1..4]).all(|(got, held)| Arc::ptr_eq(got, held)));
    assert_eq!(lent.len(), 3, "what is short before and behind them is copied");
}

#[test]
fn what_may_still_grow_is_copied_for_nobody_should_keep_a_version_of_it() {
    let mut world = World::new();
    let short = "x".repeat(MIN_LENT_BYTES - 1);
    world.store.mempool = vec![chunk(&short)];
    let who = world.join();
    world.say(who, get("/mempool"));
    assert!(replies(&world.got(who))[0].body == short);
    assert!(world.peer(who).stored.is_empty());
}

#[test]
fn only_so_much_of_the_store_is_under_way_at_once() {
    let mut world = World::new();
    let versions = 160;
    let long = "x".repeat(MAX_LENT_BYTES / versions);
    let (slow, other) = (world.join(), world.join());
    for _ in 0..versions {
        world.store.chain = vec![chunk(&long)];
        world.say(slow, get("/chain"));
        world.peer(slow).got.clear();
    }
    world.store.chain = vec![chunk(&long)];
    world.say(other, [get("/chain"), get("/sync")].concat());
    let got = replies(&world.got(other));
    assert_eq!(got[0].status, "503 Service Unavailable");
    assert!(
        got[0]
            .body
            .starts_with(r#"{"error":"too much is on its way to others; try again later","code":"BUSY","#)
    );
    assert_eq!(got[1].status, "200 OK");
    world.leave(slow);
    world.say(other, get("/chain"));
    assert_eq!(codes(&world.got(other)), [200]);
}

#[test]
fn whoever_asks_for_much_at_once_gets_it_a_little_at_a_time() {
    let mut world = World::new();
    world.store.mempool = vec![chunk(&"x".repeat(MAX_SAID_BYTES / 4))];
    let who = world.join();
    let one = world.ask(get("/mempool")).len();
    world.send(who, get("/mempool").repeat(20));
    let mut times = 1;
    while world.peer(who).stream.is_busy {
        assert!(world.peer(who).got.len() <= times * (MAX_SAID_BYTES + one));
        assert_eq!(world.http.next_deadline(), Some(Instant::START), "a turn at once");
        world.turn();
        times += 1;
    }
    assert_eq!((codes(&world.got(who)), times), (vec![200; 20], 5));
    assert_eq!(world.peer(who).stream.memory, 0);
    world.send(who, get("/mempool").repeat(20));
    world.leave(who);
    world.turn();
    assert!(world.http.next_deadline().is_none_or(|next| next > world.now), "nobody goes on");
}

#[test]
fn many_who_ask_for_much_hold_up_nobody_for_longer_than_a_slice() {
    const MANY: usize = 32;
    let mut world = World::new();
    let everybody: Vec<Token> = (0..MANY).map(|_| world.join()).collect();
    let asked = get("/sync").repeat(65_536 / get("/sync").len());
    for who in &everybody {
        world.http.heard(world.now, &mut world.room, *who, asked.as_bytes());
    }
    let late = world.join();
    world.send(late, get("/sync"));
    let mut turns = 1;
    while world.peer(late).got.is_empty() {
        world.turn();
        turns += 1;
    }
    assert!(turns <= 2, "its turn comes after a request of each other: {turns} turns");
    while world.http.next_deadline() == Some(Instant::START) {
        world.turn();
        turns += 1;
    }
    assert!(turns > 50, "{turns} turns");
    for who in everybody {
        assert_eq!(codes(&world.got(who)).len(), 65_536 / get("/sync").len());
    }
    let longest = world.http.longest_slice();
    assert!((SLICE..SLICE + 100).contains(&longest), "{longest}");
}

#[test]
fn whoever_has_not_taken_a_reply_gets_no_other() {
    let mut world = World::new();
    world.store.chain = vec![chunk(&"x".repeat(MIN_LENT_BYTES))];
    let who = world.join();
    world.send(who, get("/chain").repeat(3) + &get("/sync")[..10]);
    for nth in 1..=3 {
        world.room.behind.insert(who);
        world.turn();
        world.pass(REQUEST_TIME * 2);
        assert_eq!((world.peer(who).stored.len(), world.is_finished(who)), (nth, false));
        assert!(world.http.next_deadline() != Some(Instant::START), "nothing to be done until it has");
        world.room.behind.clear();
        world.http.caught_up(world.now, who);
        world.turn();
    }
    world.pass(REQUEST_TIME);
    assert_eq!(codes(&world.got(who)), [200, 200, 200, 408]);
}

#[test]
fn what_waits_and_how_far_the_chain_reaches() {
    let mut world = World::new();
    assert_eq!(replies(&world.ask(get("/chain")))[0].body, "[]");
    assert_eq!(replies(&world.ask(get("/mempool")))[0].body, "[]");
    assert_eq!(replies(&world.ask(get("/sync")))[0].body, r#"{"height":0,"latest_hash":""}"#);
    (world.store.height, world.store.hash) = (3, Some([0xa5; 32]));
    world.store.mempool = vec![chunk("[{}]")];
    let hex = "a5".repeat(32);
    let reach = format!(r#"{{"height":3,"latest_hash":"{hex}"}}"#);
    assert_eq!(replies(&world.ask(get("/sync?since=2")))[0].body, reach);
    assert_eq!(replies(&world.ask(get("/mempool")))[0].body, "[{}]");
}

#[test]
fn to_head_the_head_is_said_and_nothing_else() {
    let mut world = World::new();
    world.store.chain = vec![chunk("[1,2]")];
    for path in ["/chain", "/mempool", "/sync", "/nothing", "/tx"] {
        let asked = world.ask(get(path));
        let (head, _) = asked.split_once("\r\n\r\n").unwrap();
        let expected = match path {
            "/tx" => head.to_string(),
            _ => format!("{head}\r\n\r\n"),
        };
        let got = world.ask(request(&format!("HEAD {path}"), &[]));
        assert_eq!(got.trim_end_matches("\r\n\r\n"), expected.trim_end_matches("\r\n\r\n"), "{path}");
        assert!(got.ends_with("\r\n\r\n"));
    }
}

#[test]
fn a_transaction_and_a_block_are_taken_or_it_is_said_why_not() {
    let mut world = World::new();
    for body in ["good", "known"] {
        for path in ["/tx", "/broadcast"] {
            let got = replies(&world.ask(post(path, body)));
            assert_eq!((got[0].status.as_str(), got[0].body.as_str()), ("200 OK", "OK"), "{path} {body}");
        }
    }
    let said = |world: &mut World, path, body| {
        let got = replies(&world.ask(post(path, body)));
        (got[0].status.clone(), got[0].body.clone())
    };
    let bad = |what: &str, code: &str, reason: &str| {
        let shape = format!(r#"{{"error":"{what}","code":"{code}","details":{{"reason":"{reason}"}}}}"#);
        ("400 Bad Request".to_string(), shape)
    };
    let block = |reason| bad("Invalid block", "INVALID_BLOCK", reason);
    assert_eq!(said(&mut world, "/broadcast", "bad"), block(r#"it is \"bad\""#));
    assert_eq!(said(&mut world, "/broadcast", "elsewhere"), block("it does not follow the last block"));
    assert_eq!(said(&mut world, "/broadcast", ""), block("0 bytes that are nothing"));
    let transaction = |reason| bad("Invalid transaction", "INVALID_TRANSACTION", reason);
    assert_eq!(said(&mut world, "/tx", "bad"), transaction(r#"it is \"bad\""#));
    let full = r#"{"error":"there is no room for it","code":"NO_ROOM","details":{}}"#;
    assert_eq!(said(&mut world, "/tx", "full"), ("503 Service Unavailable".into(), full.into()));
}

#[test]
fn what_is_handed_in_goes_where_it_was_brought() {
    let mut world = World::new();
    let who = world.join();
    world.send(who, post("/tx", "one"));
    let other = world.join();
    world.send(other, post("/broadcast?now", "two"));
    let pending: Vec<_> = world.store.pending.iter().map(|(_, path, text)| (*path, text.as_str())).collect();
    assert_eq!(pending, [("/tx", "one"), ("/broadcast", "two")]);
}

#[test]
fn replies_come_in_the_order_of_the_requests_however_long_one_is_checked() {
    let mut world = World::new();
    let (who, other) = (world.join(), world.join());
    world.send(
        who,
        [get("/sync"), post("/tx", "good"), get("/nothing"), post("/tx", "bad"), get("/mempool")].concat(),
    );
    assert_eq!(codes(&world.got(who)), [200]);
    assert!(world.peer(who).stream.is_busy && world.peer(who).stream.memory > 0);
    world.send(other, get("/sync"));
    assert_eq!(codes(&world.got(other)), [200], "it holds up nobody else");
    world.store.decide();
    world.turn();
    assert_eq!(codes(&world.got(who)), [200, 404]);
    assert!(world.peer(who).stream.is_busy);
    world.store.decide();
    world.turn();
    assert_eq!(codes(&world.got(who)), [400, 200]);
    assert_eq!((world.peer(who).stream.is_busy, world.peer(who).stream.memory), (false, 0));
}

#[test]
fn what_there_is_not_and_what_it_cannot_do_is_said_and_the_connection_stays() {
    let mut world = World::new();
    let who = world.join();
    let asked =
        [get("/"), request("PUT /chain", &[]), post("/chain", "x"), get("/tx"), request("BREW /pot", &[])];
    world.say(who, asked.concat());
    let got = replies(&world.got(who));
    let statuses: Vec<&str> = got.iter().map(|reply| &reply.status[..3]).collect();
    assert_eq!(statuses, ["404", "405", "405", "405", "404"]);
    assert_eq!(got[0].body, r#"{"error":"Not found","code":"NOT_FOUND","details":{}}"#);
    assert!(got[1].head.contains("\r\nAllow: GET, HEAD"), "{}", got[1].head);
    assert!(got[3].head.contains("\r\nAllow: POST"), "{}", got[3].head);
    assert!(!world.is_finished(who));
}

#[test]
fn whoever_waits_to_be_asked_for_the_body_is_asked() {
    let mut world = World::new();
    let who = world.join();
    let expects = ["Content-Length: 4", "Expect: 100-continue"];
    world.send(who, request("POST /tx", &expects));
    assert_eq!(world.got(who), "HTTP/1.1 100 Continue\r\n\r\n");
    world.say(who, "good");
    assert_eq!(codes(&world.got(who)), [200]);
    assert!(!world.is_finished(who));
    world.send(who, request("POST /nothing", &expects));
    assert_eq!(codes(&world.got(who)), [404], "whoever need not send it is told so at once");
    assert!(world.is_finished(who), "it may send it all the same");
}

#[test]
fn whoever_is_over_its_rate_is_told_so() {
    let mut world = World::new();
    world.room.allowed = Some(2);
    let who = world.join();
    world.say(who, [get("/sync"), post("/tx", "good"), get("/sync"), post("/tx", "good")].concat());
    assert_eq!(codes(&world.got(who)), [200, 200, 429, 429]);
    let (question, brought) = (get("/sync").len(), post("/tx", "good").len());
    assert_eq!(world.room.counted, [question, brought, question, brought]);
}

#[test]
fn any_host_may_be_named_in_the_target() {
    let mut world = World::new();
    assert_eq!(codes(&world.ask(get("http://elsewhere:80/sync?x"))), [200]);
    assert_eq!(codes(&world.ask(request("OPTIONS *", &[]))), [404]);
}
