//! What came of all runs: figures of each column and server, their medians, and who is best. Knows no run.

use std::collections::BTreeMap;

use super::cells::{Cell, Column};
use super::numbers::median;
use super::servers::Kind;
use super::tester::Miss;

/// All figures.
#[derive(Debug, Default)]
pub struct Book {
    entries: BTreeMap<(&'static str, Kind), Vec<Result<f64, Miss>>>,
    pub columns: Vec<Column>,
    pub kinds: Vec<Kind>,
}

/// What is known of a column and a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Of the runs that went well.
    pub median: Option<f64>,
    /// Why others did not: the first reason, and how many.
    pub missed: Option<(Miss, usize)>,
    pub runs: usize,
}

impl Book {
    /// Of these cells and servers; nothing is known yet.
    pub fn of(cells: &[Cell], kinds: &[Kind]) -> Self {
        let columns = cells.iter().flat_map(|cell| cell.columns).copied().collect();
        Self { entries: BTreeMap::new(), columns, kinds: kinds.to_vec() }
    }

    /// One more run.
    pub fn enter(&mut self, column: &Column, kind: Kind, figure: Result<f64, Miss>) {
        self.entries.entry((column.title, kind)).or_default().push(figure);
    }

    pub fn entry(&self, column: &Column, kind: Kind) -> Entry {
        let runs: &[Result<f64, Miss>] =
            self.entries.get(&(column.title, kind)).map_or(&[], |runs| runs.as_slice());
        let good: Vec<f64> = runs.iter().filter_map(|run| run.as_ref().ok()).copied().collect();
        let missed =
            runs.iter().find_map(|run| run.as_ref().err()).map(|miss| (*miss, runs.len() - good.len()));
        Entry { median: median(&good), missed, runs: runs.len() }
    }

    /// Of the others; where there are none, or none of them has a figure, the relay's own.
    pub fn yardstick(&self, column: &Column) -> Option<f64> {
        self.best_of_others(column).or_else(|| self.entry(column, Kind::Relay).median)
    }

    /// How many times as good as the best of the others the relay is.
    pub fn times_as_good(&self, column: &Column) -> Option<f64> {
        let ours = self.entry(column, Kind::Relay).median?;
        self.best_of_others(column).map(|best| column.measure.times_as_good(ours, best))
    }

    fn best_of_others(&self, column: &Column) -> Option<f64> {
        let others = self.kinds.iter().filter(|kind| **kind != Kind::Relay);
        let medians = others.filter_map(|kind| self.entry(column, *kind).median);
        medians.reduce(|best, next| if column.measure.times_as_good(next, best) > 1.0 { next } else { best })
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::CELLS;
    use super::*;

    const KINDS: [Kind; 3] = [Kind::Relay, Kind::Redis, Kind::Nats];

    fn book(cell: usize, figures: &[(Kind, Result<f64, Miss>)]) -> (Book, Column) {
        let mut book = Book::of(&CELLS[cell..=cell], &KINDS);
        let column = book.columns[0];
        figures.iter().for_each(|(kind, figure)| book.enter(&column, *kind, *figure));
        (book, column)
    }

    #[test]
    fn the_relay_is_measured_by_the_best_of_the_others() {
        let figures = [(Kind::Relay, Ok(300.0)), (Kind::Redis, Ok(100.0)), (Kind::Nats, Ok(150.0))];
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
            (Kind::Redis, Ok(1.0)),
            (Kind::Redis, Err(Miss::CutOff)),
            (Kind::Redis, Ok(3.0)),
            (Kind::Nats, Err(Miss::NoRun)),
        ];
        let (book, column) = book(0, &figures);
        let redis = Entry { median: Some(2.0), missed: Some((Miss::CutOff, 1)), runs: 3 };
        assert_eq!(book.entry(&column, Kind::Redis), redis);
        let nats = Entry { median: None, missed: Some((Miss::NoRun, 1)), runs: 1 };
        assert_eq!(book.entry(&column, Kind::Nats), nats);
        assert_eq!(book.yardstick(&column), Some(2.0));
        assert_eq!(book.times_as_good(&column), None);
    }

    #[test]
    fn alone_the_relay_is_its_own_yardstick() {
        let (book, column) = book(0, &[(Kind::Relay, Ok(5.0))]);
        assert_eq!((book.yardstick(&column), book.times_as_good(&column)), (Some(5.0), None));
    }
}
