//! The comparison for the eye: a bar for each server and column, the best of the others being 1. Knows no run.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::book::Book;
use super::cells::{Column, Measure};
use super::numbers::digits;
use super::paper::{self, Area, BLUE, Drawn, GREEN, GRID, INK, PALE, PAPER, PURPLE, RED, legend, letters};
use super::servers::Kind;
use super::table;

/// Pixels.
const WIDTH: u32 = 960;
/// Where bars begin, and where the longest may end: behind it stands its figure.
const FROM: i32 = 170;
const TO: i32 = 850;
/// Title, conditions and legend.
const HEADING: i32 = 92;
/// Height of a bar, what is left between the bars of two columns, and the line above the first.
const BAR: i32 = 14;
const GAP: i32 = 12;
const SECTION: i32 = 34;
/// The axis' figures.
const BELOW: i32 = 30;
/// Times the best of the others beyond which a bar is cut, and says by itself how long it is.
const LONGEST: f64 = 10.0;

/// The chart, under the line of conditions.
pub fn svg(book: &Book, conditions: &str) -> Result<String, String> {
    let sections = sections(book);
    let height =
        sections.iter().map(|section| SECTION + section.columns.len() as i32 * pitch(book)).sum::<i32>();
    let size = (WIDTH, (HEADING + height + BELOW) as u32);
    paper::svg(size, |area| draw(area, book, &sections, conditions))
}

/// Columns with one explanation.
struct Section {
    caption: &'static str,
    columns: Vec<Column>,
}

fn sections(book: &Book) -> Vec<Section> {
    let (deliveries, rest) = book.columns.iter().partition(|column| column.measure == Measure::PerCpuSecond);
    let sections = [
        Section { caption: "Deliveries per second of the server's CPU", columns: deliveries },
        Section {
            caption: "Latency to 100, and memory of a peer: half as much is twice as good; (tester): \
                      mostly the tester's own, not compared",
            columns: rest,
        },
    ];
    sections.into_iter().filter(|section| !section.columns.is_empty()).collect()
}

/// From a column's bars to the next one's.
fn pitch(book: &Book) -> i32 {
    book.kinds.len() as i32 * BAR + GAP
}

fn colour(kind: Kind) -> RGBColor {
    match kind {
        Kind::Relay => BLUE,
        Kind::Redis => RED,
        Kind::Nats => GREEN,
        Kind::Mosquitto => PURPLE,
    }
}

/// How many times as good as the yardstick.
fn relative(book: &Book, column: &Column, kind: Kind) -> Option<f64> {
    let (own, yardstick) = (book.entry(column, kind).of_server()?, book.yardstick(column)?);
    Some(column.measure.times_as_good(own, yardstick))
}

/// Where the axis ends.
fn longest(book: &Book) -> f64 {
    let all = book.columns.iter().flat_map(|column| book.kinds.iter().map(move |kind| (column, *kind)));
    let longest = all.filter_map(|(column, kind)| relative(book, column, kind)).fold(1.0, f64::max);
    longest.min(LONGEST)
}

fn draw(area: &Area<'_>, book: &Book, sections: &[Section], conditions: &str) -> Drawn {
    let axis = Axis { end: longest(book) };
    draw_heading(area, book, conditions)?;
    let mut top = HEADING;
    for section in sections {
        area.draw(&Text::new(section.caption, (FROM, top + SECTION / 2 + 2), letters(14, INK, HPos::Left)))?;
        let from = top + SECTION;
        top = from + section.columns.len() as i32 * pitch(book);
        axis.draw_grid(area, from - 4, top - GAP + 4)?;
        for (at, column) in (0..).zip(&section.columns) {
            draw_column(area, book, &axis, column, from + at * pitch(book))?;
        }
    }
    axis.draw_figures(area, top)
}

fn draw_heading(area: &Area<'_>, book: &Book, conditions: &str) -> Drawn {
    let others = book.kinds.iter().any(|kind| *kind != Kind::Relay);
    let title = if others {
        "The same work for each server: longer is better, the best of the others is 1"
    } else {
        "peer-relay: no other server is there to compare it with"
    };
    let middle = WIDTH as i32 / 2;
    area.draw(&Text::new(title, (middle, 20), letters(17, INK, HPos::Center)))?;
    area.draw(&Text::new(conditions, (middle, 44), letters(11, PALE, HPos::Center)))?;
    let mut x = FROM;
    for kind in &book.kinds {
        x = legend(area, (x, 72), kind.name(), colour(*kind))?;
    }
    Ok(())
}

