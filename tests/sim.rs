//! Worlds by their seeds: every seed another company, other faults, other ways, and a judge that looks at every turn.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use peer_relay::sim::{
    Broken, Cargo, Chance, Citizen, Fault, Happened, Lie, Mesh, MeshOutcome, MeshSetup, Outcome, Profile,
    Role, Setup, Topology, Town, TownOutcome, TownSetup, Trace, Wishes, World,
};
use peer_relay::time::Instant;

/// Seeds that every run of the tests tries.
const SEEDS: u64 = 320;

/// Seeds that have found something, and what it was; so far always a fault of the worlds' or of their judge's. They
/// are tried for ever.
const FOUND: [(u64, &str); 6] = [
    (77, "whoever is leaving may be over the soft limit for longer: it has the drain time"),
    (159, "a queue that falls below the soft limit within a turn and grows again begins its time anew"),
    (364, "more honest peers than places: somebody was never in the room"),
    (906, "whoever stays may hold more than whoever was cut off for memory: it came later in the turn"),
    (1214, "over short wave a queue of megabytes takes days to arrive"),
    (
        4901,
        "who takes none of its answers is sent away for its silence, and has the drain time for its queue",
    ),
];

/// Says which world it was, should one panic.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("replay: peer-relay sim --seed {}", self.0);
        }
    }
}

fn run(seed: u64) -> Outcome {
    let _replay = Replay(seed);
    World::new(Setup::draw(seed, &Wishes::default()), Trace::new()).run()
}

fn run_mesh(seed: u64) -> MeshOutcome {
    let _replay = Replay(seed);
    Mesh::new(MeshSetup::draw(seed), Trace::new()).run()
}

fn run_town(seed: u64) -> TownOutcome {
    let _replay = Replay(seed);
    Town::new(TownSetup::draw(seed), Trace::new()).run()
}

/// What came of a seed.
trait Ended: Send + 'static {
    fn seed(&self) -> u64;
    fn broken(&self) -> Option<&(Instant, Broken)>;
}

impl Ended for Outcome {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn broken(&self) -> Option<&(Instant, Broken)> {
        self.broken.as_ref()
    }
}

impl Ended for MeshOutcome {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn broken(&self) -> Option<&(Instant, Broken)> {
        self.broken.as_ref()
    }
}

impl Ended for TownOutcome {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn broken(&self) -> Option<&(Instant, Broken)> {
        self.broken.as_ref()
    }
}

/// The worlds of these seeds, two at a time. The first broken promise fails the test, with what replays it.
fn run_all<O: Ended>(seeds: impl IntoIterator<Item = u64>, run: fn(u64) -> O) -> Vec<O> {
    let seeds: Vec<u64> = seeds.into_iter().collect();
    let halves = [0, 1].map(|half| seeds.iter().copied().skip(half).step_by(2).collect::<Vec<u64>>());
    let runs = halves.map(|seeds| thread::spawn(move || seeds.into_iter().map(run).collect::<Vec<O>>()));
    let outcomes: Vec<O> = runs.into_iter().flat_map(|run| run.join().unwrap()).collect();
    for outcome in &outcomes {
        if let Some((at, broken)) = outcome.broken() {
            let (at, seed) = (at.as_micros(), outcome.seed());
            panic!("at {at} us: {broken}\nreplay: peer-relay sim --seed {seed} --trace");
        }
    }
    outcomes
}

fn planned(profile: Profile, peers: u32, seconds: u64) -> Outcome {
    let wishes =
        Wishes { profile: Some(profile), peers: Some(peers), duration: Some(Duration::from_secs(seconds)) };
    let outcome = World::new(Setup::draw(7, &wishes), Trace::new()).run();
    assert_eq!(outcome.broken, None, "{profile}");
    outcome
}

/// What happened in all of them together, by name; what never did is a defect of the worlds.
fn assert_all_happened<K: Ord + std::fmt::Debug>(
    happened: &BTreeMap<K, u64>,
    all: impl IntoIterator<Item = K>,
) {
    let never: Vec<K> =
        all.into_iter().filter(|what| happened.get(what).is_none_or(|&count| count == 0)).collect();
    assert!(never.is_empty(), "never happened: {never:?}; {happened:?}");
}

