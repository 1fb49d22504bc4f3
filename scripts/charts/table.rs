//! Figures as tables in Markdown. Knows no run.

use super::book::{Book, Entry};
use super::cells::{Column, Measure};
use super::numbers::digits;
use super::servers::Kind;

/// What stands where nothing is known.
const NOTHING: &str = "–";

/// A table; the first column is to the left, figures are to the right.
pub fn markdown(header: &[String], rows: &[Vec<String>]) -> String {
    let rule: Vec<String> = (0..header.len()).map(|at| if at == 0 { "---" } else { "---:" }.into()).collect();
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rows = rows.iter().map(|row| line(row));
    [line(header), line(&rule).replace(' ', "")].into_iter().chain(rows).collect()
}

/// The tables of a comparison: one of deliveries, one of the rest, whichever there are.
pub fn of_book(book: &Book) -> String {
    let (deliveries, rest): (Vec<Column>, Vec<Column>) =
        book.columns.iter().partition(|column| column.measure == Measure::PerCpuSecond);
    let captions = [
        (deliveries, "Deliveries per second of the server's CPU:"),
        (rest, "Latency of a delivery to 100, from the time its message was due, and memory of a peer:"),
    ];
    let tables = captions.iter().filter(|(columns, _)| !columns.is_empty());
    let tables: Vec<String> =
        tables.map(|(columns, caption)| format!("{caption}\n\n{}", of_columns(book, columns))).collect();
    tables.join("\n")
}

fn of_columns(book: &Book, columns: &[Column]) -> String {
    let titles = columns.iter().map(|column| column.title.to_string());
    let header: Vec<String> = [String::new()].into_iter().chain(titles).collect();
    let of_kind = |kind: Kind| {
        let figures = columns.iter().map(|column| figure(column, &book.entry(column, kind)));
        [kind.name().to_string()].into_iter().chain(figures).collect()
    };
    let mut rows: Vec<Vec<String>> = book.kinds.iter().map(|kind| of_kind(*kind)).collect();
    let ratios: Vec<Option<f64>> = columns.iter().map(|column| book.times_as_good(column)).collect();
    if ratios.iter().any(Option::is_some) {
        let ratios =
            ratios.iter().map(|ratio| ratio.map_or(NOTHING.into(), |ratio| format!("{} ×", digits(ratio))));
        let name = "peer-relay against the best of the others".to_string();
        rows.push([name].into_iter().chain(ratios).collect());
    }
    markdown(&header, &rows)
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
    use super::super::cells::CELLS;
    use super::super::tester::Miss;
    use super::*;

    #[test]
    fn deliveries_and_the_rest_have_a_table_each() {
        let mut book = Book::of(&[CELLS[0], CELLS[12]], &[Kind::Relay, Kind::Redis, Kind::Nats]);
        let (speed, memory) = (book.columns[0], book.columns[1]);
        book.enter(&speed, Kind::Relay, Ok(2_400_000.0));
        book.enter(&speed, Kind::Redis, Ok(800_000.0));
        book.enter(&speed, Kind::Redis, Err(Miss::CutOff));
        book.enter(&speed, Kind::Nats, Err(Miss::CutOff));
        book.enter(&memory, Kind::Relay, Ok(500.0));
        book.enter(&memory, Kind::Redis, Ok(20_480.0));
        let text = of_book(&book);
        assert_eq!(
            text,
            "Deliveries per second of the server's CPU:\n\n\
             |  | 250 B to 10 |\n\
             |---|---:|\n\
             | peer-relay | 2.40 M |\n\
             | redis | 800 k (1 of 2 cut off) |\n\
             | nats | cut off |\n\
             | peer-relay against the best of the others | 3.00 × |\n\n\
             Latency of a delivery to 100, from the time its message was due, and memory of a peer:\n\n\
             |  | an idle peer |\n\
             |---|---:|\n\
             | peer-relay | 500 B |\n\
             | redis | 20.0 KiB |\n\
             | nats | – |\n\
             | peer-relay against the best of the others | 41.0 × |\n"
        );
    }

    #[test]
    fn alone_the_relay_is_compared_with_nobody() {
        let mut book = Book::of(&CELLS[..1], &[Kind::Relay]);
        let column = book.columns[0];
        book.enter(&column, Kind::Relay, Ok(1000.0));
        assert!(of_book(&book).ends_with("| peer-relay | 1.00 k |\n"), "{}", of_book(&book));
    }
}
