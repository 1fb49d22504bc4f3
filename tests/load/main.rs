//! The load tester in a room whose every delivery and delay is known: what it says must be what was done to it.

mod lines;
mod world;

use std::num::NonZeroU64;
use std::time::Duration;

use peer_relay::load::{
    Account, Counts, Dialect, FaultKind, GaveUp, Load, LoadError, MessageId, PATIENCE, Pace, Phase, Plan,
    Report,
};
use peer_relay::wire::Network;
use world::{DELAY, Fault, Habits, World};

const SECOND: u64 = 1_000_000;

fn rate(rate: u64) -> Pace {
    Pace::Rate(NonZeroU64::new(rate).unwrap())
}

fn window(window: u64) -> Pace {
    Pace::Window(NonZeroU64::new(window).unwrap())
}

/// Ten peers, two of them senders; a second of an open loop is measured, and as many deliveries of a closed one.
fn plan(pace: Pace) -> Plan {
    let millis = match pace {
        Pace::Rate(_) | Pace::Every(_) => 1000,
        Pace::Window(window) => 800 / window.get().min(64),
    };
    Plan {
        to: "127.0.0.1:7333".parse().unwrap(),
        dialect: Dialect::Frames,
        lines_at: None,
        magic: Network::PRIVATE.magic,
        command: "msg".parse().unwrap(),
        peers: 10,
        senders: 2,
        sizes: 16..=400,
        pace,
        warmup: Duration::from_millis(millis / 10),
        duration: Duration::from_millis(millis),
        max_bytes: u64::MAX,
        patience: PATIENCE,
        seed: 7,
    }
}

fn try_run(world: &World, plan: Plan) -> Result<Report, LoadError> {
    let mut load = Load::new(world.room(), plan);
    for _ in 0..10_000_000 {
        if load.turn(None)? == Phase::Over {
            return Ok(load.report());
        }
    }
    panic!("it never ends");
}

fn run(habits: Habits, plan: Plan) -> Report {
    try_run(&World::new(habits), plan).unwrap()
}

fn with_fault(fault: impl FnMut(usize, usize, Vec<u8>) -> Vec<Vec<u8>> + 'static) -> Habits {
    Habits { fault: Some(Box::new(fault) as Fault), ..Habits::default() }
}

#[test]
fn in_an_open_loop_every_message_is_sent_when_it_is_due_and_all_of_them_come() {
    let world = World::new(Habits::default());
    let report = try_run(&world, plan(rate(1000))).unwrap();
    let total = report.total();
    assert!(total.is_right(), "{total:?}");
    let written = world.written_at();
    assert_eq!(written.len(), 1100, "for a second and a tenth");
    assert!(written.windows(2).all(|pair| pair[1] - pair[0] == 1000), "one each millisecond");
    assert_eq!(total.due, 1100 * 9);
    assert_eq!((report.deliveries, report.measured), (1000 * 9, Duration::from_secs(1)));
    assert_eq!(report.latency.len(), 1000 * 9);
    assert_eq!((report.latency.min(), report.latency.max()), (100, 100), "{DELAY:?}");
    assert_eq!(report.over_time.iter().sum::<u64>(), report.deliveries);
    assert!(report.over_time.iter().all(|&count| (81..=99).contains(&count)), "{:?}", report.over_time);
    for account in &report.accounts[2..] {
        assert_eq!((account.due, account.counts.came), (1100, 1100));
    }
    assert_eq!(report.accounts[0].due, 550, "a sender does not get its own");
}

#[test]
fn a_stall_is_charged_for_everything_that_had_to_wait() {
    let start = SECOND / 2;
    let habits = Habits { stall: start..start + SECOND / 2, ..Habits::default() };
    let report = run(habits, plan(rate(1000)));
    assert!(report.total().is_right());
    assert_eq!(report.latency.len(), 1000 * 9, "each that was due is counted");
    // half of them were due in the stall, and waited from nothing to half a second
    let at = |percentile| report.latency.value_at_percentile(percentile);
    assert_eq!(at(45.0), 100);
    assert!(at(75.0).abs_diff(SECOND / 4) < 5000, "{}", at(75.0));
    assert!(at(99.0).abs_diff(SECOND / 2) < 20_000, "{}", at(99.0));
}