#[test]
fn hundreds_of_seeds_break_no_promise_and_leave_nothing_untried() {
    let outcomes = run_all(0..SEEDS, run);
    let (mut faults, mut roles) = (BTreeMap::new(), BTreeMap::new());
    let (mut closed, mut refused) = (BTreeMap::new(), BTreeMap::new());
    for outcome in &outcomes {
        outcome.faults.iter().for_each(|(&fault, count)| *faults.entry(fault).or_insert(0) += count);
        outcome.roles.iter().for_each(|(&role, (_, moves))| *roles.entry(role).or_insert(0) += moves);
        outcome.closed.iter().for_each(|(&reason, count)| *closed.entry(reason).or_insert(0) += count);
        outcome.refused.iter().for_each(|(&refusal, count)| *refused.entry(refusal).or_insert(0) += count);
    }
    assert_all_happened(&faults, Fault::ALL);
    assert_all_happened(&roles, Role::ALL);
    let reasons = ["eof", "reset", "offence", "banned", "address-banned", "other-protocol", "frame-timeout"];
    let more = ["idle-timeout", "queue-soft", "queue-hard", "memory", "drain", "shutdown"];
    assert_all_happened(&closed, reasons.into_iter().chain(more));
    assert_all_happened(&refused, ["banned", "full", "too-many-from-address"]);
    let sum = |count: fn(&Outcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    for (what, count) in [
        ("stalls", sum(|outcome| outcome.troubles.stalls)),
        ("fades", sum(|outcome| outcome.troubles.fades)),
        ("connections refused", sum(|outcome| outcome.knocks)),
        ("load tests", sum(|outcome| outcome.load.is_some().into())),
        ("bans", sum(|outcome| outcome.bans)),
        ("peers that speak lines", sum(|outcome| outcome.mixed.lines)),
        ("lines that came as lines", sum(|outcome| outcome.mixed.line_to_line)),
        ("lines that came as frames", sum(|outcome| outcome.mixed.line_to_frame)),
        ("frames that came as lines", sum(|outcome| outcome.mixed.frame_to_line)),
        ("bans for a line too long", sum(|outcome| outcome.mixed.lines_banned)),
    ] {
        assert!(count > 0, "no {what} in {SEEDS} seeds");
    }
    let deliveries = sum(|outcome| outcome.figures.deliveries());
    assert!(deliveries > 1_000_000, "{deliveries} deliveries");
}

#[test]
fn hundreds_of_meshes_carry_everything_once_and_leave_nothing_untried() {
    let outcomes = run_all(0..SEEDS, run_mesh);
    let (mut topologies, mut happened) = (BTreeMap::new(), BTreeMap::new());
    for outcome in &outcomes {
        *topologies.entry(outcome.topology).or_insert(0) += 1;
        outcome.happened.iter().for_each(|(&what, count)| *happened.entry(what).or_insert(0) += count);
    }
    assert_all_happened(&topologies, Topology::ALL);
    assert_all_happened(&happened, Happened::ALL);
    assert!(happened[&Happened::Heard] > 100_000, "{happened:?}");
}

#[test]
fn hundreds_of_towns_agree_believe_no_liar_and_leave_nothing_untried() {
    let outcomes = run_all(0..SEEDS, run_town);
    let (mut people, mut lies, mut happened) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for outcome in &outcomes {
        outcome.people.iter().for_each(|(&role, (_, moves))| *people.entry(role).or_insert(0) += moves);
        outcome.lies.iter().for_each(|(&lie, count)| *lies.entry(lie).or_insert(0) += count);
        outcome.happened.iter().for_each(|(&what, count)| *happened.entry(what).or_insert(0) += count);
    }
    assert_all_happened(&people, Citizen::ALL);
    assert_all_happened(&lies, Lie::ALL);
    assert_all_happened(&happened, Chance::ALL.iter().copied());
    assert!(happened[&Chance::Told] > 50_000, "{happened:?}");
}

#[test]
fn what_was_found_once_stays_mended() {
    let stories: BTreeSet<&str> = FOUND.iter().map(|(_, story)| *story).collect();
    assert_eq!(stories.len(), FOUND.len(), "each has its own story");
    run_all(FOUND.iter().map(|(seed, _)| *seed), run);
}

#[test]
fn two_runs_of_a_seed_are_the_same_and_no_two_seeds_are() {
    let mut hashes = BTreeSet::new();
    for seed in 0..20 {
        let (first, second) = (run(seed), run(seed));
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert_eq!((first.lasted, first.accepted), (second.lasted, second.accepted), "seed {seed}");
        assert!(hashes.insert(first.hash), "seed {seed} is another's twin");
        let (first, second) = (run_mesh(seed), run_mesh(seed));
        assert_eq!((first.hash, first.lasted), (second.hash, second.lasted), "the mesh of seed {seed}");
        assert!(hashes.insert(first.hash), "the mesh of seed {seed} is another's twin");
        let (first, second) = (run_town(seed), run_town(seed));
        assert_eq!((first.hash, first.lasted), (second.hash, second.lasted), "the town of seed {seed}");
        assert!(hashes.insert(first.hash), "the town of seed {seed} is another's twin");
    }
}

/// The number in the README, which a release build printed. Whoever changes what the relay does, or when, changes it:
/// then that is run again.
#[test]
fn a_seed_is_the_same_world_in_this_build_as_in_a_release_build() {
    let readme = include_str!("../README.md");
    let told = readme.lines().find_map(|line| line.trim().strip_prefix("trace         ")).unwrap();
    let wishes = Wishes { profile: Some(Profile::HfRadio), peers: Some(20), duration: None };
    let hash = World::new(Setup::draw(1, &wishes), Trace::new()).run().hash;
    assert_eq!(told.split(' ').next(), Some(format!("{hash:016x}").as_str()));
}

#[test]
fn a_trace_tells_every_step_and_changes_none() {
    let mut world = World::new(Setup::draw(3, &Wishes::default()), Trace::in_lines());
    let mut lines = String::new();
    while !world.go_on(1000) {
        lines += &world.take_lines();
    }
    lines += &world.take_lines();
    assert_eq!(world.outcome().hash, run(3).hash);
    for what in ["accepts #", "lets in #", "reads #", "writes to #", "closes #"] {
        assert!(lines.contains(what), "no line with {what:?}");
    }
}

#[test]
fn a_planned_world_delivers_everything_on_every_kind_of_way() {
    for profile in Profile::ALL {
        let seconds = if profile == Profile::HfRadio { 1200 } else { 20 };
        let outcome = planned(profile, 10, seconds);
        let load = outcome.load.unwrap();
        let total = load.total();
        assert!(load.is_right() && total.due >= 9 * 60, "{profile}: {total:?}");
        assert_eq!(outcome.closed.keys().copied().collect::<Vec<_>>(), ["eof"], "{profile}");
        assert_eq!(outcome.figures.deliveries(), total.due, "{profile}: the world and the tester agree");
    }
}

/// What the profile promises is what is measured.
#[test]
fn a_delivery_takes_as_long_as_its_ways() {
    let median = |profile| {
        let outcome = planned(profile, 5, 30);
        Duration::from_micros(outcome.figures.latency().value_at_quantile(0.5))
    };
    for (profile, least, most) in
        [(Profile::Lan, 2, 3), (Profile::Wan, 100, 106), (Profile::Satellite, 600, 630)]
    {
        let median = median(profile);
        let span = Duration::from_millis(least)..Duration::from_millis(most);
        assert!(span.contains(&median), "{profile}: {median:?}");
    }
}

/// A node behind a short-wave link, and what it waits for, as the README has it.
const RADIO: [&str; 6] = [
    "| over `hf-radio` at | bytes | 300 bit/s | 1,200 bit/s |",
    "|---|---:|---:|---:|",
    "| a block of 10 KB, 59 transactions, as JSON | 32,788 | 15 min 55 s | 4 min 3 s |",
    "| a block of 10 KB, 59 transactions, the same in binary | 10,228 | 5 min 1 s | 1 min 20 s |",
    "| a chain of 100 blocks, no transactions, as JSON | 53,333 | 27 min 17 s | 6 min 31 s |",
    "| a chain of 100 blocks, no transactions, the same in binary | 14,008 | 6 min 50 s | 1 min 46 s |",
];

/// Minutes and seconds.
fn shown(span: Duration) -> String {
    format!("{} min {} s", span.as_secs() / 60, span.as_secs() % 60)
}

fn radio_table() -> Vec<String> {
    let mut table: Vec<String> = RADIO[..2].iter().map(ToString::to_string).collect();
    let cargos = [
        ("a block of 10 KB, 59 transactions", Cargo::largest_block()),
        ("a chain of 100 blocks, no transactions", Cargo::empty_blocks(100)),
    ];
    for (what, cargo) in cargos {
        let [slow, fast] = [300, 1200].map(|rate| cargo.air_time(rate));
        for (how, len, times) in [
            ("as JSON", cargo.json_len(), [slow.json, fast.json]),
            ("the same in binary", cargo.binary_len(), [slow.binary, fast.binary]),
        ] {
            let [slow, fast] = times.map(shown);
            let len = format!("{},{:03}", len / 1000, len % 1000);
            table.push(format!("| {what}, {how} | {len} | {slow} | {fast} |"));
        }
    }
    table
}

/// `cargo test --test sim radio -- --nocapture` shows it.
#[test]
fn a_node_behind_a_radio_link_waits_as_long_as_the_readme_says() {
    let table = radio_table();
    println!("{}", table.join("\n"));
    assert_eq!(table, RADIO);
    let readme = include_str!("../README.md");
    let missing: Vec<&str> = RADIO.into_iter().filter(|line| !readme.contains(line)).collect();
    assert!(missing.is_empty(), "not in the README: {missing:#?}");
}
