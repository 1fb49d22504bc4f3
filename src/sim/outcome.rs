//! What is told of a world when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use super::broken::Broken;
use super::faults::Fault;
use super::figures::Figures;
use super::judge::Mixed;
use super::link::Troubles;
use super::roles::Role;
use crate::load::Report;
use crate::time::Instant;

/// A world that is over.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which one.
    pub seed: u64,
    /// The promise that was not kept, and when; then everything else is as far as it came.
    pub broken: Option<(Instant, Broken)>,
    /// How long it lasted, in its own time.
    pub lasted: Duration,
    /// Deliveries, their latencies, queues.
    pub figures: Figures,
    /// Connections let in.
    pub accepted: u64,
    /// Connections ended, by the reason's name.
    pub closed: BTreeMap<&'static str, u64>,
    /// Connections not begun, by the refusal's name.
    pub refused: BTreeMap<&'static str, u64>,
    /// Bans spoken.
    pub bans: u64,
    /// How often each fault has struck.
    pub faults: BTreeMap<Fault, u64>,
    /// How many of each role were there, and how often they did something.
    pub roles: BTreeMap<Role, (u64, u64)>,
    /// What befell the ways.
    pub troubles: Troubles,
    /// What happened between those who speak frames and those who speak lines.
    pub mixed: Mixed,
    /// Connections that nobody took up.
    pub knocks: u64,
    /// What the load tester says, where it was there; as far as it came, should the world have been left early.
    pub load: Option<Report>,
    /// What tells this run from every other; the same for two runs of a seed.
    pub hash: u64,
}
