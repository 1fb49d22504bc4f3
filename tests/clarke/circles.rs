//! Relays that know each other: everything arrives once, and nothing goes round.

use std::time::Duration;

use peer_relay::protocol::clarke::CHAT_WINDOW;
use peer_relay::protocol::{DialId, Token};

use crate::house::{House, MAX_MESSAGE, NO_PARENT, block, message, transaction};

/// More than any of these stories takes; a loop takes for ever.
const ENOUGH: usize = 1000;

/// Relays, and who is connected with whom as whom.
struct Ring {
    houses: Vec<House>,
    links: Vec<((usize, Token), (usize, Token))>,
}

impl Ring {
    fn new(size: usize) -> Self {
        let houses = (0..size).map(|seed| House::seeded(&[], seed as u64)).collect();
        Self { houses, links: Vec::new() }
    }

    /// One dials another, which may be itself.
    fn dial(&mut self, from: usize, to: usize) {
        let address = format!("\"198.51.100.{to}:{}\"", 1000 + from);
        let nth = self.houses[from].out.dials.len();
        self.houses[from].ask(&message("add_peer", &address));
        let there = self.houses[to].join("198.51.100.100");
        let here = self.houses[from].reach(DialId(nth as u16));
        self.links.push(((from, here), (to, there)));
    }

    /// Carries everything to and fro until nobody has anything to say. How many bytes that were.
    fn settle(&mut self) -> usize {
        let mut carried = 0;
        for round in 0.. {
            assert!(round < ENOUGH, "they do not stop talking");
            let mut is_quiet = true;
            for (one, other) in self.links.clone() {
                for ((from, as_whom), (to, of_whom)) in [(one, other), (other, one)] {
                    let said = self.houses[from].got(as_whom);
                    is_quiet &= said.is_empty();
                    carried += said.len();
                    if !said.is_empty() {
                        self.houses[to].say(of_whom, &said);
                    }
                }
            }
            for house in &mut self.houses {
                house.pass(Duration::from_millis(100));
            }
            if is_quiet && round > 2 {
                break;
            }
        }
        carried
    }

    /// Somebody at each who listens.
    fn leaves(&mut self) -> Vec<Token> {
        let leaves: Vec<Token> = self.houses.iter_mut().map(|house| house.join("192.0.2.50")).collect();
        for (house, leaf) in self.houses.iter_mut().zip(&leaves) {
            house.line(*leaf, &message("ping", "1"));
            house.got(*leaf);
        }
        leaves
    }
}

/// Two that dial each other, a line, a ring, all with all, and one that two dial.
fn shapes() -> Vec<(usize, Vec<(usize, usize)>)> {
    vec![
        (2, vec![(0, 1)]),
        (2, vec![(0, 1), (1, 0)]),
        (3, vec![(0, 1), (1, 2)]),
        (3, vec![(0, 1), (1, 2), (2, 0)]),
        (3, vec![(0, 1), (1, 0), (1, 2), (2, 1), (2, 0), (0, 2)]),
        (4, vec![(0, 1), (1, 2), (2, 3), (3, 0)]),
    ]
}

#[test]
fn everything_reaches_every_leaf_of_every_relay_once_and_then_all_are_silent() {
    for (size, dials) in shapes() {
        let mut ring = Ring::new(size);
        for (from, to) in &dials {
            ring.dial(*from, *to);
        }
        ring.settle();
        let leaves = ring.leaves();
        let sayings = [
            message("chat", "\"hello\""),
            message("submit_transaction", &transaction(1)),
            message("add_block", &block(NO_PARENT, &[transaction(1)], 1).0),
        ];
        for (nth, said) in sayings.iter().enumerate() {
            let speaker = nth % size;
            ring.houses[speaker].line(leaves[speaker], said);
            ring.settle();
            for (at, leaf) in leaves.iter().enumerate() {
                let heard = ring.houses[at].got(*leaf);
                if at == speaker {
                    assert!(
                        !heard.contains(said.as_str()) && heard.lines().count() <= 1,
                        "{dials:?}: {heard}"
                    );
                } else {
                    assert_eq!(heard, format!("{said}\n"), "{dials:?}: at {at}");
                }
            }
        }
        assert_eq!(ring.settle(), 0, "{dials:?}");
    }
}