#[test]
fn what_the_relay_did_not_take_in_time_counts_as_late() {
    // it takes 64 KiB of each sender, and nothing more until long after the end
    let habits = Habits { stall: SECOND / 2..3 * SECOND, ..Habits::default() };
    let report = run(habits, Plan { sizes: 1000..=1000, ..plan(rate(10_000)) });
    assert!(report.never_sent > 1000, "{}", report.never_sent);
    assert!(report.total().is_right(), "what was never sent was never due: {:?}", report.total());
    assert_eq!(report.latency.len(), 10_000 * 9, "and yet each has a latency");
    assert!(report.latency.value_at_percentile(60.0) > SECOND / 10);
}

#[test]
fn in_a_closed_loop_no_more_than_the_window_is_under_way() {
    for messages in [1, 7, 64] {
        let world = World::new(Habits::default());
        let report = try_run(&world, plan(window(messages))).unwrap();
        assert!(report.total().is_right());
        assert_eq!(world.most_under_way() as u64, messages * 9);
        let rounds = (plan(window(messages)).duration.as_micros() * 11 / 10 / DELAY.as_micros()) as u64;
        let sent = world.written_at().len() as u64;
        assert!(sent.abs_diff(messages * rounds) <= 12 * messages, "{sent} in {rounds} rounds of {messages}");
    }
}

#[test]
fn a_closed_loop_that_stalls_asks_for_less() {
    let habits = Habits { stall: SECOND / 2..SECOND, ..Habits::default() };
    let report = run(habits, Plan { duration: Duration::from_secs(1), ..plan(window(4)) });
    assert!(report.latency.value_at_percentile(99.0) < 1000, "that is why it is labelled");
    assert!(report.latency.max() > SECOND / 2 - 10_000);
}

#[test]
fn a_tester_that_oversleeps_the_end_is_charged_for_what_it_sent_too_late() {
    let habits = Habits { sleep: SECOND / 2..5 * SECOND, ..Habits::default() };
    let report = run(habits, plan(rate(1000)));
    assert!(report.total().is_right());
    assert_eq!((report.never_sent, report.latency.len()), (0, 1000 * 9), "each that was due is counted");
    assert!(report.latency.value_at_percentile(60.0) > 4 * SECOND - SECOND / 2);
}

#[test]
fn how_late_the_tester_itself_was_is_told() {
    let report = run(Habits { sleep: SECOND / 2..SECOND * 6 / 10, ..Habits::default() }, plan(rate(1000)));
    assert!(report.total().is_right());
    assert_eq!((report.lateness.len(), report.lateness.value_at_percentile(50.0)), (1000, 0));
    assert!(report.lateness.max().abs_diff(SECOND / 10) < 2000, "{}", report.lateness.max());
}

#[test]
fn the_greatest_rates_and_windows_end_as_planned() {
    let warmup = Duration::ZERO;
    let brief = |pace| Plan { sizes: 4000..=4000, warmup, duration: Duration::from_millis(2), ..plan(pace) };
    let report = run(Habits::default(), brief(rate(1_000_000_000)));
    assert!(report.never_sent > 1_900_000 && report.total().is_right(), "{}", report.never_sent);
    let report = run(Habits::default(), brief(window(1_000_000)));
    assert!(report.total().is_right());
    assert!(report.total().due < 100_000, "no more is made than the sockets nearly take");
}

/// The kinds of fault that are named, and the sums.
fn told(report: &Report) -> (Vec<(u32, FaultKind)>, Counts, u64) {
    let faults = report.faults.iter().map(|fault| (fault.receiver, fault.kind)).collect();
    let total = report.total();
    (faults, Counts { came: 0, ..total.counts }, total.missing)
}

#[test]
fn a_dropped_delivery_is_missing_at_its_receiver() {
    let drop = |to, nth, frame| if (to, nth) == (3, 50) { vec![] } else { vec![frame] };
    for pace in [rate(1000), window(8)] {
        let report = run(with_fault(drop), plan(pace));
        assert_eq!(told(&report), (vec![(3, FaultKind::Missing)], Counts::default(), 1));
        assert!(report.faults[0].message.is_some());
        let faulty: Vec<usize> = (0..10).filter(|&at| !report.accounts[at].is_right()).collect();
        assert_eq!(faulty, [3]);
    }
}

