//! What came of a run, for the eye: latency by percentile, and deliveries over time. SVG that a light and a dark
//! page can both show.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::summary;
use crate::cli::Failure;
use crate::load::{Pace, Report};

/// Pixels.
const SIZE: (u32, u32) = (960, 440);
/// Room for the line above the panels, pixels.
const HEADING: u32 = 44;

/// Colours on a light page; on a dark one `DARK` puts others in their place.
const PAPER: RGBColor = RGBColor(255, 255, 255);
const INK: RGBColor = RGBColor(31, 35, 40);
const GRID: RGBColor = RGBColor(216, 222, 228);
const LATENCY: RGBColor = RGBColor(9, 105, 218);
const RATE: RGBColor = RGBColor(26, 127, 55);

/// What a viewer that prefers dark pages makes of these colours.
const DARK: [(RGBColor, &str); 5] =
    [(PAPER, "#0d1117"), (INK, "#e6edf3"), (GRID, "#30363d"), (LATENCY, "#58a6ff"), (RATE, "#3fb950")];

/// Percentiles with a mark of their own, and how far right they stand: each nine as far from the one before.
const MARKS: [(f64, &str); 6] =
    [(0.0, "0"), (50.0, "50 %"), (90.0, "90 %"), (99.0, "99 %"), (99.9, "99.9 %"), (99.99, "99.99 %")];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// The plot.
pub fn svg(report: &Report) -> Result<String, Failure> {
    let mut svg = String::new();
    draw(report, &mut svg).map_err(|error| Failure::failed(format!("cannot draw the plot: {error}")))?;
    Ok(with_dark_colours(&svg))
}

fn draw<'a>(report: &Report, svg: &'a mut String) -> Drawn<'a> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&PAPER)?;
    let (heading, panels) = root.split_vertically(HEADING);
    let style = ("sans-serif", 16).into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Center));
    let middle = (SIZE.0 as i32 / 2, HEADING as i32 / 2 + 4);
    heading.draw(&Text::new(what(report), middle, style))?;
    let (left, right) = panels.split_horizontally(SIZE.0 / 2);
    draw_latency(report, &left)?;
    draw_rate(report, &right)?;
    root.present()
}

/// The run in one line.
fn what(report: &Report) -> String {
    let plan = summary::plan(&report.plan);
    let without_seed = plan.rsplit_once(", seed").map_or(plan.as_str(), |(front, _)| front);
    without_seed.to_string()
}

fn draw_latency<'a>(report: &Report, area: &Area<'a>) -> Drawn<'a> {
    let histogram = &report.latency;
    // as far right as there are deliveries to tell a percentile from the largest of all
    let nines = (histogram.len().max(10) as f64).log10().clamp(1.0, 4.0);
    let steps = 400;
    let points: Vec<(f64, f64)> = (0..=steps)
        .map(|step| {
            let x = nines * f64::from(step) / f64::from(steps);
            let percentile = 100.0 * (1.0 - 10_f64.powf(-x));
            (x, histogram.value_at_percentile(percentile) as f64 / 1000.0)
        })
        .collect();
    let top = points.iter().map(|point| point.1).fold(0.001, f64::max) * 1.1;
    let name = match report.plan.pace {
        Pace::Rate(_) | Pace::Every(_) => "Latency (ms) by percentile, from due to delivered",
        Pace::Window(_) => "Latency (ms) by percentile, from sent to delivered (closed loop)",
    };
    let mut chart = panel(area, name).build_cartesian_2d(0.0..nines, 0.0..top)?;
    let marks = MARKS.into_iter().map(|(percentile, name)| (place_of(percentile), name));
    let marks: Vec<(f64, &str)> = marks.filter(|(x, _)| *x <= nines + 0.01).collect();
    chart
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(PAPER.mix(0.0))
        .disable_x_mesh()
        .x_labels(0)
        .y_labels(8)
        .y_label_style(label())
        .y_label_formatter(&|y| number(*y))
        .draw()?;
    for (x, name) in marks {
        let style = label().pos(Pos::new(HPos::Center, VPos::Top));
        chart.draw_series([PathElement::new(vec![(x, 0.0), (x, top)], GRID)])?;
        let at = chart.backend_coord(&(x, 0.0));
        let (dx, dy) = area.get_base_pixel();
        area.draw(&Text::new(name, (at.0 - dx, at.1 - dy + 8), style))?;
    }
    chart.draw_series(LineSeries::new(points, LATENCY.stroke_width(2)))?;
    Ok(())
}

fn place_of(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).log10()
}

fn draw_rate<'a>(report: &Report, area: &Area<'a>) -> Drawn<'a> {
    let stretch = report.stretch.as_secs_f64();
    let span = report.measured.as_secs_f64().max(stretch);
    let whole = (report.measured.as_nanos() / report.stretch.as_nanos().max(1)) as usize;
    let mut counts = report.over_time.clone();
    counts.resize(whole.max(1), 0); // a stretch in which nothing came is a figure too; one cut short is none
    let per_second = |count: &u64| *count as f64 / stretch;
    let (factor, unit) = match counts.iter().map(per_second).fold(0.0, f64::max) {
        0.0..1e4 => (1.0, ""),
        1e4..1e6 => (1e3, " (thousands)"),
        _ => (1e6, " (millions)"),
    };
    let mut points: Vec<(f64, f64)> = (0..)
        .zip(&counts)
        .map(|(at, count)| ((f64::from(at) + 0.5) * stretch, per_second(count) / factor))
        .collect();
    if let [only] = points[..] {
        points = vec![(0.0, only.1), (span, only.1)]; // a single figure, and yet a line
    }
    let top = points.iter().map(|point| point.1).fold(0.001, f64::max) * 1.1;
    let mut chart = panel(area, &format!("Deliveries per second{unit} over time (s)"))
        .build_cartesian_2d(0.0..span, 0.0..top)?;
    chart
        .configure_mesh()
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(PAPER.mix(0.0))
        .x_label_style(label())
        .y_label_style(label())
        .x_labels(6)
        .y_labels(8)
        .x_label_formatter(&|x| number(*x))
        .y_label_formatter(&|y| number(*y))
        .draw()?;
    chart.draw_series(LineSeries::new(points, RATE.stroke_width(2)))?;
    Ok(())
}

fn panel<'a, 'b>(area: &'b Area<'a>, name: &str) -> ChartBuilder<'b, 'b, SVGBackend<'a>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(12).x_label_area_size(30).y_label_area_size(52);
    builder.caption(name, ("sans-serif", 15).into_font().color(&INK));
    builder
}

fn label() -> TextStyle<'static> {
    ("sans-serif", 13).into_font().color(&INK)
}

/// As many digits as a tick needs.
fn number(value: f64) -> String {
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
