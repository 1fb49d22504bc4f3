//! Cost and memory for the eye, over the number of peers. Knows no run.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::numbers::{grouped, mark};
use super::paper::{self, Area, BLUE, Drawn, GREEN, GRID, INK, PALE, PURPLE, legend, letters};
use super::scale::Point;

/// Pixels.
const SIZE: (u32, u32) = (960, 460);
/// Title and conditions.
const HEADING: u32 = 60;
/// Name and legend of a panel.
const NAMES: u32 = 56;

/// Up to where an axis goes at least: nothing is to look like nothing.
const LEAST: f64 = 1.0;

/// A curve: its name, its colour, and what it shows of a point.
struct Curve {
    name: &'static str,
    colour: RGBColor,
    figure: fn(&Point) -> Option<f64>,
}

const COST: [Curve; 3] = [
    Curve { name: "all", colour: BLUE, figure: |point| point.cost },
    Curve { name: "the kernel's part", colour: PURPLE, figure: |point| point.kernel_cost() },
    Curve { name: "our part", colour: GREEN, figure: |point| point.own_cost() },
];
const MEMORY: [Curve; 1] = [Curve { name: "of the relay's own", colour: BLUE, figure: |point| point.memory }];

/// The picture, under the line of conditions.
pub fn svg(points: &[Point], conditions: &str) -> Result<String, String> {
    paper::svg(SIZE, |area| draw(area, points, conditions))
}

fn draw(area: &Area<'_>, points: &[Point], conditions: &str) -> Drawn {
    let (heading, panels) = area.split_vertically(HEADING);
    let middle = SIZE.0 as i32 / 2;
    let title = "What a delivery and an idle peer cost the relay, over the number of peers";
    heading.draw(&Text::new(title, (middle, 20), letters(17, INK, HPos::Center)))?;
    heading.draw(&Text::new(conditions, (middle, 44), letters(11, PALE, HPos::Center)))?;
    let (left, right) = panels.split_horizontally(SIZE.0 / 2);
    draw_panel(&left, "CPU time of a delivery of 250 B, microseconds", &COST, points)?;
    draw_panel(&right, "Memory of an idle peer, bytes", &MEMORY, points)
}

fn draw_panel(area: &Area<'_>, name: &str, curves: &[Curve], points: &[Point]) -> Drawn {
    let (names, below) = area.split_vertically(NAMES);
    names.draw(&Text::new(name, (SIZE.0 as i32 / 4, 14), letters(14, INK, HPos::Center)))?;
    let mut x = 64;
    for curve in curves {
        x = legend(&names, (x, 42), curve.name, curve.colour)?;
    }
    draw_curves(&below, curves, points)
}

fn draw_curves(area: &DrawingArea<SVGBackend<'_>, Shift>, curves: &[Curve], points: &[Point]) -> Drawn {
    let peers = points.iter().map(|point| f64::from(point.peers));
    let (first, last) = (peers.clone().fold(f64::MAX, f64::min), peers.fold(1.0, f64::max));
    let top =
        curves.iter().flat_map(|curve| points.iter().filter_map(curve.figure)).fold(LEAST, f64::max) * 1.15;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(28)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d((first / 1.2..last * 1.2).log_scale(), 0.0..top)?;
    let style = || ("sans-serif", 12).into_font().color(&INK);
    chart
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .disable_x_mesh()
        .x_labels(0)
        .x_label_formatter(&|_| String::new()) // an axis of digits has a label even where none is wanted
        .y_labels(8)
        .y_label_style(style())
        .y_label_formatter(&|y| mark(*y))
        .draw()?;
    let mut taken = i32::MIN;
    for point in points {
        let at = f64::from(point.peers);
        chart.draw_series([PathElement::new(vec![(at, 0.0), (at, top)], GRID)])?;
        let (place, base) = (chart.backend_coord(&(at, 0.0)), area.get_base_pixel());
        let (x, text) = (place.0 - base.0, grouped(point.peers));
        // one that would run into the one before stands below it
        let half = 4 * text.len() as i32;
        let lower = if x - half < taken { 14 } else { 0 };
        taken = x + half;
        area.draw(&Text::new(text, (x, place.1 - base.1 + 14 + lower), letters(12, INK, HPos::Center)))?;
    }
    for curve in curves {
        let known = points.iter().filter_map(|point| Some((f64::from(point.peers), (curve.figure)(point)?)));
        let known: Vec<(f64, f64)> = known.collect();
        chart.draw_series(LineSeries::new(known.iter().copied(), curve.colour.stroke_width(2)))?;
        chart.draw_series(known.iter().map(|at| Circle::new(*at, 3, curve.colour.filled())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::paper::tests::is_well_formed;
    use super::super::shares::Ticks;
    use super::*;

    #[test]
    fn all_numbers_of_peers_are_marked_and_unknown_figures_left_out() {
        let points = [
            Point { peers: 10, cost: Some(1.5), ticks: Ticks { own: 10, kernel: 90 }, memory: None },
            Point { peers: 10_000, cost: Some(2.5), ticks: Ticks::default(), memory: Some(405.0) },
        ];
        let svg = svg(&points, "here & now").unwrap();
        assert!(is_well_formed(&svg), "{svg}");
        for text in ["10,000", "here &amp; now", "the kernel's part", "Memory of an idle peer"] {
            assert!(
                svg.contains(text) || svg.contains(&text.replace('\'', "&apos;")),
                "{text} is not in {svg}"
            );
        }
    }

    #[test]
    fn a_single_point_is_a_picture_too() {
        let point =
            Point { peers: 10, cost: Some(1.5), ticks: Ticks { own: 10, kernel: 90 }, memory: Some(0.0) };
        let unknown = Point { cost: None, memory: None, ..point };
        assert!([point, unknown].iter().all(|point| is_well_formed(&svg(&[*point], "").unwrap())));
    }
}