#[test]
fn the_very_last_delivery_is_missed_too() {
    let drop = |to, nth, frame| if to == 3 && nth == 1099 { vec![] } else { vec![frame] };
    let report = run(with_fault(drop), plan(rate(1000)));
    assert_eq!(told(&report), (vec![(3, FaultKind::Missing)], Counts::default(), 1));
    assert_eq!(report.faults[0].message, Some(MessageId { sender: 1, number: 549 }));
}

#[test]
fn a_flipped_bit_is_wrong() {
    let flip = |to, nth, mut frame: Vec<u8>| {
        if (to, nth) == (4, 60) {
            *frame.last_mut().unwrap() ^= 0x10;
        }
        vec![frame]
    };
    // 16 bytes of payload say whose it is: more, so that the last one is not of these
    let report = run(with_fault(flip), Plan { sizes: 100..=200, ..plan(rate(1000)) });
    let wrong = Counts { wrong: 1, spoilt: 1, ..Counts::default() };
    assert_eq!(told(&report), (vec![(4, FaultKind::Wrong)], wrong, 0));
}

#[test]
fn a_swapped_pair_of_one_sender_is_out_of_order() {
    let mut held = None;
    let swap = move |to, nth, frame: Vec<u8>| match (to, nth) {
        (5, 70) => {
            held = Some(frame);
            vec![]
        }
        (5, 72) => vec![frame, held.take().unwrap()], // 71 is the other sender's
        _ => vec![frame],
    };
    let report = run(with_fault(swap), plan(rate(1000)));
    let swapped = Counts { out_of_order: 1, ..Counts::default() };
    assert_eq!(told(&report), (vec![(5, FaultKind::OutOfOrder)], swapped, 0));
}

#[test]
fn a_doubled_delivery_came_twice() {
    let double =
        |to, nth, frame: Vec<u8>| if (to, nth) == (6, 80) { vec![frame.clone(), frame] } else { vec![frame] };
    let report = run(with_fault(double), plan(rate(1000)));
    let doubled = Counts { twice: 1, ..Counts::default() };
    assert_eq!(told(&report), (vec![(6, FaultKind::Twice)], doubled, 0));
}

#[test]
fn what_comes_behind_the_last_delivery_is_seen_too() {
    for extra in [b"no frame at all".as_slice(), &[0; 100]] {
        let add = move |to, nth, frame: Vec<u8>| {
            if (to, nth) == (6, 1099) { vec![frame, extra.to_vec()] } else { vec![frame] }
        };
        let report = run(with_fault(add), plan(rate(1000)));
        let wrong = Counts { wrong: 1, ..Counts::default() };
        assert_eq!(told(&report), (vec![(6, FaultKind::Wrong)], wrong, 0));
        assert_eq!(report.gave_up, None);
    }
    let double = |to, nth, frame: Vec<u8>| {
        if (to, nth) == (6, 1099) { vec![frame.clone(), frame] } else { vec![frame] }
    };
    let report = run(with_fault(double), plan(rate(1000)));
    let twice = Counts { twice: 1, ..Counts::default() };
    assert_eq!(told(&report), (vec![(6, FaultKind::Twice)], twice, 0));
}

#[test]
fn half_a_frame_behind_the_last_delivery_is_wrong() {
    for len in [1, 23, 24, 39, 41, 60] {
        let cut = move |to, nth, frame: Vec<u8>| {
            let half = frame[..len].to_vec();
            if (to, nth) == (6, 1099) { vec![frame, half] } else { vec![frame] }
        };
        let report = run(with_fault(cut), Plan { sizes: 100..=100, ..plan(rate(1000)) });
        let wrong = Counts { wrong: 1, ..Counts::default() };
        assert_eq!(told(&report), (vec![(6, FaultKind::Wrong)], wrong, 0), "{len} bytes of it");
        assert!(!report.is_right());
    }
}

#[test]
fn a_relay_that_delivers_nothing_has_not_passed() {
    // one message that is never taken whole
    let stall = Habits { stall: 1000..100 * SECOND, ..Habits::default() };
    let report = run(stall, Plan { sizes: 900_000..=900_000, ..plan(window(1)) });
    assert!(!report.is_right());
    assert_eq!(report.gave_up, Some(GaveUp::Silence));
}

