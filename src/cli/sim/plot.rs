//! What came of a world, for the eye: how long deliveries took, and how much was under way, over its own time.

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::options::Plan;
use super::summary;
use crate::cli::Failure;
use crate::cli::plotting::{self, Area, BLUE, Drawn, GREEN, GRID, INK, ORANGE, PAPER, label, number, panel};
use crate::sim::{Outcome, Stretch};

/// Room above a panel for its name and what its colours mean, pixels.
const NAMES: u32 = 46;
/// Where a colour's name stands, and how far the next one is from it, pixels.
const NAME_AT: (i32, i32) = (66, 34);
/// How long a stretch is drawn at least, seconds: in less nobody may have looked at the queues.
const STRETCH_LEAST: f64 = 0.25;
/// Bytes up to which an axis goes at least: nothing is to look like nothing.
const BYTES_LEAST: f64 = 100.0;
/// Latencies so many times apart are drawn by their digits.
const WIDE: f64 = 30.0;

/// A curve: its name, its colour, and what is known of it.
struct Curve {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// The plot.
pub fn svg(plan: &Plan, outcome: &Outcome) -> Result<String, Failure> {
    let time = TimeAxis::of(outcome);
    plotting::svg(
        &summary::what(plan, 1),
        |left| draw_latency(outcome, &time, left),
        |right| draw_bytes(outcome, &time, right),
    )
}

/// Virtual time in a unit that suits it.
struct TimeAxis {
    unit: &'static str,
    /// Seconds of a unit.
    second: f64,
    end: f64,
}

impl TimeAxis {
    fn of(outcome: &Outcome) -> Self {
        let span = outcome.lasted.as_secs_f64().max(0.1);
        let (unit, second) = match span {
            0.0..300.0 => ("s", 1.0),
            300.0..20_000.0 => ("min", 60.0),
            _ => ("h", 3600.0),
        };
        Self { unit, second, end: span / second }
    }

