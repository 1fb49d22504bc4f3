//! Nodes that are dialled, of both kinds: those that read a line a message, and those that read one up to a blank line.

use std::time::Duration;

use peer_relay::protocol::clarke::{SILENCE, WAITING_BYTES, WAITING_MAX};
use peer_relay::protocol::{DialId, Token};

use crate::house::{House, message, transaction};

const DIAL: DialId = DialId(0);

/// A house that was told of a neighbour.
fn house() -> House {
    let mut house = House::new();
    house.ask(&message("add_peer", "\"198.51.100.1:8334\""));
    house
}

/// The neighbour is there for the first time; what it was greeted with.
fn greeted(house: &mut House) -> (Token, String) {
    let who = house.reach(DIAL);
    let ping = house.got(who);
    assert!(
        ping.starts_with("{\"message_type\":\"ping\",\"payload\":\"") && ping.ends_with("\"}\n"),
        "{ping}"
    );
    (who, ping.trim_end().replace("ping", "pong"))
}

/// The neighbour is known to read up to a blank line, and is gone.
fn single() -> House {
    let mut house = house();
    let (who, pong) = greeted(&mut house);
    house.pass(SILENCE);
    assert_eq!(house.got(who), "\n");
    house.say(who, &format!("{pong}\n\n"));
    house.leave(who);
    house.turn();
    house
}

fn chat(n: u64) -> String {
    message("chat", &n.to_string())
}

fn say(house: &mut House, text: &str) {
    let who = house.join("192.0.2.1");
    house.say(who, &format!("{text}\n\n"));
    house.leave(who);
}

/// It is there again: what it is told. Then it has replied and is gone.
fn told(house: &mut House) -> String {
    let who = house.reach(DIAL);
    let told = house.got(who);
    house.say(who, "{\"message_type\":\"transaction-accepted\",\"payload\":{}}\n\n");
    house.leave(who);
    house.turn();
    assert!(!house.out.listening.contains(&who) && house.got(who).is_empty());
    told
}

#[test]
fn one_that_answers_a_line_hears_what_others_say_and_what_they_said_meanwhile() {
    for wrapped in [true, false] {
        let mut house = house();
        let (who, pong) = greeted(&mut house);
        say(&mut house, &chat(1));
        say(&mut house, &chat(2));
        assert_eq!(house.got(who), "");
        house.pass(SILENCE - Duration::from_micros(1));
        let reply = if wrapped { format!("{{\"response\":{pong}}}") } else { pong };
        house.say(who, &format!("{reply}\n"));
        assert_eq!(house.got(who), format!("{}\n{}\n", chat(1), chat(2)));
        say(&mut house, &chat(3));
        house.pass(SILENCE);
        assert_eq!(house.got(who), format!("{}\n", chat(3)), "and no blank line");
        assert!(house.out.hurried.is_empty());
    }
}

#[test]
fn one_that_waits_for_the_blank_line_gets_it_and_then_a_connection_for_each_message() {
    let mut house = house();
    let (who, pong) = greeted(&mut house);
    say(&mut house, &chat(1));
    house.pass(SILENCE - Duration::from_micros(1));
    assert_eq!(house.got(who), "");
    house.pass(Duration::from_micros(1));
    assert_eq!(house.got(who), "\n");
    house.say(who, &format!("{pong}\n\n"));
    assert!(house.got(who).is_empty() && house.out.hurried.is_empty(), "it is about to close");
    house.leave(who);
    house.turn();
    assert_eq!(house.out.hurried, [DIAL], "something waits");
    assert_eq!(told(&mut house), format!("{}\n\n", chat(1)));
    assert_eq!(house.out.hurried, [DIAL], "nothing waits");
    assert_eq!(house.out.vouched, [DIAL; 2], "its connections are short, and yet it is there");
    let ping = told(&mut house);
    assert!(ping.contains("\"ping\"") && ping.ends_with("}\n\n"), "{ping}");
    for n in [2, 3, 4] {
        say(&mut house, &message("submit_transaction", &transaction(n)));
    }
    assert_eq!(house.out.hurried, [DIAL; 2], "once, until it is there");
    for n in [2, 3, 4] {
        assert_eq!(told(&mut house), format!("{}\n\n", message("submit_transaction", &transaction(n))));
    }
    assert_eq!(house.out.hurried, [DIAL; 4]);
    assert_eq!(house.clarke.next_deadline(), None);
}

#[test]
fn our_own_who_answer_late_are_kept_all_the_same() {
    let mut house = house();
    let (who, pong) = greeted(&mut house);
    house.pass(SILENCE);
    assert_eq!(house.got(who), "\n");
    house.say(who, &format!("{{\"response\":{pong}}}\n"));
    house.leave(who);
    let again = house.reach(DIAL);
    assert!(house.got(again).ends_with("}\n"));
    say(&mut house, &chat(1));
    assert_eq!(house.got(again), format!("{}\n", chat(1)));
}

#[test]
fn what_waits_for_one_that_is_away_is_bounded_and_it_is_hurried_once() {
    let mut house = single();
    for n in 0..10_000 {
        say(&mut house, &chat(n));
    }
    assert_eq!(house.out.hurried, [DIAL]);
    for n in 10_000 - WAITING_MAX as u64..10_000 {
        assert_eq!(told(&mut house), format!("{}\n\n", chat(n)));
    }
    assert!(told(&mut house).contains("ping"));

    let large = |n: u64| message("chat", &format!("\"{n}{}\"", "x".repeat(60_000)));
    for n in 0..100 {
        say(&mut house, &large(n));
    }
    let mut bytes = 0;
    while let Some(text) = Some(told(&mut house)).filter(|text| text.contains("chat")) {
        bytes += text.len() - 2;
    }
    assert!(bytes <= WAITING_BYTES && bytes > WAITING_BYTES - 61_000, "{bytes}");
}

#[test]
fn one_that_never_says_anything_is_told_nothing() {
    let mut house = house();
    let (who, _) = greeted(&mut house);
    for n in 0..1000 {
        say(&mut house, &chat(n));
    }
    house.pass(10 * SILENCE);
    assert_eq!(house.got(who), "\n");
    house.leave(who);
    house.turn();
    let (again, _) = greeted(&mut house);
    house.say(again, "{\"response\":1}\n");
    assert_eq!(house.got(again), "", "what waited is gone with the connection");
}

#[test]
fn one_that_is_removed_or_forgotten_is_told_nothing_more() {
    for is_removed in [true, false] {
        let mut house = single();
        if is_removed {
            house.ask(&message("remove_peer", "\"198.51.100.1:8334\""));
        } else {
            house.clarke.forgotten(house.now, DIAL);
        }
        say(&mut house, &chat(1));
        assert!(house.out.hurried.is_empty());
        house.ask(&message("add_peer", "\"198.51.100.1:8334\""));
        say(&mut house, &chat(2));
        assert!(house.out.hurried.is_empty(), "added anew it is not known how it reads");
    }
}
