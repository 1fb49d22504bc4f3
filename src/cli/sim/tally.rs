//! What came of worlds, added up. Knows numbers only.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::load::{Account, Report};
use crate::sim::{Chance, Citizen, Lie, TownOutcome};
use crate::sim::{Fault, Figures, Happened, MeshOutcome, Mixed, Outcome, Role, Topology, Troubles};

/// Worlds in sum.
#[derive(Clone, Debug)]
pub struct Tally {
    pub worlds: u64,
    /// In their own time.
    pub lasted: Duration,
    pub figures: Figures,
    /// Most bytes under way at once, and queued at once, for all receivers of a world together.
    pub under_way: u64,
    pub queued: u64,
    pub accepted: u64,
    pub closed: BTreeMap<&'static str, u64>,
    pub refused: BTreeMap<&'static str, u64>,
    pub bans: u64,
    pub faults: BTreeMap<Fault, u64>,
    pub roles: BTreeMap<Role, (u64, u64)>,
    pub troubles: Troubles,
    pub mixed: Mixed,
    pub knocks: u64,
    pub load: Option<LoadTally>,
    /// Meshes, by how their relays were joined, and what happened in them.
    pub meshes: BTreeMap<Topology, u64>,
    pub happened: BTreeMap<Happened, u64>,
    /// Towns, who came there and moved how often, what liars said, and what happened in them.
    pub towns: u64,
    pub people: BTreeMap<Citizen, (u64, u64)>,
    pub lies: BTreeMap<Lie, u64>,
    pub chances: BTreeMap<Chance, u64>,
    /// Of all of them, in order.
    pub hash: u64,
}

/// Load testers in sum.
#[derive(Clone, Debug)]
pub struct LoadTally {
    pub runs: u64,
    pub total: Account,
    /// From due to delivered, and from due to sent: microseconds.
    pub latency: Histogram<u64>,
    pub lateness: Histogram<u64>,
    pub never_sent: u64,
}

impl Tally {
    /// No world yet.
    pub fn new() -> Self {
        Self {
            worlds: 0,
            lasted: Duration::ZERO,
            figures: Figures::new(),
            under_way: 0,
            queued: 0,
            accepted: 0,
            closed: BTreeMap::new(),
            refused: BTreeMap::new(),
            bans: 0,
            faults: BTreeMap::new(),
            roles: BTreeMap::new(),
            troubles: Troubles::default(),
            mixed: Mixed::default(),
            knocks: 0,
            load: None,
            meshes: BTreeMap::new(),
            happened: BTreeMap::new(),
            towns: 0,
            people: BTreeMap::new(),
            lies: BTreeMap::new(),
            chances: BTreeMap::new(),
            hash: 0,
        }
    }

    /// One world more.
    pub fn add(&mut self, outcome: &Outcome) {
        self.worlds += 1;
        self.lasted += outcome.lasted;
        self.figures.add(&outcome.figures);
        for stretch in outcome.figures.over_time().0 {
            self.under_way = self.under_way.max(stretch.under_way);
            self.queued = self.queued.max(stretch.queued);
        }
        self.accepted += outcome.accepted;
        self.hash = self.hash.rotate_left(1) ^ outcome.hash;
        add_counts(&mut self.closed, &outcome.closed);
        add_counts(&mut self.refused, &outcome.refused);
        self.bans += outcome.bans;
        add_counts(&mut self.faults, &outcome.faults);
        add_pairs(&mut self.roles, &outcome.roles);
        self.troubles.add(outcome.troubles);
        self.mixed.add(outcome.mixed);
        self.knocks += outcome.knocks;
        if let Some(report) = &outcome.load {
            match &mut self.load {
                Some(load) => load.add(report),
                none => *none = Some(LoadTally::of(report)),
            }
        }
    }

    /// One mesh more.
    pub fn add_mesh(&mut self, outcome: &MeshOutcome) {
        self.lasted += outcome.lasted;
        self.hash = self.hash.rotate_left(1) ^ outcome.hash;
        *self.meshes.entry(outcome.topology).or_default() += 1;
        add_counts(&mut self.happened, &outcome.happened);
    }

    /// One town more.
    pub fn add_town(&mut self, outcome: &TownOutcome) {
        self.lasted += outcome.lasted;
        self.hash = self.hash.rotate_left(1) ^ outcome.hash;
        self.towns += 1;
        add_pairs(&mut self.people, &outcome.people);
        add_counts(&mut self.lies, &outcome.lies);
        add_counts(&mut self.chances, &outcome.happened);
    }
}

impl LoadTally {
    fn of(report: &Report) -> Self {
        Self {
            runs: 1,
            total: report.total(),
            latency: report.latency.clone(),
            lateness: report.lateness.clone(),
            never_sent: report.never_sent,
        }
    }

    fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.total.add(&report.total());
        // all count up to the same longest with the same digits
        let _ = self.latency.add(&report.latency);
        let _ = self.lateness.add(&report.lateness);
        self.never_sent += report.never_sent;
    }
}

fn add_counts<K: Copy + Ord>(sums: &mut BTreeMap<K, u64>, counts: &BTreeMap<K, u64>) {
    counts.iter().for_each(|(name, count)| *sums.entry(*name).or_default() += count);
}

fn add_pairs<K: Copy + Ord>(sums: &mut BTreeMap<K, (u64, u64)>, pairs: &BTreeMap<K, (u64, u64)>) {
    for (name, (came, moves)) in pairs {
        let sum = sums.entry(*name).or_default();
        *sum = (sum.0 + came, sum.1 + moves);
    }
}