#[test]
fn when_nobody_is_left_the_run_ends_whenever_that_is() {
    for nth in 0..60 {
        let habits = Habits { cuts_off: Some((1, nth)), ..Habits::default() };
        let report = run(habits, Plan { peers: 2, ..plan(rate(1000)) });
        assert_eq!(report.gave_up, Some(GaveUp::Alone));
        assert!(!report.is_right());
    }
}

#[test]
fn a_relay_that_loses_everything_is_found_out_and_the_run_ends() {
    for pace in [rate(1000), window(64)] {
        let report = run(with_fault(|_, _, _| vec![]), plan(pace));
        let total = report.total();
        assert_eq!((total.counts.came, total.missing), (0, total.due));
        assert!(total.due > 0 && report.faults.iter().map(|fault| fault.count).sum::<u64>() == total.missing);
    }
}

#[test]
fn a_relay_that_falls_silent_is_given_up_and_charged_for_what_it_holds() {
    let report = run(Habits { stall: SECOND / 2..100 * SECOND, ..Habits::default() }, plan(rate(1000)));
    assert_eq!(report.gave_up, Some(GaveUp::Silence));
    let total = report.total();
    assert!(total.missing > 0 && total.missing == total.due - total.counts.came, "{total:?}");
    let at = |percentile| report.latency.value_at_percentile(percentile);
    assert_eq!(report.latency.len(), 1000 * 9, "each that was due is counted");
    assert!(at(30.0) == 100 && at(75.0) > 9 * SECOND, "{} {}", at(30.0), at(75.0));
}

#[test]
fn who_is_cut_off_is_told_and_the_others_go_on() {
    let habits = Habits { cuts_off: Some((7, 90)), ..Habits::default() };
    let report = run(habits, plan(window(8)));
    let total = report.total();
    assert_eq!(total.cut_off, 1);
    assert_eq!(report.faults.iter().map(|fault| fault.count).sum::<u64>(), total.missing, "no more is named");
    assert!(report.accounts[7].missing > 0 && !report.accounts[7].is_right());
    let others = (0..10).filter(|&at| at != 7).map(|at| &report.accounts[at]);
    assert!(others.clone().all(Account::is_right));
    assert!(others.map(|account| account.counts.came).max().unwrap() > 1000, "the window is theirs");
}

#[test]
fn a_run_ends_early_at_its_bytes() {
    let report = run(Habits::default(), Plan { max_bytes: 100_000, ..plan(rate(1000)) });
    assert!((100_000..110_000).contains(&report.bytes), "{}", report.bytes);
    assert!(report.measured < Duration::from_millis(100), "{:?}", report.measured);
    assert!(report.total().is_right());
}

#[test]
fn a_run_is_the_same_again_with_the_same_seed() {
    let figures = |seed| {
        let report = run(Habits::default(), Plan { seed, ..plan(window(8)) });
        (report.deliveries, report.bytes)
    };
    assert_eq!(figures(1), figures(1));
    assert_ne!(figures(1), figures(2), "other sizes");
}

#[test]
fn a_relay_that_turns_somebody_away_is_no_run() {
    let error = try_run(&World::new(Habits { refuses: vec![4], ..Habits::default() }), plan(rate(1)));
    assert_eq!(
        error.unwrap_err().to_string(),
        "127.0.0.1:7333 closed the connection of peer 4 of 10 at once: it is full, or has banned 127.1.0.5, or \
         speaks another network's magic; its log says which"
    );
}

#[test]
fn a_relay_that_does_not_answer_is_no_run() {
    let error = try_run(&World::new(Habits { is_mute: true, ..Habits::default() }), plan(rate(1)));
    assert_eq!(
        error.unwrap_err().to_string(),
        "127.0.0.1:7333 has answered the pings of 0 of 10 peers, and none for 10 s more: is that a relay?"
    );
}

#[test]
fn everybody_may_send() {
    let report = run(Habits::default(), Plan { senders: 10, ..plan(window(64)) });
    assert!(report.total().is_right());
    assert!(report.accounts.iter().all(|account| account.counts.came > 0));
}

#[test]
fn a_slow_rate_is_not_taken_for_silence() {
    let slow = Plan { duration: Duration::from_secs(50), ..plan(Pace::Rate(NonZeroU64::MIN)) };
    let mut report = run(Habits::default(), Plan { warmup: Duration::ZERO, ..slow });
    report.accounts.truncate(3);
    assert!(report.accounts.iter().all(|account| account.is_right() && account.due >= 25), "{report:?}");
}
