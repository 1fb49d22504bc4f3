//! Line peers in that room, alone and beside framed peers: what is due to them is what is due to everybody, and what is
//! done to it is found.

use std::time::Duration;

use peer_relay::load::{Counts, Dialect, FaultKind, GaveUp, Plan, Report};

use crate::world::{Habits, LINES_PORT, World};
use crate::{SECOND, plan, rate, run, told, try_run, window, with_fault};

/// In which rooms there are line peers: in one there are no others.
fn rooms(of: &Plan) -> [Plan; 2] {
    let (mut mixed, mut alone) = (of.clone(), of.clone());
    let mut at = of.to;
    at.set_port(LINES_PORT);
    mixed.lines_at = Some(at);
    (alone.dialect, alone.to) = (Dialect::Lines, at);
    [mixed, alone]
}

fn is_line(delivery: &[u8]) -> bool {
    delivery.ends_with(b"\n") && delivery.is_ascii()
}

#[test]
fn everything_due_to_everybody_comes() {
    for pace in [rate(1000), window(8)] {
        for (senders, plan) in
            [1, 2, 3, 10].into_iter().flat_map(|n| rooms(&plan(pace)).map(|plan| (n, plan)))
        {
            let report = run(Habits::default(), Plan { senders, ..plan });
            assert!(report.is_right(), "{:?}: {:?}", report.plan, report.total());
            let all: u64 = report.accounts.iter().map(|account| account.due).max().unwrap();
            assert!(all > 100, "{all}");
            assert!(report.accounts[senders as usize..].iter().all(|account| account.due == all));
        }
    }
}

#[test]
fn in_an_open_loop_nothing_is_measured_but_messages() {
    for plan in rooms(&plan(rate(1000))) {
        let report = run(Habits::default(), plan);
        assert_eq!((report.total().due, report.deliveries), (1100 * 9, 1000 * 9));
        assert_eq!((report.latency.min(), report.latency.max()), (100, 100));
    }
}

#[test]
fn two_are_enough() {
    for plan in rooms(&plan(rate(1000))) {
        let report = run(Habits::default(), Plan { peers: 2, ..plan });
        assert!(report.is_right(), "{:?}", report.total());
    }
}

#[test]
fn whoever_is_let_in_late_is_probed_for_again() {
    for plan in rooms(&plan(rate(1000))) {
        let peers = 600; // more than may be on their way at once
        let world = World::new(Habits { pause_at_door: 1000, ..Habits::default() });
        let report = try_run(&world, Plan { peers, ..plan }).unwrap();
        assert!(report.is_right(), "{:?}", report.total());
        let (probes, took) = (world.written_at().len() - 1100, report.joined_in);
        assert!(
            probes >= 4 && probes as u128 * 5 < took.as_millis(),
            "{probes} for {peers} peers in {took:?}"
        );
    }
}

/// With the fault done to a line, and to a frame where there are any.
fn spoil(fault: fn(Vec<u8>) -> Vec<Vec<u8>>) -> Vec<Report> {
    let mut reports = Vec::new();
    for (at, plan) in rooms(&Plan { sizes: 100..=200, ..plan(rate(1000)) }).into_iter().enumerate() {
        for receiver in [4, 5] {
            let habits = with_fault(move |to, nth, delivery| {
                assert_eq!(is_line(&delivery), at == 1 || to % 2 == 1);
                if (to, nth) == (receiver, 60) { fault(delivery) } else { vec![delivery] }
            });
            let report = run(habits, plan.clone());
            let faulty: Vec<usize> = (0..10).filter(|&at| !report.accounts[at].is_right()).collect();
            assert_eq!((faulty, report.gave_up), (vec![receiver], None));
            reports.push(report);
        }
    }
    reports
}

#[test]
fn a_dropped_delivery_is_missing() {
    for report in spoil(|_| vec![]) {
        let (kinds, counts, missing) = told(&report);
        assert_eq!((kinds[0].1, counts, missing), (FaultKind::Missing, Counts::default(), 1));
    }
}

#[test]
fn a_delivery_with_another_byte_in_it_is_wrong() {
    for report in spoil(|mut delivery| {
        let at = delivery.len() - 10;
        delivery[at] ^= 1;
        vec![delivery]
    }) {
        let (kinds, counts, missing) = told(&report);
        let wrong = Counts { wrong: 1, spoilt: 1, ..Counts::default() };
        assert_eq!((kinds[0].1, counts, missing), (FaultKind::Wrong, wrong, 0));
    }
}

#[test]
fn a_doubled_delivery_came_twice() {
    for report in spoil(|delivery| vec![delivery.clone(), delivery]) {
        let (kinds, counts, missing) = told(&report);
        assert_eq!(
            (kinds[0].1, counts, missing),
            (FaultKind::Twice, Counts { twice: 1, ..Counts::default() }, 0)
        );
    }
}

/// With the fault done to a line among lines.
fn spoil_line(fault: impl FnMut(usize, Vec<u8>) -> Vec<Vec<u8>> + Clone + 'static) -> Vec<Report> {
    let rooms = rooms(&Plan { sizes: 100..=200, ..plan(rate(1000)) }).into_iter();
    let reports = rooms.map(|plan| {
        let mut fault = fault.clone();
        run(with_fault(move |to, nth, line| if to == 5 { fault(nth, line) } else { vec![line] }), plan)
    });
    reports.collect()
}

