//! What is compared: the cells, what is read from each, and how that is written. Knows no server.

use super::numbers;

/// One kind of work, the same for all servers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// What `CELLS` calls it.
    pub name: &'static str,
    /// Who gets each message.
    pub receivers: u32,
    pub senders: u32,
    /// Bytes of a message.
    pub size: u32,
    pub pace: Pace,
    pub columns: &'static [Column],
}

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// With so many messages under way.
    Window(u32),
    /// So many messages a second.
    Rate(u32),
    /// One message a second, in a run just long enough to see everybody be there.
    Idle,
}

/// A figure of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    pub title: &'static str,
    pub measure: Measure,
}

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Deliveries per second of the server's CPU.
    PerCpuSecond,
    /// Microseconds that half of the deliveries take at most.
    P50,
    /// Microseconds that 99 % of the deliveries take at most.
    P99,
    /// Bytes by which a peer makes the server grow.
    PeerBytes,
}

/// What a run says in a column, or several do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    pub value: f64,
    /// What the tester itself has added to it, in the same unit.
    pub testers: f64,
}

impl Figure {
    /// To which the tester adds nothing.
    pub fn of_server(value: f64) -> Self {
        Self { value, testers: 0.0 }
    }

    /// Whether it says more of the tester than of the server: then it is compared with nothing.
    pub fn is_testers(self) -> bool {
        self.testers > self.value / 2.0
    }
}

impl Measure {
    /// As it stands in a table.
    pub fn text(self, figure: Figure) -> String {
        let value = figure.value;
        let text = match self {
            Self::PerCpuSecond => numbers::short(value),
            Self::P50 | Self::P99 => numbers::micros(value),
            Self::PeerBytes => numbers::bytes(value),
        };
        if figure.is_testers() { format!("{text} (tester)") } else { text }
    }

    /// How many times as good one is as the other: above 1, it is better. Less than one of its unit is not measured,
    /// and nothing is no divisor.
    pub fn times_as_good(self, one: f64, other: f64) -> f64 {
        let (better, than) = match self {
            Self::PerCpuSecond => (one, other),
            Self::P50 | Self::P99 | Self::PeerBytes => (other, one),
        };
        better.max(1.0) / than.max(1.0)
    }
}

/// All of them, in the order of the table.
pub const CELLS: [Cell; 13] = [
    fan_out("to-10", 10, 250, 64, &[throughput("250 B to 10")]),
    fan_out("to-100", 100, 250, 64, &[throughput("250 B to 100")]),
    fan_out("to-1000", 1_000, 250, 64, &[throughput("250 B to 1,000")]),
    // larger windows are more than queues hold when the tester has to wait for a CPU
    fan_out("to-10000", 10_000, 250, 16, &[throughput("250 B to 10,000")]),
    fan_out("32B", 100, 32, 64, &[throughput("32 B to 100")]),
    fan_out("1KiB", 100, 1 << 10, 64, &[throughput("1 KiB to 100")]),
    fan_out("16KiB", 100, 16 << 10, 16, &[throughput("16 KiB to 100")]),
    fan_out("256KiB", 100, 256 << 10, 4, &[throughput("256 KiB to 100")]),
    fan_out("one-by-one", 100, 250, 1, &[throughput("one by one, to 100")]),
    Cell { senders: 100, ..fan_out("chat", 100, 250, 100, &[throughput("chat, 100 to 100")]) },
    at_rate("rate-1000", 1_000, &[p50("p50 at 1,000/s"), p99("p99 at 1,000/s")]),
    at_rate("rate-5000", 5_000, &[p50("p50 at 5,000/s"), p99("p99 at 5,000/s")]),
    Cell { pace: Pace::Idle, ..fan_out("idle", 10_000, 32, 1, &[PEER_BYTES]) },
];

const PEER_BYTES: Column = Column { title: "an idle peer", measure: Measure::PeerBytes };

const fn fan_out(
    name: &'static str,
    receivers: u32,
    size: u32,
    window: u32,
    columns: &'static [Column],
) -> Cell {
    Cell { name, receivers, senders: 1, size, pace: Pace::Window(window), columns }
}

const fn at_rate(name: &'static str, rate: u32, columns: &'static [Column]) -> Cell {
    Cell { name, receivers: 100, senders: 1, size: 250, pace: Pace::Rate(rate), columns }
}

const fn throughput(title: &'static str) -> Column {
    Column { title, measure: Measure::PerCpuSecond }
}

const fn p50(title: &'static str) -> Column {
    Column { title, measure: Measure::P50 }
}

const fn p99(title: &'static str) -> Column {
    Column { title, measure: Measure::P99 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_good_is_twice_as_many_or_half_as_long() {
        assert_eq!(Measure::PerCpuSecond.times_as_good(200.0, 100.0), 2.0);
        for measure in [Measure::P50, Measure::P99, Measure::PeerBytes] {
            assert_eq!(measure.times_as_good(100.0, 200.0), 2.0);
        }
        assert_eq!(Measure::PeerBytes.times_as_good(0.0, 200.0), 200.0);
    }

    #[test]
    fn a_figure_of_which_more_than_half_is_the_testers_is_marked() {
        for (testers, text) in [(0.0, "800 µs"), (400.0, "800 µs"), (401.0, "800 µs (tester)")] {
            assert_eq!(Measure::P99.text(Figure { value: 800.0, testers }), text);
        }
    }

    #[test]
    fn no_two_cells_and_no_two_columns_have_one_name() {
        let columns = CELLS.iter().flat_map(|cell| cell.columns).map(|column| column.title);
        let mut names: Vec<&str> = CELLS.iter().map(|cell| cell.name).chain(columns).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
