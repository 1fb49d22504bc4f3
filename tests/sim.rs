//! Worlds by their seeds: every seed another company, other faults, other ways, and a judge that looks at every turn.

use peer_relay::sim::{Setup, Trace, Wishes, World};

#[test]
fn seeds_find_nothing() {
    for seed in 0..100 {
        let outcome = World::new(Setup::draw(seed, &Wishes::default()), Trace::new()).run();
        if let Some((at, broken)) = outcome.broken {
            panic!("seed {seed} at {} us: {broken}", at.as_micros());
        }
    }
}

#[test]
fn two_runs_of_a_seed_are_the_same() {
    let hash = |seed| World::new(Setup::draw(seed, &Wishes::default()), Trace::new()).run().hash;
    for seed in 0..10 {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
        assert_ne!(hash(seed), hash(seed + 1));
    }
}