    /// A figure of each stretch that has one, in the middle of its time.
    fn points(&self, outcome: &Outcome, figure: impl Fn(&Stretch) -> Option<f64>) -> Vec<(f64, f64)> {
        let (stretches, span) = outcome.figures.over_time();
        let several = (STRETCH_LEAST / span.as_secs_f64()).ceil().max(1.0) as usize;
        let width = span.as_secs_f64() * several as f64 / self.second;
        let largest = |few: &[Stretch]| few.iter().filter_map(&figure).reduce(f64::max);
        let figures = (0_u32..).zip(stretches.chunks(several));
        let points = figures.filter_map(|(nth, few)| Some(((f64::from(nth) + 0.5) * width, largest(few)?)));
        let points: Vec<(f64, f64)> = points.filter(|(x, _)| *x <= self.end).collect();
        match points[..] {
            [only] => vec![(0.0, only.1), (self.end, only.1)], // a single figure, and yet a line
            _ => points,
        }
    }
}

fn draw_latency(outcome: &Outcome, time: &TimeAxis, area: &Area<'_>) -> Drawn {
    let came = |stretch: &Stretch| !stretch.latency.is_empty();
    let median = |stretch: &Stretch| came(stretch).then(|| stretch.latency.value_at_quantile(0.5) as f64);
    let longest = |stretch: &Stretch| came(stretch).then(|| stretch.latency.max() as f64);
    let mut curves = [
        Curve { name: "longest", colour: ORANGE, points: time.points(outcome, longest) },
        Curve { name: "median", colour: BLUE, points: time.points(outcome, median) },
    ];
    let most = highest(&curves);
    let (unit, factor) = if most < 5e6 { ("ms", 1e3) } else { ("s", 1e6) };
    scale(&mut curves, factor);
    let (most, least) = (highest(&curves), lowest(&curves));
    let name = format!("Delivery latency ({unit}) over virtual time ({})", time.unit);
    if most > least * WIDE {
        let (from, to) = (least / 1.5, most * 1.5);
        draw_panel(area, &name, time, (from..to).log_scale(), &marks(from, to), &curves)
    } else {
        draw_panel(area, &name, time, 0.0..most * 1.1, &[], &curves)
    }
}

fn draw_bytes(outcome: &Outcome, time: &TimeAxis, area: &Area<'_>) -> Drawn {
    let under_way = |stretch: &Stretch| Some(stretch.under_way as f64);
    let queued = |stretch: &Stretch| Some(stretch.queued as f64);
    let mut curves = [
        Curve { name: "under way", colour: GREEN, points: time.points(outcome, under_way) },
        Curve { name: "queued in the relay", colour: ORANGE, points: time.points(outcome, queued) },
    ];
    let most = highest(&curves).max(BYTES_LEAST);
    let (unit, factor) = match most {
        0.0..10_000.0 => ("bytes", 1.0),
        10_000.0..10_000_000.0 => ("KiB", 1024.0),
        _ => ("MiB", 1024.0 * 1024.0),
    };
    scale(&mut curves, factor);
    let name = format!("Queue depth ({unit}, all receivers) over virtual time ({})", time.unit);
    draw_panel(area, &name, time, 0.0..most / factor * 1.1, &[], &curves)
}

/// With marks of its own, or, where there are none, as many as suit the axis.
fn draw_panel<Y>(area: &Area<'_>, name: &str, time: &TimeAxis, y: Y, marks: &[f64], curves: &[Curve]) -> Drawn
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let (names, below) = area.split_vertically(NAMES);
    draw_names(&names, name, curves)?;
    let mut chart = panel(&below).build_cartesian_2d(0.0..time.end, y)?;
    let mut mesh = chart.configure_mesh();
    mesh.axis_style(INK).bold_line_style(GRID).light_line_style(PAPER.mix(0.0));
    mesh.x_label_style(label()).y_label_style(label()).x_labels(6);
    mesh.y_labels(if marks.is_empty() { 8 } else { 0 });
    // an axis of digits has a label even where none is wanted
    let y_text = |y: &f64| if marks.is_empty() { number(*y) } else { String::new() };
    mesh.x_label_formatter(&|x| number(*x)).y_label_formatter(&y_text).draw()?;
    for &mark in marks {
        chart.draw_series([PathElement::new(vec![(0.0, mark), (time.end, mark)], GRID)])?;
        let (at, base) = (chart.backend_coord(&(0.0, mark)), below.get_base_pixel());
        let style = label().pos(Pos::new(HPos::Right, VPos::Center));
        below.draw(&Text::new(number(mark), (at.0 - base.0 - 9, at.1 - base.1), style))?;
    }
    for curve in curves {
        chart.draw_series(LineSeries::new(curve.points.iter().copied(), curve.colour.stroke_width(2)))?;
    }
    Ok(())
}

/// Where an axis of digits is marked: 1, 2, 5, 10, 20 and so on.
fn marks(from: f64, to: f64) -> Vec<f64> {
    let decades = from.log10().floor() as i32..=to.log10().ceil() as i32;
    let digits: &[f64] = if decades.clone().count() > 4 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let of = |decade| digits.iter().map(move |digit| digit * 10_f64.powi(decade));
    decades.flat_map(of).filter(|mark| (from..to).contains(mark)).collect()
}

/// The panel's name and, below it, what its colours mean.
fn draw_names(area: &Area<'_>, name: &str, curves: &[Curve]) -> Drawn {
    plotting::caption(area, name)?;
    let (mut x, y) = NAME_AT;
    for curve in curves {
        area.draw(&PathElement::new(vec![(x, y), (x + 18, y)], curve.colour.stroke_width(3)))?;
        area.draw(&Text::new(curve.name, (x + 24, y - 7), label()))?;
        x += 24 + 8 * curve.name.len() as i32 + 20; // a letter is narrower than that
    }
    Ok(())
}

fn scale(curves: &mut [Curve], factor: f64) {
    curves.iter_mut().flat_map(|curve| &mut curve.points).for_each(|point| point.1 /= factor);
}

fn highest(curves: &[Curve]) -> f64 {
    curves.iter().flat_map(|curve| &curve.points).map(|point| point.1).fold(0.001, f64::max)
}

/// Of those that are not nothing.
fn lowest(curves: &[Curve]) -> f64 {
    let figures = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1);
    figures.filter(|figure| *figure > 0.0).fold(highest(curves), f64::min)
}