#[test]
fn a_lost_newline_makes_one_line_wrong_and_one_missing() {
    let join = |nth, mut line: Vec<u8>| {
        line.truncate(line.len() - usize::from(nth == 60));
        vec![line]
    };
    for report in spoil_line(join) {
        let wrong = Counts { wrong: 1, spoilt: 1, ..Counts::default() };
        let kinds = vec![(5, FaultKind::Wrong), (5, FaultKind::Missing)];
        assert_eq!(told(&report), (kinds, wrong, 1));
    }
}

#[test]
fn an_escaped_character_is_wrong() {
    let escape = |nth, mut line: Vec<u8>| {
        if nth == 60 {
            let escaped = format!("\\x{:02x}", line[50]);
            line.splice(50..51, escaped.bytes());
        }
        vec![line]
    };
    for report in spoil_line(escape) {
        let wrong = Counts { wrong: 1, spoilt: 1, ..Counts::default() };
        assert_eq!(told(&report), (vec![(5, FaultKind::Wrong)], wrong, 0));
    }
}

#[test]
fn a_swapped_pair_of_one_sender_is_out_of_order() {
    let mut held = Vec::new();
    let swap = move |nth, line: Vec<u8>| match nth {
        60 => {
            held = line;
            vec![]
        }
        62 => vec![line, std::mem::take(&mut held)], // 61 is the other sender's
        _ => vec![line],
    };
    for report in spoil_line(swap) {
        let swapped = Counts { out_of_order: 1, ..Counts::default() };
        assert_eq!(told(&report), (vec![(5, FaultKind::OutOfOrder)], swapped, 0));
    }
}

#[test]
fn what_comes_behind_the_last_delivery_is_seen_too() {
    for (extra, is_whole) in [(&b"no line of ours\n"[..], true), (b"half a line", false), (b"\n", true)] {
        let mut lines = 0;
        let add = move |_, line: Vec<u8>| {
            lines += usize::from(line.len() > 17); // shorter ones are probes
            if lines == 1100 {
                lines = 0;
                vec![line, extra.to_vec()]
            } else {
                vec![line]
            }
        };
        for report in spoil_line(add) {
            let wrong = Counts { wrong: 1, ..Counts::default() };
            assert_eq!((told(&report).1, told(&report).2), (wrong, 0), "{}", extra.escape_ascii());
            // what stands before the last probe on its line hides it
            let hidden = (!is_whole).then_some(GaveUp::Silence);
            assert_eq!(report.gave_up, hidden, "{}", extra.escape_ascii());
        }
    }
}

#[test]
fn ones_own_line_back_is_wrong() {
    for plan in rooms(&Plan { sizes: 100..=200, ..plan(rate(1000)) }) {
        let mut own = None;
        let echo = move |to, nth, line: Vec<u8>| {
            if to == 5 && nth > 40 && is_of_second_sender(&line) {
                own = Some(line.clone());
            }
            if (to, nth) == (1, 60) { vec![own.take().unwrap(), line] } else { vec![line] }
        };
        let report = run(with_fault(echo), plan);
        let wrong = Counts { wrong: 1, ..Counts::default() };
        assert_eq!(told(&report), (vec![(1, FaultKind::Wrong)], wrong, 0));
        assert_eq!(report.faults[0].message.map(|id| id.sender), Some(1));
    }
}

/// A line names its sender behind four characters that name the run.
fn is_of_second_sender(line: &[u8]) -> bool {
    line.len() > 17 && line[4..8] == *b"0001"
}

#[test]
fn when_the_relay_cuts_off_the_others_go_on() {
    for plan in rooms(&plan(window(8))) {
        for gone in [0, 1, 7] {
            let report = run(Habits { cuts_off: Some((gone, 90)), ..Habits::default() }, plan.clone());
            assert_eq!(report.total().cut_off, 1);
            let others = (0..10).filter(|&at| at != gone).map(|at| &report.accounts[at]);
            assert!(others.clone().all(|account| account.is_right()), "{gone}");
            assert_eq!(report.gave_up, None, "the last probe is another's");
        }
    }
}

#[test]
fn where_no_lines_are_passed_on_there_is_no_run() {
    for (plan, said) in rooms(&plan(rate(1))).into_iter().zip([
        "127.0.0.1:7333 has answered the pings of 0 of 10 peers, and none for 10 s more: is that a relay?",
        "127.0.0.1:7444 has passed our lines on to 0 of 10 peers, and none for 10 s more: is that where a relay \
         takes lines?",
    ]) {
        let error = try_run(&World::new(Habits { is_mute: true, ..Habits::default() }), plan.clone());
        assert_eq!(error.unwrap_err().to_string(), said);
        let error = try_run(&World::new(Habits { refuses: vec![5], ..Habits::default() }), plan);
        assert_eq!(
            error.unwrap_err().to_string(),
            "127.0.0.1:7444 closed the connection of peer 5 of 10 at once: it is full, or has banned 127.1.0.6, \
             or takes no lines there; its log says which"
        );
    }
}

#[test]
fn a_relay_that_stalls_is_given_up_with_lines_too() {
    let habits = || Habits { stall: SECOND / 2..100 * SECOND, ..Habits::default() };
    for plan in rooms(&Plan { duration: Duration::from_secs(1), ..plan(rate(1000)) }) {
        let report = run(habits(), plan);
        assert_eq!(report.gave_up, Some(GaveUp::Silence));
        assert!(report.total().missing > 0);
    }
}
