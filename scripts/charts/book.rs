//! What came of all runs: figures of each column and server, their medians, and who is best. Knows no run.

use std::collections::BTreeMap;

use super::cells::{Cell, Column, Figure};
use super::numbers::median;
use super::servers::Kind;
use super::tester::Miss;

/// All figures.
#[derive(Debug, Default)]
pub struct Book {
    entries: BTreeMap<(&'static str, Kind), Vec<Result<Figure, Miss>>>,
    pub columns: Vec<Column>,
    pub kinds: Vec<Kind>,
}

/// What is known of a column and a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Of the runs that went well.
    pub median: Option<Figure>,
    /// Why others did not: the first reason, and how many.
    pub missed: Option<(Miss, usize)>,
    pub runs: usize,
}

impl Entry {
    /// What may be compared with others: the server's own figure.
    pub fn of_server(&self) -> Option<f64> {
        self.median.filter(|median| !median.is_testers()).map(|median| median.value)
    }
}

impl Book {
    /// Of these cells and servers; nothing is known yet.
    pub fn of(cells: &[Cell], kinds: &[Kind]) -> Self {
        let columns = cells.iter().flat_map(|cell| cell.columns).copied().collect();
        Self { entries: BTreeMap::new(), columns, kinds: kinds.to_vec() }
    }

    /// One more run.
    pub fn enter(&mut self, column: &Column, kind: Kind, figure: Result<Figure, Miss>) {
        self.entries.entry((column.title, kind)).or_default().push(figure);
    }

    pub fn entry(&self, column: &Column, kind: Kind) -> Entry {
        let runs: &[Result<Figure, Miss>] =
            self.entries.get(&(column.title, kind)).map_or(&[], |runs| runs.as_slice());
        let good: Vec<Figure> = runs.iter().filter_map(|run| run.as_ref().ok()).copied().collect();
        let of = |part: fn(&Figure) -> f64| median(&good.iter().map(part).collect::<Vec<f64>>());
        let median = of(|figure| figure.value).zip(of(|figure| figure.testers));
        let missed =
            runs.iter().find_map(|run| run.as_ref().err()).map(|miss| (*miss, runs.len() - good.len()));
        Entry { median: median.map(|(value, testers)| Figure { value, testers }), missed, runs: runs.len() }
    }

    /// Of the others; where there are none, or none of them has a figure, the relay's own.
    pub fn yardstick(&self, column: &Column) -> Option<f64> {
        self.best_of_others(column).or_else(|| self.entry(column, Kind::Relay).of_server())
    }

    /// How many times as good as the best of the others the relay is.
    pub fn times_as_good(&self, column: &Column) -> Option<f64> {
        let ours = self.entry(column, Kind::Relay).of_server()?;
        self.best_of_others(column).map(|best| column.measure.times_as_good(ours, best))
    }

    fn best_of_others(&self, column: &Column) -> Option<f64> {
        let others = self.kinds.iter().filter(|kind| **kind != Kind::Relay);
        let mut medians = others.clone().filter_map(|kind| self.entry(column, *kind).median);
        if medians.any(Figure::is_testers) {
            return None; // without the tester that one might be the best
        }
        let figures = others.filter_map(|kind| self.entry(column, *kind).of_server());
        figures.reduce(|best, next| if column.measure.times_as_good(next, best) > 1.0 { next } else { best })
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::CELLS;
    use super::*;

    const KINDS: [Kind; 3] = [Kind::Relay, Kind::Redis, Kind::Nats];

    fn book(cell: usize, figures: &[(Kind, Result<Figure, Miss>)]) -> (Book, Column) {
        let mut book = Book::of(&CELLS[cell..=cell], &KINDS);
        let column = book.columns[0];
        figures.iter().for_each(|(kind, figure)| book.enter(&column, *kind, *figure));
        (book, column)
    }

    fn ok(value: f64) -> Result<Figure, Miss> {
        Ok(Figure::of_server(value))
    }

    #[test]
    fn what_is_the_testers_is_compared_with_nothing() {
        let late = |value| Ok(Figure { value, testers: value });
        let (book, column) =
            book(10, &[(Kind::Relay, ok(300.0)), (Kind::Redis, late(100.0)), (Kind::Nats, ok(150.0))]);
        assert_eq!(
            (book.yardstick(&column), book.times_as_good(&column)),
            (Some(300.0), None),
            "redis may be the best"
        );
        let (book, column) = self::book(10, &[(Kind::Relay, late(300.0)), (Kind::Nats, ok(150.0))]);
        assert_eq!(book.times_as_good(&column), None);
        // one late run of three is not the cell's
        let runs = [(Kind::Relay, late(300.0)), (Kind::Relay, ok(200.0)), (Kind::Relay, ok(100.0))];
        let (book, column) = self::book(10, &runs);
        assert_eq!(book.entry(&column, Kind::Relay).of_server(), Some(200.0));
    }

    #[test]
    fn the_relay_is_measured_by_the_best_of_the_others() {
        let figures = [(Kind::Relay, ok(300.0)), (Kind::Redis, ok(100.0)), (Kind::Nats, ok(150.0))];
        let (throughput, column) = book(0, &figures);
        assert_eq!(
            (throughput.yardstick(&column), throughput.times_as_good(&column)),
            (Some(150.0), Some(2.0))
        );
        let (latency, column) = book(10, &figures);
        assert_eq!(
            (latency.yardstick(&column), latency.times_as_good(&column)),
            (Some(100.0), Some(1.0 / 3.0))
        );
    }

    #[test]
    fn a_run_that_failed_leaves_the_figures_of_the_others() {
        let figures = [
            (Kind::Redis, ok(1.0)),
            (Kind::Redis, Err(Miss::CutOff)),
            (Kind::Redis, ok(3.0)),
            (Kind::Nats, Err(Miss::NoRun)),
        ];
        let (book, column) = book(0, &figures);
        let redis = Entry { median: ok(2.0).ok(), missed: Some((Miss::CutOff, 1)), runs: 3 };
        assert_eq!(book.entry(&column, Kind::Redis), redis);
        let nats = Entry { median: None, missed: Some((Miss::NoRun, 1)), runs: 1 };
        assert_eq!(book.entry(&column, Kind::Nats), nats);
        assert_eq!(book.yardstick(&column), Some(2.0));
        assert_eq!(book.times_as_good(&column), None);
    }

    #[test]
    fn alone_the_relay_is_its_own_yardstick() {
        let (book, column) = book(0, &[(Kind::Relay, ok(5.0))]);
        assert_eq!((book.yardstick(&column), book.times_as_good(&column)), (Some(5.0), None));
    }
}
