//! What came of a run, for the eye: latency by percentile, and deliveries over time. SVG that a light and a dark
//! page can both show.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::summary;
use crate::cli::Failure;
use crate::cli::plotting::{self, Area, BLUE, Drawn, GREEN, GRID, INK, PAPER, label, number, panel_called};
use crate::load::{Pace, Report};

/// Percentiles with a mark of their own, and how far right they stand: each nine as far from the one before.
const MARKS: [(f64, &str); 6] =
    [(0.0, "0"), (50.0, "50 %"), (90.0, "90 %"), (99.0, "99 %"), (99.9, "99.9 %"), (99.99, "99.99 %")];

/// The plot.
pub fn svg(report: &Report) -> Result<String, Failure> {
    plotting::svg(&what(report), |left| draw_latency(report, left), |right| draw_rate(report, right))
}

/// The run in one line.
fn what(report: &Report) -> String {
    let plan = summary::plan(&report.plan);
    let without_seed = plan.rsplit_once(", seed").map_or(plan.as_str(), |(front, _)| front);
    without_seed.to_string()
}

fn draw_latency(report: &Report, area: &Area<'_>) -> Drawn {
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
    let mut chart = panel_called(area, name).build_cartesian_2d(0.0..nines, 0.0..top)?;
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
    chart.draw_series(LineSeries::new(points, BLUE.stroke_width(2)))?;
    Ok(())
}

fn place_of(percentile: f64) -> f64 {
    -(1.0 - percentile / 100.0).log10()
}

fn draw_rate(report: &Report, area: &Area<'_>) -> Drawn {
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
    let mut chart = panel_called(area, &format!("Deliveries per second{unit} over time (s)"))
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
    chart.draw_series(LineSeries::new(points, GREEN.stroke_width(2)))?;
    Ok(())
}