#[test]
fn two_relays_never_answer_each_others_answers() {
    let mut ring = Ring::new(2);
    ring.dial(0, 1);
    let greeting = ring.settle();
    assert!(greeting < 250, "a ping and its pong: {greeting} bytes");
    let ((_, here), (_, there)) = ring.links[0];
    for said in [
        message("error", r#"{"message":"no"}"#),
        message("pong", "1"),
        message("peers", "[]"),
        message("transaction-accepted", "{}"),
        message("block-rejected", "[]"),
        r#"{"response":{"message_type":"?"}}"#.into(),
        r#"{"response":1}"#.into(),
    ] {
        ring.houses[0].say(here, &format!("{said}\n"));
        ring.houses[1].say(there, &format!("{said}\n"));
        assert_eq!(ring.settle(), 0, "{said}");
    }
    for said in ["nonsense", "{}", "[1]", &message("unknown", "1"), &message("get_balance", "1")] {
        ring.houses[0].say(here, &format!("{said}\n"));
        assert_eq!(ring.settle(), 0, "whom we dial is told of no error: {said}");
        ring.houses[1].say(there, &format!("{said}\n"));
        let error = ring.houses[1].got(there);
        assert!(error.starts_with("{\"response\":{\"message_type\":\"error\""), "who dials us is: {error}");
        ring.houses[0].say(here, &error);
        assert_eq!(ring.settle(), 0);
    }
}

#[test]
fn the_longest_item_has_nobody_break_a_rule() {
    for (from, to) in [(0, 1), (1, 0)] {
        let mut ring = Ring::new(2);
        ring.dial(from, to);
        ring.settle();
        let leaves = ring.leaves();
        // of all envelopes the one that grows most when it is answered
        for (kind, key) in [("add_block", "message"), ("submit_transaction", "message_type")] {
            let front = format!("{{\"{key}\":\"{kind}\",\"payload\":");
            let (item, _) = block(NO_PARENT, &[], 1);
            let fill = "x".repeat(MAX_MESSAGE - front.len() - item.len() - "\"x\":\"\",}".len());
            let said = format!("{front}{}}}", item.replacen('{', &format!("{{\"x\":\"{fill}\","), 1));
            assert_eq!(said.len(), MAX_MESSAGE);
            ring.houses[0].line(leaves[0], &said);
            ring.settle();
            assert_eq!(ring.houses[1].got(leaves[1]), format!("{said}\n"));
            assert!(ring.houses.iter().all(|house| house.out.offences.is_empty()), "{from} dials {to}");
        }
    }
}

#[test]
fn one_that_dials_itself_finds_out_and_both_ends_are_let_go() {
    let mut ring = Ring::new(1);
    ring.dial(0, 0);
    ring.settle();
    let ((_, _), (_, there)) = ring.links[0];
    assert_eq!(ring.houses[0].out.dials, [None]);
    assert!(ring.houses[0].is_finished(there));
}

#[test]
fn a_node_of_the_other_style_may_answer_with_a_blank_line() {
    let mut ring = Ring::new(2);
    ring.dial(0, 1);
    ring.settle();
    let ((_, here), _) = ring.links[0];
    ring.houses[0].say(here, "{\"message_type\":\"pong\",\"payload\":1}\n\n");
    assert!(ring.houses[0].is_open(here));
    ring.houses[0].say(here, &format!("{}\n\n", message("ping", "2")));
    assert_eq!(ring.houses[0].got(here), format!("{{\"response\":{}}}\n", message("pong", "2")));
}

#[test]
fn the_same_chat_passes_again_when_its_time_is_over_or_nobody_is_dialled() {
    let chat = message("chat", "\"hello\"");
    let mut house = House::new();
    let [one, two] = ["192.0.2.1", "192.0.2.2"].map(|ip| house.join(ip));
    for who in [one, two] {
        house.line(who, &message("ping", "1"));
        house.got(who);
    }
    house.ask(&message("add_peer", "\"198.51.100.1:1\""));
    let heard = |house: &mut House| {
        house.say(one, &format!("{chat}\n"));
        house.got(two).lines().count()
    };
    assert_eq!([heard(&mut house), heard(&mut house)], [1, 0]);
    house.pass(CHAT_WINDOW - Duration::from_micros(1));
    assert_eq!(heard(&mut house), 0);
    house.pass(Duration::from_micros(1));
    assert_eq!([heard(&mut house), heard(&mut house)], [1, 0]);
    house.ask(&message("remove_peer", "\"198.51.100.1:1\""));
    assert_eq!([heard(&mut house), heard(&mut house)], [1, 1]);
    let named = house.reach(DialId(7));
    assert_eq!([heard(&mut house), heard(&mut house)], [0, 0], "one that the operator has named counts too");
    house.leave(named);
    assert_eq!(heard(&mut house), 0, "while it is away, too");
}
