//! Figures as tables in Markdown. Knows no run.

use super::book::{Book, Entry};
use super::cells::Column;
use super::numbers::digits;

/// What stands where nothing is known.
const NOTHING: &str = "–";
/// What the figures are.
const CAPTION: &str = "Deliveries per second of the server's CPU; p50 and p99 of the time from when a message was due \
                       until it was delivered to each of 100; memory by which each of 10,000 idle peers makes a server grow. \
                       Where it says (tester), the tester itself sent so late that this is more than half of the figure, \
                       and the row is left without a ratio. The last column says how many times as good peer-relay is as the \
                       best of the others: above 1 it is better.";
/// What the last column is.
const RATIO: &str = "peer-relay / best of the others";

/// A table; the first column is to the left, figures are to the right.
pub fn markdown(header: &[String], rows: &[Vec<String>]) -> String {
    let rule: Vec<String> = (0..header.len()).map(|at| if at == 0 { "---" } else { "---:" }.into()).collect();
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rows = rows.iter().map(|row| line(row));
    [line(header), line(&rule).replace(' ', "")].into_iter().chain(rows).collect()
}

/// The table of a comparison: a row for each figure, whatever its unit, and a column for each server.
pub fn of_book(book: &Book) -> String {
    let ratios: Vec<Option<f64>> = book.columns.iter().map(|column| book.times_as_good(column)).collect();
    let is_compared = ratios.iter().any(Option::is_some);
    let names = book.kinds.iter().map(|kind| kind.name().to_string());
    let last = is_compared.then(|| RATIO.to_string());
    let header: Vec<String> = [String::new()].into_iter().chain(names).chain(last).collect();
    let row = |(column, ratio): (&Column, &Option<f64>)| {
        let figures = book.kinds.iter().map(|kind| figure(column, &book.entry(column, *kind)));
        let last = is_compared.then(|| ratio.map_or(NOTHING.into(), |ratio| format!("{} ×", digits(ratio))));
        [column.title.to_string()].into_iter().chain(figures).chain(last).collect()
    };
    let rows: Vec<Vec<String>> = book.columns.iter().zip(&ratios).map(row).collect();
    format!("{CAPTION}\n\n{}", markdown(&header, &rows))
}

/// The median; and what went wrong, if anything did.
pub fn figure(column: &Column, entry: &Entry) -> String {
    let median = entry.median.map(|median| column.measure.text(median));
    match (median, entry.missed) {
        (Some(median), None) => median,
        (Some(median), Some((miss, count))) => format!("{median} ({count} of {} {miss})", entry.runs),
        (None, Some((miss, _))) => miss.to_string(),
        (None, None) => NOTHING.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::{CELLS, Figure};
    use super::super::servers::Kind;
    use super::super::tester::Miss;
    use super::*;

    #[test]
    fn every_figure_has_a_row_and_every_server_a_column() {
        let mut book = Book::of(&[CELLS[0], CELLS[12]], &[Kind::Relay, Kind::Redis, Kind::Nats]);
        let (speed, memory) = (book.columns[0], book.columns[1]);
        let ok = |value| Ok(Figure::of_server(value));
        book.enter(&speed, Kind::Relay, ok(2_400_000.0));
        book.enter(&speed, Kind::Redis, ok(800_000.0));
        book.enter(&speed, Kind::Redis, Err(Miss::CutOff));
        book.enter(&speed, Kind::Nats, Err(Miss::CutOff));
        book.enter(&memory, Kind::Relay, ok(500.0));
        book.enter(&memory, Kind::Redis, ok(20_480.0));
        let text = of_book(&book);
        assert_eq!(
            text.split_once("\n\n").unwrap().1,
            "|  | peer-relay | redis | nats | peer-relay / best of the others |\n\
             |---|---:|---:|---:|---:|\n\
             | 250 B to 10 | 2.40 M | 800 k (1 of 2 cut off) | cut off | 3.00 × |\n\
             | an idle peer | 500 B | 20.0 KiB | – | 41.0 × |\n"
        );
    }

    #[test]
    fn what_is_the_testers_is_said_so_and_makes_no_ratio() {
        let mut book = Book::of(&CELLS[10..11], &[Kind::Relay, Kind::Redis]);
        let (half, most) = (book.columns[0], book.columns[1]);
        for (kind, factor) in [(Kind::Relay, 1.0), (Kind::Redis, 2.0)] {
            book.enter(&half, kind, Ok(Figure { value: 300.0 * factor, testers: 100.0 }));
            book.enter(&most, kind, Ok(Figure { value: 8_000.0 * factor, testers: 8_000.0 }));
        }
        let text = of_book(&book);
        assert!(
            text.ends_with(
                "| p50 at 1,000/s | 300 µs | 600 µs | 2.00 × |\n\
                 | p99 at 1,000/s | 8.00 ms (tester) | 16.0 ms | – |\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("Where it says (tester), ") && text.contains("above 1 it is better."),
            "{text}"
        );
    }

    #[test]
    fn alone_the_relay_is_compared_with_nobody() {
        let mut book = Book::of(&CELLS[..1], &[Kind::Relay]);
        let column = book.columns[0];
        book.enter(&column, Kind::Relay, Ok(Figure::of_server(1000.0)));
        let text = of_book(&book);
        assert!(text.ends_with("|  | peer-relay |\n|---|---:|\n| 250 B to 10 | 1.00 k |\n"), "{text}");
    }
}
