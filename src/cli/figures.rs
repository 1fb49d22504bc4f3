//! Figures as lines for a person: latencies, counts, accounts, rows. Knows no run.

use hdrhistogram::Histogram;

use super::units::{Size, grouped};
use crate::load::Account;

/// Percentiles that are told, and their names.
pub const PERCENTILES: [(f64, &str); 4] = [(50.0, "p50"), (90.0, "p90"), (99.0, "p99"), (99.9, "p99.9")];

/// What is said where there is no figure.
pub const NOTHING: &str = "nothing was measured";

/// Where what is told of a row begins.
const COLUMN: usize = 14;
/// Characters of a line, where a row is a list.
const WIDTH: usize = 110;

/// A line of a summary.
pub fn row(text: &mut String, name: &str, what: &str) {
    text.push_str(&format!("{name:width$}  {what}\n", width = COLUMN - 2));
}

/// A row of many things, on as many lines as they take.
pub fn list(text: &mut String, name: &str, things: &[String]) {
    let mut name = name;
    let mut line = String::new();
    for (nth, thing) in things.iter().enumerate() {
        let comma = if nth + 1 < things.len() { ", " } else { "" };
        if !line.is_empty() && COLUMN + line.len() + thing.len() + 1 > WIDTH {
            row(text, name, line.trim_end());
            (name, line) = ("", String::new());
        }
        line += thing;
        line += comma;
    }
    row(text, name, if things.is_empty() { "none" } else { &line });
}

/// A latency in the unit that suits it: `350 us`, `1.25 ms`, `2.10 s`.
pub fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..1_000_000 => format!("{:.2} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}

/// Latencies, microseconds, by their percentiles.
pub fn percentiles(histogram: &Histogram<u64>) -> String {
    if histogram.is_empty() {
        return NOTHING.into();
    }
    let mut parts: Vec<String> = (PERCENTILES.iter())
        .map(|(percentile, name)| format!("{name} {}", duration(histogram.value_at_percentile(*percentile))))
        .collect();
    parts.push(format!("max {}", duration(histogram.max())));
    parts.join("  ")
}

/// So many of something: `1 peer`, `2 peers`.
pub fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(count))
}

/// The bytes of a payload, with a unit.
pub fn bytes(count: u32) -> String {
    let size = Size(count.into()).to_string();
    if size.ends_with(|last: char| last.is_ascii_digit()) { size + " B" } else { size }
}

/// What was due and what came.
pub fn deliveries(total: &Account) -> String {
    let counts = &total.counts;
    format!(
        "{} due, {} came, {} missing, {} wrong, {} out of order, {} twice",
        grouped(total.due),
        grouped(counts.came),
        grouped(total.missing),
        grouped(counts.wrong),
        grouped(counts.out_of_order),
        grouped(counts.twice)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_below_where_it_began() {
        let mut text = String::new();
        let things: Vec<String> = (0..30).map(|nth| format!("thing {nth}")).collect();
        list(&mut text, "things", &things);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() > 1 && lines.iter().all(|line| line.len() <= WIDTH), "{text}");
        assert!(lines[0].starts_with("things        thing 0, ") && lines[0].ends_with(','), "{text}");
        assert!(lines[1].starts_with("              thing "), "{text}");
        assert_eq!(text.matches("thing ").count(), 30);
        assert!(text.ends_with("thing 29\n"), "{text}");
    }

    #[test]
    fn a_list_of_nothing_says_so() {
        let mut text = String::new();
        list(&mut text, "bans", &[]);
        assert_eq!(text, "bans          none\n");
    }
}
