//! Neighbours that somebody adds.

use peer_relay::protocol::DialId;

use crate::house::{House, message};

fn list(peers: &[(&str, u16)]) -> String {
    let shown: Vec<String> =
        peers.iter().map(|(host, port)| format!(r#"{{"host":"{host}","port":{port}}}"#)).collect();
    message("peers", &format!("[{}]", shown.join(",")))
}

fn add(house: &mut House, payload: &str) -> String {
    house.ask(&message("add_peer", payload))
}

fn remove(house: &mut House, payload: &str) -> String {
    house.ask(&message("remove_peer", payload))
}

/// Where whoever asks comes from.
const ASKER: &str = "192.0.2.200";

#[test]
fn all_three_shapes_are_taken_and_the_order_of_adding_is_kept() {
    let mut house = House::new();
    assert_eq!(add(&mut house, "{\"port\":3000}"), list(&[(ASKER, 3000)]));
    assert_eq!(add(&mut house, "3001"), list(&[(ASKER, 3000), (ASKER, 3001)]));
    add(&mut house, "\"10.0.1.2:65535\"");
    add(&mut house, "{\"host\":\"10.0.0.1\",\"port\":1,\"name\":\"x\"}");
    add(&mut house, "{\"host\":\"2001:db8::1\",\"port\":\"8334\"}");
    add(&mut house, "\"[2001:db8::2]:8334\"");
    let all = [
        (ASKER, 3000),
        (ASKER, 3001),
        ("10.0.1.2", 65535),
        ("10.0.0.1", 1),
        ("2001:db8::1", 8334),
        ("2001:db8::2", 8334),
    ];
    for kind in ["list_peers", "get_peers"] {
        assert_eq!(house.ask(&message(kind, "null")), list(&all));
    }
    assert_eq!(house.out.dials.len(), all.len(), "all of them are dialled");
}

#[test]
fn a_repeat_is_one_entry_and_one_dial() {
    let mut house = House::new();
    for payload in
        ["3000", "{\"port\":3000}", "\"192.0.2.200:3000\"", "{\"host\":\"::ffff:192.0.2.200\",\"port\":3000}"]
    {
        assert_eq!(add(&mut house, payload), list(&[(ASKER, 3000)]));
    }
    assert_eq!(house.out.dials.len(), 1);
}

#[test]
fn whatever_is_no_peer_is_refused_and_dialled_nowhere() {
    let mut house = House::new();
    for bad in [
        "null",
        "0",
        "65536",
        "-1",
        "3000.0",
        "3e3",
        "18446744073709551616",
        "true",
        "[]",
        "[3000]",
        "{}",
        "\"\"",
        "\"3000\"",
        "\"localhost:3000\"",
        "\"10.0.0.1\"",
        "\"10.0.0.1:0\"",
        "\"10.0.0.1:65536\"",
        "{\"port\":0}",
        "{\"port\":65536}",
        "{\"port\":null}",
        "{\"port\":[1]}",
        "{\"port\":\"x\"}",
        "{\"port\":\"+1\"}",
        "{\"port\":\"\"}",
        "{\"host\":\"example.org\",\"port\":1}",
        "{\"host\":1,\"port\":1}",
        "{\"host\":\"10.0.0.1\"}",
        "{\"port\":1,\"port\":2}",
        "\"0.0.0.0:80\"",
        "\"[::]:80\"",
        "\"224.0.0.1:80\"",
        "\"255.255.255.255:80\"",
        "\"[ff02::1]:80\"",
        "\"\\ud800\"",
    ] {
        for kind in ["add_peer", "remove_peer"] {
            let reply = house.ask(&message(kind, bad));
            assert!(reply.starts_with("{\"message_type\":\"error\""), "{bad}: {reply}");
        }
    }
    let nothing = house.ask("{\"message_type\":\"add_peer\"}");
    assert!(nothing.contains("no peer is given"), "{nothing}");
    assert!(house.out.dials.is_empty());
}

#[test]
fn beyond_the_cap_nobody_is_added_and_the_list_says_so() {
    let mut house = House::new();
    for n in 0..10_000 {
        add(&mut house, &format!("\"10.1.{}.{}:1\"", n / 256, n % 256));
    }
    assert_eq!(house.out.dials.len(), 64);
    let reply = add(&mut house, "3000");
    assert!(reply.starts_with("{\"message_type\":\"peers\"") && !reply.contains("3000"), "{reply}");
    assert_eq!(remove(&mut house, "\"10.1.0.0:1\"").matches("host").count(), 63);
    assert!(add(&mut house, "3000").contains("3000"), "there is room again");
}

#[test]
fn where_the_relay_has_no_room_for_a_dial_nobody_is_added() {
    let mut house = House::new();
    house.out.most_dials = 0;
    assert_eq!(add(&mut house, "3000"), list(&[]));
}

#[test]
fn anybody_may_remove_and_what_is_removed_is_not_dialled() {
    let mut house = House::new();
    add(&mut house, "3000");
    add(&mut house, "3001");
    assert_eq!(remove(&mut house, "\"192.0.2.200:3000\""), list(&[(ASKER, 3001)]));
    assert_eq!(remove(&mut house, "{\"port\":3000}"), list(&[(ASKER, 3001)]), "it is not there any more");
    assert_eq!(house.out.dials[0], None);
    assert_eq!(remove(&mut house, "3001"), list(&[]));
}

#[test]
fn one_that_stays_away_leaves_the_list() {
    let mut house = House::new();
    add(&mut house, "3000");
    add(&mut house, "3001");
    house.clarke.forgotten(house.now, DialId(0));
    assert_eq!(house.ask(&message("get_peers", "null")), list(&[(ASKER, 3001)]));
    house.clarke.forgotten(house.now, DialId(0));
    assert_eq!(add(&mut house, "3000"), list(&[(ASKER, 3001), (ASKER, 3000)]), "added anew, it is last");
}

#[test]
fn our_own_listeners_are_refused() {
    let mut house = House::listening(&["127.0.0.1:8334", "0.0.0.0:9000", "[::]:9001", "192.0.2.7:8334"]);
    for ours in [
        "\"127.0.0.1:8334\"",
        "\"127.0.0.1:9000\"",
        "\"127.1.2.3:9000\"",
        "\"127.0.0.1:9001\"",
        "\"[::1]:9001\"",
        "\"192.0.2.7:8334\"",
        "{\"host\":\"::ffff:127.0.0.1\",\"port\":8334}",
    ] {
        let reply = house.ask_from("127.0.0.1", &message("add_peer", ours));
        assert!(reply.contains("this relay itself"), "{ours}: {reply}");
    }
    assert!(house.out.dials.is_empty());
    for other in ["\"127.0.0.1:8335\"", "\"127.0.0.2:8334\"", "\"192.0.2.8:8334\"", "8335"] {
        let reply = house.ask_from("127.0.0.1", &message("add_peer", other));
        assert!(reply.starts_with("{\"message_type\":\"peers\""), "{other}: {reply}");
    }
}

#[test]
fn a_loopback_address_is_this_host_only_when_it_is_said_on_it() {
    let mut house = House::new();
    for peer in ["\"127.0.0.1:6379\"", "\"[::1]:6379\"", "\"[::ffff:127.0.0.1]:6379\""] {
        assert!(add(&mut house, peer).contains("only somebody on this host can add one"), "{peer}");
        let reply = house.ask_from("::1", &message("add_peer", peer));
        assert!(reply.contains("6379"), "{reply}");
    }
    assert_eq!(house.out.dials.len(), 2);
}

#[test]
fn a_dial_that_leads_to_ourselves_is_found_out_and_not_tried_again() {
    let mut house = House::new();
    add(&mut house, "\"198.51.100.7:8334\"");
    let out = house.reach(DialId(0));
    let greeting = house.got(out);
    assert!(greeting.starts_with("{\"message_type\":\"ping\",\"payload\":\"") && greeting.ends_with("\"}\n"));
    assert!(!house.out.listening.contains(&out), "it has not shown yet that it reads lines");
    let back = house.join("198.51.100.7");
    house.line(back, greeting.trim_end());
    assert_eq!(house.out.dials, [None]);
    assert!(house.got(back).is_empty() && house.is_finished(back));
    assert_eq!(house.ask(&message("get_peers", "null")), list(&[]));
    let reply = add(&mut house, "\"198.51.100.7:8334\"");
    assert!(reply.contains("this relay itself"), "{reply}");
}

#[test]
fn each_dial_is_greeted_with_a_word_of_its_own_and_that_lives_as_long_as_the_connection() {
    let mut house = House::new();
    add(&mut house, "3000");
    let first = house.reach(DialId(0));
    let greeting = house.got(first);
    house.leave(first);
    let second = house.reach(DialId(0));
    assert_ne!(house.got(second), greeting);
    assert!(house.ask(greeting.trim_end()).contains("pong"), "an old word is a ping like any other");
    assert_eq!(house.out.dials.len(), 1);
    assert!(house.out.dials[0].is_some());
}