fn draw_column(area: &Area<'_>, book: &Book, axis: &Axis, column: &Column, top: i32) -> Drawn {
    let middle = top + (pitch(book) - GAP) / 2;
    area.draw(&Text::new(column.title, (FROM - 12, middle), letters(13, INK, HPos::Right)))?;
    for (at, kind) in (0..).zip(&book.kinds) {
        let (y, entry) = (top + at * BAR, book.entry(column, *kind));
        let length = relative(book, column, *kind).unwrap_or(0.0);
        let end = axis.place(length.min(axis.end));
        if length > 0.0 {
            area.draw(&Rectangle::new([(FROM, y + 1), (end, y + BAR - 1)], colour(*kind).filled()))?;
        }
        let mut text = table::figure(column, &entry);
        if length > axis.end {
            text = format!("{text}, {} ×", digits(length));
        }
        draw_figure(area, &text, (end + 5, y + BAR / 2))?;
    }
    Ok(())
}

/// On a patch of the page's own colour, for no line to run through it.
fn draw_figure(area: &Area<'_>, text: &str, (x, y): (i32, i32)) -> Drawn {
    let width = 6 * text.chars().count() as i32; // a digit is no wider than that
    area.draw(&Rectangle::new([(x - 2, y - 5), (x + width, y + 5)], PAPER.filled()))?;
    area.draw(&Text::new(text, (x, y), letters(11, INK, HPos::Left)))
}

/// Times the best of the others, from 0.
struct Axis {
    end: f64,
}

impl Axis {
    fn place(&self, times: f64) -> i32 {
        FROM + (f64::from(TO - FROM) * times / self.end) as i32
    }

    /// Whole numbers, and halves where there are few.
    fn marks(&self) -> impl Iterator<Item = f64> + '_ {
        let step = if self.end < 3.0 { 0.5 } else { 1.0 };
        (0..).map(move |at| f64::from(at) * step).take_while(|mark| *mark <= self.end + 0.001)
    }

    fn draw_grid(&self, area: &Area<'_>, from: i32, to: i32) -> Drawn {
        for mark in self.marks() {
            let (x, colour) = (self.place(mark), if mark == 1.0 { INK } else { GRID });
            area.draw(&PathElement::new(vec![(x, from), (x, to)], colour))?;
        }
        Ok(())
    }

    fn draw_figures(&self, area: &Area<'_>, top: i32) -> Drawn {
        for mark in self.marks() {
            area.draw(&Text::new(
                format!("{mark}"),
                (self.place(mark), top + 6),
                letters(12, INK, HPos::Center),
            ))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::{CELLS, Figure};
    use super::super::paper::tests::is_well_formed;
    use super::super::tester::Miss;
    use super::*;

    fn ok(value: f64) -> Result<Figure, Miss> {
        Ok(Figure::of_server(value))
    }

    #[test]
    fn a_figure_that_is_the_testers_has_no_bar() {
        let mut book = Book::of(&CELLS[10..11], &[Kind::Relay, Kind::Redis]);
        let column = book.columns[0];
        book.enter(&column, Kind::Relay, Ok(Figure { value: 300.0, testers: 299.0 }));
        book.enter(&column, Kind::Redis, ok(500.0));
        assert_eq!(relative(&book, &column, Kind::Relay), None);
        let svg = svg(&book, "").unwrap();
        assert!(svg.contains("300 µs (tester)") && svg.contains("500 µs\n"), "{svg}");
    }

    #[test]
    fn every_figure_and_every_miss_is_in_the_chart() {
        let mut book = Book::of(&CELLS, &Kind::ALL);
        let column = book.columns[0];
        book.enter(&column, Kind::Relay, ok(2_000_000.0));
        book.enter(&column, Kind::Redis, ok(1_000_000.0));
        book.enter(&column, Kind::Nats, Err(Miss::CutOff));
        let svg = svg(&book, "today, here & now").unwrap();
        assert!(is_well_formed(&svg), "{svg}");
        let columns = book.columns.iter().map(|column| column.title);
        for text in columns.chain(["2.00 M", "1.00 M", "cut off", "here &amp; now", "mosquitto"]) {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
    }

    #[test]
    fn a_bar_that_would_dwarf_the_others_is_cut_and_says_so() {
        let mut book = Book::of(&CELLS[..1], &[Kind::Relay, Kind::Redis]);
        let column = book.columns[0];
        book.enter(&column, Kind::Relay, ok(5_000_000.0));
        book.enter(&column, Kind::Redis, ok(100_000.0));
        let svg = svg(&book, "").unwrap();
        assert!(svg.contains("5.00 M, 50.0 ×"), "{svg}");
        assert_eq!(longest(&book), LONGEST);
    }

    #[test]
    fn alone_the_relay_has_bars_too() {
        let mut book = Book::of(&CELLS[..1], &[Kind::Relay]);
        let column = book.columns[0];
        book.enter(&column, Kind::Relay, ok(5_000_000.0));
        let svg = svg(&book, "").unwrap();
        assert!(is_well_formed(&svg) && svg.contains("5.00 M"), "{svg}");
    }
}
