//! Figures as people read them. Knows no unit but theirs.

use std::time::Duration;

/// Three digits, and what they are thousands of: `1.23 M`, `456 k`, `7.89`.
pub fn short(value: f64) -> String {
    match value {
        999.5e3.. => format!("{} M", digits(value / 1e6)),
        999.5.. => format!("{} k", digits(value / 1e3)),
        _ => digits(value),
    }
}

/// Microseconds: `350 µs`, `1.25 ms`.
pub fn micros(value: f64) -> String {
    match value {
        999_500.0.. => format!("{} s", digits(value / 1e6)),
        999.5.. => format!("{} ms", digits(value / 1e3)),
        _ => format!("{value:.0} µs"),
    }
}

/// Bytes: `405 B`, `12.3 KiB`.
pub fn bytes(value: f64) -> String {
    match value.abs() {
        1_023_488.0.. => format!("{} MiB", digits(value / 1_048_576.0)),
        999.5.. => format!("{} KiB", digits(value / 1024.0)),
        _ => format!("{value:.0} B"),
    }
}

/// Three of them, as far as they say anything.
pub fn digits(value: f64) -> String {
    match value.abs() {
        99.95.. => format!("{value:.0}"),
        9.995.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// As many digits as a mark of an axis needs: `100`, `2.5`.
pub fn mark(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// `1.5 s`.
pub fn seconds(span: Duration) -> String {
    format!("{} s", mark(span.as_secs_f64()))
}

/// In threes: `10,000`.
pub fn grouped(value: u32) -> String {
    let digits = value.to_string();
    let starts = (digits.len() % 3..=digits.len()).step_by(3);
    let mut from = 0;
    let parts: Vec<&str> =
        starts.filter(|&end| end > 0).map(|end| &digits[std::mem::replace(&mut from, end)..end]).collect();
    parts.join(",")
}

/// The one in the middle, or the mean of the two that are.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        for (value, text) in [
            (0.0, "0.00"),
            (1.234, "1.23"),
            (99.96, "100"),
            (999.4, "999"),
            (999.6, "1.00 k"),
            (45_678.0, "45.7 k"),
            (999_600.0, "1.00 M"),
            (1_234_567.0, "1.23 M"),
        ] {
            assert_eq!(short(value), text, "{value}");
        }
        assert_eq!([350.4, 1_250.0, 2e6].map(micros), ["350 µs", "1.25 ms", "2.00 s"]);
        assert_eq!([405.2, 12_600.0, 3e6].map(bytes), ["405 B", "12.3 KiB", "2.86 MiB"]);
    }

    #[test]
    fn marks_have_no_digits_to_spare() {
        assert_eq!([0.0, 2.5, 100.0, 0.25].map(mark), ["0", "2.5", "100", "0.25"]);
        assert_eq!(seconds(Duration::from_millis(1500)), "1.5 s");
    }

    #[test]
    fn large_numbers_are_grouped_in_threes() {
        assert_eq!(
            [7, 10, 100, 1_000, 10_000, 100_000, 1_000_000].map(grouped),
            ["7", "10", "100", "1,000", "10,000", "100,000", "1,000,000"]
        );
    }

    #[test]
    fn the_median_is_in_the_middle_however_they_came() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[9.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
