//! What all plots have in common: two panels under a line of words, and colours for light and dark pages. Knows no
//! run.

use std::io;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Failure;

/// Pixels.
const SIZE: (u32, u32) = (960, 440);
/// Room for the line above the panels, pixels.
const HEADING: u32 = 44;

/// Colours on a light page; on a dark one `DARK` puts others in their place.
pub const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Words and axes.
pub const INK: RGBColor = RGBColor(31, 35, 40);
/// Lines behind the curves.
pub const GRID: RGBColor = RGBColor(216, 222, 228);
/// Of latency.
pub const BLUE: RGBColor = RGBColor(9, 105, 218);
/// Of deliveries, and what is under way.
pub const GREEN: RGBColor = RGBColor(26, 127, 55);
/// Of the worst.
pub const ORANGE: RGBColor = RGBColor(188, 76, 0);

/// What a viewer that prefers dark pages makes of these colours.
const DARK: [(RGBColor, &str); 6] = [
    (PAPER, "#0d1117"),
    (INK, "#e6edf3"),
    (GRID, "#30363d"),
    (BLUE, "#58a6ff"),
    (GREEN, "#3fb950"),
    (ORANGE, "#f0883e"),
];

/// Where is drawn.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Whether it could be.
pub type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// A picture of two panels.
pub fn svg(
    heading: &str,
    left: impl FnOnce(&Area<'_>) -> Drawn,
    right: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String, Failure> {
    let mut svg = String::new();
    draw(&mut svg, heading, left, right)
        .map_err(|error| Failure::failed(format!("cannot draw the plot: {error}")))?;
    Ok(with_dark_colours(&svg))
}

fn draw(
    svg: &mut String,
    words: &str,
    left: impl FnOnce(&Area<'_>) -> Drawn,
    right: impl FnOnce(&Area<'_>) -> Drawn,
) -> Drawn {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&PAPER)?;
    let (heading, panels) = root.split_vertically(HEADING);
    let style = ("sans-serif", 16).into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Center));
    let middle = (SIZE.0 as i32 / 2, HEADING as i32 / 2 + 4);
    heading.draw(&Text::new(words, middle, style))?;
    let (on_left, on_right) = panels.split_horizontally(SIZE.0 / 2);
    left(&on_left)?;
    right(&on_right)?;
    root.present()
}

/// The name of a panel, at the top of its area.
pub fn caption(area: &Area<'_>, name: &str) -> Drawn {
    let style = ("sans-serif", 15).into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Top));
    area.draw(&Text::new(name, (SIZE.0 as i32 / 4, 10), style))
}

/// A panel, whose area is all its own.
pub fn panel<'a, 'b>(area: &'b Area<'a>) -> ChartBuilder<'b, 'b, SVGBackend<'a>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(12).x_label_area_size(30).y_label_area_size(52);
    builder
}

/// The same with its name.
pub fn panel_called<'a, 'b>(area: &'b Area<'a>, name: &str) -> ChartBuilder<'b, 'b, SVGBackend<'a>> {
    let mut builder = panel(area);
    builder.caption(name, ("sans-serif", 15).into_font().color(&INK));
    builder
}

/// How an axis' figures are written.
pub fn label() -> TextStyle<'static> {
    ("sans-serif", 13).into_font().color(&INK)
}

/// As many digits as a tick needs.
pub fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Attributes of the drawing give way to a style sheet, and that asks what the page looks like.
fn with_dark_colours(svg: &str) -> String {
    let rules = DARK.map(|(RGBColor(r, g, b), dark)| {
        let light = format!("#{r:02X}{g:02X}{b:02X}");
        format!("[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}")
    });
    let style = format!("<style>@media (prefers-color-scheme:dark){{{}}}</style>", rules.concat());
    match svg.split_once('>') {
        Some((opening, rest)) => format!("{opening}>\n{style}{rest}\n"),
        None => svg.to_string(),
    }
}
